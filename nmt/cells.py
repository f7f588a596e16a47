"""Recurrent layers: tanh-RNN, GRU and LSTM over whole sequences and one step at a time.

Whole sequences go to the fused kernels of torch (oneDNN on a CPU, cuDNN on a GPU), which run only
on unpacked, padded input. So that padding never reaches a result, the backward direction is a
forward layer over sequences that were flipped within their own lengths.

    B batch, T time, I input size, H hidden size
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

Cell = Literal["lstm", "gru", "rnn"]

State = tuple[Tensor, ...]
"""(h,) for rnn and gru, (h, c) for lstm; each [B, H]."""

_LAYERS: dict[Cell, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
_STEPS: dict[Cell, Callable[..., Any]] = {
    "lstm": torch.lstm_cell,
    "gru": torch.gru_cell,
    "rnn": torch.rnn_tanh_cell,
}


def state_parts(cell: Cell) -> int:
    """How many tensors a cell's state has: the LSTM's c beside every cell's h."""
    return 2 if cell == "lstm" else 1


class Recurrent(nn.Module):
    """One unidirectional layer. An LSTM's forget gates start open (bias 1, Jozefowicz 2015)."""

    def __init__(self, cell: Cell, inputs: int, hidden: int) -> None:
        super().__init__()
        self.cell = cell
        self.layer = _LAYERS[cell](inputs, hidden, batch_first=True)
        self.hidden = hidden

    def reset_parameters(self) -> None:
        """Xavier gate by gate; biases zero but for the forget gates' ones."""
        *weights, input_bias, recurrent_bias = self.weights()
        for gate in (gate for matrix in weights for gate in matrix.split(self.hidden)):
            nn.init.xavier_uniform_(gate)
        nn.init.zeros_(input_bias)
        nn.init.zeros_(recurrent_bias)
        if self.cell == "lstm":  # torch's gates: input, forget, cell, output
            nn.init.ones_(input_bias[self.hidden : 2 * self.hidden])

    def weights(self) -> list[Tensor]:
        """Input matrix [G·H, I], recurrent matrix [G·H, H], and their biases; G gates."""
        return list(self.layer.parameters())

    def forward(self, inputs: Tensor, state: State) -> Tensor:
        """[B, T, I] from a first state → outputs [B, T, H]."""
        first = tuple(part.unsqueeze(0) for part in state)
        outputs: Tensor = self.layer(inputs, first if len(first) > 1 else first[0])[0]
        return outputs

    def step(self, inputs: Tensor, state: State) -> State:
        """[B, I] and the state before → the state after; its h is the output."""
        before = state if len(state) > 1 else state[0]
        after = _STEPS[self.cell](inputs, before, *self.weights())
        return tuple(after) if isinstance(after, tuple | list) else (after,)

    def zero_state(self, inputs: Tensor) -> State:
        """Zeros for a batch like `inputs` [B, ...]."""
        zeros = inputs.new_zeros(inputs.shape[0], self.hidden)
        return (zeros,) * state_parts(self.cell)


class Bidirectional(nn.Module):
    """Two layers that read a padded batch from either end of each sentence."""

    def __init__(self, cell: Cell, inputs: int, hidden: int) -> None:
        super().__init__()
        self.ahead = Recurrent(cell, inputs, hidden)
        self.back = Recurrent(cell, inputs, hidden)

    def forward(self, inputs: Tensor, flip: Tensor) -> Tensor:
        """[B, T, I] → [B, T, 2H]; `flip` is `flips(lengths, T)`."""
        ahead = self.ahead(inputs, self.ahead.zero_state(inputs))
        flipped = reorder(inputs, flip)
        back = self.back(flipped, self.back.zero_state(inputs))
        return torch.cat((ahead, reorder(back, flip)), dim=-1)


def flips(lengths: Tensor, time: int) -> Tensor:
    """Where each step of a flipped batch comes from: [B, T] into a flattened [B·T].

    The first `length` steps of a sentence are turned round, its padding stays where it is.
    """
    steps = torch.arange(time, device=lengths.device).expand(len(lengths), time)
    turned = lengths.unsqueeze(1) - 1 - steps
    within = torch.where(turned >= 0, turned, steps)
    return within + time * torch.arange(len(lengths), device=lengths.device).unsqueeze(1)


def reorder(sequence: Tensor, index: Tensor) -> Tensor:
    """Flip [B, T, X] by `flips`; twice gives the sequence back."""
    flipped: Tensor = _Reorder.apply(sequence, index)  # type: ignore[no-untyped-call]
    return flipped


class _Reorder(torch.autograd.Function):
    """A flip is its own inverse, so its gradient is a gather too, never a scatter."""

    @staticmethod
    def forward(context: Any, sequence: Tensor, index: Tensor) -> Tensor:
        context.save_for_backward(index)
        return _gather(sequence, index)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (index,) = context.saved_tensors
        return _gather(gradients[0], index), None


def _gather(sequence: Tensor, index: Tensor) -> Tensor:
    flat = sequence.reshape(-1, sequence.shape[-1])
    return flat.index_select(0, index.reshape(-1)).view(sequence.shape)
