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
    Determiner,
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
        lambda v: _direct(v) and v.aspect != "state" and not v.recipient, _shows_accusative
    )
    subject = sampler.known_subject(verb.subject)
    phrase = sampler.described(NounPhrase(noun, sampler.introduction(1.0)[0]), 0.3)
    clause = sampler.clause(verb, subject, Timing(Tense.PERFECT), negated=0, decorated=0)
    clause = replace(clause, object=phrase, adverbials=_sometimes_past(sampler, verb))
    return sentence(german_order.topicalised(clause), english_order.main(clause))


def _shows_accusative(noun: Noun) -> bool:
    return noun.pronoun == "it" and noun.german.gender is Concord.MASCULINE and noun.countable


def _sometimes_past(sampler: Sampler, verb: Verb) -> tuple[Adverbial, ...]:
    return (sampler.past(verb),) if sampler.chance(0.7) else ()


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
    timing = Timing(Tense.PERFECT, adverbials=_sometimes_past(sampler, verb))
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
    subject = sampler.known_subject()
    adjective = sampler.choice(_moods(sampler))
    clause = _being(sampler, subject, _degree(sampler, adjective), adjective.german in _PASSING)
    return _finished(_statement(clause, _front(sampler, clause)))


def mood_question(sampler: Sampler) -> Pair:
    """Warum bist du heute so traurig?"""
    adjective = sampler.choice(_moods(sampler))
    words = Pair(f"so {adjective.german}", f"so {adjective.english}")
    asking = Pair("warum", "why")
    if sampler.chance(0.5) or adjective.german in _ABSOLUTE:
        words, asking = Pair(adjective.german, adjective.english), Pair("", "")
    clause = _being(sampler, sampler.anyone_asked_about(), words, adjective.german in _PASSING)
    return sentence(
        german_order.question(clause, asking.german),
        english_order.question(clause, asking.english),
        "?",
    )


_ABSOLUTE = ("fertig", "kaputt", "pünktlich", "gesund", "krank", "leer", "voll", "modern")
_PASSING = ("müde", "hungrig", "durstig", "nervös", "traurig", "glücklich", "wütend", "pünktlich")


def _moods(sampler: Sampler) -> Sequence[Adjective]:
    return [a for a in sampler.lexicon.adjectives["Frau"] if a.predicative]


def _degree(sampler: Sampler, adjective: Adjective) -> Pair:
    """Say that something is so, very much so, or too much so."""
    words = Pair(adjective.german, adjective.english)
    if adjective.german in _ABSOLUTE or adjective.kind == "colour" or sampler.chance(0.6):
        return words
    excessive = adjective.kind in _EXCESSIVE and sampler.chance(0.5)
    degree = Pair("zu", "too") if excessive else Pair("sehr", "very")
    return Pair(f"{degree.german} {words.german}", f"{degree.english} {words.english}")


_EXCESSIVE = "value size weight length difficulty speed temperature light".split()


def _being(
    sampler: Sampler, subject: Nominal, complement: Pair, recurring: bool = True
) -> Clause:
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
        phrase, COPULA, _tense_for(sampler, adjective), complement=_degree(sampler, adjective)
    )
    if sampler.chance(0.2):
        clause = replace(clause, negation=Negation.NICHT)
    return _finished(_statement(clause))


_BEING_TENSES = (Tense.PRESENT, Tense.PRESENT, Tense.PRETERITE)
_REMEMBERED = "content taste temperature value difficulty length weight condition".split()


def _tense_for(sampler: Sampler, adjective: Adjective) -> Tense:
    """Past for what one may remember of a thing; its colour is what it still is."""
    return sampler.choice(_BEING_TENSES) if adjective.kind in _REMEMBERED else Tense.PRESENT


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
    """Der Zug ist schneller als der Bus. Mein Koffer ist schwerer als deiner."""
    noun = sampler.choice([n for n in _all_things(sampler) if _grades(sampler, n)])
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
    return _finished(
        _statement(Clause(first, COPULA, complement=_compared(sampler, adjective, standard)))
    )


def _grades(sampler: Sampler, noun: Noun) -> list[Adjective]:
    """The qualities in which a thing can outdo others of its kind."""
    if not noun.countable or noun.kind in ("pet", "farm"):
        return []
    return [a for a in _qualities(sampler, noun) if a.kind not in ("colour", "condition", "style")]


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
    plain = NounPhrase(noun, *sampler.introduction(1.0))
    return sampler.described(replace(plain, plural=plain.plural and noun.countable), 0.25)


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
    if sampler.chance(0.35):
        adverb = sampler.choice((Pair("nur", "only"), Pair("fast", "almost"), _MORE_THAN))
        value = Pair(f"{adverb.german} {value.german}", f"{adverb.english} {value.english}")
    return sentence(
        f"{phrase.german(Case.NOMINATIVE)} kostet {value.german} Euro",
        f"{phrase.english()} costs {value.english} euros",
    )


