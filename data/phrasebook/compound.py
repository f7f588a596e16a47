"""Two clauses: reasons, conditions, times and contrasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import english
import english_order
import german
import german_order
from clauses import Adverbial, Clause, Reading, Role
from german import Tense, words
from lexicon import Pair, Verb
from nominals import (
    ES,
    Nominal,
    Pronoun,
)
from numbers_and_times import WEATHER
from sampler import COPULA, HABEN, Sampler, Timing
from sentences import coordinate, linked, preposed, statement, subordinate


def because(sampler: Sampler) -> Pair:
    """Der Lehrer kann heute nicht kommen, weil er krank ist."""
    main, person, tense = prevented(sampler)
    reason = sampler.obstacle(person, tense)
    if sampler.chance(0.3):
        told = Pair(f"denn {german_order.main(reason)}", f"because {english_order.main(reason)}")
        return linked(statement(main), told)
    return linked(statement(main), subordinate(reason, Pair("weil", "because")))


def prevented(sampler: Sampler, subject: Nominal | None = None) -> tuple[Clause, Pronoun, Tense]:
    """Draw something somebody cannot or could not do."""
    subject = subject or sampler.known_subject()
    tense = sampler.choice((Tense.PRESENT, Tense.PRESENT, Tense.PRETERITE))
    can = next(m for m in sampler.lexicon.modals if m.german == "können")
    verb = sampler.verb(lambda v: v.takes_effort)
    main = sampler.clause(verb, subject, Timing(tense, can), negated=0, decorated=0)
    return sampler.denied(main), sampler.coreferent(subject), tense


def because_possible(sampler: Sampler) -> Pair:
    """Wir besuchen heute das Museum, weil wir Zeit haben."""
    subject = sampler.identifiable()
    main, tense = _attempted(sampler, subject)
    reason = sampler.opportunity(sampler.coreferent(subject), tense)
    return linked(statement(main), subordinate(reason, Pair("weil", "because")))


def _attempted(sampler: Sampler, subject: Nominal) -> tuple[Clause, Tense]:
    """Draw an action, and the tense in which to tell its circumstances."""
    verb = sampler.verb(lambda v: v.takes_effort)
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
    hindrance = sampler.obstacle(person, tense)
    opening = Pair("obwohl", "although")
    if first:
        hindrance = replace(hindrance, subject=subject)
        return preposed(subordinate(hindrance, opening), main)
    return linked(statement(main), subordinate(hindrance, opening))


def therefore(sampler: Sampler) -> Pair:
    """Er ist krank, deshalb kann er heute nicht arbeiten."""
    main, person, tense = prevented(sampler)
    subject = main.subject
    reason = replace(sampler.obstacle(person, tense), subject=subject)
    main = replace(main, subject=person)
    consequence = Pair(german_order.main(main, before="deshalb"), f"so {english_order.main(main)}")
    return linked(statement(reason), consequence, comma=True)


def but(sampler: Sampler) -> Pair:
    """Sie möchte das Buch lesen, aber sie hat keine Zeit."""
    subject = sampler.identifiable()
    person = sampler.coreferent(subject)
    wish = sampler.choice([m for m in sampler.lexicon.modals if m.german in ("wollen", "möchten")])
    verb = sampler.verb(lambda v: v.takes_effort)
    main = sampler.clause(verb, subject, Timing(modal=wish), negated=0, decorated=0.5)
    hindrance = sampler.obstacle(person)
    return linked(statement(main), coordinate(hindrance, Pair("aber", "but")), comma=True)


def meanwhile(sampler: Sampler) -> Pair:
    """Während meine Mutter kocht, liest mein Vater die Zeitung."""
    first, second = _two_activities(sampler)
    if sampler.chance(0.5):
        return preposed(subordinate(first, Pair("während", "while")), second)
    return linked(statement(first), coordinate(second, Pair("und", "and")), comma=True)


def _two_activities(sampler: Sampler) -> tuple[Clause, Clause]:
    first, second = (_activity(sampler) for _ in range(2))
    while first.verb == second.verb or first.subject == second.subject:
        second = _activity(sampler)
    return first, second


def _activity(sampler: Sampler) -> Clause:
    verb = sampler.verb(lambda v: v.aspect == "activity" and v.effort and not v.complements)
    subject = sampler.until(
        lambda: sampler.subject(verb.subject), lambda s: s.definite and not s.pronominal
    )
    return sampler.until(
        lambda: sampler.clause(verb, subject, Timing(), negated=0, decorated=0.4),
        lambda clause: not clause.object or not clause.object.pronominal,
    )


def whenever(sampler: Sampler) -> Pair:
    """Wenn ich müde bin, trinke ich Kaffee."""
    subject = sampler.known_subject()
    person = sampler.coreferent(subject)
    condition = replace(_condition(sampler, person), subject=subject)
    verb = sampler.verb(_reaction_to(condition))
    main = sampler.clause(verb, person, Timing(general=True), negated=0, decorated=0)
    return preposed(subordinate(condition, Pair("wenn", "when")), main)


def _reaction_to(condition: Clause) -> Callable[[Verb], bool]:
    """What fits the condition: things to do at home, for comfort, or in one's spare time."""
    if condition.verb.german.base == "kommen":
        return lambda verb: verb.homely and verb.effort and verb.repeatable
    if condition.verb == COPULA:
        return lambda verb: verb.german.infinitive in _COMFORTING
    return lambda verb: verb.takes_effort and verb.repeatable


