"""stdin to stdout: one line out for one line in, as soon as it is there."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from conftest import other
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.formats import Layout
from nmt.stream import _raw_lines, translate_stream
from nmt.translate import Candidate, Translation, Translator


def stream(translator: Translator, source: bytes, form: str = "text", best: int = 1) -> bytes:
    sink = io.BytesIO()
    translate_stream(translator, io.BytesIO(source), sink, Layout(form, best), lambda _: None)  # type: ignore[arg-type]
    return sink.getvalue()


NASTY = st.text(
    st.one_of(
        st.characters(exclude_characters="\n"),
        st.sampled_from("\0\r\t\v\f\x1b\x85\u2028\u2029\u200f\u202e\u2066\ufeff\ufffd▁ab "),
    ),
    max_size=30,
).map(lambda text: text.encode("utf-8", "surrogatepass"))  # a lone surrogate is no UTF-8


BYTES = st.binary(max_size=30).map(lambda data: data.replace(b"\n", b""))


@pytest.mark.parametrize(("form", "best"), [("text", 1), ("text", 3), ("tsv", 2), ("jsonl", 3)])
@settings(max_examples=25, deadline=None)
@given(lines=st.lists(st.one_of(NASTY, BYTES), max_size=6), ended=st.booleans())
def test_lines_out_are_lines_in_for_any_bytes(
    translator: Translator, form: str, best: int, lines: list[bytes], ended: bool
) -> None:
    data = b"\n".join(lines) + (b"\n" if ended else b"")
    out, each = stream(translator, data, form, best), 1 if form == "jsonl" else best
    unended = bool(data) and not data.endswith(b"\n")
    assert out.count(b"\n") == data.count(b"\n") * each + unended * (each - 1)
    assert out.decode("utf-8").endswith("\n") == data.endswith(b"\n") or unended


@pytest.mark.parametrize(
    "line", ["ba ce " * 17_000, "x" * 100_000, "\0" * 100_000, "\u202eba" * 34_000, "漢字" * 50_000]
)
def test_a_line_of_100_000_characters_is_one_line(translator: Translator, line: str) -> None:
    short = other(translator, beam=1, max_length=2)  # the pieces are many enough
    short.planner.longest = 128
    assert stream(short, f"ba\n{line}\nce\n{line}".encode()).count(b"\n") == 3


def test_megabytes_without_a_newline_come_in_whole() -> None:
    """In so many parts that whoever looked at all of them for each would not come to an end."""
    chunks = iter([b"ab cd \xc3\xa4"[: 1 + n % 8] for n in range(300_000)] + [b"\n", b"z"])
    found = list(_raw_lines(SimpleNamespace(read=lambda _: next(chunks, b""))))
    assert [(len(line), ended) for line, ended in found] == [(1_350_000, True), (1, False)]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40))
def test_copying_unknown_words_keeps_the_lines(translator: Translator, text: str) -> None:
    copying = other(translator, attention=True, unknown=True)
    data = text.encode("utf-8", "surrogatepass")
    assert stream(copying, data).count(b"\n") == data.count(b"\n")


def test_a_missing_final_newline_stays_missing(translator: Translator) -> None:
    assert not stream(translator, b"ba\nce").endswith(b"\n")
    assert stream(translator, b"ba\nce\n").endswith(b"\n")
    assert stream(translator, b"") == b""


def test_carriage_returns_belong_to_the_newline(translator: Translator) -> None:
    assert stream(translator, b"ba ce\r\ndi\r\n") == stream(translator, b"ba ce\ndi\n")


def test_bad_bytes_are_replaced_with_one_warning(translator: Translator) -> None:
    warnings: list[str] = []
    sink = io.BytesIO()
    translate_stream(translator, io.BytesIO(b"ba\n\xff\n\xfe\n"), sink, Layout(), warnings.append)
    assert sink.getvalue().count(b"\n") == 3
    assert len(warnings) == 1
    assert "line 2" in warnings[0]


def test_n_best_has_n_lines_a_line(translator: Translator) -> None:
    assert stream(translator, b"ba ce\n\ndi\n", best=3).count(b"\n") == 9
    assert stream(translator, b"ba ce\n\ndi\n", "tsv", best=2).count(b"\t") == 6
    assert stream(translator, b"ba ce\n\ndi\n", "jsonl", best=3).count(b"\n") == 3


def test_alignments_are_written_as_pharaoh_did(translator: Translator) -> None:
    aligned = other(translator, attention=True)
    sink = io.BytesIO()
    layout = Layout("tsv", 2, "words")
    translate_stream(aligned, io.BytesIO(b"ba ce di\n\n"), sink, layout, lambda _: None)
    rows = [line.split("\t") for line in sink.getvalue().decode().splitlines()]
    assert [len(row) for row in rows] == [3] * 4
    assert all(re.fullmatch(r"(\d+-\d+( \d+-\d+)*)?", row[2]) for row in rows)
    assert rows[0][2] and not rows[2][2]


def test_a_slow_producer_is_answered_at_once(translator: Translator) -> None:
    """What comes next is sent only after the answers to all lines before have been seen."""
    sent = [b"ba ce\n", b"di\n" * 70, b"fo\n", b"gu\nha", b" je\n\nki\n", b"lo\n" * 9, b"mu"]
    sink = Watched()

    class Source:
        lines, parts = 0, iter(sent)

        def read(self, size: int) -> bytes:
            assert sink.has(self.lines), "a line was held back"
            part = next(self.parts, b"")
            self.lines += part.count(b"\n")
            return part

    translate_stream(translator, Source(), sink, Layout(), lambda _: None)
    assert sink.getvalue().count(b"\n") == b"".join(sent).count(b"\n")


class Watched(io.BytesIO):
    """A sink on which another thread can wait for so many lines."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.flushed = 0, threading.Condition()

    def flush(self) -> None:
        with self.flushed:
            self.seen = self.getvalue().count(b"\n")
            self.flushed.notify_all()

    def has(self, lines: int) -> bool:
        with self.flushed:
            return self.flushed.wait_for(lambda: self.seen >= lines, timeout=60)


