"""What a training corpus leaves behind in every model that is trained on it: hashes of its
sentences, to find a test set's among them, and of its words with their counts, to tell rare ones.

    seen-sentences.arrow   source, target: 64-bit hashes, a row for each training pair
    seen-words.arrow       word: 64-bit hash, source, target: how often it stands on each side

The manifest beside them vouches for both, by size and checksum; what does not agree with it is not
believed. No text can be read from them. Both are written while the corpus is encoded: sentences go
straight to the disk, 16 bytes a pair; of words no more than `_MOST` are kept in memory. They are
read memory-mapped, in one pass: whatever the corpus's size, a look-up needs room for the test set
alone.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nmt.errors import RunError
from nmt.manifest import MANIFEST, HashFile, Manifest
from nmt.words import has_letters, words

SENTENCES = "seen-sentences.arrow"
WORDS = "seen-words.arrow"
FILES = (SENTENCES, WORDS)

Hashes: TypeAlias = NDArray[np.uint64]
Counts: TypeAlias = NDArray[np.uint32]

_MOST = 4_000_000  # distinct words a side, beyond which those that were seen least are forgotten
_SENTENCES = pa.schema([("source", pa.uint64()), ("target", pa.uint64())])
_WORDS = pa.schema([("word", pa.uint64()), ("source", pa.uint32()), ("target", pa.uint32())])
_IDEOGRAPH = re.compile("[\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def spoken(line: str) -> list[str]:
    """The words of a line in small letters, without its symbols: what is counted."""
    return [word for chunk in _chunks(line) for word in _words_of(chunk)]


def sentence_hashes(lines: Iterable[str]) -> Hashes:
    """64 bits that stand for each sentence, whatever its case, spaces and Unicode forms."""
    return _hashes("".join(_plain(line).split()) for line in lines)


def _hashes(texts: Iterable[str]) -> Hashes:
    encoded = (text.encode("utf-8", "surrogatepass") for text in texts)
    digests = b"".join(hashlib.blake2b(each, digest_size=8).digest() for each in encoded)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def _plain(text: str) -> str:
    """In small letters and in one of Unicode's forms."""
    return (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()


def _chunks(text: str) -> list[str]:
    """Parts of which each holds whole words, and many lines hold the same."""
    return _IDEOGRAPH.sub(r" \g<0> ", _plain(text)).split()


@lru_cache(1 << 18)
def _words_of(chunk: str) -> tuple[str, ...]:
    found = (chunk[start:end] for start, end in words(chunk))
    return tuple(word for word in found if has_letters(word))


# --- counting -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tally:
    """How often words were seen."""

    words: Hashes  # [W], in order, each once
    counts: Counts  # [W]

    @classmethod
    def of(cls, lines: Iterable[str]) -> Tally:
        found = Counter[str]()
        for chunk, count in Counter(_chunks("\n".join(lines))).items():
            for word in _words_of(chunk):
                found[word] += count
        counts = np.fromiter(found.values(), np.uint32, len(found))
        return cls.sum([cls(_hashes(found), counts)])

    @classmethod
    def sum(cls, tallies: Sequence[Tally]) -> Tally:
        every = np.concatenate([tally.words for tally in tallies])
        distinct, places = np.unique(every, return_inverse=True)
        counts = np.concatenate([tally.counts for tally in tallies])
        return cls(distinct, np.bincount(places, counts, len(distinct)).astype(np.uint32))

    def above(self, count: int) -> Tally:
        """The words that were seen more often."""
        kept = self.counts > count
        return Tally(self.words[kept], self.counts[kept])

    def counts_of(self, hashes: Hashes) -> Counts:
        """0 for words that it does not know."""
        if not len(self.words):
            return np.zeros(len(hashes), np.uint32)
        places = np.minimum(np.searchsorted(self.words, hashes), len(self.words) - 1)
        counts: Counts = self.counts[places] * (self.words[places] == hashes)
        return counts


class _Total:
    """A tally that grows, in steady memory."""

    def __init__(self, most: int) -> None:
        self._most, self._floor = most, 0
        self._sum = Tally(np.empty(0, np.uint64), np.empty(0, np.uint32))
        self._waiting: list[Tally] = []

    def add(self, tally: Tally) -> None:
        self._waiting.append(tally)
        if sum(len(each.words) for each in self._waiting) > max(len(self._sum.words), 1 << 20):
            self.settle()

    def settle(self) -> Tally:
        """The sum of all that was added."""
        self._sum = Tally.sum([self._sum, *self._waiting])
        self._waiting = []
        while len(self._sum.words) > self._most:
            self._floor += 1
            self._sum = self._sum.above(self._floor)
        return self._sum


@dataclass(frozen=True)
class Glimpse:
    """What some training pairs leave behind."""

    sentences: tuple[Hashes, Hashes]  # of each pair, a side
    words: tuple[Tally, Tally]  # a side

    @classmethod
    def of(cls, sources: Sequence[str], targets: Sequence[str]) -> Glimpse:
        return cls(
            (sentence_hashes(sources), sentence_hashes(targets)),
            (Tally.of(sources), Tally.of(targets)),
        )


class Record:
    """Writes what was seen into a folder, as it is seen."""

    def __init__(self, folder: Path, most: int = _MOST) -> None:
        self._folder = folder
        self._sentences = pa.ipc.new_file(str(folder / SENTENCES), _SENTENCES)
        self._totals = (_Total(most), _Total(most))

    def __enter__(self) -> Record:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._sentences.close()
        if kind is None:
            self._write_words()

    def add(self, glimpse: Glimpse) -> None:
        columns = [pa.array(side, pa.uint64()) for side in glimpse.sentences]
        self._sentences.write_batch(pa.record_batch(columns, schema=_SENTENCES))
        for total, tally in zip(self._totals, glimpse.words, strict=True):
            total.add(tally)

    def vouchers(self) -> dict[str, HashFile]:
        """What a manifest says of both, once they are written."""
        return {name: _voucher(self._folder / name) for name in FILES}

    def _write_words(self) -> None:
        sides = [total.settle() for total in self._totals]
        every = np.union1d(sides[0].words, sides[1].words)
        columns = [every, *(side.counts_of(every) for side in sides)]
        with pa.ipc.new_file(str(self._folder / WORDS), _WORDS) as file:
            file.write_batch(pa.record_batch([pa.array(each) for each in columns], schema=_WORDS))


def _voucher(path: Path) -> HashFile:
    with _opened(path) as file:
        rows = sum(file.get_batch(at).num_rows for at in range(file.num_record_batches))
    return HashFile(rows, _sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- looking up ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """Which of N sentence pairs stand in the training text."""

    sources: NDArray[np.bool_]  # [N]
    targets: NDArray[np.bool_]  # [N]
    pairs: NDArray[np.bool_]  # [N] both sides, as one pair


@dataclass(frozen=True)
class Seen:
    """What was seen in a training, as it lies in a run's or a prepared folder."""

    folder: Path

    @classmethod
    def of(cls, folder: Path) -> Seen:
        """What the folder's manifest vouches for; of a manifest that is older than such vouchers
        what is there.

        Raises:
            RunError: a file is missing, or is not the one that the manifest speaks of.
        """
        vouched = Manifest.load(folder).seen
        for name in FILES:
            path = folder / name
            if not path.is_file():
                made = "removed, or an earlier nmt prepared the corpus"
                raise RunError(f"{path}: is not there ({made})")
            if vouched and (name not in vouched or _sha256(path) != vouched[name].sha256):
                raise RunError(
                    f"{path}: is not the file that {MANIFEST} speaks of",
                    "copy the run again, or remove the file",
                )
        return cls(folder)

    def find(self, sources: Sequence[str], targets: Sequence[str]) -> Found:
        """Look for pairs, and for each side of them alone; blank lines are never found.

        Raises:
            RunError: the file is damaged.
        """
        ours = [sentence_hashes(lines) for lines in (sources, targets)]
        filled = [np.array([bool(line.strip()) for line in side]) for side in (sources, targets)]
        wanted = [np.unique(side[full]) for side, full in zip(ours, filled, strict=True)]
        theirs = self._rows_with(*wanted)
        found = [
            np.isin(side, column) & full
            for side, column, full in zip(ours, theirs.T, filled, strict=True)
        ]
        known = set(map(tuple, theirs.tolist()))
        both = np.array([tuple(pair) in known for pair in np.stack(ours, axis=1).tolist()])
        return Found(found[0], found[1], both & filled[0] & filled[1])

    def counts(self, lines: Sequence[Sequence[str]]) -> list[list[int]]:
        """How often each word of each line of words stands on the source side of the training text.

        Raises:
            RunError: the file is damaged.
        """
        with _opened(self.folder / WORDS) as file:
            rows = file.read_all()
            tally = Tally(rows["word"].to_numpy(), rows["source"].to_numpy())
            hashes = _hashes(word for line in lines for word in line)
            counts = iter(tally.counts_of(hashes).tolist())
        return [[next(counts) for _ in line] for line in lines]

    def _rows_with(self, sources: Hashes, targets: Hashes) -> Hashes:
        """The training pairs, [K, 2], that have one of these hashes on its side."""
        found = [np.empty((0, 2), np.uint64)]
        with _opened(self.folder / SENTENCES) as file:
            for number in range(file.num_record_batches):
                columns = [column.to_numpy() for column in file.get_batch(number).columns]
                hit = _is_in(columns[0], sources) | _is_in(columns[1], targets)
                found.append(np.stack([column[hit] for column in columns], axis=1))
        return np.concatenate(found)


def _is_in(values: Hashes, ordered: Hashes) -> NDArray[np.bool_]:
    """Like np.isin, which would sort the many values instead of searching among the few."""
    if not len(ordered):
        return np.zeros(len(values), bool)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[places] == values
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as file:
            yield file
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError(
            f"{path}: cannot be read: {error}", "copy the run again, or remove the file"
        ) from None
