"""Lines in, lines out: the way of a sentence through a trained model.

Validation, `nmt translate` and `nmt evaluate` all come through here. A line's translation depends
on the line alone: lines are batched only with others of the same padded length, and every product
computes a row alike whatever stands in the other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, islice
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from nmt.alignment import Attention, replace_unknown, text_of
from nmt.batches import SHORTEST, pad_sources, rounded
from nmt.clean import is_blank
from nmt.constraints import Beginning, Guide, Phrase, Speller, Terminology, without_repeats
from nmt.device import autocast
from nmt.ensemble import Ensemble
from nmt.mbr import expected_utilities, probabilities
from nmt.metrics import Metric
from nmt.model import Seq2Seq
from nmt.search import Hypothesis, Searchable, SearchOptions, force, sample, search
from nmt.subwords import UNK, Ids, Subwords, Vocabulary

_SMALL_PRODUCT = 16**3  # torch computes products of up to so many multiplications in other ways
_ROWS = 320  # sentences × beams advanced together
_TOKENS = 8_000  # source or target subwords, padding included, scored together
_ENDS = (".", "!", "?", "。", "！", "？", "।", "؟", ";", ":")  # noqa: RUF001


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


@dataclass(frozen=True)
class Translation:
    """What became of a line: its candidates, best first; one empty one for a blank line."""

    source: str
    candidates: tuple[Candidate, ...]
    unmet: tuple[str, ...] = ()  # what was asked of it and could not be done, for people

    @property
    def text(self) -> str:
        return self.candidates[0].text


class Model(Searchable[Any, Any], Protocol):
    """What a line is translated by: one model, or several that look like one."""

    def encode(self, source: Tensor, lengths: Tensor, /) -> Any: ...


@dataclass(frozen=True)
class _Piece:
    """A line, or as much of it as is translated at once."""

    source: Ids
    beginning: Beginning | None = None
    guide: Guide | None = None


@dataclass(frozen=True)
class _Plan:
    """How a line is translated: piece by piece, or not at all."""

    line: str
    pieces: Sequence[_Piece]
    prefix: str = ""  # what there is where there are no pieces
    unmet: tuple[str, ...] = ()


class Translator:
    """A model, its subwords, and how to search."""

    def __init__(
        self,
        model: Seq2Seq | Ensemble,
        vocabulary: Vocabulary,
        options: SearchOptions,
        longest: int,
        precision: str = "fp32",
        terminology: Terminology | None = None,
        utility: Metric | None = None,
    ) -> None:
        """Args:
        longest: subwords of a line above which it is translated in pieces.
        terminology: what must stand for which words.
        utility: candidates are ranked by what they are expected to score, for minimum Bayes risk.
        """
        self.model: Model = model
        self.vocabulary, self.options = vocabulary, options
        self.longest, self.precision, self.utility = longest, precision, utility
        self.device = next(model.parameters()).device
        self.terminology = terminology
        # The smallest product of a step is attention over a memory of SHORTEST positions.
        rows = max(4, _SMALL_PRODUCT // (SHORTEST * _narrowest(model)) + 1)
        self._fewest = max(2, -(-rows // options.beam))  # sentences; two for the encoder

    def translate(self, lines: Sequence[str], prefixes: Sequence[str] = ()) -> list[Translation]:
        """One translation for each line, in order.

        Args:
            prefixes: what each translation begins with; of a line that is translated in pieces the
                first one does.
        """
        plans = self._plans(lines, prefixes or [""] * len(lines))
        found = iter(self._search([piece for plan in plans for piece in plan.pieces]))
        joined = [
            _join(plan, [next(found) for _ in plan.pieces], self.vocabulary, self.options)
            for plan in plans
        ]
        return [self._least_risk(each) for each in joined] if self.utility else joined

    def hypotheses(self, lines: Sequence[str]) -> list[list[Hypothesis]]:
        """What the search finished for each line, best first, each as one piece, however long."""
        return self._search([_Piece(ids) for ids in self.vocabulary.source.encode(lines)])

    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[Hypothesis]:
        """What the model gives to known translations, each as one piece, however long."""
        source_ids = self.vocabulary.source.encode(sources)
        target_ids = self.vocabulary.target.encode(targets)
        found: list[Hypothesis | None] = [None] * len(sources)
        order = sorted(
            range(len(sources)), key=lambda row: (len(target_ids[row]), len(source_ids[row]))
        )
        start = 0
        while start < len(order):
            longest = max(len(source_ids[order[start]]), len(target_ids[order[start]])) + 1
            rows = order[start : start + max(1, min(_ROWS, _TOKENS // longest))]
            start += len(rows)
            forced = self._force([source_ids[i] for i in rows], [target_ids[i] for i in rows])
            for row, hypothesis in zip(rows, forced, strict=True):
                found[row] = hypothesis
        return [hypothesis for hypothesis in found if hypothesis is not None]

    @torch.inference_mode()
    def _force(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[Hypothesis]:
        source, lengths = pad_sources(sources)
        with autocast(self.device, self.precision):
            memory = self.model.encode(source.to(self.device), lengths.to(self.device))
            return force(self.model, memory, targets, self.options)

    def _least_risk(self, translation: Translation) -> Translation:
        """The candidates ranked by expected utility, those that read alike only once."""
        candidates, metric = translation.candidates, self.utility
        if metric is None or is_blank(translation.source):
            return translation
        weights = probabilities([c.log_probability for c in candidates])
        if self.options.sampling:
            weights = np.full(len(candidates), 1 / len(candidates))
        expected = expected_utilities([c.text for c in candidates], weights, metric)
        judged = [replace(c, score=float(e)) for c, e in zip(candidates, expected, strict=True)]
        judged.sort(key=lambda candidate: -candidate.score)
        different = {candidate.text: candidate for candidate in reversed(judged)}
        return replace(translation, candidates=tuple(reversed(different.values())))

    # --- what is asked of a line ------------------------------------------------------------------

    def _plans(self, lines: Sequence[str], prefixes: Sequence[str]) -> list[_Plan]:
        """How each line is translated: cut where it is too long; not at all if it is blank."""
        encoded = self.vocabulary.source.encode(lines)
        return [
            self._plan(line, ids, prefix) if ids and not is_blank(line) else _Plan(line, (), prefix)
            for line, ids, prefix in zip(lines, encoded, prefixes, strict=True)
        ]

    def _plan(self, line: str, ids: Ids, prefix: str) -> _Plan:
        sources = split_long(ids, self.longest, self.vocabulary.source)
        if not prefix and self.terminology is None:
            return _Plan(line, [_Piece(source) for source in sources])
        room = self._room(sources[0])
        beginning = self._beginning(prefix, room) if prefix else None
        if beginning and beginning.longest > room:
            why = f"the prefix has {beginning.longest} subwords and a translation at most {room}"
            return _Plan(line, (), prefix, (f"{why}; it is written as it is",))
        whole = len(sources) == 1
        texts = [line] if whole else [self.vocabulary.source.decode(each) for each in sources]
        pieces: list[_Piece] = []
        unmet = [] if whole else self._cut_terms(line, texts)
        for source, text in zip(sources, texts, strict=True):
            begins = None if pieces else beginning
            phrases, left_out = self._phrases(text, source, begins)
            guide = Guide(self._speller, begins, phrases) if phrases or begins else None
            pieces.append(_Piece(source, begins, guide))
            unmet += left_out
        return _Plan(line, pieces, prefix, tuple(unmet))

    def _room(self, source: Ids) -> int:
        """The subwords that a source's translation may have."""
        return int(self.options.longest(torch.tensor([len(source) + 1]))) - 1

    def _beginning(self, prefix: str, room: int) -> Beginning:
        beginning = Beginning.of(prefix, self.vocabulary.target)
        fits = beginning.longest <= room
        return beginning if fits else beginning.closed(self.vocabulary.target)

    def _phrases(
        self, text: str, source: Ids, beginning: Beginning | None
    ) -> tuple[list[Phrase], list[str]]:
        """The terms that a translation must hold, and which it cannot, and why."""
        room = self._room(source) - (beginning.longest if beginning else 0)
        terms = self.terminology.of(text) if self.terminology else ()
        phrases, unmet = [], []
        for term in without_repeats(terms):
            phrase = self._speller.phrase(term)
            what = f"the term '{term.source}', '{' or '.join(term.targets)}',"
            if phrase is None:
                unmet.append(f"{what} has characters that the model cannot write; left out")
            elif phrase.shortest > room:
                unmet.append(f"{what} has more subwords than there is room for; left out")
            else:
                phrases.append(phrase)
                room -= phrase.shortest
        return phrases, unmet

    def _cut_terms(self, line: str, texts: Sequence[str]) -> list[str]:
        """The terms of a line that are in none of its pieces."""
        if self.terminology is None:
            return []
        seen = {term.source for text in texts for term in self.terminology.of(text)}
        lost = (each.source for each in self.terminology.of(line) if each.source not in seen)
        return [f"the term '{source}' lies where the line is cut; left out" for source in lost]

    @cached_property
    def _speller(self) -> Speller:
        return Speller(self.vocabulary.target, self.device)

    # --- in batches -------------------------------------------------------------------------------

    def _search(self, pieces: Sequence[_Piece]) -> list[list[Hypothesis]]:
        """Search for every piece, those of one padded length together."""
        found: list[list[Hypothesis]] = [[]] * len(pieces)
        together = max(1, _ROWS // self.options.beam)

        def width(row: int) -> int:
            return rounded(len(pieces[row].source) + 1)

        for _, same in groupby(sorted(range(len(pieces)), key=width), key=width):
            rows = sorted(same, key=lambda row: len(pieces[row].source))
            for start in range(0, len(rows), together):
                batch = rows[start : start + together]
                hypotheses = self._search_batch([pieces[row] for row in batch])
                for row, best in zip(batch, hypotheses, strict=True):
                    found[row] = best
        return found

    @torch.inference_mode()
    def _search_batch(self, pieces: Sequence[_Piece]) -> list[list[Hypothesis]]:
        sources = [piece.source for piece in pieces]
        filled = [*sources, *[sources[0]] * (self._fewest - len(sources))]
        source, lengths = pad_sources(filled)
        prefixes = [piece.beginning.ids if piece.beginning else () for piece in pieces]
        guides = [piece.guide for piece in pieces]
        with autocast(self.device, self.precision):
            memory = self.model.encode(source.to(self.device), lengths.to(self.device))
            if self.options.sampling is None:
                found = search(self.model, memory, self.options, self._fewest, prefixes, guides)
            else:
                noise = self._noise(filled, self.options.sampling.seed)
                found = sample(
                    self.model, memory, self.options, noise, self._fewest, prefixes, guides
                )
        return found[: len(pieces)]

    def _noise(self, sources: Sequence[Ids], seed: int) -> Tensor:
        """What is drawn by: it follows from the seed and the sentence, whatever its batch."""
        lengths = torch.tensor([len(ids) + 1 for ids in sources])
        shape = (int(self.options.longest(lengths).max()), self.options.beam)
        drawn = [np.random.default_rng([seed, *ids]).random(shape, np.float32) for ids in sources]
        return torch.from_numpy(np.stack(drawn)).transpose(1, 2)


def _narrowest(model: Seq2Seq | Ensemble) -> int:
    """The smallest state of a model or of an ensemble's members."""
    models = [model] if isinstance(model, Seq2Seq) else model.models
    return min(each.settings.hidden for each in models)


def split_long(ids: Ids, longest: int, subwords: Subwords) -> list[Ids]:
    """Cut ids into pieces of at most `longest`: after a sentence's end if there is one in the
    second half of a piece, else between words, else anywhere."""
    pieces = []
    while len(ids) > longest:
        window = range(longest, longest // 2, -1)
        starts = [at for at in window if subwords.starts_word(ids[at])]
        ends = [at for at in starts if subwords.pieces(ids[at - 1 : at])[0].endswith(_ENDS)]
        at = next(iter(ends or starts), longest)
        pieces.append(ids[:at])
        ids = ids[at:]
    return [*pieces, ids]


def _join(
    plan: _Plan,
    parts: Sequence[list[Hypothesis]],
    vocabulary: Vocabulary,
    options: SearchOptions,
) -> Translation:
    """Put the pieces of a line together again: best with best, second with second, …"""
    if not parts:
        return Translation(plan.line, (Candidate(plan.prefix, 0.0, 0.0),), plan.unmet)
    sources = [piece.source for piece in plan.pieces]
    spelled = _spelled(plan.line, sources, vocabulary.source) if options.attention else []
    limits = options.longest(torch.tensor([len(ids) + 1 for ids in sources])).tolist()
    subwords = sum(map(len, sources))
    joined = []
    for rank in range(min(map(len, parts))):
        chosen = [part[rank] for part in parts]
        attention = tuple(
            _attention(ids, pieces, hypothesis, vocabulary, options)
            for ids, pieces, hypothesis in zip(sources, spelled, chosen, strict=False)
            if hypothesis.attention is not None
        )
        if attention and options.unknown:
            texts = [text_of(part.target) for part in attention]
        else:
            pairs = zip(plan.pieces, chosen, strict=True)
            texts = [_text(*each, vocabulary.target) for each in pairs]
        joined.append(
            Candidate(
                " ".join(filter(None, texts)),
                sum(h.score for h in chosen) / len(chosen),
                sum(h.log_probability for h in chosen),
                sum(len(h.ids) for h in chosen) / subwords,
                any(len(h.ids) + 1 >= limit for h, limit in zip(chosen, limits, strict=True)),
                attention,
            )
        )
    return Translation(plan.line, tuple(joined), plan.unmet)


def _text(piece: _Piece, found: Hypothesis, subwords: Subwords) -> str:
    if piece.beginning is None:
        return subwords.decode(found.ids)
    return piece.beginning.replaced(found.ids, subwords)


def _spelled(line: str, sources: Sequence[Ids], subwords: Subwords) -> list[tuple[str, ...]]:
    """Each part's subwords as the line has them, what the vocabulary does not know included."""
    pieces = iter(subwords.surfaces(line))
    return [tuple(islice(pieces, len(ids))) for ids in sources]


def _attention(
    ids: Ids,
    pieces: tuple[str, ...],
    hypothesis: Hypothesis,
    vocabulary: Vocabulary,
    options: SearchOptions,
) -> Attention:
    assert hypothesis.attention is not None
    target = tuple(vocabulary.target.pieces(hypothesis.ids))
    attention = Attention(pieces, target, hypothesis.attention)
    if not options.unknown:
        return attention
    unknown, produced = (
        [at for at, each in enumerate(side) if each == UNK] for side in (ids, hypothesis.ids)
    )
    return replace_unknown(attention, unknown, produced) if unknown or produced else attention
