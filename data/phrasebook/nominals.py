"""Noun phrases that know both their halves.

A nominal gives its German form for each case and its English form for subject or object, so a
clause never has to ask what it contains: a pronoun, a name, or an article, adjectives and a noun
with a relative clause behind it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import english
import german
from german import Case, Concord, Declension, Person
from lexicon import Adjective, Noun, Pair


def join(*words: str) -> str:
    """Put a space between the words that are there."""
    return " ".join(word for word in words if word)


class Nominal(ABC):
    """Whatever can be a subject or an object."""

    pronominal = False
    relative: Pair | None = None

    @property
    def definite(self) -> bool:
        return True

    @property
    @abstractmethod
    def person(self) -> Person:
        """The German person the verb agrees with."""

    @property
    def english_person(self) -> Person:
        return self.person

    @property
    @abstractmethod
    def pronoun(self) -> Pronoun | None:
        """The pronoun that can stand for it, where both languages have a clear one."""

    @abstractmethod
    def german(self, case: Case) -> str:
        """The German form, without its relative clause."""

    @abstractmethod
    def english(self, objective: bool = False) -> str:
        """The English form, with its relative clause."""


# --- pronouns and names --------------------------------------------------------------------------


@dataclass(frozen=True)
class Pronoun(Nominal):
    """A personal pronoun, by its nominatives and its two persons."""

    german_name: str
    english_name: str
    german_person: Person
    translated_person: Person
    pronominal = True

    @property
    def person(self) -> Person:
        return self.german_person

    @property
    def english_person(self) -> Person:
        return self.translated_person

    @property
    def pronoun(self) -> Pronoun | None:
        return None if self.english_name == "who" else self

    def german(self, case: Case) -> str:
        return german.PRONOUNS[self.german_name].split()[case.value]

    def english(self, objective: bool = False) -> str:
        return english.PRONOUNS[self.english_name].split()[objective]

    @property
    def reflexive(self) -> str:
        return german.REFLEXIVE[self.german_person.value]


ICH = Pronoun("ich", "I", Person.I, Person.I)
DU = Pronoun("du", "you", Person.YOU, Person.YOU)
ER = Pronoun("er", "he", Person.IT, Person.IT)
SIE = Pronoun("sie", "she", Person.IT, Person.IT)
ES = Pronoun("es", "it", Person.IT, Person.IT)
WIR = Pronoun("wir", "we", Person.WE, Person.WE)
IHR = Pronoun("ihr", "you", Person.YOU_ALL, Person.YOU_ALL)
SIE_ALL = Pronoun("sie (pl)", "they", Person.THEY, Person.THEY)
FORMAL = Pronoun("Sie", "you", Person.THEY, Person.YOU)
WER = Pronoun("wer", "who", Person.IT, Person.IT)

_PRONOUN_BY_CONCORD = {
    Concord.MASCULINE: "er",
    Concord.FEMININE: "sie",
    Concord.NEUTER: "es",
}


@dataclass(frozen=True)
class Name(Nominal):
    """A person's name, with or without Herr and Frau."""

    name: str
    female: bool
    title: bool = False

    @property
    def person(self) -> Person:
        return Person.IT

    @property
    def pronoun(self) -> Pronoun:
        return SIE if self.female else ER

    def german(self, case: Case) -> str:
        if not self.title:
            return self.name
        man = "Herr" if case is Case.NOMINATIVE else "Herrn"
        return f"{'Frau' if self.female else man} {self.name}"

    def english(self, objective: bool = False) -> str:
        return join(("Mrs" if self.female else "Mr") if self.title else "", self.name)


@dataclass(frozen=True)
class Coordination(Nominal):
    """Two nominals joined by und."""

    first: Nominal
    second: Nominal

    @property
    def person(self) -> Person:
        return Person.THEY

    @property
    def pronoun(self) -> Pronoun:
        return SIE_ALL

    def german(self, case: Case) -> str:
        return f"{self.first.german(case)} und {self.second.german(case)}"

    def english(self, objective: bool = False) -> str:
        return f"{self.first.english(objective)} and {self.second.english(objective)}"


# --- determiners ---------------------------------------------------------------------------------


class Determiner(ABC):
    """What stands before adjectives and noun, and decides how the adjectives end."""

    declension = Declension.WEAK
    definite = True

    @abstractmethod
    def german(self, case: Case, concord: Concord) -> str:
        """The German word, which may be empty."""

    @abstractmethod
    def english(self, rest: str, plural: bool) -> str:
        """The English phrase: the word put before `rest`."""

    def german_after(self) -> str:
        """Whatever German puts behind the noun instead."""
        return ""


class Definite(Determiner):
    """der Tisch, the table."""

    def german(self, case: Case, concord: Concord) -> str:
        return german.definite_article(case, concord)

    def english(self, rest: str, plural: bool) -> str:
        return f"the {rest}"


class Indefinite(Determiner):
    """ein Tisch, a table; singular only."""

    declension = Declension.MIXED
    definite = False

    def german(self, case: Case, concord: Concord) -> str:
        return german.ein_word("ein", case, concord)

    def english(self, rest: str, plural: bool) -> str:
        return english.indefinite(rest)


