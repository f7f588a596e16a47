"""From what a model says about the next token to whole hypotheses.

Search knows a model by `encode`, `start`, `step` and `select` only (see `nmt.model`), so an
ensemble, a language model or a scripted fake can stand behind it. There are three ways through it:

    search   beam search; greedy with a beam of one
    sample   draws from the model, the same for the same seed and sentence in whatever batch
    force    what the model gives to hypotheses that are known already

All hypotheses of all sentences of a batch are advanced together, a row for each; a hypothesis or a
sentence that has finished leaves the batch, but for a few where the batch would become too small
(`fewest`).

    B sentences still searched, K beams, R ≤ B·K rows, V vocabulary, L length so far, S source
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from heapq import nlargest
from itertools import repeat
from operator import itemgetter
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nmt.config import TranslateSettings
from nmt.decoder import Grid, Step
from nmt.errors import NmtError
from nmt.subwords import BOS, EOS, PAD, UNK

_NEVER = (PAD, BOS)  # no translation holds these
_SMALL_BLOCK, _BLOCK, _LARGE_BLOCK = 32, 64, 128  # tokens of which at first the largest is compared
_EXACT = 1e-6  # what a product of a length and a ratio may lack, since ratios are binary numbers
_FEW_SENTENCES = 16  # above which a batch shrinks by so many at once
_FEW_ROWS = 16  # the same
_HOPELESS = 2.0  # how much less likely, in nats, a hypothesis is that is given up


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

    def step(
        self, tokens: Tensor, state: S, memory: M_contra, grid: Grid | None = None, /
    ) -> Step[S]:
        """What follows one more token a row; `grid` says where rows stand, if not one beside the
        other."""
        ...


Chosen = tuple[list[int], list[tuple[float, int, int]]]
"""The beams that end; and score, beam and token of those continuations that go on, best first."""


class Guide(Protocol):
    """What the hypotheses of one sentence are held to, beyond what the model says."""

    def allowed(self, ids: tuple[int, ...], left: int, /) -> Tensor | None:
        """Which tokens may follow: [V] bool; None: any. `left`: how many may in all, without EOS.

        Where other rules would leave none of them, they do not hold."""
        ...

    def chosen(
        self, histories: Sequence[tuple[int, ...]], totals: Tensor, places: int, /
    ) -> Chosen | None:
        """At most `places` of the continuations, by their scores [K, V]; None: the best ones."""
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
    prune: bool = False  # whether those far behind are given up, where one translation is wanted
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
        prune: bool = False,
        sampling: Sampling | None = None,
    ) -> SearchOptions:
        """These settings, and options that are none."""
        return cls(
            **asdict(settings),
            attention=attention,
            coverage=coverage,
            unknown=unknown,
            best=best,
            prune=prune,
            sampling=sampling,
        )

    def longest(self, length: int) -> int:
        """The longest hypothesis allowed for a source of this length, EOS included in both."""
        limit = int(length * self.max_ratio + _EXACT) + self.max_extra
        return min(limit, self.max_length + 1) if self.max_length else limit

    def shortest(self, length: int) -> int:
        """The shortest hypothesis allowed, EOS included; never above the longest."""
        limit = max(int(length * self.min_ratio + _EXACT), self.min_length) + 1
        return min(limit, self.longest(length))

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

    A finished hypothesis takes a place in the beam, so that it narrows (Bahdanau et al. 2015's own
    search): with n of them one more is finished when EOS is among its sentence's `beam` − n best
    continuations, and as many stay alive. A sentence is finished with its `beam`-th hypothesis, or
    at its length limit, where only EOS may follow. Pruning gives up those that are far less likely
    than the likeliest one alive.

    Args:
        fewest: sentences kept in the batch as long as one of them is not finished, for a model
            whose arithmetic is another, in the last bits, in very small batches.
        guides: what each sentence's hypotheses are held to; where one chooses the continuations,
            with one group of beams only.
    """
    beams = _Beams(model.start(memory), memory, options, fewest, guides)
    while len(beams.sentences):
        beams.advance(model.step(beams.tokens, beams.state, beams.memory, beams.grid))
    finished = beams.finished()
    _refuse_nan(not all(finished))
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
        draws.advance(model.step(draws.tokens, draws.state, draws.memory, draws.grid))
    finished = draws.finished()
    _refuse_nan(any(math.isnan(each.log_probability) for found in finished for each in found))
    return finished


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
    _refuse_nan(bool(every.isnan().any()))
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


