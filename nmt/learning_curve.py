"""What more data would give: one recipe, trained on growing parts of a corpus.

The parts are random and nested: whether a pair belongs to one follows from its text and the seed
alone. All are judged on the same validation pairs, by the translations that `nmt translate` would
give. Each part has the vocabulary and the settings that suit its size, as if there were no more;
since a subword is not the same thing in each of them, perplexity is told per word.

    DIR/curve.json         what was asked, what each part scored, and what follows
    DIR/curve.png, .svg    the same as a picture
    DIR/part-0.125/        a run like any other

A curve that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from nmt import decoding, extrapolation
from nmt.clean import clean
from nmt.config import flat, read
from nmt.corpus import Corpus, Pair
from nmt.curves import read as read_log
from nmt.errors import CorpusError, RunError, SettingsError
from nmt.extrapolation import Extrapolation, Panel, Range, extrapolate
from nmt.files import to_json, write_text
from nmt.manifest import Manifest
from nmt.metrics import METRICS
from nmt.prepare import Report
from nmt.recipe import Request, usual_epochs
from nmt.scoring import Options, Scorer
from nmt.wording import counted, duration, signed
from nmt.words import words

FRACTIONS = (0.125, 0.25, 0.5, 1.0)
_EVALUATING = 0.05  # the part of a budget that is left for translating the validation pairs
_LONGEST = 1_000  # characters of a side; longer validation pairs are left out
_RESAMPLES = 500  # of the validation pairs, for the noise of BLEU
_HURRIED = 0.5  # of the epochs a size asks for, below which a training is called short


# --- parts of a corpus --------------------------------------------------------------------------


@dataclass(frozen=True)
class Share(Corpus):
    """Those pairs of a corpus whose place, from 0 to 1, lies within bounds."""

    whole: Corpus
    seed: int
    start: float
    stop: float

    def pairs(self) -> Iterator[Pair]:
        return (p for p in self.whole.pairs() if self.start <= _place(p, self.seed) < self.stop)

    def fingerprint(self) -> str:
        told = (self.whole.fingerprint(), self.seed, self.start, self.stop)
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _place(pair: Pair, seed: int) -> float:
    """Where a pair stands in a random order of all texts, the same for every copy of it."""
    text = f"curve\t{seed}\t{pair.source}\t{pair.target}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) / 2**64


# --- what is asked, planned and found -----------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What a learning curve is to be made of."""

    corpus: Corpus
    valid: Corpus | None
    fractions: Sequence[float]
    settings: Mapping[str, Any]  # by dotted key, only those asked for
    out: Path
    budget: float = 0.0  # seconds for all parts together; 0: as many epochs as their sizes ask for
    fresh: bool = False


@dataclass(frozen=True)
class Part:
    """A part of the corpus, to be trained on."""

    fraction: float
    pairs: int  # about
    budget: float  # seconds; 0: none

    @property
    def name(self) -> str:
        return f"part-{self.fraction:g}"


@dataclass(frozen=True)
class Point:
    """What a part gave."""

    fraction: float
    pairs: int
    epochs: float
    usual_epochs: int  # that a corpus of this size asks for
    seconds: float
    bleu: float
    bleu_noise: float  # standard deviation, over other validation pairs of this kind
    chrf: float
    cross_entropy: float  # nats a word of the reference, the end of a line included
    cross_entropy_noise: float

    @property
    def perplexity(self) -> float:
        """Per word."""
        return math.exp(min(self.cross_entropy, 700))


@dataclass(frozen=True)
class _State:
    """What stands in curve.json."""

    asked: dict[str, Any]
    held_out: float  # the share of the corpus that is kept for validation; 0: --valid was given
    parts: list[Part]
    points: list[Point]


