"""What is said of systems adds up, and says what it means."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from sacrebleu.metrics.bleu import BLEU

from nmt.analysis import by_chrf, by_length, by_rarest_word, hallucinates
from nmt.evaluate import Submission, judge
from nmt.judgement import SUSPECTS, EvaluationSet, Judgement
from nmt.manifest import FORMAT, MANIFEST, Counts, Manifest
from nmt.scoring import Options, Scorer, resampling_for
from nmt.seen import SENTENCES, Glimpse, Record

WORDS = ["the", "a", "dog", "cat", "house", "runs", "sees", "big", "small", "red", "and", "of"]


def sentence(seed: int) -> str:
    generator = random.Random(seed)
    return " ".join(generator.choices(WORDS, k=generator.randint(1, 25)))


def shuffled(line: str, seed: int) -> str:
    """The line with some of its words elsewhere."""
    words, generator = line.split(), random.Random(seed)
    for _ in range(generator.randint(0, 4)):
        words.insert(generator.randrange(len(words)), words.pop(generator.randrange(len(words))))
    return " ".join(words)


REFERENCE = tuple(map(sentence, range(80)))
SOURCES = tuple(line.upper() for line in REFERENCE)
TEST = EvaluationSet("test", ("xx", "en"), SOURCES, (REFERENCE,))
GOOD = [shuffled(line, n) for n, line in enumerate(REFERENCE)]
BAD = [shuffled(shuffled(line, n), -n - 1)[:-3] for n, line in enumerate(REFERENCE)]


def known(folder: Path, sources: Sequence[str], targets: Sequence[str]) -> Path:
    """A run, as far as its training text goes."""
    folder.mkdir()
    with Record(folder) as record:
        record.add(Glimpse.of(sources, targets))
    pairs = Counts(len(sources), len(sources))
    manifest = Manifest(
        FORMAT, "0", None, {}, pairs, Counts(0, 0), True, {}, {}, {}, record.vouchers()
    )
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest)))
    return folder


def judged(*submissions: Submission, test: EvaluationSet = TEST, resamples: int = 20) -> Judgement:
    resampling = resampling_for(len(test), len(submissions), "bs", resamples)
    return judge(test, submissions, Scorer(test.references, Options()), resampling)


# --- groups of lines ----------------------------------------------------------------------------


def test_the_buckets_of_a_breakdown_sum_to_the_whole(tmp_path: Path) -> None:
    run = known(tmp_path / "run", SOURCES[:2], REFERENCE[:2])
    (system,) = judged(Submission("good", GOOD, (run,))).systems
    assert set(system.breakdowns) == {"source length", "rarest word", "chrF"}
    whole = BLEU().corpus_score(GOOD, [list(REFERENCE)])
    for buckets in system.breakdowns.values():
        assert sorted(row for bucket in buckets for row in bucket.lines) == list(range(80))
        assert len({bucket.label for bucket in buckets}) == len(buckets) > 1
        counts, totals = [0, 0, 0, 0], [0, 0, 0, 0]
        tokens = 0
        for bucket in buckets:
            rows = bucket.lines
            if not rows:
                assert math.isnan(bucket.bleu)
                continue
            part = BLEU().corpus_score(
                [GOOD[row] for row in rows], [[REFERENCE[row] for row in rows]]
            )
            assert bucket.bleu == part.score
            assert bucket.length_ratio == part.sys_len / part.ref_len
            counts = [a + b for a, b in zip(counts, part.counts, strict=True)]
            totals = [a + b for a, b in zip(totals, part.totals, strict=True)]
            tokens += part.sys_len
        assert (counts, totals, tokens) == (whole.counts, whole.totals, whole.sys_len)
    assert system.length_ratio == whole.sys_len / whole.ref_len


def test_groups_are_what_they_are_called() -> None:
    lengths = by_length(["", "...", "a b", "我在吃饭", " ".join("abcdefghijk"), " ".join("x" * 70)])
    assert lengths == {"no words": [0, 1], "1-5": [2, 3], "11-15": [4], "61+": [5]}
    rarest = by_rarest_word([[5, 0], [1], [20_000, 99], [], [12_345]])
    assert rarest == {"no words": [3], "0": [0], "1": [1], "10-99": [2], "10,000+": [4]}
    chrf = by_chrf([0.0, 19.9, 20.0, 100.0])
    assert chrf == {"0-20": [0, 1], "20-40": [2], "40-60": [], "60-80": [], "80-100": [3]}


# --- lines --------------------------------------------------------------------------------------


def test_marks_are_counted() -> None:
    test = EvaluationSet(
        "marks",
        None,
        ("Es sind 27 Hunde.", "Ja doch.", "Der Hund läuft gern im Wald.", "Guten Tag!", "Im Wald."),
        (
            (
                "There are 27 dogs.",
                "Yes.",
                "The dog likes to run in the forest.",
                "Hello!",
                "In the woods.",
            ),
        ),
    )
    lines = [
        "There are 72 dogs.",
        "",
        "Der Hund läuft gern im Wald.",
        "day day day day day",
        "My hovercraft is full of eels",
    ]
    judgement = judged(Submission("system", lines), test=test)
    (system,) = judgement.systems
    assert set(system.suspects()) == set(SUSPECTS)
    assert [line.suspects[:1] for line in system.lines] == [
        ("lost-number",),
        ("empty",),
        ("copies",),
        ("repeats",),
        ("hallucination",),
    ]
    assert system.suspects()["lost-number"] == 1
    assert judgement.worst(0, 2)[0] in (1, 3, 4)
    assert math.isclose(system.lines[0].length_ratio, 1.0)


def test_a_hallucination_is_long_and_about_something_else() -> None:
    wood = ["In the woods."]
    assert hallucinates("Im Wald.", "My hovercraft is full of eels", wood, 8.0)
    assert not hallucinates("Im Wald.", "Among trees", wood, 8.0)
    assert not hallucinates("Im Wald.", "Under so many trees there", wood, 18.0)
    assert not hallucinates("Im Wald.", "Somewhere within those woods", wood, 8.0)
    assert not hallucinates("ein Haus am See", "ein Haus am See", ["a lake house"], 8.0)


def test_two_systems_differ_where_their_scores_do() -> None:
    other = [*GOOD[:79], "quite another thing"]
    judgement = judged(Submission("one", GOOD), Submission("other", other))
    assert judgement.most_different(0, 1, 5) == [79]


# --- what was seen in training ------------------------------------------------------------------


def test_leaks_are_counted_and_left_out(tmp_path: Path) -> None:
    other = [sentence(1_000 + n) for n in range(10)]
    run = known(
        tmp_path / "run",
        [*SOURCES[:5], *SOURCES[5:8], *other],
        [*REFERENCE[:5], *other[:3], *REFERENCE[8:12], *other[:6]],
    )
    judgement = judged(Submission("good", GOOD, (run,)), Submission("file", BAD))
    good, file = judgement.systems
    assert good.leaks
    assert (good.leaks.sources, good.leaks.targets, good.leaks.pairs) == (8, 9, 5)
    assert judgement.leaked == tuple(range(12))
    rest = EvaluationSet("rest", None, SOURCES[12:], (REFERENCE[12:],))
    clean = judged(Submission("good", GOOD[12:]), Submission("file", BAD[12:]), test=rest)
    for system, alone in zip((good, file), clean.systems, strict=True):
        assert system.unleaked == {name: score.score for name, score in alone.scores.items()}
    assert file.leaks is None


def test_all_members_of_an_ensemble_and_all_references_count(tmp_path: Path) -> None:
    one = known(tmp_path / "one", SOURCES[:2], BAD[:2])
    other = known(tmp_path / "other", SOURCES[1:3], REFERENCE[1:3])
    test = EvaluationSet("two", None, SOURCES, (REFERENCE, tuple(BAD)))
    (system,) = judged(Submission("both", GOOD, (one, other)), test=test).systems
    assert system.leaks
    assert (system.leaks.sources, system.leaks.targets, system.leaks.pairs) == (3, 3, 3)


def test_unknown_words_are_those_of_no_training_sentence(tmp_path: Path) -> None:
    run = known(tmp_path / "run", ["THE A DOG CAT HOUSE RUNS SEES BIG SMALL RED"], ["x"])
    judgement = judged(Submission("good", GOOD, (run,)))
    assert judgement.unknown
    expected = [
        [word for word in line.lower().split() if word in ("and", "of")] for line in SOURCES
    ]
    assert list(map(list, judgement.unknown.words)) == expected
    assert judgement.unknown.count == sum(map(len, expected))


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    old = known(tmp_path / "old", SOURCES, REFERENCE)
    (old / SENTENCES).unlink()
    judgement = judged(Submission("old", GOOD, (old,)))
    assert "which lines old has seen in training is not known" in judgement.notes[0]
    (system,) = judgement.systems
    assert system.leaks is None and judgement.unknown is None
    assert set(system.breakdowns) == {"source length", "chrF"}
    run = known(tmp_path / "all", SOURCES, REFERENCE)
    assert "every line" in judged(Submission("all", GOOD, (run,))).notes[0]


def test_a_tokenizer_that_does_not_suit_the_language_is_said() -> None:
    test = EvaluationSet("zh", ("en", "zh"), ("a",), (("我在吃饭",),))
    assert "--tokenize zh" in judged(Submission("x", ["我吃饭"]), test=test).notes[0]


# --- seeds --------------------------------------------------------------------------------------


def test_seeds_of_one_recipe_are_one_row() -> None:
    judgement = judged(
        Submission("a-1", GOOD, recipe="a", seed=1, perplexity=2.0),
        Submission("a-2", BAD, recipe="a", seed=2, perplexity=4.0),
        Submission("b", BAD, recipe="b", seed=1),
        Submission("file", GOOD),
    )
    (recipe,) = judgement.recipes
    one, other = (judgement.systems[at].scores["bleu"].score for at in (0, 1))
    assert recipe.systems == (0, 1)
    assert recipe.scores["bleu"].mean == pytest.approx((one + other) / 2)
    assert recipe.scores["bleu"].deviation == pytest.approx(abs(one - other) / math.sqrt(2))
    assert recipe.perplexity and recipe.perplexity.mean == 3


def test_copies_of_one_seed_are_no_recipe() -> None:
    submissions = [Submission(name, GOOD, recipe="a", seed=1) for name in ("a", "mean")]
    assert not judged(*submissions).recipes
