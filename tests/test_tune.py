"""Tuning the search: what is tried without searching is what a search would give."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import nmt

from nmt.checkpoint import Run, load, read_config, write_config
from nmt.config import TranslateSettings
from nmt.corpus import read_lines
from nmt.device import Device
from nmt.metrics import METRICS, paired_bootstrap
from nmt.search import SearchOptions
from nmt.translate import Translator
from nmt.tune import TUNED, Found, Tried, simplest, tune

Files = Mapping[str, tuple[Path, Path]]
STORED = TranslateSettings(beam=3)
BLEU = METRICS["bleu"]


def tried(score: float, **changes: object) -> Tried:
    return Tried(replace(STORED, **changes), score)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found(run: Path, toy: Files, device: Device) -> Found:
    trained = load(run, device.torch)

    def translator_for(settings: TranslateSettings) -> Translator:
        options = SearchOptions.of(settings, coverage=True, prune=True)
        return Translator(trained.model, trained.vocabulary, options, 100)

    sources, references = (list(read_lines(path)) for path in toy["valid"])
    return tune(translator_for, STORED, sources, references, BLEU, beams=(1, 4))


def test_ranking_anew_is_searching_anew(found: Found, run: Path, toy: Files) -> None:
    """Also the numbers are sacreBLEU's."""
    others = [each for each in found.tried if each.settings.coverage_penalty][::20]
    for each in (found.stored, *others):
        given = [
            f"--set=translate.{key}={value}"
            for key, value in vars(each.settings).items()
            if key in TUNED
        ]
        scored = json.loads(
            nmt("evaluate", run, *toy["valid"], "--json", "--precision=fp32", *given).out
        )
        assert each.score == pytest.approx(scored["bleu"]["score"], abs=1e-6)


def test_every_beam_is_tried_and_the_stored_one(found: Found) -> None:
    assert {each.settings.beam for each in found.tried} == {1, 3, 4}
    assert found.stored in found.tried
    again = next(each for each in found.tried if each.settings == found.winner.settings)
    assert again.score == found.winner.score


def test_of_equals_the_simplest_is_taken() -> None:
    best = tried(30.05, beam=8, coverage_penalty=0.2)
    assert simplest([best, tried(30.0, beam=2), tried(29.9, beam=1)], STORED).settings.beam == 2
    plain = tried(30.0, beam=8, length_penalty=0.6)
    assert simplest([best, plain, tried(30.0, beam=8, length_penalty=0.2)], STORED) == plain


def test_a_gain_by_chance_is_no_gain() -> None:
    generator = np.random.default_rng(3)
    ours = [" ".join(generator.choice(list("abcdef"), size=9)) for _ in range(40)]
    theirs = [" ".join(generator.choice(list("abcdef"), size=9)) for _ in range(40)]

    def counts(texts: list[str]) -> np.ndarray:
        pairs = zip(texts, ours, strict=True)
        return np.stack([BLEU.counts([text], [reference])[0, 0] for text, reference in pairs])

    poor, fair = counts(theirs), counts([*ours[:1], *theirs[1:]])
    assert paired_bootstrap(poor, poor, BLEU) == 0.0
    assert paired_bootstrap(poor, counts(ours), BLEU) == 1.0
    assert 0.3 < paired_bootstrap(poor, fair, BLEU) < 0.95  # one line of forty
    assert not Found(tried(1.0), (), tried(9.0, beam=8), 0.9).better
    assert not Found(tried(1.0), (), tried(1.05, beam=8), 1.0).better
    assert Found(tried(1.0), (), tried(1.5, beam=8), 1.0).better


def test_what_is_better_is_stored_and_used(run: Path, toy: Files, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    settings = read_config(Run(copy))
    poor = replace(settings.translate, length_penalty=0.0, no_repeat_ngram=4)
    write_config(Run(copy), replace(settings, translate=poor))
    words = ("tune", copy, *toy["valid"], "--beams=1,4", "--metric=chrf")
    tuned = nmt(*words, "--json")
    record = json.loads(tuned.out)
    assert record["changed"] and record["gain"] > 0.5
    after = read_config(Run(copy))
    assert after.translate.length_penalty == record["chosen"]["length_penalty"] > 0
    assert after.translate.no_repeat_ngram == 4
    assert replace(after, translate=poor) == replace(settings, translate=poor)
    scored = json.loads(nmt("evaluate", copy, *toy["valid"], "--json").out)
    assert scored["chrf"]["score"] == pytest.approx(record["chosen"]["chrf"], abs=1e-6)
    before = (copy / "config.toml").read_bytes()
    again = nmt(*words)
    assert again.code == 0 and "left as it was" in again.err
    assert (copy / "config.toml").read_bytes() == before
    assert again.out.decode().split("\n")[0].split() == [
        "beam",
        "norm",
        "length",
        "reward",
        "coverage",
        "chrf",
    ]


def test_weights_for_reranking_are_stored_and_used(run: Path, toy: Files, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    settings = read_config(Run(copy))
    poor = replace(settings.translate, length_penalty=0.0, word_reward=-10.0)
    write_config(Run(copy), replace(settings, translate=poor))
    tuned = nmt("tune", copy, *toy["valid"], "--beams=8", "--rerank", "--json")
    record = json.loads(tuned.out)
    assert record["changed"] and record["gain"] > 0.5
    after = read_config(Run(copy)).translate
    assert (after.length_penalty, after.beam) == (0.0, record["chosen"]["beam"])
    assert after.word_reward == record["chosen"]["word_reward"] != 0
    scored = json.loads(nmt("evaluate", copy, *toy["valid"], "--json").out)
    assert scored["bleu"]["score"] == pytest.approx(record["chosen"]["bleu"], abs=1e-6)


def test_what_is_translated_in_pieces_is_left_out(run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("ba ce\n\ndi\n" + "ba " * 500 + "\n")
    tuned = nmt("tune", run, tmp_path / "a", tmp_path / "b", "--beams=1")
    assert tuned.code == 0
    assert "2 pairs have an empty side or a very long source: left out" in tuned.err
    assert "searching 2 lines" in tuned.err


def test_nothing_to_tune_on(run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text("\n")
    result = nmt("tune", run, tmp_path / "a", tmp_path / "b")
    assert result.code == 1 and "nothing in it to tune on" in result.err
    (tmp_path / "a").write_text("ba " * 500 + "\n")
    (tmp_path / "b").write_text("ba\n")
    assert "nothing in it to tune on" in nmt("tune", run, tmp_path / "a", tmp_path / "b").err
    result = nmt("tune", run, tmp_path / "a", tmp_path / "b", "--beams=0,x")
    assert result.code == 1 and "--beams 0,x" in result.err
    result = nmt("tune", run, tmp_path / "a", tmp_path / "b", "--beams=4,100000")
    assert result.code == 1 and "--beams 100000: a beam is at most 1,000" in result.err
