"""Settings: where a value comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from nmt import config
from nmt.config import PRESETS, flat, layer_from_assignments, seconds_from, settings_from
from nmt.errors import SettingsError


def test_a_later_layer_wins() -> None:
    settings = settings_from({"model.hidden": 128, "model.heads": 2}, {"model.hidden": 64})
    assert (settings.model.hidden, settings.model.heads) == (64, 2)


def test_every_preset_is_valid() -> None:
    for preset in PRESETS.values():
        settings_from(preset)


def test_settings_survive_being_flattened() -> None:
    settings = settings_from({"train.schedule": "plateau", "data.subword_dropout": 0.1})
    assert settings_from(flat(settings)) == settings


def test_assignments_are_read_as_toml_or_text() -> None:
    layer = layer_from_assignments(
        ["model.cell=gru", "model.dropout=0.25", "data.joint_vocab=false"]
    )
    assert layer == {"model.cell": "gru", "model.dropout": 0.25, "data.joint_vocab": False}


def test_one_section_may_be_the_only_one_to_set() -> None:
    assert layer_from_assignments(["translate.beam=3"], "translate") == {"translate.beam": 3}
    with pytest.raises(SettingsError, match=r"only \[translate\] can be set"):
        layer_from_assignments(["translate.beam=3", "model.hidden=64"], "translate")
    with pytest.raises(SettingsError, match=r"did you mean translate.beam"):
        layer_from_assignments(["translate.beem=3"], "translate")


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("train.learning_rat", "train.learning_rate"),
        ("hidden", "model.hidden"),
        ("translation.beam", "translate.beam"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(key: str, suggestion: str) -> None:
    with pytest.raises(SettingsError, match=f"did you mean {suggestion}"):
        settings_from({key: 1})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.max_steps", "many"),
        ("model.dropout", 1.5),
        ("model.cell", "transformer"),
        ("model.hidden", -2),
        ("translate.word_reward", float("nan")),
        ("translate.length_penalty", 1e6),
    ],
)
def test_a_wrong_value_names_its_key(key: str, value: object) -> None:
    with pytest.raises(SettingsError, match=key):
        settings_from({key: value})


@pytest.mark.parametrize(
    "clash",
    [
        {"model.tied": "all", "data.joint_vocab": False},
        {"model.heads": 4, "model.attention": "additive"},
        {"model.hidden": 100, "model.heads": 8},
        {"translate.beam": 5, "translate.groups": 2},
        {"translate.min_length": 9, "translate.max_length": 8},
        {"translate.min_ratio": 3.0, "translate.max_ratio": 2.0},
        {"translate.coverage_penalty": 0.2, "model.attention": "none"},
    ],
)
def test_a_clash_names_both_keys(clash: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as error:
        settings_from(clash)
    assert all(key in str(error.value) for key in clash)


def test_a_config_file_is_read_by_dotted_key(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[model]\nhidden = 64\n[train]\nseed = 7\n")
    assert config.layer_from_file(path) == {"model.hidden": 64, "train.seed": 7}


@pytest.mark.parametrize("text", ["hidden = 3", "[model]\nhiden = 3", "[model", "\x00"])
def test_a_bad_config_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(SettingsError):
        config.layer_from_file(path)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("20m", 1200), ("1h30m", 5400), ("1.5h", 5400), ("45", 45)]
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_from(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "0s", "-5m", "m", "5 parsecs"])
def test_no_durations(text: str) -> None:
    with pytest.raises(SettingsError):
        seconds_from(text)
