"""Choosing words: clauses drawn at random, held together by what goes with what.

Grammar makes a sentence correct; this module makes it sensible. It picks a verb, then a subject
and objects of the kinds the verb takes, a tense, and a time, a place and a manner that fit both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

import english
import german
from clauses import Adverbial, Clause, Negation, Reading, Role, copula_verb, plain_verb
from german import Case, Person, Tense, words
from lexicon import Adjective, Complement, Lexicon, Noun, Pair, Place, Verb
from nominals import (
    DU,
    ER,
    FORMAL,
    ICH,
    IHR,
    SIE,
    SIE_ALL,
    WIR,
    Bare,
    Coordination,
    Definite,
    Demonstrative,
    Determiner,
    Genitive,
    Indefinite,
    Name,
    NamedOwner,
    Negative,
    Nominal,
    NounPhrase,
    Possessive,
    Pronoun,
    Quantity,
    prepositional,
)

T = TypeVar("T")

COPULA = copula_verb()
HABEN = plain_verb(german.HABEN, english.Verb("have", "had", "had"))

_COUNTABLE_NUMBERS = (2, 2, 3, 3, 4, 5)
_QUANTITIES = (Pair("viel", "many"), Pair("einig", "some"))
_SEVERAL = ("garment", "item", "book", "pet", "picture", "load")
_BEFORE_COLOUR = ("size", "age", "looks", "value")
_ANYONE = (ER, SIE, WIR, ICH, SIE_ALL)
_ADDRESSEES = (DU, IHR, FORMAL)
_HABITUAL = words(
    "fruit dish pastry foodstuff drink book letter writing tale joke words task song gift"
)
_HOUSEHOLD = ("opening", "device", "machine", "room", "fixture", "sight", "wall", "transport")
_WANTED = ("needed", "belonging", "seen")
_SPEAKERS = (ICH, DU, WIR, IHR)
_OBJECT_PRONOUNS = (ICH, DU, ER, WIR, IHR)
_OWNERS = (ICH, ICH, ICH, WIR, WIR, DU)


@dataclass(frozen=True)
class Timing:
    """A tense with the modal verb and the adverbials that go with it."""

    tense: Tense = Tense.PRESENT
    modal: Pair | None = None
    adverbials: tuple[Adverbial, ...] = ()
    general: bool = False


class Sampler:
    """Draws words, phrases and clauses from the lexicon."""

    def __init__(self, random: Random, lexicon: Lexicon) -> None:
        self.random = random
        self.lexicon = lexicon

    # --- chance ----------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def choice(self, options: Sequence[T]) -> T:
        return options[self.random.randrange(len(options))]

    def weighted(self, options: Sequence[tuple[float, T]]) -> T:
        """Choose by weight."""
        point = self.random.random() * sum(weight for weight, _ in options)
        for weight, option in options:
            point -= weight
            if point < 0:
                return option
        return options[-1][1]

    def noun(self, kind: str) -> Noun:
        return self.choice(self.lexicon.nouns[kind])

    # --- people ----------------------------------------------------------------------------------

    def subject(self, kind: str = "person") -> Nominal:
        """Draw a subject; people may also be named or be mere pronouns."""
        if kind not in ("person", "adult", "traveller", "youth"):
            return self.thing(self.noun(kind), known=True)
        if kind == "youth":
            return self.person_phrase(kind)
        shapes = [(0.30, "pronoun"), (0.12, "name"), (0.05, "couple"), (0.53, "noun")]
        match self.weighted(shapes):
            case "pronoun":
                return self.choice(_ANYONE)
            case "name":
                return self.name()
            case "couple":
                return self.couple()
        return self.person_phrase(kind)

    def addressee(self) -> Pronoun:
        return self.choice(_ADDRESSEES)

    def anyone_asked_about(self, kind: str = "person") -> Nominal:
        """Draw the subject of a question: often the person asked."""
        if kind in ("person", "adult") and self.chance(0.5):
            return self.addressee()
        return self.until(lambda: self.subject(kind), lambda s: s.definite and s != ICH)

    def known_subject(self, kind: str = "person") -> Nominal:
        """Draw a subject the hearer knows, whom a pronoun can take up again."""
        return self.until(lambda: self.identifiable(kind), lambda subject: subject.definite)

    def name(self) -> Name:
        if self.chance(0.45):
            return Name(self.choice(self.lexicon.families), self.chance(0.5), title=True)
        female = self.chance(0.5)
        return Name(self.choice(self.lexicon.women if female else self.lexicon.men), female)

    def couple(self) -> Nominal:
        woman = Name(self.choice(self.lexicon.women), female=True)
        man = Name(self.choice(self.lexicon.men), female=False)
        first, second = (woman, man) if self.chance(0.5) else (man, woman)
        return Coordination(first, second)

    def person_phrase(self, kind: str = "person", owner: Pronoun | None = None) -> NounPhrase:
        """Draw a noun phrase for a person; relatives and friends are always somebody's."""
        noun = self.noun(kind)
        if noun.kind in ("kin", "companion"):
            plural = noun.plural_only or (self.chance(0.1) and not self.is_one(noun))
            return NounPhrase(noun, self.ownership(owner), plural)
        if noun.kind in ("transport", "craft"):
            return self.thing(noun, known=True)
        return self.described(NounPhrase(noun, *self.introduction(0.75)), 0.2)

    def is_one(self, noun: Noun) -> bool:
        """Nobody has two fathers here."""
        return noun in self.lexicon.nouns["singular_kin"]

    def ownership(self, owner: Pronoun | None) -> Determiner:
        if owner and self.chance(0.7):
            return Possessive(owner)
        if self.chance(0.07):
            return NamedOwner(self.choice(self.lexicon.women + self.lexicon.men))
        # His own or another's, sein leaves open; so nobody is given another man's relatives.
        return Possessive(self.choice(_OWNERS if owner else (*_OWNERS, ER)))

    def coreferent(self, nominal: Nominal) -> Pronoun:
        """The pronoun for somebody already mentioned; the caller drew one that has such."""
        assert nominal.pronoun is not None
        return nominal.pronoun

    def identifiable(self, kind: str = "person") -> Nominal:
        """Draw a subject that a pronoun can take up again."""
        return self.until(lambda: self.subject(kind), lambda subject: subject.pronoun is not None)

    def until(self, draw: Callable[[], T], accept: Callable[[T], bool]) -> T:
        """Draw again until the draw is acceptable."""
        while not accept(drawn := draw()):
            pass
        return drawn

    # --- noun phrases ----------------------------------------------------------------------------

    def introduction(self, known: float) -> tuple[Determiner, bool]:
        """Draw a determiner and a number; `known` is how often the hearer knows which one."""
        if self.chance(known):
            determiner = Demonstrative() if self.chance(0.15) else Definite()
            return determiner, self.chance(0.2)
        if self.chance(0.75):
            return Indefinite(), False
        return self.plurality(), True

    def plurality(self) -> Determiner:
        if self.chance(0.4):
            return self.numeral(self.choice(_COUNTABLE_NUMBERS))
        return Quantity(self.choice(_QUANTITIES), inflected=True)

    def numeral(self, value: int) -> Quantity:
        return Quantity(Pair(german.number(value), english.number(value)), inflected=False)

    def thing(self, noun: Noun, owner: Pronoun | None = None, known: bool = False) -> NounPhrase:
        """Draw a noun phrase for a thing or an animal."""
        if not noun.countable:
            bare = not known and self.chance(0.7)
            return self.described(NounPhrase(noun, Bare() if bare else Definite()), 0.2)
        if owner and noun in self.lexicon.nouns["owned"] and self.chance(0.45):
            plural = noun.kind in _SEVERAL and self.chance(0.15)
            return self.described(NounPhrase(noun, Possessive(owner), plural), 0.25)
        if self.chance(0.05) and noun in self.lexicon.nouns["owned"]:
            return NounPhrase(noun, self.other_owner())
        household = 0.9 if noun.kind in _HOUSEHOLD else 0.55
        determiner, plural = self.introduction(1.0 if known else household)
        return self.described(NounPhrase(noun, determiner, plural), 0.3)

    def other_owner(self) -> Determiner:
        if self.chance(0.4):
            return NamedOwner(self.choice(self.lexicon.women + self.lexicon.men))
        kin = self.noun("bound_kin")
        phrase = NounPhrase(kin, Possessive(self.choice(_OWNERS)), kin.plural_only)
        return Genitive(phrase)

    def described(self, phrase: NounPhrase, probability: float) -> NounPhrase:
        """Perhaps add one adjective, or size and colour together."""
        if not self.chance(probability):
            return phrase
        adjectives = [a for a in self.adjectives(phrase.noun) if not a.predicative]
        if not adjectives:
            return phrase
        chosen = [self.choice(adjectives)]
        colours = [a for a in adjectives if a.kind == "colour"]
        if colours and chosen[0].kind in _BEFORE_COLOUR and self.chance(0.3):
            chosen.append(self.choice(colours))
        return replace(phrase, adjectives=tuple(chosen))

    def adjectives(self, noun: Noun) -> tuple[Adjective, ...]:
        return self.lexicon.adjectives.get(noun.name, ())

    # --- places ----------------------------------------------------------------------------------

    def place_of_kinds(self, kinds: Sequence[str]) -> Place:
        kind = self.choice(kinds)
        return self.choice([place for place in self.lexicon.places if kind in place.kinds])

    def at(self, place: Place) -> Pair:
        return self._located(place, place.at, Case.DATIVE)

    def to(self, place: Place) -> Pair:
        return self._located(place, place.to, Case.ACCUSATIVE)

    def _located(self, place: Place, preposition: Pair, case: Case) -> Pair:
        case = Case.DATIVE if preposition.german == "zu" else case
        phrase = NounPhrase(place.noun, Definite())
        located = prepositional(preposition, phrase, case)
        if place.bare:
            return Pair(located.german, f"{preposition.english} {place.noun.singular}")
        return located

    def complement(self, verb: Verb) -> Pair:
        """Draw what completes live, go or stay."""
        name = self.choice(verb.complements)
        if name == "city":
            city = self.choice(self.lexicon.cities)
            return Pair(f"in {city.german}", f"in {city.english}")
        if name == "city_goal":
            city = self.choice(self.lexicon.cities)
            return Pair(f"nach {city.german}", f"to {city.english}")
        return self._listed(self.lexicon.complements[name])

    def _listed(self, complement: Complement) -> Pair:
        if complement.to and self.chance(0.65):
            return self.to(self.place_of_kinds(complement.to))
        if complement.at and self.chance(0.5):
            return self.at(self.place_of_kinds(complement.at))
        return self.choice(complement.phrases)

    # --- times -----------------------------------------------------------------------------------

    def time(self, kind: str, reading: Reading) -> Adverbial:
        """Draw a time adverbial, now and then with the clock time."""
        words = self.choice(self.lexicon.times[kind])
        frontable = words.german != "gerade"
        if words.german in self.lexicon.clocked and kind != "now" and self.chance(0.4):
            words = self.clocked(words)
        return Adverbial(words, Role.TIME, reading, frontable=frontable)

    def clocked(self, words: Pair) -> Pair:
        clock = self.clock()
        return Pair(f"{words.german} um {clock.german}", f"{words.english} at {clock.english}")

    def clock(self) -> Pair:
        hour = self.random.randrange(1, 13)
        minute = self.choice((0, 0, 0, 30, 30, 15, 45, 10, 20, 50))
        return Pair(german.clock(hour, minute), english.clock(hour, minute))

    def frequency(self) -> Adverbial:
        words = self.choice(self.lexicon.times["frequency"])
        frontable = words.german in ("manchmal", "meistens")
        return Adverbial(words, Role.FREQUENCY, Reading.HABIT, mid=True, frontable=frontable)

    def timing(self, name: str, verb: Verb) -> Timing:
        """Draw the tense and adverbials of a named way to place an event in time."""
        match name:
            case "now":
                return Timing(adverbials=(self.time("now", Reading.NOW),))
            case "future":
                return self._future(verb)
            case "past":
                return Timing(Tense.PERFECT, adverbials=self._perhaps(self.past(verb)))
            case "narrative":
                return Timing(Tense.PRETERITE, adverbials=(self.past(verb),))
            case "habit":
                return Timing(adverbials=(self._habit(verb),))
            case "since":
                return Timing(adverbials=(self.time(verb.since, Reading.SINCE),))
            case "modal":
                return self._modal(verb)
            case "past modal":
                modal = self.choice([m for m in self.lexicon.modals if m.german in _PAST_MODALS])
                return Timing(Tense.PRETERITE, modal, self._perhaps(self.past(verb)))
        return Timing()

    def past(self, verb: Verb) -> Adverbial:
        return self.time(self._distance(verb) + "past", Reading.NONE)

    def future(self, verb: Verb) -> Adverbial:
        return self.time(self._distance(verb) + "future", Reading.FUTURE)

    def _distance(self, verb: Verb) -> str:
        return "far_" if verb.far and self.chance(0.4) else ""

    def _perhaps(self, adverbial: Adverbial) -> tuple[Adverbial, ...]:
        return (adverbial,) if self.chance(0.55) else ()

    def _future(self, verb: Verb) -> Timing:
        adverbial = self.future(verb)
        if self.chance(0.3):
            return Timing(Tense.FUTURE, adverbials=self._perhaps(adverbial))
        return Timing(adverbials=(adverbial,))

    def _habit(self, verb: Verb) -> Adverbial:
        regular = verb.homely or not verb.object
        if regular and self.chance(0.5):
            return self.time("habit", Reading.HABIT)
        return self.frequency()

    def _modal(self, verb: Verb) -> Timing:
        modal = self.choice(self.lexicon.modals)
        return Timing(modal=modal, adverbials=self._perhaps(self.future(verb)))

    def timing_for(self, verb: Verb) -> Timing:
        """Draw a timing that suits the verb."""
        return self.timing(self.weighted(_timings(verb)), verb)

    # --- clauses ---------------------------------------------------------------------------------

    def verb(self, accept: Callable[[Verb], bool] = lambda verb: True) -> Verb:
        """Draw a verb people are the subject of."""
        return self.choice([v for v in self.lexicon.verbs if _for_people(v) and accept(v)])

    def verb_and_object(
        self, accept_verb: Callable[[Verb], bool], accept_noun: Callable[[Noun], bool]
    ) -> tuple[Verb, Noun]:
        """Draw a verb and a noun for its object, both acceptable."""
        nouns = self.lexicon.nouns

        def fits(verb: Verb) -> bool:
            return (
                bool(verb.object)
                and accept_verb(verb)
                and any(map(accept_noun, nouns[verb.object]))
            )

        verb = self.verb(fits)
        return verb, self.choice([noun for noun in nouns[verb.object] if accept_noun(noun)])

    def clause(
        self,
        verb: Verb | None = None,
        subject: Nominal | None = None,
        timing: Timing | None = None,
        negated: float = 0.12,
        decorated: float = 1.0,
    ) -> Clause:
        """Draw a clause; `decorated` scales how often place, manner and the like are told."""
        verb = verb or self.choice(self.lexicon.verbs)
        subject = subject or self.subject(verb.subject)
        timing = _as_spoken(timing or self.timing_for(verb), subject)
        bare = Clause(
            subject,
            verb,
            timing.tense,
            timing.modal,
            adverbials=timing.adverbials,
            general=timing.general,
        )
        clause = self.with_objects(bare)
        if self.chance(negated) and _deniable(clause):
            return self.denied(clause)
        return self.with_circumstances(clause, decorated)

    def with_objects(self, clause: Clause) -> Clause:
        """Give the verb what it needs: object, recipient, complement."""
        verb = clause.verb
        if verb.object:
            clause = replace(clause, object=self.fitting_object(clause))
        if verb.recipient:
            clause = replace(clause, recipient=self.recipient(clause.subject))
        if verb.complements:
            clause = replace(clause, complement=self.complement(verb))
        return clause

    def fitting_object(self, clause: Clause) -> Nominal:
        """Draw an object; what happens again and again happens to several: jeden Tag Briefe."""
        obj = self.object_of(clause.verb, clause.subject)
        readings = [adverbial.reading for adverbial in clause.adverbials]
        habitual = clause.general or Reading.HABIT in readings
        several = isinstance(obj, NounPhrase) and not isinstance(obj.determiner, Possessive)
        if habitual and several and isinstance(obj, NounPhrase) and obj.noun.kind in _HABITUAL:
            return replace(obj, determiner=Bare(), plural=obj.noun.countable, adjectives=())
        return obj

    def object_of(self, verb: Verb, subject: Nominal) -> Nominal:
        """Draw an object of the kind the verb takes, never the subject itself."""
        owner = None if verb.acquires else subject.pronoun
        noun = self.until(
            lambda: self.noun(verb.object), lambda noun: noun.singular not in _names(subject)
        )
        if noun in self.lexicon.nouns["person"]:
            return self.person_object(verb, subject, noun.name)
        return self.thing(noun, owner, known=verb.aspect == "state" and verb.object not in _WANTED)

    def person_object(self, verb: Verb, subject: Nominal, name: str) -> Nominal:
        if self.chance(0.2):
            return self.object_pronoun(subject, verb.case)
        if self.chance(0.08):
            return self.until(self.name, lambda drawn: drawn != subject)
        return self.person_phrase(name, subject.pronoun)

    def object_pronoun(self, subject: Nominal, case: Case) -> Pronoun:
        """Draw somebody else; her and them only where the German form is unmistakable."""
        options = list(_OBJECT_PRONOUNS)
        if case is Case.DATIVE:
            options += [SIE, SIE_ALL, FORMAL]
        return self.choice([p for p in options if _distinct(p, subject)])

    def recipient(self, subject: Nominal) -> Nominal:
        if self.chance(0.35):
            return self.object_pronoun(subject, Case.DATIVE)
        return self.until(
            lambda: self.person_phrase("person", subject.pronoun),
            lambda phrase: phrase.noun.singular not in _names(subject),
        )

    def with_circumstances(self, clause: Clause, scale: float) -> Clause:
        """Perhaps tell the manner, the company, the means and the place."""
        verb, added = clause.verb, list[Adverbial]()
        known = clause.object is None or clause.object.definite
        if verb.manners and known and self.chance(0.25 * scale):
            added.append(self.manner(verb))
        elif verb.companion and self.chance(0.25 * scale):
            added.append(self.company(clause.subject))
        if verb.means and self.chance(0.4 * scale):
            added.append(self.means(clause))
        if verb.places and self.chance(0.35 * scale):
            added += self.place(clause)
        return replace(clause, adverbials=clause.adverbials + tuple(added))

    def manner(self, verb: Verb) -> Adverbial:
        word = self.choice(verb.manners)
        words = next(pair for pair in self.lexicon.times["manner"] if pair.german == word)
        return Adverbial(words, Role.MANNER)

    def company(self, subject: Nominal) -> Adverbial:
        if self.chance(0.25):
            companion: Nominal = self.choice([p for p in _SPEAKERS if _distinct(p, subject)])
        else:
            companion = self.until(
                lambda: self.person_phrase("bound_kin", subject.pronoun),
                lambda phrase: phrase.noun.singular not in _names(subject),
            )
        return Adverbial(prepositional(Pair("mit", "with"), companion, Case.DATIVE), Role.COMPANY)

    def means(self, clause: Clause) -> Adverbial:
        word = self.choice(clause.verb.means)
        words = next(pair for pair in self.lexicon.times["means"] if pair.german == word)
        return Adverbial(words, Role.MEANS)

    def place(self, clause: Clause) -> list[Adverbial]:
        place = self.place_of_kinds(clause.verb.places)
        return [Adverbial(self.at(place), Role.PLACE)]

    def denied(self, clause: Clause) -> Clause:
        """Negate a clause: with kein if its object is new, else with nicht."""
        obj = clause.object
        if isinstance(obj, NounPhrase) and not obj.definite and not clause.verb.preposition:
            if isinstance(obj.determiner, Quantity):
                obj = replace(obj, determiner=Bare())
            negative = Negative(obj.noun.countable)
            return replace(clause, object=replace(obj, determiner=negative), negation=Negation.KEIN)
        return replace(clause, negation=Negation.NICHT)

    # --- conditions of people, for reasons -------------------------------------------------------

    def mood(self, subject: Nominal, word: str, tense: Tense = Tense.PRESENT) -> Clause:
        """Say that somebody is tired, ill or the like."""
        mood = next(a for a in self.lexicon.adjectives["Frau"] if a.german == word)
        return Clause(subject, COPULA, tense, complement=Pair(mood.german, mood.english))

    def lacking(self, subject: Nominal, word: Pair, tense: Tense = Tense.PRESENT) -> Clause:
        """Say that somebody has no time or no money."""
        return Clause(
            subject,
            HABEN,
            tense,
            complement=Pair(f"keine {word.german}", f"any {word.english}"),
            negation=Negation.KEIN,
        )

    def obstacle(self, person: Pronoun, tense: Tense = Tense.PRESENT) -> Clause:
        """Draw what keeps people from doing things."""
        if self.chance(0.55):
            return self.mood(person, self.choice(("müde", "krank")), tense)
        if self.chance(0.5):
            return self.lacking(person, Pair("Zeit", "time"), tense)
        return self.busy(person, tense)

    def busy(self, person: Pronoun, tense: Tense) -> Clause:
        """Say that somebody has to work."""
        work = next(v for v in self.lexicon.verbs if v.german.base == "arbeiten")
        must = next(m for m in self.lexicon.modals if m.german == "müssen")
        return Clause(person, work, tense, must)

    def opportunity(self, person: Pronoun, tense: Tense = Tense.PRESENT) -> Clause:
        """Draw what lets people do things."""
        if self.chance(0.6):
            return Clause(person, HABEN, tense, complement=Pair("Zeit", "time"))
        return replace(self.busy(person, tense), negation=Negation.NICHT)


