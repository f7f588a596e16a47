"""The bundled corpus: it regenerates to the same bytes, its splits are fair, its grammar holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

PHRASEBOOK = Path(__file__).parents[1] / "data" / "phrasebook"
sys.path.append(str(PHRASEBOOK))

import constructions  # noqa: E402
import english  # noqa: E402
import english_order  # noqa: E402
import german  # noqa: E402
import german_order  # noqa: E402
import lexicon  # noqa: E402
from clauses import Clause  # noqa: E402
from german import Case, Concord, Declension, Person, Tense  # noqa: E402
from nominals import ER, SIE_ALL, Indefinite, NounPhrase  # noqa: E402
from sampler import Sampler  # noqa: E402

SIZES = {"train": 15_000, "valid": 600, "test": 600}
LANGUAGES = ("de", "en")
WORD = re.compile(r"\w+(?:['-]\w+)*")


@dataclass(frozen=True)
class Corpus:
    """The checked-in files, line by line."""

    lines: dict[tuple[str, str], list[str]]

    def pairs(self) -> list[tuple[str, str]]:
        columns = (
            [line for split in SIZES for line in self.lines[split, language]]
            for language in LANGUAGES
        )
        return list(zip(*columns, strict=True))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(
        {
            (split, language): (PHRASEBOOK / f"{split}.{language}")
            .read_text(encoding="utf-8")
            .splitlines()
            for split in SIZES
            for language in LANGUAGES
        }
    )


def normalised(line: str) -> str:
    return " ".join(line.casefold().split())


# --- the files -----------------------------------------------------------------------------------


def test_regenerating_gives_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(PHRASEBOOK / "generate.py"), "--out", str(tmp_path)],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
    )
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(f"{split}.{language}" for split in SIZES for language in LANGUAGES)
    for name in names:
        assert (tmp_path / name).read_bytes() == (PHRASEBOOK / name).read_bytes(), name


def test_lines_end_in_line_feeds_alone() -> None:
    for split in SIZES:
        for language in LANGUAGES:
            content = (PHRASEBOOK / f"{split}.{language}").read_bytes()
            assert b"\r" not in content
            assert content.endswith(b"\n")


@pytest.mark.parametrize("split", SIZES)
def test_splits_have_their_sizes_and_are_aligned(corpus: Corpus, split: str) -> None:
    for language in LANGUAGES:
        assert len(corpus.lines[split, language]) == SIZES[split]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_occurs_twice_in_or_across_splits(corpus: Corpus, language: str) -> None:
    counts = Counter(normalised(line) for split in SIZES for line in corpus.lines[split, language])
    assert [line for line, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_training_knows_every_held_out_word(corpus: Corpus, language: str) -> None:
    trained = Counter(WORD.findall(" ".join(corpus.lines["train", language])))
    held_out = [line for split in ("valid", "test") for line in corpus.lines[split, language]]
    rare = {word for line in held_out for word in WORD.findall(line) if trained[word] < 3}
    assert rare == set()


# --- the language --------------------------------------------------------------------------------


def test_every_sentence_is_well_formed(corpus: Corpus) -> None:
    for line in (line for lines in corpus.lines.values() for line in lines):
        assert re.match(r"[A-ZÄÖÜ]", line), line
        assert re.search(r"[.?!]$", line), line
        assert not re.search(r"  | [.,?!]|[,.?!]{2}|,\S", line), line


def test_both_sides_ask_exclaim_and_negate_together(corpus: Corpus) -> None:
    for source, target in corpus.pairs():
        assert source[-1] == target[-1]
        denied = bool(re.search(r"\b([Nn]icht|kein\w*|[Oo]hne|[Nn]iemand)\b", source))
        denied_too = bool(re.search(r"\b(not|cannot|no|without|[Nn]obody)\b", target))
        assert denied == denied_too, (source, target)


def test_english_articles_fit_what_follows(corpus: Corpus) -> None:
    for split in SIZES:
        for line in corpus.lines[split, "en"]:
            assert not re.search(r"\b[Aa] [aeiou]", line), line
            assert not re.search(r"\b[Aa]n [^aeiouh]", line), line


def test_english_is_not_contracted(corpus: Corpus) -> None:
    for split in SIZES:
        assert not re.search(r"n't|'m\b|'re\b|'ll\b", "\n".join(corpus.lines[split, "en"]))


def test_formal_you_never_opens_a_statement(corpus: Corpus) -> None:
    """At the start of a sentence Sie could be she, they or you; the verb must be able to tell."""
    for source, target in corpus.pairs():
        assert not (source.startswith("Sie ") and target.startswith("You ")), source


def test_subordinate_clauses_are_set_off_by_commas(corpus: Corpus) -> None:
    conjunction = r"(dass|weil|obwohl|ob|denn|aber)"
    for split in SIZES:
        for line in corpus.lines[split, "de"]:
            assert not re.search(rf"[^,] {conjunction} ", line), line


@pytest.mark.parametrize(
    ("german_pattern", "english_pattern"),
    [
        (r"^Den \w+ (hat|haben) ", r"^(?!The \w+ \w+ed by)"),
        (r", (der|die|das) .*, (ist|kann)", r" who "),
        (r", (den|die|das) .*, (ist|sind|war)", r" that "),
        (r", weil .* (ist|hat|muss)\.$", r" because "),
        (r", um .* zu \w+\.$", r" to "),
        (r", um .*\wzu\w+en\.$", r" to "),
        (r"^Als .*, \w+te ", r"^When "),
        (r"^Nachdem .* hatten?, ", r"^After .* had "),
        (r"^Falls .*, (wird|werden) ", r"^If .* will "),
        (r"^Während ", r"^While .* (is|are) \w+ing"),
        (r" noch nicht ", r" not .* yet"),
        (r" gern ", r" likes? to "),
        (r" seit ", r" (been|lived|known) "),
        (r" keine? ", r" (not|no|cannot) "),
        (r"um halb ", r"at half past "),
        (r"um Viertel vor ", r"at a quarter to "),
        (r" wurden? .* (gebaut|geputzt|repariert)\.$", r" (was|were) "),
        (r" als deine[rs]?\.$", r" than yours\.$"),
        (r" (gefällt|gefallen) ", r" likes? "),
        (r"^(Nehmen|Machen|Bringen) Sie ", r"^(Please )?"),
        (r"^Welche[nrsm]? ", r"^Which "),
        (r"^In .* gibt es ", r"^There (is|are) "),
        (r"(Euro)\.$", r"euros\.$"),
        (r"Jahre alt\.$", r"years old\.$"),
        (r"^Guten (Morgen|Tag|Abend), ", r"^Good "),
    ],
)
def test_constructions_are_there(corpus: Corpus, german_pattern: str, english_pattern: str) -> None:
    found = [target for source, target in corpus.pairs() if re.search(german_pattern, source)]
    assert len(found) >= 5
    assert any(re.search(english_pattern, target) for target in found)


def test_examples_in_the_readme_are_from_the_corpus(corpus: Corpus) -> None:
    readme = (PHRASEBOOK / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^\| .* \| (.+) — (.+) \|$", readme, flags=re.MULTILINE)
    assert len(examples) > 20
    assert set(examples) <= set(corpus.pairs())


def test_every_construction_makes_sentences() -> None:
    sampler = Sampler(Random(7), lexicon.load())
    for construction in constructions.CONSTRUCTIONS:
        pair = construction.make(sampler)
        assert pair.german[-1] == pair.english[-1]


# --- the grammar behind it -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declension", "table"),
    [
        (Declension.WEAK, "alte alte alte alten|alten alte alte alten|alten alten alten alten"),
        (Declension.MIXED, "alter alte altes alten|alten alte altes alten|alten alten alten alten"),
        (Declension.STRONG, "alter alte altes alte|alten alte altes alte|altem alter altem alten"),
    ],
)
def test_adjective_endings(declension: Declension, table: str) -> None:
    rows = [
        " ".join(german.attributive("alt", declension, case, concord) for concord in Concord)
        for case in (Case.NOMINATIVE, Case.ACCUSATIVE, Case.DATIVE)
    ]
    assert "|".join(rows) == table


@pytest.mark.parametrize(
    ("adjective", "form"), [("teuer", "teuren"), ("dunkel", "dunklen"), ("hoch", "hohen")]
)
def test_adjectives_that_change_their_stem(adjective: str, form: str) -> None:
    weak = german.attributive(adjective, Declension.WEAK, Case.DATIVE, Concord.NEUTER)
    assert weak == form


def test_weak_nouns_and_dative_plurals() -> None:
    nouns = lexicon.load()
    student, child = nouns.noun("Student").german, nouns.noun("Kind").german
    assert [student.decline(case) for case in Case] == ["Student", *["Studenten"] * 3]
    assert child.decline(Case.DATIVE, plural=True) == "Kindern"
    assert child.decline(Case.GENITIVE) == "Kindes"


def test_prepositions_contract_with_plain_articles_only() -> None:
    assert german.contract("in", "dem Garten") == "im Garten"
    assert german.contract("zu", "der Schule") == "zur Schule"
    assert german.contract("in", "diesem Garten") == "in diesem Garten"


def test_separable_verbs_part_and_join() -> None:
    verb = german.Verb.parse("auf|stehen, steht, stand, ist aufgestanden")
    present = german.bracket(verb, Person.IT, Tense.PRESENT)
    perfect = german.bracket(verb, Person.WE, Tense.PERFECT)
    modal = german.bracket(verb, Person.YOU, Tense.PRESENT, modal="müssen")
    assert (present.finite, present.closing, present.final) == ("steht", "auf", "aufsteht")
    assert perfect.final == "aufgestanden sind"
    assert (modal.finite, modal.final) == ("musst", "aufstehen musst")
    assert verb.zu_infinitive == "aufzustehen"


@pytest.mark.parametrize(
    ("entry", "forms"),
    [
        ("lesen, liest, las, hat gelesen", "lese liest liest lesen lest lesen"),
        ("arbeiten, arbeitet, arbeitete, hat x", "arbeite arbeitest arbeitet arbeiten arbeitet"),
        ("laden, lädt, lud, hat geladen", "lade lädst lädt laden ladet laden"),
        ("waschen, wäscht, wusch, hat x", "wasche wäschst wäscht waschen wascht waschen"),
    ],
)
def test_present_tense(entry: str, forms: str) -> None:
    verb = german.Verb.parse(entry)
    assert " ".join(verb.present(person) for person in Person).startswith(forms)


@pytest.mark.parametrize(
    ("entry", "command"),
    [
        ("nehmen, nimmt, nahm, hat genommen", "nimm"),
        ("fahren, fährt, fuhr, ist gefahren", "fahr"),
        ("warten, wartet, wartete, hat gewartet", "warte"),
    ],
)
def test_commands(entry: str, command: str) -> None:
    assert german.Verb.parse(entry).imperative(Person.YOU) == command


def test_one_clause_in_every_order() -> None:
    entries = lexicon.load()
    verb = next(v for v in entries.verbs if v.german.infinitive == "mitnehmen")
    umbrella = NounPhrase(entries.noun("Regenschirm"), Indefinite())
    clause = Clause(ER, verb, object=umbrella)
    assert german_order.main(clause) == "er nimmt einen Regenschirm mit"
    assert german_order.question(clause) == "nimmt er einen Regenschirm mit"
    assert german_order.subordinate(clause, "weil") == "weil er einen Regenschirm mitnimmt"
    assert german_order.infinitive(clause, "um") == "um einen Regenschirm mitzunehmen"
    assert english_order.main(clause) == "he is taking along an umbrella"
    assert english_order.question(clause) == "is he taking along an umbrella"
    assert english_order.infinitive(clause) == "to take along an umbrella"


def test_do_supports_questions_and_not() -> None:
    verb = english.Verb.parse("read, read, read")
    group = english.verb_group(verb, Person.IT, english.Aspect.SIMPLE)
    assert group.main == "reads"
    assert group.with_operator() == english.VerbGroup("does", "read")


def test_plural_pronoun_agrees() -> None:
    assert SIE_ALL.german(Case.DATIVE) == "ihnen"
    assert SIE_ALL.english(objective=True) == "them"


@pytest.mark.parametrize(
    ("value", "german_word", "english_word"),
    [
        (7, "sieben", "seven"),
        (17, "siebzehn", "seventeen"),
        (23, "dreiundzwanzig", "twenty-three"),
        (31, "einunddreißig", "thirty-one"),
        (250, "zweihundertfünfzig", "two hundred and fifty"),
        (1100, "tausendeinhundert", "one thousand one hundred"),
        (3500, "dreitausendfünfhundert", "three thousand five hundred"),
    ],
)
def test_numbers(value: int, german_word: str, english_word: str) -> None:
    assert (german.number(value), english.number(value)) == (german_word, english_word)


@pytest.mark.parametrize(
    ("value", "stem", "english_word"),
    [(3, "dritt", "third"), (12, "zwölft", "twelfth"), (21, "einundzwanzigst", "twenty-first")],
)
def test_ordinals(value: int, stem: str, english_word: str) -> None:
    assert (german.ordinal_stem(value), english.ordinal(value)) == (stem, english_word)


@pytest.mark.parametrize(
    ("hour", "minute", "german_time", "english_time"),
    [
        (1, 0, "ein Uhr", "one o'clock"),
        (7, 30, "halb acht", "half past seven"),
        (12, 30, "halb eins", "half past twelve"),
        (2, 45, "Viertel vor drei", "a quarter to three"),
        (5, 10, "zehn nach fünf", "ten past five"),
        (8, 40, "zwanzig vor neun", "twenty to nine"),
    ],
)
def test_clock_times(hour: int, minute: int, german_time: str, english_time: str) -> None:
    assert german.clock(hour, minute) == german_time
    assert english.clock(hour, minute) == english_time
