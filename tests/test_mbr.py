"""Minimum Bayes risk, against its definition and sacreBLEU."""

from __future__ import annotations

import pytest
from sacrebleu.metrics.chrf import CHRF

from nmt.mbr import expected_utilities, probabilities, ranked
from nmt.metrics import METRICS, Metric

TEXTS = ["a man walks", "a man is walking", "a woman walks", "a man walks", "zzz"]


def test_expected_utility_is_its_definition() -> None:
    weights = probabilities([-1.0, -2.0, -3.0, -1.5, -0.5])
    found = expected_utilities(TEXTS, weights, METRICS["chrf"])
    for text, expected in zip(TEXTS, found, strict=True):
        scores = [CHRF().sentence_score(text, [other]).score for other in TEXTS]
        assert float(weights @ scores) == pytest.approx(float(expected))


@pytest.mark.parametrize("metric", METRICS.values())
def test_what_is_like_the_others_wins_over_what_is_likely(metric: Metric) -> None:
    for log_probabilities in ([-2.0, -2.1, -2.2, -2.3, -1.9], None):  # None: of samples
        order = ranked(TEXTS, log_probabilities, metric)
        assert [number for number, _ in order][::3] == [0, 4]  # once, though it is there twice
        assert [expected for _, expected in order] == sorted((e for _, e in order), reverse=True)


def test_probabilities_add_up_however_small() -> None:
    assert probabilities([-2000.0, -2000.0]).tolist() == [0.5, 0.5]
    assert probabilities([-5.0]).tolist() == [1.0]
