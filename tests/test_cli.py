"""The command line from outside: streams, exit codes, and every kind of bad input."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import TINY, nmt, toy_pairs, write_corpus

from nmt import process
from nmt.checkpoint import (
    Run,
    load,
    new_model,
    read_config,
    read_tensors,
    weights_of,
    write_config,
    write_tensors,
)
from nmt.decoding import Request, load_runs
from nmt.files import locked
from nmt.inference import precision_for
from nmt.search import SearchOptions
from nmt.subwords import Vocabulary
from nmt.translate import Translator
from nmt.warm import ModelCache

Files = dict[str, tuple[Path, Path]]

QUICK = [f"--set={key}={value}" for key, value in TINY.items()]


def train_quickly(out: Path, corpus: list[Path | str], *more: str) -> list[str | Path]:
    return [
        "train",
        *corpus,
        "--out",
        out,
        "--device=cpu",
        *QUICK,
        "--set=train.max_steps=12",
        *more,
    ]


def fails(*arguments: str | Path, code: int = 1, stdin: bytes = b"") -> str:
    """The message of a command that must fail: short, and nothing on stdout."""
    result = nmt(*arguments, stdin=stdin)
    assert result.code == code, result.err
    assert result.out == b""
    assert "Traceback" not in result.err
    message = [line for line in result.err.splitlines() if not line.startswith("chosen:")]
    assert 1 <= len(message) <= (2 if code == 1 else 6), result.err
    return result.err


# --- the whole way --------------------------------------------------------------------------------


def test_from_two_text_files_to_a_score(toy: Files, tmp_path: Path) -> None:
    out = tmp_path / "run"
    trained = nmt(
        *train_quickly(
            out, [*toy["train"]], f"--valid={toy['valid'][0]}", f"--valid={toy['valid'][1]}"
        )
    )
    assert trained.code == 0, trained.err
    assert trained.out == b""
    for promised in ("parameters", "chosen: train.validate_every", "validation", "finished:"):
        assert promised in trained.err
    assert {path.name for path in out.iterdir()} >= {
        "model.safetensors",
        "config.toml",
        "subwords.model",
        "log.jsonl",
        "state",
    }
    translated = nmt("translate", out, toy["test"][0])
    assert translated.code == 0
    assert len(translated.lines) == 100
    scored = nmt("evaluate", out, *toy["test"], "--json", "--output", tmp_path / "hyp")
    scores = json.loads(scored.out)
    assert scores["sentences"] == 100
    assert set(scores) >= {"bleu", "chrf", "ter", "perplexity", "sentences"}
    assert scores["bleu"]["signature"].startswith("nrefs:1|")
    assert (tmp_path / "hyp").read_bytes() == translated.out
    again = nmt("evaluate", out, *toy["test"], "--json", "--hypotheses", tmp_path / "hyp")
    assert json.loads(again.out) == scores
    assert (
        "already finished"
        in nmt(
            *train_quickly(
                out, [*toy["train"]], f"--valid={toy['valid'][0]}", f"--valid={toy['valid'][1]}"
            )
        ).err
    )


def test_a_prepared_folder_trains(toy: Files, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prepared = nmt("prepare", *toy["train"], "--out", data, "--set=data.vocab_size=40")
    assert prepared.code == 0, prepared.err
    assert "held out" in prepared.err
    options = [o for o in QUICK if "data." not in o]
    trained = nmt("train", data, "--out", tmp_path / "run", *options, "--set=train.max_steps=12")
    assert trained.code == 0, trained.err
    assert nmt("translate", tmp_path / "run", stdin=b"ba ce\n").out.count(b"\n") == 1
    message = fails("train", data, "--out", tmp_path / "x", "--set=data.vocab_size=50")
    assert "data.vocab_size = 40, not 50" in message


@pytest.mark.parametrize("layout", ["tsv", "jsonl", "gz"])
def test_other_layouts_train_alike(layout: str, toy: Files, tmp_path: Path) -> None:
    import gzip

    pairs = list(zip(*(path.read_text().splitlines() for path in toy["train"]), strict=True))
    if layout == "gz":
        corpus = [tmp_path / f"c.{side}.gz" for side in "xy"]
        for path, plain in zip(corpus, toy["train"], strict=True):
            path.write_bytes(gzip.compress(plain.read_bytes()))
    else:
        corpus = [tmp_path / f"c.{layout}"]
        lines = (
            f"{s}\t{t}" if layout == "tsv" else json.dumps({"source": s, "target": t})
            for s, t in pairs
        )
        corpus[0].write_text("".join(f"{line}\n" for line in lines))
    assert nmt(*train_quickly(tmp_path / "run", [*corpus])).code == 0
    assert nmt(*train_quickly(tmp_path / "plain", [*toy["train"]])).code == 0
    mine, plain = (tmp_path / name / "model.safetensors" for name in ("run", "plain"))
    assert mine.read_bytes() == plain.read_bytes()


def test_info_tells_what_a_model_is(run: Path) -> None:
    facts = json.loads(nmt("info", run, "--json").out)
    assert facts["data"]["languages"] == "xx-yy"
    assert facts["model"]["parameters"] > 1_000
    assert facts["settings"]["model.hidden"] == 64
    assert "chose the weights" in nmt("info", run).out.decode()


def test_evaluate_prints_a_table_with_signatures(run: Path, toy: Files) -> None:
    out = nmt("evaluate", run, *toy["test"]).out.decode()
    for name in ("BLEU", "chrF2", "TER", "perplexity", "version:"):
        assert name in out
    assert "\x1b" not in out


# --- streams and exit codes -----------------------------------------------------------------------


def test_translating_loads_nothing_that_it_does_not_need(run: Path) -> None:
    script = (
        f"import sys\nfrom nmt import cli\ncode = cli.run(['translate', {str(run)!r}])\n"
        "heavy = {'datasets', 'pyarrow', 'sacrebleu', 'matplotlib', 'pandas', 'torch._dynamo'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\nsys.exit(code)"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, input=b"ba\n", capture_output=True).returncode == 0


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\nfrom nmt import cli\ncode = cli.run(['train', '--help'])\n"
        "heavy = {'torch', 'datasets', 'pyarrow', 'sacrebleu', 'sentencepiece', 'numpy'}\n"
        "heavy |= {'matplotlib', 'tensorboard'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\nsys.exit(code)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True).returncode == 0


def test_usage_errors_are_2(run: Path) -> None:
    assert "Usage" in fails("translate", code=2)
    fails("translate", run, "--beam", "none", code=2)
    fails("nonsense", code=2)
    fails("train", "a", "--out", "b", "--precision=fp32", code=2)


def test_quiet_says_nothing(run: Path) -> None:
    result = nmt("translate", run, "--quiet", stdin=b"ba\n")
    assert (result.code, result.err) == (0, "")


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nmt", "info", str(tmp_path / "none"), "--debug"]
    assert "Traceback" in subprocess.run(command, capture_output=True, text=True).stderr


def test_a_closed_pipe_ends_quietly(run: Path) -> None:
    lines = "".join(f"{source}\n" for source, _ in toy_pairs(6_000, 1))
    with subprocess.Popen(
        [sys.executable, "-m", "nmt", "translate", str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(lines.encode())
        process.stdin.close()
        assert process.stdout.readline().endswith(b"\n")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_saves_and_the_same_command_goes_on(
    number: int, code: int, toy: Files, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = [*toy["train"], "--out", out, *QUICK, "--set=train.max_steps=100000"]
    command = [sys.executable, "-m", "nmt", "train", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr
        for line in process.stderr:
            if re.search(rb"%\s+step", line):
                break
        process.send_signal(number)
        said = process.stderr.read().decode()
        assert process.wait() == code
    assert "run the same command again" in said
    stopped = re.search(r"saved at step ([\d,]+)", said)
    assert stopped
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr
        assert f"at step {stopped[1]}" in process.stderr.readline().decode()
        process.terminate()
        process.communicate()


def test_killed_again_and_again_it_comes_to_the_same(toy: Files, tmp_path: Path) -> None:
    """The process is killed in the midst of updates, validations and writes."""

    def command(out: Path) -> list[str]:
        every = ["--set=train.max_steps=40", "--set=train.validate_every=4"]
        more = ["--set=train.save_every=6", "--set=data.subword_dropout=0.1", *every]
        words = [*toy["train"], *(f"--valid={file}" for file in toy["valid"]), "--out", out, *QUICK]
        return [sys.executable, "-m", "nmt", "train", *map(str, words), *more]

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(whole), check=True, capture_output=True)
    for last_words in (b"model:", b"validation at step 12", b"validation at step 28"):
        with subprocess.Popen(command(killed), stderr=subprocess.PIPE) as process:
            assert process.stderr
            for line in process.stderr:
                if line.startswith(last_words):
                    break
            process.kill()
    subprocess.run(command(killed), check=True, capture_output=True)
    timed = ("time", "seconds", "took", "updating", "validating", "target_tokens_per_second")
    logs = [
        [
            {key: value for key, value in json.loads(line).items() if key not in timed}
            for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        for out in (whole, killed)
    ]
    assert logs[0] == logs[1]
    names = [path.relative_to(whole) for path in whole.rglob("*.safetensors")]
    assert len(names) >= 6
    for name in names:
        mine, theirs = (read_tensors(out / name)[0] for out in (whole, killed))
        assert all(torch.equal(mine[key], theirs[key]) for key in mine), name


@pytest.mark.parametrize("launched", [False, True])
def test_a_second_ctrl_c_stops_at_once(launched: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    training, now = SimpleNamespace(stop_requested=False), [0.0]
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: now[0]))
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        with pytest.raises(KeyboardInterrupt), process.stopping(training) as stop:  # type: ignore[arg-type]
            signal.raise_signal(signal.SIGINT)
            assert training.stop_requested and stop == [signal.SIGINT]
            if launched:  # it passes on what the terminal has sent already
                monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
                now[0] = 0.5
                signal.raise_signal(signal.SIGINT)
                now[0] = 1.5
            signal.raise_signal(signal.SIGINT)
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def test_two_commands_do_not_write_into_one_folder(toy: Files, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with locked(out / "state" / "lock", str(out)):
        said = fails(*train_quickly(out, [*toy["train"]]))
    assert f"{out}: process {os.getpid()} on" in said and "is writing there" in said
    assert not out.exists()
    with locked(tmp_path / ".data.lock", "data"):
        assert "is writing there" in fails("prepare", *toy["train"], "--out", tmp_path / "data")


# --- bad input ------------------------------------------------------------------------------------


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[Path, Path]:
    return write_corpus(tmp_path, "c", toy_pairs(50, 1))


def test_a_missing_file(tmp_path: Path, pairs: tuple[Path, Path]) -> None:
    assert "missing.de" in fails(
        *train_quickly(tmp_path / "r", [tmp_path / "missing.de", pairs[1]])
    )
    assert not (tmp_path / "r").exists()


def test_a_folder_where_a_file_should_be(
    tmp_path: Path, pairs: tuple[Path, Path], run: Path
) -> None:
    assert "folder" in fails(*train_quickly(tmp_path / "r", [tmp_path, pairs[1]]))
    assert "is a folder where a file should be" in fails("translate", run, tmp_path)
    for words in (
        ("translate", run, "--terms", tmp_path),
        ("evaluate", run, *pairs, "--hypotheses", tmp_path),
        ("score", run, pairs[0], "--n-best", tmp_path),
    ):
        assert f"{tmp_path}: is a folder where a file should be" in fails(*words)


def test_unequal_files_tell_both_counts(tmp_path: Path, pairs: tuple[Path, Path]) -> None:
    with pairs[1].open("a") as file:
        file.write("one\ntwo\n")
    message = fails(*train_quickly(tmp_path / "r", [*pairs]))
    assert "50" in message
    assert "52" in message


def test_an_empty_corpus(tmp_path: Path) -> None:
    for name in ("a.xx", "a.yy"):
        (tmp_path / name).touch()
    assert "too few" in fails(
        *train_quickly(tmp_path / "r", [tmp_path / "a.xx", tmp_path / "a.yy"])
    )


def test_empty_sides_and_nuls_are_left_out_and_counted(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, "c", [*toy_pairs(60, 1), ("", "x"), ("\0\0\0", "y"), ("z", "")])
    result = nmt(*train_quickly(tmp_path / "r", [*corpus]))
    assert result.code == 0
    assert "3 left out: empty side" in result.err


def test_latin1_names_file_and_line(tmp_path: Path, pairs: tuple[Path, Path]) -> None:
    lines = pairs[0].read_bytes().splitlines(keepends=True)
    lines[6] = "Größe\n".encode("latin-1")
    pairs[0].write_bytes(b"".join(lines))
    assert "c.xx:7:" in fails(*train_quickly(tmp_path / "r", [*pairs]))


def test_a_very_long_line_is_left_out_of_training_and_translated(tmp_path: Path, run: Path) -> None:
    long = "ba ce " * 17_000
    corpus = write_corpus(tmp_path, "c", [*toy_pairs(60, 1), (long, long)])
    result = nmt(*train_quickly(tmp_path / "r", [*corpus]))
    assert result.code == 0
    assert "1 left out: longer than data.max_length" in result.err
    translated = nmt("translate", run, "--beam=1", stdin=f"{long[:9_000]}\nba\n".encode())
    assert len(translated.lines) == 2


@pytest.mark.parametrize("pairs", [toy_pairs(3, 1), [("ba ce", "ba ce")] * 100])
def test_too_small_a_corpus(tmp_path: Path, pairs: list[tuple[str, str]]) -> None:
    assert "too few" in fails(*train_quickly(tmp_path / "r", [*write_corpus(tmp_path, "c", pairs)]))


def test_validation_in_the_other_order(tmp_path: Path, toy: Files) -> None:
    swapped = [f"--valid={toy['valid'][1]}", f"--valid={toy['valid'][0]}"]
    assert "yy-xx" in fails(*train_quickly(tmp_path / "r", [*toy["train"]], *swapped))


def test_unknown_settings_and_presets(tmp_path: Path, pairs: tuple[Path, Path]) -> None:
    begin: list[str | Path] = ["train", *pairs, "--out", tmp_path / "r"]
    assert "did you mean train.max_steps" in fails(*begin, "--set=train.max_step=3")
    assert "there are" in fails(*begin, "--preset=huge")
    assert "no duration" in fails(*begin, "--budget=soon")
    assert "no '='" in fails(*begin, "--set=train.max_steps")
    assert "no such configuration" in fails(*begin, "--config", tmp_path / "none.toml")


@pytest.mark.parametrize("command", ["translate", "info", "evaluate"])
def test_what_is_no_run(command: str, tmp_path: Path, toy: Files) -> None:
    more = toy["test"] if command == "evaluate" else ()
    assert "no such run" in fails(command, tmp_path / "none", *more)
    (tmp_path / "empty").mkdir()
    assert "not a run" in fails(command, tmp_path / "empty", *more)


def test_a_run_without_weights(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").unlink()
    assert "no weights" in fails("translate", tmp_path / "copy")


def test_a_run_of_another_version(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    config = tmp_path / "copy" / "config.toml"
    ours = config.read_text(encoding="utf-8")

    def said(text: str) -> str:
        config.write_text(text, encoding="utf-8")
        message = fails("translate", tmp_path / "copy", stdin=b"ba\n")
        assert str(config) in message
        return message

    newer = re.sub('version = ".*"', 'version = "9.0"', ours)
    assert "in format 2" in said(newer.replace("format = 1", "format = 2"))
    unknown = newer.replace("beam =", "wonder = 1\nbeam =")
    message = said(unknown)
    assert "'translate.wonder'; nmt 9.0 wrote it" in message and "install the version" in message
    assert "did you mean translate.beam" in said(ours.replace("beam =", "baem ="))
    assert "outside a section" in said(f"odd = 1\n{ours}")


def test_models_of_other_subwords_do_not_decide_together(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "other")
    lines = [source for source, _ in toy_pairs(900, 77)]
    settings = read_config(Run(run)).data
    (other,) = Vocabulary.learn(lines, lines, settings).files().values()
    (tmp_path / "other" / "subwords.model").write_bytes(other)
    assert nmt("translate", tmp_path / "other", stdin=b"ba\n").code == 0
    message = fails("translate", f"{run},{tmp_path / 'other'}", stdin=b"ba\n")
    assert f"{run} and {tmp_path / 'other'} write in different subwords" in message
    assert "only models with the same target vocabulary can decide together" in message


def test_models_that_read_other_subwords_decide_together(
    run: Path, toy: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    """What a sentence is cut into is each member's own affair; alignments are the first one's."""
    other = reads_other_subwords(run, tmp_path / "other")
    assert nmt("translate", other, stdin=b"ba\n").code == 0
    text = toy["test"][0].read_bytes()
    for runs, first in ((f"{run},{other}", run), (f"{other},{run}", other)):
        found = nmt("translate", runs, "--format=jsonl", "--subword-alignments", stdin=text)
        assert found.code == 0, found.err
        links = [json.loads(line)["alignment"].split() for line in found.lines]
        subwords = Vocabulary.load(first).source.encode(text.decode().splitlines())
        for each, ids in zip(links, subwords, strict=True):
            assert all(int(link.partition("-")[0]) <= len(ids) for link in each)
        assert nmt("score", runs, *toy["test"]).code == 0
    record = json.loads(
        nmt("evaluate", f"{run},{other}", *toy["test"], "--json", "--resamples=0").out
    )
    assert record["perplexity"] > 1


def reads_other_subwords(run: Path, copy: Path) -> Path:
    """A run whose model knows nothing, with the target subwords of `run` and its own for the
    source."""
    shutil.copytree(run, copy)
    subwords = Vocabulary.load(run).target
    lines = [source.upper() for source, _ in toy_pairs(300, 5)]
    lines += [line.lower() for line in lines]
    small = replace(read_config(Run(run)).data, vocab_size=50)
    own = Vocabulary.learn(lines, lines, small).source
    (copy / "subwords.model").unlink()
    for name, content in Vocabulary(own, subwords).files().items():
        (copy / name).write_bytes(content)
    settings = read_config(Run(run))
    settings = replace(
        settings,
        data=replace(settings.data, joint_vocab=False),
        model=replace(settings.model, tied="target", hidden=40),
    )
    write_config(Run(copy), settings)
    model = new_model(settings, Vocabulary.load(copy))
    write_tensors(Run(copy).model, weights_of(model), {})
    return copy


def test_weights_cut_off(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    model = tmp_path / "copy" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-100])
    assert "damaged or cut off" in fails("translate", tmp_path / "copy")
    assert "damaged or cut off" in fails("info", tmp_path / "copy")


def test_training_into_a_folder_that_is_taken(run: Path, toy: Files, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "state")
    before = (tmp_path / "copy" / "model.safetensors").read_bytes()
    assert "--fresh" in fails(*train_quickly(tmp_path / "copy", [*toy["train"]]))
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == before
    assert nmt(*train_quickly(tmp_path / "copy", [*toy["train"]], "--fresh")).code == 0


@pytest.mark.parametrize("name", ["", ",", "a,", ",a"])
def test_a_run_without_a_name(name: str) -> None:
    assert f"'{name}' leaves out the name" in fails("translate", name)


@pytest.mark.parametrize(
    "words",
    [
        ("--sample", "--temperature=inf"),
        ("--sample", "--temperature=nan"),
        ("--sample", "--top-p=nan"),
        ("--length-penalty=nan",),
        ("--format=tsv", "--flag-below=nan"),
        ("--threads=100000",),
    ],
)
def test_numbers_that_are_none(run: Path, words: tuple[str, ...]) -> None:
    result = nmt("translate", run, *words, stdin=b"ba\n")
    assert (result.code, result.out) == (2, b"")
    assert words[-1].partition("=")[0] in result.err


def test_damaged_weights_are_found_out_by_whoever_uses_them(
    run: Path, toy: Files, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "bad")
    weights = tmp_path / "bad" / "model.safetensors"
    tensors, about = read_tensors(weights)
    write_tensors(weights, {name: x * torch.nan for name, x in tensors.items()}, about)
    for words in (("translate", "--beam=2"), ("translate", "--sample"), ("score", *toy["valid"])):
        command, *more = words
        said = fails(command, tmp_path / "bad", *more, stdin=b"ba ce\n")
        assert "scores are not numbers" in said


def test_more_candidates_than_beams(run: Path) -> None:
    assert "--beam 9" in fails("translate", run, "--n-best=9")


def test_hypotheses_of_another_length(run: Path, toy: Files) -> None:
    message = fails("evaluate", run, *toy["test"], "--hypotheses", toy["valid"][0])
    assert "60 lines" in message
    assert "100 pairs" in message


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_no_space_to_write(run: Path, toy: Files) -> None:
    command = [sys.executable, "-m", "nmt", "translate", str(run)]
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(command, input=b"ba ce\n", stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 1
    assert b"No space left" in result.stderr
    assert b"Traceback" not in result.stderr


def test_an_output_file_appears_whole(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    assert nmt("translate", run, "--output", out, stdin=b"ba\nce\n").out == b""
    assert out.read_bytes().count(b"\n") == 2
    assert list(tmp_path.iterdir()) == [out]
    assert "cannot be written" in fails("translate", run, "--output", out / "x", stdin=b"ba\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no shell that closes a stream")
def test_a_stdout_closed_beforehand_is_told(run: Path) -> None:
    command = f'echo ba | "{sys.executable}" -m nmt translate "{run}" >&-'
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == "nmt: cannot read or write: stdout: Bad file descriptor\n"
    command = f'"{sys.executable}" -m nmt translate "{run}" <&-'
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert "stdin is closed" in result.stderr


def test_stdin_closed_at_once(run: Path) -> None:
    result = nmt("translate", run, stdin=b"")
    assert (result.code, result.out) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
def test_a_signal_while_translating_is_quiet(run: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "nmt", "translate", str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write(b"ba ce\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 143
        assert process.stderr and process.stderr.read() == b""


def test_without_unix_sockets_nothing_stays_warm(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "AF_UNIX", raising=False)
    plain = nmt("translate", run, stdin=b"ba ce\n")
    warmed = nmt("translate", run, "--keep-warm", "60s", stdin=b"ba ce\n")
    assert (warmed.code, warmed.out) == (0, plain.out)
    assert len(plain.lines) == 1
    assert "no warm process can be kept here" in warmed.err


def test_sampling_is_seeded(run: Path) -> None:
    def drawn(*more: str) -> list[str]:
        result = nmt("translate", run, "--sample", *more, stdin=b"ba ce\ndi fo gu\n")
        assert result.code == 0
        return result.lines

    assert drawn() == drawn("--seed", "1") != drawn("--seed", "2", "--temperature", "2")
    assert len(drawn("--n-best", "7")) == 14


def test_alignments_have_a_column_and_a_key(run: Path) -> None:
    result = nmt("translate", run, "--format", "tsv", "--alignments", stdin=b"ba ce\n")
    assert re.fullmatch(r"[^\t]+\t-?[\d.]+\t\d+-\d+( \d+-\d+)*\n", result.out.decode())
    words = ("translate", run, "--format", "jsonl", "--subword-alignments")
    assert set(json.loads(nmt(*words, stdin=b"ba ce\n").out)) >= {"translation", "alignment"}
    assert "no place for alignments" in fails("translate", run, "--alignments")
    said = fails(*words, "--alignments")
    assert "--alignments and --subword-alignments" in said


def test_options_of_sampling_need_it(run: Path) -> None:
    assert "--top-k needs --sample" in fails("translate", run, "--top-k", "3")
    said = fails("translate", run, "--set=translate.min_length=5", "--set=translate.max_length=2")
    assert "translate.min_length = 5 is more than translate.max_length = 2" in said


def test_every_setting_of_the_search_can_be_given(run: Path, toy: Files) -> None:
    def translated(*more: str) -> list[str]:
        result = nmt("translate", run, *more, stdin=b"ba ce di fo\ndi fo gu\n")
        assert result.code == 0, result.err
        return result.lines

    assert translated("--beam=2") == translated("--set=translate.beam=2")
    assert translated("--beam=2") == translated("--beam=2", "--set=translate.beam=5")
    long = translated("--set=translate.min_length=20", "--set=translate.max_length=20")
    pairs = zip(long, translated(), strict=True)
    assert all(len(forced.split()) > len(plain.split()) for forced, plain in pairs)
    words = ("score", run, *toy["valid"], "--format=tsv")
    plain, unranked = nmt(*words), nmt(*words, "--set=translate.length_penalty=0")
    assert [line.split("\t")[0] for line in plain.lines] == [
        line.split("\t")[1] for line in unranked.lines
    ]
    scored = [
        nmt("evaluate", run, *toy["valid"], "--json", *more).out
        for more in ((), ("--set=translate.max_length=1",), ("--length-penalty=1",))
    ]
    assert scored[0] != scored[1] and scored[0] == scored[2]


def test_settings_of_the_search_that_cannot_be(run: Path, toy: Files) -> None:
    for command, more in (("translate", ()), ("score", toy["valid"])):
        said = fails(command, run, *more, "--set=model.hidden=3")
        assert "only [translate] can be set here" in said
    begin = ("translate", run)
    assert "translate.groups = 2" in fails(*begin, "--beam=3", "--set=translate.groups=2")
    assert "--sample" in fails(*begin, "--sample", "--n-best=2", "--set=translate.groups=2")
    assert "translate.beam: expected" in fails(*begin, "--set=translate.beam=many")


def test_a_run_from_before_a_setting_existed(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "old")
    config = tmp_path / "old" / "config.toml"
    head, _, _ = config.read_text(encoding="utf-8").partition("[translate]")
    config.write_text(f"{head}[translate]\nbeam = 5\n", encoding="utf-8")
    lines = b"ba ce di\n"
    assert (
        nmt("translate", tmp_path / "old", stdin=lines).out
        == nmt("translate", run, stdin=lines).out
    )


def test_a_second_column_begins_the_translation(run: Path) -> None:
    long = "ba " * 90
    stdin = f"ba ce\tdi f\n\nba ce\n\tdi\nba\t{long}\n".encode()
    result = nmt("translate", run, "--prefix-column", stdin=stdin)
    begun, blank, plain, only, beyond = result.lines
    assert begun.startswith("di f") and (blank, only, beyond) == ("", "di", long)
    assert [plain] == nmt("translate", run, stdin=b"ba ce\n").lines
    assert result.err.startswith("warning: line 5: the prefix has ")
    assert result.err.count("\n") == 1
    drawn = nmt("translate", run, "--prefix-column", "--sample", "--n-best=3", stdin=stdin)
    assert len(drawn.lines) == 15 and all(line.startswith("di f") for line in drawn.lines[:3])


def test_terms_must_appear(run: Path, tmp_path: Path) -> None:
    terms = tmp_path / "terms.tsv"
    terms.write_text("ba\ttu lo\nce\t東京\n", encoding="utf-8")
    result = nmt("translate", run, "--terms", terms, stdin=b"di\nba di\n\nce ba\n")
    assert result.code == 0
    assert ["tu lo" in line for line in result.lines] == [False, True, False, True]
    assert result.err.startswith("warning: line 4: the term 'ce', '東京', has characters that")
    assert "--sample" in fails("translate", run, "--terms", terms, "--sample")
    assert "no.tsv: cannot be read" in fails("translate", run, "--terms", tmp_path / "no.tsv")
    said = fails(
        "translate", run, "--terms", terms, "--beam=4", "--set=translate.groups=2", stdin=b"ba\n"
    )
    assert "translate.groups = 2" in said
    terms.write_text("ba\n")
    assert "terms.tsv:1: is no pair of terms" in fails("translate", run, "--terms", terms)


def test_minimum_bayes_risk_ranks_by_expected_utility(run: Path) -> None:
    lines = b"ba ce di\n\nfo gu ha je\n"
    for more in ((), ("--sample", "--beam", "12", "--utility", "bleu")):
        words = ("translate", run, "--mbr", *more, "--n-best", "3", "--format", "jsonl")
        first, blank, last = map(json.loads, nmt(*words, stdin=lines).lines)
        for record in (first, last):
            scores = [each["score"] for each in record["candidates"]]
            texts = [each["translation"] for each in record["candidates"]]
            assert scores == sorted(scores, reverse=True) and 0 <= scores[-1] <= scores[0] <= 100.1
            assert len(set(texts)) == len(texts)
        assert blank["translation"] == ""
        assert nmt(*words, stdin=lines).lines == nmt(*words, stdin=lines).lines
    assert "--utility needs --mbr" in fails("translate", run, "--utility", "bleu")
    said = fails("translate", run, "--mbr", "--beam", "4", "--n-best", "5")
    assert "use --beam 5" in said


def test_suspect_lines_are_marked(run: Path) -> None:
    lines = b"ba ce 250\n\n"
    record, blank = (
        json.loads(line) for line in nmt("translate", run, "--format", "jsonl", stdin=lines).lines
    )
    assert "lost-number" in record["suspect"] and "score" not in record["suspect"]
    assert record["length_ratio"] > 0 and 0 < record["coverage"] <= 1
    assert (blank["suspect"], blank["length_ratio"], blank["coverage"]) == ([], None, None)
    words = ("translate", run, "--format", "tsv")
    marked = nmt(*words, "--flag-below", "0", stdin=lines).lines
    assert "lost-number" in marked[0].split("\t")[2] and marked[0].endswith("score")
    assert marked[1] == "\t0.0000\t"
    assert "score" not in nmt(*words, "--flag-below=-99", stdin=lines).lines[0].split("\t")[2]
    assert "plain text has no place for marks" in fails("translate", run, "--flag-below", "-1")
    short = nmt(
        "translate",
        run,
        "--format",
        "jsonl",
        "--set=translate.max_length=1",
        stdin=b"ba ce di fo\n",
    )
    assert "truncated" in json.loads(short.out)["suspect"]


def test_unknown_words_are_carried_over(run: Path) -> None:
    lines = "ba ce Жуков\n東京 di\n".encode()
    found = nmt("translate", run, "--replace-unknown", stdin=lines).lines
    assert "Жуков" in found[0].split() and "東京" in found[1].split()
    known = b"ba ce\ndi fo gu\n"
    assert (
        nmt("translate", run, "--replace-unknown", stdin=known).lines
        == nmt("translate", run, stdin=known).lines
    )


def test_attention_is_drawn_for_each_line(run: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.svg"
    lines = b"ba ce\n\ndi fo\n"
    result = nmt("translate", run, "--attention-plot", picture, stdin=lines)
    assert result.lines == nmt("translate", run, stdin=lines).lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-3.svg", "a.svg"]
    result = nmt("translate", run, "--attention-plot", "-", stdin=b"ba ce\n")
    assert len(result.lines) == 1 and "</s>" in result.err
    assert nmt("translate", run, "--attention-plot", "-", "--quiet", stdin=b"ba ce\n") == result
    assert ".png" in fails("translate", run, "--attention-plot", tmp_path / "a.gif")


def test_pairs_are_scored_line_by_line(run: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, "s", [("ba ce", "ba ce"), ("", ""), ("di", "fo gu")])
    plain = nmt("score", run, *corpus)
    assert plain.code == 0 and all(float(line) < 0 for line in plain.lines)
    assert len(plain.lines) == 3
    rows = [line.split("\t") for line in nmt("score", run, *corpus, "--tokens").lines]
    for line, (total, tokens) in zip(plain.lines, rows, strict=True):
        each = [float(token.rpartition(":")[2]) for token in tokens.split(" ")]
        assert float(line) == float(total) == pytest.approx(sum(each), abs=1e-2)
    record = json.loads(nmt("score", run, *corpus, "--format", "jsonl").lines[2])
    assert (record["source"], record["target"]) == ("di", "fo gu")


def test_what_translate_wrote_is_scored_as_search_had_it(run: Path, tmp_path: Path) -> None:
    lines = [source for source, _ in toy_pairs(30, 4)]
    source = tmp_path / "source"
    source.write_text("".join(f"{line}\n" for line in [*lines, ""]))
    words = ("translate", run, source, "--n-best=3", "--beam=3")
    for form in ("jsonl", "tsv"):
        assert nmt(*words, "--format", form, "--output", tmp_path / f"n.{form}").code == 0
    whole = nmt("score", run, "--n-best", tmp_path / "n.jsonl", "--format=jsonl")
    table = nmt("score", run, source, "--n-best", tmp_path / "n.tsv", "--format=jsonl")
    assert whole.code == table.code == 0, whole.err
    assert (
        table.lines[:90] == whole.lines[:90] and len(table.lines) == 93
    )  # three for the blank one
    trained = load(run, torch.device("cpu"))
    options, precision = SearchOptions(beam=3), precision_for([trained.model], "auto")
    translator = Translator(trained.model, trained.vocabulary, options, 100, precision)
    found = [hypothesis for each in translator.hypotheses(lines) for hypothesis in each]
    alike = 0
    for hypothesis, line in zip(found, whole.lines[:90], strict=True):
        scored, target = json.loads(line), trained.vocabulary.target
        assert scored["target"] == target.decode(hypothesis.ids)
        if target.encode([scored["target"]])[0] == list(hypothesis.ids):
            alike += 1  # the others are the same text in subwords that nobody would encode it in
            for key in ("score", "log_probability"):
                assert scored[key] == pytest.approx(getattr(hypothesis, key), abs=1e-4)
    assert alike > 40


def test_candidates_that_cannot_be_scored(run: Path, tmp_path: Path) -> None:
    source, table, rows = tmp_path / "s", tmp_path / "n.tsv", tmp_path / "n.jsonl"
    source.write_text("ba\nce\n")
    table.write_text("a\t1\nb\t1\nc\t1\n")
    said = fails("score", run, source, "--n-best", table)
    assert "has 3 lines for the 2 of" in said
    assert "does not hold its sources" in fails("score", run, "--n-best", table)
    rows.write_text('{"source": "ba", "translation": "ba"}\n{"source": 3}\n')
    assert "n.jsonl:2: is nothing that nmt translate" in fails("score", run, "--n-best", rows)
    for unfit in (
        '{"source": "ba", "candidates": []}',
        '{"source": "ba", "translation": "\\ud800"}',
    ):
        rows.write_text(f"{unfit}\n")
        assert "n.jsonl:1: is nothing" in fails("score", run, "--n-best", rows)
    assert "holds its sources itself" in fails("score", run, source, "--n-best", rows)
    assert "one file of sources" in fails("score", run, source, source, "--n-best", table)
    assert "CORPUS" in fails("score", run, code=2)


def test_integers_that_cannot_be_had_are_refused(toy: Files, tmp_path: Path) -> None:
    out = tmp_path / "run"
    deep = ("--set=model.connections=residual", "--set=model.decoder_layers=2")
    trained = nmt(*train_quickly(out, [*toy["train"]], *deep))
    assert trained.code == 0, trained.err
    for command, more in (("translate", ()), ("evaluate", toy["valid"]), ("score", toy["valid"])):
        said = fails(command, out, *more, "--precision=int8")
        assert "not with model.connections = residual" in said and "use bf16 or fp32" in said
    chosen, plain = (
        nmt("translate", out, f"--precision={name}", stdin=b"ba ce\n") for name in ("auto", "fp32")
    )
    assert chosen.code == 0 and chosen == plain


def test_several_runs_decide_together(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    alone = nmt("translate", run, stdin=b"ba ce\ndi fo\n")
    both = nmt("translate", f"{run},{tmp_path / 'copy'}", stdin=b"ba ce\ndi fo\n")
    assert (both.code, both.out) == (0, alone.out)
    assert "there is one" in fails("translate", run, "--ensemble=logits", stdin=b"ba\n")
    shutil.copyfile(run / "config.toml", tmp_path / "copy" / "subwords.model")
    assert "copy" in fails("translate", f"{run},{tmp_path / 'copy'}", stdin=b"ba\n")


def test_several_runs_score_as_they_search(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    weights = tmp_path / "copy" / "model.safetensors"
    tensors, about = read_tensors(weights)
    write_tensors(weights, {name: 0.7 * x for name, x in tensors.items()}, about)
    runs, found = f"{run},{tmp_path / 'copy'}", tmp_path / "found.jsonl"
    words = ("--ensemble=logits", "--precision=fp32")
    translated = nmt("translate", runs, *words, "--format=jsonl", stdin=b"ba ce\ndi fo\n")
    found.write_bytes(translated.out)
    said = [json.loads(line)["log_probability"] for line in translated.lines]
    scored, otherwise = (
        nmt("score", runs, *more, "--precision=fp32", "--n-best", found).lines
        for more in (("--ensemble=logits",), ())
    )
    assert [float(line) for line in scored] == pytest.approx(said, abs=1e-3)
    assert scored != otherwise


def test_a_model_from_memory_has_the_name_that_it_is_called_by(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What else lies in its folder is read by that name, in whoever's folder the caller stands."""
    models, kept = ModelCache(), set[int]()
    for folder, name in ((run.parent, Path(run.name)), (run, Path())):
        monkeypatch.chdir(folder)
        (found,) = load_runs(Request(runs=[name], device="cpu"), models)
        assert found.run.path == name
        kept.add(id(found.model))
    assert len(kept) == 1


