"""stdin to stdout, line by line, in order, promptly and without holding it all.

A file fills large batches; a slow producer is answered line by line. The number of lines that end
in a newline is the same on both sides, whatever the bytes.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from nmt.translate import Candidate, Translation, Translator

Format = Literal["text", "tsv", "jsonl"]

_CHUNK = 1 << 16  # bytes read at once, if they are there
_TOGETHER = 2_000  # lines translated at once
_CHARACTERS = 1_000_000  # ... or this many characters
_PATIENCE = 0.05  # seconds to wait for one more line
_LONGEST_WAIT = 0.3  # seconds that the first line of a batch may wait


class Readable(Protocol):
    """An unbuffered source: `read` returns what is there, b"" only at the end."""

    def read(self, size: int, /) -> bytes | None: ...


@dataclass(frozen=True)
class Line:
    """A line of input. The last one may lack its newline, and then so does its translation."""

    text: str
    ended: bool


def translate_stream(
    translator: Translator,
    source: Readable,
    sink: BinaryIO,
    form: Format,
    best: int,
    warn: Callable[[str], None],
) -> None:
    """Translate everything that `source` has to say.

    Args:
        best: candidates written for each line.
        warn: told once when bytes are not UTF-8.
    """
    write = {"text": _as_text, "tsv": _as_tsv, "jsonl": _as_json}[form]
    for lines in _prompt_batches(_lines(source, warn)):
        for line, translation in zip(
            lines, translator.translate([line.text for line in lines]), strict=True
        ):
            text = "\n".join(write(translation, best))
            sink.write(f"{text}\n".encode() if line.ended else text.encode())
        sink.flush()


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


def _prompt_batches(lines: Iterator[Line]) -> Iterator[list[Line]]:
    """Lists of lines: all that are there, up to a limit, without waiting for more."""
    waiting: queue.Queue[Line | BaseException | None] = queue.Queue(_TOGETHER)

    def read() -> None:
        try:
            for line in lines:
                waiting.put(line)
            waiting.put(None)
        except BaseException as error:  # handed to the thread that waits for the line
            waiting.put(error)

    threading.Thread(target=read, daemon=True, name="input").start()
    more = True
    while more:
        batch: list[Line] = []
        characters, deadline = 0, 0.0
        while len(batch) < _TOGETHER and characters < _CHARACTERS:
            left = deadline - time.monotonic()
            try:
                item = waiting.get(timeout=min(_PATIENCE, max(0.0, left)) if batch else None)
            except queue.Empty:
                break
            if item is None:
                more = False
                break
            if isinstance(item, BaseException):
                raise item
            if not batch:
                deadline = time.monotonic() + _LONGEST_WAIT
            batch.append(item)
            characters += len(item.text)
        if batch:
            yield batch


# --- formats ------------------------------------------------------------------------------------


def _padded(translation: Translation, best: int) -> Sequence[Candidate]:
    """Exactly `best` candidates, so that every line of input has as many lines of output."""
    candidates = translation.candidates[:best]
    return [*candidates, *[Candidate("", 0.0, 0.0)] * (best - len(candidates))]


def _as_text(translation: Translation, best: int) -> list[str]:
    return [candidate.text for candidate in _padded(translation, best)]


def _as_tsv(translation: Translation, best: int) -> list[str]:
    """Translation, score."""
    return [f"{c.text.replace(chr(9), ' ')}\t{c.score:.4f}" for c in _padded(translation, best)]


def _as_json(translation: Translation, best: int) -> list[str]:
    """One object for each line of input, its further candidates within."""
    candidates = [
        {"translation": c.text, "score": c.score, "log_probability": c.log_probability}
        for c in translation.candidates[:best]
    ]
    record: dict[str, object] = {"source": translation.source, **candidates[0]}
    if best > 1:
        record["candidates"] = candidates
    return [json.dumps(record, ensure_ascii=False)]
