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
    CTranslate2 4.8.5  nothing

OpenNMT-py's checkpoints hold more than tensors; torch loads such since 2.6 only when told to.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import venv
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from nmt.prepare import Prepared, Table, is_prepared

HERE = Path(__file__).resolve().parent
VOCABULARY = 8_000  # joint, source and target
EMBEDDING = 256
LAYERS = 3  # of the Transformer's encoder, and of its decoder
HIDDEN = 512  # of the decoder, and of the encoder's two directions together
BATCH_TOKENS = 2_000  # real target tokens in an update
DROPOUT = 0.3
SMOOTHING = 0.1
LEARNING_RATE = 0.001
CLIP_NORM = 5
NEVER = 1_000_000_000  # updates
SAVE_EVERY = 500  # updates, of a training that has an end


# --- the work -----------------------------------------------------------------------------------


class Task:
    """A corpus that `nmt prepare` encoded in `folder/prepared`, for every system to train on."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.folder, self.threads = folder, threads
        self.prepared = folder / "prepared"
        self.pieces, self.valid_pieces = folder / "pieces", folder / "valid"
        self.vocabulary_file = folder / "vocabulary"
        self._data = Prepared.open(self.prepared)
        self._ids = _ids(self._data.train)

    @classmethod
    def make(cls, folder: Path, train: Sequence[Path], valid: Sequence[Path], threads: int) -> Task:
        """Encode the corpus in this folder, unless that has been done."""
        if not is_prepared(folder / "prepared"):
            words = ["prepare", *map(str, train), *(f"--valid={path}" for path in valid)]
            words += ["--set", f"data.vocab_size={VOCABULARY}", "--threads", str(threads)]
            words += ["--out", str(folder / "prepared"), "--quiet"]
            subprocess.run([sys.executable, "-m", "nmt", *words], check=True)
        task = cls(folder, threads)
        task._write_pieces()
        return task

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

    def about(self) -> dict[str, str]:
        """What a table of figures says of the work, and of what it was done with."""
        plural = "s" if self.threads > 1 else ""
        return {
            "torch": f"{torch.__version__}, {self.threads} thread{plural}",
            "Python": platform.python_version(),
            "corpus": f"{self.pairs:,} pairs, {self.vocabulary:,} subwords",
        }

    def _write_pieces(self) -> None:
        """The corpus as the peers read it: a file for each part and side, and a vocabulary."""
        for part, parts in (
            (self.pieces, self._ids),
            (self.valid_pieces, _ids(self._data.valid)),
        ):
            for side, sentences in parts.items():
                lines = (" ".join(map(str, ids)) for ids in sentences)
                write_lines(part.with_suffix(f".{side}"), lines)
        write_lines(self.vocabulary_file, map(str, range(self.vocabulary)))

    def pieces_of(self, sources: Sequence[str]) -> list[str]:
        """Sentences as the peers read them."""
        return [" ".join(map(str, ids)) for ids in self._data.vocabulary.source.encode(sources)]

    def text_of(self, pieces: Sequence[str]) -> list[str]:
        """What the peers wrote, as sentences; words that are no subword's number are left out."""
        numbers = ([int(word) for word in line.split() if word.isdecimal()] for line in pieces)
        return [self._data.vocabulary.target.decode(ids) for ids in numbers]

    def target_tokens(self, lines: Sequence[str]) -> int:
        """Subwords of sentences in the target language, an EOS for each included."""
        return sum(len(ids) + 1 for ids in self._data.vocabulary.target.encode(lines))

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


def _ids(table: Table) -> dict[str, list[np.ndarray]]:
    rows = np.arange(len(table))
    return {side: table.ids(side, rows) for side in ("source", "target")}


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _batches(widths: np.ndarray, budget: int) -> int:
    """How many batches there are if none may be larger than its longest pair times its pairs."""
    count, pairs, widest = 1, 0, 0
    for width in widths.tolist():
        pairs, widest = pairs + 1, max(widest, width)
        if pairs * widest > budget:
            count, pairs, widest = count + 1, 1, width
    return count


# --- systems ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """A model, and how long it was trained."""

    path: Path
    updates: int


