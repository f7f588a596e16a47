"""Ids in, hypotheses out: sources of any length through a model, in batches.

What becomes of a source depends on it alone: it is batched only with others of the same padded
length, a batch runs on one thread, and there all arithmetic makes the same of a row whatever stands
in the other rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from itertools import groupby
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from nmt.batches import pad_sources
from nmt.choices import Precision
from nmt.decoder import Decoder, Grid, Step
from nmt.device import autocast
from nmt.ensemble import Ensemble
from nmt.inference import arranged
from nmt.search import Guide, Hypothesis, Searchable, SearchOptions, force, sample, search
from nmt.subwords import Ids

_SMALL_PRODUCT = 16**3  # torch computes products of up to so many multiplications in other ways
_ROWS = 240  # sentences × beams advanced together
_TOKENS = 8_000  # source or target subwords, padding included, scored together
_MEMORY = 4 << 30  # bytes that all batches under way may take, about
_COPIES = 4  # of a step's logits and of the attention's weights so far, when there are most

T = TypeVar("T")


class _Model(Searchable[Any, Any], Protocol):
    """One model, or several that look like one."""

    def encode(self, *source: Any) -> Any: ...


class Engine:
    """A model made ready for search."""

    def __init__(self, model: Decoder | Ensemble[Decoder], precision: Precision) -> None:
        models = model.models if isinstance(model, Ensemble) else [model]
        stepping = [arranged(each, precision) for each in models]
        self.device = next(models[0].parameters()).device
        self._members = len(models)
        self._model: _Model = (
            Ensemble(stepping, model.mean, model.subwords)
            if isinstance(model, Ensemble)
            else stepping[0]
        )
        plain = any(isinstance(each, Decoder) for each in stepping)
        self._precision = precision if plain else "fp32"  # what is arranged has it in itself
        # The smallest product of a step is attention over the shortest memory.
        narrowest = min(each.settings.hidden for each in models)
        # Sentences, since the first step has one row for each.
        self._fewest = max(4, _SMALL_PRODUCT // (_width([]) * narrowest) + 1)
        self._subwords = len(models[0].target_embedding.weight)
        self._given_up = False  # whether what is under way should stop

    def search(
        self,
        sources: Sequence[Ids],
        options: SearchOptions,
        guides: Sequence[Guide | None] = (),
        keys: Sequence[Sequence[int]] = (),
        readings: Sequence[Sequence[Ids]] = (),
    ) -> list[list[Hypothesis]]:
        """What is found, or drawn, for each source, best first.

        Args:
            guides: what the hypotheses of each source are held to.
            keys: what draws follow from beside the seed; the sources themselves where not given.
            readings: the sources as each member of an ensemble reads them; all alike where not
                given.
        """
        held, keys = guides or [None] * len(sources), keys or sources
        readings = readings or [sources] * self._members
        together = max(1, _ROWS // options.beam)
        batches: list[list[int]] = []
        for same in _of_one_width(readings):
            rows = sorted(same, key=lambda row: len(sources[row]))
            batches += [rows[at : at + together] for at in range(0, len(rows), together)]

        def found(rows: list[int]) -> list[list[Hypothesis]]:
            return self._search(
                _rows_of(readings, rows),
                options,
                [held[i] for i in rows],
                [keys[i] for i in rows],
            )

        return self._in_batches(batches, found, self._at_once(readings, options))

    def force(
        self,
        sources: Sequence[Ids],
        targets: Sequence[Ids],
        options: SearchOptions,
        readings: Sequence[Sequence[Ids]] = (),
    ) -> list[Hypothesis]:
        """What the model gives to the known target of each source.

        Args:
            readings: as `search` has them.
        """
        readings = readings or [sources] * self._members
        batches: list[list[int]] = []
        for same in _of_one_width(readings):
            rows = sorted(same, key=lambda row: len(targets[row]))
            while rows:
                longest = max(len(side[rows[-1]]) for side in (*readings, targets)) + 1
                together = max(1, min(_ROWS, _TOKENS // longest))
                batches.append(rows[-together:])
                del rows[-together:]

        def forced(rows: list[int]) -> list[Hypothesis]:
            return self._force(_rows_of(readings, rows), [targets[i] for i in rows], options)

        return self._in_batches(batches, forced, self._at_once(readings, options))

    def _at_once(self, readings: Sequence[Sequence[Ids]], options: SearchOptions) -> int:
        """How many batches may be under way: one a thread, as far as memory goes."""
        widest = max((len(ids) for side in readings for ids in side), default=0) + 1
        looked = widest * options.longest(widest) if options.watches else 0
        each = 4 * _COPIES * _ROWS * (self._subwords + looked)  # bytes
        return max(1, min(torch.get_num_threads(), _MEMORY // each))

    def _in_batches(
        self, batches: Sequence[list[int]], work: Callable[[list[int]], list[T]], at_once: int
    ) -> list[T]:
        """What some work makes of every row, by batches of rows: side by side, on a CPU each with
        one thread. Small products gain little from several, and torch cuts what several share
        where the number of rows says."""
        if self.device.type != "cpu":
            return _in_order(batches, map(work, batches))
        workers = max(1, min(at_once, len(batches)))
        longest_first = batches[::-1]
        self._given_up = False
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                return _in_order(longest_first, pool.map(work, longest_first))
            except BaseException:  # Ctrl-C, say: the pool waits for what is under way
                self._given_up = True
                raise

    # --- what search knows of the model -----------------------------------------------------------

    def start(self, memory: Any) -> Any:
        """The state that a batch starts from."""
        return self._model.start(memory)

    def step(self, tokens: Tensor, state: Any, memory: Any, grid: Grid | None = None) -> Step[Any]:
        """The model's step, as long as somebody waits for what comes of it."""
        if self._given_up:
            raise CancelledError
        return self._model.step(tokens, state, memory, grid)

    # --- one batch --------------------------------------------------------------------------------

    @torch.inference_mode()
    def _search(
        self,
        readings: Sequence[Sequence[Ids]],
        options: SearchOptions,
        guides: Sequence[Guide | None],
        keys: Sequence[Sequence[int]],
    ) -> list[list[Hypothesis]]:
        readings = [self._in_company(side) for side in readings]
        with autocast(self.device, self._precision):
            memory = self._encode(readings)
            if options.sampling is None:
                found = search(self, memory, options, self._fewest, guides)
            else:
                noise = _noise(memory.lengths, options, self._in_company(keys))
                found = sample(self, memory, options, noise, self._fewest, guides)
        return found[: len(keys)]

    @torch.inference_mode()
    def _force(
        self, readings: Sequence[Sequence[Ids]], targets: Sequence[Ids], options: SearchOptions
    ) -> list[Hypothesis]:
        with autocast(self.device, self._precision):
            memory = self._encode([self._in_company(side) for side in readings])
            forced = force(self, memory, self._in_company(targets), options)
        return forced[: len(targets)]

    def _in_company(self, rows: Sequence[T]) -> Sequence[T]:
        """As many as a batch must have, the first one repeated."""
        return [*rows, *[rows[0]] * (self._fewest - len(rows))]

    def _encode(self, readings: Sequence[Sequence[Ids]]) -> Any:
        padded = [pad_sources(side, _width(side[0])) for side in readings]
        sources = [(ids.to(self.device), lengths.to(self.device)) for ids, lengths in padded]
        if isinstance(self._model, Ensemble):
            return self._model.encode(sources)
        return self._model.encode(*sources[0])


