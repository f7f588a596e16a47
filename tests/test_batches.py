"""Batches: every pair once an epoch, within the budget, and the same after a restart."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import toy_pairs, write_corpus

from nmt import batches as module
from nmt.batches import Batch, Batches, Position, grouped, rounded
from nmt.corpus import open_corpus
from nmt.prepare import Prepared
from nmt.recipe import prepare
from nmt.subwords import BOS, EOS, PAD, Ids, Subwords


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batches")
    corpus = open_corpus(write_corpus(folder, "c", toy_pairs(500, 1)))
    prepare(corpus, None, folder / "out", {"data.vocab_size": 40}, 2)
    return folder / "out"


@pytest.fixture(params=[True, False], ids=["scattered", "in runs"])
def prepared(
    folder: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Prepared:
    """An epoch has several pools; its pairs go each its own way, or with their neighbours."""
    monkeypatch.setattr(module, "_POOL", 152)
    monkeypatch.setattr(module, "_DRAWN_POOL", 104)
    monkeypatch.setattr(module, "_SLICE", 64)
    if not request.param:
        monkeypatch.setattr(module, "_SCATTERED", 100)
        monkeypatch.setattr(module, "_RUN", 8)
    return Prepared.open(folder)


def make(prepared: Prepared, **changes: float) -> Batches:
    values = {"batch_tokens": 120, "seed": 1, "longest": 40} | changes
    return Batches(prepared.train, prepared.vocabulary, **values)  # type: ignore[arg-type]


def epoch(batches: Batches, number: int = 0) -> list[Batch]:
    found = []
    for batch in batches.start_at(Position(number)):
        found.append(batch)
        if batch.next.epoch > number:
            return found
    raise AssertionError


def contents(batches: list[Batch]) -> list[tuple[list[tuple[int, ...]], list[list[int]]]]:
    return [(list(batch.rows), batch.target_out.tolist()) for batch in batches]


def rows_of(batches: list[Batch]) -> list[int]:
    return [row for batch in batches for rows in batch.rows for row in rows]


WAYS = [{}, {"subword_dropout": 0.2}, {"concatenated": 0.5}]
WAYS.append({"subword_dropout": 0.2, "concatenated": 0.5})


@pytest.mark.parametrize("changes", WAYS)
def test_an_epoch_has_every_pair_once(prepared: Prepared, changes: dict[str, float]) -> None:
    counts = Counter(rows_of(epoch(make(prepared, **changes))))
    assert counts == Counter(range(len(prepared.train)))


def test_batches_keep_within_the_budget(prepared: Prepared) -> None:
    for batch in epoch(make(prepared)):
        assert batch.tokens == int((batch.target_out != PAD).sum())
        assert batch.tokens <= 120


@pytest.mark.parametrize("changes", WAYS)
def test_any_position_gives_the_same_rest(prepared: Prepared, changes: dict[str, float]) -> None:
    batches = make(prepared, **changes)
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


def test_every_epoch_has_another_order(prepared: Prepared) -> None:
    orders = [rows_of(epoch(make(prepared), number)) for number in (0, 1, 2)]
    assert orders[0] != orders[1] != orders[2]
    for order in orders:
        assert order != sorted(order)


def test_a_large_corpus_is_read_in_runs_from_everywhere() -> None:
    size = 3_000_001
    pools = list(islice(pools_of(size, Position()), 46))
    assert [pool.at for pool in pools] == [Position(0, number) for number in range(46)]
    assert pools[-1].next == Position(1)
    assert np.array_equal(np.sort(np.concatenate([pool.rows for pool in pools])), np.arange(size))
    behind = np.cumsum([0, *(len(pool.rows) for pool in pools)])
    assert [pool.before for pool in pools] == behind[:-1].tolist()
    for pool in pools:
        quarters = np.histogram(pool.rows, bins=4, range=(0, size))[0]
        assert quarters.min() > len(pool.rows) / 8
    (again,) = islice(pools_of(size, Position(0, 45)), 1)
    assert np.array_equal(again.rows, pools[-1].rows)


def test_the_order_of_a_large_corpus_takes_little_memory() -> None:
    tracemalloc.start()
    list(islice(pools_of(20_000_000, Position(2, 300)), 8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20  # a number for each pair would be 160 MB


def pools_of(size: int, position: Position) -> Iterator[module._Pool]:
    """The pools of a table of which nothing but its size is known."""
    return Batches(range(size), None, 1_000, seed=1, longest=40)._pools(position)  # type: ignore[arg-type]


@pytest.mark.parametrize("concatenated", [0.0, 0.5])
def test_subword_sampling_is_spread_over_the_batches(
    concatenated: float, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn all at once, a pool would hold up the training."""
    drawn, sample = 0, Subwords.sample

    def counted(*arguments: Any) -> Iterator[Ids]:
        nonlocal drawn
        for ids in sample(*arguments):
            drawn += 1
            yield ids

    monkeypatch.setattr(Subwords, "sample", counted)
    before = []
    batches = make(prepared, subword_dropout=0.2, concatenated=concatenated)
    for batch in islice(batches._from(Position()), 40):
        before.append((drawn, sum(map(len, batch.rows))))
    for (earlier, rows), (later, _) in pairwise(before):
        assert later - earlier <= 2 * rows


