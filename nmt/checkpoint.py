"""A run's folder: what stands in it, and how it is written so that a kill never harms it.

    RUN/model.safetensors   the best weights
    RUN/config.toml         every setting, resolved
    RUN/subwords*.model     SentencePiece
    RUN/manifest.json       what it was trained on
    RUN/scores.json         the validation scores of the best weights
    RUN/log.jsonl           one JSON object per event
    RUN/state/              what resuming needs: the prepared corpus and the last checkpoint

Tensors are kept as safetensors, everything else as JSON or TOML: reading a run runs no code.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nmt import __version__
from nmt.config import Settings, settings_from
from nmt.errors import RunError, SettingsError
from nmt.files import PART, cannot_write, replacing, write_text
from nmt.model import Seq2Seq
from nmt.prepare import MANIFEST, Manifest
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
    def scores(self) -> Path:
        return self.path / "scores.json"

    @property
    def data(self) -> Path:
        return self.path / "state" / "data"

    @property
    def checkpoint(self) -> Path:
        return self.path / "state" / "last.safetensors"

    def sweep(self) -> None:
        """Remove what a process that was killed had begun to write under temporary names."""
        for folder in (self.path, self.path / "state"):
            for leftover in folder.glob(f".*{PART}"):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove what a training writes here, and nothing else; the prepared corpus stays."""
        ours = [self.config, self.checkpoint, self.model, self.log, self.scores]
        ours.append(self.path / MANIFEST)
        for file in (*ours, *self.path.glob("subwords*.model")):
            file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Trained:
    """A model that can translate, with all that belongs to it."""

    run: Run
    settings: Settings
    vocabulary: Vocabulary
    manifest: Manifest
    model: Seq2Seq


def load(path: Path, device: torch.device) -> Trained:
    """The best model of a run, ready to translate.

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
    model = Seq2Seq(settings.model, len(vocabulary.source), len(vocabulary.target))
    tensors, _ = read_tensors(run.model)
    restore(model, tensors, run.model)
    return Trained(run, settings, vocabulary, Manifest.load(path), model.to(device).eval())


def restore(model: Seq2Seq, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put tensors read from `path` into a model, refusing any that do not fit it."""
    wanted = weights_of(model)
    odd = sorted(set(wanted) ^ set(tensors))
    odd += [n for n in wanted if n in tensors and wanted[n].shape != tensors[n].shape]
    if odd:
        raise RunError(
            f"{path}: its weights do not fit config.toml ({odd[0]}; {len(odd)} in all)",
            "one of the two files is from another run",
        )
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(tensors[name])


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """A model's parameters by name, tied ones once."""
    return dict(model.named_parameters())


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
    except (SettingsError, AttributeError) as error:
        raise RunError(f"{run.config}: {error}") from None


# --- tensors ------------------------------------------------------------------------------------


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors, and `about` as JSON in the file's header, at once."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as beside:
        try:
            save_file(contiguous, beside, metadata={"nmt": json.dumps(about)})
        except SafetensorError as error:  # it wraps what the system said
            raise cannot_write(path, OSError(str(error))) from None


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file and what was written about them. Raises RunError for a damaged file."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("nmt", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read: {error}",
            "the file is damaged or cut off; copy it again, or train again with --fresh",
        ) from None
