"""The arranged model says what the plain model says, row by row, whatever the other rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt import inference
from nmt.cells import Cell
from nmt.choices import Precision
from nmt.config import ModelSettings
from nmt.decoder import Grid
from nmt.errors import SettingsError
from nmt.inference import Arranged, arranged, precision_for
from nmt.model import Seq2Seq

SOURCE, TARGET = 50, 300
SMALL = ModelSettings(embedding=24, hidden=32, dropout=0.0)
KINDS: dict[str, dict[str, object]] = {
    "none": {"attention": "none"},
    "dot": {"attention": "dot"},
    "general": {"attention": "general"},
    "additive": {"attention": "additive"},
    "multi-head": {"attention": "dot", "heads": 2},
    "input feeding": {"attention": "general", "input_feeding": True},
}


needs_integers = pytest.mark.skipif(
    not inference.has_exact_integers(), reason="this CPU has no exact 8-bit products"
)


@pytest.fixture(autouse=True)
def inference_mode() -> object:
    with torch.inference_mode():
        yield


def model_of(**changes: Any) -> Seq2Seq:
    torch.manual_seed(3)
    settings = replace(SMALL, **changes)
    size = TARGET if settings.tied == "all" else SOURCE
    model = Seq2Seq(settings, size, TARGET).eval()
    for part in model.parameters():  # biases that are not zero
        part.add_(torch.randn(part.shape) * 0.05)
    return model


def sentences(count: int, longest: int = 9) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    lengths = torch.randint(1, longest + 1, (count,), generator=generator)
    source = torch.randint(4, SOURCE, (count, longest), generator=generator)
    return source.masked_fill(torch.arange(longest) >= lengths.unsqueeze(1), 0), lengths


def logits_of(model: Seq2Seq | Arranged, source: Tensor, lengths: Tensor) -> Tensor:
    """Of six steps along fixed tokens, three beams a sentence: [6, R, V]."""
    generator = torch.Generator().manual_seed(7)
    memory = model.encode(source, lengths)
    rows = torch.arange(len(lengths)).repeat_interleave(3)
    state, found = model.start(memory).select(rows), []
    for tokens in torch.randint(TARGET, (6, 3 * 400), generator=generator):
        step = model.step(tokens[: len(rows)], state, memory)
        found.append(step.logits)
        state = step.state.select(torch.arange(len(rows)))
    return torch.stack(found)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_it_is_the_plain_model(cell: Cell, kind: str, layers: int, layer_norm: bool) -> None:
    model = model_of(cell=cell, decoder_layers=layers, layer_norm=layer_norm, **KINDS[kind])
    plain = logits_of(model, *sentences(5))
    close: dict[Precision, float] = {"fp32": 1e-5, "bf16": 0.05}
    if inference.has_exact_integers():
        close["int8"] = 0.05
    for precision, tolerance in close.items():
        found = logits_of(Arranged(model, precision), *sentences(5))
        assert float((found - plain).std()) < tolerance * float(plain.std()), precision


@pytest.mark.parametrize("tied", ["none", "target", "all"])
def test_weights_may_be_shared(tied: str) -> None:
    model = model_of(tied=tied)
    found = logits_of(Arranged(model, "fp32"), *sentences(5))
    torch.testing.assert_close(found, logits_of(model, *sentences(5)), rtol=0, atol=1e-5)


def test_subwords_too_many_for_a_table_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of()
    with_table = logits_of(Arranged(model, "fp32"), *sentences(5))
    monkeypatch.setattr(inference, "_LARGEST_TABLE", 10)
    torch.testing.assert_close(
        logits_of(Arranged(model, "fp32"), *sentences(5)), with_table, rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16", pytest.param("int8", marks=needs_integers)])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_row_does_not_depend_on_the_others(precision: Precision, cell: Cell) -> None:
    model = Arranged(model_of(cell=cell, hidden=72, embedding=40), precision)
    source, lengths = sentences(300)
    together = logits_of(model, source, lengths)
    for size in (4, 8, 37, 128):
        part = logits_of(model, source[:size], lengths[:size])
        assert torch.equal(part, together[:, : 3 * size]), size


@pytest.mark.parametrize("precision", ["fp32", "bf16", pytest.param("int8", marks=needs_integers)])
@pytest.mark.parametrize("kind", KINDS)
def test_hypotheses_that_are_over_need_no_row(precision: Precision, kind: str) -> None:
    plain = model_of(**KINDS[kind])
    source, lengths = sentences(16)
    places = torch.tensor([n for n in range(48) if n % 5 and n // 3 != 7])
    for model in (Arranged(plain, precision), plain):
        memory = model.encode(source, lengths)
        state = model.start(memory).select(torch.arange(16).repeat_interleave(3))
        tokens = torch.arange(48) + 100
        every = model.step(tokens, state, memory)
        some = model.step(tokens[places], state.select(places), memory, Grid(16, 3, places))
        torch.testing.assert_close(some.logits, every.logits[places], rtol=0, atol=1e-6)
        if every.attention is not None:
            assert some.attention is not None
            torch.testing.assert_close(some.attention, every.attention[places])


@pytest.mark.skipif(not torch.cpu._is_vnni_supported(), reason="this CPU has no VNNI")
def test_integers_are_to_be_had_where_the_cpu_says_so() -> None:
    """Else the tests that need them would be left out unnoticed."""
    assert inference.has_exact_integers()


@needs_integers
def test_integer_products_are_exact() -> None:
    torch.manual_seed(1)
    weight, inputs = torch.randn(40, 200), torch.rand(9, 200) * 2 - 1
    product = inference._product(weight, None, "int8")
    scale = weight.abs().amax(dim=1) / 127
    whole = (weight / scale.unsqueeze(1)).round().double()
    exact = (inputs.double() * 127).round() @ whole.T * (scale.double() / 127)
    torch.testing.assert_close(product(product.enter(inputs)).double(), exact, atol=1e-5, rtol=1e-5)


@needs_integers
def test_a_tanh_within_a_product_is_that_of_its_result() -> None:
    torch.manual_seed(2)
    weight, bias, inputs = torch.randn(33, 40) * 0.3, torch.randn(33), torch.rand(9, 40) * 2 - 1
    product, enter = inference._product(weight, bias, "int8"), inference._entrance("int8")
    whole = inference._tanh_product(weight, bias, "int8", "int8")(enter(inputs))
    apart = enter(torch.tanh(product(enter(inputs))))
    assert whole.dtype == torch.uint8
    assert (whole.int() - apart.int()).abs().max() <= 1


def test_what_it_does_not_know_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of()
    assert isinstance(arranged(model, "fp32"), Arranged)
    monkeypatch.setattr(inference, "_UNDERSTOOD", inference._UNDERSTOOD - {"hidden"})
    assert arranged(model, "fp32") is model


@pytest.mark.parametrize("here", [True, False])
def test_integers_are_chosen_only_where_model_and_cpu_can_have_them(
    here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference, "has_exact_integers", lambda: here)
    plain, elsewhere = model_of(), model_of().to("meta")
    odd = model_of(connections="residual", decoder_layers=2)
    for models, why in (([elsewhere], "the device is meta"), ([plain, odd], "model.connections")):
        assert precision_for(models, "auto") == "fp32"
        assert precision_for(models, "bf16") == "bf16"
        with pytest.raises(SettingsError, match=why):
            precision_for(models, "int8")
    assert precision_for([plain], "auto") == ("int8" if here else "fp32")
    if here:
        assert precision_for([plain], "int8") == "int8"
    else:
        with pytest.raises(SettingsError, match="this CPU has no exact 8-bit products"):
            precision_for([plain], "int8")
