"""Do my gradients vanish? What a model's gradients, gates, training and losses say, on one's own
text.

Here it is decided what is measured on what. How it is measured is in `nmt.reach`, `nmt.gates` and
`nmt.context`; what it comes to, in words, tables and pictures, in `nmt.findings`.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from nmt import context, curves, gates, reach
from nmt.cells import Cell
from nmt.checkpoint import Trained, load, untrained
from nmt.clean import is_blank
from nmt.config import Settings, flat
from nmt.corpus import Corpus, Pair
from nmt.curves import Curves, has_log
from nmt.device import Device
from nmt.distributed import ALONE
from nmt.errors import CorpusError, RunError
from nmt.events import Stepped
from nmt.perplexity import Encoded, encode
from nmt.reach import Reach
from nmt.recipe import Request, opened, training_data
from nmt.scoring import bleu
from nmt.search import SearchOptions
from nmt.translate import Translator

CELLS: tuple[Cell, ...] = ("rnn", "gru", "lstm")
LECTURE: Mapping[Cell, int] = {"rnn": 7, "lstm": 100}
"""About how many tokens of context a cell conditions on, as lectures have it."""

SAFE = 0.9
"""Of the largest norms of every ten updates, the share that the suggested threshold lets pass."""

_SEQUENCES = 16  # concatenated for the reach
_BINS = 5  # of sentence lengths
_TOLD_EVERY = 100  # steps


@dataclass(frozen=True)
class Sample:
    """The text that is looked at."""

    pairs: Sequence[Pair]
    encoded: Encoded
    of: int  # pairs of the corpus

    @property
    def lengths(self) -> tuple[float, float]:
        """Of the targets in subwords: the median, and what 95 % do not exceed."""
        middle, most = np.quantile([len(ids) + 1 for ids in self.encoded.targets], (0.5, 0.95))
        return float(middle), float(most)


@dataclass(frozen=True)
class CellReach:
    """One of the cells that were trained alike."""

    cell: Cell
    steps: int
    perplexity: float | None  # on validation pairs; None: untrained
    reach: tuple[Reach, ...]


@dataclass(frozen=True)
class Exploding:
    """What the training's log says about the size of gradients, before clipping."""

    curves: Curves
    clipped: float  # the share of all updates
    median: float  # of the largest norms of every ten updates
    largest: float
    at: int  # ... and the step it was seen at, or shortly before
    threshold: float  # that leaves ordinary updates as they are
    layers: Mapping[str, tuple[float, float]]  # median and largest of each; empty for an old log


@dataclass(frozen=True)
class Bin:
    """Sentences of like length and what their translations score."""

    shortest: int  # source subwords
    longest: int
    sentences: int
    bleu: float

    @property
    def lengths(self) -> str:
        """`12`, or `6–11`."""
        only = self.shortest == self.longest
        return f"{self.longest}" if only else f"{self.shortest}–{self.longest}"


@dataclass(frozen=True)
class Diagnosis:
    """All that was found out."""

    run: str
    settings: Settings
    trained: bool
    sample: Sample
    reach: tuple[Reach, ...]
    layers: tuple[gates.Layer, ...]
    cells: tuple[CellReach, ...]  # none unless they were to be compared
    exploding: Exploding | None
    context: context.Context | None
    bins: tuple[Bin, ...]
    left_out: tuple[str, ...]  # what was not measured, and why


@dataclass(frozen=True)
class Question:
    """What a command wants to know."""

    run: Path
    corpus: Corpus
    fresh: bool  # weights as they were before training
    sentences: int  # of the corpus
    length: int  # of the sequences that gradients go back through, in subwords
    steps: int | None  # that each of the cells is trained for; None: they are not compared
    cells: Path  # where their runs are kept
    seed: int


