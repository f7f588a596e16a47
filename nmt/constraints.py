"""What a translation must hold: a beginning that is given, and the terms of a terminology.

A beginning is forced subword by subword up to its last word, of which only the characters are: the
model may have spelled the whole word with other subwords than its beginning alone would have.

The words that must stand for terms of the source (nmt.terms) may stand anywhere. Beam search alone
would drop the hypotheses that hold them, since a forced word is seldom a likely one, so the beam is
shared out among hypotheses that have come equally far (dynamic beam allocation, Post & Vilar 2018).
A sentence ends only when it holds all of its terms, and where room runs short nothing else may
follow.

    K beams, V vocabulary
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from nmt.subwords import EOS, MARK, SPECIALS, UNK, Ids, Subwords, as_text
from nmt.terms import Term
from nmt.words import is_spaced

_OPEN = 16  # characters of a beginning's last word that are spelled anew, at most

History = tuple[int, ...]
"""The ids of a hypothesis, so far."""


# --- in subwords --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Beginning:
    """What a translation begins with."""

    text: str
    ids: Ids  # of all but the last word
    rest: str  # how the last word, which may go on, is spelled so far

    @classmethod
    def of(cls, text: str, subwords: Subwords) -> Beginning:
        """A last word with characters that the subwords do not know is closed like the others."""
        ids = subwords.encode([text])[0]
        if text[-1:].isspace() and ids:
            return cls(text, ids, MARK)
        cut, rest = len(ids), ""
        while cut and not rest.startswith(MARK) and len(rest) < _OPEN:
            if ids[cut - 1] == UNK:
                return cls(text, ids, "")
            cut -= 1
            rest = subwords.pieces(ids[cut : cut + 1])[0] + rest
        return cls(text, ids[:cut], rest)

    def closed(self, subwords: Subwords) -> Beginning:
        """The same with the subwords it has alone: the last word may go on, but not otherwise."""
        return Beginning(self.text, subwords.encode([self.text])[0], "")

    @property
    def longest(self) -> int:
        """Subwords it takes, at most."""
        return len(self.ids) + len(self.rest)

    def replaced(self, ids: Sequence[int], subwords: Subwords) -> str:
        """The text of a hypothesis that begins so, with the beginning exactly as it was given."""
        if not self.ids and not self.rest:
            return self.text + subwords.decode(ids)
        spelled = "".join(subwords.pieces([*self.ids])) + self.rest
        after = "".join(subwords.pieces(ids))[len(spelled) :]
        return self.text + as_text(after)


@dataclass(frozen=True)
class Phrase:
    """A term in subwords: one of `choices` must occur, with no letter of the same word after it."""

    choices: tuple[History, ...]
    spaced: bool  # whether its last character would make one word with a letter after it

    @property
    def shortest(self) -> int:
        return min(map(len, self.choices))

    @property
    def longest(self) -> int:
        return max(map(len, self.choices))


class Speller:
    """A vocabulary as sets of subwords that may come next."""

    def __init__(self, subwords: Subwords, device: torch.device) -> None:
        self.subwords, self.device = subwords, device
        self._pieces = subwords.pieces(range(len(subwords)))
        self._known = {piece: i for i, piece in enumerate(self._pieces) if i >= SPECIALS}
        self.within_words = frozenset(i for p, i in self._known.items() if is_spaced(p[0]))
        self.goes_on = self.mask(self.within_words)
        self.ends = self.mask([EOS])
        self.spelling = cache(self._spelling)
        self._can_spell = cache(self._find_whether)

    def mask(self, ids: Iterable[int]) -> Tensor:
        """[V] true for these subwords."""
        mask = torch.zeros(len(self._pieces), dtype=torch.bool)
        mask[list(ids)] = True
        return mask.to(self.device)

    def _spelling(self, rest: str) -> Tensor:
        """[V] the subwords that spell these characters, or their beginning, or go beyond them."""
        whole = (i for piece, i in self._known.items() if piece.startswith(rest))
        return self.mask([*whole, *(i for i, after in self._begun(rest) if self._can_spell(after))])

    def _find_whether(self, rest: str) -> bool:
        if any(piece.startswith(rest) for piece in self._known):
            return True
        return any(self._can_spell(after) for _, after in self._begun(rest))

    def _begun(self, rest: str) -> Iterator[tuple[int, str]]:
        for end in range(1, len(rest)):
            if rest[:end] in self._known:
                yield self._known[rest[:end]], rest[end:]

    def phrase(self, term: Term) -> Phrase | None:
        """The term in subwords; None where characters of it are unknown to them."""
        choices = [ids for target in term.targets for ids in self._spelled(target)]
        last = {target[-1] for target in term.targets}
        return Phrase(tuple(choices), any(map(is_spaced, last))) if choices else None

    def _spelled(self, target: str) -> Iterator[History]:
        ids = self.subwords.encode([target])[0]
        if not ids or UNK in ids:
            return
        yield tuple(ids)
        if not is_spaced(target[0]):  # it may follow another word without a space
            bare = self._pieces[ids[0]].removeprefix(MARK)
            if not bare and ids[1:]:
                yield tuple(ids[1:])
            elif bare in self._known:
                yield (self._known[bare], *ids[1:])


# --- one sentence's hypotheses ------------------------------------------------------------------


@dataclass(frozen=True)
class _Progress:
    """How far a hypothesis has come."""

    met: frozenset[int] = frozenset()  # the phrases that it holds
    begun: tuple[tuple[int, History, int], ...] = ()  # phrase, choice, subwords of it so far
    latest: int = -1  # the phrase that its last subword completed


class Guide:
    """What a sentence's hypotheses are held to. It remembers what it has found of each."""

    def __init__(
        self, speller: Speller, beginning: Beginning | None, phrases: Sequence[Phrase]
    ) -> None:
        self.speller, self.phrases = speller, tuple(phrases)
        self.given: History = tuple(beginning.ids) if beginning else ()
        self.rest = beginning.rest if beginning else ""
        self.needed = sum(phrase.longest for phrase in self.phrases)
        self._known: dict[History, _Progress] = {(): _Progress()}

    def allowed(self, ids: History, left: int) -> Tensor | None:
        """Which subwords may follow: [V] bool; None: any.

        Args:
            left: how many may follow in all, EOS not counted.
        """
        if len(ids) < len(self.given):
            return self.speller.mask([self.given[len(ids)]])
        rest = self._unspelled(ids)
        if rest:
            return self.speller.spelling(rest)
        return self._allowed_by_phrases(ids, left) if self.phrases else None

    def chosen(
        self, histories: Sequence[History], totals: Tensor, places: int
    ) -> tuple[list[int], list[tuple[float, int, int]]] | None:
        """Which of the continuations are kept.

        Args:
            totals: [K, V] what each is ranked by; −inf: impossible.
            places: how many there may be, those that end and those that go on.

        Returns:
            The beams that end, and score, beam and subword of the others; or None where the best
            ones may go on.
        """
        if not self.phrases:
            return None
        found = self._candidates(histories, totals)
        banked = [
            (self._weight(self._after(self._progress(histories[beam]), token)), score, beam, token)
            for (beam, token), score in found.items()
        ]
        banked.sort(key=lambda each: (-each[1], each[2], each[3]))
        ending = [each for each in self._shared(banked, places) if each[3] == EOS]
        left = places - len(ending)
        others = self._shared([each for each in banked if each[3] != EOS], left)
        return [beam for _, _, beam, _ in ending], [each[1:] for each in others]

    # --- a given beginning ------------------------------------------------------------------------

    def _unspelled(self, ids: History) -> str:
        """What the last word of the beginning still lacks."""
        written = len(ids) - len(self.given)
        if not self.rest or written >= len(self.rest):  # a subword has a character at least
            return ""
        return self.rest[len("".join(self.speller.subwords.pieces(ids[len(self.given) :]))) :]

    # --- phrases ----------------------------------------------------------------------------------

    def _allowed_by_phrases(self, ids: History, left: int) -> Tensor | None:
        progress, after = self._progress(ids), left - 1
        unmet = sum(p.shortest for n, p in enumerate(self.phrases) if n not in progress.met)
        at_risk = self._at_risk(progress)
        if unmet == 0:
            return ~self.speller.goes_on if at_risk > after else None
        if unmet + at_risk <= after:
            return ~self.speller.ends
        if unmet <= after:
            return ~(self.speller.ends | self.speller.goes_on)
        helpful = self._helpful(progress)
        return self.speller.mask(
            token for token in helpful if self._lacks(self._after(progress, token)) <= after
        )

    def _at_risk(self, progress: _Progress) -> int:
        """Subwords of a phrase that the next subword could undo by going on with its last word."""
        latest = self.phrases[progress.latest] if progress.latest >= 0 else None
        return latest.shortest if latest and latest.spaced else 0

    def _progress(self, ids: History) -> _Progress:
        known = self._known.get(ids)
        if known is None:
            known = self._after(self._progress(ids[:-1]), ids[-1])
            self._known[ids] = known
        return known

    def _after(self, progress: _Progress, token: int) -> _Progress:
        """The same with one more subword."""
        met, latest = progress.met, progress.latest
        if latest >= 0 and self.phrases[latest].spaced and token in self.speller.within_words:
            met = met - {latest}
        begun = [
            (number, choice, count + 1)
            for number, choice, count in (*progress.begun, *self._beginnings(met))
            if choice[count] == token and number not in met
        ]
        whole = [each for each in begun if each[2] == len(each[1])]
        if whole:
            number = max(whole, key=lambda each: each[2])[0]
            return _Progress(met | {number}, (), number)
        return _Progress(met, tuple(begun))

    def _beginnings(self, met: frozenset[int]) -> Iterator[tuple[int, History, int]]:
        for number, phrase in enumerate(self.phrases):
            if number not in met:
                yield from ((number, choice, 0) for choice in phrase.choices)

    def _helpful(self, progress: _Progress) -> set[int]:
        """The subwords that go on with a phrase, or begin one."""
        every = (*progress.begun, *self._beginnings(progress.met))
        return {choice[count] for _, choice, count in every}

    def _lacks(self, progress: _Progress) -> int:
        """How many subwords it takes at least to hold all phrases."""
        unmet = sum(p.shortest for n, p in enumerate(self.phrases) if n not in progress.met)
        saved = (
            self.phrases[number].shortest - (len(choice) - count)
            for number, choice, count in progress.begun
        )
        return unmet - max(saved, default=0)

    def _weight(self, progress: _Progress) -> int:
        """The subwords of phrases it holds: which bank it is in."""
        whole = sum(self.phrases[number].longest for number in progress.met)
        return whole + max((count for _, _, count in progress.begun), default=0)

    def _candidates(
        self, histories: Sequence[History], totals: Tensor
    ) -> dict[tuple[int, int], float]:
        """The best of all continuations, the best of each beam, and those that help on."""
        width, size = totals.shape
        best = totals.flatten().topk(min(2 * width, totals.numel())).indices.tolist()
        places = {divmod(place, size) for place in best}
        places |= set(enumerate(totals.argmax(dim=1).tolist()))
        for beam, ids in enumerate(histories):
            places |= {(beam, token) for token in self._helpful(self._progress(ids))}
        rows = sorted(places)
        scores = totals[[beam for beam, _ in rows], [token for _, token in rows]].tolist()
        return {place: s for place, s in zip(rows, scores, strict=True) if s > -torch.inf}

    def _shared(
        self, candidates: Sequence[tuple[int, float, int, int]], width: int
    ) -> list[tuple[int, float, int, int]]:
        """At most `width` of the candidates, best first: the best of each bank, as many from each,
        and what a bank cannot fill from the next one below, or above."""
        banks: list[list[tuple[int, float, int, int]]] = [[] for _ in range(self.needed + 1)]
        for each in candidates:
            banks[each[0]].append(each)
        shares = [width // len(banks)] * len(banks)
        shares[-1] += width % len(banks)
        down = range(len(banks) - 1, 0, -1)
        for number, beside in (*((n, n - 1) for n in down), *((n - 1, n) for n in reversed(down))):
            spare = max(0, shares[number] - len(banks[number]))
            shares[number] -= spare
            shares[beside] += spare
        chosen = [each for bank, share in zip(banks, shares, strict=True) for each in bank[:share]]
        return sorted(chosen, key=lambda each: -each[1])
