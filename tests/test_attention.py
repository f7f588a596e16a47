"""Attention: weights are a distribution over tokens, and beams do not see each other."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from nmt.attention import (
    Additive,
    Attention,
    Coverage,
    Dot,
    General,
    MultiHead,
    make_attention,
)
from nmt.config import settings_from

KINDS = [Dot(), General(8, 8), Additive(8, 8, 8), MultiHead(8, 8, 2)]


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    padding = torch.zeros(2, 1, 5)
    padding[0, 0, 3:] = -torch.inf
    return torch.randn(2, 3, 8), torch.randn(2, 5, 8), padding


@pytest.mark.parametrize("attention", KINDS)
def test_weights_sum_to_one_and_skip_padding(attention: Attention) -> None:
    query, memory, padding = inputs()
    context, weights = attention(query, attention.keys(memory), memory, padding)
    assert context.shape == (2, 3, 8)
    assert torch.allclose(weights.sum(-1), torch.ones(2, 3))
    assert (weights[0, :, 3:] == 0).all()


@pytest.mark.parametrize("attention", KINDS)
def test_padding_changes_nothing(attention: Attention) -> None:
    query, memory, padding = inputs()
    short, _ = attention(
        query[:1], attention.keys(memory[:1, :3]), memory[:1, :3], padding[:1, :, :3]
    )
    long, _ = attention(query[:1], attention.keys(memory[:1]), memory[:1], padding[:1])
    assert torch.allclose(short, long, atol=1e-6)


@pytest.mark.parametrize("attention", KINDS)
def test_each_query_is_asked_by_itself(attention: Attention) -> None:
    query, memory, padding = inputs()
    together, _ = attention(query, attention.keys(memory), memory, padding)
    for number in range(3):
        alone, _ = attention(query[:, number : number + 1], attention.keys(memory), memory, padding)
        assert torch.allclose(alone[:, 0], together[:, number], atol=1e-6)


def test_dot_is_the_weighted_mean() -> None:
    query, memory, padding = inputs()
    context, _ = Dot()(query, memory, memory, padding)
    scores = torch.einsum("btq,bsq->bts", query, memory) + padding
    assert torch.allclose(context, scores.softmax(-1) @ memory, atol=1e-6)


def test_coverage_is_additive_attention_that_sees_what_was_looked_at() -> None:
    query, memory, padding = inputs()
    attention = Coverage(8, 8, 8)
    plain = Additive(8, 8, 8)
    plain.load_state_dict(attention.state_dict(), strict=False)
    keys, covered = attention.keys(memory), torch.rand(2, 3, 5)
    _, before = attention(query, keys, memory, padding, torch.zeros(2, 3, 5))
    assert torch.allclose(before, plain(query, keys, memory, padding)[1])
    _, weights = attention(query, keys, memory, padding, covered)
    each = (
        attention.query(query)[:, :, None] + keys[:, None] + attention.covered(covered[..., None])
    )
    scores = (torch.tanh(each) @ attention.score.weight.T).squeeze(-1) + padding
    assert torch.allclose(weights, scores.softmax(-1), atol=1e-6)
    assert not torch.allclose(weights, before)


def test_settings_choose_the_kind() -> None:
    for name, kind in (("dot", Dot), ("general", General), ("additive", Additive)):
        made = make_attention(settings_from({"model.attention": name}).model)
        assert type(made) is kind
    covering = settings_from({"model.attention": "additive", "model.coverage": True})
    assert type(make_attention(covering.model)) is Coverage
    assert type(make_attention(settings_from({"model.heads": 4}).model)) is MultiHead
    assert make_attention(settings_from({"model.attention": "none"}).model) is None