def fractions_in(text: str) -> list[float]:
    """`0.25,0.5,1`, sorted.

    Raises:
        SettingsError: one is not above 0 and at most 1.
    """
    try:
        found = sorted({float(word) for word in text.split(",")})
    except ValueError:
        found = []
    if not found or not all(0 < each <= 1 for each in found):
        raise SettingsError(
            f"--fractions {text}: these are not parts of a corpus",
            "write numbers above 0, of which 1 is all of it: 0.125,0.25,0.5,1",
        )
    return found


class LearningCurve:
    """A learning curve in its folder, as far as it has come."""

    def __init__(self, asked: Asked) -> None:
        """Take up the curve that is there, or plan one.

        Raises:
            RunError: the folder holds a curve that was begun with other settings.
            CorpusError: there is nothing to train on.
        """
        if asked.corpus.one_sided:
            raise CorpusError(f"{asked.corpus.name}: is text of one language, and not translated")
        self.asked, self.file = asked, asked.out / "curve.json"
        self.seed = read(asked.settings).train.seed
        before = None if asked.fresh else self._before()
        self._state = before or self._plan()

    @property
    def parts(self) -> list[Part]:
        return self._state.parts

    @property
    def points(self) -> list[Point]:
        return sorted(self._state.points, key=lambda point: point.pairs)

    def missing(self) -> list[Part]:
        """What is still to be trained on, the smallest first."""
        there = {point.fraction for point in self._state.points}
        return [part for part in self._state.parts if part.fraction not in there]

    def request(self, part: Part, report: Report) -> Request:
        """The training of a part, new or to be gone on with."""
        whole, top = self.asked.corpus, 1.0 - self._state.held_out
        name = f"{whole.name} ({part.fraction:g} of it)"
        settings = dict(self.asked.settings)
        if part.budget:
            settings["train.budget"] = part.budget
        return Request(
            settings,
            Share(name, whole.languages, whole, self.seed, 0.0, part.fraction * top),
            self.valid(),
            self.asked.out / part.name,
            fresh=self.asked.fresh,
            report=report,
        )

    def valid(self) -> Corpus:
        """What every part is validated with and judged on."""
        whole, top = self.asked.corpus, 1.0 - self._state.held_out
        name = f"{whole.name} (held out)"
        return self.asked.valid or Share(name, whole.languages, whole, self.seed, top, 1.0)

    def add(self, point: Point) -> None:
        self._state.points.append(point)
        self._write({})

    def conclude(self) -> Conclusion:
        """What follows from the points; it is written and drawn."""
        conclusion = conclude(self.points)
        self._write({"conclusion": conclusion.record()})
        for suffix in (".png", ".svg"):
            extrapolation.draw(conclusion.panels(), self.file.with_suffix(suffix))
        return conclusion

    def _plan(self) -> _State:
        pairs = sum(1 for _ in clean(self.asked.corpus.pairs(), Counter()))
        if not pairs:
            raise CorpusError(f"{self.asked.corpus.name}: there is nothing in it to train on")
        held_out = 0.0 if self.asked.valid else min(0.2, max(0.02, 20 / pairs), 2_000 / pairs)
        state = _State(self._identity(), held_out, self._shared_out(pairs * (1 - held_out)), [])
        self._state = state
        self._write({})
        return state

    def _shared_out(self, pairs: float) -> list[Part]:
        """The budget goes to the parts as the square roots of their sizes, since so the number of
        updates grows that a corpus asks for (`nmt.recipe.usual_epochs`)."""
        fractions = self.asked.fractions
        unit = (1 - _EVALUATING) * self.asked.budget / sum(map(math.sqrt, fractions))
        return [Part(f, round(f * pairs), round(unit * math.sqrt(f), 1)) for f in fractions]

    def _before(self) -> _State | None:
        """The curve that is there already.

        Raises:
            RunError: it was begun with other settings.
        """
        try:
            state = msgspec.convert(json.loads(self.file.read_text(encoding="utf-8")), _State)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, msgspec.ValidationError) as error:
            raise RunError(f"{self.file}: cannot be read: {error}", "--fresh starts over") from None
        if not any((self.asked.out / part.name).exists() for part in state.parts):
            return None  # nothing came of it
        now = self._identity()
        other = [key for key in {**state.asked, **now} if state.asked.get(key) != now.get(key)]
        if other:
            told = (f"{key} was {state.asked.get(key)}, is now {now.get(key)}" for key in other)
            raise RunError(
                f"{self.asked.out}: holds a curve begun with other settings: {'; '.join(told)}",
                "give the same command to go on, --fresh to start over, or another --out",
            )
        return state

    def _identity(self) -> dict[str, Any]:
        """What tells this curve from any other."""
        asked, values = self.asked, flat(read(self.asked.settings))
        return {
            "corpus": asked.corpus.fingerprint(),
            "valid": asked.valid.fingerprint() if asked.valid else "held out",
            "fractions": list(asked.fractions),
            "budget": asked.budget,
            **{key: values[key] for key in sorted(asked.settings)},
        }

    def _write(self, more: Mapping[str, Any]) -> None:
        write_text(self.file, to_json({**asdict(self._state), **more}, indent=2) + "\n")


