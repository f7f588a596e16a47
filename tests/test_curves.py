"""Training curves: the numbers are the log's, the pictures are whole, odd logs are drawn too."""

from __future__ import annotations

import json
import math
import shutil
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import nmt

from nmt.checkpoint import Run, write_config
from nmt.config import Settings
from nmt.curves import Curves, read
from nmt.errors import RunError, SettingsError
from nmt.plot import BLEU, LOSS, PERPLEXITY, chart, draw, scale_for

Event = dict[str, Any]


def step(number: int, **values: Any) -> Event:
    return {
        "event": "step",
        "step": number,
        "epoch": number / 100,
        "seconds": number / 10,
        "loss": 3 + 5 / number,
        "learning_rate": 1e-3,
        "gradient_norm": 0.5 + 10 / number,
        "clipped": 0.1,
        "target_tokens_per_second": 1000.0,
    } | values


def validation(number: int, **values: Any) -> Event:
    return {
        "event": "validation",
        "step": number,
        "seconds": number / 10,
        "perplexity": 4 + 100 / number,
        "bleu": 40 - 100 / number,
        "best": True,
    } | values


def write_run(path: Path, events: Sequence[Event], torn: str = "") -> Path:
    """As much of a run as curves need."""
    path.mkdir()
    write_config(Run(path), Settings())
    lines = "".join(f"{json.dumps(event)}\n" for event in events)
    Run(path).log.write_text(lines + torn, encoding="utf-8")
    return path


USUAL = [step(10), step(20), validation(20), step(30), step(40), validation(40, best=False)]
ROLLBACK = [
    *USUAL,
    step(50, loss=None, gradient_norm=None),
    {"event": "incident", "step": 50, "reason": "no finite gradient", "back_to": 40},
    {"event": "resumed", "step": 40},
    step(50, seconds=6.0),
    validation(50, seconds=7.0),
]
ODD = {
    "nothing": [],
    "one": [step(10)],
    "unvalidated": [step(n) for n in range(10, 100, 10)],
    "constant": [step(n, loss=3.0, gradient_norm=0.0) for n in range(10, 100, 10)],
    "broken": [step(n, loss=None, gradient_norm=None) for n in range(10, 100, 10)],
    "spike": [step(n, loss=1e9 if n == 500 else 3.0) for n in range(10, 1000, 10)],
    "timeless": [event | {"seconds": None} for event in USUAL],
    "rollback": ROLLBACK,
    "_hidden $x_1$ 模型": USUAL,
}


@pytest.fixture
def odd(tmp_path: Path) -> dict[str, Curves]:
    return {name: read(write_run(tmp_path / name, events)) for name, events in ODD.items()}


# --- reading --------------------------------------------------------------------------------------


def test_the_columns_are_the_logs(run: Path) -> None:
    events = [json.loads(line) for line in Run(run).log.read_text(encoding="utf-8").splitlines()]
    curves = read(run)
    for kind, columns in (("step", curves.training), ("validation", curves.validation)):
        rows = [event for event in events if event["event"] == kind]
        assert rows
        for key, column in columns.items():
            assert column.tolist() == [row[key] for row in rows], key


def test_a_torn_last_line_is_passed_over(tmp_path: Path) -> None:
    whole = read(write_run(tmp_path / "a", USUAL))
    torn = read(write_run(tmp_path / "b", USUAL, torn='{"event": "step", "st'))
    assert torn.training["step"].tolist() == whole.training["step"].tolist() == [10, 20, 30, 40]


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    for number, line in enumerate(("{", "3", "\0\0\0")):
        with pytest.raises(RunError, match=r"log\.jsonl:7: not a JSON object"):
            read(write_run(tmp_path / str(number), USUAL, torn=f"{line}\n"))


def test_a_rollback_stays_in_order_of_appearance(tmp_path: Path) -> None:
    curves = read(write_run(tmp_path / "run", ROLLBACK))
    assert curves.training["step"].tolist() == [10, 20, 30, 40, 50, 50]
    assert np.isnan(curves.training["loss"]).tolist() == [False] * 4 + [True, False]
    assert curves.incidents["step"].tolist() == [50]
    assert curves.incidents["seconds"].tolist() == [5.0]
    assert curves.best == 2


def test_an_old_log_tells_whether_the_largest_norm_was_clipped(tmp_path: Path) -> None:
    events = [step(10, gradient_norm=1.5, clipped=None), step(20, gradient_norm=0.5, clipped=None)]
    assert read(write_run(tmp_path / "run", events)).training["clipped"].tolist() == [1, 0]


# --- drawing --------------------------------------------------------------------------------------


def test_a_spike_does_not_flatten_the_rest(odd: dict[str, Curves]) -> None:
    loss = odd["spike"].training["loss"]
    scale = scale_for(LOSS, [loss])
    assert scale.high < 10
    assert (scale.heights(loss) > 1).sum() == 1


def test_scales_go_there_and_back() -> None:
    for panel in (PERPLEXITY, BLEU):
        values = np.array([5.0, 7.0, 1000.0])
        scale = scale_for(panel, [values])
        assert scale.log == (panel is PERPLEXITY)
        assert scale.values(scale.heights(values)) == pytest.approx(values)


