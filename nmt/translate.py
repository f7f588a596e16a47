"""Lines in, lines out: the way of a sentence through a trained model.

Validation, `nmt translate` and `nmt evaluate` all come through here. A line's translation depends
on the line alone: lines are batched only with others of the same padded length, a batch runs on one
thread, and there all arithmetic makes the same of a row whatever stands in the other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from nmt.batches import SHORTEST, pad_sources, rounded
from nmt.clean import is_blank
from nmt.device import autocast
from nmt.ensemble import Ensemble
from nmt.inference import Precision, arranged
from nmt.model import Seq2Seq
from nmt.search import Hypothesis, Searchable, SearchOptions, force, sample, search
from nmt.subwords import Ids, Subwords, Vocabulary

_SMALL_PRODUCT = 16**3  # torch computes products of up to so many multiplications in other ways
_ROWS = 320  # sentences × beams advanced together
_TOKENS = 8_000  # source or target subwords, padding included, scored together
_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", ";", ":")  # noqa: RUF001


Links = tuple[tuple[int, int], ...]
"""An alignment: (source, target) numbers, in order."""


@dataclass(frozen=True)
class Candidate:
    """One translation of a line."""

    text: str
    score: float  # what it is ranked by
    log_probability: float
    words: Links = ()  # which whitespace words stand for which, where attention was asked for
    subwords: Links = ()


@dataclass(frozen=True)
class Translation:
    """What became of a line: its candidates, best first; one empty one for a blank line."""

    source: str
    candidates: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        return self.candidates[0].text


class Model(Searchable[Any, Any], Protocol):
    """What a line is translated by: one model, or several that look like one."""

    def encode(self, source: Tensor, lengths: Tensor, /) -> Any: ...


class Translator:
    """A model, its subwords, and how to search."""

    def __init__(
        self,
        model: Seq2Seq | Ensemble[Seq2Seq],
        vocabulary: Vocabulary,
        options: SearchOptions,
        longest: int,
        precision: Precision = "fp32",
    ) -> None:
        """Args: longest: subwords of a line above which it is translated in pieces."""
        models = model.models if isinstance(model, Ensemble) else [model]
        self.device = next(models[0].parameters()).device
        stepping = [arranged(each, precision) for each in models]
        self.model: Model = (
            Ensemble(stepping, model.mean) if isinstance(model, Ensemble) else stepping[0]
        )
        self.vocabulary, self.options = vocabulary, options
        self.longest = longest
        plain = any(isinstance(each, Seq2Seq) for each in stepping)
        self.precision = precision if plain else "fp32"  # what is arranged has it in itself
        # The smallest product of a step is attention over a memory of SHORTEST positions.
        rows = max(4, _SMALL_PRODUCT // (SHORTEST * _narrowest(models)) + 1)
        self._fewest = max(2, rows)  # sentences, since the first step has one row for each

    def with_options(self, options: SearchOptions) -> Translator:
        """The same model, searched otherwise."""
        other = copy(self)
        other.options = options
        return other

    def translate(self, lines: Sequence[str]) -> list[Translation]:
        """One translation for each line, in order."""
        pieces = self._pieces(lines)
        flat = [piece for line in pieces for piece in line]
        found = iter(self._search(flat))
        return [
            _join(line, parts, [next(found) for _ in parts], self.vocabulary)
            for line, parts in zip(lines, pieces, strict=True)
        ]

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[Hypothesis]:
        """What the model gives to known translations, each as one piece, however long."""
        source_ids = self.vocabulary.source.encode(sources)
        target_ids = self.vocabulary.target.encode(targets)
        found: list[Hypothesis | None] = [None] * len(sources)
        order = sorted(
            range(len(sources)), key=lambda row: (len(target_ids[row]), len(source_ids[row]))
        )
        start = 0
        while start < len(order):
            longest = max(len(source_ids[order[start]]), len(target_ids[order[start]])) + 1
            rows = order[start : start + max(1, min(_ROWS, _TOKENS // longest))]
            start += len(rows)
            forced = self._force([source_ids[i] for i in rows], [target_ids[i] for i in rows])
            for row, hypothesis in zip(rows, forced, strict=True):
                found[row] = hypothesis
        return [hypothesis for hypothesis in found if hypothesis is not None]

    @torch.inference_mode()
    def _force(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[Hypothesis]:
        source, lengths = pad_sources(sources)
        with autocast(self.device, self.precision):
            memory = self.model.encode(source.to(self.device), lengths.to(self.device))
            return force(self.model, memory, targets, self.options)

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

        batches = []
        for _, same in groupby(sorted(range(len(sources)), key=width), key=width):
            rows = sorted(same, key=lambda row: len(sources[row]))
            batches += [rows[at : at + together] for at in range(0, len(rows), together)]
        for batch, hypotheses in self._each(
            batches, lambda batch: self._search_batch([sources[row] for row in batch])
        ):
            for row, best in zip(batch, hypotheses, strict=True):
                found[row] = best
        return found

    def _each(
        self, batches: Sequence[list[int]], search: Callable[[list[int]], list[list[Hypothesis]]]
    ) -> Iterator[tuple[list[int], list[list[Hypothesis]]]]:
        """Search batches side by side, on a CPU each with one thread: small products gain little
        from several, and torch cuts what several share where the number of rows says."""
        if self.device.type != "cpu":
            yield from zip(batches, map(search, batches), strict=True)
            return
        workers = max(1, min(torch.get_num_threads(), len(batches)))
        longest_first = batches[::-1]
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from zip(longest_first, pool.map(search, longest_first), strict=True)

    @torch.inference_mode()
    def _search_batch(self, sources: Sequence[Ids]) -> list[list[Hypothesis]]:
        filled = [*sources, *[sources[0]] * (self._fewest - len(sources))]
        source, lengths = pad_sources(filled)
        with autocast(self.device, self.precision):
            memory = self.model.encode(source.to(self.device), lengths.to(self.device))
            if self.options.sampling is None:
                found = search(self.model, memory, self.options, self._fewest)
            else:
                noise = self._noise(filled, self.options.sampling.seed)
                found = sample(self.model, memory, self.options, noise, self._fewest)
        return found[: len(sources)]

    def _noise(self, sources: Sequence[Ids], seed: int) -> Tensor:
        """What is drawn by: it follows from the seed and the sentence, whatever its batch."""
        lengths = torch.tensor([len(ids) + 1 for ids in sources])
        shape = (int(self.options.longest(lengths).max()), self.options.beam)
        drawn = [np.random.default_rng([seed, *ids]).random(shape, np.float32) for ids in sources]
        return torch.from_numpy(np.stack(drawn)).transpose(1, 2)


def _narrowest(models: Sequence[Seq2Seq]) -> int:
    """The smallest state of the models."""
    return min(each.settings.hidden for each in models)


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


def _join(
    line: str, sources: Sequence[Ids], parts: Sequence[list[Hypothesis]], vocabulary: Vocabulary
) -> Translation:
    """Put the pieces of a line together again: best with best, second with second, …"""
    if not parts:
        return Translation(line, (Candidate("", 0.0, 0.0),))
    joined = []
    for rank in range(min(map(len, parts))):
        chosen = [part[rank] for part in parts]
        text = " ".join(filter(None, (vocabulary.target.decode(h.ids) for h in chosen)))
        score = sum(h.score for h in chosen) / len(chosen)
        log_probability = sum(h.log_probability for h in chosen)
        words, subwords = _links(sources, chosen, vocabulary)
        joined.append(Candidate(text, score, log_probability, words, subwords))
    return Translation(line, tuple(joined))


def _links(
    sources: Sequence[Ids], parts: Sequence[Hypothesis], vocabulary: Vocabulary
) -> tuple[Links, Links]:
    """Which word, and which subword, of the line stands for which of its translation: each target
    subword with the source subword that the attention's weight was largest on."""
    words, subwords = set[tuple[int, int]](), list[tuple[int, int]]()
    before = {"source": (0, 0), "target": (0, 0)}  # words and subwords of earlier parts
    for source, part in zip(sources, parts, strict=True):
        if part.attention is None:
            return (), ()
        source_words, target_words = (
            _words(ids, side, before[name][0])
            for name, ids, side in (
                ("source", source, vocabulary.source),
                ("target", part.ids, vocabulary.target),
            )
        )
        best = part.attention[:-1, : len(source)].argmax(axis=1) if source else []
        for target, at in enumerate(int(at) for at in best):
            subwords.append((before["source"][1] + at, before["target"][1] + target))
            words.add((source_words[at], target_words[target]))
        before = {
            "source": (max(source_words) + 1, before["source"][1] + len(source)),
            "target": (
                max(target_words, default=before["target"][0] - 1) + 1,
                before["target"][1] + len(part.ids),
            ),
        }
    return tuple(sorted(words)), tuple(subwords)


def _words(ids: Sequence[int], subwords: Subwords, first: int) -> list[int]:
    """The number of each subword's whitespace word, counted from `first`.

    A word's mark alone, with no letter before the next mark, is no word: it goes with the one
    before it.
    """
    number, begun, numbers = first - 1, True, []
    for piece in subwords.pieces(ids):
        begun = begun or piece.startswith("▁")
        if begun and piece.strip("▁"):
            number, begun = number + 1, False
        numbers.append(max(first, number))
    return numbers
