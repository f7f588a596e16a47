"""Subword ids become padded batches of few, repeated shapes within a token budget.

An epoch is a random order of all pairs, cut into pools. Within a pool pairs of like length are
put together, and the batches shuffled. Everything follows from (seed, epoch, pool), so a training
that stopped goes on with exactly the batches it would have had.

In a corpus of millions neighbours stay together in runs, and it is these that come in random order:
a pool of them is read from few places, its pairs come from all over the corpus, and the order takes
no memory to speak of.

Where that is asked for, some pairs are put behind the one before them, and learned as one, so that
a line of several sentences does not come as a surprise (Kondo et al. 2021, "Sentence Concatenation
Approach to Data Augmentation for Neural Machine Translation").

Few shapes matter because a CPU's kernels are built anew for each: lengths are rounded up to steps,
and the number of rows to multiples of eight.

    B batch, S source length, T target length
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from nmt.subwords import BOS, EOS, PAD, Subwords, Vocabulary

if TYPE_CHECKING:
    from nmt.prepare import Table

IdsLike = np.ndarray | Sequence[int]
PairOfIds = tuple[np.ndarray, np.ndarray]

SHORTEST = 4  # padded length of the shortest sequence

_POOL = 65_536  # pairs sorted together
_DRAWN_POOL = 16_384  # the same where subwords are drawn, all of them before the first batch
_SCATTERED = 1 << 20  # pairs up to which each goes its own way in an epoch
_RUN = 256  # neighbours that stay together in larger corpora
_ERA = 16  # pools in which few segmentations of a word are drawn
_SLICE = 4_096  # pairs read from the table at once
_SOURCE_TOKENS = 4  # source subwords a batch may have for each target one of its budget
_MORE = 0.5  # chance that yet another pair follows where one was put behind another
_PREFETCHED = 8  # batches made ahead of the training


@dataclass(frozen=True, order=True)
class Position:
    """The next batch of a training: what a checkpoint remembers of the data."""

    epoch: int = 0
    pool: int = 0
    batch: int = 0  # within the pool


@dataclass(frozen=True)
class Batch:
    """Padded pairs. `target_in` starts with BOS, `target_out` ends with EOS."""

    source: Tensor  # [B, S] int64
    source_lengths: Tensor  # [B] int64
    target_in: Tensor  # [B, T]
    target_out: Tensor  # [B, T]
    predicted: Tensor  # [tokens] where `target_out`, flattened, is no padding
    tokens: int  # target subwords that are no padding, EOS included
    rows: Sequence[tuple[int, ...]]  # [B] which of the table each is made of
    next: Position  # where the data goes on after this batch
    epochs: float  # epochs done after this batch, fractions included

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        if device.type == "cpu":
            return self
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> Batch:
        """The same batch where a GPU can fetch it from while it computes."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        names = ("source", "source_lengths", "target_in", "target_out", "predicted")
        return Batch(**{**self.__dict__, **{name: change(getattr(self, name)) for name in names}})


class _Example(NamedTuple):
    """What is learned as one: a pair, or several."""

    source: np.ndarray
    target: np.ndarray
    rows: tuple[int, ...]  # of the table

    def with_behind(self, other: _Example) -> _Example:
        """The two as one."""
        source = np.concatenate((self.source, other.source))
        target = np.concatenate((self.target, other.target))
        return _Example(source, target, self.rows + other.rows)


@dataclass(frozen=True)
class _Pool:
    """Pairs that are sorted together."""

    at: Position  # its first batch
    next: Position  # what follows its last batch
    rows: np.ndarray
    before: int  # pairs of the epoch in earlier pools
    sampling: int  # the seed of subword dropout
    era: int  # of subword dropout
    generator: np.random.Generator  # of all else


