"""When a training goes wrong: how that is noticed, and what is kept of it.

An update whose gradient is not finite is never applied. One such update is left out and forgotten;
several in a short time, or a loss that has risen far above what it was, mean that the weights
themselves are spoiled, and the training goes back to its last checkpoint with a lower rate. What
was going on is written to `RUN/incidents/`, the culprit's text included.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nmt.batches import Batch
from nmt.files import to_json, write_text

MOST_ROLLBACKS = 5
"""How often a training goes back before it gives up."""

_A_FEW = 5  # updates that are not finite, in a row or in a window
_FAR = 2.0  # nats a token above the lowest loss so far
_FOR_LONG = 2  # windows in a row that the loss is so far above
_MOST_FILES = 20  # incidents of one training that are written down


@dataclass(frozen=True)
class Update:
    """One optimizer step, as it looked afterwards."""

    step: int
    batches: Sequence[Batch]
    learning_rate: float
    tokens: int
    loss: float = math.nan  # summed over the tokens
    likelihood: float = math.nan
    norm: float = math.nan  # of the gradient, before clipping
    norms: Mapping[str, float] = field(default_factory=dict)  # ... of each layer's part of it

    @property
    def finite(self) -> bool:
        """Whether it was applied."""
        return math.isfinite(self.norm)


@dataclass
class Health:
    """What is remembered of a training to judge it by; part of a checkpoint."""

    left_out: int = 0  # updates in a row that were not finite
    missed: int = 0  # updates of the window that were not finite
    spoiled: int = 0  # ... of the last window, or in a row up to its end
    lowest: float = math.inf  # the lowest loss of a window so far, nats a token
    windows_above: int = 0  # windows in a row with a loss far above it
    incidents: int = 0
    rollbacks: int = 0
    returned_to: int = -1  # the step of the checkpoint last gone back to

    def see(self, update: Update) -> None:
        self.left_out = 0 if update.finite else self.left_out + 1
        self.missed += not update.finite

    def see_window(self, loss: float) -> None:
        """Judge the mean loss of some updates, in nats a token; nan if none was finite."""
        self.spoiled = max(self.left_out, self.missed)
        self.missed = 0
        above = loss > self.lowest + _FAR
        self.windows_above = self.windows_above + 1 if above else 0
        self.lowest = min(self.lowest, loss) if math.isfinite(loss) else self.lowest

    @property
    def well(self) -> bool:
        """Whether nothing at all is odd just now."""
        return not self.left_out and not self.missed and not self.windows_above

    def trouble(self) -> str:
        """Why the weights cannot be trusted any more; empty if they can."""
        if self.spoiled >= _A_FEW:
            return f"{self.spoiled} updates in a short time had no finite gradient"
        if self.windows_above >= _FOR_LONG:
            return f"the loss rose to more than {_FAR:g} nats above {self.lowest:.2f}"
        return ""


def write_down(
    folder: Path,
    number: int,
    update: Update,
    reason: str,
    pairs: Sequence[tuple[str, str]],
    broken: Sequence[str],
) -> str:
    """Keep what is known of an incident, unless there were too many before.

    Args:
        number: of the incident in its training, from 1.
        pairs: the texts of the update's batches.
        broken: the names of weights that are not finite.

    Returns:
        The file's name within the run; empty if nothing was written.
    """
    if number > _MOST_FILES:
        return ""
    path = folder / f"{number:02}-step-{update.step:06}.json"
    about: dict[str, Any] = {
        "step": update.step,
        "reason": reason,
        "learning_rate": update.learning_rate,
        "loss": update.loss / max(1, update.tokens),
        "gradient_norm": update.norm,
        "weights_not_finite": list(broken),
        "pairs": [{"source": source, "target": target} for source, target in pairs],
    }
    write_text(path, to_json(about, indent=2) + "\n")
    return f"{folder.name}/{path.name}"
