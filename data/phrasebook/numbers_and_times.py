"""Prices, ages, journeys, the clock, the calendar and the weather."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import english
import english_order
import german
import german_order
from clauses import Clause, plain_verb
from german import Case, words
from lexicon import Noun, Pair
from nominals import (
    ES,
    Nominal,
    NounPhrase,
)
from sampler import COPULA, HABEN, Sampler
from sentences import finished, sentence, something_in_front, statement
from states import being

# --- numbers, prices, times ----------------------------------------------------------------------


def price(sampler: Sampler) -> Pair:
    """Der rote Mantel kostet hundertfünfzig Euro."""
    noun = sampler.noun("priced")
    phrase = sampler.until(
        lambda: sampler.described(NounPhrase(noun, sampler.introduction(1.0)[0]), 0.35),
        lambda drawn: all(adjective.kind != "value" for adjective in drawn.adjectives),
    )
    value = _price(sampler, noun)
    if sampler.chance(0.15):
        return sentence(
            f"wie viel kostet {phrase.german(Case.NOMINATIVE)}",
            f"how much does {phrase.english()} cost",
            "?",
        )
    if value.english.split()[-1] in _ROUND_ENDINGS and sampler.chance(0.7):
        adverb = sampler.choice((Pair("nur", "only"), Pair("fast", "almost"), _MORE_THAN))
        value = Pair(f"{adverb.german} {value.german}", f"{adverb.english} {value.english}")
    return sentence(
        f"{phrase.german(Case.NOMINATIVE)} kostet {value.german} Euro",
        f"{phrase.english()} costs {value.english} euros",
    )


_ROUND_ENDINGS = words("ten twenty thirty forty fifty sixty seventy eighty ninety hundred thousand")
_MORE_THAN = Pair("mehr als", "more than")
_PRICES: dict[str, Sequence[int]] = {
    "Fahrrad": range(100, 2000, 100),
    "vehicle": range(1000, 10000, 500),
    "furniture": range(100, 1000, 50),
    "device": range(100, 1000, 50),
    "machine": range(200, 1000, 50),
    "instrument": range(100, 1000, 50),
}


def _price(sampler: Sampler, noun: Noun) -> Pair:
    value = sampler.choice(_PRICES.get(noun.name) or _PRICES.get(noun.kind) or range(5, 100))
    return Pair(german.number(value), english.number(value))


def age(sampler: Sampler) -> Pair:
    """Meine Großmutter ist dreiundachtzig Jahre alt."""
    subject = sampler.until(sampler.known_subject, lambda s: s.person is german.Person.IT)
    if isinstance(subject, NounPhrase):
        subject = replace(subject, adjectives=())
    value = sampler.choice(_ages(subject))
    years = Pair(f"{german.number(value)} Jahre alt", f"{english.number(value)} years old")
    clause = Clause(subject, COPULA, complement=years)
    if sampler.chance(0.2):
        return sentence(
            german_order.question(replace(clause, complement=None), "wie alt"),
            english_order.question(replace(clause, complement=None), "how old"),
            "?",
        )
    return finished(statement(clause))


_AGES = {
    "youth": range(6, 17),
    "Schüler": range(6, 18),
    "Schülerin": range(6, 18),
    "Student": range(19, 30),
    "Studentin": range(19, 30),
    "Sohn": range(5, 40),
    "Tochter": range(5, 40),
    "Vater": range(35, 75),
    "Mutter": range(35, 75),
    "Großvater": range(60, 100),
    "Großmutter": range(60, 100),
}


def _ages(subject: Nominal) -> range:
    adult = range(20, 85)
    if not isinstance(subject, NounPhrase):
        return adult
    return _AGES.get(subject.noun.name) or _AGES.get(subject.noun.kind) or adult


def duration(sampler: Sampler) -> Pair:
    """Die Fahrt nach Wien dauert fünfunddreißig Minuten."""
    what, hours, minutes = sampler.choice(_JOURNEYS)
    city = sampler.choice(sampler.lexicon.cities)
    in_hours = sampler.chance(0.3)
    value = sampler.choice(hours if in_hours else minutes)
    unit = Pair("Stunden", "hours") if in_hours else Pair("Minuten", "minutes")
    return sentence(
        f"{what.german} {city.german} dauert {german.number(value)} {unit.german}",
        f"{what.english} {city.english} takes {english.number(value)} {unit.english}",
    )


_JOURNEYS = (
    (Pair("die Reise nach", "the trip to"), range(2, 13), range(40, 100)),
    (Pair("der Flug nach", "the flight to"), range(2, 5), range(45, 100)),
    (Pair("die Fahrt nach", "the journey to"), range(2, 13), range(20, 100)),
)


def schedule(sampler: Sampler) -> Pair:
    """Der Zug nach Köln fährt um halb acht ab."""
    clock, city = sampler.clock(), sampler.choice(sampler.lexicon.cities)
    if sampler.chance(0.45):
        what = sampler.choice(_SCHEDULED)
        return sentence(f"{what.german} um {clock.german}", f"{what.english} at {clock.english}")
    vehicle = sampler.lexicon.noun(sampler.choice(("Zug", "Bus")))
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
)


def time_of_day(sampler: Sampler) -> Pair:
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
    subject = sampler.known_subject()
    kind, most = sampler.choice(_POSSESSED)
    noun = sampler.noun(kind)
    numeral = sampler.numeral(sampler.random.randrange(2, most + 1))
    phrase = sampler.described(NounPhrase(noun, numeral, plural=True), 0.3)
    return finished(statement(Clause(subject, HABEN, object=phrase)))


_POSSESSED = (
    ("siblings", 5),
    ("pet", 5),
    ("farm", 12),
    ("item", 5),
    ("fruit", 12),
    ("garment", 6),
    ("book", 12),
)


# --- the weather ---------------------------------------------------------------------------------

WEATHER = (
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
        clause = being(sampler, ES, quality)
    return finished(statement(clause, something_in_front(sampler, clause)))


def _falling(sampler: Sampler) -> Clause:
    verb = replace(sampler.choice(WEATHER), aspect="activity")
    timing = sampler.until(
        lambda: sampler.timing(sampler.choice(("now", "past", "future", "habit")), verb),
        lambda drawn: all(" um " not in a.words.german for a in drawn.adverbials),
    )
    return Clause(ES, verb, timing.tense, adverbials=timing.adverbials)
