"""A process that stays behind `nmt translate --keep-warm TIME`, with torch and the model in memory,
and answers later calls that find it by themselves.

Nobody needs it: a call that finds none, or a busy one, does the work itself. The process runs the
command as it was typed, through the same code as ever; its caller opens the files, and bytes go
over a socket:

    caller → process   a request (JSON), then the bytes of the input
    process → caller   "ready", then the bytes of stdout and stderr, then the exit code

The socket lies in a folder that only its user can enter, under a name that stands for the runs and
for whatever else decides what is computed (`place_for`). Whether a run's files are still those that
were read is asked at each call (`ModelCache`); other files are read at each. Nothing that comes
over the socket is unpickled. Where there are no Unix sockets (on Windows) there is no warm process,
and every call is a cold one.

This room knows no torch and no models, so that a caller never waits for their import.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import queue
import select
import shutil
import signal
import socket
import stat
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nmt import __version__
from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.files import Readable

_REQUEST, _INPUT, _READY, _BUSY, _OUT, _ERR, _END = b"QIRBOEX"  # kinds of message
_HEAD = struct.Struct("!BI")  # a message's kind, and the bytes of it that follow
_CHUNK = 1 << 16  # bytes read at once, if they are there
_PATIENCE = 5.0  # seconds until a process that does not greet is taken for a stuck one
_BEGINNING = 20.0  # ... one that has only begun
_NO_DATA_YET = 0.05  # seconds until a source that does not block is asked again
# Beginnings of the environment variables that a process reads but once, when it starts.
_DECIDING = ("OMP_", "KMP_", "MKL_", "ONEDNN_", "ATEN_", "TORCH_", "PYTORCH_", "CUDA_", "PYTHON")
_SHOWING = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "LANG", "LC_ALL")  # those of the caller
_OURS = ("/dev/fd/", "/dev/std", "/proc/self/")  # pipes of a process, which another has not


# --- the caller's side --------------------------------------------------------------------------


class Call:
    """A call that a warm process has taken."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._failure: OSError | None = None  # what kept us from reading the input

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def finish(self, source: Readable, sink: BinaryIO, notes: Any) -> int:
        """Pass everything to and fro.

        Args:
            notes: text stream for what the process has to say beside its results.

        Returns:
            The command's exit code.

        Raises:
            NmtError: the process ended in the midst of it.
        """
        threading.Thread(target=self._pass_on, args=(source,), daemon=True, name="input").start()
        while True:
            try:
                kind, content = _receive(self._connection)
            except OSError:
                if self._failure:
                    raise self._failure from None
                raise NmtError(
                    "the warm process ended before its work was done", "run the command again"
                ) from None
            if kind == _OUT:
                sink.write(content)
                sink.flush()
            elif kind == _ERR:
                with contextlib.suppress(BrokenPipeError):
                    notes.write(content.decode())
                    notes.flush()
            elif kind == _END:
                return int(content)

    def _pass_on(self, source: Readable) -> None:
        try:
            while (chunk := source.read(_CHUNK)) != b"":
                if chunk is None:
                    time.sleep(_NO_DATA_YET)
                else:
                    _send(self._connection, _INPUT, chunk)
            _send(self._connection, _INPUT, b"")
        except ConnectionError:  # the process is gone, or we are done: the other thread knows
            pass
        except OSError as error:
            self._failure = error
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)


def call(
    place: Path | None, arguments: Sequence[str], keep: float | None, warn: Callable[[str], None]
) -> Call | None:
    """Have a warm process run a command, or None if that is not to be had.

    Args:
        place: where it would be found (`place_for`).
        arguments: the command as it was typed.
        keep: seconds that a process is to wait for another call; one is started if there is none.
            With 0 the one that is there ends after this call. None leaves all as it is.
        warn: told if no process could be started.
    """
    if any(ours in word for word in arguments for ours in _OURS):
        return None
    connection = _connect(place)
    if connection is None and keep:
        connection = _connect(place) if place and _start(place, keep) else None
        if connection is None:
            warn("no warm process can be kept here; this command does without")
    if connection is None:
        return None
    try:
        _send(connection, _REQUEST, json.dumps(_request(arguments, keep)).encode())
        greeting, _ = _receive(connection)
    except OSError:  # it is stuck or gone, or the folder we stand in is
        greeting = _BUSY
    if greeting != _READY:
        connection.close()
        return None
    connection.settimeout(None)
    return Call(connection)


