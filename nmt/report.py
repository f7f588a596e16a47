"""A judgement as a report: what one would put into a paper's appendix, as one HTML file, with its
pictures beside it where a folder is asked for.

This room chooses what is told and in which order. The numbers are nmt.evaluate's, the pictures
those of nmt.plot, nmt.breakdown and nmt.heatmap, the looks nmt.page's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nmt import __version__, breakdown, heatmap, plot
from nmt.alignment import Attention
from nmt.card import body, compose
from nmt.checkpoint import Run
from nmt.curves import Curves, has_log, read
from nmt.decoding import Request, load_channel, load_runs, make_translator
from nmt.judgement import (
    CERTAIN,
    LOWER_IS_BETTER,
    METRICS,
    SUSPECTS,
    Breakdown,
    Interval,
    Judgement,
    Score,
    System,
)
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
    Table,
    write,
)
from nmt.wording import counted, signed
from nmt.words import Part, word_diff, words

if TYPE_CHECKING:
    from markupsafe import Markup

_MAIN = ("bleu", "chrf", "ter")  # the metrics of the first table
_WORST = 30  # lines shown of a system
_DIFFERENT = 200  # ... of two
_LOOKED_AT = 12  # ... with their attention
_WORDS = 30  # of a source whose attention still fits a page
_CHARACTERS = 1_000  # shown of a line


@dataclass(frozen=True)
class Looked:
    """Where a system looked when it translated a line."""

    row: int
    attention: Sequence[Attention]


def choose(judgement: Judgement) -> list[int]:
    """Lines whose attention is worth a look: from the worst to the best by chrF, not too long."""
    lines = judgement.systems[0].lines
    fit = [
        row
        for row in judgement.worst(0, len(lines))
        if len(words(judgement.test.sources[row])) <= _WORDS
    ]
    count = min(_LOOKED_AT, len(fit))
    return [fit[round(at * (len(fit) - 1) / max(1, count - 1))] for at in range(count)]


def look(judgement: Judgement, request: Request) -> list[Looked]:
    """Where the first system looked, if it is a run or an ensemble whose models have attention.

    Lines of which it has another translation, out of a file, are left out.

    Args:
        request: how the systems searched.
    """
    runs, rows = judgement.systems[0].runs, choose(judgement)
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


def write_report(judgement: Judgement, place: Path, attention: Sequence[Looked] = ()) -> Path:
    """Write the report, and into a folder its pictures too; the path of the page.

    Args:
        place: a file that ends in .html, or a folder.
        attention: of the first system.
    """
    page = compose_page(judgement, attention)
    if place.suffix.lower() in (".html", ".htm"):
        write(page, place)
        return place
    for name, draw in _pictures(judgement, attention).items():
        for suffix in (".png", ".svg"):
            draw(place / "pictures" / f"{name}{suffix}")
    write(page, place / "index.html")
    return place / "index.html"


def _pictures(
    judgement: Judgement, attention: Sequence[Looked]
) -> dict[str, Callable[[Path], object]]:
    """What draws each picture, by its name."""
    curves, systems = _curves(judgement), judgement.systems
    pictures: dict[str, Callable[[Path], object]] = {
        "scores-by-group": lambda path: breakdown.draw(systems, path)
    }
    if curves:
        pictures["training"] = lambda path: plot.draw(curves, path)
    for each in attention:
        pictures[f"attention-{each.row + 1}"] = partial(heatmap.draw, each.attention)
    return pictures


def compose_page(judgement: Judgement, attention: Sequence[Looked] = ()) -> Page:
    """What the report says."""
    test, systems = judgement.test, judgement.systems
    names = ", ".join(_name(system.name) for system in systems)
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
        title=f"Evaluation on {_name(test.name)}",
        subtitle=f"{direction}{counted(len(test), 'line')}, "
        f"{counted(len(test.references), 'reference')}; {names}",
        summary=[Prose(sentence) for sentence in _summary(judgement)],
        sections=[section for section in sections if section.blocks],
        colophon=f"nmt {__version__}, {time.strftime('%Y-%m-%d')}",
    )


# --- in a few words -----------------------------------------------------------------------------


def _summary(judgement: Judgement) -> list[str]:
    first, *others = judgement.systems
    told = [
        f"{_name(first.name)} scores {_with_margin(first.scores['bleu'])} BLEU and "
        f"{_with_margin(first.scores['chrf'])} chrF2."
    ]
    told += [_compared(first, other) for other in others]
    if judgement.leaked:
        told.append(
            f"Of {counted(len(judgement.leaked), 'line')} a side stands in a training corpus; "
            "Section 1 has the scores without them."
        )
    return [" ".join(told)]


def _compared(first: System, other: System) -> str:
    ours, theirs = first.scores["bleu"], other.scores["bleu"]
    gap = theirs.score - ours.score
    sure = ""
    if theirs.p_value is not None:
        how = "more than chance" if theirs.p_value < CERTAIN else "no more than chance may do"
        sure = f", {how} (p = {theirs.p_value:.3f})"
    return f"{_name(other.name)} differs from it by {signed(gap, 2)} BLEU{sure}."


# --- scores -------------------------------------------------------------------------------------


def _scores(judgement: Judgement) -> list[Block]:
    systems = judgement.systems
    likely = any(system.perplexity is not None for system in systems)
    header = ["system", *(METRICS[key] for key in _MAIN), *(["perplexity"] * likely), "length"]
    rows = [_score_row(system, likely) for system in systems]
    rows += [_recipe_row(judgement, number, likely) for number in range(len(judgement.recipes))]
    blocks: list[Block] = [Table(header, rows, _caption(judgement))]
    blocks.append(_every_metric(judgement))
    blocks += _leaks(judgement)
    blocks.append(Fold("Signatures", [Items(_signatures(systems))]))
    if judgement.notes:
        blocks.append(Items([_name(note) for note in judgement.notes]))
    return blocks


def _caption(judgement: Judgement) -> str:
    caption = "Scores of the test set; length is tokens over those of the reference."
    resampling = judgement.resampling
    if resampling:
        caption += f" ± is half of what 95% of {resampling.resamples:,} bootstrap resamples span."
        if resampling.test and len(judgement.systems) > 1:
            caption += f" * differs from the first system with p < {CERTAIN}."
    return caption


def _score_row(system: System, likely: bool) -> list[str]:
    cells = [_name(system.name)]
    for key in _MAIN:
        score = system.scores.get(key)
        cells.append("" if score is None else _with_margin(score) + _star(score))
    if likely:
        cells.append("" if system.perplexity is None else f"{system.perplexity:.2f}")
    return [*cells, f"{system.length_ratio:.3f}"]


def _recipe_row(judgement: Judgement, number: int, likely: bool) -> list[str]:
    """Several seeds in a row: mean and deviation."""
    recipe = judgement.recipes[number]
    cells = [f"mean of {_name(recipe.name)}, ± deviation"]
    for key in _MAIN:
        spread = recipe.scores.get(key)
        cells.append(f"{spread.mean:.2f} ± {spread.deviation:.2f}" if spread else "")
    if likely:
        spread = recipe.perplexity
        cells.append(f"{spread.mean:.2f} ± {spread.deviation:.2f}" if spread else "")
    return [*cells, ""]


def _every_metric(judgement: Judgement) -> Block:
    """A row for each metric, a column for each system."""
    systems = judgement.systems
    rows = []
    for key, name in METRICS.items():
        scores = [system.scores.get(key) for system in systems]
        if not any(scores):
            continue
        arrow = "↓" if key in LOWER_IS_BETTER else "↑"
        rows.append([f"{name} {arrow}", *(_with_p(score) if score else "" for score in scores)])
    names = [_name(system.name) for system in systems]
    tested = judgement.resampling and judgement.resampling.test and len(systems) > 1
    caption = "Every metric" + (", with p of the test against the first." if tested else ".")
    return Table(["metric", *names], rows, caption)


def _leaks(judgement: Judgement) -> list[Block]:
    known = [system for system in judgement.systems if system.leaks]
    if not known:
        return []
    if not judgement.leaked:
        return [Prose("No line of the test set stands in a training corpus.")]
    rows = [
        [_name(s.name), *(f"{n:,}" for n in (s.leaks.sources, s.leaks.targets, s.leaks.pairs))]
        for s in known
        if s.leaks
    ]
    keys = [key for key in _MAIN if key in judgement.systems[0].unleaked]
    without = [
        [_name(s.name), *(f"{s.unleaked[key]:.2f}" for key in keys)] for s in judgement.systems
    ]
    left = len(judgement.test) - len(judgement.leaked)
    caption = "Lines that stand in the training corpus, but for case and spaces."
    blocks: list[Block] = [Table(["system", "sources", "references", "pairs"], rows, caption)]
    if keys:
        header = ["system", *(METRICS[key] for key in keys)]
        blocks.append(Table(header, without, f"Scores of the other {counted(left, 'line')}."))
    return blocks


def _signatures(systems: Sequence[System]) -> list[str]:
    told = {
        f"{METRICS.get(key, key)}: {score.signature}": None
        for system in systems
        for key, score in system.scores.items()
    }
    return [*told, "perplexity: per target subword, of the first reference"]


def _with_margin(score: Score) -> str:
    return f"{score.score:.2f}{_margin(score.interval)}"


def _margin(interval: Interval | None) -> str:
    return f" ± {interval.margin:.2f}" if interval else ""


def _star(score: Score) -> str:
    return " *" if score.p_value is not None and score.p_value < CERTAIN else ""


def _with_p(score: Score) -> str:
    tested = "" if score.p_value is None else f" (p = {score.p_value:.3f})"
    return _with_margin(score) + tested


# --- where it goes wrong ------------------------------------------------------------------------


def _wrong(judgement: Judgement) -> list[Block]:
    systems = judgement.systems
    figure = Figure(
        breakdown.drawn(systems),
        "BLEU of groups of lines. Empty marks: fewer than twenty lines, which tell little.",
    )
    tables = [_groups(systems, kind) for kind in breakdown.TITLES if kind in systems[0].breakdowns]
    return [
        figure,
        Fold("The same in numbers", tables),
        _by_quality(systems),
        *_suspects(judgement),
    ]


def _groups(systems: Sequence[System], kind: Breakdown) -> Table:
    """A row for each group of lines, which every system has alike."""
    header = [kind, "lines"]
    for system in systems:
        name = f"{_name(system.name)}: " if len(systems) > 1 else ""
        header += [f"{name}BLEU", f"{name}chrF2", f"{name}length"]
    rows = []
    for group in zip(*(system.breakdowns[kind] for system in systems), strict=True):
        cells = [group[0].label, f"{len(group[0].lines):,}"]
        for bucket in group:
            cells += map(_number, (bucket.bleu, bucket.chrf, bucket.length_ratio))
        rows.append(cells)
    return Table(header, rows, f"Scores by {kind}.")


def _by_quality(systems: Sequence[System]) -> Table:
    """How many lines of each system are how good: other ones of each."""
    counts = [
        {bucket.label: len(bucket.lines) for bucket in system.breakdowns["chrF"]}
        for system in systems
    ]
    labels = sorted({label for each in counts for label in each}, key=_first_number)
    rows = [[label, *(f"{each.get(label, 0):,}" for each in counts)] for label in labels]
    names = [_name(system.name) for system in systems]
    return Table(["chrF2 of the line", *names], rows, "How many lines are how good.")


def _first_number(label: str) -> int:
    return int(label.partition("-")[0])


def _suspects(judgement: Judgement) -> list[Block]:
    """What rules find, and words that training never had."""
    counts = [system.suspects() for system in judgement.systems]
    rows = [[name, *(f"{count[key]:,}" for count in counts)] for key, name in SUSPECTS.items()]
    names = [_name(system.name) for system in judgement.systems]
    caption = f"Of {counted(len(judgement.test), 'line')}, those that look wrong by a rule."
    blocks: list[Block] = [Table(["", *names], rows, caption)]
    unknown = judgement.unknown
    if unknown:
        some = dict.fromkeys(word for line in unknown.words for word in line)
        shown = ", ".join(_shown(word) for word in list(some)[:20])
        blocks.append(
            Prose(
                f"{counted(unknown.count, 'word')} of {counted(unknown.lines, 'source line')} "
                f"never stand in the training text of {_name(unknown.run)}"
                + (f": {shown}{' …' * (len(some) > 20)}." if some else ".")
            )
        )
    return blocks


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


# --- lines --------------------------------------------------------------------------------------


def _worst(judgement: Judgement) -> list[Block]:
    first = judgement.systems[0]
    entries = [_entry(judgement, row, [first]) for row in judgement.worst(0, _WORST)]
    return [
        Prose(f"The lines on which {_name(first.name)} has the least chrF, the worst first."),
        Sieve(entries, _marks_of(entries, SUSPECTS)),
    ]


def _difference(judgement: Judgement, other: int) -> Section:
    first, second = judgement.systems[0], judgement.systems[other]
    rows = judgement.most_different(0, other, _DIFFERENT)
    entries = [_entry(judgement, row, [first, second]) for row in rows]
    names = _name(first.name), _name(second.name)
    ways = {"better": f"{names[1]} is better", "worse": f"{names[1]} is worse", **SUSPECTS}
    apart = len(judgement.most_different(0, other, len(judgement.test)))
    same = sum(
        a.translation == b.translation for a, b in zip(first.lines, second.lines, strict=True)
    )
    told = (
        f"Of {counted(len(judgement.test), 'line')} the two translate {same:,} alike and {apart:,} "
        "with other chrF; "
        f"here are {'these' if apart == len(rows) else f'the {len(rows):,} farthest apart'}, and "
        "what only one of the two has is marked."
    )
    blocks: list[Block] = [Prose(told)]
    blocks += [Sieve(entries, _marks_of(entries, ways))] if entries else []
    return Section(f"{names[0]} and {names[1]}", blocks)


def _entry(judgement: Judgement, row: int, systems: Sequence[System]) -> Entry:
    """A line with its references and what systems made of it; of two, with their differences."""
    test, lines = judgement.test, [system.lines[row] for system in systems]
    named = len(test.references) > 1
    texts = [("source", _shown(test.sources[row]))]
    for number, reference in enumerate(test.references, 1):
        texts.append((f"reference {number}" if named else "reference", _shown(reference[row])))
    shown = [_shown(line.translation) for line in lines]
    if len(shown) == 2:
        shown = _apart(*shown)
    texts += [(_name(system.name), text) for system, text in zip(systems, shown, strict=True)]
    marks = dict.fromkeys(mark for line in lines for mark in line.suspects)
    title = f"Line {row + 1:,} · chrF {lines[0].chrf:.1f}"
    if len(lines) == 2:
        gain = lines[1].chrf - lines[0].chrf
        title += f" → {lines[1].chrf:.1f} ({signed(gain, 1)})"
        marks |= {"better" if gain > 0 else "worse": None}
    if found := [SUSPECTS[mark] for mark in marks if mark in SUSPECTS]:
        title += f" · {', '.join(found)}"
    return Entry(title, texts, list(marks))


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


def _marks_of(entries: Sequence[Entry], names: Mapping[str, str]) -> dict[str, str]:
    """The marks that occur."""
    there = {mark for entry in entries for mark in entry.marks}
    return {mark: name for mark, name in names.items() if mark in there}


# --- attention, training, cards -----------------------------------------------------------------


def _attention(judgement: Judgement, attention: Sequence[Looked]) -> list[Block]:
    if not attention:
        return []
    name = _name(judgement.systems[0].name)
    return [
        Prose(
            f"Where {name} looked: a row for each subword of its translation, a column for each of "
            "the source, the stronger the colour the more. From the worst line to the best."
        ),
        Deck([_looked_card(judgement, each) for each in attention]),
    ]


def _looked_card(judgement: Judgement, looked: Looked) -> Card:
    entry = _entry(judgement, looked.row, judgement.systems[:1])
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
    return {name: read(run) for name, run in _runs(judgement).items() if has_log(run)}


def _cards(judgement: Judgement) -> list[Block]:
    cards = {name: body(compose(Run(run))) for name, run in _runs(judgement).items()}
    if len(cards) == 1:
        return [Markdown(_below_title(card)) for card in cards.values()]
    return [Fold(_name(name), [Markdown(_below_title(card))]) for name, card in cards.items()]


def _below_title(card: str) -> str:
    """A card without its comment and its title, which the section has."""
    return card.partition("\n# ")[2].partition("\n")[2]


def _runs(judgement: Judgement) -> dict[str, Path]:
    """Every run there is, members of ensembles too, by name."""
    found: dict[Path, str] = {}
    for system in judgement.systems:
        alone = len(system.runs) == 1
        for run in system.runs:
            found.setdefault(run, system.name if alone else run.resolve().name)
    names = list(found.values())
    return {name if names.count(name) == 1 else str(run): run for run, name in found.items()}


# --- text of strangers --------------------------------------------------------------------------

_HARMLESS = "\N{REPLACEMENT CHARACTER}"
_CONTROLS = dict.fromkeys((*range(9), *range(10, 32), *range(0x7F, 0xA0)), _HARMLESS)
_DIRECTIONS = dict.fromkeys((0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "")


def _shown(text: str) -> str:
    """A line as it can stand in a page, which keeps lines from each other: without control
    characters, and not endless."""
    plain = text.translate(_CONTROLS)
    if len(plain) <= _CHARACTERS:
        return plain
    return f"{plain[:_CHARACTERS]} … ({len(text):,} characters)"


def _name(text: str) -> str:
    """The same within a sentence of ours, whose direction it must not change."""
    return _shown(text).translate(_DIRECTIONS)
