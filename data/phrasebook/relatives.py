"""Relative clauses, pronouns that look back at a thing, and the passive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import english_order
import german
import german_order
from clauses import Adverbial, Clause, Negation, Reading, Role
from compound import prevented
from embedded import BELIEFS, DOUBTS, embedded
from german import Case, Tense, words
from lexicon import Adjective, Noun, Pair, Verb
from nominals import (
    ES,
    ICH,
    Definite,
    Nominal,
    NounPhrase,
    Possessive,
    Pronoun,
    prepositional,
)
from sampler import COPULA, Sampler, Timing
from sentences import (
    coordinate,
    finished,
    linked,
    sentence,
    something_in_front,
    statement,
    subordinate,
)
from simple import sometimes_past
from states import all_things, degree, moods, plainly, qualities, tense_for

# --- relative clauses ----------------------------------------------------------------------------


def subject_relative(sampler: Sampler) -> Pair:
    """Der Mann, der im Garten arbeitet, ist mein Onkel."""
    head = _modified_person(sampler)
    return finished(statement(_about(sampler, head)))


def _modified_person(sampler: Sampler, ahead: bool = True) -> NounPhrase:
    """Draw a person told apart by what they do, or, if `ahead`, by what they will do."""
    kind = sampler.choice(("grownup", "worker", "worker", "youth"))
    phrase = NounPhrase(sampler.noun(kind), Definite(), sampler.chance(0.2))
    clause = sampler.until(
        lambda: _action_of(sampler, phrase), lambda clause: ahead or not _lies_ahead(clause)
    )
    relative = Pair(
        german_order.subject_relative(clause, phrase.concord),
        english_order.relative(clause, "who", subject_missing=True),
    )
    return replace(phrase, relative=relative)


def _action_of(sampler: Sampler, phrase: NounPhrase) -> Clause:
    verb = sampler.verb(lambda v: v.aspect != "moment" and v.subject == "person")
    return sampler.clause(verb, phrase, negated=0.05, decorated=0.6)


def _lies_ahead(clause: Clause) -> bool:
    planned = any(adverbial.reading is Reading.FUTURE for adverbial in clause.adverbials)
    return planned or clause.tense is Tense.FUTURE


def _about(sampler: Sampler, subject: NounPhrase) -> Clause:
    """Tell something of a person already singled out."""
    if sampler.chance(0.4):
        adjective = sampler.choice(moods(sampler))
        return Clause(subject, COPULA, complement=degree(sampler, adjective))
    if sampler.chance(0.4):
        return Clause(subject, COPULA, complement=_kinship(sampler, subject))
    verb = sampler.verb(lambda v: v.subject == "person" and v.aspect in ("activity", "event"))
    timing = sampler.timing(sampler.choice(("past", "future")), verb)
    return sampler.clause(verb, subject, timing, negated=0.1, decorated=0)


def _kinship(sampler: Sampler, subject: NounPhrase) -> Pair:
    """Say whose friend or neighbour somebody is."""
    female = subject.noun.pronoun == "she"
    names = ("Freundin", "Nachbarin") if female else ("Freund", "Nachbar")
    noun = sampler.lexicon.noun(sampler.choice(names))
    phrase = NounPhrase(noun, Possessive(ICH), subject.plural)
    return Pair(phrase.german(Case.NOMINATIVE), phrase.english())


def relative_with_reason(sampler: Sampler) -> Pair:
    """Die Frau, die im Garten arbeitet, kann uns nicht helfen, weil sie keine Zeit hat."""
    head = sampler.until(
        lambda: _modified_person(sampler, ahead=False), lambda phrase: bool(phrase.pronoun)
    )
    main, person, tense = prevented(sampler, head)
    opening, circumstance = sampler.choice(_REASONS)
    told = subordinate(circumstance(sampler, person, tense), opening)
    return linked(statement(main), told)


_REASONS: tuple[tuple[Pair, Callable[[Sampler, Pronoun, Tense], Clause]], ...] = (
    (Pair("weil", "because"), Sampler.obstacle),
    (Pair("obwohl", "although"), Sampler.opportunity),
)


def object_relative(sampler: Sampler) -> Pair:
    """Das Buch, das ich gestern gekauft habe, ist sehr spannend."""
    phrase, adjective = _modified_thing(sampler)
    clause = Clause(
        phrase, COPULA, tense_for(sampler, adjective), complement=degree(sampler, adjective)
    )
    return finished(statement(clause))


def _modified_thing(sampler: Sampler) -> tuple[NounPhrase, Adjective]:
    """Draw a thing told apart by what somebody does with it, and a quality of it."""
    verb, noun = sampler.verb_and_object(
        lambda v: v.past and not v.recipient,
        lambda n: n.pronoun == "it" and bool(qualities(sampler, n)),
    )
    phrase = NounPhrase(noun, Definite(), noun.countable and sampler.chance(0.2))
    adjective = sampler.choice(qualities(sampler, noun))
    return _modified_by_use(sampler, phrase, verb), adjective


def _modified_by_use(sampler: Sampler, phrase: NounPhrase, verb: Verb) -> NounPhrase:
    names = ("past", "bare") if verb.aspect == "state" else ("past",)
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
    return finished(statement(replace(clause, object=phrase)))


def _verb_with_person(sampler: Sampler) -> tuple[Verb, NounPhrase]:
    return sampler.verb(lambda v: v.object == "person"), _modified_person(sampler)


def _verb_with_thing(sampler: Sampler) -> tuple[Verb, NounPhrase]:
    verb, noun = sampler.verb_and_object(
        lambda v: v.aspect == "event" and not v.recipient and v.german.base != "schreiben",
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
        return embedded(sampler.choice(BELIEFS), clause, Pair("dass", "that"))
    return embedded(sampler.choice(DOUBTS), clause, Pair("ob", "whether"))


# --- pronouns for things, passives ---------------------------------------------------------------


def antecedent(sampler: Sampler) -> Pair:
    """Der Mantel ist schön, aber er ist zu teuer."""
    noun = sampler.choice([n for n in all_things(sampler) if _balanced(sampler, n)])
    phrase = NounPhrase(noun, *sampler.introduction(1.0))
    praise, flaw = sampler.choice(_contrasts(sampler, noun))
    if sampler.chance(0.45):
        first, second = (praise, flaw) if sampler.chance(0.6) else (flaw, praise)
        complement = degree(sampler, flaw) if second is flaw else plainly(praise)
        contrast = Clause(phrase.pronoun or ES, COPULA, complement=complement)
    else:
        wanted = sampler.chance(0.5)
        first = flaw if wanted else praise
        contrast = _dealt_with(sampler, noun, phrase.pronoun or ES, wanted)
    told = Clause(phrase, COPULA, complement=plainly(first))
    return linked(statement(told), coordinate(contrast, Pair("aber", "but")), comma=True)


_PRAISE = words("schön hübsch neu modern bequem interessant spannend lustig sauber leicht billig")
_FLAWS = words("teuer klein alt schwer lang kurz kaputt schmutzig langsam langweilig traurig")


def _contrasts(sampler: Sampler, noun: Noun) -> list[tuple[Adjective, Adjective]]:
    """A merit and a fault a thing may have at once."""
    found = qualities(sampler, noun)
    merits, faults = ([a for a in found if a.german in listed] for listed in (_PRAISE, _FLAWS))
    return [(good, bad) for good in merits for bad in faults if good.kind != bad.kind]


def _balanced(sampler: Sampler, noun: Noun) -> bool:
    """Whether a thing can be praised, faulted, and bought all the same."""
    usable = noun.countable and bool(_treatments(sampler, noun))
    return usable and bool(_contrasts(sampler, noun))


def _treatments(sampler: Sampler, noun: Noun) -> list[Verb]:
    verbs = [v for v in sampler.lexicon.verbs if _handles(sampler, v, noun) and v.takes_accusative]
    return [v for v in verbs if v.german.infinitive in _TREATMENTS]


_TREATMENTS = words("kaufen lesen mieten anziehen mitnehmen verkaufen bezahlen benutzen probieren")


def _dealt_with(sampler: Sampler, noun: Noun, pronoun: Pronoun, wanted: bool) -> Clause:
    """Say what somebody did with it nevertheless, or did not do."""
    verb = sampler.choice(_treatments(sampler, noun))
    subject = sampler.until(lambda: sampler.known_subject(verb.subject), lambda s: not _it_like(s))
    timing = Timing(Tense.PERFECT, adverbials=sometimes_past(sampler, verb))
    clause = sampler.clause(verb, subject, timing, negated=0, decorated=0)
    negation = Negation.NONE if wanted else Negation.NICHT
    return replace(clause, object=pronoun, negation=negation)


def _it_like(subject: Nominal) -> bool:
    """Whether a second pronoun would leave open which of the two is meant."""
    return subject.pronominal and subject.person in (german.Person.IT, german.Person.THEY)


def lost_thing(sampler: Sampler) -> Pair:
    """Wo ist meine Tasche? Ich habe sie gestern verloren."""
    noun = sampler.noun("belonging")
    owner = sampler.choice((ICH, sampler.addressee()))
    phrase = NounPhrase(noun, Possessive(owner), noun.kind == "garment" and sampler.chance(0.15))
    asked = Clause(phrase, COPULA)
    question = sentence(
        german_order.question(asked, "wo"), english_order.question(asked, "where"), "?"
    )
    told = finished(statement(_fate(sampler, phrase.pronoun or ES)))
    return Pair(f"{question.german} {told.german}", f"{question.english} {told.english}")


def _fate(sampler: Sampler, thing: Pronoun) -> Clause:
    """Say what became of a thing nobody can find."""
    name, negation = sampler.choice(_FATES)
    verb = next(v for v in sampler.lexicon.verbs if v.german.infinitive == name)
    subject = sampler.until(
        lambda: sampler.subject("adult"), lambda s: s.definite and not _it_like(s)
    )
    past = () if negation is Negation.NICHT else sometimes_past(sampler, verb)
    return Clause(subject, verb, Tense.PERFECT, object=thing, adverbials=past, negation=negation)


_FATES = (
    ("finden", Negation.NICHT),
    ("finden", Negation.NONE),
    ("verlieren", Negation.NONE),
    ("suchen", Negation.NONE),
    ("vergessen", Negation.NONE),
    ("mitnehmen", Negation.NONE),
    ("sehen", Negation.NICHT),
)


def passive(sampler: Sampler) -> Pair:
    """Die Brücke wurde letztes Jahr gebaut."""
    verb = sampler.choice([v for v in sampler.lexicon.verbs if v.passive])
    erected = verb.german.base == "bauen"
    phrase = sampler.thing(sampler.noun(verb.passive), ICH, known=True)
    phrase = replace(phrase, adjectives=()) if erected else phrase
    present = sampler.chance(0.45)
    adverbials = [_time_of_passive(sampler, verb, present)]
    if sampler.chance(0.3) and not erected:
        adverbials = [*adverbials[sampler.chance(0.5) :], _agent(sampler)]
    tense = Tense.PRESENT if present else Tense.PRETERITE
    clause = Clause(phrase, verb, tense, adverbials=tuple(adverbials), passive=True)
    return finished(statement(clause, something_in_front(sampler, clause)))


def _time_of_passive(sampler: Sampler, verb: Verb, present: bool) -> Adverbial:
    if present:
        return sampler.time("now", Reading.NOW)
    if verb.german.base != "bauen":
        return sampler.past(verb)
    years = [p for p in sampler.lexicon.times["far_past"] if "Jahr" in p.german]
    return Adverbial(sampler.choice(years), Role.TIME)


def _agent(sampler: Sampler) -> Adverbial:
    agent = sampler.person_phrase(sampler.choice(("worker", "kin")))
    return Adverbial(prepositional(Pair("von", "by"), agent, Case.DATIVE), Role.COMPANY)
