"""The fused output layer and loss equal torch's two steps."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nmt import loss as module
from nmt.loss import cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_are_torchs(smoothing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", 3)  # so that there are several chunks, one of them short
    torch.manual_seed(1)
    readout = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(11, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(11, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 11, (7,))
    ours = cross_entropy(readout, weight, bias, targets, smoothing)
    ours_by = torch.autograd.grad(ours.smoothed * 2, (readout, weight, bias))
    logits = readout @ weight.T + bias
    theirs = nn.functional.cross_entropy(
        logits, targets, reduction="sum", label_smoothing=smoothing
    )
    theirs_by = torch.autograd.grad(theirs * 2, (readout, weight, bias))
    assert float(ours.smoothed.detach()) == pytest.approx(float(theirs.detach()), rel=1e-5)
    assert float(ours.likelihood) == pytest.approx(
        float(nn.functional.cross_entropy(logits, targets, reduction="sum").detach()), rel=1e-5
    )
    for mine, other in zip(ours_by, theirs_by, strict=True):
        assert torch.allclose(mine, other, atol=1e-5)


def test_no_gradient_is_made_where_none_is_asked_for() -> None:
    with torch.no_grad():
        loss = cross_entropy(torch.randn(4, 5), torch.randn(6, 5), torch.zeros(6), torch.arange(4))
    assert not loss.smoothed.requires_grad