def _refuse_nan(found: bool) -> None:
    if found:
        raise NmtError(
            "the model's scores are not numbers", "its weights are damaged; use another run"
        )


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


_Parts = tuple[Sequence[int], Sequence[float], Tensor | None, int]


@dataclass(frozen=True)
class _Ended:
    """Hypotheses that ended at the same step: N of length L."""

    sentences: Tensor  # [N]
    lengths: Tensor  # [N] source subwords
    ids: Tensor  # [N, L]
    log_probabilities: Tensor  # [N, L + 1]
    attention: Tensor | None  # [N, L + 1, S]

    def scores(self, options: SearchOptions) -> list[float]:
        """What each is ranked by; of its coverage but for the last digits."""
        totals = self.log_probabilities.cpu().double().sum(dim=1).numpy()
        log_coverage = np.zeros_like(totals)
        if self.attention is not None and options.coverage_penalty:
            covered = self.attention.float().sum(dim=1).clamp(1e-9, 1.0).log()  # [N, S]
            beyond = torch.arange(covered.shape[1], device=covered.device) >= self.lengths[:, None]
            log_coverage = covered.masked_fill_(beyond, 0.0).sum(dim=1).cpu().double().numpy()
        length = np.full_like(totals, self.log_probabilities.shape[1])
        ranked: list[float] = options.rank(totals, length, log_coverage).tolist()
        return ranked

    def parts(self) -> Iterator[_Parts]:
        """What each is put together from."""
        attention = self.attention.unbind(0) if self.attention is not None else repeat(None)
        ids, log_probabilities = self.ids.tolist(), self.log_probabilities.tolist()
        return zip(ids, log_probabilities, attention, self.lengths.tolist(), strict=False)


