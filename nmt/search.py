"""From what a model says about the next token to whole hypotheses.

Search knows a model by `encode`, `start`, `step` and `select` only (see `nmt.model`), so an
ensemble, a language model or a scripted fake can stand behind it. There are three ways through it:

    search   beam search; greedy with a beam of one
    sample   draws from the model, the same for the same seed and sentence in whatever batch
    force    what the model gives to hypotheses that are known already

All rows of all sentences of a batch are advanced together; a sentence that has finished leaves the
batch, but for a few where the batch would become too small (`fewest`).

    B sentences still searched, K beams, R = B·K rows, V vocabulary, L length so far, S source
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import repeat
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.config import TranslateSettings
from nmt.decoder import Step
from nmt.errors import NmtError
from nmt.subwords import BOS, EOS, PAD, UNK

_NEVER = (PAD, BOS)  # no translation holds these
_BLOCK = 64  # tokens of which only the largest is compared at first
_FEW = 8  # sentences above which a batch shrinks by so many at once


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
Numbers = TypeVar("Numbers", float, NDArray[np.float64])
M_contra = TypeVar("M_contra", bound=Memory, contravariant=True)


class Searchable(Protocol[M_contra, S]):
    """What search asks of a model."""

    def start(self, memory: M_contra, /) -> S: ...

    def step(self, tokens: Tensor, state: S, memory: M_contra, /) -> Step[S]: ...


class Guide(Protocol):
    """What the hypotheses of one sentence are held to, beyond what the model says."""

    def allowed(self, ids: tuple[int, ...], left: int, /) -> Tensor | None:
        """Which tokens may follow: [V] bool; None: any. `left`: how many may in all, without EOS.

        Where other rules would leave none of them, they do not hold."""
        ...

    def chosen(
        self, histories: Sequence[tuple[int, ...]], totals: Tensor, /
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """Scores, beams and tokens [2·K] of the continuations [K, V] that go on, those first that
        end; at most K of each; None: the best ones."""
        ...


# --- options ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sampling:
    """How to draw instead of searching."""

    temperature: float = 1.0  # logits are divided by it
    top_k: int = 0  # only the likeliest so many tokens; 0: all
    top_p: float = 1.0  # only the likeliest tokens that make up this probability
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class SearchOptions(TranslateSettings):
    """How to search: the settings, and what is asked of one search only.

    A finished hypothesis y of x is ranked by

        log p(y|x) / norm(|y|) + word_reward · |y| + coverage_penalty · Σ_s log min(Σ_t a(t,s), 1)

    where norm is |y|^length_penalty, or ((5 + |y|) / 6)^length_penalty, and a are the attention's
    weights (Wu et al. 2016, eq. 14).
    """

    attention: bool = False  # whether hypotheses carry the attention's weights
    coverage: bool = False  # whether they tell their coverage, as far as the model attends
    unknown: bool = False  # whether <unk> may be produced, to be replaced by a word of the source
    best: int = 0  # hypotheses wanted of each sentence; 0: all that were finished
    sampling: Sampling | None = None

    @classmethod
    def of(
        cls,
        settings: TranslateSettings,
        *,
        attention: bool = False,
        coverage: bool = False,
        unknown: bool = False,
        best: int = 0,
        sampling: Sampling | None = None,
    ) -> SearchOptions:
        """These settings, and options that are none."""
        return cls(
            **asdict(settings),
            attention=attention,
            coverage=coverage,
            unknown=unknown,
            best=best,
            sampling=sampling,
        )

    def longest(self, lengths: Tensor) -> Tensor:
        """The longest hypothesis allowed for each source length, EOS included: [B]."""
        limit = (lengths * self.max_ratio).long() + self.max_extra
        return limit.clamp(max=self.max_length + 1) if self.max_length else limit

    def shortest(self, lengths: Tensor) -> Tensor:
        """The shortest hypothesis allowed, EOS included; never above the longest: [B]."""
        limit = (lengths * self.min_ratio).long().clamp(min=self.min_length) + 1
        return torch.minimum(limit, self.longest(lengths))

    def rank(self, log_probability: Numbers, length: Numbers, log_coverage: Numbers) -> Numbers:
        """A finished hypothesis's score, or those of many; `length` counts EOS."""
        norm = length if self.length_norm == "power" else (5 + length) / 6
        score: Numbers = log_probability / norm**self.length_penalty
        return score + self.word_reward * length + self.coverage_penalty * log_coverage

    @property
    def watches(self) -> bool:
        """Whether the attention's weights are of any use."""
        return self.attention or self.coverage or self.coverage_penalty != 0


