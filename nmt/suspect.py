"""What looks wrong with a translation, by rules that need no model and no reference.

They are made to be read by a person who looks over the marked lines: a mark is a reason to look,
not a verdict.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable

from nmt.words import has_letters, words

_LONGEST_LOOP = 20  # words of a phrase that is said again and again
_PHRASE = 4  # words of a phrase that must not even be said twice
_COPIED = 0.8  # share of the translation's words that are the source's
_FEW = 4  # words that may be a name, and so the same in both languages
_SPELLED_OUT = 12  # numbers up to this are often written as words

_STUTTER = re.compile(r"(\w{1,8}?)\1{7,}")  # within a word, eight times
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[a-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+"
    r"|(?<![a-z0-9._%+\-])[a-z0-9._%+\-]+@[a-z0-9\-]+(?:\.[a-z0-9\-]+)+",
    re.IGNORECASE,
)
_AROUND = ".,;:!?()[]'"  # of an address; these belong to the sentence
_NUMBER = re.compile(r"\d+(?:[.,'’٫٬]\d+|[ \u00a0\u2009\u202f]\d{3}(?!\d))*")  # noqa: RUF001


def reasons(source: str, translation: str) -> list[str]:
    """The names of all rules that a translation breaks; none for a blank source."""
    if not any(map(_is_text, source)):
        return []
    return [name for name, breaks in RULES.items() if breaks(source, translation)]


def is_empty(source: str, translation: str) -> bool:
    return not any(map(_is_text, translation))


def repeats(source: str, translation: str) -> bool:
    """Whether a word or phrase is said three times in a row, or one of four words twice, or a part
    of a word eight times, and the source does nothing of the kind."""
    if _STUTTER.search(translation) and not _STUTTER.search(source):
        return True
    said = _most_repeated(translation)
    return said > 1 and said > _most_repeated(source)


def copies(source: str, translation: str) -> bool:
    """Whether most of the words are the source's own; a name of a few words is no copy."""
    ours, theirs = (Counter(_letters(text)) for text in (translation, source))
    count = ours.total()
    return count >= _FEW and (ours & theirs).total() >= _COPIED * count


def loses_number(source: str, translation: str) -> bool:
    """Whether a number is missing, however its digits are grouped, or in whatever digits.

    A small one may have been written as a word: it is missing when there is a number instead that
    the source does not have.
    """
    theirs, ours = (_numbers(_ADDRESS.sub(" ", _plain(text))) for text in (source, translation))
    known = {form for number in ours for form in _forms(number)}
    asked = {form for number in theirs for form in _forms(number)}
    invented = any(not _forms(number) & asked for number in ours)
    return any(
        not _found(number, known) and (invented or not _is_small(number)) for number in theirs
    )


def loses_address(source: str, translation: str) -> bool:
    """Whether a URL or an e-mail address is missing."""
    text = _plain(translation).casefold()
    found = (match[0].strip(_AROUND).casefold() for match in _ADDRESS.finditer(_plain(source)))
    return any(address not in text for address in found)


RULES: dict[str, Callable[[str, str], bool]] = {
    "empty": is_empty,
    "repeats": repeats,
    "copies": copies,
    "lost-number": loses_number,
    "lost-url": loses_address,
}


def _is_text(character: str) -> bool:
    return unicodedata.category(character)[0] not in "ZC"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _letters(text: str) -> list[str]:
    """The words without the symbols, in small letters."""
    found = (text[start:end].casefold() for start, end in words(text))
    return [word for word in found if has_letters(word)]


def _most_repeated(text: str) -> int:
    """How often the phrase is said that is repeated most: 1 if there is none."""
    said, most = _letters(text), 1
    for size in range(1, min(_LONGEST_LOOP, len(said) // 2) + 1):
        same = 0  # words that are what stood `size` words before
        for at in range(size, len(said)):
            same = same + 1 if said[at] == said[at - size] else 0
            if same and same % size == 0 and _is_loop(said[at + 1 - size : at + 1], same // size):
                most = max(most, same // size + 1)
    return most


def _is_loop(phrase: list[str], repeated: int) -> bool:
    return (repeated > 1 or len(phrase) >= _PHRASE) and not all(map(str.isdecimal, phrase))


# --- numbers ------------------------------------------------------------------------------------


def _numbers(text: str) -> list[str]:
    return [match[0] for match in _NUMBER.finditer(text)]


def _forms(number: str) -> frozenset[str]:
    """What a number may be found as: all its digits, and each group of them, in ASCII."""
    groups = [_ascii(group) for group in re.findall(r"\d+", number)]
    return frozenset(_short(digits) for digits in ("".join(groups), *groups))


def _found(number: str, known: set[str]) -> bool:
    """1.000 is 1,000 or 1000; 12.05.2020 is 12/05/2020; 3 200 may be a 3 and a 200."""
    groups = [_ascii(group) for group in re.findall(r"\d+", number)]
    return _short("".join(groups)) in known or all(_short(group) in known for group in groups)


def _ascii(digits: str) -> str:
    return "".join(str(unicodedata.decimal(digit)) for digit in digits)


def _short(digits: str) -> str:
    return digits.lstrip("0") or "0"


def _is_small(number: str) -> bool:
    return number.isdecimal() and len(number) <= 2 and int(number) <= _SPELLED_OUT
