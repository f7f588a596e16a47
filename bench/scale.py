"""What a pair costs as the corpus grows: time and memory of preparing it and of training on it.

    make bench-scale
    make bench-scale ARGS="--pairs 0.2M,2M,20M --work DIR --json scale.json --plot scale.png"

For each size a corpus is made up (about 12 words a side, word frequencies after Zipf over 100,000
forms), `nmt prepare` is run on it, and `nmt train` makes 300 updates of a small model with the
result. Only the number of pairs differs: the vocabulary's size is the same everywhere.

    s/M pairs   wall-clock seconds of the whole command for a million pairs, prepared or trained on
    peak MiB    resident memory of the command's processes together, looked at ten times a second;
                pages that several of them share are counted for each

A size is removed before the next one is made; 20 million pairs take about 7 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc

from nmt.console import print_table

FORMS = 100_000  # words of each language
SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
ENDINGS = ["", "n", "r", "s", "t"]
RANKS = (0, 150, 5_000, 60_000, FORMS)  # words up to these have one, two, three, four syllables
SHORTEST, LONGEST = 4, 20  # words of a sentence
BLOCK = 50_000  # pairs written at once
PREPARED_WITH = ("data.vocab_size=8000",)
TRAINED_WITH = (
    "model.embedding=64",
    "model.hidden=64",
    "model.decoder_layers=1",
    "train.max_steps=300",
    "train.validate_every=300",
    "train.save_every=300",
    "train.validate_lines=100",
)
LOOK_EVERY = 0.1  # seconds
ROOM = 2 << 30  # bytes that a large corpus may take more than the smallest


# --- made-up text -------------------------------------------------------------------------------


def made_up_words(generator: np.random.Generator) -> pa.Array:
    """Different words, the frequent ones short."""
    words: list[str] = []
    for syllables, count in enumerate(np.diff(RANKS).tolist(), 1):
        space = len(ENDINGS) * len(SYLLABLES) ** syllables
        for number in generator.choice(space, count, replace=False).tolist():
            number, ending = divmod(number, len(ENDINGS))
            word = ENDINGS[ending]
            for _ in range(syllables):
                number, syllable = divmod(number, len(SYLLABLES))
                word = SYLLABLES[syllable] + word
            words.append(word)
    return pa.array(words)


def made_up_corpus(folder: Path, pairs: int) -> tuple[Path, Path]:
    """Two aligned files; a sentence's translation is word for word."""
    generator = np.random.default_rng(1)
    frequencies = np.cumsum(1 / np.arange(1, FORMS + 1))
    languages = [made_up_words(generator) for _ in range(2)]
    paths = folder / "train.xx", folder / "train.yy"
    with (
        paths[0].open("w", encoding="utf-8", newline="\n") as source,
        paths[1].open("w", encoding="utf-8", newline="\n") as target,
    ):
        for done in range(0, pairs, BLOCK):
            lengths = generator.integers(SHORTEST, LONGEST + 1, min(BLOCK, pairs - done))
            ends = np.cumsum([0, *lengths], dtype=np.int32)
            draws = generator.random(ends[-1]) * frequencies[-1]
            meanings = pa.array(np.searchsorted(frequencies, draws))
            for words, file in zip(languages, (source, target), strict=True):
                sentences = pa.ListArray.from_arrays(ends, words.take(meanings))
                file.writelines(f"{line}\n" for line in pc.binary_join(sentences, " ").to_pylist())
    return paths


# --- measuring ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    seconds: float
    peak_bytes: int
    pairs: float  # that it worked on

    @property
    def seconds_per_million(self) -> float:
        return self.seconds / self.pairs * 1e6


@dataclass(frozen=True)
class Result:
    """The costs at one size."""

    pairs: int
    corpus_bytes: int
    prepared_bytes: int
    prepare: Cost
    train: Cost


