"""The encoder–decoder: what it computes for whole sequences, and one step at a time.

Search knows a model only by four verbs: `encode(source) -> Memory`, `start(memory) -> State`,
`step(tokens, state, memory) -> Step`, and `select(rows)` of Memory and State. Training uses
`readout`, the teacher-forced pass over whole sequences.

Attention is asked once, with the outputs of the decoder's first layer, and its context goes into
the layers above (the arrangement of NVIDIA's GNMT v2). The first layer never waits for a context,
so under teacher forcing every layer is one fused call over the whole sequence.

    B batch, S source length, T target length, E embedding, H hidden, V vocabulary, K beam
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from nmt import cells
from nmt.attention import make_attention
from nmt.cells import Bidirectional, Recurrent
from nmt.config import ModelSettings
from nmt.subwords import PAD

_EMBEDDING = 0.5  # embeddings start uniform within ± this


@dataclass(frozen=True)
class Memory:
    """An encoded batch of source sentences."""

    values: Tensor  # [B, S, H] encoder outputs
    keys: Tensor  # [B, S, ·] their projection for attention
    padding: Tensor  # [B, 1, S] 0 at tokens, −inf at padding
    summary: Tensor  # [B, H] last output of either direction
    lengths: Tensor  # [B]

    def select(self, rows: Tensor) -> Memory:
        """The sentences of these rows, in this order."""
        return Memory(*(getattr(self, name).index_select(0, rows) for name in self.__annotations__))


@dataclass(frozen=True)
class State:
    """The decoder's state after some target tokens: a cell state for each layer."""

    layers: tuple[cells.State, ...]  # each part [R, H], R = B·K rows

    def select(self, rows: Tensor) -> State:
        """The states of these rows, in this order."""
        return State(
            tuple(tuple(part.index_select(0, rows) for part in layer) for layer in self.layers)
        )


@dataclass(frozen=True)
class Step:
    """What a model says about the next token."""

    logits: Tensor  # [R, V]
    state: State
    attention: Tensor | None  # [R, S]


