"""How the curves of trainings look: a picture of several runs, and a few lines of text for one.

Both show the same panels on the same scales. A scale leaves out rare extremes, so that one spike
does not flatten the rest; the picture marks what lies beyond it, and what was not finite.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from nmt.curves import Column, Columns, Curves
from nmt.picture import CHART, COLOURS, save, svg
from nmt.wording import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Panel:
    """One figure, followed through a training."""

    title: str
    part: Literal["training", "validation"]
    key: str
    over: Literal["step", "seconds"] = "step"
    log: bool = False
    noisy: bool = False

    def points(self, curves: Curves) -> tuple[Column, Column]:
        """x and y, in order of appearance."""
        columns: Columns = getattr(curves, self.part)
        return columns[self.over], columns[self.key]


LOSS = Panel("training loss", "training", "loss", noisy=True)
PERPLEXITY = Panel("validation perplexity", "validation", "perplexity", over="seconds", log=True)
BLEU = Panel("validation BLEU", "validation", "bleu", over="seconds")
RATE = Panel("learning rate", "training", "learning_rate")
NORM = Panel("gradient norm before clipping", "training", "gradient_norm", log=True, noisy=True)
CLIPPED = Panel("share of updates clipped", "training", "clipped", noisy=True)
_PANELS = (LOSS, PERPLEXITY, BLEU, RATE, NORM, CLIPPED)


@dataclass(frozen=True)
class Scale:
    """From values to heights, 0 to 1 from the lowest to the highest shown, and back."""

    low: float
    high: float
    log: bool = False

    def heights(self, values: Column) -> Column:
        """What lies beyond the scale is below 0 or above 1; what is not finite stays nan."""
        low, high, values = (self._plain(v) for v in (self.low, self.high, values))
        return (values - low) / (high - low)

    def values(self, heights: Column) -> Column:
        low, high = self._plain(self.low), self._plain(self.high)
        plain = low + heights * (high - low)
        return np.exp(plain) if self.log else plain

    def _plain(self, values: Column | float) -> Column:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(values) if self.log else np.asarray(values)


def scale_for(panel: Panel, columns: Sequence[Column]) -> Scale:
    """A scale for all of the columns; logarithmic if the panel is, and if it makes a difference."""
    if panel is CLIPPED:
        return Scale(0, 1)
    ends: list[float] = []
    for column in columns:
        usable = column[np.isfinite(column) & ((column > 0) | (not panel.log))]
        if len(usable):
            ends += _ends(np.log(usable) if panel.log else usable, panel.noisy)
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    if not panel.log:
        return Scale(low, high)
    return Scale(math.exp(low), math.exp(high), log=high - low > math.log(3))


def _ends(values: Column, noisy: bool) -> tuple[float, float]:
    """The extremes, where noisy drawn in to the inner 98 % and as far again on either side."""
    values = np.sort(values)
    if not noisy or len(values) < 10:
        return float(values[0]), float(values[-1])
    rare = max(1, len(values) // 100)
    low, high = values[rare], values[-1 - rare]
    reach = high - low
    return float(max(values[0], low - reach)), float(min(values[-1], high + reach))


def smooth(values: Column) -> Column:
    """The mean over the neighbourhood: a fortieth of the whole, less at the ends."""
    count, reach = len(values), len(values) // 80
    sums = np.concatenate(([0.0], np.cumsum(values)))
    start = np.maximum(np.arange(count) - reach, 0)
    stop = np.minimum(np.arange(count) + reach + 1, count)
    means: Column = (sums[stop] - sums[start]) / (stop - start)
    return means


# --- the picture --------------------------------------------------------------------------------

_LINES = ("-", "--", ":", "-.")
_UNITS = ((2 * 3600, 3600, "hours"), (2 * 60, 60, "minutes"), (0, 1, "seconds"))


@dataclass(frozen=True)
class _Pen:
    colour: str
    line: str


def draw(runs: Mapping[str, Curves], path: Path) -> None:
    """Write a picture of the runs' curves, one colour for each.

    Raises:
        SettingsError: the name does not say which kind of picture it should be.
    """
    save(path, lambda: _picture(runs, columns=3), CHART)


def drawn(runs: Mapping[str, Curves]) -> str:
    """The same as SVG, as high as a page."""
    return svg(lambda: _picture(runs, columns=2), CHART)


def _picture(runs: Mapping[str, Curves], columns: int) -> Figure:
    from matplotlib.figure import Figure

    rows = len(_PANELS) // columns
    figure = Figure(figsize=(13 / 3 * columns, 3.5 * rows), layout="constrained")
    pens = itertools.cycle(_Pen(colour, line) for line in _LINES for colour in COLOURS)
    drawn = dict(zip(runs, pens, strict=False))
    for panel, axes in zip(_PANELS, figure.subplots(rows, columns).flat, strict=True):
        axes.set_title(panel.title)
        _draw_panel(axes, panel, [(runs[name], drawn[name]) for name in runs])
    _draw_legend(figure, runs, drawn)
    return figure


def _draw_panel(axes: Axes, panel: Panel, runs: Sequence[tuple[Curves, _Pen]]) -> None:
    unit = _name_x(axes, panel, [curves for curves, _ in runs])
    columns = [panel.points(curves)[1] for curves, _ in runs]
    if panel is NORM:  # the thresholds belong in the picture
        columns += [np.array([curves.clip_norm]) for curves, _ in runs]
    scale = scale_for(panel, columns)
    _name_y(axes, panel, scale)
    for curves, pen in runs:
        x, y = panel.points(curves)
        _draw_curve(axes, x / unit, y, panel, scale, pen)
        _mark_incidents(axes, curves, panel, unit, pen)
        if panel.part == "validation" and curves.best is not None:
            _mark_best(axes, x[curves.best] / unit, y[curves.best], pen)
    if panel is NORM:
        _mark_thresholds(axes, [curves.clip_norm for curves, _ in runs])
    if not any(len(panel.points(curves)[0]) for curves, _ in runs):
        axes.text(0.5, 0.5, "nothing yet", transform=axes.transAxes, ha="center", color="#888888")
        axes.set(xticks=[], yticks=[])


def _name_x(axes: Axes, panel: Panel, runs: Sequence[Curves]) -> float:
    """Label the axis; the number that x is to be divided by."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    columns = (part[panel.over] for run in runs for part in (run.training, run.validation))
    most = max((x for column in columns for x in column if np.isfinite(x)), default=1.0)
    unit, label = 1, "step"
    if panel.over == "seconds":
        unit, label = next((unit, name) for least, unit, name in _UNITS if most >= least)
        label = f"{label} of training"
    axes.set_xlabel(label)
    axes.set_xlim(-0.02 * most / unit, 1.02 * most / unit)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=(1, 2, 5, 10)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    return unit


