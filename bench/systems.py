"""The systems that are compared: how each is installed, given the same work, and what that costs.

The work is a corpus whose subwords were found once. `nmt` gets it as it prepared it; the peers get
the very same subwords as text, each written as its number, and the numbers as their vocabulary.
Sizes and training settings are the constants below, the rest is every system's default.

The peers are installed with pip, each in a virtual environment of its own, without the versions
that they pin: they run on the torch that runs `nmt`, found through a .pth file, so that the same
kernels serve all. No line of theirs is changed. What they need for that:

    OpenNMT-py 3.5.1   imports spacy, pyahocorasick, fasttext and rapidfuzz for data transforms that
                       a training like this one has none of; empty modules of these names do
    JoeyNMT 2.3.0      nothing
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nmt.prepare import Prepared

VOCABULARY = 8_000  # joint, source and target
EMBEDDING = 256
HIDDEN = 512  # of the decoder, and of the encoder's two directions together
BATCH_TOKENS = 2_000  # real target tokens in an update
DROPOUT = 0.3
SMOOTHING = 0.1
LEARNING_RATE = 0.001
CLIP_NORM = 5
NEVER = 1_000_000_000  # updates


# --- the work -----------------------------------------------------------------------------------


class Task:
    """A corpus that `nmt prepare` encoded in `folder/prepared`, for every system to train on."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.prepared, self.threads = folder / "prepared", threads
        self.pieces, self.vocabulary_file = folder / "pieces", folder / "vocabulary"
        self._data = Prepared.open(self.prepared)
        rows = np.arange(len(self._data.train))
        self._ids = {side: self._data.train.ids(side, rows) for side in ("source", "target")}

    @property
    def pairs(self) -> int:
        return len(self._data.train)

    @property
    def vocabulary(self) -> int:
        return len(self._data.vocabulary.target)

    @cached_property
    def source_lengths(self) -> np.ndarray:
        """In tokens, EOS included."""
        return np.array([len(ids) + 1 for ids in self._ids["source"]])

    @cached_property
    def target_lengths(self) -> np.ndarray:
        """In tokens, EOS included."""
        return np.array([len(ids) + 1 for ids in self._ids["target"]])

    def write_pieces(self) -> None:
        """The corpus as the peers read it: `pieces.source`, `pieces.target`, and a vocabulary."""
        for side, sentences in self._ids.items():
            lines = (" ".join(map(str, ids)) for ids in sentences)
            path = self.pieces.with_suffix(f".{side}")
            path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        numbers = (f"{number}\n" for number in range(self.vocabulary))
        self.vocabulary_file.write_text("".join(numbers), encoding="ascii")

    def padded_budget(self, widths: np.ndarray) -> int:
        """The batch size, padding included, at which an update holds `BATCH_TOKENS` real ones.

        Args:
            widths: what a pair counts before padding, in the order in which batches are cut.
        """
        budget = BATCH_TOKENS
        for _ in range(3):
            real = self.target_lengths.sum() / _batches(widths, budget)
            budget = round(budget * BATCH_TOKENS / real)
        return budget


def _batches(widths: np.ndarray, budget: int) -> int:
    """How many batches there are if none may be larger than its longest pair times its pairs."""
    count, pairs, widest = 1, 0, 0
    for width in widths.tolist():
        pairs, widest = pairs + 1, max(widest, width)
        if pairs * widest > budget:
            count, pairs, widest = count + 1, 1, width
    return count


# --- systems ------------------------------------------------------------------------------------


class System(ABC):
    """Something that trains a translation model."""

    name: str  # in the table
    entry: str  # in bench/meter.py
    product: str  # of bench/train.py's ceilings, the one that its products can reach
    python: Path = Path(sys.executable)

    @abstractmethod
    def arguments(self, task: Task, folder: Path) -> list[str]:
        """Of its command line, for a training that never ends; `folder` is empty, and its own."""

    @abstractmethod
    def multiplications(self, task: Task) -> float:
        """Of the products of one forward pass, for one target token of the mean sentence."""

    def operations(self, task: Task) -> float:
        """Floating-point operations of training on one target token.

        A multiplication comes with an addition; the backward pass is two products for each one of
        the forward pass, by the inputs and by the weights: 2 · 3 · multiplications.
        """
        return 6 * self.multiplications(task)


