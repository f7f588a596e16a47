"""Sentences of one clause: statements, questions and commands."""

from __future__ import annotations

from dataclasses import replace

import english_order
import german
import german_order
from clauses import Adverbial, Clause, Reading, Role
from german import Case, Concord, Tense
from lexicon import Noun, Pair, Verb
from nominals import (
    WER,
    Bare,
    Nominal,
    NounPhrase,
    join,
)
from sampler import Sampler, Timing
from sentences import finished, sentence, something_in_front, statement


def plain_statement(sampler: Sampler) -> Pair:
    clause = sampler.clause()
    return finished(statement(clause, something_in_front(sampler, clause)))


def topicalised(sampler: Sampler) -> Pair:
    """Diesen Film haben wir gestern gesehen."""
    verb, noun = sampler.verb_and_object(
        lambda v: v.takes_accusative and v.aspect != "state" and not v.recipient and v.effort,
        _shows_accusative,
    )
    subject = sampler.known_subject(verb.subject)
    phrase = sampler.described(NounPhrase(noun, sampler.introduction(1.0)[0]), 0.3)
    clause = sampler.clause(verb, subject, Timing(Tense.PERFECT), negated=0, decorated=0)
    clause = replace(clause, object=phrase, adverbials=sometimes_past(sampler, verb))
    return sentence(german_order.topicalised(clause), english_order.main(clause))


def _shows_accusative(noun: Noun) -> bool:
    return noun.pronoun == "it" and noun.german.gender is Concord.MASCULINE and noun.countable


def sometimes_past(sampler: Sampler, verb: Verb) -> tuple[Adverbial, ...]:
    return (sampler.past(verb),) if sampler.chance(0.7) else ()


def result(sampler: Sampler) -> Pair:
    """Er hat den Brief noch nicht geschrieben."""
    clause = _completed(sampler)
    return finished(statement(clause))


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
    verb = sampler.verb(lambda v: v.leaves_result)
    clause = sampler.clause(verb, subject, Timing(Tense.PERFECT), negated=0, decorated=0)
    known = clause.object is None or clause.object.definite
    suitable = (_ALREADY, _NOT_YET) if known else (_ALREADY, _NEVER_YET)
    return replace(clause, adverbials=(phase or sampler.choice(suitable),))


def fondness(sampler: Sampler) -> Pair:
    """Mein Vater trinkt gern Kaffee."""
    clause = _fond(sampler, sampler.subject())
    return finished(statement(clause))


def _fond(sampler: Sampler, subject: Nominal) -> Clause:
    verb = sampler.verb(enjoyable)
    gern = Adverbial(Pair("gern", ""), Role.FONDNESS)
    timing = Timing(modal=Pair("", "like to"), adverbials=(gern,))
    clause = sampler.clause(verb, subject, timing, negated=0, decorated=0)
    clause = replace(clause, object=_some_of(sampler, verb)) if verb.object else clause
    places = tuple(sampler.place(clause)) if verb.places and sampler.chance(0.4) else ()
    return replace(clause, adverbials=clause.adverbials + places)


def enjoyable(verb: Verb) -> bool:
    if verb.object in _ENJOYED_OBJECTS:
        return verb.case is Case.ACCUSATIVE and not verb.preposition and not verb.recipient
    return not verb.object and not verb.complements and verb.aspect == "activity" and verb.effort


_ENJOYED_OBJECTS = [
    "readable",
    "writable",
    "solid",
    "drink",
    "cookable",
    "pastry",
    "song",
    "drawable",
    "photogenic",
    "animal",
]


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
    (Pair("wann", "when"), (Role.TIME,)),
    (Pair("warum", "why"), ()),
    (Pair("wo", "where"), (Role.PLACE,)),
)


def adverbial_question(sampler: Sampler) -> Pair:
    """Wo hat der Lehrer das Buch gekauft?"""
    asking, clause = asked_for_adverbial(sampler)
    return sentence(
        german_order.question(clause, asking.german),
        english_order.question(clause, asking.english),
        "?",
    )


def asked_for_adverbial(sampler: Sampler) -> tuple[Pair, Clause]:
    asking, told = sampler.choice(_ASKING)
    suitable = [v for v in sampler.lexicon.verbs if _askable(v, asking.german)]
    verb = sampler.choice(suitable)
    timing = sampler.timing_for(verb) if asking.german != "wann" else _plain_timing(sampler)
    subject = sampler.anyone_asked_about(verb.subject)
    clause = sampler.clause(verb, subject, timing, negated=0, decorated=0.5)
    dropped = (*told, Role.FREQUENCY)
    kept = tuple(a for a in clause.adverbials if a.role not in dropped)
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
    return not verb.preposition and verb.object not in _ODD_TO_ASK


_ODD_TO_ASK = ("collected", "visited", "known", "seen", "liked")


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
    timing = Timing(Tense.PERFECT, adverbials=sometimes_past(sampler, verb))
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
    return finished(statement(clause), "?")


def where_from_or_to(sampler: Sampler) -> Pair:
    """Wohin fährst du morgen mit dem Zug?"""
    verb = sampler.choice([v for v in sampler.lexicon.verbs if v.german.infinitive in _GOING])
    clause = sampler.clause(verb, sampler.anyone_asked_about(verb.subject), negated=0)
    clause = replace(clause, complement=None)
    return sentence(
        german_order.question(clause, "wohin"), english_order.question(clause, "where"), "?"
    )


_GOING = ("gehen", "fahren", "fliegen")


def command(sampler: Sampler) -> Pair:
    """Machen Sie bitte das Radio aus!"""
    verb = sampler.verb(_commandable)
    clause = sampler.until(
        lambda: sampler.clause(verb, sampler.addressee(), Timing(), negated=0.12, decorated=0),
        lambda drawn: drawn.object is None or drawn.object.definite or _uncounted(drawn.object),
    )
    please = Pair("bitte", "please") if sampler.chance(0.6) else Pair("", "")
    return sentence(
        german_order.command(clause, please.german),
        english_order.command(clause, please.english),
        "!",
    )


def _uncounted(nominal: Nominal) -> bool:
    return isinstance(nominal, NounPhrase) and isinstance(nominal.determiner, Bare)


def _commandable(verb: Verb) -> bool:
    return verb.aspect in ("activity", "event") and verb.effort and not verb.means
