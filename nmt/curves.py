"""What a run's log tells of its training: columns of numbers, in order of appearance.

The log is the truth: after a rollback the step number goes back, and what came before stays. A
number that is missing or was not finite is nan. How curves look is the business of `nmt/plot.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nmt.checkpoint import Run, read_config
from nmt.errors import RunError

Column = NDArray[np.float64]
Columns = Mapping[str, Column]

_READ = {  # the columns of each kind of event
    "step": (
        "step",
        "epoch",
        "seconds",
        "loss",
        "learning_rate",
        "gradient_norm",
        "clipped",
        "target_tokens_per_second",
    ),
    "validation": ("step", "epoch", "seconds", "perplexity", "bleu", "best"),
    "incident": ("step", "seconds", "back_to"),
}


@dataclass(frozen=True)
class Curves:
    """A run's log in columns."""

    training: Columns
    validation: Columns
    incidents: Columns  # where the training was taken back to an earlier step
    layers: Columns  # of each layer, the norm of its part of the gradient, beside `training`
    clip_norm: float  # gradients are clipped above it; 0 is never

    @property
    def best(self) -> int | None:
        """Which validation kept its weights last."""
        kept = np.flatnonzero(self.validation["best"] == 1)
        return int(kept[-1]) if len(kept) else None


def has_log(path: Path) -> bool:
    return Run(path).log.exists()


def read(path: Path) -> Curves:
    """The curves of a run, finished or not.

    Raises:
        RunError: the folder is no run, or its log is missing or damaged.
    """
    run = Run(path)
    clip_norm = read_config(run).train.clip_norm
    told = [event for event in events(run.log) if isinstance(event.get("step"), int)]
    training, validation, incidents = (_columns(told, kind) for kind in _READ)
    returns = ~np.isnan(incidents["back_to"])  # the others are updates that were left out
    incidents = {key: column[returns] for key, column in incidents.items()}
    training = {**training, "clipped": _clipped(training, clip_norm)}
    return Curves(training, validation, incidents, _layers(told), clip_norm)


def events(log: Path) -> Iterator[dict[str, Any]]:
    """The log's objects; a last line that was torn off is passed over.

    Raises:
        RunError: there is no log, or it is damaged.
    """
    try:
        lines = log.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        raise RunError(
            f"{log}: there is no such log, so there are no curves",
            "nmt train writes it; nmt info without --plot does not need it",
        ) from None
    except OSError as error:
        raise RunError(f"{log}: cannot be read: {error.strerror}") from None
    seconds = None
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
            seconds = event.setdefault("seconds", seconds)  # one that has none comes right after
        except (ValueError, AttributeError):
            raise RunError(
                f"{log}:{number}: not a JSON object, so the log is damaged",
                "delete that line; the model does not depend on it",
            ) from None
        yield event


def _columns(events: Sequence[dict[str, Any]], kind: str) -> dict[str, Column]:
    rows = [event for event in events if event.get("event") == kind]
    return {key: np.array([_number(row.get(key)) for row in rows], float) for key in _READ[kind]}


def _layers(events: Sequence[dict[str, Any]]) -> dict[str, Column]:
    """Those that the log names: an old one names none."""
    rows = [event.get("gradient_norms") for event in events if event.get("event") == "step"]
    each = [row if isinstance(row, dict) else {} for row in rows]
    names = dict.fromkeys(name for row in each for name in row)
    return {name: np.array([_number(row.get(name)) for row in each], float) for name in names}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else np.nan


def _clipped(training: Columns, clip_norm: float) -> Column:
    """The share of clipped updates; where an old log has none, whether the largest norm was."""
    any_clipped = training["gradient_norm"] > (clip_norm or np.inf)
    return np.where(np.isnan(training["clipped"]), any_clipped, training["clipped"])