class Seq2Seq(nn.Module):
    """A bidirectional recurrent encoder, a bridge, and a recurrent decoder with attention."""

    def __init__(self, settings: ModelSettings, source_size: int, target_size: int) -> None:
        super().__init__()
        self.settings = settings
        self.source_embedding = _embedding(source_size, settings.embedding)
        self.target_embedding = _embedding(target_size, settings.embedding)
        self.encoder = _encoder(settings)
        self.bridge = nn.Linear(settings.hidden, _state_size(settings))
        self.attention = make_attention(settings)
        self.decoder = _decoder(settings)
        self.encoder_norms = _norms(settings, settings.encoder_layers)
        self.decoder_norms = _norms(settings, settings.decoder_layers)
        self.to_readout = nn.Linear(settings.hidden + self._context_size, settings.embedding)
        self.output = nn.Linear(settings.embedding, target_size)
        self.dropout = SequenceDropout(settings.dropout)
        self.tie()
        self._initialise()

    # --- whole sequences ------------------------------------------------------------------------

    def forward(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """Teacher forcing: source [B, S], its lengths [B], target_in [B, T] → logits [B, T, V]."""
        logits: Tensor = self.output(self.readout(source, lengths, target_in))
        return logits

    def readout(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """The same up to the output layer: [B, T, E]."""
        memory = self.encode(source, lengths)
        state = self.start(memory)
        inputs = self._embed(self.target_embedding, target_in)
        first, *above = self.layers
        outputs = first(inputs, state.layers[0])
        context, _ = self._attend(outputs, memory)
        for number, layer in enumerate(above, 1):
            inputs = _beside(self._between(self.decoder_norms, number - 1, outputs), context)
            outputs = layer(inputs, state.layers[number])
        return self._read(outputs, context)

    def encode(self, source: Tensor, lengths: Tensor) -> Memory:
        """Source ids [B, S] with EOS and padding → Memory."""
        flip = cells.flips(lengths, source.shape[1])
        outputs = self._embed(self.source_embedding, source)
        for number, layer in enumerate(self.encoder):
            if number:
                outputs = self._between(self.encoder_norms, number - 1, outputs)
            outputs = layer(outputs, flip)
        rows = torch.arange(len(lengths), device=lengths.device)
        half = outputs.shape[-1] // 2
        ahead, back = outputs[rows, lengths - 1, :half], outputs[:, 0, half:]
        values = self._between(self.encoder_norms, len(self.encoder) - 1, outputs)
        keys = values if self.attention is None else self.attention.keys(values)
        padding = torch.zeros(source.shape, device=source.device).masked_fill(
            source == PAD, -torch.inf
        )
        summary = torch.cat((ahead, back), dim=-1)
        return Memory(values, keys, padding.unsqueeze(1), summary, lengths)

    # --- one step at a time ---------------------------------------------------------------------

    def start(self, memory: Memory) -> State:
        """The decoder's first state: the bridge's tanh projection of the encoder's last outputs."""
        parts = torch.tanh(self.bridge(self.dropout(memory.summary)))
        each = parts.split(self.settings.hidden, dim=-1)
        count = cells.state_parts(self.settings.cell)
        return State(tuple(each[i : i + count] for i in range(0, len(each), count)))

    def step(self, tokens: Tensor, state: State, memory: Memory) -> Step:
        """Logits after one more token a row.

        Args:
            tokens: [R]; R = B·K rows, the K beams of a sentence next to each other.
        """
        first, *above = self.layers
        after = [first.step(self._embed(self.target_embedding, tokens), state.layers[0])]
        outputs = after[0][0]
        beams = outputs.view(memory.values.shape[0], -1, outputs.shape[-1])  # [B, K, H]
        context, attention = self._attend(beams, memory)
        context = None if context is None else context.flatten(0, 1)
        for number, layer in enumerate(above, 1):
            inputs = _beside(self._between(self.decoder_norms, number - 1, outputs), context)
            after.append(layer.step(inputs, state.layers[number]))
            outputs = after[-1][0]
        logits = self.output(self._read(outputs, context))
        return Step(
            logits, State(tuple(after)), None if attention is None else attention.flatten(0, 1)
        )

    @property
    def layers(self) -> Sequence[Recurrent]:
        """The decoder's layers, lowest first."""
        return cast(Sequence[Recurrent], self.decoder)

    # --- parts ----------------------------------------------------------------------------------

    def _embed(self, embedding: nn.Embedding, ids: Tensor) -> Tensor:
        vectors: Tensor = self.dropout(embedding(ids))
        if self.training and self.settings.word_dropout:
            kept = torch.rand(ids.shape, device=ids.device) >= self.settings.word_dropout
            vectors = vectors * kept.unsqueeze(-1)
        return vectors

    def _attend(self, query: Tensor, memory: Memory) -> tuple[Tensor | None, Tensor | None]:
        if self.attention is None:
            return None, None
        context, weights = self.attention(query, memory.keys, memory.values, memory.padding)
        return context, weights

    def _between(self, norms: nn.ModuleList, number: int, outputs: Tensor) -> Tensor:
        """What stands between one layer and the next: the norm, if there is one, and dropout."""
        between: Tensor = self.dropout(norms[number](outputs) if len(norms) else outputs)
        return between

    def _read(self, outputs: Tensor, context: Tensor | None) -> Tensor:
        outputs = self._between(self.decoder_norms, len(self.decoder) - 1, outputs)
        readout: Tensor = self.dropout(torch.tanh(self.to_readout(_beside(outputs, context))))
        return readout

    @property
    def _context_size(self) -> int:
        return 0 if self.settings.attention == "none" else self.settings.hidden

    def tie(self) -> None:
        """Let the layers that `tied` names share one matrix."""
        if self.settings.tied != "none":
            self.output.weight = self.target_embedding.weight
        if self.settings.tied == "all":
            self.source_embedding.weight = self.target_embedding.weight

    def _initialise(self) -> None:
        """Xavier (Glorot & Bengio 2010) throughout; large embeddings, which attention learns from
        much sooner than from small ones (measured in docs/results.md)."""
        for module in self.modules():
            if isinstance(module, Recurrent):
                module.reset_parameters()
            elif isinstance(module, nn.Embedding):
                nn.init.uniform_(module.weight, -_EMBEDDING, _EMBEDDING)
            elif isinstance(module, nn.Linear) and module is not self.output:
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if self.settings.tied == "none":
            nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        with torch.no_grad():
            self.source_embedding.weight[PAD] = 0
            self.target_embedding.weight[PAD] = 0


class SequenceDropout(nn.Module):
    """Dropout with one mask for all time steps of a sentence (Gal & Ghahramani 2016)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, sequence: Tensor) -> Tensor:
        """[B, T, X] or [B, X] → the same shape."""
        if not self.training or not self.share:
            return sequence
        shape = (sequence.shape[0], *(1,) * (sequence.dim() - 2), sequence.shape[-1])
        kept = torch.rand(shape, device=sequence.device) >= self.share
        return sequence * (kept.to(sequence.dtype) / (1 - self.share))


def _embedding(size: int, width: int) -> nn.Embedding:
    """Not yet initialised: `nn.Embedding` would draw numbers that nobody uses, and drawing them on
    the meta device imports a great part of torch."""
    empty = torch.empty(size, width)
    return cast(nn.Embedding, nn.Embedding.from_pretrained(empty, freeze=False, padding_idx=PAD))


def _encoder(settings: ModelSettings) -> nn.ModuleList:
    sizes = [settings.embedding] + [settings.hidden] * (settings.encoder_layers - 1)
    return nn.ModuleList(Bidirectional(settings.cell, size, settings.hidden // 2) for size in sizes)


def _decoder(settings: ModelSettings) -> nn.ModuleList:
    context = 0 if settings.attention == "none" else settings.hidden
    above = settings.hidden + context
    sizes = [settings.embedding] + [above] * (settings.decoder_layers - 1)
    return nn.ModuleList(Recurrent(settings.cell, size, settings.hidden) for size in sizes)


def _norms(settings: ModelSettings, layers: int) -> nn.ModuleList:
    count = layers if settings.layer_norm else 0
    return nn.ModuleList(nn.LayerNorm(settings.hidden) for _ in range(count))


def _state_size(settings: ModelSettings) -> int:
    return settings.decoder_layers * cells.state_parts(settings.cell) * settings.hidden


def _beside(outputs: Tensor, context: Tensor | None) -> Tensor:
    return outputs if context is None else torch.cat((outputs, context), dim=-1)
