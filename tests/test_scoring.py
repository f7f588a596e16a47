"""Scores, intervals and tests are the sacrebleu command's, to the last digit; COMET is asked as its
package wants to be."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import sentencepiece
from conftest import nmt

kept_handler = signal.getsignal(getattr(signal, "SIGPIPE", signal.SIGTERM))
from sacrebleu import sacrebleu  # noqa: E402  (which lets SIGPIPE end the process)
from sacrebleu.tokenizers import tokenizer_spm  # noqa: E402

from nmt.errors import SettingsError  # noqa: E402
from nmt.judgement import Resampling  # noqa: E402
from nmt.scoring import MOST_RESAMPLED, Options, Scorer, model_of, resampling_for  # noqa: E402

signal.signal(getattr(signal, "SIGPIPE", signal.SIGTERM), kept_handler)

Files = dict[str, tuple[Path, Path]]
Lines = list[str]
NAMES = {"bleu": "BLEU", "chrf": "chrF2", "chrf++": "chrF2++", "ter": "TER"}

# Translations and references in several languages: odd spaces, empty lines, lines of spaces.
TEXTS: dict[str, tuple[Lines, list[Lines]]] = {
    "en": (
        [
            "the cat sat on a mat.",
            "It is 20°C, isn't it?",
            "",
            "no",
            "a b ",
            "x\u2028",
            "I'm  here",
        ],
        [
            [
                "The cat sat on the mat .",
                "It's 20°C, isn't it?",
                "yes",
                "",
                "a  b",
                "x",
                "I am here",
            ],
            ["A cat sat on a mat.", "It's 20 °C, no?", "", "No.", " a b", "x y", "I'm here \t"],
        ],
    ),
    "de": (
        ["Größe 3,5 m", "Straße", "und so weiter und so fort", " "],
        [["Größe: 3,5 m", "STRASSE", "und so weiter", ""]],
    ),
    "zh": (
        ["我在柏林吃饭。", "他说“你好”、", "3.5米", ""],
        [["我在柏林吃了饭。", "他说:“你好”", "3.5 米", "空"]],
    ),
    "hi": (["मैं घर जा रहा हूँ।", "हाँ"], [["मैं घर जाता हूँ।", "हाँ"]]),
    "ar": (["أنا ذاهب إلى البيت", "نعم."], [["أنا أذهب إلى البيت.", "نعم"]]),
}


class Stream:
    """What `sacrebleu` opens anew, and closes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fileno(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)


def command(folder: Path, systems: Sequence[Lines], references: list[Lines], *more: str) -> Any:
    """The same, read as JSON."""
    return json.loads(said(folder, systems, references, "-f", "json", *more))