def place_for(runs: Sequence[Path], device: str, threads: int | None) -> Path | None:
    """The socket of the process that would do the same as this one with these runs, or None if
    there can be none."""
    if not hasattr(socket, "AF_UNIX"):
        return None
    code = [file.stat().st_mtime_ns for file in Path(__file__).parent.glob("*.py")]
    torch = find_spec("torch")
    versions = [__version__, sys.version, sys.prefix, torch and torch.origin, max(code)]
    deciding = [(name, v) for name, v in os.environ.items() if name.startswith(_DECIDING)]
    about = [str(run.resolve()) for run in runs], device, threads
    key = json.dumps([about, versions, sorted(deciding)])
    given = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(given, "nmt") if given else Path(tempfile.gettempdir(), f"nmt-{os.getuid()}")
    return folder / hashlib.sha256(key.encode()).hexdigest()[:16]


def _is_private(folder: Path) -> bool:
    """Whether a folder is this user's alone: nobody else can have put a socket there."""
    try:
        about = folder.lstat()
    except OSError:
        return False
    mine = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
    return mine and not about.st_mode & 0o077


def _connect(place: Path | None) -> socket.socket | None:
    if place is None or not _is_private(place.parent):
        return None
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_PATIENCE)
    try:
        connection.connect(str(place))
    except OSError:  # nobody listens there, or not any more
        connection.close()
        return None
    return connection


def _request(arguments: Sequence[str], keep: float | None) -> dict[str, Any]:
    return {
        "arguments": list(arguments),
        "keep": keep,
        "folder": str(Path.cwd()),
        "shown": {name: os.environ[name] for name in _SHOWING if name in os.environ}
        | {"COLUMNS": str(shutil.get_terminal_size().columns)},
        "terminal": [sys.stdout.isatty(), sys.stderr.isatty()],
    }


def _start(place: Path, keep: float) -> bool:
    """Start a process of its own session, with none of our streams; returns when it listens."""
    import subprocess

    with contextlib.suppress(OSError):
        place.parent.mkdir(mode=0o700, exist_ok=True)
    if not _is_private(place.parent):
        return False
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "nmt", "keep-warm", str(place), str(keep)],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    assert process.stdout
    with process.stdout as said:
        in_time, _, _ = select.select([said], [], [], _BEGINNING)
        listens = bool(in_time and said.read(1))
    if not listens:
        process.kill()
    process.returncode = 0  # it outlives us: nobody is to wait for it
    return listens


# --- the process that stays ---------------------------------------------------------------------


class ModelCache:
    """What was read from folders, kept for as long as their files stay the same."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[object, Any]] = {}

    def __bool__(self) -> bool:
        """Whether anything is kept."""
        return bool(self._known)

    def recall(self, folder: Path, read: Callable[[], Any]) -> Any:
        """What `read` returns, or returned before when the folder held the same files."""
        folder = folder.resolve()
        now = _identity(folder)
        before, value = self._known.pop(folder, (None, None))
        if before != now:
            value = read()
        if _identity(folder) == now:
            self._known[folder] = now, value
        return value


def _identity(folder: Path) -> object:
    """Changes whenever a file directly in the folder is written or replaced, logs left aside."""
    found = []
    with contextlib.suppress(OSError):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.is_file() and not entry.name.endswith(".jsonl"):
                about = entry.stat()
                times = about.st_mtime_ns, about.st_ctime_ns
                found.append((entry.name, about.st_ino, about.st_size, times))
    return found


@dataclass(frozen=True)
class Visitor:
    """A caller who is served now."""

    connection: socket.socket
    request: dict[str, Any]


Run = Callable[[Sequence[str], ModelCache], int]
"""The command line: words, and the models read so far → exit code."""


def serve(place: Path, idle: float, run: Run) -> None:
    """Run the commands of callers, one at a time, until none has come for `idle` seconds.

    A signal ends it too, and a call that fails when no model could be read yet. stdout is told when
    it listens, and then let go.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with _listening(place) as listener:
        _let_stdout_go()
        door, models = _Door(listener, idle), ModelCache()
        while visitor := door.next():
            with visitor.connection:
                code = _attend(visitor, run, models)
                for number, handler in before.items():
                    signal.signal(number, handler)
                useless = code != 0 and not models  # a name was mistyped, say
                over = code > 128 or useless
                if not over:
                    door.open()  # before the caller knows: its next call must find us free
                with contextlib.suppress(OSError):
                    _send(visitor.connection, _END, str(code).encode())
                    visitor.connection.shutdown(socket.SHUT_RDWR)  # wakes who waits for its input
            if over:
                return


