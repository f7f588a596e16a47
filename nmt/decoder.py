"""The decoder: what comes next after some target tokens, given what attention finds in a memory.

Its equations stand in one place, `_advance`, for whole sequences under teacher forcing and for
single steps. There are two arrangements of them:

    parallel        Attention is asked with the outputs of the first layer, and its context goes
                    into the layers above and to the readout (NVIDIA's GNMT v2). No layer ever waits
                    for a context of the step before, so under teacher forcing every layer is one
                    fused call over the whole sequence.
    input feeding   Attention is asked with the outputs of the last layer, its context goes to the
                    readout, and the readout of a step into the first layer at the next (Luong et
                    al. 2015, §3.3). Training has to go step by step too.

    B batch, S source length, T target length, E embedding, H hidden, V vocabulary, K beam,
    R rows of a step: B·K, the K beams of a sentence next to each other, or some of these (`Grid`)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from nmt import cells
from nmt.attention import make_attention
from nmt.cells import Recurrent, initialise
from nmt.config import ModelSettings
from nmt.dropout import NONE, Dropout
from nmt.stack import connections, norms, stream_sizes
from nmt.subwords import PAD

_EMBEDDING = 0.5  # embeddings start uniform within ± this


# --- what goes in and comes out ------------------------------------------------------------------


@dataclass(frozen=True)
class Memory:
    """An encoded batch of source sentences."""

    values: Tensor  # [B, S, H] encoder outputs
    keys: Tensor  # [B, S, ·] their projection for attention
    padding: Tensor  # [B, 1, S] 0 at tokens, −inf at padding
    summary: Tensor  # [B, H] what the decoder starts from
    lengths: Tensor  # [B]

    def select(self, rows: Tensor) -> Memory:
        """The sentences of these rows, in this order."""
        values = self.values.index_select(0, rows)
        return Memory(
            values,
            values if self.keys is self.values else self.keys.index_select(0, rows),
            self.padding.index_select(0, rows),
            self.summary.index_select(0, rows),
            self.lengths.index_select(0, rows),
        )


@dataclass(frozen=True)
class State:
    """What the decoder remembers after some target tokens."""

    layers: tuple[cells.State, ...]  # each part [R, H]
    fed: Tensor | None = None  # [R, E] the last readout, with input feeding
    covered: Tensor | None = None  # [R, S] the sum of the attention's weights, with coverage

    def select(self, rows: Tensor) -> State:
        """The states of these rows, in this order."""
        return State(
            tuple(tuple(part.index_select(0, rows) for part in layer) for layer in self.layers),
            None if self.fed is None else self.fed.index_select(0, rows),
            None if self.covered is None else self.covered.index_select(0, rows),
        )


@dataclass(frozen=True)
class Grid:
    """Which of the K hypotheses of each of B sentences have a row."""

    sentences: int
    beams: int
    places: Tensor  # [R] of the rows, in order: numbers in B·K

    @property
    def full(self) -> bool:
        return len(self.places) == self.sentences * self.beams

    @property
    def sentence(self) -> Tensor:
        """Which one each row belongs to: [R]."""
        return self.places // self.beams

    @cached_property
    def numbers(self) -> Tensor:
        """The row of each hypothesis; 0 of those that have none: [B, K]."""
        rows = torch.arange(len(self.places), device=self.places.device)
        if not self.full:
            rows = rows.new_zeros(self.sentences * self.beams).index_copy_(0, self.places, rows)
        return rows.view(self.sentences, self.beams)

    def spread(self, rows: Tensor) -> Tensor:
        """[R, X] → [B, K, X], the first row again where there is none."""
        every = rows if self.full else rows.index_select(0, self.numbers.flatten())
        return every.view(self.sentences, self.beams, -1)

    def gather(self, every: Tensor) -> Tensor:
        """[B, K, X] → [R, X]."""
        rows = every.flatten(0, 1)
        return rows if self.full else rows.index_select(0, self.places)


S = TypeVar("S")


@dataclass(frozen=True)
class Step(Generic[S]):
    """What a model, or an ensemble with states of its own kind, says about the next token."""

    logits: Tensor  # [R, V]
    state: S
    attention: Tensor | None  # [R, S]


@dataclass(frozen=True)
class _Answer:
    """What attention says, to a whole sequence or to the rows of a step."""

    context: Tensor | None = None  # [B, T, H] or [R, H]
    weights: Tensor | None = None  # [B, T, S] or [R, S]
    covered: Tensor | None = None  # [R, S] afterwards


@dataclass(frozen=True)
class _Advanced:
    """The decoder after a whole sequence, or after a step."""

    readout: Tensor  # [B, T, E] or [R, E]
    state: State
    attention: Tensor | None


# --- the decoder ---------------------------------------------------------------------------------


class Decoder(nn.Module, ABC):
    """Recurrent layers over target embeddings, attention, and an output layer.

    A model is a decoder with something that gives it its first state, and a memory to attend to.
    """

    settings: ModelSettings
    target_embedding: nn.Embedding
    dropout_strength = 1.0  # how much of the settings' dropouts there is, in training

    @abstractmethod
    def encode(self, source: Tensor, lengths: Tensor, dropout: Dropout = NONE) -> Memory:
        """Source ids [B, S] with EOS and padding, and their lengths [B] → Memory."""

    @abstractmethod
    def start(self, memory: Memory, dropout: Dropout = NONE) -> State:
        """The first state, for each sentence of a memory."""

    def build_decoder(self) -> None:
        """Make all that stands above `target_embedding`."""
        settings, layers = self.settings, self.settings.decoder_layers
        hidden, embedding = settings.hidden, settings.embedding
        context = 0 if settings.attention == "none" else hidden
        feeding = settings.input_feeding
        streams = stream_sizes(settings, 2 * embedding if feeding else embedding, layers)
        first, *above = streams[:-1]
        sizes = [first, *(size + (0 if feeding else context) for size in above)]
        self.attention = make_attention(settings)
        self.decoder = nn.ModuleList(Recurrent(settings.cell, size, hidden) for size in sizes)
        self.decoder_connections = connections(settings, layers)
        self.decoder_norms = norms(settings, streams[1:])
        self.to_readout = nn.Linear(hidden + context, embedding)
        self.output = nn.Linear(embedding, self.target_embedding.num_embeddings)

    def tie(self) -> None:
        """Let the layers that `tied` names share one matrix."""
        if self.settings.tied != "none":
            self.output.weight = self.target_embedding.weight

    @property
    def layers(self) -> Sequence[Recurrent]:
        """The decoder's layers, lowest first."""
        return cast(Sequence[Recurrent], self.decoder)

    def forward(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """Teacher forcing: source [B, S], its lengths [B], target_in [B, T] → logits [B, T, V]."""
        logits: Tensor = self.output(self.readout(source, lengths, target_in))
        return logits

    def readout(self, source: Tensor, lengths: Tensor, target_in: Tensor) -> Tensor:
        """The same up to the output layer: [B, T, E]."""
        dropout = Dropout(self.settings, self.dropout_strength if self.training else 0.0)
        memory = self.encode(source, lengths, dropout)
        return self.decode(target_in, self.start(memory, dropout), memory, dropout)

    def decode(
        self, target_in: Tensor, state: State, memory: Memory, dropout: Dropout = NONE
    ) -> Tensor:
        """Teacher forcing: target_in [B, T] → what the output layer reads, [B, T, E]."""
        embedded = embed(self.target_embedding, target_in, dropout)
        if not self.settings.input_feeding:
            return self._advance(embedded, state, memory, dropout).readout
        readouts = []
        for now in embedded.unbind(1):
            advanced = self._advance(now, state, memory, dropout)
            state = advanced.state
            readouts.append(advanced.readout)
        return torch.stack(readouts, dim=1)

    def step(
        self, tokens: Tensor, state: State, memory: Memory, grid: Grid | None = None
    ) -> Step[State]:
        """Logits after one more token [R] a row.

        Args:
            grid: where the rows stand; None: the same number for each sentence, side by side.
        """
        embedded = embed(self.target_embedding, tokens)
        advanced = self._advance(embedded, state, memory, NONE, grid)
        return Step(self.output(advanced.readout), advanced.state, advanced.attention)

    def _advance(
        self,
        embedded: Tensor,
        state: State,
        memory: Memory,
        dropout: Dropout,
        grid: Grid | None = None,
    ) -> _Advanced:
        """The decoder's equations: a whole sequence [B, T, E] at once, or one step [R, E]."""
        feeding = self.settings.input_feeding
        asking = len(self.layers) - 1 if feeding else 0
        stream = beside(embedded, state.fed)
        after, answer = [], _Answer()
        for number, layer in enumerate(self.layers):
            inputs = dropout.units(("decoder", number), stream) if number else stream
            outputs, now = layer(beside(inputs, answer.context), state.layers[number], dropout)
            after.append(now)
            if number == asking:
                answer = self._attend(outputs, state.covered, memory, grid)
            stream = self.decoder_connections[number](stream, outputs)
            stream = self.decoder_norms[number](stream)
        top = beside(dropout.units("top", stream), answer.context)
        readout = dropout.units("readout", torch.tanh(self.to_readout(top)))
        state = State(tuple(after), readout if feeding else None, answer.covered)
        return _Advanced(readout, state, answer.weights)

    def _attend(
        self, queries: Tensor, covered: Tensor | None, memory: Memory, grid: Grid | None = None
    ) -> _Answer:
        """Ask with the outputs of a whole sequence [B, T, H], or of one step [R, H]."""
        if self.attention is None:
            return _Answer()
        where = memory.keys, memory.values, memory.padding
        if queries.dim() == 3:
            if covered is not None:
                return self._attend_in_turn(queries, covered, memory)
            return _Answer(*self.attention(queries, *where))
        grid = grid or whole_grid(len(queries), memory)
        beams = grid.spread(queries)  # [B, K, H]
        if covered is None:
            context, weights = self.attention(beams, *where)
            return _Answer(grid.gather(context), grid.gather(weights))
        before = grid.spread(covered)  # [B, K, S]
        context, weights = self.attention(beams, *where, before)
        return _Answer(grid.gather(context), grid.gather(weights), grid.gather(before + weights))

    def _attend_in_turn(self, queries: Tensor, covered: Tensor, memory: Memory) -> _Answer:
        """The same for a sequence [B, T, H] whose every answer bears on the next question."""
        answers = []
        for query in queries.unbind(1):
            answers.append(self._attend(query, covered, memory))
            covered = cast(Tensor, answers[-1].covered)
        contexts = [cast(Tensor, answer.context) for answer in answers]
        weights = [cast(Tensor, answer.weights) for answer in answers]
        return _Answer(torch.stack(contexts, dim=1), torch.stack(weights, dim=1), covered)

    # --- first weights ------------------------------------------------------------------------

    def initialise(self) -> None:
        """Draw all parameters anew, as the settings say; embeddings start large: attention learns
        from these much sooner than from small ones (measured in docs/results.md)."""
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
            nn.init.uniform_(self.output.weight, -_EMBEDDING, _EMBEDDING)  # embeddings as well
        nn.init.zeros_(self.output.bias)
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Embedding):
                    module.weight[PAD] = 0


def whole_grid(rows: int, memory: Memory) -> Grid:
    """The same number of rows for each sentence."""
    every = torch.arange(rows, device=memory.lengths.device)
    return Grid(len(memory.lengths), rows // len(memory.lengths), every)


def make_embedding(size: int, width: int) -> nn.Embedding:
    """Not yet initialised: `nn.Embedding` would draw numbers that nobody uses, and drawing them on
    the meta device imports a great part of torch."""
    empty = torch.empty(size, width)
    return cast(nn.Embedding, nn.Embedding.from_pretrained(empty, freeze=False, padding_idx=PAD))


def embed(embedding: nn.Embedding, ids: Tensor, dropout: Dropout = NONE) -> Tensor:
    """Ids [...] → vectors [..., E], some blanked out."""
    return dropout.subwords(dropout.units(embedding, embedding(ids)))


def beside(left: Tensor, right: Tensor | None) -> Tensor:
    """[..., X] and [..., Y] → [..., X + Y]."""
    return left if right is None else torch.cat((left, right), dim=-1)
