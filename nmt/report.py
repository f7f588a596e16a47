"""A judgement as a report: what one would put into a paper's appendix, as one HTML file, with its
pictures beside it where a folder is asked for.

This room chooses what is told and in which order. The numbers are nmt.evaluate's, the pictures
those of nmt.plot, nmt.breakdown and nmt.heatmap, the looks nmt.page's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nmt import __version__, breakdown, heatmap, plot, tables
from nmt.alignment import Attention
from nmt.card import body, compose
from nmt.checkpoint import Run, names_of
from nmt.curves import Curves, has_log, read
from nmt.decoding import Request, load_channel, load_runs, make_translator
from nmt.errors import NmtError
from nmt.files import refuse_unwritable
from nmt.judgement import CERTAIN, SUSPECTS, Judgement, System
from nmt.page import (
    Block,
    Card,
    Deck,
    Entry,
    Figure,
    Fold,
    Heatmap,
    Items,
    Markdown,
    Page,
    Prose,
    Section,
    Sieve,
    write,
)
from nmt.wording import counted, signed, visible
from nmt.words import Part, word_diff, words

if TYPE_CHECKING:
    from markupsafe import Markup

_WORST = 30  # lines shown of a system
_DIFFERENT = 200  # ... of two
_LOOKED_AT = 12  # ... with their attention
_WORDS = 30  # of a source whose attention still fits a page
_CHARACTERS = 1_000  # shown of a line
_SUFFIXES = (".png", ".svg")  # of pictures in a folder
_MARK = "<footer>nmt "  # that a page is ours
_OURS = re.compile(r"attention-\d+|training|scores-by-group")  # their names


Draw = Callable[[Path], object]
"""Draws a picture into a file."""


@dataclass(frozen=True)
class Looked:
    """Where a system looked when it translated a line."""

    row: int
    attention: Sequence[Attention]


def some_lines(judgement: Judgement) -> list[int]:
    """Lines whose attention is worth a look: from the worst to the best by chrF, not too long."""
    lines = judgement.systems[0].lines
    fit = [
        row
        for row in judgement.worst(0, len(lines))
        if len(words(judgement.test.sources[row])) <= _WORDS
    ]
    count = min(_LOOKED_AT, len(fit))
    return [fit[round(at * (len(fit) - 1) / max(1, count - 1))] for at in range(count)]


def look(judgement: Judgement, request: Request, rows: Sequence[int]) -> list[Looked]:
    """Where the first system looked, if it is a run or an ensemble whose models have attention.

    Lines of which it has another translation, out of a file, are left out.

    Args:
        request: how the systems searched.
        rows: the lines that are asked for.
    """
    runs = judgement.systems[0].runs
    if not runs or not rows:
        return []
    asked = replace(request, runs=runs, format="jsonl", mean=request.mean if runs[1:] else None)
    members = load_runs(asked)
    translator = make_translator(asked, members, load_channel(asked, members))
    found = translator.translate([judgement.test.sources[row] for row in rows])
    return [
        Looked(row, translation.candidates[0].attention)
        for row, translation in zip(rows, found, strict=True)
        if translation.text == judgement.systems[0].lines[row].translation
        and translation.candidates[0].attention
    ]


def page_at(place: Path) -> Path:
    """Where the page goes: a file that ends in .html is itself, all else is a folder."""
    return place if place.suffix.lower() in (".html", ".htm") else place / "index.html"


def refuse_other(place: Path) -> None:
    """Raises NmtError if the page cannot be written, or would take the place of somebody else's in
    a folder: before the work of making it."""
    page = page_at(place)
    refuse_unwritable(page)
    if page != place and page.is_file() and _MARK not in page.read_text("utf-8", "replace"):
        raise NmtError(f"{page}: is there already, and is no report", "use another --report")


def write_report(judgement: Judgement, place: Path, attention: Sequence[Looked] = ()) -> Path:
    """Write the report, and into a folder its pictures too; the path of the page.

    Args:
        place: a file that ends in .html, or a folder.
        attention: of the first system.
    """
    page = page_at(place)
    write(compose_page(judgement, attention), page)
    if page != place:
        _write_pictures(_pictures(judgement, attention), place / "pictures")
    return page


def _write_pictures(pictures: Mapping[str, Draw], folder: Path) -> None:
    """Into a folder, from which those go that an earlier report has left there."""
    for name, draw in pictures.items():
        for suffix in _SUFFIXES:
            draw(folder / f"{name}{suffix}")
    for file in folder.iterdir():
        if file.suffix in _SUFFIXES and _OURS.fullmatch(file.stem) and file.stem not in pictures:
            file.unlink()


def _pictures(judgement: Judgement, attention: Sequence[Looked]) -> dict[str, Draw]:
    """What draws each picture, by its name."""
    curves, systems = _curves(judgement), judgement.systems
    pictures: dict[str, Draw] = {"scores-by-group": lambda path: breakdown.draw(systems, path)}
    if curves:
        pictures["training"] = lambda path: plot.draw(curves, path)
    for each in attention:
        pictures[f"attention-{each.row + 1}"] = partial(heatmap.draw, each.attention)
    return pictures


def compose_page(judgement: Judgement, attention: Sequence[Looked] = ()) -> Page:
    """What the report says."""
    test, systems = judgement.test, judgement.systems
    names = ", ".join(visible(system.name) for system in systems)
    direction = f"{test.languages[0]} → {test.languages[1]}, " if test.languages else ""
    sections = [
        Section("Scores", _scores(judgement)),
        Section("Where it goes wrong", _wrong(judgement)),
        *(_difference(judgement, other) for other in range(1, len(systems))),
        Section("The worst lines", _worst(judgement)),
        Section("Attention", _attention(judgement, attention)),
        Section("Training", _training(judgement)),
        Section("Model cards" if len(_runs(judgement)) > 1 else "Model card", _cards(judgement)),
    ]
    return Page(
        title=f"Evaluation on {visible(test.name)}",
        subtitle=f"{direction}{counted(len(test), 'line')}, "
        f"{counted(len(test.references), 'reference')}; {names}",
        summary=[Prose(_summary(judgement))],
        sections=[section for section in sections if section.blocks],
        colophon=f"nmt {__version__}, {time.strftime('%Y-%m-%d')}",
    )


# --- in a few words -----------------------------------------------------------------------------


def _summary(judgement: Judgement) -> str:
    first, *others = judgement.systems
    told = [
        f"{visible(first.name)} scores {first.scores['bleu'].shown} BLEU and "
        f"{first.scores['chrf'].shown} chrF2."
    ]
    told += [_compared(first, other) for other in others]
    if judgement.leaked:
        some = counted(len(judgement.leaked), "line")
        without = "; Section 1 has the scores without them" if first.unleaked else ""
        told.append(f"Of {some} a side stands in a training text{without}.")
    return " ".join(told)


def _compared(first: System, other: System) -> str:
    ours, theirs = first.scores["bleu"], other.scores["bleu"]
    gap = theirs.score - ours.score
    sure = ""
    if theirs.p_value is not None:
        how = "more than chance" if theirs.p_value < CERTAIN else "no more than chance may do"
        sure = f", {how} (p = {theirs.p_value:.3f})"
    return f"{visible(other.name)} differs from it by {signed(gap, 2)} BLEU{sure}."


# --- the sections -------------------------------------------------------------------------------


def _scores(judgement: Judgement) -> list[Block]:
    blocks: list[Block] = [*tables.scores(judgement), *tables.leaks(judgement)]
    if len(judgement.systems) > 1:
        blocks.append(Fold("Signatures", [tables.signatures(judgement)]))
    if judgement.notes:
        blocks.append(Items([visible(note) for note in judgement.notes]))
    return blocks


def _wrong(judgement: Judgement) -> list[Block]:
    by_group = [tables.groups(judgement, kind) for kind in judgement.systems[0].breakdowns]
    return [
        Figure(
            breakdown.drawn(judgement.systems),
            "BLEU of groups of lines. Empty marks: fewer than twenty lines, which tell little.",
        ),
        Fold("The same in numbers, and by chrF", by_group),
        tables.marks(judgement),
        *tables.unknown_words(judgement),
    ]


def _worst(judgement: Judgement) -> list[Block]:
    return _sieve(tables.worst(judgement, 0, _WORST), SUSPECTS)


def _difference(judgement: Judgement, place: int) -> Section:
    first, other = (visible(judgement.systems[at].name) for at in (0, place))
    ways = {"better": f"{other} is better", "worse": f"{other} is worse", **SUSPECTS}
    found = tables.most_different(judgement, place, _DIFFERENT)
    return Section(f"{first} and {other}", _sieve(found, ways))


def _sieve(examples: tables.Examples, names: Mapping[str, str]) -> list[Block]:
    """Examples to pick from, by those marks that occur."""
    there = {mark for each in examples.lines for mark in each.marks}
    marks = {mark: name for mark, name in names.items() if mark in there}
    entries = [_entry(each) for each in examples.lines]
    return [Prose(examples.about), *([Sieve(entries, marks)] if entries else [])]


def _attention(judgement: Judgement, attention: Sequence[Looked]) -> list[Block]:
    if not attention:
        return []
    name = visible(judgement.systems[0].name)
    return [
        Prose(
            f"Where {name} looked: a row for each subword of its translation, a column for each of "
            "the source, the stronger the colour the more."
        ),
        Deck([_looked_card(judgement, each) for each in attention]),
    ]


def _looked_card(judgement: Judgement, looked: Looked) -> Card:
    entry = _entry(tables.example(judgement, looked.row, [0]))
    sources, targets, weights = heatmap.joined(looked.attention)
    rows, columns = ([_shown(each) for each in heatmap.labels(side)] for side in (targets, sources))
    about = f"Attention of line {looked.row + 1}"
    return Card(
        entry.title, [Entry("", entry.lines), Heatmap(rows, columns, weights.tolist(), about)]
    )


def _training(judgement: Judgement) -> list[Block]:
    curves = _curves(judgement)
    if not curves:
        return []
    return [Figure(plot.drawn(curves), "How the trainings went; stars mark the weights kept.")]


def _curves(judgement: Judgement) -> dict[str, Curves]:
    return {name: read(run) for run, name in _runs(judgement).items() if has_log(run)}


def _cards(judgement: Judgement) -> list[Block]:
    cards = {name: body(compose(Run(run))) for run, name in _runs(judgement).items()}
    if len(cards) == 1:
        return [Markdown(_below_title(card)) for card in cards.values()]
    return [Fold(visible(name), [Markdown(_below_title(card))]) for name, card in cards.items()]


def _below_title(card: str) -> str:
    """A card without its title, which the section has."""
    return card.partition("\n")[2]


def _runs(judgement: Judgement) -> dict[Path, str]:
    """Every run there is, members of ensembles too, with its name."""
    return names_of(run for system in judgement.systems for run in system.runs)


# --- lines as they stand in a page --------------------------------------------------------------


def _entry(example: tables.Example) -> Entry:
    """Of two translations each with what the other does not have marked."""
    names, made = zip(*example.made, strict=True)
    shown = [_shown(text) for text in made]
    if len(shown) == 2:
        shown = _apart(*shown)
    given = [(what, _shown(text)) for what, text in example.given]
    return Entry(example.title, [*given, *zip(names, shown, strict=True)], example.marks)


def _apart(one: str, other: str) -> list[str]:
    """Two lines, each with what the other does not have marked."""
    from markupsafe import Markup

    parts = word_diff(one, other)
    return [
        Markup("").join(_marked(part) for part in parts if part.kind != left_out)
        for left_out in ("added", "removed")
    ]


def _marked(part: Part) -> Markup:
    """A part as markup, the spaces before it unmarked."""
    from markupsafe import Markup

    tag = {"same": "{}{}", "removed": "{}<del>{}</del>", "added": "{}<ins>{}</ins>"}[part.kind]
    text = part.text.lstrip()
    return Markup(tag).format(part.text[: len(part.text) - len(text)], text)


def _shown(text: str) -> str:
    """A line of a stranger's: the page keeps its direction to itself; not endless."""
    plain = visible(text, directions=False)
    if len(plain) <= _CHARACTERS:
        return plain
    return f"{plain[:_CHARACTERS]} … ({len(text):,} characters)"