def diagnose(question: Question, device: Device, report: Callable[[str], None]) -> Diagnosis:
    """Measure everything that can be measured.

    Args:
        report: is told what is being done.

    Raises:
        RunError: the run cannot be read.
        CorpusError: there is no text to measure on.
    """
    trained = (untrained if question.fresh else load)(question.run, device.torch)
    sample = _sampled(question, trained)
    report(f"looking at {len(sample.pairs):,} of {sample.of:,} pairs")
    report("measuring how far gradients reach back")
    reaches = _reach(trained, sample.encoded, question.length)
    report("looking at gates and recurrent matrices")
    layers = gates.layers(trained.model, sample.encoded.batches())
    exploding, left_out = _exploding(question)
    losses, bins = None, tuple[Bin, ...]()
    if question.fresh:
        left_out += ("whether context helps: an untrained model has learned nothing of it",)
    else:
        report("taking context away")
        losses = context.context(
            trained.model, sample.encoded.sources, sample.encoded.targets, question.seed
        )
        if trained.task == "translation":
            report("translating")
            bins = tuple(_by_length(trained, sample.pairs))
    cells = tuple(_compared(question, trained, sample, device, report))
    return Diagnosis(
        run=question.run.resolve().name,
        settings=trained.settings,
        trained=not question.fresh,
        sample=sample,
        reach=reaches,
        layers=tuple(layers),
        cells=cells,
        exploding=exploding,
        context=losses,
        bins=bins,
        left_out=left_out,
    )


# --- the text -------------------------------------------------------------------------------------


def _sampled(question: Question, trained: Trained) -> Sample:
    """Some pairs of the corpus, in order; all of a small one. Mere text, of which a language model
    reads no source, stands on both sides."""
    every = question.corpus.pairs()
    if trained.task == "lm":
        every = (Pair(pair.target, pair.target) for pair in every)
    filled = (pair for pair in every if not is_blank(pair.source) and not is_blank(pair.target))
    pairs, of = _drawn(filled, question.sentences, question.seed)
    encoded = encode(pairs, trained.vocabulary, trained.settings.data.max_length)
    if not encoded.targets:
        raise CorpusError(
            f"{question.corpus.name}: there is nothing in it to measure on",
            "give a corpus with lines that are neither empty nor very long",
        )
    return Sample(pairs, encoded, of)


def _drawn(pairs: Iterable[Pair], count: int, seed: int) -> tuple[list[Pair], int]:
    """A uniform sample in order, and how many there were (Vitter 1985, algorithm R)."""
    generator, kept, of = random.Random(seed), list[tuple[int, Pair]](), 0
    for of, pair in enumerate(pairs, 1):
        if len(kept) < count:
            kept.append((of, pair))
        elif (place := generator.randrange(of)) < count:
            kept[place] = of, pair
    return [pair for _, pair in sorted(kept, key=lambda each: each[0])], of


# --- the measurements -----------------------------------------------------------------------------


def _reach(trained: Trained, encoded: Encoded, length: int) -> tuple[Reach, ...]:
    batch = reach.concatenated(encoded.sources, encoded.targets, length, _SEQUENCES)
    device = next(trained.model.parameters()).device
    return tuple(reach.reach(trained.model, batch.to(device)))


def _exploding(question: Question) -> tuple[Exploding | None, tuple[str, ...]]:
    """What the log has, or why there is nothing to say."""
    what = "exploding gradients"
    if question.fresh:
        return None, (f"{what}: an untrained model has no training to look back on",)
    if not has_log(question.run):
        return None, (f"{what}: there is no log.jsonl in {question.run}",)
    found = exploding(curves.read(question.run))
    return found, () if found else (f"{what}: the log has no finite gradient norm",)


