"""What a person can choose among, by name: declared once, for options and for what obeys them.

This room imports nothing, so that `nmt --help` and the caller of a warm process stay light.
"""

from __future__ import annotations

from typing import Literal

Task = Literal["translation", "lm"]
"""What a model learns: to translate, or how a language goes on."""
UNITS: dict[Task, str] = {"translation": "pair", "lm": "line"}
"""What it learns from, one after another."""
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["fp32", "bf16", "int8"]
"""Arithmetic of products."""
PrecisionChoice = Literal["auto", "fp32", "bf16", "int8"]
"""The same, or whatever is there (`nmt.inference.precision_for`)."""
Mean = Literal["probabilities", "logits"]
"""What of an ensemble's members is averaged."""
MetricName = Literal["chrf", "bleu"]
Format = Literal["text", "tsv", "jsonl"]
"""How translations are written."""
AlignmentUnit = Literal["none", "words", "subwords"]
"""What alignments are between."""
SignificanceTest = Literal["bs", "ar"]
"""How two systems are compared: paired bootstrap, or approximate randomisation."""
