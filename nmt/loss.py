"""The output layer and its cross-entropy together, so that the logits are never all in memory.

With label smoothing ε the loss of a token is −Σ_v q(v) log p(v), q = (1−ε) at the target and ε/V
everywhere (Szegedy et al. 2016, §7). Its gradient, p − q, is formed block by block right after the
forward product, while the logits are still in the cache; the products with it are of many blocks.
What ε/V adds, to loss and gradients alike, is a mean over the vocabulary and needs no logits.

    N tokens, E readout size, V vocabulary
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_BLOCK = 128  # tokens whose logits exist at once: as many as a CPU's cache bears
_CHUNK = 2_560  # tokens whose gradients by the logits do
_BLOCK_OF_A_GPU = _CHUNK_OF_A_GPU = 8_192  # few launches count for more there
_ROWS = 32  # of products are filled up to: a CPU's kernels are made anew for every number of them


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
        matrix, offsets = weight.to(readout.dtype), bias.to(readout.dtype)
        mean, share = matrix.mean(dim=0, dtype=weight.dtype), smoothing / len(weight)
        on_cpu = readout.device.type == "cpu"
        chunk, block = (_CHUNK, _BLOCK) if on_cpu else (_CHUNK_OF_A_GPU, _BLOCK_OF_A_GPU)
        readout = nn.functional.pad(readout, (0, 0, 0, -len(targets) % _ROWS))
        logits = bias.new_empty(min(block, len(readout)), len(weight))
        exact = readout.dtype == bias.dtype
        products = logits if exact else torch.empty_like(logits, dtype=readout.dtype)
        normalisers, at_targets = list[Tensor](), list[Tensor]()
        by_readout, by_bias = list[Tensor](), torch.zeros_like(bias)
        by_weight: Tensor | None = None
        for part, wanted in zip(readout.split(chunk), targets.split(chunk), strict=True):
            errors = part.new_empty(len(part), len(weight) if gradients else 0)
            errors[len(wanted) :] = 0
            blocks = (part.split(block), wanted.unsqueeze(1).split(block), errors.split(block))
            for rows, target, error in zip(*blocks, strict=True):
                torch.addmm(offsets, rows, matrix.t(), out=products[: len(rows)])
                now = logits[: len(target)]
                if not exact:
                    now.copy_(products[: len(target)])
                at_targets.append(now.gather(1, target))
                normalisers.append(_normalise(now))
                if gradients:
                    by_bias += now.sum(dim=0)
                    now.scatter_add_(1, target, now.new_full(target.shape, smoothing - 1))
                    error[: len(target)] = now
            if gradients:
                by_readout.append(torch.mm(errors, matrix).sub_(smoothing * mean))
                product = torch.mm(errors.t(), part).to(weight.dtype)
                product.sub_(share * part.sum(dim=0, dtype=weight.dtype))
                by_weight = product if by_weight is None else by_weight.add_(product)
        normaliser = torch.cat(normalisers).squeeze(1)
        likelihood = (normaliser - torch.cat(at_targets).squeeze(1)).sum()
        mean_logit = (readout[: len(targets)] * mean).sum(dim=1) + bias.mean()
        smoothed = (1 - smoothing) * likelihood + smoothing * (normaliser - mean_logit).sum()
        if gradients:
            found = torch.bincount(targets, minlength=len(weight))
            by_bias -= (1 - smoothing) * found + share * len(targets)
            context.save_for_backward(torch.cat(by_readout)[: len(targets)], by_weight, by_bias)
        return smoothed, likelihood

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        by_readout, by_weight, by_bias = context.saved_tensors
        scale = outer[0]
        return by_readout * scale, by_weight * scale, by_bias * scale, None, None, None


def _normalise(logits: Tensor) -> Tensor:
    """The softmax of logits [N, V] in their place, and log Σ exp of each row [N, 1]."""
    largest = logits.amax(dim=1, keepdim=True)
    torch.softmax(logits, dim=1, out=logits)
    # The likeliest gets 1 / Σ exp(logit − largest), which never underflows.
    return largest - logits.amax(dim=1, keepdim=True).log()
