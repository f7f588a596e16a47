"""Files and folders that appear whole or not at all.

Everything is written beside its place under a temporary name, flushed to the disk, then renamed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nmt.errors import NmtError

PART = ".part"
"""How the temporary names end; they begin with a dot."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it takes `path`'s place when the block succeeds.

    Raises:
        NmtError: the file cannot be written (no space, no permission, no folder).
    """
    path = path.resolve()  # a link stays, and what it points to is replaced
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path  # a pipe or a device
        return
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
    """The same for a folder: `path` and all in it are replaced by what the block wrote."""
    path = path.resolve()
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


def to_json(value: Any, indent: int | None = None) -> str:
    """JSON that every parser takes: what is not finite becomes null."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _flush(path: Path) -> None:
    """To the disk, and readable by whom the user's umask allows."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
