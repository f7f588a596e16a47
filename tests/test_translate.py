"""Lines in, lines out: in order, one for one, and independent of their neighbours."""

from __future__ import annotations

import io
import re
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import toy_pairs
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.checkpoint import load
from nmt.device import Device
from nmt.ensemble import Ensemble, Mean
from nmt.inference import Precision
from nmt.search import Sampling, SearchOptions
from nmt.stream import Layout, translate_stream
from nmt.translate import Translator, split_long


@pytest.fixture(scope="module")
def translator(run: Path, device: Device) -> Translator:
    trained = load(run, device.torch)
    return Translator(trained.model, trained.vocabulary, SearchOptions(beam=3), longest=20)


def stream(translator: Translator, source: bytes, form: str = "text", best: int = 1) -> bytes:
    sink = io.BytesIO()
    translate_stream(translator, io.BytesIO(source), sink, Layout(form, best), lambda _: None)  # type: ignore[arg-type]
    return sink.getvalue()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_neighbours_do_not_matter(run: Path, device: Device, precision: Precision) -> None:
    trained, options = load(run, device.torch), SearchOptions(beam=3)
    translator = Translator(trained.model, trained.vocabulary, options, 20, precision)
    lines = [source for source, _ in toy_pairs(120, 9)]
    together = translator.translate(lines)
    backwards = translator.translate(lines[::-1])[::-1]
    alone = [translator.translate([line])[0] for line in lines]
    assert together == backwards == alone  # scores too, to the last bit


def test_blank_lines_stay_blank(translator: Translator) -> None:
    found = [t.text for t in translator.translate(["", "ba ce", "  ", "\u2028", "\0", "di"])]
    assert [bool(text) for text in found] == [False, True, False, False, False, True]


def test_a_long_line_is_translated_in_pieces(translator: Translator) -> None:
    line = " ".join(source for source, _ in toy_pairs(60, 4))
    found = translator.translate([line, "ba"])
    assert len(found) == 2
    assert len(found[0].text.split()) > 20


def test_cuts_lose_nothing_and_prefer_words(translator: Translator) -> None:
    subwords = translator.vocabulary.source
    ids = subwords.encode([" ".join(source for source, _ in toy_pairs(60, 4))])[0]
    pieces = split_long(ids, 20, subwords)
    assert [i for piece in pieces for i in piece] == ids
    assert all(0 < len(piece) <= 20 for piece in pieces)
    assert all(subwords.starts_word(piece[0]) for piece in pieces)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=80))
def test_newlines_out_are_newlines_in_for_any_bytes(translator: Translator, data: bytes) -> None:
    assert stream(translator, data).count(b"\n") == data.count(b"\n")


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=40))
def test_newlines_out_are_newlines_in_for_any_text(translator: Translator, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    assert stream(translator, data).count(b"\n") == data.count(b"\n")


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


def test_a_slow_producer_is_answered_at_once(translator: Translator) -> None:
    """The second line is sent only after the answer to the first has been seen."""
    answered = threading.Event()

    class Sink(io.BytesIO):
        def flush(self) -> None:
            answered.set()

    class Source:
        sent = 0

        def read(self, size: int) -> bytes:
            self.sent += 1
            if self.sent == 2:
                assert answered.wait(timeout=60), "the first line was held back"
            return b"ba ce\n" if self.sent <= 2 else b""

    sink = Sink()
    translate_stream(translator, Source(), sink, Layout(), lambda _: None)
    assert sink.getvalue().count(b"\n") == 2


# --- sampling and alignments ----------------------------------------------------------------------


def other(translator: Translator, **changes: object) -> Translator:
    return translator.with_options(replace(translator.options, **changes))  # type: ignore[arg-type]


def test_draws_follow_from_seed_and_line_alone(translator: Translator) -> None:
    lines = [source for source, _ in toy_pairs(60, 5)]
    sampling = other(translator, sampling=Sampling(seed=3))
    together = sampling.translate(lines)
    assert together == [sampling.translate([line])[0] for line in lines]
    assert together != other(translator, sampling=Sampling(seed=4)).translate(lines)
    assert together != translator.translate(lines)


def test_alignments_link_every_subword_and_stay_within_the_words(translator: Translator) -> None:
    lines = [source for source, _ in toy_pairs(60, 5)]
    lines += [" ".join(source for source, _ in toy_pairs(60, 4)), ""]  # a long one, a blank one
    aligned = other(translator, attention=True).translate(lines)
    assert [t.text for t in aligned] == [t.text for t in translator.translate(lines)]
    for line, translation in zip(lines, aligned, strict=True):
        best = translation.candidates[0]
        assert [target for _, target in best.subwords] == list(range(len(best.subwords)))
        assert {target for _, target in best.words} >= set(range(len(best.text.split())))
        assert all(0 <= source < len(line.split()) for source, _ in best.words)
        assert list(best.words) == sorted(set(best.words))


def test_alignments_are_written_as_pharaoh_did(translator: Translator) -> None:
    aligned = other(translator, attention=True)
    sink = io.BytesIO()
    layout = Layout("tsv", 2, "words")
    translate_stream(aligned, io.BytesIO(b"ba ce di\n\n"), sink, layout, lambda _: None)
    rows = [line.split("\t") for line in sink.getvalue().decode().splitlines()]
    assert [len(row) for row in rows] == [3] * 4
    assert all(re.fullmatch(r"(\d+-\d+( \d+-\d+)*)?", row[2]) for row in rows)
    assert rows[0][2] and not rows[2][2]


# --- known translations, and several models -------------------------------------------------------


def test_forced_is_what_search_gave(translator: Translator) -> None:
    lines = [source for source, _ in toy_pairs(80, 6)]
    sources = translator.vocabulary.source.encode(lines)
    found = [best[0] for best in translator._search(sources)]
    forced = [
        translator._force([source], [list(h.ids)])[0]
        for source, h in zip(sources, found, strict=True)
    ]
    for mine, theirs in zip(found, forced, strict=True):
        assert mine.log_probability == pytest.approx(theirs.log_probability, abs=1e-4)
        assert mine.score == pytest.approx(theirs.score, abs=1e-4)


def test_every_pair_has_a_score_blank_ones_too(translator: Translator) -> None:
    found = translator.score(["ba ce", "", "ba " * 300], ["ba ce", "", "ba " * 300])
    assert [len(h.tokens) for h in found][:2] == [len(found[0].ids) + 1, 1]
    assert all(h.log_probability < 0 for h in found)


@pytest.mark.parametrize("mean", ["probabilities", "logits"])
def test_an_ensemble_of_one_model_twice_is_that_model(
    translator: Translator, run: Path, device: Device, mean: Mean
) -> None:
    lines = [source for source, _ in toy_pairs(40, 6)]
    model = load(run, device.torch).model
    twice = Ensemble([model, model], mean)
    both = Translator(twice, translator.vocabulary, translator.options, translator.longest)
    for one, two in zip(translator.translate(lines), both.translate(lines), strict=True):
        assert one.text == two.text
        mine, theirs = one.candidates[0], two.candidates[0]
        assert mine.log_probability == pytest.approx(theirs.log_probability, abs=1e-4)
    assert both.translate(lines) == [both.translate([line])[0] for line in lines]