def measure(folder: Path, pairs: int) -> Result:
    data, run = folder / "data", folder / "run"
    corpus = made_up_corpus(folder, pairs)
    prepare = watch("prepare", *corpus, "--out", data, *_settings(PREPARED_WITH))
    train = watch("train", data, "--out", run, "--device=cpu", *_settings(TRAINED_WITH))
    return Result(
        pairs,
        sum(path.stat().st_size for path in corpus),
        sum(path.stat().st_size for path in data.iterdir()),
        Cost(*prepare, pairs),
        Cost(*train, _pairs_trained_on(data, run)),
    )


def _settings(values: Sequence[str]) -> list[str]:
    return [f"--set={value}" for value in values]


def watch(*words: str | Path) -> tuple[float, int]:
    """Run a command of nmt's; its seconds, and its processes' memory when it was largest."""
    started, peak = time.monotonic(), 0
    command = [sys.executable, "-m", "nmt", *map(str, words)]
    with subprocess.Popen(command) as process:
        tree = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, _resident(tree))
            time.sleep(LOOK_EVERY)
    if process.returncode:
        raise SystemExit(f"failed: nmt {' '.join(command[3:])}")
    return time.monotonic() - started, peak


def _resident(tree: psutil.Process) -> int:
    total = 0
    try:
        for process in (tree, *tree.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:  # it ended just now
        pass
    return total


def _pairs_trained_on(data: Path, run: Path) -> float:
    kept = json.loads((data / "manifest.json").read_text(encoding="utf-8"))["train"]["kept"]
    events = map(json.loads, (run / "log.jsonl").read_text(encoding="utf-8").splitlines())
    return float(kept * max(event.get("epoch", 0) for event in events))


# --- the command --------------------------------------------------------------------------------


HEADER = (
    "pairs",
    "prepare: s",
    "s/M pairs",
    "peak MiB",
    "more than first",
    "train: s",
    "s/M pairs",
    "peak MiB",
    "more than first",
)


def rows(results: Sequence[Result]) -> Iterator[list[str]]:
    for result in results:
        row = [f"{result.pairs:,}"]
        for cost, first in (
            (result.prepare, results[0].prepare),
            (result.train, results[0].train),
        ):
            row += [f"{cost.seconds:.1f}", f"{cost.seconds_per_million:.1f}"]
            row += [f"{cost.peak_bytes / 2**20:,.0f}"]
            row += [f"{(cost.peak_bytes - first.peak_bytes) / 2**20:+,.0f}"]
        yield row


def plot(results: Sequence[Result], path: Path) -> None:
    from matplotlib.figure import Figure

    pairs = [result.pairs for result in results]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    time_axes, memory_axes = figure.subplots(1, 2)
    for name, costs in (
        ("prepare", [result.prepare for result in results]),
        ("train", [result.train for result in results]),
    ):
        peaks = np.array([cost.peak_bytes for cost in costs]) / 2**30
        memory_axes.plot(pairs, peaks, "o-", label=name)
        if name == "prepare":
            time_axes.plot(pairs, [cost.seconds_per_million for cost in costs], "o-", label=name)
            memory_axes.axhline(peaks[0] + ROOM / 2**30, ls=":", c="grey", label="first + 2 GiB")
    for axes, label in (
        (time_axes, "seconds for a million pairs"),
        (memory_axes, "peak memory, GiB"),
    ):
        axes.set(xscale="log", xlabel="pairs", ylabel=label)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    options = _options()
    results = []
    for pairs in options.pairs:
        if options.work:
            options.work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="nmt-scale-", dir=options.work))
        try:
            results.append(measure(folder, pairs))
        finally:
            shutil.rmtree(folder)
        print_table(rows(results), HEADER, sys.stdout)
    if options.json:
        found = [asdict(result) for result in results]
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        plot(results, options.plot)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a pair costs as the corpus grows.")
    parser.add_argument(
        "--pairs", type=_sizes, default="0.2M,2M", help="sizes, in millions: 0.2M,2M,20M"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="where the corpora are made")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every figure goes there too")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="a drawing of them")
    return parser.parse_args()


def _sizes(text: str) -> list[int]:
    return [round(float(size.upper().removesuffix("M")) * 1e6) for size in text.split(",")]


if __name__ == "__main__":
    main()
