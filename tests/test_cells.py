"""Cells against their textbook equations; padding and direction."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from nmt.cells import Bidirectional, Cell, Recurrent, State, flips, reorder, state_parts
from nmt.config import ModelSettings
from nmt.dropout import Dropout

CELLS: list[Cell] = ["lstm", "gru", "rnn"]


def textbook(
    cell: Cell, inputs: Tensor, state: State, weights: Sequence[Tensor]
) -> tuple[Tensor, State]:
    """Hochreiter & Schmidhuber 1997 with forget gates; Cho et al. 2014; Elman 1990."""
    w, u, b, d = weights
    h, c = state[0], state[-1]
    outputs = []
    for x in inputs.unbind(1):
        if cell == "rnn":
            h = torch.tanh(x @ w.T + b + h @ u.T + d)
        elif cell == "gru":
            xr, xz, xn = (x @ w.T + b).chunk(3, 1)
            hr, hz, hn = (h @ u.T + d).chunk(3, 1)
            z = torch.sigmoid(xz + hz)
            h = (1 - z) * torch.tanh(xn + torch.sigmoid(xr + hr) * hn) + z * h
        else:
            i, f, g, o = (x @ w.T + b + h @ u.T + d).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs, 1), (h, c) if cell == "lstm" else (h,)


def make(cell: Cell) -> tuple[Recurrent, Tensor, State]:
    torch.manual_seed(1)
    layer = Recurrent(cell, 3, 4).double()
    layer.reset_parameters()
    for bias in layer.weights()[2:]:
        torch.nn.init.normal_(bias)
    state = tuple(torch.randn(2, 4, dtype=torch.float64) for _ in range(state_parts(cell)))
    return layer, torch.randn(2, 5, 3, dtype=torch.float64), state


@pytest.mark.parametrize("cell", CELLS)
def test_forward_is_the_textbook(cell: Cell) -> None:
    layer, inputs, state = make(cell)
    outputs, last = layer(inputs, state)
    expected, expected_last = textbook(cell, inputs, state, layer.weights())
    assert torch.allclose(outputs, expected)
    assert all(map(torch.allclose, last, expected_last))


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_the_finite_differences(cell: Cell) -> None:
    """With respect to the inputs, the first state and every weight; of outputs and last state."""
    layer, inputs, state = make(cell)

    def run(inputs: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        outputs, last = layer(inputs, others[: len(state)])
        return outputs, *last

    given = (inputs.requires_grad_(), *(part.requires_grad_() for part in state))
    assert torch.autograd.gradcheck(run, (*given, *layer.parameters()))


@pytest.mark.parametrize("cell", CELLS)
def test_the_fused_kernel_agrees_with_the_textbook_in_its_own_precision(cell: Cell) -> None:
    layer, inputs, state = make(cell)
    expected, _ = textbook(cell, inputs, state, layer.weights())
    expected.square().sum().backward()
    gradients = [weight.grad for weight in layer.parameters()]
    layer.zero_grad()
    outputs, _ = layer.float()(inputs.float(), tuple(part.float() for part in state))
    outputs.square().sum().backward()
    assert torch.allclose(outputs.double(), expected, atol=1e-5)
    for weight, gradient in zip(layer.parameters(), gradients, strict=True):
        assert weight.grad is not None and gradient is not None
        assert torch.allclose(weight.grad.double(), gradient, atol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_are_the_whole_sequence(cell: Cell) -> None:
    layer, inputs, state = make(cell)
    whole, last = layer(inputs, state)
    outputs = []
    for x in inputs.unbind(1):
        output, state = layer(x, state)
        outputs.append(output)
    assert torch.allclose(torch.stack(outputs, 1), whole)
    assert all(map(torch.allclose, state, last))


@pytest.mark.parametrize("cell", CELLS)
def test_dropped_weights_are_those_of_the_recurrent_matrix(cell: Cell) -> None:
    layer, inputs, state = make(cell)
    dropout = Dropout(ModelSettings(weight_dropout=0.5))
    outputs, _ = layer(inputs, state, dropout)
    weights = layer.weights(dropout)
    assert [torch.equal(a, b) for a, b in zip(weights, layer.weights(), strict=True)] == [
        True,
        False,
        True,
        True,
    ]
    assert torch.allclose(outputs, textbook(cell, inputs, state, weights)[0])


@pytest.mark.parametrize("cell", CELLS)
def test_orthogonal_recurrent_matrices_keep_lengths(cell: Cell) -> None:
    layer = Recurrent(cell, 3, 4)
    layer.reset_parameters("orthogonal")
    for gate in layer.weights()[1].split(4):
        assert torch.allclose(gate @ gate.T, torch.eye(4), atol=1e-5)


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
