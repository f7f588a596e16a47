"""The model card: true to the run's files, private, whole, and readable by others."""

from __future__ import annotations

import getpass
import io
import json
import re
import shutil
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY, make_training, nmt, train
from huggingface_hub import ModelCard

from nmt import card
from nmt.checkpoint import Run, read_header
from nmt.console import print_markdown
from nmt.corpus import open_corpus
from nmt.decoding import Request as SearchRequest
from nmt.judgement import EvaluationSet, Interval, Leaks, Score, System
from nmt.recipe import Request, get_ready
from nmt.scoreboard import Evaluation, evaluation_of, store, stored
from nmt.systems import sort_out, translated
from nmt.wording import public

Files = dict[str, tuple[Path, Path]]


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Run:
    """The run as its training left it, whatever other tests have scored since."""
    copy = Run(Path(shutil.copytree(run, tmp_path / "copied")))
    shutil.rmtree(copy.evaluations, ignore_errors=True)
    card.write(copy)
    return copy


def an_evaluation(run: Run, bleu: float = 31.25) -> Evaluation:
    return Evaluation(
        test_set="test.xx + test.yy",
        sha256="0" * 64,
        sentences=100,
        scores={"bleu": Score(bleu, "nrefs:1|case:mixed"), "ter": Score(40.0, "nrefs:1|case:lc")},
        perplexity=2.5,
        search="beam 5, int8",
        weights=read_header(run.model).checksum,
        date="2026-11-21",
    )


def keep(run: Run, evaluation: Evaluation) -> bool:
    store(run, evaluation)
    return card.write(run)


def tables(text: str) -> list[list[list[str]]]:
    """Every table as rows of cells."""
    found = re.findall(r"(?:^\|.*\|\n)+", text, flags=re.M)
    split = r"(?<!\\)\|"
    return [
        [[cell.strip() for cell in re.split(split, line)[1:-1]] for line in table.splitlines()]
        for table in found
    ]


def read_by_the_hub(text: str) -> Any:
    return ModelCard(text).data


def test_a_training_ends_with_a_card(run: Path, copied: Run) -> None:
    assert Run(run).card.is_file()
    text = copied.card.read_text(encoding="utf-8")
    for told in ("Translation from xx into yy", "1,500 pairs", "train.max_steps = 150 reached"):
        assert told in text
    sha256 = json.loads((copied.path / "manifest.json").read_text())["inputs"]["train"]["sha256"]
    assert f"| training | `train.xx + train.yy` | 1,500 | `{sha256}` |" in text
    assert "| `model.hidden` | `64` | `512` |" in text
    assert "No test set has been scored" in text
    for table in tables(text):
        assert len({len(row) for row in table}) == 1


def test_the_hub_reads_its_head(copied: Run) -> None:
    assert keep(copied, an_evaluation(copied))
    data = read_by_the_hub(copied.card.read_text(encoding="utf-8"))
    assert data.language == ["xx", "yy"]
    assert data.metrics == ["bleu", "ter"]
    assert [(r.metric_type, r.metric_value) for r in data.eval_results] == [
        ("bleu", 31.25),
        ("ter", 40.0),
    ]


def test_a_language_that_yaml_takes_for_a_truth_value(copied: Run) -> None:
    path = copied.path / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"languages": ["no", "pt_BR"]}))
    assert read_by_the_hub(card.compose(copied)).language == ["no", "pt"]


def test_nothing_private_is_told(tmp_path: Path, toy: Files) -> None:
    home = tmp_path / "home" / "jane-doe"
    home.mkdir(parents=True)
    corpus = [Path(shutil.copy(path, home)) for path in toy["train"]]
    training = make_training(home, corpus, train__max_steps=4)
    train(training)
    text = training.run.card.read_text(encoding="utf-8")
    for secret in (str(tmp_path), "jane-doe", socket.gethostname(), f"/{getpass.getuser()}"):
        assert secret not in text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("train.de + train.en", "train.de + train.en"),
        ("/home/A Person/my data/train.tsv", "train.tsv"),
        ("C:\\Users\\me\\data\\", "data"),
        ("hf:wmt/wmt14:train", "hf:wmt/wmt14:train"),
        ("hf:/home/me/wmt", "hf:wmt"),
        ("hf:~/wmt:train", "hf:wmt:train"),
    ],
)
def test_a_corpus_is_called_by_its_name_alone(name: str, shown: str) -> None:
    assert public(name) == shown


