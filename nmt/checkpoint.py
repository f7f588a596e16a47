"""A run's folder: what stands in it, and how it is written so that a kill never harms it.

    RUN/model.safetensors   the best weights
    RUN/config.toml         every setting, resolved
    RUN/subwords*.model     SentencePiece
    RUN/manifest.json       what it was trained on
    RUN/seen-*.arrow        hashes of its training sentences, counts of their words
    RUN/scores.json         the validation scores of the best weights
    RUN/channel.json        how other models count in its translations (nmt.channel)
    RUN/log.jsonl           one JSON object per event
    RUN/weights/            the last weights, and the best by the score that does not decide
    RUN/README.md           the model card, for whoever is handed the model
    RUN/evaluations/        what the model scored on test sets
    RUN/incidents/          what is known of updates that went wrong
    RUN/state/              what resuming needs: the prepared corpus and the last checkpoints

Tensors are kept as safetensors, everything else as JSON or TOML: reading a run runs no code.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import tomllib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nmt import __version__
from nmt.choices import Task
from nmt.config import Settings, settings_from
from nmt.decoder import Decoder
from nmt.errors import RunError, SettingsError
from nmt.files import PART, cannot_write, replacing, replacing_folder, write_text
from nmt.language_model import LanguageModel
from nmt.manifest import MANIFEST, Manifest
from nmt.model import Seq2Seq
from nmt.subwords import Vocabulary

FORMAT = 1


@dataclass(frozen=True)
class Run:
    """The paths of a run."""

    path: Path

    @property
    def model(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def channel(self) -> Path:
        return self.path / "channel.json"

    @property
    def scores(self) -> Path:
        return self.path / "scores.json"

    @property
    def card(self) -> Path:
        return self.path / "README.md"

    @property
    def notes(self) -> Path:
        """What the model's author wrote for the card."""
        return self.path / "NOTES.md"

    @property
    def evaluations(self) -> Path:
        return self.path / "evaluations"

    @property
    def data(self) -> Path:
        return self.state / "data"

    @property
    def weights(self) -> Path:
        return self.path / "weights"

    @property
    def incidents(self) -> Path:
        return self.path / "incidents"

    @property
    def state(self) -> Path:
        return self.path / "state"

    def checkpoint(self, step: int) -> Path:
        return self.state / f"step-{step:08}.safetensors"

    def checkpoints(self) -> list[Path]:
        """What was saved in the course of the training, the newest first."""
        return sorted(self.state.glob("step-*.safetensors"), key=self.step_of, reverse=True)

    def stopped(self, step: int) -> Path:
        return self.state / f"stop-{step:08}.safetensors"

    def resumable(self) -> list[Path]:
        """The same with what was saved when the training was asked to stop."""
        files = [*self.checkpoints(), *self.state.glob("stop-*.safetensors")]
        return sorted(files, key=self.step_of, reverse=True)

    def snapshots(self) -> list[Path]:
        """The weights that were validated last, the newest first."""
        return sorted(self.weights.glob("step-*.safetensors"), key=self.step_of, reverse=True)

    @staticmethod
    def step_of(file: Path) -> int:
        """The step a checkpoint or snapshot was written at."""
        return int(file.stem.partition("-")[2])

    def forget_after(self, step: int) -> None:
        """Remove what was written at later steps: the training has gone back."""
        for file in (*self.resumable(), *self.snapshots()):
            if self.step_of(file) > step:
                file.unlink()

    def sweep(self) -> None:
        """Remove what a process that was killed had begun to write under temporary names."""
        for folder in (self.path, self.state, self.weights, self.incidents, self.evaluations):
            for leftover in folder.glob(f".*{PART}"):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what a training writes here, and nothing else; the prepared corpus stays."""
        ours = [self.config, *self.resumable(), self.model, self.log, self.scores, self.channel]
        ours += preparation_files(self.path)
        ours += [*self.weights.glob("*.safetensors"), *self.incidents.glob("*.json")]
        ours += self.evaluations.glob("*.json")
        for file in ours:
            file.unlink(missing_ok=True)
        for folder in (self.weights, self.incidents, self.evaluations):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def names_of(runs: Iterable[Path]) -> dict[Path, str]:
    """What to call runs: the names of their folders, or the paths as given where those are not
    unique."""
    names = {run: run.resolve().name for run in runs}
    return names if len(set(names.values())) == len(names) else {run: str(run) for run in names}


@dataclass(frozen=True)
class Trained:
    """A model that has learned, with all that belongs to it."""

    run: Run
    settings: Settings
    vocabulary: Vocabulary
    manifest: Manifest
    model: Decoder

    @property
    def task(self) -> Task:
        """What it has learned."""
        return self.settings.data.task

    @property
    def is_average(self) -> bool:
        """Whether it is the mean of several weights, and comes from no one training."""
        return "averaged" in read_header(self.run.model).about


def new_model(settings: Settings, vocabulary: Vocabulary) -> Decoder:
    """The model of a task, its weights drawn at random."""
    if settings.data.task == "lm":
        return LanguageModel(settings.model, len(vocabulary.target))
    return Seq2Seq(settings.model, len(vocabulary.source), len(vocabulary.target))


def load(path: Path, device: torch.device) -> Trained:
    """The best model of a run, ready to be used.

    Raises:
        RunError: the folder is no run, or a file in it is missing, damaged or of another version.
    """
    run = Run(path)
    settings = read_config(run)
    if not run.model.is_file():
        raise RunError(
            f"{path}: there are no weights in it yet (no model.safetensors)",
            "they appear with the first validation; nmt train goes on where it stopped",
        )
    vocabulary = Vocabulary.load(path)
    with torch.device("meta"):  # shapes alone: the weights come from the file
        model = new_model(settings, vocabulary)
    tensors, _ = read_tensors(run.model)
    # Copies: the file, which is mapped, may be written over while the model is at work.
    whole = {name: tensor.to(torch.float32, copy=True) for name, tensor in tensors.items()}
    restore(model, whole, run.model)
    return Trained(run, settings, vocabulary, Manifest.load(path), model.to(device).eval())


def untrained(path: Path, device: torch.device, settings: Settings | None = None) -> Trained:
    """The model of a run before its training, weights drawn anew; the run may have none yet.

    Args:
        settings: others than the run's own.

    Raises:
        RunError: the folder is no run, or a file in it is missing, damaged or of another version.
    """
    run = Run(path)
    settings = settings or read_config(run)
    vocabulary = Vocabulary.load(path)
    torch.manual_seed(settings.train.seed)
    model = new_model(settings, vocabulary)
    return Trained(run, settings, vocabulary, Manifest.load(path), model.to(device).eval())


def restore(model: Decoder, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put tensors read from `path` into a model, refusing any that do not fit it.

    A model without weights of its own, on the meta device, takes the tensors as they are.
    """
    wanted = weights_of(model)
    odd = sorted(set(wanted) ^ set(tensors))
    odd += [n for n in wanted if n in tensors and wanted[n].shape != tensors[n].shape]
    if odd:
        raise RunError(
            f"{path}: its weights do not fit config.toml ({odd[0]}; {len(odd)} in all)",
            "one of the two files is from another run, or another version of nmt wrote them",
        )
    of = {id(parameter): tensors[name] for name, parameter in wanted.items()}
    every = {name: of[id(p)] for name, p in model.named_parameters(remove_duplicate=False)}
    model.load_state_dict(every, assign=any(p.is_meta for p in wanted.values()))
    model.tie()


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """A model's parameters by name, tied ones once."""
    return dict(model.named_parameters())


