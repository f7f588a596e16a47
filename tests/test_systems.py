"""`nmt evaluate` takes runs, ensembles and files of hypotheses, in any number."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import Result, nmt

from nmt.systems import sort_out

Files = dict[str, tuple[Path, Path]]


def read(result: Result) -> Any:
    assert result.code == 0, result.err
    return json.loads(result.out)


@pytest.fixture(scope="module")
def other(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of an earlier step, as if it were that of another seed."""
    copy = tmp_path_factory.mktemp("other") / "seed2"
    shutil.copytree(run, copy)
    weights = sorted((copy / "weights").glob("step-*.safetensors"))[0]
    shutil.copyfile(weights, copy / "model.safetensors")
    config = (copy / "config.toml").read_text()
    assert "seed = 1\n" in config
    (copy / "config.toml").write_text(config.replace("seed = 1\n", "seed = 2\n"))
    return copy


# --- which words are what -----------------------------------------------------------------------


def test_words_before_the_corpus_are_runs(run: Path, other: Path) -> None:
    both = f"{run},{other}"

    def sorted_out(*words: object, hypotheses: list[str] | None = None) -> tuple[Any, list[str]]:
        named = sort_out([str(word) for word in words], hypotheses or [], True)
        return [len(runs) for runs in named.systems], named.corpus

    assert sorted_out(run, "a", "b") == ([1], ["a", "b"])
    assert sorted_out(run, other, both, "a.tsv") == ([1, 1, 2], ["a.tsv"])
    assert sorted_out("no-run", "a") == ([1], ["a"])
    assert sorted_out(run, "no-run", "a", "b") == ([1, 1], ["a", "b"])
    assert sorted_out("a", "b", hypotheses=["x=h"]) == ([], ["a", "b"])
    assert sorted_out(run, "a", "b", hypotheses=["x=h"]) == ([1], ["a", "b"])


def test_a_file_without_a_name_stands_for_the_only_run(run: Path, tmp_path: Path) -> None:
    (tmp_path / "odd=name").touch()
    named = sort_out([str(run), "a"], [str(tmp_path / "odd=name"), "x=h"], True)
    assert named.instead and named.instead.path.name == "odd=name"
    assert [file.name for file in named.files] == ["x"]
    alone = sort_out(["a"], ["h", "g"], True)
    assert alone.instead is None and [str(file.path) for file in alone.files] == ["h", "g"]


# --- judged together ----------------------------------------------------------------------------


