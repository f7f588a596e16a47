"""How a line is to be translated, before a model sees it: in how many pieces, beginning with what,
holding which terms.

What cannot be done (a prefix or a term too long, a character that the model cannot write) is left
out and told with the plan, so that no line is ever lost for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TypeVar

import torch

from nmt.clean import is_blank
from nmt.constraints import Beginning, Guide, Phrase, Speller
from nmt.search import SearchOptions
from nmt.subwords import Ids, Subwords, Vocabulary, text_of
from nmt.terms import Terminology, without_repeats

_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", ";", ":")  # noqa: RUF001

T = TypeVar("T")


@dataclass(frozen=True)
class Piece:
    """A line, or as much of it as is translated at once."""

    source: Ids
    beginning: Beginning | None = None
    guide: Guide | None = None


@dataclass(frozen=True)
class Plan:
    """How a line is translated: piece by piece, or not at all."""

    line: str
    pieces: Sequence[Piece]
    prefix: str = ""  # what there is where there are no pieces
    unmet: tuple[str, ...] = ()  # what was asked for and cannot be done, for people


class Planner:
    """Makes plans for one vocabulary and one way to search."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        options: SearchOptions,
        longest: int,
        terminology: Terminology | None,
        device: torch.device,
    ) -> None:
        """Args:
        longest: subwords of a line above which it is translated in pieces.
        terminology: what must stand for which words.
        device: where the search will be.
        """
        self.vocabulary, self.options = vocabulary, options
        self.longest, self.terminology, self.device = longest, terminology, device

    def plans(self, lines: Sequence[str], prefixes: Sequence[str] = ()) -> list[Plan]:
        """How each line is translated: cut where it is too long; not at all if it is blank.

        Args:
            prefixes: what each translation begins with; of a line that is translated in pieces the
                first one does.
        """
        encoded = self.vocabulary.source.encode(lines)
        return [
            self._plan(line, ids, prefix) if ids and not is_blank(line) else Plan(line, (), prefix)
            for line, ids, prefix in zip(lines, encoded, prefixes or [""] * len(lines), strict=True)
        ]

    def _plan(self, line: str, ids: Ids, prefix: str) -> Plan:
        sources = split_long(ids, self.longest, self.vocabulary.source)
        if not prefix and self.terminology is None:
            return Plan(line, [Piece(source) for source in sources])
        room = self._room(sources[0])
        beginning = self._beginning(prefix, room) if prefix else None
        if beginning and beginning.longest > room:
            why = f"the prefix has {beginning.longest} subwords and a translation at most {room}"
            return Plan(line, (), prefix, (f"{why}; it is written as it is",))
        texts = texts_of(line, sources, self.vocabulary.source)
        pieces: list[Piece] = []
        unmet = self._cut_terms(line, texts) if len(texts) > 1 else []
        for source, text in zip(sources, texts, strict=True):
            begins = None if pieces else beginning
            phrases, left_out = self._phrases(text, source, begins)
            guide = Guide(self._speller, begins, phrases) if phrases or begins else None
            pieces.append(Piece(source, begins, guide))
            unmet += left_out
        return Plan(line, pieces, prefix, tuple(unmet))

    def _room(self, source: Ids) -> int:
        """The subwords that a source's translation may have."""
        return self.options.longest(len(source) + 1) - 1

    def _beginning(self, prefix: str, room: int) -> Beginning:
        beginning = Beginning.of(prefix, self.vocabulary.target)
        fits = beginning.longest <= room
        return beginning if fits else beginning.closed(self.vocabulary.target)

    def _phrases(
        self, text: str, source: Ids, beginning: Beginning | None
    ) -> tuple[list[Phrase], list[str]]:
        """The terms that a translation must hold, and which it cannot, and why."""
        room = self._room(source) - (beginning.longest if beginning else 0)
        terms = self.terminology.of(text) if self.terminology else ()
        phrases, unmet = [], []
        for term in without_repeats(terms):
            phrase = self._speller.phrase(term)
            what = f"the term '{term.source}', '{' or '.join(term.targets)}',"
            if phrase is None:
                unmet.append(f"{what} has characters that the model cannot write; left out")
            elif phrase.shortest > room:
                unmet.append(f"{what} has more subwords than there is room for; left out")
            else:
                phrases.append(phrase)
                room -= phrase.shortest
        return phrases, unmet

    def _cut_terms(self, line: str, texts: Sequence[str]) -> list[str]:
        """The terms of a line that are in none of its pieces."""
        if self.terminology is None:
            return []
        seen = {term.source for text in texts for term in self.terminology.of(text)}
        lost = (each.source for each in self.terminology.of(line) if each.source not in seen)
        return [f"the term '{source}' lies where the line is cut; left out" for source in lost]

    @cached_property
    def _speller(self) -> Speller:
        return Speller(self.vocabulary.target, self.device)


def split_long(ids: Ids, longest: int, subwords: Subwords) -> list[Ids]:
    """Cut ids into pieces of at most `longest`: after a sentence's end if there is one in the
    second half of a piece, else between words, else anywhere."""
    pieces, begin = [], 0
    while len(ids) - begin > longest:
        window = range(begin + longest, begin + longest // 2, -1)
        starts = [at for at in window if subwords.starts_word(ids[at])]
        ends = [at for at in starts if subwords.pieces(ids[at - 1 : at])[0].endswith(_ENDS)]
        end = next(iter(ends or starts), begin + longest)
        pieces.append(ids[begin:end])
        begin = end
    return [*pieces, ids[begin:]]


def texts_of(line: str, sources: Sequence[Ids], subwords: Subwords) -> list[str]:
    """What each piece of a line says."""
    if len(sources) == 1:
        return [line]
    return [text_of(part) for part in by_source(subwords.surfaces(line), sources)]


def by_source(each: Sequence[T], sources: Sequence[Ids]) -> list[tuple[T, ...]]:
    """What there is for each subword of a line, by the parts that it is translated in."""
    following = iter(each)
    return [tuple(islice(following, len(ids))) for ids in sources]
