"""Marks on translations: every rule with what breaks it and what must not, in several scripts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.suspect import copies, loses_address, loses_number, reasons, repeats


@pytest.mark.parametrize(
    "text",
    [
        "a man is is is there",
        "in the park in the park in the park",
        "'s 's 's",
        "a man walks the dog, a man walks the dog",
        "我我我",
        "the year 800000000000",
        "blablablablablablablablabla",
        "на улице на улице на улице",
        "घर घर घर",
        "يمشي يمشي يمشي",
    ],
)
def test_what_is_said_again_and_again(text: str) -> None:
    assert repeats("Ein Mann geht spazieren.", text)
    assert not repeats(text, text)  # the source says it as often


@pytest.mark.parametrize(
    "text",
    [
        "",
        "very, very good",
        "he said that that is it",
        "1 000 000 000",
        "... --- !!!!",
        "谢谢谢"[:2],
    ],
)
def test_what_may_be_said_twice(text: str) -> None:
    assert not repeats("Sehr gut.", text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Ein Mann steht auf der Straße.", "Ein Mann steht auf der Straße."),
        ("Ein Mann steht auf der Straße.", "ein mann steht auf der street"),
        ("Мужчина идёт по улице.", "Мужчина идёт по улице"),
        ("一名男子在街上行走。", "一名男子在街上行走"),
    ],
)
def test_a_copy_is_noticed(source: str, text: str) -> None:
    assert copies(source, text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Ein Mann in Berlin.", "A man in Berlin."),
        ("Angela Merkel", "Angela Merkel"),
        ("1 2 3", "1 2 3"),
        ("一名男子", "a man"),
        ("Ein Mann", ""),
    ],
)
def test_what_is_no_copy(source: str, text: str) -> None:
    assert not copies(source, text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("1.000 Leute", "1,000 people"),
        ("1 000 Leute", "1000 people"),
        ("1 000 000 Leute", "1’000’000 people"),  # noqa: RUF001
        ("für 3,14 €", "for €3.14"),
        ("1.234,56", "1,234.56"),
        ("am 12.05.2020", "on 12/05/2020"),
        ("Seite 3 200 Wörter", "page 3, of 200 words"),
        ("٢٥٠ كتاب", "250 books"),
        ("२५० किताबें", "250 books"),
        ("２５０冊", "250 books"),
        ("250 books", "٢٥٠ كتاب"),
        ("١٬٠٠٠", "1,000"),  # noqa: RUF001
        ("2 Männer", "Two men"),
        ("zwei Männer", "2 men"),
        ("007", "007"),
        ("siehe www.a.de/123", "see it"),  # that is a lost URL
        ("", "17"),
    ],
)
def test_a_number_is_kept(source: str, text: str) -> None:
    assert not loses_number(source, text)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("250 Leute", "people"),
        ("250 Leute", "2500 people"),
        ("1.000 Leute", "100 people"),
        ("5 mg täglich", "8 mg a day"),
        ("am 12.05.2020", "on 12.05."),
        ("٢٥٠ كتاب", "books"),
        ("२५० किताबें", "205 books"),
        ("9" * 5_000, "9" * 4_999),
    ],
)
def test_a_number_is_lost(source: str, text: str) -> None:
    assert loses_number(source, text)


@pytest.mark.parametrize(
    ("source", "text", "lost"),
    [
        ("Siehe https://a.de/b?c=1.", "See https://a.de/b?c=1.", False),
        ("Siehe (https://a.de/b)!", "See HTTPS://A.de/b", False),
        ("参见https://a.de/b。谢谢", "See https://a.de/b, thanks", False),
        ("Siehe https://a.de/b.", "See https://a.de/ b", True),
        ("Siehe www.a.de", "See it", True),
        ("An x.y@a.de, bitte", "To x.y@a.de please", False),
        ("An x.y@a.de, bitte", "To x. y@a. de please", True),
        ("３ @ home", "3 at home", False),  # noqa: RUF001
    ],
)
def test_addresses(source: str, text: str, lost: bool) -> None:
    assert loses_address(source, text) == lost


def test_reasons_are_named() -> None:
    assert reasons("Am 3.4.2021 auf www.a.de", "is is is") == ["repeats", "lost-number", "lost-url"]
    assert reasons("Ein Mann.", "") == ["empty"]
    assert reasons("Ein Mann.", "A man.") == []
    assert reasons("", "") == reasons("\u200b ", "") == []


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text())
def test_no_text_is_too_strange(source: str, text: str) -> None:
    assert set(reasons(source, text)) <= {"empty", "repeats", "copies", "lost-number", "lost-url"}
    assert not set(reasons(source, source)) & {"empty", "repeats", "lost-number", "lost-url"}
