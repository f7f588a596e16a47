"""Weights that choose well: a known optimum is found, and the same every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import WORDS

from nmt.choices import MetricName
from nmt.metrics import METRICS
from nmt.rerank import Candidates, Tuned, _crossings, tuned

LINES, CANDIDATES = 80, 12
WEIGHTS = np.array([1.0, -2.5, 0.4])


def task(name: MetricName = "bleu") -> tuple[Candidates, list[list[str]], list[str]]:
    """Candidates of which the one that WEIGHTS prefer is the reference, the others random."""
    generator = np.random.default_rng(3)
    features = generator.normal(size=(LINES, CANDIDATES, 3)) * (1.0, 0.1, 30.0)
    best = (features @ (WEIGHTS / (1.0, 0.1, 30.0))).argmax(axis=1)
    texts = [[" ".join(generator.choice(WORDS, 8)) for _ in range(12)] for _ in range(LINES)]
    references = [each[place] for each, place in zip(texts, best, strict=True)]
    return Candidates.of(features.tolist(), texts, references, METRICS[name]), texts, references


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_a_known_optimum_is_found(name: MetricName) -> None:
    candidates, texts, references = task(name)
    metric = METRICS[name]
    found = tuned(candidates, metric)
    assert found.score > 99
    assert found.weights[0] == 1.0
    best = (candidates.features @ found.weights).argmax(axis=1)
    right = [each[i] for each, i in zip(texts, best, strict=True)]
    assert np.mean([r == t for r, t in zip(right, references, strict=True)]) > 0.97
    counts = [metric.counts([h], [r])[0, 0] for h, r in zip(right, references, strict=True)]
    assert metric.corpus_score(np.stack(counts)) == pytest.approx(found.score)


def test_a_line_with_fewer_candidates_is_filled_up() -> None:
    candidates = Candidates.of(
        [[(-1.0,)], [(-2.0,), (-1.0,)]], [["ba"], ["ce", "di"]], ["ba", "di"], METRICS["chrf"]
    )
    assert candidates.features[..., 0].tolist() == [[-1.0, -1.0], [-2.0, -1.0]]
    assert candidates.counts[0, 0].tolist() == candidates.counts[0, 1].tolist()
    assert METRICS["chrf"].corpus_score(candidates.best(candidates.features[..., 0])) == 100


def test_the_same_seed_finds_the_same_weights() -> None:
    first, second = (tuned(task()[0], METRICS["bleu"], restarts=2) for _ in range(2))
    assert first.weights.tolist() == second.weights.tolist()
    assert first.score == second.score


def test_never_worse_than_the_first_feature_alone() -> None:
    candidates, bleu = task()[0], METRICS["bleu"]
    alone = tuned(replace(candidates, features=candidates.features[..., :1]), bleu)
    both = tuned(candidates, bleu, restarts=0)
    assert isinstance(alone, Tuned)
    assert alone.weights.tolist() == [1.0]
    assert both.score >= alone.score


def test_crossings_are_where_the_choice_changes() -> None:
    generator = np.random.default_rng(5)
    heights, slopes = generator.normal(size=(2, 30, 9))
    first, rows, steps, before, after = _crossings(heights, slopes)
    choice = first.copy()
    for place in steps.argsort(kind="stable"):
        row, step = rows[place], steps[place]
        assert choice[row] == before[place]
        choice[row] = after[place]
        assert (heights + (step + 1e-7) * slopes)[row].argmax() == after[place]
        assert (heights + (step - 1e-7) * slopes)[row].argmax() == before[place]
    assert (choice == slopes.argmax(axis=1)).all()
