"""One function over a long stream of items, on several cores, the results in order.

Python runs one thread at a time, so the work is done in processes of their own. No more items are
under way than there are processes, so that memory stays flat. This room knows nothing of what is
worked on; whatever goes to a process or comes from it is pickled.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import cycle
from multiprocessing import get_context
from typing import Any, TypeVar

from nmt.errors import NmtError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Result, None, None]:
    """`function` of each item; with one worker in this very process.

    Raises:
        NmtError: a worker died.
    """
    if workers == 1:
        yield from map(function, items)
        return
    try:
        with contextlib.ExitStack() as stack:
            team = cycle([stack.enter_context(_worker(function)) for _ in range(workers)])
            busy = deque[Any]()
            for item in items:
                if len(busy) == workers:
                    yield _result(busy.popleft())
                busy.append(next(team))
                busy[-1].send(item)
            while busy:
                yield _result(busy.popleft())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise NmtError(
            "a worker process has died; perhaps the memory was full",
            "use fewer of them: --threads 1",
        ) from None


@contextlib.contextmanager
def _worker(function: Callable[[Item], Result]) -> Iterator[Any]:
    """The line to a process that answers each item with its result."""
    context = get_context("spawn")  # a forked process would inherit threads that do not run in it
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(function, there), daemon=True)
    with _deaf_to_interrupts():  # Ctrl-C is for this process; the new one inherits its deafness
        process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.terminate()
        process.join()


def _work(function: Callable[[Item], Result], line: Any) -> None:
    """Answer until the other end is closed, or its process has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):
        while True:
            item = line.recv()
            try:
                answer: Any = function(item)
            except Exception as error:
                answer = error
            line.send(answer)


def _result(line: Any) -> Any:
    """A worker's answer; what it raised is raised here."""
    answer = line.recv()
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