class Echo:
    """A translator that says what it hears."""

    def __init__(self, kept: int = 1) -> None:
        self.kept, self.most = kept, 0  # characters heard at once

    def translate(self, lines: list[str], _: list[str]) -> list[Translation]:
        self.most = max(self.most, sum(map(len, lines)))
        return [Translation(line, (Candidate(line, 0.0, 0.0),)) for line in lines]


def test_an_endless_input_is_neither_held_nor_read_on_when_nobody_listens() -> None:
    class Source:
        read_lines, ended = 0, threading.Event()

        def read(self, size: int) -> bytes:
            self.read_lines += 1_000
            return b"ba\n" * 1_000

    class Sink(io.BytesIO):
        def flush(self) -> None:
            raise BrokenPipeError

    source, before = Source(), set(threading.enumerate())
    with pytest.raises(BrokenPipeError):
        translate_stream(Echo(), source, Sink(), Layout(), lambda _: None)  # type: ignore[arg-type]
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert source.read_lines < 10_000


def test_the_more_is_kept_of_a_line_the_fewer_are_translated_together() -> None:
    """What is kept of all of them must fit into memory."""
    for kept in (1, 500):
        echo, data = Echo(kept), b"ba ce di fo\n" * 5_000
        translate_stream(echo, io.BytesIO(data), io.BytesIO(), Layout(), lambda _: None)  # type: ignore[arg-type]
        assert 11 <= echo.most * kept < 1_000_000 + 11 * kept


def test_what_came_before_an_error_is_answered() -> None:
    parts: Iterator[bytes] = iter([b"ba\nce\n"])

    def read(_: int) -> bytes:
        for part in parts:
            return part
        raise OSError("the disk is gone")

    sink = io.BytesIO()
    with pytest.raises(OSError, match="the disk is gone"):
        translate_stream(Echo(), SimpleNamespace(read=read), sink, Layout(), lambda _: None)  # type: ignore[arg-type]
    assert sink.getvalue() == b"ba\nce\n"
