"""Files and folders that appear whole or not at all.

Everything is written beside its place under a temporary name, flushed to the disk, then renamed.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import json
import math
import os
import shutil
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

from nmt.errors import NmtError

PART = ".part"
"""How the temporary names end; they begin with a dot."""


class Readable(Protocol):
    """An unbuffered source: `read` returns what is there, b"" only at the end."""

    def read(self, size: int, /) -> bytes | None: ...


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
        flush(beside)
        os.replace(beside, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink()


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: `path` and all in it are replaced by what the block wrote.

    What a process that was killed had left beside it is swept away first.
    """
    path = path.resolve()
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 8}{PART}"):
        shutil.rmtree(leftover, ignore_errors=True)
    beside, before = _beside(path), _beside(path)
    try:
        beside.mkdir(parents=True)
        yield beside
        for file in beside.iterdir():
            flush(file)
        _flush_folder(beside)
        if path.exists():
            os.replace(path, before)  # at once: half a folder must never look like a whole one
        os.replace(beside, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if before.exists() and not path.exists():
            os.replace(before, path)
        for leftover in (beside, before):
            shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock `path` within the block; the system lets it go when the process dies.

    Args:
        what: the thing that is locked, for the message.

    Raises:
        NmtError: another process holds it; it is named, with its host.
    """
    owner = path.with_suffix(".owner.json")
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=0)
        lock.acquire()
    except Timeout:
        raise NmtError(
            f"{what}: {_describe(owner)} is writing there", "wait for it, or use another --out"
        ) from None
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        about = {"process": os.getpid(), "host": socket.gethostname(), "since": now}
        write_text(owner, json.dumps(about) + "\n")
        yield
    finally:
        for file in (owner, path):
            with contextlib.suppress(OSError):
                file.unlink()
        lock.release()
        for folder in made:  # they go again if nothing was put there
            with contextlib.suppress(OSError):
                folder.rmdir()


def _describe(owner: Path) -> str:
    """Who holds a lock, as far as it can be read."""
    try:
        about = json.loads(owner.read_text(encoding="utf-8"))
        return f"process {about['process']} on {about['host']}, since {about['since']},"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def write_text(path: Path, text: str) -> None:
    """Replace a file's content at once."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def refuse_unwritable(file: Path) -> None:
    """Raises NmtError if a file cannot be written: before the work whose result is to go there."""
    if file.is_dir():
        raise cannot_write(file, IsADirectoryError(errno.EISDIR, "it is a folder"))
    if file.exists() and not file.is_file():
        return  # a pipe or a device
    there = next(folder for folder in file.resolve().parents if os.path.exists(folder))
    if not there.is_dir():
        raise cannot_write(file, NotADirectoryError(errno.ENOTDIR, f"{there} is a file"))
    if not os.access(there, os.W_OK | os.X_OK):
        raise cannot_write(file, PermissionError(errno.EACCES, f"no permission in {there}"))


def cannot_write(path: Path, error: OSError) -> NmtError:
    """The error of a write that failed, as a user reads it."""
    reason = error.strerror or str(error)
    return NmtError(
        f"{path}: cannot be written: {reason}",
        "free some room there, make it writable, or name another place",
    )


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


def flush(path: Path) -> None:
    """A file's content to the disk, and readable by whom the user's umask allows."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)


def _flush_folder(path: Path) -> None:
    """The new name of a file to the disk, where the system has a way to do so."""
    if os.name == "posix":
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
