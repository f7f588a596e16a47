"""Which weights of the noisy channel translate a corpus best.

The search is done once for each beam, what it finds is judged by the other models (nmt.channel),
and the weights by which the candidates are chosen best are found by minimum error rate training
(nmt.rerank). Of the beams within `MARGIN` of the best the smallest is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nmt.channel import NoisyChannel, Weighing
from nmt.config import TranslateSettings
from nmt.metrics import Metric, paired_bootstrap
from nmt.rerank import Candidates, tuned
from nmt.translate import Translator
from nmt.tune import CERTAIN, MARGIN

BEAMS = (5, 10, 20)


@dataclass(frozen=True)
class Tried:
    """A beam with its best weights, and what those score."""

    beam: int
    weighing: Weighing
    score: float


@dataclass(frozen=True)
class Found:
    """What became of a search for weights."""

    direct: float  # what is scored without the other models
    tried: tuple[Tried, ...]  # in the order of beams
    winner: Tried
    share: float  # of the resamplings in which it is better than without

    @property
    def verdict(self) -> str:
        """For people. What is found is stored even where it gains nothing: a guess may lose."""
        gain = (
            f"weights stored: {self.winner.score:.2f} instead of {self.direct:.2f} without them, "
            f"and better in {self.share:.0%} of all resamplings of these lines"
        )
        doubtful = self.winner.score - self.direct <= MARGIN or self.share < CERTAIN
        return f"{gain}: that may be chance" if doubtful else gain


def weigh(
    translator_for: Callable[[TranslateSettings], Translator],
    stored: TranslateSettings,
    channel: NoisyChannel,
    sources: Sequence[str],
    references: Sequence[str],
    metric: Metric,
    beams: Iterable[int] = BEAMS,
    report: Callable[[int], None] = lambda beam: None,
) -> Found:
    """Try beams, and with each of them find weights, on a corpus.

    Args:
        translator_for: makes the direct model's, with these settings.
        stored: what the run has; all but the beam stays as it is there.
        channel: the other models; its own weights do not matter.
        report: told the beam of each search before it begins.
    """

    def searched(beam: int) -> Candidates:
        report(beam)
        translator = translator_for(replace(stored, beam=beam))
        found = translator.hypotheses(sources)
        texts = [[translator.vocabulary.target.decode(h.ids) for h in each] for each in found]
        every = channel.features(sources, texts, found)
        features = [[list(facts.values()) for facts in each] for each in every]
        return Candidates.of(features, texts, references, metric)

    def best(beam: int) -> Tried:
        found = tuned(by_beam[beam], metric)
        rounded = (float(f"{weight:.4g}") for weight in found.weights)
        weights = dict(zip(channel.weighing.weights, rounded, strict=True))
        return Tried(beam, Weighing(weights, beam, tuned=True), found.score)

    widths = sorted({beam for beam in beams if beam % stored.groups == 0} or {stored.beam})
    by_beam = {beam: searched(beam) for beam in sorted({*widths, stored.beam})}
    tried = tuple(best(beam) for beam in widths)
    enough = max(each.score for each in tried) - MARGIN
    winner = next(each for each in tried if each.score >= enough)
    before = by_beam[stored.beam].counts[:, 0]  # what a search ranks first
    candidates = by_beam[winner.beam]
    after = candidates.best(candidates.features @ np.array([*winner.weighing.weights.values()]))
    return Found(
        metric.corpus_score(before),
        tried,
        replace(winner, score=metric.corpus_score(after)),
        paired_bootstrap(before, after, metric),
    )


def as_rows(found: Found) -> list[tuple[str, ...]]:
    """What there is without other models, the best weights with each beam, and those chosen."""
    names = tuple(found.winner.weighing.weights)
    rows = [("direct", "", *[""] * len(names), f"{found.direct:.2f}")]
    for name, each in (*(("tried", each) for each in found.tried), ("chosen", found.winner)):
        weights = [f"{each.weighing.weights[feature]:g}" for feature in names]
        rows.append((name, f"{each.beam}", *weights, f"{each.score:.2f}"))
    return rows


def as_record(found: Found, metric: str) -> dict[str, object]:
    """All of it, for programs."""

    def record(each: Tried) -> dict[str, object]:
        return {"beam": each.beam, "weights": dict(each.weighing.weights), metric: each.score}

    return {
        "direct": {metric: found.direct},
        "chosen": record(found.winner),
        "gain": found.winner.score - found.direct,
        "better_in": found.share,
        "tried": [record(each) for each in found.tried],
    }
