"""What a training corpus leaves behind is found again, however it was written down."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from conftest import toy_pairs, write_corpus

from nmt.config import Settings
from nmt.corpus import open_corpus
from nmt.errors import RunError
from nmt.manifest import MANIFEST, Manifest
from nmt.prepare import Preparation, silent
from nmt.seen import FILES, SENTENCES, WORDS, Glimpse, Record, Seen, spoken


def record(folder: Path, pairs: list[tuple[str, str]], block: int = 7, most: int = 1_000) -> Seen:
    folder.mkdir(exist_ok=True)
    with Record(folder, most) as written:
        for start in range(0, len(pairs), block):
            sources, targets = zip(*pairs[start : start + block], strict=True)
            written.add(Glimpse.of(sources, targets))
    return Seen(folder)


PAIRS = [
    ("Ein Hund läuft.", "A dog runs."),
    ("我在Berlin吃饭。", "I eat in Berlin."),
    ("हिन्दी में", "in Hindi"),
    ("Ein Hund schläft.", "A dog sleeps."),
    ("Ja!", "Yes!"),
    ("Ja!", "Sure!"),
]


def test_sentences_are_found_side_by_side_and_as_pairs(tmp_path: Path) -> None:
    seen = record(tmp_path, PAIRS, block=2)
    found = seen.find(
        ["ein hund  läuft .", "Ja!", "Ja!", "Eine Katze.", "", "Ein Hund läuft"],
        ["A DOG runs.", "A dog sleeps.", "Sure!", "Yes!", "", "a cat"],
    )
    assert found.sources.tolist() == [True, True, True, False, False, False]
    assert found.targets.tolist() == [True, True, True, True, False, False]
    assert found.pairs.tolist() == [True, False, True, False, False, False]


def test_unicode_forms_of_a_sentence_are_one(tmp_path: Path) -> None:
    seen = record(tmp_path, [("Gro\u0308ße: ①", "ﬁne")])
    found = seen.find(["GRÖSSE: 1"], ["fine"])
    assert found.pairs.all()


def test_words_are_counted_as_a_naive_count_does(tmp_path: Path) -> None:
    seen = record(tmp_path, PAIRS, block=2)
    naive = Counter(word for source, _ in PAIRS for word in spoken(source))
    lines = [spoken("Ein Hund, 我 IN Berlin; Katze"), [], ["ja"]]
    assert seen.counts(lines) == [[naive[word] for word in line] for line in lines]
    assert naive["ein"] == 2 and naive["我"] == 1 and naive["हिन्दी"] == 1 and "." not in naive


def test_blocks_do_not_matter(tmp_path: Path) -> None:
    pairs = toy_pairs(200, 5)
    one, other = record(tmp_path / "one", pairs, 1_000), record(tmp_path / "other", pairs, 3)
    assert (one.folder / WORDS).read_bytes() == (other.folder / WORDS).read_bytes()


def test_in_steady_memory_the_rarest_words_are_forgotten(tmp_path: Path) -> None:
    words = [f"w{n}" for n in range(100) for _ in range(n + 1)]
    random.Random(1).shuffle(words)
    seen = record(tmp_path, [(word, "x") for word in words], most=10)
    (counts,) = seen.counts([[f"w{n}" for n in range(100)]])
    kept = {n: count for n, count in enumerate(counts) if count}
    assert 1 <= len(kept) <= 10
    assert all(kept[n] <= n + 1 for n in kept)


def test_a_preparation_keeps_what_is_trained_on_and_no_more(tmp_path: Path) -> None:
    pairs = toy_pairs(300, 6)
    corpus = open_corpus(write_corpus(tmp_path, "train", pairs))
    preparation = Preparation(corpus, None, 1, {}, silent)
    survey = preparation.survey()
    manifest = preparation.write(tmp_path / "out", survey, Settings(), 1)
    seen = Seen.of(tmp_path / "out")
    with pa.ipc.open_file(str(tmp_path / "out" / SENTENCES)) as file:
        assert file.read_all().num_rows == manifest.train.kept
    found = seen.find(*map(list, zip(*pairs, strict=True)))
    assert len(set(pairs)) > len(
        {pair for pair, hit in zip(pairs, found.pairs, strict=True) if hit}
    )
    assert found.pairs.sum() >= manifest.train.kept


def test_the_manifest_vouches_for_the_hashes(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy", ignore=shutil.ignore_patterns("state")))
    manifest = Manifest.load(copy)
    assert set(manifest.seen) == set(FILES)
    assert manifest.seen[SENTENCES].rows == manifest.train.kept
    for name in FILES:
        whole = (copy / name).read_bytes()
        assert hashlib.sha256(whole).hexdigest() == manifest.seen[name].sha256
        record(tmp_path / "other", PAIRS)
        (copy / name).write_bytes((tmp_path / "other" / name).read_bytes())
        with pytest.raises(RunError, match=f"{name}: is not the file"):
            Seen.of(copy)
        (copy / name).write_bytes(whole)
    assert Seen.of(copy)
    (copy / WORDS).unlink()
    with pytest.raises(RunError, match=f"{WORDS}: is not there"):
        Seen.of(copy)


def test_a_manifest_from_before_it_vouched(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy", ignore=shutil.ignore_patterns("state")))
    old = json.loads((copy / MANIFEST).read_text())
    del old["seen"]
    (copy / MANIFEST).write_text(json.dumps(old))
    assert Seen.of(copy) == Seen(copy)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    seen = record(tmp_path, PAIRS)
    for name in FILES:
        (tmp_path / name).write_bytes(b"ARROW1 no more")
    with pytest.raises(RunError, match=SENTENCES):
        seen.find(["a"], ["b"])
    with pytest.raises(RunError, match=WORDS):
        seen.counts([["a"]])


def test_a_look_up_in_nothing(tmp_path: Path) -> None:
    seen = record(tmp_path, [])
    assert not np.any(seen.find(["a"], ["b"]).pairs)
    assert seen.counts([["a"]]) == [[0]]
