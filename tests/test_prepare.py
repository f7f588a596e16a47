"""Preparation: nothing is shifted, nothing leaks, everything is counted."""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from conftest import toy_pairs, write_corpus

from nmt import prepare as module
from nmt.clean import EMPTY, TOO_LONG, is_blank
from nmt.corpus import Pair, open_corpus
from nmt.errors import CorpusError, RunError
from nmt.files import PART
from nmt.manifest import MANIFEST, Manifest
from nmt.prepare import Prepared, Working, is_prepared
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


@pytest.mark.parametrize("own_valid", [False, True])
def test_workers_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_valid: bool
) -> None:
    monkeypatch.setattr(module, "_BLOCK", 64)
    monkeypatch.setattr(module, "_ALONE", 0)
    corpus = open_corpus(write_corpus(tmp_path, "c", [*toy_pairs(400, 1), ("", "x")]))
    valid = open_corpus(write_corpus(tmp_path, "v", toy_pairs(90, 2))) if own_valid else None
    for workers in (1, 2):
        prepare(corpus, valid, tmp_path / f"by {workers}", SETTINGS, workers)
    assert contents(tmp_path / "by 1") == contents(tmp_path / "by 2")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


DIES = """
import os, sys
from pathlib import Path
from nmt.config import settings_from
from nmt.corpus import open_corpus
from nmt.prepare import Preparation

source, target, folder, moment = sys.argv[1:]
renamed = 0

def at_stage(working):
    if working.stage == moment:
        os._exit(9)

def at_rename(event, arguments):
    global renamed
    renamed += event == "os.rename"
    if moment == f"rename {renamed}":
        os._exit(9)

sys.addaudithook(at_rename)
corpus = open_corpus([source, target])
preparation = Preparation(corpus, None, 1, {}, at_stage)
settings = settings_from({"data.vocab_size": 40})
preparation.write(Path(folder), preparation.survey(), settings, 1)
"""


@pytest.mark.parametrize("moment", ["encoding", "rename 1", "rename 2"])
def test_a_kill_leaves_nothing_half_done(tmp_path: Path, moment: str) -> None:
    before = open_corpus(write_corpus(tmp_path, "before", toy_pairs(100, 1)))
    paths = write_corpus(tmp_path, "c", toy_pairs(100, 2))
    folder = tmp_path / "out"
    prepare(before, None, folder, SETTINGS, 1)
    old = contents(folder)
    words = [*map(str, paths), str(folder), moment]
    assert subprocess.run([sys.executable, "-c", DIES, *words]).returncode == 9
    assert contents(folder) == old if is_prepared(folder) else not folder.exists()
    assert list(tmp_path.glob(f".*{PART}"))
    prepare(open_corpus(paths), None, folder, SETTINGS, 1)
    assert len(Prepared.open(folder).train) == Manifest.load(folder).train.kept
    assert contents(folder) != old
    assert not list(tmp_path.glob(f".*{PART}"))


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 64)
    corpus = open_corpus(write_corpus(tmp_path, "c", [*toy_pairs(200, 1), ("", "x")]))
    told: list[Working] = []
    prepare(corpus, None, tmp_path / "out", SETTINGS, 1, report=told.append)
    stages = [stage for stage, _ in groupby(told, lambda working: working.stage)]
    assert stages == ["reading", "learning subwords", "encoding"]
    for stage, pairs in (("reading", 200), ("encoding", 201)):
        events = [working for working in told if working.stage == stage]
        shares = [working.share or 0.0 for working in events]
        assert events[-1].pairs == pairs
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1.0, abs=0.01)


def test_the_sample_is_bounded_and_from_everywhere() -> None:
    sample = module._Sample(10_000, seed=1)
    for start in range(0, 10_000, 100):
        sample.add([Pair(f"{start + n:05}", "x" * 5) for n in range(100)])
    drawn = [int(pair.source) for pair in sample.pairs()]
    assert 400 <= len(drawn) <= 1_000
    assert drawn == sorted(set(drawn))
    assert np.histogram(drawn, bins=4, range=(0, 10_000))[0].min() > len(drawn) / 6


def test_held_out_are_the_lowest_of_all(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 1_000, 5_000).astype(np.uint64)
    lowest = module._Lowest(50)
    for part in np.split(values, 20):
        lowest.add(part)
    distinct = np.unique(values)
    assert len(lowest) == 50
    assert lowest.threshold(20) == distinct[20]
    assert lowest.threshold(50) == distinct[49] + 1


def test_a_table_gives_copies(tmp_path: Path) -> None:
    corpus = open_corpus(write_corpus(tmp_path, "c", toy_pairs(100, 1)))
    prepare(corpus, None, tmp_path / "out", SETTINGS, 1)
    table = Prepared.open(tmp_path / "out").train
    ids = table.ids("target", np.arange(len(table)))
    before = [each.tolist() for each in ids]
    path = tmp_path / "out" / "train.arrow"
    with path.open("rb+") as file:
        file.write(bytes(path.stat().st_size))
    assert [each.tolist() for each in ids] == before


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
