"""A trained model arranged for stepping on a CPU: the same four verbs in a fraction of the time.

Nothing is learnt and nothing decided here: the weights of a `Seq2Seq` are laid out for search.

    - what a subword adds to the first layer's gates stands in a table
    - what attention's context adds to the layers above and to the readout is a mean of memory that
      was projected once a sentence: W Σ aᵢ vᵢ = Σ aᵢ (W vᵢ)
    - a layer's gates come of one product, its weights packed for oneDNN
    - tanh x = 1 − 2 sigmoid(−2x), which torch computes several times as fast as its tanh; the −2
      stands in the weights

Products are in float32, bfloat16 or 8-bit integers. For integers every input is bounded by 1 (an
output o·tanh c, a tanh), so that one fixed scale, 1/127, suits all of them and sums are exact; what
has passed a layer norm is not bounded, and its products stay in floating point. On one thread all
of it makes the same of a row in any number of rows, to the last bit, in all three.

    B sentences, K beams, R = B·K rows, S source length, H hidden, G gates, E embedding
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import torch
from torch import Tensor, nn

from nmt.attention import MultiHead
from nmt.cells import Recurrent
from nmt.config import ModelSettings
from nmt.device import autocast
from nmt.model import Memory, Seq2Seq, State, Step

Precision = Literal["fp32", "bf16", "int8"]

_LARGEST_TABLE = 1 << 26  # numbers in the table of subwords; more are computed when needed
_VECTORS = 32  # float32 numbers that torch takes at once, or a multiple of them
_TANH_GATES = {"lstm": 2, "gru": 2, "rnn": 0}


@dataclass(frozen=True)
class ProjectedMemory:
    """An encoded batch of source sentences, and what attending to it adds to the decoder."""

    plain: Memory
    values: Tensor | None  # [B, S, (L−1)·G·H + E] memory projected for the layers and the readout

    @property
    def lengths(self) -> Tensor:
        return self.plain.lengths

    def select(self, rows: Tensor) -> ProjectedMemory:
        """The sentences of these rows, in this order."""
        values = None if self.values is None else self.values.index_select(0, rows)
        return ProjectedMemory(self.plain.select(rows), values)


_UNDERSTOOD = {
    *("embedding", "hidden", "encoder_layers", "decoder_layers", "cell", "attention", "heads"),
    *("tied", "layer_norm", "dropout", "word_dropout"),
}


def arranged(model: Seq2Seq, precision: Precision) -> Seq2Seq | Arranged:
    """The model laid out for this precision; the model itself on a GPU, or where a setting that
    the arrangement knows nothing of is not at its default."""
    on_cpu = next(model.parameters()).device.type == "cpu"
    return Arranged(model, precision) if on_cpu and _is_understood(model.settings) else model


def fastest(model: Seq2Seq) -> Precision:
    """The fastest arithmetic that costs no quality to speak of (docs/performance.md): 8-bit
    integers where this CPU sums them as it should, float32 elsewhere."""
    on_cpu = next(model.parameters()).device.type == "cpu"
    return "int8" if on_cpu and _has_exact_integers() else "fp32"


def _is_understood(settings: ModelSettings) -> bool:
    known = {name: getattr(settings, name) for name in _UNDERSTOOD}
    return replace(ModelSettings(), **known) == settings


class Arranged:
    """What search knows of a model, for a `Seq2Seq` on a CPU whose weights no longer change."""

    @torch.inference_mode()
    def __init__(self, model: Seq2Seq, precision: Precision) -> None:
        self._model = model
        self._floating: Precision = (
            "bf16" if precision != "fp32" and _has_bfloat16() else "fp32"
        )  # of what integers do not suit
        normed, hidden = len(model.decoder_norms) > 0, model.settings.hidden
        mixed = self._floating if normed and precision == "int8" else precision
        first, *above = model.layers
        self._table = _Table(model.target_embedding.weight, first)
        self._first = _Layer(first, 0, precision)
        self._above = [_Layer(layer, hidden, mixed) for layer in above]
        outputs, context = _columns(model.to_readout.weight, hidden)
        self._readout = _product(-2 * outputs, -2 * model.to_readout.bias, mixed)
        self._output = _product(model.output.weight, model.output.bias, precision)
        projections = [*(layer.context for layer in self._above), -2 * context]
        self._parts = [len(part) for part in projections]
        self._project = torch.cat(projections)  # [(L−1)·G·H + E, H] of the context

    @torch.inference_mode()
    def encode(self, source: Tensor, lengths: Tensor) -> ProjectedMemory:
        """Source ids [B, S] with EOS and padding, read by the model as it is."""
        attention = self._model.attention
        with autocast(source.device, self._floating):
            memory = self._model.encode(source, lengths)
            projected = attention is not None and not isinstance(attention, MultiHead)
            values = nn.functional.linear(memory.values, self._project) if projected else None
        plain = Memory(
            memory.values.float(),
            memory.keys.float(),
            memory.padding,
            memory.summary.float(),
            lengths,
        )
        return ProjectedMemory(plain, values)

    def start(self, memory: ProjectedMemory) -> State:
        """The decoder's first state."""
        states = self._model.start(memory.plain).layers
        layers = (self._first, *self._above)
        return State(
            tuple(layer.begin(*state) for layer, state in zip(layers, states, strict=True))
        )

    def step(self, tokens: Tensor, state: State, memory: ProjectedMemory) -> Step:
        """Logits after one more token a row, as `Seq2Seq.step`."""
        outputs, first = self._first.step(self._table(tokens), None, state.layers[0])
        added, attention = self._attend(outputs, memory)
        after = [first]
        for number, layer in enumerate(self._above):
            below = self._between(number, outputs, after[-1], layer.enter)
            outputs, now = layer.step(added[number], below, state.layers[number + 1])
            after.append(now)
        last = self._between(len(self._above), outputs, after[-1], self._readout.enter)
        readout = _tanh(_sum(self._readout(last), added[-1]))
        logits = self._output(self._output.enter(readout))
        return Step(logits, State(tuple(after)), attention)

    def _attend(
        self, outputs: Tensor, memory: ProjectedMemory
    ) -> tuple[Sequence[Tensor | None], Tensor | None]:
        """What the context adds to each layer above and to the readout, and the weights [R, S]."""
        attention, plain = self._model.attention, memory.plain
        if attention is None:
            return [None] * len(self._parts), None
        beams = outputs.view(len(plain.lengths), -1, outputs.shape[-1])  # [B, K, H]
        if memory.values is None:  # several heads, each with weights of its own
            context, weights = attention(beams, plain.keys, plain.values, plain.padding)
            added = nn.functional.linear(context, self._project)
        else:
            weights = torch.softmax(attention.scores(beams, plain.keys) + plain.padding, dim=-1)
            added = torch.bmm(weights.to(memory.values.dtype), memory.values)
        return added.flatten(0, 1).split_with_sizes(self._parts, dim=1), weights.flatten(0, 1)

    def _between(
        self, number: int, outputs: Tensor, state: tuple[Tensor, ...], enter: _Enter
    ) -> Tensor:
        """A layer's outputs as those above take them in."""
        norms = self._model.decoder_norms
        return enter(norms[number](outputs)) if len(norms) else state[0]


