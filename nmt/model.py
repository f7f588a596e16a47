"""The encoder–decoder: an encoder reads the source, a bridge starts the decoder with what it read.

Search knows a model only by four verbs: `encode(source) -> Memory`, `start(memory) -> State`,
`step(tokens, state, memory) -> Step`, and `select(rows)` of Memory and State. Training uses
`readout`, the teacher-forced pass over whole sequences. What happens at the decoder's side of the
bridge is in `nmt.decoder`; a decoder without an encoder is in `nmt.language_model`.

    B batch, S source length, T target length, E embedding, H hidden, V vocabulary
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nmt import cells
from nmt.cells import Bidirectional, Unidirectional
from nmt.config import ModelSettings
from nmt.decoder import Decoder, Memory, State, embed, make_embedding
from nmt.dropout import NONE, Dropout
from nmt.stack import connections, norms, stream_sizes
from nmt.subwords import PAD


class Seq2Seq(Decoder):
    """A recurrent encoder, a bridge, and a recurrent decoder with attention."""

    def __init__(self, settings: ModelSettings, source_size: int, target_size: int) -> None:
        super().__init__()
        self.settings = settings
        self.source_embedding = make_embedding(source_size, settings.embedding)
        self.target_embedding = make_embedding(target_size, settings.embedding)
        self._build_encoder()
        parts = settings.decoder_layers * cells.state_parts(settings.cell)
        self.bridge = nn.Linear(settings.hidden, parts * settings.hidden)
        self.build_decoder()
        self.tie()
        self.initialise()

    def _build_encoder(self) -> None:
        settings, layers = self.settings, self.settings.encoder_layers
        streams = stream_sizes(settings, settings.embedding, layers)
        self.encoder = nn.ModuleList(_encoder_layer(settings, size) for size in streams[:-1])
        self.encoder_connections = connections(settings, layers)
        self.encoder_norms = norms(settings, streams[1:])
        if settings.attention == "none":  # nobody reads what the last norm gives
            self.encoder_norms[-1] = nn.Identity()

    def tie(self) -> None:
        """Let the layers that `tied` names share one matrix."""
        super().tie()
        if self.settings.tied == "all":
            self.source_embedding.weight = self.target_embedding.weight

    # --- the encoder ----------------------------------------------------------------------------

    def encode(self, source: Tensor, lengths: Tensor, dropout: Dropout = NONE) -> Memory:
        """Source ids [B, S] with EOS and padding → Memory."""
        flip = cells.flips(lengths, source.shape[1])
        stream = joined = embed(self.source_embedding, source, dropout)
        for number, layer in enumerate(self.encoder):
            inputs = dropout.units(("encoder", number), stream) if number else stream
            joined = self.encoder_connections[number](stream, layer(inputs, flip, dropout))
            stream = self.encoder_norms[number](joined)
        values = dropout.units("memory", stream)
        keys = values if self.attention is None else self.attention.keys(values)
        padding = torch.zeros(source.shape, device=source.device).masked_fill(
            source == PAD, -torch.inf
        )
        return Memory(values, keys, padding.unsqueeze(1), self._sum_up(joined, lengths), lengths)

    def _sum_up(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """Outputs [B, S, H] → one vector of each sentence, [B, H]: its last output of either
        direction, or the mean or maximum over its length."""
        if self.settings.bridge == "last":
            rows = torch.arange(len(lengths), device=lengths.device)
            last = outputs[rows, lengths - 1]
            if not self.settings.bidirectional:
                return last
            half = outputs.shape[-1] // 2
            return torch.cat((last[:, :half], outputs[:, 0, half:]), dim=-1)
        steps = torch.arange(outputs.shape[1], device=lengths.device)
        padded = (steps >= lengths.unsqueeze(1)).unsqueeze(-1)  # [B, S, 1]
        if self.settings.bridge == "max":
            return outputs.masked_fill(padded, -torch.inf).amax(dim=1)
        return outputs.masked_fill(padded, 0.0).sum(dim=1) / lengths.unsqueeze(1)

    # --- the bridge -----------------------------------------------------------------------------

    def start(self, memory: Memory, dropout: Dropout = NONE) -> State:
        """The decoder's first state: a tanh projection of the encoder's summary."""
        settings, rows = self.settings, len(memory.lengths)
        parts = torch.tanh(self.bridge(dropout.units("bridge", memory.summary)))
        each = parts.split(settings.hidden, dim=-1)
        count = cells.state_parts(settings.cell)
        layers = tuple(each[i : i + count] for i in range(0, len(each), count))
        fed = parts.new_zeros(rows, settings.embedding) if settings.input_feeding else None
        covered = torch.zeros_like(memory.padding[:, 0]) if settings.coverage else None
        return State(layers, fed, covered)


def _encoder_layer(settings: ModelSettings, inputs: int) -> nn.Module:
    if not settings.bidirectional:
        return Unidirectional(settings.cell, inputs, settings.hidden)
    return Bidirectional(settings.cell, inputs, settings.hidden // 2, settings.shared_directions)
