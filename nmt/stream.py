"""stdin to stdout, line by line, in order, promptly and without holding it all.

A file fills large batches; a slow producer is answered line by line. The number of lines that end
in a newline is the same on both sides, whatever the bytes.

This room imports no torch: whoever has a warm process do the work opens the same files.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from nmt.errors import CorpusError

if TYPE_CHECKING:
    from nmt.corpus import Pair
    from nmt.files import Readable
    from nmt.formats import Layout, ScoreLayout
    from nmt.translate import Translation, Translator

_CHUNK = 1 << 16  # bytes read at once, if they are there
_TOGETHER = 2_000  # lines translated at once
_CHARACTERS = 1_000_000  # ... or this many characters, once for each hypothesis that is kept
_PATIENCE = 0.05  # seconds to wait for one more line
_LONGEST_WAIT = 0.3  # seconds that the first line of a batch may wait


@contextmanager
def reading(file: Path | None) -> Iterator[Readable]:
    """A file's bytes, unbuffered; stdin's for `-` or None.

    Raises:
        CorpusError: it cannot be read.
    """
    if file is None or str(file) == "-":
        if sys.stdin is None:
            raise CorpusError("stdin is closed", "give a FILE, or pipe the lines in")
        # Unbuffered: a thread that still waits in a buffered read would end the process badly.
        yield getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        return
    if file.is_dir():
        raise CorpusError("is a folder where a file should be", "name a file of lines", path=file)
    try:
        with file.open("rb", buffering=0) as source:
            yield source
    except (FileNotFoundError, PermissionError) as error:
        raise CorpusError(
            f"cannot be read: {error.strerror}", "name a file of lines, or - for stdin", path=file
        ) from None


@contextmanager
def writing(file: Path | None) -> Iterator[BinaryIO]:
    """stdout, or a file that appears when all of it is there."""
    if file is None:
        yield sys.stdout.buffer
        return
    from nmt.files import replacing

    with replacing(file) as beside, beside.open("wb") as sink:
        yield sink


@dataclass(frozen=True)
class Line:
    """A line of input. The last one may lack its newline, and then so does its translation."""

    text: str
    ended: bool


def translate_stream(
    translator: Translator,
    source: Readable,
    sink: BinaryIO,
    layout: Layout,
    warn: Callable[[str], None],
    show: Callable[[int, Translation], None] | None = None,
    prefixed: bool = False,
) -> None:
    """Translate everything that `source` has to say.

    Args:
        warn: told once when bytes are not UTF-8, and what could not be done for which line.
        show: told the number of each line, from 1, and its translation.
        prefixed: whether lines have a second column, with what their translations begin with.
    """
    count, limit = 0, _CHARACTERS // translator.kept
    with contextlib.closing(_prompt_batches(_lines(source, warn), limit)) as batches:
        for lines in batches:
            columns = [
                line.text.partition("\t") if prefixed else (line.text, "", "") for line in lines
            ]
            found = translator.translate(
                [each[0] for each in columns], [each[2] for each in columns]
            )
            for line, translation in zip(lines, found, strict=True):
                count += 1
                for unmet in translation.unmet:
                    warn(f"line {count}: {unmet}")
                if show:
                    show(count, translation)
                text = "\n".join(layout.lines(translation))
                sink.write(f"{text}\n".encode() if line.ended else text.encode())
            sink.flush()


def score_stream(
    translator: Translator, pairs: Iterator[Pair], sink: BinaryIO, layout: ScoreLayout
) -> None:
    """Score translations that are known already, a line for each."""
    while block := list(islice(pairs, _TOGETHER)):
        found = translator.score([pair.source for pair in block], [pair.target for pair in block])
        for pair, hypothesis in zip(block, found, strict=True):
            sink.write(f"{layout.line(pair, hypothesis, translator.vocabulary)}\n".encode())


def _lines(source: Readable, warn: Callable[[str], None]) -> Iterator[Line]:
    """Decoded lines; what is no UTF-8 becomes U+FFFD, with one warning."""
    warned = False
    for number, (raw, ended) in enumerate(_raw_lines(source), 1):
        content = raw.removesuffix(b"\r") if ended else raw
        text = content.decode("utf-8", errors="replace")
        if not warned and "\ufffd" in text and text.encode() != content:
            warned = True
            warn(f"line {number} is not UTF-8; such bytes are read as U+FFFD")
        yield Line(text, ended)


def _raw_lines(source: Readable) -> Iterator[tuple[bytes, bool]]:
    """(line without its newline, whether it had one), each as soon as it is whole."""
    begun: list[bytes] = []
    while (chunk := source.read(_CHUNK)) != b"":
        if chunk is None:  # a non-blocking source that has nothing yet
            time.sleep(_PATIENCE)
            continue
        first, *more = chunk.split(b"\n")
        begun.append(first)
        for following in more:
            yield b"".join(begun), True
            begun = [following]
    if any(begun):
        yield b"".join(begun), False


def _prompt_batches(lines: Iterator[Line], limit: int) -> Generator[list[Line], None, None]:
    """Lists of lines: all that are there, up to a limit of characters, without waiting for more."""
    waiting: queue.Queue[Line | BaseException | None] = queue.Queue(_TOGETHER)
    over = threading.Event()  # nobody takes lines any more

    def read() -> None:
        try:
            for line in lines:
                waiting.put(line)
                if over.is_set():
                    return
            waiting.put(None)
        except BaseException as error:  # handed to the thread that waits for the line
            waiting.put(error)

    threading.Thread(target=read, daemon=True, name="input").start()
    try:
        yield from _batches(waiting, limit)
    finally:
        over.set()
        with contextlib.suppress(queue.Empty):  # room for the one line that may be held out
            while True:
                waiting.get_nowait()


def _batches(waiting: queue.Queue[Line | BaseException | None], limit: int) -> Iterator[list[Line]]:
    """What is waiting, together, until None or an error ends it."""
    end: Line | BaseException | None = Line("", ended=False)
    while isinstance(end, Line):
        batch: list[Line] = []
        characters, deadline = 0, 0.0
        while len(batch) < _TOGETHER and characters < limit:
            left = deadline - time.monotonic()
            try:
                item = waiting.get(timeout=min(_PATIENCE, max(0.0, left)) if batch else None)
            except queue.Empty:
                break
            if not isinstance(item, Line):
                end = item
                break
            if not batch:
                deadline = time.monotonic() + _LONGEST_WAIT
            batch.append(item)
            characters += len(item.text)
        if batch:
            yield batch
    if end is not None:
        raise end