def test_a_picture_is_one(odd: dict[str, Curves], tmp_path: Path) -> None:
    for name in ("a.png", "a.SVG", "a.pdf"):
        draw(odd, tmp_path / name)
    png = (tmp_path / "a.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    assert 1_000 < width < 3_000 and 500 < height < 2_000
    svg = (tmp_path / "a.SVG").read_text(encoding="utf-8")
    for name in odd:
        assert name in svg
    assert "incident" in svg and "off the scale" in svg
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize("name", ODD)
def test_odd_logs_are_drawn(name: str, odd: dict[str, Curves], tmp_path: Path) -> None:
    draw({name: odd[name]}, tmp_path / "a.png")
    chart(odd[name], 80)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_same_curves_are_the_same_file(
    ending: str, odd: dict[str, Curves], tmp_path: Path
) -> None:
    for name in "ab":
        draw({"rollback": odd["rollback"]}, tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()


def test_many_runs_are_told_apart(odd: dict[str, Curves], tmp_path: Path) -> None:
    draw({f"run-{n}-{'x' * 200}": odd["rollback"] for n in range(12)}, tmp_path / "a.svg")
    assert "run-11-" in (tmp_path / "a.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [20, 40, 80, 300])
def test_a_chart_keeps_to_its_width(width: int, odd: dict[str, Curves]) -> None:
    lines = chart(odd["rollback"], width).split("\n")
    assert len(lines) == 3 * 4 + 1
    assert max(map(len, lines)) <= max(40, min(width, 100))
    assert "kept" in lines[7] and "step 50" in lines[-1]
    assert all(line == line.rstrip() and line.isprintable() for line in lines)


def test_a_chart_rises_where_values_do(tmp_path: Path) -> None:
    rising = [validation(n, bleu=float(n)) for n in range(10, 110, 10)]
    rows = chart(read(write_run(tmp_path / "run", rising)), 80).split("\n")[4:8]
    begins = [len(row) - len(row[30:].lstrip()) for row in rows]
    assert begins == sorted(begins, reverse=True) and len(set(begins)) == 4
    assert math.isclose(len(rows[0]), 80, abs_tol=1)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def pair(run: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two runs; the second has another learning rate."""
    copies = tmp_path / "one", tmp_path / "two"
    for copy in copies:
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("state"))
    config = copies[1] / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("learning_rate = 0.005", "learning_rate = 0.25"), "utf-8")
    return copies


def test_info_draws_and_prints_nothing_else(pair: tuple[Path, Path], tmp_path: Path) -> None:
    result = nmt("info", *pair, "--plot", tmp_path / "deep" / "curves.svg")
    assert (result.code, result.out) == (0, b"")
    assert "curves.svg" in result.err
    svg = (tmp_path / "deep" / "curves.svg").read_text(encoding="utf-8")
    assert "one: BLEU" in svg and "two: BLEU" in svg
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["curves.svg"]


def test_info_shows_the_curves_of_one_run(run: Path) -> None:
    out = nmt("info", run).out.decode()
    for promised in ("chose the weights", "training loss", "step 150"):
        assert promised in out
    assert "\x1b" not in out


def test_info_compares_several_runs(pair: tuple[Path, Path]) -> None:
    rows = [line.split() for line in nmt("info", *pair).lines]
    assert rows[0] == ["one", "two"]
    assert ["settings", "train.learning_rate", "0.005", "0.25"] in rows
    assert not any("train.batch_tokens" in row for row in rows)
    assert ["training", "steps", "150", "150"] in rows


def test_json_of_several_runs_is_the_json_of_each(pair: tuple[Path, Path]) -> None:
    several = json.loads(nmt("info", *pair, "--json").out)
    assert several == {path.name: json.loads(nmt("info", path, "--json").out) for path in pair}
    assert list(several["one"]) == ["model", "data", "scores", "settings"]


def test_runs_of_the_same_name_go_by_their_paths(pair: tuple[Path, Path]) -> None:
    twin = pair[1] / pair[0].name
    shutil.copytree(pair[0], twin)
    assert set(json.loads(nmt("info", pair[0], twin, "--json").out)) == {str(pair[0]), str(twin)}


def test_a_picture_that_cannot_be(run: Path, tmp_path: Path) -> None:
    for name in ("curves.bmp", "curves"):
        result = nmt("info", run, "--plot", tmp_path / name)
        assert result.code == 1
        assert ".png, .svg, .pdf" in result.err
    with pytest.raises(SettingsError):
        draw({}, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_a_run_without_a_log(pair: tuple[Path, Path], tmp_path: Path) -> None:
    (pair[0] / "log.jsonl").unlink()
    result = nmt("info", pair[0], "--plot", tmp_path / "a.png")
    assert result.code == 1
    assert "log.jsonl: there is no such log" in result.err
    assert not (tmp_path / "a.png").exists()
    assert nmt("info", pair[0]).code == nmt("info", *pair).code == 0