# --- layers -------------------------------------------------------------------------------------


class _Layer:
    """One decoder layer. Its state is h as products take it in, and what else the cell needs:
    −2c of an LSTM, h itself of a GRU."""

    def __init__(self, layer: Recurrent, below: int, precision: Precision) -> None:
        """Args: below: size of the outputs of the layer below; 0 for the first layer."""
        self._cell = layer.cell
        inputs, recurrent, input_bias, recurrent_bias = _scaled(layer)
        under, self.context = _columns(inputs, below)
        self._inputs: _Product | None = None  # a product for itself only in a GRU
        if layer.cell == "gru":
            self._recurrent = _product(recurrent, recurrent_bias, precision)
            self._inputs = _product(under, input_bias, precision) if below else None
        elif below:
            both = torch.cat((under, recurrent), dim=1)
            self._recurrent = _product(both, input_bias + recurrent_bias, precision)
        else:
            self._recurrent = _product(recurrent, None, precision)
        self.enter = self._recurrent.enter

    def begin(self, h: Tensor, c: Tensor | None = None) -> tuple[Tensor, ...]:
        """The state that this layer starts from."""
        h = h.float()
        if c is not None:
            return self.enter(h), -2 * c.float()
        return (self.enter(h), h) if self._cell == "gru" else (self.enter(h),)

    def step(
        self, added: Tensor | None, below: Tensor | None, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One step: the outputs [R, H], and the state after.

        Args:
            added: [R, G·H] what subword or context adds to the gates.
            below: [R, H] the outputs of the layer below, as products take them in.
        """
        if self._cell == "gru":
            inputs = added if self._inputs is None else _sum(self._inputs(_given(below)), added)
            h = _gru(_given(inputs), self._recurrent(state[0]), state[1])
            return h, (self.enter(h), h)
        before = state[0] if below is None else torch.cat((below, state[0]), dim=1)
        gates = _sum(self._recurrent(before), added)
        if self._cell == "rnn":
            h = _tanh(gates)
            return h, (self.enter(h),)
        h, cell = _lstm(gates, state[1])
        return h, (self.enter(h), cell)


def _lstm(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """h and −2c after gates i, f, −2g, o [R, 4H] and −2c before."""
    i, f, g, o = _sigmoid(gates).chunk(4, dim=1)
    cell = (f * cell).sub_(torch.addcmul(i, i, g, value=-2), alpha=2)
    return torch.addcmul(o, o, _sigmoid(cell), value=-2), cell


def _gru(inputs: Tensor, recurrent: Tensor, h: Tensor) -> Tensor:
    """h after gates r, z, −2n, of inputs and of h before: both [R, 3H]."""
    two = 2 * h.shape[1]
    r, z = _sigmoid(inputs[:, :two] + recurrent[:, :two]).chunk(2, dim=1)
    return torch.lerp(_tanh(torch.addcmul(inputs[:, two:], r, recurrent[:, two:])), h, z)


def _tanh(halved: Tensor) -> Tensor:
    """tanh x, given −2x."""
    return 1 - 2 * _sigmoid(halved)


def _sigmoid(rows: Tensor) -> Tensor:
    """The same for a row in any place: torch computes what fills no vector in another way."""
    over = -rows.shape[1] % _VECTORS
    if not over:
        return torch.sigmoid(rows)
    return torch.sigmoid(nn.functional.pad(rows, (0, over)))[:, : rows.shape[1]]


class _Table:
    """What each subword adds to the first layer's gates."""

    def __init__(self, embedding: Tensor, layer: Recurrent) -> None:
        inputs, _, input_bias, recurrent_bias = _scaled(layer)
        bias = input_bias if layer.cell == "gru" else input_bias + recurrent_bias
        self._product = _product(inputs, bias, "fp32")
        self._embedding, self._rows = embedding, None
        if len(embedding) * len(inputs) <= _LARGEST_TABLE:
            self._rows = self._product(embedding)

    def __call__(self, tokens: Tensor) -> Tensor:
        """[R] → [R, G·H]."""
        if self._rows is not None:
            return self._rows.index_select(0, tokens)
        return self._product(self._embedding.index_select(0, tokens))


def _scaled(layer: Recurrent) -> list[Tensor]:
    """A layer's matrices and biases, the gate that a tanh follows times −2."""
    weights = [part.detach().clone() for part in layer.weights()]
    for part in weights:
        part.split(layer.hidden)[_TANH_GATES[layer.cell]].mul_(-2)
    return weights


def _columns(weight: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """A matrix's first columns, and the rest."""
    return weight[:, :first], weight[:, first:]


def _sum(product: Tensor, added: Tensor | None) -> Tensor:
    return product if added is None else product.add_(added)


def _given(part: Tensor | None) -> Tensor:
    assert part is not None
    return part


# --- products -----------------------------------------------------------------------------------

_Enter = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Product:
    """x ↦ W x + b in float32, for x [R, I] as `enter` makes it."""

    enter: _Enter
    compute: _Enter

    def __call__(self, inputs: Tensor) -> Tensor:
        return self.compute(inputs)


def _product(weight: Tensor, bias: Tensor | None, precision: Precision) -> _Product:
    if precision == "int8":
        return _integer_product(weight, bias)
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    weight, bias = weight.detach().to(kind), None if bias is None else bias.detach().to(kind)
    if not torch.backends.mkldnn.is_available() or (precision == "bf16" and not _has_bfloat16()):
        return _Product(
            lambda x: x.to(kind), lambda x: nn.functional.linear(x, weight, bias).float()
        )
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
    linear = torch.ops.mkldnn._linear_pointwise
    return _Product(lambda x: x.to(kind), lambda x: linear(x, packed, bias, "none", [], "").float())


def _integer_product(weight: Tensor, bias: Tensor | None) -> _Product:
    """Inputs in steps of 1/127 from −1 to 1, weights in 255 steps an output, exact sums.

    oneDNN's fast kernels want unsigned inputs, so that 128 stands for zero. On a CPU where they
    saturate (without VNNI), or that has none, float32 sums the same whole numbers.
    """
    weight = weight.detach()
    scale = weight.abs().amax(dim=1).clamp(min=1e-9) / 127  # [O]
    whole = (weight / scale.unsqueeze(1)).round()
    if not _has_exact_integers():
        real, step = whole, scale / 127
        return _Product(
            lambda x: (x * 127).round_(),
            lambda x: nn.functional.linear(x, real).mul_(step).add_(0 if bias is None else bias),
        )
    compute = _onednn_integers(whole.to(torch.int8), scale, bias)
    zero = torch.tensor(128.5)  # the conversion cuts off; from floats to bytes at once it is slow
    return _Product(
        lambda x: torch.add(zero, x, alpha=127).to(torch.int32).to(torch.uint8), compute
    )


def _onednn_integers(whole: Tensor, scale: Tensor, bias: Tensor | None) -> _Enter:
    packed = torch.ops.onednn.qlinear_prepack(whole, None)
    zeros = torch.zeros(len(whole), dtype=torch.int32)
    linear = torch.ops.onednn.qlinear_pointwise
    bias = None if bias is None else bias.detach().float()
    return lambda x: linear(
        x, 1 / 127, 128, packed, scale, zeros, bias, 1.0, 0, torch.float32, "none", [], ""
    )


@cache
def _has_bfloat16() -> bool:
    """Whether this CPU has kernels for bfloat16 products."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@cache
def _has_exact_integers() -> bool:
    """Whether oneDNN's 8-bit products are there, and right for the largest numbers."""
    whole = torch.full((16, 64), 127, dtype=torch.int8)
    try:
        compute = _onednn_integers(whole, torch.ones(16), None)
        found = compute(torch.full((16, 64), 255, dtype=torch.uint8))
    except (AttributeError, RuntimeError):
        return False
    return bool(torch.allclose(found, torch.full((16, 16), 64.0 * 127)))
