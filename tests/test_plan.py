"""Lines are cut where it hurts least."""

from __future__ import annotations

from copy import copy

from conftest import toy_pairs

from nmt.plan import split_long
from nmt.terms import Terminology
from nmt.translate import Translator


def test_cuts_lose_nothing_and_prefer_words(translator: Translator) -> None:
    subwords = translator.vocabulary.source
    ids = subwords.encode([" ".join(source for source, _ in toy_pairs(60, 4))])[0]
    pieces = split_long(ids, 20, subwords)
    assert [i for piece in pieces for i in piece] == ids
    assert all(0 < len(piece) <= 20 for piece in pieces)
    assert all(subwords.starts_word(piece[0]) for piece in pieces)


def test_long_lines_are_cut_in_one_pass(translator: Translator) -> None:
    subwords = translator.vocabulary.source
    ids = subwords.encode(["ba ce di "])[0] * 300_000
    assert sum(map(len, split_long(ids, 20, subwords))) == len(ids)


def test_terms_are_found_in_pieces_as_they_are_in_the_line(translator: Translator) -> None:
    """Also where the vocabulary does not know their characters."""
    planner = copy(translator.planner)
    planner.terminology = Terminology([("Жуков", "ba ce")])
    words = " ".join(source for source, _ in toy_pairs(60, 4))
    (plan,) = planner.plans([f"{words} Жуков. {words}"])
    assert not plan.unmet
    assert sum(piece.guide is not None for piece in plan.pieces) == 1 < len(plan.pieces)
