"""Search, against a scripted model whose every probability is known."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from nmt.search import SearchOptions, search
from nmt.subwords import BOS, EOS, UNK

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


@dataclass(frozen=True)
class Step:
    logits: Tensor
    state: State


class Scripted:
    """Logits that are a fixed random function of the sentence and the whole history."""

    def start(self, memory: Memory) -> State:
        return State(memory.seeds.clone())

    def step(self, tokens: Tensor, state: State, memory: Memory) -> Step:
        keys = (state.keys * 31 + tokens * 7 + 1) % 100_003
        return Step(torch.stack([logits_of(int(key)) for key in keys]), State(keys))


def logits_of(key: int) -> Tensor:
    return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(key)) * 1.5


def memory(seeds: list[int], length: int = 2) -> Memory:
    return Memory(torch.full((len(seeds),), length), torch.tensor(seeds))


def log_probability(seed: int, ids: tuple[int, ...]) -> float:
    """Forced decoding: what the script says of a hypothesis, UNK and the like ruled out."""
    key, total = seed, 0.0
    for before, token in itertools.pairwise([BOS, *ids, EOS]):
        key = (key * 31 + before * 7 + 1) % 100_003
        logits = logits_of(key)
        logits[[0, BOS, UNK]] = -math.inf
        total += float(torch.log_softmax(logits, 0)[token])
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


def test_a_score_is_the_forced_score() -> None:
    for seed in range(10):
        for hypothesis in search(Scripted(), memory([seed]), OPTIONS)[0]:
            forced = log_probability(seed, hypothesis.ids)
            assert hypothesis.log_probability == pytest.approx(forced, abs=1e-4)
            assert hypothesis.score == pytest.approx(forced / (len(hypothesis.ids) + 1), abs=1e-4)


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
