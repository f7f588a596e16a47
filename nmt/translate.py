"""Lines in, lines out: the way of a sentence through a trained model.

Validation, `nmt translate` and `nmt evaluate` all come through here. A line's translation depends
on the line alone: lines are batched only with others of the same padded length, a batch runs on one
thread, and there all arithmetic makes the same of a row whatever stands in the other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from nmt.alignment import Attention, replace_unknown, text_of
from nmt.batches import SHORTEST, pad_sources, rounded
from nmt.choices import Precision
from nmt.clean import is_blank
from nmt.constraints import Terminology
from nmt.device import autocast
from nmt.ensemble import Ensemble
from nmt.inference import arranged
from nmt.mbr import expected_utilities, probabilities
from nmt.metrics import Metric
from nmt.model import Seq2Seq
from nmt.plan import Piece, Plan, Planner
from nmt.search import Hypothesis, Searchable, SearchOptions, force, sample, search
from nmt.subwords import UNK, Ids, Subwords, Vocabulary

_SMALL_PRODUCT = 16**3  # torch computes products of up to so many multiplications in other ways
_ROWS = 320  # sentences × beams advanced together
_TOKENS = 8_000  # source or target subwords, padding included, scored together


T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """One translation of a line."""

    text: str
    score: float  # what it is ranked by
    log_probability: float
    length_ratio: float | None = None  # its subwords over the source's; None for a blank line
    truncated: bool = False  # whether it ended at the length limit, in any of its parts
    attention: tuple[Attention, ...] = field(
        default=(), compare=False
    )  # of each part, if asked for


@dataclass(frozen=True)
class Translation:
    """What became of a line: its candidates, best first; one empty one for a blank line."""

    source: str
    candidates: tuple[Candidate, ...]
    unmet: tuple[str, ...] = ()  # what was asked of it and could not be done, for people

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
        terminology: Terminology | None = None,
        utility: Metric | None = None,
    ) -> None:
        """Args:
        longest: subwords of a line above which it is translated in pieces.
        terminology: what must stand for which words.
        utility: candidates are ranked by what they are expected to score, for minimum Bayes risk.
        """
        models = model.models if isinstance(model, Ensemble) else [model]
        self.device = next(models[0].parameters()).device
        stepping = [arranged(each, precision) for each in models]
        self.model: Model = (
            Ensemble(stepping, model.mean) if isinstance(model, Ensemble) else stepping[0]
        )
        self.vocabulary, self.options, self.utility = vocabulary, options, utility
        self.planner = Planner(vocabulary, options, longest, terminology, self.device)
        plain = any(isinstance(each, Seq2Seq) for each in stepping)
        self.precision = precision if plain else "fp32"  # what is arranged has it in itself
        # The smallest product of a step is attention over a memory of SHORTEST positions.
        rows = max(4, _SMALL_PRODUCT // (SHORTEST * _narrowest(models)) + 1)
        self._fewest = max(2, rows)  # sentences, since the first step has one row for each

    def with_options(self, options: SearchOptions) -> Translator:
        """The same model, searched otherwise."""
        other, planner = copy(self), self.planner
        other.options = options
        other.planner = Planner(
            self.vocabulary, options, planner.longest, planner.terminology, self.device
        )
        return other

    def translate(self, lines: Sequence[str], prefixes: Sequence[str] = ()) -> list[Translation]:
        """One translation for each line, in order.

        Args:
            prefixes: what each translation begins with; of a line that is translated in pieces the
                first one does.
        """
        plans = self.planner.plans(lines, prefixes)
        found = iter(self._search([piece for plan in plans for piece in plan.pieces]))
        joined = [
            _join(plan, [next(found) for _ in plan.pieces], self.vocabulary, self.options)
            for plan in plans
        ]
        return [self._least_risk(each) for each in joined] if self.utility else joined

    def hypotheses(self, lines: Sequence[str]) -> list[list[Hypothesis]]:
        """What the search finished for each line, best first, each as one piece, however long."""
        return self._search([Piece(ids) for ids in self.vocabulary.source.encode(lines)])

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[Hypothesis]:
        """What the model gives to known translations, each as one piece, however long."""
        source_ids = self.vocabulary.source.encode(sources)
        target_ids = self.vocabulary.target.encode(targets)
        found: list[Hypothesis | None] = [None] * len(sources)
        batches: list[list[int]] = []
        for same in _of_one_width(source_ids):
            rows = sorted(same, key=lambda row: len(target_ids[row]))
            while rows:
                longest = max(len(source_ids[rows[0]]), len(target_ids[rows[-1]])) + 1
                together = max(1, min(_ROWS, _TOKENS // longest))
                batches.append(rows[-together:])
                del rows[-together:]
        for batch, forced in self._each(
            batches,
            lambda batch: self._force(
                [source_ids[i] for i in batch], [target_ids[i] for i in batch]
            ),
        ):
            for row, hypothesis in zip(batch, forced, strict=True):
                found[row] = hypothesis
        return [hypothesis for hypothesis in found if hypothesis is not None]

    @torch.inference_mode()
    def _force(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[Hypothesis]:
        count = len(sources)
        company = self._fewest - count
        source, lengths = pad_sources([*sources, *[sources[0]] * company])
        with autocast(self.device, self.precision):
            memory = self.model.encode(source.to(self.device), lengths.to(self.device))
            forced = force(self.model, memory, [*targets, *[targets[0]] * company], self.options)
        return forced[:count]

    def _least_risk(self, translation: Translation) -> Translation:
        """The candidates ranked by expected utility, those that read alike only once."""
        candidates, metric = translation.candidates, self.utility
        if metric is None or is_blank(translation.source):
            return translation
        weights = probabilities([c.log_probability for c in candidates])
        if self.options.sampling:
            weights = np.full(len(candidates), 1 / len(candidates))
        expected = expected_utilities([c.text for c in candidates], weights, metric)
        judged = [replace(c, score=float(e)) for c, e in zip(candidates, expected, strict=True)]
        judged.sort(key=lambda candidate: -candidate.score)
        different = {candidate.text: candidate for candidate in reversed(judged)}
        return replace(translation, candidates=tuple(reversed(different.values())))

    # --- in batches -------------------------------------------------------------------------------

    def _search(self, pieces: Sequence[Piece]) -> list[list[Hypothesis]]:
        """Search for every piece, those of one padded length together."""
        found: list[list[Hypothesis]] = [[]] * len(pieces)
        together = max(1, _ROWS // self.options.beam)
        batches: list[list[int]] = []
        for same in _of_one_width([piece.source for piece in pieces]):
            rows = sorted(same, key=lambda row: len(pieces[row].source))
            batches += [rows[at : at + together] for at in range(0, len(rows), together)]
        for batch, hypotheses in self._each(
            batches, lambda batch: self._search_batch([pieces[row] for row in batch])
        ):
            for row, best in zip(batch, hypotheses, strict=True):
                found[row] = best
        return found

    def _each(
        self, batches: Sequence[list[int]], work: Callable[[list[int]], list[T]]
    ) -> Iterator[tuple[list[int], list[T]]]:
        """Do some work on batches side by side, on a CPU each with one thread: small products gain
        little from several, and torch cuts what several share where the number of rows says."""
        if self.device.type != "cpu":
            yield from zip(batches, map(work, batches), strict=True)
            return
        workers = max(1, min(torch.get_num_threads(), len(batches)))
        longest_first = batches[::-1]
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from zip(longest_first, pool.map(work, longest_first), strict=True)

    @torch.inference_mode()
    def _search_batch(self, pieces: Sequence[Piece]) -> list[list[Hypothesis]]:
        sources = [piece.source for piece in pieces]
        filled = [*sources, *[sources[0]] * (self._fewest - len(sources))]
        source, lengths = pad_sources(filled)
        prefixes = [piece.beginning.ids if piece.beginning else () for piece in pieces]
        guides = [piece.guide for piece in pieces]
        with autocast(self.device, self.precision):
            memory = self.model.encode(source.to(self.device), lengths.to(self.device))
            if self.options.sampling is None:
                found = search(self.model, memory, self.options, self._fewest, prefixes, guides)
            else:
                noise = self._noise(filled, self.options.sampling.seed)
                found = sample(
                    self.model, memory, self.options, noise, self._fewest, prefixes, guides
                )
        return found[: len(pieces)]

    def _noise(self, sources: Sequence[Ids], seed: int) -> Tensor:
        """What is drawn by: it follows from the seed and the sentence, whatever its batch."""
        lengths = torch.tensor([len(ids) + 1 for ids in sources])
        shape = (int(self.options.longest(lengths).max()), self.options.beam)
        drawn = [np.random.default_rng([seed, *ids]).random(shape, np.float32) for ids in sources]
        return torch.from_numpy(np.stack(drawn)).transpose(1, 2)


def _of_one_width(sources: Sequence[Ids]) -> Iterator[Iterator[int]]:
    """Which sources have the same length once they are padded, the shortest first."""

    def width(row: int) -> int:
        return rounded(len(sources[row]) + 1)

    for _, same in groupby(sorted(range(len(sources)), key=width), key=width):
        yield same


def _narrowest(models: Sequence[Seq2Seq]) -> int:
    """The smallest state of the models."""
    return min(each.settings.hidden for each in models)


def _join(
    plan: Plan,
    parts: Sequence[list[Hypothesis]],
    vocabulary: Vocabulary,
    options: SearchOptions,
) -> Translation:
    """Put the pieces of a line together again: best with best, second with second, …"""
    if not parts:
        return Translation(plan.line, (Candidate(plan.prefix, 0.0, 0.0),), plan.unmet)
    sources = [piece.source for piece in plan.pieces]
    spelled = _spelled(plan.line, sources, vocabulary.source) if options.attention else []
    limits = options.longest(torch.tensor([len(ids) + 1 for ids in sources])).tolist()
    subwords = sum(map(len, sources))
    joined = []
    for rank in range(min(map(len, parts))):
        chosen = [part[rank] for part in parts]
        attention = tuple(
            _attention(ids, pieces, hypothesis, vocabulary, options)
            for ids, pieces, hypothesis in zip(sources, spelled, chosen, strict=False)
            if hypothesis.attention is not None
        )
        if attention and options.unknown:
            texts = [text_of(part.target) for part in attention]
        else:
            pairs = zip(plan.pieces, chosen, strict=True)
            texts = [_text(*each, vocabulary.target) for each in pairs]
        joined.append(
            Candidate(
                " ".join(filter(None, texts)),
                sum(h.score for h in chosen) / len(chosen),
                sum(h.log_probability for h in chosen),
                sum(len(h.ids) for h in chosen) / subwords,
                any(len(h.ids) + 1 >= limit for h, limit in zip(chosen, limits, strict=True)),
                attention,
            )
        )
    return Translation(plan.line, tuple(joined), plan.unmet)


def _text(piece: Piece, found: Hypothesis, subwords: Subwords) -> str:
    if piece.beginning is None:
        return subwords.decode(found.ids)
    return piece.beginning.replaced(found.ids, subwords)


def _spelled(line: str, sources: Sequence[Ids], subwords: Subwords) -> list[tuple[str, ...]]:
    """Each part's subwords as the line has them, what the vocabulary does not know included."""
    pieces = iter(subwords.surfaces(line))
    return [tuple(islice(pieces, len(ids))) for ids in sources]


def _attention(
    ids: Ids,
    pieces: tuple[str, ...],
    hypothesis: Hypothesis,
    vocabulary: Vocabulary,
    options: SearchOptions,
) -> Attention:
    assert hypothesis.attention is not None
    target = tuple(vocabulary.target.pieces(hypothesis.ids))
    attention = Attention(pieces, target, hypothesis.attention)
    if not options.unknown:
        return attention
    unknown, produced = (
        [at for at, each in enumerate(side) if each == UNK] for side in (ids, hypothesis.ids)
    )
    return replace_unknown(attention, unknown, produced) if unknown or produced else attention
