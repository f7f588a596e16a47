"""Lines in, lines out: in order, one for one, and independent of their neighbours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from conftest import other, toy_pairs

from nmt.alignment import subword_links, word_links
from nmt.checkpoint import load
from nmt.choices import Mean, PrecisionChoice
from nmt.config import ModelSettings
from nmt.device import Device
from nmt.ensemble import Ensemble
from nmt.inference import arranged, precision_for
from nmt.metrics import METRICS
from nmt.model import Seq2Seq
from nmt.search import Sampling, SearchOptions
from nmt.subwords import Vocabulary
from nmt.translate import Translator


def lines_of_all_lengths() -> list[str]:
    lines = [source for source, _ in toy_pairs(100, 9)]
    return lines + [" ".join(lines[at : at + 1 + at % 7]) for at in range(50)]


def assert_neighbours_do_not_matter(translator: Translator, lines: list[str]) -> None:
    together = translator.translate(lines)
    backwards = translator.translate(lines[::-1])[::-1]
    alone = [translator.translate([line])[0] for line in lines]
    assert together == backwards == alone  # scores too, to the last bit


@pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
def test_neighbours_do_not_matter(run: Path, device: Device, precision: PrecisionChoice) -> None:
    trained, options = load(run, device.torch), SearchOptions(beam=3)
    chosen = precision_for([trained.model], precision)
    translator = Translator(trained.model, trained.vocabulary, options, 20, chosen)
    assert_neighbours_do_not_matter(translator, lines_of_all_lengths())


def model_with(vocabulary: Vocabulary, changes: dict[str, Any]) -> Seq2Seq:
    """Two layers, as they begin."""
    torch.manual_seed(4)
    settings = replace(ModelSettings(embedding=40, decoder_layers=2), **changes)
    return Seq2Seq(settings, len(vocabulary.target), len(vocabulary.target)).eval()


@pytest.mark.parametrize(
    "changes",
    [
        {"attention": "additive", "coverage": True, "hidden": 72},
        {"connections": "residual", "hidden": 72},
        {"connections": "residual", "input_feeding": True, "hidden": 72},
        {"connections": "highway", "hidden": 72, "layer_norm": True},
        {"connections": "dense", "hidden": 32, "cell": "gru"},
    ],
    ids=str,
)
def test_neighbours_do_not_matter_to_models_that_are_not_arranged(
    translator: Translator, changes: dict[str, Any]
) -> None:
    model = model_with(translator.vocabulary, changes)
    assert arranged(model, "fp32") is model
    options = SearchOptions(beam=3, max_ratio=1.0, max_extra=5)
    plain = Translator(model, translator.vocabulary, options, 20)
    assert_neighbours_do_not_matter(plain, lines_of_all_lengths()[::3])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "auto"])
@pytest.mark.parametrize(
    "changes", [{"hidden": 72}, {"attention": "dot", "heads": 2, "hidden": 256}], ids=str
)
def test_nor_to_models_with_input_feeding(
    translator: Translator, changes: dict[str, Any], precision: PrecisionChoice
) -> None:
    model = model_with(translator.vocabulary, {"input_feeding": True, **changes})
    chosen = precision_for([model], precision)
    assert arranged(model, chosen) is not model
    options = SearchOptions(beam=3, max_ratio=1.0, max_extra=5)
    fed = Translator(model, translator.vocabulary, options, 20, chosen)
    assert_neighbours_do_not_matter(fed, lines_of_all_lengths()[::3])


def test_blank_lines_stay_blank(translator: Translator) -> None:
    found = [t.text for t in translator.translate(["", "ba ce", "  ", "\u2028", "\0", "di"])]
    assert [bool(text) for text in found] == [False, True, False, False, False, True]


def test_a_long_line_is_translated_in_pieces(translator: Translator) -> None:
    line = " ".join(source for source, _ in toy_pairs(60, 4))
    found = translator.translate([line, "ba"])
    assert len(found) == 2
    assert len(found[0].text.split()) > 20


def test_minimum_bayes_risk_chooses_among_the_candidates_of_a_piece(translator: Translator) -> None:
    """All candidates of a very long line compared as a whole would fill the memory."""
    risk = other(translator, sampling=Sampling(seed=3), beam=12, best=2)
    risk.utility = METRICS["chrf"]
    line = " ".join(source for source, _ in toy_pairs(60, 4))
    decode = risk.vocabulary.source.decode
    (plan,) = risk.planner.plans([line])
    (whole,) = risk.translate([line])
    parts = risk.translate([decode(piece.source) for piece in plan.pieces])
    assert len(parts) > 2
    for rank, best in enumerate(whole.candidates):
        chosen = [part.candidates[rank] for part in parts]
        assert best.text == " ".join(filter(None, (each.text for each in chosen)))
        assert best.score == pytest.approx(sum(each.score for each in chosen) / len(chosen))
    assert len(whole.candidates) == 2


# --- sampling and alignments ----------------------------------------------------------------------


def test_draws_follow_from_seed_and_line_alone(translator: Translator) -> None:
    lines = [source for source, _ in toy_pairs(60, 5)]
    sampling = other(translator, sampling=Sampling(seed=3))
    together = sampling.translate(lines)
    assert together == [sampling.translate([line])[0] for line in lines]
    assert together != other(translator, sampling=Sampling(seed=4)).translate(lines)
    assert together != translator.translate(lines)


def test_alignments_link_every_subword_and_stay_within_the_words(translator: Translator) -> None:
    lines = [source for source, _ in toy_pairs(60, 5)]
    lines += [" ".join(source for source, _ in toy_pairs(60, 4)), ""]  # a long one, a blank one
    aligned = other(translator, attention=True).translate(lines)
    assert [t.text for t in aligned] == [t.text for t in translator.translate(lines)]
    for line, translation in zip(lines, aligned, strict=True):
        best = translation.candidates[0]
        words, subwords = word_links(best.attention), subword_links(best.attention)
        assert [target for _, target in subwords] == list(range(len(subwords)))
        assert {target for _, target in words} >= set(range(len(best.text.split())))
        assert all(0 <= source < len(line.split()) for source, _ in words)
        assert list(words) == sorted(set(words))


# --- known translations, and several models -------------------------------------------------------


def test_forced_is_what_search_gave(translator: Translator) -> None:
    lines = [source for source, _ in toy_pairs(80, 6)]
    sources = translator.vocabulary.source.encode(lines)
    found = [best[0] for best in translator.engine.search(sources, translator.options)]
    forced = translator.engine.force(sources, [list(h.ids) for h in found], translator.options)
    for mine, theirs in zip(found, forced, strict=True):
        assert mine.log_probability == pytest.approx(theirs.log_probability, abs=1e-4)
        assert mine.score == pytest.approx(theirs.score, abs=1e-4)


def test_every_pair_has_a_score_blank_ones_too(translator: Translator) -> None:
    found = translator.score(["ba ce", "", "ba " * 300], ["ba ce", "", "ba " * 300])
    assert [len(h.token_log_probabilities) for h in found][:2] == [len(found[0].ids) + 1, 1]
    assert all(h.log_probability < 0 for h in found)


@pytest.mark.parametrize("mean", ["probabilities", "logits"])
def test_an_ensemble_of_one_model_twice_is_that_model(
    translator: Translator, run: Path, device: Device, mean: Mean
) -> None:
    lines = [source for source, _ in toy_pairs(40, 6)]
    model, longest = load(run, device.torch).model, translator.planner.longest
    twice = Ensemble([model, model], mean)
    both = Translator(twice, translator.vocabulary, translator.options, longest)
    for one, two in zip(translator.translate(lines), both.translate(lines), strict=True):
        assert one.text == two.text
        mine, theirs = one.candidates[0], two.candidates[0]
        assert mine.log_probability == pytest.approx(theirs.log_probability, abs=1e-4)
    assert both.translate(lines) == [both.translate([line])[0] for line in lines]


def test_who_reads_as_the_vocabulary_says_cuts_a_line_once(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of a long line's pieces is for members that read otherwise."""
    monkeypatch.setattr("nmt.translate.texts_of", Mock(side_effect=AssertionError))
    assert translator.translate(["ba ce di fo. " * 60])[0].text


