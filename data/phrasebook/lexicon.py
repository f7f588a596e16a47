"""The words of the phrasebook: `lexicon.toml` read into German-English pairs.

The file is written as a dictionary is printed, for people to read and extend; here its entries
become objects that both halves of the grammar can inflect.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import english
import german
from german import Case, Concord

LEXICON = Path(__file__).parent / "lexicon.toml"

_GENDERS = {
    "der": Concord.MASCULINE,
    "die": Concord.FEMININE,
    "das": Concord.NEUTER,
}
_NATURAL_PRONOUN = {Concord.MASCULINE: "he", Concord.FEMININE: "she"}


@dataclass(frozen=True)
class Pair:
    """The same words in both languages."""

    german: str
    english: str


@dataclass(frozen=True, eq=False)  # each word exists once
class Noun:
    """A noun; `pronoun` is what English calls one of its kind: he, she, it, or nothing safe."""

    german: german.Noun
    singular: str
    plural: str
    kind: str
    pronoun: str

    @property
    def countable(self) -> bool:
        return bool(self.german.plural)

    @property
    def plural_only(self) -> bool:
        return not self.german.singular

    @property
    def name(self) -> str:
        return self.german.singular or self.german.plural


@dataclass(frozen=True)
class Adjective:
    """An adjective and the kinds of noun it may describe."""

    german: str
    german_comparative: str
    english: str
    english_comparative: str
    kind: str
    predicative: bool


@dataclass(frozen=True, eq=False)  # each word exists once
class Verb:
    """A verb of both languages with what it demands of its subject, objects and surroundings."""

    german: german.Verb
    english: english.Verb
    subject: str
    object: str
    case: Case
    preposition: str
    recipient: str
    complements: tuple[str, ...]
    places: tuple[str, ...]
    manners: tuple[str, ...]
    means: tuple[str, ...]
    aspect: str
    reflexive: bool
    companion: bool
    past: bool
    since: str
    repeatable: bool
    passive: str
    effort: bool
    far: bool
    homely: bool
    willed: bool
    acquires: bool

    @property
    def is_progressive(self) -> bool:
        return self.aspect != "state"

    @property
    def takes_accusative(self) -> bool:
        return self.case is Case.ACCUSATIVE and not self.preposition

    @property
    def takes_effort(self) -> bool:
        """Whether one may be too tired or too busy for it."""
        return self.effort and self.aspect in ("activity", "event")

    @property
    def leaves_result(self) -> bool:
        """Whether one may ask if it has been done yet."""
        bounded = self.aspect == "event" or (self.aspect == "activity" and bool(self.object))
        deliberate = self.effort or not self.object
        return bounded and deliberate and not self.preposition and not self.complements


@dataclass(frozen=True)
class Place:
    """A noun one can be at and go to, with the prepositions both languages use for that."""

    noun: Noun
    kinds: tuple[str, ...]
    at: Pair
    to: Pair
    bare: bool


@dataclass(frozen=True)
class Complement:
    """What completes a verb such as live or go: fixed phrases, or places of some kinds."""

    at: tuple[str, ...]
    to: tuple[str, ...]
    phrases: tuple[Pair, ...]


@dataclass(frozen=True)
class Lexicon:
    """Everything the grammar may say."""

    nouns: Mapping[str, tuple[Noun, ...]]
    adjectives: Mapping[str, tuple[Adjective, ...]]
    verbs: tuple[Verb, ...]
    places: tuple[Place, ...]
    complements: Mapping[str, Complement]
    times: Mapping[str, tuple[Pair, ...]]
    clocked: tuple[str, ...]
    modals: tuple[Pair, ...]
    women: tuple[str, ...]
    men: tuple[str, ...]
    families: tuple[str, ...]
    cities: tuple[Pair, ...]

    def noun(self, name: str) -> Noun:
        return next(noun for noun in self.nouns[name] if noun.name == name)


@cache
def load() -> Lexicon:
    """Read the lexicon that lies beside this module."""
    raw = tomllib.loads(LEXICON.read_text(encoding="utf-8"))
    nouns = _resolved_nouns(raw)
    times, names = dict(raw["adverbials"]), dict(raw["names"])
    return Lexicon(
        nouns=nouns,
        adjectives=_adjectives_by_noun(raw["adjectives"], nouns),
        verbs=tuple(_verb(entry) for entry in raw["verbs"]),
        places=tuple(_place(entry, nouns) for entry in raw["places"]),
        complements={name: _complement(entry) for name, entry in raw["complements"].items()},
        clocked=tuple(times.pop("clocked")),
        times={kind: _pairs(entries) for kind, entries in times.items()},
        modals=_pairs(raw["modals"]),
        cities=_pairs(names.pop("cities")),
        women=tuple(names["women"]),
        men=tuple(names["men"]),
        families=tuple(names["families"]),
    )


def _pairs(entries: Mapping[str, str]) -> tuple[Pair, ...]:
    return tuple(Pair(german, english) for german, english in entries.items())


# --- nouns ---------------------------------------------------------------------------------------


def _resolved_nouns(raw: Mapping[str, Any]) -> dict[str, tuple[Noun, ...]]:
    """Map every kind, group and single noun to the nouns it stands for."""
    by_kind = {
        kind: tuple(_noun(entry, translation, kind) for entry, translation in entries.items())
        for kind, entries in raw["nouns"].items()
    }
    singles = {noun.name: (noun,) for nouns in by_kind.values() for noun in nouns}
    resolved = {**singles, **by_kind}
    for group in raw["groups"]:
        resolved[group] = _members(group, raw["groups"], {**singles, **by_kind})
    return resolved


def _members(
    name: str, groups: Mapping[str, list[str]], known: Mapping[str, tuple[Noun, ...]]
) -> tuple[Noun, ...]:
    if name in known:
        return known[name]
    return tuple(noun for member in groups[name] for noun in _members(member, groups, known))


def _noun(entry: str, translation: str, kind: str) -> Noun:
    german_noun = _german_noun(entry)
    words, _, pronoun = translation.removesuffix(")").partition(" (")
    singular, _, plural = words.partition(", ")
    if not german_noun.singular:
        return Noun(german_noun, "", singular, kind, "they")
    plural = plural or english.plural(singular)
    return Noun(german_noun, singular, plural, kind, pronoun or _pronoun(german_noun, kind))


def _pronoun(noun: german.Noun, kind: str) -> str:
    if kind in ("worker", "grownup", "companion", "kin", "youth"):
        return _NATURAL_PRONOUN.get(noun.gender, "")
    return "it"


def _german_noun(entry: str) -> german.Noun:
    article, _, forms = entry.partition(" ")
    if forms.endswith("(pl)"):
        return german.Noun("", Concord.PLURAL, forms.removesuffix(" (pl)"))
    singular, *others = forms.split(", ")
    oblique = others[0].removeprefix("den ") if len(others) == 2 else ""
    return german.Noun(singular, _GENDERS[article], others[-1] if others else "", oblique)


# --- adjectives, verbs, places -------------------------------------------------------------------


def _adjectives_by_noun(
    groups: list[dict[str, Any]], nouns: Mapping[str, tuple[Noun, ...]]
) -> dict[str, tuple[Adjective, ...]]:
    """List for every noun the adjectives that may describe it."""
    described: dict[str, list[Adjective]] = {}
    for group in groups:
        members = [noun.name for kind in group["of"] for noun in nouns[kind]]
        adjectives = [
            _adjective(word, translation, group) for word, translation in group["words"].items()
        ]
        for name in members:
            described.setdefault(name, []).extend(adjectives)
    return {name: tuple(adjectives) for name, adjectives in described.items()}


def _adjective(entry: str, translation: str, group: Mapping[str, Any]) -> Adjective:
    word, _, comparative = entry.partition(", ")
    english_word, _, english_comparative = translation.partition(", ")
    return Adjective(
        german=word,
        german_comparative=comparative or german.adjective_stem(word) + "er",
        english=english_word,
        english_comparative=english_comparative or f"more {english_word}",
        kind=group["kind"],
        predicative=group.get("predicative", False),
    )


def _verb(entry: Mapping[str, Any]) -> Verb:
    preposition, _, case = entry.get("case", "acc").rpartition(" ")
    return Verb(
        german=german.Verb.parse(entry["de"]),
        english=english.Verb.parse(entry["en"]),
        subject=entry.get("subject", "person"),
        object=entry.get("object", ""),
        case=Case.DATIVE if case == "dat" else Case.ACCUSATIVE,
        preposition=preposition,
        recipient=entry.get("recipient", ""),
        complements=tuple(entry.get("complement", ())),
        places=tuple(entry.get("at", ())),
        manners=tuple(entry.get("manner", ())),
        means=tuple(entry.get("means", ())),
        aspect=entry.get("aspect", "activity"),
        reflexive=entry.get("reflexive", False),
        companion=entry.get("with", False),
        past=entry.get("past", True),
        since=entry.get("since", ""),
        repeatable=entry.get("repeatable", True),
        passive=entry.get("passive", ""),
        effort=entry.get("effort", True),
        far=entry.get("far", False),
        homely=entry.get("homely", False),
        willed=entry.get("willed", True),
        acquires=entry.get("acquires", False),
    )


def _place(entry: Mapping[str, Any], nouns: Mapping[str, tuple[Noun, ...]]) -> Place:
    (noun,) = nouns[entry["noun"]]
    at, to = (Pair(*entry[key].split(" = ")) for key in ("at", "to"))
    return Place(noun, tuple(entry["kinds"]), at, to, entry.get("bare", False))


def _complement(entry: Mapping[str, Any]) -> Complement:
    return Complement(
        tuple(entry.get("at", ())), tuple(entry.get("to", ())), _pairs(entry.get("phrases", {}))
    )
