"""Where the words of a clause go in English.

Subject, verb, object; adverbs of frequency beside the verb, and place before time at the end.
Questions and not need an operator, which do supplies where there is none.
"""

from __future__ import annotations

from clauses import Adverbial, Clause, Role
from nominals import Nominal, join

_FINAL_ROLES = (Role.MANNER, Role.COMPANY, Role.MEANS, Role.PLACE, Role.TIME, Role.FREQUENCY)


def main(clause: Clause, fronted: Adverbial | None = None) -> str:
    """Lay out a statement, with one adverbial in front if so wished."""
    front = fronted.words.english if fronted else ""
    return join(front, clause.subject.english(), predicate(clause, fronted))


def predicate(clause: Clause, fronted: Adverbial | None = None) -> str:
    """Lay out all of a statement but its subject."""
    group = clause.english_group
    if clause.english_negated:
        group = group.with_operator()
    operator = join(group.operator, "not" if clause.english_negated else "")
    return join(
        operator.replace("can not", "cannot"),
        _beside_the_verb(clause, fronted),
        group.main,
        _objects(clause),
        _ending(clause, fronted),
    )


def question(clause: Clause, asking: str = "") -> str:
    """Lay out a question: the operator changes places with the subject."""
    group = clause.english_group.with_operator()
    return join(
        asking,
        group.operator,
        clause.subject.english(),
        "not" if clause.english_negated else "",
        _beside_the_verb(clause),
        group.main,
        _objects(clause),
        _ending(clause),
    )


def subordinate(clause: Clause, opening: str) -> str:
    """Lay out a subordinate clause, which has the order of a statement."""
    return join(opening, main(clause))


def infinitive(clause: Clause, opening: str = "to") -> str:
    """Lay out an infinitive clause: to get up early."""
    verb = clause.verb.english
    negation = "not" if clause.english_negated else ""
    bare = join(verb.base, verb.tail)
    return join(negation, opening, bare, _objects(clause), _ending(clause))


def gerund(clause: Clause, opening: str) -> str:
    """Lay out what follows a preposition: without opening the door."""
    verb = clause.verb.english
    return join(opening, verb.progressive, verb.tail, _objects(clause), _ending(clause))


def relative(clause: Clause, pronoun: str, subject_missing: bool) -> str:
    """Lay out a relative clause; a preposition of the verb stays where it is."""
    return join(pronoun, predicate(clause) if subject_missing else main(clause))


def command(clause: Clause, please: str = "") -> str:
    """Lay out a command: Please turn off the radio."""
    verb = clause.verb.english
    negation = "do not" if clause.english_negated else ""
    bare = join(verb.base, verb.tail)
    return join(please, negation, bare, _objects(clause), _ending(clause))


# --- the parts behind the verb -------------------------------------------------------------------


def _beside_the_verb(clause: Clause, fronted: Adverbial | None = None) -> str:
    return join(*(a.words.english for a in clause.adverbials if a.mid and a is not fronted))


def _objects(clause: Clause) -> str:
    """Order objects and particle: put on the coat, put it on; give me the key, give it to me."""
    obj, particle = clause.object, clause.verb.english.particle
    if clause.recipient:
        return _two_objects(clause, clause.recipient)
    words = obj.english(objective=True) if obj else ""
    return join(words, particle) if obj and obj.pronominal else join(particle, words)


def _two_objects(clause: Clause, recipient: Nominal) -> str:
    direct = clause.object.english(objective=True) if clause.object else ""
    indirect = recipient.english(objective=True)
    prepositional = clause.verb.recipient == "to" or (clause.object and clause.object.pronominal)
    return join(direct, "to", indirect) if prepositional else join(indirect, direct)


def _ending(clause: Clause, fronted: Adverbial | None = None) -> str:
    complement = clause.complement.english if clause.complement else ""
    adverbials = [a for a in clause.adverbials if not a.mid and a is not fronted]
    ordered = sorted(adverbials, key=lambda a: _FINAL_ROLES.index(a.role) if a.words.english else 0)
    return join(complement, *(a.words.english for a in ordered))
