"""How people and things are, where they are, whose they are, and who likes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import english
import english_order
import german
import german_order
from clauses import Adverbial, Clause, Negation, Reading, plain_verb
from german import Case, Concord, Tense, words
from lexicon import Adjective, Noun, Pair, Verb
from nominals import (
    ES,
    ICH,
    Definite,
    Indefinite,
    Negative,
    Nominal,
    NounPhrase,
    Possessive,
    prepositional,
)
from sampler import COPULA, Sampler
from sentences import finished, sentence, something_in_front, statement

# --- being and having ----------------------------------------------------------------------------


def mood(sampler: Sampler) -> Pair:
    """Die Kinder waren gestern sehr müde."""
    subject = sampler.known_subject()
    adjective = sampler.choice(moods(sampler))
    clause = being(sampler, subject, degree(sampler, adjective), adjective.german in _PASSING)
    return finished(statement(clause, something_in_front(sampler, clause)))


def mood_question(sampler: Sampler) -> Pair:
    """Warum bist du heute so traurig?"""
    adjective = sampler.choice(moods(sampler))
    words = Pair(f"so {adjective.german}", f"so {adjective.english}")
    asking = Pair("warum", "why")
    if sampler.chance(0.5) or adjective.german in _ABSOLUTE:
        words, asking = Pair(adjective.german, adjective.english), Pair("", "")
    clause = being(sampler, sampler.anyone_asked_about(), words, adjective.german in _PASSING)
    return sentence(
        german_order.question(clause, asking.german),
        english_order.question(clause, asking.english),
        "?",
    )


_ABSOLUTE = ("fertig", "kaputt", "pünktlich", "gesund", "krank", "leer", "voll", "modern", "lecker")
_PASSING = ("müde", "hungrig", "durstig", "nervös", "traurig", "glücklich", "wütend", "pünktlich")


def moods(sampler: Sampler) -> Sequence[Adjective]:
    return [a for a in sampler.lexicon.adjectives["Frau"] if a.predicative]


def plainly(adjective: Adjective) -> Pair:
    return Pair(adjective.german, adjective.english)


def degree(sampler: Sampler, adjective: Adjective) -> Pair:
    """Say that something is so, very much so, or too much so."""
    words = Pair(adjective.german, adjective.english)
    if adjective.german in _ABSOLUTE or adjective.kind == "colour" or sampler.chance(0.6):
        return words
    excessive = adjective.kind in _EXCESSIVE and sampler.chance(0.5)
    degree = Pair("zu", "too") if excessive else Pair("sehr", "very")
    return Pair(f"{degree.german} {words.german}", f"{degree.english} {words.english}")


_EXCESSIVE = words("value size weight length difficulty speed temperature light")


def being(sampler: Sampler, subject: Nominal, complement: Pair, recurring: bool = True) -> Clause:
    """Say how somebody or something is, was or, if it comes and goes, often is."""
    kind = sampler.choice(("now", "past", "frequency" if recurring else "now"))
    tense = Tense.PRETERITE if kind == "past" else Tense.PRESENT
    time = _time_of_state(sampler, kind)
    negated = sampler.chance(0.15) and kind != "frequency"
    return Clause(
        subject,
        COPULA,
        tense,
        complement=complement,
        adverbials=(time,) if sampler.chance(0.6) else (),
        negation=Negation.NICHT if negated else Negation.NONE,
    )


def _time_of_state(sampler: Sampler, kind: str) -> Adverbial:
    if kind == "frequency":
        return replace(sampler.frequency(), frontable=False)
    reading = Reading.NOW if kind == "now" else Reading.NONE
    return sampler.until(
        lambda: sampler.time(kind, reading),
        lambda time: time.words.german != "gerade" and " um " not in time.words.german,
    )


def description(sampler: Sampler) -> Pair:
    """Diese Schuhe sind mir zu teuer."""
    phrase, adjective = _describable(sampler)
    clause = Clause(
        phrase, COPULA, tense_for(sampler, adjective), complement=degree(sampler, adjective)
    )
    if sampler.chance(0.2):
        clause = replace(clause, negation=Negation.NICHT)
    return finished(statement(clause))


_BEING_TENSES = (Tense.PRESENT, Tense.PRESENT, Tense.PRETERITE)
_REMEMBERED = words("content taste temperature value difficulty length weight condition")


def tense_for(sampler: Sampler, adjective: Adjective) -> Tense:
    """Past for what one may remember of a thing; its colour is what it still is."""
    return sampler.choice(_BEING_TENSES) if adjective.kind in _REMEMBERED else Tense.PRESENT


def _describable(sampler: Sampler) -> tuple[NounPhrase, Adjective]:
    """Draw a known thing and a quality it may have."""
    noun = sampler.until(
        lambda: sampler.choice(all_things(sampler)), lambda n: bool(qualities(sampler, n))
    )
    phrase = replace(sampler.thing(noun, ICH, known=True), adjectives=())
    adjective = sampler.choice(qualities(sampler, noun))
    return phrase, adjective


def qualities(sampler: Sampler, noun: Noun) -> list[Adjective]:
    return [a for a in sampler.adjectives(noun) if not a.predicative]


def all_things(sampler: Sampler) -> list[Noun]:
    people = ("worker", "grownup", "companion", "kin", "youth")
    nouns = sampler.lexicon.nouns
    return [n for name, (n, *_) in nouns.items() if n.name == name and n.kind not in people]


def comparison(sampler: Sampler) -> Pair:
    """Der Zug ist schneller als der Bus. Mein Koffer ist schwerer als deiner."""
    noun = sampler.choice([n for n in all_things(sampler) if _grades(sampler, n)])
    adjective = sampler.choice(_grades(sampler, noun))
    rivals = [n for n in _rivals(sampler, noun) if adjective in sampler.adjectives(n)]
    if noun in sampler.lexicon.nouns["owned"] and (not rivals or sampler.chance(0.6)):
        first, standard = NounPhrase(noun, Possessive(ICH)), _yours(sampler, noun)
    elif rivals:
        rival = NounPhrase(sampler.choice(rivals), Definite())
        first = NounPhrase(noun, Definite())
        standard = Pair(rival.german(Case.NOMINATIVE), rival.english())
    else:
        return comparison(sampler)
    return finished(
        statement(Clause(first, COPULA, complement=_compared(sampler, adjective, standard)))
    )


def _grades(sampler: Sampler, noun: Noun) -> list[Adjective]:
    """The qualities in which a thing can outdo others of its kind."""
    if not noun.countable or noun.kind in ("pet", "farm", "outing", "words", "outdoors"):
        return []
    return [a for a in qualities(sampler, noun) if a.kind not in ("colour", "condition", "style")]


def _rivals(sampler: Sampler, noun: Noun) -> list[Noun]:
    return [n for n in sampler.lexicon.nouns[noun.kind] if n != noun and n.countable]


def _yours(sampler: Sampler, noun: Noun) -> Pair:
    """The possessive pronoun: deiner, deine, deins."""
    owner = sampler.addressee()
    stem = german.PRONOUNS[owner.german_name].split()[3].replace("euer", "eur")
    word = german.dieser_word(stem, Case.NOMINATIVE, noun.german.gender)
    return Pair("deins" if word == "deines" else word, "yours")


def _compared(sampler: Sampler, adjective: Adjective, standard: Pair) -> Pair:
    if sampler.chance(0.3):
        return Pair(
            f"so {adjective.german} wie {standard.german}",
            f"as {adjective.english} as {standard.english}",
        )
    return Pair(
        f"{adjective.german_comparative} als {standard.german}",
        f"{adjective.english_comparative} than {standard.english}",
    )


def profession(sampler: Sampler) -> Pair:
    """Meine Schwester ist Ärztin; her brother wants to be an engineer."""
    subject = sampler.until(sampler.known_subject, _has_sex)
    nouns = sampler.lexicon.nouns["worker"]
    female = subject.pronoun is not None and subject.pronoun.english_name == "she"
    gender = Concord.FEMININE if female else Concord.MASCULINE
    noun = sampler.choice([n for n in nouns if n.german.gender is gender])
    words = Pair(noun.german.singular, english.indefinite(noun.singular))
    if sampler.chance(0.5):
        return finished(statement(_professing(sampler, subject, words)))
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
    noun = sampler.noun("located")
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
_LYING = ("book", "press", "letter", "item", "garment", "picture")
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
    subject = sampler.thing(noun, ICH, known=True)
    where = _spot(sampler, Case.DATIVE, noun)
    return _positioned(sampler, Clause(subject, _moving(posture), complement=where))


def _positioned(sampler: Sampler, clause: Clause) -> Pair:
    if sampler.chance(0.25):
        return sentence(german_order.question(clause), english_order.question(clause), "?")
    return finished(statement(clause))


def _moving(verb: Verb) -> Verb:
    return replace(verb, aspect="activity")


def placement(sampler: Sampler) -> Pair:
    """Sie stellt die Flasche auf den Tisch."""
    _, moving, kinds = sampler.weighted([(0.7, _POSTURES[0]), (0.3, _POSTURES[1])])
    noun = sampler.noun(sampler.choice(kinds))
    subject = sampler.identifiable()
    where = _spot(sampler, Case.ACCUSATIVE, noun)
    timing = sampler.timing(
        sampler.choice(("bare", "now", "past", "past", "future", "modal")), _moving(moving)
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
    return finished(statement(clause, something_in_front(sampler, clause)))


def _spot(sampler: Sampler, case: Case, occupant: Noun) -> Pair:
    preposition, names = _SURFACES[sampler.choice(tuple(_SURFACES))]
    name = sampler.choice([name for name in names if name != occupant.name])
    noun = sampler.lexicon.noun(name)
    phrase = NounPhrase(noun, Definite())
    colours = [a for a in sampler.adjectives(noun) if a.kind in ("colour", "size", "age")]
    if colours and sampler.chance(0.25):
        phrase = replace(phrase, adjectives=(sampler.choice(colours),))
    return prepositional(preposition, phrase, case)


# --- liking, belonging, fitting: verbs whose dative is the English subject -----------------------

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
    if sampler.chance(0.25) and person != ICH:
        questions = (german_order.question(in_german), english_order.question(in_english))
        return sentence(*questions, "?")
    return sentence(german_order.main(in_german), english_order.main(in_english))


def _nearby(sampler: Sampler, noun: Noun) -> NounPhrase:
    plain = NounPhrase(noun, *sampler.introduction(1.0))
    return sampler.described(replace(plain, plural=plain.plural and noun.countable), 0.25)


def _experiencer(sampler: Sampler) -> Nominal:
    if sampler.chance(0.4):
        return sampler.object_pronoun(ES, Case.DATIVE)
    return sampler.until(sampler.person_phrase, lambda phrase: phrase.definite)


def _dative(verb: Verb) -> Verb:
    return replace(verb, case=Case.DATIVE)


def belonging(sampler: Sampler) -> Pair:
    """Gehört dieser Schlüssel deinem Bruder?"""
    german_entry, english_entry, kind = sampler.choice(_DATIVE_STATES)
    verb = plain_verb(german.Verb.parse(german_entry), english.Verb.parse(english_entry))
    negation = Negation.NICHT if sampler.chance(0.25) else Negation.NONE
    thing = _nearby(sampler, sampler.noun(kind))
    clause = Clause(thing, _dative(verb), object=_experiencer(sampler), negation=negation)
    if sampler.chance(0.3) and negation is Negation.NONE and clause.object != ICH:
        return sentence(german_order.question(clause), english_order.question(clause), "?")
    return finished(statement(clause))