@dataclass(frozen=True)
class Hypothesis:
    """One finished translation in subword ids, without EOS."""

    ids: tuple[int, ...]
    log_probability: float  # of all its tokens, EOS included
    score: float  # what it is ranked by
    log_coverage: float = 0.0  # Σ_s log min(Σ_t a(t,s), 1), where the attention was watched
    token_log_probabilities: tuple[float, ...] = ()  # EOS included
    attention: np.ndarray | None = field(default=None, compare=False)  # [|ids| + 1, S], with EOS
    features: Mapping[str, float] = field(default_factory=dict, compare=False)  # where rescored


# --- beam search --------------------------------------------------------------------------------


@torch.inference_mode()
def search(
    model: Searchable[M, S],
    memory: M,
    options: SearchOptions,
    fewest: int = 1,
    guides: Sequence[Guide | None] = (),
) -> list[list[Hypothesis]]:
    """The best `beam` hypotheses of every sentence, best first.

    A hypothesis is finished when EOS is among its sentence's `beam` best continuations; a sentence
    is finished with its `beam`-th hypothesis, or at its length limit, where only EOS may follow.

    Args:
        fewest: sentences kept in the batch as long as one of them is not finished, for a model
            whose arithmetic is another, in the last bits, in very small batches.
        guides: what each sentence's hypotheses are held to; where one chooses the continuations,
            with one group of beams only.
    """
    beams = _Beams(model.start(memory), memory, options, fewest, guides)
    while len(beams.sentences):
        beams.advance(model.step(beams.tokens, beams.state, beams.memory))
    finished = beams.finished()
    if not all(finished):
        raise NmtError(
            "the model's scores are not numbers", "its weights are damaged; use another run"
        )
    return finished


@torch.inference_mode()
def sample(
    model: Searchable[M, S],
    memory: M,
    options: SearchOptions,
    noise: Tensor,
    fewest: int = 1,
    guides: Sequence[Guide | None] = (),
) -> list[list[Hypothesis]]:
    """`beam` hypotheses of every sentence, drawn from the model, best first.

    Args:
        noise: uniform numbers below 1, one for each sentence, draw and position: [B, K, ≥ L].
    """
    draws = _Draws(model.start(memory), memory, options, fewest, guides, noise)
    while len(draws.sentences):
        draws.advance(model.step(draws.tokens, draws.state, draws.memory))
    return draws.finished()


@torch.inference_mode()
def force(
    model: Searchable[M, S],
    memory: M,
    targets: Sequence[Sequence[int]],
    options: SearchOptions = SearchOptions(),
) -> list[Hypothesis]:
    """What the model gives to one known hypothesis of each sentence, in ids without EOS."""
    state, device = model.start(memory), memory.lengths.device
    longest = max(map(len, targets)) + 1
    padded = torch.full((len(targets), longest), PAD, device=device)
    for row, ids in enumerate(targets):
        padded[row, : len(ids) + 1] = torch.tensor([*ids, EOS])
    before = torch.full((len(targets),), BOS, device=device)
    log_probabilities, watched = [], []
    for following in padded.unbind(1):
        step = model.step(before, state, memory)
        likely = torch.log_softmax(step.logits.float(), dim=-1)
        log_probabilities.append(likely.gather(1, following.unsqueeze(1)).squeeze(1))
        if options.watches and step.attention is not None:
            watched.append(step.attention)
        before, state = following, step.state
    every = torch.stack(log_probabilities, dim=1)
    attention = torch.stack(watched, dim=1) if watched else None
    return [
        _hypothesis(
            ids,
            every[row, : len(ids) + 1].tolist(),
            None if attention is None else attention[row, : len(ids) + 1],
            int(memory.lengths[row]),
            options,
        )
        for row, ids in enumerate(targets)
    ]


