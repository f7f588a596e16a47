"""The other systems: how each is installed, and what its training is asked.

They are installed with pip, each in a virtual environment of its own, without the versions
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
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from systems import (
    CLIP_NORM,
    DROPOUT,
    EMBEDDING,
    HIDDEN,
    LEARNING_RATE,
    NEVER,
    SMOOTHING,
    Checkpoint,
    System,
    newest,
    recurrent_multiplications,
    save_every,
)
from work import Task, count_batches

LAYERS = 3  # of the Transformer's encoder, and of its decoder


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
        return recurrent_multiplications(task, fed=HIDDEN, readout=HIDDEN)


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
            "batch_size": task.padded_budget(partial(count_batches, widths)),
            "num_workers": 2,
            "bucket_size": min(-(-task.pairs // 2), 2**18),
            "label_smoothing": SMOOTHING,
            "optim": "adam",
            "train_steps": updates,
            "valid_steps": NEVER,
            "save_checkpoint_steps": save_every(updates),
            "keep_checkpoint": 2,
            **self.network,
            **({"train_from": str(begun.path)} if begun else {}),
        }
        return ["-config", written(settings, folder)]

    def checkpoint(self, folder: Path) -> Checkpoint | None:
        return newest(folder.glob("model_step_*.pt"))


class Transformer(OpenNMT):
    """OpenNMT-py's small Transformer: what one would choose where the speed of training is no
    matter."""

    name, entry, enough = "Transformer", "opennmt", 2_500
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
            "dropout": [0.1],
            "attention_dropout": [0.1],
            "share_embeddings": True,
            "share_decoder_embeddings": True,
            "param_init": 0.0,
            "param_init_glorot": True,
            "adam_beta2": 0.998,
            "decay_method": "noam",
            "warmup_steps": 500,
            "learning_rate": 0.25,
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
                "batch_size": task.padded_budget(partial(count_batches, widths)),
                "normalization": "tokens",
                "scheduling": "exponential",
                "decrease_factor": 1.0,
                "label_smoothing": SMOOTHING,
                "optimizer": "adam",
                "learning_rate": LEARNING_RATE,
                "clip_grad_norm": CLIP_NORM,
                "epochs": NEVER,
                "updates": updates,
                "validation_freq": save_every(updates),  # it is saved then
                "keep_best_ckpts": 1,
                **({"load_model": str(begun.path)} if begun else {}),
            },
            "testing": {},
        }
        return ["train", written(settings, folder), "--skip-test"]

    def checkpoint(self, folder: Path) -> Checkpoint | None:
        return newest(folder.glob("model_from_*/[0-9]*.ckpt"))


def written(settings: dict[str, Any], folder: Path) -> str:
    """The settings in a file: JSON, which is YAML too."""
    path = folder / "settings.yaml"
    path.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return str(path)
