"""Where the words of a clause go in German.

Everything hangs on the verb bracket. The finite verb is second in a main clause, first in a
question and last in a subordinate clause; between the two ends of the bracket lies the middle
field, ordered by rank; relative clauses of objects trail behind the bracket.
"""

from __future__ import annotations

import re

from clauses import Adverbial, Clause, Negation, Role
from german import Case, Concord, relative_pronoun
from nominals import Nominal, Pronoun, join

_RANK = {
    "early pronoun": -1,
    "subject": 0,
    "pronoun": 1,
    "dative pronoun": 2,
    "recipient": 3,
    "theme": 4,
    Role.TIME: 5,
    Role.FREQUENCY: 6,
    Role.FONDNESS: 6,
    "new recipient": 7,
    "definite object": 8,
    Role.MANNER: 9,
    "nicht": 10,
    Role.COMPANY: 11,
    Role.MEANS: 12,
    Role.PLACE: 13,
    "indefinite object": 14,
    "prepositional object": 15,
    "complement": 16,
}


def main(clause: Clause, fronted: Adverbial | None = None, before: str = "") -> str:
    """Lay out a main clause; `before` is a clause or phrase that already fills the first place."""
    front = fronted.words.german if fronted else before
    first = front or _subject(clause)
    return join(
        first,
        clause.bracket.finite,
        _middle(clause, fronted, with_subject=bool(front)),
        clause.bracket.closing,
        _trailing(clause),
    )


def topicalised(clause: Clause) -> str:
    """Lay out a main clause that opens with its object: Den Kuchen hat er gebacken."""
    assert clause.object is not None
    first = clause.object.german(clause.verb.case)
    middle = _middle(clause.without_object(), None, with_subject=True)
    return join(first, clause.bracket.finite, middle, clause.bracket.closing)


def question(clause: Clause, asking: str = "") -> str:
    """Lay out a question, after a question word or with the verb in front."""
    middle = _middle(clause, None, with_subject=True)
    return join(asking, clause.bracket.finite, middle, clause.bracket.closing, _trailing(clause))


def subordinate(clause: Clause, opening: str) -> str:
    """Lay out a verb-final clause behind its conjunction or question word."""
    middle = _middle(clause, None, with_subject=True)
    return join(opening, middle, clause.bracket.final, _trailing(clause))


def infinitive(clause: Clause, opening: str = "") -> str:
    """Lay out an infinitive clause: um früh aufzustehen."""
    middle = _middle(clause, None, with_subject=False)
    return join(opening, middle, clause.verb.german.zu_infinitive, _trailing(clause))


def subject_relative(clause: Clause, concord: Concord) -> str:
    """Lay out a relative clause whose subject is the relative pronoun."""
    pronoun = relative_pronoun(Case.NOMINATIVE, concord)
    middle = _middle(clause, None, with_subject=False)
    return f", {join(pronoun, middle, clause.bracket.final, _trailing(clause))},"


def object_relative(clause: Clause, concord: Concord) -> str:
    """Lay out a relative clause whose (missing) object is the relative pronoun."""
    pronoun = relative_pronoun(clause.verb.case, concord)
    middle = _middle(clause, None, with_subject=True)
    words = join(clause.verb.preposition, pronoun, middle, clause.bracket.final, _trailing(clause))
    return f", {words},"


def command(clause: Clause, please: str = "") -> str:
    """Lay out a command: Machen Sie bitte das Radio aus."""
    verb = clause.verb.german
    imperative = verb.imperative(clause.subject.person)
    return join(imperative, please, _middle(clause, None, with_subject=False), verb.prefix)


def tidy(text: str) -> str:
    """Settle the commas: none before a full stop, never two, no space in front."""
    text = re.sub(r"\s*,(\s*,)*", ",", text)
    text = re.sub(r",(?=[^\s,])", ", ", text)
    return re.sub(r",\s*([.?!])", r"\1", text)


# --- the middle field ----------------------------------------------------------------------------


def _middle(clause: Clause, fronted: Adverbial | None, with_subject: bool) -> str:
    ranked = [
        *_subject_and_reflexive(clause, with_subject),
        *_objects(clause),
        *((_RANK[a.role], a.words.german) for a in clause.adverbials if a is not fronted),
    ]
    if clause.negation is Negation.NICHT:
        ranked.append((_RANK["nicht"], "nicht"))
    if clause.complement:
        ranked.append((_RANK["complement"], clause.complement.german))
    ranked.sort(key=lambda constituent: constituent[0])
    return join(*(words for _, words in ranked))


def _subject(clause: Clause) -> str:
    return _with_relative(clause.subject, Case.NOMINATIVE)


def _with_relative(nominal: Nominal, case: Case) -> str:
    trail = nominal.relative.german if nominal.relative else ""
    return nominal.german(case) + trail


def _subject_and_reflexive(clause: Clause, with_subject: bool) -> list[tuple[float, str]]:
    """Place the subject first, but sich before a full noun: Heute freut sich der Mann."""
    placed: list[tuple[float, str]] = []
    if with_subject:
        placed.append((_RANK["subject"], _subject(clause)))
    if clause.verb.reflexive:
        early = with_subject and not clause.subject.pronominal
        rank = _RANK["subject"] - 1 if early else _RANK["pronoun"]
        placed.append((rank, reflexive_of(clause.subject)))
    return placed


def reflexive_of(subject: Nominal) -> str:
    return subject.reflexive if isinstance(subject, Pronoun) else "sich"


def _objects(clause: Clause) -> list[tuple[float, str]]:
    placed: list[tuple[float, str]] = []
    if clause.recipient:
        placed.append((_recipient_rank(clause.recipient), clause.recipient.german(Case.DATIVE)))
    if clause.object:
        phrase = join(clause.verb.preposition, clause.object.german(clause.verb.case))
        placed.append((_object_rank(clause, clause.object), phrase))
    return placed


def _recipient_rank(recipient: Nominal) -> int:
    if recipient.pronominal:
        return _RANK["dative pronoun"]
    return _RANK["recipient" if recipient.definite else "new recipient"]


def _object_rank(clause: Clause, obj: Nominal) -> int:
    """A known thing comes early if the news is that something is not, or already, so."""
    if clause.verb.preposition:
        return _RANK["prepositional object"]
    if obj.pronominal:
        return _RANK["early pronoun" if _is_experienced(clause) else "pronoun"]
    if not obj.definite:
        return _RANK["indefinite object"]
    frequencies = [a for a in clause.adverbials if a.role is Role.FREQUENCY]
    settled = any(a.reading.name == "RESULT" for a in frequencies)
    early = clause.negation is Negation.NICHT or settled
    return _RANK["theme" if early else "definite object"]


def _is_experienced(clause: Clause) -> bool:
    """Whether the dative is a person whom a thing pleases: Gefallen Ihnen die Blumen?"""
    dative = clause.verb.case is Case.DATIVE and clause.verb.aspect == "state"
    return dative and not clause.subject.pronominal


def _trailing(clause: Clause) -> str:
    """The relative clause of the object, which waits until the bracket is closed."""
    relative = clause.object.relative if clause.object else None
    return relative.german if relative else ""
