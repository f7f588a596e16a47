"""Several processes: the same training as one, to float rounding, and none left waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from conftest import TINY, nmt

from nmt.batches import grouped
from nmt.checkpoint import Run, read_tensors
from nmt.corpus import open_corpus
from nmt.device import Device
from nmt.distributed import T, World
from nmt.errors import ToldElsewhere
from nmt.recipe import Request, opened
from nmt.subwords import PAD

Files = dict[str, tuple[Path, Path]]


def command(processes: int, toy: Files, out: Path, *more: str, **settings: object) -> list[str]:
    wanted = TINY | {key.replace("__", "."): value for key, value in settings.items()}
    assignments = [f"--set={key}={value}" for key, value in wanted.items()]
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [
        sys.executable,
        *(launcher if processes > 1 else []),
        *("-m", "nmt", "train", *map(str, toy["train"])),
        *(f"--valid={file}" for file in toy["valid"]),
        f"--out={out}",
        *assignments,
        *more,
    ]


def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def weights(out: Path) -> dict[str, torch.Tensor]:
    return read_tensors(Run(out).checkpoints()[0])[0]


def losses(out: Path) -> list[float]:
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [e["loss"] for e in map(json.loads, lines) if e["event"] == "step"]


@pytest.mark.parametrize("size", [2, 3])
def test_shares_are_the_batch_and_balanced(size: int) -> None:
    generator = np.random.default_rng(1)
    source, target = (
        [list(range(4, 4 + n)) for n in generator.integers(1, 12, 41)] for _ in range(2)
    )
    for batch in grouped(source, target, 80):
        shares = [World(rank, size).share(batch) for rank in range(size)]
        filled = [share for share in shares if share.tokens]
        assert sorted(rows for share in filled for rows in share.rows) == sorted(batch.rows)
        assert sum(share.tokens for share in shares) == batch.tokens
        longest = int((batch.target_out != PAD).sum(dim=1).max())
        tokens = [share.tokens for share in shares]
        assert max(tokens) - min(tokens) <= longest


def test_two_processes_are_one_to_float_rounding(toy: Files, tmp_path: Path) -> None:
    settings: dict[str, object] = {"train__max_steps": 20, "train__validate_every": 10}
    settings |= {"train__accumulate": 2, "train__concatenated": 0.3}
    for processes in (1, 2):
        process = start(command(processes, toy, tmp_path / str(processes), **settings))
        _, said = process.communicate()
        assert process.returncode == 0, said
    one, two = (weights(tmp_path / name) for name in "12")
    assert one.keys() == two.keys()
    for name in one:
        assert torch.allclose(one[name], two[name], atol=2e-5, rtol=1e-4), name
    assert losses(tmp_path / "1") == pytest.approx(losses(tmp_path / "2"), rel=1e-5)


@pytest.mark.parametrize(
    ("mistake", "code"), [("--set=train.budgit=1", 1), ("--valid=none", 1), ("--budgit=1m", 2)]
)
def test_a_refusal_of_all_processes_is_told_by_one(
    toy: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str, code: int
) -> None:
    said = []
    for rank in "01":
        monkeypatch.setenv("LOCAL_RANK", rank)
        result = nmt("train", *toy["train"], "--out", tmp_path / "run", mistake)
        assert result.code == code
        said.append(result.err)
    assert said[0] and not said[1]


def test_what_kept_the_first_process_from_beginning_it_tells_itself(
    toy: Files, tmp_path: Path, device: Device
) -> None:
    class First(World):
        def told(self, value: T) -> Any:
            return False

    request = Request({}, open_corpus(toy["train"]), None, tmp_path / "run")
    with pytest.raises(ToldElsewhere), opened(request, device, 0.0, First(1, 2)):
        pass


def wait_for(process: subprocess.Popen[str], text: str) -> None:
    """Read what the process says until a line holds `text`."""
    assert process.stderr
    said = []
    for line in process.stderr:
        if text in line:
            return
        said.append(line)
    pytest.fail(f"{text} was never said, but {''.join(said)}")


def test_a_rank_that_dies_ends_the_others_and_the_run_resumes(toy: Files, tmp_path: Path) -> None:
    out = tmp_path / "run"
    settings = {"train__max_steps": 5_000, "train__save_every": 10, "train__validate_every": 10}
    process = start(command(2, toy, out, **settings))
    wait_for(process, "validation at step 20")
    owner = json.loads((out / "state" / "lock.owner.json").read_text(encoding="utf-8"))
    psutil.Process(owner["process"]).kill()
    _, said = process.communicate()
    assert process.returncode != 0
    assert "another of the 2 processes ended" in said
    alone = start(command(1, toy, out, **settings))  # another number of processes
    wait_for(alone, f"resuming {out} at step {Run.step_of(Run(out).checkpoints()[0])}")
    wait_for(alone, "validation at step")
    alone.terminate()
    _, said = alone.communicate()
    assert alone.returncode == 143
    assert "stopped and saved at step" in said
