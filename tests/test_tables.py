"""A terminal, a page and a program are told the same of a judgement."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_evaluate import BAD, GOOD, REFERENCE, SOURCES, judged, known
from test_page import Outline

from nmt.console import print_blocks
from nmt.evaluate import Submission
from nmt.judgement import EvaluationSet, Judgement
from nmt.page import Table, render
from nmt.report import compose_page
from nmt.tables import as_record, in_terminal, scores


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(judgement: Judgement, columns: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a terminal of so many columns shows, without the spaces at the ends of lines."""
    monkeypatch.setenv("COLUMNS", f"{columns}")
    monkeypatch.setenv("TERM", "dumb")
    sheet = Terminal()
    print_blocks(in_terminal(judgement, details=True), sheet)
    return [line.rstrip() for line in sheet.getvalue().splitlines()]


def three(folder: Path) -> Judgement:
    run = known(folder / "run", SOURCES[:30], REFERENCE[:30])
    return judged(
        Submission("run_deen", GOOD, (run,), 3.5),
        Submission("worse", BAD, (run,), 123.456),
        Submission("other", [*GOOD[:40], *BAD[40:]]),
    )


def test_p_values_stand_below_their_scores(tmp_path: Path) -> None:
    judgement = three(tmp_path)
    first, _ = scores(judgement)
    assert first.header == ("system", "BLEU", "chrF2", "TER", "perplexity", "length")
    assert [row[0] for row in first.rows] == ["run_deen", "worse", "", "other", ""]
    for at, system in zip((1, 3), judgement.systems[1:], strict=True):
        for column, key in enumerate(("bleu", "chrf", "ter"), 1):
            score = system.scores[key]
            assert score.interval and score.p_value is not None
            assert first.rows[at][column] == f"{score.score:.2f} ±{score.interval.margin:.2f}"
            assert first.rows[at + 1][column].startswith(f"p={score.p_value:.3f}")
    assert "p: paired bootstrap against run_deen, 20 trials" in first.caption


def test_three_systems_fit_eighty_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judgement = three(tmp_path)
    lines = shown(judgement, 80, monkeypatch)
    first, _ = scores(judgement)
    start = next(at for at, line in enumerate(lines) if line.startswith("system"))
    for row, line in zip(first.rows, lines[start + 1 :], strict=False):
        assert len(line) <= 80
        assert line.split() == " ".join(row).split()


def test_a_page_has_what_a_terminal_has(tmp_path: Path) -> None:
    judgement = three(tmp_path)
    strangers = tuple(replace(system, runs=()) for system in judgement.systems)
    judgement = replace(judgement, systems=strangers)
    told = " ".join(Outline(render(compose_page(judgement))).text.split())
    for block in in_terminal(judgement, details=True):
        if isinstance(block, Table):
            cells = (cell for row in (block.header, *block.rows) for cell in row)
            assert all(" ".join(text.split()) in told for text in (block.caption, *cells))


def test_seeds_are_a_row() -> None:
    judgement = judged(
        Submission("a-1", GOOD, recipe="a", seed=1, perplexity=2.0),
        Submission("a-2", BAD, recipe="a", seed=2, perplexity=4.0),
        Submission("b", BAD, recipe="b", seed=1),
        Submission("file", GOOD),
    )
    (recipe,) = judgement.recipes
    first, _ = scores(judgement)
    assert [row[0] for row in first.rows] == ["a-1, a-2 (2 seeds)", "b", "", "file", ""]
    assert (
        first.rows[0][1]
        == f"{recipe.scores['bleu'].mean:.2f} sd {recipe.scores['bleu'].deviation:.2f}"
    )
    assert "3.00 sd" in first.rows[0][first.header.index("perplexity")]
    assert all(what in first.caption for what in ("±", "against a-1,", "highest p"))


def test_seeds_alone_are_not_tested() -> None:
    seeds = [Submission(f"a-{seed}", GOOD, recipe="a", seed=seed) for seed in (1, 2)]
    first, _ = scores(judged(*seeds))
    assert len(first.rows) == 1
    assert not any(what in first.caption for what in ("±", "against", "highest p"))


def test_files_alone_have_no_perplexity() -> None:
    for count in (1, 2):
        first, *_ = scores(judged(*[Submission(f"{n}", GOOD) for n in range(count)]))
        assert "perplexity" not in {*first.header, *(row[0] for row in first.rows)}
    first, *_ = scores(judged(Submission("file", GOOD), Submission("run", GOOD, perplexity=2.0)))
    assert "perplexity" in first.header


def test_what_a_terminal_would_obey_is_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    evil = "\x1b[31mred\x9b0m \u202eabc\u2066 \u200f :dog: [bold]x"
    test = EvaluationSet(evil, None, (evil, "b"), ((evil, "b"),))
    judgement = judged(Submission(evil, [evil, "c"]), Submission("other", ["x", evil]), test=test)
    text = "\n".join(shown(judgement, 300, monkeypatch))
    assert not {"\x1b", "\x9b", "\u202e", "\u2066", "\u200f"} & set(text)
    assert r"\x1b[31mred\x9b0m \u202eabc\u2066 \u200f :dog: [bold]x" in text


def test_json_has_everything(tmp_path: Path) -> None:
    run = known(tmp_path / "run", SOURCES[:30], REFERENCE[:30])
    submissions = [
        Submission("good", GOOD, (run,), 3.5),
        Submission("bad", BAD),
        Submission("empty", [""] * 80),
    ]
    for several in (submissions[:1], submissions):
        judgement = judged(*several)
        record = json.loads(json.dumps(as_record(judgement, details=True)))
        assert record["bleu"] == record["systems"][0]["bleu"]
        assert record["sentences"] == 80
        assert [system["name"] for system in record["systems"]] == [e.name for e in several]
        assert len(record["systems"][0]["lines"]) == 80
        assert record["leaked"] == list(range(1, 31))
        assert "lines" not in as_record(judgement, details=False)["systems"][0]  # type: ignore[index]
