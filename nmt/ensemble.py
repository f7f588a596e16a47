"""Several models that decide together: to search they look like one.

Each member reads the source, in subwords of its own, and keeps its own state; what they say about
the next token is averaged, as probabilities (the arithmetic mean) or as log-probabilities (the
geometric mean, which trusts a token only as far as every member does). So they must write in the
same subwords, and need not read in them.

What a member attends to are positions of its own. Where that is of use outside, alignments say,
positions are the first member's, and those speak that read as it does.

    B sentences, R rows, V vocabulary, S source length
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from nmt.checkpoint import Trained
from nmt.choices import Mean
from nmt.decoder import Decoder, Grid, State, Step
from nmt.errors import RunError
from nmt.subwords import Ids, Subwords


class Member(Protocol):
    """A model, as it is or arranged for stepping (nmt.inference)."""

    def encode(self, source: Tensor, lengths: Tensor, /) -> Any: ...

    def start(self, memory: Any, /) -> State: ...

    def step(
        self, tokens: Tensor, state: State, memory: Any, grid: Grid | None = None, /
    ) -> Step[State]: ...


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
    """Models with the same target vocabulary."""

    def __init__(
        self,
        models: Sequence[M],
        mean: Mean = "probabilities",
        subwords: Sequence[Subwords] = (),
    ) -> None:
        """Args: subwords: by which each member reads; all as the first one where not given."""
        self.models, self.mean = tuple(models), mean
        self.subwords = tuple(subwords)
        self._alike = [each.proto == self.subwords[0].proto for each in self.subwords]

    def readings(self, lines: Iterable[str], ids: Sequence[Ids]) -> list[Sequence[Ids]]:
        """Lines as each member reads them, given as the first one does."""
        if all(self._alike):
            return [ids] * len(self.models)
        lines, pairs = [*lines], zip(self.subwords, self._alike, strict=True)
        return [ids if alike else subwords.encode(lines) for subwords, alike in pairs]

    def encode(self, sources: Sequence[tuple[Tensor, Tensor]]) -> Memories:
        """Each member's source ids [B, S], with EOS and padding, and their lengths [B]."""
        pairs = zip(self.models, sources, strict=True)
        return Memories(tuple(model.encode(*source) for model, source in pairs))

    def start(self, memory: Memories) -> States:
        pairs = zip(self.models, memory.parts, strict=True)
        return States(tuple(model.start(part) for model, part in pairs))

    def step(
        self, tokens: Tensor, state: States, memory: Memories, grid: Grid | None = None
    ) -> Step[States]:
        """Log-probabilities, averaged; the attention's mean is over those members that attend, and
        read as the first one does."""
        steps = [
            model.step(tokens, own, part, grid)
            for model, own, part in zip(self.models, state.parts, memory.parts, strict=True)
        ]
        return Step(
            self._average([torch.log_softmax(step.logits.float(), dim=-1) for step in steps]),
            States(tuple(step.state for step in steps)),
            _mean_attention(list(compress(steps, self._alike or repeat(True)))),
        )

    def _average(self, log_probabilities: Sequence[Tensor]) -> Tensor:
        every = torch.stack(list(log_probabilities))
        if self.mean == "logits":
            return every.mean(dim=0)
        return torch.logsumexp(every, dim=0) - math.log(len(log_probabilities))


def ensemble_of(members: Sequence[Trained], mean: Mean) -> Ensemble[Decoder]:
    """Several runs as one model.

    Raises:
        RunError: the subwords that they write in differ.
    """
    first = members[0]
    for other in members[1:]:
        if not other.vocabulary.target.writes_like(first.vocabulary.target):
            raise RunError(
                f"{first.run.path} and {other.run.path} write in different subwords",
                "only models with the same target vocabulary can decide together: train them on "
                "one preparation, or with data.joint_vocab = false on the same target text",
            )
    subwords = [member.vocabulary.source for member in members]
    return Ensemble([member.model for member in members], mean, subwords)


def _mean_attention(steps: Sequence[Step[State]]) -> Tensor | None:
    weights = [step.attention for step in steps if step.attention is not None]
    return torch.stack(weights).mean(dim=0) if weights else None
