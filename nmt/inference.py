"""A trained model arranged for stepping on a CPU: the same four verbs in a fraction of the time.

Nothing is learnt and nothing decided here: the weights of a model are laid out for search.

    - what a subword adds to the first layer's gates stands in a table
    - a layer's gates come of one product, its weights packed for oneDNN
    - tanh x = 1 − 2 sigmoid(−2x), which torch computes several times as fast as its tanh; the −2
      stands in the weights; where integers follow integers oneDNN's own tanh is part of the product

Products are in float32, bfloat16 or 8-bit integers. For integers every input is bounded by 1 (an
output o·tanh c, a tanh, a mean of such outputs), so that one fixed scale, 1/127, suits all of them
and sums are exact. What has passed a layer norm or several heads has no such bound: there products
stay in floating point. Except in float32, attention by plain dot products reads its memory in
bfloat16, as the encoder wrote it. On one thread all of this makes the same of a row, to the last
bit, however many rows there are.

    B sentences, K beams, R ≤ B·K rows, S source length, H hidden, G gates, E embedding
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import torch
from torch import Tensor, nn

from nmt.attention import Dot, General, MultiHead
from nmt.cells import Recurrent
from nmt.choices import Precision, PrecisionChoice
from nmt.config import ModelSettings
from nmt.decoder import Decoder, Grid, Memory, State, Step, whole_grid
from nmt.device import autocast, has_bfloat16_kernels, linear
from nmt.errors import SettingsError

_LARGEST_TABLE = 1 << 26  # numbers in the table of subwords; more are computed when needed
_TOGETHER = 1_024  # subwords whose rows are computed at once
_STEPS, _ZERO = 127, 128  # of integers: steps from 0 to 1, and what stands for 0
_VECTORS = 32  # float32 numbers that torch takes at once, or a multiple of them
_TANH_GATES = {"lstm": 2, "gru": 2, "rnn": 0}


_UNDERSTOOD = {
    *("embedding", "hidden", "encoder_layers", "decoder_layers", "cell", "attention", "heads"),
    *("input_feeding", "tied", "layer_norm", "bidirectional", "shared_directions", "bridge"),
    *("initialisation", "dropout", "dropout_per", "word_dropout", "weight_dropout"),
}


def arranged(model: Decoder, precision: Precision) -> Decoder | Arranged:
    """The model laid out for this precision; the model itself where that cannot be done."""
    return model if _obstacle(model) else Arranged(model, precision)


def precision_for(models: Sequence[Decoder], choice: PrecisionChoice) -> Precision:
    """The arithmetic of a search with these models.

    `auto` is the fastest that costs no quality to speak of (docs/performance.md): 8-bit integers
    where these models can have them and this CPU sums them as it should, float32 elsewhere.

    Raises:
        SettingsError: integers are asked for and cannot be had.
    """
    if choice == "fp32" or choice == "bf16":
        return choice
    obstacle = next(filter(None, map(_obstacle, models)), "")
    if not obstacle and not has_exact_integers():
        obstacle = "this CPU has no exact 8-bit products"
    if choice == "int8" and obstacle:
        raise SettingsError(f"--precision int8 cannot be had: {obstacle}", "use bf16 or fp32")
    return "fp32" if obstacle else "int8"


def _obstacle(model: Decoder) -> str:
    """Why a model cannot be arranged, if so: it is on a GPU, or a setting that the arrangement
    knows nothing of is not at its default."""
    device = next(model.parameters()).device.type
    if device != "cpu":
        return f"it is for a CPU, and the device is {device}"
    default = asdict(ModelSettings())
    for name, value in asdict(model.settings).items():
        if name not in _UNDERSTOOD and value != default[name]:
            return f"not with model.{name} = {str(value).lower()}"
    return ""


class Arranged:
    """What search knows of a model, for one on a CPU whose weights no longer change."""

    @torch.inference_mode()
    def __init__(self, model: Decoder, precision: Precision) -> None:
        self._model = model
        # What integers do not suit: a layer norm and several heads' output have no bound.
        floating: Precision = "bf16" if precision != "fp32" and has_bfloat16_kernels() else "fp32"
        bounded = not model.settings.layer_norm and not isinstance(model.attention, MultiHead)
        mixed = precision if bounded or precision != "int8" else floating
        self._reading, self._mixed = floating, mixed != precision
        plain = type(model.attention) in (Dot, General)  # the others have products of their own
        self._remembered = torch.bfloat16 if plain and floating == "bf16" else torch.float32
        first, *above = model.layers
        embedding = model.target_embedding.weight
        self._table = _Table(embedding, first, precision)
        self._layers = [_Layer(first, precision, embedding.shape[1])]
        self._layers += [_Layer(layer, mixed) for layer in above]
        self._asking = len(above) if model.settings.input_feeding else 0
        to_readout = model.to_readout
        self._readout = _tanh_product(to_readout.weight, to_readout.bias, mixed, precision)
        self._output = _product(model.output.weight, model.output.bias, precision)

    @torch.inference_mode()
    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Source ids [B, S] with EOS and padding, read by the model as it is."""
        with autocast(source.device, self._reading):
            memory = self._model.encode(source, lengths)
        values = memory.values.to(self._remembered)
        return Memory(
            values,
            values if memory.keys is memory.values else memory.keys.to(self._remembered),
            memory.padding,
            memory.summary.float(),
            lengths,
        )

    def start(self, memory: Memory) -> State:
        """The decoder's first state."""
        state = self._model.start(memory)
        each = zip(self._layers, state.layers, strict=True)
        layers = tuple(layer.begin(*parts) for layer, parts in each)
        fed = None if state.fed is None else self._layers[0].enter(state.fed.float())
        return State(layers, fed)

    def step(
        self, tokens: Tensor, state: State, memory: Memory, grid: Grid | None = None
    ) -> Step[State]:
        """Logits after one more token a row, as `Decoder.step`."""
        below, table = state.fed, self._table(tokens)
        context = attention = None
        after: list[tuple[Tensor, ...]] = []
        for number, layer in enumerate(self._layers):
            outputs, now = layer.step(below, state.layers[number], None if number else table)
            after.append(now)
            if number == self._asking:
                where = grid or whole_grid(len(tokens), memory)
                context, attention = self._attend(outputs, memory, where)
            below = self._between(number, outputs, now, context)
        assert below is not None  # there is a layer
        readout = self._readout(below)
        fed = None if state.fed is None else readout
        return Step(self._output(readout), State(tuple(after), fed), attention)

    def _attend(
        self, outputs: Tensor, memory: Memory, grid: Grid
    ) -> tuple[Tensor | None, Tensor | None]:
        """The context [R, H] as products take it in, and the weights [R, S]."""
        if self._model.attention is None:
            return None, None
        context, weights = self._model.attention(
            grid.spread(outputs.to(self._remembered)), memory.keys, memory.values, memory.padding
        )
        return self._readout.enter(grid.gather(context).float()), grid.gather(weights)

    def _between(
        self, number: int, outputs: Tensor, state: tuple[Tensor, ...], context: Tensor | None
    ) -> Tensor:
        """A layer's outputs and the context, as the products above take them in."""
        if self._model.settings.layer_norm:
            outputs = self._readout.enter(self._model.decoder_norms[number](outputs))
        else:
            outputs = self._readout.enter(outputs) if self._mixed else state[0]
        return outputs if context is None else torch.cat((outputs, context), dim=1)


