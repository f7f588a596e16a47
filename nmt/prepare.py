"""A corpus becomes a folder of memory-mapped Arrow tables, a subword model and a manifest.

    DIR/manifest.json             what was read, kept and left out, and from which bytes
    DIR/train.arrow, valid.arrow  source, target (text), source_ids, target_ids
    DIR/subwords*.model           SentencePiece

The text is read twice: once to count and to sample lines for the subword model, once to encode.
Neither pass holds more than a block of pairs (and the sample) in memory.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from nmt import __version__
from nmt.clean import TOO_LONG, clean, is_blank
from nmt.config import Settings
from nmt.corpus import Corpus, Pair
from nmt.errors import CorpusError, RunError
from nmt.files import replacing_folder
from nmt.subwords import LONGEST_TRAINING_LINE, Vocabulary

FORMAT = 1
MANIFEST = "manifest.json"

_BLOCK = 16_384  # pairs encoded and written at once
_SAMPLE = 500_000  # pairs the subword model is learned from
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
class Counts:
    """Where the pairs of one corpus went."""

    read: int
    kept: int
    left_out: dict[str, int] = field(default_factory=dict)  # pairs by reason


Inputs = dict[str, dict[str, str]]
"""Name and fingerprint of each corpus, by the part it plays."""


@dataclass(frozen=True)
class Manifest:
    """What a prepared folder holds and what it was made from."""

    format: int
    nmt: str
    languages: tuple[str, str] | None
    inputs: Inputs  # the corpora by their part: "train", "valid"
    train: Counts
    valid: Counts
    held_out: bool  # whether the validation pairs were taken from the training corpus
    lengths: dict[str, dict[str, float]]  # of the training pairs in subwords: mean, longest
    vocabulary: dict[str, int]  # subwords a side
    settings: dict[str, Any]  # the data settings

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Raises RunError for a manifest that is missing, damaged or of another version."""
        try:
            values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{folder}: not a prepared corpus (no {MANIFEST})") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{folder / MANIFEST}: cannot be read: {error}") from None
        made = values if isinstance(values, dict) else {}
        if made.get("format") != FORMAT:
            raise RunError(
                f"{folder}: prepared by nmt {made.get('nmt')} in format {made.get('format')}, "
                f"and this nmt reads format {FORMAT}",
                "prepare it again",
            )
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise RunError(f"{folder / MANIFEST}: is damaged: {error}") from None


@dataclass(frozen=True)
class Survey:
    """What the first pass over the training text found."""

    pairs: int  # with text on both sides, those held out included
    sample: Sequence[Pair]  # a uniform sample of the training pairs, for the subword model
    seed: int
    threshold: int  # a pair is held out when its hash lies below; 0: none is

    def holds_out(self, pair: Pair) -> bool:
        """By the pair's own text, so that no copy of a held-out pair is trained on."""
        if not self.threshold or _hash(pair, self.seed) >= self.threshold:
            return False
        return not is_blank(pair.source) and not is_blank(pair.target)


def is_prepared(folder: Path) -> bool:
    """Whether `nmt prepare` finished in this folder."""
    return (folder / MANIFEST).is_file() and (folder / "train.arrow").is_file()


# --- the two passes -----------------------------------------------------------------------------


