"""`nmt diagnose`: what is measured, what is said of it, and what is left behind."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import nmt, toy_pairs, write_corpus

from nmt.checkpoint import Run
from nmt.corpus import Pair
from nmt.curves import Curves
from nmt.diagnose import _drawn, by_length, exploding
from nmt.prepare import identity
from nmt.recipe import training_data
from nmt.scoring import bleu

Files = dict[str, tuple[Path, Path]]
QUICK = ("--sentences", "40", "--reach", "30")


# --- the parts ------------------------------------------------------------------------------------


def curves(norms: list[float], clipped: list[float], **layers: list[float]) -> Curves:
    training = {
        "step": np.arange(10.0, 10.0 * len(norms) + 1, 10.0),
        "gradient_norm": np.array(norms),
        "clipped": np.array(clipped),
    }
    return Curves(training, {}, {}, {name: np.array(n) for name, n in layers.items()}, 1.0)


def test_a_log_is_summed_up() -> None:
    norms = [9.0, 7.0, *np.linspace(0.1, 1.0, 18)]
    found = exploding(curves(norms, [1.0, 0.6, *[0.0] * 18], decoder=norms))
    assert found is not None
    assert found.clipped == pytest.approx(0.08)
    assert (found.largest, found.at) == (9.0, 10)
    assert found.median == pytest.approx(float(np.median(norms)))
    assert 0.8 < found.threshold < 1.0  # the warm-up does not count
    assert found.layers["decoder"] == pytest.approx((found.median, 9.0))


def test_norms_that_are_not_finite_are_left_out() -> None:
    found = exploding(curves([1.0, math.nan, 3.0], [0.0, 0.0, 1.0]))
    assert found is not None and (found.largest, found.at) == (3.0, 30)
    assert exploding(curves([math.nan], [0.0])) is None
    assert exploding(curves([], [])) is None


def test_groups_hold_each_sentence_once_and_each_length_together() -> None:
    lengths = [3, 3, 3, 3, 9, 1, 14, 5, 5, 20, 2, 8]
    lines = [f"a b c d {length}" for length in lengths]
    bins = by_length(lengths, lines, lines)
    assert sum(each.sentences for each in bins) == len(lengths)
    assert [each.shortest for each in bins] == sorted(each.shortest for each in bins)
    for one, other in itertools.pairwise(bins):
        assert one.longest < other.shortest
    assert all(each.bleu == pytest.approx(100) for each in bins)
    (only,) = by_length([4, 4], ["a b c d", "e"], ["a b c d", "f"])
    assert (only.lengths, only.sentences) == ("4", 2)
    assert only.bleu == bleu(["a b c d", "e"], ["a b c d", "f"])


def test_a_sample_is_in_order_and_all_of_a_small_corpus() -> None:
    pairs = [Pair(str(i), str(i)) for i in range(500)]
    assert _drawn(pairs[:7], 10, seed=1) == (pairs[:7], 7)
    drawn, of = _drawn(pairs, 50, seed=1)
    rows = [int(pair.source) for pair in drawn]
    assert of == 500 and rows == sorted(set(rows)) and len(rows) == 50
    assert 150 < np.mean(rows) < 350


# --- the command ----------------------------------------------------------------------------------


def test_a_run_is_diagnosed(run: Path, toy: Files, tmp_path: Path) -> None:
    out = tmp_path / "found"
    result = nmt("diagnose", run, *toy["test"], *QUICK, "--out", out)
    assert result.code == 0, result.err
    said = result.out.decode()
    for heading in ("How far gradients reach", "Why", "Exploding gradients", "Does context help"):
        assert heading in said
    assert "Decoder: the gradient by h" in said and "BLEU is" in said
    names = {"reach", "gates", "norms", "context", "lengths"}
    wanted = {f"{name}.{kind}" for name in names for kind in ("png", "svg")} | {"diagnosis.html"}
    assert {path.name for path in out.iterdir()} == wanted
    page = (out / "diagnosis.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len(names) and "Diagnosis of run" in page
    again = nmt("diagnose", run, *toy["test"], *QUICK, "--out", out)
    assert again.out == result.out and (out / "diagnosis.html").read_text("utf-8") == page


def test_programs_get_every_number(run: Path, toy: Files, tmp_path: Path) -> None:
    result = nmt("diagnose", run, *toy["test"], *QUICK, "--out", tmp_path / "a", "--json")
    record = json.loads(result.out, parse_constant=lambda name: pytest.fail(name))
    parts = {(r["part"], r["by"], r["attention_detached"]) for r in record["reach"]}
    assert {("decoder", "h", True), ("encoder, backward", "x", False)} <= parts
    assert all(r["tokens"] > 0 for r in record["reach"])
    assert record["exploding"]["largest"] > 0 and record["exploding"]["layers"]["decoder.0"]
    assert len(record["context"]["losses"]) == 24 and record["left_out"] == []
    assert sum(each["sentences"] for each in record["bleu_by_length"]) == 40
    assert record["layers"][0]["gates"][1]["name"] == "forget" and record["verdict"]


def test_untrained_needs_no_weights(run: Path, toy: Files, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(run, bare)
    Run(bare).model.unlink()
    refused = nmt("diagnose", bare, *toy["test"], *QUICK)
    assert refused.code == 1 and "no weights" in refused.err
    result = nmt("diagnose", bare, *toy["test"], *QUICK, "--untrained", "--json")
    assert result.code == 0, result.err
    record = json.loads(result.out)
    assert record["trained"] is False and record["context"] is record["exploding"] is None
    assert len(record["left_out"]) == 2 and "not measured: exploding" in result.err
    assert (bare / "diagnosis" / "diagnosis.html").is_file()


def test_without_a_log_the_rest_is_measured(run: Path, toy: Files, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(run, bare)
    Run(bare).log.unlink()
    result = nmt("diagnose", bare, *toy["test"], *QUICK)
    assert result.code == 0 and "there is no log.jsonl" in result.err
    assert b"Does context help" in result.out and b"Exploding" not in result.out


def test_the_cells_are_compared(run: Path, toy: Files, tmp_path: Path) -> None:
    command = ("diagnose", run, *toy["test"], *QUICK, "--compare-cells", "--steps", "12")
    result = nmt(*command, "--out", tmp_path / "d", "--json")
    assert result.code == 0, result.err
    cells = json.loads(result.out)["cells"]
    assert [each["cell"] for each in cells] == ["rnn", "gru", "lstm"]
    assert all(each["steps"] == 12 and each["perplexity"] > 1 for each in cells)
    assert (tmp_path / "d" / "cells.png").is_file()
    kept = {path.name for path in (tmp_path / "d-cells").iterdir()}
    assert kept == {"rnn-12-steps", "gru-12-steps", "lstm-12-steps"}
    weights = Run(tmp_path / "d-cells" / "rnn-12-steps").model
    before = weights.stat().st_mtime_ns
    again = nmt(*command, "--out", tmp_path / "d")
    assert "lectures: about 7" in again.out.decode() and weights.stat().st_mtime_ns == before
    other = tmp_path / "d-cells" / "rnn-11-steps"
    (tmp_path / "d-cells" / "rnn-12-steps").rename(other)
    refused = nmt(*command[:-1], "11", "--out", tmp_path / "d")
    assert refused.code == 1 and f"delete {other}" in refused.err
    assert "--fresh" not in refused.err


def test_where_the_training_text_is_gone_the_corpus_serves(
    run: Path, toy: Files, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(run, bare)
    shutil.rmtree(Run(bare).state)
    command = ("diagnose", bare, *toy["train"], *QUICK, "--compare-cells", "--steps", "5")
    assert nmt(*command).code == 0


def test_the_folder_that_a_run_was_trained_on_is_found(run: Path, tmp_path: Path) -> None:
    copy, data = Run(tmp_path / "copy"), tmp_path / "data"
    shutil.copytree(run, copy.path)
    assert training_data(copy) == copy.data
    copy.data.rename(data)
    assert training_data(copy) is None
    named = {"name": str(data), "sha256": identity(data)}
    (copy.state / "request.json").write_text(json.dumps({"inputs": {"train": named}}))
    assert training_data(copy) == data
    manifest = data / "manifest.json"
    manifest.write_text(manifest.read_text() + "\n")  # prepared again, say
    assert training_data(copy) is None


def test_untrained_cells_are_compared_without_training(
    run: Path, toy: Files, tmp_path: Path
) -> None:
    out = tmp_path / "d"
    command = ("diagnose", run, *toy["test"], *QUICK, "--compare-cells", "--untrained")
    result = nmt(*command, "--out", out)
    assert result.code == 0 and "cells, untrained, has" in result.out.decode()
    assert not (tmp_path / "d-cells").exists()


def test_a_language_model_is_diagnosed_without_a_source(
    lm: Path, toy: Files, tmp_path: Path
) -> None:
    command = ("diagnose", lm, toy["test"][1], *QUICK, "--compare-cells", "--steps", "5")
    result = nmt(*command, "--out", tmp_path / "d")
    assert result.code == 0, result.err
    said = result.out.decode()
    assert (
        "Without the target's history" in said and "A decoder of rnn cells, trained for 5" in said
    )
    assert "encoder 1" not in said and "its source" not in said and "BLEU" not in said
    assert "language model" in (tmp_path / "d" / "diagnosis.html").read_text(encoding="utf-8")


def test_mistakes_are_refused(run: Path, toy: Files, tmp_path: Path) -> None:
    blank = write_corpus(tmp_path, "blank", [("", "a"), ("b", " ")])
    result = nmt("diagnose", run, *blank)
    assert result.code == 1 and "nothing in it to measure on" in result.err
    assert not (run / "diagnosis").exists()
    result = nmt("diagnose", run, *toy["test"], "--steps", "5")
    assert result.code == 1 and "--steps needs --compare-cells" in result.err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    result = nmt("diagnose", run, *toy["test"], "--out", tmp_path / "mine")
    assert result.code == 1 and "is no diagnosis" in result.err
    assert nmt("diagnose", tmp_path / "none", *toy["test"]).code == 1


def test_what_was_not_followed_is_not_said_to_be_spanned(
    run: Path, toy: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the folder we stand in is one like any other."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    result = nmt("diagnose", run, *toy["test"], "--sentences=40", "--reach=2", "--out=.")
    assert result.code == 0, result.err
    said = result.out.decode()
    assert "it was followed no farther, and your sentences have up to" in said
    assert "it spans" not in said
    assert (tmp_path / "here" / "diagnosis.html").is_file()


def test_one_short_sentence_is_enough(run: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, "one", toy_pairs(1, 7))
    result = nmt("diagnose", run, *corpus, "--out", tmp_path / "d")
    assert result.code == 0, result.err
