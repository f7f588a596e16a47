"""Which beam and which penalties translate a corpus best.

The search is done once for each beam. Length and coverage penalties only rank the hypotheses that
it finished, so all of them are tried on the same candidates without searching again; what is chosen
is what a search with these settings would give. The winner is searched for all the same.

A validation set is a sample, and of many settings one is always ahead by chance. So of all that are
within `MARGIN` of the best the simplest is taken, and it replaces what is stored only if it is
better by more than that, and in `CERTAIN` of all resamplings of the lines (Koehn 2004).

    N lines, K candidates of each, C counts of a metric
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nmt.config import TranslateSettings
from nmt.metrics import Array, Metric
from nmt.search import Hypothesis, SearchOptions
from nmt.translate import Translator

MARGIN = 0.1  # points of BLEU or chrF
CERTAIN = 0.95
_RESAMPLINGS = 1_000
TUNED = ("beam", "length_norm", "length_penalty", "coverage_penalty")
BEAMS = (1, 2, 3, 5, 8, 12)
_LENGTH_PENALTIES: dict[Literal["power", "gnmt"], tuple[float, ...]] = {
    "power": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4),
    "gnmt": (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4),
}
_COVERAGE_PENALTIES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Tried:
    """Settings, and what their translations score."""

    settings: TranslateSettings
    score: float


@dataclass(frozen=True)
class Found:
    """What became of a tuning."""

    stored: Tried
    tried: tuple[Tried, ...]  # in the order of beams
    winner: Tried  # by a search of its own
    share: float  # of the resamplings in which it is better than what is stored

    @property
    def gain(self) -> float:
        return self.winner.score - self.stored.score

    @property
    def better(self) -> bool:
        """Whether the winner should replace what is stored."""
        return self.gain > MARGIN and self.share >= CERTAIN

    @property
    def verdict(self) -> str:
        """For people."""
        if self.winner.settings == self.stored.settings:
            return "left as it was: nothing is better"
        gain = (
            f"{self.winner.score:.2f} instead of {self.stored.score:.2f}, "
            f"and better in {self.share:.0%} of {_RESAMPLINGS:,} resamplings"
        )
        return f"stored: {gain}" if self.better else f"left as it was: {gain} may be chance"


@dataclass(frozen=True)
class Candidates:
    """What one search finished, in numbers. A line with fewer candidates repeats its best one."""

    log_probability: Array  # [N, K]
    length: Array  # [N, K] EOS included
    coverage: Array  # [N, K]
    counts: Array  # [N, K, C]

    @classmethod
    def of(
        cls,
        found: Sequence[Sequence[Hypothesis]],
        texts: Callable[[Hypothesis], str],
        references: Sequence[str],
        metric: Metric,
    ) -> Candidates:
        widest = max(map(len, found))
        filled = [[*each, *[each[0]] * (widest - len(each))] for each in found]
        counts = [
            metric.counts([texts(h) for h in each], [reference])[:, 0]
            for each, reference in zip(filled, references, strict=True)
        ]
        return cls(
            np.array([[h.log_probability for h in each] for each in filled]),
            np.array([[len(h.ids) + 1.0 for h in each] for each in filled]),
            np.array([[h.coverage for h in each] for each in filled]),
            np.stack(counts),
        )

    def chosen(self, settings: TranslateSettings) -> Array:
        """The counts of each line's best candidate by these settings: [N, C]."""
        ranks = SearchOptions.of(settings).rank(self.log_probability, self.length, self.coverage)
        best: Array = self.counts[np.arange(len(ranks)), ranks.argmax(axis=1)]
        return best


