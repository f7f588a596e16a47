"""Lines in, lines out: the way of a sentence through a trained model.

Validation, `nmt translate` and `nmt evaluate` all come through here. A line's translation depends
on the line alone: lines are batched only with others of the same padded length, and every product
computes a row alike whatever stands in the other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch

from nmt.batches import SHORTEST, pad_sources, rounded
from nmt.clean import is_blank
from nmt.device import autocast
from nmt.model import Seq2Seq
from nmt.search import Hypothesis, SearchOptions, search
from nmt.subwords import Ids, Subwords, Vocabulary

_SMALL_PRODUCT = 16**3  # torch computes products of up to so many multiplications in other ways
_ROWS = 320  # sentences × beams advanced together
_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", ";", ":")  # noqa: RUF001


@dataclass(frozen=True)
class Candidate:
    """One translation of a line."""

    text: str
    score: float  # what it is ranked by
    log_probability: float


@dataclass(frozen=True)
class Translation:
    """What became of a line: its candidates, best first; one empty one for a blank line."""

    source: str
    candidates: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        return self.candidates[0].text


class Translator:
    """A model, its subwords, and how to search."""

    def __init__(
        self,
        model: Seq2Seq,
        vocabulary: Vocabulary,
        options: SearchOptions,
        longest: int,
        precision: str = "fp32",
    ) -> None:
        """Args: longest: subwords of a line above which it is translated in pieces."""
        self.model, self.vocabulary, self.options = model, vocabulary, options
        self.longest, self.precision = longest, precision
        self.device = next(model.parameters()).device
        # The smallest product of a step is attention over a memory of SHORTEST positions.
        rows = max(4, _SMALL_PRODUCT // (SHORTEST * model.settings.hidden) + 1)
        self._fewest = max(2, -(-rows // options.beam))  # sentences; two for the encoder

    def translate(self, lines: Sequence[str]) -> list[Translation]:
        """One translation for each line, in order."""
        pieces = self._pieces(lines)
        flat = [piece for line in pieces for piece in line]
        found = iter(self._search(flat))
        return [
            _join(line, [next(found) for _ in parts], self.vocabulary.target)
            for line, parts in zip(lines, pieces, strict=True)
        ]

    def _pieces(self, lines: Sequence[str]) -> list[list[Ids]]:
        """The ids of each line, cut where they are too long; nothing for a blank line."""
        subwords = self.vocabulary.source
        encoded = zip(lines, subwords.encode(lines), strict=True)
        return [
            split_long(ids, self.longest, subwords) if ids and not is_blank(line) else []
            for line, ids in encoded
        ]

    def _search(self, sources: Sequence[Ids]) -> list[list[Hypothesis]]:
        """Search every source, those of one padded length together."""
        found: list[list[Hypothesis]] = [[]] * len(sources)
        together = max(1, _ROWS // self.options.beam)

        def width(row: int) -> int:
            return rounded(len(sources[row]) + 1)

        for _, same in groupby(sorted(range(len(sources)), key=width), key=width):
            rows = sorted(same, key=lambda row: len(sources[row]))
            for start in range(0, len(rows), together):
                batch = rows[start : start + together]
                hypotheses = self._search_batch([sources[row] for row in batch])
                for row, best in zip(batch, hypotheses, strict=True):
                    found[row] = best
        return found

    @torch.inference_mode()
    def _search_batch(self, sources: Sequence[Ids]) -> list[list[Hypothesis]]:
        filled = [*sources, *[sources[0]] * (self._fewest - len(sources))]
        source, lengths = pad_sources(filled)
        with autocast(self.device, self.precision):
            memory = self.model.encode(source.to(self.device), lengths.to(self.device))
            return search(self.model, memory, self.options, self._fewest)[: len(sources)]


def split_long(ids: Ids, longest: int, subwords: Subwords) -> list[Ids]:
    """Cut ids into pieces of at most `longest`: after a sentence's end if there is one in the
    second half of a piece, else between words, else anywhere."""
    pieces = []
    while len(ids) > longest:
        window = range(longest, longest // 2, -1)
        starts = [at for at in window if subwords.starts_word(ids[at])]
        ends = [at for at in starts if subwords.pieces(ids[at - 1 : at])[0].endswith(_ENDS)]
        at = next(iter(ends or starts), longest)
        pieces.append(ids[:at])
        ids = ids[at:]
    return [*pieces, ids]


def _join(line: str, parts: Sequence[list[Hypothesis]], target: Subwords) -> Translation:
    """Put the pieces of a line together again: best with best, second with second, …"""
    if not parts:
        return Translation(line, (Candidate("", 0.0, 0.0),))
    ranks = min(map(len, parts))
    joined = []
    for rank in range(ranks):
        chosen = [part[rank] for part in parts]
        text = " ".join(filter(None, (target.decode(h.ids) for h in chosen)))
        score = sum(h.score for h in chosen) / len(chosen)
        joined.append(Candidate(text, score, sum(h.log_probability for h in chosen)))
    return Translation(line, tuple(joined))
