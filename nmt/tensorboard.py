"""A training's figures and sample translations for TensorBoard: a view beside the console's.

pip install 'nmt[tensorboard]'
nmt train ... --tensorboard DIR
tensorboard --logdir DIR
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.errors import SettingsError
from nmt.events import Event, Sample, Stepped, Validated
from nmt.files import cannot_write

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_ABOUT_TIME = ("seconds", "took", "progress")  # TensorBoard has a clock of its own


class TensorBoardView:
    """Writes a training's events to `folder` as they come.

    The first event, and any that is of an earlier step than the one before, makes TensorBoard
    forget what it was told from that step on: what is trained again is not shown twice.

    Raises:
        SettingsError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError:
            raise SettingsError(
                "--tensorboard: TensorBoard is not installed", "pip install 'nmt[tensorboard]'"
            ) from None
        self.folder = folder
        self._writer: SummaryWriter | None = None
        self._step = 0  # the last one written

    def __enter__(self) -> TensorBoardView:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()

    def show(self, event: Event) -> None:
        if isinstance(event, Stepped):
            self._add_scalars("training", event)
        elif isinstance(event, Validated):
            self._add_scalars("validation", event)
            for number, sample in enumerate(event.samples, 1):
                self._at(event.step).add_text(f"sample {number}", _text(sample), event.step)

    def _add_scalars(self, part: str, event: Stepped | Validated) -> None:
        for name, value in asdict(event).items():
            known = isinstance(value, float) and not math.isnan(value)
            if known and name not in _ABOUT_TIME:
                self._at(event.step).add_scalar(f"{part}/{name}", value, event.step)

    def _at(self, step: int) -> SummaryWriter:
        """The writer, a new one if the training has gone back."""
        from torch.utils.tensorboard import SummaryWriter

        if self._writer is None or step < self._step:
            self.__exit__()
            try:
                self._writer = SummaryWriter(self.folder, purge_step=step)
            except OSError as error:
                raise cannot_write(self.folder, error) from None
        self._step = step
        return self._writer


def _text(sample: Sample) -> str:
    """Markdown that shows the lines as they are."""
    lines = (sample.source, f"→ {sample.translation}", f"= {sample.reference}")
    return "\n".join(f"    {line}" for line in lines)