_MORE_THAN = Pair("mehr als", "more than")
_PRICES: dict[str, Sequence[int]] = {
    "vehicle": range(1000, 10000, 500),
    "furniture": range(100, 1000, 50),
    "device": range(100, 1000, 50),
    "machine": range(200, 1000, 50),
    "instrument": range(100, 1000, 50),
}


def _price(sampler: Sampler, noun: Noun) -> Pair:
    value = sampler.choice(_PRICES.get(noun.kind, range(5, 100)))
    return Pair(german.number(value), english.number(value))


def age(sampler: Sampler) -> Pair:
    """Meine Großmutter ist dreiundachtzig Jahre alt."""
    subject = sampler.until(sampler.known_subject, lambda s: s.person is german.Person.IT)
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
    subject = sampler.known_subject()
    kind, most = sampler.choice(_POSSESSED)
    noun = sampler.noun(kind)
    numeral = sampler.numeral(sampler.random.randrange(2, most + 1))
    phrase = sampler.described(NounPhrase(noun, numeral, plural=True), 0.3)
    return _finished(_statement(Clause(subject, HABEN, object=phrase)))


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
    timing = sampler.until(
        lambda: sampler.timing(sampler.choice(("now", "past", "future", "habit")), verb),
        lambda drawn: all(" um " not in a.words.german for a in drawn.adverbials),
    )
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
    subject = sampler.until(lambda: sampler.subject(verb.subject), lambda s: s.definite and not s.pronominal)
    return sampler.until(
        lambda: sampler.clause(verb, subject, Timing(), negated=0, decorated=0.4),
        lambda clause: not clause.object or not clause.object.pronominal,
    )


def whenever(sampler: Sampler) -> Pair:
    """Wenn ich müde bin, trinke ich Kaffee."""
    subject = sampler.known_subject()
    person = sampler.coreferent(subject)
    condition = replace(_condition(sampler, person), subject=subject)
    at_home = condition.verb.german.base == "kommen"
    verb = sampler.verb(lambda v: _takes_effort(v) and v.repeatable and (v.homely or not at_home))
    main = sampler.clause(verb, person, Timing(), negated=0, decorated=0 if at_home else 0.5)
    main = replace(main, general=True)
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
    """Falls es morgen regnet, werde ich zu Hause bleiben."""
    day = sampler.choice(sampler.lexicon.times["future"])
    time = Adverbial(day, Role.TIME, Reading.NOW)
    subject = sampler.known_subject("adult")
    if sampler.chance(0.5):
        rain = replace(sampler.choice(_WEATHER), aspect="state")
        condition = Clause(ES, rain, adverbials=(time,))
        outcome = _indoors(sampler, subject)
    else:
        condition = Clause(subject, HABEN, complement=Pair("Zeit", "time"), adverbials=(time,))
        verb = sampler.verb(_takes_effort)
        outcome = _planned(sampler, verb, sampler.coreferent(subject))
    return _preposed(_subordinate(condition, Pair("falls", "if")), outcome)


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
        often = Adverbial(Pair("oft", "often"), Role.FREQUENCY, mid=True)
        adverbials = (often,) if verb.aspect == "activity" else ()
        timing = Timing(Tense.PRETERITE, adverbials=adverbials)
    else:
        condition = _homecoming(sampler, subject, Tense.PRETERITE)
        verb = sampler.verb(lambda v: v.homely)
        timing = Timing(Tense.PRETERITE)
    main = sampler.clause(verb, person, timing, negated=0, decorated=0.2)
    return _preposed(_subordinate(condition, Pair("als", "when")), main)


_YOUTHFUL = (
    "lesen schreiben singen tanzen schwimmen arbeiten wohnen zeichnen malen träumen helfen lernen"
).split()


def afterwards(sampler: Sampler) -> Pair:
    """Nachdem sie gefrühstückt hatte, ging sie ins Büro."""
    subject = sampler.identifiable("adult")
    person = sampler.coreferent(subject)
    verb = sampler.verb(lambda v: v.homely and _leaves_result(v))
    first = sampler.clause(verb, subject, Timing(Tense.PLUPERFECT), negated=0, decorated=0)
    second = sampler.clause(
        sampler.verb(lambda v: v.german.infinitive in _NEXT and v != verb),
        person,
        Timing(Tense.PRETERITE),
        negated=0,
        decorated=0.3,
    )
    return _preposed(_subordinate(first, Pair("nachdem", "after")), second)