def preparation_files(folder: Path) -> list[Path]:
    """What a model needs of the preparation it was trained on."""
    return [folder / MANIFEST, *folder.glob("subwords*.model"), *folder.glob("seen-*.arrow")]


# --- config -------------------------------------------------------------------------------------


def write_config(run: Run, settings: Settings) -> None:
    table = {"nmt": {"version": __version__, "format": FORMAT}, **dataclasses.asdict(settings)}
    write_text(run.config, tomli_w.dumps(table))


def read_config(run: Run) -> Settings:
    """Raises RunError when the folder is no run, or its config cannot be used."""
    if not run.path.is_dir():
        raise RunError(f"{run.path}: there is no such run", "nmt train --out RUN makes one")
    try:
        table = tomllib.loads(run.config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(
            f"{run.path}: not a run (no config.toml)", "nmt train --out makes one"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RunError(f"{run.config}: cannot be read: {error}") from None
    made = table.pop("nmt", {})
    made = made if isinstance(made, dict) else {}
    if made.get("format") != FORMAT:
        raise RunError(
            f"{run.config}: written by nmt {made.get('version', '?')} in format "
            f"{made.get('format', '?')}; this is nmt {__version__}, which reads format {FORMAT}",
            "install the version that made it, or train again",
        )
    try:
        return settings_from(
            *(
                {f"{section}.{key}": v for key, v in values.items()}
                for section, values in table.items()
            )
        )
    except AttributeError:
        raise RunError(f"{run.config}: a value stands outside a section") from None
    except SettingsError as error:
        writer = made.get("version", "?")
        if writer != __version__:
            raise RunError(
                f"{run.config}: {error.message}; nmt {writer} wrote it, and this is {__version__}",
                "install the version that made it, or train again",
            ) from None
        raise RunError(f"{run.config}: {error.message}", error.advice) from None


# --- tensors ------------------------------------------------------------------------------------


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors, and `about` as JSON in the file's header, at once."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = json.dumps({**about, "crc32": _checksum(contiguous)})
    with replacing(path) as beside:
        try:
            save_file(contiguous, beside, metadata={"nmt": header})
        except SafetensorError as error:  # it wraps what the system said
            raise cannot_write(path, OSError(str(error))) from None


def read_tensors(path: Path, verify: bool = False) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file and what was written about them.

    Args:
        verify: compare the checksum too, which finds what a crash of the machine left of a file.

    Raises:
        RunError: the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("nmt", "{}"))
            checksum = about.pop("crc32", None)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if verify and checksum not in (None, _checksum(tensors)):
            raise ValueError("its checksum is wrong")
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read: {error}",
            "the file is damaged or cut off; copy it again, or train again with --fresh",
        ) from None
    return tensors, about


