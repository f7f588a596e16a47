"""A report as one HTML file that needs nothing else: prose, tables, figures, contents.

It looks like a paper's appendix, by day and by night, on a phone and on paper. Nothing in it is
fetched. Nothing in it runs but `page.js`, and that only where there is a `Deck` or a `Sieve`, which
are lists without it. What a page holds is told with the classes below; how it looks is in
`page.html`, beside this module.

All text is escaped. A `markupsafe.Markup` is markup already and goes in as it is; its `format`
escapes what is put into it: `Markup("<mark>{}</mark>").format(text)`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
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
class Markdown:
    """A text in Markdown, with tables and without HTML; its heading of level 2 is here one of 3."""

    kind: ClassVar = "markdown"
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
class Heatmap:
    """Weights from 0 to 1, a row for each of some words and a column for each of others; the
    darker, the more. Its colours are the page's."""

    kind: ClassVar = "heatmap"
    rows: Sequence[str]
    columns: Sequence[str]
    weights: Sequence[Sequence[float]]
    about: str  # for those who cannot see it


@dataclass(frozen=True)
class Card:
    """One of a deck."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Deck:
    """Cards to be paged through; on paper, and where nothing runs, one after the other."""

    kind: ClassVar = "deck"
    cards: Sequence[Card]


@dataclass(frozen=True)
class Entry:
    """Lines that belong together, each with what it is."""

    kind: ClassVar = "entry"
    title: str  # "": none
    lines: Sequence[tuple[str, str]]
    marks: Sequence[str] = ()  # keys of `Sieve.marks`


@dataclass(frozen=True)
class Sieve:
    """Entries, of which a reader can pick those with some text or some mark. On paper there are the
    first few."""

    kind: ClassVar = "sieve"
    entries: Sequence[Entry]
    marks: Mapping[str, str]  # what each mark means; its keys are single words
    printed: int = 30


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


Block = (
    Prose
    | Listing
    | Markdown
    | Items
    | Table
    | Figure
    | Heatmap
    | Deck
    | Entry
    | Sieve
    | Fold
    | Section
)


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
    blocks = _within([*page.summary, *page.sections])
    runs = any(isinstance(block, Deck | Sieve) for block in blocks)
    script = _text_of("page.js") if runs else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _template().render(page=page, inks=_INKS, script=script, digest=digest)


def _within(blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks, and those in them."""
    for block in blocks:
        yield block
        if isinstance(block, Fold | Section):
            yield from _within(block.blocks)


def _text_of(name: str) -> str:
    """A file beside this module."""
    return files("nmt").joinpath(name).read_text(encoding="utf-8")


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
    environment.filters |= {"themed": themed, "markdown": markdown}
    return environment.from_string(_text_of("page.html"))


def markdown(text: str) -> str:
    """Markdown as markup; HTML within it is text."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
    page = parser.renderer.render(tokens, parser.options, {})
    page = page.replace("<table>", '<div class="wide"><table>')
    return Markup(page.replace("</table>", "</table></div>"))


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
