"""What training blanks out: how much, and the same or another at each step."""

from __future__ import annotations

import pytest
import torch

from nmt.config import ModelSettings
from nmt.dropout import Dropout


@pytest.mark.parametrize("per_step", [False, True])
def test_dropout_is_the_same_at_all_steps_or_another_at_each(per_step: bool) -> None:
    ones = torch.ones(4, 6, 50)
    settings = ModelSettings(dropout=0.5, dropout_per="step" if per_step else "sequence")
    dropout = Dropout(settings)
    whole = dropout.units("here", ones)
    assert set(whole.unique().tolist()) == {0.0, 2.0}
    assert 0.3 < float((whole == 0).float().mean()) < 0.7
    assert torch.equal(whole, whole[:, :1].expand_as(whole)) != per_step
    steps = torch.stack([dropout.units("here", one) for one in ones.unbind(1)], dim=1)
    assert torch.equal(steps, whole) != per_step
    assert not torch.equal(dropout.units("there", ones), whole)


def test_strength_scales_every_dropout() -> None:
    settings = ModelSettings(dropout=0.8, word_dropout=0.8, weight_dropout=0.8)
    ones = torch.ones(50, 50, 40)
    for strength in (0.0, 0.25, 1.0):
        dropout = Dropout(settings, strength)
        for dropped in (
            dropout.units("units", ones),
            dropout.subwords(ones),
            dropout.weights("weights", ones[0]),
        ):
            share = float((dropped == 0).float().mean())
            assert share == pytest.approx(0.8 * strength, abs=0.05)


def test_recurrent_weights_have_the_same_holes_for_a_whole_pass() -> None:
    matrix = torch.ones(40, 40)
    one, other = (Dropout(ModelSettings(weight_dropout=0.5)) for _ in range(2))
    dropped = one.weights("here", matrix)
    assert 0.3 < float((dropped == 0).float().mean()) < 0.7
    assert torch.equal(one.weights("here", matrix), dropped)
    assert not torch.equal(other.weights("here", matrix), dropped)
