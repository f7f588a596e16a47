"""A corpus becomes a folder of memory-mapped Arrow tables, a subword model and a manifest.

    DIR/manifest.json             what was read, kept and left out, and from which bytes
    DIR/train.arrow, valid.arrow  source, target (text), source_ids, target_ids; the source of
                                  mere text, for a language model, is empty
    DIR/seen-*.arrow              hashes of the training sentences, counts of their words
    DIR/subwords*.model           SentencePiece

The text is read twice: once to count and to sample lines for the subword model, once to encode,
which is most of the work and goes to all cores. Neither pass holds more than some blocks of pairs
(and the sample) in memory, and the folder is the same whatever the number of cores.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain, compress, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nmt import __version__
from nmt.clean import TOO_LONG, clean
from nmt.config import Settings
from nmt.corpus import Corpus, Pair
from nmt.errors import CorpusError, RunError
from nmt.files import replacing_folder
from nmt.manifest import FORMAT, MANIFEST, Counts, Inputs, Manifest
from nmt.seen import Glimpse, Record
from nmt.subwords import LONGEST_TRAINING_LINE, Ids, Vocabulary
from nmt.workers import in_order

_BLOCK = 16_384  # pairs encoded and written at once
_ALONE = 100_000  # pairs that one process has encoded before others are of help
_WORKERS = 16  # processes that encode, at most: the one that reads keeps no more of them busy
_SAMPLE = 60_000_000  # characters the subword model is learned from
_FEWEST = 10  # distinct pairs below which there is nothing to learn
_SURVEYED = 10_000  # distinct pairs remembered by hash, to hold some out
_SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("target", pa.string()),
        ("source_ids", pa.list_(pa.uint16())),
        ("target_ids", pa.list_(pa.uint16())),
    ]
)


@dataclass(frozen=True)
class Survey:
    """What the first pass over the training text found."""

    read: int
    pairs: int  # with text on both sides, those held out included
    sample: Sequence[Pair]  # a uniform sample of the training pairs, for the subword model
    threshold: int  # a pair is held out when its hash lies below; 0: none is


@dataclass(frozen=True)
class Working:
    """How far a preparation is."""

    stage: str  # "reading", "learning subwords", "encoding"
    pairs: int = 0  # behind, in this stage
    share: float | None = None  # of this stage that is behind, where it is known


Report = Callable[[Working], None]


def silent(_: Working) -> None:
    """The report of a preparation that nobody watches."""


def is_prepared(folder: Path) -> bool:
    """Whether `nmt prepare` finished in this folder."""
    return (folder / MANIFEST).is_file() and (folder / "train.arrow").is_file()


# --- the two passes -----------------------------------------------------------------------------


class Preparation:
    """Turns a corpus (and its validation corpus) into a prepared folder, in two passes.

    Between them the caller knows the corpus's size (`survey`) and can choose settings by it.

    Args:
        report: is told, now and then, how far the work is.
    """

    def __init__(
        self, corpus: Corpus, valid: Corpus | None, seed: int, inputs: Inputs, report: Report
    ) -> None:
        self.corpus, self.valid, self.seed, self.inputs = corpus, valid, seed, inputs
        self.report = report
        _refuse_other_order(corpus, valid)

    def survey(self) -> Survey:
        """First pass: count, sample, choose what is held out.

        Raises:
            CorpusError: there are too few pairs to learn from.
        """
        left_out: Counter[str] = Counter()
        lowest, sample = _Lowest(_SURVEYED), _Sample(_SAMPLE, self.seed)
        pairs, size, size_read = 0, self.corpus.size(), 0
        kept = clean(self.corpus.pairs(), left_out, self.corpus.one_sided)
        for block in blocks(kept, _BLOCK):
            lines = _lines(block)
            lowest.add(_hashes(lines, self.seed))
            sample.add(block)
            pairs += len(block)
            size_read += sum(map(len, lines)) + len(lines)
            share = min(1.0, size_read / size) if size else None
            self.report(Working("reading", pairs, share))
        _refuse_tiny(self.corpus, pairs, len(lowest))
        threshold = 0 if self.valid else lowest.threshold(_held_out(pairs, len(lowest)))
        drawn = sample.pairs()
        held_out = _hashes(_lines(drawn), self.seed) < threshold
        return Survey(
            read=pairs + left_out.total(),
            pairs=pairs,
            sample=list(compress(drawn, ~held_out)),
            threshold=threshold,
        )

    def write(self, folder: Path, survey: Survey, settings: Settings, threads: int) -> Manifest:
        """Second pass: learn subwords, encode, write. The folder appears whole or not at all.

        Raises:
            CorpusError: no pair is left to train on, or to validate with.
        """
        self.report(Working("learning subwords"))
        vocabulary = Vocabulary.learn(
            [pair.source for pair in survey.sample],
            [pair.target for pair in survey.sample],
            settings.data,
        )
        encode = Encoder(
            vocabulary,
            settings.data.max_length,
            self.seed,
            survey.threshold,
            self.corpus.one_sided,
        )
        workers = min(threads, _WORKERS) if survey.read > _ALONE else 1
        with replacing_folder(folder) as beside:
            with (
                Split(beside / "train.arrow") as train,
                Split(beside / "valid.arrow") as valid,
                Record(beside) as seen,
            ):
                self._encode(encode, workers, survey.read, train, valid, seen)
            _refuse_nothing_kept(self.corpus, train.counts, self.valid or self.corpus, valid.counts)
            for name, content in vocabulary.files().items():
                (beside / name).write_bytes(content)
            manifest = Manifest(
                format=FORMAT,
                nmt=__version__,
                languages=self.corpus.languages,
                inputs=self.inputs,
                train=train.counts,
                valid=valid.counts,
                held_out=self.valid is None,
                lengths=train.lengths,
                vocabulary={"source": len(vocabulary.source), "target": len(vocabulary.target)},
                settings=asdict(settings.data),
                seen=seen.vouchers(),
            )
            text = json.dumps(asdict(manifest), indent=2)
            (beside / MANIFEST).write_text(text + "\n", encoding="utf-8")
        return manifest

    def _encode(
        self, encode: Encoder, workers: int, pairs: int, train: Split, valid: Split, seen: Record
    ) -> None:
        done = 0
        for block in in_order(encode, blocks(self.corpus.pairs(), _BLOCK), workers):
            train.add(block.kept)
            valid.add(block.held_out)
            seen.add(block.glimpse)
            done += block.kept.read + block.held_out.read
            self.report(Working("encoding", done, min(1.0, done / pairs)))
        if self.valid:
            for block in map(encode, blocks(self.valid.pairs(), _BLOCK)):
                valid.add(block.kept)


def blocks(pairs: Iterable[Pair], size: int) -> Iterator[list[Pair]]:
    """Consecutive lists of at most `size` pairs."""
    stream = iter(pairs)
    while block := list(islice(stream, size)):
        yield block


# --- choosing pairs -----------------------------------------------------------------------------


def _lines(pairs: Iterable[Pair]) -> list[bytes]:
    """Each pair as one line."""
    return [f"{source}\t{target}".encode("utf-8", "surrogatepass") for source, target in pairs]


def _hashes(lines: Iterable[bytes], seed: int) -> np.ndarray:
    """64-bit hashes of the pairs' text, others for every seed.

    What is held out is chosen by them, so that no copy of a held-out pair is trained on.
    """
    key = f"{seed}\t".encode()
    digests = b"".join(hashlib.blake2b(key + line, digest_size=8).digest() for line in lines)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


class _Lowest:
    """The distinct lowest of a stream of hashes: a uniform sample of the distinct pairs."""

    def __init__(self, size: int) -> None:
        self._size, self._values = size, np.empty(0, np.uint64)

    def __len__(self) -> int:
        return len(self._values)

    def add(self, values: np.ndarray) -> None:
        if len(self) == self._size:
            values = values[values < self._values[-1]]
        self._values = np.unique(np.concatenate([self._values, values]))[: self._size]

    def threshold(self, count: int) -> int:
        """The value below which exactly `count` of them lie."""
        return int(self._values[count]) if count < len(self) else int(self._values[-1]) + 1


class _Sample:
    """Pairs from a stream, each drawn with the same probability, within a number of characters."""

    def __init__(self, characters: int, seed: int) -> None:
        self._most, self._characters = characters, 0
        self._generator, self._share = np.random.default_rng(seed), 1.0
        self._drawn: list[tuple[float, Pair]] = []

    def pairs(self) -> list[Pair]:
        return [pair for _, pair in self._drawn]

    def add(self, block: list[Pair]) -> None:
        draws = self._generator.random(len(block))
        for number in np.flatnonzero(draws < self._share).tolist():
            pair = block[number]
            if max(map(len, pair)) <= LONGEST_TRAINING_LINE:
                self._drawn.append((draws[number], pair))
                self._characters += sum(map(len, pair))
        while self._characters > self._most:
            self._share /= 2
            self._drawn = [each for each in self._drawn if each[0] < self._share]
            self._characters = sum(len(side) for _, pair in self._drawn for side in pair)


def _held_out(pairs: int, distinct: int) -> int:
    """How many distinct pairs to hold out: 2%, but 20 to 2,000, and never above a fifth."""
    return min(2_000, max(20, pairs // 50), distinct // 5)


# --- writing a table ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """What became of those pairs of a block that are for one table."""

    rows: pa.RecordBatch
    left_out: dict[str, int]  # pairs by reason

    @property
    def read(self) -> int:
        return int(self.rows.num_rows) + sum(self.left_out.values())


@dataclass(frozen=True)
class Block:
    """What became of some pairs of a corpus."""

    kept: Part  # to train on
    held_out: Part
    glimpse: Glimpse  # of those kept


@dataclass(frozen=True)
class Encoder:
    """Pairs to rows, a block at a time. It knows nothing but the block: any process may do it."""

    vocabulary: Vocabulary
    max_length: int
    seed: int
    threshold: int  # of the hashes of held-out pairs
    one_sided: bool = False  # whether no pair has a source

    def __call__(self, block: list[Pair]) -> Block:
        left_out: Counter[str] = Counter()
        pairs = list(clean(block, left_out, self.one_sided))
        source_ids = self.vocabulary.source.encode([pair.source for pair in pairs])
        target_ids = self.vocabulary.target.encode([pair.target for pair in pairs])
        fits = self._fits(target_ids)
        if not self.one_sided:
            fits &= self._fits(source_ids)
        held_out = _hashes(_lines(pairs), self.seed) < self.threshold

        def part(chosen: np.ndarray, blank: dict[str, int]) -> Part:
            rows = np.flatnonzero(chosen & fits).tolist()
            columns = [
                pa.array([pairs[row].source for row in rows], pa.string()),
                pa.array([pairs[row].target for row in rows], pa.string()),
                _lists([source_ids[row] for row in rows]),
                _lists([target_ids[row] for row in rows]),
            ]
            too_long = int(np.sum(chosen & ~fits))
            return Part(pa.record_batch(columns, schema=_SCHEMA), {**blank, TOO_LONG: too_long})

        kept = part(~held_out, left_out)
        sides = (kept.rows.column(side).to_pylist() for side in ("source", "target"))
        return Block(kept, part(held_out, {}), Glimpse.of(*sides))

    def _fits(self, ids: list[Ids]) -> np.ndarray:
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        return (lengths > 0) & (lengths <= self.max_length)


def _lists(ids: list[Ids]) -> pa.ListArray:
    offsets = np.cumsum([0, *map(len, ids)], dtype=np.int32)
    values = np.fromiter(chain.from_iterable(ids), np.uint16, offsets[-1])
    return pa.ListArray.from_arrays(offsets, values)


class Split:
    """A table as it is written, and what became of its pairs."""

    def __init__(self, path: Path) -> None:
        self._file = pa.ipc.new_file(str(path), _SCHEMA)
        self._waiting: list[pa.RecordBatch] = []
        self._kept = 0
        self._left_out: Counter[str] = Counter()
        self._subwords, self._longest = np.zeros(2, np.int64), np.zeros(2, np.int64)

    def __enter__(self) -> Split:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._write()
        finally:
            self._file.close()

    def add(self, part: Part) -> None:
        self._kept += part.rows.num_rows
        self._left_out.update(part.left_out)
        for side, column in enumerate(("source_ids", "target_ids")):
            lengths = np.diff(part.rows.column(column).offsets)
            self._subwords[side] += lengths.sum()
            self._longest[side] = max(self._longest[side], lengths.max(initial=0))
        self._waiting.append(part.rows)
        if sum(rows.num_rows for rows in self._waiting) >= _BLOCK // 2:
            self._write()

    def _write(self) -> None:
        """Put together what waits, so that few pairs from each of many blocks stay few blocks."""
        self._file.write_table(pa.Table.from_batches(self._waiting, _SCHEMA).combine_chunks())
        self._waiting = []

    @property
    def counts(self) -> Counts:
        left_out = {reason: count for reason, count in self._left_out.items() if count}
        return Counts(self._kept + sum(left_out.values()), self._kept, left_out)

    @property
    def lengths(self) -> dict[str, dict[str, float]]:
        """In subwords, by side."""
        means = (self._subwords / max(1, self._kept)).tolist()
        return {
            side: {"mean": mean, "longest": longest}
            for side, mean, longest in zip(
                ("source", "target"), means, self._longest.tolist(), strict=True
            )
        }


# --- reading a table ----------------------------------------------------------------------------


class Table:
    """The rows of one split, memory-mapped: nothing is read before it is asked for.

    The map is opened for each question anew and the answer copied from it, so that a long training
    does not come to hold every page of a table that it ever looked at.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._made = path, _identity_of(path)
        with self._open() as file:
            sizes = [file.get_batch(i).num_rows for i in range(file.num_record_batches)]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def ids(self, side: str, rows: np.ndarray) -> list[np.ndarray]:
        """The subword ids of `rows` on one side ("source" or "target"), in the order asked for."""
        found: list[np.ndarray] = [np.empty(0)] * len(rows)
        for column, places in self._columns(f"{side}_ids", rows):
            values, offsets = column.values.to_numpy(), column.offsets.to_numpy().tolist()
            for place, (start, end) in zip(places.tolist(), pairwise(offsets), strict=True):
                found[place] = values[start:end]
        return found

    def text(self, side: str, rows: np.ndarray) -> list[str]:
        """The sentences of `rows` on one side, in the order asked for."""
        found = [""] * len(rows)
        for column, places in self._columns(side, rows):
            for place, line in zip(places.tolist(), column.to_pylist(), strict=True):
                found[place] = line
        return found

    def _columns(self, name: str, rows: np.ndarray) -> Iterator[tuple[pa.Array, np.ndarray]]:
        """Some of the rows' values in a column, copied, and their places in `rows`."""
        block_of = np.searchsorted(self._starts, rows, side="right") - 1
        with self._open() as file:
            for number in np.unique(block_of).tolist():
                places = np.flatnonzero(block_of == number)
                local = pa.array(rows[places] - self._starts[number])
                yield file.get_batch(number).column(name).take(local), places

    @contextmanager
    def _open(self) -> Iterator[Any]:
        try:
            with pa.memory_map(str(self._path)) as mapped, pa.ipc.open_file(mapped) as file:
                if _identity_of(self._path) != self._made:
                    raise OSError("it was prepared anew while it was in use")
                yield file
        except (OSError, pa.ArrowInvalid) as error:
            raise RunError(
                f"{self._path}: cannot be read: {error}", "prepare the corpus again"
            ) from None


