"""Run a training as its users do, and write down when each update was done and what it held.

    python bench/meter.py nmt|opennmt|joeynmt MARKS ARGUMENT...

starts the system's own command line in this process. After every step of its optimizer MARKS gets a
line: the monotonic clock in seconds, and the target tokens whose loss went into that step. A token
is a subword of the reference or its EOS, as the loss sees it: BOS and padding are none. Nothing
else of the system is touched.

The interpreter is the system's own, so this file needs nothing but the standard library and torch.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.optim.optimizer import register_optimizer_step_post_hook


@dataclass(frozen=True)
class Entry:
    """Where a system begins, and where its batches come by."""

    main: tuple[str, str]  # module and function: its command line
    batches: tuple[str, str, str]  # module, class and method that is given every batch
    tokens: Callable[..., int]  # how many target tokens are in that method's arguments


ENTRIES = {
    "nmt": Entry(
        ("nmt.cli", "main"),
        ("nmt.training", "Training", "_update"),
        lambda _, batches: sum(batch.tokens for batch in batches),
    ),
    "opennmt": Entry(
        ("onmt.bin.train", "main"),
        ("onmt.utils.loss", "LossCompute", "forward"),
        lambda loss, batch, *_, **__: int(batch["tgt"][:, 1:, 0].ne(loss.padding_idx).sum()),
    ),
    "joeynmt": Entry(
        ("joeynmt.__main__", "main"),
        ("joeynmt.training", "TrainManager", "_train_step"),
        lambda _, batch: batch.ntokens,
    ),
}


class Meter:
    """The tokens since the last update, and the file of marks."""

    def __init__(self, path: Path) -> None:
        self._marks = path.open("w", buffering=1, encoding="ascii")
        self._tokens = 0

    def watch(self, entry: Entry) -> None:
        """Count what passes the system's method, and mark every optimizer's step."""
        module, class_name, method = entry.batches
        owner = getattr(importlib.import_module(module), class_name)
        unwatched = getattr(owner, method)

        def watched(*arguments: Any, **named: Any) -> Any:
            self._tokens += entry.tokens(*arguments, **named)
            return unwatched(*arguments, **named)

        setattr(owner, method, watched)
        register_optimizer_step_post_hook(self._mark)

    def _mark(self, *_: Any) -> None:
        self._marks.write(f"{time.monotonic()} {self._tokens}\n")
        self._tokens = 0


def main() -> None:
    system, marks, *arguments = sys.argv[1:]
    entry = ENTRIES[system]
    Meter(Path(marks)).watch(entry)
    module, function = entry.main
    sys.argv = [system, *arguments]
    getattr(importlib.import_module(module), function)()


if __name__ == "__main__":
    main()