def test_an_ensemble_whose_members_read_otherwise(
    translator: Translator, run: Path, device: Device
) -> None:
    """Neighbours do not matter, and what search gave is what is forced."""
    trained, lines = load(run, device.torch), lines_of_all_lengths()
    small = replace(trained.settings.data, vocab_size=30)
    own = Vocabulary.learn(lines, lines, small).source
    torch.manual_seed(4)
    size = ModelSettings(embedding=16, hidden=48, tied="none", dropout=0.0)
    other = Seq2Seq(size, len(own), len(trained.vocabulary.target)).eval()
    ways = [trained.vocabulary.source, own]
    assert len(own.encode(lines[:1])[0]) > len(ways[0].encode(lines[:1])[0])
    together = Ensemble([trained.model, other], "probabilities", ways)
    both = Translator(together, trained.vocabulary, SearchOptions(beam=3), 10, "fp32")
    assert_neighbours_do_not_matter(both, lines)
    found = both.hypotheses(lines)
    ids, targets = ways[0].encode(lines), [list(best[0].ids) for best in found]
    readings = together.readings(lines, ids)
    for best, forced in zip(
        found, both.engine.force(ids, targets, both.options, readings), strict=True
    ):
        assert best[0].log_probability == pytest.approx(forced.log_probability, abs=1e-4)
