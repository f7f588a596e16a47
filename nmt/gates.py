"""Why gradients vanish or do not: what the gates of a model do on real text.

A gradient that goes back along an LSTM's cell is multiplied by the forget gate f at each step, one
along a GRU's state by the update gate z (torch's is the share that is kept). After k steps a unit
has kept the product of its gates, on average about (mean f)ᵏ: its timescale, the steps after which
1/e is left, is −1 / ln mean f (Tallec & Ollivier 2018, §2). In a tanh-RNN the Jacobian of a step is
W times a diagonal of 1 − h²: gradients vanish for certain if W's largest singular value is below 1,
and can explode only if it is above (Pascanu et al. 2013, §2.1); saturated units pass on nothing.

    N steps of all sentences, H hidden
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmt.batches import Batch
from nmt.cells import Cell, Recurrent
from nmt.decoder import Decoder
from nmt.subwords import PAD

Column = NDArray[np.float64]

CLOSED = 0.05
"""How near either end of its range, as a share of it, a value is saturated: a gate below 0.05 or
above 0.95, a tanh beyond ±0.9, which is the same place of its sigmoid."""

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Of which the quantiles are given."""

_BINS = 50
_GATES: dict[Cell, tuple[str, ...]] = {
    # In torch's order; the last is no gate but the candidate, a tanh.
    "lstm": ("input", "forget", "output", "candidate"),
    "gru": ("reset", "update", "candidate"),
    "rnn": ("state",),
}
_KEEPS: dict[Cell, str] = {"lstm": "forget", "gru": "update"}


@dataclass(frozen=True)
class Gate:
    """The values of a gate, or of a tanh, over all units and steps."""

    name: str
    low: float  # the least it can be: 0, or −1
    quantiles: tuple[float, ...]  # at SHARES
    closed: float  # the share at its lower end
    open: float  # ... and at its upper end
    histogram: tuple[float, ...]  # shares in equal bins from `low` to 1
    timescales: tuple[float, ...] = ()  # of the units, at SHARES; only of what keeps a state

    @property
    def saturated(self) -> float:
        return self.closed + self.open


@dataclass(frozen=True)
class Spectrum:
    """Of a recurrent matrix."""

    singular: float  # its largest singular value
    radius: float  # its largest eigenvalue's absolute value


@dataclass(frozen=True)
class Layer:
    """A recurrent layer on some text."""

    name: str
    cell: Cell
    gates: tuple[Gate, ...]
    spectrum: Spectrum | None  # of a tanh-RNN

    @property
    def keeper(self) -> Gate | None:
        """The gate by which a state is kept; a tanh-RNN has none."""
        return next((gate for gate in self.gates if gate.timescales), None)


@torch.no_grad()
def layers(model: Decoder, batches: Iterable[Batch]) -> list[Layer]:
    """All recurrent layers of a model that is in eval mode, as they are on this text."""
    watched = [_Watched(name, layer) for name, layer in _named(model)]
    device = next(model.parameters()).device
    try:
        for batch in batches:
            here = batch.to(device)
            model.readout(here.source, here.source_lengths, here.target_in)
            source = _within(here.source.shape[1], here.source_lengths)
            target = _within(here.target_in.shape[1], (here.target_in != PAD).sum(dim=1))
            for each in watched:
                each.sum_up(source if each.name.startswith("encoder") else target)
    finally:
        for each in watched:
            each.hook.remove()
    return [each.layer() for each in watched]


def spectrum(matrix: Tensor) -> Spectrum:
    """Of a square matrix."""
    square = matrix.detach().cpu().double()
    singular = torch.linalg.svdvals(square)[0]
    return Spectrum(float(singular), float(torch.linalg.eigvals(square).abs().max()))


def _named(model: Decoder) -> Iterator[tuple[str, Recurrent]]:
    """The recurrent layers, as a person calls them."""
    ways = {"ahead": ", forward", "back": ", backward"}
    if model.settings.shared_directions:
        ways["ahead"] = ", both directions"
    for path, module in model.named_modules():
        if isinstance(module, Recurrent):
            part, number, *way = path.split(".")
            only = not model.settings.bidirectional
            yield f"{part} {int(number) + 1}{'' if only or not way else ways[way[0]]}", module


