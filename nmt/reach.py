"""How far back gradients reach: the norms of ∂J(i)/∂h(j) and ∂J(i)/∂x(j) by distance.

h(j) is the hidden state after step j, those of all layers of a stack side by side; of an LSTM it is
h and not c, so that the three cells are compared in the same thing. x(j) is the embedding that step
j reads. Each norm is divided by that at distance 0 of the same token, so a curve begins at 1; it is
a total derivative, all ways that lead from h(j) to J(i) together (Pascanu et al. 2013, eqs. 3–5).
What J(i) is, and what distance:

    decoder   J(i) = −log p(y(i) | y(<i), source), and h(j), x(j) of the decoder: i − j.
    encoder   The loss J of the whole target reaches the encoder wherever its outputs o(i) are read,
              by attention and by the bridge. J(i) = ⟨∂J/∂o(i), o(i)⟩, with the first factor taken
              as constant, is the part of it that comes in at i: the sum of the ∂J(i)/∂h(j) over i
              is ∂J/∂h(j), as backpropagation through time has it. Forward: i − j; backward: j − i.
    source    J(i) of the decoder, and h(j) of the encoder: the recurrent steps between the two,
              down the decoder, over the bridge, up the encoder. The norm is divided by that of
              ∂J(i)/∂h(i) in the decoder.

All are taken with attention as it is, and with attention detached: what it finds is a constant,
and only the recurrent path speaks (the encoder hears of the loss by the bridge alone).

Layers run step by step here, so that each h(j) can be asked for; everything else is the model's
own code. Dropout is off.

    B sequences, T steps, H hidden
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nmt.attention import Attention
from nmt.batches import Batch, make_batch
from nmt.cells import Recurrent, State
from nmt.decoder import Decoder
from nmt.dropout import NONE, Dropout
from nmt.model import Seq2Seq
from nmt.subwords import PAD, Ids

Part = Literal["decoder", "encoder, forward", "encoder, backward", "source"]
To = Literal["h", "x"]
Column = NDArray[np.float64]

HALF, HUNDREDTH = 0.5, 0.01
"""What is left of a gradient where its reach is read off."""

_LOSSES = 12  # positions i of a sequence, evenly spread over it


@dataclass(frozen=True)
class Reach:
    """Relative norms by distance 0, 1, 2, …; nan where no token is so far from another."""

    part: Part
    to: To
    detached: bool  # attention
    quartiles: NDArray[np.float64]  # [3, distances] over tokens: lower, median, upper
    tokens: int  # positions i of all sequences

    @property
    def median(self) -> Column:
        middle: Column = self.quartiles[1]
        return middle

    def falls_to(self, share: float) -> int | None:
        """The smallest distance at which the median is at or below `share`; None: not within what
        was measured."""
        below = np.flatnonzero(self.median <= share)
        return int(below[0]) if len(below) else None

    @property
    def farthest(self) -> int:
        """The largest distance that was measured."""
        return int(np.flatnonzero(np.isfinite(self.median))[-1])


def concatenated(sources: Sequence[Ids], targets: Sequence[Ids], length: int, count: int) -> Batch:
    """Neighbouring pairs put together: up to `count` sequences of `length` subwords with EOS.

    Too little text gives one shorter sequence.
    """
    made: list[tuple[Ids, Ids]] = []
    source, target = Ids(), Ids()
    for more_source, more_target in zip(sources, targets, strict=True):
        source, target = source + more_source, target + more_target
        if min(len(source), len(target)) >= length - 1:
            made.append((source[: length - 1], target[: length - 1]))
            source, target = Ids(), Ids()
        if len(made) == count:
            break
    shorter = min(len(source), len(target))
    made = made or [(source[:shorter], target[:shorter])]
    return make_batch([each[0] for each in made], [each[1] for each in made])


def reach(model: Decoder, batch: Batch) -> list[Reach]:
    """Everything above that the model has, for sequences of one length; a language model has no
    source, and attention is detached only if there is any."""
    ways = (False,) if model.attention is None else (False, True)
    return [found for detached in ways for found in _measured(model, batch, detached)]


def recurrent_path(reaches: Iterable[Reach], part: Part, to: To = "h") -> Reach | None:
    """Of these the one on the recurrent path alone; None where nothing was measured."""
    found = [each for each in reaches if (each.part, each.to) == (part, to)]
    return max(found, key=lambda each: each.detached, default=None)


def _measured(model: Decoder, batch: Batch, detached: bool) -> Iterator[Reach]:
    yield from _from_tokens(_Unrolled.of(model, detached), batch, detached)
    if isinstance(model, Seq2Seq):
        yield from _from_outputs(_Unrolled.of(model, detached), batch, detached)


def _from_tokens(unrolled: _Unrolled, batch: Batch, detached: bool) -> Iterator[Reach]:
    """The reach of each token's loss, in the decoder and from there into the encoder."""
    model = unrolled.model
    steps = int(batch.source_lengths[0])
    readout = model.readout(batch.source, batch.source_lengths, batch.target_in)
    decoder, ahead, back = unrolled.decoder(), unrolled.ahead(steps), unrolled.back(steps)
    embedded = unrolled.embedded("target_embedding")
    h, x, source = _Gathered(steps), _Gathered(steps), _Gathered(2 * steps)
    for i in _spread(steps):
        logits = model.output(readout[:, i])
        loss = functional.cross_entropy(logits, batch.target_out[:, i], reduction="sum")
        grown = _Gradients(loss, (decoder, ahead, back), embedded)
        here = grown.states(decoder)
        h.add(here[:, : i + 1].flip(1), 0, here[:, i])
        by_input = grown.inputs()
        x.add(by_input[:, : i + 1].flip(1), 0, by_input[:, i])
        if ahead:
            source.add(grown.states(ahead).flip(1), i + 1, here[:, i])
        if back:
            source.add(grown.states(back), i + 1, here[:, i])
    yield from h.reach("decoder", "h", detached)
    yield from x.reach("decoder", "x", detached)
    yield from source.reach("source", "h", detached)


