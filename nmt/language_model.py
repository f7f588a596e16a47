"""The language model: a decoder that is given nothing to read.

It says how probable a line is in itself, P(y) = Π P(yᵢ | y₁ … yᵢ₋₁), by the same recurrent layers
as a translation model's decoder, from a state of zeros and without attention (Mikolov et al. 2010,
Zaremba et al. 2014). To training and search it is a model like any other: what it makes of a source
is an empty memory, so whoever knows models by their four verbs (see `nmt.model`) knows this one.

    B batch, S source length, H hidden, V vocabulary
"""

from __future__ import annotations

from torch import Tensor

from nmt.cells import state_parts
from nmt.config import ModelSettings
from nmt.decoder import Decoder, Memory, State, make_embedding
from nmt.dropout import NONE, Dropout


class LanguageModel(Decoder):
    """Recurrent layers from subwords to the next subword."""

    def __init__(self, settings: ModelSettings, size: int) -> None:
        """Args: settings: with attention "none"; size: of the vocabulary, V."""
        super().__init__()
        self.settings = settings
        self.target_embedding = make_embedding(size, settings.embedding)
        self.build_decoder()
        self.tie()
        self.initialise()

    def encode(self, source: Tensor, lengths: Tensor, dropout: Dropout = NONE) -> Memory:
        """Sources [B, S], of which nothing is read → a memory of nothing for each."""
        nothing = self.output.bias.new_zeros(len(lengths), 0)
        return Memory(nothing, nothing, nothing, nothing, lengths)

    def start(self, memory: Memory, dropout: Dropout = NONE) -> State:
        """Zeros: [B, H] for each part of each layer's state."""
        zeros = memory.summary.new_zeros(len(memory.lengths), self.settings.hidden)
        return State(((zeros,) * state_parts(self.settings.cell),) * len(self.layers))
