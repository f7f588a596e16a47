"""Words, in several scripts."""

from __future__ import annotations

import pytest

from nmt.words import is_one_word, words


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
