"""What context is worth: nothing to a model that does not look at it."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch

from nmt.config import ModelSettings
from nmt.context import KEPT, Context, Loss, Side, Way, changed_to, context
from nmt.language_model import LanguageModel
from nmt.model import Seq2Seq
from nmt.subwords import SPECIALS, Ids

WORDS = 20
SMALL = ModelSettings(embedding=6, hidden=8, decoder_layers=1, attention="dot", tied="none")
SIDES: tuple[Side, ...] = ("source", "target")
WAYS: tuple[Way, ...] = ("truncated", "shuffled")


def make(settings: ModelSettings) -> Seq2Seq:
    torch.manual_seed(1)
    return Seq2Seq(settings, WORDS, WORDS).eval()


def text(longest: int) -> list[Ids]:
    generator = np.random.default_rng(longest)
    lengths = generator.integers(1, longest + 1, 9)
    return [cast(Ids, generator.integers(SPECIALS, WORDS, n).tolist()) for n in lengths]


def harm(found: Context, side: Side, way: Way) -> dict[int, float]:
    return {each.kept: each.nats - found.nats for each in found.of(side, way)}


def test_a_decoder_without_memory_needs_one_subword_of_history() -> None:
    model = make(replace(SMALL, cell="rnn", attention="none"))
    with torch.no_grad():
        model.layers[0].weights()[1].zero_()  # h(t) follows from x(t) alone
    found = context(model, text(20), text(20), seed=1)
    for way in WAYS:
        lost = harm(found, "target", way)
        assert abs(lost.pop(0)) > 1e-3
        assert list(lost.values()) == pytest.approx([0.0] * len(lost), abs=1e-5)
        assert found.enough("target", way, 1e-4) == 1


def test_a_decoder_that_hears_nothing_of_the_source_does_without() -> None:
    model = make(replace(SMALL, attention="none"))
    with torch.no_grad():
        model.bridge.weight.zero_()
    found = context(model, text(20), text(20), seed=1)
    for way in WAYS:
        assert list(harm(found, "source", way).values()) == pytest.approx([0.0] * 6, abs=1e-5)
        assert found.enough("source", way, 1e-4) == 0


def test_a_language_model_has_a_history_alone() -> None:
    torch.manual_seed(1)
    model = LanguageModel(replace(SMALL, attention="none"), WORDS).eval()
    found = context(model, text(16), text(16), seed=1)
    assert found.sides == ["target"]
    assert harm(found, "target", "truncated")[16] == pytest.approx(0.0, abs=1e-5)


def test_a_model_that_looks_back_minds() -> None:
    found = context(make(SMALL), text(20), text(20), seed=1)
    for side in SIDES:
        for way in WAYS:
            assert abs(harm(found, side, way)[2]) > 1e-5


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cell": "gru", "input_feeding": True},
        {"attention": "additive", "coverage": True},
        {"encoder_layers": 2, "decoder_layers": 2, "connections": "dense"},
    ],
)
def test_context_that_holds_everything_changes_nothing(changes: dict[str, object]) -> None:
    """Each subword after a history of its own has the loss that it has in its sentence."""
    model = make(replace(SMALL, **changes))  # type: ignore[arg-type]
    found = context(model, text(KEPT[-1]), text(KEPT[-1]), seed=1)
    for side in SIDES:
        for way in WAYS:
            assert harm(found, side, way)[KEPT[-1]] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("kept", [0, 1, 3, 50])
def test_what_is_near_stays_and_what_is_far_goes_or_moves(kept: int) -> None:
    ids = list(range(10))
    near = ids[len(ids) - kept :] if kept < 10 else ids
    assert changed_to(ids, kept, "truncated", 1) == near
    shuffled = changed_to(ids, kept, "shuffled", 1)
    assert sorted(shuffled) == ids and shuffled[len(ids) - len(near) :] == near
    assert shuffled == changed_to(ids, kept, "shuffled", 1)
    assert (shuffled == ids) == (kept == 50)


def test_enough_is_the_least_that_does_no_harm() -> None:
    losses = [Loss("source", "truncated", k, nats) for k, nats in ((0, 3.0), (1, 2.0), (2, 1.01))]
    found = Context(1.0, tuple(losses))
    assert found.enough("source", "truncated", 0.02) == 2
    assert found.enough("source", "truncated", 0.001) is None
