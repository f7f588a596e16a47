"""The model: whole sequences and single steps agree, and padding changes nothing."""

from __future__ import annotations

import pytest
import torch

from nmt.batches import make_batch
from nmt.config import ModelSettings, settings_from
from nmt.model import Seq2Seq
from nmt.subwords import PAD

SMALL = {"model.embedding": 12, "model.hidden": 16, "model.dropout": 0.0, "model.word_dropout": 0.0}
SHAPES: list[dict[str, object]] = [
    {"model.attention": "none"},
    {"model.attention": "none", "model.decoder_layers": 1},
    {"model.attention": "dot"},
    {"model.attention": "general", "model.layer_norm": True},
    {"model.attention": "additive", "model.encoder_layers": 2},
    {"model.heads": 4, "model.decoder_layers": 3},
    {"model.cell": "gru", "model.encoder_layers": 2, "model.layer_norm": True},
    {"model.cell": "rnn", "model.tied": "target"},
    {"model.tied": "none"},
]
SOURCES = [[4, 5, 6, 7, 8, 9, 10], [11, 12], [5]]
TARGETS = [[6, 7, 8], [9, 10, 11, 12, 13], [4]]


def make(shape: dict[str, object]) -> Seq2Seq:
    torch.manual_seed(1)
    return Seq2Seq(settings_from(SMALL, shape).model, 20, 20).eval()


def batch(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    import numpy as np

    made = make_batch([SOURCES[r] for r in rows], [TARGETS[r] for r in rows], np.array(rows))
    return made.source, made.source_lengths, made.target_in, made.target_out


@pytest.mark.parametrize("shape", SHAPES)
def test_padding_changes_nothing(shape: dict[str, object]) -> None:
    model = make(shape)
    source, lengths, target_in, _ = batch([0, 1, 2])
    together = model(source, lengths, target_in)
    for row in range(3):
        source, lengths, target_in, target_out = batch([row])
        alone = model(source, lengths, target_in)[0]
        real = int((target_out != PAD).sum())
        assert torch.allclose(alone[:real], together[row, :real], atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_is_the_unrolled_step(shape: dict[str, object]) -> None:
    model = make(shape)
    source, lengths, target_in, _ = batch([0, 1, 2])
    whole = model(source, lengths, target_in)
    memory = model.encode(source, lengths)
    state = model.start(memory)
    for time, tokens in enumerate(target_in.unbind(1)):
        step = model.step(tokens, state, memory)
        state = step.state
        assert torch.allclose(step.logits, whole[:, time], atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_beams_of_a_sentence_do_not_touch(shape: dict[str, object]) -> None:
    model = make(shape)
    source, lengths, _, _ = batch([0, 1])
    memory = model.encode(source, lengths)
    state = model.start(memory).select(torch.tensor([0, 0, 1, 1]))
    tokens = torch.tensor([4, 5, 6, 7])
    together = model.step(tokens, state, memory)
    for row in range(4):
        rows = torch.tensor([row])
        alone = model.step(tokens[rows], state.select(rows), memory.select(rows // 2))
        assert torch.allclose(alone.logits[0], together.logits[row], atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_weight_learns(shape: dict[str, object]) -> None:
    model = make(shape).train()
    source, lengths, target_in, target_out = batch([0, 1, 2])
    logits = model(source, lengths, target_in)
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), target_out.flatten()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_tying_shares_one_matrix() -> None:
    every = make({"model.tied": "all"})
    assert every.output.weight is every.target_embedding.weight is every.source_embedding.weight
    target = make({"model.tied": "target"})
    assert target.output.weight is target.target_embedding.weight
    assert target.output.weight is not target.source_embedding.weight
    assert make({"model.tied": "none"}).output.weight is not every.target_embedding.weight


def test_a_dropout_mask_is_the_same_over_time() -> None:
    from nmt.model import SequenceDropout

    dropped = SequenceDropout(0.5).train()(torch.ones(4, 6, 50))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert 0.3 < float((dropped == 0).float().mean()) < 0.7
    assert set(dropped.unique().tolist()) == {0.0, 2.0}


def test_the_source_matters_without_attention_too() -> None:
    model = make({"model.attention": "none"})
    source, lengths, target_in, _ = batch([0])
    other = source.clone()
    other[0, 0] = 15
    assert not torch.allclose(model(source, lengths, target_in), model(other, lengths, target_in))


def test_the_default_size_is_about_what_the_documentation_says() -> None:
    parameters = sum(p.numel() for p in Seq2Seq(ModelSettings(), 6_000, 6_000).parameters())
    assert 8_000_000 < parameters < 10_000_000
