"""Our counts give sacreBLEU's numbers, sentence by sentence and summed over a corpus."""

from __future__ import annotations

import random

import numpy as np
import pytest
from conftest import WORDS
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt.choices import MetricName
from nmt.metrics import METRICS

SENTENCES = [
    "Zwei junge Männer sind im Freien.",
    "Two young men are outside, near the bushes.",
    "the the the the",
    "a",
    "",
    "  ",
    "一名男子在街上行走。",
    "5,000 people (at least) didn't pay $3.50 & left…",
]


def theirs(name: MetricName, hypothesis: str, reference: str) -> float:
    metric = CHRF() if name == "chrf" else BLEU(effective_order=True)
    return float(metric.sentence_score(hypothesis, [reference]).score)


@pytest.mark.parametrize("name", ["chrf", "bleu"])
def test_every_pair_scores_as_sacrebleu_has_it(name: MetricName) -> None:
    metric = METRICS[name]
    scores = metric.score(metric.counts(SENTENCES, SENTENCES[::-1]))
    expected = [[theirs(name, h, r) for r in SENTENCES[::-1]] for h in SENTENCES]
    np.testing.assert_allclose(scores, expected, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.text("ab cd.é,1", max_size=24), st.text("ab cd.é,1", max_size=24))
def test_any_pair_scores_as_sacrebleu_has_it(hypothesis: str, reference: str) -> None:
    for name, metric in METRICS.items():
        score = float(metric.score(metric.counts([hypothesis], [reference]))[0, 0])
        assert score == pytest.approx(theirs(name, hypothesis, reference), abs=1e-9)


@pytest.mark.parametrize("name", ["chrf", "bleu"])
def test_summed_counts_give_the_score_of_the_corpus(name: MetricName) -> None:
    generator = random.Random(1)
    hypotheses, references = (
        [" ".join(generator.choices(WORDS, k=generator.randint(0, 9))) for _ in range(60)]
        for _ in range(2)
    )
    metric = METRICS[name]
    pairs = zip(hypotheses, references, strict=True)
    counts = sum(metric.counts([h], [r])[0, 0] for h, r in pairs)
    whole = (CHRF() if name == "chrf" else BLEU()).corpus_score(hypotheses, [references])
    assert float(metric.score(np.asarray(counts))) == pytest.approx(whole.score, abs=1e-9)
