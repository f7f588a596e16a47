"""Several processes that train one model, as `torchrun` starts them.

Every process makes the same batches and takes its own share of each. Gradients are averaged by
torch's DistributedDataParallel, and whatever decides how a training goes on is agreed on, so that
all validate, save and end after the same step. The first process alone writes.

Alone, a process is a world of one, and nothing here costs anything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from nmt.batches import Batch
from nmt.device import world_size
from nmt.errors import TrainingError
from nmt.subwords import PAD

_PREPARING = timedelta(days=3)  # that the others wait for the first to prepare the corpus
_PATIENCE = timedelta(minutes=15)  # ... and for each other afterwards

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """The processes of one training, seen from one of them."""

    rank: int = 0
    size: int = 1
    patient: Any = None  # the group of processes through which the first one tells

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    # --- data and gradients -----------------------------------------------------------------------

    def share(self, batch: Batch) -> Batch:
        """This process's rows of a batch.

        Rows are dealt out by length like cards, there and back, so that all get as many tokens to
        within a row. Who gets no row keeps one without a token to predict: a loss of nothing.
        """
        if self.size == 1:
            return batch
        lengths = (batch.target_out != PAD).sum(dim=1)
        turn = torch.arange(len(lengths)) % (2 * self.size)
        dealt = torch.minimum(turn, 2 * self.size - 1 - turn)
        mine = lengths.argsort(descending=True, stable=True)[dealt == self.rank].sort().values
        rows = mine if len(mine) else torch.zeros(1, dtype=torch.int64)
        target_out = batch.target_out[rows]
        if not len(mine):
            target_out = torch.full_like(target_out, PAD)
        return replace(
            batch,
            source=batch.source[rows],
            source_lengths=batch.source_lengths[rows],
            target_in=batch.target_in[rows],
            target_out=target_out,
            predicted=(target_out != PAD).flatten().nonzero().squeeze(1),
            tokens=int(lengths[mine].sum()),
            rows=[batch.rows[row] for row in rows.tolist()],
        )

    def parallel(self, module: nn.Module) -> nn.Module:
        """The module, its gradients averaged over the processes at each backward pass."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, gradient_as_bucket_view=True)

    def accumulating(self, module: nn.Module) -> AbstractContextManager[Any]:
        """Within, gradients of a parallel module are added up here and not yet averaged."""
        if isinstance(module, DistributedDataParallel):
            return module.no_sync()
        return contextlib.nullcontext()

    # --- agreeing ---------------------------------------------------------------------------------

    def total(self, values: Tensor) -> Tensor:
        """The sum of `values` over the processes, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def largest(self, *values: float) -> list[float]:
        """The largest of each value over the processes."""
        if self.size == 1:
            return list(values)
        all_of_them = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(all_of_them, distributed.ReduceOp.MAX)
        return [float(value) for value in all_of_them]

    def told(self, value: T) -> T:
        """What the first process says."""
        if self.size == 1:
            return value
        told = [value]
        distributed.broadcast_object_list(told, group=self.patient)
        return told[0]

    def mine(self, items: Sequence[T]) -> Sequence[T]:
        """Every N-th item: this process's part of a work that is `collected` afterwards."""
        return items[self.rank :: self.size]

    def collected(self, results: Sequence[T]) -> list[T]:
        """Everybody's results for their part, in the order of all the items."""
        if self.size == 1:
            return list(results)
        parts: list[Any] = [None] * self.size
        distributed.all_gather_object(parts, list(results))
        merged: list[Any] = [None] * sum(map(len, parts))
        for rank, part in enumerate(parts):
            merged[rank :: self.size] = part
        return merged

    @contextmanager
    def noticing_loss(self) -> Iterator[None]:
        """Turn the loss of another process into a message.

        Raises:
            TrainingError: another process ended, or cannot be reached.
        """
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not _is_lost(error):
                raise
            raise TrainingError(
                f"process {self.rank}: another of the {self.size} processes ended",
                "its own message says why; the same command goes on from the last checkpoint",
            ) from error


ALONE = World()
"""The world of a process that trains by itself."""


@contextmanager
def join(cuda: bool) -> Iterator[World]:
    """Join the processes that torchrun started; alone if it did not."""
    size = world_size()
    if size == 1:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    patient = distributed.new_group(backend="gloo", timeout=_PREPARING)
    joined = World(distributed.get_rank(), size, patient)
    try:
        with joined.noticing_loss():
            yield joined
    finally:
        distributed.destroy_process_group()


def _is_lost(error: RuntimeError) -> bool:
    """Whether the error says that a connection to another process broke."""
    return isinstance(error, distributed.DistError) or any(
        name in str(error) for name in ("gloo", "NCCL", "Connection")
    )
