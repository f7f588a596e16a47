"""What training blanks out: units, whole subwords, and recurrent weights.

A `Dropout` belongs to one pass over a batch and is handed down with it. What it draws for a place
it keeps, so that every time step of the pass meets the same mask, whether a layer runs over the
whole sequence at once or one step after another.

    B batch, T time, X any size
"""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor
from torch.nn import functional

from nmt.config import ModelSettings


class Dropout:
    """The dropout of one pass."""

    def __init__(self, settings: ModelSettings, strength: float = 1.0) -> None:
        """Args: strength: how much of what the settings say is blanked out: 0, nothing, to 1."""
        self.settings, self.strength = settings, strength
        self._drawn: dict[Hashable, Tensor] = {}

    def units(self, place: Hashable, values: Tensor) -> Tensor:
        """Dropout of single units, [B, T, X] or one step of it [B, X].

        One mask for all time steps of a sentence (Gal & Ghahramani 2016), or one for each step
        (Zaremba et al. 2014), as the settings say.
        """
        share = self.strength * self.settings.dropout
        if not share:
            return values
        if self.settings.dropout_per == "step":
            return functional.dropout(values, share)
        if place not in self._drawn:
            shape = values.shape[0], values.shape[-1]
            kept = torch.rand(shape, device=values.device) >= share
            self._drawn[place] = kept.to(values.dtype) / (1 - share)
        mask = self._drawn[place]
        return values * (mask.unsqueeze(1) if values.dim() == 3 else mask)

    def subwords(self, vectors: Tensor) -> Tensor:
        """Some positions of [B, T, X] blanked out whole, without scaling the others up."""
        share = self.strength * self.settings.word_dropout
        if not share:
            return vectors
        kept = torch.rand(vectors.shape[:-1], device=vectors.device) >= share
        return vectors * kept.unsqueeze(-1)

    def weights(self, place: Hashable, matrix: Tensor) -> Tensor:
        """DropConnect: a matrix with the same holes for the whole pass (Merity et al. 2018, §2)."""
        share = self.strength * self.settings.weight_dropout
        if not share:
            return matrix
        if place not in self._drawn:
            self._drawn[place] = functional.dropout(matrix, share)
        return self._drawn[place]


NONE = Dropout(ModelSettings(), strength=0.0)
"""Leaves everything as it is."""
