"""Clauses inside clauses: what somebody says, asks, plans or goes somewhere to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import english
import english_order
import german
import german_order
from clauses import Clause, plain_verb
from compound import prevented
from german import Tense, words
from lexicon import Pair, Verb
from nominals import (
    ES,
    ICH,
    SIE_ALL,
    Nominal,
    NounPhrase,
    Possessive,
)
from sampler import Sampler, Timing
from sentences import sentence, something_in_front, statement, subordinate
from simple import asked_for_adverbial, enjoyable

# --- clauses as objects --------------------------------------------------------------------------

BELIEFS = (
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
DOUBTS = (
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
    belief = sampler.choice(BELIEFS)
    clause = sampler.until(sampler.clause, lambda drawn: drawn.subject != ICH)
    return embedded(belief, clause, Pair("dass", "that"))


def embedded(start: Pair, clause: Clause, opening: Pair) -> Pair:
    """Put a clause behind what introduces it."""
    return _introduced(start, subordinate(clause, opening))


def _introduced(start: Pair, told: Pair) -> Pair:
    mark = "?" if start.german.split()[0] in _ASKING_STARTS else "."
    return sentence(f"{start.german}, {told.german}", f"{start.english} {told.english}", mark)


def reported_with_reason(sampler: Sampler) -> Pair:
    """Ich glaube, dass der Lehrer heute nicht kommen kann, weil er krank ist."""
    main, person, tense = prevented(sampler)
    told = subordinate(main, Pair("dass", "that"))
    reason = subordinate(sampler.obstacle(person, tense), Pair("weil", "because"))
    start = sampler.choice(BELIEFS)
    joined = Pair(f"{told.german}, {reason.german}", f"{told.english} {reason.english}")
    return _introduced(start, joined)


def whether(sampler: Sampler) -> Pair:
    """Weißt du, ob der Arzt heute kommt?"""
    verb = sampler.choice(sampler.lexicon.verbs)
    clause = sampler.clause(verb, _asked_of(sampler, verb), negated=0)
    return embedded(sampler.choice(DOUBTS), clause, Pair("ob", "whether"))


def _asked_of(sampler: Sampler, verb: Verb) -> Nominal:
    return sampler.until(lambda: sampler.subject(verb.subject), lambda s: s.definite and s != ICH)


def indirect_question(sampler: Sampler) -> Pair:
    """Ich weiß nicht, wo mein Bruder arbeitet."""
    asking, clause = asked_for_adverbial(sampler)
    clause = replace(clause, subject=_asked_of(sampler, clause.verb))
    clause = sampler.with_objects(clause)
    return embedded(sampler.choice(DOUBTS), clause, asking)


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
    head = statement(Clause(subject, verb, tense))
    return sentence(
        f"{head.german}, {german_order.infinitive(content)}",
        f"{head.english} {english_order.infinitive(content)}",
    )


def _plan(sampler: Sampler, subject: Nominal) -> Clause:
    verb = sampler.verb(lambda v: v.takes_effort)
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


_SKILLED = words("lösen reparieren lernen bauen zeichnen backen beantworten malen erklären")
_DUTIFUL = words(
    "lernen wiederholen aufräumen putzen helfen zuhören anrufen beantworten reparieren danken "
    "aufpassen füttern schließen bezahlen"
)


def _is_skilled(verb: Verb) -> bool:
    return verb.german.infinitive in _SKILLED


def _is_dutiful(verb: Verb) -> bool:
    return verb.german.infinitive in _DUTIFUL


_JUDGEMENTS: tuple[tuple[Pair, Callable[[Verb], bool]], ...] = (
    (Pair("schwierig", "difficult"), _is_skilled),
    (Pair("einfach", "simple"), _is_skilled),
    (Pair("wichtig", "important"), _is_dutiful),
    (Pair("langweilig", "boring"), _is_dutiful),
    (Pair("schön", "nice"), enjoyable),
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
    verb = sampler.verb(lambda v: bool(_purposeful(v)) and v.takes_effort and not v.reflexive)
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
    front = something_in_front(sampler, head)
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


_OMITTED = words(
    "schließen ausmachen aufräumen bezahlen frühstücken anrufen danken mitnehmen antworten helfen "
    "beantworten lesen essen fragen putzen"
)
