"""A run's scoreboard: what it has scored on test sets, kept in RUN/evaluations/ for its model card.

A file holds one evaluation. The same test set, searched in the same way and scored by the same
metrics, has the same file; what other weights have scored is passed over when they are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import msgspec

from nmt import __version__
from nmt.checkpoint import Run, read_header
from nmt.files import to_json, write_text
from nmt.judgement import EvaluationSet, Leaks, Score, System


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a run's model scored on a test set, kept in RUN/evaluations/."""

    test_set: str  # its name
    sha256: str  # of its sentences
    sentences: int
    scores: Mapping[str, Score]  # by keys of `nmt.judgement.METRICS`
    perplexity: float | None  # per target subword
    search: str  # how it was translated: "beam 5, int8"
    weights: str  # which weights did it: the checksum of the model
    date: str  # 2026-11-21
    leaks: Leaks | None = None
    unleaked: Mapping[str, float] = field(default_factory=dict)  # scores without leaked lines
    nmt: str = __version__

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
    text = json.dumps((test.sources, test.references))
    return Evaluation(
        test_set=test.name,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        sentences=len(test),
        scores=system.scores,
        perplexity=system.perplexity,
        search=search,
        weights=weights,
        date=time.strftime("%Y-%m-%d"),
        leaks=system.leaks,
        unleaked=system.unleaked,
    )


def store(run: Run, evaluation: Evaluation) -> None:
    """Keep an evaluation, in the place of the one it repeats."""
    write_text(run.evaluations / evaluation.file, to_json(asdict(evaluation), 2) + "\n")


def stored(run: Run) -> list[Evaluation]:
    """Those of the weights that the run has now, in order of their test sets' names."""
    found = []
    for file in run.evaluations.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, msgspec.ValidationError):
            found.append(msgspec.convert(json.loads(file.read_text("utf-8")), Evaluation))
    weights = read_header(run.model).checksum
    return sorted(
        (each for each in found if each.weights == weights),
        key=lambda each: (each.test_set, each.search, each.file),
    )
