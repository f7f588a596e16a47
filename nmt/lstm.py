"""A large LSTM layer over whole sequences, for training in bfloat16 on a CPU.

oneDNN's fused layer pays for every step of its backward pass, the more so the larger the weights,
as if each added to a float32 gradient that outgrows the cache. Here the gradients of all gates are
kept until the end, and the weights' are one product each (docs/performance.md has both times).

    B batch, T time, I input size, H hidden size; gates in torch's order: i, f, g (cell), o
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor


def sequence(
    inputs: Tensor, state: tuple[Tensor, Tensor], weights: list[Tensor], kind: torch.dtype
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """`torch.lstm` of one layer: outputs [B, T, H] and the last state, each part [B, H].

    Args:
        weights: input matrix [4H, I], recurrent matrix [4H, H], and their biases [4H].
        kind: what products are computed in; all else is in float32 at least.
    """
    outputs, *last = _Lstm.apply(  # type: ignore[no-untyped-call]
        inputs, *state, *weights, kind
    )
    return outputs, cast(tuple[Tensor, Tensor], tuple(last))


class _Lstm(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        inputs: Tensor,
        h: Tensor,
        c: Tensor,
        by_input: Tensor,
        by_state: Tensor,
        input_bias: Tensor,
        state_bias: Tensor,
        kind: torch.dtype,
    ) -> tuple[Tensor, Tensor, Tensor]:
        steps = inputs.transpose(0, 1).to(kind).contiguous()  # [T, B, I]
        by_input, by_state, bias = by_input.to(kind), by_state.to(kind), input_bias + state_bias
        time, rows, hidden = len(steps), steps.shape[1], by_state.shape[1]
        gates = torch.mm(steps.flatten(0, 1), by_input.t()).view(time, rows, -1)
        outputs = steps.new_empty(time + 1, rows, hidden)
        cells, bent = (bias.new_empty(time + 1, rows, hidden) for _ in range(2))
        outputs[0], cells[0] = h, c
        for t in range(time):
            now = torch.mm(outputs[t], by_state.t()).to(bias.dtype).add_(gates[t]).add_(bias)
            i, f, g, o = now.chunk(4, dim=1)
            g.mul_(2)  # tanh x = 2 sigmoid(2x) − 1, which torch computes sooner than its tanh
            torch.sigmoid_(now)
            g.mul_(2).sub_(1)
            cell = torch.mul(f, cells[t], out=cells[t + 1]).addcmul_(i, g)
            outputs[t + 1] = o * torch.sigmoid(2 * cell, out=bent[t + 1]).mul_(2).sub_(1)
            gates[t] = now
        context.save_for_backward(steps, outputs, cells, bent, gates, by_input, by_state)
        return outputs[1:].transpose(0, 1), outputs[-1].clone(), cells[-1].clone()

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        steps, outputs, cells, bent, gates, by_input, by_state = context.saved_tensors
        by_outputs, dh, dc = outer[0].transpose(0, 1), outer[1], outer[2].to(cells.dtype)
        errors = torch.empty_like(gates)  # gradients by the gates, before their sigmoid or tanh
        by_bias = cells.new_zeros(gates.shape[2])
        for t in reversed(range(len(steps))):
            now = gates[t].to(cells.dtype)
            i, f, g, o = now.chunk(4, dim=1)
            dh = by_outputs[t].to(cells.dtype) + dh
            through = dh * o
            dc = dc + through.addcmul_(through * bent[t + 1], bent[t + 1], value=-1)
            error = torch.addcmul(now, now, now, value=-1)  # sigmoid' = s (1 − s)
            di, df, dg, do = error.chunk(4, dim=1)
            di.mul_(dc * g)
            df.mul_(dc * cells[t])
            torch.mul(dc, i, out=dg).addcmul_(dg * g, g, value=-1)  # tanh' = 1 − tanh²
            do.mul_(dh * bent[t + 1])
            errors[t] = error
            by_bias += error.sum(dim=0)
            dc = dc * f
            dh = torch.mm(errors[t], by_state).to(cells.dtype)
        flat = errors.flatten(0, 1)
        return (
            torch.mm(flat, by_input).view(steps.shape).transpose(0, 1),
            dh,
            dc,
            torch.mm(flat.t(), steps.flatten(0, 1)).to(cells.dtype),
            torch.mm(flat.t(), outputs[:-1].flatten(0, 1)).to(cells.dtype),
            by_bias,
            by_bias.clone(),
            None,
        )