def test_an_evaluation_is_kept_and_takes_the_place_of_the_same_one(copied: Run) -> None:
    keep(copied, an_evaluation(copied, 20.0))
    keep(copied, an_evaluation(copied, 31.25))
    text = copied.card.read_text(encoding="utf-8")
    row = "| `test.xx + test.yy` | 100 | 31.25 | 40.00 | 2.50 | beam 5, int8 |"
    assert row in text
    assert "20.00" not in text
    assert "- BLEU `nrefs:1|case:mixed`" in text
    assert "No test set has been scored" not in text


def test_intervals_stay_when_none_are_computed(copied: Run) -> None:
    """--resamples 0 says the same of the same scores, and nothing of how sure they are."""
    plain = an_evaluation(copied)
    sure = {
        key: replace(score, interval=Interval(31.0, 1.5)) for key, score in plain.scores.items()
    }
    keep(copied, plain)
    assert "±" not in copied.card.read_text(encoding="utf-8")
    keep(copied, replace(plain, scores=sure))
    assert "± spans 95%" in copied.card.read_text(encoding="utf-8")
    keep(copied, plain)
    assert "31.25 ±1.50" in copied.card.read_text(encoding="utf-8")
    keep(copied, replace(plain, scores={**plain.scores, "bleu": Score(32.0, "nrefs:1|case:mixed")}))
    text = copied.card.read_text(encoding="utf-8")
    assert "| 32.00 | 40.00 ±1.50 |" in text


def test_scores_of_other_weights_are_not_told(copied: Run) -> None:
    keep(copied, replace(an_evaluation(copied), weights="another"))
    assert "31.25" not in copied.card.read_text(encoding="utf-8")


def test_leaks_are_told(copied: Run) -> None:
    leaked = replace(an_evaluation(copied), leaks=Leaks(7, 5, 3), unleaked={"bleu": 29.5})
    keep(copied, leaked)
    text = copied.card.read_text(encoding="utf-8")
    assert "7 sources and 5 references, 3 as pairs; without these BLEU 29.50" in text


def test_a_damaged_evaluation_is_passed_over(copied: Run) -> None:
    keep(copied, an_evaluation(copied))
    (copied.evaluations / "torn.json").write_text('{"test_set": ')
    assert len(stored(copied)) == 1


def test_names_do_not_break_the_tables(copied: Run) -> None:
    keep(copied, replace(an_evaluation(copied), test_set="a|b `c`\n## d"))
    text = copied.card.read_text(encoding="utf-8")
    assert "| `a\\|b 'c' ## d` |" in text
    assert all(len({len(row) for row in table}) == 1 for table in tables(text))
    assert read_by_the_hub(text).eval_results


def test_a_readme_that_is_not_ours_stays(copied: Run) -> None:
    copied.card.write_text("# My project\n")
    assert not keep(copied, an_evaluation(copied))
    card.remove(copied)
    assert copied.card.read_text() == "# My project\n"


def test_the_notes_of_its_author_are_quoted(copied: Run) -> None:
    copied.notes.write_text("Trained for *fun*.\n", encoding="utf-8")
    assert card.compose(copied).endswith("## Notes\n\nTrained for *fun*.\n")


def test_an_average_has_a_card(copied: Run, tmp_path: Path) -> None:
    made = tmp_path / "mean"
    assert nmt("average", copied.path, "--out", made).code == 0
    text = (made / "README.md").read_text(encoding="utf-8")
    assert "The mean of 3 sets of weights: `copied/step-000150.safetensors`" in text


def test_a_training_that_starts_over_forgets_the_scores(toy: Files, tmp_path: Path) -> None:
    training = make_training(tmp_path, toy["train"], toy["valid"], train__max_steps=4)
    train(training)
    keep(training.run, an_evaluation(training.run))
    anew = Request(TINY, open_corpus(toy["train"]), None, training.run.path, fresh=True)
    get_ready(anew, training.device, time.monotonic())
    assert not training.run.card.exists()
    assert not training.run.evaluations.exists()


