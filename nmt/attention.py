"""Attention of the classic kinds: which source positions a decoder state looks at.

The keys are an argument, computed once a sentence by `keys`, never kept on the module: the same
module serves training (all target steps at once) and search (one step, all beams at once).

    B batch, S source length, T queries of a sentence (target steps or beams),
    Q query size, M memory size, N heads
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings


class Attention(nn.Module):
    """A score for every (query, position), its softmax, and the weighted mean of the memory."""

    def keys(self, memory: Tensor) -> Tensor:
        """What queries are compared with: [B, S, M] → [B, S, K]."""
        return memory

    def scores(self, query: Tensor, keys: Tensor, covered: Tensor | None) -> Tensor:
        """[B, T, Q], [B, S, K] → [B, T, S]: query · key, unless a kind says otherwise."""
        return torch.bmm(query, keys.transpose(1, 2))

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        memory: Tensor,
        padding: Tensor,
        covered: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Returns the context [B, T, M] and the weights [B, T, S].

        Args:
            padding: [B, 1, S], 0 where there is a token and −inf where there is none.
            covered: [B, T, S] the sum of the weights before, for `Coverage`.
        """
        scores = self.scores(query, keys, covered)
        weights = torch.softmax(scores.float() + padding, dim=-1)
        return torch.bmm(weights.to(memory.dtype), memory), weights


class Dot(Attention):
    """query · memory (Luong et al. 2015, eq. 8 "dot")."""


class General(Attention):
    """query · W memory (Luong et al. 2015, eq. 8 "general")."""

    def __init__(self, query: int, memory: int) -> None:
        super().__init__()
        self.project = nn.Linear(memory, query, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.project(memory)
        return projected


class Additive(Attention):
    """v · tanh(W query + U memory) (Bahdanau et al. 2015, appendix A.1.2)."""

    def __init__(self, query: int, memory: int, size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query, size)
        self.memory = nn.Linear(memory, size, bias=False)
        self.score = nn.Linear(size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        projected: Tensor = self.memory(memory)
        return projected

    def scores(self, query: Tensor, keys: Tensor, covered: Tensor | None) -> Tensor:
        both = self.query(query).unsqueeze(2) + keys.unsqueeze(1)  # [B, T, S, size]
        return self._scored(both)

    def _scored(self, both: Tensor) -> Tensor:
        scores: Tensor = self.score(torch.tanh(both)).squeeze(-1)
        return scores


class Coverage(Additive):
    """v · tanh(W query + U memory + C covered): it sees what has been looked at already.

    `covered` is the sum of a position's weights so far: the linguistic coverage model without
    fertility of Tu et al. 2016, §3.1.
    """

    def __init__(self, query: int, memory: int, size: int) -> None:
        super().__init__(query, memory, size)
        self.covered = nn.Linear(1, size, bias=False)

    def scores(self, query: Tensor, keys: Tensor, covered: Tensor | None) -> Tensor:
        if covered is None:
            raise ValueError("coverage-aware attention needs the weights so far")
        both = self.query(query).unsqueeze(2) + keys.unsqueeze(1)
        return self._scored(both + self.covered(covered.unsqueeze(-1)))


class MultiHead(Attention):
    """Scaled dot products of several projections at once (Vaswani et al. 2017, §3.2.2).

    The weights that it returns are the mean over the heads.
    """

    def __init__(self, query: int, memory: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(query, memory, bias=False)
        self.key_value = nn.Linear(memory, 2 * memory, bias=False)
        self.output = nn.Linear(memory, memory, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """Keys and values side by side: [B, S, 2M]."""
        projected: Tensor = self.key_value(memory)
        return projected

    def forward(
        self,
        query: Tensor,
        keys: Tensor,
        memory: Tensor,
        padding: Tensor,
        covered: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        keys, values = (self._split(half) for half in keys.chunk(2, dim=-1))  # [B, N, S, M/N]
        query = self._split(self.query(query))  # [B, N, T, M/N]
        scores = query @ keys.transpose(2, 3) / math.sqrt(query.shape[-1])
        weights = torch.softmax(scores.float() + padding.unsqueeze(1), dim=-1)  # [B, N, T, S]
        context = (weights.to(values.dtype) @ values).transpose(1, 2).flatten(2)  # [B, T, M]
        return self.output(context), weights.mean(dim=1)

    def _split(self, sequence: Tensor) -> Tensor:
        heads = sequence.view(*sequence.shape[:-1], self.heads, -1)
        return heads.transpose(1, 2)


def make_attention(settings: ModelSettings) -> Attention | None:
    """The attention that the settings ask for; None for the plain encoder–decoder of 2014."""
    size = settings.hidden
    if settings.attention == "none":
        return None
    if settings.attention == "general":
        return General(size, size)
    if settings.attention == "additive":
        return (Coverage if settings.coverage else Additive)(size, size, size)
    return MultiHead(size, size, settings.heads) if settings.heads > 1 else Dot()
