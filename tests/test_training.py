"""Training: it learns, it goes on where it stopped, bit for bit, and it ends when it should."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import RUN_SETTINGS, make_training, toy_pairs, train, write_corpus
from torch import Tensor

from nmt import training as module
from nmt.batches import Batch
from nmt.checkpoint import load, read_tensors
from nmt.corpus import open_corpus
from nmt.device import Device, has_bfloat16_kernels
from nmt.errors import NmtError, RunError, TrainingError
from nmt.events import Finished, Incident, Stepped, Validated
from nmt.prepare import Prepared
from nmt.recipe import prepare, training_choices
from nmt.search import SearchOptions
from nmt.training import Training, Window
from nmt.translate import Translator

Files = dict[str, tuple[Path, Path]]


@pytest.mark.parametrize("task", ["copy", "reverse"])
def test_a_toy_task_is_learned(task: str, tmp_path: Path, device: Device) -> None:
    change = list if task == "copy" else (lambda words: words[::-1])
    corpus = write_corpus(tmp_path, "train", toy_pairs(4_000, 1, change))
    valid = write_corpus(tmp_path, "valid", toy_pairs(50, 2, change))
    training = make_training(
        tmp_path,
        corpus,
        valid,
        train__max_steps=1_200,
        train__validate_every=600,
        model__attention="general",
        train__batch_tokens=500,
        train__learning_rate=3e-3,
    )
    train(training)
    test = toy_pairs(200, 3, change)
    trained = load(tmp_path / "run", device.torch)
    translator = Translator(trained.model, trained.vocabulary, SearchOptions(), 100)
    found = [t.text for t in translator.translate([source for source, _ in test])]
    exact = sum(mine == target for mine, (_, target) in zip(found, test, strict=True))
    assert exact >= 0.97 * len(test)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"train__accumulate": 2, "train__weight_decay": 0.01, "train__concatenated": 0.3},
        {"model__dropout": 0.2, "model__word_dropout": 0.1, "data__subword_dropout": 0.1},
        {"train__schedule": "plateau", "train__ema": 0.0, "model__cell": "gru"},
    ],
)
def test_resumed_is_uninterrupted_bit_for_bit(
    settings: dict[str, object], toy: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BEGINNING", 4)  # so that some saves are between two averages
    wanted = settings | {
        "train__max_steps": 34,
        "train__validate_every": 12,
        "train__save_every": 6,
    }
    whole = make_training(tmp_path / "whole", toy["train"], toy["valid"], **wanted)
    train(whole)
    for events in (3, 6):  # the process dies: whatever came after the last save is lost
        broken = make_training(tmp_path / "broken", toy["train"], toy["valid"], **wanted)
        list(islice(broken.events(), events))
    resumed = make_training(tmp_path / "broken", toy["train"], toy["valid"], **wanted)
    assert 0 < resumed.progress.step < 34
    train(resumed)
    assert_same_run(whole, resumed)


def assert_same_run(one: Training, other: Training) -> None:
    assert one.run.checkpoints()[0].name == other.run.checkpoints()[0].name
    for mine_at, theirs_at in (
        (one.run.model, other.run.model),
        (one.run.checkpoints()[0], other.run.checkpoints()[0]),
    ):
        mine, theirs = read_tensors(mine_at)[0], read_tensors(theirs_at)[0]
        assert mine.keys() == theirs.keys()
        for key in mine:
            assert torch.equal(mine[key], theirs[key]), key
    assert log(one) == log(other)


def log(training: Training) -> list[dict[str, object]]:
    """The log without what a clock decides."""
    timed = ("time", "seconds", "took", "updating", "validating", "target_tokens_per_second")
    return [
        {key: value for key, value in json.loads(line).items() if key not in timed}
        for line in training.run.log.read_text(encoding="utf-8").splitlines()
    ]


@pytest.mark.parametrize("limit", [0.0, 0.5, 2.0])  # 0: none
def test_gradients_above_the_limit_are_scaled_to_it(
    limit: float, toy: Files, tmp_path: Path
) -> None:
    training = make_training(tmp_path, toy["train"], toy["valid"], train__clip_norm=limit)
    parameters = list(training.model.parameters())
    drawn = [torch.randn_like(parameter) for parameter in parameters]
    length = math.sqrt(sum(float(each.square().sum()) for each in drawn))
    for parameter, each in zip(parameters, drawn, strict=True):
        parameter.grad = each / length
    norm, norms = training._clip()
    assert float(norm) == pytest.approx(1.0, rel=1e-5) == float(norms.norm())
    for parameter, each in zip(parameters, drawn, strict=True):
        assert parameter.grad is not None
        if limit == 0.5:
            torch.testing.assert_close(parameter.grad, each / length / 2)
        else:
            assert torch.equal(parameter.grad, each / length)


def test_a_request_to_stop_saves_and_the_rest_is_the_same(toy: Files, tmp_path: Path) -> None:
    settings = {"train__max_steps": 24, "train__validate_every": 12, "train__save_every": 100}
    whole = make_training(tmp_path / "whole", toy["train"], toy["valid"], **settings)
    train(whole)
    stopped = make_training(tmp_path / "stopped", toy["train"], toy["valid"], **settings)
    for event in stopped.events():
        if isinstance(event, Stepped):
            stopped.stop_requested = True
    assert stopped.progress.step == 10
    resumed = make_training(tmp_path / "stopped", toy["train"], toy["valid"], **settings)
    assert resumed.progress.step == 10
    train(resumed)
    assert_same_run(whole, resumed)


def test_the_log_has_what_scripts_rely_on(run: Path) -> None:
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all({"event", "time"} <= set(event) for event in events)
    steps = [event for event in events if event["event"] == "step"]
    assert [event["step"] for event in steps] == list(range(10, 151, 10))
    wanted = {"step", "epoch", "loss", "perplexity", "learning_rate", "gradient_norm"}
    assert wanted | {"target_tokens_per_second"} <= set(steps[0])
    validations = [event for event in events if event["event"] == "validation"]
    assert [event["step"] for event in validations] == [50, 100, 150]
    assert {"step", "perplexity", "bleu", "best"} <= set(validations[0])


def test_the_norms_of_the_layers_make_up_that_of_the_gradient(run: Path) -> None:
    """Each is the largest of ten updates, so together they may only be more."""
    events = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    for event in events:
        if event["event"] == "step":
            norms = event["gradient_norms"]
            assert {"source_embedding", "encoder.0", "bridge", "decoder.0", "output"} <= set(norms)
            assert max(norms.values()) <= event["gradient_norm"] * (1 + 1e-6)
            assert event["gradient_norm"] <= math.hypot(*norms.values()) * (1 + 1e-6)


def test_the_best_weights_are_kept(toy: Files, tmp_path: Path) -> None:
    training = make_training(
        tmp_path, toy["train"], toy["valid"], train__max_steps=60, train__validate_every=10
    )
    validations = [event for event in train(training) if isinstance(event, Validated)]
    best = [validation for validation in validations if validation.best][-1]
    scores = json.loads(training.run.scores.read_text())
    assert (scores["step"], scores["bleu"]) == (best.step, best.bleu)
    _, about = read_tensors(training.run.model)
    assert about == scores


@pytest.mark.parametrize(
    ("by", "looks", "kept"),  # looks: perplexity and BLEU, one after another
    [
        ("bleu", [(9.0, 20.0), (8.0, 30.0), (7.0, 29.0)], 2),
        ("bleu", [(9.0, 30.0), (8.0, 29.95), (8.5, 30.1)], 2),  # as good, but for chance
        ("bleu", [(9.0, 30.0), (8.0, 29.85), (7.0, 29.75)], 2),  # chance is not added up
        ("bleu", [(8.0, 30.0), (9.0, 30.15), (9.5, 30.3)], 3),  # nor what is gained
        ("bleu", [(8.0, 30.0), (8.0, 30.1), (8.0, 30.1)], 2),
        ("perplexity", [(9.0, 30.0), (8.0, 20.0), (8.0, 21.0)], 3),
        ("perplexity", [(9.0, 30.0), (9.01, 40.0)], 1),
    ],
)
def test_bleu_within_chance_of_the_highest_leaves_it_to_perplexity(
    by: str,
    looks: list[tuple[float, float]],
    kept: int,
    toy: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    training = make_training(
        tmp_path,
        toy["train"],
        toy["valid"],
        train__best_by=by,
        train__max_steps=len(looks),
        train__validate_every=1,
    )
    scores = iter(looks)
    now: list[float] = []

    def perplexity(_: Training) -> float:
        now[:] = next(scores)
        return now[0]

    monkeypatch.setattr(Training, "_perplexity", perplexity)
    monkeypatch.setattr(Training, "_quality", lambda _: (now[1], []))
    train(training)
    assert json.loads(training.run.scores.read_text())["step"] == kept


@pytest.mark.parametrize("by", ["bleu", "perplexity"])
def test_patience_ends_a_training_that_no_longer_improves(
    by: str, toy: Files, tmp_path: Path
) -> None:
    training = make_training(
        tmp_path,
        toy["train"],
        toy["valid"],
        train__best_by=by,
        train__learning_rate=1e-12,
        train__validate_every=2,
        train__patience=3,
        train__ema=0.0,
    )
    finished = train(training)[-1]
    assert isinstance(finished, Finished)
    assert finished.step == 8  # the first look is the best
    assert by in finished.reason


def test_epochs_end_a_training(toy: Files, tmp_path: Path) -> None:
    training = make_training(tmp_path, toy["train"], toy["valid"], train__max_epochs=2)
    finished = train(training)[-1]
    assert isinstance(finished, Finished)
    assert finished.epoch == pytest.approx(2.0)


def test_a_budget_that_is_spent_ends_a_training(toy: Files, tmp_path: Path) -> None:
    training = make_training(tmp_path, toy["train"], toy["valid"], train__budget=1000.0)
    training.progress.seconds = 999.5  # as if earlier processes had spent it
    finished = train(training)[-1]
    assert isinstance(finished, Finished)
    assert finished.step == 1
    assert "budget" in finished.reason


def test_a_finished_training_stays_finished(run: Path, toy: Files) -> None:
    training = make_training(run.parent, toy["train"], toy["valid"], **RUN_SETTINGS)
    before = training.run.log.read_bytes()
    assert training.progress.finished
    assert train(training) == []
    assert training.run.log.read_bytes() == before


def test_other_settings_are_refused_by_name(run: Path, toy: Files) -> None:
    with pytest.raises(RunError) as error:
        make_training(run.parent, toy["train"], toy["valid"], train__max_steps=61, model__hidden=32)
    message = str(error.value)
    assert "train.max_steps was 150, is now 61" in message
    assert "model.hidden was 64, is now 32" in message
    assert "train.validate_every was 50, is now not set" in message


def test_another_corpus_is_refused(run: Path, toy: Files) -> None:
    with pytest.raises(RunError, match="corpus"):
        make_training(
            run.parent, toy["test"], toy["valid"], train__max_steps=60, train__validate_every=30
        )


@pytest.mark.parametrize("schedule", ["constant", "inverse_sqrt", "cosine", "plateau"])
def test_schedules_warm_up_and_never_exceed_their_peak(
    schedule: str, toy: Files, tmp_path: Path
) -> None:
    training = make_training(
        tmp_path,
        toy["train"],
        toy["valid"],
        train__schedule=schedule,
        train__max_steps=1_000,
        train__warmup_steps=100,
    )
    rates = []
    for step in range(1, 1_001):
        training.progress.step = step
        rates.append(training.learning_rate())
    peak = training.settings.train.learning_rate
    assert rates[:99] == sorted(rates[:99])
    assert max(rates) <= peak * (1 + 1e-9)
    assert rates[99:] == sorted(rates[99:], reverse=True)
    last = {"cosine": 0.0, "inverse_sqrt": peak * math.sqrt(0.1)}.get(schedule, peak)
    assert rates[-1] == pytest.approx(last, abs=1e-9)


def chosen_for(
    pairs: Sequence[tuple[str, str]], folder: Path, device: Device, **asked: object
) -> dict[str, object]:
    """What the recipe chooses for a corpus."""
    corpus = open_corpus(write_corpus(folder, "corpus", pairs))
    prepare(corpus, None, folder / "out", {"data.vocab_size": 40}, 2)
    named = {name.replace("__", "."): value for name, value in asked.items()}
    data = Prepared.open(folder / "out")
    return {each.key: each.value for each in training_choices(data, device, named)}


@pytest.mark.parametrize(
    ("ends", "wanted"),
    [
        ([("", "")], False),
        ([(".", "!"), (".", "?")], True),
        ([(".", "")], False),
        ([(".", "."), (".", ""), ("", ".")], False),
        ([("。", "。")], False),
    ],
)
def test_pairs_are_put_together_where_most_end_like_sentences(
    ends: list[tuple[str, str]], wanted: bool, tmp_path: Path, device: Device
) -> None:
    toy = zip(toy_pairs(100, 1), cycle(ends), strict=False)
    pairs = [(source + end, target + other) for (source, target), (end, other) in toy]
    assert ("train.concatenated" in chosen_for(pairs, tmp_path, device)) == wanted
    asked = chosen_for(pairs, tmp_path, device, train__concatenated=0.5)
    assert "train.concatenated" not in asked


def test_weights_decay_where_there_is_time_to_overfit(tmp_path: Path, device: Device) -> None:
    def chosen(**asked: object) -> dict[str, object]:
        return chosen_for(toy_pairs(60, 1), tmp_path, device, **asked)

    assert chosen(train__max_epochs=2)["train.weight_decay"] == 0
    decay = chosen(train__max_epochs=20)["train.weight_decay"]
    assert isinstance(decay, float) and decay > 0
    by_adam = chosen(train__max_epochs=20, train__optimizer="adam")
    assert "train.weight_decay" not in by_adam  # it would be refused with it


def test_a_step_shrinks_weights_by_rate_times_decay(toy: Files, tmp_path: Path) -> None:
    rate, decay = 1e-3, 0.5
    after = []
    for value in (0.0, decay):
        training = make_training(
            tmp_path / str(value),
            toy["train"],
            toy["valid"],
            train__max_steps=1,
            train__schedule="constant",
            train__warmup_steps=0,
            train__learning_rate=rate,
            train__weight_decay=value,
            train__ema=0.0,
        )
        before = training.model.output.weight.detach().clone()
        train(training)
        after.append(training.model.output.weight.detach())
    torch.testing.assert_close(after[0] - after[1], rate * decay * before)


def test_dropout_grows_towards_the_end_and_is_whole_where_there_is_none(
    toy: Files, tmp_path: Path
) -> None:
    limits: dict[str, object] = {"train__max_steps": 8, "train__max_epochs": 0}
    limits |= {"train__dropout_start": 0.25, "train__schedule": "constant"}
    training = make_training(tmp_path / "ends", toy["train"], toy["valid"], **limits)
    assert training.dropout_strength() == 0.25
    seen = []
    forward = training._losses.forward

    def watched(batch: Batch) -> Tensor:
        seen.append(training.model.dropout_strength)
        result: Tensor = forward(batch)
        return result

    training._losses.forward = watched
    list(training.events())
    assert seen == pytest.approx([0.25 + 0.75 * step / 8 for step in range(1, 9)])
    limits["train__max_steps"] = 0
    training = make_training(tmp_path / "endless", toy["train"], toy["valid"], **limits)
    assert training.dropout_strength() == 1.0


def spoil(
    training: Training,
    when: Callable[[Training], bool],
    change: Callable[[Tensor], Tensor] = lambda losses: losses * math.nan,
) -> None:
    """Change the losses of the updates for which `when` holds."""
    losses = training._losses
    whole = losses.forward
    losses.forward = lambda batch: change(whole(batch)) if when(training) else whole(batch)


def incidents(events: Sequence[object]) -> list[Incident]:
    return [event for event in events if isinstance(event, Incident)]


def test_an_update_that_is_not_finite_is_left_out_and_told_of(toy: Files, tmp_path: Path) -> None:
    settings: dict[str, object] = {"train__max_steps": 12, "train__concatenated": 0.5}
    training = make_training(tmp_path, toy["train"], toy["valid"], **settings)
    spoil(training, lambda t: t.progress.step == 7)
    weights: dict[int, list[Tensor]] = {}
    learned: dict[int, list[tuple[int, ...]]] = {}
    update = training._update

    def watched(batches: Sequence[Batch]) -> None:
        update(batches)
        learned[training.progress.step] = [rows for batch in batches for rows in batch.rows]
        weights[training.progress.step] = [w.detach().clone() for w in training.model.parameters()]

    training._update = watched  # type: ignore[method-assign]
    [incident] = incidents(train(training))
    assert all(map(torch.equal, weights[6], weights[7]))
    assert not all(map(torch.equal, weights[7], weights[8]))
    assert (incident.step, incident.back_to) == (7, None)
    about = json.loads((training.run.path / incident.file).read_text(encoding="utf-8"))
    rows = np.array([row for rows in learned[7] for row in rows])
    assert len(rows) > len(learned[7])
    sources = training.data.train.text("source", rows)
    assert [pair["source"] for pair in about["pairs"]] == sources
    assert about["loss"] is None


SOON = {"train__max_steps": 60, "train__save_every": 6, "train__validate_every": 30}


@pytest.mark.parametrize("kind", ["not finite", "far too high"])
def test_a_training_that_diverges_goes_back_and_on_more_slowly(
    kind: str, toy: Files, tmp_path: Path
) -> None:
    training = make_training(tmp_path, toy["train"], toy["valid"], **SOON)
    change = {"not finite": lambda x: x * math.nan, "far too high": lambda x: 4 * x}[kind]
    spoil(training, lambda t: t.progress.step > 20 and t.progress.caution == 1, change)
    events = train(training)
    back = next(i for i in incidents(events) if i.back_to is not None)
    assert back.back_to == {"not finite": 18, "far too high": 24}[kind]
    assert back.rate_factor == training.progress.caution == 0.5
    assert isinstance(events[-1], Finished) and events[-1].step == 60
    assert all(weight.isfinite().all() for weight in training.model.parameters())
    told = [json.loads(line) for line in training.run.log.read_text().splitlines()]
    assert sum(event["event"] == "incident" for event in told) == len(incidents(events))


def test_many_left_out_updates_are_trouble_even_with_good_ones_between(
    toy: Files, tmp_path: Path
) -> None:
    training = make_training(tmp_path, toy["train"], toy["valid"], **SOON)
    spoil(training, lambda t: t.progress.step % 2 == 1 and t.progress.caution == 1)
    assert any(i.back_to is not None for i in incidents(train(training)))


def test_a_stop_in_trouble_does_not_change_where_to_go_back_to(toy: Files, tmp_path: Path) -> None:
    """What was saved on a request to stop is for resuming; the rest goes as it would have gone."""

    def made(name: str) -> Training:
        training = make_training(tmp_path / name, toy["train"], toy["valid"], **SOON)
        spoil(training, lambda t: t.progress.step > 20 and t.progress.caution == 1, lambda x: 4 * x)
        return training

    whole, stopped = made("whole"), made("stopped")
    train(whole)
    for event in stopped.events():
        if isinstance(event, Stepped) and event.step == 30:  # the first window that is too high
            stopped.stop_requested = True
    assert [stopped.run.step_of(file) for file in stopped.run.resumable()] == [30, 24, 18]
    resumed = made("stopped")
    assert resumed.progress.step == 30
    assert [i.back_to for i in incidents(train(resumed))] == [24]
    for mine, theirs in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_time_since_the_last_checkpoint_stays_spent(toy: Files, tmp_path: Path) -> None:
    settings = {
        "train__budget": 1_000.0,
        "train__save_every": 1_000,
        "train__validate_every": 1_000,
    }
    training = make_training(tmp_path, toy["train"], toy["valid"], **settings)
    training.progress.seconds = 30.0
    list(islice(training.events(), 3))
    resumed = make_training(tmp_path, toy["train"], toy["valid"], **settings)
    assert (resumed.progress.step, resumed.progress.seconds > 30) == (0, True)


def test_a_training_that_only_diverges_gives_up(toy: Files, tmp_path: Path) -> None:
    training = make_training(tmp_path, toy["train"], toy["valid"], **SOON)
    spoil(training, lambda t: t.progress.step > 14)
    with pytest.raises(TrainingError, match=r"after 5 returns to a checkpoint"):
        train(training)
    assert training.run.checkpoints()  # what was good is still there


def test_a_checkpoint_that_leads_to_trouble_twice_gives_way(toy: Files, tmp_path: Path) -> None:
    training = make_training(tmp_path, toy["train"], toy["valid"], **SOON)
    spoil(training, lambda t: t.progress.step > 13 or t.progress.caution < 1)
    steps = []
    with pytest.raises(TrainingError):
        for event in training.events():
            if isinstance(event, Incident) and event.back_to is not None:
                steps.append(event.back_to)
    assert steps == [12, 6, 6, 6, 6]


def test_after_a_rollback_resumed_is_uninterrupted(toy: Files, tmp_path: Path) -> None:
    runs = []
    for name in ("whole", "broken"):
        training = make_training(tmp_path / name, toy["train"], toy["valid"], **SOON)
        spoil(training, lambda t: 20 < t.progress.step < 40 and t.progress.caution == 1)
        if name == "broken":
            for event in training.events():
                if isinstance(event, Incident) and event.back_to is not None:
                    break
            training = make_training(tmp_path / name, toy["train"], toy["valid"], **SOON)
            spoil(training, lambda t: 20 < t.progress.step < 40 and t.progress.caution == 1)
        train(training)
        runs.append(training)
    assert_same_run(*runs)


@pytest.mark.parametrize("harm", ["cut", "zeros", "empty"])
def test_a_torn_checkpoint_gives_way_to_the_one_before(
    harm: str, toy: Files, tmp_path: Path
) -> None:
    whole = make_training(tmp_path / "whole", toy["train"], toy["valid"], **SOON)
    train(whole)
    torn = make_training(tmp_path / "torn", toy["train"], toy["valid"], **SOON)
    list(islice(torn.events(), 7))
    newest, before = torn.run.checkpoints()
    content = newest.read_bytes()
    half = len(content) // 2
    newest.write_bytes(
        {"cut": content[:half], "zeros": content[:half] + bytes(len(content) - half), "empty": b""}[
            harm
        ]
    )
    resumed = make_training(tmp_path / "torn", toy["train"], toy["valid"], **SOON)
    assert [str(newest) in error.message for error in resumed.damaged] == [True]
    assert resumed.progress.step == torn.run.step_of(before)
    train(resumed)
    assert_same_run(whole, resumed)


def test_when_no_checkpoint_is_whole_that_is_said(toy: Files, tmp_path: Path) -> None:
    training = make_training(tmp_path, toy["train"], toy["valid"], **SOON)
    list(islice(training.events(), 7))
    for checkpoint in training.run.checkpoints():
        checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    with pytest.raises(RunError, match="cannot be read"):
        make_training(tmp_path, toy["train"], toy["valid"], **SOON)


def test_a_full_disk_leaves_the_checkpoint_before(
    toy: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_training(tmp_path / "whole", toy["train"], toy["valid"], **SOON)
    train(whole)
    training = make_training(tmp_path / "full", toy["train"], toy["valid"], **SOON)
    events = training.events()
    list(islice(events, 4))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("nmt.checkpoint.save_file", full)
        with pytest.raises(NmtError, match="No space left"):
            list(events)
    assert not list(training.run.path.rglob("*.part"))
    resumed = make_training(tmp_path / "full", toy["train"], toy["valid"], **SOON)
    assert resumed.progress.step > 0
    train(resumed)
    assert_same_run(whole, resumed)


def test_the_last_weights_and_the_best_by_either_score_are_kept(toy: Files, tmp_path: Path) -> None:
    training = make_training(
        tmp_path,
        toy["train"],
        toy["valid"],
        train__max_steps=40,
        train__validate_every=5,
        train__keep_last=3,
    )
    validations = [event for event in train(training) if isinstance(event, Validated)]
    assert [training.run.step_of(file) for file in training.run.snapshots()] == [40, 35, 30]
    _, about = read_tensors(training.run.weights / "best-perplexity.safetensors")
    assert about["perplexity"] == min(v.perplexity for v in validations)
    _, about = read_tensors(training.run.weights / "best-bleu.safetensors")
    assert about["bleu"] == max(v.bleu for v in validations)
    _, about = read_tensors(training.run.model)
    assert about["bleu"] >= max(v.bleu for v in validations) - 0.2


def test_the_average_is_what_is_kept(toy: Files, tmp_path: Path, device: Device) -> None:
    training = make_training(
        tmp_path, toy["train"], toy["valid"], train__max_steps=20, train__ema=0.9
    )
    train(training)
    kept = dict(load(tmp_path / "run", device.torch).model.named_parameters())
    for name, weight in training.average.named_parameters():
        assert torch.equal(kept[name], weight)
    raw = dict(training.model.named_parameters())
    assert any(not torch.equal(kept[name], raw[name]) for name in kept)


@pytest.mark.parametrize(("validate_every", "every"), [(500, 4), (30, 2), (3, 1)])
def test_once_begun_it_follows_every_few_updates_as_far_as_at_each(
    validate_every: int, every: int, toy: Files, tmp_path: Path
) -> None:
    """And at each that is validated."""
    training = make_training(
        tmp_path,
        toy["train"],
        toy["valid"],
        train__ema=0.9,
        train__validate_every=validate_every,
    )
    average, weights = (
        dict(model.named_parameters())["bridge.bias"]
        for model in (training.average, training.model)
    )
    for step in (1, 99, 100, 101, 102, 103, 104, 105, 120):
        training.progress.step = step
        with torch.no_grad():
            average.zero_()
            weights.fill_(1.0)
        training._average()
        decay = min(0.9, (1 + step) / (10 + step))
        moved = decay if step <= 100 else decay**every if step % every == 0 else 1.0
        assert 1 - average.mean().item() == pytest.approx(moved, abs=1e-6)


def test_bf16_learns_too(toy: Files, tmp_path: Path) -> None:
    if not has_bfloat16_kernels():
        pytest.skip("this CPU has no bfloat16 kernels")
    training = make_training(
        tmp_path, toy["train"], toy["valid"], train__precision="bf16", train__max_steps=80
    )
    steps = [event for event in train(training) if isinstance(event, Stepped)]
    assert steps[-1].loss < 0.8 * steps[0].loss


def test_accumulated_batches_are_one_large_one(toy: Files, tmp_path: Path) -> None:
    """The mean is over all tokens of an update, not over batches."""
    training = make_training(tmp_path, toy["train"], toy["valid"], train__max_steps=30)
    batches = list(islice(training.batches.start_at(training.progress.position), 2))
    captured: list[float] = []

    def norm_of(group: list[int]) -> None:
        training.model.load_state_dict(start)
        training.progress.window = Window()
        training._update([batches[i] for i in group])
        list(training._settle())
        captured.append(training.progress.window.norm)

    start = {name: weight.clone() for name, weight in training.model.state_dict().items()}
    norm_of([0, 1])
    assert training.progress.window.tokens == sum(batch.tokens for batch in batches)
    norm_of([0])
    norm_of([1])
    shares = [batch.tokens / (batches[0].tokens + batches[1].tokens) for batch in batches]
    assert captured[0] <= shares[0] * captured[1] + shares[1] * captured[2] + 1e-5


def test_the_corpus_is_prepared_within_the_run(run: Path, toy: Files) -> None:
    assert (run / "state" / "data" / "train.arrow").is_file()
    assert len(list(open_corpus(toy["train"]).pairs())) == 1_500


def test_a_log_that_was_cut_off_stays_json(toy: Files, tmp_path: Path) -> None:
    settings = {"train__max_steps": 24, "train__save_every": 6, "train__validate_every": 12}
    stopped = make_training(tmp_path, toy["train"], toy["valid"], **settings)
    list(islice(stopped.events(), 4))
    content = stopped.run.log.read_bytes()
    stopped.run.log.write_bytes(content[: len(content) // 2])
    train(make_training(tmp_path, toy["train"], toy["valid"], **settings))
    assert all(json.loads(line)["event"] for line in stopped.run.log.read_bytes().splitlines())


def test_the_log_is_strict_json(toy: Files, tmp_path: Path) -> None:
    training = make_training(tmp_path, toy["train"], toy["valid"], train__max_steps=24)
    training._log(Stepped(1, 0.1, math.nan, math.inf, 0.1, math.inf, {}, 0.0, 1.0, 1.0, 0.1))
    line = json.loads(training.run.log.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert line["loss"] is line["perplexity"] is None