# --- layers -------------------------------------------------------------------------------------


class _Layer:
    """One decoder layer. Its state is h as products take it in, and what else the cell needs:
    −2c of an LSTM, h itself of a GRU."""

    def __init__(self, layer: Recurrent, precision: Precision, embedding: int = 0) -> None:
        """Args: embedding: of what comes from below, the size of the part that is in a table."""
        self._cell = layer.cell
        inputs, recurrent, input_bias, recurrent_bias = _scaled(layer)
        inputs = inputs[:, embedding:]
        self._inputs: _Product | None = None  # a product for itself only in a GRU
        if layer.cell == "gru":
            self._recurrent = _product(recurrent, recurrent_bias, precision)
            if inputs.shape[1]:
                self._inputs = _product(inputs, None if embedding else input_bias, precision)
        else:
            bias = None if embedding else input_bias + recurrent_bias
            self._recurrent = _product(torch.cat((inputs, recurrent), dim=1), bias, precision)
        self.enter = self._recurrent.enter

    def begin(self, h: Tensor, c: Tensor | None = None) -> tuple[Tensor, ...]:
        """The state that this layer starts from."""
        h = h.float()
        if c is not None:
            return self.enter(h), -2 * c.float()
        return (self.enter(h), h) if self._cell == "gru" else (self.enter(h),)

    def step(
        self, below: Tensor | None, state: tuple[Tensor, ...], table: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One step: the outputs [R, H], and the state after.

        Args:
            below: as products take them in, the outputs of the layer below and the context, or the
                readout that is fed to the first layer.
            table: what the subword adds to the first layer's gates [R, G·H].
        """
        if self._cell == "gru":
            inputs = [] if table is None else [table]
            if self._inputs is not None and below is not None:
                inputs.append(self._inputs(below))
            h = _gru(sum(inputs[1:], inputs[0]), self._recurrent(state[0]), state[1])
            return h, (self.enter(h), h)
        before = state[0] if below is None else torch.cat((below, state[0]), dim=1)
        gates = self._recurrent(before)
        if table is not None:
            gates.add_(table)
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
    """What each subword adds to the first layer's gates; in half precision beside products that
    are coarser than that."""

    def __init__(self, embedding: Tensor, layer: Recurrent, precision: Precision) -> None:
        inputs, _, input_bias, recurrent_bias = _scaled(layer)
        inputs = inputs[:, : embedding.shape[1]]
        bias = input_bias if layer.cell == "gru" else input_bias + recurrent_bias
        self._product = _product(inputs, bias, "fp32")
        self._embedding, self._rows = embedding, None
        if len(embedding) * len(inputs) <= _LARGEST_TABLE:
            kind = torch.float32 if precision == "fp32" else torch.float16
            parts = embedding.split(_TOGETHER)
            self._rows = torch.cat([self._product(part).to(kind) for part in parts])

    def __call__(self, tokens: Tensor) -> Tensor:
        """[R] → [R, G·H]."""
        if self._rows is not None:
            return self._rows.index_select(0, tokens).float()
        return self._product(self._embedding.index_select(0, tokens))


def _scaled(layer: Recurrent) -> list[Tensor]:
    """A layer's matrices and biases, the gate that a tanh follows times −2."""
    weights = [part.detach().clone() for part in layer.weights()]
    for part in weights:
        part.split(layer.hidden)[_TANH_GATES[layer.cell]].mul_(-2)
    return weights


# --- products -----------------------------------------------------------------------------------

_Enter = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class _Product:
    """x ↦ W x + b in float32, or a tanh of that as the next product takes it in; x [R, I] is as
    `enter` makes it."""

    enter: _Enter
    compute: _Enter

    def __call__(self, inputs: Tensor) -> Tensor:
        return self.compute(inputs)


def _product(weight: Tensor, bias: Tensor | None, precision: Precision) -> _Product:
    enter = _entrance(precision)
    if precision == "int8":
        return _Product(enter, _integer_product(weight, bias))
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    weight, bias = weight.detach().to(kind), None if bias is None else bias.detach().to(kind)
    product = linear(weight, bias)
    return _Product(enter, lambda x: product(x).float())


def _tanh_product(
    weight: Tensor, bias: Tensor, precision: Precision, following: Precision
) -> _Product:
    """x ↦ tanh(W x + b), as products in the precision `following` take it in: of integers in one
    kernel."""
    if precision == following == "int8":
        return _Product(_entrance("int8"), _integer_product(weight, bias, tanh=True))
    halved, enter = _product(-2 * weight, -2 * bias, precision), _entrance(following)
    return _Product(halved.enter, lambda x: enter(_tanh(halved(x))))


def _entrance(precision: Precision) -> _Enter:
    """How numbers become what products in this precision take in.

    For integers −1 to 1 in steps of 1/127; oneDNN's fast kernels want them unsigned, so that 128
    stands for zero.
    """
    if precision != "int8":
        kind = torch.bfloat16 if precision == "bf16" else torch.float32
        return lambda x: x.to(kind)
    zero = torch.tensor(_ZERO + 0.5)  # the conversion cuts off; from floats to bytes it is slow
    return lambda x: torch.add(zero, x, alpha=_STEPS).to(torch.int32).to(torch.uint8)


def _integer_product(weight: Tensor, bias: Tensor | None, tanh: bool = False) -> _Enter:
    """Weights in 255 steps an output, exact sums."""
    weight = weight.detach()
    scale = weight.abs().amax(dim=1).clamp(min=1e-9) / 127  # [O]
    whole = (weight / scale.unsqueeze(1)).round()
    return _onednn_integers(whole.to(torch.int8), scale, bias, tanh)


def _onednn_integers(
    whole: Tensor, scale: Tensor, bias: Tensor | None, tanh: bool = False
) -> _Enter:
    """Args: tanh: whether to give the tanh of what comes out, as `_entrance` has it."""
    packed = torch.ops.onednn.qlinear_prepack(whole, None)
    zeros = torch.zeros(len(whole), dtype=torch.int32)
    product = torch.ops.onednn.qlinear_pointwise
    bias = None if bias is None else bias.detach().float()
    out = (1 / _STEPS, _ZERO, torch.uint8, "tanh") if tanh else (1.0, 0, torch.float32, "none")
    return lambda x: product(x, 1 / _STEPS, _ZERO, packed, scale, zeros, bias, *out, [], "")


@cache
def has_exact_integers() -> bool:
    """Whether oneDNN's 8-bit products are there, and right for the largest numbers: without VNNI
    they saturate."""
    whole, scale = torch.full((16, 64), 127, dtype=torch.int8), torch.full((16,), 1 / (64 * 127))
    largest = torch.full((16, 64), 255, dtype=torch.uint8)
    try:
        ones = _onednn_integers(whole, scale, None)(largest)
        bent = _onednn_integers(whole, scale, None, tanh=True)(largest)
    except (AttributeError, RuntimeError):
        return False
    tanh = round(math.tanh(1) * _STEPS) + _ZERO
    return bool(torch.allclose(ones, torch.ones(16, 16)) and bent.eq(tanh).all())
