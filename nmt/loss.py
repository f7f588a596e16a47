"""The output layer and its cross-entropy together, so that the logits are never all in memory.

With label smoothing ε the loss of a token is −Σ_v q(v) log p(v), q = (1−ε) at the target and ε/V
everywhere (Szegedy et al. 2016, §7). Its gradient, p − q, is formed block by block right after the
forward product, while the logits are still in the cache; the products with it are of many blocks.

    N tokens, E readout size, V vocabulary
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_BLOCK = 128  # tokens whose logits exist at once: as many as a CPU's cache bears
_CHUNK = 2_048  # tokens whose gradients by the logits do
_BLOCK_OF_A_GPU = _CHUNK_OF_A_GPU = 8_192  # few launches count for more there


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
        on_cpu = readout.device.type == "cpu"
        chunk, block = (_CHUNK, _BLOCK) if on_cpu else (_CHUNK_OF_A_GPU, _BLOCK_OF_A_GPU)
        smoothed, likelihood = (torch.zeros((), device=readout.device) for _ in range(2))
        by_readout, by_bias = list[Tensor](), torch.zeros_like(bias)
        by_weight: Tensor | None = None
        for part, wanted in zip(readout.split(chunk), targets.split(chunk), strict=True):
            errors = part.new_empty(len(part), len(weight) if gradients else 0)
            for rows, target, error in zip(
                part.split(block), wanted.split(block), errors.split(block), strict=True
            ):
                logits = torch.mm(rows, matrix.t()).float().add_(bias)
                normaliser, probabilities = _normalised(logits)
                token = normaliser - logits.gather(1, target.unsqueeze(1)).squeeze(1)
                uniform = normaliser - logits.mean(dim=1)
                likelihood += token.sum()
                smoothed += ((1 - smoothing) * token + smoothing * uniform).sum()
                if gradients:
                    error.copy_(_without_target(probabilities, target, smoothing))
                    by_bias += probabilities.sum(dim=0)
            if gradients:
                by_readout.append(torch.mm(errors, matrix))
                product = torch.mm(errors.t(), part).to(weight.dtype)
                by_weight = product if by_weight is None else by_weight.add_(product)
        if gradients:
            context.save_for_backward(torch.cat(by_readout), by_weight, by_bias)
        return smoothed, likelihood

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        by_readout, by_weight, by_bias = context.saved_tensors
        scale = outer[0]
        return by_readout * scale, by_weight * scale, by_bias * scale, None, None, None


def _normalised(logits: Tensor) -> tuple[Tensor, Tensor]:
    """log Σ exp of each row [N], and its softmax [N, V]."""
    probabilities = torch.softmax(logits, dim=1)
    # The likeliest got 1 / Σ exp(logit − largest), which never underflows.
    return logits.amax(dim=1) - probabilities.amax(dim=1).log(), probabilities


def _without_target(probabilities: Tensor, target: Tensor, smoothing: float) -> Tensor:
    """p − q, in place of p [N, V]."""
    at_target = probabilities.new_full((len(target), 1), smoothing - 1)
    probabilities.sub_(smoothing / probabilities.shape[1])
    return probabilities.scatter_add_(1, target.unsqueeze(1), at_target)