_NEXT = "gehen fahren trinken essen ausruhen fernsehen anrufen lesen schreiben".split()


def before(sampler: Sampler) -> Pair:
    """Bevor er ins Bett geht, liest er die Zeitung."""
    subject = sampler.identifiable()
    person = sampler.coreferent(subject)
    go = next(v for v in sampler.lexicon.verbs if v.german.base == "gehen")
    goal = sampler.choice(
        (Pair("ins Bett", "to bed"), Pair("in die Stadt", "to town"), Pair("ins Büro", "to the office"))
    )
    leaving = Clause(subject, go, complement=goal, general=True)
    verb = sampler.verb(lambda v: v.homely and v.effort and v.repeatable)
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
    clause = sampler.clause(verb, _asked_of(sampler, verb), negated=0)
    return _embedded(sampler.choice(_DOUBTS), clause, Pair("ob", "whether"))


def _asked_of(sampler: Sampler, verb: Verb) -> Nominal:
    return sampler.until(lambda: sampler.subject(verb.subject), lambda s: s.definite and s != ICH)


def indirect_question(sampler: Sampler) -> Pair:
    """Ich weiß nicht, wo mein Bruder arbeitet."""
    asking, clause = _asked_for_adverbial(sampler)
    clause = replace(clause, subject=_asked_of(sampler, clause.verb))
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
    verb = replace(verb, aspect="activity" if verb.german.base == "versuchen" else "state")
    subject = sampler.known_subject()
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
    """Es ist wichtig, die Regeln zu lernen."""
    adjective, accept = sampler.choice(_JUDGEMENTS)
    verb = sampler.verb(lambda v: accept(v) and not v.reflexive)
    content = sampler.clause(verb, SIE_ALL, Timing(), negated=0, decorated=0)
    content = replace(content, object=_impersonal(sampler, content))
    return sentence(
        f"es ist {adjective.german}, {german_order.infinitive(content)}",
        f"it is {adjective.english} {english_order.infinitive(content)}",
    )


_SKILLED = "lösen reparieren lernen bauen zeichnen backen beantworten malen erklären".split()
_DUTIFUL = (
    "lernen wiederholen aufräumen putzen helfen zuhören anrufen beantworten reparieren danken "
    "aufpassen füttern schließen bezahlen"
).split()


def _is_skilled(verb: Verb) -> bool:
    return verb.german.infinitive in _SKILLED


def _is_dutiful(verb: Verb) -> bool:
    return verb.german.infinitive in _DUTIFUL


_JUDGEMENTS: tuple[tuple[Pair, Callable[[Verb], bool]], ...] = (
    (Pair("schwierig", "difficult"), _is_skilled),
    (Pair("einfach", "simple"), _is_skilled),
    (Pair("wichtig", "important"), _is_dutiful),
    (Pair("langweilig", "boring"), _is_dutiful),
    (Pair("schön", "nice"), _enjoyable),
)


def _impersonal(sampler: Sampler, clause: Clause) -> Nominal | None:
    """Keep the objects nobody in particular owns."""
    verb = clause.verb
    if not verb.object:
        return None
    return sampler.until(lambda: sampler.object_of(verb, ES), lambda obj: not _owned_by_it(obj))


def _owned_by_it(nominal: Nominal) -> bool:
    determiner = nominal.determiner if isinstance(nominal, NounPhrase) else None
    return isinstance(determiner, Possessive) and determiner.owner == ES


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
    verb = sampler.verb(lambda v: v.german.infinitive in _OMITTED)
    missing = sampler.clause(verb, subject, Timing(), negated=0, decorated=0)
    return sentence(
        f"{german_order.main(head)}, {german_order.infinitive(missing, 'ohne')}",
        f"{english_order.main(head)} {english_order.gerund(missing, 'without')}",
    )


