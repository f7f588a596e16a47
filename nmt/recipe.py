"""From what was asked for to a training that can run: prepare, choose, or take up again.

What a corpus's size and the device suggest is decided here, in `data_choices` and
`training_choices`, each with its reason, and nowhere else. What was asked for explicitly is kept in
`state/request.json`, so that running the same command again resumes, and another one is refused.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nmt import card
from nmt.checkpoint import Run, preparation_files, read_config, write_config
from nmt.choices import UNITS
from nmt.config import Choice, DataSettings, Settings, flat, read, settings_from
from nmt.corpus import Corpus
from nmt.device import Device, training_precision
from nmt.distributed import ALONE, World
from nmt.errors import RunError, SettingsError, ToldElsewhere
from nmt.files import locked, replacing, write_text
from nmt.manifest import FORMAT, MANIFEST, Inputs, Manifest
from nmt.prepare import (
    Preparation,
    Prepared,
    Report,
    Survey,
    identity,
    is_prepared,
    silent,
)
from nmt.training import Training
from nmt.words import ends_a_sentence


@dataclass(frozen=True)
class Request:
    """What a command asks of a training."""

    settings: Mapping[str, Any]  # by dotted key, only those asked for
    corpus: Corpus | Path  # a path is a folder that `nmt prepare` wrote
    valid: Corpus | None
    out: Path
    fresh: bool = False
    report: Report = silent  # is told how far the preparation is


@dataclass(frozen=True)
class Ready:
    """A training that can run, and how it came about."""

    training: Training
    resumed: bool


# --- choosing -----------------------------------------------------------------------------------

# Vocabulary by number of pairs: small corpora need small ones (Sennrich & Zhang 2019, §3.2).
_VOCABULARIES = ((5_000, 2_000), (15_000, 4_000), (60_000, 6_000), (400_000, 8_000))
_VOCABULARIES_ABOVE = ((2_000_000, 16_000), (math.inf, 32_000))

_FEW = 20_000  # pairs up to which small batches, and so more updates, win
_LOOKS = 15  # validations of a training, so that they take no more than a twentieth of it
_MANY_EPOCHS = 12  # from which on there is time to overfit (docs/results.md)
_DROPOUT_START_OF_MANY, _DROPOUT_START_OF_FEW = 1.0, 0.25
_DECAY_OF_MANY, _DECAY_OF_FEW = 0.1, 0.0
_CONCATENATED = 0.05  # chance that a pair gets another behind it: a line may hold several sentences
_SENTENCES = 0.5  # the share of pairs that must end like sentences for that to make sense
_LOOKED_AT = 2_000  # pairs that are asked for it
_STEPS_A_SECOND, _STEPS_OF_A_GPU = 4, 40  # guesses, for a training that is given a budget


def implied_choices(asked: Mapping[str, Any]) -> list[Choice]:
    """Settings that follow from others alone."""
    choices, data = [], read(asked).data
    if data.task == "lm":
        choices += [
            Choice("model.attention", "none", "a language model has nothing to attend to"),
            Choice("model.tied", "target", "there is no source"),
            Choice("train.best_by", "perplexity", "nothing is translated"),
        ]
    elif not data.joint_vocab:
        choices.append(
            Choice("model.tied", "target", "the two sides have vocabularies of their own")
        )
    return _unasked(choices, asked)


def data_choices(survey: Survey, asked: Mapping[str, Any]) -> list[Choice]:
    """Settings of the preparation that follow from the corpus's size and writing."""
    pairs, unit = survey.pairs, UNITS[read(asked).data.task]
    size = next(size for most, size in (*_VOCABULARIES, *_VOCABULARIES_ABOVE) if pairs <= most)
    characters = len({c for pair in survey.sample for line in pair for c in line})
    if characters > size // 2:  # Chinese, say
        size, why = min(65_536, size + characters), f"{pairs:,} {unit}s, {characters:,} characters"
    else:
        why = f"{pairs:,} {unit}s"
    return _unasked([Choice("data.vocab_size", size, why)], asked)


