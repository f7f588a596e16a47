"""What is wrong with a pair of sentences, and why it is left out of training.

Pairs are left out whole, never shifted, and every one is counted under its reason.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from nmt.corpus import Pair

EMPTY = "empty side"
EMPTY_LINE = "empty line"
TOO_LONG = "longer than data.max_length"


def clean(pairs: Iterable[Pair], left_out: Counter[str], one_sided: bool = False) -> Iterator[Pair]:
    """The pairs with text on both sides; the others are counted in `left_out`.

    Args:
        one_sided: whether there is a target side only.
    """
    for pair in pairs:
        if is_blank(pair.target) or (is_blank(pair.source) and not one_sided):
            left_out[EMPTY_LINE if one_sided else EMPTY] += 1
        else:
            yield pair


def is_blank(line: str) -> bool:
    """Whether a line has nothing to translate: only white space, controls (NULs) and the like."""
    return not (line[:1].isalnum() or any(map(_is_visible, line)))  # the first mostly suffices


def _is_visible(character: str) -> bool:
    # Z*: separators; Cc: controls; Cf: invisible formatting such as bidi marks.
    return unicodedata.category(character)[0] != "Z" and (
        unicodedata.category(character) not in ("Cc", "Cf")
    )
