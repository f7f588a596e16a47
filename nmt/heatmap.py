"""How the attention of a translation looks: a picture, or shades in a terminal.

A row for each subword of the translation, a column for each of the source; the darker, the more
weight. Lines separate whitespace words.

    T target subwords, S source subwords, EOS included
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nmt.alignment import Attention
from nmt.picture import save
from nmt.subwords import MARK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL = 0.24  # inches
_MOST = 150  # subwords on either side
_COLOURS = ("#ffffff", "#d3e4f3", "#8dbfe0", "#3d8dc4", "#0b559f", "#08306b")
_EOS = "</s>"
_STYLE = {"axes.spines.top": False, "axes.spines.right": False}


def draw(parts: Sequence[Attention], path: Path) -> bool:
    """Write a picture of the attention of a line, whose parts stand one after the other; of a very
    long one it shows the beginning.

    Returns:
        Whether the fonts that are installed have every character of it.

    Raises:
        SettingsError: the name does not say which kind of picture it should be.
    """
    return save(path, lambda: _picture(parts), _STYLE)


def _picture(parts: Sequence[Attention]) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    every = joined(parts)
    sources, targets = every[0][:_MOST], every[1][:_MOST]
    weights = every[2][:_MOST, :_MOST]
    height, width = (_CELL * count for count in weights.shape)
    figure = Figure(figsize=(width + 2.2, height + 1.6), layout="constrained")
    axes = figure.subplots()
    colours = LinearSegmentedColormap.from_list("weights", _COLOURS)
    shown = axes.imshow(weights, cmap=colours, vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(range(len(sources)), labels(sources), rotation=90)
    axes.set_yticks(range(len(targets)), labels(targets))
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    for place, pieces in ((axes.axvline, sources), (axes.axhline, targets)):
        for at, label in enumerate(pieces[1:], 1):
            strong = label.startswith(MARK) or label == _EOS
            place(at - 0.5, color="#c4c4c4" if strong else "#efefef", lw=0.8 if strong else 0.4)
    axes.set_xlabel(_named("source", len(every[0])))
    axes.xaxis.set_label_position("top")
    axes.set_ylabel(_named("translation", len(every[1])))
    bar = figure.colorbar(shown, ax=axes, fraction=0.03, aspect=12, shrink=0.5, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    return figure


def _named(side: str, count: int) -> str:
    return side if count <= _MOST else f"{side}: {_MOST} of {count} subwords"


def joined(parts: Sequence[Attention]) -> tuple[list[str], list[str], np.ndarray]:
    """Labels of source and target, and the weights [T, S] with each part's in its own block."""
    sources = [label for part in parts for label in (*part.source, _EOS)]
    targets = [label for part in parts for label in (*part.target, _EOS)]
    weights = np.zeros((len(targets), len(sources)))
    row = column = 0
    for part in parts:
        height, width = part.weights.shape
        weights[row : row + height, column : column + width] = part.weights
        row, column = row + height, column + width
    return sources, targets, weights


def labels(pieces: Sequence[str]) -> list[str]:
    return [piece.lstrip(MARK) or "␣" for piece in pieces]


# --- in a terminal ------------------------------------------------------------------------------

_SHADES = " ░▒▓█"
_LONGEST = 16  # columns of a label


def chart(parts: Sequence[Attention], width: int) -> str:
    """The same in shades, at most `width` columns wide: a long source goes on below."""
    sources, targets, weights = joined(parts)
    names = [_fitted(label) for label in labels(targets)]
    left = max(map(_columns, names)) + 1
    fit = max(4, (width - left) // 2)
    blocks = []
    for start in range(0, len(sources), fit):
        above = _upright([_fitted(label) for label in labels(sources[start : start + fit])])
        rows = [
            " " * (left - _columns(name) - 1) + name + " " + _shaded(row[start : start + fit])
            for name, row in zip(names, weights, strict=True)
        ]
        blocks.append(
            "\n".join(line.rstrip() for line in [*(" " * left + a for a in above), *rows])
        )
    return "\n\n".join(blocks)


def _shaded(row: np.ndarray) -> str:
    levels = np.ceil(np.clip(row, 0, 1) * len(_SHADES) - 0.5).astype(int)
    return "".join(_SHADES[min(level, len(_SHADES) - 1)] * 2 for level in levels)


def _upright(labels: Sequence[str]) -> list[str]:
    """Labels written downwards, two columns each, and ending on the same line."""
    letters = [_letters(label) for label in labels]
    height = max(map(len, letters))
    padded = [[""] * (height - len(each)) + each for each in letters]
    return [
        "".join(letter + " " * (2 - _columns(letter)) for letter in line)
        for line in zip(*padded, strict=True)
    ]


def _letters(label: str) -> list[str]:
    """Characters with the marks that stand on them."""
    found: list[str] = []
    for character in label:
        if found and not _columns(character):
            found[-1] += character
        else:
            found.append(character)
    return found


def _fitted(label: str) -> str:
    """Without what a terminal would act upon, and not too long."""
    shown = "".join("·" if unicodedata.category(c)[0] == "C" else c for c in label)
    while _columns(shown) > _LONGEST:
        shown = shown[:-2] + "…"
    return shown


def _columns(text: str) -> int:
    """How many columns a terminal takes for it."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )
