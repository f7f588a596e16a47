"""What a translation must hold: given beginnings and terms, by a scripted and by a real model."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from conftest import toy_pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from test_search import EVERY, OPTIONS, Scripted, found_with, log_probability, memory

from nmt.constraints import Beginning, Guide, Phrase, Speller
from nmt.search import Hypothesis, Sampling, SearchOptions, search
from nmt.terms import Terminology
from nmt.translate import Translator

PIECES = ["<pad>", "<s>", "</s>", "<unk>", "▁a", "b", "▁c"]  # the scripted model's
A, B, C = 4, 5, 6


class Spelled:
    """Subwords as far as a speller needs them."""

    def __len__(self) -> int:
        return len(PIECES)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return [PIECES[i] for i in ids]


SPELLER = Speller(Spelled(), torch.device("cpu"))  # type: ignore[arg-type]


def guided(*phrases: Sequence[int], spaced: bool = False, rest: str = "") -> Guide:
    beginning = Beginning("", [], rest) if rest else None
    return Guide(SPELLER, beginning, [Phrase((tuple(ids),), spaced) for ids in phrases])


def holds(ids: tuple[int, ...], phrase: Sequence[int], spaced: bool = False) -> bool:
    size = len(phrase)
    return any(
        ids[at : at + size] == tuple(phrase)
        and not (spaced and ids[at + size : at + size + 1] == (B,))
        for at in range(len(ids) - size + 1)
    )


# --- the search, against a script -----------------------------------------------------------------


@pytest.mark.parametrize("phrases", [[[A]], [[B, B]], [[C, A], [B]], [[A, B, C], [C]]])
@pytest.mark.parametrize("beam", [1, 2, 4, 7])
def test_every_hypothesis_holds_all_phrases(phrases: list[list[int]], beam: int) -> None:
    guides = [guided(*phrases) for _ in range(30)]
    found = search(Scripted(), EVERY, replace(OPTIONS, beam=beam), guides=guides)
    for seed, each in enumerate(found):
        assert each
        for hypothesis in each:
            assert all(holds(hypothesis.ids, phrase) for phrase in phrases)
            forced = log_probability(seed, hypothesis.ids)
            assert hypothesis.log_probability == pytest.approx(forced, abs=1e-4)


def test_a_wide_beam_is_brute_force_among_what_holds_the_phrase() -> None:
    options = SearchOptions(beam=400, max_ratio=1.0, max_extra=3)
    every = [ids for n in range(5) for ids in itertools.product([A, B, C], repeat=n)]
    for seed in range(4):
        best = search(Scripted(), memory([seed]), options, guides=[guided([B, A])])[0]
        ranked = sorted(
            (ids for ids in every if holds(ids, [B, A])),
            key=lambda ids: -log_probability(seed, ids) / (len(ids) + 1),
        )
        assert [h.ids for h in best[:5]] == ranked[:5]


def test_a_phrase_that_fills_the_limit_is_met_all_the_same() -> None:
    tight = [[C, A, B], [A, A]]  # five subwords, of five that there may be
    options = replace(OPTIONS, no_repeat_ngram=1, min_length=5)
    for each in search(Scripted(), EVERY, options, guides=[guided(*tight)] * 30):
        assert each and all(holds(h.ids, phrase) for phrase in tight for h in each)


def test_a_word_that_goes_on_is_another_word() -> None:
    """▁a may be followed by b as long as it stands somewhere without it."""
    found = search(Scripted(), EVERY, OPTIONS, guides=[guided([A], spaced=True)] * 30)
    assert all(each and all(holds(h.ids, [A], spaced=True) for h in each) for each in found)
    assert any((A, B) in itertools.pairwise(h.ids) for each in found for h in each)


def test_few_places_are_for_those_that_are_far_on() -> None:
    """However likely the others are, for they cannot end."""
    totals = torch.full((2, len(PIECES)), -9.0)
    totals[0] = -1.0
    totals[:, :A] = -torch.inf
    histories = [(A,), (B,)]
    for places, kept in ((1, {(1, C)}), (3, {(1, C), (0, B), (0, A)})):
        chosen = guided([B, C]).chosen(histories, totals, places)
        assert chosen
        ending, going = chosen
        assert not ending and {each[1:] for each in going} == kept


def test_sentences_with_phrases_leave_the_others_alone() -> None:
    guides = [guided([B, B]) if seed % 3 else None for seed in range(30)]
    together = search(Scripted(), EVERY, OPTIONS, guides=guides)
    plain = found_with()
    for seed, each in enumerate(together):
        alone = search(Scripted(), memory([seed]), OPTIONS, guides=[guides[seed]])[0]
        assert each == alone
        assert seed % 3 or each == plain[seed]


def test_a_word_that_is_begun_is_spelled_in_any_way() -> None:
    def first(found: list[list[Hypothesis]]) -> set[tuple[int, ...]]:
        return {h.ids[:2] for each in found for h in each}

    found = search(Scripted(), EVERY, OPTIONS, guides=[guided(rest="▁ab")] * 30)
    assert first(found) == {(A, B)}
    found = search(Scripted(), EVERY, OPTIONS, guides=[guided(rest="▁")] * 30)
    assert {ids[0] for ids in first(found)} == {A, C}


# --- a real model ---------------------------------------------------------------------------------


def with_terms(translator: Translator, *rows: tuple[str, str], **options: object) -> Translator:
    changed = translator.with_options(replace(translator.options, **options))  # type: ignore[arg-type]
    changed.planner.terminology = Terminology(rows)
    return changed


def test_terms_appear_where_their_sources_do(translator: Translator) -> None:
    lines = [source for source, _ in toy_pairs(60, 8)]
    rows = [("ba", "tu lo"), ("ce", "mu"), ("di", "nape")]
    found = with_terms(translator, *rows).translate(lines)
    plain = translator.translate(lines)
    for line, mine, theirs in zip(lines, found, plain, strict=True):
        called = [target for source, target in rows if source in line.split()]
        assert all(f" {target} " in f" {mine.text} " for target in called)
        assert called or mine == theirs
        assert not mine.unmet
    alone = [with_terms(translator, *rows).translate([line])[0] for line in lines]
    assert found == alone


def test_terms_that_cannot_be_met_are_named_and_left_out(translator: Translator) -> None:
    demanding = with_terms(translator, ("ba", "東京"), ("ce", "tu"), max_length=6)
    blank, odd, fine = demanding.translate(["", "ba di", "ce"])
    assert (blank.unmet, fine.unmet) == ((), ())
    assert "term 'ba', '東京', has characters" in odd.unmet[0] and odd.text
    assert "tu" in fine.text.split()
    crowded = with_terms(translator, ("ba", "tu lo mu na pe ri"), max_length=6)
    assert "more subwords than there is room for" in crowded.translate(["ba"])[0].unmet[0]


def test_terms_of_a_line_in_pieces(translator: Translator) -> None:
    line = " ".join(["ce di fo gu"] * 12 + ["ba"])
    assert "tu" not in line
    found = with_terms(translator, ("ba", "tu tu")).translate([line])[0]
    assert "tu tu" in found.text and not found.unmet
    across = with_terms(translator, (" ".join(["ce di fo gu"] * 11), "tu")).translate([line])[0]
    assert "lies where the line is cut" in across.unmet[0] and across.text


@pytest.mark.parametrize("prefix", ["ba", "ba ", "b", "ba c", "ba ce di f", "ba  ce", " ba", "☃ b"])
def test_a_translation_begins_as_it_is_told(translator: Translator, prefix: str) -> None:
    lines = [source for source, _ in toy_pairs(20, 3)]
    for best in translator.translate(lines, [prefix] * len(lines)):
        assert all(candidate.text.startswith(prefix) for candidate in best.candidates)
        assert best.candidates[0].log_probability < 0


def test_a_word_begun_is_one_word_with_what_follows(translator: Translator) -> None:
    """`b` is not closed with the subwords it has alone: words of the toy have two letters."""
    texts = [t.text for t in translator.translate(["ba ba", "ba ce"], ["b", "b"])]
    assert all(text.split()[0] == "ba" for text in texts)


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=12))
def test_any_prefix_at_all(translator: Translator, prefix: str) -> None:
    filled, blank = translator.translate(["ba ce", ""], [prefix, prefix])
    assert filled.text.startswith(prefix)
    assert blank.text == prefix


def test_prefixes_and_neighbours(translator: Translator) -> None:
    lines = [source for source, _ in toy_pairs(40, 6)]
    prefixes = ["", "b", "tu ", "ce d"] * 10
    together = translator.translate(lines, prefixes)
    alone = [
        translator.translate([line], [prefix])[0]
        for line, prefix in zip(lines, prefixes, strict=True)
    ]
    assert together == alone
    plain = translator.translate(lines)
    assert [t for t, p in zip(together, prefixes, strict=True) if not p] == plain[::4]


def test_a_prefix_beyond_the_limit_is_written_as_it_is(translator: Translator) -> None:
    long = "ba " * 60
    found, other = translator.translate(["ce", "di"], [long, ""])
    assert found.text == long and "at most" in found.unmet[0]
    assert not other.unmet


def test_prefixes_with_terms_and_with_draws(translator: Translator) -> None:
    found = with_terms(translator, ("ba", "tu lo")).translate(["ba ce"], ["ce d"])[0]
    assert found.text.startswith("ce d") and "tu lo" in found.text
    drawing = translator.with_options(replace(translator.options, sampling=Sampling(seed=2)))
    drawn = drawing.translate(["ba ce"] * 3, ["ce d", "", "☃"])
    assert drawn[0].text.startswith("ce d") and drawn[2].text.startswith("☃")