def test_info_tells_the_scores(copied: Run) -> None:
    store(copied, an_evaluation(copied))
    assert "| 31.25 |" in nmt("info", copied.path).out.decode()
    facts = json.loads(nmt("info", copied.path, "--json").out)
    assert 31.25 in facts["scores"].values()


def test_scores_are_of_the_weights_that_translated(copied: Run, toy: Files) -> None:
    """A training that goes on may put others into their place meanwhile."""
    system = System("run", (copied.path,), {}, None, 1.0, (), {}, None, {})
    test = EvaluationSet("test", None, ("a",), (("b",),))
    named = sort_out([str(copied.path), *map(str, toy["test"])], [], True)
    (entry,) = translated(test, named, SearchRequest(runs=()), print, lambda _: None)
    kept = (copied.path / "weights").glob("*.safetensors")
    other = next(file for file in kept if read_header(file).checksum != entry.weights)
    shutil.copyfile(other, copied.model)
    store(copied, evaluation_of(test, system, entry.search, entry.weights))
    assert stored(copied) == []


def test_scores_that_are_made_otherwise_are_told_apart(copied: Run) -> None:
    plain = an_evaluation(copied)
    small = {"bleu": Score(33.5, "nrefs:1|case:lc|eff:no|tok:intl"), "ter": plain.scores["ter"]}
    store(copied, plain)
    keep(copied, replace(plain, scores=small))
    facts = json.loads(nmt("info", copied.path, "--json").out)["scores"]
    assert facts["test.xx + test.yy (beam 5, int8), BLEU"] == 31.25
    assert facts["test.xx + test.yy (beam 5, int8, case:lc, tok:intl), BLEU"] == 33.5
    text = copied.card.read_text(encoding="utf-8")
    assert "| 33.50 | 40.00 | 2.50 | beam 5, int8, case:lc, tok:intl |" in text


def test_info_shows_it(copied: Run) -> None:
    shown = nmt("info", copied.path)
    assert shown.code == 0
    _, title, told = copied.card.read_text(encoding="utf-8").partition("# Translation from")
    assert shown.out.decode().startswith(title + told)
    copied.model.unlink()
    assert "no weights yet" in nmt("info", copied.path).out.decode()


def test_a_terminal_has_it_set(copied: Run) -> None:
    copied.notes.write_text("*fun* \x1b[31m\n", encoding="utf-8")
    sheet = io.StringIO()
    sheet.isatty = lambda: True  # type: ignore[method-assign]
    print_markdown(card.body(card.compose(copied)), sheet)
    assert "## Scores" not in sheet.getvalue() and "Scores" in sheet.getvalue()
    assert r"\x1b[31m" in sheet.getvalue()


def test_a_language_model_has_a_card(tmp_path: Path, toy: Files) -> None:
    out = tmp_path / "lm"
    quick = [f"--set={key}={value}" for key, value in TINY.items()]
    command: list[str | Path] = ["train", "--task=lm", toy["train"][1], "--out", out, *quick]
    assert nmt(*command, "--set=train.max_steps=4", "--device=cpu").code == 0
    text = (out / "README.md").read_text(encoding="utf-8")
    assert "A language model of" in text
    assert "nmt sample RUN" in text
    assert "translat" not in text.partition("## Settings")[0]
    assert read_by_the_hub(text).pipeline_tag == "text-generation"
    scored = nmt("evaluate", out, toy["test"][1], "--json")
    assert scored.code == 0, scored.err
    found = json.loads(scored.out)
    text = (out / "README.md").read_text(encoding="utf-8")
    told = f"{found['perplexity']:.2f} | {found['perplexity_per_word']:.2f}"
    assert f"| `test.yy` | {found['sentences']} | {told} |" in text
    (result,) = read_by_the_hub(text).eval_results
    assert (result.task_type, result.metric_type) == ("text-generation", "perplexity")
    facts = json.loads(nmt("info", out, "--json").out)["scores"]
    assert facts["test.yy, perplexity per word"] == found["perplexity_per_word"]
