"""COMET is asked as its package wants to be; without the package that is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from conftest import nmt

Files = dict[str, tuple[Path, Path]]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A package whose models find a translation good if it is the reference."""
    asked: list[Any] = []

    def predict(data: list[dict[str, str]], **options: Any) -> SimpleNamespace:
        asked.append((data, options))
        scores = [float(each["mt"] == each["ref"]) for each in data]
        return SimpleNamespace(scores=scores, system_score=sum(scores) / len(scores))

    def load_from_checkpoint(path: str) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(predict=predict)

    module = ModuleType("comet")
    module.load_from_checkpoint = load_from_checkpoint  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comet", module)
    return asked


def test_a_model_is_asked(package: list[Any], toy: Files, tmp_path: Path) -> None:
    model = tmp_path / "model" / "checkpoints" / "model.ckpt"
    model.parent.mkdir(parents=True)
    model.touch()
    (tmp_path / "wrong").write_text("x\n" * 100)
    places = {"right": toy["test"][1], "wrong": tmp_path / "wrong"}
    files = [f"--hypotheses={name}={path}" for name, path in places.items()]
    scored = nmt("evaluate", *toy["test"], *files, "--comet", tmp_path / "model", "--json")
    assert scored.code == 0, scored.err
    right, wrong = json.loads(scored.out)["systems"]
    assert (right["comet"]["score"], wrong["comet"]["score"]) == (100, 0)
    assert "model:model" in right["comet"]["signature"]
    path, (data, options), _ = package
    assert path == str(model)
    assert set(data[0]) == {"src", "mt", "ref"} and len(data) == 100
    assert options["gpus"] in (0, 1)
    shown = nmt("evaluate", *toy["test"], *files, "--comet", model).out.decode()
    assert "COMET" in shown


def test_no_model(package: list[Any], toy: Files, tmp_path: Path) -> None:
    hypotheses = f"--hypotheses={toy['test'][1]}"
    result = nmt("evaluate", *toy["test"], hypotheses, "--comet", tmp_path / "none")
    assert result.code == 1 and "no COMET model" in result.err


def test_no_package(toy: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "comet", None)
    hypotheses = f"--hypotheses={toy['test'][1]}"
    result = nmt("evaluate", *toy["test"], hypotheses, "--comet", tmp_path)
    assert result.code == 1 and "pip install 'nmt[comet]'" in result.err
