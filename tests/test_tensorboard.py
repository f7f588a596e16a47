"""What TensorBoard is told: every figure of every event, and none of them twice."""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY, nmt

from nmt.events import Sample, Stepped, Validated

pytest.importorskip("tensorboard")


def written(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def scalars(folder: Path, tag: str) -> dict[int, float]:
    events = written(folder).Scalars(tag)
    assert len({event.step for event in events}) == len(events)
    return {event.step: event.value for event in events}


def stepped(step: int, loss: float) -> Stepped:
    values: dict[str, Any] = {field.name: 1.0 for field in fields(Stepped)}
    return Stepped(**values | {"step": step, "loss": loss})


def validated(step: int, *samples: Sample) -> Validated:
    values: dict[str, Any] = {field.name: 1.0 for field in fields(Validated)}
    return Validated(**values | {"step": step, "best": True, "samples": samples})


def test_a_training_is_written_as_its_log_tells(
    toy: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    settings = [f"--set={key}={value}" for key, value in TINY.items()]
    command: list[str | Path] = ["train", *toy["valid"], "--out", tmp_path / "run", *settings]
    command += ["--set=train.max_steps=20", "--set=train.validate_every=10"]
    result = nmt(*command, "--tensorboard", tmp_path / "board")
    assert result.code == 0, result.err
    log = (tmp_path / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in log]
    for part, kind, keys in (
        ("training", "step", ("loss", "learning_rate", "gradient_norm", "clipped")),
        ("validation", "validation", ("bleu", "perplexity")),
    ):
        for key in keys:
            logged = {e["step"]: e[key] for e in events if e["event"] == kind}
            shown = scalars(tmp_path / "board" / "run", f"{part}/{key}")
            assert shown == pytest.approx(logged, rel=1e-5), key


def test_what_is_trained_again_is_not_shown_twice(tmp_path: Path) -> None:
    from nmt.tensorboard import TensorBoardView

    with TensorBoardView(tmp_path) as view:
        for step in (10, 20, 30, 20):  # the last after a rollback
            view.show(stepped(step, 1.0))
    assert scalars(tmp_path, "training/loss") == {10: 1.0, 20: 1.0}
    with TensorBoardView(tmp_path) as view:  # resumed from step 10
        view.show(stepped(20, 2.0))
        view.show(stepped(30, 2.0))
    assert scalars(tmp_path, "training/loss") == {10: 1.0, 20: 2.0, 30: 2.0}


def test_samples_are_shown_as_they_are(tmp_path: Path) -> None:
    from nmt.tensorboard import TensorBoardView

    with TensorBoardView(tmp_path) as view:
        view.show(validated(10, Sample("*a*", "<b>", "c")))
    (event,) = written(tmp_path).Tensors("sample 1/text_summary")
    assert event.tensor_proto.string_val[0].decode() == "    *a*\n    → <b>\n    = c"


def test_without_tensorboard_nothing_is_begun(
    toy: dict[str, tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    result = nmt(
        "train", *toy["train"], "--out", tmp_path / "run", "--tensorboard", tmp_path / "board"
    )
    assert result.code == 1
    assert "pip install 'nmt[tensorboard]'" in result.err
    assert not list(tmp_path.iterdir())


def test_a_board_that_cannot_be_written(tmp_path: Path) -> None:
    from nmt.errors import NmtError
    from nmt.tensorboard import TensorBoardView

    (tmp_path / "taken").touch()
    with TensorBoardView(tmp_path / "taken" / "run") as view, pytest.raises(NmtError):
        view.show(stepped(10, 1.0))