# --- judging a part -----------------------------------------------------------------------------


def measure(part: Part, valid: Corpus, request: decoding.Request) -> Point:
    """What the model of a part makes of the validation pairs.

    Args:
        request: of the part's run alone.
    """
    (run,) = request.runs
    pairs = [p for p in clean(valid.pairs(), Counter()) if max(map(len, p)) <= _LONGEST]
    if not pairs:
        raise CorpusError(
            f"{valid.name}: there is nothing in it to judge by", "give another --valid"
        )
    sources, targets = [p.source for p in pairs], [p.target for p in pairs]
    translator = decoding.make_translator(request, decoding.load_runs(request))
    translations = [each.text for each in translator.translate(sources)]
    (scores,) = Scorer([targets], Options()).scores([translations], None)
    costs = np.array([-each.log_probability for each in translator.score(sources, targets)])
    sizes = np.array([len(words(target)) for target in targets])
    nats = float(costs.sum() / sizes.sum())
    log, manifest = read_log(run), Manifest.load(run)
    return Point(
        fraction=part.fraction,
        pairs=manifest.train.kept,
        epochs=float(log.validation["epoch"][-1]),
        usual_epochs=usual_epochs(manifest.train.kept),
        seconds=float(log.validation["seconds"][-1]),
        bleu=scores["bleu"].score,
        bleu_noise=_bleu_noise(translations, targets),
        chrf=scores["chrf"].score,
        cross_entropy=nats,
        cross_entropy_noise=float(np.sqrt(((costs - nats * sizes) ** 2).sum()) / sizes.sum()),
    )


def _bleu_noise(translations: Sequence[str], references: Sequence[str]) -> float:
    """BLEU's standard deviation over resampled lines (Koehn 2004)."""
    metric = METRICS["bleu"]
    lines = zip(translations, references, strict=True)
    counts = np.stack([metric.counts([ours], [theirs])[0, 0] for ours, theirs in lines])
    generator = np.random.default_rng(1)
    times = generator.multinomial(len(counts), [1 / len(counts)] * len(counts), _RESAMPLES)
    return float(metric.score(np.tensordot(times, counts, axes=1)).std())