@dataclass(frozen=True)
class Header:
    """What can be known of a file of weights without reading them."""

    parameters: int
    about: dict[str, Any]  # what was written about them
    checksum: str  # which weights they are; "" in a file of a stranger's


def read_header(path: Path) -> Header:
    """Raises RunError when the file is missing or damaged."""
    try:
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {}).get("nmt", "{}"))
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read: {error}", "the file is damaged or cut off"
        ) from None
    return Header(sum(map(math.prod, shapes)), about, about.pop("crc32", ""))


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """Of names and bytes, in the order of names."""
    checksum = 0
    for name in sorted(tensors):
        checksum = zlib.crc32(name.encode(), checksum)
        content = tensors[name].reshape(-1).view(torch.uint8).numpy().data
        checksum = zlib.crc32(content, checksum)
    return f"{checksum:08x}"


# --- averaging ----------------------------------------------------------------------------------


def average(places: Sequence[Path], out: Path, last: int) -> list[Path]:
    """Make a run whose weights are the mean of others' (Junczys-Dowmunt et al. 2016, §5.1).

    Args:
        places: runs, of which the last weights are taken, and files of weights within runs.
        out: the folder of the new run, which can translate but not train on.
        last: how many of a run's weights are taken, the newest.

    Returns:
        The files that were averaged.

    Raises:
        RunError: a file is missing, or the models differ in shape or vocabulary.
    """
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise RunError(f"{out}: is there already", "use another --out")
    files = [file for place in places for file in _weights_at(place, last)]
    runs = {file: _run_of(file) for file in files}
    first = runs[files[0]]
    for run in runs.values():
        _refuse_unlike(first, run)
    model = new_model(read_config(first), Vocabulary.load(first.path))
    total = {
        name: torch.zeros_like(w, dtype=torch.float64) for name, w in weights_of(model).items()
    }
    for file in files:
        tensors, _ = read_tensors(file, verify=True)
        restore(model, tensors, file)
        for name, weight in weights_of(model).items():
            total[name] = total[name] + weight.detach()
    about = {"averaged": [f"{runs[file].path.name}/{file.name}" for file in files]}
    with replacing_folder(out) as beside:
        for source in (first.config, *preparation_files(first.path)):
            shutil.copyfile(source, beside / source.name)
        weights = {name: (sums / len(files)).float() for name, sums in total.items()}
        write_tensors(Run(beside).model, weights, about)
    return files


def _weights_at(place: Path, last: int) -> list[Path]:
    if place.is_file():
        return [place]
    files = Run(place).snapshots()[:last]
    if not files:
        raise RunError(
            f"{place}: there are no weights to average in it",
            "a training keeps the last ones (train.keep_last) in RUN/weights; or name files",
        )
    return files


def _run_of(file: Path) -> Run:
    """The run a file of weights lies in."""
    for folder in file.resolve().parents[:2]:
        if (folder / "config.toml").is_file():
            return Run(folder)
    raise RunError(f"{file}: belongs to no run (no config.toml beside or above it)")


def _refuse_unlike(one: Run, other: Run) -> None:
    """Weights can be averaged only between models that differ in nothing else."""
    mine, theirs = (dataclasses.asdict(read_config(run).model) for run in (one, other))
    keys = [key for key in mine if mine[key] != theirs[key] and "dropout" not in key]
    if keys:
        raise RunError(
            f"{one.path} and {other.path} differ in model.{keys[0]}: "
            f"{mine[keys[0]]} and {theirs[keys[0]]}",
            "only models of one shape can be averaged",
        )
    if Vocabulary.load(one.path).files() != Vocabulary.load(other.path).files():
        raise RunError(
            f"{one.path} and {other.path} have different subwords",
            "only models that were trained on one preparation can be averaged",
        )
