"""A judgement in tables and examples, which a terminal and a page show alike; and as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean

from nmt.judgement import (
    CERTAIN,
    METRICS,
    SUSPECTS,
    Breakdown,
    Bucket,
    Judgement,
    Leaks,
    Recipe,
    Score,
    System,
)
from nmt.page import Block, Entry, Prose, Table
from nmt.wording import counted, signed, visible
from nmt.words import marked, word_diff

_COLUMNS = (("bleu", "chrf", "ter", "comet", "perplexity", "length"), ("chrf++", "spbleu", "exact"))
"""What the first table has of each system, and what the second."""

_HEADINGS = METRICS | {"perplexity": "perplexity", "length": "length"}
_UNITS: Mapping[Breakdown, str] = {
    "source length": "words of\nthe source",
    "rarest word": "times in\ntraining",
    "chrF": "chrF of\nthe line",
}
_TITLES: Mapping[Breakdown, str] = {
    "source length": "Scores by the number of words of the source.",
    "rarest word": "Scores by how often the source's rarest word stands in the training text.",
    "chrF": "Scores by chrF of the line: how many lines are how good.",
}
_WORDS = 20  # that training never had and are named


# --- scores -------------------------------------------------------------------------------------


def scores(judgement: Judgement) -> list[Table]:
    """A row for each metric of the only system; or one for each system."""
    if len(judgement.systems) == 1:
        return [_metrics(judgement, judgement.systems[0])]
    rows = _rows(judgement)
    found = []
    captions = _caption(judgement, rows), "The other metrics."
    for keys, caption in zip(_COLUMNS, captions, strict=True):
        there = [key for key in keys if any(key in row.cells for row in rows)]
        header = ("system", *map(_HEADINGS.__getitem__, there))
        lines = [line for row in rows for line in row.lines(there)]
        found.append(Table(header, lines, caption))
    return found


def signatures(judgement: Judgement) -> Table:
    """What each metric is, as sacreBLEU says it."""
    first = judgement.systems[0].scores
    rows = [(METRICS[key], score.signature) for key, score in first.items()]
    return Table(("metric", "signature"), rows, "Signatures.", "ll")


def _metrics(judgement: Judgement, system: System) -> Table:
    rows = [
        (METRICS[key], f"{score.score:.2f}", _ends(score), score.signature)
        for key, score in system.scores.items()
    ]
    if system.perplexity is not None:
        likely = "per target subword, of the first reference"
        rows.append(("perplexity", _perplexity(system.perplexity), "", likely))
    tokens = "tokens over those of the reference"
    rows.append(("length", f"{system.length_ratio:.3f}", "", tokens))
    rows.append(("sentences", f"{len(judgement.test)}", "", ""))
    header = ("metric", "score", "95% interval" if judgement.resampling else "", "signature")
    return Table(header, rows, _caption(judgement, ()), "lrrl")


@dataclass(frozen=True)
class _Row:
    """A system, or a recipe of which there are several seeds."""

    name: str
    cells: Mapping[str, str]  # by keys of `_HEADINGS`
    p_values: Mapping[str, float]  # of the test against the first; of several seeds the highest

    def lines(self, keys: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Its scores, and below them how likely chance alone would make such a difference."""
        yield self.name, *(self.cells.get(key, "") for key in keys)
        tested = [f"p={self.p_values[key]:.3f}" if key in self.p_values else "" for key in keys]
        stars = ["*" if self.p_values.get(key, 1) < CERTAIN else "" for key in keys]
        if any(tested):
            yield "", *(p + star for p, star in zip(tested, stars, strict=True))


def _rows(judgement: Judgement) -> list[_Row]:
    recipe_of = {place: recipe for recipe in judgement.recipes for place in recipe.systems}
    found = []
    for place, system in enumerate(judgement.systems):
        recipe = recipe_of.get(place)
        if recipe is None:
            found.append(_system_row(system))
        elif place == recipe.systems[0]:
            found.append(_recipe_row(recipe, [judgement.systems[each] for each in recipe.systems]))
    return found


