"""How a command becomes a process: its streams, signals and exit codes. The one place that catches.

0  done, or nobody reads what we write       1  an error of the user's, told in a line or two
2  wrong usage       128 + N  stopped by signal N
"""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from nmt.console import console
from nmt.errors import NmtError, ToldElsewhere

if TYPE_CHECKING:
    from nmt.training import Training
    from nmt.warm import ModelCache

STARTED = time.monotonic()
"""When this process began to be ours: the time to the first update counts from here."""


@dataclass(frozen=True)
class Command:
    """A command as it was typed, and what a warm process has read for those before it."""

    words: Sequence[str]
    models: ModelCache | None  # None in a process that only runs this one


class _Terminated(BaseException):
    """SIGTERM."""


class _Closed(io.RawIOBase):
    """Stands for a stdout that was closed before we began: the first write is an error."""

    told = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self.told:
            self.told = True
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return len(data)


def begin() -> None:
    """Make the standard streams what every command expects: there, and in UTF-8."""
    sys.stdout = sys.stdout or io.TextIOWrapper(io.BufferedWriter(_Closed()))
    sys.stderr = sys.stderr or io.TextIOWrapper(io.BytesIO())
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace", newline="\n")


def run(app: typer.Typer, command: Command) -> int:
    """Run a command; every end of it becomes an exit code here."""
    console.begin()

    def terminate(*_: Any) -> None:
        raise _Terminated

    try:
        signal.signal(signal.SIGTERM, terminate)
        result = app(list(command.words), standalone_mode=False, obj=command)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except NmtError as error:
        if console.debug:
            raise
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if not isinstance(error, ToldElsewhere):
            console.error(error.message, error.advice)
        return 1
    except (BrokenPipeError, SystemExit):  # the latter is the option parser's for the former
        _forget_stdout()
        return 0
    except OSError as error:
        if console.debug:
            raise
        _forget_stdout()
        console.error(f"cannot read or write: {error.filename or 'stdout'}: {error.strerror}")
        return 1
    except _Terminated:
        return 143
    except KeyboardInterrupt:
        return 130
    except typer.Abort:
        return 130
    except Exception as error:
        return _usage(error)


def _usage(error: Exception) -> int:
    """Wrong usage, as the option parser found it; anything else is a fault of ours."""
    show: Callable[[], None] | None = getattr(error, "show", None)
    if show is None:
        raise error
    if _tells():
        show()
    return int(getattr(error, "exit_code", 2))


@contextmanager
def alike() -> Iterator[None]:
    """What all processes that torchrun started do alike: an error of all is told by one."""
    try:
        yield
    except NmtError as error:
        if _tells():
            raise
        raise ToldElsewhere(error.message, error.advice) from error


def _tells() -> bool:
    """Whether this is the first, or the only, process of a training on this machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _forget_stdout() -> None:
    """Nobody can read our output any more: what is still buffered goes nowhere, silently."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


@contextmanager
def importing() -> Iterator[None]:
    """Importing torch, and reading a model, makes a million objects that stay: to look for garbage
    among them, meanwhile and once more at the end of the process, takes a third as long again."""
    first = "torch" not in sys.modules
    gc.disable()
    try:
        yield
    finally:
        if first:
            gc.freeze()
        gc.enable()


@contextmanager
def stopping(training: Training) -> Iterator[list[int]]:
    """On SIGINT or SIGTERM finish the update and save; a second one stops at once.

    Under torchrun what follows within a second is the same request: it passes on a Ctrl-C that its
    processes have already had from the terminal.

    Yields the list that will hold the signal's number.
    """
    received: list[int] = []
    first = 0.0

    def request(number: int, _: Any) -> None:
        nonlocal first
        if not received:
            received.append(number)
            first = time.monotonic()
            training.stop_requested = True
            console.say("stopping after this step ...")
        elif "TORCHELASTIC_RUN_ID" not in os.environ or time.monotonic() - first > 1:
            raise KeyboardInterrupt if number == signal.SIGINT else _Terminated

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    yield received
    # After an error they stay: a request to stop must not come between it and its message.
    for number, handler in before.items():
        signal.signal(number, handler)
