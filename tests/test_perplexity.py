"""Perplexity equals its definition."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from conftest import toy_pairs

from nmt.batches import grouped
from nmt.checkpoint import load
from nmt.corpus import Pair
from nmt.device import Device
from nmt.perplexity import encode, perplexity
from nmt.subwords import EOS


def test_perplexity_is_its_definition(run: Path, device: Device) -> None:
    trained = load(run, device.torch)
    pairs = [Pair(*pair) for pair in toy_pairs(30, 11)]
    total, tokens = 0.0, 0
    for pair in pairs:
        source = torch.tensor([*trained.vocabulary.source.encode([pair.source])[0], EOS])
        target = trained.vocabulary.target.encode([pair.target])[0]
        with torch.inference_mode():
            logits = trained.model(
                source[None], torch.tensor([len(source)]), torch.tensor([[1, *target]])
            )
        scores = torch.log_softmax(logits[0], -1)
        total -= sum(float(scores[i, token]) for i, token in enumerate([*target, EOS]))
        tokens += len(target) + 1
    ours = perplexity(trained.model, encode(pairs, trained.vocabulary, 100).batches())
    assert ours == pytest.approx(math.exp(total / tokens), rel=1e-4)


def test_perplexity_does_not_depend_on_the_batches(run: Path, device: Device) -> None:
    trained = load(run, device.torch)
    pairs = toy_pairs(50, 12)
    sides = [trained.vocabulary.source.encode([pair[side] for pair in pairs]) for side in (0, 1)]
    small = perplexity(trained.model, grouped(sides[0], sides[1], 30))
    large = perplexity(trained.model, grouped(sides[0], sides[1], 3_000))
    assert small == pytest.approx(large, rel=1e-4)