def test_subword_sampling_differs_by_epoch(prepared: Prepared) -> None:
    batches = make(prepared, subword_dropout=0.3)
    lengths = [
        {
            row: int(n)
            for b in epoch(batches, e)
            for (row,), n in zip(b.rows, b.source_lengths, strict=True)
        }
        for e in (0, 1)
    ]
    assert lengths[0] != lengths[1]


def test_pairs_put_together_are_whole_in_order_and_of_bounded_length(prepared: Prepared) -> None:
    longest, many = 24, 0
    batches = make(prepared, concatenated=0.5, longest=longest)
    for batch in epoch(batches):
        sides = {"source": batch.source, "target": batch.target_out}
        for side, padded in sides.items():
            for rows, ids in zip(batch.rows, padded.tolist(), strict=True):
                parts = prepared.train.ids(side, np.array(rows))
                together = [*np.concatenate(parts).tolist(), EOS]
                assert ids == together + [PAD] * (len(ids) - len(together))
                assert len(rows) == 1 or len(together) - 1 <= longest
                many += len(rows) > 1
    assert many > len(prepared.train) / 4
    last = epoch(batches)[-1]
    assert last.epochs == pytest.approx(1.0)


def test_a_batch_is_shifted_and_padded(prepared: Prepared) -> None:
    for batch in islice(make(prepared).start_at(Position()), 5):
        ids = prepared.train.ids("target", np.array(batch.rows)[:, 0])
        for row, target in enumerate(ids):
            length = len(target)
            assert batch.target_in[row, : length + 1].tolist() == [BOS, *target]
            assert batch.target_out[row, : length + 1].tolist() == [*target, EOS]
            assert (batch.target_in[row, length + 1 :] == PAD).all()
            assert (batch.target_out[row, length + 1 :] == PAD).all()
        ends = batch.source[torch.arange(len(ids)), batch.source_lengths - 1]
        assert (ends == EOS).all()


def test_shapes_are_few() -> None:
    assert len({rounded(length) for length in range(1, 129)}) <= 20
    assert all(length <= rounded(length) <= length * 1.3 + 3 for length in range(1, 500))


def test_sources_grow_with_one_target_length_and_shrink_with_the_next() -> None:
    sources, targets = (2, 8, 5, 5, 2, 8, 8, 2, 5), (4, 4, 4, 6, 6, 6, 8, 8, 8)  # with EOS
    read, written = ([[9] * (length - 1) for length in side] for side in (sources, targets))
    batches = list(grouped(read, written, batch_tokens=8))
    lengths = torch.cat([batch.source_lengths for batch in batches]).tolist()
    assert lengths == [2, 5, 8, 8, 5, 2, 2, 5, 8]


def test_fractions_of_epochs_grow_to_whole_ones(prepared: Prepared) -> None:
    done = [batch.epochs for batch in epoch(make(prepared))]
    assert np.all(np.diff(done) > 0)
    assert done[-1] == pytest.approx(1.0)


def test_an_error_while_reading_reaches_the_training(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Batches, "_read", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        next(make(prepared).start_at(Position()))