class Preparation:
    """Turns a corpus (and its validation corpus) into a prepared folder, in two passes.

    Between them the caller knows the corpus's size (`survey`) and can choose settings by it.
    """

    def __init__(self, corpus: Corpus, valid: Corpus | None, seed: int, inputs: Inputs) -> None:
        self.corpus, self.valid, self.seed, self.inputs = corpus, valid, seed, inputs
        _refuse_other_order(corpus, valid)

    def survey(self) -> Survey:
        """First pass: count, sample, choose what is held out.

        Raises:
            CorpusError: there are too few pairs to learn from.
        """
        generator = random.Random(self.seed)
        sample: list[Pair] = []
        lowest = _Lowest(_SURVEYED)
        pairs = 0
        for pair in clean(self.corpus.pairs(), Counter()):
            pairs += 1
            lowest.add(_hash(pair, self.seed))
            if max(map(len, pair)) > LONGEST_TRAINING_LINE:
                continue
            if len(sample) < _SAMPLE:
                sample.append(pair)
            elif (slot := generator.randrange(pairs)) < _SAMPLE:
                sample[slot] = pair
        _refuse_tiny(self.corpus, pairs, len(lowest))
        threshold = 0 if self.valid else lowest.threshold(_held_out(pairs, len(lowest)))
        survey = Survey(pairs, (), self.seed, threshold)
        return replace(survey, sample=[pair for pair in sample if not survey.holds_out(pair)])

    def write(self, folder: Path, survey: Survey, settings: Settings, threads: int) -> Manifest:
        """Second pass: learn subwords, encode, write. The folder appears whole or not at all.

        Raises:
            CorpusError: no pair is left to train on, or to validate with.
        """
        vocabulary = Vocabulary.learn(
            [pair.source for pair in survey.sample],
            [pair.target for pair in survey.sample],
            settings.data,
            threads,
        )
        encode = Encoder(vocabulary, settings.data.max_length, threads)
        with replacing_folder(folder) as beside:
            lengths = Lengths()
            train = encode.write(
                beside / "train.arrow",
                self.corpus,
                lambda pair: not survey.holds_out(pair),
                lengths,
            )
            valid = encode.write(
                beside / "valid.arrow",
                self.valid or self.corpus,
                lambda pair: self.valid is not None or survey.holds_out(pair),
                Lengths(),
            )
            _refuse_nothing_kept(self.corpus, train, self.valid or self.corpus, valid)
            for name, content in vocabulary.files().items():
                (beside / name).write_bytes(content)
            manifest = Manifest(
                format=FORMAT,
                nmt=__version__,
                languages=self.corpus.languages,
                inputs=self.inputs,
                train=train,
                valid=valid,
                held_out=self.valid is None,
                lengths=lengths.summary(train.kept),
                vocabulary={"source": len(vocabulary.source), "target": len(vocabulary.target)},
                settings=asdict(settings.data),
            )
            text = json.dumps(asdict(manifest), indent=2)
            (beside / MANIFEST).write_text(text + "\n", encoding="utf-8")
        return manifest


def _hash(pair: Pair, seed: int) -> int:
    """A 64-bit hash of a pair's text, another for every seed."""
    key = f"{seed}\t{pair.source}\t{pair.target}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


class _Lowest:
    """The distinct lowest of a stream of hashes: a uniform sample of the distinct pairs."""

    def __init__(self, size: int) -> None:
        self._size, self._heap, self._members = size, list[int](), set[int]()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, value: int) -> None:
        if value in self._members or (len(self) == self._size and value > -self._heap[0]):
            return
        self._members.add(value)
        heapq.heappush(self._heap, -value)
        if len(self) > self._size:
            self._members.remove(-heapq.heappop(self._heap))

    def threshold(self, count: int) -> int:
        """The value below which exactly `count` of them lie."""
        ordered = sorted(self._members)
        return ordered[count] if count < len(ordered) else ordered[-1] + 1


