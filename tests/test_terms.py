"""Which terms a line calls for."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt.errors import CorpusError
from nmt.terms import Term, Terminology, without_repeats


def test_terms_are_whole_words_and_the_longest() -> None:
    rows = [("New York", "NY"), ("New", "neu"), ("York", "Y"), ("東京", "Tokio"), ("C++", "C++")]
    terms = Terminology(rows)

    def found(line: str) -> list[str]:
        return [term.source for term in terms.of(line)]

    assert found("New York, New Jersey and York.") == ["New York", "New", "York"]
    assert found("News of Yorkshire, new york") == []
    assert found("我在東京了") == ["東京"]
    assert found("C++, not C+") == ["C++"]
    assert found("") == []
    assert found("New") == ["New"]


def test_what_another_term_holds_anyway_is_not_asked_for_twice() -> None:
    terms = [Term("a", ("York",)), Term("b", ("New York",)), Term("c", ("York", "Paris"))]
    assert without_repeats(terms) == [terms[1]]
    either = [Term("a", ("York",)), Term("b", ("New York", "Paris"))]
    assert without_repeats(either) == either
    assert len(without_repeats([Term("a", ("x",)), Term("b", ("x",))])) == 1


def test_a_file_of_terms(tmp_path: Path) -> None:
    file = tmp_path / "terms.tsv"
    file.write_text("Haus\thouse\n\nHaus\tbuilding\nTor \t gate\n", encoding="utf-8")
    terms = Terminology.read(file).terms
    assert terms == {"Haus": Term("Haus", ("house", "building")), "Tor": Term("Tor", ("gate",))}
    for line in ("Haus", "\thouse", "a\tb\tc"):
        file.write_text(f"Tor\tgate\n{line}\n", encoding="utf-8")
        with pytest.raises(CorpusError, match=r"terms.tsv:2: is no pair of terms"):
            Terminology.read(file)
