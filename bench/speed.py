"""How fast this machine trains and translates, at the default sizes, on made-up text.

    python bench/speed.py

Training: target subwords a second over whole updates, bf16 and fp32 side by side, medians of
several rounds. Translating: sentences a second, greedy and with a beam of five, in each precision.
"""

from __future__ import annotations

import itertools
import random
import statistics
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch

from nmt.checkpoint import Run
from nmt.choices import Precision
from nmt.config import settings_from
from nmt.corpus import open_corpus
from nmt.device import open_device
from nmt.inference import has_exact_integers
from nmt.prepare import Prepared
from nmt.recipe import prepare
from nmt.search import SearchOptions
from nmt.training import Training
from nmt.translate import Translator

PAIRS, ROUNDS, STEPS, SENTENCES = 8_000, 5, 20, 400


def made_up_text(folder: Path) -> tuple[Path, Path]:
    """Sentences of 3 to 25 made-up words whose frequencies follow Zipf."""
    generator = random.Random(1)
    words = [
        "".join(generator.choices("abcdefghijklmnoprstuvz", k=generator.randint(2, 9)))
        for _ in range(9_000)
    ]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    paths = folder / "train.xx", folder / "train.yy"
    lines = [generator.choices(words, weights, k=generator.randint(3, 25)) for _ in range(PAIRS)]
    for path in paths:
        path.write_text("".join(" ".join(line) + "\n" for line in lines), encoding="utf-8")
    return paths


def training_speed(data: Prepared, folder: Path, precision: str) -> float:
    device = open_device()
    settings = settings_from({"train.precision": precision})
    training = Training(Run(folder / precision), settings, data, device, time.monotonic())
    batches = training.batches.start_at(training.progress.position)
    for batch in islice(batches, STEPS):
        training._update([batch])
    speeds = []
    for _ in range(ROUNDS):
        started, tokens = time.perf_counter(), 0
        for batch in islice(batches, STEPS):
            training._update([batch])
            tokens += batch.tokens
        speeds.append(tokens / (time.perf_counter() - started))
    return statistics.median(speeds)


def translating_speed(data: Prepared, folder: Path, beam: int, precision: Precision) -> float:
    training = Training(Run(folder / "t"), settings_from(), data, open_device(), time.monotonic())
    options = SearchOptions(beam=beam, max_ratio=1.0, max_extra=0)  # an untrained model never ends
    translator = Translator(training.average, data.vocabulary, options, 128, precision)
    lines = data.train.text("source", torch.arange(SENTENCES).numpy())
    translator.translate(lines[:20])
    started = time.perf_counter()
    translator.translate(lines)
    return len(lines) / (time.perf_counter() - started)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(
            open_corpus(made_up_text(folder)), None, folder / "data", {"data.vocab_size": 6_000}, 2
        )
        data = Prepared.open(folder / "data")
        print(f"torch {torch.__version__}, {open_device().name}, Python {sys.version.split()[0]}")
        for precision in ("bf16", "fp32"):
            speed = training_speed(data, folder, precision)
            print(f"training, {precision}: {speed:,.0f} target tokens/s")
        arithmetics: list[Precision] = ["fp32", "bf16"]
        arithmetics += ["int8"] if has_exact_integers() else []
        for beam, arithmetic in itertools.product((1, 5), arithmetics):
            speed = translating_speed(data, folder, beam, arithmetic)
            print(f"translating, beam {beam}, {arithmetic}: {speed:,.0f} sentences/s")


if __name__ == "__main__":
    main()
