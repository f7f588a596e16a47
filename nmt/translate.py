"""Lines in, lines out: the way of a sentence through a trained model.

Validation, `nmt translate` and `nmt evaluate` all come through here: a plan of each line, a search
for its pieces, and text again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

from nmt.alignment import Attention, replace_unknown
from nmt.channel import NoisyChannel
from nmt.choices import Precision
from nmt.decoder import Decoder
from nmt.engine import Engine
from nmt.ensemble import Ensemble
from nmt.mbr import ranked
from nmt.metrics import Metric
from nmt.plan import Piece, Plan, Planner, by_source, texts_of
from nmt.search import Hypothesis, SearchOptions
from nmt.subwords import UNK, Ids, Subwords, Vocabulary, text_of
from nmt.terms import Terminology


@dataclass(frozen=True)
class Candidate:
    """One translation of a line."""

    text: str
    score: float  # what it is ranked by
    log_probability: float
    length_ratio: float | None = None  # its subwords over the source's; None for a blank line
    truncated: bool = False  # whether it ended at the length limit, in any of its parts
    attention: tuple[Attention, ...] = field(
        default=(), compare=False
    )  # of each part, if asked for
    features: Mapping[str, float] = field(default_factory=dict, compare=False)  # of nmt.channel


@dataclass(frozen=True)
class Translation:
    """What became of a line: its candidates, best first; one empty one for a blank line."""

    source: str
    candidates: tuple[Candidate, ...]
    unmet: tuple[str, ...] = ()  # what was asked of it and could not be done, for people

    @property
    def text(self) -> str:
        return self.candidates[0].text


class Translator:
    """A model, its subwords, and how to search."""

    def __init__(
        self,
        model: Decoder | Ensemble[Decoder],
        vocabulary: Vocabulary,
        options: SearchOptions,
        longest: int,
        precision: Precision = "fp32",
        terminology: Terminology | None = None,
        utility: Metric | None = None,
        channel: NoisyChannel | None = None,
    ) -> None:
        """Args:
        longest: subwords of a line above which it is translated in pieces.
        terminology: what must stand for which words.
        utility: candidates are ranked by what they are expected to score, for minimum Bayes risk.
        channel: they are ranked by other models too.
        """
        self.engine = Engine(model, precision)
        self._ensemble = model if isinstance(model, Ensemble) else None
        self.vocabulary, self.options = vocabulary, options
        self.utility, self.channel = utility, channel
        self.planner = Planner(vocabulary, options, longest, terminology, self.engine.device)

    def with_options(self, options: SearchOptions) -> Translator:
        """The same model, searched otherwise."""
        other, planner = copy(self), self.planner
        other.options = options
        other.planner = Planner(
            self.vocabulary, options, planner.longest, planner.terminology, self.engine.device
        )
        return other

    @property
    def kept(self) -> int:
        """Hypotheses of each line that are in memory until its translation is made of them."""
        return self.options.beam if self.utility else self.options.best or self.options.beam

    def translate(self, lines: Sequence[str], prefixes: Sequence[str] = ()) -> list[Translation]:
        """One translation for each line, in order.

        Args:
            prefixes: what each translation begins with; of a line that is translated in pieces the
                first one does.
        """
        plans = self.planner.plans(lines, prefixes)
        pieces = [piece for plan in plans for piece in plan.pieces]
        sources, guides = [piece.source for piece in pieces], [piece.guide for piece in pieces]
        options = replace(self.options, best=0) if self.utility else self.options
        readings = self._readings(self._texts(plans), sources)
        candidates = self.engine.search(sources, options, guides, readings=readings)
        if self.channel:
            candidates = self._reranked(self.channel, plans, candidates)
        found = map(self._by_risk, pieces, candidates)
        return [
            _join(plan, [next(found) for _ in plan.pieces], self.vocabulary, self.options)
            for plan in plans
        ]

    def _reranked(
        self, channel: NoisyChannel, plans: Sequence[Plan], found: Sequence[list[Hypothesis]]
    ) -> list[list[Hypothesis]]:
        """The candidates of each piece, as the noisy channel ranks them."""
        pieces = [piece for plan in plans for piece in plan.pieces]
        texts = [
            [_text(piece, hypothesis, self.vocabulary.target) for hypothesis in candidates]
            for piece, candidates in zip(pieces, found, strict=True)
        ]
        return channel.reranked([*self._texts(plans)], texts, found)

    def _texts(self, plans: Sequence[Plan]) -> Iterator[str]:
        """What each of all pieces says, when it is asked for: a long line is encoded anew."""
        for plan in plans:
            sources = [piece.source for piece in plan.pieces]
            yield from texts_of(plan.line, sources, self.vocabulary.source)

    def hypotheses(self, lines: Sequence[str]) -> list[list[Hypothesis]]:
        """What the search finished for each line, best first, each as one piece, however long."""
        ids = self.vocabulary.source.encode(lines)
        readings = self._readings(lines, ids)
        return self.engine.search(ids, self.options, readings=readings)

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[Hypothesis]:
        """What the model gives to known translations, each as one piece, however long."""
        source_ids = self.vocabulary.source.encode(sources)
        target_ids = self.vocabulary.target.encode(targets)
        readings = self._readings(sources, source_ids)
        return self.engine.force(source_ids, target_ids, self.options, readings)

    def _readings(self, lines: Iterable[str], ids: Sequence[Ids]) -> Sequence[Sequence[Ids]]:
        """Lines as each member of an ensemble reads them."""
        return self._ensemble.readings(lines, ids) if self._ensemble else ()

    def _by_risk(self, piece: Piece, found: list[Hypothesis]) -> list[Hypothesis]:
        """A piece's hypotheses ranked by expected utility, if that is asked for."""
        if self.utility is None:
            return found
        texts = [_text(piece, each, self.vocabulary.target) for each in found]
        likely = None if self.options.sampling else [each.log_probability for each in found]
        order = ranked(texts, likely, self.utility)
        best = order[: self.options.best or len(order)]
        return [replace(found[number], score=expected) for number, expected in best]


