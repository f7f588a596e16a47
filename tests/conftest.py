"""Toy corpora, a tiny trained run, and the command line as a function."""

from __future__ import annotations

import io
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from nmt import cli
from nmt.checkpoint import load
from nmt.corpus import open_corpus
from nmt.device import Device, open_device
from nmt.events import Event
from nmt.recipe import Request, get_ready
from nmt.search import SearchOptions
from nmt.training import Training
from nmt.translate import Translator

WORDS = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu"]

TINY = {
    "data.vocab_size": 40,
    "model.embedding": 32,
    "model.hidden": 64,
    "model.decoder_layers": 1,
    "model.dropout": 0.0,
    "model.word_dropout": 0.0,
    "train.batch_tokens": 300,
    "train.learning_rate": 5e-3,
    "train.label_smoothing": 0.0,
    "train.warmup_steps": 20,
    "train.precision": "fp32",
}


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.decode().split("\n")[:-1]


def nmt(*arguments: str | Path, stdin: bytes = b"") -> Result:
    """Run a command in this process, as the shell would."""
    out, err = io.BytesIO(), io.BytesIO()
    kept = sys.stdin, sys.stdout, sys.stderr
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin)))
    sys.stdout = io.TextIOWrapper(out, encoding="utf-8", newline="\n", write_through=True)
    sys.stderr = io.TextIOWrapper(err, encoding="utf-8", newline="\n", write_through=True)
    try:
        code = cli.run([str(argument) for argument in arguments])
        return Result(code, out.getvalue(), err.getvalue().decode())
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept
        for number, handler in handlers.items():  # an error leaves them ignored
            signal.signal(number, handler)


RUN_SETTINGS = {"train__max_steps": 150, "train__validate_every": 50}  # of the fixture `run`


def write_corpus(folder: Path, name: str, pairs: Sequence[tuple[str, str]]) -> tuple[Path, Path]:
    """Two aligned files, `name.xx` and `name.yy`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.xx", folder / f"{name}.yy"
    for path, side in zip(paths, zip(*pairs, strict=True), strict=True):
        path.write_text("".join(f"{line}\n" for line in side), encoding="utf-8", newline="\n")
    return paths


def toy_pairs(
    count: int, seed: int, change: Callable[[list[str]], list[str]] = list
) -> list[tuple[str, str]]:
    """Random sentences of made-up words, and the same words changed."""
    generator = random.Random(seed)
    sentences = [generator.choices(WORDS, k=generator.randint(1, 6)) for _ in range(count)]
    return [(" ".join(words), " ".join(change(words))) for words in sentences]


def make_training(
    folder: Path, corpus: Sequence[Path], valid: Sequence[Path] | None = None, **settings: object
) -> Training:
    """A training in `folder / "run"`, with tiny settings unless others are named.

    Keys are written with `__` for the dot: `train__max_steps=5`.
    """
    asked = TINY | {key.replace("__", "."): value for key, value in settings.items()}
    request = Request(
        asked,
        open_corpus(corpus),
        open_corpus(valid) if valid else None,
        folder / "run",
    )
    return get_ready(request, open_device("cpu", 2), time.monotonic()).training


def train(training: Training) -> list[Event]:
    return list(training.events())


@pytest.fixture(scope="session")
def device() -> Device:
    return open_device("cpu", 2)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """The copy task: aligned files by split."""
    folder = tmp_path_factory.mktemp("toy")
    return {
        "train": write_corpus(folder, "train", toy_pairs(1_500, 1)),
        "valid": write_corpus(folder, "valid", toy_pairs(60, 2)),
        "test": write_corpus(folder, "test", toy_pairs(100, 3)),
    }


@pytest.fixture(scope="session")
def run(toy: dict[str, tuple[Path, Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learned a little of copying: enough to be a real model."""
    folder = tmp_path_factory.mktemp("trained")
    training = make_training(folder, toy["train"], toy["valid"], **RUN_SETTINGS)
    train(training)
    return folder / "run"


@pytest.fixture(scope="session")
def translator(run: Path, device: Device) -> Translator:
    """That run, which translates lines of more than 20 subwords in pieces."""
    trained = load(run, device.torch)
    return Translator(trained.model, trained.vocabulary, SearchOptions(beam=3), longest=20)


def other(translator: Translator, **changes: object) -> Translator:
    """The same with other options of the search."""
    return translator.with_options(replace(translator.options, **changes))  # type: ignore[arg-type]