def _system_row(system: System) -> _Row:
    cells = {key: score.shown for key, score in system.scores.items()}
    if system.perplexity is not None:
        cells["perplexity"] = _perplexity(system.perplexity)
    return _Row(
        visible(system.name),
        cells | {"length": f"{system.length_ratio:.3f}"},
        {key: score.p_value for key, score in system.scores.items() if score.p_value is not None},
    )


def _recipe_row(recipe: Recipe, members: Sequence[System]) -> _Row:
    cells = {key: spread.shown for key, spread in recipe.scores.items()}
    if recipe.perplexity:
        cells["perplexity"] = recipe.perplexity.shown
    tested = [_system_row(member).p_values for member in members]
    is_first = not tested[0]
    return _Row(
        f"{visible(recipe.name)} ({len(members)} seeds)",
        cells | {"length": f"{mean(member.length_ratio for member in members):.3f}"},
        {} if is_first else {key: max(each[key] for each in tested) for key in tested[0]},
    )


def _caption(judgement: Judgement, rows: Sequence[_Row]) -> str:
    """What the numbers of the table are."""
    told = [f"Scores of {counted(len(judgement.test), 'line')} of {visible(judgement.test.name)}"]
    resampling = judgement.resampling
    tested = any(row.p_values for row in rows)
    if resampling and len(rows) > len(judgement.recipes):
        told.append(f"±: 95% of {resampling.resamples:,} bootstrap resamples")
    if resampling and tested:
        kind = "paired bootstrap" if resampling.test == "bs" else "approximate randomisation"
        first = visible(judgement.systems[0].name)
        told.append(f"p: {kind} against {first}, {resampling.trials:,} trials, * below {CERTAIN}")
    if rows and judgement.recipes:
        highest = " and the highest p" if tested else ""
        told.append(f"of several seeds the mean with its standard deviation (sd){highest}")
    if rows:
        told.append("length: tokens over those of the reference")
    return "; ".join(told) + "."


def _ends(score: Score) -> str:
    if score.interval is None:
        return ""
    middle, margin = score.interval.mean, score.interval.margin
    return f"{middle - margin:.2f} to {middle + margin:.2f}"