def _hypothesis(
    ids: Sequence[int],
    log_probabilities: Sequence[float],
    attention: Tensor | None,
    source: int,
    options: SearchOptions,
) -> Hypothesis:
    """Put a hypothesis together; `log_probabilities` and `attention` have a row for EOS as well."""
    total, log_coverage = math.fsum(log_probabilities), 0.0
    if attention is not None:
        attention = attention[:, :source].float()
        covered = attention.sum(dim=0).clamp(1e-9, 1.0)
        log_coverage = float(covered.log().sum())
    score = options.rank(total, len(log_probabilities), log_coverage)
    kept = attention.cpu().numpy().copy() if attention is not None and options.attention else None
    return Hypothesis(tuple(ids), total, score, log_coverage, tuple(log_probabilities), kept)


@dataclass(frozen=True)
class _Ended:
    """Hypotheses that ended at the same step: N of length L."""

    sentences: Tensor  # [N]
    lengths: Tensor  # [N] source subwords
    ids: Tensor  # [N, L]
    log_probabilities: Tensor  # [N, L + 1]
    attention: Tensor | None  # [N, L + 1, S]

    def hypotheses(self, options: SearchOptions) -> Iterator[tuple[int, Hypothesis]]:
        """Each with the number of its sentence."""
        attention = self.attention.unbind(0) if self.attention is not None else repeat(None)
        columns = (self.sentences, self.ids, self.log_probabilities, self.lengths)
        parts = zip(*(column.tolist() for column in columns), attention, strict=False)
        for sentence, ids, log_probabilities, length, watched in parts:
            yield sentence, _hypothesis(ids, log_probabilities, watched, length, options)


