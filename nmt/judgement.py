"""What is known of systems on a test set: plain results, for whoever shows or stores them.

A `Judgement` is computed once (nmt.evaluate); what a terminal, a program or a page shows of it is
made from it (nmt.tables, nmt.report). This room computes nothing.

    N lines of the test set, counted from 0
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nmt.choices import SignificanceTest

CERTAIN = 0.05  # p-value below which a difference is taken for more than chance

METRICS = {
    "bleu": "BLEU",
    "chrf": "chrF2",
    "chrf++": "chrF2++",
    "ter": "TER",
    "spbleu": "spBLEU",
    "exact": "exact match",
    "comet": "COMET",
}
"""How people call each metric, by its key in `System.scores`, in the order they are shown."""

SUSPECTS = {
    "empty": "empty translations",
    "repeats": "repetitions",
    "copies": "untranslated copies",
    "lost-number": "wrong or missing numbers",
    "lost-url": "missing addresses",
    "hallucination": "hallucination suspects",
}
"""What each mark in `Line.suspects` means."""

Breakdown = Literal["source length", "rarest word", "chrF"]
"""What lines are grouped by: words of the source; how often the source's rarest word stands in the
training text; the translation's own chrF."""


@dataclass(frozen=True)
class EvaluationSet:
    """The sentences that systems are judged on."""

    name: str  # "test.de + test.en", "wmt14/full + more.en"; no folder of a person's
    languages: tuple[str, str] | None
    sources: tuple[str, ...]  # [N]
    references: tuple[tuple[str, ...], ...]  # each [N]

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True)
class Interval:
    """Where a score would lie on other test sets of this kind: 95% of bootstrap resamples, by
    sacreBLEU (Koehn 2004)."""

    mean: float
    margin: float  # half the width


@dataclass(frozen=True)
class Score:
    """A number and what it means."""

    score: float
    signature: str  # sacreBLEU's, of the score itself
    interval: Interval | None = None
    p_value: float | None = None  # of the paired test against the first system

    @property
    def shown(self) -> str:
        """`43.10 ±1.25`."""
        return f"{self.score:.2f}" + (f" ±{self.interval.margin:.2f}" if self.interval else "")


@dataclass(frozen=True)
class Line:
    """What a system made of a line."""

    translation: str
    bleu: float  # of this sentence, 0 to 100
    chrf: float
    length_ratio: float  # words of the translation over those of the reference nearest in length
    exact: bool  # whether it is one of the references
    suspects: tuple[str, ...]  # keys of `SUSPECTS`


@dataclass(frozen=True)
class Bucket:
    """Some of the lines, and what a system scores on them. The buckets of a breakdown have every
    line once."""

    label: str  # "11-20"
    lines: tuple[int, ...]
    bleu: float  # these three are nan in an empty bucket
    chrf: float
    length_ratio: float


@dataclass(frozen=True)
class Leaks:
    """How many lines of the test set stand in a system's training text, but for case and spaces."""

    sources: int
    targets: int  # lines of which a reference does
    pairs: int  # lines of which the source does, with a reference as its translation


@dataclass(frozen=True)
class System:
    """A system, what it made of the test set, and what that is worth."""

    name: str
    runs: tuple[Path, ...]  # one for a run, several for an ensemble, none for a file
    scores: Mapping[str, Score]  # by keys of `METRICS`
    perplexity: float | None  # per target subword, of the first reference; None for a file
    length_ratio: float  # tokens of the translations over those of the references, as BLEU counts
    lines: tuple[Line, ...]  # [N]
    breakdowns: Mapping[Breakdown, tuple[Bucket, ...]]  # those that could be made
    leaks: Leaks | None  # None where the training text is not known
    unleaked: Mapping[str, float]  # scores without `Judgement.leaked`; empty where that is empty

    def suspects(self) -> dict[str, int]:
        """How many lines have each mark."""
        return {key: sum(key in line.suspects for line in self.lines) for key in SUSPECTS}


@dataclass(frozen=True)
class Spread:
    """A number over several seeds."""

    mean: float
    deviation: float  # the sample's standard deviation

    @property
    def shown(self) -> str:
        """`43.10 sd 0.52`."""
        return f"{self.mean:.2f} sd {self.deviation:.2f}"


@dataclass(frozen=True)
class Recipe:
    """Runs that differ in nothing but the seed."""

    name: str
    systems: tuple[int, ...]  # places in `Judgement.systems`, at least two
    scores: Mapping[str, Spread]  # by keys of `METRICS`
    perplexity: Spread | None


@dataclass(frozen=True)
class Resampling:
    """How intervals and p-values were found, by sacreBLEU."""

    test: SignificanceTest | None  # paired bootstrap or approximate randomisation; None: no test
    resamples: int  # of the bootstrap
    trials: int  # of the test
    seed: str


@dataclass(frozen=True)
class Unknown:
    """Words of the sources that never stand in the training text of a run."""

    run: str  # the system whose training text it is
    words: tuple[tuple[str, ...], ...]  # [N], by line

    @property
    def count(self) -> int:
        return sum(map(len, self.words))

    @property
    def lines(self) -> int:
        return sum(map(bool, self.words))


@dataclass(frozen=True)
class Judgement:
    """Systems on a test set. The first is the one that the others are tested against."""

    test: EvaluationSet
    systems: tuple[System, ...]
    recipes: tuple[Recipe, ...] = ()
    resampling: Resampling | None = None
    unknown: Unknown | None = None  # None where no run tells of its training text
    leaked: tuple[int, ...] = ()  # lines of which a side stands in any system's training text
    notes: tuple[str, ...] = field(default=())  # what could not be said, and why

    def worst(self, system: int, count: int) -> list[int]:
        """The lines a system is worst at, by chrF; those with text alone."""
        lines = self.systems[system].lines
        filled = [at for at in range(len(lines)) if self.test.sources[at].strip()]
        return sorted(filled, key=lambda at: lines[at].chrf)[:count]

    def most_different(self, one: int, other: int, count: int) -> list[int]:
        """The lines on which two systems differ most, by chrF."""
        ours, theirs = self.systems[one].lines, self.systems[other].lines
        gaps = [abs(a.chrf - b.chrf) for a, b in zip(ours, theirs, strict=True)]
        apart = [at for at, gap in enumerate(gaps) if gap > 0]
        return sorted(apart, key=lambda at: -gaps[at])[:count]