def _perplexity(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"


# --- what training has seen ---------------------------------------------------------------------


def leaks(judgement: Judgement) -> list[Block]:
    """How much of the test set training has seen, and what the scores are without it; nothing where
    that is not known."""
    if not any(system.leaks for system in judgement.systems):
        return []
    if not judgement.leaked:
        return [Prose("No line is leaked: none stands in a training text.")]
    keys = [key for key in _COLUMNS[0] if key in judgement.systems[0].unleaked]
    header = ("system", "sources", "references", "pairs", *(METRICS[key] for key in keys))
    rows = [
        (
            visible(system.name),
            *_leak_counts(system.leaks),
            *(f"{system.unleaked[key]:.2f}" for key in keys),
        )
        for system in judgement.systems
    ]
    some = counted(len(judgement.leaked), "line")
    caption = f"{some} leaked: a side stands in a training text, but for case and spaces"
    return [Table(header, rows, caption + ("; the scores without them." if keys else "."))]


def _leak_counts(leaks: Leaks | None) -> tuple[str, str, str]:
    """Unknown for a file, and for a run of an earlier version."""
    if leaks is None:
        return "–", "–", "–"
    return f"{leaks.sources:,}", f"{leaks.targets:,}", f"{leaks.pairs:,}"


def unknown_words(judgement: Judgement) -> list[Block]:
    """Words of the sources that training never had; nothing where that is not known."""
    unknown = judgement.unknown
    if unknown is None:
        return []
    some = list(dict.fromkeys(visible(word) for line in unknown.words for word in line))
    named = f": {', '.join(some[:_WORDS])}" if some else ""
    end = " …" if len(some) > _WORDS else "."
    lines = counted(unknown.lines, "source line")
    return [
        Prose(
            f"{counted(unknown.count, 'word')} of {lines} never stand in the training text of "
            f"{visible(unknown.run)}{named}{end}"
        )
    ]


# --- where systems go wrong ---------------------------------------------------------------------


def groups(judgement: Judgement, kind: Breakdown) -> Table:
    """A row for each group of lines; what the systems have in it side by side."""
    systems = judgement.systems
    header, columns = [_UNITS[kind]], [[bucket.label for bucket in systems[0].breakdowns[kind]]]
    for title, cell in _OF_GROUP.items():
        if title == "length" and len(systems) > 1:
            continue  # room for the scores
        shared = title == "lines" and kind != "chrF"  # the source's, whoever translates
        for system in systems[:1] if shared else systems:
            alone = shared or len(systems) == 1
            header.append(title if alone else f"{title}\n{visible(system.name)}")
            columns.append([cell(bucket) for bucket in system.breakdowns[kind]])
    return Table(header, list(zip(*columns, strict=True)), _TITLES[kind])


_OF_GROUP: Mapping[str, Callable[[Bucket], str]] = {
    "lines": lambda bucket: f"{len(bucket.lines):,}",
    "BLEU": lambda bucket: _number(bucket.bleu),
    "chrF2": lambda bucket: _number(bucket.chrf),
    "length": lambda bucket: _number(bucket.length_ratio),
}


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def marks(judgement: Judgement) -> Table:
    """How many lines of each system look wrong by rules that need no model."""
    counts = [system.suspects() for system in judgement.systems]
    rows = [(what, *(f"{count[key]:,}" for count in counts)) for key, what in SUSPECTS.items()]
    some = counted(len(judgement.test), "line")
    names = (visible(system.name) for system in judgement.systems)
    return Table(("", *names), rows, f"Of {some}, those that look wrong by a rule.")


# --- examples -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    """A line of the test set and what one or two systems made of it; the text as it is."""

    title: str
    given: Sequence[tuple[str, str]]  # source and references, after what they are
    made: Sequence[tuple[str, str]]  # translations, after the systems' names
    marks: Sequence[str]  # keys of `SUSPECTS`; of two systems also "better" or "worse"


@dataclass(frozen=True)
class Examples:
    """Some lines, and what they have in common."""

    about: str
    lines: Sequence[Example]


def worst(judgement: Judgement, place: int, count: int) -> Examples:
    """The lines that a system is worst at."""
    name = visible(judgement.systems[place].name)
    return Examples(
        f"The lines on which {name} has the least chrF, the worst first.",
        [example(judgement, row, [place]) for row in judgement.worst(place, count)],
    )


def most_different(judgement: Judgement, place: int, count: int) -> Examples:
    """The lines on which a system differs most from the first."""
    first, other = judgement.systems[0], judgement.systems[place]
    apart = judgement.most_different(0, place, len(judgement.test))
    alike = sum(
        a.translation == b.translation for a, b in zip(first.lines, other.lines, strict=True)
    )
    shown = "these" if len(apart) <= count else f"the {count:,} farthest apart"
    return Examples(
        f"Of {counted(len(judgement.test), 'line')} {visible(first.name)} and "
        f"{visible(other.name)} translate {alike:,} alike and {len(apart):,} with other chrF; "
        f"here are {shown}, and what only one of the two has is marked.",
        [example(judgement, row, [0, place]) for row in apart[:count]],
    )


def example(judgement: Judgement, row: int, places: Sequence[int]) -> Example:
    """A line, and what a system, or two, made of it."""
    test, systems = judgement.test, [judgement.systems[place] for place in places]
    lines = [system.lines[row] for system in systems]
    given = [("source", test.sources[row])]
    for number, reference in enumerate(test.references, 1):
        which = f" {number}" if len(test.references) > 1 else ""
        given.append((f"reference{which}", reference[row]))
    made = [
        (visible(system.name), line.translation)
        for system, line in zip(systems, lines, strict=True)
    ]
    found = list(dict.fromkeys(mark for line in lines for mark in line.suspects))
    title = f"Line {row + 1:,} · chrF {lines[0].chrf:.1f}"
    if len(lines) == 2:
        gain = lines[1].chrf - lines[0].chrf
        title += f" → {lines[1].chrf:.1f} ({signed(gain, 1)})"
    if found:
        title += f" · {', '.join(map(SUSPECTS.__getitem__, found))}"
    if len(lines) == 2:
        found.append("better" if gain > 0 else "worse")
    return Example(title, given, made, found)


# --- in a terminal ------------------------------------------------------------------------------

_SHOWN = 5  # lines of those that are worst, or differ most


def in_terminal(judgement: Judgement, details: bool) -> Iterator[Block]:
    """What is printed.

    Args:
        details: where the systems go wrong, too.
    """
    several = len(judgement.systems) > 1
    yield from (*scores(judgement), *leaks(judgement), *[signatures(judgement)] * several)
    if not details:
        return
    for kind in judgement.systems[0].breakdowns:
        yield groups(judgement, kind)
    yield from (marks(judgement), *unknown_words(judgement))
    for place in range(len(judgement.systems)):
        yield from _plain(worst(judgement, place, _SHOWN))
    for place in range(1, len(judgement.systems)):
        yield from _plain(most_different(judgement, place, _SHOWN))


def _plain(examples: Examples) -> Iterator[Block]:
    """Examples as text, with the difference as `git diff --word-diff` has it."""
    if examples.lines:
        yield Prose(examples.about)
    for each in examples.lines:
        texts = [*each.given, *each.made]
        if len(each.made) == 2:
            (_, before), (_, after) = each.made
            texts.append(("difference", marked(word_diff(before, after))))
        yield Entry(each.title, texts)


# --- for programs -------------------------------------------------------------------------------


def as_record(judgement: Judgement, details: bool) -> dict[str, object]:
    """The scores of the first system, and everything there is to say of all.

    Args:
        details: what became of every line, too.
    """
    systems = [_record(system, details) for system in judgement.systems]
    first = judgement.systems[0]
    unknown = judgement.unknown
    return {
        **{name: _known(score) for name, score in first.scores.items()},
        "perplexity": first.perplexity,
        "sentences": len(judgement.test),
        "test_set": judgement.test.name,
        "systems": systems,
        "recipes": [
            {**asdict(recipe), "systems": [judgement.systems[at].name for at in recipe.systems]}
            for recipe in judgement.recipes
        ],
        "resampling": asdict(judgement.resampling) if judgement.resampling else None,
        "leaked": [row + 1 for row in judgement.leaked],
        "unknown_words": {"run": unknown.run, "words": unknown.count, "lines": unknown.lines}
        if unknown
        else None,
        "notes": judgement.notes,
    }


def _record(system: System, details: bool) -> dict[str, object]:
    record: dict[str, object] = {
        "name": system.name,
        "runs": [str(run) for run in system.runs],
        **{name: _known(score) for name, score in system.scores.items()},
        "perplexity": system.perplexity,
        "length_ratio": system.length_ratio,
        "suspects": system.suspects(),
        "leaks": asdict(system.leaks) if system.leaks else None,
        "unleaked": system.unleaked,
        "breakdowns": {
            name: [{**asdict(bucket), "lines": len(bucket.lines)} for bucket in buckets]
            for name, buckets in system.breakdowns.items()
        },
    }
    if details:
        record["lines"] = [asdict(line) for line in system.lines]
    return record


def _known(score: Score) -> dict[str, object]:
    """What is not known is left out."""
    return {key: value for key, value in asdict(score).items() if value is not None}
