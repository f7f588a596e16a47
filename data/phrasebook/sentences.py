"""From clauses to finished sentences: joining, commas, capitals, the closing mark."""

from __future__ import annotations

import english_order
import german_order
from clauses import Adverbial, Clause, Role
from lexicon import Pair
from sampler import Sampler


def sentence(german_text: str, english_text: str, mark: str = ".") -> Pair:
    """Finish a pair: capital letters, commas, and the closing mark."""
    return Pair(
        _capitalised(german_order.tidy(german_text + mark)), _capitalised(english_text + mark)
    )


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def statement(clause: Clause, fronted: Adverbial | None = None) -> Pair:
    return Pair(german_order.main(clause, fronted), english_order.main(clause, fronted))


def subordinate(clause: Clause, opening: Pair) -> Pair:
    return Pair(
        german_order.subordinate(clause, opening.german),
        english_order.subordinate(clause, opening.english),
    )


def finished(pair: Pair, mark: str = ".") -> Pair:
    return sentence(pair.german, pair.english, mark)


def linked(first: Pair, second: Pair, comma: bool = False) -> Pair:
    """Join two clauses; German always separates them by a comma, English only if asked."""
    link = ", " if comma else " "
    return sentence(f"{first.german}, {second.german}", f"{first.english}{link}{second.english}")


def preposed(clause: Pair, main: Clause) -> Pair:
    """Put a subordinate clause first, where it takes the first place of the main clause."""
    german_main = german_order.main(main, before=f"{clause.german},")
    return sentence(german_main, f"{clause.english}, {english_order.main(main)}")


def coordinate(clause: Clause, conjunction: Pair) -> Pair:
    told = statement(clause)
    return Pair(f"{conjunction.german} {told.german}", f"{conjunction.english} {told.english}")


def something_in_front(sampler: Sampler, clause: Clause) -> Adverbial | None:
    candidates = [a for a in clause.adverbials if a.role in _FRONTED and a.frontable]
    if not candidates or (clause.subject.pronominal and sampler.chance(0.3)):
        return None
    return sampler.choice(candidates) if sampler.chance(0.45) else None


_FRONTED = (Role.TIME, Role.FREQUENCY)
