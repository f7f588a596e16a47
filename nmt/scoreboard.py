"""A run's scoreboard: what it has scored on test sets, kept in RUN/evaluations/ for its model card.

A file holds one evaluation. The same test set, searched in the same way and scored by the same
metrics, has the same file; what other weights have scored is passed over when they are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import msgspec

from nmt import __version__
from nmt.checkpoint import Run, read_header
from nmt.files import to_json, write_text
from nmt.judgement import EvaluationSet, Leaks, Score, System
from nmt.perplexity import Likelihood

_USUAL = ("case:mixed", "tok:13a")  # of BLEU's signature


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a run's model scored on a test set, kept in RUN/evaluations/."""

    test_set: str  # its name
    sha256: str  # of its sentences
    sentences: int
    scores: Mapping[str, Score]  # by keys of `nmt.judgement.METRICS`
    perplexity: float | None  # per target subword
    search: str  # how it was translated: "beam 5, int8"; "" by a language model
    weights: str  # which weights did it: the checksum of the model
    date: str  # 2026-11-21
    perplexity_per_word: float | None = None  # of a language model
    leaks: Leaks | None = None
    unleaked: Mapping[str, float] = field(default_factory=dict)  # scores without leaked lines
    nmt: str = __version__

    @property
    def how(self) -> str:
        """How it was translated and, if not as usual, scored: "beam 5, int8, case:lc"."""
        parts = self.scores["bleu"].signature.split("|") if "bleu" in self.scores else []
        asked = [each for each in parts if each.startswith(("case:", "tok:"))]
        odd = [each for each in asked if each not in _USUAL]
        return ", ".join(filter(None, (self.search, *odd)))

    @property
    def file(self) -> str:
        """The same of every evaluation that this one takes the place of."""
        signatures = sorted((key, score.signature) for key, score in self.scores.items())
        told = json.dumps((self.sha256, self.search, signatures))
        return f"{hashlib.sha256(told.encode()).hexdigest()[:12]}.json"


def evaluation_of(test: EvaluationSet, system: System, search: str, weights: str) -> Evaluation:
    """What is kept of a run's evaluation.

    Args:
        weights: those that translated; while a training goes on the run may have others by now.
    """
    scores = {key: replace(score, p_value=None) for key, score in system.scores.items()}
    return Evaluation(
        test_set=test.name,
        sha256=_sha256((test.sources, test.references)),
        sentences=len(test),
        scores=scores,  # what they are beside other systems is no fact about the run
        perplexity=system.perplexity,
        search=search,
        weights=weights,
        date=time.strftime("%Y-%m-%d"),
        leaks=system.leaks,
        unleaked=system.unleaked,
    )


def evaluation_of_text(
    name: str, lines: Sequence[str], found: Likelihood, weights: str
) -> Evaluation:
    """What is kept of a language model's evaluation."""
    return Evaluation(
        test_set=name,
        sha256=_sha256(lines),
        sentences=found.lines,
        scores={},
        perplexity=found.perplexity,
        search="",
        weights=weights,
        date=time.strftime("%Y-%m-%d"),
        perplexity_per_word=found.perplexity_per_word,
    )


def _sha256(text: object) -> str:
    return hashlib.sha256(json.dumps(text).encode()).hexdigest()


def store(run: Run, evaluation: Evaluation) -> None:
    """Keep an evaluation, in the place of the one it repeats; intervals that were not computed this
    time stay where the score is the same."""
    file = run.evaluations / evaluation.file
    before = _read(file)
    if before and before.weights == evaluation.weights:
        old = before.scores
        scores = {
            key: replace(score, interval=score.interval or old[key].interval)
            if key in old and old[key].score == score.score
            else score
            for key, score in evaluation.scores.items()
        }
        evaluation = replace(evaluation, scores=scores)
    write_text(file, to_json(asdict(evaluation), 2) + "\n")


def stored(run: Run) -> list[Evaluation]:
    """Those of the weights that the run has now, in order of their test sets' names."""
    weights = read_header(run.model).checksum
    found = filter(None, map(_read, run.evaluations.glob("*.json")))
    return sorted(
        (each for each in found if each.weights == weights),
        key=lambda each: (each.test_set, each.how, each.file),
    )


def _read(file: Path) -> Evaluation | None:
    """None where there is none, or something else."""
    with contextlib.suppress(OSError, ValueError, msgspec.ValidationError):
        return msgspec.convert(json.loads(file.read_text("utf-8")), Evaluation)
    return None