# --- what must never be lost ----------------------------------------------------------------------


def test_preparing_never_replaces_what_it_did_not_write(pairs: tuple[Path, Path]) -> None:
    folder = pairs[0].parent
    assert "not written by nmt prepare" in fails("prepare", *pairs, "--out", folder)
    assert all(path.exists() for path in pairs)


def test_training_never_replaces_what_it_did_not_write(
    tmp_path: Path, pairs: tuple[Path, Path]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.toml").write_text("mine = 1\n")
    for more in ([], ["--fresh"]):
        assert "in the way" in fails(*train_quickly(tmp_path / "mine", [*pairs], *more))
    assert (tmp_path / "mine" / "config.toml").read_text() == "mine = 1\n"


def test_fresh_keeps_the_old_model_until_a_new_one_is_possible(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    few = write_corpus(tmp_path, "few", toy_pairs(3, 1))
    assert "too few" in fails(*train_quickly(tmp_path / "copy", [*few], "--fresh"))
    assert nmt("translate", tmp_path / "copy", stdin=b"ba ce\n").code == 0


def test_corpora_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    words = []
    for seed in (1, 2, 3):
        write_corpus(tmp_path / str(seed), "c", toy_pairs(60, seed))
        words.append([tmp_path / str(seed) / name for name in ("c.xx", "c.yy")])
    valid = [f"--valid={path}" for path in words[1]]
    assert nmt(*train_quickly(tmp_path / "r", [*words[0]], *valid)).code == 0
    message = fails(*train_quickly(tmp_path / "r", [*words[2]], *valid))
    assert "training corpus was c.xx + c.yy and has other content now" in message


def test_a_folder_prepared_anew_is_another_corpus(tmp_path: Path, pairs: tuple[Path, Path]) -> None:
    options = [o for o in QUICK if "data." not in o]
    prepare: list[str | Path] = [
        "prepare",
        *pairs,
        "--out",
        tmp_path / "p",
        "--set=data.vocab_size=40",
    ]
    train: list[str | Path] = ["train", tmp_path / "p", "--out", tmp_path / "r", *options]
    train.append("--set=train.max_steps=12")
    assert nmt(*prepare).code == nmt(*train).code == 0
    assert nmt("evaluate", tmp_path / "r", tmp_path / "p", "--json").code == 0
    assert nmt(*prepare, "--seed=2").code == 0
    assert "other content" in fails(*train)


def test_output_follows_links_and_leaves_devices_alone(run: Path, tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    assert nmt("translate", run, "--output", link, stdin=b"ba\n").code == 0
    assert link.is_symlink()
    assert target.read_bytes().count(b"\n") == 1
    if Path("/dev/null").is_char_device():
        assert nmt("translate", run, "--output", "/dev/null", stdin=b"ba\n").code == 0
        assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(sys.platform == "win32", reason="pipes that do not block are untried there")
def test_a_stdin_that_does_not_block_is_read_to_its_end(run: Path) -> None:
    script = (
        "import os, subprocess, sys, threading, time\n"
        "r, w = os.pipe(); os.set_blocking(r, False)\n"
        "command = [sys.executable, '-m', 'nmt', 'translate', sys.argv[1]]\n"
        "process = subprocess.Popen(command, stdin=r, stdout=subprocess.PIPE)\n"
        "threading.Timer(2.5, lambda: (os.write(w, b'ba ce\\n'), os.close(w))).start()\n"
        "sys.exit(process.communicate()[0].count(b'\\n') != 1)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(run)]).returncode == 0


def test_messages_that_nobody_reads_do_not_end_a_training(tmp_path: Path, toy: Files) -> None:
    words = train_quickly(tmp_path / "r", [*toy["train"]])
    command = [sys.executable, "-m", "nmt", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr
        process.stderr.close()
        assert process.wait() == 0
    assert (tmp_path / "r" / "model.safetensors").is_file()


def test_sides_with_vocabularies_of_their_own(tmp_path: Path, pairs: tuple[Path, Path]) -> None:
    result = nmt(*train_quickly(tmp_path / "r", [*pairs], "--set=data.joint_vocab=false"))
    assert result.code == 0
    assert "model.tied = target" in result.err
    assert nmt("translate", tmp_path / "r", stdin=b"ba ce\n").code == 0


def test_many_characters_in_a_small_corpus(tmp_path: Path) -> None:
    import random

    generator = random.Random(1)
    han = [chr(0x4E00 + i) for i in range(2_600)]
    lines = ["".join(generator.choices(han, k=12)) for _ in range(900)]
    corpus = write_corpus(tmp_path, "c", list(zip(lines, lines, strict=True)))
    assert nmt("prepare", *corpus, "--out", tmp_path / "chosen").code == 0
    message = fails("prepare", *corpus, "--out", tmp_path / "asked", "--set=data.vocab_size=2000")
    assert "data.vocab_size = 2000 is too small" in message


@pytest.mark.parametrize(
    "words",
    [
        ["--set=train.seed=abc"],
        ["--set=train.optimizer=adam", "--set=train.weight_decay=0.1"],
        ["--set=model.heads=3"],
    ],
)
def test_preparing_refuses_bad_settings_too(
    words: list[str], tmp_path: Path, pairs: tuple[Path, Path]
) -> None:
    fails("prepare", *pairs, "--out", tmp_path / "p", *words)
    fails("train", *pairs, "--out", tmp_path / "r", *words)


@pytest.mark.parametrize("text", ["[]", "null", '{"format": 1}', "{"])
def test_json_of_another_shape(text: str, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "copy" / "scores.json").write_text(text)
    assert nmt("info", tmp_path / "copy").code == 0
    (tmp_path / "copy" / "manifest.json").write_text(text)
    fails("translate", tmp_path / "copy")


def test_a_test_set_without_text_has_no_perplexity(tmp_path: Path, run: Path) -> None:
    corpus = write_corpus(tmp_path, "c", [("", "ba"), (" ", "ce")])
    result = nmt("evaluate", run, *corpus, "--json")
    assert json.loads(result.out)["perplexity"] is None
    assert "2 pairs" in result.err
