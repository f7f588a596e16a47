"""Commands that make a model: prepare, train, curve, average.

One thin function each: it parses, calls, and hands events on. Nothing heavy is imported before a
command needs it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nmt import arguments, options, process
from nmt.console import (
    console,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from nmt.choices import DeviceName
    from nmt.learning_curve import LearningCurve, Part
    from nmt.tensorboard import TensorBoardView
    from nmt.training import Training


def prepare(
    corpus: options.Corpus,
    out: options.PreparedFolder,
    task: options.Task = None,
    valid: options.Valid = None,
    langs: options.Langs = None,
    config: options.ConfigFile = None,
    assignments: options.Assignments = None,
    preset: options.Preset = None,
    seed: options.Seed = None,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Clean, learn subwords, encode; write Arrow tables and a manifest."""
    from nmt.choices import UNITS
    from nmt.config import read

    asked = arguments.asked(config, assignments, preset, seed, None, task)
    aim = read(asked).data.task
    from nmt import recipe
    from nmt.console import PreparationView, show_manifest
    from nmt.files import locked

    place = out.resolve()
    with (
        locked(place.parent / f".{place.name}.lock", str(out)),
        PreparationView(console, UNITS[aim]) as view,
    ):
        manifest, choices = recipe.prepare(
            arguments.opened(corpus, langs, aim),
            arguments.corpus(valid, langs, aim) if valid else None,
            out,
            asked,
            threads or os.cpu_count() or 1,
            report=view.show,
        )
    for choice in choices:
        console.say(f"chosen: {choice.key} = {choice.value} ({choice.why})")
    show_manifest(console, manifest)
    console.say(f"prepared: {out}")


def train(
    corpus: options.Corpus,
    out: options.NewRun,
    task: options.Task = None,
    valid: options.Valid = None,
    langs: options.Langs = None,
    config: options.ConfigFile = None,
    assignments: options.Assignments = None,
    preset: options.Preset = None,
    budget: options.Budget = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    fresh: options.Fresh = False,
    tensorboard: options.TensorBoard = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train a model. The same command again goes on where it stopped."""
    from nmt.choices import UNITS
    from nmt.config import read

    with process.alike():
        asked = arguments.asked(config, assignments, preset, seed, budget, task)
        aim = read(asked).data.task
        from nmt import recipe
        from nmt.console import PreparationView, show_beginning
        from nmt.device import open_device
        from nmt.distributed import join

        pairs, valid_pairs = arguments.corpora(corpus, valid, langs, aim)
        place = open_device(device, threads)
        board = _board(tensorboard, out)
    preparation = PreparationView(console, UNITS[aim])
    request = recipe.Request(asked, pairs, valid_pairs, out, fresh, preparation.show)
    with (
        preparation,
        join(place.torch.type == "cuda") as world,
        recipe.opened(request, place, process.STARTED, world) as ready,
    ):
        preparation.stop()
        console.quiet = console.quiet or not world.first
        show_beginning(console, ready)
        progress = ready.training.progress
        if progress.finished:
            console.say(f"already finished: {progress.finished}; --fresh starts over")
            return
        _watch(ready.training, board if world.first else None)
    verb = "translate" if ready.training.settings.data.task == "translation" else "sample"
    console.say(f"model: {out}; now try: nmt {verb} {out}")


def curve(
    corpus: options.Corpus,
    out: options.CurveFolder,
    fractions: options.Fractions = "0.125,0.25,0.5,1",
    valid: options.Valid = None,
    langs: options.Langs = None,
    config: options.ConfigFile = None,
    assignments: options.Assignments = None,
    preset: options.Preset = None,
    budget: options.Budget = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    fresh: options.Fresh = False,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train on growing parts of a corpus: what would twice the data give?"""
    from nmt.config import seconds_from

    asked = arguments.asked(config, assignments, preset, seed, None, "translation")
    seconds = seconds_from(budget) if budget else 0.0
    from nmt.files import locked
    from nmt.learning_curve import HEADER, Asked, LearningCurve, fractions_in

    pairs, valid_pairs = arguments.corpora(corpus, valid, langs, "translation")
    if isinstance(pairs, Path):
        pairs, valid_pairs = arguments.texts_of(pairs)
    wanted = Asked(pairs, valid_pairs, fractions_in(fractions), asked, out, seconds, fresh)
    with locked(out / "lock", str(out)):
        found = LearningCurve(wanted)
        for part in found.missing():
            console.say(f"part {part.fraction:g} of the corpus, about {part.pairs:,} pairs")
            _add_part(found, part, device, threads)
        conclusion = found.conclude()
    if json:
        print_json(conclusion.record())
    else:
        print_table(conclusion.rows(), HEADER, sys.stdout)
        print("", *conclusion.answer(), sep="\n")
    console.say(f"drawn: {out / 'curve.png'}")


def _add_part(found: LearningCurve, part: Part, device: DeviceName, threads: int | None) -> None:
    """Train on a part of a corpus, and judge what became of it."""
    from nmt import decoding, recipe
    from nmt.choices import UNITS
    from nmt.console import PreparationView, show_beginning
    from nmt.device import open_device
    from nmt.distributed import ALONE
    from nmt.learning_curve import measure

    preparation = PreparationView(console, UNITS["translation"])
    request = found.request(part, preparation.show)
    place = open_device(device, threads)
    with preparation, recipe.opened(request, place, time.monotonic(), ALONE) as ready:
        preparation.stop()
        show_beginning(console, ready)
        _watch(ready.training)
    search = decoding.Request(runs=[request.out], device=device, threads=threads)
    found.add(measure(part, found.valid(), search))


def _watch(training: Training, board: TensorBoardView | None = None) -> None:
    """Train, showing all that happens; a request to stop ends the command."""
    from nmt.console import TrainingView

    views: list[TrainingView | TensorBoardView] = [TrainingView(console)]
    views += [board] if board else []
    with process.stopping(training) as stop, contextlib.ExitStack() as opened:
        for view in views:
            opened.enter_context(view)
        for event in training.events():
            for view in views:
                view.show(event)
    if not training.progress.finished:
        console.say(
            f"stopped and saved at step {training.progress.step:,}; "
            "to go on, run the same command again"
        )
        raise typer.Exit(128 + (stop[0] if stop else signal.SIGTERM))


def _board(folder: Path | None, run: Path) -> TensorBoardView | None:
    """TensorBoard tells runs apart by their folders."""
    from nmt.tensorboard import TensorBoardView

    return TensorBoardView(folder / run.resolve().name) if folder else None


def average(
    runs: options.RunsOrWeights,
    out: options.AveragedRun,
    last: options.Last = 3,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Average the last weights of runs (or files of weights) into a new run."""
    from nmt import card
    from nmt.checkpoint import Run
    from nmt.checkpoint import average as average_weights

    files = average_weights(runs, out, last)
    card.write(Run(out))
    console.say(f"averaged {len(files)}: {', '.join(map(str, files))}")
    console.say(f"model: {out}; now try: nmt evaluate {out} CORPUS...")
