"""The encoder–decoder: what it computes for whole sequences, and one step at a time.

Search knows a model only by four verbs: `encode(source) -> Memory`, `start(memory) -> State`,
`step(tokens, state, memory) -> Step`, and `select(rows)` of Memory and State. Training uses
`readout`, the teacher-forced pass over whole sequences. The decoder's equations stand in one place,
`_advance`, for both. There are two arrangements:

    parallel        Attention is asked with the outputs of the decoder's first layer, and its
                    context goes into the layers above (NVIDIA's GNMT v2). No layer ever waits for
                    a context of the step before, so under teacher forcing every layer is one fused
                    call over the whole sequence.
    input feeding   Attention is asked with the outputs of the last layer, and what the output layer
                    reads at a step goes into the first layer at the next (Luong et al. 2015, §3.3).
                    Training has to go step by step too.

    B batch, S source length, T target length, E embedding, H hidden, V vocabulary, K beam,
    R rows of a step: B·K, the K beams of a sentence next to each other
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from nmt import cells
from nmt.attention import make_attention
from nmt.cells import Bidirectional, Recurrent, Unidirectional, initialise
from nmt.config import ModelSettings
from nmt.dropout import NONE, Dropout
from nmt.stack import connections, stream_sizes
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
    """What the decoder remembers after some target tokens."""

    layers: tuple[cells.State, ...]  # each part [R, H]
    fed: Tensor | None = None  # [R, E] the last readout, with input feeding
    covered: Tensor | None = None  # [R, S] the sum of the attention's weights, where it uses it

    def select(self, rows: Tensor) -> State:
        """The states of these rows, in this order."""
        return State(
            tuple(tuple(part.index_select(0, rows) for part in layer) for layer in self.layers),
            None if self.fed is None else self.fed.index_select(0, rows),
            None if self.covered is None else self.covered.index_select(0, rows),
        )


@dataclass(frozen=True)
class Step:
    """What a model says about the next token."""

    logits: Tensor  # [R, V]
    state: State
    attention: Tensor | None  # [R, S]


@dataclass(frozen=True)
class _Answer:
    """What attention answers, for a sequence or for the rows of a step."""

    context: Tensor | None = None  # [B, T, H] or [R, H]
    weights: Tensor | None = None  # [B, T, S] or [R, S]
    covered: Tensor | None = None  # [R, S] afterwards


@dataclass(frozen=True)
class _Advanced:
    """The decoder after a sequence, or after a step."""

    readout: Tensor  # [B, T, E] or [R, E]
    state: State
    attention: Tensor | None


class Seq2Seq(nn.Module):
    """A recurrent encoder, a bridge, and a recurrent decoder with attention."""

    def __init__(self, settings: ModelSettings, source_size: int, target_size: int) -> None:
        super().__init__()
        self.settings = settings
        self.source_embedding = nn.Embedding(source_size, settings.embedding, padding_idx=PAD)
        self.target_embedding = nn.Embedding(target_size, settings.embedding, padding_idx=PAD)
        self.encoder = _encoder(settings)
        self.bridge = nn.Linear(settings.hidden, _state_size(settings))
        self.attention = make_attention(settings)
        self.decoder = _decoder(settings)
        self.encoder_connections = connections(settings, settings.encoder_layers)
        self.decoder_connections = connections(settings, settings.decoder_layers)
        self.to_readout = nn.Linear(settings.hidden + _context_size(settings), settings.embedding)
        self.output = nn.Linear(settings.embedding, target_size)
        self._tie()
        self._initialise()

    # --- whole sequences ------------------------------------------------------------------------

    def forward(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """Teacher forcing: source [B, S], its lengths [B], target_in [B, T] → logits [B, T, V]."""
        logits: Tensor = self.output(self.readout(source, lengths, target_in))
        return logits

    def readout(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """The same up to the output layer: [B, T, E]."""
        dropout = Dropout(self.settings, self.training)
        memory = self.encode(source, lengths, dropout)
        state = self.start(memory, dropout)
        embedded = _embed(self.target_embedding, target_in, dropout)
        if not self.settings.input_feeding:
            return self._advance(embedded, state, memory, dropout).readout
        readouts = []
        for now in embedded.unbind(1):
            advanced = self._advance(now, state, memory, dropout)
            state = advanced.state
            readouts.append(advanced.readout)
        return torch.stack(readouts, dim=1)

    def encode(self, source: Tensor, lengths: Tensor, dropout: Dropout = NONE) -> Memory:
        """Source ids [B, S] with EOS and padding → Memory."""
        flip = cells.flips(lengths, source.shape[1])
        stream = _embed(self.source_embedding, source, dropout)
        for number, layer in enumerate(self.encoder):
            inputs = dropout.units(("encoder", number), stream) if number else stream
            stream = self.encoder_connections[number](stream, layer(inputs, flip, dropout))
        values = dropout.units("memory", stream)
        keys = values if self.attention is None else self.attention.keys(values)
        padding = torch.zeros(source.shape, device=source.device).masked_fill(
            source == PAD, -torch.inf
        )
        return Memory(values, keys, padding.unsqueeze(1), self._sum_up(stream, lengths), lengths)

    # --- one step at a time ---------------------------------------------------------------------

    def start(self, memory: Memory, dropout: Dropout = NONE) -> State:
        """The decoder's first state: the bridge's tanh projection of the encoder's summary."""
        parts = torch.tanh(self.bridge(dropout.units("bridge", memory.summary)))
        each = parts.split(self.settings.hidden, dim=-1)
        count = cells.state_parts(self.settings.cell)
        layers = tuple(each[i : i + count] for i in range(0, len(each), count))
        rows, settings = len(memory.lengths), self.settings
        fed = parts.new_zeros(rows, settings.embedding) if settings.input_feeding else None
        covered = torch.zeros_like(memory.padding[:, 0]) if settings.coverage else None
        return State(layers, fed, covered)

    def step(self, tokens: Tensor, state: State, memory: Memory) -> Step:
        """Logits after one more token [R] a row."""
        embedded = _embed(self.target_embedding, tokens, NONE)
        advanced = self._advance(embedded, state, memory, NONE)
        return Step(self.output(advanced.readout), advanced.state, advanced.attention)

    @property
    def layers(self) -> Sequence[Recurrent]:
        """The decoder's layers, lowest first."""
        return cast(Sequence[Recurrent], self.decoder)

    # --- parts ----------------------------------------------------------------------------------

    def _sum_up(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """What the bridge starts the decoder from: [B, S, H] → [B, H]."""
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

    def _advance(
        self, embedded: Tensor, state: State, memory: Memory, dropout: Dropout
    ) -> _Advanced:
        """The decoder over a whole sequence [B, T, E] at once, or over one step [R, E]."""
        settings = self.settings
        asking = settings.decoder_layers - 1 if settings.input_feeding else 0
        stream = _beside(embedded, state.fed)
        after, answer = [], _Answer()
        for number, layer in enumerate(self.layers):
            inputs = dropout.units(("decoder", number), stream) if number else stream
            outputs, now = layer(_beside(inputs, answer.context), state.layers[number], dropout)
            after.append(now)
            if number == asking:
                answer = self._attend(outputs, state.covered, memory)
            stream = self.decoder_connections[number](stream, outputs)
        top = _beside(dropout.units("top", stream), answer.context)
        readout = dropout.units("readout", torch.tanh(self.to_readout(top)))
        fed = readout if settings.input_feeding else None
        return _Advanced(readout, State(tuple(after), fed, answer.covered), answer.weights)

    def _attend(self, queries: Tensor, covered: Tensor | None, memory: Memory) -> _Answer:
        """Ask with the outputs of a whole sequence [B, T, H], or of one step [R, H]."""
        if self.attention is None:
            return _Answer()
        whole, sentences = queries.dim() == 3, len(memory.lengths)
        if whole and covered is not None:
            return self._attend_in_turn(queries, covered, memory)
        asked = queries if whole else queries.view(sentences, -1, queries.shape[-1])  # [B, K, H]
        before = None if covered is None else covered.view(sentences, -1, covered.shape[-1])
        context, weights = self.attention(asked, memory.keys, memory.values, memory.padding, before)
        if whole:
            return _Answer(context, weights)
        weights = weights.flatten(0, 1)
        return _Answer(
            context.flatten(0, 1), weights, None if covered is None else covered + weights
        )

    def _attend_in_turn(self, queries: Tensor, covered: Tensor, memory: Memory) -> _Answer:
        """The same for a sequence [B, T, H] whose every answer bears on the next question."""
        answers = []
        for query in queries.unbind(1):
            answers.append(self._attend(query, covered, memory))
            covered = cast(Tensor, answers[-1].covered)
        contexts = [cast(Tensor, answer.context) for answer in answers]
        weights = [cast(Tensor, answer.weights) for answer in answers]
        return _Answer(torch.stack(contexts, dim=1), torch.stack(weights, dim=1), covered)

    def _tie(self) -> None:
        if self.settings.tied != "none":
            self.output.weight = self.target_embedding.weight
        if self.settings.tied == "all":
            self.source_embedding.weight = self.target_embedding.weight

    def _initialise(self) -> None:
        """As the settings say; large embeddings, which attention learns from much sooner than from
        small ones (measured in docs/results.md)."""
        how = self.settings.initialisation
        for module in self.modules():
            if isinstance(module, Recurrent):
                module.reset_parameters(how)
            elif isinstance(module, nn.Embedding):
                nn.init.uniform_(module.weight, -_EMBEDDING, _EMBEDDING)
            elif isinstance(module, nn.Linear) and module is not self.output:
                initialise(module.weight, how)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if self.settings.tied == "none":
            initialise(self.output.weight, how)
        nn.init.zeros_(self.output.bias)
        with torch.no_grad():
            self.source_embedding.weight[PAD] = 0
            self.target_embedding.weight[PAD] = 0


def _encoder(settings: ModelSettings) -> nn.ModuleList:
    sizes = stream_sizes(settings, settings.embedding, settings.encoder_layers)
    cell, hidden = settings.cell, settings.hidden
    if not settings.bidirectional:
        return nn.ModuleList(Unidirectional(cell, size, hidden) for size in sizes)
    shared = settings.shared_directions
    return nn.ModuleList(Bidirectional(cell, size, hidden // 2, shared) for size in sizes)


def _decoder(settings: ModelSettings) -> nn.ModuleList:
    fed = settings.embedding if settings.input_feeding else 0
    beside = 0 if settings.input_feeding else _context_size(settings)
    first, *above = stream_sizes(settings, settings.embedding + fed, settings.decoder_layers)
    sizes = [first, *(size + beside for size in above)]
    return nn.ModuleList(Recurrent(settings.cell, size, settings.hidden) for size in sizes)


def _context_size(settings: ModelSettings) -> int:
    return 0 if settings.attention == "none" else settings.hidden


def _state_size(settings: ModelSettings) -> int:
    return settings.decoder_layers * cells.state_parts(settings.cell) * settings.hidden


def _embed(embedding: nn.Embedding, ids: Tensor, dropout: Dropout) -> Tensor:
    return dropout.subwords(dropout.units(embedding, embedding(ids)))


def _beside(left: Tensor, right: Tensor | None) -> Tensor:
    return left if right is None else torch.cat((left, right), dim=-1)
