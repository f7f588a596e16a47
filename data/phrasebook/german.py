"""German inflection, as a school grammar sets it out in tables.

The phrasebook must not contain a wrong ending, so every ending comes from here: the tables are
the ones a learner memorises, and each function reads one of them. Nothing in this module knows
about English, or about which words exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


def words(text: str) -> tuple[str, ...]:
    """Write a list of words as one would say it."""
    return tuple(text.split())


class Case(Enum):
    """The row of a declension table."""

    NOMINATIVE = 0
    ACCUSATIVE = 1
    DATIVE = 2
    GENITIVE = 3


class Concord(Enum):
    """The column of a declension table: a gender in the singular, or the genderless plural."""

    MASCULINE = 0
    FEMININE = 1
    NEUTER = 2
    PLURAL = 3


class Declension(Enum):
    """How much the adjective must show, given what the word before it has shown already."""

    WEAK = "after der, dieser, jeder, welcher"
    MIXED = "after ein, kein, mein"
    STRONG = "after no article, a numeral or a name"


class Tense(Enum):
    """The tenses of the corpus, by their German names."""

    PRESENT = "Präsens"
    PRETERITE = "Präteritum"
    PERFECT = "Perfekt"
    PLUPERFECT = "Plusquamperfekt"
    FUTURE = "Futur"


class Person(Enum):
    """The slot of a conjugation table; the formal Sie conjugates as THEY."""

    I = 0  # noqa: E741
    YOU = 1
    IT = 2
    WE = 3
    YOU_ALL = 4
    THEY = 5


PRONOUNS = {
    "ich": "ich mich mir mein",
    "du": "du dich dir dein",
    "er": "er ihn ihm sein",
    "sie": "sie sie ihr ihr",
    "es": "es es ihm sein",
    "wir": "wir uns uns unser",
    "ihr": "ihr euch euch euer",
    "sie (pl)": "sie sie ihnen ihr",
    "Sie": "Sie Sie Ihnen Ihr",
    "wer": "wer wen wem wessen",
}
REFLEXIVE = ("mich", "dich", "sich", "uns", "euch", "sich")

_DER = """der die das die
          den die das die
          dem der dem den
          des der des der"""
_RELATIVE = """der die das die
               den die das die
               dem der dem denen
               dessen deren dessen deren"""
_EIN_ENDINGS = """- e - e
                  en e - e
                  em er em en
                  es er es er"""
_DIESER_ENDINGS = """er e es e
                     en e es e
                     em er em en
                     es er es er"""
_ADJECTIVE_ENDINGS = {
    Declension.WEAK: """e e e en
                        en e e en
                        en en en en
                        en en en en""",
    Declension.MIXED: """er e es en
                         en e es en
                         en en en en
                         en en en en""",
    Declension.STRONG: """er e es e
                          en e es e
                          em er em en
                          en er en er""",
}
_CONTRACTIONS = {
    "in dem": "im",
    "in das": "ins",
    "an dem": "am",
    "an das": "ans",
    "zu dem": "zum",
    "zu der": "zur",
    "von dem": "vom",
    "bei dem": "beim",
}
_IRREGULAR_PRESENT = {
    "sein": "bin bist ist sind seid sind",
    "werden": "werde wirst wird werden werdet werden",
}


def _cell(table: str, case: Case, concord: Concord) -> str:
    entry = table.splitlines()[case.value].split()[concord.value]
    return "" if entry == "-" else entry


# --- articles, adjectives, nouns -----------------------------------------------------------------


def definite_article(case: Case, concord: Concord) -> str:
    return _cell(_DER, case, concord)


def relative_pronoun(case: Case, concord: Concord) -> str:
    return _cell(_RELATIVE, case, concord)


def ein_word(stem: str, case: Case, concord: Concord) -> str:
    """Inflect ein, kein or a possessive: `mein` + masculine dative -> `meinem`."""
    ending = _cell(_EIN_ENDINGS, case, concord)
    return (stem.replace("euer", "eur") if ending else stem) + ending


def dieser_word(stem: str, case: Case, concord: Concord) -> str:
    """Inflect dies-, jed- or welch-."""
    return stem + _cell(_DIESER_ENDINGS, case, concord)


def attributive(adjective: str, declension: Declension, case: Case, concord: Concord) -> str:
    """Inflect an adjective before its noun: `alt`, mixed masculine nominative -> `alter`."""
    return adjective_stem(adjective) + _cell(_ADJECTIVE_ENDINGS[declension], case, concord)


def adjective_stem(adjective: str) -> str:
    """Return the form that takes endings: dunkel -> dunkl-, teuer -> teur-, hoch -> hoh-."""
    if adjective == "hoch":
        return "hoh"
    if adjective.endswith(("el", "auer", "euer")):
        return adjective[:-2] + adjective[-1]
    return adjective.removesuffix("e")


@dataclass(frozen=True)
class Noun:
    """A noun as a dictionary lists it; `oblique` is the singular of the weak nouns off nominative.

    A noun without a plural is uncountable; a noun without a singular is always plural.
    """

    singular: str
    gender: Concord
    plural: str = ""
    oblique: str = ""

    def concord(self, plural: bool) -> Concord:
        return Concord.PLURAL if plural else self.gender

    def decline(self, case: Case, plural: bool = False) -> str:
        if plural:
            return self._decline_plural(case)
        if self.oblique and case is not Case.NOMINATIVE:
            return self.oblique
        if case is Case.GENITIVE and self.gender is not Concord.FEMININE:
            return self.singular + _genitive_ending(self.singular)
        return self.singular

    def _decline_plural(self, case: Case) -> str:
        takes_n = case is Case.DATIVE and not self.plural.endswith(("n", "s"))
        return self.plural + ("n" if takes_n else "")


def _genitive_ending(noun: str) -> str:
    """Choose between -s and -es: monosyllables and sibilants take -es."""
    vowels = "aeiouyäöü"
    syllables = sum(
        letter in vowels and (index == 0 or noun.lower()[index - 1] not in vowels)
        for index, letter in enumerate(noun.lower())
    )
    return "es" if syllables == 1 or noun.endswith(("s", "ß", "z", "x", "sch")) else "s"


def contract(preposition: str, noun_phrase: str) -> str:
    """Put a preposition before a definite noun phrase, merging as speech does: in dem -> im."""
    article, _, rest = noun_phrase.partition(" ")
    merged = _CONTRACTIONS.get(f"{preposition} {article}")
    return f"{merged} {rest}" if merged else f"{preposition} {noun_phrase}"


# --- verbs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verb:
    """A verb by its principal parts: aufstehen, steht auf, stand auf, ist aufgestanden."""

    base: str
    third: str
    past: str
    participle: str
    auxiliary: str
    prefix: str = ""

    @classmethod
    def parse(cls, entry: str) -> Verb:
        """Read a dictionary entry such as `auf|stehen, steht, stand, ist aufgestanden`."""
        infinitive, third, past, perfect = entry.split(", ")
        prefix, _, base = infinitive.rpartition("|")
        auxiliary, participle = perfect.split(" ")
        return cls(base, third, past, participle, "sein" if auxiliary == "ist" else "haben", prefix)

    @property
    def infinitive(self) -> str:
        return self.prefix + self.base

    @property
    def zu_infinitive(self) -> str:
        return f"{self.prefix}zu{self.base}" if self.prefix else f"zu {self.base}"

    @property
    def stem(self) -> str:
        return self.base[:-1] if self.base.endswith(("eln", "ern")) else self.base[:-2]

    def present(self, person: Person) -> str:
        """Return the present form without the separable prefix."""
        if self.base in _IRREGULAR_PRESENT:
            return _IRREGULAR_PRESENT[self.base].split()[person.value]
        forms = {
            Person.I: self._first_person(),
            Person.YOU: self._second_person(),
            Person.IT: self.third,
            Person.YOU_ALL: self._second_person_plural(),
        }
        return forms.get(person, self.base)

    def _first_person(self) -> str:
        if not self.third.endswith("t"):  # the modals and wissen: ich kann, er kann
            return self.third
        return (self.stem[:-2] + "l" if self.base.endswith("eln") else self.stem) + "e"

    def _second_person(self) -> str:
        root = self.third.removesuffix("t")
        return root + ("t" if root.endswith(("s", "ß", "z", "x")) else "st")

    def _second_person_plural(self) -> str:
        needs_e = self.third.endswith("et") or self.stem.endswith(("t", "d"))
        return self.stem + ("et" if needs_e else "t")

    def preterite(self, person: Person) -> str:
        """Return the preterite form without the separable prefix."""
        weak = self.past.endswith("te") or self.past == "wurde"
        endings = {
            Person.YOU: "st",
            Person.YOU_ALL: "t",
            Person.WE: "n" if weak else "en",
            Person.THEY: "n" if weak else "en",
        }
        return self.past + endings.get(person, "")

    def imperative(self, person: Person) -> str:
        """Return the command form: the du-form is the third person less its -t and its umlaut."""
        if person is Person.THEY:
            return f"{self.base} Sie"
        if person is Person.YOU_ALL:
            return self._second_person_plural()
        root = self.third.removesuffix("t")
        if "ä" in root and "ä" not in self.stem:
            root = self.stem
        return root + ("e" if root.endswith(("t", "d")) else "")


SEIN = Verb("sein", "ist", "war", "gewesen", "sein")
HABEN = Verb("haben", "hat", "hatte", "gehabt", "haben")
WERDEN = Verb("werden", "wird", "wurde", "geworden", "sein")
_AUXILIARIES = {"sein": SEIN, "haben": HABEN}

MODALS = {
    "können": Verb("können", "kann", "konnte", "gekonnt", "haben"),
    "müssen": Verb("müssen", "muss", "musste", "gemusst", "haben"),
    "wollen": Verb("wollen", "will", "wollte", "gewollt", "haben"),
    "dürfen": Verb("dürfen", "darf", "durfte", "gedurft", "haben"),
    "sollen": Verb("sollen", "soll", "sollte", "gesollt", "haben"),
    "möchten": Verb("möchten", "möchte", "wollte", "gemocht", "haben"),
}


@dataclass(frozen=True)
class Bracket:
    """The two ends of the German verb bracket, and both together as a final clause closes."""

    finite: str
    closing: str
    final: str


def bracket(
    verb: Verb, person: Person, tense: Tense, modal: str = "", passive: bool = False
) -> Bracket:
    """Conjugate a verb: `steht … auf`, `ist … aufgestanden`, `will … aufstehen`."""
    if modal:
        return _closed(_simple(MODALS[modal], person, tense), verb.infinitive)
    if passive:
        return _closed(_simple(WERDEN, person, tense), verb.participle)
    if tense is Tense.FUTURE:
        return _closed(WERDEN.present(person), verb.infinitive)
    if tense in (Tense.PERFECT, Tense.PLUPERFECT):
        auxiliary_tense = Tense.PRESENT if tense is Tense.PERFECT else Tense.PRETERITE
        return _closed(
            _simple(_AUXILIARIES[verb.auxiliary], person, auxiliary_tense), verb.participle
        )
    finite = _simple(verb, person, tense)
    return Bracket(finite, verb.prefix, verb.prefix + finite)


def _simple(verb: Verb, person: Person, tense: Tense) -> str:
    return verb.preterite(person) if tense is Tense.PRETERITE else verb.present(person)


def _closed(finite: str, closing: str) -> Bracket:
    return Bracket(finite, closing, f"{closing} {finite}")


# --- numbers and times ---------------------------------------------------------------------------

_UNITS = words(
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn "
    "fünfzehn sechzehn siebzehn achtzehn neunzehn"
)
_TENS = words("- - zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig")
_IRREGULAR_ORDINALS = {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}


def number(value: int) -> str:
    """Write out a number below ten thousand: 23 -> dreiundzwanzig."""
    if value < 20:
        return _UNITS[value]
    if value < 100:
        tens, unit = divmod(value, 10)
        return f"{_combining(unit)}und{_TENS[tens]}" if unit else _TENS[tens]
    size, word = (100, "hundert") if value < 1000 else (1000, "tausend")
    count, rest = divmod(value, size)
    return (_UNITS[count] if count > 1 else "") + word + _rest_of_number(rest)


def _rest_of_number(rest: int) -> str:
    if not rest:
        return ""
    return ("ein" if 100 <= rest < 200 else "") + number(rest)


def _combining(unit: int) -> str:
    return "ein" if unit == 1 else _UNITS[unit]


def ordinal_stem(value: int) -> str:
    """Return the stem that takes adjective endings: 3 -> dritt-, 20 -> zwanzigst-."""
    if value in _IRREGULAR_ORDINALS:
        return _IRREGULAR_ORDINALS[value]
    return number(value) + ("t" if value < 20 else "st")


def clock(hour: int, minute: int) -> str:
    """Tell the time: (7, 30) -> halb acht, (2, 45) -> Viertel vor drei."""
    following = _UNITS[hour % 12 + 1]
    if minute == 0:
        return "ein Uhr" if hour == 1 else f"{_UNITS[hour]} Uhr"
    if minute == 30:
        return f"halb {following}"
    if minute < 30:
        return f"{_minutes(minute)} nach {_UNITS[hour]}"
    return f"{_minutes(60 - minute)} vor {following}"


def _minutes(count: int) -> str:
    return "Viertel" if count == 15 else _UNITS[count] if count < 20 else _TENS[2]
