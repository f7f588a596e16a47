"""Everything a person sees, on stderr: progress, tables, warnings, errors.

On a terminal there is a live progress bar; elsewhere plain lines, never control codes. stdout
belongs to results.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.wording import duration, visible

if TYPE_CHECKING:
    from rich.console import Console as Rich
    from rich.progress import Progress as Bar

    from nmt.channel import NoisyChannel
    from nmt.config import TrainSettings
    from nmt.events import Event, Finished, Incident, Stepped, Validated
    from nmt.manifest import Manifest
    from nmt.page import Block
    from nmt.prepare import Working
    from nmt.recipe import Ready
    from nmt.translate import Translation

_PLAIN_EVERY = 15.0  # seconds between two plain progress lines
_PICTURES = 50  # of attention
_WIDE = 10_000  # columns where there is no terminal
_SHORT = 16  # characters of a cell that a narrow terminal does not break


class Console:
    """Where the messages of one command go. `quiet` leaves only warnings and errors."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the command before this one."""
        self.quiet = False
        self.debug = False
        self._unheard = False

    def say(self, text: str = "") -> None:
        """A line for people."""
        if not self.quiet:
            self._print(text)

    def draw(self, text: str) -> None:
        """Lines that were asked for, --quiet or not."""
        self._print(text)

    def warn(self, text: str) -> None:
        self._print(f"warning: {text}")

    def error(self, message: str, advice: str = "") -> None:
        self._print(f"nmt: {message}")
        if advice:
            self._print(f"     {advice}")

    def table(self, rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> None:
        if not self.quiet:
            with contextlib.suppress(BrokenPipeError):
                print_table(rows, header, sys.stderr)

    def is_live(self) -> bool:
        return sys.stderr.isatty() and not self.quiet

    def _print(self, text: str) -> None:
        from rich.text import Text

        if self._unheard:
            return
        try:
            _stderr().print(Text(_lines(text)), soft_wrap=True)
        except BrokenPipeError:  # nobody listens: no reason to stop working
            self._unheard = True


console = Console()
"""The one of this process."""


def _stderr() -> Rich:
    """rich's console; a closed pipe is an error of the stream, not the end of the process."""
    from rich.console import Console as Rich

    class Stderr(Rich):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Stderr(stderr=True)


def print_table(rows: Iterable[Sequence[str]], header: Sequence[str], file: Any) -> None:
    """A table without lines: readable by people, `cut` and `awk`. On a terminal long cells go on
    below, short ones stay whole; a cell of the header may have several lines."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_header=bool(header), pad_edge=False)
    columns = list(zip(*([visible(cell) for cell in row] for row in rows), strict=True))
    heads = [_lines(cell) for cell in header] or [""] * len(columns)
    for head, cells in zip(heads, columns or [()] * len(heads), strict=True):
        longest = max(map(len, (*cells, *head.split("\n"))))
        grid.add_column(Text(head), overflow="fold", min_width=min(longest, _SHORT))
    for row in zip(*columns, strict=True):
        grid.add_row(*map(Text, row))
    _sheet(file).print(grid, soft_wrap=True)


def print_json(value: Any) -> None:
    """A result for programs, on stdout."""
    from nmt.files import to_json

    print(to_json(value, indent=2))


def print_blocks(blocks: Iterable[Block], file: Any) -> None:
    """Prose, tables and entries of a page (nmt.page), as a terminal shows them."""
    from rich.text import Text

    from nmt.page import Entry, Prose, Table

    sheet = _sheet(file)
    for number, block in enumerate(blocks):
        if number:
            sheet.print()
        if isinstance(block, Table):
            sheet.print(Text(visible(block.caption)))
            print_table(block.rows, block.header, file)
        elif isinstance(block, Entry):
            sheet.print(Text(visible(block.title)))
            print_table(block.lines, (), file)
        elif isinstance(block, Prose):
            sheet.print(Text(visible(block.text)))


def print_markdown(text: str, file: Any) -> None:
    """Set on a terminal; elsewhere as it is."""
    from rich.markdown import Markdown

    if file.isatty():
        _sheet(file).print(Markdown(_lines(text)))
    else:
        print(_lines(text), end="", file=file)


def _sheet(file: Any) -> Rich:
    """Paper of the terminal's width; of any width where there is none."""
    from rich.console import Console as Rich

    return Rich(file=file, width=None if file.isatty() else _WIDE, color_system=None)


def _lines(text: str) -> str:
    """Visible, line by line."""
    return "\n".join(map(visible, text.split("\n")))


# --- preparation and training -------------------------------------------------------------------


def show_manifest(console: Console, manifest: Manifest) -> None:
    """What was read, kept and left out."""
    for name, counts in (("training", manifest.train), ("validation", manifest.valid)):
        left = "; ".join(f"{count:,} left out: {why}" for why, count in counts.left_out.items())
        held = " held out of the corpus" if name == "validation" and manifest.held_out else ""
        kept = f"{counts.kept:,} {manifest.unit}s{held}"
        console.say(f"{name}: {kept}" + (f" ({left})" if left else ""))
    sizes, joint = manifest.vocabulary, manifest.settings["joint_vocab"]
    means = [f"{manifest.lengths[side]['mean']:.1f}" for side in ("source", "target")]
    what = f"{sizes['source']:,} joint" if joint else f"{sizes['source']:,} and {sizes['target']:,}"
    if manifest.task == "lm":
        what, means = f"{sizes['target']:,}", means[1:]
    console.say(
        f"subwords: {what} ({manifest.settings['subwords']}); a {manifest.unit} has "
        f"{' and '.join(means)} on average"
    )


def show_beginning(console: Console, ready: Ready) -> None:
    """The first lines of a training: what was chosen, and why."""
    from nmt.config import shape

    training = ready.training
    settings, progress = training.settings, training.progress
    if ready.resumed:
        spent = duration(progress.seconds)
        console.say(f"resuming {training.run.path} at step {progress.step:,} after {spent}")
        for error in training.damaged:
            console.warn(f"{error.message}; going on from the checkpoint before it")
    else:
        show_manifest(console, training.data.manifest)
    for choice in training.choices:
        console.say(f"chosen: {choice.key} = {choice.value} ({choice.why})")
    console.say(f"model: {training.parameters:,} parameters; {shape(settings)}")
    console.say(f"device: {training.device.name}, {settings.train.precision}")
    console.say(f"training: {_plan(settings.train)}")


def _plan(train: TrainSettings) -> str:
    """Batches, optimizer, schedule and end, in a line."""
    tokens = f"{train.batch_tokens:,} target tokens"
    batches = f"{train.accumulate} × {tokens}" if train.accumulate > 1 else tokens
    ends = [f"{train.max_steps:,} steps"] if train.max_steps else []
    ends += [f"{train.max_epochs} epochs"] if train.max_epochs else []
    ends += [duration(train.budget)] if train.budget else []
    ends += [f"{train.patience} validations without a better {train.best_by}"] * bool(
        train.patience
    )
    return (
        f"batches of {batches}, {train.optimizer} at {train.learning_rate:g}, {train.schedule} "
        f"after {train.warmup_steps} steps of warm-up, until {' or '.join(ends)}"
    )


def tell_weights(channel: NoisyChannel | None) -> None:
    """Weights that nobody chose are told."""
    if channel and not channel.weighing.tuned:
        console.say(
            f"ranked by {channel.weighing}: a guess; nmt tune with the same --channel and --lm "
            "finds weights on a validation corpus"
        )


class PreparationView:
    """Shows how far a preparation is, if it takes a while."""

    def __init__(self, console: Console, unit: str) -> None:
        """Args: unit: what the corpus is made of."""
        self.console, self.unit = console, unit
        self._bar: Bar | None = None
        self._stage = ""
        self._began = self._heard = self._last_line = time.monotonic()

    def __enter__(self) -> PreparationView:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None

    def show(self, working: Working) -> None:
        now = time.monotonic()
        if working.stage != self._stage:
            self._stage, self._began = working.stage, self._heard
        self._heard = now
        rate = working.pairs / max(now - self._began, 1e-3)
        what = f"{working.pairs:,} {self.unit}s, {rate:,.0f} a second" if working.pairs else "..."
        if self.console.is_live():
            self._draw(working.share, f"{working.stage}: {what}")
        elif now - self._last_line > _PLAIN_EVERY:
            self._last_line = now
            share = "" if working.share is None else f"{working.share:4.0%}  "
            self.console.say(f"{share}{working.stage}: {what}")

    def _draw(self, share: float | None, figures: str) -> None:
        if self._bar is None:
            self._bar = _live_bar(transient=True)
            self._bar.start()
            self._task = self._bar.add_task("preparation", figures="")
        total = None if share is None else 1.0
        self._bar.update(self._task, total=total, completed=share or 0.0, figures=figures)


class TrainingView:
    """Shows a training's events as they come."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Bar | None = None
        self._last_line = 0.0

    def __enter__(self) -> TrainingView:
        if self.console.is_live():
            self._bar = _live_bar(transient=False)
            self._bar.start()
            self._task = self._bar.add_task("training", total=1.0, figures="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, event: Event) -> None:
        from nmt.events import Finished, Incident, Stepped, Validated

        if isinstance(event, Stepped):
            self._step(event)
        elif isinstance(event, Validated):
            self._validation(event)
        elif isinstance(event, Incident):
            self._incident(event)
        elif isinstance(event, Finished):
            if self._bar:
                self._bar.stop()
                self._bar = None
            self._end(event)

    def _step(self, event: Stepped) -> None:
        left = event.seconds * (1 - event.progress) / event.progress if event.progress else 0.0
        figures = (
            f"step {event.step:,}  epoch {event.epoch:.1f}  loss {event.loss:.3f}  "
            f"ppl {event.perplexity:.2f}  norm {event.gradient_norm:.2f}  "
            f"{event.target_tokens_per_second:,.0f} tok/s  {duration(left)} left"
        )
        if self._bar:
            self._bar.update(self._task, completed=event.progress, figures=figures)
        elif time.monotonic() - self._last_line > _PLAIN_EVERY or not self._last_line:
            self._last_line = time.monotonic()
            self.console.say(f"{event.progress:4.0%}  {figures}")

    def _validation(self, event: Validated) -> None:
        best = "  * best so far" if event.best else ""
        quality = "" if math.isnan(event.bleu) else f"  BLEU {event.bleu:.1f}"
        self._line(
            f"validation at step {event.step:,} (epoch {event.epoch:.1f}, "
            f"{duration(event.seconds)}): perplexity {event.perplexity:.2f}{quality}{best}"
        )
        for sample in event.samples:
            if sample.source:  # a language model has none
                self._line(f"    {sample.source}")
            self._line(f"  → {sample.translation}")

    def _incident(self, event: Incident) -> None:
        back = event.back_to is not None
        slower = f", at {event.rate_factor:g} of the learning rate" if back else ""
        where = f" (see {event.file})" if event.file else ""
        text = f"step {event.step:,}: {event.reason}; {event.action}{slower}{where}"
        if self._bar:
            self._line(f"warning: {text}")
        else:
            self.console.warn(text)

    def _end(self, event: Finished) -> None:
        self.console.say(f"finished: {event.reason}")
        quality = [] if math.isnan(event.best_bleu) else [f"{event.best_bleu:.1f}"]
        self.console.table(
            [
                ("best step", f"{event.best_step:,} of {event.step:,}"),
                ("epochs", f"{event.epoch:.1f}"),
                ("validation perplexity", f"{event.best_perplexity:.2f}"),
                *(("validation BLEU (greedy)", score) for score in quality),
                ("time", duration(event.seconds)),
                ("of it updates", f"{event.updating / max(event.seconds, 1e-9):.1%}"),
                ("of it validation", f"{event.validating / max(event.seconds, 1e-9):.1%}"),
            ]
        )

    def _line(self, text: str) -> None:
        from rich.text import Text

        if self._bar:
            self._bar.console.print(Text(_lines(text)))
        else:
            self.console.say(text)


# --- translating --------------------------------------------------------------------------------


class AttentionView:
    """Draws the attention of the best candidate of each line."""

    def __init__(self, console: Console, file: Path) -> None:
        """Args: file: of the first line; FILE-2, FILE-3, … of the others; `-`: on stderr."""
        self.console, self.file = console, file

    def show(self, number: int, translation: Translation) -> None:
        """Draw a line; numbers begin at 1."""
        from nmt.heatmap import chart, draw

        attention = translation.candidates[0].attention
        if not attention:
            return
        if str(self.file) == "-":
            self.console.draw(chart(attention, shutil.get_terminal_size().columns))
            return
        if number > _PICTURES:
            if number == _PICTURES + 1:
                self.console.warn(f"no more pictures after {_PICTURES} lines")
            return
        path = self.file
        if number > 1:
            path = path.with_stem(f"{path.stem}-{number}")
        if not draw(attention, path):
            self.console.warn(f"{path}: no font that is installed has all its characters; try .svg")
        self.console.say(f"drawn: {path}")


# --- what several views need --------------------------------------------------------------------


def _live_bar(transient: bool) -> Bar:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[figures]}"),
        console=_stderr(),
        transient=transient,
    )
