"""The model: whole sequences and single steps agree, and padding changes nothing.

They do for every kind of network there is: `SHAPES` are settings in which every two values of two
settings that may stand together do so once (all combinations would be millions).
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt.batches import Batch, make_batch
from nmt.checkpoint import read_tensors, restore, weights_of, write_tensors
from nmt.config import ModelSettings, settings_from
from nmt.device import autocast
from nmt.dropout import Dropout
from nmt.errors import SettingsError
from nmt.model import Seq2Seq
from nmt.perplexity import batch_loss
from nmt.subwords import PAD

Shape = dict[str, object]
Pair = tuple[tuple[str, object], tuple[str, object]]

SMALL: Shape = {"model.embedding": 12, "model.hidden": 16, "model.word_dropout": 0.0}
VALUES: dict[str, list[object]] = {
    "model.cell": ["lstm", "gru", "rnn"],
    "model.encoder_layers": [1, 2, 3],
    "model.bidirectional": [True, False],
    "model.shared_directions": [False, True],
    "model.bridge": ["last", "mean", "max"],
    "model.decoder_layers": [2, 1, 3],
    "model.attention": ["dot", "none", "general", "additive"],
    "model.heads": [1, 4],
    "model.coverage": [False, True],
    "model.input_feeding": [False, True],
    "model.connections": ["plain", "residual", "highway", "dense"],
    "model.layer_norm": [False, True],
    "model.tied": ["all", "target", "none"],
    "model.initialisation": ["xavier", "uniform", "orthogonal"],
    "model.dropout": [0.0, 0.2],
    "model.dropout_per": ["sequence", "step"],
    "model.weight_dropout": [0.0, 0.2],
}


HELPS: list[Shape] = [{}, {"model.attention": "additive"}, {"model.encoder_layers": 2}]
"""What a value may need beside it that is not the default."""


def is_allowed(shape: Shape) -> bool:
    try:
        settings_from(SMALL, shape)
    except SettingsError:
        return False
    return True


def pairs_of(shape: Shape) -> set[Pair]:
    return set(itertools.combinations(sorted(shape.items(), key=repr), 2))


def pairwise() -> list[Shape]:
    """Few allowed shapes with every allowed pair of values, found greedily."""
    items = [{key: value} for key, values in VALUES.items() for value in values]
    pairs = [
        one | other for one, other in itertools.combinations(items, 2) if one.keys() != other.keys()
    ]
    pairs = [pair for pair in pairs if any(is_allowed(other | pair) for other in HELPS)]
    missing, generator, shapes = set().union(*map(pairs_of, pairs)), random.Random(1), []
    for pair in pairs:
        if pairs_of(pair) <= missing:
            shapes.append(_completed(pair, missing, generator))
            missing -= pairs_of(shapes[-1])
    return shapes


def _completed(shape: Shape, missing: set[Pair], generator: random.Random) -> Shape:
    """A value for each other setting, such that many of the missing pairs are there."""
    shape = next(other | shape for other in HELPS if is_allowed(other | shape))
    for key in generator.sample(sorted(VALUES), len(VALUES)):
        candidates = [shape | {key: value} for value in VALUES[key] if key not in shape]
        allowed = [candidate for candidate in candidates if is_allowed(candidate)]
        shape = max(allowed, key=lambda found: len(pairs_of(found) & missing), default=shape)
    return shape


SHAPES = pairwise()
SOURCES = [[4, 5, 6, 7, 8, 9, 10], [11, 12], [5]]
TARGETS = [[6, 7, 8], [9, 10, 11, 12, 13], [4]]


def make(shape: Shape, seed: int = 1) -> Seq2Seq:
    torch.manual_seed(seed)
    return Seq2Seq(settings_from(SMALL, shape).model, 20, 20).eval()


def batch(rows: list[int]) -> Batch:
    return make_batch([SOURCES[r] for r in rows], [TARGETS[r] for r in rows])


def logits(model: Seq2Seq, batch: Batch) -> Tensor:
    found: Tensor = model(batch.source, batch.source_lengths, batch.target_in)
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_is_one_by_one_and_padding_changes_nothing(shape: Shape) -> None:
    model = make(shape)
    together = logits(model, batch([0, 1, 2]))
    for row in range(3):
        single = batch([row])
        real = int((single.target_out != PAD).sum())
        assert torch.allclose(logits(model, single)[0, :real], together[row, :real], atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_is_the_unrolled_step(shape: Shape) -> None:
    model, every = make(shape), batch([0, 1, 2])
    whole = logits(model, every)
    memory = model.encode(every.source, every.source_lengths)
    state = model.start(memory)
    for time, tokens in enumerate(every.target_in.unbind(1)):
        step = model.step(tokens, state, memory)
        state = step.state
        assert torch.allclose(step.logits, whole[:, time], atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_beams_of_a_sentence_do_not_touch(shape: Shape) -> None:
    model, two = make(shape), batch([0, 1])
    memory = model.encode(two.source, two.source_lengths)
    state = model.start(memory).select(torch.tensor([0, 0, 1, 1]))
    for tokens in (torch.tensor([4, 5, 6, 7]), torch.tensor([8, 9, 10, 11])):
        together = model.step(tokens, state, memory)
        for row in range(4):
            rows = torch.tensor([row])
            alone = model.step(tokens[rows], state.select(rows), memory.select(rows // 2))
            assert torch.allclose(alone.logits[0], together.logits[row], atol=1e-5)
        state = together.state


@pytest.mark.parametrize("shape", SHAPES)
def test_every_weight_learns_and_the_loss_falls(shape: Shape) -> None:
    model, every = make(shape).train(), batch([0, 1, 2])
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = batch_loss(model, every, 0.1).smoothed / every.tokens
        loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_bfloat16_products_change_little(shape: Shape) -> None:
    model, every = make(shape), batch([0, 1, 2])
    plain = batch_loss(model, every, 0.0).smoothed
    with autocast(torch.device("cpu"), "bf16"):
        rough = batch_loss(model, every, 0.0).smoothed
    rough.backward()
    assert torch.allclose(rough, plain, rtol=0.02)


@pytest.mark.parametrize("shape", SHAPES)
def test_saving_and_loading_changes_nothing(shape: Shape, tmp_path: Path) -> None:
    saved, loaded, every = make(shape, seed=1), make(shape, seed=2), batch([0, 1, 2])
    assert not torch.equal(logits(loaded, every), logits(saved, every))
    write_tensors(tmp_path / "model.safetensors", weights_of(saved), {})
    restore(loaded, read_tensors(tmp_path / "model.safetensors")[0], tmp_path)
    assert torch.equal(logits(loaded, every), logits(saved, every))


def test_the_shapes_hold_every_pair_of_values_that_is_allowed() -> None:
    held = set[Pair]().union(*map(pairs_of, SHAPES))
    items = [(key, value) for key, values in VALUES.items() for value in values]
    missing = [
        pair
        for pair in itertools.combinations(sorted(items, key=repr), 2)
        if pair[0][0] != pair[1][0] and pair not in held
    ]
    refused = [set(dict(pair)) for pair in missing]
    assert all(keys in CLASHING for keys in refused), refused


CLASHING = [
    {"model.heads", "model.attention"},
    {"model.coverage", "model.attention"},
    {"model.coverage", "model.heads"},
    {"model.input_feeding", "model.attention"},
    {"model.shared_directions", "model.bidirectional"},
    {"model.connections", "model.encoder_layers", "model.decoder_layers"},
]


def test_what_is_not_allowed_is_refused_with_the_keys_that_clash() -> None:
    keys = sorted(set().union(*CLASHING))
    few = [VALUES[key][: 4 if key == "model.attention" else 2] for key in keys]
    for values in itertools.product(*few):
        shape = dict(zip(keys, values, strict=True))
        if not is_allowed(shape):
            with pytest.raises(SettingsError) as refusal:
                settings_from(SMALL, shape)
            named = {key: value for key, value in shape.items() if key in str(refusal.value)}
            assert len(named) >= 2
            assert not is_allowed(named), f"{refusal.value}, but it is not these that clash"


def test_a_pass_step_by_step_meets_the_dropout_of_one_over_the_whole() -> None:
    model = make({"model.dropout": 0.3, "model.weight_dropout": 0.3, "model.connections": "dense"})
    every, dropout = batch([0, 1, 2]), Dropout(model.settings)
    memory = model.encode(every.source, every.source_lengths)
    embedded = model.target_embedding(every.target_in)
    state = model.start(memory)
    whole = model._advance(embedded, state, memory, dropout)
    for time, now in enumerate(embedded.unbind(1)):
        step = model._advance(now, state, memory, dropout)
        state = step.state
        assert torch.allclose(step.readout, whole.readout[:, time], atol=1e-6)
    assert (whole.readout == 0).any()


def test_tying_shares_one_matrix() -> None:
    every = make({"model.tied": "all"})
    assert every.output.weight is every.target_embedding.weight is every.source_embedding.weight
    target = make({"model.tied": "target"})
    assert target.output.weight is target.target_embedding.weight
    assert target.output.weight is not target.source_embedding.weight
    assert make({"model.tied": "none"}).output.weight is not every.target_embedding.weight


def test_the_source_matters_without_attention_too() -> None:
    model, one = make({"model.attention": "none"}), batch([0])
    other = replace(one, source=torch.cat((one.source[:, 1:], one.source[:, :1]), dim=1))
    assert not torch.allclose(logits(model, one), logits(model, other))


@pytest.mark.parametrize("bidirectional", [True, False])
def test_the_bridge_sums_up_the_tokens_and_no_padding(bidirectional: bool) -> None:
    every = batch([0, 1, 2])
    for kind in ("last", "mean", "max"):
        model = make({"model.bridge": kind, "model.bidirectional": bidirectional})
        memory = model.encode(every.source, every.source_lengths)
        for values, summary, length in zip(
            memory.values, memory.summary, every.source_lengths.tolist(), strict=True
        ):
            tokens = values[:length]
            last = torch.cat((tokens[-1, :8], tokens[0 if bidirectional else -1, 8:]))
            expected = {"last": last, "mean": tokens.mean(dim=0), "max": tokens.amax(dim=0)}
            assert torch.allclose(summary, expected[kind], atol=1e-6)


def test_directions_share_their_weights_when_they_are_told_to() -> None:
    own, shared = make({}), make({"model.shared_directions": True})
    count = [sum(p.numel() for p in model.encoder.parameters()) for model in (own, shared)]
    assert count[0] == 2 * count[1]


def test_the_default_size_is_about_what_the_documentation_says() -> None:
    parameters = sum(p.numel() for p in Seq2Seq(ModelSettings(), 6_000, 6_000).parameters())
    assert 8_000_000 < parameters < 10_000_000
