"""How a diagnosis looks: a figure for each measurement, for a page and for files of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nmt.context import Context, Way
from nmt.curves import Curves
from nmt.diagnose import LECTURE, Bin, CellReach, Diagnosis, Exploding
from nmt.gates import Layer
from nmt.picture import COLOURS
from nmt.reach import HALF, HUNDREDTH, Part, Reach, recurrent_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[[], "Figure"]

_BLUE, _ORANGE, _GREEN = COLOURS[:3]
_LEAST = 1e-6  # of what is left of a gradient, that is drawn
_WIDTH = 7.0  # inches
_ACROSS = 2  # panels
_CELLS = {"rnn": _ORANGE, "gru": _GREEN, "lstm": _BLUE}
_PARTS: dict[Part, str] = {
    "decoder": "in the decoder",
    "encoder, forward": "in the encoder, forward",
    "encoder, backward": "in the encoder, backward",
    "source": "from a token to the source",
}


def figures(diagnosis: Diagnosis) -> dict[str, Draw]:
    """What there is to draw, by the name of its file."""
    found: dict[str, Draw] = {"reach": partial(_reach, diagnosis.reach)}
    if diagnosis.cells:
        found["cells"] = partial(_cells, diagnosis.cells)
    found["gates"] = partial(_gates, diagnosis.layers)
    if diagnosis.exploding:
        found["norms"] = partial(_norms, diagnosis.exploding)
    if diagnosis.context:
        found["context"] = partial(_context, diagnosis.context)
    if diagnosis.bins:
        found["lengths"] = partial(_lengths, diagnosis.bins)
    return found


# --- gradients by distance ------------------------------------------------------------------------


def _reach(reaches: Sequence[Reach]) -> Figure:
    parts = [part for part in _PARTS if any(each.part == part for each in reaches)]
    figure, panels = _panels(len(parts), 2.5)
    for part, axes in zip(parts, panels, strict=True):
        here = [each for each in reaches if each.part == part]
        axes.set_title(_PARTS[part])
        for each in here:
            what = "∂J/∂h" if each.to == "h" else "∂J/∂x"
            how = "attention detached" if each.detached else "attention as it is"
            if not any(other.detached for other in reaches):
                how = "no attention"
            line = "-" if each.to == "h" else ":"
            colour = _ORANGE if each.detached else _BLUE
            _draw_reach(axes, each, colour, line, f"{what}, {how}")
        _scale_reach(axes, here)
    _legend_above(figure, figure.axes)
    return figure


def _cells(cells: Sequence[CellReach]) -> Figure:
    """What is left of the gradient on the recurrent path, of the three cells."""
    every: tuple[Part, ...] = ("decoder", "encoder, forward")
    parts = [part for part in every if recurrent_path(cells[0].reach, part)]
    figure, panels = _panels(len(parts), 3.0)
    for part, axes in zip(parts, panels, strict=True):
        drawn = []
        for each in cells:
            found = recurrent_path(each.reach, part)
            if found:
                drawn.append(found)
                _draw_reach(axes, found, _CELLS[each.cell], "-", each.cell)
        axes.set_title(f"∂J/∂h {_PARTS[part]}")
        _scale_reach(axes, drawn)
        _mark_lecture(axes, max(found.farthest for found in drawn))
    _legend_above(figure, figure.axes[:1])
    return figure


def _mark_lecture(axes: Axes, farthest: int) -> None:
    """What lectures say, as far as it is in the picture."""
    for cell, tokens in LECTURE.items():
        if tokens <= farthest:
            axes.axvline(tokens, color=_CELLS[cell], lw=1, ls=(0, (4, 3)))
            place = axes.get_xaxis_transform()
            note = axes.text(tokens, 0.02, f"lecture: {cell} ≈ {tokens}", transform=place)
            note.set(color=_CELLS[cell], rotation=90, ha="right", va="bottom", fontsize=8)


def _draw_reach(axes: Axes, found: Reach, colour: str, line: str, label: str) -> None:
    distances = np.arange(found.quartiles.shape[1])
    lower, median, upper = np.maximum(found.quartiles, _LEAST / 10)
    axes.plot(distances, median, color=colour, ls=line, lw=1.6, label=label)
    if line == "-":
        axes.fill_between(distances, lower, upper, color=colour, alpha=0.18, lw=0)


def _scale_reach(axes: Axes, found: Sequence[Reach]) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    highest = max(float(np.nanmax(each.quartiles)) for each in found)
    lowest = min(float(np.nanmin(each.median)) for each in found)
    axes.set_yscale("log")
    axes.set_ylim(max(_LEAST, min(lowest, 1e-3) / 2), max(1.5, 1.5 * highest))
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g}%")
    axes.set_xlim(0, max(each.farthest for each in found))
    axes.set(xlabel="distance in subwords", ylabel="what is left")
    for share, name in ((HALF, "a half"), (HUNDREDTH, "1%")):
        axes.axhline(share, color="#888888", lw=0.8, ls=(0, (2, 2)))
        axes.annotate(
            name,
            (1, share),
            xycoords=axes.get_yaxis_transform(),
            xytext=(-2, 2),
            textcoords="offset points",
            ha="right",
            color="#666666",
            fontsize=8,
        )


# --- gates ----------------------------------------------------------------------------------------


def _gates(layers: Sequence[Layer]) -> Figure:
    """How often each gate of each layer has which value."""
    figure, panels = _panels(len(layers), 2.2)
    for layer, axes in zip(layers, panels, strict=True):
        axes.set_title(f"{layer.name} ({layer.cell})")
        for number, gate in enumerate(layer.gates):
            bins = np.linspace(gate.low, 1, len(gate.histogram) + 1)
            density = np.array(gate.histogram) / np.diff(bins)
            keeps = gate is layer.keeper
            axes.stairs(
                density,
                bins,
                color=COLOURS[number],
                fill=keeps,
                alpha=0.35 if keeps else 1,
                lw=1.3,
                label=gate.name,
            )
            if keeps:
                axes.stairs(density, bins, color=COLOURS[number], lw=1.6)
        axes.set_yscale("log")
        axes.set(xlabel="value", ylabel="density", ylim=(0.03, 50))
        axes.yaxis.set_major_formatter(lambda density, _: f"{density:g}")
        axes.set_xlim(min(gate.low for gate in layer.gates), 1)
    _legend_above(figure, figure.axes)
    return figure


# --- a training -----------------------------------------------------------------------------------


def _norms(found: Exploding) -> Figure:
    """Norms over the steps: of the whole gradient, and of each layer's part of it."""
    figure, panels = _panels(2 if found.layers else 1, 3.0)
    curves, whole = found.curves, panels[0]
    whole.set_title("gradient norm before clipping")
    _draw_norms(whole, curves, [("the whole gradient", curves.training["gradient_norm"])])
    if curves.clip_norm:
        whole.axhline(curves.clip_norm, color=_ORANGE, lw=1.3, ls="--", label="clipped above")
    whole.axhline(found.threshold, color=_GREEN, lw=1.3, ls=":", label="suggested")
    whole.legend(loc="upper right")
    if found.layers:
        panels[1].set_title("... of each layer")
        _draw_norms(panels[1], curves, list(curves.layers.items()))
        panels[1].legend(loc="upper right", fontsize=7, ncols=2)
    return figure


