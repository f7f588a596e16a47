"""What attention says: links, coverage, and where a word goes that the vocabulary cannot spell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest

from nmt.alignment import (
    Attention,
    coverage,
    replace_unknown,
    subword_links,
    word_links,
)
from nmt.checkpoint import load
from nmt.device import Device
from nmt.search import SearchOptions
from nmt.subwords import UNK, text_of
from nmt.translate import Translator


def looking(source: str, target: str, best: Sequence[int], first: int = 0) -> Attention:
    """Attention whose rows are on one source subword each, the last on EOS."""
    ours, theirs = tuple(source.split()), tuple(target.split())
    words = tuple(accumulate((piece.startswith("▁") for piece in ours[1:]), initial=first))
    weights = np.zeros((len(theirs) + 1, len(ours) + 1), np.float32)
    weights[range(len(best)), list(best)] = 1.0
    weights[-1, -1] = 1.0
    return Attention(ours, words, theirs, weights)


def test_links_of_parts_go_on_counting() -> None:
    parts = [looking("▁a b ▁c", "▁x ▁y z", [0, 2, 1]), looking("▁d ▁ e", "▁w", [2], first=2)]
    assert subword_links(parts) == ((0, 0), (2, 1), (1, 2), (5, 3))
    assert word_links(parts) == ((0, 0), (0, 1), (1, 1), (3, 2))


def test_coverage_is_the_share_of_the_source_that_was_looked_at() -> None:
    assert coverage([looking("▁a ▁b ▁c ▁d", "▁x ▁y ▁z", [0, 0, 1])]) == pytest.approx(0.5)
    assert coverage([looking("▁a ▁b", "▁x ▁y", [1, 0])]) == 1.0


def replaced(attention: Attention, unknown: list[int], produced: Sequence[int] = ()) -> str:
    found = replace_unknown(attention, unknown, produced)
    assert found.weights.shape == (len(found.target) + 1, len(found.source) + 1)
    return text_of(found.target)


@pytest.mark.parametrize(
    ("source", "target", "best", "unknown", "expected"),
    [
        # what looked at it is replaced, once, as a whole word
        ("▁Ich ▁ Жуков .", "▁I ▁Ch uck .", [0, 2, 2, 3], [2], "I Жуков."),
        ("▁ Ḃ ol áñ o ▁liest", "▁ ol ol oo ▁reads", [0, 2, 2, 4, 5], [1, 3], "Ḃoláño reads"),
        ("▁sagt ▁ 東京 ▁ .", "▁says ▁ ' s ▁ ' s .", [0, 1, 2, 2, 1, 2, 2, 4], [2], "says 東京."),
        # nothing looked at it: after what stands before it
        ("▁Mann ▁ Жуков ▁lacht", "▁man ▁laughs", [0, 3], [2], "man Жуков laughs"),
        ("▁ Жуков ▁lacht", "▁laughs", [2], [1], "Жуков laughs"),
        ("▁ Ж ▁ Щ ▁lacht", "▁laughs", [4], [1, 3], "Ж Щ laughs"),
        ("▁Spaß ▁ 😀 .", "▁fun .", [0, 3], [2], "fun 😀."),
        # a symbol takes no word's place
        ("▁Spaß ▁ 😀 .", "▁fun ▁park .", [0, 2, 3], [2], "fun 😀 park."),
        # scripts without spaces: only the unknown character
        ("▁我 龘 吃", "▁I ▁x ▁eat", [0, 1, 2], [1], "I 龘 eat"),
        ("▁I ▁ 龘 ▁eat", "▁我 甲 吃", [0, 2, 3], [2], "我龘吃"),
        # of two places that looked at it, one
        ("▁ Ж ▁da", "▁x ▁there ▁y", [1, 2, 1], [1], "Ж there y"),
    ],
)
def test_an_unknown_word_is_copied(
    source: str, target: str, best: list[int], unknown: list[int], expected: str
) -> None:
    assert replaced(looking(source, target, best), unknown) == expected


def test_a_produced_unknown_becomes_the_word_it_looked_at() -> None:
    attention = looking("▁Herr ▁Mei er ▁lacht", "▁Mr ▁ <unk> ▁laughs", [0, 1, 1, 3])
    assert replaced(attention, [], [2]) == "Mr Meier laughs"


def test_a_trained_model_carries_unknown_words_over(run: Path, device: Device) -> None:
    trained = load(run, device.torch)
    plain, copying = (
        Translator(trained.model, trained.vocabulary, options, 50)
        for options in (SearchOptions(), SearchOptions(attention=True, unknown=True))
    )
    lines = ["ba ce Ω", "Жуков di fo", "gu 東京 ha je", "ki 😀😀 lo", "ba ce"]
    unknown = ["Ω", "Жуков", "東京", "😀😀"]
    for word, ids in zip(unknown, trained.vocabulary.source.encode(lines[:4]), strict=True):
        assert UNK in ids, word
    found, without = (translator.translate(lines) for translator in (copying, plain))
    for word, line, before in zip(unknown, found, without, strict=False):
        assert line.text.split().count(word) == 1 and word not in before.text
        links = word_links(line.candidates[0].attention)
        at = (line.source.split().index(word), line.text.split().index(word))
        assert at in links
        assert {target for _, target in links} == set(range(len(line.text.split())))
    assert found[4].text == without[4].text
