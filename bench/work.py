"""The work that the compared systems are given: a corpus whose subwords were found once.

`nmt` gets it as it prepared it; the others get the very same subwords as text, each written as its
number, and the numbers as their vocabulary.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from nmt.batches import grouped
from nmt.prepare import Prepared, Table, is_prepared

VOCABULARY = 8_000  # joint, source and target
BATCH_TOKENS = 2_000  # real target tokens in an update


class Task:
    """A corpus that `nmt prepare` encoded in `folder/prepared`, for every system to train on."""

    def __init__(self, folder: Path, threads: int) -> None:
        self.folder, self.threads = folder, threads
        self.prepared = folder / "prepared"
        self.pieces, self.valid_pieces = folder / "pieces", folder / "valid"
        self.vocabulary_file = folder / "vocabulary"
        self._data = Prepared.open(self.prepared)
        self._ids = _ids(self._data.train)

    @classmethod
    def make(cls, folder: Path, train: Sequence[Path], valid: Sequence[Path], threads: int) -> Task:
        """Encode the corpus in this folder, unless that has been done."""
        if not is_prepared(folder / "prepared"):
            words = ["prepare", *map(str, train), *(f"--valid={path}" for path in valid)]
            words += ["--set", f"data.vocab_size={VOCABULARY}", "--threads", str(threads)]
            words += ["--out", str(folder / "prepared"), "--quiet"]
            subprocess.run([sys.executable, "-m", "nmt", *words], check=True)
        task = cls(folder, threads)
        task._write_pieces()
        return task

    @property
    def pairs(self) -> int:
        return len(self._data.train)

    @property
    def vocabulary(self) -> int:
        return len(self._data.vocabulary.target)

    @cached_property
    def source_lengths(self) -> np.ndarray:
        """In tokens, EOS included."""
        return np.array([len(ids) + 1 for ids in self._ids["source"]])

    @cached_property
    def target_lengths(self) -> np.ndarray:
        """In tokens, EOS included."""
        return np.array([len(ids) + 1 for ids in self._ids["target"]])

    def about(self) -> dict[str, str]:
        """What a table of figures says of the work, and of what it was done with."""
        plural = "s" if self.threads > 1 else ""
        return {
            "torch": f"{torch.__version__}, {self.threads} thread{plural}",
            "Python": platform.python_version(),
            "corpus": f"{self.pairs:,} pairs, {self.vocabulary:,} subwords",
        }

    def _write_pieces(self) -> None:
        """The corpus as the peers read it: a file for each part and side, and a vocabulary."""
        for part, parts in (
            (self.pieces, self._ids),
            (self.valid_pieces, _ids(self._data.valid)),
        ):
            for side, sentences in parts.items():
                lines = (" ".join(map(str, ids)) for ids in sentences)
                write_lines(part.with_suffix(f".{side}"), lines)
        write_lines(self.vocabulary_file, map(str, range(self.vocabulary)))

    def pieces_of(self, sources: Sequence[str]) -> list[str]:
        """Sentences as the peers read them."""
        return [" ".join(map(str, ids)) for ids in self._data.vocabulary.source.encode(sources)]

    def text_of(self, pieces: Sequence[str]) -> list[str]:
        """What the peers wrote, as sentences; words that are no subword's number are left out."""
        numbers = ([int(word) for word in line.split() if word.isdecimal()] for line in pieces)
        return [self._data.vocabulary.target.decode(ids) for ids in numbers]

    def target_tokens(self, lines: Sequence[str]) -> int:
        """Subwords of sentences in the target language, an EOS for each included."""
        return sum(len(ids) + 1 for ids in self._data.vocabulary.target.encode(lines))

    def padded_budget(self, count: Callable[[int], int]) -> int:
        """The batch size, padding included, at which an update holds `BATCH_TOKENS` real ones.

        Args:
            count: how many batches a system makes of this size.
        """
        budget = BATCH_TOKENS
        for _ in range(3):
            real = self.target_lengths.sum() / count(budget)
            budget = round(budget * BATCH_TOKENS / real)
        return budget

    def count_batches(self, budget: int) -> int:
        """How many `nmt` makes."""
        return sum(1 for _ in grouped(self._ids["source"], self._ids["target"], budget))


def _ids(table: Table) -> dict[str, list[np.ndarray]]:
    rows = np.arange(len(table))
    return {side: table.ids(side, rows) for side in ("source", "target")}


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def count_batches(widths: np.ndarray, budget: int) -> int:
    """How many batches there are if none may be larger than its longest pair times its pairs.

    Args:
        widths: what a pair counts before padding, in the order in which batches are cut.
    """
    count, pairs, widest = 1, 0, 0
    for width in widths.tolist():
        pairs, widest = pairs + 1, max(widest, width)
        if pairs * widest > budget:
            count, pairs, widest = count + 1, 1, width
    return count
