"""Gradients by distance, where they are known: powers of a matrix, powers of a forget gate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.batches import Batch, make_batch
from nmt.cells import Bidirectional, Recurrent, Unidirectional
from nmt.config import ModelSettings
from nmt.language_model import LanguageModel
from nmt.model import Seq2Seq
from nmt.reach import Reach, concatenated, reach
from nmt.subwords import SPECIALS

WORDS, LENGTH, ROWS = 20, 23, 3
SMALL = ModelSettings(embedding=6, hidden=8, decoder_layers=1, attention="none", tied="none")


def ids(generator: np.random.Generator, length: int) -> list[int]:
    return cast(list[int], generator.integers(SPECIALS, WORDS, length).tolist())


@pytest.fixture
def batch() -> Batch:
    generator = np.random.default_rng(1)
    sides = [[ids(generator, LENGTH) for _ in range(ROWS)] for _ in range(2)]
    return make_batch(sides[0], sides[1])


def make(settings: ModelSettings) -> Seq2Seq:
    torch.manual_seed(1)
    return Seq2Seq(settings, WORDS, WORDS).double().eval()


def only_recurrent(layer: Recurrent, matrix: Tensor) -> None:
    """A tanh-RNN that stays at zero, where it is linear: h(t + 1) = W h(t)."""
    inputs, recurrent, *biases = layer.weights()
    with torch.no_grad():
        for weight in (inputs, *biases):
            weight.zero_()
        recurrent.copy_(matrix)


def one(found: Sequence[Reach], part: str, to: str = "h", detached: bool = False) -> Reach:
    (only,) = [r for r in found if (r.part, r.to, r.detached) == (part, to, detached)]
    return only


def spread(found: Reach) -> float:
    """How far tokens differ from each other."""
    known = np.isfinite(found.median)
    return float(np.ptp(np.log(found.quartiles[:, known]), axis=0).max())


# --- known answers --------------------------------------------------------------------------------


@pytest.mark.parametrize("keeps", [0.8, 1.0, 1.1])
def test_a_linear_decoder_gives_powers_of_its_matrix(keeps: float, batch: Batch) -> None:
    model = make(replace(SMALL, cell="rnn"))
    rotation = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64)).Q
    only_recurrent(model.layers[0], keeps * rotation)
    with torch.no_grad():
        model.bridge.weight.zero_()
    found = one(reach(model, batch), "decoder")
    assert found.median == pytest.approx(keeps ** np.arange(LENGTH + 1), rel=1e-9)
    assert spread(found) < 1e-9
    half = math.log(0.5) / math.log(keeps) if keeps < 1 else math.inf
    assert found.falls_to(0.5) == (math.ceil(half) if half < LENGTH else None)


def test_of_any_matrix_the_norms_are_those_of_its_powers(batch: Batch) -> None:
    model = make(replace(SMALL, cell="rnn"))
    matrix = torch.randn(8, 8, dtype=torch.float64) / 3
    only_recurrent(model.layers[0], matrix)
    with torch.no_grad():
        model.bridge.weight.zero_()
        model.to_readout.weight.zero_()
        model.to_readout.weight[:, 2] = 1.0  # only h's third unit is read
    found = one(reach(model, batch), "decoder")
    read = np.eye(8)[2]
    power = np.linalg.matrix_power
    wanted = [np.linalg.norm(power(matrix.numpy().T, d) @ read) for d in range(LENGTH + 1)]
    assert found.median == pytest.approx(np.array(wanted), rel=1e-9)


@pytest.mark.parametrize("way", ["encoder, forward", "encoder, backward"])
@pytest.mark.parametrize("bridge", ["last", "mean"])
@pytest.mark.parametrize("shared", [False, True])
def test_a_linear_encoder_too_either_way(way: str, bridge: str, shared: bool, batch: Batch) -> None:
    settings = replace(SMALL, cell="rnn", shared_directions=shared, attention="dot")
    model = make(replace(settings, bridge=cast("object", bridge)))  # type: ignore[arg-type]
    layer = cast(Bidirectional, model.encoder[0])
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    only_recurrent(layer.ahead, 0.7 * rotation)
    only_recurrent(layer.back, (0.7 if shared else 0.9) * rotation)
    found = reach(model, batch)
    keeps = 0.7 if shared or way.endswith("forward") else 0.9
    for detached in (False, True):
        norms = one(found, way, detached=detached)
        assert norms.median == pytest.approx(keeps ** np.arange(LENGTH + 1), rel=1e-9)


def test_a_forget_gate_fixed_at_f_decays_by_powers_of_f(batch: Batch) -> None:
    """x(j) is in the cell at once, and all that becomes of it is f at each step."""
    model = make(replace(SMALL, cell="lstm"))
    forget = 0.85
    layer = model.layers[0]
    inputs, recurrent, input_bias, recurrent_bias = layer.weights()
    with torch.no_grad():
        model.bridge.weight.zero_()
        for weight in (inputs[:16], inputs[24:], recurrent, input_bias, recurrent_bias):
            weight.zero_()
        inputs[16:24] *= 1e-7  # the candidate's, so that every tanh is linear
        input_bias[8:16] = math.log(forget / (1 - forget))
    found = reach(model, batch)
    assert one(found, "decoder", "x").median == pytest.approx(
        forget ** np.arange(LENGTH + 1), rel=1e-5
    )
    assert not one(found, "decoder", "h").median[1:].any()  # nothing reads h but the output


def test_an_update_gate_fixed_at_z_decays_by_powers_of_z(batch: Batch) -> None:
    model = make(replace(SMALL, cell="gru"))
    update = 0.6
    inputs, recurrent, input_bias, recurrent_bias = model.layers[0].weights()
    with torch.no_grad():
        for weight in (inputs, recurrent, input_bias, recurrent_bias):
            weight.zero_()
        input_bias[8:16] = math.log(update / (1 - update))
    found = one(reach(model, batch), "decoder")
    assert found.median == pytest.approx(update ** np.arange(LENGTH + 1), rel=1e-9)


def test_from_a_token_to_the_source_it_is_decoder_bridge_encoder(batch: Batch) -> None:
    """All steps are linear, and the bridge is too: every step multiplies by what it keeps."""
    model = make(replace(SMALL, cell="rnn", bidirectional=False))
    rotation = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64)).Q
    only_recurrent(model.layers[0], 0.8 * rotation)
    only_recurrent(cast(Unidirectional, model.encoder[0]).ahead, 0.8 * rotation)
    with torch.no_grad():
        model.bridge.weight.copy_(torch.eye(8))
    found = one(reach(model, batch), "source")
    distances = np.arange(1, LENGTH + 1)
    assert found.median[1 : LENGTH + 1] == pytest.approx(0.8**distances, rel=1e-9)
    assert np.isnan(found.median[0])


def test_a_language_model_is_a_decoder_alone(batch: Batch) -> None:
    torch.manual_seed(1)
    model = LanguageModel(replace(SMALL, cell="rnn"), WORDS).double()
    rotation = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64)).Q
    only_recurrent(model.layers[0], 0.9 * rotation)
    found = reach(model, batch)
    assert {each.part for each in found} == {"decoder"}
    assert found[0].median == pytest.approx(0.9 ** np.arange(LENGTH + 1), rel=1e-9)


# --- what attention does --------------------------------------------------------------------------


def test_detached_attention_leaves_the_recurrent_path_alone(batch: Batch) -> None:
    model = make(replace(SMALL, cell="rnn", attention="dot", bidirectional=False))
    layer = cast(Unidirectional, model.encoder[0]).ahead
    with torch.no_grad():
        layer.weights()[1].mul_(0.2)
        model.layers[0].weights()[1].mul_(0.2)
    found = reach(model, batch)
    with_it, without = (one(found, "source", detached=d) for d in (False, True))
    assert without.median[LENGTH] < 1e-6 < with_it.median[LENGTH]


def test_without_attention_there_is_nothing_to_detach(batch: Batch) -> None:
    assert not any(found.detached for found in reach(make(SMALL), batch))


# --- every model ----------------------------------------------------------------------------------

OTHERS = [
    {"cell": "gru", "attention": "additive", "coverage": True},
    {"cell": "rnn", "attention": "general", "input_feeding": True, "decoder_layers": 2},
    {"attention": "dot", "heads": 2, "encoder_layers": 2, "connections": "residual"},
    {"encoder_layers": 3, "decoder_layers": 3, "connections": "dense", "layer_norm": True},
    {"bidirectional": False, "encoder_layers": 2, "connections": "highway", "bridge": "max"},
    {"shared_directions": True, "attention": "dot", "tied": "all"},
]


@pytest.mark.parametrize("changes", OTHERS)
def test_every_model_can_be_measured_and_is_left_as_it_was(
    changes: dict[str, object], batch: Batch
) -> None:
    model = make(replace(SMALL, **changes)).float()  # type: ignore[arg-type]
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    found = reach(model, batch)
    ways = ["forward", "backward"] if model.settings.bidirectional else ["forward"]
    assert {f.part for f in found} == {"decoder", "source", *(f"encoder, {way}" for way in ways)}
    for each in found:
        first = 1 if each.part == "source" else 0
        assert np.isfinite(each.quartiles[:, first : LENGTH + 1]).all()
        assert (each.quartiles[1:] >= each.quartiles[:-1])[:, first : LENGTH + 1].all()
        if not first:
            assert each.median[0] == pytest.approx(1.0)
    assert all(torch.equal(before[name], w) for name, w in model.named_parameters())
    assert all(w.requires_grad and w.grad is None for w in model.parameters())


# --- sequences ------------------------------------------------------------------------------------


def test_sentences_are_put_together_side_by_side() -> None:
    sources, targets = [[5, 6], [7], [8, 9, 10], [11]], [[15], [16, 17], [18], [19, 19]]
    made = concatenated(sources, targets, length=4, count=9)
    assert made.source[0, :4].tolist() == [5, 6, 7, 2]
    assert made.target_out[:, :4].tolist() == [[15, 16, 17, 2], [18, 19, 19, 2]]
    assert made.source_lengths.tolist() == [4, 4]


def test_too_little_text_gives_one_shorter_sequence() -> None:
    made = concatenated([[5, 6]], [[7, 8, 9]], length=100, count=4)
    assert made.source_lengths.tolist() == [3]
