"""Pictures of attention: any script, any length, the same file every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nmt.alignment import Attention
from nmt.errors import SettingsError
from nmt.heatmap import chart, draw


def part(source: str, target: str) -> Attention:
    ours, theirs = tuple(source.split()), tuple(target.split())
    weights = np.eye(len(theirs) + 1, len(ours) + 1)
    weights[-1] = np.eye(len(ours) + 1)[-1]
    return Attention(ours, (0,) * len(ours), theirs, weights)


PARTS = [part("▁Ein ▁M ädchen ▁", "▁A ▁girl"), part("▁東京 ▁كتاب ▁$x$ \a", "▁ <&> ▁x")]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_attention_is_the_same_file(kind: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        draw(PARTS, tmp_path / f"{name}.{kind}")
    first, second = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("a", "b"))
    assert first == second and len(first) > 1_000


def test_an_svg_keeps_its_text_and_needs_no_font(tmp_path: Path) -> None:
    assert draw(PARTS, tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert all(word in text for word in ("ädchen", "東京", "كتاب", "$x$", "&lt;&amp;&gt;"))


def test_characters_that_no_font_has_are_told(tmp_path: Path) -> None:
    assert not draw([part("▁\U0010fffd", "▁a")], tmp_path / "a.png")


def test_of_a_page_long_line_the_beginning_is_shown(tmp_path: Path) -> None:
    draw([part("▁ein " * 400, "▁a ▁b")], tmp_path / "long.svg")
    text = (tmp_path / "long.svg").read_text(encoding="utf-8")
    assert "150 of 401 subwords" in text and text.count(">ein<") == 150


def test_other_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"\.png"):
        draw(PARTS, tmp_path / "a.jpg")


def test_a_terminal_shows_every_subword_once() -> None:
    shown = chart([part("▁Ein ▁Mann", "▁A ▁man")], 80)
    assert shown.splitlines() == [
        "       M <",
        "     E a /",
        "     i n s",
        "     n n >",
        "   A ██",
        " man   ██",
        "</s>     ██",
    ]


def test_a_terminal_gets_no_more_columns_than_it_has() -> None:
    shown = chart([part("▁Wort " * 60, "▁word " * 8)], 60)
    assert max(map(len, shown.splitlines())) <= 60
    assert shown.count("word") == 8 * shown.count("\n\n") + 8
    assert "\a" not in chart(PARTS, 80)