def _size(wanted: int, step: int) -> int:
    """The next number that a batch shrinks to: kernels are made for every number of rows, which
    takes as long as a step, so that there should be few."""
    if wanted > step:
        return -(-wanted // step) * step
    return 1 << (wanted - 1).bit_length() if wanted else 0


def _in_company(wanted: Tensor, count: int) -> Tensor:
    """Where `wanted` [N] is true, and of the other places the first that make up `count`."""
    flags = wanted.cpu().numpy()  # which is done sooner there
    found = np.flatnonzero(flags)
    if len(found) < count:
        others = np.flatnonzero(~flags)[: count - len(found)]
        found = np.sort(np.concatenate((found, others)))
    return torch.from_numpy(found).to(wanted.device)


@dataclass(frozen=True)
class _Next:
    """What may follow each row."""

    allowed: Tensor  # [R, V] log-probabilities as search goes by them; −inf: must not follow
    likely: Tensor  # [R, V] as the model has them; of what may follow only


class _Rows(ABC, Generic[M, S]):
    """The hypotheses still alive, as tensors, and those that are finished.

    Scores have a place for each beam of each sentence, [B, K]; those only that live have a row, in
    what is known of them and of what the model is asked: [R].
    """

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
        self.sentences = torch.arange(sentences, device=device)  # [B] which sentence each is
        lengths = memory.lengths.tolist()
        shortest, longest = (list(map(of, lengths)) for of in (options.shortest, options.longest))
        self.limits = max(shortest), min(longest)
        self.shortest = torch.tensor(shortest, device=device)  # [B]
        self.longest = torch.tensor(longest, device=device)  # [B]
        self.guides = {row: guide for row, guide in enumerate(guides) if guide}
        self.never = torch.tensor(_NEVER if options.unknown else (*_NEVER, UNK), device=device)
        # Of the continuations of all groups, side by side, the number by rank: [K].
        self.turns = torch.arange(width, device=device).view(-1, options.groups).T.flatten()
        self.scores = self._first_scores(torch.zeros(sentences, width, device=device))  # −inf: dead
        self.ended: list[_Ended] = []
        self.places = torch.full_like(self.sentences, width)  # [B] how many more may be
        self.total = sentences
        self.tokens = self.sentences  # [R] the last ones
        begin = torch.full((sentences, width), BOS, device=device)
        live = int((self.scores > -torch.inf).sum())
        before = self._seat(begin, self.sentences.unsqueeze(1).expand_as(begin), state, live)
        self.history = begin.new_empty(len(before), 0)  # [R, L]
        self.log_probabilities = self.scores.new_empty(len(before), 0)  # [R, L] of the history
        self.watched: Tensor | None = None  # [R, L, S] the attention's weights

    @abstractmethod
    def _first_scores(self, zeros: Tensor) -> Tensor:
        """What each beam begins with: [B, K]."""

    def _seat(self, tokens: Tensor, before: Tensor, state: S, live: int) -> Tensor:
        """Give a row to each hypothesis that lives.

        Args:
            tokens: [B, K] the last one of each.
            before: [B, K] the row that each continues.
            state: what they were in, a row for each that had one.
            live: how many do.

        Returns:
            The row that each row continues: [R].
        """
        count = max(self.fewest, _size(live, _FEW_ROWS))
        sentences, width = self.scores.shape
        rows = _in_company((self.scores > -torch.inf).flatten(), count)
        self.grid = Grid(sentences, width, rows)
        self.rows = self.grid.numbers  # [B, K]
        before = before.flatten().index_select(0, self.grid.places)
        crossed = not torch.equal(before, torch.arange(len(self.tokens), device=before.device))
        self.state = state.select(before) if crossed else state
        self.tokens = tokens.flatten().index_select(0, self.grid.places)
        return before

    # --- what may follow --------------------------------------------------------------------------

    def _next(self, logits: Tensor) -> _Next:
        """What the model says of each row, and what other rules make of it."""
        likely = logits.float()  # normalised in place: a step's logits are large
        likely = torch.log_softmax(likely, dim=1, out=likely)
        length, options = self.history.shape[1] + 1, self.options
        plain = options.repetition_penalty == 1 and not self.guides
        allowed = likely if plain else likely.clone()
        allowed.index_fill_(1, self.never, -torch.inf)
        if options.repetition_penalty != 1 and length > 1:
            again = allowed.gather(1, self.history) * options.repetition_penalty
            allowed.scatter_(1, self.history, again)
        if options.no_repeat_ngram and length > options.no_repeat_ngram:
            _forbid_repeats(allowed, self.history, options.no_repeat_ngram)
        shortest, longest = self.limits
        if length < shortest:
            allowed[(self.shortest > length)[self.grid.sentence], EOS] = -torch.inf
        if length >= longest:
            last = (self.longest <= length)[self.grid.sentence]
            end = allowed[last, EOS]
            allowed[last] = -torch.inf
            allowed[last, EOS] = end
        following = _Next(allowed, likely)
        if self.guides:
            self._hold_to_guides(following)
        return following

    def _hold_to_guides(self, following: _Next) -> None:
        left = self.longest.sub(self.history.shape[1] + 1).tolist()
        live = (self.scores > -torch.inf).tolist()
        for sentence, guide in self.guides.items():
            for beam, ids in enumerate(self._histories(sentence)):
                mask = guide.allowed(ids, left[sentence]) if live[sentence][beam] else None
                if mask is not None:
                    row = self.rows[sentence, beam]
                    held = following.allowed[row].masked_fill(~mask, -torch.inf)
                    if bool(held.max() == -torch.inf):
                        held = following.likely[row].masked_fill(~mask, -torch.inf)
                    following.allowed[row] = held

    def _histories(self, sentence: int) -> list[tuple[int, ...]]:
        return [tuple(ids) for ids in self.history[self.rows[sentence]].tolist()]

    # --- bookkeeping ------------------------------------------------------------------------------

    def _finish(self, where: Tensor, beams: Tensor, end: Tensor, now: Tensor | None) -> None:
        """Put aside the hypotheses that end here.

        Args:
            where: [B, K] which candidates do.
            beams: [B, K] the beams that they continue.
            end: [R] what the model gives to EOS.
            now: [R, S] the attention of this step.
        """
        sentence, rank = where.nonzero(as_tuple=True)
        if not len(sentence):
            return
        self.places -= where.sum(dim=1)
        row = self.rows[sentence, beams[sentence, rank]]
        self.ended.append(
            _Ended(
                self.sentences[sentence],
                self.memory.lengths[sentence],
                self.history[row],
                _longer(self.log_probabilities, row, end[row]),
                None if now is None else self._watched(row, now),
            )
        )

    def finished(self) -> list[list[Hypothesis]]:
        """The best finished hypotheses of each sentence, best first."""
        found: list[list[tuple[float, _Parts]]] = [[] for _ in range(self.total)]
        for ended in self.ended:
            sentences = ended.sentences.tolist()
            ranked = zip(ended.scores(self.options), ended.parts(), strict=True)
            for sentence, each in zip(sentences, ranked, strict=True):
                found[sentence].append(each)
        return [self._best(each) for each in found]

    def _best(self, found: Sequence[tuple[float, _Parts]]) -> list[Hypothesis]:
        best, several = self.options.best or self.options.beam, self.options.groups > 1
        chosen = found if several else nlargest(best, found, key=itemgetter(0))
        made = [_hypothesis(*parts, self.options) for _, parts in chosen]
        distinct = dict.fromkeys(made) if several else made  # groups may have found the same
        return sorted(distinct, key=lambda h: -h.score)[:best]

    def _keep(
        self,
        scores: Tensor,
        beams: Tensor,
        tokens: Tensor,
        following: _Next,
        now: Tensor | None,
        state: S,
    ) -> None:
        """Go on with these continuations [B, K] of the sentences that are not finished."""
        before, self.scores = self.rows.gather(1, beams), scores
        alive = (scores > -torch.inf).sum(dim=1)  # [B] hypotheses of each
        counts = alive.tolist()
        left, live = len(counts) - counts.count(0), sum(counts)
        together = max(self.fewest, _size(left, _FEW_SENTENCES)) if left else 0
        if together < len(counts):
            going = _in_company(alive > 0, together)
            tokens, before = tokens.index_select(0, going), before.index_select(0, going)
            self._leave(going)
        if left:
            rows = self._seat(tokens, before, state, live)
            self.history = _longer(self.history, rows, self.tokens)
            likely = following.likely[rows, self.tokens]
            self.log_probabilities = _longer(self.log_probabilities, rows, likely)
            self.watched = None if now is None else self._watched(rows, now)

    def _watched(self, rows: Tensor, now: Tensor) -> Tensor:
        """The attention of these rows, this step's included: [N, L, S]."""
        before = now.new_empty(len(now), 0, now.shape[1]) if self.watched is None else self.watched
        return _longer(before, rows, now.index_select(0, rows))

    def _leave(self, going: Tensor) -> None:
        """Only these sentences stay."""
        self.sentences, self.memory = self.sentences[going], self.memory.select(going)
        self.scores, self.places = self.scores[going], self.places[going]
        self.longest, self.shortest = self.longest[going], self.shortest[going]
        kept = enumerate(going.tolist())
        self.guides = {row: self.guides[old] for row, old in kept if old in self.guides}

    def _now(self, step: Step[S]) -> Tensor | None:
        """The step's attention, if it is of use: [R, S]."""
        return step.attention if self.options.watches else None


@dataclass(frozen=True)
class _Choice:
    """The best continuations of each sentence, by rank, those of its groups side by side: of those
    that go on, and of all whether they end."""

    scores: Tensor  # [B, K] of those that go on; −inf: of too few
    beams: Tensor  # [B, K]
    tokens: Tensor  # [B, K]
    ends: Tensor  # [B, K] of all: whether it is one that ends
    ending: Tensor  # [B, K] the beam that it ends; any number where it does not

    @classmethod
    def side_by_side(cls, groups: Sequence[_Choice]) -> _Choice:
        """Those of all groups."""
        columns = zip(*(vars(group).values() for group in groups), strict=True)
        return cls(*(torch.cat(column, dim=1) for column in columns))


class _Beams(_Rows[M, S]):
    """Beam search: of all continuations of a sentence's beams, the best go on."""

    def _first_scores(self, zeros: Tensor) -> Tensor:
        # All beams of a group begin alike: one of them speaks for all.
        zeros = zeros.fill_(-torch.inf)
        zeros[:, :: self.options.beam // self.options.groups] = 0.0
        return zeros

    def advance(self, step: Step[S]) -> None:
        """Score, choose, put finished hypotheses aside, and keep the rest."""
        following, now = self._next(step.logits), self._now(step)
        guided, end = self._guided(following), following.likely[:, EOS].clone()
        choice = self._choice(following)
        self._hold(choice, guided)
        self._finish(choice.ends & self._in_place(), choice.ending, end, now)
        going = self._in_place()
        if self.options.prune:
            going &= self._hopeful(choice.scores)
        scores = choice.scores.masked_fill(~going, -torch.inf)
        self._keep(scores, choice.beams, choice.tokens, following, now, step.state)

    def _in_place(self) -> Tensor:
        """Which of the continuations [B, K], by rank, are not more than are still to be finished.
        The groups in turn lose their last ones."""
        return self.turns < self.places.unsqueeze(1)

    def _hopeful(self, scores: Tensor) -> Tensor:
        """Which of the continuations [B, K] are not too far behind their sentence's best one to be
        its translation; all where a guide has a say."""
        near = scores >= scores.amax(dim=1, keepdim=True) - _HOPELESS
        if self.guides:
            near[list(self.guides)] = True
        return near

    def _choice(self, following: _Next) -> _Choice:
        """The best continuations of each group. Whether a hypothesis ends is decided apart from how
        it goes on, so that EOS is struck out of `following`, which must have been asked before."""
        fair, end = following.allowed, following.allowed[:, EOS].clone()
        fair[:, EOS] = -torch.inf
        found = [self._choice_of(0, fair, end)]
        for group in range(1, self.options.groups):
            fair, end = self._discouraged(fair, end, found[-1])
            choice = self._choice_of(group, fair, end)
            rows, before = self.rows.gather(1, choice.beams), self.scores.gather(1, choice.beams)
            likely = following.allowed[rows, choice.tokens]  # what is fair is for the choice only
            found.append(replace(choice, scores=before + likely))
        return _Choice.side_by_side(found) if len(found) > 1 else found[0]

    def _choice_of(self, group: int, fair: Tensor, end: Tensor) -> _Choice:
        """One group's: of tokens by what is fair to choose [R, V], and of EOS [R]."""
        width = self.options.beam // self.options.groups
        first, last = group * width, (group + 1) * width
        before, rows = self.scores[:, first:last], self.rows[:, first:last]
        scores, beams, tokens = _largest(before, rows, fair, width)
        ending = before + end[rows]
        likeliest, place = torch.cat((scores, ending), dim=1).topk(width, dim=1)
        ends = (place >= width) & (likeliest > -torch.inf)
        return _Choice(scores, beams + first, tokens, ends, place + (first - width))

    def _discouraged(self, fair: Tensor, end: Tensor, choice: _Choice) -> tuple[Tensor, Tensor]:
        """What is fair [R, V], and to EOS [R], where a group's choice costs those after it
        something."""
        width, ended = choice.tokens.shape[1], choice.ends.sum(dim=1, keepdim=True)
        none = torch.arange(width, device=ended.device) >= width - ended
        none |= choice.scores == -torch.inf
        chosen = choice.tokens.masked_fill(none, EOS)  # which is struck out already
        sentence = self.grid.sentence
        penalty = torch.full_like(chosen, -self.options.diversity, dtype=fair.dtype)
        fair = fair.scatter_add(1, chosen[sentence], penalty[sentence])
        return fair, end - self.options.diversity * ended[sentence, 0]

    def _guided(self, following: _Next) -> dict[int, Chosen]:
        """What guides choose for their sentences, of those that do."""
        found = {}
        for sentence, guide in self.guides.items():
            totals = self.scores[sentence].unsqueeze(1) + following.allowed[self.rows[sentence]]
            places = int(self.places[sentence])
            if chosen := guide.chosen(self._histories(sentence), totals, places):
                found[sentence] = chosen
        return found

    def _hold(self, choice: _Choice, guided: Mapping[int, Chosen]) -> None:
        """Put what guides choose in the place of the best continuations."""
        for sentence, (ending, going) in guided.items():
            choice.ends[sentence], choice.scores[sentence] = False, -torch.inf
            choice.ends[sentence, : len(ending)] = True
            for rank, beam in enumerate(ending):
                choice.ending[sentence, rank] = beam
            for rank, (score, beam, token) in enumerate(going):
                choice.scores[sentence, rank] = score
                choice.beams[sentence, rank], choice.tokens[sentence, rank] = beam, token


def _largest(
    before: Tensor, rows: Tensor, likely: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The largest of `before` [B, K] + `likely` [R, V] of these `rows` [B, K].

    They are in those blocks of tokens whose largest ones are the largest, so that most of the
    vocabulary is looked at no more than once.

    Returns:
        These, and where they are: numbers in K, and tokens. [B, count] each.
    """
    size = likely.shape[1]
    if size < 4 * _LARGE_BLOCK:
        totals = before.unsqueeze(2) + likely[rows]
        largest, place = totals.flatten(1).topk(count, dim=1)
        return largest, place // size, place % size
    whole = _whole_block(size)
    if not whole:
        whole = _SMALL_BLOCK
        likely = nn.functional.pad(likely, (0, -size % whole), value=-torch.inf)
    blocks = likely.unflatten(1, (-1, whole))  # [R, V / block, block]
    number = blocks.shape[1]
    maxima = blocks.amax(dim=2).index_select(0, rows.flatten()).view(*rows.shape, number)
    totals = maxima + before.unsqueeze(2)  # [B, K, V / block]
    place = totals.flatten(1).topk(count, dim=1).indices
    beam, block = place // number, place % number  # [B, count]
    at = rows.gather(1, beam) * number + block
    inside = blocks.flatten(0, 1).index_select(0, at.flatten()).view(*at.shape, whole)
    inside = inside + before.gather(1, beam).unsqueeze(2)  # [B, count, block]
    largest, best = inside.flatten(1).topk(count, dim=1)
    place = best // whole
    token = block.gather(1, place) * whole + best % whole
    return largest, beam.gather(1, place), token.clamp(max=size - 1)  # beyond where too few may


@cache
def _whole_block(size: int) -> int:
    """The size of block that goes into a vocabulary without a rest; 0 if there is none."""
    sizes = range(_SMALL_BLOCK, _LARGE_BLOCK + 1)
    near = sorted(sizes, key=lambda block: abs(block - _BLOCK))
    return next((block for block in near if size % block == 0), 0)


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
        following, now = self._next(step.logits), self._now(step)
        tokens = self._drawn(following.allowed)[self.rows]  # [B, K]
        beams = torch.arange(self.options.beam, device=tokens.device).expand_as(tokens)
        ended = tokens == EOS
        end = following.likely[:, EOS]
        self._finish(ended & (self.scores > -torch.inf), beams, end, now)
        scores = self.scores.masked_fill(ended, -torch.inf)
        self._keep(scores, beams, tokens, following, now, step.state)

    def _drawn(self, allowed: Tensor) -> Tensor:
        """One token a row, by the inverse of the distribution function: [R]."""
        options, length = self.options.sampling or Sampling(), self.history.shape[1]
        likely, order = (allowed / options.temperature).sort(dim=-1, descending=True, stable=True)
        probabilities = torch.softmax(likely, dim=-1)
        if options.top_k:
            probabilities[..., options.top_k :] = 0.0
        if options.top_p < 1:
            before = probabilities.cumsum(dim=-1) - probabilities
            probabilities = probabilities.masked_fill(before >= options.top_p, 0.0)
        heaps = probabilities.cumsum(dim=-1)
        noise = self.noise[..., length].flatten()[self.grid.places]  # [R]
        level = noise.unsqueeze(-1) * heaps[..., -1:]
        place = (heaps <= level).sum(dim=-1, keepdim=True).clamp(max=heaps.shape[-1] - 1)
        return order.gather(-1, place).squeeze(-1)

    def _leave(self, going: Tensor) -> None:
        super()._leave(going)
        self.noise = self.noise[going]


def _forbid_repeats(allowed: Tensor, history: Tensor, size: int) -> None:
    """Rule out the tokens [R, V] that would complete an n-gram of [R, L] for the second time."""
    windows = history.unfold(1, size, 1)  # [R, L − n + 1, n]
    tail = history[:, history.shape[1] - size + 1 :].unsqueeze(1)
    row, at = (windows[..., :-1] == tail).all(dim=-1).nonzero(as_tuple=True)
    allowed[row, windows[row, at, -1]] = -torch.inf


def _longer(part: Tensor, rows: Tensor, last: Tensor) -> Tensor:
    """These rows of [R, L, ...], and one more step of them [N, ...]: [N, L + 1, ...]."""
    return torch.cat((part.index_select(0, rows), last.unsqueeze(1)), dim=1)
