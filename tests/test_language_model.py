"""A language model: its probabilities are what they should be, by whatever way they are had."""

from __future__ import annotations

import gzip
import json
import math
from itertools import islice
from pathlib import Path

import pytest
import torch
from conftest import LM_SETTINGS, TINY, make_training, nmt, toy_pairs, train
from test_training import assert_same_run

from nmt.batches import Batch, make_batch
from nmt.checkpoint import Trained, load
from nmt.corpus import open_text
from nmt.device import Device
from nmt.engine import Engine
from nmt.errors import CorpusError
from nmt.generate import generate
from nmt.language_model import LanguageModel
from nmt.perplexity import likelihood
from nmt.search import Sampling, SearchOptions, search
from nmt.subwords import BOS, EOS

Files = dict[str, tuple[Path, Path]]
LINES = [target for _, target in toy_pairs(25, 17)]


@pytest.fixture(scope="module")
def trained(lm: Path, device: Device) -> Trained:
    return load(lm, device.torch)


@torch.inference_mode()
def log_probabilities(model: LanguageModel, ids: list[int]) -> list[float]:
    """Of each subword and EOS, one step after another."""
    memory = model.encode(torch.zeros(1, 1, dtype=torch.long), torch.ones(1, dtype=torch.long))
    state, found = model.start(memory), []
    for before, following in zip([BOS, *ids], [*ids, EOS], strict=True):
        step = model.step(torch.tensor([before]), state, memory)
        state = step.state
        found.append(float(torch.log_softmax(step.logits[0].double(), -1)[following]))
    return found


def brute_force(trained: Trained, lines: list[str]) -> list[float]:
    """The log-probability of each line, by its definition."""
    assert isinstance(trained.model, LanguageModel)
    every = trained.vocabulary.target.encode(lines)
    return [math.fsum(log_probabilities(trained.model, ids)) for ids in every]


# --- probabilities --------------------------------------------------------------------------------


