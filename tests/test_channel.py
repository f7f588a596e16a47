"""The noisy channel: its features are what the models say, its choice is their weighted sum."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import RUN_SETTINGS, make_training, nmt, train

from nmt.channel import Weighing
from nmt.weigh import Found, Tried

Files = dict[str, tuple[Path, Path]]
WEIGHTS = {"direct": 1.0, "channel": 0.4, "lm": 0.3, "length": -0.2}
ASKED = "--weights=channel=0.4,lm=0.3,length=-0.2"
EXACT = "--precision=fp32"


@pytest.fixture(scope="module")
def reverse(toy: Files, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the other direction, with other subwords."""
    folder = tmp_path_factory.mktemp("reverse")
    corpus, valid = toy["train"][::-1], toy["valid"][::-1]
    train(make_training(folder, corpus, valid, data__vocab_size=35, **RUN_SETTINGS))
    return folder / "run"


def records(*words: str | Path, stdin: bytes = b"") -> list[dict[str, Any]]:
    result = nmt("translate", *words, "--format=jsonl", EXACT, stdin=stdin)
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.lines]


def texts(record: dict[str, Any]) -> list[str]:
    return [candidate["translation"] for candidate in record["candidates"]]


def candidates(found: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((record["source"], each) for record in found for each in record["candidates"])


# --- features -------------------------------------------------------------------------------------


def test_features_are_what_the_models_score(
    run: Path, reverse: Path, lm: Path, toy: Files, tmp_path: Path
) -> None:
    words = (run, toy["test"][0], "--n-best=3", "--beam=4")
    found = records(*words, "--channel", reverse, "--lm", lm, ASKED)
    every = list(candidates(found))
    for name, lines in (
        ("x", [source for source, _ in every]),
        ("y", [each["translation"] for _, each in every]),
    ):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    back = nmt("score", reverse, tmp_path / "y", tmp_path / "x", EXACT).lines
    alone = nmt("score", lm, tmp_path / "y", EXACT).lines
    assert len(every) == len(back) == len(alone) >= 200
    for (_, each), channel, language in zip(every, back, alone, strict=True):
        features = each["features"]
        assert features["channel"] == pytest.approx(float(channel), abs=1e-3)
        assert features["lm"] == pytest.approx(float(language), abs=1e-3)
        assert features["direct"] == each["log_probability"]
        assert each["score"] == pytest.approx(sum(w * features[n] for n, w in WEIGHTS.items()))
    for record in found:
        scores = [candidate["score"] for candidate in record["candidates"]]
        assert scores == sorted(scores, reverse=True)


def test_it_chooses_among_all_that_the_beam_found(run: Path, reverse: Path, toy: Files) -> None:
    words = (run, toy["test"][0], "--beam=4")
    whole = records(*words, "--n-best=4")
    ranked = records(*words, "--channel", reverse, "--weights=channel=3,length=0")
    for every, best in zip(whole, ranked, strict=True):
        assert best["translation"] in texts(every)
    plain = [record["translation"] for record in whole]
    assert plain != [record["translation"] for record in ranked]


def test_without_weights_it_is_the_direct_model(
    run: Path, reverse: Path, lm: Path, toy: Files
) -> None:
    """Which is then ranked by its log-probabilities, whatever the length."""
    words = (run, toy["test"][0], "--n-best=3", "--beam=4")
    plain = records(*words, "--length-penalty=0")
    for others, weights in (
        (("--channel", reverse, "--lm", lm), "channel=0,lm=0,length=0"),
        (("--channel", reverse), "channel=0,length=0"),
        (("--lm", lm), "lm=0,length=0"),
    ):
        found = records(*words, "--length-penalty=0", *others, "--weights", weights)
        assert [texts(record) for record in found] == [texts(record) for record in plain]
        assert set(found[0]["features"]) == {"direct", "length"} | {
            name for name in ("channel", "lm") if name in weights
        }


def test_neighbours_do_not_matter(run: Path, reverse: Path, lm: Path, toy: Files) -> None:
    others = (run, "--channel", reverse, "--lm", lm, "--n-best=2", ASKED)
    lines = toy["test"][0].read_bytes().splitlines(keepends=True)[:12]
    together = records(*others, stdin=b"".join(lines))
    assert together == [records(*others, stdin=line)[0] for line in lines]


def test_blank_and_long_lines(run: Path, reverse: Path, lm: Path) -> None:
    long = "ba ce di fo. " * 60
    others = (run, "--channel", reverse, "--lm", lm, ASKED)
    blank, pieces, last = records(*others, stdin=f"\n{long}\nba\n".encode())
    assert blank["translation"] == "" and "features" not in blank
    assert pieces["features"]["length"] > 60
    assert pieces["score"] == pytest.approx(
        sum(weight * pieces["features"][name] for name, weight in WEIGHTS.items())
    )
    assert last["source"] == "ba"
    result = nmt("translate", *others, "--n-best=2", stdin=b"\nba\n")
    assert len(result.lines) == 4 and result.lines[:2] == ["", ""]


# --- weights --------------------------------------------------------------------------------------


def test_weights_are_found_stored_and_used(
    run: Path, reverse: Path, lm: Path, toy: Files, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("evaluations"))  # of other tests
    config = (copy / "config.toml").read_bytes()
    both = ("--channel", reverse, "--lm", lm)
    guessed = nmt("translate", copy, *both, stdin=b"ba\n")
    assert "a guess" in guessed.err and "1·direct + 0.3·channel" in guessed.err
    tuned = nmt("tune", copy, *toy["valid"], *both, "--beams=2,4", "--json", EXACT)
    assert tuned.code == 0, tuned.err
    record = json.loads(tuned.out)
    assert record["chosen"]["weights"]["direct"] == 1.0
    assert set(record["chosen"]["weights"]) == set(WEIGHTS)
    assert [each["beam"] for each in record["tried"]] == [2, 4]
    assert record["gain"] == pytest.approx(record["chosen"]["bleu"] - record["direct"]["bleu"])
    assert (copy / "config.toml").read_bytes() == config
    used = nmt("evaluate", copy, *toy["valid"], *both, "--json", EXACT)
    assert "a guess" not in used.err
    assert json.loads(used.out)["bleu"]["score"] == pytest.approx(
        record["chosen"]["bleu"], abs=1e-6
    )
    (kept,) = (copy / "evaluations").glob("*.json")
    search = json.loads(kept.read_text())["search"]
    assert search.startswith(f"beam {record['chosen']['beam']},")
    assert "ranked by 1·direct + " in search
    plain = nmt("evaluate", copy, *toy["valid"], "--json", EXACT)
    direct = record["direct"]["bleu"]
    assert json.loads(plain.out)["bleu"]["score"] == pytest.approx(direct, abs=1e-6)
    alone = nmt("translate", copy, "--lm", lm, stdin=b"ba\n")  # these were found with both
    assert "a guess" in alone.err
    table = nmt("tune", copy, *toy["valid"], "--lm", lm, "--beams=3")
    assert table.out.decode().split("\n")[0].split() == ["beam", "direct", "lm", "length", "bleu"]
    assert set(json.loads((copy / "channel.json").read_text())) == {"channel+lm", "lm"}
    assert "a guess" not in nmt("translate", copy, "--lm", lm, stdin=b"ba\n").err


# --- what cannot be -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--channel", "{run}"), "--channel wants a run of the other direction: yy-xx"),
        (("--channel", "{lm}"), "is a language model, and does not translate"),
        (("--lm", "{run}"), "translates, and is no language model"),
        (("--lm", "{other}"), "is a language model of xx, and"),
        (("--lm", "{lm}", "--weights=channel=1"), "gives no weight of lm, length"),
        (("--lm", "{lm}", "--weights=lm=much"), "gives no weight of lm, length"),
        (("--weights=lm=1",), "--weights needs --channel or --lm"),
        (("--lm", "{lm}", "--mbr"), "both choose among the candidates"),
        (("--lm", "{lm}", "--replace-unknown"), "--replace-unknown fills words in"),
        (("--lm", "nowhere"), "nowhere: there is no such run"),
    ],
)
def test_what_cannot_be_is_refused(
    words: tuple[str, ...], message: str, run: Path, lm: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(lm, other)
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps({**manifest, "languages": ["", "xx"]}))
    asked = [word.format(run=run, lm=lm, other=other) for word in words]
    result = nmt("translate", run, *asked, stdin=b"ba\n")
    assert (result.code, result.out) == (1, b"")
    assert message in result.err, result.err
    assert "Traceback" not in result.err


def test_damaged_weights_are_told(run: Path, lm: Path, toy: Files, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    for content in ("{", "[]", '{"lm": {"weights": {"direct": 1}}}'):
        (copy / "channel.json").write_text(content)
        result = nmt("translate", copy, "--lm", lm, stdin=b"ba\n")
        assert result.code == 1 and "channel.json: cannot be read" in result.err
    result = nmt("tune", run, *toy["valid"], "--lm", lm, "--rerank")
    assert result.code == 1 and "--rerank tunes without" in result.err


@pytest.mark.parametrize(
    ("score", "share", "doubtful"),
    [(41.0, 0.99, False), (41.0, 0.9, True), (40.05, 0.99, True), (40.0, 0.02, True)],
)
def test_a_gain_that_may_be_chance_is_called_so(score: float, share: float, doubtful: bool) -> None:
    tried = Tried(5, Weighing({"direct": 1.0}), score)
    assert ("chance" in Found(40.0, (tried,), tried, share).verdict) == doubtful