def _within(steps: int, lengths: Tensor) -> Tensor:
    """[B, T]: where there is a token."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)


class _Watched:
    """A layer whose gates are looked at while the model runs."""

    def __init__(self, name: str, layer: Recurrent) -> None:
        self.name, self.recurrent = name, layer
        self.seen: list[tuple[Tensor, ...]] = []  # of each call, the gates [B, T, H]
        self.values: list[list[Tensor]] = [[] for _ in _GATES[layer.cell]]  # [N, H]
        self.hook = layer.register_forward_hook(self._look)

    def _look(self, _: nn.Module, given: tuple[Any, ...], gave: tuple[Tensor, Any]) -> None:
        inputs, state, outputs = given[0], given[1], gave[0]
        if inputs.dim() == 2:  # one step
            inputs, outputs = inputs.unsqueeze(1), outputs.unsqueeze(1)
        before = torch.cat((state[0].unsqueeze(1), outputs[:, :-1]), dim=1)
        self.seen.append(gates(self.recurrent, inputs, before, outputs))

    def sum_up(self, within: Tensor) -> None:
        """Keep what there was at tokens [B, T]: of several calls, steps one after the other or
        directions."""
        steps = self.seen[0][0].shape[1] == 1
        for number, kept in enumerate(self.values):
            each = [seen[number] for seen in self.seen]
            for sequence in [torch.cat(each, dim=1)] if steps else each:
                kept.append(sequence[within].float().cpu())
        self.seen.clear()

    def layer(self) -> Layer:
        cell = self.recurrent.cell
        found = []
        for name, values in zip(_GATES[cell], self.values, strict=True):
            bounded = name not in ("candidate", "state")
            every = torch.cat(values) if values else torch.zeros(0, self.recurrent.hidden)
            found.append(_gate(name, every, 0.0 if bounded else -1.0, name == _KEEPS.get(cell)))
        matrix = self.recurrent.weights()[1]
        return Layer(self.name, cell, tuple(found), spectrum(matrix) if cell == "rnn" else None)


def gates(layer: Recurrent, inputs: Tensor, before: Tensor, outputs: Tensor) -> tuple[Tensor, ...]:
    """The gates of each step, and its candidate, each [B, T, H].

    Args:
        inputs: [B, T, I].
        before: [B, T, H] the state h that each step began with.
        outputs: [B, T, H] the one it ended with.
    """
    if layer.cell == "rnn":
        return (outputs,)
    by_input, by_state, input_bias, state_bias = layer.weights()
    read = (inputs @ by_input.t() + input_bias).split(layer.hidden, dim=-1)
    kept = (before @ by_state.t() + state_bias).split(layer.hidden, dim=-1)
    if layer.cell == "gru":
        reset, update = (torch.sigmoid(read[i] + kept[i]) for i in (0, 1))
        return reset, update, torch.tanh(read[2] + reset * kept[2])
    into, forget, candidate, out = (a + b for a, b in zip(read, kept, strict=True))
    return *(torch.sigmoid(each) for each in (into, forget, out)), torch.tanh(candidate)


def _gate(name: str, values: Tensor, low: float, keeps: bool) -> Gate:
    """Args: values: [N, H]."""
    units = values.double().numpy()
    if not units.size:
        return Gate(name, low, (np.nan,) * len(SHARES), 0.0, 0.0, (0.0,) * _BINS)
    edge = CLOSED * (1 - low)
    counts, _ = np.histogram(units, _BINS, (low, 1.0))
    return Gate(
        name,
        low,
        _quantiles(units),
        float((units < low + edge).mean()),
        float((units > 1 - edge).mean()),
        tuple((counts / units.size).tolist()),
        _quantiles(timescales(units)) if keeps else (),
    )


def timescales(kept: Column) -> Column:
    """−1 / ln mean f of each unit, from its gates [N, H]; inf for one that never forgets."""
    with np.errstate(divide="ignore"):
        scales: Column = np.abs(1 / np.log(kept.mean(axis=0)))
    return scales


def _quantiles(values: Column) -> tuple[float, ...]:
    return tuple(np.quantile(values, SHARES, method="nearest").tolist())
