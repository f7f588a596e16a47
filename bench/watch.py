"""Processes under measurement: started with so many threads, their memory looked at, all ended."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

NOTHING = Path(os.devnull)
LOOK_EVERY = 0.1  # seconds between two looks at the memory of a process that runs to its end
LAST_WORDS = 30  # lines of its log that are shown when it fails


class Watched:
    """A process and its children."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log
        self._tree = psutil.Process(process.pid)

    def ended(self) -> bool:
        return self.process.poll() is not None

    def resident(self) -> int:
        """Bytes of memory; of a child only the pages that it shares with no one."""
        total = 0
        try:
            processes = (self._tree, *self._tree.children(recursive=True))
        except psutil.NoSuchProcess:
            return 0
        for process in processes:
            try:
                memory = process.memory_info()
            except psutil.NoSuchProcess:
                continue
            shared = getattr(memory, "shared", 0) if process is not self._tree else 0
            total += memory.rss - shared
        return total

    def give_up(self, why: str) -> NoReturn:
        """Raises SystemExit: with what the process said last, and why it is no use."""
        said = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise SystemExit("\n".join([*said[-LAST_WORDS:], f"{why}: {self.process.args!r}"]))

    def kill(self) -> None:
        """End them all."""
        try:
            children = self._tree.children(recursive=True)
        except psutil.NoSuchProcess:
            return
        for process in (*children, self._tree):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()


@contextmanager
def running(
    command: Sequence[str],
    threads: int,
    log: Path,
    variables: Mapping[str, str],
    source: Path = NOTHING,
    sink: Path = NOTHING,
) -> Iterator[Watched]:
    """A process that is ended, with its children, when the block is left.

    Args:
        log: gets what the process says on stderr; its folder is the working directory.
        variables: of the environment, beside the present ones.
        source: what stands on stdin.
        sink: gets stdout.
    """
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    with log.open("wb") as said, source.open("rb") as stdin, sink.open("wb") as stdout:
        process = subprocess.Popen(
            command,
            stdin=stdin,
            stdout=stdout,
            stderr=said,
            env={**os.environ, **counts, **variables},
            cwd=log.parent,
        )
        watched = Watched(process, log)
        try:
            yield watched
        finally:
            watched.kill()


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    seconds: float  # wall clock, from its start to its end
    peak_bytes: int


def cost(
    command: Sequence[str],
    threads: int,
    log: Path,
    variables: Mapping[str, str],
    source: Path = NOTHING,
    sink: Path = NOTHING,
) -> Cost:
    """Run a command to its end; the arguments are those of `running`.

    Raises SystemExit when the command fails.
    """
    peak, ended = 0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not ended.wait(LOOK_EVERY):
            peak = max(peak, watched.resident())

    started = time.perf_counter()
    with running(command, threads, log, variables, source, sink) as watched:
        looking = threading.Thread(target=look)
        looking.start()
        status = watched.process.wait()
        seconds = time.perf_counter() - started
        ended.set()
        looking.join()
        if status:
            watched.give_up("failed")
    return Cost(seconds, peak)
