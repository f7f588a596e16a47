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


def probabilities(log_probabilities: Sequence[float]) -> Array:
    """Of the candidates of an n-best list among themselves."""
    logs = np.asarray(log_probabilities, np.float64)
    chances = np.exp(logs - logs.max())
    shares: Array = chances / chances.sum()
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