def _multiplications(task: Task, fed: int, readout: int) -> float:
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

    entry = "nmt"

    def __init__(self, precision: str) -> None:
        self.name, self._precision = f"nmt {precision}", precision
        self.product = {"bf16": "bf16", "fp32": "fp32, oneDNN"}[precision]

    def arguments(self, task: Task, folder: Path) -> list[str]:
        settings = {
            "model.embedding": EMBEDDING,
            "model.hidden": HIDDEN,
            "model.encoder_layers": 1,
            "model.decoder_layers": 1,
            "model.attention": "general",
            "model.tied": "none",
            "model.dropout": DROPOUT,
            "train.precision": self._precision,
            "train.batch_tokens": BATCH_TOKENS,
            "train.label_smoothing": SMOOTHING,
            "train.optimizer": "adam",
            "train.learning_rate": LEARNING_RATE,
            "train.schedule": "constant",
            "train.clip_norm": CLIP_NORM,
            "train.max_steps": NEVER,
            "train.validate_every": NEVER,
            "train.save_every": NEVER,
        }
        place = ["--out", str(folder), "--device", "cpu", "--threads", str(task.threads)]
        chosen = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        return ["train", str(task.prepared), *place, *chosen]

    def multiplications(self, task: Task) -> float:
        return _multiplications(task, fed=0, readout=EMBEDDING)


@dataclass(frozen=True)
class Package:
    """What a peer's virtual environment holds, beside the torch that this process runs on."""

    alone: str  # the peer's requirement, installed without those that it names
    needs: Sequence[str]  # the requirements that its training imports
    stubs: Sequence[str]  # modules that it imports and does not use