_OMITTED = (
    "schließen ausmachen aufräumen bezahlen frühstücken anrufen danken mitnehmen antworten helfen "
    "beantworten lesen essen fragen putzen"
).split()


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
        phrase, COPULA, _tense_for(sampler, adjective), complement=_degree(sampler, adjective)
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
    """Der Mantel ist schön, aber er ist zu teuer."""
    noun = sampler.choice([n for n in _all_things(sampler) if _balanced(sampler, n)])
    phrase = NounPhrase(noun, *_shown(sampler, noun))
    praise, flaw = (sampler.choice(_judged(sampler, noun, words)) for words in (_PRAISE, _FLAWS))
    if sampler.chance(0.45):
        first, second = (praise, flaw) if sampler.chance(0.6) else (flaw, praise)
        contrast = Clause(phrase.pronoun or ES, COPULA, complement=_degree(sampler, second))
    else:
        wanted = sampler.chance(0.5)
        first = flaw if wanted else praise
        contrast = _dealt_with(sampler, noun, phrase.pronoun or ES, wanted)
    told = Clause(phrase, COPULA, complement=Pair(first.german, first.english))
    return _linked(_statement(told), _coordinate(contrast, Pair("aber", "but")), comma=True)


_PRAISE = "schön hübsch neu modern bequem interessant spannend lustig sauber leicht billig".split()
_FLAWS = "teuer klein alt schwer lang kurz kaputt schmutzig langsam langweilig traurig".split()


def _judged(sampler: Sampler, noun: Noun, words: Sequence[str]) -> list[Adjective]:
    return [a for a in _qualities(sampler, noun) if a.german in words]


def _balanced(sampler: Sampler, noun: Noun) -> bool:
    """Whether a thing can be praised, faulted, and bought all the same."""
    good, bad = (_judged(sampler, noun, words) for words in (_PRAISE, _FLAWS))
    return bool(good and bad) and noun.countable and bool(_treatments(sampler, noun))


def _shown(sampler: Sampler, noun: Noun) -> tuple[Determiner, bool]:
    owned = noun in sampler.lexicon.nouns["owned"] and sampler.chance(0.25)
    return (Possessive(ICH), False) if owned else sampler.introduction(1.0)


def _treatments(sampler: Sampler, noun: Noun) -> list[Verb]:
    verbs = [v for v in sampler.lexicon.verbs if _handles(sampler, v, noun) and _direct(v)]
    return [v for v in verbs if v.german.infinitive in _TREATMENTS]


_TREATMENTS = "kaufen lesen mieten anziehen mitnehmen verkaufen bezahlen benutzen probieren".split()


def _dealt_with(sampler: Sampler, noun: Noun, pronoun: Pronoun, wanted: bool) -> Clause:
    """Say what somebody did with it nevertheless, or did not do."""
    verb = sampler.choice(_treatments(sampler, noun))
    subject = sampler.until(
        lambda: sampler.known_subject(verb.subject), lambda s: not _it_like(s)
    )
    timing = Timing(Tense.PERFECT, adverbials=_sometimes_past(sampler, verb))
    clause = sampler.clause(verb, subject, timing, negated=0, decorated=0)
    negation = Negation.NONE if wanted else Negation.NICHT
    return replace(clause, object=pronoun, negation=negation)


def _direct(verb: Verb) -> bool:
    return not verb.preposition and verb.case is Case.ACCUSATIVE


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
    told = _finished(_statement(_fate(sampler, phrase.pronoun or ES)))
    return Pair(f"{question.german} {told.german}", f"{question.english} {told.english}")


def _fate(sampler: Sampler, thing: Pronoun) -> Clause:
    """Say what became of a thing nobody can find."""
    name, negation = sampler.choice(_FATES)
    verb = next(v for v in sampler.lexicon.verbs if v.german.infinitive == name)
    subject = sampler.until(
        lambda: sampler.subject("adult"), lambda s: s.definite and not _it_like(s)
    )
    past = () if negation is Negation.NICHT else _sometimes_past(sampler, verb)
    return Clause(
        subject, verb, Tense.PERFECT, object=thing, adverbials=past, negation=negation
    )


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
    noun = sampler.noun(verb.passive)
    phrase = sampler.thing(noun, ICH, known=True)
    present = sampler.chance(0.45)
    time = sampler.time("now", Reading.NOW) if present else _long_past(sampler, verb)
    adverbials = [time] if sampler.chance(0.7) else []
    if sampler.chance(0.3):
        adverbials.append(_agent(sampler))
    tense = Tense.PRESENT if present else Tense.PRETERITE
    clause = Clause(phrase, verb, tense, adverbials=tuple(adverbials), passive=True)
    return _finished(_statement(clause, _front(sampler, clause)))


def _long_past(sampler: Sampler, verb: Verb) -> Adverbial:
    if verb.german.base == "bauen":
        return sampler.time("far_past", Reading.NONE)
    return sampler.past(verb)


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