def _draw_norms(axes: Axes, curves: Curves, each: Sequence[tuple[str, Any]]) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

    for number, (name, norms) in enumerate(each):
        colour = COLOURS[number % len(COLOURS)]
        line = "-" if number < len(COLOURS) else "--"
        axes.plot(curves.training["step"], norms, color=colour, ls=line, lw=0.9, label=name)
    axes.set_yscale("log")
    axes.set(xlabel="step")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))


# --- losses and scores ----------------------------------------------------------------------------


def _context(context: Context) -> Figure:
    figure, panels = _panels(len(context.sides), 2.9)
    ways: dict[Way, str] = {"truncated": _BLUE, "shuffled": _ORANGE}
    for axes, side in zip(panels, context.sides, strict=True):
        for way, colour in ways.items():
            losses = context.of(side, way)
            harm = [each.nats - context.nats for each in losses]
            label = {"truncated": "truncated to them", "shuffled": "shuffled beyond"}[way]
            axes.plot(range(len(losses)), harm, "o-", color=colour, lw=1.6, ms=4, label=label)
            axes.set_xticks(range(len(losses)), [str(each.kept) for each in losses])
        axes.axhline(0, color="#888888", lw=0.8)
        axes.set_title({"source": "the source", "target": "the target's history"}[side])
        axes.set(xlabel="the last k subwords", ylabel="nats a target subword")
    _legend_above(figure, panels)
    return figure


def _lengths(bins: Sequence[Bin]) -> Figure:
    figure, (axes,) = _panels(1, 2.7)
    places = range(len(bins))
    bars = axes.bar(places, [each.bleu for each in bins], width=0.62, color=_BLUE)
    axes.bar_label(bars, [f"{each.bleu:.1f}" for each in bins], padding=2)
    names = [f"{each.lengths}\n{each.sentences} sentences" for each in bins]
    axes.set_xticks(places, names)
    axes.grid(visible=False, axis="x")
    axes.set(ylabel="BLEU", xlabel="source subwords")
    axes.set_ylim(0, 1.15 * max(1.0, *(each.bleu for each in bins)))
    return figure


# --- what they share ------------------------------------------------------------------------------


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """So many panels of this height in inches, two in a row."""
    from matplotlib.figure import Figure

    across = min(_ACROSS, count)
    down = -(-count // across)
    figure = Figure(figsize=(_WIDTH, down * height), layout="constrained")
    every = list(figure.subplots(down, across, squeeze=False).flat)
    for unused in every[count:]:
        unused.remove()
    return figure, every[:count]


def _legend_above(figure: Figure, panels: Sequence[Axes]) -> None:
    """One for all panels."""
    named: Mapping[str, Any] = {
        str(label): handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    most = max(map(len, named))
    rows = -(-len(named) // max(1, 96 // (most + 6)))
    columns = -(-len(named) // rows)
    figure.legend(named.values(), named.keys(), loc="outside upper left", ncols=columns)
