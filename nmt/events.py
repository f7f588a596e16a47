"""What a training tells while it runs.

Each event is one line of `log.jsonl`; the console, the curves and TensorBoard live on nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nmt.config import Choice


@dataclass(frozen=True)
class Started:
    """The first event of a run: what is trained, and what was chosen."""

    parameters: int
    device: str
    processes: int
    choices: Sequence[Choice]
    machine: str  # processor, system, torch


@dataclass(frozen=True)
class Stepped:
    """Some updates, summed up."""

    step: int
    epoch: float
    loss: float  # mean over target tokens, label smoothing included
    perplexity: float  # of the training tokens, with dropout
    learning_rate: float
    gradient_norm: float  # before clipping; the largest since the last event
    gradient_norms: Mapping[str, float]  # ... of each layer's part, the largest of that
    clipped: float  # the share of the updates whose gradient was clipped
    target_tokens_per_second: float
    seconds: float  # spent on this training so far
    progress: float  # the part of the training that is done, 0 to 1


@dataclass(frozen=True)
class Sample:
    """A validation sentence and what became of it, or a line that a language model drew."""

    source: str  # the source and the reference of mere text are ""
    translation: str
    reference: str


@dataclass(frozen=True)
class Validated:
    """The model's scores on the validation pairs."""

    step: int
    epoch: float
    perplexity: float
    bleu: float  # nan of a language model
    best: bool  # whether these are the weights to keep
    took: float  # seconds
    seconds: float
    samples: Sequence[Sample]


@dataclass(frozen=True)
class Saved:
    """All that resuming needs is on the disk."""

    step: int
    seconds: float


@dataclass(frozen=True)
class Incident:
    """Something that must not happen, and what was done about it."""

    step: int
    reason: str
    action: str
    back_to: int | None  # the step that was gone back to, if any
    rate_factor: float  # what the schedule's learning rate is multiplied by from here on
    file: str  # what is known of it, within the run's folder


@dataclass(frozen=True)
class Finished:
    """The end, and why."""

    step: int
    epoch: float
    reason: str
    seconds: float
    best_step: int
    best_perplexity: float
    best_bleu: float
    updating: float  # seconds, of all
    validating: float


Event = Started | Stepped | Validated | Saved | Incident | Finished

NAMES = {
    Started: "start",
    Stepped: "step",
    Validated: "validation",
    Saved: "saved",
    Incident: "incident",
    Finished: "finished",
}
"""What an event is called in the log."""
