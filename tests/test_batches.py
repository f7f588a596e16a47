"""Batches: every pair once an epoch, within the budget, and the same after a restart."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from conftest import toy_pairs, write_corpus

from nmt import batches as module
from nmt.batches import Batch, Batches, Position, rounded
from nmt.corpus import open_corpus
from nmt.prepare import Prepared
from nmt.recipe import prepare
from nmt.subwords import BOS, EOS, PAD


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("batches")
    corpus = open_corpus(write_corpus(folder, "c", toy_pairs(500, 1)))
    prepare(corpus, None, folder / "out", {"data.vocab_size": 40}, 2)
    return Prepared.open(folder / "out")


@pytest.fixture(autouse=True)
def small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POOL", 150)  # so that an epoch has several


def make(prepared: Prepared, **changes: float) -> Batches:
    values = {"batch_tokens": 120, "seed": 1, "subword_dropout": 0.0} | changes
    return Batches(prepared.train, prepared.vocabulary, **values)  # type: ignore[arg-type]


def epoch(batches: Batches, number: int = 0) -> list[Batch]:
    found = []
    for batch in batches.start_at(Position(number)):
        found.append(batch)
        if batch.next.epoch > number:
            return found
    raise AssertionError


def contents(batches: list[Batch]) -> list[tuple[list[int], list[list[int]]]]:
    return [(batch.rows.tolist(), batch.target_out.tolist()) for batch in batches]


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_an_epoch_has_every_pair_once(prepared: Prepared, dropout: float) -> None:
    counts = Counter(
        int(row) for batch in epoch(make(prepared, subword_dropout=dropout)) for row in batch.rows
    )
    assert counts == Counter(range(len(prepared.train)))


def test_batches_keep_within_the_budget(prepared: Prepared) -> None:
    for batch in epoch(make(prepared)):
        assert batch.tokens == int((batch.target_out != PAD).sum())
        assert batch.tokens <= 120


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_any_position_gives_the_same_rest(prepared: Prepared, dropout: float) -> None:
    batches = make(prepared, subword_dropout=dropout)
    whole = list(islice(batches.start_at(Position()), 60))
    for stop in (1, 7, 20, 41):
        rest = list(islice(batches.start_at(whole[stop - 1].next), 60 - stop))
        assert contents(rest) == contents(whole[stop:])
        assert [batch.epochs for batch in rest] == [batch.epochs for batch in whole[stop:]]


def test_epochs_and_seeds_differ(prepared: Prepared) -> None:
    first = contents(epoch(make(prepared)))
    assert first != contents(epoch(make(prepared), 1))
    assert first != contents(epoch(make(prepared, seed=2)))
    assert first == contents(epoch(make(prepared)))


def test_subword_sampling_differs_by_epoch(prepared: Prepared) -> None:
    batches = make(prepared, subword_dropout=0.3)
    lengths = [
        {
            int(r): int(n)
            for b in epoch(batches, e)
            for r, n in zip(b.rows, b.source_lengths, strict=True)
        }
        for e in (0, 1)
    ]
    assert lengths[0] != lengths[1]


def test_a_batch_is_shifted_and_padded(prepared: Prepared) -> None:
    for batch in islice(make(prepared).start_at(Position()), 5):
        ids = prepared.train.ids("target", batch.rows)
        for row, target in enumerate(ids):
            length = len(target)
            assert batch.target_in[row, : length + 1].tolist() == [BOS, *target]
            assert batch.target_out[row, : length + 1].tolist() == [*target, EOS]
            assert (batch.target_out[row, length + 1 :] == PAD).all()
        ends = batch.source[torch.arange(len(ids)), batch.source_lengths - 1]
        assert (ends == EOS).all()


def test_shapes_are_few() -> None:
    assert len({rounded(length) for length in range(1, 129)}) <= 20
    assert all(length <= rounded(length) <= length * 1.3 + 3 for length in range(1, 500))


def test_fractions_of_epochs_grow_to_whole_ones(prepared: Prepared) -> None:
    done = [batch.epochs for batch in epoch(make(prepared))]
    assert np.all(np.diff(done) > 0)
    assert done[-1] == pytest.approx(1.0)


def test_an_error_while_reading_reaches_the_training(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Batches, "_pool", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        next(make(prepared).start_at(Position()))
