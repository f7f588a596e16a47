"""The sentences of the phrasebook: one function for each construction.

Every construction draws its material from the sampler and lays it out in both languages at
once; `CONSTRUCTIONS` names them all, with the share of the corpus each should have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import english
import english_order
import german
import german_order
from clauses import Adverbial, Clause, Negation, Reading, Role, plain_verb
from german import Case, Concord, Tense
from lexicon import Adjective, Noun, Pair, Verb
from nominals import (
    ES,
    ICH,
    SIE_ALL,
    WER,
    Bare,
    Definite,
    Indefinite,
    Negative,
    Nominal,
    NounPhrase,
    Possessive,
    Pronoun,
    join,
    prepositional,
)
from sampler import COPULA, HABEN, Sampler, Timing


@dataclass(frozen=True)
class Construction:
    """A kind of sentence: its name, its share of the corpus, and how one is made."""

    name: str
    share: float
    make: Callable[[Sampler], Pair]


def sentence(german_text: str, english_text: str, mark: str = ".") -> Pair:
    """Finish a pair: capital letters, commas, and the closing mark."""
    return Pair(
        _capitalised(german_order.tidy(german_text + mark)), _capitalised(english_text + mark)
    )


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def _statement(clause: Clause, fronted: Adverbial | None = None) -> Pair:
    return Pair(german_order.main(clause, fronted), english_order.main(clause, fronted))


def _subordinate(clause: Clause, opening: Pair) -> Pair:
    return Pair(
        german_order.subordinate(clause, opening.german),
        english_order.subordinate(clause, opening.english),
    )


def _finished(pair: Pair, mark: str = ".") -> Pair:
    return sentence(pair.german, pair.english, mark)


def _linked(first: Pair, second: Pair, comma: bool = False) -> Pair:
    """Join two clauses; German always separates them by a comma, English only if asked."""
    link = ", " if comma else " "
    return sentence(f"{first.german}, {second.german}", f"{first.english}{link}{second.english}")


def _preposed(clause: Pair, main: Clause) -> Pair:
    """Put a subordinate clause first, where it takes the first place of the main clause."""
    german_main = german_order.main(main, before=f"{clause.german},")
    return sentence(german_main, f"{clause.english}, {english_order.main(main)}")


# --- simple statements, questions, commands ------------------------------------------------------


def _front(sampler: Sampler, clause: Clause) -> Adverbial | None:
    candidates = [a for a in clause.adverbials if a.role in _FRONTED and a.frontable]
    if not candidates or (clause.subject.pronominal and sampler.chance(0.3)):
        return None
    return sampler.choice(candidates) if sampler.chance(0.45) else None


_FRONTED = (Role.TIME, Role.FREQUENCY)


def statement(sampler: Sampler) -> Pair:
    clause = sampler.clause()
    return _finished(_statement(clause, _front(sampler, clause)))


def topicalised(sampler: Sampler) -> Pair:
    """Diesen Film haben wir gestern gesehen."""
    verb, noun = sampler.verb_and_object(
        lambda v: _direct(v) and v.past and not v.recipient, _shows_accusative
    )
    subject = sampler.identifiable()
    phrase = sampler.described(NounPhrase(noun, sampler.introduction(1.0)[0]), 0.3)
    clause = sampler.clause(verb, subject, Timing(Tense.PERFECT), negated=0, decorated=0)
    clause = replace(clause, object=phrase, adverbials=_sometimes_past(sampler))
    return sentence(german_order.topicalised(clause), english_order.main(clause))


def _shows_accusative(noun: Noun) -> bool:
    return noun.pronoun == "it" and noun.german.gender is Concord.MASCULINE and noun.countable


def _sometimes_past(sampler: Sampler) -> tuple[Adverbial, ...]:
    return (sampler.time("past", Reading.NONE),) if sampler.chance(0.7) else ()


def result(sampler: Sampler) -> Pair:
    """Er hat den Brief noch nicht geschrieben."""
    clause = _completed(sampler)
    return _finished(_statement(clause))


def result_question(sampler: Sampler) -> Pair:
    """Hast du den Brief schon geschrieben?"""
    clause = _completed(sampler, _ALREADY, sampler.addressee())
    return sentence(german_order.question(clause), english_order.question(clause), "?")


_ALREADY = Adverbial(Pair("schon", "already"), Role.FREQUENCY, Reading.RESULT, mid=True)
_NOT_YET = Adverbial(Pair("noch nicht", "yet"), Role.FREQUENCY, Reading.RESULT, negates=True)
_NEVER_YET = Adverbial(Pair("noch nie", "never"), Role.FREQUENCY, Reading.RESULT, mid=True)


def _completed(
    sampler: Sampler, phase: Adverbial | None = None, subject: Nominal | None = None
) -> Clause:
    verb = sampler.verb(_leaves_result)
    clause = sampler.clause(verb, subject, Timing(Tense.PERFECT), negated=0, decorated=0)
    known = clause.object is None or clause.object.definite
    suitable = (_ALREADY, _NOT_YET) if known else (_ALREADY, _NEVER_YET)
    return replace(clause, adverbials=(phase or sampler.choice(suitable),))


def _leaves_result(verb: Verb) -> bool:
    bounded = verb.aspect == "event" or (verb.aspect == "activity" and bool(verb.object))
    return bounded and verb.past and not verb.preposition and not verb.complements


def fondness(sampler: Sampler) -> Pair:
    """Mein Vater trinkt gern Kaffee."""
    clause = _fond(sampler, sampler.subject())
    return _finished(_statement(clause))


def _fond(sampler: Sampler, subject: Nominal) -> Clause:
    verb = sampler.verb(_enjoyable)
    gern = Adverbial(Pair("gern", ""), Role.FONDNESS)
    timing = Timing(modal=Pair("", "like to"), adverbials=(gern,))
    clause = sampler.clause(verb, subject, timing, negated=0, decorated=0)
    clause = replace(clause, object=_some_of(sampler, verb)) if verb.object else clause
    places = tuple(sampler.place(clause)) if verb.places and sampler.chance(0.4) else ()
    return replace(clause, adverbials=clause.adverbials + places)


def _enjoyable(verb: Verb) -> bool:
    if verb.object in _ENJOYED_OBJECTS:
        return verb.case is Case.ACCUSATIVE and not verb.preposition and not verb.recipient
    return not verb.object and not verb.complements and verb.aspect == "activity" and verb.effort


_ENJOYED_OBJECTS = (
    "readable writable solid drink cookable pastry song drawable photogenic animal".split()
)


def _some_of(sampler: Sampler, verb: Verb) -> NounPhrase:
    noun = sampler.noun(verb.object)
    return sampler.described(NounPhrase(noun, Bare(), noun.countable), 0.3)


def yes_no_question(sampler: Sampler) -> Pair:
    clause = _asked(sampler)
    return sentence(german_order.question(clause), english_order.question(clause), "?")


def _asked(sampler: Sampler) -> Clause:
    verb = sampler.choice(sampler.lexicon.verbs)
    return sampler.clause(verb, sampler.anyone_asked_about(verb.subject), negated=0)


_ASKING = (
    (Pair("wann", "when"), (Role.TIME, Role.FREQUENCY)),
    (Pair("warum", "why"), ()),
    (Pair("wo", "where"), (Role.PLACE,)),
)


def adverbial_question(sampler: Sampler) -> Pair:
    """Wo hat der Lehrer das Buch gekauft?"""
    asking, clause = _asked_for_adverbial(sampler)
    return sentence(
        german_order.question(clause, asking.german),
        english_order.question(clause, asking.english),
        "?",
    )


def _asked_for_adverbial(sampler: Sampler) -> tuple[Pair, Clause]:
    asking, told = sampler.choice(_ASKING)
    suitable = [v for v in sampler.lexicon.verbs if _askable(v, asking.german)]
    verb = sampler.choice(suitable)
    timing = sampler.timing_for(verb) if asking.german != "wann" else _plain_timing(sampler)
    subject = sampler.anyone_asked_about(verb.subject)
    clause = sampler.clause(verb, subject, timing, negated=0, decorated=0.5)
    kept = tuple(a for a in clause.adverbials if a.role not in told)
    return asking, replace(clause, adverbials=kept)


def _askable(verb: Verb, asking: str) -> bool:
    if asking == "wo":
        return bool(verb.places)
    return verb.aspect in ("activity", "event")


def _plain_timing(sampler: Sampler) -> Timing:
    return Timing(sampler.choice((Tense.PRESENT, Tense.PERFECT, Tense.FUTURE)))


def object_question(sampler: Sampler) -> Pair:
    """Was liest du gerade? Auf wen wartet der Arzt?"""
    verb = sampler.choice([v for v in sampler.lexicon.verbs if _asks_for_object(v)])
    clause = sampler.clause(verb, sampler.anyone_asked_about(verb.subject), negated=0)
    person = verb.object in _PERSON_OBJECTS
    asking = _asking_for(verb, person)
    clause = clause.without_object()
    return sentence(
        german_order.question(clause, asking.german),
        english_order.question(clause, asking.english),
        "?",
    )


_PERSON_OBJECTS = ("person", "acquaintance")


def _asks_for_object(verb: Verb) -> bool:
    if not verb.object:
        return False
    if verb.object in _PERSON_OBJECTS:
        return True
    return not verb.preposition and verb.object not in ("collected", "visited", "known", "seen")


def _asking_for(verb: Verb, person: bool) -> Pair:
    if not person:
        return Pair("was", "what")
    return Pair(join(verb.preposition, WER.german(verb.case)), "who")


def which_question(sampler: Sampler) -> Pair:
    """Welchen Film hast du gestern gesehen?"""
    verb, noun = sampler.verb_and_object(
        lambda v: not v.recipient and v.past, lambda n: n.pronoun == "it" and n.countable
    )
    subject = sampler.anyone_asked_about(verb.subject)
    timing = Timing(Tense.PERFECT, adverbials=_sometimes_past(sampler))
    clause = sampler.clause(verb, subject, timing, negated=0, decorated=0).without_object()
    word = german.dieser_word("welch", verb.case, noun.german.gender)
    asked = join(verb.preposition, word, noun.german.decline(verb.case))
    return sentence(
        german_order.question(clause, asked),
        english_order.question(clause, f"which {noun.singular}"),
        "?",
    )


def who_question(sampler: Sampler) -> Pair:
    """Wer hat das Fenster geöffnet?"""
    clause = sampler.clause(sampler.verb(), WER, negated=0)
    return _finished(_statement(clause), "?")


def where_from_or_to(sampler: Sampler) -> Pair:
    """Wohin fährst du morgen mit dem Zug?"""
    verb = sampler.choice([v for v in sampler.lexicon.verbs if v.german.base in _GOING])
    clause = sampler.clause(verb, sampler.anyone_asked_about(verb.subject), negated=0)
    clause = replace(clause, complement=None)
    return sentence(
        german_order.question(clause, "wohin"), english_order.question(clause, "where"), "?"
    )


_GOING = ("gehen", "fahren", "fliegen")


def command(sampler: Sampler) -> Pair:
    """Machen Sie bitte das Radio aus!"""
    verb = sampler.verb(_commandable)
    clause = sampler.clause(verb, sampler.addressee(), Timing(), negated=0.12, decorated=0)
    please = Pair("bitte", "please") if sampler.chance(0.6) else Pair("", "")
    return sentence(
        german_order.command(clause, please.german),
        english_order.command(clause, please.english),
        "!",
    )


def _commandable(verb: Verb) -> bool:
    return verb.aspect in ("activity", "event") and verb.effort and not verb.means


# --- being and having ----------------------------------------------------------------------------


def mood(sampler: Sampler) -> Pair:
    """Die Kinder waren gestern sehr müde."""
    subject = sampler.subject()
    adjective = sampler.choice([a for a in _moods(sampler)])
    clause = _being(sampler, subject, _degree(sampler, adjective))
    return _finished(_statement(clause, _front(sampler, clause)))


def mood_question(sampler: Sampler) -> Pair:
    """Warum bist du heute so traurig?"""
    adjective = sampler.choice([a for a in _moods(sampler)])
    words = Pair(f"so {adjective.german}", f"so {adjective.english}")
    asking = Pair("warum", "why")
    if sampler.chance(0.5) or adjective.german == "fertig" or adjective.german == "pünktlich":
        words, asking = Pair(adjective.german, adjective.english), Pair("", "")
    clause = _being(sampler, sampler.anyone_asked_about(), words)
    return sentence(
        german_order.question(clause, asking.german),
        english_order.question(clause, asking.english),
        "?",
    )


def _moods(sampler: Sampler) -> Sequence[Adjective]:
    return [a for a in sampler.lexicon.adjectives["Frau"] if a.predicative]


def _degree(sampler: Sampler, adjective: Adjective) -> Pair:
    words = Pair(adjective.german, adjective.english)
    if adjective.german in ("fertig", "kaputt", "pünktlich") or sampler.chance(0.6):
        return words
    degree = sampler.choice((Pair("sehr", "very"), Pair("zu", "too")))
    if adjective.predicative:
        degree = Pair("sehr", "very")
    return Pair(f"{degree.german} {words.german}", f"{degree.english} {words.english}")


def _being(sampler: Sampler, subject: Nominal, complement: Pair) -> Clause:
    """Say how somebody is, was or will be."""
    tense, kind, reading = sampler.choice(
        (
            (Tense.PRESENT, "now", Reading.NOW),
            (Tense.PRESENT, "frequency", Reading.HABIT),
            (Tense.PRETERITE, "past", Reading.NONE),
        )
    )
    time = sampler.frequency() if kind == "frequency" else sampler.time(kind, reading)
    time = replace(time, frontable=time.frontable and kind != "frequency")
    adverbials = (time,) if sampler.chance(0.6) and time.words.german != "gerade" else ()
    negative = sampler.chance(0.15) and kind != "frequency"
    negation = Negation.NICHT if negative else Negation.NONE
    return Clause(
        subject, COPULA, tense, complement=complement, adverbials=adverbials, negation=negation
    )


def description(sampler: Sampler) -> Pair:
    """Diese Schuhe sind mir zu teuer."""
    phrase, adjective = _describable(sampler)
    clause = Clause(
        phrase, COPULA, sampler.choice(_BEING_TENSES), complement=_degree(sampler, adjective)
    )
    if sampler.chance(0.2):
        clause = replace(clause, negation=Negation.NICHT)
    return _finished(_statement(clause))


_BEING_TENSES = (Tense.PRESENT, Tense.PRESENT, Tense.PRETERITE)


def _describable(sampler: Sampler) -> tuple[NounPhrase, Adjective]:
    """Draw a known thing and a quality it may have."""
    noun = sampler.until(
        lambda: sampler.choice(_all_things(sampler)), lambda n: bool(_qualities(sampler, n))
    )
    phrase = replace(sampler.thing(noun, ICH, known=True), adjectives=())
    adjective = sampler.choice(_qualities(sampler, noun))
    return phrase, adjective


def _qualities(sampler: Sampler, noun: Noun) -> list[Adjective]:
    return [a for a in sampler.adjectives(noun) if not a.predicative]


def _all_things(sampler: Sampler) -> list[Noun]:
    people = ("worker", "grownup", "companion", "kin", "youth")
    nouns = sampler.lexicon.nouns
    return [n for name, (n, *_) in nouns.items() if n.name == name and n.kind not in people]


def comparison(sampler: Sampler) -> Pair:
    """Der Zug ist schneller als der Bus."""
    noun = sampler.until(
        lambda: sampler.choice(_all_things(sampler)), lambda n: bool(_comparable(sampler, n))
    )
    adjective = sampler.choice(_comparable(sampler, noun))
    rivals = sampler.lexicon.nouns[noun.kind]
    other = sampler.choice([n for n in rivals if n != noun and adjective in sampler.adjectives(n)])
    first, second = _opposed(sampler, noun, other)
    complement = _compared(sampler, adjective, second)
    tense = Tense.PRESENT
    return _finished(_statement(Clause(first, COPULA, tense, complement=complement)))


def _comparable(sampler: Sampler, noun: Noun) -> list[Adjective]:
    rivals = [n for n in sampler.lexicon.nouns[noun.kind] if n != noun and n.countable]
    graded = [a for a in _qualities(sampler, noun) if a.kind not in ("colour", "condition")]
    fit = [a for a in graded if any(a in sampler.adjectives(n) for n in rivals)]
    return fit if noun.countable else []


def _opposed(sampler: Sampler, noun: Noun, other: Noun) -> tuple[NounPhrase, NounPhrase]:
    owned = sampler.lexicon.nouns["owned"]
    if noun in owned and sampler.chance(0.5):
        mine = NounPhrase(noun, Possessive(ICH))
        return mine, NounPhrase(other, Possessive(sampler.addressee()))
    return NounPhrase(noun, Definite()), NounPhrase(other, Definite())


def _compared(sampler: Sampler, adjective: Adjective, other: NounPhrase) -> Pair:
    if sampler.chance(0.3):
        return Pair(
            f"so {adjective.german} wie {other.german(Case.NOMINATIVE)}",
            f"as {adjective.english} as {other.english()}",
        )
    return Pair(
        f"{adjective.german_comparative} als {other.german(Case.NOMINATIVE)}",
        f"{adjective.english_comparative} than {other.english()}",
    )


def profession(sampler: Sampler) -> Pair:
    """Meine Schwester ist Ärztin; her brother wants to be an engineer."""
    subject = sampler.until(sampler.identifiable, _has_sex)
    nouns = sampler.lexicon.nouns["worker"]
    female = subject.pronoun is not None and subject.pronoun.english_name == "she"
    gender = Concord.FEMININE if female else Concord.MASCULINE
    noun = sampler.choice([n for n in nouns if n.german.gender is gender])
    words = Pair(noun.german.singular, english.indefinite(noun.singular))
    if sampler.chance(0.5):
        return _finished(_statement(_professing(sampler, subject, words)))
    opening = Pair("möchte", "would like to be")
    return sentence(
        f"{subject.german(Case.NOMINATIVE)} {opening.german} {words.german} werden",
        f"{subject.english()} {opening.english} {words.english}",
    )


def _has_sex(subject: Nominal) -> bool:
    pronoun = subject.pronoun
    known = pronoun is not None and pronoun.english_name in ("he", "she")
    working = isinstance(subject, NounPhrase) and subject.noun.kind == "worker"
    return known and not working


def _professing(sampler: Sampler, subject: Nominal, words: Pair) -> Clause:
    if sampler.chance(0.3):
        female = words.german.endswith("in")
        denied = Pair(f"{'keine' if female else 'kein'} {words.german}", words.english)
        return Clause(subject, COPULA, complement=denied, negation=Negation.KEIN)
    tense = sampler.choice(_BEING_TENSES)
    return Clause(subject, COPULA, tense, complement=words)


def existence(sampler: Sampler) -> Pair:
    """In unserem Dorf gibt es keine Apotheke."""
    noun = sampler.until(
        lambda: sampler.noun("located"), lambda n: n.name not in ("Markt", "Flughafen")
    )
    phrase = _existing(sampler, noun)
    place = sampler.choice(_NEIGHBOURHOODS + tuple(_city_places(sampler)))
    there = _there(phrase)
    if sampler.chance(0.35) and not isinstance(phrase.determiner, Negative):
        return sentence(
            f"gibt es {place.german} {phrase.german(Case.ACCUSATIVE)}",
            f"{_there_asked(phrase)} {place.english}",
            "?",
        )
    return sentence(
        f"{place.german} gibt es {phrase.german(Case.ACCUSATIVE)}", f"{there} {place.english}"
    )


_NEIGHBOURHOODS = (
    Pair("in unserem Dorf", "in our village"),
    Pair("in dieser Stadt", "in this town"),
    Pair("in dieser Straße", "in this street"),
    Pair("hier", "here"),
    Pair("in der Nähe", "nearby"),
)


def _city_places(sampler: Sampler) -> list[Pair]:
    return [Pair(f"in {c.german}", f"in {c.english}") for c in sampler.lexicon.cities]


def _existing(sampler: Sampler, noun: Noun) -> NounPhrase:
    if sampler.chance(0.3):
        return NounPhrase(noun, Negative())
    if sampler.chance(0.5):
        return sampler.described(NounPhrase(noun, Indefinite()), 0.5)
    return sampler.described(NounPhrase(noun, sampler.plurality(), plural=True), 0.3)


def _there(phrase: NounPhrase) -> str:
    if isinstance(phrase.determiner, Negative):
        return f"there is no {phrase.noun.singular}"
    return f"there {'are' if phrase.plural else 'is'} {phrase.english()}"


def _there_asked(phrase: NounPhrase) -> str:
    return f"{'are' if phrase.plural else 'is'} there {phrase.english()}"


def whereabouts(sampler: Sampler) -> Pair:
    """Entschuldigung, wo ist der Bahnhof?"""
    polite = Pair("Entschuldigung, ", "Excuse me, ") if sampler.chance(0.4) else Pair("", "")
    if sampler.chance(0.5):
        noun = sampler.noun("located")
        phrase = NounPhrase(noun, Definite())
    else:
        noun = sampler.noun("item")
        owner = sampler.choice((ICH, sampler.addressee()))
        phrase = NounPhrase(noun, Possessive(owner), sampler.chance(0.2))
    clause = Clause(phrase, COPULA)
    return sentence(
        polite.german + german_order.question(clause, "wo"),
        polite.english + english_order.question(clause, "where"),
        "?",
    )


# --- things in their places ----------------------------------------------------------------------

_SURFACES = {
    "auf": (Pair("auf", "on"), ("Tisch", "Stuhl", "Bett", "Sofa", "Sessel", "Schreibtisch")),
    "unter": (Pair("unter", "under"), ("Tisch", "Stuhl", "Bett", "Sofa", "Schreibtisch")),
    "neben": (Pair("neben", "next to"), ("Tisch", "Bett", "Sofa", "Lampe", "Fenster", "Tür")),
    "hinter": (Pair("hinter", "behind"), ("Sofa", "Tür", "Schrank", "Sessel")),
    "vor": (Pair("vor", "in front of"), ("Tür", "Schrank", "Fenster", "Spiegel", "Bett")),
    "in": (Pair("in", "in"), ("Schrank", "Koffer", "Tasche", "Korb", "Rucksack")),
}
_LYING = ("book", "press", "letter", "item", "garment", "tableware", "picture")
_STANDING = ("vessel", "load")
_POSTURES = (
    (
        plain_verb(
            german.Verb.parse("liegen, liegt, lag, hat gelegen"),
            english.Verb.parse("lie, lay, lain"),
        ),
        plain_verb(
            german.Verb.parse("legen, legt, legte, hat gelegt"), english.Verb.parse("put, put, put")
        ),
        _LYING,
    ),
    (
        plain_verb(
            german.Verb.parse("stehen, steht, stand, hat gestanden"),
            english.Verb.parse("stand, stood, stood"),
        ),
        plain_verb(
            german.Verb.parse("stellen, stellt, stellte, hat gestellt"),
            english.Verb.parse("put, put, put"),
        ),
        _STANDING,
    ),
)


def location(sampler: Sampler) -> Pair:
    """Das Buch liegt auf dem Tisch."""
    posture, _, kinds = sampler.weighted([(0.7, _POSTURES[0]), (0.3, _POSTURES[1])])
    noun = sampler.noun(sampler.choice(kinds))
    subject = sampler.thing(noun, ICH, known=sampler.chance(0.8))
    where = _spot(sampler, Case.DATIVE, noun)
    return _positioned(sampler, Clause(subject, _moving(posture), complement=where))


def _positioned(sampler: Sampler, clause: Clause) -> Pair:
    if sampler.chance(0.25):
        return sentence(german_order.question(clause), english_order.question(clause), "?")
    return _finished(_statement(clause))


def _moving(verb: Verb) -> Verb:
    return replace(verb, aspect="activity")


def placement(sampler: Sampler) -> Pair:
    """Sie stellt die Flasche auf den Tisch."""
    _, moving, kinds = sampler.weighted([(0.7, _POSTURES[0]), (0.3, _POSTURES[1])])
    noun = sampler.noun(sampler.choice(kinds))
    subject = sampler.identifiable()
    where = _spot(sampler, Case.ACCUSATIVE, noun)
    timing = sampler.timing(
        sampler.choice(("bare", "now", "past", "future", "modal")), _moving(moving)
    )
    clause = Clause(
        subject,
        _moving(moving),
        timing.tense,
        timing.modal,
        object=sampler.thing(noun, subject.pronoun),
        complement=where,
        adverbials=timing.adverbials,
    )
    return _finished(_statement(clause, _front(sampler, clause)))


def _spot(sampler: Sampler, case: Case, occupant: Noun) -> Pair:
    preposition, names = _SURFACES[sampler.choice(tuple(_SURFACES))]
    name = sampler.choice([name for name in names if name != occupant.name])
    noun = sampler.lexicon.noun(name)
    phrase = NounPhrase(noun, Definite())
    colours = [a for a in sampler.adjectives(noun) if a.kind in ("colour", "size", "age")]
    if colours and sampler.chance(0.25):
        phrase = replace(phrase, adjectives=(sampler.choice(colours),))
    return prepositional(preposition, phrase, case)


# --- liking, belonging, fitting: verbs whose dative is the English subject ------------------------

_INVERSE = (
    ("gefallen, gefällt, gefiel, hat gefallen", "like", "liked"),
    ("gefallen, gefällt, gefiel, hat gefallen", "like", "garment"),
    ("schmecken, schmeckt, schmeckte, hat geschmeckt", "like", "tasty"),
)
_DATIVE_STATES = (
    ("gehören, gehört, gehörte, hat gehört", "belong to", "belonging"),
    ("passen, passt, passte, hat gepasst", "fit", "garment"),
)
_TASTY = ("Suppe", "Salat", "Kuchen", "Torte", "Fisch", "Käse", "Fleisch", "Kaffee", "Tee")


def liking(sampler: Sampler) -> Pair:
    """Das Bild gefällt meiner Mutter: my mother likes the picture."""
    german_entry, english_entry, kind = sampler.choice(_INVERSE)
    noun = sampler.lexicon.noun(sampler.choice(_TASTY)) if kind == "tasty" else sampler.noun(kind)
    thing = _nearby(sampler, noun)
    person = _experiencer(sampler)
    verb = plain_verb(german.Verb.parse(german_entry), english.Verb.parse(english_entry))
    tense = sampler.choice(_BEING_TENSES)
    negation = Negation.NICHT if sampler.chance(0.25) else Negation.NONE
    in_german = Clause(thing, _dative(verb), tense, object=person, negation=negation)
    in_english = Clause(person, verb, tense, object=thing, negation=negation)
    if sampler.chance(0.25):
        questions = (german_order.question(in_german), english_order.question(in_english))
        return sentence(*questions, "?")
    return sentence(german_order.main(in_german), english_order.main(in_english))


def _nearby(sampler: Sampler, noun: Noun) -> NounPhrase:
    return sampler.described(replace(sampler.thing(noun, known=True), adjectives=()), 0.25)


def _experiencer(sampler: Sampler) -> Nominal:
    if sampler.chance(0.4):
        return sampler.object_pronoun(ES, Case.DATIVE)
    return sampler.person_phrase()


def _dative(verb: Verb) -> Verb:
    return replace(verb, case=Case.DATIVE)


def belonging(sampler: Sampler) -> Pair:
    """Gehört dieser Schlüssel deinem Bruder?"""
    german_entry, english_entry, kind = sampler.choice(_DATIVE_STATES)
    verb = plain_verb(german.Verb.parse(german_entry), english.Verb.parse(english_entry))
    negation = Negation.NICHT if sampler.chance(0.25) else Negation.NONE
    thing = _nearby(sampler, sampler.noun(kind))
    clause = Clause(thing, _dative(verb), object=_experiencer(sampler), negation=negation)
    if sampler.chance(0.3) and negation is Negation.NONE:
        return sentence(german_order.question(clause), english_order.question(clause), "?")
    return _finished(_statement(clause))


# --- numbers, prices, times ----------------------------------------------------------------------


def price(sampler: Sampler) -> Pair:
    """Der rote Mantel kostet zweihundertfünfzig Euro."""
    noun = sampler.noun("priced")
    phrase = sampler.described(NounPhrase(noun, sampler.introduction(1.0)[0]), 0.35)
    value = _price(sampler)
    if sampler.chance(0.15):
        return sentence(
            f"wie viel kostet {phrase.german(Case.NOMINATIVE)}",
            f"how much does {phrase.english()} cost",
            "?",
        )
    if sampler.chance(0.35):
        adverb = sampler.choice((Pair("nur", "only"), Pair("fast", "almost"), _MORE_THAN))
        value = Pair(f"{adverb.german} {value.german}", f"{adverb.english} {value.english}")
    return sentence(
        f"{phrase.german(Case.NOMINATIVE)} kostet {value.german} Euro",
        f"{phrase.english()} costs {value.english} euros",
    )


_MORE_THAN = Pair("mehr als", "more than")
_ROUND = (100, 150, 200, 250, 300, 350, 400, 500, 600, 700, 800, 900, 1000, 1500, 2000, 2500, 3000)


def _price(sampler: Sampler) -> Pair:
    round_one = sampler.chance(0.45)
    value = sampler.choice(_ROUND) if round_one else sampler.random.randrange(2, 100)
    return Pair(german.number(value), english.number(value))


def age(sampler: Sampler) -> Pair:
    """Meine Großmutter ist dreiundachtzig Jahre alt."""
    subject = sampler.until(sampler.identifiable, lambda s: s.person is german.Person.IT)
    value = sampler.random.randrange(18, 100)
    years = Pair(f"{german.number(value)} Jahre alt", f"{english.number(value)} years old")
    clause = Clause(subject, COPULA, complement=years)
    if sampler.chance(0.2):
        return sentence(
            german_order.question(replace(clause, complement=None), "wie alt"),
            english_order.question(replace(clause, complement=None), "how old"),
            "?",
        )
    return _finished(_statement(clause))


def duration(sampler: Sampler) -> Pair:
    """Die Reise nach Wien dauert fünfunddreißig Minuten."""
    what = sampler.choice(
        (
            Pair("die Reise nach {}", "the trip to {}"),
            Pair("der Flug nach {}", "the flight to {}"),
            Pair("die Fahrt nach {}", "the journey to {}"),
        )
    )
    city = sampler.choice(sampler.lexicon.cities)
    value = sampler.random.randrange(2, 60)
    unit = sampler.choice((Pair("Stunden", "hours"), Pair("Minuten", "minutes")))
    if unit.german == "Stunden":
        value = sampler.random.randrange(2, 13)
    return sentence(
        f"{what.german.format(city.german)} dauert {german.number(value)} {unit.german}",
        f"{what.english.format(city.english)} takes {english.number(value)} {unit.english}",
    )


def schedule(sampler: Sampler) -> Pair:
    """Der Zug nach Köln fährt um halb acht ab."""
    clock, city = sampler.clock(), sampler.choice(sampler.lexicon.cities)
    if sampler.chance(0.45):
        what = sampler.choice(_SCHEDULED)
        return sentence(f"{what.german} um {clock.german}", f"{what.english} at {clock.english}")
    vehicle = sampler.lexicon.noun(sampler.choice(("Zug", "Bus", "Schiff")))
    article = german.definite_article(Case.NOMINATIVE, vehicle.german.gender)
    leaving = sampler.chance(0.6)
    direction = Pair("nach", "to") if leaving else Pair("aus", "from")
    verb = Pair("fährt um {} ab", "leaves") if leaving else Pair("kommt um {} an", "arrives")
    return sentence(
        f"{article} {vehicle.german.singular} {direction.german} {city.german} "
        + verb.german.format(clock.german),
        f"the {vehicle.singular} {direction.english} {city.english} {verb.english} "
        f"at {clock.english}",
    )


_SCHEDULED = (
    Pair("das Konzert beginnt", "the concert begins"),
    Pair("der Film beginnt", "the film begins"),
    Pair("die Schule beginnt", "school begins"),
    Pair("der Unterricht endet", "the lesson ends"),
    Pair("das Museum öffnet", "the museum opens"),
    Pair("die Apotheke schließt", "the pharmacy closes"),
    Pair("wir treffen uns", "we will meet"),
    Pair("das Frühstück ist", "breakfast is"),
)


def clock(sampler: Sampler) -> Pair:
    """Es ist halb acht."""
    time = sampler.clock()
    start = sampler.choice((Pair("es ist", "it is"), Pair("es ist schon", "it is already")))
    return sentence(f"{start.german} {time.german}", f"{start.english} {time.english}")


_MONTHS = (
    Pair("Januar", "January"),
    Pair("Februar", "February"),
    Pair("März", "March"),
    Pair("April", "April"),
    Pair("Mai", "May"),
    Pair("Juni", "June"),
    Pair("Juli", "July"),
    Pair("August", "August"),
    Pair("September", "September"),
    Pair("Oktober", "October"),
    Pair("November", "November"),
    Pair("Dezember", "December"),
)


def date(sampler: Sampler) -> Pair:
    """Heute ist der dritte Mai."""
    day = sampler.random.randrange(1, 31)
    month = sampler.choice(_MONTHS[:1] + _MONTHS[2:])
    written = f"the {english.ordinal(day)} of {month.english}"
    if sampler.chance(0.4):
        start = sampler.choice((Pair("heute ist", "today is"), Pair("morgen ist", "tomorrow is")))
        ending = f"der {german.ordinal_stem(day)}e {month.german}"
        return sentence(f"{start.german} {ending}", f"{start.english} {written}")
    event = sampler.choice(_DATED)
    return sentence(
        f"{event.german} am {german.ordinal_stem(day)}en {month.german}",
        f"{event.english} on {written}",
    )


_DATED = (
    Pair("mein Geburtstag ist", "my birthday is"),
    Pair("ihr Geburtstag ist", "her birthday is"),
    Pair("das Konzert ist", "the concert is"),
    Pair("der Urlaub beginnt", "the holiday begins"),
    Pair("die Prüfung ist", "the exam is"),
)


def possessions(sampler: Sampler) -> Pair:
    """Der Bauer hat zehn Kühe."""
    subject = sampler.identifiable()
    numeral = sampler.numeral(sampler.random.randrange(2, 13))
    noun = sampler.choice(
        [
            noun
            for kind in ("pet", "farm", "item", "kin_counted", "fruit", "garment", "book")
            for noun in _counted(sampler, kind)
        ]
    )
    phrase = sampler.described(NounPhrase(noun, numeral, plural=True), 0.3)
    clause = Clause(subject, HABEN, object=phrase)
    return _finished(_statement(clause))


def _counted(sampler: Sampler, kind: str) -> list[Noun]:
    if kind == "kin_counted":
        return [sampler.lexicon.noun(name) for name in ("Bruder", "Schwester", "Sohn", "Tochter")]
    return list(sampler.lexicon.nouns[kind])


# --- the weather ---------------------------------------------------------------------------------

_WEATHER = (
    plain_verb(
        german.Verb.parse("regnen, regnet, regnete, hat geregnet"), english.Verb.parse("rain")
    ),
    plain_verb(
        german.Verb.parse("schneien, schneit, schneite, hat geschneit"), english.Verb.parse("snow")
    ),
)
_WEATHER_QUALITIES = (
    Pair("kalt", "cold"),
    Pair("warm", "warm"),
    Pair("heiß", "hot"),
    Pair("dunkel", "dark"),
    Pair("windig", "windy"),
)


def weather(sampler: Sampler) -> Pair:
    """Gestern hat es geregnet; heute ist es sehr kalt."""
    if sampler.chance(0.5):
        clause = _falling(sampler)
    else:
        quality = sampler.choice(_WEATHER_QUALITIES)
        if sampler.chance(0.4):
            quality = Pair(f"sehr {quality.german}", f"very {quality.english}")
        clause = _being(sampler, ES, quality)
    return _finished(_statement(clause, _front(sampler, clause)))


def _falling(sampler: Sampler) -> Clause:
    verb = replace(sampler.choice(_WEATHER), aspect="activity")
    timing = sampler.timing(sampler.choice(("now", "past", "future", "habit")), verb)
    return Clause(ES, verb, timing.tense, adverbials=timing.adverbials)


# --- two clauses ---------------------------------------------------------------------------------


def because(sampler: Sampler) -> Pair:
    """Der Lehrer kann heute nicht kommen, weil er krank ist."""
    main, person, tense = _prevented(sampler)
    reason = sampler.obstacle(person, tense)
    if sampler.chance(0.3):
        told = Pair(f"denn {german_order.main(reason)}", f"because {english_order.main(reason)}")
        return _linked(_statement(main), told)
    return _linked(_statement(main), _subordinate(reason, Pair("weil", "because")))


def _prevented(sampler: Sampler) -> tuple[Clause, Pronoun, Tense]:
    """Draw something somebody cannot or could not do."""
    subject = sampler.identifiable()
    tense = sampler.choice((Tense.PRESENT, Tense.PRESENT, Tense.PRETERITE))
    can = next(m for m in sampler.lexicon.modals if m.german == "können")
    verb = sampler.verb(_takes_effort)
    main = sampler.clause(verb, subject, Timing(tense, can), negated=0, decorated=0)
    return sampler.denied(main), sampler.coreferent(subject), tense


def _takes_effort(verb: Verb) -> bool:
    return verb.effort and verb.aspect in ("activity", "event")


def because_possible(sampler: Sampler) -> Pair:
    """Wir besuchen heute das Museum, weil wir Zeit haben."""
    subject = sampler.identifiable()
    main, tense = _attempted(sampler, subject)
    reason = sampler.opportunity(sampler.coreferent(subject), tense)
    return _linked(_statement(main), _subordinate(reason, Pair("weil", "because")))


def _attempted(sampler: Sampler, subject: Nominal) -> tuple[Clause, Tense]:
    """Draw an action, and the tense in which to tell its circumstances."""
    verb = sampler.verb(_takes_effort)
    name = sampler.choice(("bare", "now", "past", "past"))
    timing = sampler.timing(name, verb)
    tense = Tense.PRETERITE if timing.tense is Tense.PERFECT else Tense.PRESENT
    return sampler.clause(verb, subject, timing, negated=0, decorated=0.5), tense


def although(sampler: Sampler) -> Pair:
    """Obwohl er müde war, hat er der Nachbarin geholfen."""
    subject = sampler.identifiable()
    person = sampler.coreferent(subject)
    first = sampler.chance(0.5)
    main, tense = _attempted(sampler, person if first else subject)
    hindrance = sampler.obstacle(subject if first and _is_pronoun(subject) else person, tense)
    opening = Pair("obwohl", "although")
    if first:
        hindrance = replace(hindrance, subject=subject)
        return _preposed(_subordinate(hindrance, opening), main)
    return _linked(_statement(main), _subordinate(hindrance, opening))


def _is_pronoun(nominal: Nominal) -> bool:
    return isinstance(nominal, Pronoun)


def therefore(sampler: Sampler) -> Pair:
    """Er ist krank, deshalb kann er heute nicht arbeiten."""
    main, person, tense = _prevented(sampler)
    subject = main.subject
    reason = replace(sampler.obstacle(person, tense), subject=subject)
    main = replace(main, subject=person)
    consequence = Pair(german_order.main(main, before="deshalb"), f"so {english_order.main(main)}")
    return _linked(_statement(reason), consequence, comma=True)


def but(sampler: Sampler) -> Pair:
    """Sie möchte das Buch lesen, aber sie hat keine Zeit."""
    subject = sampler.identifiable()
    person = sampler.coreferent(subject)
    wish = sampler.choice([m for m in sampler.lexicon.modals if m.german in ("wollen", "möchten")])
    verb = sampler.verb(_takes_effort)
    main = sampler.clause(verb, subject, Timing(modal=wish), negated=0, decorated=0.5)
    hindrance = sampler.obstacle(person)
    return _linked(_statement(main), _coordinate(hindrance, Pair("aber", "but")), comma=True)


def _coordinate(clause: Clause, conjunction: Pair) -> Pair:
    told = _statement(clause)
    return Pair(f"{conjunction.german} {told.german}", f"{conjunction.english} {told.english}")


def meanwhile(sampler: Sampler) -> Pair:
    """Während meine Mutter kocht, liest mein Vater die Zeitung."""
    first, second = _two_activities(sampler)
    if sampler.chance(0.5):
        return _preposed(_subordinate(first, Pair("während", "while")), second)
    return _linked(_statement(first), _coordinate(second, Pair("und", "and")), comma=True)


def _two_activities(sampler: Sampler) -> tuple[Clause, Clause]:
    first, second = (_activity(sampler) for _ in range(2))
    while first.verb == second.verb or first.subject == second.subject:
        second = _activity(sampler)
    return first, second


def _activity(sampler: Sampler) -> Clause:
    verb = sampler.verb(lambda v: v.aspect == "activity" and v.german.base != "bleiben")
    subject = sampler.until(lambda: sampler.subject(verb.subject), lambda s: not s.pronominal)
    return sampler.clause(verb, subject, Timing(), negated=0, decorated=0.4)


def whenever(sampler: Sampler) -> Pair:
    """Wenn ich müde bin, trinke ich Kaffee."""
    subject = sampler.identifiable()
    person = sampler.coreferent(subject)
    verb = sampler.verb(lambda v: _takes_effort(v) and v.repeatable)
    main = sampler.clause(verb, person, Timing(), negated=0, decorated=0.5)
    main = replace(main, general=True)
    condition = replace(_condition(sampler, person), subject=subject)
    return _preposed(_subordinate(condition, Pair("wenn", "when")), main)


def _condition(sampler: Sampler, person: Pronoun) -> Clause:
    if sampler.chance(0.4):
        return replace(_homecoming(sampler, person), general=True)
    if sampler.chance(0.5):
        return Clause(person, HABEN, complement=Pair("Zeit", "time"))
    return sampler.mood(person, sampler.choice(("müde", "traurig", "nervös", "glücklich")))


def _homecoming(sampler: Sampler, subject: Nominal, tense: Tense = Tense.PRESENT) -> Clause:
    go = next(v for v in sampler.lexicon.verbs if v.german.base == "gehen")
    come = replace(
        go,
        german=german.Verb.parse("kommen, kommt, kam, ist gekommen"),
        english=english.Verb.parse("come, came, come"),
    )
    return Clause(subject, come, tense, complement=Pair("nach Hause", "home"))


def if_case(sampler: Sampler) -> Pair:
    """Falls es morgen regnet, bleiben wir zu Hause."""
    subject = sampler.subject("adult")
    day = sampler.choice([p for p in sampler.lexicon.times["future"] if "um" not in p.german])
    time = Adverbial(day, Role.TIME, Reading.NOW)
    rain = replace(sampler.choice(_WEATHER), aspect="state")
    if sampler.chance(0.5):
        condition = Clause(ES, rain, adverbials=(time,))
    else:
        subject = sampler.identifiable("adult")
        condition = replace(
            Clause(subject, HABEN, complement=Pair("Zeit", "time"), adverbials=(time,)),
            subject=subject,
        )
        subject = sampler.coreferent(subject)
    outcome = _planned(sampler, subject, condition.subject is ES)
    return _preposed(_subordinate(condition, Pair("falls", "if")), outcome)


def _planned(sampler: Sampler, subject: Nominal, rainy: bool) -> Clause:
    """Draw what somebody will do; the German tells it in the future tense."""
    indoors = ("bleiben", "lesen", "backen", "kochen", "sehen", "schreiben", "räumen")
    verb = sampler.verb(
        lambda v: _takes_effort(v) and (not rainy or v.german.base in indoors) or _staying(v, rainy)
    )
    clause = sampler.clause(verb, subject, Timing(Tense.FUTURE), negated=0, decorated=0)
    if _staying(verb, rainy):
        return replace(clause, complement=Pair("zu Hause", "at home"))
    return clause


def _staying(verb: Verb, rainy: bool) -> bool:
    return rainy and verb.german.base == "bleiben"


def when_once(sampler: Sampler) -> Pair:
    """Als der Arzt nach Hause kam, rief er seine Schwester an."""
    subject = sampler.identifiable("adult")
    person = sampler.coreferent(subject)
    if sampler.chance(0.4):
        condition = Clause(subject, COPULA, Tense.PRETERITE, complement=Pair("jung", "young"))
        verb = sampler.verb(lambda v: v.aspect == "activity" or v.german.base == "wohnen")
        often = Adverbial(Pair("oft", "often"), Role.FREQUENCY, mid=True)
        adverbials = (often,) if verb.aspect == "activity" else ()
        timing = Timing(Tense.PRETERITE, adverbials=adverbials)
    else:
        condition = _homecoming(sampler, subject, Tense.PRETERITE)
        verb = sampler.verb(_takes_effort)
        timing = Timing(Tense.PRETERITE)
    main = sampler.clause(verb, person, timing, negated=0, decorated=0.5)
    return _preposed(_subordinate(condition, Pair("als", "when")), main)


def afterwards(sampler: Sampler) -> Pair:
    """Nachdem sie gefrühstückt hatte, ging sie ins Büro."""
    subject = sampler.identifiable("adult")
    person = sampler.coreferent(subject)
    verb = sampler.verb(lambda v: _leaves_result(v))
    first = sampler.clause(verb, subject, Timing(Tense.PLUPERFECT), negated=0, decorated=0)
    second = sampler.clause(
        sampler.verb(lambda v: _takes_effort(v) and v != verb),
        person,
        Timing(Tense.PRETERITE),
        negated=0,
        decorated=0.3,
    )
    return _preposed(_subordinate(first, Pair("nachdem", "after")), second)


def before(sampler: Sampler) -> Pair:
    """Bevor er ins Bett geht, liest er die Zeitung."""
    subject = sampler.identifiable()
    person = sampler.coreferent(subject)
    go = next(v for v in sampler.lexicon.verbs if v.german.base == "gehen")
    goal = sampler.choice(
        (Pair("ins Bett", "to bed"), Pair("nach Hause", "home"), Pair("ins Büro", "to the office"))
    )
    leaving = Clause(subject, go, complement=goal, general=True)
    verb = sampler.verb(lambda v: _takes_effort(v) and v.repeatable and not v.complements)
    main = sampler.clause(verb, person, Timing(), negated=0, decorated=0)
    return _preposed(_subordinate(leaving, Pair("bevor", "before")), replace(main, general=True))


# --- clauses as objects --------------------------------------------------------------------------

_BELIEFS = (
    Pair("ich glaube", "I think"),
    Pair("ich weiß", "I know"),
    Pair("ich hoffe", "I hope"),
    Pair("wir wissen", "we know"),
    Pair("er sagt", "he says"),
    Pair("sie sagt", "she says"),
    Pair("meine Mutter glaubt", "my mother thinks"),
    Pair("ich habe gehört", "I heard"),
    Pair("weißt du", "do you know"),
    Pair("hast du gehört", "did you hear"),
    Pair("es ist schön", "it is nice"),
    Pair("es ist möglich", "it is possible"),
)
_DOUBTS = (
    Pair("ich weiß nicht", "I do not know"),
    Pair("weißt du", "do you know"),
    Pair("wissen Sie", "do you know"),
    Pair("er fragt", "he is asking"),
    Pair("mein Vater fragt", "my father is asking"),
    Pair("ich möchte wissen", "I would like to know"),
    Pair("niemand weiß", "nobody knows"),
)
_ASKING_STARTS = ("weißt", "wissen", "hast")


def reported(sampler: Sampler) -> Pair:
    """Ich glaube, dass der Zug morgen um acht Uhr ankommt."""
    belief = sampler.choice(_BELIEFS)
    clause = sampler.clause()
    return _embedded(belief, clause, Pair("dass", "that"))


def _embedded(start: Pair, clause: Clause, opening: Pair) -> Pair:
    told = _subordinate(clause, opening)
    mark = "?" if start.german.split()[0] in _ASKING_STARTS else "."
    return sentence(f"{start.german}, {told.german}", f"{start.english} {told.english}", mark)


def whether(sampler: Sampler) -> Pair:
    """Weißt du, ob der Arzt heute kommt?"""
    verb = sampler.choice(sampler.lexicon.verbs)
    clause = sampler.clause(verb, sampler.subject(verb.subject))
    return _embedded(sampler.choice(_DOUBTS), clause, Pair("ob", "whether"))


def indirect_question(sampler: Sampler) -> Pair:
    """Ich weiß nicht, wo mein Bruder arbeitet."""
    asking, clause = _asked_for_adverbial(sampler)
    clause = replace(clause, subject=sampler.subject(clause.verb.subject))
    clause = sampler.with_objects(clause)
    return _embedded(sampler.choice(_DOUBTS), clause, asking)


# --- infinitives ---------------------------------------------------------------------------------

_INTENTIONS = (
    ("versuchen, versucht, versuchte, hat versucht", "try, tried, tried", False),
    ("hoffen, hofft, hoffte, hat gehofft", "hope", False),
    ("planen, plant, plante, hat geplant", "plan", False),
    ("vergessen, vergisst, vergaß, hat vergessen", "forget, forgot, forgotten", True),
    ("an|fangen, fängt, fing, hat angefangen", "begin, began, begun", True),
)


def intention(sampler: Sampler) -> Pair:
    """Er hat vergessen, das Fenster zu schließen."""
    german_entry, english_entry, past_only = sampler.choice(_INTENTIONS)
    verb = plain_verb(german.Verb.parse(german_entry), english.Verb.parse(english_entry))
    subject = sampler.identifiable()
    tense = Tense.PERFECT if past_only or sampler.chance(0.4) else Tense.PRESENT
    content = _plan(sampler, subject)
    head = _statement(Clause(subject, verb, tense))
    return sentence(
        f"{head.german}, {german_order.infinitive(content)}",
        f"{head.english} {english_order.infinitive(content)}",
    )


def _plan(sampler: Sampler, subject: Nominal) -> Clause:
    verb = sampler.verb(_takes_effort)
    return sampler.clause(verb, subject, Timing(), negated=0, decorated=0.3)


def judgement(sampler: Sampler) -> Pair:
    """Es ist wichtig, jeden Tag Wasser zu trinken."""
    adjective = sampler.choice(
        (
            Pair("wichtig", "important"),
            Pair("schwierig", "difficult"),
            Pair("einfach", "simple"),
            Pair("gefährlich", "dangerous"),
            Pair("langweilig", "boring"),
            Pair("schön", "nice"),
        )
    )
    verb = sampler.verb(lambda v: _takes_effort(v) and not v.reflexive)
    content = sampler.clause(verb, SIE_ALL, Timing(), negated=0, decorated=0)
    content = replace(content, object=_impersonal(sampler, content))
    return sentence(
        f"es ist {adjective.german}, {german_order.infinitive(content)}",
        f"it is {adjective.english} {english_order.infinitive(content)}",
    )


def _impersonal(sampler: Sampler, clause: Clause) -> Nominal | None:
    """Keep the objects nobody in particular owns."""
    verb = clause.verb
    if not verb.object:
        return None
    return sampler.until(
        lambda: sampler.object_of(verb, ES),
        lambda obj: not (isinstance(obj, NounPhrase) and _owner_is_third(obj)),
    )


def _owner_is_third(phrase: NounPhrase) -> bool:
    determiner = phrase.determiner
    return isinstance(determiner, Possessive) and determiner.owner in (ES, SIE_ALL)


def purpose(sampler: Sampler) -> Pair:
    """Sie geht auf den Markt, um Obst zu kaufen."""
    go = next(v for v in sampler.lexicon.verbs if v.german.base == "gehen")
    verb = sampler.verb(lambda v: bool(_purposeful(v)) and _takes_effort(v) and not v.reflexive)
    place = sampler.place_of_kinds(_purposeful(verb))
    subject = sampler.identifiable()
    timing = sampler.timing(sampler.choice(("bare", "now", "past", "future", "modal")), go)
    head = Clause(
        subject,
        go,
        timing.tense,
        timing.modal,
        complement=sampler.to(place),
        adverbials=timing.adverbials,
    )
    aim = sampler.clause(verb, subject, Timing(), negated=0, decorated=0)
    front = _front(sampler, head)
    return sentence(
        f"{german_order.main(head, front)}, {german_order.infinitive(aim, 'um')}",
        f"{english_order.main(head, front)} {english_order.infinitive(aim)}",
    )


_REACHABLE = ("garden", "kitchen", "nature", "shop", "gastro", "study", "transit", "town")


def _purposeful(verb: Verb) -> tuple[str, ...]:
    return tuple(kind for kind in verb.places if kind in _REACHABLE)


def omission(sampler: Sampler) -> Pair:
    """Er ist nach Hause gegangen, ohne die Tür zu schließen."""
    go = next(v for v in sampler.lexicon.verbs if v.german.base == "gehen")
    subject = sampler.identifiable()
    head = Clause(subject, go, Tense.PERFECT, complement=Pair("nach Hause", "home"))
    verb = sampler.verb(lambda v: _leaves_result(v) and v.effort and not v.reflexive)
    missing = sampler.clause(verb, subject, Timing(), negated=0, decorated=0)
    return sentence(
        f"{german_order.main(head)}, {german_order.infinitive(missing, 'ohne')}",
        f"{english_order.main(head)} {english_order.gerund(missing, 'without')}",
    )


# --- relative clauses ----------------------------------------------------------------------------


def subject_relative(sampler: Sampler) -> Pair:
    """Der Mann, der im Garten arbeitet, ist mein Onkel."""
    head = _modified_person(sampler)
    return _finished(_statement(_about(sampler, head)))


def _modified_person(sampler: Sampler) -> NounPhrase:
    """Draw a person told apart by what they do."""
    kind = sampler.choice(("grownup", "worker", "worker", "youth"))
    phrase = NounPhrase(sampler.noun(kind), Definite(), sampler.chance(0.2))
    return _modified_by_action(sampler, phrase)


def _modified_by_action(sampler: Sampler, phrase: NounPhrase) -> NounPhrase:
    verb = sampler.verb(lambda v: v.aspect != "moment" and v.subject == "person")
    clause = sampler.clause(verb, phrase, negated=0.05, decorated=0.6)
    relative = Pair(
        german_order.subject_relative(clause, phrase.concord),
        english_order.relative(clause, "who", subject_missing=True),
    )
    return replace(phrase, relative=relative)


def _about(sampler: Sampler, subject: NounPhrase) -> Clause:
    """Tell something of a person already singled out."""
    if sampler.chance(0.4):
        adjective = sampler.choice(_moods(sampler))
        return Clause(subject, COPULA, complement=_degree(sampler, adjective))
    if sampler.chance(0.4):
        return Clause(subject, COPULA, complement=_kinship(sampler, subject))
    verb = sampler.verb(lambda v: v.subject == "person" and v.aspect != "moment")
    timing = sampler.timing(sampler.choice(("past", "future")), verb)
    return sampler.clause(verb, subject, timing, negated=0.1, decorated=0)


def _kinship(sampler: Sampler, subject: NounPhrase) -> Pair:
    """Say whose friend or neighbour somebody is."""
    pronoun = subject.pronoun
    female = pronoun is not None and pronoun.english_name == "she"
    noun = sampler.lexicon.noun(
        sampler.choice(("Freundin", "Nachbarin") if female else ("Freund", "Nachbar"))
    )
    phrase = NounPhrase(noun, Possessive(ICH), subject.plural)
    return Pair(phrase.german(Case.NOMINATIVE), phrase.english())


def object_relative(sampler: Sampler) -> Pair:
    """Das Buch, das ich gestern gekauft habe, ist sehr spannend."""
    phrase, adjective = _modified_thing(sampler)
    clause = Clause(
        phrase, COPULA, sampler.choice(_BEING_TENSES), complement=_degree(sampler, adjective)
    )
    return _finished(_statement(clause))


def _modified_thing(sampler: Sampler) -> tuple[NounPhrase, Adjective]:
    """Draw a thing told apart by what somebody does with it, and a quality of it."""
    verb, noun = sampler.verb_and_object(
        lambda v: v.past and not v.recipient,
        lambda n: n.pronoun == "it" and bool(_qualities(sampler, n)),
    )
    phrase = NounPhrase(noun, Definite(), noun.countable and sampler.chance(0.2))
    adjective = sampler.choice(_qualities(sampler, noun))
    return _modified_by_use(sampler, phrase, verb), adjective


def _modified_by_use(sampler: Sampler, phrase: NounPhrase, verb: Verb) -> NounPhrase:
    names = ("past", "past", "future") if verb.aspect != "state" else ("past", "bare")
    timing = sampler.timing(sampler.choice(names), verb)
    clause = sampler.clause(verb, timing=timing, negated=0, decorated=0).without_object()
    pronoun = "that" if phrase.noun.pronoun == "it" else "whom"
    relative = Pair(
        german_order.object_relative(clause, phrase.concord),
        english_order.relative(clause, pronoun, subject_missing=False),
    )
    return replace(phrase, relative=relative)


def relative_on_object(sampler: Sampler) -> Pair:
    """Ich habe die Frau gesehen, die im Krankenhaus arbeitet."""
    verb, phrase = _verb_with_person(sampler) if sampler.chance(0.5) else _verb_with_thing(sampler)
    timing = Timing(sampler.choice((Tense.PERFECT, Tense.PERFECT, Tense.FUTURE)))
    subject = sampler.identifiable(verb.subject)
    clause = sampler.clause(verb, subject, timing, negated=0, decorated=0)
    return _finished(_statement(replace(clause, object=phrase)))


def _verb_with_person(sampler: Sampler) -> tuple[Verb, NounPhrase]:
    return sampler.verb(lambda v: v.object == "person"), _modified_person(sampler)


def _verb_with_thing(sampler: Sampler) -> tuple[Verb, NounPhrase]:
    verb, noun = sampler.verb_and_object(
        lambda v: v.aspect == "event" and not v.recipient,
        lambda n: n.pronoun == "it" and _usable(sampler, n),
    )
    user = sampler.verb(lambda v: v != verb and _handles(sampler, v, noun))
    return verb, _modified_by_use(sampler, NounPhrase(noun, Definite()), user)


def _usable(sampler: Sampler, noun: Noun) -> bool:
    return sum(_handles(sampler, verb, noun) for verb in sampler.lexicon.verbs) > 3


def _handles(sampler: Sampler, verb: Verb, noun: Noun) -> bool:
    if not verb.object or not verb.past or verb.recipient:
        return False
    return noun in sampler.lexicon.nouns[verb.object]


def nested_relative(sampler: Sampler) -> Pair:
    """Ich glaube, dass der Mann, der dort arbeitet, sehr müde ist."""
    head = _modified_person(sampler)
    clause = _about(sampler, head)
    if sampler.chance(0.5):
        return _embedded(sampler.choice(_BELIEFS), clause, Pair("dass", "that"))
    return _embedded(sampler.choice(_DOUBTS), clause, Pair("ob", "whether"))


# --- pronouns for things, passives ---------------------------------------------------------------


def antecedent(sampler: Sampler) -> Pair:
    """Der Mantel ist schön, aber er ist zu teuer. Wo ist meine Tasche? Ich finde sie nicht."""
    phrase, adjective = _describable(sampler)
    pronoun = sampler.coreferent(phrase)
    first = Clause(phrase, COPULA, complement=Pair(adjective.german, adjective.english))
    if sampler.chance(0.5) and phrase.noun.kind not in ("room", "dwelling"):
        return _contrasted(sampler, first, pronoun, adjective, phrase.noun)
    return _used_though(sampler, first, pronoun, phrase.noun)


def _contrasted(
    sampler: Sampler, first: Clause, pronoun: Pronoun, adjective: Adjective, noun: Noun
) -> Pair:
    others = [a for a in _qualities(sampler, noun) if a.kind != adjective.kind]
    if not others:
        return antecedent(sampler)
    other = sampler.choice(others)
    complement = _degree(sampler, other)
    second = Clause(pronoun, COPULA, complement=complement)
    return _linked(_statement(first), _coordinate(second, Pair("aber", "but")), comma=True)


def _used_though(sampler: Sampler, first: Clause, pronoun: Pronoun, noun: Noun) -> Pair:
    """Say what somebody did with it nevertheless."""
    verbs = [v for v in sampler.lexicon.verbs if _handles(sampler, v, noun) and _direct(v)]
    if not verbs:
        return antecedent(sampler)
    verb = sampler.choice(verbs)
    subject = sampler.until(lambda: sampler.subject(verb.subject), lambda s: not _it_like(s))
    timing = Timing(Tense.PERFECT, adverbials=_sometimes_past(sampler))
    second = sampler.clause(verb, subject, timing, negated=0, decorated=0)
    second = replace(second, object=pronoun)
    if sampler.chance(0.4):
        second = replace(second, negation=Negation.NICHT)
    return _linked(_statement(first), _coordinate(second, Pair("aber", "but")), comma=True)


def _direct(verb: Verb) -> bool:
    return not verb.preposition and verb.case is Case.ACCUSATIVE


def _it_like(subject: Nominal) -> bool:
    """Whether a second pronoun would leave open which of the two is meant."""
    return subject.pronominal and subject.person in (german.Person.IT, german.Person.THEY)


def lost_thing(sampler: Sampler) -> Pair:
    """Wo ist meine Tasche? Ich habe sie gestern auf den Tisch gelegt."""
    noun = sampler.noun("item")
    owner = sampler.choice((ICH, sampler.addressee()))
    phrase = NounPhrase(noun, Possessive(owner), sampler.chance(0.15))
    asked = Clause(phrase, COPULA)
    verb = sampler.choice([v for v in sampler.lexicon.verbs if v.german.base in _SEARCHING])
    timing = Timing(Tense.PERFECT, adverbials=_sometimes_past(sampler))
    subject = sampler.until(lambda: sampler.subject("adult"), lambda s: not _it_like(s))
    answer = Clause(
        subject,
        verb,
        timing.tense,
        object=sampler.coreferent(phrase),
        adverbials=timing.adverbials,
        negation=sampler.choice((Negation.NONE, Negation.NICHT)),
    )
    told = _finished(_statement(answer))
    question = sentence(
        german_order.question(asked, "wo"), english_order.question(asked, "where"), "?"
    )
    return Pair(f"{question.german} {told.german}", f"{question.english} {told.english}")


_SEARCHING = ("finden", "verlieren", "suchen")


def passive(sampler: Sampler) -> Pair:
    """Die Brücke wurde letztes Jahr gebaut."""
    verb = sampler.choice([v for v in sampler.lexicon.verbs if v.passive])
    noun = sampler.noun(verb.object)
    phrase = sampler.thing(noun, ICH, known=True)
    present = sampler.chance(0.45)
    kind, reading = ("now", Reading.NOW) if present else ("past", Reading.NONE)
    adverbials = [sampler.time(kind, reading)] if sampler.chance(0.7) else []
    if sampler.chance(0.3):
        adverbials.append(_agent(sampler))
    tense = Tense.PRESENT if present else Tense.PRETERITE
    clause = Clause(phrase, verb, tense, adverbials=tuple(adverbials), passive=True)
    return _finished(_statement(clause, _front(sampler, clause)))


def _agent(sampler: Sampler) -> Adverbial:
    agent = sampler.person_phrase(sampler.choice(("worker", "kin")))
    return Adverbial(prepositional(Pair("von", "by"), agent, Case.DATIVE), Role.COMPANY)


# --- set phrases ---------------------------------------------------------------------------------

_SLOTTED = (
    Pair("guten Morgen, {title}", "good morning, {title}"),
    Pair("guten Tag, {title}", "good afternoon, {title}"),
    Pair("guten Abend, {title}", "good evening, {title}"),
    Pair("gute Nacht, {name}", "good night, {name}"),
    Pair("auf Wiedersehen, {title}", "goodbye, {title}"),
    Pair("hallo, {name}", "hello, {name}"),
    Pair("vielen Dank, {title}", "thank you very much, {title}"),
    Pair("herzlichen Glückwunsch, {name}", "congratulations, {name}"),
    Pair("bis {future}, {name}", "see you {future}, {name}"),
)
_SLOTTED_STATEMENTS = (
    Pair("ich heiße {name} und komme aus {city}", "my name is {name} and I come from {city}"),
    Pair("einmal nach {city}, bitte", "one ticket to {city}, please"),
    Pair("ich nehme {drink}, bitte", "I will have {drink}, please"),
    Pair("wir treffen uns um {clock}", "we will meet at {clock}"),
    Pair("das macht {number} Euro", "that comes to {number} euros"),
    Pair("ich komme aus {city}", "I come from {city}"),
    Pair("das ist meine Freundin {woman}", "this is my friend {woman}"),
    Pair("{title} ist leider nicht zu Hause", "unfortunately {title} is not at home"),
)
_SLOTTED_QUESTIONS = (
    Pair("wie geht es Ihnen, {title}", "how are you, {title}"),
    Pair("wie geht es dir, {name}", "how are you, {name}"),
    Pair("wie weit ist es nach {city}", "how far is it to {city}"),
    Pair("wann fährt der nächste Zug nach {city}", "when does the next train to {city} leave"),
    Pair("kommen Sie aus {city}, {title}", "do you come from {city}, {title}"),
    Pair("sprechen Sie Deutsch, {title}", "do you speak German, {title}"),
    Pair("haben Sie heute {food}", "do you have {food} today"),
)


def phrase(sampler: Sampler) -> Pair:
    """Guten Morgen, Frau Keller!"""
    frames, mark = sampler.choice(
        ((_SLOTTED, "!"), (_SLOTTED_STATEMENTS, "."), (_SLOTTED_QUESTIONS, "?"))
    )
    frame = sampler.choice(frames)
    fillers = _fillers(sampler)
    return sentence(
        frame.german.format(**{slot: pair.german for slot, pair in fillers.items()}),
        frame.english.format(**{slot: pair.english for slot, pair in fillers.items()}),
        mark,
    )


def _fillers(sampler: Sampler) -> dict[str, Pair]:
    lexicon = sampler.lexicon
    name = sampler.choice(lexicon.women + lexicon.men)
    woman = sampler.choice(lexicon.women)
    title = sampler.until(sampler.name, lambda drawn: drawn.title)
    number = sampler.random.randrange(2, 100)
    days = [p for p in lexicon.times["future"] if p.german in _PARTING]
    return {
        "name": Pair(name, name),
        "woman": Pair(woman, woman),
        "title": Pair(title.german(Case.NOMINATIVE), title.english()),
        "city": sampler.choice(lexicon.cities),
        "drink": _served(sampler, "drink"),
        "food": _served(sampler, "foodstuff"),
        "clock": sampler.clock(),
        "number": Pair(german.number(number), english.number(number)),
        "future": sampler.choice(days),
    }


_PARTING = ("morgen", "übermorgen", "nächste Woche", "heute Abend", "morgen Abend")


def _served(sampler: Sampler, kind: str) -> Pair:
    served = sampler.described(NounPhrase(sampler.noun(kind), Bare()), 0.4)
    return Pair(served.german(Case.ACCUSATIVE), served.english())


CONSTRUCTIONS = (
    Construction("statement", 16, statement),
    Construction("topicalised object", 2.5, topicalised),
    Construction("schon and noch nicht", 2.5, result),
    Construction("schon in a question", 1.5, result_question),
    Construction("gern", 2, fondness),
    Construction("yes-no question", 4, yes_no_question),
    Construction("wann, warum, wo", 3, adverbial_question),
    Construction("was, wen, wem", 2.5, object_question),
    Construction("welcher", 1.5, which_question),
    Construction("wer", 1, who_question),
    Construction("wohin", 1, where_from_or_to),
    Construction("command", 2.5, command),
    Construction("mood", 2, mood),
    Construction("mood question", 1, mood_question),
    Construction("description", 2, description),
    Construction("comparison", 2, comparison),
    Construction("profession", 1.5, profession),
    Construction("es gibt", 1.5, existence),
    Construction("wo ist", 0.7, whereabouts),
    Construction("location", 2, location),
    Construction("placement", 2, placement),
    Construction("gefallen and schmecken", 2, liking),
    Construction("gehören and passen", 1.5, belonging),
    Construction("price", 2, price),
    Construction("age", 1, age),
    Construction("duration", 0.8, duration),
    Construction("schedule", 1.2, schedule),
    Construction("clock", 0.5, clock),
    Construction("date", 1.2, date),
    Construction("counting", 1.2, possessions),
    Construction("weather", 0.8, weather),
    Construction("weil and denn", 3, because),
    Construction("weil with an opportunity", 1.2, because_possible),
    Construction("obwohl", 2, although),
    Construction("deshalb", 1.5, therefore),
    Construction("aber", 2, but),
    Construction("während and und", 2, meanwhile),
    Construction("wenn", 1.8, whenever),
    Construction("falls", 1.2, if_case),
    Construction("als", 1.5, when_once),
    Construction("nachdem", 1.2, afterwards),
    Construction("bevor", 1.2, before),
    Construction("dass", 3, reported),
    Construction("ob", 1.5, whether),
    Construction("indirect question", 1.5, indirect_question),
    Construction("zu with a verb", 1.8, intention),
    Construction("zu with an adjective", 1, judgement),
    Construction("um zu", 2, purpose),
    Construction("ohne zu", 1, omission),
    Construction("relative clause on the subject", 3, subject_relative),
    Construction("object relative clause", 3, object_relative),
    Construction("relative clause on the object", 2.5, relative_on_object),
    Construction("relative clause in a subordinate clause", 1.5, nested_relative),
    Construction("pronoun for a thing", 2, antecedent),
    Construction("lost and found", 1, lost_thing),
    Construction("passive", 2, passive),
    Construction("set phrase", 3, phrase),
)
