"""Where two lines differ, word by word."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Literal

from nmt.words import words


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
