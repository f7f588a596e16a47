"""The clause both languages share: who does what to whom, when, how and where.

A clause says nothing about word order. `german_order` and `english_order` lay it out, as a main
clause, a subordinate one, a question, an infinitive or a relative clause.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

import english
import german
from english import Aspect
from german import Case, Tense
from lexicon import Pair, Verb
from nominals import Nominal


class Role(Enum):
    """What an adverbial tells; the order is the German one: time, manner, place."""

    TIME = "wann"
    FREQUENCY = "wie oft"
    FONDNESS = "gern"
    MANNER = "wie"
    COMPANY = "mit wem"
    MEANS = "womit"
    PLACE = "wo"


class Reading(Enum):
    """What a time adverbial tells about the English tense of a German verb form."""

    NONE = "no bearing on the tense"
    NOW = "liest gerade: is reading"
    FUTURE = "liest morgen: will read"
    HABIT = "liest jeden Tag: reads"
    SINCE = "liest seit gestern: has been reading"
    RESULT = "hat schon gelesen: has already read"


@dataclass(frozen=True)
class Adverbial:
    """An adverb or adverbial phrase.

    `mid` places the English one beside the verb (he OFTEN reads); `negates` marks a German word
    that English renders with not (noch nicht: not … yet).
    """

    words: Pair
    role: Role
    reading: Reading = Reading.NONE
    mid: bool = False
    negates: bool = False
    frontable: bool = True


class Negation(Enum):
    """How the clause is negated, if it is."""

    NONE = "affirmative"
    NICHT = "by nicht, before the part of the clause it denies"
    KEIN = "by kein inside a noun phrase, which English takes as not … any"


@dataclass(frozen=True)
class Clause:
    """A verb with its subject, its objects and all that describes the event.

    `general` marks what holds whenever it happens (after wenn), which English tells in the simple
    present. `modal` pairs the modal verbs; the German one is empty for gern (likes to).
    """

    subject: Nominal
    verb: Verb
    tense: Tense = Tense.PRESENT
    modal: Pair | None = None
    object: Nominal | None = None
    recipient: Nominal | None = None
    complement: Pair | None = None
    adverbials: tuple[Adverbial, ...] = ()
    negation: Negation = Negation.NONE
    general: bool = False
    passive: bool = False

    @property
    def bracket(self) -> german.Bracket:
        modal = self.modal.german if self.modal else ""
        return german.bracket(
            self.verb.german, self.subject.person, self.tense, modal, self.passive
        )

    @property
    def english_negated(self) -> bool:
        return self.negation is not Negation.NONE or any(a.negates for a in self.adverbials)

    @property
    def aspect(self) -> Aspect:
        """The English tense, which the German one and the adverbials decide together."""
        readings = {adverbial.reading for adverbial in self.adverbials}
        match self.tense:
            case Tense.PERFECT:
                return Aspect.PERFECT if Reading.RESULT in readings else Aspect.PAST
            case Tense.PRETERITE:
                return Aspect.PAST
            case Tense.PLUPERFECT:
                return Aspect.PLUPERFECT
            case Tense.FUTURE:
                return Aspect.FUTURE
        return self._aspect_of_present(readings)

    def _aspect_of_present(self, readings: set[Reading]) -> Aspect:
        if Reading.FUTURE in readings:
            return Aspect.FUTURE
        progressive = self.verb.is_progressive
        if Reading.SINCE in readings:
            return Aspect.PERFECT_PROGRESSIVE if progressive else Aspect.PERFECT
        simple = self.general or Reading.HABIT in readings or not progressive
        return Aspect.SIMPLE if simple else Aspect.PROGRESSIVE

    @property
    def english_group(self) -> english.VerbGroup:
        person = self.subject.english_person
        if self.modal:
            past = self.tense is Tense.PRETERITE
            return english.modal_group(self.modal.english, self.verb.english, person, past)
        if self.passive:
            return english.passive_group(self.verb.english, person, self.aspect)
        return english.verb_group(self.verb.english, person, self.aspect)

    def without_object(self) -> Clause:
        return replace(self, object=None)


def copula_verb() -> Verb:
    """The verb of `Er ist müde`."""
    return plain_verb(german.SEIN, english.BE)


def plain_verb(german_verb: german.Verb, english_verb: english.Verb) -> Verb:
    """Pair two verbs that ask for nothing in particular and describe a state."""
    return Verb(
        german=german_verb,
        english=english_verb,
        subject="",
        object="",
        case=Case.ACCUSATIVE,
        preposition="",
        recipient="",
        complements=(),
        places=(),
        manners=(),
        means=(),
        aspect="state",
        reflexive=False,
        companion=False,
        past=False,
        since="",
        repeatable=True,
        passive="",
        effort=False,
        far=False,
        homely=False,
        willed=True,
        acquires=False,
    )
