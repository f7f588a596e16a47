"""From a figure to a file or to text, the same whatever a user's own settings of matplotlib are."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.errors import SettingsError
from nmt.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMATS = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""What a picture can be, and what keeps the moment of drawing out of it."""

_STYLE: Any = {  # any, for its keys are spelled out in the types of some versions only
    "figure.constrained_layout.w_pad": 0.1,  # inches
    "figure.constrained_layout.h_pad": 0.07,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": "#444444",
    "grid.color": "#e6e6e6",
    "xtick.color": "#888888",
    "ytick.color": "#888888",
    "xtick.labelcolor": "#444444",
    "ytick.labelcolor": "#444444",
    "legend.frameon": False,
    "text.parse_math": False,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "nmt",  # the same picture is the same file
}

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
"""For what is to be told apart, by the colour-blind too (Okabe & Ito 2008)."""

CHART: Mapping[str, Any] = {
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
}
"""The style of curves and bars."""

# Where the fonts of matplotlib end these go on, if they are installed.
_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans", "WenQuanYi Micro Hei"),
    *("PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
    *(
        "Noto Sans Devanagari",
        "Noto Sans Bengali",
        "Noto Sans Tamil",
        "Noto Sans Thai",
        "Nirmala UI",
    ),
    *(
        "Nirmala UI",
        "Noto Emoji",
        "Segoe UI Symbol",
        "Segoe UI Emoji",
        "Apple Symbols",
        "Arial Unicode MS",
    ),
)


def refuse_unknown_kind(path: Path) -> None:
    """Raises SettingsError when the name does not say which kind of picture it should be."""
    if path.suffix.lower() not in _FORMATS:
        raise SettingsError(
            f"{path}: '{path.suffix}' is no picture that can be drawn",
            f"name a file that ends in {', '.join(_FORMATS)}",
        )


def save(path: Path, figure: Callable[[], Figure], style: Mapping[str, Any]) -> bool:
    """Draw what `figure` makes.

    Returns:
        Whether the fonts that are installed have every character of it.

    Raises:
        SettingsError: the name does not say which kind of picture it should be.
    """
    refuse_unknown_kind(path)
    with replacing(path) as beside:
        return _draw(beside, path.suffix.lower(), figure, style)


def svg(figure: Callable[[], Figure], style: Mapping[str, Any]) -> str:
    """The same as text, to stand within a page."""
    sheet = io.StringIO()
    _draw(sheet, ".svg", figure, style)
    return sheet.getvalue()


def _draw(
    place: Path | io.StringIO, kind: str, figure: Callable[[], Figure], style: Mapping[str, Any]
) -> bool:
    import matplotlib
    from matplotlib.font_manager import fontManager

    with matplotlib.rc_context(), warnings.catch_warnings(record=True) as warned:
        warnings.filterwarnings("always", "Glyph .* missing from", UserWarning)
        matplotlib.rcdefaults()
        installed = {font.name for font in fontManager.ttflist}
        fonts = ["DejaVu Sans", *(name for name in _FONTS if name in installed)]
        matplotlib.rcParams.update(_STYLE | {"font.family": fonts} | dict(style))
        figure().savefig(place, format=kind[1:], dpi=150, metadata=_FORMATS[kind])
    return kind == ".svg" or not any("missing from" in str(each.message) for each in warned)
