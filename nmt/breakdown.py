"""How scores look group by group of lines: by the length of the source, by its rarest word."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nmt.judgement import Breakdown, Bucket, System
from nmt.picture import CHART, COLOURS, save, svg
from nmt.wording import counted, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES: dict[Breakdown, str] = {
    "source length": "BLEU by words of the source",
    "rarest word": "BLEU by how often training has the source's rarest word",
}
"""The groups that are drawn, and what each picture is called."""

_FEW = 20  # lines of a group below which its score is hardly one
_STYLE = {**CHART, "axes.grid.axis": "y"}


def draw(systems: Sequence[System], path: Path) -> None:
    """Write a picture of the systems' scores by groups.

    Raises:
        SettingsError: the name does not say which kind of picture it should be.
    """
    save(path, lambda: _picture(systems), _STYLE)


def drawn(systems: Sequence[System]) -> str:
    """The same as SVG."""
    return svg(lambda: _picture(systems), _STYLE)


def _picture(systems: Sequence[System]) -> Figure:
    from matplotlib.figure import Figure

    shown = [kind for kind in TITLES if kind in systems[0].breakdowns]
    figure = Figure(figsize=(8.2, 2.9 * len(shown)), layout="constrained")
    for kind, axes in zip(shown, figure.subplots(len(shown), squeeze=False)[:, 0], strict=True):
        axes.set_title(TITLES[kind])
        _draw_panel(axes, [system.breakdowns[kind] for system in systems])
    if len(systems) > 1:
        handles = figure.axes[0].get_lines()[: 2 * len(systems) : 2]
        names = [shortened(system.name) for system in systems]
        figure.legend(handles, names, loc="outside upper left", ncols=3)
    return figure


def _draw_panel(axes: Axes, systems: Sequence[Sequence[Bucket]]) -> None:
    """A line for each system; a group of few lines has an empty mark."""
    places = np.arange(len(systems[0]))
    for buckets, colour in zip(systems, itertools.cycle(COLOURS), strict=False):
        scores = np.array([bucket.bleu for bucket in buckets])
        few = np.array([len(bucket.lines) < _FEW for bucket in buckets])
        axes.plot(places, scores, "o-", color=colour, lw=1.5, ms=6)
        axes.plot(places[few], scores[few], "o", color=colour, mfc="white", ms=6)
    labels = [f"{bucket.label}\n{counted(len(bucket.lines), 'line')}" for bucket in systems[0]]
    axes.set_xticks(places, labels)
    axes.set_xlim(-0.4, len(places) - 0.6)
    axes.set_ylim(0, max(1.0, 1.08 * axes.dataLim.ymax))
    axes.tick_params(axis="x", length=0)