def _from_outputs(unrolled: _Unrolled, batch: Batch, detached: bool) -> Iterator[Reach]:
    """The reach, within the encoder, of the loss that comes in at each of its outputs."""
    model, steps = unrolled.model, int(batch.source_lengths[0])
    assert isinstance(model, Seq2Seq)
    cut = _Cut(model.encoder_connections[-1])
    model.encoder_connections[-1] = cut
    readout = model.readout(batch.source, batch.source_lengths, batch.target_in)
    logits = model.output(readout).flatten(0, 1)
    loss = functional.cross_entropy(logits, batch.target_out.flatten(), ignore_index=PAD)
    (immediate,) = torch.autograd.grad(loss, [cut.read])
    ahead, back = unrolled.ahead(steps), unrolled.back(steps)
    embedded = unrolled.embedded("source_embedding")
    found = {(way, to): _Gathered(steps) for way in ("forward", "backward") for to in ("h", "x")}
    for i in _spread(steps):
        part = (immediate[:, i] * cut.outputs[:, i]).sum()
        grown = _Gradients(part, (ahead, back), embedded)
        behind, before = slice(0, i + 1), slice(i, steps)
        for way, states, where in (("forward", ahead, behind), ("backward", back, before)):
            if not states:
                continue
            for to, norms in (("h", grown.states(states)), ("x", grown.inputs())):
                towards = norms[:, where]
                towards = towards.flip(1) if way == "forward" else towards
                found[way, to].add(towards, 0, norms[:, i])
    for (way, to), gathered in found.items():
        yield from gathered.reach(cast(Part, f"encoder, {way}"), cast(To, to), detached)


def _spread(steps: int) -> list[int]:
    """Some positions, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, steps - 1, _LOSSES)})


# --- gradients, as norms of steps -----------------------------------------------------------------


_States = Sequence[Sequence[Tensor]]
"""Of each layer, its state [B, H] after each step."""


class _Gradients:
    """The derivatives of one sum over the sequences; these do not know of each other."""

    def __init__(self, of: Tensor, stacks: Sequence[_States], embedded: Tensor) -> None:
        wanted = [state for stack in stacks for layer in stack for state in layer]
        each = torch.autograd.grad(
            of, [*wanted, embedded], retain_graph=True, allow_unused=True, materialize_grads=True
        )
        self._of = {id(state): gradient for state, gradient in zip(wanted, each[:-1], strict=True)}
        self._embedded = each[-1]

    def states(self, stack: _States) -> Tensor:
        """Norms [B, T] of the derivatives by all layers' h(j) together."""
        layers = [torch.stack([self._of[id(h)] for h in layer], dim=1) for layer in stack]
        norms: Tensor = torch.linalg.vector_norm(torch.cat(layers, dim=-1), dim=-1)
        return norms

    def inputs(self) -> Tensor:
        """Norms [B, T] of the derivatives by x(j)."""
        norms: Tensor = torch.linalg.vector_norm(self._embedded, dim=-1)
        return norms


