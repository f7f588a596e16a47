"""Those that translate, in the comparison of bench/translate.py: each one's own command.

All were trained on the same subwords (bench/work.py). `nmt` reads and writes text, and cutting it
into subwords is in its times; the others read and write subwords. Beam and threads are the same for
all. The rest is every system's default, but for

    OpenNMT-py    batches of 64 sentences; its default is 30
    JoeyNMT       a length penalty (GNMT's, to the power 1), since the others have one by default
    CTranslate2   what bench/ct2.py says
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from others import Environment, JoeyNMT, OpenNMT, Package, Peer, Transformer, written
from systems import HERE, Checkpoint, Nmt, NmtByDefault, System

OPENNMT_BATCH = 64  # sentences


@dataclass(frozen=True)
class Request:
    """What is to be translated, and how."""

    source: Path  # lines; also on stdin
    beam: int
    threads: int

    @property
    def output(self) -> Path:
        """Where the translations go, unless they go to stdout."""
        return self.source.with_suffix(".out")


class Translator(ABC):
    """A system with a trained model."""

    name: str  # in the table
    entry: str  # in bench/decode.py
    start: Sequence[str]  # the interpreter's arguments that start its command line
    reads_pieces = True  # subwords, not text

    def __init__(self, trainer: System) -> None:
        self.trainer, self.python = trainer, trainer.python

    def install(self) -> None:
        """Make the environments that it needs, unless they are there."""
        if isinstance(self.trainer, Peer):
            self.trainer.install()

    def prepare(self, checkpoint: Checkpoint) -> Path:
        """What it translates with, made from what was trained."""
        return checkpoint.path

    @abstractmethod
    def arguments(self, model: Path, request: Request) -> list[str]:
        """Of its command line."""

    def command(self, model: Path, request: Request) -> list[str]:
        """As its users give it."""
        return [str(self.python), *self.start, *self.arguments(model, request)]

    def decoding(self, model: Path, request: Request, singles: int, result: Path) -> list[str]:
        """The same in a process that goes on; bench/decode.py says what it does."""
        begin = [str(self.python), str(HERE / "decode.py"), self.entry, str(request.source)]
        return [*begin, str(singles), str(result), *self.arguments(model, request)]


class NmtTranslator(Translator):
    entry, start, reads_pieces = "nmt", ("-m", "nmt"), False

    def __init__(self, name: str, trainer: Nmt, precision: str) -> None:
        super().__init__(trainer)
        self.name, self._precision = name, precision

    def arguments(self, model: Path, request: Request) -> list[str]:
        words = ["translate", str(model), str(request.source), "--output", str(request.output)]
        words += ["--beam", str(request.beam), "--precision", self._precision, "--quiet"]
        return [*words, "--device", "cpu", "--threads", str(request.threads)]


class OpenNMTTranslator(Translator):
    name, entry, start = "OpenNMT-py", "opennmt", ("-m", "onmt.bin.translate")

    def arguments(self, model: Path, request: Request) -> list[str]:
        words = ["-model", str(model), "-src", str(request.source)]
        words += ["-output", str(request.output), "-beam_size", str(request.beam)]
        return [*words, "-batch_size", str(OPENNMT_BATCH), "-gpu", "-1"]


class JoeyNMTTranslator(Translator):
    name, entry, start = "JoeyNMT", "joeynmt", ("-m", "joeynmt")

    def arguments(self, model: Path, request: Request) -> list[str]:
        folder = model.parent
        settings = json.loads((folder / "config.yaml").read_text(encoding="utf-8"))
        search = {"beam_size": request.beam, "beam_alpha": 1.0}
        settings["testing"] = {"load_model": str(model), **search}
        return ["translate", written(settings, request.output.parent)]


class CTranslate2Translator(Translator):
    """CTranslate2 in int8, with OpenNMT-py's Transformer."""

    name, entry, start = "CTranslate2 int8", "ctranslate2", (str(HERE / "ct2.py"),)
    package = Package("ctranslate2==4.8.5", ["numpy", "pyyaml", "setuptools"], [])

    def __init__(self, peers: Path) -> None:
        super().__init__(Transformer(peers))
        self._environment = Environment(peers, self.package)
        self.python = self._environment.python

    def install(self) -> None:
        super().install()
        self._environment.install()

    def prepare(self, checkpoint: Checkpoint) -> Path:
        model = checkpoint.path.with_suffix(".int8")
        if not model.exists():
            words = ["--model_path", str(checkpoint.path), "--output_dir", str(model)]
            words += ["--quantization", "int8", "--unsafe_deserialization"]
            self._environment.run("-m", "ctranslate2.converters.opennmt_py", *words)
        return model

    def arguments(self, model: Path, request: Request) -> list[str]:
        return [str(model), str(request.beam), str(request.threads)]


def everyone(peers: Path) -> dict[str, Translator]:
    """All of them, by the names that a command line has for them."""
    same_sizes = {
        f"nmt-{kind}": NmtTranslator(f"nmt {kind}", Nmt("bf16"), kind)
        for kind in ("fp32", "bf16", "int8")
    }
    return {
        "nmt": NmtTranslator("nmt by default", NmtByDefault(), "auto"),
        **same_sizes,
        "opennmt": OpenNMTTranslator(OpenNMT(peers)),
        "joeynmt": JoeyNMTTranslator(JoeyNMT(peers)),
        "ctranslate2": CTranslate2Translator(peers),
    }