@dataclass(frozen=True)
class Batches:
    """The endless sequence of training batches of one table."""

    table: Table
    vocabulary: Vocabulary
    batch_tokens: int
    seed: int
    longest: int  # subwords of either side of what is put together
    subword_dropout: float = 0.0
    concatenated: float = 0.0  # chance that a pair gets another one behind it
    pinned: bool = False  # for a GPU

    def start_at(self, position: Position) -> Generator[Batch, None, None]:
        """All batches from `position` on, epoch after epoch, made in a background thread."""
        batches = self._from(position)
        return _ahead((b.pinned() for b in batches) if self.pinned else batches, _PREFETCHED)

    def _from(self, position: Position) -> Iterator[Batch]:
        """While a pool's batches are given out, as many pairs of the next one are read."""
        pools = self._pools(position)
        pool, first, read = next(pools), position.batch, list[PairOfIds]()
        reading = self._read(pool)
        for following in pools:
            read += reading
            ahead, reading = list[PairOfIds](), self._read(following)
            for batch in self._cut(pool, read, first):
                yield batch
                ahead += islice(reading, sum(map(len, batch.rows)))
            pool, first, read = following, 0, ahead

    def _pools(self, position: Position) -> Iterator[_Pool]:
        """All pools from that of `position` on."""
        for epoch in count(position.epoch):
            yield from self._epoch(epoch, position.pool if epoch == position.epoch else 0)

    def _epoch(self, epoch: int, first: int) -> Iterator[_Pool]:
        """The pools of an epoch, from its `first` on."""
        size = len(self.table)
        run = 1 if size <= _SCATTERED else _RUN
        together = (_DRAWN_POOL if self.subword_dropout else _POOL) // run
        runs = np.random.default_rng([self.seed, epoch]).permutation(-(-size // run)) * run
        cuts = range(0, len(runs), together)
        for number in range(first, len(cuts)):
            before, rest = np.split(runs, [cuts[number]])
            rows = (rest[:together, None] + np.arange(run)).ravel()
            last = number + 1 == len(cuts)
            generator = np.random.default_rng([self.seed, epoch, number])
            yield _Pool(
                at=Position(epoch, number),
                next=Position(epoch + 1) if last else Position(epoch, number + 1),
                rows=rows[rows < size],
                before=int(np.minimum(run, size - before).sum()),
                sampling=int(generator.integers(2**31)),
                era=(epoch << 32) + number // _ERA,  # no two epochs share one
                generator=generator,
            )

    def _read(self, pool: _Pool) -> Iterator[PairOfIds]:
        """The ids of a pool's pairs, one after another."""
        sources = self._side(pool, "source", self.vocabulary.source, pool.sampling)
        targets = self._side(pool, "target", self.vocabulary.target, pool.sampling + 1)
        return zip(sources, targets, strict=True)

    def _side(self, pool: _Pool, side: str, subwords: Subwords, seed: int) -> Iterator[np.ndarray]:
        slices = np.split(pool.rows, range(_SLICE, len(pool.rows), _SLICE))
        if not self.subword_dropout:
            return chain.from_iterable(self.table.ids(side, rows) for rows in slices)
        lines = chain.from_iterable(self.table.text(side, rows) for rows in slices)
        sampled = subwords.sample(lines, self.subword_dropout, seed, pool.era)
        return (np.array(ids, np.uint16) for ids in sampled)

    def _examples(self, pool: _Pool, read: Sequence[PairOfIds]) -> list[_Example]:
        """A pool's pairs; where that is asked for, some of them behind the one before."""
        pairs = zip(read, pool.rows.tolist(), strict=True)
        examples = [_Example(*pair, (row,)) for pair, row in pairs]
        if not self.concatenated:
            return examples
        made = examples[:1]
        for example, draw in zip(examples[1:], pool.generator.random(len(read) - 1), strict=True):
            if draw < (_MORE if len(made[-1].rows) > 1 else self.concatenated):
                both = made[-1].with_behind(example)
                if max(len(both.source), len(both.target)) <= self.longest:
                    made[-1] = both
                    continue
            made.append(example)
        return made

    def _cut(self, pool: _Pool, read: Sequence[PairOfIds], first: int) -> Iterator[Batch]:
        """A pool's batches, from its `first` on."""
        sources, targets, rows = zip(*self._examples(pool, read), strict=True)
        groups = _groups(_lengths(sources), _lengths(targets), self.batch_tokens, pool.generator)
        groups = [groups[i] for i in pool.generator.permutation(len(groups))]
        behind = pool.before + np.cumsum([sum(len(rows[i]) for i in group) for group in groups])
        for number in range(first, len(groups)):
            last = number + 1 == len(groups)
            yield make_batch(
                [sources[i] for i in groups[number]],
                [targets[i] for i in groups[number]],
                [rows[i] for i in groups[number]],
                pool.next if last else replace(pool.at, batch=number + 1),
                pool.at.epoch + float(behind[number] / len(self.table)),
            )


def grouped(
    sources: Sequence[IdsLike], targets: Sequence[IdsLike], batch_tokens: int
) -> Iterator[Batch]:
    """Every pair once, grouped by length and without noise: for validation."""
    for group in _groups(_lengths(sources), _lengths(targets), batch_tokens, None):
        rows = [(int(row),) for row in group]
        yield make_batch([sources[i] for i in group], [targets[i] for i in group], rows)


def make_batch(
    sources: Sequence[IdsLike],
    targets: Sequence[IdsLike],
    rows: Sequence[tuple[int, ...]] = (),
    following: Position = Position(),
    epochs: float = 0.0,
) -> Batch:
    """Pad pairs of ids (without BOS and EOS) into one batch.

    Args:
        rows: of the table, that each pair is made of, for whoever asks.
    """
    lengths = _lengths(targets)
    target_out = _padded(targets, lengths, rounded(lengths.max()))
    target_in = np.roll(target_out, 1, axis=1)
    target_in[np.arange(len(lengths)), lengths % target_in.shape[1]] = PAD  # where EOS went
    target_in[:, 0] = BOS
    source, source_lengths = pad_sources(sources)
    return Batch(
        source=source,
        source_lengths=source_lengths,
        target_in=torch.from_numpy(target_in),
        target_out=torch.from_numpy(target_out),
        predicted=torch.from_numpy(np.flatnonzero(target_out != PAD)),
        tokens=int(lengths.sum()),
        rows=rows,
        next=following,
        epochs=epochs,
    )


def pad_sources(sources: Sequence[IdsLike], width: int = 0) -> tuple[Tensor, Tensor]:
    """Source ids (without EOS) → [B, S] with EOS and padding, and their lengths [B].

    Args:
        width: S; by default that of the longest, rounded up.
    """
    lengths = _lengths(sources)
    padded = _padded(sources, lengths, width or rounded(lengths.max()))
    return torch.from_numpy(padded), torch.from_numpy(lengths)


def _padded(sequences: Sequence[IdsLike], lengths: np.ndarray, width: int) -> np.ndarray:
    """Ids, EOS (the two together have these lengths) and padding: [B, width] int64."""
    padded = np.full((len(sequences), width), PAD, dtype=np.int64)
    padded[np.arange(width) < lengths[:, None] - 1] = np.concatenate(sequences)
    padded[np.arange(len(sequences)), lengths - 1] = EOS
    return padded


def rounded(length: int) -> int:
    """The padded length of a sequence: steps of an eighth to a quarter of its size."""
    step = 2 if length <= 16 else 4 if length <= 32 else 8 if length <= 64 else 16
    return max(SHORTEST, -(-length // step) * step)


def _lengths(sequences: Sequence[IdsLike]) -> np.ndarray:
    return np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences)) + 1


def _groups(
    source: np.ndarray, target: np.ndarray, tokens: int, generator: np.random.Generator | None
) -> list[np.ndarray]:
    """Indices of pairs of like length, each group within the token budget.

    Sources grow within one target length and shrink within the next, so that those of a group that
    holds both are of like length as well.

    Args:
        source, target: lengths with EOS.
        generator: shuffles pairs of equal rounded length; None keeps them in order.
    """
    order = np.arange(len(target)) if generator is None else generator.permutation(len(target))
    longest = max(source.max(initial=0), target.max(initial=0))
    steps = np.array([rounded(length) for length in range(longest + 1)])
    widths, sources = steps[target[order]], steps[source[order]]
    turned = np.unique(widths, return_inverse=True)[1] % 2 == 1
    order = order[np.lexsort((np.where(turned, -sources, sources), widths))]
    groups, start = [], 0
    while start < len(order):
        rows = max(1, tokens // int(target[order[start]]))
        group = order[start : start + rows]
        rows = tokens // int(target[group].max())
        rows = max(1, min(rows, _SOURCE_TOKENS * tokens // int(source[group].max())))
        rows = rows // 8 * 8 or rows
        groups.append(order[start : start + rows])
        start += rows
    return groups


def _ahead(batches: Iterator[Batch], count: int) -> Generator[Batch, None, None]:
    """The same items, computed up to `count` ahead in a thread that ends with the iterator."""
    made: queue.Queue[Batch | BaseException | None] = queue.Queue(count)
    stopped = threading.Event()

    def offer(item: Batch | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for batch in batches:
                if not offer(batch):
                    return
            offer(None)
        except BaseException as error:  # handed to the thread that waits for the batch
            offer(error)

    worker = threading.Thread(target=work, daemon=True, name="batches")
    worker.start()
    try:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        worker.join()  # a thread still at work would end the interpreter badly
