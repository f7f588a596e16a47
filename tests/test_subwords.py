"""Subwords: text to ids and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import toy_pairs

from nmt.config import DataSettings
from nmt.subwords import BOS, EOS, PAD, UNK, Vocabulary, text_of

LINES = [source for source, _ in toy_pairs(300, 5)]


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_what_is_encoded_decodes_to_itself(kind: str) -> None:
    subwords = Vocabulary.learn(LINES, LINES, DataSettings(vocab_size=40, subwords=kind)).source  # type: ignore[arg-type]
    assert [subwords.decode(ids) for ids in subwords.encode(LINES)] == LINES


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sampling_is_another_spelling_of_the_same_text(kind: str) -> None:
    settings = DataSettings(vocab_size=60, subwords=kind)  # type: ignore[arg-type]
    subwords = Vocabulary.learn(LINES, LINES, settings).source
    sampled = list(subwords.sample(LINES, 0.3, seed=7))
    assert [subwords.decode(ids) for ids in sampled] == LINES
    assert sampled == list(subwords.sample(LINES, 0.3, seed=7))
    assert sampled != list(subwords.sample(LINES, 0.3, seed=8))
    assert sampled != list(subwords.sample(LINES, 0.3, seed=7, era=1))
    assert sampled != subwords.encode(LINES)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_sampling_is_the_same_in_another_process(kind: str, tmp_path: Path) -> None:
    """SentencePiece's own sampling is not, and a training that resumes needs it to be."""
    settings = DataSettings(vocab_size=60, subwords=kind)  # type: ignore[arg-type]
    subwords = Vocabulary.learn(LINES, LINES, settings).source
    (tmp_path / "subwords.model").write_bytes(subwords.proto)
    script = (
        "import sys; from pathlib import Path; from nmt.subwords import Vocabulary\n"
        "subwords = Vocabulary.load(Path(sys.argv[1])).source\n"
        "print(list(subwords.sample(sys.argv[2:], 0.3, seed=7)))"
    )
    command = [sys.executable, "-c", script, str(tmp_path), *LINES[:50]]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str(list(subwords.sample(LINES[:50], 0.3, seed=7)))


def test_bpe_without_dropout_is_sentencepieces() -> None:
    subwords = Vocabulary.learn(LINES, LINES, DataSettings(vocab_size=60)).source
    assert list(subwords.sample(LINES, 0.0, seed=1)) == subwords.encode(LINES)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary_too_large_for_the_text_shrinks(kind: str) -> None:
    settings = DataSettings(vocab_size=8_000, subwords=kind)  # type: ignore[arg-type]
    vocabulary = Vocabulary.learn(LINES[:20], LINES[:20], settings)
    assert 20 < len(vocabulary.source) < 8_000


def test_one_vocabulary_a_side() -> None:
    upper = [line.upper() for line in LINES]
    vocabulary = Vocabulary.learn(LINES, upper, DataSettings(vocab_size=40, joint_vocab=False))
    assert not vocabulary.joint
    assert vocabulary.source.decode(vocabulary.source.encode(LINES[:1])[0]) == LINES[0]
    assert UNK in vocabulary.source.encode(upper[:1])[0]


def test_specials_are_where_they_are_named() -> None:
    subwords = Vocabulary.learn(LINES, LINES, DataSettings(vocab_size=40)).source
    assert subwords.pieces([PAD, BOS, EOS, UNK]) == ["<pad>", "<s>", "</s>", "<unk>"]
    assert not {PAD, BOS, EOS} & {i for ids in subwords.encode(LINES) for i in ids}


def test_surfaces_are_the_subwords_with_the_unknown_spelled() -> None:
    subwords = Vocabulary.learn(LINES, LINES, DataSettings(vocab_size=40)).source
    for line in [*LINES[:20], "ba Жуков ce", "東京ba"]:
        (ids,) = subwords.encode([line])
        surfaces = subwords.surfaces(line)
        assert text_of(surfaces) == line
        for spelled, piece, number in zip(surfaces, subwords.pieces(ids), ids, strict=True):
            assert number == UNK or spelled == piece
        assert subwords.decode(ids) == subwords._processor.decode(ids)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("  ba   ce", ["ba", "ce"]),
        ("ba \u00b4ce di", ["ba", " \u0301ce", "di"]),  # becomes a space and an accent
        ("ba\u200bce di", ["ba ce", "di"]),  # becomes a space
        ("ba \u200e ce \x01", ["ba", "", "ce"]),  # left out
        ("\x01 ba", ["", "ba"]),
        ("ba\u00a0ce", ["ba", "ce"]),
        ("ba \u00bd ce", ["ba", "1\u20442", "ce"]),  # becomes three characters
        ("ba \u2026", ["ba", "..."]),
    ],
)
def test_words_are_counted_in_the_line_as_it_is(line: str, expected: list[str]) -> None:
    subwords = Vocabulary.learn(LINES, LINES, DataSettings(vocab_size=40)).source
    found = subwords.in_words(line)
    assert [piece for piece, _ in found] == subwords.surfaces(line)
    words = [""] * len(line.split())
    for piece, number in found:
        words[number] += piece
    assert [text_of([word]) for word in words[: len(expected)]] == [w.strip() for w in expected]


def test_decoded_text_is_one_line() -> None:
    strange = [f"{line}\n{line}" for line in LINES]
    settings = DataSettings(vocab_size=60, normalization="identity")
    subwords = Vocabulary.learn(strange, strange, settings).source
    assert "\n" not in subwords.decode(subwords.encode(strange)[0])