class _Gathered:
    """Relative norms of many tokens, by distance."""

    def __init__(self, distances: int) -> None:
        self.distances = distances
        self.rows: list[Column] = []

    def add(self, norms: Tensor, first: int, reference: Tensor) -> None:
        """Norms [B, n] of distances from `first` on, over [B]; tokens without are left out."""
        known = reference > 0
        relative = (norms[known] / reference[known].unsqueeze(1)).cpu().double().numpy()
        rows = np.full((len(relative), self.distances), np.nan)
        wide = rows[:, first : first + relative.shape[1]]
        wide[:] = relative[:, : wide.shape[1]]
        self.rows.extend(rows)

    def reach(self, part: Part, to: To, detached: bool) -> Iterator[Reach]:
        """One, or none if there was nothing to gather."""
        if not self.rows:
            return
        each = np.array(self.rows)
        quartiles = np.full((3, self.distances), np.nan)
        known = np.isfinite(each).any(axis=0)
        quartiles[:, known] = np.nanquantile(each[:, known], (0.25, 0.5, 0.75), axis=0)
        yield Reach(part, to, detached, quartiles, len(self.rows))


# --- a model that keeps what it went through ------------------------------------------------------


class _StepByStep(nn.Module):
    """A recurrent layer that goes step by step and keeps its states, those of each pass."""

    def __init__(self, layer: Recurrent) -> None:
        super().__init__()
        self.layer = layer
        self.passes: list[list[Tensor]] = []

    def zero_state(self, inputs: Tensor) -> State:
        return self.layer.zero_state(inputs)

    def forward(
        self, inputs: Tensor, state: State, dropout: Dropout = NONE
    ) -> tuple[Tensor, State]:
        if inputs.dim() == 2:  # the decoder goes step by step itself
            outputs, state = self.layer(inputs, state, dropout)
            self.passes = self.passes or [[]]
            self.passes[0].append(outputs)
            return outputs, state
        kept = []
        for now in inputs.unbind(1):
            outputs, state = self.layer(now, state, dropout)
            kept.append(outputs)
        self.passes.append(kept)
        return torch.stack(kept, dim=1), state


class _Detached(nn.Module):
    """Attention whose answers are constants."""

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.attention = attention

    @torch.no_grad()
    def keys(self, memory: Tensor) -> Tensor:
        return self.attention.keys(memory)

    @torch.no_grad()
    def forward(self, *asked: Any) -> Any:
        return self.attention(*asked)


class _Cut(nn.Module):
    """The encoder's last connection, behind which gradients stop: whoever reads the encoder reads
    a copy of its outputs."""

    def __init__(self, connection: nn.Module) -> None:
        super().__init__()
        self.connection = connection

    def forward(self, stream: Tensor, outputs: Tensor) -> Tensor:
        self.outputs: Tensor = self.connection(stream, outputs)
        read: Tensor = self.outputs.detach().requires_grad_()
        self.read = read
        return read


class _Unrolled:
    """A copy of a model, for one pass."""

    def __init__(self, model: Decoder) -> None:
        self.model = model
        self._embedded: dict[str, Tensor] = {}

    @classmethod
    def of(cls, model: Decoder, detached: bool) -> _Unrolled:
        twin = copy.deepcopy(model).eval().requires_grad_(False)
        made: dict[int, _StepByStep] = {}  # directions may share a layer
        for path, layer in list(twin.named_modules(remove_duplicate=False)):
            if isinstance(layer, Recurrent):
                parent, _, name = path.rpartition(".")
                steps = made.setdefault(id(layer), _StepByStep(layer))
                setattr(twin.get_submodule(parent), name, steps)
        if detached and twin.attention is not None:
            twin.attention = cast(Attention, _Detached(twin.attention))
        unrolled = cls(twin)
        for name, module in twin.named_children():
            if isinstance(module, nn.Embedding):
                unrolled._keep(name, module)
        return unrolled

    def _keep(self, name: str, embedding: nn.Embedding) -> None:
        def hook(_: nn.Module, __: Any, vectors: Tensor) -> Tensor:
            self._embedded[name] = vectors.requires_grad_()
            return vectors

        embedding.register_forward_hook(hook)

    def embedded(self, name: str) -> Tensor:
        """What an embedding gave, [B, T, E]."""
        return self._embedded[name]

    def decoder(self) -> _States:
        return [cast(_StepByStep, layer).passes[0] for layer in self.model.decoder]

    def ahead(self, steps: int) -> _States:
        """The encoder's states at its first `steps` positions; none without an encoder."""
        return [layer.ahead.passes[0][:steps] for layer in self._encoder()]

    def back(self, steps: int) -> _States:
        """Those of the direction that reads sequences of `steps` from their ends, by position too;
        none if nothing does."""
        if not self.model.settings.bidirectional:
            return []
        which = 1 if self.model.settings.shared_directions else 0
        return [layer.back.passes[which][:steps][::-1] for layer in self._encoder()]

    def _encoder(self) -> Sequence[Any]:
        return self.model.encoder if isinstance(self.model, Seq2Seq) else ()  # type: ignore[return-value]