def test_perplexities_are_their_definitions(lm: Path, trained: Trained, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("\n".join([*LINES, "", "ba, ce!"]) + "\n")
    nats = -math.fsum(brute_force(trained, [*LINES, "ba, ce!"]))
    subwords = sum(map(len, trained.vocabulary.target.encode([*LINES, "ba, ce!"])))
    words = sum(len(line.split()) for line in LINES) + 4  # two of them punctuation marks
    found = nmt("evaluate", lm, text, "--json")
    assert "1 blank lines are left out" in found.err
    scores = json.loads(found.out)
    assert scores["nats"] == pytest.approx(nats, rel=1e-5)
    lines = len(LINES) + 1
    assert (scores["sentences"], scores["subwords"], scores["words"]) == (lines, subwords, words)
    assert scores["perplexity"] == pytest.approx(math.exp(nats / (subwords + lines)), rel=1e-5)
    per_word = math.log(scores["perplexity_per_word"]) * (words + lines)
    assert per_word == pytest.approx(math.log(scores["perplexity"]) * (subwords + lines))
    table = nmt("evaluate", lm, text).out.decode()
    assert "per subword" in table and "per word" in table
    assert f"{scores['perplexity_per_word']:.3f}" in table


def test_the_score_of_a_line_is_the_sum_of_its_steps(
    lm: Path, trained: Trained, tmp_path: Path
) -> None:
    text = tmp_path / "text"
    text.write_text("\n".join(LINES) + "\n")
    found = nmt("score", lm, text, "--format=jsonl", "--tokens", "--precision=fp32")
    records = [json.loads(line) for line in found.lines]
    assert [record["text"] for record in records] == LINES
    for record, wanted in zip(records, brute_force(trained, LINES), strict=True):
        assert record["log_probability"] == pytest.approx(wanted, abs=1e-4)
        assert math.fsum(chance for _, chance in record["tokens"]) == pytest.approx(
            wanted, abs=1e-4
        )
        assert "source" not in record
    plain = nmt("score", lm, text).lines  # exact numbers are the default
    assert [float(line) for line in plain] == pytest.approx(
        [record["log_probability"] for record in records], abs=1e-4
    )


def test_what_may_follow_sums_to_one(trained: Trained) -> None:
    engine, begun = Engine(trained.model, "fp32"), trained.vocabulary.target.encode(LINES[:1])[0]
    size = len(trained.vocabulary.target)
    found = engine.force([[]] * size, [[*begun, token] for token in range(size)], SearchOptions())
    chances = [hypothesis.token_log_probabilities[len(begun)] for hypothesis in found]
    assert math.fsum(map(math.exp, chances)) == pytest.approx(1, abs=1e-5)


def test_whole_sequences_are_single_steps(trained: Trained) -> None:
    ids = trained.vocabulary.target.encode(LINES)
    batch: Batch = make_batch([[]] * len(ids), ids)
    with torch.inference_mode():
        logits = trained.model(batch.source, batch.source_lengths, batch.target_in)
    scores = torch.log_softmax(logits, -1)
    for row, each in enumerate(ids):
        assert isinstance(trained.model, LanguageModel)
        wanted = log_probabilities(trained.model, each)
        found = [float(scores[row, at, token]) for at, token in enumerate([*each, EOS])]
        assert found == pytest.approx(wanted, abs=1e-4)


def test_it_learns(trained: Trained) -> None:
    """Words are drawn with equal chances, of 15."""
    fresh = LanguageModel(trained.settings.model, len(trained.vocabulary.target)).eval()
    subwords = trained.vocabulary.target
    found = likelihood(trained.model, LINES, subwords).perplexity_per_word
    assert found < 0.5 * likelihood(fresh, LINES, subwords).perplexity_per_word


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells_and_stacks(cell: str, toy: Files, tmp_path: Path) -> None:
    settings = {
        "model__cell": cell,
        "model__decoder_layers": 2,
        "model__connections": "residual",
        "train__max_steps": 20,
        "train__validate_every": 20,
    }
    training = make_training(tmp_path, toy["train"][1:], None, **(LM_SETTINGS | settings))
    train(training)
    assert training.progress.best_perplexity < len(training.data.vocabulary.target)


# --- training -------------------------------------------------------------------------------------


def test_resumed_is_uninterrupted_bit_for_bit(toy: Files, tmp_path: Path) -> None:
    settings = LM_SETTINGS | {
        "model__dropout": 0.2,
        "data__subword_dropout": 0.1,
        "train__max_steps": 34,
        "train__validate_every": 12,
        "train__save_every": 8,
    }
    text, valid = toy["train"][1:], toy["valid"][1:]
    whole = make_training(tmp_path / "whole", text, valid, **settings)
    train(whole)
    list(islice(make_training(tmp_path / "broken", text, valid, **settings).events(), 6))
    resumed = make_training(tmp_path / "broken", text, valid, **settings)
    assert 0 < resumed.progress.step < 34
    train(resumed)
    assert_same_run(whole, resumed)


def test_from_text_to_lines(toy: Files, tmp_path: Path) -> None:
    """By the command line: prepared, trained, told about, averaged."""
    data, out = tmp_path / "data", tmp_path / "run"
    prepared = nmt("prepare", "--task=lm", *toy["train"], "--out", data, "--set=data.vocab_size=40")
    assert prepared.code == 0, prepared.err
    assert "lines held out of the corpus" in prepared.err and "a line has" in prepared.err
    options = [f"--set={key}={value}" for key, value in TINY.items() if "data." not in key]
    options += ["--set=train.max_steps=20", "--set=train.validate_every=10"]
    trained = nmt("train", data, "--out", out, *options)
    assert trained.code == 0, trained.err
    assert "language model 1×64" in trained.err and f"nmt sample {out}" in trained.err
    assert "BLEU" not in trained.err and "nan" not in trained.err
    told = json.loads(nmt("info", out, "--json").out)
    assert told["model"]["task"] == "language model"
    assert "validation bleu" not in told["scores"]
    assert "nan" not in nmt("info", out).out.decode()
    assert nmt("info", out, "--plot", tmp_path / "curves.svg").code == 0
    assert nmt("average", out, "--out", tmp_path / "mean").code == 0
    assert nmt("sample", tmp_path / "mean", "-n", "3").out.count(b"\n") == 3
    assert nmt("evaluate", out, data, "--json").code == 0


# --- drawing --------------------------------------------------------------------------------------


def test_draws_follow_from_the_seed(lm: Path) -> None:
    words = ("sample", lm, "--count=7", "--seed=3")
    first = nmt(*words)
    assert first.code == 0, first.err
    assert len(first.lines) == 7 and len(set(first.lines)) > 1
    assert nmt(*words).out == first.out
    assert nmt("sample", lm, "--count=4", "--seed=3").lines == first.lines[:4]
    assert nmt("sample", lm, "--count=7", "--seed=4").out != first.out


def test_the_likeliest_alone_is_greedy(trained: Trained) -> None:
    engine, subwords = Engine(trained.model, "fp32"), trained.vocabulary.target
    drawn = list(generate(engine, subwords, Sampling(top_k=1, seed=5), 3, 12))
    memory = trained.model.encode(torch.zeros(1, 1), torch.ones(1, dtype=torch.long))
    options = SearchOptions(beam=1, max_length=12, max_extra=12)
    greedy = search(trained.model, memory, options)[0][0]
    assert drawn == [subwords.decode(greedy.ids)] * 3
    assert list(generate(engine, subwords, Sampling(top_p=1e-9), 1, 12)) == drawn[:1]


def test_a_prompt_is_kept_to_the_letter(lm: Path) -> None:
    for prompt in ("ba  ce", "ba c", "ba ", "Ж b", "ba\u2028c", "ba\x0cce"):
        found = nmt("sample", lm, "--count=5", "--prompt", prompt)
        assert found.code == 0, found.err
        assert all(line.startswith(prompt) for line in found.lines)


def test_a_prompt_that_barely_fits_is_not_refused(lm: Path, trained: Trained) -> None:
    prompt = "ce ba"
    room = len(trained.vocabulary.target.encode([prompt])[0])
    found = nmt("sample", lm, "--count=3", "--prompt", prompt, f"--max-length={room}")
    assert (found.code, found.lines) == (0, [prompt] * 3), found.err
    assert nmt("sample", lm, "--prompt", prompt, f"--max-length={room - 1}").code == 1


def test_lines_are_no_longer_than_asked(lm: Path, trained: Trained) -> None:
    subwords = trained.vocabulary.target
    longest = max(map(len, subwords.pieces(range(4, len(subwords)))))
    words = ("sample", lm, "--count=40", "--temperature=2")
    assert max(map(len, nmt(*words, "--max-length=3").lines)) <= 3 * longest
    assert max(map(len, nmt(*words).lines)) > 3 * longest
    assert nmt(*words, "--max-length=100000000").code == 2


# --- text -----------------------------------------------------------------------------------------


def test_text_comes_in_many_shapes(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("one\ntwo\n")
    (tmp_path / "b.en.gz").write_bytes(gzip.compress(b"three\n"))
    (tmp_path / "c.tsv").write_text("eins\tone\n")
    (tmp_path / "d.jsonl").write_text(json.dumps({"text": "four"}) + "\n")
    (tmp_path / "e.jsonl").write_text(json.dumps({"source": "f", "target": "five"}) + "\n")
    (tmp_path / "f.jsonl").write_text(json.dumps({"translation": {"de": "s", "en": "six"}}) + "\n")

    def lines(*names: str, langs: str | None = None) -> list[str]:
        pairs = list(open_text([tmp_path / name for name in names], langs).pairs())
        assert not any(source for source, _ in pairs)
        return [target for _, target in pairs]

    assert lines("a.en", "b.en.gz") == ["one", "two", "three"]
    assert lines("c.tsv", "d.jsonl", "e.jsonl") == ["one", "four", "five"]
    assert lines("f.jsonl", langs="en") == lines("f.jsonl", langs="de-en") == ["six"]
    assert open_text([tmp_path / "a.en", tmp_path / "b.en.gz"]).languages == ("", "en")
    assert open_text([tmp_path / "a.en", tmp_path / "c.tsv"]).languages is None
    assert open_text([tmp_path / "c.tsv"], "en").languages == ("", "en")
    with pytest.raises(CorpusError, match="has no text, only de, en"):
        lines("f.jsonl")
    with pytest.raises(CorpusError, match="no such file"):
        lines("missing")


# --- what cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "setting",
    [
        "data.joint_vocab=false",
        "model.encoder_layers=2",
        "model.bidirectional=false",
        "model.shared_directions=true",
        "model.bridge=mean",
        "model.attention=dot",
        "model.heads=4",
        "model.coverage=true",
        "model.input_feeding=true",
        "model.tied=all",
        "train.best_by=bleu",
    ],
)
def test_settings_of_a_source_are_refused(setting: str, toy: Files, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = nmt("train", "--task=lm", toy["train"][1], "--out", out, f"--set={setting}")
    assert result.code == 1
    assert setting.partition("=")[0] in result.err and "data.task = 'lm'" in result.err
    assert not (out / "config.toml").exists()


def test_each_task_has_its_commands(lm: Path, run: Path, toy: Files, tmp_path: Path) -> None:
    for words in (("translate", lm), ("tune", lm, *toy["valid"]), ("translate", f"{run},{lm}")):
        result = nmt(*words, stdin=b"ba\n")
        assert (result.code, result.out) == (1, b"")
        assert "is a language model, and does not translate" in result.err
        assert f"nmt sample {lm}" in result.err
    result = nmt("sample", run)
    assert result.code == 1 and "translates, and is no language model" in result.err
    result = nmt("evaluate", lm, toy["test"][1], "--beam=3")
    assert result.code == 1 and "--beam is about translations" in result.err
    result = nmt("evaluate", lm, toy["test"][1], "--details")
    assert result.code == 1 and "--details is about translations" in result.err
    assert nmt("evaluate", lm).code == 2
    result = nmt("sample", lm, "--prompt=ba\nce")
    assert result.code == 1 and "more than one line" in result.err
    result = nmt("sample", lm, "--prompt=\udcff")  # how Python has a byte that is not UTF-8
    assert (result.code, result.out) == (1, b"") and "is not UTF-8" in result.err
    result = nmt("sample", lm, "--prompt", "ba " * 9, "--max-length=5")
    assert result.code == 1 and "a line at most 5" in result.err
    data = tmp_path / "data"
    nmt("prepare", *toy["train"], "--out", data, "--set=data.vocab_size=40")
    result = nmt("train", data, "--task=lm", "--out", tmp_path / "x")
    assert result.code == 1 and "data.task = translation, not lm" in result.err
