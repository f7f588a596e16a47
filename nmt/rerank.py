"""Choosing among the candidates of each line by weighted features, and weights that choose well.

The weights are found by minimum error rate training (Och 2003): along a line through the space of
weights, the choice changes only where the lines of two candidates cross, so the best place on it
is found exactly, however rugged the metric is.

    N lines, K candidates, F features
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nmt.metrics import Array, Metric

_LEVEL = 1e-9  # slopes and gains below this are none


@dataclass(frozen=True)
class Candidates:
    """What there is to choose from, in numbers. A line with fewer candidates repeats its first."""

    features: Array  # [N, K, F]
    counts: Array  # [N, K, ...] of a metric, each against its line's reference

    @classmethod
    def of(
        cls,
        features: Sequence[Sequence[Sequence[float]]],
        texts: Sequence[Sequence[str]],
        references: Sequence[str],
        metric: Metric,
    ) -> Candidates:
        """From the features and the texts of each line's candidates."""
        widest = max(map(len, texts))
        filled = [[*range(len(each)), *[0] * (widest - len(each))] for each in texts]
        lines = zip(texts, references, filled, strict=True)
        return cls(
            np.array([[f[n] for n in rows] for f, rows in zip(features, filled, strict=True)]),
            np.stack([metric.counts(each, [right])[rows, 0] for each, right, rows in lines]),
        )

    def best(self, scores: Array) -> Array:
        """The counts of each line's candidate with the highest of these scores [N, K]: [N, ...]."""
        counts: Array = self.counts[np.arange(len(scores)), scores.argmax(axis=1)]
        return counts


@dataclass(frozen=True)
class Tuned:
    """Weights, and what they score."""

    weights: Array  # [F], the first of them 1
    score: float


def tuned(candidates: Candidates, metric: Metric, restarts: int = 8, seed: int = 1) -> Tuned:
    """The weights by whose weighted sums of features the corpus's choices score best.

    Only proportions matter, so the first weight is always 1: let the first feature be the one that
    is never to count against a candidate, its log-probability.

    Args:
        restarts: searches from random weights, beside the one from (1, 0, 0, …).
    """
    spread = candidates.features.std(axis=(0, 1))
    spread = np.where(spread > _LEVEL, spread, 1.0)
    generator, size = np.random.default_rng(seed), len(spread)
    search = _LineSearch(Candidates(candidates.features / spread, candidates.counts), metric)
    best: Tuned | None = None
    for number in range(restarts + 1):
        start = np.eye(size)[0] + (generator.normal(size=size) if number else 0)
        start[0] = 1.0
        found = _climbed(search, start, generator)
        if best is None or found.score > best.score + _LEVEL:
            best = found
    assert best is not None
    weights = best.weights / spread
    return Tuned(weights / weights[0], best.score)


def _climbed(search: _LineSearch, weights: Array, generator: np.random.Generator) -> Tuned:
    """Go along every axis but the first, and as many random directions, until nothing is gained."""
    size, best = len(weights), search.score_of(weights)
    improved = size > 1
    while improved:
        axes, others = np.eye(size)[1:], generator.normal(size=(size - 1, size))
        others[:, 0] = 0.0
        improved = False
        for direction in (*axes, *others):
            step, score = search.best(weights, direction)
            if score > best + _LEVEL:
                weights, best, improved = weights + step * direction, score, True
    return Tuned(weights, best)


@dataclass(frozen=True)
class _LineSearch:
    """Where along weights + step · direction the metric is best."""

    candidates: Candidates
    metric: Metric

    def score_of(self, weights: Array) -> float:
        return self.metric.corpus_score(self.candidates.best(self.candidates.features @ weights))

    def best(self, weights: Array, direction: Array) -> tuple[float, float]:
        """The step and its score: the middle of the widest of the best stretches."""
        features, counts = self.candidates.features, self.candidates.counts
        first, rows, steps, before, after = _crossings(features @ weights, features @ direction)
        if not len(steps):
            return 0.0, self.score_of(weights)
        order = steps.argsort(kind="stable")
        steps = steps[order]
        changes = counts[rows, after][order] - counts[rows, before][order]
        start = counts[np.arange(len(first)), first].sum(axis=0, keepdims=True)
        scores = self.metric.score(np.concatenate((start, start + changes.cumsum(axis=0))))
        ends = np.concatenate(([steps[0] - 2], steps, [steps[-1] + 2]))
        widths = np.diff(ends)
        scores = np.where(widths > _LEVEL, scores, -np.inf)
        place = int(np.where(scores >= scores.max() - _LEVEL, widths, -1.0).argmax())
        return float(ends[place : place + 2].mean()), float(scores[place])


def _crossings(
    heights: Array, slopes: Array
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, NDArray[np.intp], NDArray[np.intp]]:
    """The upper envelope of each row's K lines.

    Returns:
        The first candidate [N], for steps towards −∞; then, for each crossing, its row, its step,
        and the candidates before and after.
    """
    rows = np.arange(len(heights))
    first = np.lexsort((-heights, slopes), axis=1)[:, 0]
    current, found = first, []
    while len(rows):
        rise = slopes[rows] - slopes[rows, current][:, None]
        below = heights[rows, current][:, None] - heights[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.where(rise > _LEVEL, below / rise, np.inf)
        step = steps.min(axis=1)
        following = np.where(steps == step[:, None], slopes[rows], -np.inf).argmax(axis=1)
        going = np.isfinite(step)
        rows, step, before, after = rows[going], step[going], current[going], following[going]
        found.append((rows, step, before, after))
        current = after
    parts = [np.concatenate(part) for part in zip(*found, strict=True)]
    return first, parts[0], parts[1], parts[2], parts[3]