def tune(
    translator_for: Callable[[TranslateSettings], Translator],
    stored: TranslateSettings,
    sources: Sequence[str],
    references: Sequence[str],
    metric: Metric,
    beams: Iterable[int] = BEAMS,
    report: Callable[[int], None] = lambda beam: None,
) -> Found:
    """Try beams, length and coverage penalties on a corpus.

    Args:
        translator_for: makes one with these settings, whose hypotheses tell their coverage if the
            model has attention.
        stored: what the run has; what is not tuned stays as it is there.
        report: told the beam of each search before it begins.
    """

    def searched(settings: TranslateSettings) -> Candidates:
        report(settings.beam)
        translator = translator_for(settings)
        decode = translator.vocabulary.target.decode
        found = translator.hypotheses(sources)
        return Candidates.of(found, lambda h: decode(h.ids), references, metric)

    widths = sorted({stored.beam, *(beam for beam in beams if beam % stored.groups == 0)})
    by_beam = {beam: searched(replace(stored, beam=beam)) for beam in widths}
    tried = [
        Tried(settings, _score(candidates.chosen(settings), metric))
        for beam, candidates in by_beam.items()
        for settings in _variants(replace(stored, beam=beam), bool(candidates.coverage.any()))
    ]
    winner = simplest(tried, stored).settings
    before = by_beam[stored.beam].chosen(stored)
    after = before if winner == stored else searched(winner).chosen(winner)
    return Found(
        Tried(stored, _score(before, metric)),
        tuple(tried),
        Tried(winner, _score(after, metric)),
        share_of_gains(before, after, metric),
    )


def as_rows(found: Found) -> list[tuple[str, ...]]:
    """The stored settings, the best ones of each beam, and the winner."""
    by_beam: dict[int, Tried] = {}
    for each in found.tried:
        best = by_beam.setdefault(each.settings.beam, each)
        by_beam[each.settings.beam] = max(best, each, key=lambda tried: tried.score)
    named = [("stored", found.stored), *(("tried", each) for each in by_beam.values())]
    return [_row(name, each) for name, each in (*named, ("chosen", found.winner))]


def _row(name: str, tried: Tried) -> tuple[str, ...]:
    settings = tried.settings
    return (
        name,
        f"{settings.beam}",
        settings.length_norm,
        f"{settings.length_penalty:g}",
        f"{settings.coverage_penalty:g}",
        f"{tried.score:.2f}",
    )


def as_record(found: Found, metric: str) -> dict[str, object]:
    """All of it, for programs."""

    def record(tried: Tried) -> dict[str, object]:
        settings = asdict(tried.settings)
        return {**{key: settings[key] for key in TUNED}, metric: tried.score}

    return {
        "stored": record(found.stored),
        "chosen": record(found.winner),
        "gain": found.gain,
        "better_in": found.share,
        "changed": found.better,
        "tried": [record(each) for each in found.tried],
    }


def simplest(tried: Sequence[Tried], stored: TranslateSettings) -> Tried:
    """Of what is within the margin of the best: the smallest beam, then no coverage penalty, then
    what is most like the stored settings."""
    best = max(each.score for each in tried)

    def effort(each: Tried) -> tuple[float, ...]:
        mine = each.settings
        return (
            mine.beam,
            mine.coverage_penalty != 0,
            mine.length_norm != stored.length_norm,
            abs(mine.length_penalty - stored.length_penalty),
            -each.score,
        )

    return min((each for each in tried if each.score >= best - MARGIN), key=effort)


def share_of_gains(before: Array, after: Array, metric: Metric) -> float:
    """How many of the resamplings of N lines score better by the counts `after`: 0 to 1."""
    generator, lines = np.random.default_rng(1), len(before)
    better = 0
    for _ in range(_RESAMPLINGS):
        rows: NDArray[np.intp] = generator.integers(lines, size=lines)
        better += _score(after[rows], metric) > _score(before[rows], metric)
    return better / _RESAMPLINGS


def _score(counts: Array, metric: Metric) -> float:
    return float(metric.score(counts.sum(axis=0)))


def _variants(settings: TranslateSettings, attends: bool) -> list[TranslateSettings]:
    """The same beam with every penalty; greedy search has nothing to rank."""
    if settings.beam == 1:
        return [settings]
    coverage_penalties = _COVERAGE_PENALTIES if attends else (0.0,)
    return [
        replace(settings, length_norm=norm, length_penalty=length, coverage_penalty=coverage)
        for norm, lengths in _LENGTH_PENALTIES.items()
        for length, coverage in product(lengths, coverage_penalties)
    ]
