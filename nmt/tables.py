"""A judgement as people read it in a terminal, and as programs do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from nmt.judgement import (
    CERTAIN,
    METRICS,
    SUSPECTS,
    Breakdown,
    Bucket,
    Judgement,
    Recipe,
    Resampling,
    Score,
    System,
)
from nmt.words import marked, word_diff

_LINES = 5  # shown of those that are worst, or differ most


@dataclass(frozen=True)
class Table:
    """Some rows with something above them."""

    title: str  # "" of the first
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(judgement: Judgement, details: bool) -> list[Table]:
    """What is printed.

    Args:
        details: where the systems go wrong, too.
    """
    found = [*_one(judgement)] if len(judgement.systems) == 1 else [*_several(judgement)]
    return [*found, *_details(judgement)] if details else found


# --- scores -------------------------------------------------------------------------------------


def _one(judgement: Judgement) -> Iterator[Table]:
    """A row for each metric of the only system."""
    (system,) = judgement.systems
    rows = [
        (METRICS[name], f"{score.score:.2f}", score.signature, _interval(score))
        for name, score in system.scores.items()
    ]
    if system.perplexity is not None:
        rows.append(("perplexity", _perplexity(system.perplexity), "per target subword", ""))
    rows.append(("sentences", f"{len(judgement.test)}", "", ""))
    if system.leaks:
        seen = "lines that stand in the training text, a side or both"
        rows.append(("leaked", f"{len(judgement.leaked)}", seen, ""))
    for name, value in system.unleaked.items():
        rows.append((f"{METRICS[name]} without", f"{value:.2f}", "the leaked lines left out", ""))
    header = ("metric", "score", "signature", "95% interval" if judgement.resampling else "")
    yield Table("", header, rows)


def _several(judgement: Judgement) -> Iterator[Table]:
    """A row for each system; seeds of one recipe are one."""
    entrants = _entrants(judgement)
    names = [name for name in entrants[0].shown if any(each.shown[name] for each in entrants)]
    header = ("system", *(METRICS.get(name, name) for name in names))
    yield Table("", header, [(each.name, *map(each.shown.__getitem__, names)) for each in entrants])
    if judgement.resampling and judgement.resampling.test and len(entrants) > 1:
        yield _tests(judgement, entrants, judgement.resampling)
    yield from _leaks(judgement)
    first = judgement.systems[0]
    signatures = [(METRICS[name], score.signature) for name, score in first.scores.items()]
    yield Table("", ("metric", "signature"), [*signatures, ("sentences", f"{len(judgement.test)}")])


@dataclass(frozen=True)
class _Entrant:
    """A row of the table: a system, or a recipe of which there are several seeds."""

    name: str
    numbers: Mapping[str, float]  # by metric
    shown: Mapping[str, str]  # the same and the perplexity, as they are printed
    p_values: Mapping[str, float]  # of the paired test; of several seeds the highest


def _entrants(judgement: Judgement) -> list[_Entrant]:
    recipe_of = {place: recipe for recipe in judgement.recipes for place in recipe.systems}
    found = []
    for place, system in enumerate(judgement.systems):
        recipe = recipe_of.get(place)
        if recipe is None:
            found.append(_entrant(system))
        elif place == recipe.systems[0]:
            found.append(_group(recipe, [judgement.systems[each] for each in recipe.systems]))
    return found


def _entrant(system: System) -> _Entrant:
    shown = {}
    for name, score in system.scores.items():
        margin = f" ±{score.interval.margin:.2f}" if score.interval else ""
        shown[name] = f"{score.score:.2f}{margin}"
    return _Entrant(
        system.name,
        {name: score.score for name, score in system.scores.items()},
        {**shown, "perplexity": _perplexity(system.perplexity)},
        {n: score.p_value for n, score in system.scores.items() if score.p_value is not None},
    )


def _group(recipe: Recipe, members: Sequence[System]) -> _Entrant:
    tested = [_entrant(member).p_values for member in members]
    spreads = {**recipe.scores, "perplexity": recipe.perplexity}
    return _Entrant(
        f"{recipe.name} ({len(members)} seeds)",
        {name: spread.mean for name, spread in recipe.scores.items()},
        {n: f"{s.mean:.2f} sd {s.deviation:.2f}" if s else "" for n, s in spreads.items()},
        {name: max(each[name] for each in tested if name in each) for name in tested[-1]},
    )


def _tests(judgement: Judgement, entrants: Sequence[_Entrant], resampling: Resampling) -> Table:
    """What each gains over the first, and how likely chance alone would make such a difference."""
    first, *others = entrants
    kind = "paired bootstrap" if resampling.test == "bs" else "approximate randomisation"
    title = f"against {first.name}: {kind}, {resampling.trials:,} trials; * where p < {CERTAIN}"
    if judgement.recipes:
        alone = judgement.systems[0].name
        title += f"; of seeds the means' gain and the highest p, each tested against {alone}"
    names = [name for name in first.numbers if all(name in each.p_values for each in others)]
    rows = []
    for each in others:
        cells = []
        for name in names:
            p = each.p_values[name]
            star = "*" if p < CERTAIN else ""
            cells.append(f"{each.numbers[name] - first.numbers[name]:+.2f} p={p:.3f}{star}")
        rows.append((each.name, *cells))
    return Table(title, ("system", *map(METRICS.__getitem__, names)), rows)


def _leaks(judgement: Judgement) -> Iterator[Table]:
    """How much of the test set was seen in training, and what the scores are without it."""
    told = [system for system in judgement.systems if system.leaks]
    if not told:
        return
    rows = [
        (system.name, f"{leaks.sources}", f"{leaks.targets}", f"{leaks.pairs}")
        for system in told
        if (leaks := system.leaks)
    ]
    header = ("system", "sources", "references", "pairs")
    yield Table("lines that stand in the training text", header, rows)
    if judgement.systems[0].unleaked:
        title = f"without the {len(judgement.leaked):,} lines that any system was trained on"
        names = [*judgement.systems[0].unleaked]
        scores = [
            (system.name, *(f"{system.unleaked[name]:.2f}" for name in names))
            for system in judgement.systems
        ]
        yield Table(title, ("system", *map(METRICS.__getitem__, names)), scores)


def _interval(score: Score) -> str:
    if score.interval is None:
        return ""
    mean, margin = score.interval.mean, score.interval.margin
    return f"{mean - margin:.2f} to {mean + margin:.2f}"


def _perplexity(value: float | None) -> str:
    return "" if value is None else "none" if math.isnan(value) else f"{value:.3f}"


# --- where systems go wrong ---------------------------------------------------------------------

_UNITS: Mapping[Breakdown, str] = {
    "source length": "words of the source",
    "rarest word": "times that the rarest word of the source stands in the training text",
    "chrF": "chrF of the line",
}


def _details(judgement: Judgement) -> Iterator[Table]:
    for name, unit in _UNITS.items():
        if all(name in system.breakdowns for system in judgement.systems):
            yield _breakdown(judgement, name, unit)
    yield _counts(judgement)
    for place, system in enumerate(judgement.systems):
        rows = judgement.worst(place, _LINES)
        yield Table(f"worst lines of {system.name}, by chrF", (), _block(judgement, rows, [place]))
    for place, system in list(enumerate(judgement.systems))[1:]:
        rows = judgement.most_different(0, place, _LINES)
        title = f"lines on which {judgement.systems[0].name} and {system.name} differ most"
        yield Table(title, (), _block(judgement, rows, [0, place]))


def _breakdown(judgement: Judgement, name: Breakdown, unit: str) -> Table:
    """The buckets of every system side by side: some may have lines of one system alone."""
    labels = dict.fromkeys(
        bucket.label for system in judgement.systems for bucket in system.breakdowns[name]
    )
    order = sorted(labels, key=_start)
    several = len(judgement.systems) > 1
    columns = [
        (
            f"{column} {system.name}" if several else column,
            {bucket.label: cell(bucket) for bucket in system.breakdowns[name]},
        )
        for column, cell in _COLUMNS.items()
        for system in judgement.systems
    ]
    rows = [(label, *(cells.get(label, "") for _, cells in columns)) for label in order]
    return Table(f"by {unit}", ("", *(title for title, _ in columns)), rows)


_COLUMNS: Mapping[str, Callable[[Bucket], str]] = {
    "lines": lambda bucket: f"{len(bucket.lines)}",
    "BLEU": lambda bucket: f"{bucket.bleu:.2f}",
    "chrF2": lambda bucket: f"{bucket.chrf:.2f}",
    "length": lambda bucket: f"{bucket.length_ratio:.2f}",
}


def _start(label: str) -> int:
    """The first number of a bucket; those without one come first."""
    digits = label.replace(",", "").partition("-")[0].rstrip("+")
    return int(digits) if digits.isdecimal() else -1


def _counts(judgement: Judgement) -> Table:
    """How many lines look wrong, by rules that need no model."""
    systems = judgement.systems
    rows = [
        (what, *(f"{system.suspects()[key]}" for system in systems))
        for key, what in SUSPECTS.items()
    ]
    rows.insert(0, ("length ratio", *(f"{system.length_ratio:.3f}" for system in systems)))
    if judgement.unknown:
        unknown = f"{judgement.unknown.count} in {judgement.unknown.lines} lines"
        rows.append(("unknown words of the sources", *(unknown for _ in systems)))
    return Table("what looks wrong, in lines", ("", *(system.name for system in systems)), rows)


def _block(
    judgement: Judgement, rows: Sequence[int], places: Sequence[int]
) -> list[tuple[str, str, str]]:
    """Lines with source, references and what one system, or two, made of them."""
    block = []
    for row in rows:
        block.append((f"line {row + 1}", "source", judgement.test.sources[row]))
        block += [("", "reference", lines[row]) for lines in judgement.test.references]
        lines = [judgement.systems[place].lines[row] for place in places]
        for place, line in zip(places, lines, strict=True):
            name = judgement.systems[place].name
            block.append((f"chrF {line.chrf:.1f}", name, line.translation))
        if len(lines) == 2:
            before, after = (line.translation for line in lines)
            block.append(("", "difference", marked(word_diff(before, after))))
    return block


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
        **{name: _score(score) for name, score in first.scores.items()},
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
        **{name: _score(score) for name, score in system.scores.items()},
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


def _score(score: Score) -> dict[str, object]:
    """What is not known is left out."""
    return {key: value for key, value in asdict(score).items() if value is not None}
