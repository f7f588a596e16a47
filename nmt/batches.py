"""Subword ids become padded batches of few, repeated shapes within a token budget.

An epoch is a random order of all pairs, cut into pools. Within a pool pairs of like length are
put together, and the batches shuffled. Everything follows from (seed, epoch, pool), so a training
that stopped goes on with exactly the batches it would have had.

Few shapes matter because a CPU's kernels are built anew for each: lengths are rounded up to steps,
and the number of rows to multiples of eight.

    B batch, S source length, T target length
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nmt.prepare import Table
from nmt.subwords import BOS, EOS, PAD, Vocabulary

IdsLike = np.ndarray | Sequence[int]

SHORTEST = 4  # padded length of the shortest sequence

_POOL = 65_536  # pairs sorted together
_SOURCE_TOKENS = 4  # source subwords a batch may have for each target one of its budget
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
    tokens: int  # target subwords that are no padding, EOS included
    rows: np.ndarray  # [B] row numbers in the table
    next: Position  # where the data goes on after this batch
    epochs: float  # epochs done after this batch, fractions included

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        if device.type == "cpu":
            return self
        moved = {
            name: getattr(self, name).pin_memory().to(device, non_blocking=True)
            for name in ("source", "source_lengths", "target_in", "target_out")
        }
        return Batch(**{**self.__dict__, **moved})


@dataclass(frozen=True)
class Batches:
    """The endless sequence of training batches of one table."""

    table: Table
    vocabulary: Vocabulary
    batch_tokens: int
    seed: int
    subword_dropout: float = 0.0

    def start_at(self, position: Position) -> Generator[Batch, None, None]:
        """All batches from `position` on, epoch after epoch, made in a background thread."""
        return _ahead(self._from(position), _PREFETCHED)

    def _from(self, position: Position) -> Iterator[Batch]:
        epoch, pool, first = position.epoch, position.pool, position.batch
        while True:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.table))
            pools = [order[i : i + _POOL] for i in range(0, len(order), _POOL)]
            for number in range(pool, len(pools)):
                done = epoch + sum(map(len, pools[:number])) / len(order)
                yield from self._pool(
                    pools[number], Position(epoch, number, first), done, len(pools)
                )
                first = 0
            epoch, pool = epoch + 1, 0

    def _pool(self, rows: np.ndarray, at: Position, done: float, pools: int) -> Iterator[Batch]:
        generator = np.random.default_rng([self.seed, at.epoch, at.pool])
        sources, targets = self._ids(rows, int(generator.integers(2**31)))
        groups = _groups(_lengths(sources), _lengths(targets), self.batch_tokens, generator)
        groups = [groups[i] for i in generator.permutation(len(groups))]
        seen = np.cumsum([len(group) for group in groups]) / len(self.table)
        for number in range(at.batch, len(groups)):
            group = groups[number]
            following = Position(at.epoch, at.pool, number + 1)
            if number + 1 == len(groups):
                last = at.pool + 1 == pools
                following = Position(at.epoch + 1) if last else Position(at.epoch, at.pool + 1)
            yield make_batch(
                [sources[i] for i in group],
                [targets[i] for i in group],
                rows[group],
                following,
                done + float(seen[number]),
            )

    def _ids(
        self, rows: np.ndarray, seed: int
    ) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
        if not self.subword_dropout:
            return self.table.ids("source", rows), self.table.ids("target", rows)
        sides = (self.vocabulary.source, self.vocabulary.target)
        sampled = [
            [
                np.asarray(ids, dtype=np.uint16)
                for ids in subwords.sample(
                    self.table.text(side, rows), self.subword_dropout, seed + n
                )
            ]
            for n, (side, subwords) in enumerate(zip(("source", "target"), sides, strict=True))
        ]
        return sampled[0], sampled[1]


def grouped(
    sources: Sequence[IdsLike], targets: Sequence[IdsLike], batch_tokens: int
) -> Iterator[Batch]:
    """Every pair once, grouped by length and without noise: for validation."""
    for group in _groups(_lengths(sources), _lengths(targets), batch_tokens, None):
        yield make_batch([sources[i] for i in group], [targets[i] for i in group], group)


def make_batch(
    sources: Sequence[IdsLike],
    targets: Sequence[IdsLike],
    rows: np.ndarray,
    following: Position = Position(),
    epochs: float = 0.0,
) -> Batch:
    """Pad pairs of ids (without BOS and EOS) into one batch."""
    target_ids = [np.asarray(ids, dtype=np.int64) for ids in targets]
    width = rounded(max(map(len, target_ids)) + 1)
    target_in = np.full((len(target_ids), width), PAD, dtype=np.int64)
    target_out = target_in.copy()
    target_in[:, 0] = BOS
    for row, ids in enumerate(target_ids):
        target_in[row, 1 : len(ids) + 1] = ids
        target_out[row, : len(ids)] = ids
        target_out[row, len(ids)] = EOS
    source, lengths = pad_sources(sources)
    return Batch(
        source=source,
        source_lengths=lengths,
        target_in=torch.from_numpy(target_in),
        target_out=torch.from_numpy(target_out),
        tokens=sum(map(len, target_ids)) + len(target_ids),
        rows=rows,
        next=following,
        epochs=epochs,
    )


def pad_sources(sources: Sequence[IdsLike]) -> tuple[Tensor, Tensor]:
    """Source ids (without EOS) → [B, S] with EOS and padding, and their lengths [B]."""
    lengths = [len(ids) + 1 for ids in sources]
    padded = np.full((len(sources), rounded(max(lengths))), PAD, dtype=np.int64)
    for row, ids in enumerate(sources):
        padded[row, : len(ids)] = ids
        padded[row, len(ids)] = EOS
    return torch.from_numpy(padded), torch.tensor(lengths)


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

    Args:
        source, target: lengths with EOS.
        generator: shuffles pairs of equal rounded length; None keeps them in order.
    """
    order = np.arange(len(target)) if generator is None else generator.permutation(len(target))
    shape = np.array([rounded(int(t)) for t in target]), np.array([rounded(int(s)) for s in source])
    order = order[np.lexsort((shape[1][order], shape[0][order]))]
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
