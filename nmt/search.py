"""From what a model says about the next token to whole hypotheses.

Search knows a model by `encode`, `start`, `step` and `select` only (see `nmt.model`), so an
ensemble, a language model or a scripted fake can stand behind it.

All beams of all sentences of a batch are advanced together; a sentence that has finished leaves
the batch, but for a few where the batch would become too small (`fewest`).

    B sentences still searched, K beams, R = B·K rows, V vocabulary, L length so far
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from nmt.errors import NmtError
from nmt.subwords import BOS, EOS, PAD, UNK

_NEVER = [PAD, BOS, UNK]  # no translation holds these


class Selectable(Protocol):
    """Something with a row for each sentence or hypothesis."""

    def select(self, rows: Tensor) -> Self: ...


class Memory(Selectable, Protocol):
    """Encoded sentences."""

    @property
    def lengths(self) -> Tensor:
        """Source subwords of each sentence, EOS included: [B]."""
        ...


S = TypeVar("S", bound=Selectable)
M = TypeVar("M", bound=Memory)
S_co = TypeVar("S_co", bound=Selectable, covariant=True)
M_contra = TypeVar("M_contra", bound=Memory, contravariant=True)


class Step(Protocol[S_co]):
    """What a model says about the next token."""

    @property
    def logits(self) -> Tensor: ...  # [R, V]

    @property
    def state(self) -> S_co: ...


class Searchable(Protocol[M_contra, S]):
    """What search asks of a model."""

    def start(self, memory: M_contra, /) -> S: ...

    def step(self, tokens: Tensor, state: S, memory: M_contra, /) -> Step[S]: ...


@dataclass(frozen=True)
class SearchOptions:
    """How to search."""

    beam: int = 5  # hypotheses kept alive for each sentence; 1 is greedy
    length_penalty: float = 1.0  # rank by log-probability / length^this (0: not normalised)
    max_ratio: float = 2.0  # longest hypothesis: this times the source's subwords
    max_extra: int = 20  # ... plus this many

    def limits(self, lengths: Tensor) -> Tensor:
        """The longest hypothesis allowed for each source length, EOS included."""
        return (lengths * self.max_ratio).long() + self.max_extra


@dataclass(frozen=True)
class Hypothesis:
    """One finished translation in subword ids, without EOS."""

    ids: tuple[int, ...]
    log_probability: float  # of all its tokens, EOS included
    score: float  # what it is ranked by


@torch.inference_mode()
def search(
    model: Searchable[M, S], memory: M, options: SearchOptions, fewest: int = 1
) -> list[list[Hypothesis]]:
    """The best `beam` hypotheses of every sentence, best first.

    A hypothesis is finished when EOS is among its sentence's `beam` best continuations; a sentence
    is finished with its `beam`-th hypothesis, or at its length limit, where only EOS may follow.

    Args:
        fewest: sentences kept in the batch as long as one of them is not finished, for a model
            whose arithmetic is another, in the last bits, in very small batches.
    """
    beams = _Beams(model.start(memory), memory, options, fewest)
    while len(beams.sentences):
        step = model.step(beams.tokens, beams.state, beams.memory)
        beams.advance(step.logits, step.state)
    if not all(beams.finished):
        raise NmtError(
            "the model's scores are not numbers", "its weights are damaged; use another run"
        )
    return [sorted(found, key=lambda h: -h.score) for found in beams.finished]


class _Beams(Generic[M, S]):
    """The hypotheses still alive, as tensors, and those that are finished."""

    def __init__(self, state: S, memory: M, options: SearchOptions, fewest: int) -> None:
        sentences, device = len(memory.lengths), memory.lengths.device
        self.options, self.memory, self.fewest = options, memory, fewest
        self.sentences = torch.arange(sentences, device=device)  # [B] which sentence each row is
        self.limits = options.limits(memory.lengths)  # [B]
        self.history = torch.empty(sentences, options.beam, 0, dtype=torch.long, device=device)
        self.scores = torch.full((sentences, options.beam), -torch.inf, device=device)  # [B, K]
        self.scores[:, 0] = 0.0  # all beams begin alike: one of them speaks for all
        self.tokens = torch.full((sentences * options.beam,), BOS, device=device)  # [R]
        self.state = state.select(self.sentences.repeat_interleave(options.beam))
        self.finished: list[list[Hypothesis]] = [[] for _ in range(sentences)]

    def advance(self, logits: Tensor, state: S) -> None:
        """Score, choose, put finished hypotheses aside, and keep the rest."""
        scores, beams, tokens = self._candidates(logits)
        ended = tokens == EOS
        self._finish(scores, beams, ended)
        scores, order = scores.masked_fill(ended, -torch.inf).topk(self.options.beam, dim=1)
        self._keep(scores, beams.gather(1, order), tokens.gather(1, order), state)

    def _candidates(self, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The 2K best continuations of each sentence: their scores, beams and tokens, [B, 2K]."""
        size = logits.shape[-1]
        logits = logits.float()
        logits[:, _NEVER] = -torch.inf
        allowed = torch.log_softmax(logits, dim=-1).view(*self.scores.shape, size)
        last = self.limits <= self.history.shape[2] + 1
        if bool(last.any()):
            only_eos = torch.full((size,), -torch.inf, device=logits.device)
            only_eos[EOS] = 0.0
            allowed = torch.where(last.view(-1, 1, 1), allowed + only_eos, allowed)
        totals = (self.scores.unsqueeze(-1) + allowed).flatten(1)
        scores, index = totals.topk(min(2 * self.options.beam, totals.shape[1]), dim=1)
        return scores, index // size, index % size

    def _finish(self, scores: Tensor, beams: Tensor, ended: Tensor) -> None:
        """Put aside the hypotheses that ended among their sentence's K best candidates."""
        best = self.options.beam
        good = (ended & (scores > -torch.inf))[:, :best]
        length = self.history.shape[2] + 1
        for row, rank in good.nonzero().tolist():
            found = self.finished[int(self.sentences[row])]
            if len(found) < best:
                total = float(scores[row, rank])
                ids = self.history[row, beams[row, rank]].tolist()
                found.append(
                    Hypothesis(tuple(ids), total, total / length**self.options.length_penalty)
                )

    def _keep(self, scores: Tensor, beams: Tensor, tokens: Tensor, state: S) -> None:
        """Go on with the chosen continuations of the sentences that are not finished."""
        width = self.options.beam
        full = torch.tensor(
            [len(self.finished[sentence]) >= width for sentence in self.sentences.tolist()],
            device=scores.device,
        )
        alive = ~full & (scores[:, 0] > -torch.inf)
        going = alive.nonzero().squeeze(1)
        if 0 < len(going) < self.fewest:  # some that are finished keep the others company
            company = (~alive).nonzero().squeeze(1)[: self.fewest - len(going)]
            going = torch.cat((going, company)).sort().values
        rows = (going.unsqueeze(1) * width + beams[going]).flatten()  # [R]
        history = self.history.flatten(0, 1).index_select(0, rows)
        history = history.view(len(going), width, self.history.shape[2])
        self.history = torch.cat((history, tokens[going].unsqueeze(-1)), dim=-1)
        self.scores, self.tokens = scores[going], tokens[going].flatten()
        self.state = state.select(rows)
        if len(going) < len(self.sentences):
            self.sentences, self.limits = self.sentences[going], self.limits[going]
            self.memory = self.memory.select(going)