def _of_one_width(readings: Sequence[Sequence[Ids]]) -> Iterator[Iterator[int]]:
    """Which sources have the same lengths once they are padded, the shortest first."""

    def widths(row: int) -> list[int]:
        return [_width(side[row]) for side in readings]

    for _, same in groupby(sorted(range(len(readings[0])), key=widths), key=widths):
        yield same


def _width(source: Ids) -> int:
    """Its length once it is padded: in larger steps than in training, since padding costs little
    here, and a step of few rows nearly as much as one of many."""
    length = len(source) + 1
    step = 8 if length <= 32 else 16 if length <= 64 else 32
    return -(-length // step) * step


def _rows_of(readings: Sequence[Sequence[Ids]], rows: Sequence[int]) -> list[list[Ids]]:
    return [[side[row] for row in rows] for side in readings]


def _in_order(batches: Sequence[list[int]], results: Iterator[list[T]]) -> list[T]:
    """What the batches of row numbers gave, by row."""
    by_row: dict[int, T] = {}
    for rows, result in zip(batches, results, strict=True):
        by_row.update(zip(rows, result, strict=True))
    return [by_row[row] for row in range(len(by_row))]


def _noise(lengths: Tensor, options: SearchOptions, keys: Sequence[Sequence[int]]) -> Tensor:
    """What is drawn by: it follows from the seed and a sentence's key, whatever its batch."""
    seed = options.sampling.seed if options.sampling else 0
    shape = (max(map(options.longest, lengths.tolist())), options.beam)
    drawn = [np.random.default_rng([seed, *ids]).random(shape, np.float32) for ids in keys]
    return torch.from_numpy(np.stack(drawn)).transpose(1, 2)
