"""Files and folders that appear whole or not at all.

Everything is written beside its place under a temporary name, flushed to the disk, then renamed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nmt.errors import NmtError

PART = ".part"
"""How the temporary names end; they begin with a dot."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes `path`'s place when the block succeeds.

    Raises:
        NmtError: the file cannot be written (no space, no permission, no folder).
    """
    beside = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        _flush(beside)
        os.replace(beside, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: `path` is replaced by what the block wrote."""
    beside = _beside(path)
    try:
        beside.mkdir(parents=True)
        yield beside
        for file in beside.iterdir():
            _flush(file)
        if path.exists():
            shutil.rmtree(path)
        os.replace(beside, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Replace a file's content at once."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def cannot_write(path: Path, error: OSError) -> NmtError:
    """The error of a write that failed, as a user reads it."""
    reason = error.strerror or str(error)
    return NmtError(f"{path}: cannot be written: {reason}", "nothing was left half-written there")


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{PART}")


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
