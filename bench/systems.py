"""A system that is compared: how it is given the work, and what that costs. `nmt` is one.

Sizes and training settings are the constants below, the rest is every system's default. How the
others are installed and asked stands in bench/others.py, the work in bench/work.py.
"""

from __future__ import annotations

import json
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from work import Task

HERE = Path(__file__).resolve().parent
EMBEDDING = 256
HIDDEN = 512  # of the decoder, and of the encoder's two directions together
DROPOUT = 0.3
SMOOTHING = 0.1
LEARNING_RATE = 0.001
CLIP_NORM = 5
NEVER = 1_000_000_000  # updates
SAVE_EVERY = 500  # updates, of a training that has an end


@dataclass(frozen=True)
class Checkpoint:
    """A model, and how long it was trained."""

    path: Path
    updates: int


def newest(paths: Iterable[Path]) -> Checkpoint | None:
    """Of checkpoints whose names have the updates as their only, or last, number."""
    found = [Checkpoint(path, int(re.findall(r"\d+", path.name)[-1])) for path in paths]
    return max(found, key=lambda each: each.updates, default=None)


def save_every(updates: int) -> int:
    return NEVER if updates == NEVER else SAVE_EVERY


class System(ABC):
    """Something that trains a translation model."""

    name: str  # in the table
    entry: str  # in bench/meter.py
    product: str  # bench/train.py's name of those whose speed its own can reach
    enough: int  # updates after which its translations are worth a comparison
    python: Path = Path(sys.executable)
    variables: Mapping[str, str] = MappingProxyType({})  # of the environment, that it needs

    def training(self, task: Task, folder: Path, marks: Path, updates: int = NEVER) -> list[str]:
        """The whole command of a training, which writes its updates down as bench/meter.py says."""
        meter = [str(self.python), str(HERE / "meter.py"), self.entry, str(marks)]
        return [*meter, *self.arguments(task, folder, updates)]

    @abstractmethod
    def arguments(self, task: Task, folder: Path, updates: int = NEVER) -> list[str]:
        """Of its command line, for a training of so many updates in `folder`, which is its own.

        A training that has an end is saved now and then, and goes on from what is saved there.
        """

    @abstractmethod
    def checkpoint(self, folder: Path) -> Checkpoint | None:
        """The newest that is saved there."""

    @abstractmethod
    def multiplications(self, task: Task) -> float:
        """Of the products of one forward pass, for one target token of the mean sentence."""

    def operations(self, task: Task) -> float:
        """Floating-point operations of training on one target token.

        A multiplication comes with an addition; the backward pass is two products for each one of
        the forward pass, by the inputs and by the weights: 2 · 3 · multiplications.
        """
        return 6 * self.multiplications(task)


def recurrent_multiplications(task: Task, fed: int, readout: int) -> float:
    """E embedding, H hidden, V vocabulary, S mean source length, s = S / mean target length:

        encoder     s · 2 directions · 4 gates · H/2 · (E + H/2)
        decoder     4 gates · H · (E + fed + H)         fed: the attention's answer, fed back
        attention   H · H for its general form, and 2 · S · H for scores and context
        readout     (H + H) · readout
        output      readout · V

    What is done once a sentence, and all that is no product, is left out.
    """
    embedding, hidden = EMBEDDING, HIDDEN
    source = float(task.source_lengths.mean())
    ratio = source / float(task.target_lengths.mean())
    encoder = ratio * 2 * 4 * (hidden // 2) * (embedding + hidden // 2)
    decoder = 4 * hidden * (embedding + fed + hidden)
    attention = hidden * hidden + 2 * source * hidden
    return encoder + decoder + attention + 2 * hidden * readout + readout * task.vocabulary


class Nmt(System):
    """This project: no input feeding, and a readout of the embedding's size."""

    entry, enough = "nmt", 3_000
    network: Mapping[str, object] = MappingProxyType(
        {
            "model.embedding": EMBEDDING,
            "model.hidden": HIDDEN,
            "model.encoder_layers": 1,
            "model.decoder_layers": 1,
            "model.attention": "general",
            "model.tied": "none",
            "model.dropout": DROPOUT,
        }
    )
    endless: Mapping[str, object] = MappingProxyType(  # a training with an end has its own defaults
        {
            "train.learning_rate": LEARNING_RATE,
            "train.schedule": "constant",
            "train.clip_norm": CLIP_NORM,
        }
    )
    variables = MappingProxyType({"NMT_KEEP_WARM": "0"})  # no process from before answers

    def __init__(self, precision: str) -> None:
        self.name, self._precision = f"nmt {precision}", precision
        self.product = {"bf16": "bf16", "fp32": "fp32, oneDNN"}[precision]

    def arguments(self, task: Task, folder: Path, updates: int = NEVER) -> list[str]:
        settings = {
            **self.network,
            "train.precision": self._precision,
            "train.batch_tokens": task.padded_budget(task.count_batches),
            "train.label_smoothing": SMOOTHING,
            "train.concatenated": 0,
            "train.optimizer": "adam",
            "train.max_steps": updates,
            "train.validate_every": NEVER,
            "train.save_every": save_every(updates),
            **(self.endless if updates == NEVER else {}),
        }
        place = ["--out", str(folder), "--device", "cpu", "--threads", str(task.threads)]
        chosen = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        begin = ["--fresh"] if self.checkpoint(folder) else []  # it has ended, with other settings
        return ["train", str(task.prepared), *place, *chosen, *begin]

    def checkpoint(self, folder: Path) -> Checkpoint | None:
        log = folder / "log.jsonl"
        if not log.exists():
            return None
        events = map(json.loads, log.read_text(encoding="utf-8").splitlines())
        ends = [event["step"] for event in events if event["event"] == "finished"]
        return Checkpoint(folder, ends[-1]) if ends else None

    def multiplications(self, task: Task) -> float:
        return recurrent_multiplications(task, fed=0, readout=EMBEDDING)


class NmtByDefault(Nmt):
    """This project as it comes: the network that it chooses for the corpus, two decoder layers."""

    network = MappingProxyType({})

    def __init__(self) -> None:
        super().__init__("bf16")
        self.name = "nmt by default"