class Bare(Determiner):
    """Tische, tables; and what cannot be counted: Brot, bread."""

    declension = Declension.STRONG
    definite = False

    def german(self, case: Case, concord: Concord) -> str:
        return ""

    def english(self, rest: str, plural: bool) -> str:
        return rest


@dataclass(frozen=True)
class Negative(Determiner):
    """kein Tisch, (not) a table; keine Tische, (not) any tables."""

    countable: bool = True
    declension = Declension.MIXED
    definite = False

    def german(self, case: Case, concord: Concord) -> str:
        return german.ein_word("kein", case, concord)

    def english(self, rest: str, plural: bool) -> str:
        return english.indefinite(rest) if self.countable and not plural else f"any {rest}"


class Demonstrative(Determiner):
    """dieser Tisch, this table."""

    def german(self, case: Case, concord: Concord) -> str:
        return german.dieser_word("dies", case, concord)

    def english(self, rest: str, plural: bool) -> str:
        return f"{'these' if plural else 'this'} {rest}"


@dataclass(frozen=True)
class Possessive(Determiner):
    """mein Tisch, my table."""

    owner: Pronoun
    declension = Declension.MIXED

    def german(self, case: Case, concord: Concord) -> str:
        stem = german.PRONOUNS[self.owner.german_name].split()[3]
        return german.ein_word(stem, case, concord)

    def english(self, rest: str, plural: bool) -> str:
        return f"{english.PRONOUNS[self.owner.english_name].split()[2]} {rest}"


@dataclass(frozen=True)
class Quantity(Determiner):
    """zwei, viele or einige Tische; `inflected` says whether the German word takes endings."""

    words: Pair
    inflected: bool
    declension = Declension.STRONG
    definite = False

    def german(self, case: Case, concord: Concord) -> str:
        stem = self.words.german
        return german.dieser_word(stem, case, concord) if self.inflected else stem

    def english(self, rest: str, plural: bool) -> str:
        return f"{self.words.english} {rest}"


@dataclass(frozen=True)
class Genitive(Determiner):
    """das Auto meines Vaters, my father's car."""

    possessor: NounPhrase

    def german(self, case: Case, concord: Concord) -> str:
        return german.definite_article(case, concord)

    def german_after(self) -> str:
        return self.possessor.german(Case.GENITIVE)

    def english(self, rest: str, plural: bool) -> str:
        possessor = self.possessor
        return f"{english.possessive(possessor.english(), possessor.plural)} {rest}"


@dataclass(frozen=True)
class NamedOwner(Determiner):
    """Annas Auto, Anna's car."""

    name: str
    declension = Declension.STRONG

    def german(self, case: Case, concord: Concord) -> str:
        return f"{self.name}s"

    def english(self, rest: str, plural: bool) -> str:
        return f"{self.name}'s {rest}"


# --- noun phrases --------------------------------------------------------------------------------


@dataclass(frozen=True)
class NounPhrase(Nominal):
    """A determiner, adjectives, a noun, and perhaps a relative clause."""

    noun: Noun
    determiner: Determiner
    plural: bool = False
    adjectives: tuple[Adjective, ...] = ()
    relative: Pair | None = None

    @property
    def definite(self) -> bool:
        return self.determiner.definite

    @property
    def concord(self) -> Concord:
        return self.noun.german.concord(self.plural)

    @property
    def person(self) -> Person:
        return Person.THEY if self.plural else Person.IT

    @property
    def pronoun(self) -> Pronoun | None:
        if self.plural:
            return SIE_ALL
        if not self.noun.pronoun:
            return None
        german_name = _PRONOUN_BY_CONCORD[self.concord]
        return Pronoun(german_name, self.noun.pronoun, Person.IT, Person.IT)

    def german(self, case: Case) -> str:
        declension, concord = self.determiner.declension, self.concord
        adjectives = [
            german.attributive(adjective.german, declension, case, concord)
            for adjective in self.adjectives
        ]
        return join(
            self.determiner.german(case, concord),
            *adjectives,
            self.noun.german.decline(case, self.plural),
            self.determiner.german_after(),
        )

    def english(self, objective: bool = False) -> str:
        noun = self.noun.plural if self.plural else self.noun.singular
        words = join(*(adjective.english for adjective in self.adjectives), noun)
        phrase = self.determiner.english(words, self.plural)
        return join(phrase, self.relative.english) if self.relative else phrase


def prepositional(preposition: Pair, nominal: Nominal, case: Case) -> Pair:
    """Put a preposition before a nominal, contracting where German does: im Garten."""
    phrase = nominal.german(case)
    plain_article = isinstance(nominal, NounPhrase) and isinstance(nominal.determiner, Definite)
    if plain_article and nominal.relative is None:
        phrase = german.contract(preposition.german, phrase)
    else:
        phrase = f"{preposition.german} {phrase}"
    return Pair(phrase, join(preposition.english, nominal.english(objective=True)))
