"""Recurrent layers: tanh-RNN, GRU and LSTM over whole sequences and one step at a time.

Whole sequences go to the fused kernels of torch (oneDNN on a CPU, cuDNN on a GPU), or to `nmt.lstm`
where that is faster; both want unpacked, padded input. So that padding never reaches a result, the
backward direction is a forward layer over sequences that were flipped within their own lengths.

    B batch, T time, I input size, H hidden size
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from nmt import lstm
from nmt.config import Initialisation
from nmt.dropout import NONE, Dropout

Cell = Literal["lstm", "gru", "rnn"]

State = tuple[Tensor, ...]
"""(h,) for rnn and gru, (h, c) for lstm; each [B, H]."""

_UNIFORM = 0.1
_LARGE = 1 << 20  # weights of a layer whose gradient no longer stays in a CPU's cache
_LAYERS: dict[Cell, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
_FUSED: dict[Cell, Callable[..., Any]] = {
    "lstm": torch.lstm,
    "gru": torch.gru,
    "rnn": torch.rnn_tanh,
}
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

    def reset_parameters(self, how: Initialisation = "xavier") -> None:
        """Each gate's matrices as `how` says; biases zero but for the forget gates' ones."""
        inputs, recurrent, input_bias, recurrent_bias = self.weights()
        for gate in inputs.split(self.hidden):
            initialise(gate, how)
        for gate in recurrent.split(self.hidden):
            if how == "orthogonal":  # keeps the length of what passes (Saxe et al. 2014)
                nn.init.orthogonal_(gate)
            else:
                initialise(gate, how)
        nn.init.zeros_(input_bias)
        nn.init.zeros_(recurrent_bias)
        if self.cell == "lstm":  # torch's gates: input, forget, cell, output
            nn.init.ones_(input_bias[self.hidden : 2 * self.hidden])

    def weights(self, dropout: Dropout = NONE) -> list[Tensor]:
        """Input matrix [G·H, I], recurrent matrix [G·H, H], and their biases; G gates."""
        inputs, recurrent, *biases = self.layer.parameters()
        return [inputs, dropout.weights(self, recurrent), *biases]

    def forward(
        self, inputs: Tensor, state: State, dropout: Dropout = NONE
    ) -> tuple[Tensor, State]:
        """A whole sequence [B, T, I], or one step [B, I], from a state on.

        Returns:
            The outputs [B, T, H], or [B, H], and the state after the last step.
        """
        weights = self.weights(dropout)
        if inputs.dim() == 2:
            after = _STEPS[self.cell](inputs, _bare(state), *weights)
            state = tuple(after) if isinstance(after, tuple | list) else (after,)
            return state[0], state
        if self._is_large(inputs):
            kind = torch.get_autocast_dtype("cpu")
            return lstm.sequence(inputs, cast(tuple[Tensor, Tensor], state), weights, kind)
        first = _bare(tuple(part.unsqueeze(0) for part in state))
        outputs, *last = _FUSED[self.cell](
            inputs, first, weights, True, 1, 0.0, self.training, False, True
        )
        return outputs, tuple(part.squeeze(0) for part in last)

    def _is_large(self, inputs: Tensor) -> bool:
        """Whether `nmt.lstm` is faster than the fused kernel."""
        size = sum(matrix.numel() for matrix in self.weights()[:2])
        in_bf16 = inputs.is_cpu and torch.is_autocast_enabled("cpu")
        return self.cell == "lstm" and in_bf16 and torch.is_grad_enabled() and size >= _LARGE

    def zero_state(self, inputs: Tensor) -> State:
        """Zeros for a batch like `inputs` [B, ...]."""
        zeros = inputs.new_zeros(inputs.shape[0], self.hidden)
        return (zeros,) * state_parts(self.cell)


class Unidirectional(nn.Module):
    """A layer of an encoder that reads each sentence from its beginning only."""

    def __init__(self, cell: Cell, inputs: int, hidden: int) -> None:
        super().__init__()
        self.ahead = Recurrent(cell, inputs, hidden)

    def forward(self, inputs: Tensor, flip: Tensor, dropout: Dropout = NONE) -> Tensor:
        """[B, T, I] → [B, T, H]; `flip` is there for a `Bidirectional` in the same place."""
        outputs: Tensor = self.ahead(inputs, self.ahead.zero_state(inputs), dropout)[0]
        return outputs


class Bidirectional(nn.Module):
    """Two layers that read a padded batch from either end of each sentence.

    Args:
        shared: whether both are one and the same layer.
    """

    def __init__(self, cell: Cell, inputs: int, hidden: int, shared: bool = False) -> None:
        super().__init__()
        self.ahead = Recurrent(cell, inputs, hidden)
        self.back = self.ahead if shared else Recurrent(cell, inputs, hidden)

    def forward(self, inputs: Tensor, flip: Tensor, dropout: Dropout = NONE) -> Tensor:
        """[B, T, I] → [B, T, 2H]; `flip` is `flips(lengths, T)`."""
        ahead, _ = self.ahead(inputs, self.ahead.zero_state(inputs), dropout)
        flipped = reorder(inputs, flip)
        back, _ = self.back(flipped, self.back.zero_state(inputs), dropout)
        return torch.cat((ahead, reorder(back, flip)), dim=-1)


def initialise(matrix: Tensor, how: Initialisation) -> None:
    """Xavier (Glorot & Bengio 2010), or uniform within ±0.1 (Luong et al. 2015, §4.1)."""
    if how == "uniform":
        nn.init.uniform_(matrix, -_UNIFORM, _UNIFORM)
    else:
        nn.init.xavier_uniform_(matrix)


def _bare(state: State) -> Any:
    """A state as torch's functions take it: the LSTM's as a pair, the others' by itself."""
    return state if len(state) > 1 else state[0]


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
