"""Where the words of a clause go in German.

Everything hangs on the verb bracket. The finite verb is second in a main clause, first in a
question and last in a subordinate clause; between the two ends of the bracket lies the middle
field, ordered by rank; relative clauses of objects trail behind the bracket.
"""

from __future__ import annotations

import re

from clauses import Adverbial, Clause, Negation, Reading, Role
from german import Case, Concord, relative_pronoun
from lexicon import Pair
from nominals import Nominal, Pronoun, join, prepositional

_RANK = {
    "pronoun before the subject": -2,
    "dative pronoun before the subject": -1,
    "subject": 0,
    "pronoun": 1,
    "dative pronoun": 2,
    "bitte": 3,
    "recipient": 4,
    "theme": 5,
    Role.TIME: 6,
    Role.FREQUENCY: 7,
    Role.FONDNESS: 7,
    "new recipient": 8,
    "definite object": 9,
    Role.MANNER: 10,
    "nicht": 11,
    Role.COMPANY: 12,
    Role.MEANS: 13,
    Role.PLACE: 14,
    "indefinite object": 15,
    "prepositional object": 16,
    "complement": 17,
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
    return join(imperative, _middle(clause, None, False, please), verb.prefix)


def tidy(text: str) -> str:
    """Settle the commas: none before a full stop, never two, no space in front."""
    text = re.sub(r"\s*,(\s*,)*", ",", text)
    text = re.sub(r",(?=[^\s,])", ", ", text)
    return re.sub(r",\s*([.?!])", r"\1", text)


# --- the middle field ----------------------------------------------------------------------------


def _middle(clause: Clause, fronted: Adverbial | None, with_subject: bool, please: str = "") -> str:
    ranked = [
        *_subject_and_reflexive(clause, with_subject),
        *_objects(clause),
        (_RANK["bitte"], please),
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


def _subject_and_reflexive(clause: Clause, with_subject: bool) -> list[tuple[int, str]]:
    placed: list[tuple[int, str]] = []
    if with_subject:
        placed.append((_RANK["subject"], _subject(clause)))
    if clause.verb.reflexive:
        placed.append((_pronoun_rank(clause, "pronoun"), reflexive_of(clause.subject)))
    return placed


def _pronoun_rank(clause: Clause, name: str) -> int:
    """Pronouns slip in before a full noun: Heute freut sich der Mann, gestern half mir Anna."""
    return _RANK[name if clause.subject.pronominal else f"{name} before the subject"]


def reflexive_of(subject: Nominal) -> str:
    return subject.reflexive if isinstance(subject, Pronoun) else "sich"


def _objects(clause: Clause) -> list[tuple[int, str]]:
    placed: list[tuple[int, str]] = []
    if clause.recipient:
        rank = _recipient_rank(clause, clause.recipient)
        placed.append((rank, clause.recipient.german(Case.DATIVE)))
    if clause.object:
        placed.append((_object_rank(clause, clause.object), _object_phrase(clause, clause.object)))
    return placed


def _object_phrase(clause: Clause, obj: Nominal) -> str:
    """The object with its preposition: vom Meer, but an das Meer."""
    preposition, case = clause.verb.preposition, clause.verb.case
    if preposition and case is Case.DATIVE:
        return prepositional(Pair(preposition, ""), obj, case).german
    return join(preposition, obj.german(case))


def _recipient_rank(clause: Clause, recipient: Nominal) -> int:
    if recipient.pronominal:
        return _pronoun_rank(clause, "dative pronoun")
    return _RANK["recipient" if recipient.definite else "new recipient"]


def _object_rank(clause: Clause, obj: Nominal) -> int:
    """A known thing comes early if the news is that something is not, or already, so."""
    if clause.verb.preposition:
        return _RANK["prepositional object"]
    if obj.pronominal:
        return _pronoun_rank(clause, "pronoun")
    if not obj.definite:
        return _RANK["indefinite object"]
    frequencies = [a for a in clause.adverbials if a.role is Role.FREQUENCY]
    settled = any(a.reading is Reading.RESULT for a in frequencies)
    early = clause.negation is Negation.NICHT or settled
    return _RANK["theme" if early else "definite object"]


def _trailing(clause: Clause) -> str:
    """The relative clause of the object, which waits until the bracket is closed."""
    relative = clause.object.relative if clause.object else None
    return relative.german if relative else ""