def test_runs_ensembles_and_files_together(
    run: Path, other: Path, toy: Files, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    both = f"{run},{other}"
    file = f"--hypotheses=perfect={toy['test'][1]}"
    asked = (run, other, both, *toy["test"], file, "--resamples=50")
    record = read(nmt("evaluate", *asked, "--json", "--output", out))
    systems = {system["name"]: system for system in record["systems"]}
    assert [*systems] == ["run", "seed2", "run+seed2", "perfect"]
    assert systems["perfect"]["bleu"]["score"] == pytest.approx(100)
    assert systems["perfect"]["perplexity"] is None
    assert record["bleu"] == systems["run"]["bleu"]
    assert "p_value" not in systems["run"]["bleu"]
    assert 0 < systems["perfect"]["bleu"]["p_value"] <= 1
    assert systems["run"]["perplexity"] != systems["seed2"]["perplexity"]
    assert systems["run+seed2"]["perplexity"] < systems["seed2"]["perplexity"]
    assert [recipe["systems"] for recipe in record["recipes"]] == [["run", "seed2"]]
    alone = read(nmt("evaluate", both, *toy["test"], "--json", "--resamples=0"))
    assert alone["bleu"]["score"] == systems["run+seed2"]["bleu"]["score"]
    again = read(nmt("evaluate", run, *toy["test"], "--json", f"--hypotheses={out / 'run.txt'}"))
    assert again["bleu"]["score"] == record["bleu"]["score"]
    shown = nmt("evaluate", *asked, "--details").out.decode()
    assert "run, seed2 (2 seeds)" in shown
    assert "p: paired bootstrap against run, 50 trials" in shown
    assert "the source's rarest word" in shown


def test_an_ensemble_of_a_run_with_itself_has_its_perplexity(run: Path, toy: Files) -> None:
    one = read(nmt("evaluate", run, *toy["test"], "--json", "--resamples=0", "--precision=fp32"))
    twice = read(
        nmt("evaluate", f"{run},{run}", *toy["test"], "--json", "--resamples=0", "--precision=fp32")
    )
    assert twice["perplexity"] == pytest.approx(one["perplexity"], rel=1e-4)
    assert twice["bleu"] == one["bleu"]


def test_files_need_no_run(toy: Files, tmp_path: Path) -> None:
    lines = toy["test"][1].read_text().splitlines()
    (tmp_path / "half").write_text("".join(f"{line.split()[0]}\n" for line in lines))
    files = [f"--hypotheses={path}" for path in (toy["test"][1], tmp_path / "half")]
    record = read(nmt("evaluate", *toy["test"], *files, "--json", "--paired=ar"))
    assert [system["name"] for system in record["systems"]] == [toy["test"][1].name, "half"]
    assert record["resampling"]["trials"] == 10_000
    assert record["systems"][1]["bleu"]["p_value"] < 0.05


def test_references_count(toy: Files, tmp_path: Path) -> None:
    more = f"--references={toy['test'][1]}"
    lines = toy["test"][1].read_text().splitlines()
    (tmp_path / "other").write_text("nothing\n" * len(lines))
    asked = (toy["test"][0], tmp_path / "other", f"--hypotheses={toy['test'][1]}", "--json")
    assert read(nmt("evaluate", *asked))["exact"]["score"] == 0
    record = read(nmt("evaluate", *asked, more))
    assert record["exact"]["score"] == 100
    assert record["bleu"]["signature"].startswith("nrefs:2|")


def test_training_sentences_are_told(run: Path, toy: Files) -> None:
    seen = read(nmt("evaluate", run, *toy["train"], "--json", "--beam=1", "--resamples=0"))
    (system,) = seen["systems"]
    assert system["leaks"]["pairs"] == seen["sentences"] == 1500
    assert system["unleaked"] == {}
    fresh = read(nmt("evaluate", run, *toy["test"], "--json", "--resamples=0"))
    assert 0 < len(fresh["leaked"]) < 100  # short random lines stand in both
    assert fresh["systems"][0]["unleaked"]["bleu"] > 0
    assert fresh["unknown_words"] == {"run": "run", "words": 0, "lines": 0}
    assert "leaked" in nmt("evaluate", run, *toy["test"]).out.decode()


def test_a_run_of_an_earlier_version_is_scored_all_the_same(
    run: Path, toy: Files, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "old")
    for file in (tmp_path / "old").glob("seen-*"):
        file.unlink()
    result = nmt("evaluate", tmp_path / "old", *toy["test"], "--details")
    assert result.code == 0
    assert "which lines old has seen in training is not known" in result.err
    assert "rarest" not in result.out.decode() and "leaked" not in result.out.decode()


def test_an_average_keeps_what_was_seen(run: Path, tmp_path: Path) -> None:
    assert nmt("average", run, "--out", tmp_path / "mean").code == 0
    names = {file.name for file in (tmp_path / "mean").glob("seen-*")}
    assert names == {file.name for file in run.glob("seen-*")} != set()


def test_an_average_is_no_seed_of_its_recipe(
    run: Path, other: Path, toy: Files, tmp_path: Path
) -> None:
    mean = tmp_path / "mean"
    assert nmt("average", run, "--out", mean).code == 0
    asked = (*toy["test"], "--json", "--resamples=0", "--beam=1")
    assert read(nmt("evaluate", other, mean, *asked))["recipes"] == []
    (recipe,) = read(nmt("evaluate", run, other, mean, *asked))["recipes"]
    assert recipe["systems"] == ["run", "seed2"]


def test_systems_of_any_name_have_tables_and_files(toy: Files, tmp_path: Path) -> None:
    names = ["a/b", "a-b", "[/x]", "tab\there"]
    files = [f"--hypotheses={name}={toy['test'][1]}" for name in names]
    result = nmt("evaluate", *toy["test"], *files, "--resamples=0", "--output", tmp_path / "out")
    assert result.code == 0, result.err
    assert all(name in result.out.decode() for name in ("a/b", "a-b", "[/x]", "tab here"))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"a-b.txt", "a-b-2.txt", "[-x].txt", "tab-here.txt"}


def test_a_line_cannot_command_the_terminal(tmp_path: Path) -> None:
    for name, text in (("s", "eins\n"), ("r", "one\n"), ("h", "\x1b[31mtwo\x9b0m\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    pair = tmp_path / "s", tmp_path / "r"
    result = nmt("evaluate", *pair, f"--hypotheses={tmp_path / 'h'}", "--details", "--resamples=0")
    assert "two" in result.out.decode()
    assert not {"\x1b", "\x9b"} & set(result.out.decode())


# --- refusals -----------------------------------------------------------------------------------


def test_what_cannot_be_judged(run: Path, other: Path, toy: Files, tmp_path: Path) -> None:
    def fails(*words: object, code: int = 1) -> str:
        result = nmt("evaluate", *map(str, words))
        assert result.code == code, result.err
        assert "Traceback" not in result.err and result.out == b""
        return result.err

    test, hyp = toy["test"], f"--hypotheses={toy['test'][1]}"
    assert "needs a name" in fails(run, other, *test, hyp)
    assert "two systems are called x" in fails(
        *test, f"--hypotheses=x={test[0]}", f"--hypotheses=x={test[1]}"
    )
    assert "name a run once" in fails(run, run, *test)
    assert "no such run" in fails(run, tmp_path / "none", *test)
    assert "no such tokenizer" in fails(run, *test, "--tokenize=moses")
    assert "the corpus 100 pairs" in fails(*test, f"--hypotheses=x={toy['valid'][0]}")
    assert "the corpus 100 pairs" in fails(*test, hyp, f"--references={toy['valid'][0]}")
    assert "CORPUS" in fails(run, code=2)
    assert "CORPUS" in fails(code=2)
    assert "CORPUS" in fails("--test-set=wmt14/full", code=2)
