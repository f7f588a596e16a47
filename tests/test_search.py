"""Search, against a scripted model whose every probability is known."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt.decoder import Step
from nmt.search import Hypothesis, Sampling, SearchOptions, force, sample, search
from nmt.search import _largest as largest
from nmt.subwords import BOS, EOS, UNK

SOURCE = 3  # padded length
VOCABULARY = 7  # PAD BOS EOS UNK and three words


@dataclass(frozen=True)
class Memory:
    lengths: Tensor
    seeds: Tensor  # which script each sentence follows

    def select(self, rows: Tensor) -> Memory:
        return Memory(self.lengths[rows], self.seeds[rows])


@dataclass(frozen=True)
class State:
    keys: Tensor  # a number for the whole history

    def select(self, rows: Tensor) -> State:
        return State(self.keys[rows])


class Scripted:
    """Logits that are a fixed random function of the sentence and the whole history."""

    def start(self, memory: Memory) -> State:
        return State(memory.seeds.clone())

    def step(
        self, tokens: Tensor, state: State, memory: Memory, grid: object = None
    ) -> Step[State]:
        keys = (state.keys * 31 + tokens * 7 + 1) % 100_003
        generators = [torch.Generator().manual_seed(int(key) + 1) for key in keys]
        attention = torch.stack([torch.rand(SOURCE, generator=g) for g in generators])
        logits = torch.stack([logits_of(int(key)) for key in keys])
        return Step(logits, State(keys), attention / attention.sum(dim=1, keepdim=True))


def logits_of(key: int) -> Tensor:
    return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(key)) * 1.5


def memory(seeds: list[int], length: int = 2) -> Memory:
    return Memory(torch.full((len(seeds),), length), torch.tensor(seeds))


def log_probability(seed: int, ids: tuple[int, ...], whole: bool = True) -> float:
    """Forced decoding: what the script says of a hypothesis, or of a begun one."""
    key, total = seed, 0.0
    for before, token in itertools.pairwise([BOS, *ids, *([EOS] if whole else [])]):
        key = (key * 31 + before * 7 + 1) % 100_003
        total += float(torch.log_softmax(logits_of(key), 0)[token])
    return total


OPTIONS = SearchOptions(beam=4, length_penalty=1.0, max_ratio=1.0, max_extra=4)  # 6 tokens with EOS


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0])
def test_a_wide_beam_is_brute_force(penalty: float) -> None:
    options = SearchOptions(beam=400, length_penalty=penalty, max_ratio=1.0, max_extra=3)
    words = [4, 5, 6]
    every = [ids for n in range(5) for ids in itertools.product(words, repeat=n)]
    for seed in range(5):
        best = search(Scripted(), memory([seed]), options)[0]
        ranked = sorted(
            every, key=lambda ids: -log_probability(seed, ids) / (len(ids) + 1) ** penalty
        )
        assert [h.ids for h in best[:5]] == ranked[:5]


def by_hand(seed: int, beam: int, longest: int, hopeless: float) -> list[tuple[int, ...]]:
    """Beam search over lists: a finished hypothesis leaves one place less to those alive, and what
    is less likely than the best one by more than `hopeless` is given up."""
    alive: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    finished: list[tuple[float, tuple[int, ...]]] = []
    while alive:
        following = [4, 5, 6] if len(alive[0][1]) < longest else []
        continuations = [
            (log_probability(seed, ids, whole=token == EOS), ids)
            for _, before in alive
            for token in (EOS, *following)
            for ids in [before if token == EOS else (*before, token)]
        ]
        ends = [len(ids) == len(alive[0][1]) for _, ids in continuations]
        ranked = sorted(zip(continuations, ends, strict=True), reverse=True)
        finished += [each for each, ended in ranked[: beam - len(finished)] if ended]
        alive = [each for each, ended in ranked[: 2 * beam] if not ended]
        alive = [each for each in alive if each[0] >= alive[0][0] - hopeless]
        alive = alive[: beam - len(finished)]
    return [ids for _, ids in sorted(finished, key=lambda h: -h[0] / (len(h[1]) + 1))]


@pytest.mark.parametrize("prune", [False, True])
@pytest.mark.parametrize("beam", [1, 2, 4, 7])
def test_it_is_the_search_over_lists(beam: int, prune: bool) -> None:
    """All of a batch whose hypotheses end at different steps."""
    options = replace(OPTIONS, beam=beam, prune=prune)
    for seed, found in enumerate(search(Scripted(), memory(list(range(40))), options)):
        wanted = by_hand(seed, beam, 5, 2.0 if prune else math.inf)
        assert [h.ids for h in found] == wanted, seed


def test_beam_one_is_greedy() -> None:
    options = SearchOptions(beam=1, max_ratio=1.0, max_extra=4)
    for seed in range(30):
        ids: list[int] = []
        key, before = seed, BOS
        while len(ids) < 5:
            key = (key * 31 + before * 7 + 1) % 100_003
            logits = logits_of(key)
            logits[[0, BOS, UNK]] = -math.inf
            before = int(logits.argmax())
            if before == EOS:
                break
            ids.append(before)
        assert search(Scripted(), memory([seed]), options)[0][0].ids == tuple(ids)


def test_an_unknown_token_is_produced_only_where_it_is_asked_for() -> None:
    asked = replace(OPTIONS, unknown=True)
    seeds = list(range(20))
    plain, allowed = (search(Scripted(), memory(seeds), options) for options in (OPTIONS, asked))
    assert not any(UNK in h.ids for found in plain for h in found)
    assert any(UNK in found[0].ids for found in allowed)


def test_a_batch_is_one_by_one() -> None:
    together = search(Scripted(), memory(list(range(12))), OPTIONS)
    for seed in range(12):
        assert search(Scripted(), memory([seed]), OPTIONS)[0] == together[seed]


def test_hypotheses_are_distinct_ranked_and_as_many_as_beams() -> None:
    for found in search(Scripted(), memory(list(range(12))), OPTIONS):
        assert len({h.ids for h in found}) == len(found) == OPTIONS.beam
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


def test_no_hypothesis_is_too_long_or_holds_specials() -> None:
    for found in search(Scripted(), memory(list(range(40))), OPTIONS):
        for hypothesis in found:
            assert len(hypothesis.ids) <= 5
            assert not {0, BOS, EOS, UNK} & set(hypothesis.ids)


def test_a_sentence_has_its_own_limit() -> None:
    lengths = Memory(torch.tensor([1, 8]), torch.tensor([3, 3]))
    options = SearchOptions(beam=2, max_ratio=1.0, max_extra=0)
    short, long = search(Scripted(), lengths, options)
    assert all(h.ids == () for h in short)
    assert any(len(h.ids) > 1 for h in long)


# --- limits and rules -----------------------------------------------------------------------------

EVERY = memory(list(range(30)))


def found_with(**changes: object) -> list[list[Hypothesis]]:
    return search(Scripted(), EVERY, replace(OPTIONS, **changes))  # type: ignore[arg-type]


def ngrams(ids: tuple[int, ...], size: int) -> list[tuple[int, ...]]:
    return [ids[i : i + size] for i in range(len(ids) - size + 1)]


@pytest.mark.parametrize(
    ("ratio", "length", "wanted"), [(1.15, 100, 115), (0.29, 100, 29), (1.3, 90, 117), (0.7, 5, 3)]
)
def test_a_ratio_is_the_number_that_was_written(ratio: float, length: int, wanted: int) -> None:
    options = SearchOptions(max_ratio=ratio, max_extra=0, min_ratio=ratio)
    assert options.longest(length) == wanted
    assert replace(options, max_ratio=9.0).shortest(length) == wanted + 1


def test_lengths_are_kept_to() -> None:
    lengths = [len(h.ids) for found in found_with(min_length=2, max_length=3) for h in found]
    assert set(lengths) == {2, 3}
    assert {len(h.ids) for found in found_with(max_length=0, min_length=50) for h in found} == {5}
    assert min(len(h.ids) for found in found_with(min_ratio=1.0) for h in found) == 2


@pytest.mark.parametrize("size", [1, 2])
def test_no_ngram_occurs_twice(size: int) -> None:
    assert any(
        len(set(ngrams(h.ids, size))) < len(ngrams(h.ids, size))
        for found in found_with()
        for h in found
    )
    for found in found_with(no_repeat_ngram=size):
        for hypothesis in found:
            assert len(set(ngrams(hypothesis.ids, size))) == len(ngrams(hypothesis.ids, size))


def test_a_repetition_penalty_makes_repeats_rarer_and_leaves_probabilities_true() -> None:
    def repeats(found: list[list[Hypothesis]]) -> int:
        return sum(len(h.ids) - len(set(h.ids)) for each in found for h in each)

    penalised = found_with(repetition_penalty=2.0)
    assert repeats(penalised) < repeats(found_with())
    for seed, each in enumerate(penalised):
        for hypothesis in each:
            forced = log_probability(seed, hypothesis.ids)
            assert hypothesis.log_probability == pytest.approx(forced, abs=1e-4)


def test_groups_of_beams_are_more_diverse() -> None:
    def first_words(found: list[list[Hypothesis]]) -> int:
        return sum(len({h.ids[:1] for h in each}) for each in found)

    diverse = found_with(groups=4, diversity=5.0)
    assert first_words(diverse) > first_words(found_with())
    for each in (*diverse, *found_with(groups=4, diversity=0.0)):
        assert 1 <= len({h.ids for h in each}) == len(each) <= OPTIONS.beam


@pytest.mark.parametrize("diversity", [0.0, 0.5, 1.0, 20.0])
def test_a_group_pays_for_what_those_before_it_chose(diversity: float) -> None:
    """Of all words the second group takes the best one less the penalty, and the first one's is
    still its choice where it is better by more than that."""
    found = found_with(beam=2, groups=2, diversity=diversity, min_length=1, max_length=1)
    for seed, each in enumerate(found):
        words = {word: log_probability(seed, (word,), whole=False) for word in (4, 5, 6)}
        first = max(words, key=lambda word: words[word])
        words[first] -= diversity
        second = max(words, key=lambda word: words[word])
        assert {h.ids for h in each} == {(first,), (second,)}, seed


class Prefix:
    """A guide that knows how hypotheses begin."""

    def __init__(self, *ids: int) -> None:
        self.ids = ids

    def allowed(self, ids: tuple[int, ...], left: int) -> Tensor | None:
        if len(ids) >= len(self.ids):
            return None
        return torch.arange(VOCABULARY) == self.ids[len(ids)]

    def chosen(self, histories: object, totals: Tensor, places: int) -> None:
        return None


def test_a_prefix_is_completed() -> None:
    guides = [Prefix(5, 6) if seed % 2 else None for seed in range(30)]
    completed = search(Scripted(), EVERY, OPTIONS, guides=guides)
    for seed, (guide, plain, each) in enumerate(zip(guides, found_with(), completed, strict=True)):
        assert each == plain if not guide else all(h.ids[:2] == (5, 6) for h in each)
        for hypothesis in each:
            forced = log_probability(seed, hypothesis.ids)
            assert hypothesis.log_probability == pytest.approx(forced, abs=1e-4)


def test_what_a_guide_demands_comes_before_other_rules() -> None:
    """Even what no translation holds, more often than it may, and in draws."""
    strict = replace(OPTIONS, no_repeat_ngram=1, min_length=3, repetition_penalty=2.0)
    drawing = replace(strict, sampling=Sampling(top_p=0.5))
    guides = [Prefix(5, UNK, 5)] * 30
    found = search(Scripted(), EVERY, strict, guides=guides)
    found += sample(Scripted(), EVERY, drawing, noise(list(range(30)), 4), guides=guides)
    assert all(each and all(h.ids[:3] == (5, UNK, 5) for h in each) for each in found)


# --- ranking --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"coverage_penalty": 0.5},
        {"beam": 6, "groups": 3},
        {"prune": True},
        {"word_reward": 1.0},
    ],
)
@pytest.mark.parametrize("best", [1, 2])
def test_the_best_are_the_best_of_all(best: int, changes: dict[str, object]) -> None:
    every = found_with(**changes)
    assert found_with(best=best, **changes) == [each[:best] for each in every]
    assert any(len(each) > best for each in every)


def test_ranks_are_what_the_formulas_say() -> None:
    options = SearchOptions(length_norm="gnmt", length_penalty=0.7, word_reward=0.1)
    options = replace(options, coverage_penalty=0.2)
    wanted = -6.0 / ((5 + 4) / 6) ** 0.7 + 0.1 * 4 + 0.2 * -1.5
    assert options.rank(-6.0, 4, -1.5) == pytest.approx(wanted)


def test_coverage_counts_what_the_attention_left_out() -> None:
    lengths = Memory(torch.tensor([2, 3]), torch.tensor([1, 2]))
    options = replace(OPTIONS, coverage_penalty=0.5, attention=True)
    for length, each in zip([2, 3], search(Scripted(), lengths, options), strict=True):
        for h in each:
            assert h.attention is not None and h.attention.shape == (len(h.ids) + 1, length)
            covered = h.attention.sum(axis=0).clip(max=1.0)
            wanted = h.log_probability / (len(h.ids) + 1) + 0.5 * np.log(covered).sum()
            assert h.score == pytest.approx(wanted, abs=1e-4)


def test_attention_follows_its_hypothesis() -> None:
    options = replace(OPTIONS, attention=True)
    for each, seed in zip(search(Scripted(), EVERY, options), range(30), strict=True):
        forced = force(Scripted(), memory([seed] * len(each)), [h.ids for h in each], options)
        for mine, theirs in zip(each, forced, strict=True):
            assert mine.attention is not None and theirs.attention is not None
            assert np.allclose(mine.attention, theirs.attention)
            assert mine.attention.base is None  # nothing of the others is kept with it
            assert mine.token_log_probabilities == pytest.approx(
                theirs.token_log_probabilities, abs=1e-5
            )


# --- forced and drawn -----------------------------------------------------------------------------


def test_search_and_force_give_what_the_script_says() -> None:
    for seed, each in enumerate(found_with()):
        forced = force(Scripted(), memory([seed] * len(each)), [h.ids for h in each], OPTIONS)
        for mine, theirs in zip(each, forced, strict=True):
            wanted = log_probability(seed, mine.ids)
            assert theirs.ids == mine.ids
            for found in (mine, theirs):
                assert found.log_probability == pytest.approx(wanted, abs=1e-4)
                assert found.score == pytest.approx(wanted / (len(mine.ids) + 1), abs=1e-4)


def noise(seeds: list[int], draws: int) -> Tensor:
    drawn = [np.random.default_rng(seed).random((draws, 8), np.float32) for seed in seeds]
    return torch.from_numpy(np.stack(drawn))


def test_draws_do_not_depend_on_the_batch() -> None:
    options = replace(OPTIONS, sampling=Sampling(temperature=0.8))
    together = sample(Scripted(), EVERY, options, noise(list(range(30)), 4))
    for seed in range(30):
        assert sample(Scripted(), memory([seed]), options, noise([seed], 4))[0] == together[seed]
    assert len({h.ids for each in together for h in each}) > 30


def test_draws_follow_the_models_distribution() -> None:
    options = replace(OPTIONS, beam=4_000, sampling=Sampling())
    counts: dict[int, int] = {}
    for h in sample(Scripted(), memory([3]), options, noise([3], 4_000))[0]:
        first = h.ids[0] if h.ids else EOS
        counts[first] = counts.get(first, 0) + 1
    logits = logits_of((3 * 31 + BOS * 7 + 1) % 100_003)
    logits[[0, BOS, UNK]] = -math.inf
    for token, chance in enumerate(torch.softmax(logits, 0).tolist()):
        assert counts.get(token, 0) / 4_000 == pytest.approx(chance, abs=0.03)


@pytest.mark.parametrize("cautious", [Sampling(top_k=1), Sampling(top_p=0.01), Sampling(0.0005)])
def test_cautious_draws_are_greedy(cautious: Sampling) -> None:
    greedy = found_with(beam=1)
    options = replace(OPTIONS, beam=1, sampling=cautious)
    drawn = sample(Scripted(), EVERY, options, noise(list(range(30)), 1))
    assert [each[0].ids for each in drawn] == [each[0].ids for each in greedy]


# --- large vocabularies ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [600, 1_009, 6_000])
def test_the_best_continuations_are_those_of_all(size: int) -> None:
    """By blocks of tokens: ten times 60, a prime number of tokens, a hundred times 60."""
    generator = torch.Generator().manual_seed(size)
    likely = torch.randn(9, size, generator=generator)
    likely[:, :3] = -math.inf  # what must not follow
    likely[4, 5:] = -math.inf  # and where little may
    before = torch.randn(4, 3, generator=generator)
    before[1, 2] = before[2, 0] = -math.inf  # the dead, whose row is any
    rows = torch.tensor([[0, 1, 2], [3, 4, 0], [0, 5, 6], [7, 8, 4]])
    scores, beams, tokens = largest(before, rows, likely, 3)
    every = before.unsqueeze(2) + likely[rows]
    assert torch.equal(scores, every.flatten(1).topk(3, dim=1).values)
    sentences = torch.arange(4).unsqueeze(1).expand(4, 3)
    assert torch.equal(scores, every[sentences, beams, tokens])
    for where in zip(beams.tolist(), tokens.tolist(), strict=True):
        assert len({*zip(*where, strict=True)}) == 3


@pytest.mark.parametrize("size", [521, 1_009, 2_003])
def test_where_too_few_may_follow_the_others_are_of_the_vocabulary_too(size: int) -> None:
    likely = torch.full((2, size), -math.inf)
    likely[1, size - 1] = 0.0
    _, _, tokens = largest(torch.zeros(2, 3), torch.tensor([[0, 0, 0], [1, 0, 0]]), likely, 3)
    assert tokens.max() == size - 1 and tokens.min() >= 0


class Wide(Scripted):
    """The same script, its words far apart in a large vocabulary of which nothing else may be."""

    def __init__(self, size: int) -> None:
        self.ids = torch.tensor([0, 1, 2, 3, 40, 700, size - 1])
        self.size = size

    def step(
        self, tokens: Tensor, state: State, memory: Memory, grid: object = None
    ) -> Step[State]:
        step = super().step(torch.searchsorted(self.ids, tokens), state, memory, grid)
        logits = torch.full((len(tokens), self.size), -math.inf)
        logits[:, self.ids] = step.logits
        return replace(step, logits=logits)


@pytest.mark.parametrize("size", [2_003, 2_048])
@pytest.mark.parametrize(
    "changes", [{}, {"beam": 3, "prune": True}, {"beam": 6, "groups": 2}, {"min_length": 3}]
)
def test_a_large_vocabulary_is_searched_like_a_small_one(
    size: int, changes: dict[str, object]
) -> None:
    options, wide = replace(OPTIONS, **changes), Wide(size)  # type: ignore[arg-type]
    sentences = Memory(torch.arange(30) % 7 + 1, torch.arange(30))
    for found, wanted in zip(
        search(wide, sentences, options, fewest=4),
        search(Scripted(), sentences, options, fewest=4),
        strict=True,
    ):
        ids = [tuple(torch.searchsorted(wide.ids, torch.tensor(h.ids)).tolist()) for h in found]
        assert ids == [h.ids for h in wanted]