class _Door:
    """Lets one visitor in at a time and tells others that the process is busy."""

    def __init__(self, listener: socket.socket, idle: float) -> None:
        self._listener, self._idle = listener, idle
        self._inside = threading.Lock()
        self._visitors: queue.Queue[Visitor] = queue.Queue()
        threading.Thread(target=self._watch, daemon=True, name="door").start()

    def next(self) -> Visitor | None:
        """The next visitor; None if none has come in time."""
        try:
            return self._visitors.get(timeout=min(self._idle, threading.TIMEOUT_MAX))
        except queue.Empty:
            return None

    def open(self) -> None:
        """The visitor is as good as gone; another may come in."""
        self._inside.release()

    def _watch(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # too many files are open, say
                time.sleep(_NO_DATA_YET)
                continue
            try:
                connection.settimeout(_PATIENCE)
                _, content = _receive(connection)
                request = json.loads(content)
                if request["keep"] is not None:
                    self._idle = request["keep"]
                if self._inside.acquire(blocking=False):
                    self._visitors.put(Visitor(connection, request))
                else:
                    _send(connection, _BUSY)
                    connection.close()
            except (OSError, ValueError, KeyError, TypeError):  # who left again, or talks nonsense
                connection.close()


def _attend(visitor: Visitor, run: Run, models: ModelCache) -> int:
    """Run what a visitor asks for; whatever becomes of it, others can come."""
    connection, request = visitor.connection, visitor.request
    connection.settimeout(None)
    code = 1
    with contextlib.suppress(OSError):  # the visitor is gone
        try:
            os.chdir(request["folder"])  # for paths as the visitor wrote them
        except OSError:
            _send(connection, _BUSY)
            return 0
        _send(connection, _READY)
        with _in_place_of(connection, request):
            try:
                code = run(request["arguments"], models)
            except Exception:
                traceback.print_exc()
    return code


@contextmanager
def _in_place_of(connection: socket.socket, request: dict[str, Any]) -> Iterator[None]:
    """Have the visitor's streams, and what its environment says of looks; leave its folder at the
    end."""
    kept, one_at_a_time = (sys.stdin, sys.stdout, sys.stderr), threading.Lock()
    out, err = (
        io.BufferedWriter(_Output(connection, kind, terminal, one_at_a_time), _CHUNK)
        for kind, terminal in zip((_OUT, _ERR), request["terminal"], strict=True)
    )
    for name in _SHOWING:
        os.environ.pop(name, None)
    os.environ |= request["shown"]
    sys.stdin = io.TextIOWrapper(io.BufferedReader(_Input(connection)))
    sys.stdout = io.TextIOWrapper(out, encoding="utf-8", errors="replace", newline="\n")
    sys.stderr = io.TextIOWrapper(err, encoding="utf-8", errors="replace", newline="\n")
    try:
        yield
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept
        os.chdir(Path(__file__).parent)  # hold on to no folder of the visitor's


@contextmanager
def _listening(place: Path) -> Iterator[socket.socket]:
    """A socket that appears at its place when it can be used; the newest takes it."""
    beside = place.with_name(f".{place.name}.{os.getpid()}")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(beside))
        listener.listen()
        beside.rename(place)
        mine = place.stat().st_ino
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                if place.stat().st_ino == mine:
                    place.unlink()


def _let_stdout_go() -> None:
    """Tell who waits at the other end of it that we listen, and that nothing else will come."""
    os.write(1, b"\n")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


# --- bytes over a socket ------------------------------------------------------------------------


class _Input(io.RawIOBase):
    """A visitor's stdin."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return _receive(self._connection)[1]


class _Output(io.RawIOBase):
    """A visitor's stdout or stderr. Two threads may write to them: a message goes out whole."""

    def __init__(
        self, connection: socket.socket, kind: int, terminal: bool, one_at_a_time: threading.Lock
    ) -> None:
        self._connection, self._kind, self._terminal = connection, kind, terminal
        self._one_at_a_time = one_at_a_time

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._terminal

    def write(self, data: Any, /) -> int:
        content = bytes(data)
        with self._one_at_a_time:
            _send(self._connection, self._kind, content)
        return len(content)


def _send(connection: socket.socket, kind: int, content: bytes = b"") -> None:
    connection.sendall(_HEAD.pack(kind, len(content)) + content)


def _receive(connection: socket.socket) -> tuple[int, bytes]:
    """A message's kind and content. Raises BrokenPipeError when the other side is gone."""
    kind, size = _HEAD.unpack(_exactly(connection, _HEAD.size))
    return kind, _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connection.recv(size)
        if not part:
            raise BrokenPipeError("the other side is gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
