"""stdin to stdout, line by line, in order, promptly and without holding it all.

A file fills large batches; a slow producer is answered line by line. The number of lines that end
in a newline is the same on both sides, whatever the bytes.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from nmt.search import Hypothesis
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
    layout: Layout,
    warn: Callable[[str], None],
) -> None:
    """Translate everything that `source` has to say.

    Args:
        warn: told once when bytes are not UTF-8.
    """
    with contextlib.closing(_prompt_batches(_lines(source, warn))) as batches:
        for lines in batches:
            found = translator.translate([line.text for line in lines])
            for line, translation in zip(lines, found, strict=True):
                text = "\n".join(layout.lines(translation))
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


def _prompt_batches(lines: Iterator[Line]) -> Generator[list[Line], None, None]:
    """Lists of lines: all that are there, up to a limit, without waiting for more."""
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
        yield from _batches(waiting)
    finally:
        over.set()
        with contextlib.suppress(queue.Empty):  # room for the one line that may be held out
            while True:
                waiting.get_nowait()


def _batches(waiting: queue.Queue[Line | BaseException | None]) -> Iterator[list[Line]]:
    """What is waiting, together, until None or an error ends it."""
    end: Line | BaseException | None = Line("", ended=False)
    while isinstance(end, Line):
        batch: list[Line] = []
        characters, deadline = 0, 0.0
        while len(batch) < _TOGETHER and characters < _CHARACTERS:
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


# --- formats ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layout:
    """How translations are written."""

    form: Format = "text"
    best: int = 1  # candidates written for each line
    align: Literal["none", "words", "subwords"] = "none"  # with tsv and jsonl

    def lines(self, translation: Translation) -> list[str]:
        """What is written for one line of input."""
        if self.form == "jsonl":
            return [json.dumps(self._record(translation), ensure_ascii=False)]
        # Exactly `best` candidates, so that every line of input has as many lines of output.
        candidates = [*translation.candidates[: self.best]]
        candidates += [Candidate("", 0.0, 0.0)] * (self.best - len(candidates))
        if self.form == "text":
            return [candidate.text for candidate in candidates]
        return ["\t".join(self._fields(candidate)) for candidate in candidates]

    def _fields(self, candidate: Candidate) -> list[str]:
        """Translation, score, and the alignment if it is asked for."""
        fields = [candidate.text.replace("\t", " "), f"{candidate.score:.4f}"]
        return fields if self.align == "none" else [*fields, self._alignment(candidate)]

    def _record(self, translation: Translation) -> dict[str, object]:
        """One object for each line of input, its further candidates within."""
        candidates = [
            {
                "translation": candidate.text,
                "score": candidate.score,
                "log_probability": candidate.log_probability,
            }
            | ({} if self.align == "none" else {"alignment": self._alignment(candidate)})
            for candidate in translation.candidates[: self.best]
        ]
        record: dict[str, object] = {"source": translation.source, **candidates[0]}
        return record | ({"candidates": candidates} if self.best > 1 else {})

    def _alignment(self, candidate: Candidate) -> str:
        """As Pharaoh wrote it: `0-0 1-2`, source first."""
        links = candidate.words if self.align == "words" else candidate.subwords
        return " ".join(f"{source}-{target}" for source, target in links)


def scored_line(
    source: str, target: str, found: Hypothesis, pieces: Sequence[str] | None, form: Format
) -> str:
    """What is written for a pair that was scored.

    Args:
        pieces: the target's subwords, if the log-probability of each is wanted.
    """
    each = [] if pieces is None else list(zip([*pieces, "</s>"], found.tokens, strict=True))
    if form == "jsonl":
        record: dict[str, object] = {
            "source": source,
            "target": target,
            "score": found.score,
            "log_probability": found.log_probability,
        }
        return json.dumps(record | ({"tokens": each} if each else {}), ensure_ascii=False)
    fields = [f"{found.log_probability:.4f}"]
    fields += [f"{found.score:.4f}"] if form == "tsv" else []
    fields += [" ".join(f"{piece}:{chance:.4f}" for piece, chance in each)] if each else []
    return "\t".join(fields)
