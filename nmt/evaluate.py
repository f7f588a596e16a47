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
from nmt.errors import RunError
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
class Submission:
    """A system and what it made of the test set."""

    name: str
    translations: Sequence[str]  # [N]
    runs: tuple[Path, ...] = ()  # those that made them
    perplexity: float | None = None
    recipe: str = ""  # equal for runs that differ in nothing but the seed; "": of no recipe
    seed: int = 0
    search: str = ""  # how it was translated; "": elsewhere
    weights: str = ""  # by which weights of a run alone: their checksum


def judge(
    test: EvaluationSet,
    submissions: Sequence[Submission],
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
    memories = [_Memory.of(submission) for submission in submissions]
    outputs = [submission.translations for submission in submissions]
    scores = scorer.scores(outputs, resampling)
    for name, each in (more or {}).items():
        for known, score in zip(scores, each, strict=True):
            known[name] = score
    counts, unknown = _frequencies(test, memories)
    leaks = [_leaks(test, memory) for memory in memories]
    leaked = np.any([hit for _, hit in leaks], axis=0)
    rest = np.flatnonzero(~leaked).tolist() if leaked.any() else []
    systems = []
    for submission, known, (leak, _) in zip(submissions, scores, leaks, strict=True):
        analysis = Analysis(test, submission.translations, scorer)
        systems.append(
            System(
                name=submission.name,
                runs=submission.runs,
                scores=known,
                perplexity=submission.perplexity,
                length_ratio=analysis.length_ratio,
                lines=analysis.lines,
                breakdowns=analysis.breakdowns(counts),
                leaks=leak,
                unleaked=scorer.only(rest, submission.translations) if rest else {},
            )
        )
    return Judgement(
        test=test,
        systems=tuple(systems),
        recipes=_recipes(submissions, systems),
        resampling=resampling,
        unknown=unknown,
        leaked=tuple(np.flatnonzero(leaked).tolist()),
        notes=(*_doubts(test, submissions, scorer), *_gaps(memories, leaked)),
    )


def _doubts(
    test: EvaluationSet, submissions: Sequence[Submission], scorer: Scorer
) -> Iterator[str]:
    """What makes scores less than they seem."""
    language = test.languages[1] if test.languages else ""
    if language in _TOKENIZERS and scorer.tokenizer == "13a":
        fit = _TOKENIZERS[language]
        yield f"BLEU's tokenizer 13a cannot tell the words of {language}: --tokenize {fit} does"
    for submission in submissions:
        if sum(line.endswith(" .") for line in submission.translations) >= _TOKENIZED:
            yield (
                f"{submission.name}: many lines end in ' .', as if they were tokenized; "
                "sacreBLEU wants plain text"
            )


# --- the training text --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Memory:
    """What is known of a system's training text."""

    name: str  # the system's
    seen: Sequence[Seen]  # of those of its runs that tell
    gaps: Sequence[str]  # why others do not

    @classmethod
    def of(cls, submission: Submission) -> _Memory:
        seen, gaps = [], []
        for run in submission.runs:
            try:
                seen.append(Seen.of(run))
            except RunError as error:
                gaps.append(error.message.replace(str(run), run.resolve().name))
        return cls(submission.name, seen, gaps)


def _gaps(memories: Sequence[_Memory], leaked: NDArray[np.bool_]) -> Iterator[str]:
    """What cannot be said of the training text, and why."""
    for memory in memories:
        for why in memory.gaps:
            yield f"{why}; which lines {memory.name} has seen in training is not known"
    if leaked.all():
        yield "every line stands in the training text: there are no scores without them"


def _frequencies(
    test: EvaluationSet, memories: Sequence[_Memory]
) -> tuple[list[list[int]] | None, Unknown | None]:
    """How often the words of each source stand in the training text of the first run that tells,
    and those that never do."""
    for memory in memories:
        for seen in memory.seen[:1]:
            lines = [spoken(line) for line in test.sources]
            counts = seen.counts(lines)
            never = tuple(
                tuple(word for word, count in zip(*each, strict=True) if not count)
                for each in zip(lines, counts, strict=True)
            )
            return counts, Unknown(memory.name, never)
    return None, None


def _leaks(test: EvaluationSet, memory: _Memory) -> tuple[Leaks | None, NDArray[np.bool_]]:
    """How much of the test set a system was trained on, and which lines."""
    found = [seen.find(test.sources, lines) for seen in memory.seen for lines in test.references]
    if not found:
        return None, np.zeros(len(test), bool)
    sources, targets, pairs = (
        np.any([getattr(each, side) for each in found], axis=0)
        for side in ("sources", "targets", "pairs")
    )
    return Leaks(int(sources.sum()), int(targets.sum()), int(pairs.sum())), sources | targets


# --- seeds --------------------------------------------------------------------------------------


def _recipes(submissions: Sequence[Submission], systems: Sequence[System]) -> tuple[Recipe, ...]:
    """Those of which there are several seeds, and of each one run."""
    groups: dict[str, list[int]] = {}
    for place, submission in enumerate(submissions):
        if submission.recipe:
            groups.setdefault(submission.recipe, []).append(place)
    return tuple(
        _recipe(places, systems)
        for places in groups.values()
        if 1 < len(places) == len({submissions[place].seed for place in places})
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