def _name_y(axes: Axes, panel: Panel, scale: Scale) -> None:
    from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter, StrMethodFormatter

    if scale.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    if panel is CLIPPED:
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylim(*scale.values(np.array([-0.04, 1.04])))


def _draw_curve(axes: Axes, x: Column, y: Column, panel: Panel, scale: Scale, pen: _Pen) -> None:
    """The curve, begun anew where x goes back; a noisy one pale, with its mean over it."""
    for part in _stretches(x):
        dots = "." if part.stop - part.start <= 30 else ""
        x_here, y_here = x[part], y[part]
        if panel.noisy:
            axes.plot(x_here, y_here, color=pen.colour, lw=0.7, alpha=0.3)
            x_here, y_here = _averaged(x_here, y_here, scale)
        axes.plot(x_here, y_here, color=pen.colour, ls=pen.line, lw=1.6, marker=dots)
    _mark_beyond(axes, x, scale.heights(y), pen)


def _averaged(x: Column, y: Column, scale: Scale) -> tuple[Column, Column]:
    """The mean as the scale sees it, without what lies beyond it."""
    heights = scale.heights(y)
    there = (heights >= 0) & (heights <= 1)
    return x[there], scale.values(smooth(heights[there]))


def _mark_beyond(axes: Axes, x: Column, heights: Column, pen: _Pen) -> None:
    """Small triangles at the edge for what is off the scale; what is not finite is above it."""
    for edge, mark, beyond in ((1, "^", ~(heights <= 1)), (0, "v", heights < 0)):
        if beyond.any():
            edges = np.full(beyond.sum(), edge)
            place = axes.get_xaxis_transform()
            (shown,) = axes.plot(x[beyond], edges, mark, color=pen.colour, ms=4, transform=place)
            shown.set(clip_on=False, label="off the scale, or not finite")


def _mark_best(axes: Axes, x: float, y: float, pen: _Pen) -> None:
    axes.plot(x, y, "*", color=pen.colour, ms=11, mec="white", label="best validation", zorder=3)


def _mark_incidents(axes: Axes, curves: Curves, panel: Panel, unit: float, pen: _Pen) -> None:
    for x in curves.incidents[panel.over] / unit:
        axes.axvline(x, color=pen.colour, lw=0.9, ls=(0, (1, 2)), label="incident")


def _mark_thresholds(axes: Axes, thresholds: Sequence[float]) -> None:
    for threshold in sorted({value for value in thresholds if value}):
        axes.axhline(threshold, color="#666666", lw=1, ls=(0, (6, 3)))
        axes.annotate(
            f"clipped above {threshold:g}",
            (1, threshold),
            xycoords=axes.get_yaxis_transform(),
            xytext=(0, 5),
            textcoords="offset points",
            ha="right",
            color="#444444",
            bbox={"color": "white", "lw": 0, "alpha": 0.7, "pad": 1},
        )


