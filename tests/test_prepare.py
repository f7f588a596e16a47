"""Preparation: nothing is shifted, nothing leaks, everything is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import toy_pairs, write_corpus

from nmt.clean import EMPTY, TOO_LONG, is_blank
from nmt.corpus import Pair, open_corpus
from nmt.errors import CorpusError, RunError
from nmt.prepare import MANIFEST, Manifest, Prepared
from nmt.recipe import prepare

SETTINGS = {"data.vocab_size": 40, "data.max_length": 30}


def rows(prepared: Prepared, split: str) -> list[Pair]:
    table = getattr(prepared, split)
    every = np.arange(len(table))
    return [
        Pair(*pair)
        for pair in zip(table.text("source", every), table.text("target", every), strict=True)
    ]


def test_tables_hold_text_and_its_ids(tmp_path: Path) -> None:
    corpus = open_corpus(write_corpus(tmp_path, "c", toy_pairs(200, 1)))
    prepare(corpus, None, tmp_path / "out", SETTINGS, 2)
    prepared = Prepared.open(tmp_path / "out")
    order = np.random.default_rng(0).permutation(len(prepared.train))
    for side in ("source", "target"):
        texts, ids = prepared.train.text(side, order), prepared.train.ids(side, order)
        assert [prepared.vocabulary.source.decode(i.tolist()) for i in ids] == texts


def test_every_pair_is_kept_or_counted(tmp_path: Path) -> None:
    pairs = [
        *toy_pairs(100, 1),
        ("", "x"),
        ("y", " \t"),
        ("\0\0", "z"),
        ("a " * 50, "b"),
        ("q", "c " * 50),
    ]
    valid = open_corpus(write_corpus(tmp_path, "v", toy_pairs(10, 2)))
    manifest, _ = prepare(
        open_corpus(write_corpus(tmp_path, "c", pairs)), valid, tmp_path / "out", SETTINGS, 2
    )
    assert manifest.train.left_out == {EMPTY: 3, TOO_LONG: 2}
    assert manifest.train.kept == 100
    assert manifest.train.read == len(pairs)
    assert [tuple(pair) for pair in rows(Prepared.open(tmp_path / "out"), "train")] == pairs[:100]


def test_held_out_pairs_never_stand_in_training(tmp_path: Path) -> None:
    pairs = toy_pairs(300, 1) * 3  # each pair three times
    corpus = open_corpus(write_corpus(tmp_path, "c", pairs))
    manifest, _ = prepare(corpus, None, tmp_path / "out", SETTINGS, 2)
    prepared = Prepared.open(tmp_path / "out")
    train, valid = rows(prepared, "train"), rows(prepared, "valid")
    assert manifest.held_out
    assert not set(train) & set(valid)
    assert sorted(train + valid) == sorted(pairs)
    assert 20 <= len(set(valid)) <= 60


def test_the_same_inputs_and_settings_are_prepared_once(tmp_path: Path) -> None:
    paths = write_corpus(tmp_path, "c", toy_pairs(100, 1))
    prepare(open_corpus(paths), None, tmp_path / "out", SETTINGS, 2)
    first = (tmp_path / "out" / MANIFEST).stat().st_mtime_ns
    prepare(open_corpus(paths), None, tmp_path / "out", SETTINGS, 2)
    assert (tmp_path / "out" / MANIFEST).stat().st_mtime_ns == first
    paths[0].write_text(paths[0].read_text().replace("ba", "so", 1))
    prepare(open_corpus(paths), None, tmp_path / "out", SETTINGS, 2)
    assert (tmp_path / "out" / MANIFEST).stat().st_mtime_ns > first


@pytest.mark.parametrize("pairs", [toy_pairs(3, 1), [("ba ce", "ba ce")] * 500])
def test_too_few_distinct_pairs_are_refused(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    corpus = open_corpus(write_corpus(tmp_path, "c", pairs))
    with pytest.raises(CorpusError, match="too few to learn from"):
        prepare(corpus, None, tmp_path / "out", SETTINGS, 2)
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    paths = write_corpus(tmp_path, "c", toy_pairs(100, 1))
    prepare(open_corpus(paths), None, tmp_path / "out", SETTINGS, 2)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with paths[1].open("a") as file:
        file.write("one line too many\n")
    with pytest.raises(CorpusError, match="101"):
        prepare(open_corpus(paths), None, tmp_path / "out", SETTINGS, 2)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_validation_in_the_other_order_is_refused(tmp_path: Path) -> None:
    corpus = open_corpus(write_corpus(tmp_path, "c", toy_pairs(100, 1)))
    source, target = write_corpus(tmp_path, "v", toy_pairs(20, 2))
    with pytest.raises(CorpusError, match="yy-xx"):
        prepare(corpus, open_corpus((target, source)), tmp_path / "out", SETTINGS, 2)


def test_a_damaged_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a prepared corpus"):
        Manifest.load(tmp_path)
    (tmp_path / MANIFEST).write_text('{"format": 99, "nmt": "9.9"}')
    with pytest.raises(RunError, match=r"9\.9"):
        Manifest.load(tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(
    ("line", "blank"),
    [
        ("", True),
        (" \t\u00a0\u2028", True),
        ("\0\0\0", True),
        ("\u200e", True),
        ("a", False),
        ("。", False),
    ],
)
def test_blank_lines(line: str, blank: bool) -> None:
    assert is_blank(line) is blank
