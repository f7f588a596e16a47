"""Which beam and which weights of its ranking translate a corpus best.

The search is done once for each beam. What a finished hypothesis is ranked by does not bear on the
search itself (`SearchOptions.rank`), so rankings are tried on the same candidates:

    the grid    every combination of length and coverage penalties
    reranking   weights of length and coverage, by minimum error rate training (nmt.rerank)

What is chosen is what a search with these settings would give. The winner is searched for all the
same.

A validation set is a sample, and of many settings one is always ahead by chance. So of all that are
within `MARGIN` of the best the simplest is taken, and it replaces what is stored only if it is
better by more than that, and in `CERTAIN` of all resamplings of the lines (paired bootstrap).

    N lines, K candidates of each
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Literal

import numpy as np

from nmt.clean import is_blank
from nmt.config import TranslateSettings
from nmt.corpus import Pair
from nmt.metrics import Array, Metric, paired_bootstrap
from nmt.rerank import Candidates, tuned
from nmt.search import SearchOptions
from nmt.translate import Translator

MARGIN = 0.1  # points of BLEU or chrF
CERTAIN = 0.95
TUNED = ("beam", "length_norm", "length_penalty", "word_reward", "coverage_penalty")
BEAMS = (1, 2, 3, 5, 8, 12)
_LENGTH_PENALTIES: dict[Literal["power", "gnmt"], tuple[float, ...]] = {
    "power": (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4),
    "gnmt": (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4),
}
_LARGEST = 10.0  # weight that the settings take (nmt.config)
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
            f"and better in {self.share:.0%} of all resamplings"
        )
        return f"stored: {gain}" if self.better else f"left as it was: {gain} may be chance"


def usable(pairs: Iterable[Pair], translator: Translator) -> list[Pair]:
    """Those with text on both sides, and a source that is not translated in pieces."""
    full = [pair for pair in pairs if not is_blank(pair.source) and not is_blank(pair.target)]
    encoded = translator.vocabulary.source.encode([pair.source for pair in full])
    longest = translator.planner.longest
    return [pair for pair, ids in zip(full, encoded, strict=True) if len(ids) <= longest]


def tune(
    translator_for: Callable[[TranslateSettings], Translator],
    stored: TranslateSettings,
    sources: Sequence[str],
    references: Sequence[str],
    metric: Metric,
    beams: Iterable[int] = BEAMS,
    rerank: bool = False,
    report: Callable[[int], None] = lambda beam: None,
) -> Found:
    """Try beams, and with each of them other rankings, on a corpus.

    Args:
        translator_for: makes one with these settings, whose hypotheses tell their coverage.
        stored: what the run has; what is not tuned stays as it is there.
        rerank: whether weights are found for reranking, instead of trying penalties.
        report: told the beam of each search before it begins.
    """

    def searched(settings: TranslateSettings) -> Candidates:
        report(settings.beam)
        translator = translator_for(settings)
        decode = translator.vocabulary.target.decode
        found = translator.hypotheses(sources)
        return Candidates.of(
            [
                [(h.log_probability, len(h.ids) + 1.0, h.log_coverage) for h in each]
                for each in found
            ],
            [[decode(h.ids) for h in each] for each in found],
            references,
            metric,
        )

    widths = sorted({stored.beam, *(beam for beam in beams if beam % stored.groups == 0)})
    by_beam = {beam: searched(replace(stored, beam=beam)) for beam in widths}
    tried = [
        Tried(settings, metric.corpus_score(_chosen(candidates, settings)))
        for beam, candidates in by_beam.items()
        for settings in (
            _reranked(replace(stored, beam=beam), candidates, metric)
            if rerank
            else _grid(replace(stored, beam=beam), candidates)
        )
    ]
    winner = simplest(tried, stored).settings
    before = _chosen(by_beam[stored.beam], stored)
    after = before if winner == stored else _chosen(searched(winner), winner)
    return Found(
        Tried(stored, metric.corpus_score(before)),
        tuple(tried),
        Tried(winner, metric.corpus_score(after)),
        paired_bootstrap(before, after, metric),
    )


def _chosen(candidates: Candidates, settings: TranslateSettings) -> Array:
    """The counts of each line's best candidate by these settings: [N, ...]."""
    log_probability, length, log_coverage = np.moveaxis(candidates.features, -1, 0)
    return candidates.best(SearchOptions.of(settings).rank(log_probability, length, log_coverage))


def _grid(settings: TranslateSettings, candidates: Candidates) -> list[TranslateSettings]:
    """The same beam with every penalty; greedy search has nothing to rank."""
    if settings.beam == 1:
        return [settings]
    attends = bool(candidates.features[..., 2].any())
    coverage_penalties = _COVERAGE_PENALTIES if attends else (0.0,)
    return [
        replace(settings, length_norm=norm, length_penalty=length, coverage_penalty=coverage)
        for norm, lengths in _LENGTH_PENALTIES.items()
        for length, coverage in product(lengths, coverage_penalties)
    ]


def _reranked(
    settings: TranslateSettings, candidates: Candidates, metric: Metric
) -> list[TranslateSettings]:
    """The same beam as it is, and with the weights that choose best among its candidates."""
    if settings.beam == 1:
        return [settings]
    used = 3 if candidates.features[..., 2].any() else 2  # without attention there is no coverage
    weights = tuned(replace(candidates, features=candidates.features[..., :used]), metric).weights
    within = np.clip([*weights[1:], 0.0], -_LARGEST, _LARGEST)
    word_reward, coverage_penalty = (float(f"{weight:.4g}") for weight in within[:2])
    best = replace(
        settings,
        length_penalty=0.0,
        word_reward=word_reward,
        coverage_penalty=coverage_penalty,
    )
    return [settings, best]


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
        f"{settings.word_reward:g}",
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
            mine.word_reward != stored.word_reward,
            mine.length_norm != stored.length_norm,
            abs(mine.length_penalty - stored.length_penalty),
            -each.score,
        )

    return min((each for each in tried if each.score >= best - MARGIN), key=effort)
