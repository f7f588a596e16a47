"""English inflection: the English half of every sentence gets its forms from here.

British spelling throughout, and no contractions (`do not`, never `don't`), so that each German
form has one English form. Nothing in this module knows about German.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from german import Person, words


class Aspect(Enum):
    """The English tenses of the corpus, named as a learner's grammar names them."""

    SIMPLE = "he reads"
    PROGRESSIVE = "he is reading"
    PAST = "he read"
    FUTURE = "he will read"
    PERFECT = "he has read"
    PERFECT_PROGRESSIVE = "he has been reading"
    PLUPERFECT = "he had read"


PRONOUNS = {
    "I": "I me my",
    "you": "you you your",
    "he": "he him his",
    "she": "she her her",
    "it": "it it its",
    "we": "we us our",
    "they": "they them their",
    "who": "who who whose",
}
_VOWEL_EXCEPTIONS = {"university": "a", "uniform": "a", "useful": "a", "honest": "an", "hour": "an"}
_DOUBLING_EXCEPTIONS = ("forget", "begin")
_BE_PRESENT = ("am", "are", "is", "are", "are", "are")
_BE_PAST = ("was", "were", "was", "were", "were", "were")


# --- words ---------------------------------------------------------------------------------------


def indefinite(phrase: str) -> str:
    """Put the right indefinite article before a phrase: `an old book`, `a university`."""
    first = phrase.split(maxsplit=1)[0]
    regular = "an" if first[0].lower() in "aeiou" else "a"
    return f"{_VOWEL_EXCEPTIONS.get(first, regular)} {phrase}"


def plural(noun: str) -> str:
    """Form a regular plural; the lexicon lists the irregular ones."""
    return _with_s(noun)


def possessive(noun_phrase: str, is_plural: bool = False) -> str:
    """Form the genitive: `my father's`, `my parents'`, `the children's`."""
    return noun_phrase + ("'" if is_plural and noun_phrase.endswith("s") else "'s")


