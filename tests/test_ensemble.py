"""Several models that decide together, against members whose every probability is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.choices import Mean
from nmt.decoder import Step
from nmt.ensemble import Ensemble

ONE = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6]])  # two rows, three tokens
OTHER = torch.tensor([[0.2, 0.2, 0.6], [0.5, 0.5, 0.0]])
WEIGHTS = torch.tensor([[0.5, 0.5], [1.0, 0.0]])


@dataclass(frozen=True)
class Rows:
    """A memory or a state that knows which rows it has."""

    lengths: Tensor

    def select(self, rows: Tensor) -> Rows:
        return Rows(self.lengths[rows])


@dataclass(frozen=True)
class Member:
    """It says the same at every step, with logits that are off by a constant of its own."""

    probabilities: Tensor
    attention: Tensor | None
    number: int

    def encode(self, source: Tensor, lengths: Tensor) -> Rows:
        return Rows(lengths + self.number)

    def start(self, memory: Rows) -> Rows:
        return memory

    def step(self, tokens: Tensor, state: Rows, memory: Rows, grid: object) -> Step[Rows]:
        assert torch.equal(state.lengths, memory.lengths)  # each has its own
        return Step(self.probabilities.log() + self.number, state, self.attention)


@dataclass(frozen=True)
class Subwords:
    """They cut every line into the same."""

    proto: str

    def encode(self, lines: list[str]) -> list[list[str]]:
        return [[self.proto] for _ in lines]


MEMBERS = [Member(ONE, WEIGHTS, 10), Member(OTHER, WEIGHTS.flip(1), 20)]
LENGTHS = torch.tensor([1, 2])
SOURCES = [(torch.zeros(2, 2), LENGTHS)] * 3


def logits_of(members: list[Member], mean: Mean) -> tuple[Tensor, Tensor | None]:
    together = Ensemble(members, mean)  # type: ignore[type-var]
    memory = together.encode(SOURCES[: len(members)])
    step = together.step(torch.zeros(2), together.start(memory), memory)
    return step.logits, step.attention


def test_the_mean_of_probabilities_is_arithmetic() -> None:
    logits, _ = logits_of(MEMBERS, "probabilities")
    torch.testing.assert_close(logits.exp(), (ONE + OTHER) / 2)


def test_the_mean_of_logits_is_geometric() -> None:
    """What one member rules out is ruled out."""
    logits, _ = logits_of(MEMBERS, "logits")
    torch.testing.assert_close(logits.exp(), (ONE * OTHER).sqrt())
    assert logits[1, 2] == -torch.inf


@pytest.mark.parametrize("mean", ["probabilities", "logits"])
def test_those_that_attend_speak_for_all(mean: Mean) -> None:
    blind = Member(OTHER, None, 30)
    _, attention = logits_of([*MEMBERS, blind], mean)
    assert attention is not None
    torch.testing.assert_close(attention, (WEIGHTS + WEIGHTS.flip(1)) / 2)
    assert logits_of([blind], mean)[1] is None


def test_each_reads_in_its_own_subwords() -> None:
    """Positions of another reading mean nothing to the first member's."""
    here, there = Subwords("ab"), Subwords("c")
    odd = Member(OTHER, torch.full((2, 3), 1 / 3), 30)
    together = Ensemble([*MEMBERS, odd], "logits", [here, here, there])  # type: ignore[list-item, type-var]
    assert together.readings(["x", "yz"], [[7], [8]]) == [[[7], [8]], [[7], [8]], [["c"], ["c"]]]
    longer = torch.zeros(2, 3), torch.tensor([3, 2])
    memory = together.encode([*SOURCES[:2], longer])
    assert memory.lengths.tolist() == [11, 12]
    step = together.step(torch.zeros(2), together.start(memory), memory)
    assert step.attention is not None
    torch.testing.assert_close(step.attention, (WEIGHTS + WEIGHTS.flip(1)) / 2)
    first = Ensemble([odd, *MEMBERS], "logits", [there, here, here])  # type: ignore[list-item, type-var]
    memory = first.encode([longer, *SOURCES[:2]])
    step = first.step(torch.zeros(2), first.start(memory), memory)
    assert step.attention is not None and step.attention.shape == (2, 3)


def test_rows_are_chosen_in_every_member() -> None:
    together = Ensemble(MEMBERS)  # type: ignore[type-var]
    memory = together.encode(SOURCES[:2])
    rows = torch.tensor([1, 1, 0])
    chosen: Any
    for chosen in (memory.select(rows), together.start(memory).select(rows)):
        assert [part.lengths.tolist() for part in chosen.parts] == [[12, 12, 11], [22, 22, 21]]
    assert memory.select(rows).lengths.tolist() == [12, 12, 11]