def training_choices(data: Prepared, device: Device, asked: Mapping[str, Any]) -> list[Choice]:
    """Settings of model and training that follow from the prepared corpus and the device."""
    manifest = data.manifest
    pairs = manifest.train.kept
    size = f"{pairs:,} {manifest.unit}s"
    choices = [Choice("train.precision", *training_precision(device.torch))]
    budget = float(asked.get("train.budget", 0))
    steps, epochs = int(asked.get("train.max_steps", 0)), 30
    if budget or steps:
        what = f"the budget of {budget:.0f} s" if budget else "train.max_steps"
        choices.append(Choice("train.max_epochs", 0, f"{what} decides"))
        choices.append(Choice("train.patience", 0, f"the schedule is fitted to {what}"))
    else:
        epochs = int(asked.get("train.max_epochs", 0))
        epochs = epochs or usual_epochs(pairs)
        choices.append(Choice("train.max_epochs", epochs, size))
    tokens = 1_000 if pairs <= _FEW else 2_000
    choices.append(Choice("train.batch_tokens", tokens, size))
    tokens = int(asked.get("train.batch_tokens", tokens)) * int(asked.get("train.accumulate", 1))
    per_epoch = _steps_per_epoch(manifest, tokens)
    speed = _STEPS_OF_A_GPU if device.torch.type == "cuda" else _STEPS_A_SECOND
    total = steps or round(budget * speed) or epochs * per_epoch
    every = max(100, min(1_000, per_epoch))
    planned = max(1, round(total / per_epoch))
    many = planned >= _MANY_EPOCHS
    start = _DROPOUT_START_OF_MANY if many else _DROPOUT_START_OF_FEW
    choices.append(Choice("train.dropout_start", start, f"some {planned} epochs"))
    if read(asked).train.optimizer == "adamw":
        decay = _DECAY_OF_MANY if many else _DECAY_OF_FEW
        choices.append(Choice("train.weight_decay", decay, f"some {planned} epochs"))
    looks = max(every, total // _LOOKS)
    choices.append(Choice("train.validate_every", looks, f"some {_LOOKS} times in all"))
    choices.append(Choice("train.save_every", every, f"an epoch is about {per_epoch:,} steps"))
    if manifest.task == "lm":
        choices.append(Choice("train.label_smoothing", 0.0, "it is the probabilities that count"))
    elif (sentences := _sentences(data)) > _SENTENCES:
        why = f"{sentences:.0%} of the pairs end like sentences"
        choices.append(Choice("train.concatenated", _CONCATENATED, why))
    warmup = min(300, max(1, total // 10))
    choices.append(Choice("train.warmup_steps", warmup, "a tenth of the training, 300 at most"))
    return _unasked(choices, asked)


def _sentences(data: Prepared) -> float:
    """The share of the training pairs whose both sides end like sentences."""
    count = len(data.train)
    rows = np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(int))
    texts = (data.train.text(side, rows) for side in ("source", "target"))
    ends = [all(map(ends_a_sentence, pair)) for pair in zip(*texts, strict=True)]
    return sum(ends) / max(1, len(ends))


def usual_epochs(pairs: int) -> int:
    """How often a corpus of this size is gone through where nothing else ends the training."""
    return max(8, min(60, round(30 * math.sqrt(30_000 / pairs))))


def _unasked(choices: Sequence[Choice], asked: Mapping[str, Any]) -> list[Choice]:
    return [choice for choice in choices if choice.key not in asked]


def _steps_per_epoch(manifest: Manifest, batch_tokens: int) -> int:
    tokens = manifest.train.kept * (manifest.lengths["target"]["mean"] + 1)
    return max(1, round(tokens / batch_tokens))


def _values(choices: Sequence[Choice]) -> dict[str, Any]:
    return {choice.key: choice.value for choice in choices}


# --- preparing ----------------------------------------------------------------------------------


def prepare(
    corpus: Corpus,
    valid: Corpus | None,
    folder: Path,
    asked: Mapping[str, Any],
    threads: int,
    inputs: Inputs | None = None,
    report: Report = silent,
) -> tuple[Manifest, list[Choice]]:
    """Write a prepared folder, with data settings that suit the corpus.

    A folder that was prepared from the same bytes with the same settings is left as it is.

    Args:
        inputs: the corpora's fingerprints, where they are known already.
        report: is told how far the preparation is.

    Raises:
        RunError: the folder holds something that `nmt prepare` did not write.
    """
    settings_from(_values(implied_choices(asked)), asked)  # refuse mistakes before any work
    seed, inputs = read(asked).train.seed, inputs or _inputs(corpus, valid)
    data_asked = {key: value for key, value in asked.items() if key.startswith("data.")}
    request = {"format": FORMAT, "inputs": inputs, "seed": seed, "settings": data_asked}
    asked_before = folder / "request.json"
    if is_prepared(folder) and _read_json(asked_before) == request:
        return Manifest.load(folder), []
    _refuse_not_prepared(folder)
    preparation = Preparation(corpus, valid, seed, inputs, report)
    survey = preparation.survey()
    choices = data_choices(survey, asked)
    settings = read(_values(choices), asked)
    manifest = preparation.write(folder, survey, settings, threads)
    write_text(asked_before, json.dumps(request, indent=2) + "\n")
    return manifest, choices


def _inputs(corpus: Corpus, valid: Corpus | None) -> Inputs:
    """Name and fingerprint of each corpus, by its part."""
    parts = {"train": corpus, "valid": valid}
    return {
        part: {"name": each.name, "sha256": each.fingerprint()}
        for part, each in parts.items()
        if each is not None
    }


# --- beginning, or going on ---------------------------------------------------------------------


@contextmanager
def opened(request: Request, device: Device, started: float, world: World) -> Iterator[Ready]:
    """A training that can run, its folder held against other commands within the block.

    Of several processes the first gets everything ready, and the others take it up from there.

    Raises:
        ToldElsewhere: the first process could not begin.
        NmtError: as `get_ready` does; or another command is writing there.
    """
    run = Run(request.out)
    if not world.first:
        if not world.told(False):
            raise ToldElsewhere("the first process could not begin", "its own message says why")
        yield Ready(_take_up(request, run, device, started, world), resumed=True)
        return
    with ExitStack() as held:
        try:
            settings_from(_values(implied_choices(request.settings)), request.settings)
            _refuse_occupied(run, request.fresh)
            held.enter_context(locked(run.state / "lock", str(run.path)))
            ready = get_ready(request, device, started, world)
        except BaseException:
            world.told(False)
            raise
        world.told(True)
        yield ready


def get_ready(request: Request, device: Device, started: float, world: World = ALONE) -> Ready:
    """Prepare the data and set up a training in `request.out`, or take up the one that is there.

    Raises:
        RunError: the folder holds another training, or something else altogether.
        SettingsError, CorpusError: what was asked for cannot be done.
    """
    run = Run(request.out)
    settings_from(_values(implied_choices(request.settings)), request.settings)
    _refuse_occupied(run, request.fresh)
    run.sweep()
    asked = _as_asked(request)
    before = _read_json(_request_file(run))
    if before is not None and run.config.is_file() and not request.fresh:
        _refuse_other(run, before, asked)
        return Ready(_take_up(request, run, device, started, world), resumed=True)
    return _begin(request, run, asked, device, started, world)


def _take_up(request: Request, run: Run, device: Device, started: float, world: World) -> Training:
    before = _read_json(_request_file(run)) or {}
    settings, data = read_config(run), Prepared.open(_data_folder(request, run))
    choices = [Choice(**choice) for choice in before.get("choices", ())]
    return Training(run, settings, data, device, started, choices, world)


def _begin(
    request: Request,
    run: Run,
    asked: dict[str, Any],
    device: Device,
    started: float,
    world: World,
) -> Ready:
    choices: list[Choice] = []
    folder = _data_folder(request, run)
    if isinstance(request.corpus, Path):
        data_settings = _prepared_settings(request.corpus, request.settings)
    else:
        manifest, chosen = prepare(
            request.corpus,
            request.valid,
            folder,
            request.settings,
            device.threads * world.size,
            asked["inputs"],
            request.report,
        )
        choices, data_settings = chosen, manifest.settings
    data = Prepared.open(folder)
    decided = {f"data.{key}": value for key, value in data_settings.items()}
    choices += implied_choices({**decided, **request.settings})
    choices += training_choices(data, device, request.settings)
    settings = settings_from(decided, _values(choices), request.settings)
    run.clear()  # only now that the new training is known to be possible
    card.remove(run)
    _write_run(run, settings, data, {**asked, "choices": [asdict(choice) for choice in choices]})
    training = Training(run, settings, data, device, started, choices, world)
    return Ready(training, resumed=False)


def _write_run(run: Run, settings: Settings, data: Prepared, asked: dict[str, Any]) -> None:
    """All that a model needs beside its weights; `config.toml` last, as the sign of wholeness."""
    write_text(_request_file(run), json.dumps(asked, indent=2) + "\n")
    for source in preparation_files(data.folder):
        with replacing(run.path / source.name) as beside:
            shutil.copyfile(source, beside)
    write_config(run, settings)


def training_data(run: Run) -> Path | None:
    """The prepared folder that a run was trained on; None where it is gone, or another now."""
    named = (_read_json(_request_file(run)) or {}).get("inputs", {}).get("train", {})
    other = Path(named.get("name", ""))
    if is_prepared(run.data):
        return run.data
    return other if is_prepared(other) and identity(other) == named.get("sha256") else None


def _data_folder(request: Request, run: Run) -> Path:
    return request.corpus if isinstance(request.corpus, Path) else run.data


def _request_file(run: Run) -> Path:
    return run.path / "state" / "request.json"


def _as_asked(request: Request) -> dict[str, Any]:
    """What decides whether a command is the same as the one that began the run."""
    if isinstance(request.corpus, Path):
        folder = request.corpus
        inputs = {"train": {"name": str(folder), "sha256": identity(folder)}}
    else:
        inputs = _inputs(request.corpus, request.valid)
    values = flat(read(request.settings))
    return {"inputs": inputs, "settings": {key: values[key] for key in sorted(request.settings)}}


def _prepared_settings(folder: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The data settings of a prepared folder. Raises SettingsError when others are asked for."""
    settings = asdict(DataSettings(**Manifest.load(folder).settings))
    wanted = flat(read(asked))
    for key in asked:
        section, _, name = key.partition(".")
        free = name == "subword_dropout"  # decided in training, not in preparation
        if section == "data" and not free and settings[name] != wanted[key]:
            raise SettingsError(
                f"{folder} was prepared with {key} = {settings[name]}, not {wanted[key]}",
                "leave the setting out, or prepare again",
            )
    if "data.subword_dropout" in asked:
        settings["subword_dropout"] = wanted["data.subword_dropout"]
    return settings


def _refuse_other(run: Run, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Name each difference between the command that began the run and this one."""
    differences = []
    for key in sorted({*before["settings"], *now["settings"]}):
        old, new = before["settings"].get(key, "not set"), now["settings"].get(key, "not set")
        if old != new:
            differences.append(f"{key} was {old}, is now {new}")
    for part, what in (("train", "training corpus"), ("valid", "validation corpus")):
        nothing = {"name": "none", "sha256": ""}
        old, new = before["inputs"].get(part, nothing), now["inputs"].get(part, nothing)
        if old["sha256"] != new["sha256"]:
            changed = "has other content now" if old["name"] == new["name"] else f"is {new['name']}"
            differences.append(f"the {what} was {old['name']} and {changed}")
    if differences:
        raise RunError(
            f"{run.path}: begun with other settings: {'; '.join(differences)}",
            "give the same command to go on, --fresh to start over, or another --out",
        )


def _refuse_occupied(run: Run, fresh: bool) -> None:
    """A folder is ours if it has a request, or all of a model; what is not ours stays."""
    if run.path.exists() and not run.path.is_dir():
        raise RunError(f"{run.path}: is a file, and a run is a folder", "use another --out")
    if _read_json(_request_file(run)) is not None:
        return
    files = [run.model, run.config, run.path / MANIFEST]
    there = [file for file in files if file.exists()]
    if there == files and fresh:
        return
    if there == files:
        raise RunError(
            f"{run.path}: holds a model whose training state is gone",
            "use another --out, or --fresh to start over there",
        )
    if there:
        raise RunError(
            f"{there[0]}: is in the way, and was not written by nmt train", "use another --out"
        )


def _refuse_not_prepared(folder: Path) -> None:
    """Writing a prepared folder replaces all that is in it."""
    if folder.is_dir() and any(folder.iterdir()) and not is_prepared(folder):
        raise RunError(
            f"{folder}: is not empty, and was not written by nmt prepare", "use another --out"
        )


def _read_json(path: Path) -> dict[str, Any] | None:
    """An object from a file of ours; None when there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