class Peer(System):
    """Another system, in an environment of its own below `folder`."""

    product = "fp32"
    package: Package

    def __init__(self, folder: Path) -> None:
        self._environment = folder / self.package.alone.replace("==", "-")
        binaries = self._environment / ("Scripts" if sys.platform == "win32" else "bin")
        self.python = binaries / "python"

    def install(self) -> None:
        """Make the environment, unless it is there."""
        made_of = self._environment / "made_of"
        if made_of.exists() and made_of.read_text() == repr(self.package):
            return
        print(f"installing {self.package.alone} in {self._environment}", file=sys.stderr)
        venv.create(self._environment, clear=True, with_pip=True)
        packages = Path(self._run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
        # Found after the environment's own packages: torch, and what else is here already.
        (packages / "host.pth").write_text(f"{Path(torch.__file__).parent.parent}\n")
        for module in self.package.stubs:
            (packages / f"{module}.py").write_text("fuzz = process = None\n")
        self._run("-m", "pip", "install", "--no-deps", self.package.alone)
        self._run("-m", "pip", "install", *self.package.needs)
        made_of.write_text(repr(self.package))

    def _run(self, *arguments: str) -> str:
        """Run the environment's Python. Raises SystemExit with what it said when it fails."""
        ran = subprocess.run([self.python, *arguments], capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"{self.name} cannot be installed:\n{ran.stderr}")
        return ran.stdout.strip()

    def multiplications(self, task: Task) -> float:
        return _multiplications(task, fed=HIDDEN, readout=HIDDEN)


class OpenNMT(Peer):
    """OpenNMT-py: two workers read a bucket of pairs each and cut it into batches of like length.

    A bucket is what a worker reads in an epoch. The default, 2**18 pairs, is meant for large
    corpora; it would read a small one many times over before the first update.
    """

    name, entry = "OpenNMT-py", "opennmt"
    package = Package(
        "OpenNMT-py==3.5.1",
        ["configargparse", "pyonmttok==1.38.1", "pyyaml", "six"],
        ["ahocorasick", "fasttext", "rapidfuzz", "spacy"],
    )

    def arguments(self, task: Task, folder: Path) -> list[str]:
        source, target = task.source_lengths - 1, task.target_lengths + 1  # no EOS; BOS and EOS
        widths = np.maximum(source, target)[np.lexsort((target, source))]
        settings = {
            "data": {
                "pairs": {"path_src": f"{task.pieces}.source", "path_tgt": f"{task.pieces}.target"}
            },
            "src_vocab": str(task.vocabulary_file),
            "share_vocab": True,
            "save_model": str(folder / "model"),
            "encoder_type": "brnn",
            "decoder_type": "rnn",
            "rnn_type": "LSTM",
            "layers": 1,
            "word_vec_size": EMBEDDING,
            "hidden_size": HIDDEN,
            "global_attention": "general",
            "dropout": [DROPOUT],
            "batch_type": "tokens",
            "batch_size": task.padded_budget(widths),
            "num_workers": 2,
            "bucket_size": min(-(-task.pairs // 2), 2**18),
            "label_smoothing": SMOOTHING,
            "optim": "adam",
            "learning_rate": LEARNING_RATE,
            "max_grad_norm": CLIP_NORM,
            "train_steps": NEVER,
            "valid_steps": NEVER,
            "save_checkpoint_steps": NEVER,
        }
        return ["-config", _written(settings, folder)]


class JoeyNMT(Peer):
    """JoeyNMT: batches in random order, so that more than half of what it computes is padding."""

    name, entry = "JoeyNMT", "joeynmt"
    package = Package(
        "joeynmt==2.3.0",
        [
            "importlib-metadata==8.5.0",
            "matplotlib",
            "packaging",
            "pyyaml",
            "subword-nmt",
            "tensorboard",
            "tqdm",
        ],
        [],
    )

    def arguments(self, task: Task, folder: Path) -> list[str]:
        order = np.random.default_rng(1).permutation(task.pairs)
        widths = np.maximum(task.source_lengths, task.target_lengths)[order]
        side = {"level": "word", "max_length": -1, "voc_file": str(task.vocabulary_file)}
        recurrent = {
            "type": "recurrent",
            "rnn_type": "lstm",
            "num_layers": 1,
            "dropout": DROPOUT,
            "embeddings": {"embedding_dim": EMBEDDING, "dropout": DROPOUT},
        }
        settings = {
            "name": "bench",
            "model_dir": str(folder / "model"),
            "use_cuda": False,
            "data": {
                "train": str(task.pieces),
                "dev": str(task.pieces),  # it insists on one, and never comes to it
                "src": {"lang": "source", **side},
                "trg": {"lang": "target", **side},
            },
            "model": {
                "encoder": {**recurrent, "hidden_size": HIDDEN // 2, "bidirectional": True},
                "decoder": {
                    **recurrent,
                    "hidden_size": HIDDEN,
                    "hidden_dropout": DROPOUT,
                    "attention": "luong",
                    "input_feeding": True,
                },
            },
            "training": {
                "batch_type": "token",
                "batch_size": task.padded_budget(widths),
                "normalization": "tokens",
                "scheduling": "exponential",
                "decrease_factor": 1.0,
                "label_smoothing": SMOOTHING,
                "optimizer": "adam",
                "learning_rate": LEARNING_RATE,
                "clip_grad_norm": CLIP_NORM,
                "epochs": NEVER,
                "validation_freq": NEVER,
            },
            "testing": {},
        }
        return ["train", _written(settings, folder)]


def _written(settings: dict[str, Any], folder: Path) -> str:
    """The settings in a file: JSON, which is YAML too."""
    path = folder / "settings.yaml"
    path.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return str(path)
