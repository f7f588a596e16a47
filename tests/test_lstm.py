"""The LSTM of bfloat16 training equals torch's."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn

from nmt import cells, lstm
from nmt.cells import Recurrent


def make(kind: torch.dtype) -> tuple[nn.LSTM, Tensor, tuple[Tensor, Tensor]]:
    torch.manual_seed(1)
    layer = nn.LSTM(3, 4, batch_first=True).to(kind)
    h, c = (torch.randn(2, 4, dtype=kind, requires_grad=True) for _ in range(2))
    return layer, torch.randn(2, 5, 3, dtype=kind, requires_grad=True), (h, c)


def test_outputs_are_torchs() -> None:
    layer, inputs, (h, c) = make(torch.float64)
    outputs, last = lstm.sequence(inputs, (h, c), list(layer.parameters()), torch.float64)
    expected, theirs = layer(inputs, (h.unsqueeze(0), c.unsqueeze(0)))
    assert torch.allclose(outputs, expected)
    assert all(torch.allclose(a, b[0]) for a, b in zip(last, theirs, strict=True))


def test_gradients_are_the_finite_differences() -> None:
    """With respect to the inputs, the first state and every weight; of outputs and last state."""
    layer, inputs, state = make(torch.float64)

    def run(inputs: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        outputs, last = lstm.sequence(inputs, (h, c), list(weights), torch.float64)
        return outputs, *last

    assert torch.autograd.gradcheck(run, (inputs, *state, *layer.parameters()))


def test_a_large_layer_in_bfloat16_is_the_fused_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "_LARGE", 0)
    torch.manual_seed(1)
    layer, inputs = Recurrent("lstm", 8, 16), torch.randn(4, 5, 8)
    layer.reset_parameters()
    exact = layer(inputs, layer.zero_state(inputs))[0]
    by_exact = torch.autograd.grad(exact.square().sum(), list(layer.parameters()))
    watched = Mock(wraps=lstm.sequence)
    monkeypatch.setattr(lstm, "sequence", watched)
    with torch.autocast("cpu", torch.bfloat16):
        near = layer(inputs, layer.zero_state(inputs))[0]
        with torch.no_grad():
            layer(inputs, layer.zero_state(inputs))
    assert near.dtype == torch.bfloat16 and watched.call_count == 1  # not without gradients
    assert torch.allclose(near.float(), exact, atol=0.02)
    for mine, other in zip(
        torch.autograd.grad(near.float().square().sum(), list(layer.parameters())),
        by_exact,
        strict=True,
    ):
        assert torch.linalg.vector_norm(mine - other) < 0.03 * torch.linalg.vector_norm(other)
