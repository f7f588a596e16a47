"""The output layer and its cross-entropy together, so that the logits are never all in memory.

With label smoothing ε the loss of a token is −Σ_v q(v) log p(v), q = (1−ε) at the target and ε/V
everywhere (Szegedy et al. 2016, §7), and its gradient by the logits is p − q. The part that differs
from logit to logit is formed block by block right after the forward product, while they are still
in the cache; the products with it are of many blocks. The ε/V that is the same for all of them
comes in through sums over the vocabulary or over the tokens.

    N tokens, E readout size, V vocabulary
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nmt.device import linear

_BLOCK = 128  # tokens whose logits exist at once: as many as a CPU's cache bears
_CHUNK = 2_560  # tokens whose gradients by the logits do
_BLOCK_OF_A_GPU = _CHUNK_OF_A_GPU = 8_192  # few launches count for more there
# Products have a multiple of so many rows, and so have blocks and chunks: a CPU's kernels are made
# anew for every number of rows.
_ROWS = 32


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
        count, share = len(targets), smoothing / len(weight)
        on_cpu = readout.device.type == "cpu"
        chunk, block = (_CHUNK, _BLOCK) if on_cpu else (_CHUNK_OF_A_GPU, _BLOCK_OF_A_GPU)
        readout = nn.functional.pad(readout, (0, 0, 0, -count % _ROWS))
        to_logits = linear(matrix, offsets)
        normalisers, at_targets = list[Tensor](), list[Tensor]()
        by_readout, by_bias = list[Tensor](), torch.zeros_like(bias)
        by_weight: Tensor | None = None
        for part, wanted in zip(readout.split(chunk), targets.split(chunk), strict=True):
            errors = part.new_empty(len(part), len(weight) if gradients else 0)
            errors[len(wanted) :] = 0
            blocks = (part.split(block), wanted.unsqueeze(1).split(block), errors.split(block))
            for rows, target, error in zip(*blocks, strict=True):
                now = to_logits(rows)[: len(target)].to(bias.dtype)
                at_targets.append(now.gather(1, target))
                normaliser, now = _normalised(now)
                normalisers.append(normaliser)
                if gradients:
                    now.scatter_add_(1, target, now.new_full(target.shape, smoothing - 1))
                    by_bias += now.sum(dim=0)
                    error[: len(target)] = now
            if gradients:
                by_readout.append(torch.mm(errors, matrix))
                product = torch.mm(errors.t(), part).to(weight.dtype)
                by_weight = product if by_weight is None else by_weight.add_(product)
        over_tokens, over_words = readout.sum(dim=0, dtype=bias.dtype), weight.sum(dim=0)
        mean_logits = share * ((over_tokens * over_words).sum() + count * bias.sum())
        every = torch.cat(normalisers)
        likelihood = (every - torch.cat(at_targets)).sum()
        smoothed = (1 - smoothing) * likelihood + smoothing * every.sum() - mean_logits
        if gradients and by_weight is not None:
            by_weight -= share * over_tokens
            by_bias -= share * count
            everywhere = (share * over_words).to(readout.dtype)
            context.save_for_backward(
                torch.cat(by_readout)[:count].sub_(everywhere), by_weight, by_bias
            )
        return smoothed, likelihood

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        by_readout, by_weight, by_bias = context.saved_tensors
        scale = outer[0]
        return by_readout * scale, by_weight * scale, by_bias * scale, None, None, None


def _normalised(logits: Tensor) -> tuple[Tensor, Tensor]:
    """log Σ exp of each row [N, 1], and its softmax [N, V], on a CPU in the logits' place."""
    largest = logits.amax(dim=1, keepdim=True)
    probabilities = torch.softmax(logits, dim=1, out=logits if logits.is_cpu else None)
    # The likeliest got 1 / Σ exp(logit − largest), which never underflows.
    return largest - probabilities.amax(dim=1, keepdim=True).log(), probabilities
