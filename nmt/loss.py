"""The output layer and its cross-entropy together, so that the logits are never all in memory.

With label smoothing ε the loss of a token is −Σ_v q(v) log p(v), q = (1−ε) at the target and ε/V
everywhere (Szegedy et al. 2016, §7). Its gradient, p − q, is formed chunk by chunk right after the
forward product, while the logits are still in the cache.

    N tokens, E readout size, V vocabulary
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_CHUNK = 512  # tokens whose logits exist at once: as many as a CPU's cache bears
_CHUNK_OF_A_GPU = 8_192  # few launches count for more there


@dataclass(frozen=True)
class Loss:
    """Sums over the tokens of a batch."""

    smoothed: Tensor  # what is minimised
    likelihood: Tensor  # −log p(target): what perplexity is made of


def cross_entropy(
    readout: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, smoothing: float = 0.0
) -> Loss:
    """Summed losses of targets [N] under softmax(readout [N, E] · weightᵀ [V, E] + bias [V])."""
    gradients = torch.is_grad_enabled()
    smoothed, likelihood = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        readout, weight, bias, targets, smoothing, gradients
    )
    return Loss(smoothed, likelihood.detach())


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any,
        readout: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        smoothing: float,
        gradients: bool,
    ) -> tuple[Tensor, Tensor]:
        matrix = weight.to(readout.dtype)
        smoothed, likelihood = (torch.zeros((), device=readout.device) for _ in range(2))
        by_readout = torch.empty_like(readout) if gradients else None
        by_weight = torch.zeros_like(weight) if gradients else None
        by_bias = torch.zeros_like(bias) if gradients else None
        for chunk, target, rows in _chunks(readout, targets):
            logits = torch.mm(chunk, matrix.t()).float().add_(bias)
            at_target = logits.gather(1, target.unsqueeze(1)).squeeze(1)
            normaliser = torch.logsumexp(logits, dim=1)
            token = normaliser - at_target
            likelihood += token.sum()
            smoothed += (
                (1 - smoothing) * token + smoothing * (normaliser - logits.mean(dim=1))
            ).sum()
            if by_readout is None or by_weight is None or by_bias is None:
                continue
            error = logits.sub_(normaliser.unsqueeze(1)).exp_().sub_(smoothing / len(weight))
            error.scatter_add_(
                1, target.unsqueeze(1), error.new_full((len(target), 1), smoothing - 1)
            )
            by_bias += error.sum(dim=0)
            error = error.to(readout.dtype)
            torch.mm(error, matrix, out=by_readout[rows])
            by_weight += torch.mm(error.t(), chunk)
        if gradients:
            context.save_for_backward(by_readout, by_weight, by_bias)
        return smoothed, likelihood

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        by_readout, by_weight, by_bias = context.saved_tensors
        scale = outer[0]
        return by_readout * scale, by_weight * scale, by_bias * scale, None, None, None


def _chunks(readout: Tensor, targets: Tensor) -> Any:
    size = _CHUNK if targets.device.type == "cpu" else _CHUNK_OF_A_GPU
    for start in range(0, len(targets), size):
        rows = slice(start, start + size)
        yield readout[rows], targets[rows], rows