def _identity_of(path: Path) -> tuple[int, ...]:
    """What tells a file from another one that takes its place; () for none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True)
class Prepared:
    """A prepared folder, opened."""

    folder: Path
    manifest: Manifest
    vocabulary: Vocabulary
    train: Table
    valid: Table

    @classmethod
    def open(cls, folder: Path) -> Prepared:
        """Raises RunError when something in the folder is missing or damaged."""
        manifest = Manifest.load(folder)
        vocabulary = Vocabulary.load(folder)
        return cls(
            folder,
            manifest,
            vocabulary,
            Table(folder / "train.arrow"),
            Table(folder / "valid.arrow"),
        )


@dataclass(frozen=True)
class PreparedPairs(Corpus):
    """The text of a prepared folder's pairs, as a corpus."""

    folder: Path
    part: str = "valid"

    def pairs(self) -> Iterator[Pair]:
        table = Table(self.folder / f"{self.part}.arrow")
        for start in range(0, len(table), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(table)))
            yield from map(Pair, table.text("source", rows), table.text("target", rows))

    @property
    def one_sided(self) -> bool:
        return Manifest.load(self.folder).task == "lm"

    def fingerprint(self) -> str:
        whole = identity(self.folder)
        return whole if self.part == "valid" else f"{self.part} of {whole}"


