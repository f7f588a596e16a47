"""Batches are worked on side by side, and left when nobody waits for them."""

from __future__ import annotations

import threading
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from nmt import engine
from nmt.translate import Translator

STEPS = 3_000


class Counted:
    """A model that counts its steps."""

    def __init__(self, model: Any) -> None:
        self.model, self.steps, self.begun = model, 0, threading.Event()
        self.encode, self.start = model.encode, model.start

    def step(self, *given: Any) -> Any:
        self.steps += 1
        self.begun.set()
        return self.model.step(*given)


def test_who_stops_waits_for_no_batch(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = copy(translator.engine)
    mine._model = model = Counted(mine._model)

    def interrupted(*_: Any) -> None:
        assert model.begun.wait(timeout=60)
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "_in_order", interrupted)
    options = replace(translator.options, min_length=STEPS, max_length=STEPS, max_extra=STEPS)
    with pytest.raises(KeyboardInterrupt):
        mine.search([[5, 6]], options)
    assert 0 < model.steps < STEPS


def test_batches_under_way_fit_into_memory(
    translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with many cores may have little memory for each."""
    monkeypatch.setattr("torch.get_num_threads", lambda: 1_000)
    at_once, options = translator.engine._at_once, translator.options
    short, long = [[[5] * 4] * 9], [[[5] * 4] * 8 + [[5] * 128]]
    assert at_once(long, options) == at_once(short, options) == 1_000
    watched = replace(options, attention=True)
    assert 1 < at_once(long, watched) < 50 < at_once(short, watched)
    assert at_once([[[5] * 100_000]], watched) == 1
