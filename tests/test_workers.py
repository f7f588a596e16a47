"""Workers: the same results, in order, from any number of processes."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from nmt.errors import NmtError
from nmt.workers import in_order


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order(workers: int) -> None:
    items = [f"item {number}" * 30_000 for number in range(8)]  # larger than a pipe
    assert list(in_order(str.upper, items, workers)) == [item.upper() for item in items]


def test_no_more_items_are_taken_than_are_worked_on() -> None:
    items = iter(["item"] * 100)
    results = in_order(str.upper, items, 2)
    next(results)
    assert len(list(items)) >= 97
    results.close()


def test_an_error_in_the_stream_of_items_ends_the_workers() -> None:
    def items() -> Iterator[str]:
        yield "item"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(in_order(str.upper, items(), 2))


def test_a_worker_that_dies_is_told() -> None:
    with pytest.raises(NmtError, match="a worker process has died"):
        list(in_order(os._exit, [3, 3], 2))