# --- what follows -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Conclusion:
    """What the points say of twice the data."""

    points: Sequence[Point]
    bleu: Extrapolation | None
    cross_entropy: Extrapolation | None

    @property
    def twice(self) -> int:
        return 2 * self.points[-1].pairs

    def panels(self) -> list[Panel]:
        """Of a picture."""
        sizes = [float(point.pairs) for point in self.points]
        nats = [point.cross_entropy for point in self.points]
        return [
            Panel("BLEU", sizes, [point.bleu for point in self.points], self.bleu),
            Panel("perplexity per word", sizes, nats, self.cross_entropy, np.exp, log=True),
        ]

    def answer(self) -> list[str]:
        """In words: what twice the data would give, and what there is to say against it."""
        if self.bleu is None or self.cross_entropy is None:
            return ["One part shows no curve: give more --fractions."]
        return [*self._promise(self.bleu, self.cross_entropy), *self._doubts(self.bleu)]

    def _promise(self, bleu: Extrapolation, nats: Extrapolation) -> list[str]:
        score, gain = bleu.at(self.twice), bleu.gain(self.twice)
        then = _perplexity(nats.at(self.twice))
        last = self.points[-1]
        return [
            f"Twice the data, {counted(self.twice, 'pair')}, would give {score.value:.1f} BLEU, "
            f"nine times in ten {score.low:.1f} to {score.high:.1f}; now it is {last.bleu:.1f}.",
            f"Along the law the gain is {signed(gain.value, 1)}, nine times in ten "
            f"{signed(gain.low, 1)} to {signed(gain.high, 1)}.",
            f"Perplexity per word would be {then.value:.2f}, nine times in ten {then.low:.2f} to "
            f"{then.high:.2f}; now it is {last.perplexity:.2f}.",
        ]

    def _doubts(self, bleu: Extrapolation) -> list[str]:
        last, doubts = self.points[-1], []
        if bleu.foretold is not None:
            doubts.append(
                f"To test the law: through the smaller parts alone it foretells "
                f"{bleu.foretold:.1f} BLEU for the largest, which has {last.bleu:.1f}."
            )
        else:
            doubts.append(f"{bleu.points} points cannot put the law to a test; four or more can.")
        if last.epochs < _HURRIED * last.usual_epochs:
            doubts.append(
                f"The largest part had {last.epochs:.1f} epochs, where its size asks for about "
                f"{last.usual_epochs}: with more time it would score higher, and data would be "
                "worth more than this says."
            )
        return doubts

    def rows(self) -> list[tuple[str, ...]]:
        """Of a table, a row for each part."""
        return [
            (
                f"{point.fraction:g}",
                f"{point.pairs:,}",
                f"{point.epochs:.1f}",
                duration(point.seconds),
                f"{point.bleu:.2f}",
                f"{point.chrf:.2f}",
                f"{point.perplexity:.2f}",
            )
            for point in self.points
        ]

    def record(self) -> dict[str, Any]:
        """For programs."""
        found: dict[str, Any] = {"answer": self.answer(), "pairs": self.twice}
        if self.bleu and self.cross_entropy:
            found |= {
                "bleu": asdict(self.bleu.at(self.twice)),
                "gain": asdict(self.bleu.gain(self.twice)),
                "perplexity": asdict(_perplexity(self.cross_entropy.at(self.twice))),
                "laws": {"bleu": _law(self.bleu), "cross_entropy": _law(self.cross_entropy)},
            }
        return found


HEADER = ("part", "pairs", "epochs", "time", "BLEU", "chrF2", "perplexity per word")


def conclude(points: Sequence[Point]) -> Conclusion:
    """Fit the laws. The noise of a point is what other validation pairs would change."""
    sizes = [float(point.pairs) for point in points]

    def law(key: str, family: extrapolation.Family) -> Extrapolation | None:
        scores = [getattr(point, key) for point in points]
        noise = max(getattr(point, f"{key}_noise") for point in points)
        return extrapolate(sizes, scores, noise, family)

    return Conclusion(
        points, law("bleu", extrapolation.BLEU), law("cross_entropy", extrapolation.CROSS_ENTROPY)
    )


def _perplexity(nats: Range) -> Range:
    return Range(*(math.exp(min(value, 700)) for value in (nats.value, nats.low, nats.high)))


def _law(fit: Extrapolation) -> dict[str, float | None]:
    """score(n) = limit + amplitude · (n / unit)^−exponent."""
    law = fit.law
    numbers = {key: getattr(law, key).item() for key in ("limit", "amplitude", "exponent")}
    return {**numbers, "unit": law.unit, "noise": fit.noise, "foretold": fit.foretold}
