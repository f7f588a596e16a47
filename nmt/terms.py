"""A terminology: which words must stand for which words of a line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.corpus import read_lines
from nmt.errors import CorpusError
from nmt.words import is_one_word


@dataclass(frozen=True)
class Term:
    """Words of the source, and what may stand for them: one of `targets` must."""

    source: str
    targets: tuple[str, ...]


class Terminology:
    """Which terms a line calls for."""

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        """Args: rows: source and target terms; of equal sources any one target will do."""
        targets: dict[str, list[str]] = {}
        for source, target in rows:
            targets.setdefault(source, []).append(target)
        self.terms = {source: Term(source, tuple(each)) for source, each in targets.items()}
        self._lengths = sorted({len(source) for source in self.terms}, reverse=True)

    @classmethod
    def read(cls, path: Path) -> Terminology:
        """A file with a source term, a TAB and a target term on each line; blank lines are none.

        Raises:
            CorpusError: the file cannot be read, or a line is no pair of terms.
        """
        rows = []
        for number, line in enumerate(read_lines(path), 1):
            fields = [field.strip() for field in line.split("\t")]
            if not any(fields):
                continue
            if len(fields) != 2 or not all(fields):
                raise CorpusError(
                    "is no pair of terms",
                    "write a source term, a TAB and a target term on each line",
                    path=path,
                    line=number,
                )
            rows.append((fields[0], fields[1]))
        return cls(rows)

    def of(self, line: str) -> list[Term]:
        """The terms whose words stand in a line, as they are written, each once; where several
        begin, the longest."""
        found: dict[str, Term] = {}
        at = 0
        while at < len(line):
            term = self._at(line, at)
            if term:
                found[term.source] = term
            at += len(term.source) if term else 1
        return list(found.values())

    def _at(self, line: str, start: int) -> Term | None:
        for length in self._lengths:
            term = self.terms.get(line[start : start + length])
            if term and _is_whole(line, start, start + len(term.source)):
                return term
        return None


def without_repeats(terms: Sequence[Term]) -> list[Term]:
    """The terms, but for those that a translation holds anyway when it holds the others."""
    kept: list[Term] = []
    for term in sorted(terms, key=lambda term: -max(map(len, term.targets))):
        if not any(all(_holds(held, term) for held in other.targets) for other in kept):
            kept.append(term)
    return [term for term in terms if term in kept]


def _holds(text: str, term: Term) -> bool:
    return any(
        text.startswith(target, at) and _is_whole(text, at, at + len(target))
        for target in term.targets
        for at in range(len(text) - len(target) + 1)
    )


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether no word goes on over the ends of a part of the text."""
    before = start and is_one_word(text[start - 1], text[start])
    return not before and (end == len(text) or not is_one_word(text[end - 1], text[end]))