def _join(
    plan: Plan,
    parts: Sequence[list[Hypothesis]],
    vocabulary: Vocabulary,
    options: SearchOptions,
) -> Translation:
    """Put the pieces of a line together again: best with best, second with second, …"""
    if not parts:
        return Translation(plan.line, (Candidate(plan.prefix, 0.0, 0.0),), plan.unmet)
    sources = [piece.source for piece in plan.pieces]
    looked_at = (
        by_source(vocabulary.source.in_words(plan.line), sources) if options.attention else []
    )
    limits = [options.longest(len(ids) + 1) for ids in sources]
    subwords = sum(map(len, sources))
    joined = []
    for rank in range(min(map(len, parts))):
        chosen = [part[rank] for part in parts]
        attention = tuple(
            _attention(ids, part, hypothesis, vocabulary, options)
            for ids, part, hypothesis in zip(sources, looked_at, chosen, strict=False)
            if hypothesis.attention is not None
        )
        if attention and options.unknown:
            texts = [text_of(part.target) for part in attention]
        else:
            pairs = zip(plan.pieces, chosen, strict=True)
            texts = [_text(*each, vocabulary.target) for each in pairs]
        features = {name: sum(h.features[name] for h in chosen) for name in chosen[0].features}
        score = sum(h.score for h in chosen)  # a mean over parts, where it is one over subwords
        joined.append(
            Candidate(
                " ".join(filter(None, texts)),
                score if features else score / len(chosen),
                sum(h.log_probability for h in chosen),
                sum(len(h.ids) for h in chosen) / subwords,
                any(len(h.ids) + 1 >= limit for h, limit in zip(chosen, limits, strict=True)),
                attention,
                features,
            )
        )
    return Translation(plan.line, tuple(joined), plan.unmet)


def _text(piece: Piece, found: Hypothesis, subwords: Subwords) -> str:
    if piece.beginning is None:
        return subwords.decode(found.ids)
    return piece.beginning.replaced(found.ids, subwords)


def _attention(
    ids: Ids,
    part: tuple[tuple[str, int], ...],
    hypothesis: Hypothesis,
    vocabulary: Vocabulary,
    options: SearchOptions,
) -> Attention:
    assert hypothesis.attention is not None
    target = tuple(vocabulary.target.pieces(hypothesis.ids))
    pieces, words = zip(*part, strict=True)
    attention = Attention(pieces, words, target, hypothesis.attention)
    if not options.unknown:
        return attention
    unknown, produced = (
        [at for at, each in enumerate(side) if each == UNK] for side in (ids, hypothesis.ids)
    )
    return replace_unknown(attention, unknown, produced) if unknown or produced else attention
