"""stdin to stdout, line by line, in order, promptly and without holding it all.

A file fills large batches; a slow producer is answered line by line. The number of lines that end
in a newline is the same on both sides, whatever the bytes.
"""

from __future__ import annotations

import contextlib
import json
import math
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from nmt.alignment import coverage, subword_links, word_links
from nmt.corpus import Pair, read_lines
from nmt.errors import CorpusError
from nmt.search import Hypothesis
from nmt.suspect import reasons
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
    show: Callable[[int, Translation], None] | None = None,
    prefixed: bool = False,
) -> None:
    """Translate everything that `source` has to say.

    Args:
        warn: told once when bytes are not UTF-8, and what could not be done for which line.
        show: told the number of each line, from 1, and its translation.
        prefixed: whether lines have a second column, with what their translations begin with.
    """
    count = 0
    with contextlib.closing(_prompt_batches(_lines(source, warn))) as batches:
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
    flag_below: float | None = None  # a score; tsv gets a column of what is suspect

    def lines(self, translation: Translation) -> list[str]:
        """What is written for one line of input."""
        if self.form == "jsonl":
            return [json.dumps(self._record(translation), ensure_ascii=False)]
        # Exactly `best` candidates, so that every line of input has as many lines of output.
        candidates = [*translation.candidates[: self.best]]
        candidates += [Candidate("", -math.inf, -math.inf)] * (self.best - len(candidates))
        if self.form == "text":
            return [candidate.text for candidate in candidates]
        return ["\t".join(self._fields(translation.source, each)) for each in candidates]

    def _fields(self, source: str, candidate: Candidate) -> list[str]:
        """Translation, score, and what else is asked for."""
        fields = [candidate.text.replace("\t", " "), f"{candidate.score:.4f}"]
        if self.align != "none":
            fields.append(self._alignment(candidate))
        if self.flag_below is not None:
            fields.append(" ".join(self._suspect(source, candidate)))
        return fields

    def _record(self, translation: Translation) -> dict[str, object]:
        """One object for each line of input, its further candidates within."""
        candidates = [
            self._facts(translation.source, candidate)
            for candidate in translation.candidates[: self.best]
        ]
        record: dict[str, object] = {"source": translation.source, **candidates[0]}
        return record | ({"candidates": candidates} if self.best > 1 else {})

    def _facts(self, source: str, candidate: Candidate) -> dict[str, object]:
        facts: dict[str, object] = {
            "translation": candidate.text,
            "score": candidate.score,
            "log_probability": candidate.log_probability,
            "length_ratio": candidate.length_ratio,
            "coverage": coverage(candidate.attention) if candidate.attention else None,
            "suspect": self._suspect(source, candidate),
        }
        return facts | ({} if self.align == "none" else {"alignment": self._alignment(candidate)})

    def _suspect(self, source: str, candidate: Candidate) -> list[str]:
        """Why a person should look at it."""
        found = reasons(source, candidate.text)
        if candidate.truncated:
            found.append("truncated")
        if self.flag_below is not None and candidate.score < self.flag_below:
            found.append("score")
        return found

    def _alignment(self, candidate: Candidate) -> str:
        """As Pharaoh wrote it: `0-0 1-2`, source first."""
        links_of = word_links if self.align == "words" else subword_links
        links = links_of(candidate.attention)
        return " ".join(f"{source}-{target}" for source, target in links)


def candidates_of(file: Path, sources: Path | None) -> Iterator[Pair]:
    """What `nmt translate` wrote, read again: each line with each of its candidates, in order.

    Args:
        file: jsonl, or tsv or text with as many candidates for each line of `sources`.

    Raises:
        CorpusError: it cannot be read, or the two do not belong together.
    """
    if file.suffix == ".jsonl":
        if sources:
            raise CorpusError("holds its sources itself", f"leave {sources} out", path=file)
        for number, line in enumerate(read_lines(file), 1):
            yield from _candidates_in(line, file, number)
        return
    if sources is None:
        raise CorpusError(
            "does not hold its sources", "name the file of lines that were translated", path=file
        )
    lines, found = list(read_lines(sources)), list(read_lines(file))
    each = len(found) // len(lines) if lines else 0
    if len(lines) * each != len(found) or not each:
        raise CorpusError(
            f"has {len(found)} lines for the {len(lines)} of {sources}",
            "it must have the same number of candidates for each line",
            path=file,
        )
    for number, line in enumerate(found):
        yield Pair(lines[number // each], line.partition("\t")[0])


def _candidates_in(line: str, file: Path, number: int) -> Iterator[Pair]:
    try:
        record = json.loads(line)
        texts = [each["translation"] for each in record.get("candidates", [record])]
        pairs = [Pair(record["source"], text) for text in texts]
        if not all(isinstance(text, str) for pair in pairs for text in pair):
            raise TypeError
    except (ValueError, LookupError, TypeError, AttributeError):
        raise CorpusError(
            "is nothing that nmt translate --format jsonl wrote",
            "each line is an object with source, and translation or candidates",
            path=file,
            line=number,
        ) from None
    yield from pairs


def scored_line(
    source: str, target: str, found: Hypothesis, pieces: Sequence[str] | None, form: Format
) -> str:
    """What is written for a pair that was scored.

    Args:
        pieces: the target's subwords, if the log-probability of each is wanted.
    """
    each = (
        []
        if pieces is None
        else list(zip([*pieces, "</s>"], found.token_log_probabilities, strict=True))
    )
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
