"""Several models that decide together: to search they look like one.

Each member reads the source and keeps its own state; what they say about the next token is
averaged, as probabilities (the arithmetic mean) or as log-probabilities (the geometric mean,
which trusts a token only as far as every member does).

    B sentences, R rows, V vocabulary, S source length
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from nmt.checkpoint import Trained
from nmt.choices import Mean
from nmt.decoder import Decoder, State, Step
from nmt.errors import RunError


class Member(Protocol):
    """A model, as it is or arranged for stepping (nmt.inference)."""

    def encode(self, source: Tensor, lengths: Tensor, /) -> Any: ...

    def start(self, memory: Any, /) -> State: ...

    def step(self, tokens: Tensor, state: State, memory: Any, /) -> Step[State]: ...


M = TypeVar("M", bound=Member)


@dataclass(frozen=True)
class Memories:
    """What each member made of the source."""

    parts: tuple[Any, ...]  # each of its member's own kind

    @property
    def lengths(self) -> Tensor:
        lengths: Tensor = self.parts[0].lengths
        return lengths

    def select(self, rows: Tensor) -> Memories:
        return Memories(tuple(part.select(rows) for part in self.parts))


@dataclass(frozen=True)
class States:
    """Each member's state."""

    parts: tuple[State, ...]

    def select(self, rows: Tensor) -> States:
        return States(tuple(part.select(rows) for part in self.parts))


class Ensemble(Generic[M]):
    """Models with the same vocabularies."""

    def __init__(self, models: Sequence[M], mean: Mean = "probabilities") -> None:
        self.models, self.mean = tuple(models), mean

    def encode(self, source: Tensor, lengths: Tensor) -> Memories:
        """Source ids [B, S] with EOS and padding, read by every member."""
        return Memories(tuple(model.encode(source, lengths) for model in self.models))

    def start(self, memory: Memories) -> States:
        pairs = zip(self.models, memory.parts, strict=True)
        return States(tuple(model.start(part) for model, part in pairs))

    def step(self, tokens: Tensor, state: States, memory: Memories) -> Step[States]:
        """Log-probabilities, averaged; the attention's mean is over those members that attend."""
        steps = [
            model.step(tokens, own, part)
            for model, own, part in zip(self.models, state.parts, memory.parts, strict=True)
        ]
        return Step(
            self._average([torch.log_softmax(step.logits.float(), dim=-1) for step in steps]),
            States(tuple(step.state for step in steps)),
            _mean_attention(steps),
        )

    def _average(self, log_probabilities: Sequence[Tensor]) -> Tensor:
        every = torch.stack(list(log_probabilities))
        if self.mean == "logits":
            return every.mean(dim=0)
        return torch.logsumexp(every, dim=0) - math.log(len(log_probabilities))


def ensemble_of(members: Sequence[Trained], mean: Mean) -> Ensemble[Decoder]:
    """Several runs as one model.

    Raises:
        RunError: their subwords differ.
    """
    first = members[0]
    for other in members[1:]:
        if other.vocabulary.files() != first.vocabulary.files():
            raise RunError(
                f"{first.run.path} and {other.run.path} have different subwords",
                "only models that were trained on one preparation can decide together",
            )
    return Ensemble([member.model for member in members], mean)


def _mean_attention(steps: Sequence[Step[State]]) -> Tensor | None:
    weights = [step.attention for step in steps if step.attention is not None]
    return torch.stack(weights).mean(dim=0) if weights else None