def _draw_legend(figure: Figure, runs: Mapping[str, Curves], pens: Mapping[str, _Pen]) -> None:
    """The runs with their best scores, and the marks that occur."""
    from matplotlib.lines import Line2D

    labels = {name: _told(name, curves) for name, curves in runs.items()}
    lines = [
        Line2D([], [], color=pens[name].colour, ls=pens[name].line, lw=2, label=label)
        for name, label in labels.items()
    ]
    fit = 13 * figure.get_figwidth() / (max(map(len, labels.values())) + 6)
    figure.legend(handles=lines, loc="outside upper left", ncols=max(1, int(fit)))
    marks = {
        str(m.get_label()): m for axes in figure.axes for m in axes.get_legend_handles_labels()[0]
    }
    if marks:
        key = figure.legend(handles=marks.values(), loc="outside lower left", ncols=len(marks))
        for mark in key.get_lines():
            mark.set_color("#666666")


def _told(name: str, curves: Curves) -> str:
    """A run in a line."""
    name = shortened(name)
    if curves.best is None:
        return name
    scores = curves.validation
    quality = scores["bleu"][curves.best]
    return (
        f"{name}: {'' if np.isnan(quality) else f'BLEU {quality:.1f}, '}"
        f"perplexity {scores['perplexity'][curves.best]:.2f} "
        f"at step {scores['step'][curves.best]:,.0f}"
    )


def _stretches(x: Column) -> Iterator[slice]:
    """The parts between which x does not grow."""
    breaks = [0, *(np.flatnonzero(np.diff(x) <= 0) + 1), len(x)]
    return (slice(start, stop) for start, stop in itertools.pairwise(breaks) if stop > start)


# --- a few lines of text ------------------------------------------------------------------------

_ROWS = 4  # of a panel
_WIDEST = 100
_LABELS = 30  # columns left of the curve
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # of a braille character


def chart(curves: Curves, width: int) -> str:
    """Loss and validation scores over the steps, in braille, at most `width` columns wide."""
    columns = max(10, min(width, _WIDEST) - _LABELS)
    panels = [p for p in (LOSS, PERPLEXITY, BLEU) if np.isfinite(p.points(curves)[1]).any()]
    if not panels:
        return "curves: nothing yet"
    last = max(*curves.training["step"], *curves.validation["step"], 1.0)
    lines = [line for panel in panels for line in _rows(panel, curves, last, columns)]
    axis = f"{'':{_LABELS}}0{f'step {last:,.0f}':>{columns - 1}}"
    return "\n".join([*lines, axis])


def _rows(panel: Panel, curves: Curves, last: float, columns: int) -> list[str]:
    """A panel: its name with its last or its kept value, the ends of its scale, its curve."""
    values, steps = panel.points(curves)[1], getattr(curves, panel.part)["step"]
    scale = scale_for(panel, [values])
    high, low = (f"{value:.3g}" for value in scale.values(np.array([1.0, 0.0])))
    told = f"last {values[-1]:.3g}"
    if panel.part == "validation" and curves.best is not None:
        told = f"kept {values[curves.best]:.3g}"
    names = [panel.title, *[""] * (_ROWS - 2), f"  {told}"]
    ends = [high, *[""] * (_ROWS - 2), low]
    curve = _braille(_sampled(steps / last, scale.heights(values), 2 * columns))
    rows = zip(names, ends, curve, strict=True)
    return [f"{name:<{_LABELS - 8}}{end:>7} {dots}".rstrip() for name, end, dots in rows]


def _sampled(x: Column, heights: Column, count: int) -> Column:
    """The last height seen at each of `count` places along x from 0 to 1, joined; nan outside."""
    seen: dict[int, float] = {
        round(at * (count - 1)): min(max(height, 0.0), 1.0)
        for at, height in zip(x, heights, strict=True)
        if np.isfinite(height)
    }
    known = sorted(seen)
    joined = [seen[place] for place in known]
    between: Column = np.interp(np.arange(count), known, joined, left=np.nan, right=np.nan)
    return between


def _braille(heights: Column) -> list[str]:
    """A line through heights between 0 and 1, two to a character, from the top row down."""
    cells = np.zeros((_ROWS, len(heights) // 2), int)
    before = None
    for x, height in enumerate(heights):
        if np.isnan(height):
            continue
        dot = round((1 - height) * (4 * _ROWS - 1))
        start = dot if before is None else before + np.sign(dot - before)
        for y in range(min(start, dot), max(start, dot) + 1):
            cells[y // 4, x // 2] |= _DOTS[x % 2][y % 4]
        before = dot
    return ["".join(chr(0x2800 + cell) if cell else " " for cell in row) for row in cells]
