"""Does context help: what the loss of known translations becomes when a part of it is taken away.

The source, or the target history, loses all but its last k subwords, or has those farther away in
random order (Khandelwal et al. 2018, "Sharp Nearby, Fuzzy Far Away"). The source always keeps its
EOS and the history its BOS, so k = 0 takes everything. What is farther away than a model looks can
go without harm; what can be shuffled without harm is known to it as a bag of words.

    B sentences, T target length, W histories of one length
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from nmt.batches import grouped
from nmt.decoder import Decoder
from nmt.model import Seq2Seq
from nmt.perplexity import likelihoods
from nmt.subwords import BOS, EOS, Ids

Side = Literal["source", "target"]
Way = Literal["truncated", "shuffled"]

KEPT = (0, 1, 2, 4, 8, 16)
"""Values of k, in subwords."""

_TOKENS = 2_000  # target subwords of sentences that go together
_HISTORY = 16_000  # subwords of histories that go together


@dataclass(frozen=True)
class Loss:
    """Of known translations, with a part of their context changed."""

    side: Side
    way: Way
    kept: int
    nats: float  # mean −log p of a target subword, EOS included


@dataclass(frozen=True)
class Context:
    """What context is worth."""

    nats: float  # the loss with all of it
    losses: tuple[Loss, ...]

    @property
    def sides(self) -> list[Side]:
        """Those there are: a language model has no source."""
        return list(dict.fromkeys(loss.side for loss in self.losses))

    def of(self, side: Side, way: Way) -> list[Loss]:
        return [loss for loss in self.losses if (loss.side, loss.way) == (side, way)]

    def enough(self, side: Side, way: Way, harm: float) -> int | None:
        """The smallest k that costs less than `harm` nats; None: none of those that were tried."""
        fine = [each.kept for each in self.of(side, way) if each.nats - self.nats < harm]
        return min(fine, default=None)


@torch.inference_mode()
def context(
    model: Decoder,
    sources: Sequence[Ids],
    targets: Sequence[Ids],
    seed: int,
) -> Context:
    """What taking away, or shuffling, all but k does to a model in eval mode."""
    tokens = sum(len(target) + 1 for target in targets)
    found = []
    for kept in KEPT:
        for way in ("truncated", "shuffled"):
            if isinstance(model, Seq2Seq):
                changed = [changed_to(source, kept, way, seed) for source in sources]
                nats = _whole(model, changed, targets)
                found.append(Loss("source", way, kept, nats / tokens))
            nats = _by_histories(model, sources, targets, kept, way, seed)
            found.append(Loss("target", way, kept, nats / tokens))
    return Context(_whole(model, sources, targets) / tokens, tuple(found))


def _whole(model: Decoder, sources: Sequence[Ids], targets: Sequence[Ids]) -> float:
    """Summed −log p of all target subwords, each after all that comes before it."""
    return sum(loss for loss, _ in likelihoods(model, grouped(sources, targets, _TOKENS)))


def changed_to(ids: Ids, kept: int, way: Way, seed: int) -> Ids:
    """The last `kept` ids, alone or after the others in random order."""
    far, near = ids[: max(0, len(ids) - kept)], ids[max(0, len(ids) - kept) :]
    if way == "truncated":
        return near
    order = np.random.default_rng([seed, len(far)]).permutation(len(far))
    return [far[i] for i in order] + near


def _by_histories(
    model: Decoder,
    sources: Sequence[Ids],
    targets: Sequence[Ids],
    kept: int,
    way: Way,
    seed: int,
) -> float:
    """Summed −log p of all target subwords, each after a history of its own."""
    device = next(model.parameters()).device
    nats = 0.0
    for batch in grouped(sources, targets, _TOKENS):
        here = batch.to(device)
        memory = model.encode(here.source, here.source_lengths)
        for histories in _histories([targets[row] for (row,) in batch.rows], kept, way, seed):
            mine = memory.select(histories.rows.to(device))
            readout = model.decode(histories.ids.to(device), model.start(mine), mine)
            logits = model.output(readout[:, -1])
            target = histories.target.to(device)
            nats += float(functional.cross_entropy(logits, target, reduction="sum"))
    return nats


@dataclass(frozen=True)
class _Histories:
    """What comes before some target subwords, of one length."""

    ids: Tensor  # [W, L], BOS first
    target: Tensor  # [W] the subwords
    rows: Tensor  # [W] whose they are


def _histories(targets: Sequence[Ids], kept: int, way: Way, seed: int) -> Iterator[_Histories]:
    of_length = defaultdict[int, list[tuple[Ids, int, int]]](list)
    for row, ids in enumerate(targets):
        for i, target in enumerate([*ids, EOS]):
            history = [BOS, *changed_to(ids[:i], kept, way, seed)]
            of_length[len(history)].append((history, target, row))
    for length, every in of_length.items():
        together = max(1, _HISTORY // length)
        for start in range(0, len(every), together):
            yield _Histories(
                *(torch.tensor(each) for each in zip(*every[start : start + together], strict=True))
            )
