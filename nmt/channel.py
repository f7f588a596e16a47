"""The noisy channel: choosing among a search's candidates with a model of the other direction and a
language model of the target side.

Bayes' rule explains a source x by the translation y that is probable in itself and from which x may
have come, argmax P(x|y) P(y) (Brown et al. 1993). A search cannot go by that, since P(x|y) wants
the whole of y; it can rank what another search has found, beside the direct model's own opinion
(Och & Ney 2002, Yee et al. 2019):

    log P(y|x) + λ₁ log P(x|y) + λ₂ log P(y) + λ₃ |y|

Either of the two models may be missing. They know x and y as text, so that all may have subwords of
their own; |y| is counted in those of the direct model, EOS included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import msgspec

from nmt.errors import RunError, SettingsError
from nmt.files import to_json, write_text
from nmt.search import Hypothesis

FEATURES = ("direct", "channel", "lm", "length")
_UNTUNED = {"channel": 0.3, "lm": 0.1, "length": 0.5}  # a guess, which `nmt tune` makes a choice

Features = Mapping[str, float]
"""log P(y|x), log P(x|y), log P(y) and |y| by name, as far as they are known."""


class Scorer(Protocol):
    """A model by which known targets can be judged: a `Translator`."""

    def score(self, sources: Sequence[str], targets: Sequence[str], /) -> list[Hypothesis]: ...


@dataclass(frozen=True)
class Weighing:
    """How candidates are ranked, and how many there are to be."""

    weights: Features  # λ by feature; that of "direct" is 1
    beam: int | None = None  # the run's own
    tuned: bool = False

    def score(self, features: Features) -> float:
        """The weighted sum."""
        return sum(self.weights[name] * value for name, value in features.items())

    def __str__(self) -> str:
        return " + ".join(f"{weight:.3g}·{name}" for name, weight in self.weights.items())


class NoisyChannel:
    """The models beside the direct one, and how they count."""

    def __init__(self, reverse: Scorer | None, language: Scorer | None, weighing: Weighing) -> None:
        self.reverse, self.language, self.weighing = reverse, language, weighing

    def features(
        self,
        sources: Sequence[str],
        texts: Sequence[Sequence[str]],
        found: Sequence[Sequence[Hypothesis]],
    ) -> list[list[Features]]:
        """What is known of each candidate of each source.

        Args:
            texts: what the candidates `found` say.
        """
        flat = [hypothesis for candidates in found for hypothesis in candidates]
        said = [text for each in texts for text in each]
        asked = [source for source, each in zip(sources, texts, strict=True) for _ in each]
        columns = {"direct": _log_probabilities(flat)}
        if self.reverse:
            columns["channel"] = _log_probabilities(self.reverse.score(said, asked))
        if self.language:
            columns["lm"] = _log_probabilities(self.language.score([""] * len(said), said))
        columns["length"] = [len(hypothesis.ids) + 1.0 for hypothesis in flat]
        rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
        return [list(islice(rows, len(candidates))) for candidates in found]

    def reranked(
        self,
        sources: Sequence[str],
        texts: Sequence[Sequence[str]],
        found: Sequence[Sequence[Hypothesis]],
    ) -> list[list[Hypothesis]]:
        """The candidates of each source by their new scores, best first."""
        reranked = []
        for each in zip(found, self.features(sources, texts, found), strict=True):
            scored = [
                replace(hypothesis, score=self.weighing.score(facts), features=facts)
                for hypothesis, facts in zip(*each, strict=True)
            ]
            reranked.append(sorted(scored, key=lambda hypothesis: -hypothesis.score))
        return reranked


def _log_probabilities(hypotheses: Sequence[Hypothesis]) -> list[float]:
    return [hypothesis.log_probability for hypothesis in hypotheses]


# --- weights ------------------------------------------------------------------------------------


def features_with(channel: bool, lm: bool) -> tuple[str, ...]:
    """The names of the features that there are with these models."""
    missing = {"channel": not channel, "lm": not lm}
    return tuple(name for name in FEATURES if not missing.get(name))


def stored(file: Path, names: Sequence[str]) -> Weighing:
    """What was found for these features and stored in a run's file, or else a guess.

    Raises:
        RunError: the file is damaged.
    """
    found = _read(file).get(_key(names))
    if found is None:
        return Weighing({name: _UNTUNED.get(name, 1.0) for name in names})
    try:
        weighing = msgspec.convert(found, Weighing)
        weights = {name: weighing.weights[name] for name in names}
    except (msgspec.ValidationError, KeyError) as error:
        raise _damaged(file, error) from None
    return replace(weighing, weights=weights, tuned=True)


def store(file: Path, weighing: Weighing, about: Mapping[str, Any]) -> None:
    """Keep weights, beside those of other features.

    Args:
        about: what they were found by and what they score, for people.
    """
    every = _read(file)
    every[_key(tuple(weighing.weights))] = {**asdict(weighing), **about}
    write_text(file, to_json(every, indent=2) + "\n")


def given(text: str, weighing: Weighing) -> Weighing:
    """The same with weights that a person gives: `channel=0.4,length=0.2`.

    Raises:
        SettingsError: that is not what the text says.
    """
    weights = dict(weighing.weights)
    free = [name for name in weights if name != "direct"]
    for assignment in text.split(","):
        name, _, value = assignment.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if name.strip() not in free or not abs(number) < float("inf"):
            raise SettingsError(
                f"--weights {text}: '{assignment}' gives no weight of {', '.join(free)}",
                f"write --weights {','.join(f'{each}=0.5' for each in free)}, say",
            )
        weights[name.strip()] = number
    return replace(weighing, weights=weights, tuned=True)


def _key(names: Sequence[str]) -> str:
    return "+".join(name for name in names if name in ("channel", "lm"))


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from None
    if not isinstance(values, dict):
        raise _damaged(path, "it is no JSON object")
    return values


def _damaged(path: Path, why: object) -> RunError:
    return RunError(f"{path}: cannot be read: {why}", "delete it, and run nmt tune again")
