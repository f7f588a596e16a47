"""Where a system goes wrong: its lines one by one, and its scores on those that have something in
common.

    N lines
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from nmt.judgement import Breakdown, Bucket, EvaluationSet, Line
from nmt.scoring import Scorer, Statistics
from nmt.seen import spoken
from nmt.suspect import copies, reasons

_HALLUCINATED = 15.0  # chrF below which a translation has hardly anything of the reference
_FEW = 4  # words of a translation below which that may be another way to say it
_TELLING = 4  # letters of a word that two lines share by more than chance

Groups = Mapping[str, Sequence[int]]
"""Lines by what they have in common; every line stands in one of the groups."""

_LENGTHS = (1, 6, 11, 16, 21, 31, 41, 61)  # words; the first of each group
_COUNTS = (0, 1, 2, 5, 10, 100, 1_000, 10_000)
_CHRFS = (0, 20, 40, 60, 80)


class Analysis:
    """A system's translations of a test set, each line counted once by BLEU and chrF."""

    def __init__(self, test: EvaluationSet, translations: Sequence[str], scorer: Scorer) -> None:
        self._test, self._translations = test, translations
        self._exact = scorer.exact(translations)
        self._bleu: Statistics = scorer.by_line("bleu", translations)
        self._chrf: Statistics = scorer.by_line("chrf", translations)
        self.lines = tuple(map(self._line, range(len(test))))

    @property
    def length_ratio(self) -> float:
        """Tokens of the translations over those of the references."""
        return _ratio(self._bleu.score(range(len(self.lines))))

    def breakdowns(
        self, counts: Sequence[Sequence[int]] | None
    ) -> dict[Breakdown, tuple[Bucket, ...]]:
        """Scores by groups of lines.

        Args:
            counts: how often each word of each source stands in the training text, where known.
        """
        groups: dict[Breakdown, Groups] = {"source length": by_length(self._test.sources)}
        if counts is not None:
            groups["rarest word"] = by_rarest_word(counts)
        groups["chrF"] = by_chrf([line.chrf for line in self.lines])
        return {
            name: tuple(self._bucket(label, rows) for label, rows in group.items())
            for name, group in groups.items()
        }

    def _line(self, row: int) -> Line:
        source, translation = self._test.sources[row], self._translations[row]
        bleu, chrf = self._bleu.sentence(row), float(self._chrf.sentence(row).score)
        suspects = reasons(source, translation)
        references = [lines[row] for lines in self._test.references]
        if "empty" not in suspects and hallucinates(source, translation, references, chrf):
            suspects.append("hallucination")
        return Line(
            translation, float(bleu.score), chrf, _ratio(bleu), self._exact[row], tuple(suspects)
        )

    def _bucket(self, label: str, rows: Sequence[int]) -> Bucket:
        if not rows:
            return Bucket(label, (), math.nan, math.nan, math.nan)
        bleu = self._bleu.score(rows)
        chrf = float(self._chrf.score(rows).score)
        return Bucket(label, tuple(rows), float(bleu.score), chrf, _ratio(bleu))


def _ratio(bleu: Any) -> float:
    """Tokens over the reference's; nan where that has none."""
    return bleu.sys_len / bleu.ref_len if bleu.ref_len else math.nan


def hallucinates(source: str, translation: str, references: Sequence[str], chrf: float) -> bool:
    """Whether a translation of some words shares next to nothing with any reference, and is no copy
    of the source: it may be about something else (Raunak et al. 2021 call it detached)."""
    said = spoken(translation)
    if len(said) < _FEW or chrf >= _HALLUCINATED or copies(source, translation):
        return False
    meant = {word for reference in references for word in spoken(reference)}
    return not any(word in meant for word in said if len(word) >= _TELLING)


# --- groups of lines ----------------------------------------------------------------------------


def by_length(sources: Sequence[str]) -> Groups:
    """By the number of words."""
    return _grouped([len(spoken(line)) for line in sources], _LENGTHS, "no words")


def by_rarest_word(counts: Sequence[Sequence[int]]) -> Groups:
    """By how often that of a line's words stands in the training text that is seen least."""
    return _grouped([min(line, default=-1) for line in counts], _COUNTS, "no words")


def by_chrf(scores: Sequence[float]) -> Groups:
    """By the score of the line: the same groups for every system, whether there are any or not."""
    names = [f"{low}-{low + 20}" for low in _CHRFS]
    places = [min(int(score) // 20, len(names) - 1) for score in scores]
    return _in_order(names, places)


def _grouped(values: Sequence[int], starts: Sequence[int], below: str) -> Groups:
    """Groups of whole numbers, each from one start to before the next one.

    Args:
        below: the name of the group of what is below the first start.
    """
    names = [below, *(_range(*ends) for ends in pairwise(starts)), f"{starts[-1]:,}+"]
    found = _in_order(names, [bisect_right(starts, value) for value in values])
    return {name: rows for name, rows in found.items() if rows}


def _range(start: int, end: int) -> str:
    return f"{start:,}" if end == start + 1 else f"{start:,}-{end - 1:,}"


def _in_order(names: Sequence[str], places: Sequence[int]) -> Groups:
    """The rows of each name."""
    found: dict[str, list[int]] = {name: [] for name in names}
    for row, place in enumerate(places):
        found[names[place]].append(row)
    return found