_PAST_MODALS = ("können", "müssen", "wollen", "dürfen")


def _timings(verb: Verb) -> list[tuple[float, str]]:
    """Which ways to place an event in time suit a verb, and how often to take each."""
    if verb.aspect == "state":
        past = [(2.0, "past")] if verb.past else []
        since = [(1.5, "since")] if verb.since else []
        return [(5.0, "bare"), *past, *since]
    if verb.aspect == "moment":
        return [(4.0, "past"), (1.0, "narrative")]
    habit = [(2.0, "habit")] if verb.repeatable else []
    since = [(1.0, "since")] if verb.since else []
    modal = [(2.0, "modal"), (0.8, "past modal")] if verb.willed else []
    common = [(1.5, "bare"), (1.5, "now"), (2.5, "past"), (0.8, "narrative"), (2.0, "future")]
    return [*common, *modal, *habit, *since]


def _as_spoken(timing: Timing, subject: Nominal) -> Timing:
    """Nobody is addressed in the Präteritum of a full verb: not Löstet ihr, but Habt ihr gelöst."""
    addressed = subject.english_person in (Person.YOU, Person.YOU_ALL)
    bookish = timing.tense is Tense.PRETERITE and not timing.modal
    return replace(timing, tense=Tense.PERFECT) if addressed and bookish else timing


def _for_people(verb: Verb) -> bool:
    return verb.subject in ("person", "adult")


def _deniable(clause: Clause) -> bool:
    """Denying sounds natural unless the clause already tells how often, since when or just now."""
    for adverbial in clause.adverbials:
        if adverbial.role is Role.FREQUENCY or adverbial.reading is Reading.SINCE:
            return False
        if adverbial.words.german in ("gerade", "im Moment"):
            return False
        if adverbial.reading is Reading.HABIT:
            return False
    return clause.object is None or not clause.object.relative


def _names(nominal: Nominal) -> tuple[str, ...]:
    return (nominal.noun.singular,) if isinstance(nominal, NounPhrase) else ()


def _distinct(pronoun: Pronoun, subject: Nominal) -> bool:
    """I do not see me or us, and you do not see you; he may well see him."""
    sides = {Person.I: 1, Person.WE: 1, Person.YOU: 2, Person.YOU_ALL: 2}
    own = 2 if subject == FORMAL else sides.get(subject.person, 3)
    other = 2 if pronoun == FORMAL else sides.get(pronoun.person, 3)
    return own == 3 or own != other
