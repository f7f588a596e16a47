"""What runs are and how they differ, told from their folders alone: no weights are loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nmt.checkpoint import Run, read_config, read_header
from nmt.choices import Task
from nmt.config import flat
from nmt.curves import Column, Curves
from nmt.judgement import METRICS
from nmt.manifest import Manifest
from nmt.scoreboard import stored

_MILLION_BYTES = 1_000_000
_TASKS: dict[Task, str] = {"translation": "translation", "lm": "language model"}
_SECTIONS = ("model", "data", "training", "scores", "settings")

Facts = Mapping[str, Mapping[str, Any]]
"""By section, then by name."""


def describe(path: Path) -> dict[str, dict[str, Any]]:
    """Facts by section: model, data, scores, settings.

    Raises:
        RunError: the folder is no run, or something in it cannot be read.
    """
    run = Run(path)
    settings = read_config(run)
    manifest = Manifest.load(path)
    return {
        "model": {"task": _TASKS[manifest.task], **_model(run)},
        "data": _data(manifest),
        "scores": {**_scores(run), **_evaluations(run)},
        "settings": flat(settings),
    }


def _model(run: Run) -> dict[str, Any]:
    if not run.model.is_file():
        return {"state": "no weights yet"}
    return {
        "parameters": read_header(run.model).parameters,
        "megabytes": round(run.model.stat().st_size / _MILLION_BYTES, 1),
    }


def _data(manifest: Manifest) -> dict[str, Any]:
    languages = "-".join(filter(None, manifest.languages or ())) or "unknown"
    left_out = ", ".join(f"{n} {why}" for why, n in manifest.train.left_out.items()) or "none"
    return {
        "languages": languages,
        "corpus": "; ".join(corpus["name"] for corpus in manifest.inputs.values()),
        f"training {manifest.unit}s": manifest.train.kept,
        "left out": left_out,
        f"validation {manifest.unit}s": manifest.valid.kept,
        "subwords": manifest.vocabulary["source"]
        if manifest.settings["joint_vocab"]
        else f"{manifest.vocabulary['source']} and {manifest.vocabulary['target']}",
    }


def _scores(run: Run) -> dict[str, Any]:
    try:
        scores = json.loads(run.scores.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"validation": "none yet"}
    if not isinstance(scores, dict):
        return {"validation": "unreadable"}
    return {
        f"validation {key}" if key in ("bleu", "perplexity") else key: v
        for key, v in scores.items()
        if v is not None
    }


def _evaluations(run: Run) -> dict[str, Any]:
    """What its weights have scored on test sets."""
    found = stored(run) if run.model.is_file() else []
    scores: dict[str, Any] = {}
    for each in found:
        how = f" ({each.how})" if each.how else ""
        known = {METRICS.get(key, key): score.score for key, score in each.scores.items()} | {
            "perplexity": each.perplexity,
            "perplexity per word": each.perplexity_per_word,
        }
        for metric, value in known.items():
            if value is not None:
                scores[f"{each.test_set}{how}, {metric}"] = value
    return scores


def table(runs: Mapping[str, Facts], curves: Mapping[str, Curves]) -> list[tuple[str, ...]]:
    """Rows of section, fact, and a value for each run; of several runs' settings the unequal.

    Args:
        curves: of those runs that have a log.
    """
    told = [{**facts, "training": _training(curves.get(name))} for name, facts in runs.items()]
    rows = []
    for section in _SECTIONS:
        heading = section
        for fact in dict.fromkeys(fact for facts in told for fact in facts[section]):
            values = [_shown(facts[section].get(fact, "")) for facts in told]
            if section == "settings" and len(set(values)) == 1 < len(told):
                continue
            rows.append((heading, fact, *values))
            heading = ""
    return rows


def _training(curves: Curves | None) -> dict[str, Any]:
    """How far a training went, and how fast."""
    if curves is None:
        return {}

    def rounded(values: Column, which: Callable[[Column], float]) -> float | str:
        known = values[np.isfinite(values)]
        return round(which(known)) if len(known) else "unknown"

    training = curves.training
    return {
        "steps": rounded(training["step"], _last),
        "seconds": rounded(training["seconds"], _last),
        "target tokens per second": rounded(training["target_tokens_per_second"], np.median),
        "incidents": len(curves.incidents["step"]),
    }


def _last(values: Column) -> float:
    return float(values[-1])


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
