"""Minimum Bayes risk: the candidate that is most like all the others, not the likeliest one.

Each candidate's expected utility is its mean sentence-level BLEU or chrF with every candidate as
the reference, itself included, weighted by how probable that is (Kumar & Byrne 2004). Over samples
from a model all weights are alike: how often something was drawn is its probability (Eikema & Aziz
2020). Over an n-best list they are the candidates' probabilities among themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nmt.metrics import Array, Metric


def ranked(
    texts: Sequence[str], log_probabilities: Sequence[float] | None, metric: Metric
) -> list[tuple[int, float]]:
    """Numbers of the candidates with their expected utilities, best first; of those that read alike
    only the first.

    Args:
        log_probabilities: of an n-best list's candidates; None: they are samples.
    """
    alike = np.full(len(texts), 1 / len(texts))
    weights = alike if log_probabilities is None else probabilities(log_probabilities)
    expected = expected_utilities(texts, weights, metric)
    first = {text: number for number, text in reversed(list(enumerate(texts)))}
    return sorted(
        ((number, float(expected[number])) for number in first.values()),
        key=lambda each: (-each[1], each[0]),
    )


def probabilities(log_probabilities: Sequence[float]) -> Array:
    """Of the candidates of an n-best list among themselves."""
    logs = np.asarray(log_probabilities, np.float64)
    weights = np.exp(logs - logs.max())
    shares: Array = weights / weights.sum()
    return shares


def expected_utilities(texts: Sequence[str], weights: Array, metric: Metric) -> Array:
    """What each of K candidates is expected to score, 0 to 100: [K].

    Args:
        weights: of each as a reference; they add up to 1.
    """
    unique = list(dict.fromkeys(texts))
    rows = [unique.index(text) for text in texts]
    shares = np.bincount(rows, weights)
    expected: Array = (metric.score(metric.counts(unique, unique)) @ shares)[rows]
    return expected
