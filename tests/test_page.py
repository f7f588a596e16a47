"""Pages: whole, escaped, and in need of nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from markupsafe import Markup

from nmt.page import (
    Card,
    Deck,
    Entry,
    Figure,
    Fold,
    Heatmap,
    Items,
    Listing,
    Markdown,
    Page,
    Prose,
    Section,
    Sieve,
    Table,
    render,
    write,
)
from nmt.picture import svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawn

NASTY = "<script>alert('&')</script>"
VOID = {"meta", "br", "hr", "img", "link"}


class Outline(HTMLParser):
    """The elements of a page; fails on one that is closed wrongly."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.seen if name in attributes]


def drawn() -> str:
    def figure() -> Drawn:
        from matplotlib.figure import Figure

        figure = Figure()
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], "o-", color="#0072B2", label=NASTY)
        axes.legend()
        return figure

    return svg(figure, {})


PAGE = Page(
    title=NASTY,
    subtitle=NASTY,
    summary=[Prose(NASTY), Table(["a"], [["1"]])],
    sections=[
        Section(
            "First",
            [
                Items([NASTY, "b"]),
                Figure(drawn(), NASTY),
                Figure(drawn(), "again"),
                Section("Within", [Listing(NASTY), Table([NASTY, "n"], [[NASTY, "1"]], NASTY)]),
            ],
        ),
        Section("Second", [Fold(NASTY, [Prose(NASTY), Table(["b"], [])])]),
    ],
    colophon=NASTY,
)


def test_everything_is_escaped_and_closed() -> None:
    outline = Outline(render(PAGE))
    assert "script" not in {tag for tag, _ in outline.seen}
    assert outline.text.count(NASTY) == 15  # one for each place, the title twice


def test_markup_goes_in_as_it_is_and_escapes_what_it_is_given() -> None:
    page = Page("t", "s", [Prose(Markup("<mark>{}</mark>").format(NASTY))], [])
    outline = Outline(render(page))
    assert "mark" in {tag for tag, _ in outline.seen}
    assert "script" not in {tag for tag, _ in outline.seen}


def test_a_page_fetches_nothing() -> None:
    page = render(PAGE)
    outline = Outline(page)
    assert all(value.startswith("#") for value in outline.values("href"))
    assert all(value.startswith("#") for value in outline.values("xlink:href"))
    assert not outline.values("src")
    assert "@import" not in page
    assert all(found.startswith("#") for found in re.findall(r"url\((.)", page))


def test_names_are_unique_and_every_link_leads_somewhere() -> None:
    outline = Outline(render(PAGE))
    names = outline.values("id")
    assert len(names) == len(set(names))
    targets = {v[1:] for name in ("href", "xlink:href") for v in outline.values(name)}
    assert targets <= set(names) and {"s1", "s1.1", "s2"} <= targets


LISTS = Page(
    "t",
    "s",
    [],
    [
        Section(
            NASTY,
            [
                Deck([Card(NASTY, [Heatmap([NASTY], ["a", "b"], [[0.0, 1.0]], NASTY)])] * 3),
                Sieve([Entry(NASTY, [(NASTY, NASTY)], ["odd"])] * 4, {"odd": NASTY}, printed=3),
                Markdown(f"# {NASTY}\n\n| a |\n| --- |\n| {NASTY} |\n\n[x](javascript:alert(1))"),
            ],
        )
    ],
)


def test_what_is_paged_through_and_picked_from_is_there_without_a_script() -> None:
    outline = Outline(render(LISTS))
    tags = [tag for tag, _ in outline.seen]
    assert (tags.count("script"), tags.count("article"), tags.count("h2")) == (1, 4, 2)
    assert outline.values("class").count("card") == 3
    assert outline.values("class").count("unprinted") == 1
    assert "button" not in tags and "input" not in tags
    assert "javascript:" not in "".join(outline.values("href"))
    shown = outline.text[: outline.text.index('"use strict"')]
    assert shown.count(NASTY) == 1 + 3 * 2 + 4 * 3 + 2  # title, cards, entries, Markdown


def test_only_a_page_that_needs_it_runs_anything() -> None:
    assert "script-src" not in render(PAGE)
    assert "script-src 'sha256-" in render(LISTS)


def test_tables_and_figures_are_numbered_in_the_order_they_stand() -> None:
    captions = re.findall(r"<figcaption><b>(\w+ \d)", render(PAGE))
    assert captions == ["Table 1", "Figure 1", "Figure 2", "Table 2", "Table 3"]


def test_figures_take_the_colours_of_the_page() -> None:
    page = render(PAGE)
    figures = page[page.index("<main") :]
    assert "stroke: var(--blue)" in figures and "fill: var(--paper)" in figures
    assert not re.search("#0072b2|#ffffff", figures)
    assert "prefers-color-scheme: dark" in page


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Table(["a", "b"], [["1"]])


def test_a_page_is_the_same_every_time(tmp_path: Path) -> None:
    write(PAGE, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == render(PAGE)