def identity(folder: Path) -> str:
    """A hash of all that decides what a prepared folder's ids mean."""
    digest = hashlib.sha256((folder / MANIFEST).read_bytes())
    for name, content in Vocabulary.load(folder).files().items():
        digest.update(name.encode() + content)
    return digest.hexdigest()


# --- refusals -----------------------------------------------------------------------------------


def _refuse_other_order(corpus: Corpus, valid: Corpus | None) -> None:
    """A validation corpus with the sides the other way round scores zero, silently."""
    if valid is None or not corpus.languages or not valid.languages:
        return
    if valid.languages == tuple(reversed(corpus.languages)):
        ours, theirs = "-".join(corpus.languages), "-".join(valid.languages)
        raise CorpusError(
            f"{valid.name} is {theirs} and the training corpus {ours}",
            "swap the two files of --valid",
        )


def _refuse_tiny(corpus: Corpus, pairs: int, distinct: int) -> None:
    if distinct < _FEWEST:
        what = "lines with text" if corpus.one_sided else "pairs with text on both sides"
        raise CorpusError(
            f"{corpus.name}: {pairs} {what}, {distinct} of them distinct: "
            f"too few to learn from (at least {_FEWEST} are needed)",
            "are these the right files? if so, add sentences",
        )


def _refuse_nothing_kept(corpus: Corpus, train: Counts, other: Corpus, valid: Counts) -> None:
    for name, counts, use in (
        (corpus.name, train, "train on"),
        (other.name, valid, "validate with"),
    ):
        if not counts.kept:
            why = (
                ", ".join(f"{n} {reason}" for reason, n in counts.left_out.items()) or "none chosen"
            )
            raise CorpusError(
                f"{name}: nothing is left to {use} ({why})", "look at the files, or give --valid"
            )