def exploding(told: Curves) -> Exploding | None:
    """Sum up the norms that a log tells of; None if it tells of none."""
    norms = told.training["gradient_norm"]
    known = np.isfinite(norms) & (norms > 0)  # 0: of ten updates none was finite
    if not known.any():
        return None
    largest = int(np.argmax(np.where(known, norms, -1.0)))
    settled = known & (np.arange(len(norms)) >= len(norms) // 10)  # the warm-up behind
    return Exploding(
        curves=told,
        clipped=float(told.training["clipped"].mean()),
        median=float(np.median(norms[known])),
        largest=float(norms[largest]),
        at=int(told.training["step"][largest]),
        threshold=float(np.quantile(norms[settled if settled.any() else known], SAFE)),
        layers={
            name: (float(np.nanmedian(each)), float(np.nanmax(each)))
            for name, each in told.layers.items()
        },
    )


def _by_length(trained: Trained, pairs: Sequence[Pair]) -> list[Bin]:
    """BLEU of groups of like size, sentences of one length in one group."""
    settings = trained.settings
    translator = Translator(
        trained.model,
        trained.vocabulary,
        SearchOptions.of(settings.translate, best=1, prune=True),
        settings.data.max_length,
    )
    translations = [each.text for each in translator.translate([pair.source for pair in pairs])]
    lengths = [len(ids) for ids in trained.vocabulary.source.encode([p.source for p in pairs])]
    return by_length(lengths, translations, [pair.target for pair in pairs])


def by_length(
    lengths: Sequence[int], translations: Sequence[str], references: Sequence[str]
) -> list[Bin]:
    """BLEU of groups of about equal size, shortest sources first."""
    inner = np.quantile(lengths, np.arange(1, _BINS) / _BINS, method="nearest") + 1
    edges = sorted({0, *map(int, inner), max(lengths) + 1})
    found = []
    for low, high in pairwise(edges):
        rows = [row for row, length in enumerate(lengths) if low <= length < high]
        if rows:
            score = bleu([translations[row] for row in rows], [references[row] for row in rows])
            here = [lengths[row] for row in rows]
            found.append(Bin(min(here), max(here), len(rows), score))
    return found


# --- the three cells ------------------------------------------------------------------------------


def _compared(
    question: Question,
    trained: Trained,
    sample: Sample,
    device: Device,
    report: Callable[[str], None],
) -> Iterable[CellReach]:
    if question.steps is None:
        return
    if not question.fresh and training_data(trained.run) is None:
        report("what the run was trained on is gone: the cells are trained on the corpus itself")
    for cell in CELLS:
        if question.fresh:
            settings = replace(trained.settings, model=replace(trained.settings.model, cell=cell))
            each, steps, perplexity = untrained(question.run, device.torch, settings), 0, None
        else:
            each, perplexity = _trained_alike(question, trained, cell, device, report)
            steps = question.steps
        report(f"{cell}: measuring how far gradients reach back")
        encoded = encode(sample.pairs, each.vocabulary, each.settings.data.max_length)
        yield CellReach(cell, steps, perplexity, _reach(each, encoded, question.length))


def _trained_alike(
    question: Question,
    trained: Trained,
    cell: Cell,
    device: Device,
    report: Callable[[str], None],
) -> tuple[Trained, float]:
    """A run that differs from the others in its cell alone, and its validation perplexity.

    It is trained on what the diagnosed run was trained on, or where that is gone on the corpus."""
    assert question.steps is not None
    text = training_data(trained.run) or question.corpus
    out = question.cells / f"{cell}-{question.steps}-steps"
    request = Request(_alike(trained.settings, cell, question.steps), text, None, out)
    with _advising(out), opened(request, device, time.monotonic(), ALONE) as ready:
        for event in ready.training.events():
            if isinstance(event, Stepped) and event.step % _TOLD_EVERY == 0:
                report(f"{cell}: step {event.step:,} of {question.steps:,}, loss {event.loss:.2f}")
        perplexity = ready.training.progress.best_perplexity
    return load(out, device.torch), perplexity


@contextlib.contextmanager
def _advising(cell: Path) -> Iterator[None]:
    """A run that cannot go on can only be made anew, since a diagnosis has no settings for it."""
    try:
        yield
    except RunError as error:
        raise RunError(error.message, f"delete {cell}: it is then trained anew") from error


def _alike(settings: Settings, cell: Cell, steps: int) -> dict[str, Any]:
    """The run's settings with another cell and as many steps."""
    every = flat(settings)
    of_training = (
        *("seed", "batch_tokens", "accumulate", "optimizer", "learning_rate", "weight_decay"),
        *("label_smoothing", "clip_norm", "ema", "concatenated"),
    )
    same = {key: value for key, value in every.items() if key.startswith("model.")}
    same |= {f"train.{name}": every[f"train.{name}"] for name in of_training}
    return same | {
        "data.task": settings.data.task,
        "data.joint_vocab": settings.data.joint_vocab,
        "model.cell": cell,
        "train.max_steps": steps,
        "train.validate_every": steps,
        "train.validate_lines": 100,
        "train.save_every": max(1, steps // 4),
        "train.keep_last": 0,
    }
