"""What a prepared corpus holds and what it was made from: the JSON that lies beside it, and beside
every model that was trained on it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from nmt.choices import UNITS, Task
from nmt.errors import RunError

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Counts:
    """Where the pairs of one corpus went."""

    read: int
    kept: int
    left_out: dict[str, int] = field(default_factory=dict)  # pairs by reason


@dataclass(frozen=True)
class HashFile:
    """A file of hashes of the training text that lies beside the manifest (nmt.seen)."""

    rows: int
    sha256: str  # of the file


Inputs = dict[str, dict[str, str]]
"""Name and fingerprint of each corpus, by the part it plays."""


@dataclass(frozen=True)
class Manifest:
    """What a prepared folder holds and what it was made from."""

    format: int
    nmt: str
    languages: tuple[str, str] | None  # source and target; the source of mere text is ""
    inputs: Inputs  # the corpora by their part: "train", "valid"
    train: Counts
    valid: Counts
    held_out: bool  # whether the validation pairs were taken from the training corpus
    lengths: dict[str, dict[str, float]]  # of the training pairs in subwords: mean, longest
    vocabulary: dict[str, int]  # subwords a side
    settings: dict[str, Any]  # the data settings
    seen: dict[str, HashFile] = field(default_factory=dict)  # by name; none of an earlier version

    @property
    def task(self) -> Task:
        """What it was prepared for; what old manifests do not say is translation."""
        task: Task = self.settings.get("task", "translation")
        return task

    @property
    def unit(self) -> str:
        """What each of its rows is, for people."""
        return UNITS[self.task]

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Raises RunError for a manifest that is missing, damaged or of another version."""
        try:
            values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(
                f"{folder}: not a prepared corpus, nor all of a run (no {MANIFEST})",
                "nmt prepare and nmt train write one",
            ) from None
        except (OSError, ValueError) as error:
            raise RunError(f"{folder / MANIFEST}: cannot be read: {error}") from None
        made = values if isinstance(values, dict) else {}
        if made.get("format") != FORMAT:
            raise RunError(
                f"{folder}: prepared by nmt {made.get('nmt')} in format {made.get('format')}, "
                f"and this nmt reads format {FORMAT}",
                "prepare it again",
            )
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise RunError(f"{folder / MANIFEST}: is damaged: {error}") from None
