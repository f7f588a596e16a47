"""Weights that choose well: a known optimum is found, and the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import WORDS

from nmt.metrics import METRICS
from nmt.rerank import Tuned, _crossings, chosen, tuned

LINES, CANDIDATES = 80, 12
WEIGHTS = np.array([1.0, -2.5, 0.4])


def task() -> tuple[np.ndarray, list[list[str]], list[str]]:
    """Candidates of which the one that WEIGHTS prefer is the reference, the others random."""
    generator = np.random.default_rng(3)
    features = generator.normal(size=(LINES, CANDIDATES, 3)) * (1.0, 0.1, 30.0)
    weights = WEIGHTS / (1.0, 0.1, 30.0)
    best = chosen(features, weights)
    candidates = [[" ".join(generator.choice(WORDS, 8)) for _ in range(12)] for _ in range(LINES)]
    references = [each[place] for each, place in zip(candidates, best, strict=True)]
    return features, candidates, references


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_a_known_optimum_is_found(name: str) -> None:
    features, candidates, references = task()
    metric = METRICS[name]  # type: ignore[index]
    found = tuned(features, candidates, references, metric)
    assert found.score > 99
    assert found.weights[0] == 1.0
    best = chosen(features, found.weights)
    right = [each[i] for each, i in zip(candidates, best, strict=True)]
    assert np.mean([r == t for r, t in zip(right, references, strict=True)]) > 0.97
    counts = sum(metric.counts([h], [r])[0, 0] for h, r in zip(right, references, strict=True))
    assert float(metric.score(np.asarray(counts))) == pytest.approx(found.score)


def test_the_same_seed_finds_the_same_weights() -> None:
    first, second = (tuned(*task(), METRICS["bleu"], restarts=2) for _ in range(2))
    assert first.weights.tolist() == second.weights.tolist()
    assert first.score == second.score


def test_never_worse_than_the_first_feature_alone() -> None:
    features, candidates, references = task()
    alone = tuned(features[..., :1], candidates, references, METRICS["bleu"])
    both = tuned(features, candidates, references, METRICS["bleu"], restarts=0)
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
