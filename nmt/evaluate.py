"""Judges systems that have translated a test set: scores, how sure they are, where they go wrong,
and what of the test set the training text holds.

    N lines
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from nmt.analysis import Analysis
from nmt.judgement import (
    EvaluationSet,
    Judgement,
    Leaks,
    Recipe,
    Resampling,
    Score,
    Spread,
    System,
    Unknown,
)
from nmt.scoring import Scorer
from nmt.seen import Seen, spoken

_TOKENIZERS = {"zh": "zh", "ja": "ja-mecab", "ko": "ko-mecab"}  # BLEU's, by language
_TOKENIZED = 100  # lines that end so, from which on sacreBLEU doubts them


@dataclass(frozen=True)
class Entry:
    """A system and what it made of the test set."""

    name: str
    translations: Sequence[str]  # [N]
    runs: tuple[Path, ...] = ()  # those that made them
    perplexity: float | None = None
    recipe: str = ""  # equal for runs that differ in nothing but the seed; "": of no recipe
    seed: int = 0
    search: str = ""  # how it was translated; "": elsewhere
    weights: str = ""  # by which weights of a run alone: their checksum

    def seen(self) -> list[Seen]:
        """What is known of the training text, run by run."""
        return [seen for run in self.runs if (seen := Seen.of(run))]


def judge(
    test: EvaluationSet,
    entries: Sequence[Entry],
    scorer: Scorer,
    resampling: Resampling | None,
    more: Mapping[str, Sequence[Score]] | None = None,
) -> Judgement:
    """All that is to be said of systems on a test set; the first is what others are tested against.

    Args:
        scorer: of the test set's references.
        more: scores of each system by other metrics.

    Raises:
        RunError: what a run keeps of its training text is damaged.
    """
    outputs = [entry.translations for entry in entries]
    scores = scorer.scores(outputs, resampling)
    for name, each in (more or {}).items():
        for known, score in zip(scores, each, strict=True):
            known[name] = score
    counts, unknown = _frequencies(test, entries)
    leaks = [_leaks(test, entry) for entry in entries]
    leaked = np.any([hit for _, hit in leaks], axis=0)
    rest = np.flatnonzero(~leaked).tolist() if leaked.any() else []
    systems = []
    for entry, known, (leak, _) in zip(entries, scores, leaks, strict=True):
        analysis = Analysis(test, entry.translations, scorer)
        systems.append(
            System(
                name=entry.name,
                runs=entry.runs,
                scores=known,
                perplexity=entry.perplexity,
                length_ratio=analysis.length_ratio,
                lines=analysis.lines,
                breakdowns=analysis.breakdowns(counts),
                leaks=leak,
                unleaked=scorer.only(rest, entry.translations) if rest else {},
            )
        )
    return Judgement(
        test=test,
        systems=tuple(systems),
        recipes=_recipes(entries, systems),
        resampling=resampling,
        unknown=unknown,
        leaked=tuple(np.flatnonzero(leaked).tolist()),
        notes=tuple(_notes(test, entries, scorer, leaked)),
    )


def _notes(
    test: EvaluationSet, entries: Sequence[Entry], scorer: Scorer, leaked: NDArray[np.bool_]
) -> Iterator[str]:
    """What cannot be said, or not well, and why."""
    language = test.languages[1] if test.languages else ""
    if language in _TOKENIZERS and scorer.tokenizer == "13a":
        fit = _TOKENIZERS[language]
        yield f"BLEU's tokenizer 13a cannot tell the words of {language}: --tokenize {fit} does"
    for entry in entries:
        if len(entry.seen()) < len(entry.runs):
            yield (
                f"{entry.name} keeps no record of its training text (an earlier nmt prepared it): "
                "lines that it has seen, and words that it has not, are not known"
            )
        if sum(line.endswith(" .") for line in entry.translations) >= _TOKENIZED:
            yield (
                f"{entry.name}: many lines end in ' .', as if they were tokenized; "
                "sacreBLEU wants plain text"
            )
    if leaked.all():
        yield "every line stands in the training text: there are no scores without them"


# --- the training text --------------------------------------------------------------------------


def _frequencies(
    test: EvaluationSet, entries: Sequence[Entry]
) -> tuple[list[list[int]] | None, Unknown | None]:
    """How often the words of each source stand in the training text of the first run that tells,
    and those that never do."""
    for entry in entries:
        for seen in entry.seen()[:1]:
            lines = [spoken(line) for line in test.sources]
            counts = seen.counts(lines)
            never = tuple(
                tuple(word for word, count in zip(*each, strict=True) if not count)
                for each in zip(lines, counts, strict=True)
            )
            return counts, Unknown(entry.name, never)
    return None, None


def _leaks(test: EvaluationSet, entry: Entry) -> tuple[Leaks | None, NDArray[np.bool_]]:
    """How much of the test set a system was trained on, and which lines."""
    places = entry.seen()
    found = [seen.find(test.sources, lines) for seen in places for lines in test.references]
    if not found:
        return None, np.zeros(len(test), bool)
    sources, targets, pairs = (
        np.any([getattr(each, side) for each in found], axis=0)
        for side in ("sources", "targets", "pairs")
    )
    return Leaks(int(sources.sum()), int(targets.sum()), int(pairs.sum())), sources | targets


# --- seeds --------------------------------------------------------------------------------------


def _recipes(entries: Sequence[Entry], systems: Sequence[System]) -> tuple[Recipe, ...]:
    """Those of which there are several seeds, and of each one run."""
    groups: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.recipe:
            groups.setdefault(entry.recipe, []).append(place)
    return tuple(
        _recipe(places, systems)
        for places in groups.values()
        if 1 < len(places) == len({entries[place].seed for place in places})
    )


def _recipe(places: list[int], systems: Sequence[System]) -> Recipe:
    members = [systems[place] for place in places]
    known = [member.perplexity for member in members if member.perplexity is not None]
    return Recipe(
        name=", ".join(member.name for member in members),
        systems=tuple(places),
        scores={
            name: _spread([member.scores[name].score for member in members])
            for name in members[0].scores
        },
        perplexity=_spread(known) if len(known) == len(members) else None,
    )


def _spread(values: Sequence[float]) -> Spread:
    return Spread(mean(values), stdev(values))
