"""Scores equal the sacrebleu command's; perplexity equals its definition."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import toy_pairs

from nmt.batches import grouped
from nmt.checkpoint import load
from nmt.corpus import Pair
from nmt.device import Device
from nmt.evaluate import bleu, encode, perplexity, score_translations
from nmt.subwords import EOS

REFERENCES = ["The cat sat on the mat .", "It's 20°C, isn't it?", "Größe: 3,5 m", "yes", "", "a  b"]
HYPOTHESES = ["the cat sat on a mat.", "It is 20°C, isn't it?", "Größe 3,5 m", "", "no", "a b "]


def by_command(tmp_path: Path) -> dict[str, dict[str, object]]:
    """What `sacrebleu ref -i hyp -m bleu chrf ter` says."""
    (tmp_path / "ref").write_text("\n".join(REFERENCES) + "\n", encoding="utf-8")
    (tmp_path / "hyp").write_text("\n".join(HYPOTHESES) + "\n", encoding="utf-8")
    files = [str(tmp_path / "ref"), "-i", str(tmp_path / "hyp")]
    command = [sys.executable, "-m", "sacrebleu", *files, "-m", "bleu", "chrf", "ter", "-w", "10"]
    result = subprocess.run(command, capture_output=True, check=True)
    return {score["name"].lower()[:4].rstrip("2"): score for score in json.loads(result.stdout)}


def test_scores_are_the_sacrebleu_commands(tmp_path: Path) -> None:
    theirs = by_command(tmp_path)
    ours = score_translations(HYPOTHESES, REFERENCES)
    for name, score in ours.items():
        assert round(score.score, 10) == theirs[name]["score"], name
        assert score.signature == theirs[name]["signature"]
    assert bleu(HYPOTHESES, REFERENCES) == ours["bleu"].score


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
