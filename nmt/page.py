"""A report as one HTML file that needs nothing else: prose, tables, figures, contents.

It looks like a paper's appendix, by day and by night, on a phone and on paper. Nothing in it is
fetched and nothing in it runs. What a page holds is told with the classes below; how it looks is in
`page.html`, beside this module.

All text is escaped. A `markupsafe.Markup` is markup already and goes in as it is; its `format`
escapes what is put into it: `Markup("<mark>{}</mark>").format(text)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from nmt.files import write_text

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    kind: ClassVar = "prose"
    text: str


@dataclass(frozen=True)
class Listing:
    """Lines as they are, in fixed width: a command, a sentence with its alignment."""

    kind: ClassVar = "listing"
    text: str


@dataclass(frozen=True)
class Items:
    """A list with bullets."""

    kind: ClassVar = "items"
    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Numbered, its caption above it."""

    kind: ClassVar = "table"
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    align: str = ""  # of each column, as LaTeX has it: l, c or r; none: lrr…r

    def __post_init__(self) -> None:
        widths = {len(self.header), *map(len, self.rows)}
        if len(widths) != 1 or (self.align and {len(self.align)} != widths):
            raise ValueError(f"the rows of the table {self.caption!r} differ in length")

    @property
    def sides(self) -> str:
        return self.align or "l" + "r" * (len(self.header) - 1)


@dataclass(frozen=True)
class Figure:
    """Numbered, its caption below it."""

    kind: ClassVar = "figure"
    svg: str  # as `nmt.picture.svg` gives it
    caption: str = ""
    about: str = ""  # what there is to see, for those who cannot; the caption if there is none


@dataclass(frozen=True)
class Fold:
    """What stays closed until it is asked for; on paper it is open."""

    kind: ClassVar = "fold"
    summary: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Section:
    """A numbered part, which the contents list; parts of parts are numbered 1.1."""

    kind: ClassVar = "section"
    title: str
    blocks: Sequence[Block]

    @property
    def parts(self) -> list[Section]:
        return [block for block in self.blocks if isinstance(block, Section)]


Block = Prose | Listing | Items | Table | Figure | Fold | Section


@dataclass(frozen=True)
class Page:
    """A whole report."""

    title: str
    subtitle: str
    summary: Sequence[Block]  # before the contents: what it comes to
    sections: Sequence[Section]
    colophon: str = ""  # the last line: what made it
    language: str = "en"


def write(page: Page, path: Path) -> None:
    """Put the page's file in place at once."""
    write_text(path, render(page))


def render(page: Page) -> str:
    """The page as HTML."""
    return _template().render(page=page, inks=_INKS)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["themed"] = themed
    template = files("nmt").joinpath("page.html").read_text(encoding="utf-8")
    return environment.from_string(template)


# --- figures within a page ----------------------------------------------------------------------

_INKS = {
    # Colours of figures that stand for something, and what they are by night.
    "#ffffff": ("paper", "#17181b"),
    "#000000": ("ink", "#e4e4e7"),
    "#444444": ("label", "#bfc0c6"),
    "#666666": ("mark", "#a0a1a8"),
    "#888888": ("axis", "#7d7e86"),
    "#e6e6e6": ("grid", "#2f3137"),
    "#0072b2": ("blue", "#4aa8e0"),
    "#d55e00": ("orange", "#f08a4b"),
    "#009e73": ("green", "#37c79b"),
    "#cc79a7": ("pink", "#dd94be"),
    "#e69f00": ("amber", "#edb840"),
    "#56b4e9": ("sky", "#7cc6f0"),
}
_COLOUR = re.compile("|".join(_INKS), re.IGNORECASE)
_NAMED = re.compile(r'(\bid="|href="#|url\(#)')


def themed(svg: str, number: int) -> str:
    """A figure's SVG as it stands within a page: its colours follow the page's, and its names are
    its own.

    Returns:
        Markup: the SVG comes from `nmt.picture`, which escapes what is written in a figure.
    """
    from markupsafe import Markup

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = _NAMED.sub(rf"\g<1>f{number}-", body)
    return Markup(_COLOUR.sub(lambda found: f"var(--{_INKS[found[0].lower()][0]})", body))
