"""Gates and recurrent matrices, where they are known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.batches import Batch, make_batch
from nmt.cells import Cell, Recurrent
from nmt.config import ModelSettings
from nmt.gates import SHARES, Layer, gates, layers, spectrum, timescales
from nmt.model import Seq2Seq
from nmt.subwords import SPECIALS

WORDS = 20
SMALL = ModelSettings(embedding=6, hidden=8, decoder_layers=1, attention="none", tied="none")


def make(settings: ModelSettings) -> Seq2Seq:
    torch.manual_seed(1)
    return Seq2Seq(settings, WORDS, WORDS).eval()


def batch_of(lengths: Iterable[int]) -> Batch:
    generator = np.random.default_rng(1)
    each = [generator.integers(SPECIALS, WORDS, length) for length in lengths]
    return make_batch(each, each)


def by_name(found: Iterable[Layer]) -> dict[str, Layer]:
    return {layer.name: layer for layer in found}


# --- matrices -------------------------------------------------------------------------------------


def test_a_spectrum_is_that_of_the_matrix() -> None:
    rotation = torch.tensor([[0.0, -0.7], [0.7, 0.0]])
    assert spectrum(rotation).singular == pytest.approx(0.7)
    assert spectrum(rotation).radius == pytest.approx(0.7)
    shear = torch.tensor([[0.5, 10.0], [0.0, -0.3]])  # far from normal
    assert spectrum(shear).radius == pytest.approx(0.5)
    assert spectrum(shear).singular == pytest.approx(np.linalg.norm(shear.numpy(), 2))


def test_only_a_tanh_rnn_is_judged_by_its_matrix() -> None:
    for cell in ("rnn", "gru", "lstm"):
        model = make(replace(SMALL, cell=cell))
        for layer in layers(model, [batch_of([3])]):
            assert (layer.spectrum is not None) == (cell == "rnn")
            assert (layer.keeper is None) == (cell == "rnn")
    matrix = make(replace(SMALL, cell="rnn")).layers[0].weights()[1]
    assert matrix.shape == (8, 8)


# --- gates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_gates_are_those_that_made_the_outputs(cell: Cell) -> None:
    torch.manual_seed(1)
    layer = Recurrent(cell, 5, 7).double()
    inputs = torch.randn(2, 9, 5, dtype=torch.float64)
    start = layer.zero_state(inputs)
    outputs, _ = layer(inputs, start)
    before = torch.cat((start[0].unsqueeze(1), outputs[:, :-1]), dim=1)
    found = gates(layer, inputs, before, outputs)
    assert torch.allclose(rebuilt(cell, found, before), outputs, atol=1e-12)


def rebuilt(cell: Cell, found: tuple[Tensor, ...], before: Tensor) -> Tensor:
    """The outputs, from gates alone."""
    if cell == "rnn":
        return found[0]
    if cell == "gru":
        _, update, candidate = found
        return (1 - update) * candidate + update * before
    into, forget, out, candidate = found
    memory, outputs = torch.zeros_like(into[:, 0]), []
    for step in range(into.shape[1]):
        memory = forget[:, step] * memory + into[:, step] * candidate[:, step]
        outputs.append(out[:, step] * torch.tanh(memory))
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize(("cell", "keeps"), [("lstm", "forget"), ("gru", "update")])
@pytest.mark.parametrize("value", [0.51, 0.89, 0.97])
def test_a_gate_that_is_fixed_has_one_value_and_one_timescale(
    cell: Cell, keeps: str, value: float
) -> None:
    model = make(replace(SMALL, cell=cell))
    inputs, recurrent, input_bias, recurrent_bias = model.layers[0].weights()
    with torch.no_grad():  # both have this gate in the second place
        for weight in (inputs, recurrent, input_bias, recurrent_bias):
            weight[8:16] = 0.0
        input_bias[8:16] = math.log(value / (1 - value))
    gate = by_name(layers(model, [batch_of([5, 9])]))["decoder 1"].keeper
    assert gate is not None and gate.name == keeps
    assert gate.quantiles == pytest.approx((value,) * len(SHARES))
    assert gate.timescales == pytest.approx((-1 / math.log(value),) * len(SHARES), rel=1e-4)
    assert (gate.closed, gate.open) == (0.0, float(value > 0.95))
    assert sum(gate.histogram) == pytest.approx(1)
    assert gate.histogram[int(value * 50)] == pytest.approx(1)


def test_a_timescale_is_that_of_the_mean() -> None:
    kept = np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 0.0]])
    assert timescales(kept) == pytest.approx([np.inf, -1 / math.log(0.75), 0.0])


def test_states_that_are_driven_hard_are_saturated() -> None:
    model = make(replace(SMALL, cell="rnn"))
    layer = model.layers[0]
    with torch.no_grad():
        for weight in layer.weights():
            weight.zero_()
        layer.weights()[2][:4] = 5.0
        layer.weights()[2][4:6] = -5.0
    (state,) = by_name(layers(model, [batch_of([6])]))["decoder 1"].gates
    assert (state.closed, state.open, state.saturated) == (0.25, 0.5, 0.75)


def test_padding_is_not_looked_at() -> None:
    model = make(replace(SMALL, attention="dot"))
    together = layers(model, [batch_of([3, 12])])
    source = batch_of([3, 12]).source.numpy()
    alone = [make_batch([ids], [ids]) for ids in (source[0, :3], source[1, :12])]
    apart = layers(model, alone)
    for mine, theirs in zip(together, apart, strict=True):
        for one, other in zip(mine.gates, theirs.gates, strict=True):
            assert one.quantiles == pytest.approx(other.quantiles, abs=1e-6)
            assert one.timescales == pytest.approx(other.timescales, rel=1e-4)


OTHERS: list[tuple[dict[str, object], set[str]]] = [
    ({}, {"encoder 1, forward", "encoder 1, backward", "decoder 1"}),
    ({"shared_directions": True}, {"encoder 1, both directions", "decoder 1"}),
    ({"bidirectional": False, "encoder_layers": 2}, {"encoder 1", "encoder 2", "decoder 1"}),
    (
        {"attention": "dot", "input_feeding": True, "decoder_layers": 2},
        {"encoder 1, forward", "encoder 1, backward", "decoder 1", "decoder 2"},
    ),
]


@pytest.mark.parametrize(("changes", "names"), OTHERS)
def test_every_layer_has_a_name_and_is_left_alone(
    changes: dict[str, object], names: set[str]
) -> None:
    model = make(replace(SMALL, **changes))  # type: ignore[arg-type]
    found = by_name(layers(model, [batch_of([4, 7]), batch_of([11])]))
    assert set(found) == names
    for layer in found.values():
        assert all(sum(gate.histogram) == pytest.approx(1) for gate in layer.gates)
    assert not any(module._forward_hooks for module in model.modules())


def test_step_by_step_the_gates_are_the_same() -> None:
    """A decoder with input feeding, whose readout is zero, is one that goes step by step alone."""
    fed = make(replace(SMALL, attention="dot", input_feeding=True))
    whole = make(replace(SMALL, attention="dot"))
    with torch.no_grad():
        weights = dict(fed.named_parameters())
        fed.to_readout.weight.zero_()
        for name, weight in whole.named_parameters():
            narrow = weights[name][:, : weight.shape[1]] if weight.dim() > 1 else weights[name]
            weight.copy_(narrow)
    mine, theirs = (by_name(layers(m, [batch_of([4, 7])]))["decoder 1"] for m in (fed, whole))
    for one, other in zip(mine.gates, theirs.gates, strict=True):
        assert one.quantiles == pytest.approx(other.quantiles, abs=1e-5)