def _with_s(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")


# --- verbs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verb:
    """A verb by its principal parts.

    `tail` stays with the verb (look FOR a key); `particle` follows the object (put a coat ON).
    """

    base: str
    past: str
    participle: str
    tail: str = ""
    particle: str = ""

    @classmethod
    def parse(cls, entry: str) -> Verb:
        """Read `pick|up`, `look for`, or principal parts as in `take, took, taken`."""
        infinitive, *parts = entry.split(", ")
        infinitive, _, particle = infinitive.partition("|")
        base, _, tail = infinitive.partition(" ")
        past, participle = parts if parts else (regular_past(base), regular_past(base))
        return cls(base, past, participle, tail, particle)

    @property
    def third(self) -> str:
        return "has" if self.base == "have" else _with_s(self.base)

    @property
    def progressive(self) -> str:
        if self.base.endswith("ie"):
            return self.base[:-2] + "ying"
        if self.base.endswith("e") and not self.base.endswith(("ee", "be")):
            return self.base[:-1] + "ing"
        return _doubled(self.base) + "ing"


BE = Verb("be", "was", "been")


def regular_past(base: str) -> str:
    if base.endswith("e"):
        return base + "d"
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ied"
    return _doubled(base) + "ed"


def _doubled(base: str) -> str:
    """Double the final consonant of a stressed short syllable: sit -> sitt, open -> open."""
    if base in _DOUBLING_EXCEPTIONS:
        return base + base[-1]
    vowels = [letter in "aeiou" for letter in base]
    short = len(base) >= 3 and vowels[-3:] == [False, True, False] and sum(vowels) == 1
    return base + base[-1] if short and base[-1] not in "wxy" else base


@dataclass(frozen=True)
class VerbGroup:
    """An English verb group: `operator` moves and carries `not`, `main` stays.

    A simple tense has no operator until it is negated or inverted; `supported` is then the
    version with do.
    """

    operator: str
    main: str
    supported: tuple[str, str] = ("", "")

    def with_operator(self) -> VerbGroup:
        return self if self.operator else VerbGroup(*self.supported)

    def followed_by(self, words: str) -> VerbGroup:
        """Append words to the main part, in the do-supported version too."""
        do, bare = self.supported
        longer = replace(self, main=_join(self.main, words))
        return replace(longer, supported=(do, _join(bare, words))) if do else longer


def verb_group(verb: Verb, person: Person, aspect: Aspect) -> VerbGroup:
    """Conjugate a verb: `is reading`, `has been reading`, `reads` (or `does read`)."""
    match aspect:
        case Aspect.SIMPLE | Aspect.PAST:
            group = _simple(verb, person, aspect is Aspect.PAST)
        case Aspect.PROGRESSIVE:
            group = VerbGroup(_BE_PRESENT[person.value], verb.progressive)
        case Aspect.FUTURE:
            group = VerbGroup("will", verb.base)
        case Aspect.PERFECT:
            group = VerbGroup(_have(person), verb.participle)
        case Aspect.PERFECT_PROGRESSIVE:
            group = VerbGroup(_have(person), f"been {verb.progressive}")
        case Aspect.PLUPERFECT:
            group = VerbGroup("had", verb.participle)
    return group.followed_by(verb.tail)


def _simple(verb: Verb, person: Person, past: bool) -> VerbGroup:
    if verb.base == "be":
        return VerbGroup((_BE_PAST if past else _BE_PRESENT)[person.value], "")
    if past:
        return VerbGroup("", verb.past, ("did", verb.base))
    if person is Person.IT:
        return VerbGroup("", verb.third, ("does", verb.base))
    return VerbGroup("", verb.base, ("do", verb.base))


def _have(person: Person) -> str:
    return "has" if person is Person.IT else "have"


def passive_group(verb: Verb, person: Person, aspect: Aspect) -> VerbGroup:
    """Conjugate a passive: `is being built`, `was built`."""
    return verb_group(BE, person, aspect).followed_by(_join(verb.participle, verb.tail))


def modal_group(modal: str, verb: Verb, person: Person, past: bool) -> VerbGroup:
    """Conjugate the English counterpart of a German modal verb with its infinitive."""
    infinitive = _join(verb.base, verb.tail)
    match modal:
        case "can":
            able = _simple(BE, person, past).followed_by(f"able to {infinitive}")
            return able if past else VerbGroup("can", infinitive)
        case "should":
            return VerbGroup("should", infinitive)
        case "would like to":
            return VerbGroup("would", f"like to {infinitive}")
        case "be allowed to":
            return _simple(BE, person, past).followed_by(f"allowed to {infinitive}")
    head = Verb.parse("have, had, had") if modal == "have to" else Verb.parse(modal.split()[0])
    return _simple(head, person, past).followed_by(f"to {infinitive}")


def _join(*words: str) -> str:
    return " ".join(word for word in words if word)


# --- numbers and times ---------------------------------------------------------------------------

_UNITS = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = words("- - twenty thirty forty fifty sixty seventy eighty ninety")
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def number(value: int) -> str:
    """Write out a number below ten thousand: 23 -> twenty-three, 250 -> two hundred and fifty."""
    if value < 20:
        return _UNITS[value]
    if value < 100:
        tens, unit = divmod(value, 10)
        return f"{_TENS[tens]}-{_UNITS[unit]}" if unit else _TENS[tens]
    size, word = (100, "hundred") if value < 1000 else (1000, "thousand")
    count, rest = divmod(value, size)
    link = " and" if 0 < rest < 100 else ""
    return f"{_UNITS[count]} {word}" + (f"{link} {number(rest)}" if rest else "")


def ordinal(value: int) -> str:
    """Write out an ordinal: 3 -> third, 21 -> twenty-first."""
    words = number(value)
    start, hyphen, last = words.rpartition("-")
    if last in _IRREGULAR_ORDINALS:
        return start + hyphen + _IRREGULAR_ORDINALS[last]
    return words[:-1] + "ieth" if words.endswith("y") else words + "th"


def clock(hour: int, minute: int) -> str:
    """Tell the time: (7, 30) -> half past seven, (2, 45) -> a quarter to three."""
    if minute == 0:
        return f"{_UNITS[hour]} o'clock"
    if minute <= 30:
        return f"{_minutes(minute)} past {_UNITS[hour]}"
    return f"{_minutes(60 - minute)} to {_UNITS[hour % 12 + 1]}"


def _minutes(count: int) -> str:
    return {15: "a quarter", 30: "half"}.get(count) or number(count)