def _held_out(pairs: int, distinct: int) -> int:
    """How many distinct pairs to hold out: 2%, but 20 to 2,000, and never above a fifth."""
    return min(2_000, max(20, pairs // 50), distinct // 5)


@dataclass
class Lengths:
    """Running totals of subwords a side."""

    source: int = 0
    target: int = 0
    longest_source: int = 0
    longest_target: int = 0

    def add(self, source: list[list[int]], target: list[list[int]]) -> None:
        self.source += sum(map(len, source))
        self.target += sum(map(len, target))
        self.longest_source = max(self.longest_source, *map(len, source))
        self.longest_target = max(self.longest_target, *map(len, target))

    def summary(self, pairs: int) -> dict[str, dict[str, float]]:
        return {
            "source": {"mean": self.source / max(1, pairs), "longest": self.longest_source},
            "target": {"mean": self.target / max(1, pairs), "longest": self.longest_target},
        }


@dataclass(frozen=True)
class Encoder:
    """Pairs to rows of a table."""

    vocabulary: Vocabulary
    max_length: int
    threads: int

    def write(
        self, path: Path, corpus: Corpus, chosen: Callable[[Pair], bool], lengths: Lengths
    ) -> Counts:
        """Encode the chosen pairs of a corpus into an Arrow file, block by block."""
        left_out: Counter[str] = Counter()
        kept = 0
        pairs = clean(filter(chosen, corpus.pairs()), left_out)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
            for block in blocks(pairs, _BLOCK):
                rows = self._rows(block)
                left_out[TOO_LONG] += len(block) - len(rows[0])
                if rows[0]:
                    kept += len(rows[0])
                    lengths.add(rows[2], rows[3])
                    writer.write_batch(pa.record_batch(_arrays(rows), schema=_SCHEMA))
        reasons = {reason: count for reason, count in left_out.items() if count}
        return Counts(read=kept + sum(reasons.values()), kept=kept, left_out=reasons)

    def _rows(self, block: list[Pair]) -> tuple[list[str], list[str], list[Any], list[Any]]:
        sources, targets = [pair.source for pair in block], [pair.target for pair in block]
        source_ids = self.vocabulary.source.encode(sources, self.threads)
        target_ids = self.vocabulary.target.encode(targets, self.threads)
        fits = [
            row
            for row, (s, t) in enumerate(zip(source_ids, target_ids, strict=True))
            if 0 < len(s) <= self.max_length and 0 < len(t) <= self.max_length
        ]
        return (
            [sources[row] for row in fits],
            [targets[row] for row in fits],
            [source_ids[row] for row in fits],
            [target_ids[row] for row in fits],
        )


def _arrays(rows: tuple[list[Any], ...]) -> list[pa.Array]:
    return [pa.array(column, type=field.type) for column, field in zip(rows, _SCHEMA, strict=True)]


def blocks(pairs: Iterable[Pair], size: int) -> Iterator[list[Pair]]:
    """Consecutive lists of at most `size` pairs."""
    stream = iter(pairs)
    while block := list(islice(stream, size)):
        yield block


# --- reading a table ----------------------------------------------------------------------------


class Table:
    """The rows of one split, memory-mapped: nothing is read before it is asked for."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = pa.ipc.open_file(pa.memory_map(str(path)))
        except (OSError, pa.ArrowInvalid) as error:
            raise RunError(f"{path}: cannot be read: {error}", "prepare the corpus again") from None
        self._blocks = [self._file.get_batch(i) for i in range(self._file.num_record_batches)]
        sizes = [block.num_rows for block in self._blocks]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def ids(self, side: str, rows: np.ndarray) -> list[np.ndarray]:
        """The subword ids of `rows` on one side ("source" or "target"), in the order asked for."""
        found: list[np.ndarray] = [np.empty(0)] * len(rows)
        for block, places, local in self._by_block(rows):
            column = block.column(f"{side}_ids")
            values, offsets = column.values.to_numpy(), column.offsets.to_numpy()
            for place, row in zip(places.tolist(), local.tolist(), strict=True):
                found[place] = values[offsets[row] : offsets[row + 1]]
        return found

    def text(self, side: str, rows: np.ndarray) -> list[str]:
        """The sentences of `rows` on one side, in the order asked for."""
        found = [""] * len(rows)
        for block, places, local in self._by_block(rows):
            lines = block.column(side).take(pa.array(local)).to_pylist()
            for place, line in zip(places.tolist(), lines, strict=True):
                found[place] = line
        return found

    def _by_block(
        self, rows: np.ndarray
    ) -> Iterator[tuple[pa.RecordBatch, np.ndarray, np.ndarray]]:
        """(block, places in `rows` that it answers, their row numbers within it)."""
        block_of = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(block_of):
            places = np.flatnonzero(block_of == number)
            yield self._blocks[number], places, rows[places] - self._starts[number]


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
    """The text of a prepared folder's validation pairs, as a corpus."""

    folder: Path

    def pairs(self) -> Iterator[Pair]:
        table = Table(self.folder / "valid.arrow")
        rows = np.arange(len(table))
        yield from map(Pair, table.text("source", rows), table.text("target", rows))

    def fingerprint(self) -> str:
        return identity(self.folder)


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
        raise CorpusError(
            f"{corpus.name}: {pairs} pairs with text on both sides, {distinct} of them distinct: "
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
                f"{name}: no pair is left to {use} ({why})", "look at the files, or give --valid"
            )
