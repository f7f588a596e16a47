"""A run's folder: complete on its own, whole after every write, and honest when damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from conftest import toy_pairs

from nmt.checkpoint import Run, average, load, read_tensors
from nmt.device import Device
from nmt.errors import RunError
from nmt.search import SearchOptions
from nmt.translate import Translator

LINES = [source for source, _ in toy_pairs(20, 7)]


def translations(folder: Path, device: Device) -> list[str]:
    trained = load(folder, device.torch)
    translator = Translator(trained.model, trained.vocabulary, SearchOptions(), 100)
    return [t.text for t in translator.translate(LINES)]


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    shutil.copytree(run, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_copied_run_without_its_state_translates_alike(
    run: Path, copy: Path, device: Device
) -> None:
    shutil.rmtree(copy / "state")
    assert translations(copy, device) == translations(run, device)


@pytest.mark.parametrize("name", ["model.safetensors", "subwords.model", "config.toml"])
def test_a_missing_file_is_named(copy: Path, name: str, device: Device) -> None:
    (copy / name).unlink()
    with pytest.raises(RunError, match=r"no .*(weights|subword model|config)"):
        load(copy, device.torch)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "subwords.model", "config.toml", "manifest.json"]
)
@pytest.mark.parametrize("size", [0, 10, 200])
def test_a_truncated_file_is_an_error_not_a_crash(
    copy: Path, name: str, size: int, device: Device
) -> None:
    (copy / name).write_bytes((copy / name).read_bytes()[:size])
    with pytest.raises(RunError):
        load(copy, device.torch)


def test_another_version_is_named(copy: Path, device: Device) -> None:
    config = copy / "config.toml"
    config.write_text(config.read_text().replace("format = 1", "format = 7"))
    with pytest.raises(RunError, match="format 7"):
        load(copy, device.torch)


def test_a_setting_that_does_not_exist_is_named(copy: Path, device: Device) -> None:
    config = copy / "config.toml"
    config.write_text(config.read_text().replace("hidden = 64", "hiddn = 64"))
    with pytest.raises(RunError, match=r"model\.hiddn.*\n.*model\.hidden"):
        load(copy, device.torch)


def test_weights_of_another_shape_are_refused(copy: Path, device: Device) -> None:
    config = copy / "config.toml"
    config.write_text(config.read_text().replace("hidden = 64", "hidden = 32"))
    with pytest.raises(RunError, match="do not fit"):
        load(copy, device.torch)


def test_there_is_no_pickle_in_a_run(run: Path) -> None:
    for path in run.rglob("*"):
        if path.is_file():
            known = {".safetensors", ".toml", ".json", ".jsonl", ".model", ".arrow", ".md"}
            assert path.suffix in known


# --- averaging ----------------------------------------------------------------------------------


def test_an_average_is_the_mean_and_translates(run: Path, tmp_path: Path, device: Device) -> None:
    files = average([run], tmp_path / "mean", last=2)
    assert files == Run(run).snapshots()[:2]
    one, two = (read_tensors(file)[0] for file in files)
    mean, about = read_tensors(tmp_path / "mean" / "model.safetensors")
    assert all(torch.allclose(mean[name], (one[name] + two[name]) / 2) for name in one)
    assert about == {"averaged": [f"run/{file.name}" for file in files]}
    assert len(translations(tmp_path / "mean", device)) == len(LINES)


def test_the_average_of_one_is_itself(run: Path, tmp_path: Path) -> None:
    file = run / "weights" / "best-perplexity.safetensors"
    average([file], tmp_path / "same", last=1)
    mine, theirs = (read_tensors(f)[0] for f in (file, tmp_path / "same" / "model.safetensors"))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_unlike_models_are_not_averaged(run: Path, copy: Path, tmp_path: Path) -> None:
    config = copy / "config.toml"
    config.write_text(config.read_text().replace("hidden = 64", "hidden = 128"))
    with pytest.raises(RunError, match=r"differ in model\.hidden: 64 and 128"):
        average([run, copy], tmp_path / "mean", last=1)
    shutil.copyfile(run / "config.toml", config)
    shutil.copyfile(run / "manifest.json", copy / "subwords.model")
    with pytest.raises(RunError):
        average([run, copy], tmp_path / "mean", last=1)
    assert not (tmp_path / "mean").exists()


def test_nothing_is_averaged_over_what_is_there(run: Path, copy: Path) -> None:
    before = (copy / "model.safetensors").read_bytes()
    with pytest.raises(RunError, match="is there already"):
        average([run], copy, last=1)
    assert (copy / "model.safetensors").read_bytes() == before


def test_a_run_without_weights_is_named(run: Path, copy: Path, tmp_path: Path) -> None:
    shutil.rmtree(copy / "weights")
    for place in (copy, tmp_path / "nowhere"):
        with pytest.raises(RunError, match=place.name):
            average([place], tmp_path / "mean", last=1)
