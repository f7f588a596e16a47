"""Cells against their textbook equations; padding and direction."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nmt.cells import Bidirectional, Cell, Recurrent, flips, reorder, state_parts

CELLS: list[Cell] = ["lstm", "gru", "rnn"]


def textbook(layer: Recurrent, inputs: Tensor) -> Tensor:
    """Hochreiter & Schmidhuber 1997 with forget gates; Cho et al. 2014; Elman 1990."""
    w, u, b, d = layer.weights()
    h = c = torch.zeros(inputs.shape[0], u.shape[1], dtype=inputs.dtype)
    outputs = []
    for x in inputs.unbind(1):
        if layer.cell == "rnn":
            h = torch.tanh(x @ w.T + b + h @ u.T + d)
        elif layer.cell == "gru":
            xr, xz, xn = (x @ w.T + b).chunk(3, 1)
            hr, hz, hn = (h @ u.T + d).chunk(3, 1)
            z = torch.sigmoid(xz + hz)
            h = (1 - z) * torch.tanh(xn + torch.sigmoid(xr + hr) * hn) + z * h
        else:
            i, f, g, o = (x @ w.T + b + h @ u.T + d).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs, 1)


def make(cell: Cell) -> tuple[Recurrent, Tensor]:
    torch.manual_seed(1)
    layer = Recurrent(cell, 3, 4).double()
    layer.reset_parameters()
    return layer, torch.randn(2, 5, 3, dtype=torch.float64)


@pytest.mark.parametrize("cell", CELLS)
def test_forward_is_the_textbook(cell: Cell) -> None:
    layer, inputs = make(cell)
    assert torch.allclose(layer(inputs, layer.zero_state(inputs)), textbook(layer, inputs))


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_the_finite_differences(cell: Cell) -> None:
    layer, inputs = make(cell)
    inputs.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: layer(x, layer.zero_state(x)), (inputs,))


@pytest.mark.parametrize("cell", CELLS)
def test_steps_are_the_whole_sequence(cell: Cell) -> None:
    layer, inputs = make(cell)
    state = layer.zero_state(inputs)
    assert len(state) == state_parts(cell)
    outputs = []
    for x in inputs.unbind(1):
        state = layer.step(x, state)
        outputs.append(state[0])
    assert torch.allclose(torch.stack(outputs, 1), layer(inputs, layer.zero_state(inputs)))


def test_forget_gates_start_open() -> None:
    layer = Recurrent("lstm", 3, 4)
    layer.reset_parameters()
    _, _, *biases = layer.weights()
    bias = biases[0] + biases[1]
    assert bias.tolist() == [0.0] * 4 + [1.0] * 4 + [0.0] * 8


def test_a_flip_turns_each_sentence_within_its_length() -> None:
    sequence = torch.arange(8.0).view(2, 4, 1)
    index = flips(torch.tensor([3, 4]), 4)
    flipped = reorder(sequence, index)
    assert flipped.flatten().tolist() == [2, 1, 0, 3, 7, 6, 5, 4]
    assert torch.equal(reorder(flipped, index), sequence)


def test_the_flip_has_the_right_gradient() -> None:
    sequence = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    index = flips(torch.tensor([3, 4]), 4)
    assert torch.autograd.gradcheck(lambda s: reorder(s, index), (sequence,))


@pytest.mark.parametrize("cell", CELLS)
def test_the_backward_direction_starts_at_the_last_token(cell: Cell) -> None:
    layer = Bidirectional(cell, 3, 4)
    inputs = torch.randn(1, 3, 3)
    padded = torch.cat((inputs, torch.full((1, 4, 3), 9.0)), dim=1)
    alone = layer(inputs, flips(torch.tensor([3]), 3))
    among = layer(padded, flips(torch.tensor([3]), 7))[:, :3]
    assert torch.allclose(alone, among, atol=1e-6)