def said(folder: Path, systems: Sequence[Lines], references: list[Lines], *more: str) -> str:
    """What the `sacrebleu` command says of these files."""
    names: list[Path] = []
    for name, lines in [("ref", each) for each in references] + [("hyp", each) for each in systems]:
        names.append(folder / f"{name}{len(names)}")
        names[-1].write_bytes("".join(f"{line}\n" for line in lines).encode())
    files = [*map(str, names)]
    files.insert(len(references), "-i")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        patch.setattr(sys, "argv", ["sacrebleu", *files, "-q", "-w", "12", *more])
        patch.setattr(sys, "stdin", Stream(folder / "in"))
        patch.setattr(sys, "stdout", Stream(folder / "out"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it closes no file
            with contextlib.suppress(SystemExit):
                sacrebleu.main()
        sys.stdout.close()
        sys.stdin.close()
    return (folder / "out").read_text(encoding="utf-8")


def both(
    folder: Path, text: str, options: Options, *more: str
) -> list[tuple[float, str, float, str]]:
    """Each metric's score and signature: ours, and the command's."""
    hypotheses, references = TEXTS[text]
    (ours,) = Scorer(references, options).scores([hypotheses], None)
    found = []
    for names in (["bleu", "chrf", "ter"], ["chrf", "--chrf-word-order=2"]):
        theirs = command(folder, [hypotheses], references, *more, "-m", *names)
        for theirs_one in theirs if isinstance(theirs, list) else [theirs]:
            name = next(key for key, name in NAMES.items() if name == theirs_one["name"])
            score = ours[name]
            found.append(
                (score.score, score.signature, theirs_one["score"], theirs_one["signature"])
            )
    assert len(found) == 4
    return found


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("tokenize", [None, "13a", "intl", "zh", "char", "none"])
def test_scores_are_the_commands(tmp_path: Path, text: str, tokenize: str | None) -> None:
    more = ["-tok", tokenize] if tokenize else []
    for ours, signature, theirs, their_signature in both(
        tmp_path, text, Options(tokenize=tokenize), *more
    ):
        assert round(ours, 12) == theirs, signature
        assert signature == their_signature


@pytest.mark.parametrize("text", ["en", "de"])
def test_scores_without_case_are_the_commands(tmp_path: Path, text: str) -> None:
    for ours, signature, theirs, their_signature in both(
        tmp_path, text, Options(lowercase=True), "-lc", "--chrf-lowercase"
    ):
        assert round(ours, 12) == theirs, signature
        assert signature == their_signature
        assert "case:lc" in signature


def test_the_language_decides_as_for_the_command(tmp_path: Path) -> None:
    for ours, signature, theirs, their_signature in both(
        tmp_path, "zh", Options(language="zh"), "-l", "en-zh"
    ):
        assert round(ours, 12) == theirs
        assert signature == their_signature or signature.replace("|lang:en-zh", "") in signature


# --- intervals and tests --------------------------------------------------------------------------


def noisy(lines: Lines, share: float, seed: int) -> Lines:
    """Lines of which some words are lost or doubled."""
    generator = random.Random(seed)

    def change(word: str) -> str:
        draw = generator.random()
        return "" if draw < share / 2 else f"{word} {word}" if draw < share else word

    return [" ".join(filter(None, map(change, line.split()))) for line in lines]


WORDS = ["the", "a", "dog", "cat", "house", "runs", "sees", "big", "small", "red", "and", "of"]
REFERENCE = [
    " ".join(random.Random(seed).choices(WORDS, k=random.Random(seed).randint(2, 15)))
    for seed in range(60)
]
SYSTEMS = [noisy(REFERENCE, 0.3, 1), noisy(REFERENCE, 0.3, 2), noisy(REFERENCE, 0.6, 3)]


def test_intervals_are_the_commands(tmp_path: Path) -> None:
    theirs = command(
        tmp_path, SYSTEMS[:1], [REFERENCE], "-m", "bleu", "chrf", "ter", "-ci", "-cin", "200"
    )
    resampling = resampling_for(60, 1, "bs", 200)
    (ours,) = Scorer([REFERENCE], Options()).scores(SYSTEMS[:1], resampling)
    for each in theirs:
        score = ours[next(key for key, name in NAMES.items() if name == each["name"])]
        assert score.interval and score.p_value is None
        assert score.interval.mean == pytest.approx(each["confidence_mean"], rel=1e-6)
        assert round(score.interval.margin, 12) == each["confidence_var"]
        assert "bs:" not in score.signature


@pytest.mark.parametrize("test", ["bs", "ar"])
def test_paired_tests_are_the_commands(tmp_path: Path, test: Any) -> None:
    metrics = ["bleu", "chrf", "ter"]
    asked = [f"--paired-{test}", f"--paired-{test}-n", "300", "-m", *metrics, "-f", "latex"]
    rows = re.findall(r"^.*hyp\d.*&.*$", said(tmp_path, SYSTEMS, [REFERENCE], *asked), re.MULTILINE)
    resampling = Resampling(test, resamples=300, trials=300, seed="12345")
    ours = Scorer([REFERENCE], Options()).scores(SYSTEMS, resampling)
    assert len(rows) == len(ours) == 3
    for system, row in zip(ours, rows, strict=True):
        for name, cell in zip(metrics, row.split("&")[1:], strict=True):
            score, numbers = system[name], [float(each) for each in re.findall(r"[\d.]+", cell)]
            assert score.interval
            expected = [score.score]
            if test == "bs":
                expected += [score.interval.mean, score.interval.margin]
            if score.p_value is not None:
                expected.append(score.p_value)
            assert numbers == pytest.approx(expected, abs=1e-4, rel=1e-9)
            assert numbers[0] == round(score.score, 12)
    assert ours[0]["bleu"].p_value is None
    assert all(system[name].p_value is not None for system in ours[1:] for name in metrics)


@pytest.mark.parametrize("test", ["bs", "ar"])
def test_the_same_translations_are_no_difference(test: Any) -> None:
    resampling = resampling_for(len(REFERENCE), 2, test, 100)
    (_, ours) = Scorer([REFERENCE], Options()).scores([SYSTEMS[0], list(SYSTEMS[0])], resampling)
    assert {score.p_value for score in ours.values() if score.p_value is not None} == {1.0}


def test_systems_without_any_match_have_intervals_too() -> None:
    resampling = resampling_for(3, 2, "bs", 50)
    scorer = Scorer([["a b c d e", "f", "g"]], Options())
    one, other = scorer.scores([["a b c d x", "", ""], ["", "", ""]], resampling)
    assert one["bleu"].interval and other["bleu"].interval
    assert other["bleu"].interval.margin == 0


def test_a_large_set_is_resampled_when_asked_for() -> None:
    assert resampling_for(MOST_RESAMPLED + 1, 2, "bs", None) is None
    assert resampling_for(MOST_RESAMPLED + 1, 2, "bs", 500) == Resampling("bs", 500, 500, "12345")
    assert resampling_for(10, 1, "ar", None) == Resampling(None, 1_000, 10_000, "12345")
    assert resampling_for(10, 2, "bs", 0) is None


# --- parts of a test set --------------------------------------------------------------------------


@pytest.mark.parametrize("seed", ["", "many", "-1", "1.5"])
def test_a_seed_that_is_none_is_refused(seed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", seed)
    with pytest.raises(SettingsError, match="SACREBLEU_SEED"):
        resampling_for(100, 2, "bs", None)
    monkeypatch.setenv("SACREBLEU_SEED", "None")
    assert resampling_for(100, 2, "bs", None)


def test_some_lines_score_as_if_they_were_all(tmp_path: Path) -> None:
    rows = list(range(5, 40, 3))
    scorer = Scorer([REFERENCE], Options())
    part = Scorer([[REFERENCE[row] for row in rows]], Options())
    (alone,) = part.scores([[SYSTEMS[0][row] for row in rows]], None)
    together = scorer.only(rows, SYSTEMS[0])
    assert together == {name: score.score for name, score in alone.items()}
    for name in ("bleu", "chrf"):
        counted = scorer.by_line(name, SYSTEMS[0])
        assert counted.score(rows).score == together[name]
        assert counted.score(range(60)).score == scorer.only(range(60), SYSTEMS[0])[name]


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_a_line_scores_as_the_command_says(tmp_path: Path, metric: str) -> None:
    counted = Scorer([REFERENCE], Options()).by_line(metric, SYSTEMS[2])
    for row in (0, 7, 31):
        (tmp_path / str(row)).mkdir()
        line = command(
            tmp_path / str(row),
            [[SYSTEMS[2][row]]],
            [[REFERENCE[row]]],
            "-m",
            metric,
            "--sentence-level",
            "-b",
        )
        assert round(counted.sentence(row).score, 12) == line


def test_exact_matches_are_counted() -> None:
    references = [["a  b", "c", "D"], ["x", "e", "d "]]
    (scores,) = Scorer(references, Options()).scores([["a b ", "e", "d"]], None)
    assert scores["exact"].score == 100
    (scores,) = Scorer(references[:1], Options()).scores([["a b", "e", "d"]], None)
    assert scores["exact"].score == pytest.approx(100 / 3)
    (scores,) = Scorer(references[:1], Options(lowercase=True)).scores([["a b", "e", "d"]], None)
    assert scores["exact"].score == pytest.approx(200 / 3)


# --- tokenizers -----------------------------------------------------------------------------------


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where sacreBLEU looks for its models."""
    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache" / "models").mkdir(parents=True)
    return tmp_path


def test_a_tokenizer_whose_model_is_missing_is_refused(models: Path) -> None:
    with pytest.raises(SettingsError, match="flores200: its model is not there"):
        Scorer([["a"]], Options(tokenize="flores200"))
    with pytest.raises(SettingsError, match="no such tokenizer"):
        Scorer([["a"]], Options(tokenize="moses"))


def test_a_cache_that_cannot_be_looked_into_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lie in a home that is another person's; here its name is longer than names can be."""
    monkeypatch.setattr(tokenizer_spm, "SACREBLEU_DIR", "x" * 5_000)
    assert "spbleu" not in Scorer([REFERENCE], Options()).metrics
    with pytest.raises(SettingsError, match="flores200: its model is not there"):
        Scorer([["a"]], Options(tokenize="flores200"))


def test_a_tokenizer_whose_package_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from sacrebleu.tokenizers import tokenizer_ja_mecab

    monkeypatch.setattr(tokenizer_ja_mecab, "MeCab", None)
    for options in (Options(tokenize="ja-mecab"), Options(language="ja")):
        with pytest.raises(SettingsError, match="ja-mecab needs a package") as error:
            Scorer([["a"]], options)
        assert "sacrebleu[ja]" in error.value.advice


def test_spbleu_is_told_where_its_model_is(models: Path) -> None:
    assert "spbleu" not in Scorer([REFERENCE], Options()).metrics
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(REFERENCE),
        model_prefix=str(models / "spm"),
        vocab_size=30,
        minloglevel=2,
    )
    (models / "spm.model").rename(model_of("flores200"))
    (ours,) = Scorer([REFERENCE], Options()).scores(SYSTEMS[:1], None)
    theirs = command(models, SYSTEMS[:1], [REFERENCE], "-tok", "flores200")
    assert round(ours["spbleu"].score, 12) == theirs["score"]
    assert ours["spbleu"].signature == theirs["signature"]
    assert "tok:flores200" in theirs["signature"]
    (same,) = Scorer([REFERENCE], Options(tokenize="flores200")).scores(SYSTEMS[:1], None)
    assert same["bleu"] == ours["spbleu"]


# --- COMET ----------------------------------------------------------------------------------------


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A package whose models find a translation good if it is the reference."""
    asked: list[Any] = []

    def predict(data: list[dict[str, str]], **options: Any) -> SimpleNamespace:
        asked.append((data, options))
        scores = [float(each["mt"] == each["ref"]) for each in data]
        return SimpleNamespace(scores=scores, system_score=sum(scores) / len(scores))

    def load_from_checkpoint(path: str) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(predict=predict)

    module = ModuleType("comet")
    module.load_from_checkpoint = load_from_checkpoint  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comet", module)
    return asked


def test_a_model_is_asked(package: list[Any], toy: Files, tmp_path: Path) -> None:
    model = tmp_path / "model" / "checkpoints" / "model.ckpt"
    model.parent.mkdir(parents=True)
    model.touch()
    (tmp_path / "wrong").write_text("x\n" * 100)
    places = {"right": toy["test"][1], "wrong": tmp_path / "wrong"}
    files = [f"--hypotheses={name}={path}" for name, path in places.items()]
    scored = nmt("evaluate", *toy["test"], *files, "--comet", tmp_path / "model", "--json")
    assert scored.code == 0, scored.err
    right, wrong = json.loads(scored.out)["systems"]
    assert (right["comet"]["score"], wrong["comet"]["score"]) == (100, 0)
    assert "model:model" in right["comet"]["signature"]
    path, (data, options), _ = package
    assert path == str(model)
    assert set(data[0]) == {"src", "mt", "ref"} and len(data) == 100
    assert options["gpus"] in (0, 1)
    shown = nmt("evaluate", *toy["test"], *files, "--comet", model).out.decode()
    assert "COMET" in shown


def test_no_model(package: list[Any], toy: Files, tmp_path: Path) -> None:
    hypotheses = f"--hypotheses={toy['test'][1]}"
    result = nmt("evaluate", *toy["test"], hypotheses, "--comet", tmp_path / "none")
    assert result.code == 1 and "no COMET model" in result.err


def test_no_package(toy: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "comet", None)
    hypotheses = f"--hypotheses={toy['test'][1]}"
    result = nmt("evaluate", *toy["test"], hypotheses, "--comet", tmp_path)
    assert result.code == 1 and "pip install 'nmt[comet]'" in result.err
