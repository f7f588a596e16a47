"""Reports: all that is known is in them, whatever the text is, and nothing else is needed."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import nmt
from test_evaluate import known
from test_page import Outline

from nmt.evaluate import Submission, judge
from nmt.judgement import EvaluationSet, Judgement
from nmt.page import render
from nmt.report import compose_page, refuse_other, some_lines, write_report
from nmt.scoring import Options, Scorer

Files = dict[str, tuple[Path, Path]]

HOSTILE = [
    "<script>alert('&')</script>",
    "</style></article><img src=x onerror=alert(1)>",
    "\u202eabc \u2066def\u202c",
    "x" * 5_000,
    "\x00\x1b[31m\x9b",
    "שלום עולם this is mixed",
    "",
]


def judged(sources: Sequence[str], *translations: Sequence[str], name: str = "test") -> Judgement:
    test = EvaluationSet(name, ("xx", "yy"), tuple(sources), (tuple(sources),))
    submissions = [Submission(f"system {at}", lines) for at, lines in enumerate(translations)]
    return judge(test, submissions, Scorer(test.references, Options()), None, {})


def test_text_that_means_harm_is_text() -> None:
    words = [*HOSTILE, "one two three four", "five six"]
    other = [line[::-1] + " a" for line in words]
    page = render(compose_page(judged(words, words, other, name=HOSTILE[0])))
    outline = Outline(page)
    tags = [tag for tag, _ in outline.seen]
    assert tags.count("script") == 1
    assert "img" not in tags
    assert "\x00" not in page and "\x1b" not in page and "\x9b" not in page
    assert "x" * 1_500 not in page
    assert HOSTILE[0] in outline.text
    title = re.search(r"<h1>(.*?)</h1>", page, re.S)
    assert title and "\u202e" not in title[1]


def test_what_runs_is_what_the_page_allows_to_run() -> None:
    page = render(compose_page(judged(["a b c"], ["a b c"], ["a b d"])))
    script = re.search(r"<script>(.*?)</script>", page, re.S)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    for forbidden in ("innerHTML", "eval(", "document.write", "fetch("):
        assert forbidden not in script[1]


def test_two_systems_are_set_against_each_other() -> None:
    page = render(compose_page(judged(["the cat sat"], ["the cat sat"], ["the dog sat"])))
    assert "the <del>cat</del> sat" in page
    assert "the <ins>dog</ins> sat" in page
    assert 'data-marks="worse"' in page


def test_systems_that_agree_have_nothing_to_show() -> None:
    page = render(compose_page(judged(["a b"], ["a b"], ["a b"])))
    assert "1 alike and 0 with other chrF" in page


def test_lines_to_look_at_go_from_the_worst_to_the_best() -> None:
    sources = [f"{'good ' * n}line {n}" for n in range(1, 40)]
    judgement = judged(sources, [f"line {n}" for n in range(1, 40)])
    rows = some_lines(judgement)
    scores = [judgement.systems[0].lines[row].chrf for row in rows]
    assert len(rows) == 12
    assert scores == sorted(scores)
    assert all(len(sources[row].split()) <= 30 for row in rows)


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    """Without what other tests have scored since."""
    copy = Path(shutil.copytree(run, tmp_path / "copied"))
    shutil.rmtree(copy / "evaluations", ignore_errors=True)
    return copy


def test_the_command_writes_a_page(copied: Path, toy: Files, tmp_path: Path) -> None:
    hypotheses = tmp_path / "other.txt"
    lines = toy["test"][1].read_text().splitlines()
    hypotheses.write_text("".join(f"{line[:-1]}\n" for line in lines))
    page = tmp_path / "report.html"
    asked: list[str | Path] = [
        "evaluate",
        copied,
        *toy["test"],
        f"--hypotheses=other={hypotheses}",
        "--resamples=50",
    ]
    scored = nmt(*asked, "--report", page)
    assert scored.code == 0, scored.err
    assert f"report: {page}" in scored.err
    text = page.read_text(encoding="utf-8")
    outline = Outline(text)
    headings = re.findall(r"<h2>.*?</span> (.*?)</h2>", text)
    assert headings == [
        "Scores",
        "Where it goes wrong",
        "copied and other",
        "The worst lines",
        "Attention",
        "Training",
        "Model card",
    ]
    kept = re.search(r"\| 100 \| (\d+\.\d\d)", (copied / "README.md").read_text("utf-8"))
    assert kept and kept[1] in outline.text  # the card has the score, and the page the card
    assert not outline.values("src")
    assert all(value.startswith("#") for value in outline.values("href"))
    assert "@import" not in text
    assert not list(tmp_path.glob("**/*.part"))


def test_a_folder_has_the_pictures_too(copied: Path, toy: Files, tmp_path: Path) -> None:
    assert nmt("evaluate", copied, *toy["test"], "--report", tmp_path / "report").code == 0
    pictures = tmp_path / "report" / "pictures"
    for name in ("training", "scores-by-group"):
        assert (pictures / f"{name}.png").stat().st_size > 5_000
        assert (pictures / f"{name}.svg").read_text("utf-8").startswith("<?xml")
    assert len(list(pictures.glob("attention-*.png"))) == 12
    assert (tmp_path / "report" / "index.html").is_file()


def test_lines_can_be_chosen_and_old_pictures_go(copied: Path, toy: Files, tmp_path: Path) -> None:
    pictures = tmp_path / "report" / "pictures"
    pictures.mkdir(parents=True)
    for name in ("attention-99.png", "attention-99.svg", "attention-mine.png", "notes-1.png"):
        (pictures / name).touch()
    place = ("--report", tmp_path / "report", "--resamples=0", "--attention")
    shown = nmt("evaluate", copied, *toy["test"], *place, "17,3,3")
    assert shown.code == 0, shown.err
    names = {path.name for path in pictures.glob("*.png")}
    assert {"attention-3.png", "attention-17.png", "attention-mine.png", "notes-1.png"} <= names
    assert len([name for name in names if name.startswith("attention-")]) == 3
    assert not (pictures / "attention-99.svg").exists()
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'aria-label="Attention of line (\d+)"', page) == ["17", "3"]


def test_what_cannot_be_shown_or_written_is_told_before_the_work(
    copied: Path, toy: Files, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.html").mkdir()
    for wrong, said in {
        "--attention=3": "--report",
        f"--report={tmp_path / 'x'} --attention=101": "has 100 lines",
        f"--report={tmp_path / 'x'} --attention=0": "numbers above 0",
        f"--report={tmp_path / 'file' / 'x.html'}": "is a file",
        f"--report={tmp_path / 'file' / 'deep' / 'x'}": "is a file",
        f"--report={tmp_path / 'file'}": "is a file",
        f"--report={tmp_path / 'folder.html'}": "is a folder",
        f"--output={tmp_path / 'file' / 'x'}": "is a file",
        f"--output={tmp_path}": "is a folder",
    }.items():
        result = nmt("evaluate", copied, *toy["test"], *wrong.split())
        assert result.code == 1 and said in result.err, wrong
        assert not (copied / "evaluations").exists()  # nothing was translated
    lines = f"--hypotheses={toy['test'][1]}"
    place = f"--report={tmp_path / 'x.html'}"
    result = nmt("evaluate", *toy["test"], lines, place, "--attention=3", "--resamples=0")
    assert result.code == 0 and "line 3: test.yy has no attention to show" in result.err


def test_a_page_of_somebody_else_stays(copied: Path, toy: Files, tmp_path: Path) -> None:
    page = tmp_path / "site" / "index.html"
    page.parent.mkdir()
    page.write_text("<h1>My site</h1>")
    result = nmt("evaluate", copied, *toy["test"], "--resamples=0", "--report", page.parent)
    assert result.code == 1 and "is no report" in result.err
    assert page.read_text() == "<h1>My site</h1>"
    page.unlink()
    assert write_report(judged(["a b"], ["a b"]), page.parent) == page
    refuse_other(page.parent)  # our own is replaced


def test_scores_without_leaks_are_promised_where_there_are_some(tmp_path: Path) -> None:
    run = known(tmp_path / "run", ["a b"], ["a b"])
    for lines, promised in (["a b"], False), (["a b", "c d"], True):
        test = EvaluationSet("test", None, tuple(lines), (tuple(lines),))
        leaked = judge(test, [Submission("x", lines, (run,))], Scorer([lines], Options()), None)
        bare = replace(leaked, systems=tuple(replace(each, runs=()) for each in leaked.systems))
        page = render(compose_page(bare))
        assert "1 line a side stands" in page
        assert ("has the scores without them" in page) is promised


def test_a_file_of_translations_alone_makes_a_report(tmp_path: Path) -> None:
    page = write_report(judged(["a b", "c"], ["a b", "d"]), tmp_path / "x.html")
    assert "Attention" not in page.read_text(encoding="utf-8")