_COMFORTING = words("trinken essen singen tanzen lesen backen kochen ausruhen anrufen fernsehen")


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
    """Falls es morgen regnet, werde ich zu Hause bleiben."""
    day = sampler.choice(sampler.lexicon.times["future"])
    time = Adverbial(day, Role.TIME, Reading.NOW)
    subject = sampler.known_subject("adult")
    if sampler.chance(0.5):
        rain = replace(sampler.choice(WEATHER), aspect="state")
        condition = Clause(ES, rain, adverbials=(time,))
        outcome = _indoors(sampler, subject)
    else:
        condition = Clause(subject, HABEN, complement=Pair("Zeit", "time"), adverbials=(time,))
        verb = sampler.verb(lambda v: v.takes_effort)
        outcome = _planned(sampler, verb, sampler.coreferent(subject))
    return preposed(subordinate(condition, Pair("falls", "if")), outcome)


def _indoors(sampler: Sampler, subject: Nominal) -> Clause:
    if sampler.chance(0.35):
        stay = next(v for v in sampler.lexicon.verbs if v.german.base == "bleiben")
        return Clause(subject, stay, Tense.FUTURE, complement=Pair("zu Hause", "at home"))
    return _planned(sampler, sampler.verb(lambda v: v.homely), subject)


def _planned(sampler: Sampler, verb: Verb, subject: Nominal) -> Clause:
    return sampler.clause(verb, subject, Timing(Tense.FUTURE), negated=0, decorated=0)


def when_once(sampler: Sampler) -> Pair:
    """Als der Arzt nach Hause kam, rief er seine Schwester an."""
    subject = sampler.identifiable("adult")
    person = sampler.coreferent(subject)
    if sampler.chance(0.4):
        condition = Clause(subject, COPULA, Tense.PRETERITE, complement=Pair("jung", "young"))
        verb = sampler.verb(lambda v: v.german.infinitive in _YOUTHFUL)
        often = Adverbial(Pair("oft", "often"), Role.FREQUENCY, Reading.HABIT, mid=True)
        adverbials = (often,) if verb.aspect == "activity" else ()
        timing = Timing(Tense.PRETERITE, adverbials=adverbials)
    else:
        condition = _homecoming(sampler, subject, Tense.PRETERITE)
        verb = sampler.verb(lambda v: v.homely)
        timing = Timing(Tense.PRETERITE)
    main = sampler.clause(verb, person, timing, negated=0, decorated=0.2)
    return preposed(subordinate(condition, Pair("als", "when")), main)


_YOUTHFUL = words(
    "lesen schreiben singen tanzen schwimmen arbeiten wohnen zeichnen malen träumen lernen"
)


def afterwards(sampler: Sampler) -> Pair:
    """Nachdem sie gefrühstückt hatte, ging sie ins Büro."""
    subject = sampler.identifiable("adult")
    person = sampler.coreferent(subject)
    verb = sampler.verb(lambda v: v.homely and v.leaves_result)
    first = sampler.clause(verb, subject, Timing(Tense.PLUPERFECT), negated=0, decorated=0)
    second = sampler.clause(
        sampler.verb(lambda v: v.german.infinitive in _NEXT and v != verb),
        person,
        Timing(Tense.PRETERITE),
        negated=0,
        decorated=0.3,
    )
    return preposed(subordinate(first, Pair("nachdem", "after")), second)


_NEXT = words("gehen fahren trinken essen ausruhen fernsehen anrufen lesen schreiben")


def beforehand(sampler: Sampler) -> Pair:
    """Bevor er ins Bett geht, liest er die Zeitung."""
    subject = sampler.identifiable()
    person = sampler.coreferent(subject)
    go = next(v for v in sampler.lexicon.verbs if v.german.base == "gehen")
    goal = sampler.choice(
        (
            Pair("ins Bett", "to bed"),
            Pair("in die Stadt", "to town"),
            Pair("ins Büro", "to the office"),
        )
    )
    leaving = Clause(subject, go, complement=goal, general=True)
    verb = sampler.verb(lambda v: v.homely and v.effort and v.repeatable)
    main = sampler.clause(verb, person, Timing(general=True), negated=0, decorated=0)
    return preposed(subordinate(leaving, Pair("bevor", "before")), main)
