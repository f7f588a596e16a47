"""BLEU and chrF as sums of counts, for choosing among many candidates; what is reported to people
comes from sacreBLEU itself (nmt.scoring).

The numbers are sacreBLEU's. It compares two sentences at a time, which is slow where every
candidate of a line is compared with every other. A clipped match of n-grams is a number of common
occurrences, when the second occurrence of an n-gram counts as another than the first; so all
matches of all pairs are one product of 0/1 matrices.

    H hypotheses, R references, L lines, N longest n-gram
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt.choices import MetricName

Array = NDArray[np.float64]


class Metric(ABC):
    """n-grams counted in the hypothesis, in the reference, and in both.

    Counts are [..., 3, N] in that order. Those of several pairs may be added: the score of the sum
    is the score of the corpus, as sacreBLEU has it.
    """

    order: int  # N

    @abstractmethod
    def units(self, text: str) -> Sequence[str]:
        """What n-grams are made of; its slices must be hashable."""

    @abstractmethod
    def score(self, counts: Array) -> Array:
        """From counts [..., 3, N] to scores [...], 0 to 100."""

    def corpus_score(self, counts: Array) -> float:
        """From the counts of L lines [L, 3, N] to the score of all of them together."""
        return float(self.score(counts.sum(axis=0)))

    def counts(self, hypotheses: Sequence[str], references: Sequence[str]) -> Array:
        """Every hypothesis against every reference: [H, R, 3, N]."""
        texts = list(dict.fromkeys([*hypotheses, *references]))
        rows = {text: row for row, text in enumerate(texts)}
        ours, theirs = ([rows[text] for text in part] for part in (hypotheses, references))
        units = [self.units(text) for text in texts]
        found = np.zeros((len(ours), len(theirs), 3, self.order))
        for size in range(1, self.order + 1):
            present = _present(units, size)
            totals = present.sum(axis=1)
            found[..., 0, size - 1] = totals[ours][:, None]
            found[..., 1, size - 1] = totals[theirs]
            found[..., 2, size - 1] = present[ours] @ present[theirs].T
        return found


def _present(texts: Sequence[Sequence[str]], size: int) -> NDArray[np.float32]:
    """Which n-gram occurs in which text, and which for the second time, …: 0 or 1."""
    columns: dict[Any, int] = {}
    marked = [
        [columns.setdefault(each, len(columns)) for each in _occurrences(units, size)]
        for units in texts
    ]
    present = np.zeros((len(texts), len(columns)), np.float32)  # its products are exact to 2^24
    for row, marks in enumerate(marked):
        present[row, marks] = 1.0
    return present


def _occurrences(units: Sequence[str], size: int) -> Iterator[tuple[Any, int]]:
    seen = Counter[Any]()
    for start in range(len(units) - size + 1):
        gram = units[start : start + size]
        yield gram, seen[gram]
        seen[gram] += 1


class ChrF(Metric):
    """chrF2 (Popović 2015): character n-grams without white space, recall weighted twice."""

    order = 6

    def units(self, text: str) -> str:
        return "".join(text.split())

    def score(self, counts: Array) -> Array:
        ours, theirs, both = np.moveaxis(counts, -2, 0)
        used = (ours > 0) & (theirs > 0)
        orders = np.maximum(used.sum(axis=-1), 1)
        precision, recall = (
            np.where(used, both / np.maximum(total, 1), 0).sum(axis=-1) / orders
            for total in (ours, theirs)
        )
        below = 4 * precision + recall
        score: Array = 100 * 5 * precision * recall / np.where(below > 0, below, 1)
        return score

    def counts(self, hypotheses: Sequence[str], references: Sequence[str]) -> Array:
        found = super().counts(hypotheses, references)
        # As sacreBLEU adds up a corpus: an order that a reference is too short for counts nothing.
        found[..., 0, :] *= found[..., 1, :] > 0
        return found


class Bleu(Metric):
    """BLEU (Papineni et al. 2002) with sacreBLEU's tokens and smoothing; orders that a sentence is
    too short for are left out (its `effective_order`, for sentences)."""

    order = 4

    def units(self, text: str) -> tuple[str, ...]:
        return tuple(_tokenizer()(text.rstrip()).split())

    def score(self, counts: Array) -> Array:
        ours, theirs, both = np.moveaxis(counts, -2, 0)
        missing = (both == 0) & (ours > 0)
        smooth = 2.0 ** missing.cumsum(axis=-1)  # the first order without a match counts as 1/2, …
        precisions = np.where(missing, 1 / smooth, both) / np.maximum(ours, 1)
        used = ours > 0
        logs = np.where(used, np.log(np.where(used, precisions, 1.0)), 0.0)
        mean = logs.sum(axis=-1) / np.maximum(used.sum(axis=-1), 1)
        brevity = np.minimum(0.0, 1 - theirs[..., 0] / np.maximum(ours[..., 0], 1))
        score: Array = np.where(both.any(axis=-1), 100 * np.exp(mean + brevity), 0.0)
        return score


@cache
def _tokenizer() -> Any:
    """sacreBLEU's default, loaded when it is first needed."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()


METRICS: dict[MetricName, Metric] = {"chrf": ChrF(), "bleu": Bleu()}


def paired_bootstrap(
    before: Array, after: Array, metric: Metric, resamplings: int = 1_000
) -> float:
    """Paired bootstrap resampling (Koehn 2004): in what share of the resamplings of L lines the
    counts `after` score better than `before`, both [L, 3, N]."""
    generator, lines = np.random.default_rng(1), len(before)
    better = 0
    for _ in range(resamplings):
        rows: NDArray[np.intp] = generator.integers(lines, size=lines)
        better += metric.corpus_score(after[rows]) > metric.corpus_score(before[rows])
    return better / resamplings
