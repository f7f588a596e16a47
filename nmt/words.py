"""What a word is, in whatever script; where two lines differ, word by word."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import pairwise
from typing import Literal

# Scripts that put no space between words: Thai and Lao, Burmese, Khmer, Chinese and Japanese.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_JOINERS = "\u200c\u200d"

_SENTENCE_ENDS = (".", "!", "?", "…", "।", "॥", "؟", "۔", "።", "։")  # noqa: RUF001
_CLOSING = "\"'”’»“‘«›)] \t\u00a0\u202f\u200b\u200e\u200f"  # noqa: RUF001


def words(text: str) -> list[tuple[int, int]]:
    """Where each word starts and ends.

    A word is a run of letters, marks and digits, in scripts without spaces each letter with its
    marks; a symbol is a word of its own.
    """
    spans: list[tuple[int, int]] = []
    before = "space"
    for at, character in enumerate(text):
        kind = _kind(character)
        goes_on = kind == "mark" or (kind == "letter" and before == "letter")
        if goes_on and before != "space":
            spans[-1] = (spans[-1][0], at + 1)
        elif kind != "space":
            spans.append((at, at + 1))
        if kind != "mark" or before == "space":
            before = kind
    return spans


def ends_a_sentence(text: str) -> bool:
    """Whether the last character says so, quotes and brackets apart, in a script that puts a space
    between sentences: Chinese and Japanese full stops do not count."""
    return text.rstrip(_CLOSING).endswith(_SENTENCE_ENDS)


def has_letters(word: str) -> bool:
    """Whether a word has a letter or digit, and is no symbol."""
    return any(map(str.isalnum, word))


def is_spaced(character: str) -> bool:
    """Whether this is part of a word in a script that puts spaces between words."""
    return _kind(character) in ("letter", "mark") and not _is_unspaced(character)


def is_one_word(left: str, right: str) -> bool:
    """Whether two neighbouring characters belong to one word, as far as spaces tell words apart."""
    return is_spaced(left) and is_spaced(right)


@lru_cache(1 << 16)
def _kind(character: str) -> str:
    category = unicodedata.category(character)[0]
    if character in _JOINERS or category == "M":
        return "mark"
    if category == "L" and _is_unspaced(character):
        return "unspaced"
    if category in "LN":
        return "letter"
    return "space" if character.isspace() or category in "ZC" else "symbol"


def _is_unspaced(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _UNSPACED)


# --- differences ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """Some text of one line or of both."""

    kind: Literal["same", "removed", "added"]
    text: str


def word_diff(before: str, after: str) -> list[Part]:
    """The parts of which both lines are made: those that are the same or removed spell `before`,
    those that are the same or added spell `after`; where they are the same but for spaces, with
    those of `after`."""
    old, new = _pieces(before), _pieces(after)
    matcher = SequenceMatcher(None, [w.strip() for w in old], [w.strip() for w in new], False)
    parts = []
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        removed, added = "".join(old[start:end]), "".join(new[new_start:new_end])
        if kind == "equal":
            parts.append(Part("same", added))
            continue
        parts += [Part("removed", removed)] * bool(removed)
        parts += [Part("added", added)] * bool(added)
    return parts


def marked(parts: list[Part]) -> str:
    """As `git diff --word-diff` writes it: [-removed-] and {+added+}."""
    return "".join(map(_marked, parts))


def _marked(part: Part) -> str:
    if part.kind == "same":
        return part.text
    start, end = ("[-", "-]") if part.kind == "removed" else ("{+", "+}")
    text = part.text.lstrip()
    return f"{part.text[: -len(text)]}{start}{text}{end}" if text else part.text


def _pieces(text: str) -> list[str]:
    """Words and symbols, each with the spaces before it."""
    bounds = [0, *(end for _, end in words(text))]
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    rest = text[bounds[-1] :]
    return [*pieces[:-1], pieces[-1] + rest] if pieces else [rest] * bool(rest)
