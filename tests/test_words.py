"""Words, in several scripts; a diff spells both lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.words import ends_a_sentence, is_one_word, marked, word_diff, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't stop", ["don", "'", "t", "stop"]),
        ("T-Shirt: 3,50 €", ["T", "-", "Shirt", ":", "3", ",", "50", "€"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("我在Berlin吃饭。", ["我", "在", "Berlin", "吃", "饭", "。"]),
        ("كِتَابٌ جديد", ["كِتَابٌ", "جديد"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("e\u0301a 🐕🐕", ["e\u0301a", "🐕", "🐕"]),
        (" \u0301\u200b\n", ["\u0301"]),
    ],
)
def test_words_in_any_script(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in words(text)] == expected


@pytest.mark.parametrize(
    ("together", "expected"),
    [
        ("ab", True),
        ("a1", True),
        ("ไท", False),
        ("我a", False),
        ("a,", False),
        ("की", True),
        ("가나", True),
    ],
)
def test_where_a_word_goes_on(together: str, expected: bool) -> None:
    assert is_one_word(*together) == expected


# --- differences ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "A dog runs fast.",
            "The dog runs, slowly.",
            "[-A-]{+The+} dog runs[- fast-]{+, slowly+}.",
        ),
        ("a b", "a c", "a [-b-] {+c+}"),
        ("", "x", "{+x+}"),
        ("我吃饭", "我喝水", "我[-吃饭-]{+喝水+}"),
        ("same", "same", "same"),
    ],
)
def test_words_that_differ_are_marked(before: str, after: str, expected: str) -> None:
    assert marked(word_diff(before, after)) == expected.replace("[- fast-]", " [-fast-]")


lines = st.lists(st.sampled_from(["a", "b", "c.", "d", "é", "我"]), max_size=8).map(" ".join)


@given(lines, lines)
def test_the_parts_spell_both_lines(before: str, after: str) -> None:
    parts = word_diff(before, after)
    ours = "".join(part.text for part in parts if part.kind != "added")
    theirs = "".join(part.text for part in parts if part.kind != "removed")
    assert ours.split() == before.split() or "".join(ours.split()) == "".join(before.split())
    assert theirs == after


@pytest.mark.parametrize(
    "text", ["a.", "a?!", "a … ", '"a."', "«\u00a0a!\u00a0»", "(a.)", 'a . "', "क।", "a.\u200f"]
)
def test_what_ends_a_sentence_that_another_may_follow(text: str) -> None:
    assert ends_a_sentence(text)
    assert not ends_a_sentence(text + " b")


@pytest.mark.parametrize("text", ["", " ", "a", "a,", "a:", '"', "a)", "一。"])
def test_what_does_not(text: str) -> None:
    assert not ends_a_sentence(text)