def _newest(paths: Iterable[Path]) -> Checkpoint | None:
    """Of checkpoints whose names have the updates as their only, or last, number."""
    found = [Checkpoint(path, int(re.findall(r"\d+", path.name)[-1])) for path in paths]
    return max(found, key=lambda each: each.updates, default=None)


def _save_every(updates: int) -> int:
    return NEVER if updates == NEVER else SAVE_EVERY


class System(ABC):
    """Something that trains a translation model."""

    name: str  # in the table
    entry: str  # in bench/meter.py
    product: str  # of bench/train.py's ceilings, the one that its products can reach
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

    entry, enough = "nmt", 3_000
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
            "train.max_steps": updates,
            "train.validate_every": NEVER,
            "train.save_every": _save_every(updates),
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
        return _multiplications(task, fed=0, readout=EMBEDDING)


@dataclass(frozen=True)
class Package:
    """What a virtual environment holds, beside the torch that this process runs on."""

    alone: str  # the requirement, installed without those that it names
    needs: Sequence[str]  # the requirements that its use here imports
    stubs: Sequence[str]  # modules that it imports and does not use


class Environment:
    """A package's virtual environment, below `folder`."""

    def __init__(self, folder: Path, package: Package) -> None:
        self._package = package
        self._folder = folder / package.alone.replace("==", "-")
        self.python = self._folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"

    def install(self) -> None:
        """Make the environment, unless it is there."""
        made_of = self._folder / "made_of"
        if made_of.exists() and made_of.read_text() == repr(self._package):
            return
        print(f"installing {self._package.alone} in {self._folder}", file=sys.stderr)
        venv.create(self._folder, clear=True, with_pip=True)
        packages = Path(self.run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))"))
        # Found after the environment's own packages: torch, and what else is here already.
        (packages / "host.pth").write_text(f"{Path(torch.__file__).parent.parent}\n")
        for module in self._package.stubs:
            (packages / f"{module}.py").write_text("fuzz = process = None\n")
        self.run("-m", "pip", "install", "--no-deps", self._package.alone)
        self.run("-m", "pip", "install", *self._package.needs)
        made_of.write_text(repr(self._package))

    def run(self, *arguments: str) -> str:
        """Run the environment's Python. Raises SystemExit with what it said when it fails."""
        ran = subprocess.run([self.python, *arguments], capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(f"{self._package.alone}: {' '.join(arguments)}\n{ran.stderr}")
        return ran.stdout.strip()


class Peer(System):
    """Another system, in an environment of its own below `folder`."""

    product = "fp32"
    package: Package

    def __init__(self, folder: Path) -> None:
        self._environment = Environment(folder, self.package)
        self.python = self._environment.python

    def install(self) -> None:
        """Make the environment, unless it is there."""
        self._environment.install()

    def multiplications(self, task: Task) -> float:
        return _multiplications(task, fed=HIDDEN, readout=HIDDEN)


class OpenNMT(Peer):
    """OpenNMT-py: two workers read a bucket of pairs each and cut it into batches of like length.

    A bucket is what a worker reads in an epoch. The default, 2**18 pairs, is meant for large
    corpora; it would read a small one many times over before the first update.
    """

    name, entry, enough = "OpenNMT-py", "opennmt", 3_000
    variables = MappingProxyType({"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"})
    package = Package(
        "OpenNMT-py==3.5.1",
        ["configargparse", "pyonmttok==1.38.1", "pyyaml", "six"],
        ["ahocorasick", "fasttext", "rapidfuzz", "spacy"],
    )

    network: Mapping[str, Any] = MappingProxyType(
        {
            "encoder_type": "brnn",
            "decoder_type": "rnn",
            "rnn_type": "LSTM",
            "layers": 1,
            "word_vec_size": EMBEDDING,
            "hidden_size": HIDDEN,
            "global_attention": "general",
            "learning_rate": LEARNING_RATE,
            "max_grad_norm": CLIP_NORM,
        }
    )

    def arguments(self, task: Task, folder: Path, updates: int = NEVER) -> list[str]:
        source, target = task.source_lengths - 1, task.target_lengths + 1  # no EOS; BOS and EOS
        widths = np.maximum(source, target)[np.lexsort((target, source))]
        begun = self.checkpoint(folder)
        settings = {
            "data": {
                "pairs": {"path_src": f"{task.pieces}.source", "path_tgt": f"{task.pieces}.target"}
            },
            "src_vocab": str(task.vocabulary_file),
            "share_vocab": True,
            "save_model": str(folder / "model"),
            "dropout": [DROPOUT],
            "batch_type": "tokens",
            "batch_size": task.padded_budget(widths),
            "num_workers": 2,
            "bucket_size": min(-(-task.pairs // 2), 2**18),
            "label_smoothing": SMOOTHING,
            "optim": "adam",
            "train_steps": updates,
            "valid_steps": NEVER,
            "save_checkpoint_steps": _save_every(updates),
            "keep_checkpoint": 2,
            **self.network,
            **({"train_from": str(begun.path)} if begun else {}),
        }
        return ["-config", written(settings, folder)]

    def checkpoint(self, folder: Path) -> Checkpoint | None:
        return _newest(folder.glob("model_step_*.pt"))


class Transformer(OpenNMT):
    """OpenNMT-py's small Transformer: what one would choose where the speed of training is no
    matter."""

    name, entry, enough = "Transformer", "opennmt", 6_000
    network = MappingProxyType(
        {
            "encoder_type": "transformer",
            "decoder_type": "transformer",
            "layers": LAYERS,
            "word_vec_size": EMBEDDING,
            "hidden_size": EMBEDDING,
            "heads": 4,
            "transformer_ff": 2 * EMBEDDING,
            "position_encoding": True,
            "self_attn_type": "scaled-dot",  # the only kind that CTranslate2 can convert
            "attention_dropout": [0.1],
            "share_embeddings": True,
            "share_decoder_embeddings": True,
            "param_init": 0.0,
            "param_init_glorot": True,
            "adam_beta2": 0.998,
            "decay_method": "noam",
            "warmup_steps": 800,
            "learning_rate": 0.8,
            "max_grad_norm": 0.0,
            "normalization": "tokens",
            "average_decay": 0.001,
        }
    )

    def multiplications(self, task: Task) -> float:
        """L layers, E width, 2 · E in the feed-forward layer, T mean target length, else as above:

        encoder     s · L · (4 · E · E + 2 · S · E + 4 · E · E)
        decoder     L · (4 · E · E + T · E + 2 · (1 + s) · E · E + 2 · S · E + 4 · E · E)
        output      E · V
        """
        width, source = EMBEDDING, float(task.source_lengths.mean())
        target = float(task.target_lengths.mean())
        ratio, square = source / target, width * width
        encoder = ratio * (8 * square + 2 * source * width)
        decoder = 8 * square + target * width + 2 * (1 + ratio) * square + 2 * source * width
        return LAYERS * (encoder + decoder) + width * task.vocabulary


class JoeyNMT(Peer):
    """JoeyNMT: batches in random order, so that more than half of what it computes is padding."""

    name, entry, enough = "JoeyNMT", "joeynmt", 3_000
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

    def arguments(self, task: Task, folder: Path, updates: int = NEVER) -> list[str]:
        begun = self.checkpoint(folder)
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
            "model_dir": str(folder / f"model_from_{begun.updates if begun else 0}"),
            "use_cuda": False,
            "data": {
                "train": str(task.pieces),
                "dev": str(task.valid_pieces),
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
                "updates": updates,
                "validation_freq": _save_every(updates),  # it is saved then
                "keep_best_ckpts": 1,
                **({"load_model": str(begun.path)} if begun else {}),
            },
            "testing": {},
        }
        return ["train", written(settings, folder), "--skip-test"]

    def checkpoint(self, folder: Path) -> Checkpoint | None:
        return _newest(folder.glob("model_from_*/[0-9]*.ckpt"))


def written(settings: dict[str, Any], folder: Path) -> str:
    """The settings in a file: JSON, which is YAML too."""
    path = folder / "settings.yaml"
    path.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return str(path)