def _size(sentences: int) -> int:
    """The next number of sentences that a batch shrinks to: kernels are made for every number of
    rows, which takes as long as a step, so that there should be few."""
    if sentences > _FEW:
        return -(-sentences // _FEW) * _FEW
    return 1 << (sentences - 1).bit_length() if sentences else 0


class _Rows(ABC, Generic[M, S]):
    """The hypotheses still alive, as tensors, and those that are finished."""

    def __init__(
        self,
        state: S,
        memory: M,
        options: SearchOptions,
        fewest: int,
        guides: Sequence[Guide | None],
    ) -> None:
        sentences, width, device = len(memory.lengths), options.beam, memory.lengths.device
        self.options, self.memory, self.fewest = options, memory, fewest
        self.sentences = torch.arange(sentences, device=device)  # [B] which sentence each row is
        self.longest, self.shortest = (
            options.longest(memory.lengths),
            options.shortest(memory.lengths),
        )
        self.limits = int(self.shortest.max()), int(self.longest.min())
        self.guides = {row: guide for row, guide in enumerate(guides) if guide}
        self.history = torch.empty(sentences, width, 0, dtype=torch.long, device=device)
        self.log_probabilities = torch.empty(
            sentences, width, 0, device=device
        )  # log p of the history
        self.watched: Tensor | None = None  # [B, K, L, S] the attention's weights
        self.scores = self._first_scores(torch.zeros(sentences, width, device=device))
        self.tokens = torch.full((sentences,), BOS, device=device)  # [R]; at first one a sentence
        self.state = state
        self.ended: list[_Ended] = []
        self.counts = torch.zeros(sentences, dtype=torch.long, device=device)  # [B] of those
        self.total = sentences

    @abstractmethod
    def _first_scores(self, zeros: Tensor) -> Tensor:
        """What each beam begins with: [B, K]."""

    def _for_each_beam(self, step: Step[S]) -> Step[S]:
        """The first step is made once for all beams of a sentence; later ones are as they are."""
        if self.history.shape[2]:
            return step
        rows = self.sentences.repeat_interleave(self.options.beam)
        attention = None if step.attention is None else step.attention.index_select(0, rows)
        return Step(step.logits.index_select(0, rows), step.state.select(rows), attention)

    # --- what may follow --------------------------------------------------------------------------

    def _allowed(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the next token: as search goes by them, and as the model has them.

        Returns:
            Both [B, K, V]; what must not follow is −inf in the first.
        """
        log_probabilities = logits.float()  # normalised in place: a step's logits are large
        log_probabilities = torch.log_softmax(
            log_probabilities, dim=-1, out=log_probabilities
        ).view(*self.scores.shape, -1)
        length, options = self.history.shape[2] + 1, self.options
        plain = options.repetition_penalty == 1 and not self.guides
        allowed = log_probabilities if plain else log_probabilities.clone()
        for token in _NEVER if options.unknown else (*_NEVER, UNK):
            allowed[..., token] = -torch.inf
        if options.repetition_penalty != 1 and length > 1:
            again = allowed.gather(2, self.history) * options.repetition_penalty
            allowed.scatter_(2, self.history, again)
        if options.no_repeat_ngram and length > options.no_repeat_ngram:
            self._forbid_repeats(allowed, options.no_repeat_ngram)
        shortest, longest = self.limits
        if length < shortest:
            allowed[self.shortest > length, :, EOS] = -torch.inf
        if length >= longest:
            last = self.longest <= length
            end = allowed[last, :, EOS]
            allowed[last] = -torch.inf
            allowed[last, :, EOS] = end
        if self.guides:
            self._hold_to_guides(allowed, log_probabilities)
        return allowed, log_probabilities

    def _hold_to_guides(self, allowed: Tensor, log_probabilities: Tensor) -> None:
        left = self.longest.sub(self.history.shape[2] + 1).tolist()
        for row, guide in self.guides.items():
            for beam, ids in enumerate(self._histories(row)):
                mask = guide.allowed(ids, left[row])
                if mask is not None:
                    held = allowed[row, beam].masked_fill(~mask, -torch.inf)
                    if bool(held.max() == -torch.inf):
                        held = log_probabilities[row, beam].masked_fill(~mask, -torch.inf)
                    allowed[row, beam] = held

    def _histories(self, row: int) -> list[tuple[int, ...]]:
        return [tuple(ids) for ids in self.history[row].tolist()]

    def _forbid_repeats(self, allowed: Tensor, size: int) -> None:
        """Rule out the tokens that would complete an n-gram for the second time."""
        windows = self.history.unfold(2, size, 1)  # [B, K, L − n + 1, n]
        tail = self.history[..., self.history.shape[2] - size + 1 :].unsqueeze(2)
        same = (windows[..., :-1] == tail).all(dim=-1)
        row, beam, at = same.nonzero(as_tuple=True)
        allowed[row, beam, windows[row, beam, at, -1]] = -torch.inf

    # --- bookkeeping ------------------------------------------------------------------------------

    def _finish(
        self, where: Tensor, beams: Tensor, log_probabilities: Tensor, now: Tensor | None
    ) -> None:
        """Put aside the hypotheses that end here.

        Args:
            where: [B, C] which candidates do.
            beams: [B, C] the beams that they continue.
            log_probabilities: [B, K, V] of the next token.
            now: [R, S] the attention of this step.
        """
        kept = where & (where.cumsum(dim=1) + self.counts.unsqueeze(1) <= self.options.beam)
        self.counts += kept.sum(dim=1)
        row, rank = kept.nonzero(as_tuple=True)
        if not len(row):
            return
        beam = beams[row, rank]
        attention = None
        if now is not None:
            last = now.view(*self.scores.shape, 1, now.shape[1])[row, beam]
            before = last[:, :0] if self.watched is None else self.watched[row, beam]
            attention = torch.cat((before, last), dim=1)
        self.ended.append(
            _Ended(
                self.sentences[row],
                self.memory.lengths[row],
                self.history[row, beam],
                torch.cat(
                    (self.log_probabilities[row, beam], log_probabilities[row, beam, EOS, None]),
                    dim=1,
                ),
                attention,
            )
        )

    def finished(self) -> list[list[Hypothesis]]:
        """The best finished hypotheses of each sentence, best first."""
        found: list[list[Hypothesis]] = [[] for _ in range(self.total)]
        for ended in self.ended:
            for sentence, hypothesis in ended.hypotheses(self.options):
                found[sentence].append(hypothesis)
        if self.options.groups > 1:  # which may have found the same
            found = [list(dict.fromkeys(each)) for each in found]
        best = self.options.best or self.options.beam
        return [sorted(each, key=lambda h: -h.score)[:best] for each in found]

    def _keep(
        self,
        scores: Tensor,
        beams: Tensor,
        tokens: Tensor,
        log_probabilities: Tensor,
        now: Tensor | None,
        state: S,
    ) -> None:
        """Go on with these continuations [B, K] of the sentences that are not finished."""
        width = self.options.beam
        alive = (self.counts < width) & (scores > -torch.inf).any(dim=1)
        going = alive.nonzero().squeeze(1)
        together = max(self.fewest, _size(len(going)))
        if 0 < len(going) < together:  # some that are finished keep the others company
            company = (~alive).nonzero().squeeze(1)[: together - len(going)]
            going = torch.cat((going, company)).sort().values
        rows = (going.unsqueeze(1) * width + beams[going]).flatten()  # [R]
        shape = (len(going), width)
        likely = log_probabilities[going.unsqueeze(1), beams[going], tokens[going]].unsqueeze(-1)
        self.history = torch.cat(
            (_rows(self.history, rows, shape), tokens[going].unsqueeze(-1)), dim=-1
        )
        self.log_probabilities = torch.cat(
            (_rows(self.log_probabilities, rows, shape), likely), dim=-1
        )
        if now is not None:
            latest = now.index_select(0, rows).view(*shape, 1, now.shape[1])
            before = None if self.watched is None else _rows(self.watched, rows, shape)
            self.watched = latest if before is None else torch.cat((before, latest), dim=2)
        self.scores, self.tokens = scores[going], tokens[going].flatten()
        crossed = not torch.equal(
            rows, torch.arange(len(self.sentences) * width, device=rows.device)
        )
        self.state = state.select(rows) if crossed else state
        if len(going) < len(self.sentences):
            self._leave(going)

    def _leave(self, going: Tensor) -> None:
        """Only the sentences of these rows stay."""
        self.sentences, self.memory = self.sentences[going], self.memory.select(going)
        self.counts = self.counts[going]
        self.longest, self.shortest = self.longest[going], self.shortest[going]
        kept = enumerate(going.tolist())
        self.guides = {row: self.guides[old] for row, old in kept if old in self.guides}

    def _now(self, step: Step[S]) -> Tensor | None:
        """The step's attention, if it is of use: [R, S]."""
        return step.attention if self.options.watches else None


class _Beams(_Rows[M, S]):
    """Beam search: of all continuations of a sentence's beams, the best go on."""

    def _first_scores(self, zeros: Tensor) -> Tensor:
        # All beams of a group begin alike: one of them speaks for all.
        zeros = zeros.fill_(-torch.inf)
        zeros[:, :: self.options.beam // self.options.groups] = 0.0
        return zeros

    def advance(self, step: Step[S]) -> None:
        """Score, choose, put finished hypotheses aside, and keep the rest."""
        groups, width = self.options.groups, self.options.beam // self.options.groups
        step = self._for_each_beam(step)
        allowed, log_probabilities = self._allowed(step.logits)
        scores, beams, tokens = self._candidates(allowed)
        for row, guide in self.guides.items():
            totals = self.scores[row].unsqueeze(-1) + allowed[row]
            if chosen := guide.chosen(self._histories(row), totals):
                scores[row, 0], beams[row, 0], tokens[row, 0] = chosen
        ended, now = tokens == EOS, self._now(step)  # [B, G, C]
        best = (ended & (scores > -torch.inf))[..., :width]
        self._finish(best.flatten(1), beams[..., :width].flatten(1), log_probabilities, now)
        scores, order = scores.masked_fill(ended, -torch.inf).topk(width, dim=2)
        beams, tokens = beams.gather(2, order), tokens.gather(2, order)
        flat = (len(scores), groups * width)
        self._keep(
            scores.view(flat),
            beams.view(flat),
            tokens.view(flat),
            log_probabilities,
            now,
            step.state,
        )

    def _candidates(self, allowed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The 2·K/G best continuations [B, G, C] of each group: their scores, beams and tokens."""
        groups, size = self.options.groups, allowed.shape[2]
        width = self.options.beam // groups
        chosen = allowed.new_zeros(len(allowed), size) if groups > 1 else None  # [B, V] how often
        scores, places = [], []
        for number in range(groups):
            group, before = (
                part[:, number * width : (number + 1) * width] for part in (allowed, self.scores)
            )
            fair = group
            if chosen is not None and number:
                fair = group - self.options.diversity * chosen.unsqueeze(1)
            index = _largest(before, fair, 2 * width)
            scores.append(before.gather(1, index // size) + group.flatten(1).gather(1, index))
            places.append(index + number * width * size)
            if chosen is not None:
                tokens = index[:, :width] % size
                chosen.scatter_add_(1, tokens, torch.ones_like(tokens, dtype=chosen.dtype))
        place = torch.stack(places, dim=1)
        return torch.stack(scores, dim=1), place // size, place % size


def _largest(before: Tensor, log_probabilities: Tensor, count: int) -> Tensor:
    """Where the largest of `before` [B, K] + `log_probabilities` [B, K, V] are: [B, count] in K·V.

    They are in those blocks of tokens whose largest ones are the largest, so that most of the
    vocabulary is looked at no more than once.
    """
    size = log_probabilities.shape[2]
    whole = size - size % _BLOCK
    if size < 4 * _BLOCK:
        totals = (before.unsqueeze(2) + log_probabilities).flatten(1)
        return totals.topk(min(count, totals.shape[1]), dim=1).indices
    blocks = [log_probabilities[..., :whole].unflatten(2, (-1, _BLOCK)).amax(dim=3)]
    if whole < size:
        blocks.append(log_probabilities[..., whole:].amax(dim=2, keepdim=True))
    maxima = torch.cat(blocks, dim=2) + before.unsqueeze(2)  # [B, K, V / block]
    block = maxima.flatten(1).topk(count, dim=1).indices
    beam, first = block // maxima.shape[2], block % maxima.shape[2] * _BLOCK
    token = first.unsqueeze(2) + torch.arange(_BLOCK, device=block.device)  # [B, count, block]
    place = (beam * size).unsqueeze(2) + token.where(token < size, PAD)
    totals = log_probabilities.flatten(1).gather(1, place.flatten(1)).view(place.shape)
    totals = totals + before.gather(1, beam).unsqueeze(2)
    if whole < size:
        totals.masked_fill_(token >= size, -torch.inf)
    return place.flatten(1).gather(1, totals.flatten(1).topk(count, dim=1).indices)


class _Draws(_Rows[M, S]):
    """Sampling: every beam goes its own way."""

    def __init__(
        self,
        state: S,
        memory: M,
        options: SearchOptions,
        fewest: int,
        guides: Sequence[Guide | None],
        noise: Tensor,
    ) -> None:
        super().__init__(state, memory, options, fewest, guides)
        self.noise = noise.to(memory.lengths.device)  # [B, K, ≥ L]

    def _first_scores(self, zeros: Tensor) -> Tensor:
        return zeros

    def advance(self, step: Step[S]) -> None:
        """Draw a token for each row, and put aside the rows that ended."""
        step = self._for_each_beam(step)
        allowed, log_probabilities = self._allowed(step.logits)
        tokens, now = self._drawn(allowed), self._now(step)
        beams = torch.arange(self.options.beam, device=tokens.device).expand_as(tokens)
        ended = tokens == EOS
        self._finish(ended & (self.scores > -torch.inf), beams, log_probabilities, now)
        scores = self.scores.masked_fill(ended, -torch.inf)
        self._keep(scores, beams, tokens, log_probabilities, now, step.state)

    def _drawn(self, allowed: Tensor) -> Tensor:
        """One token a row, by the inverse of the distribution function: [B, K]."""
        options, length = self.options.sampling or Sampling(), self.history.shape[2]
        likely, order = (allowed / options.temperature).sort(dim=-1, descending=True, stable=True)
        probabilities = torch.softmax(likely, dim=-1)
        if options.top_k:
            probabilities[..., options.top_k :] = 0.0
        if options.top_p < 1:
            before = probabilities.cumsum(dim=-1) - probabilities
            probabilities = probabilities.masked_fill(before >= options.top_p, 0.0)
        heaps = probabilities.cumsum(dim=-1)
        level = self.noise[..., length].unsqueeze(-1) * heaps[..., -1:]
        place = (heaps <= level).sum(dim=-1, keepdim=True).clamp(max=heaps.shape[-1] - 1)
        return order.gather(-1, place).squeeze(-1)

    def _leave(self, going: Tensor) -> None:
        super()._leave(going)
        self.noise = self.noise[going]


def _rows(part: Tensor, rows: Tensor, shape: tuple[int, int]) -> Tensor:
    """Rows of [B, K, ...] by their number among all R, as [shape, ...]."""
    return part.flatten(0, 1).index_select(0, rows).view(*shape, *part.shape[2:])
