"""The learning curve: nested parts, one judge, the same answer after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import TINY, nmt

from nmt import learning_curve
from nmt.corpus import open_corpus
from nmt.curves import read as read_log
from nmt.decoding import Request
from nmt.errors import RunError, SettingsError
from nmt.learning_curve import Asked, LearningCurve, Point, Share, conclude, fractions_in

Files = dict[str, tuple[Path, Path]]

QUICK = [f"--set={key}={value}" for key, value in TINY.items()]


def a_point(pairs: int, **changes: float) -> Point:
    values = {
        "fraction": pairs / 8_000,
        "pairs": pairs,
        "epochs": 30.0,
        "usual_epochs": 30,
        "seconds": 60.0,
        "bleu": 45 - 300 * pairs**-0.35,
        "bleu_noise": 0.4,
        "chrf": 50.0,
        "cross_entropy": 1.2 + 9 * pairs**-0.25,
        "cross_entropy_noise": 0.02,
    }
    return Point(**(values | changes))


def test_parts_are_nested_random_and_as_large_as_they_say(toy: Files) -> None:
    whole = open_corpus(toy["train"])
    every = list(whole.pairs())

    def part(stop: float, seed: int = 1) -> list[tuple[str, str]]:
        return list(Share("x", None, whole, seed, 0.0, stop).pairs())

    quarter, half = part(0.25), part(0.5)
    assert set(quarter) < set(half) < set(every)
    assert len(quarter) == pytest.approx(len(every) / 4, rel=0.2)
    assert part(1.0) == every
    assert part(0.25) == quarter != part(0.25, seed=2)


def test_what_is_held_out_is_in_no_part(toy: Files, tmp_path: Path) -> None:
    curve = LearningCurve(Asked(open_corpus(toy["train"]), None, [0.5, 1.0], {}, tmp_path))
    held_out = set(curve.valid().pairs())
    assert held_out
    for part in curve.parts:
        corpus = curve.request(part, lambda _: None).corpus
        assert isinstance(corpus, Share)
        assert held_out.isdisjoint(corpus.pairs())


def test_a_budget_is_shared_out_whole_and_by_size(toy: Files, tmp_path: Path) -> None:
    corpus, valid = open_corpus(toy["train"]), open_corpus(toy["valid"])
    curve = LearningCurve(Asked(corpus, valid, [0.25, 1.0], {}, tmp_path, budget=600.0))
    small, large = (part.budget for part in curve.parts)
    assert large == pytest.approx(2 * small, rel=0.01)
    assert 0.9 * 600 < small + large < 600


def test_a_plan_of_which_nothing_came_is_made_anew(toy: Files, tmp_path: Path) -> None:
    corpus, valid = open_corpus(toy["train"]), open_corpus(toy["valid"])
    LearningCurve(Asked(corpus, valid, [0.001, 1.0], {}, tmp_path))
    curve = LearningCurve(Asked(corpus, valid, [0.5, 1.0], {}, tmp_path))
    (tmp_path / curve.parts[0].name).mkdir()
    with pytest.raises(RunError, match="other settings"):
        LearningCurve(Asked(corpus, valid, [0.25, 1.0], {}, tmp_path))


@pytest.mark.parametrize("text", ["", "0,1", "0.5,2", "half", "-1"])
def test_fractions_that_are_none(text: str) -> None:
    with pytest.raises(SettingsError):
        fractions_in(text)


def test_the_answer_says_what_twice_the_data_would_give() -> None:
    conclusion = conclude([a_point(n) for n in (1_000, 2_000, 4_000, 8_000)])
    told = " ".join(conclusion.answer())
    expected = 45 - 300 * 16_000**-0.35
    assert f"16,000 pairs, would give {expected:.1f} BLEU" in told
    assert f"would be {np.exp(1.2 + 9 * 16_000**-0.25):.2f}" in told
    assert "foretells" in told
    assert "more time" not in told


def test_a_largest_part_that_was_hurried_is_told() -> None:
    points = [a_point(1_000), a_point(2_000), a_point(4_000, epochs=3.0)]
    told = " ".join(conclude(points).answer())
    assert "had 3.0 epochs, where its size asks for about 30" in told
    assert "cannot put the law to a test" in told


def test_one_point_is_no_curve() -> None:
    assert "no curve" in conclude([a_point(1_000)]).answer()[0]


def test_the_command(toy: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "curve"
    command: list[str | Path] = [
        "curve",
        *toy["train"],
        "--out",
        out,
        "--fractions=0.2,0.5,1",
        *QUICK,
    ]
    command += [f"--valid={path}" for path in toy["valid"]]
    command += ["--device=cpu", "--set=train.max_steps=20", "--set=train.validate_every=10"]

    def killed(*_: object) -> Point:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:  # the second part is trained, but not judged
        count = iter(range(9))
        measure = learning_curve.measure
        patched.setattr(
            learning_curve, "measure", lambda *a: measure(*a) if next(count) < 1 else killed()
        )
        assert nmt(*command).code == 130
    state = json.loads((out / "curve.json").read_text())
    assert [point["fraction"] for point in state["points"]] == [0.2]
    trained = (out / "part-0.2" / "log.jsonl").read_bytes()

    shown = nmt(*command)
    assert shown.code == 0, shown.err
    assert (out / "part-0.2" / "log.jsonl").read_bytes() == trained
    assert [line.split()[0] for line in shown.lines[1:4]] == ["0.2", "0.5", "1"]
    assert any(line.startswith("Twice the data, 3,000 pairs") for line in shown.lines)
    for name in ("curve.png", "curve.svg", "part-1/README.md"):
        assert (out / name).is_file()

    state = json.loads((out / "curve.json").read_text())
    last = max(state["points"], key=lambda point: point["fraction"])
    assert last["pairs"] == 1_500
    scored = nmt("evaluate", out / "part-1", *toy["valid"], "--json")
    assert json.loads(scored.out)["bleu"]["score"] == pytest.approx(last["bleu"])

    again = nmt(*command, "--json")  # nothing is left to do
    assert json.loads(again.out)["answer"] == [line for line in shown.lines[5:] if line]
    other = nmt(*command, "--set=model.cell=gru")
    assert other.code == 1
    assert "model.cell was None, is now gru" in other.err


def test_perplexity_is_of_words_whatever_the_vocabulary(run: Path, toy: Files) -> None:
    """exp of the cross-entropy of all text over its words is what its subwords say together."""
    part = learning_curve.Part(1.0, 1_500, 0.0)
    point = learning_curve.measure(part, open_corpus(toy["valid"]), Request(runs=[run]))
    words = sum(len(line.split()) for line in toy["valid"][1].read_text().splitlines())
    scored = nmt("score", run, *toy["valid"])
    nats = -sum(map(float, scored.lines))
    assert point.cross_entropy == pytest.approx(nats / words, rel=1e-3)
    assert point.epochs == read_log(run).validation["epoch"][-1]
