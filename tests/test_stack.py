"""Connections between layers against their equations, and the sizes they make."""

from __future__ import annotations

import pytest
import torch

from nmt.config import settings_from
from nmt.stack import Dense, Highway, Plain, Residual, connections, norms, stream_sizes

X, F = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(1))
KINDS = ["plain", "residual", "highway", "dense"]


def test_equations() -> None:
    highway = Highway(4)
    assert torch.equal(Plain()(X, F), F)
    assert torch.equal(Residual()(X, F), X + F)
    assert torch.equal(Dense()(X, F), torch.cat((X, F), dim=-1))
    gate = torch.sigmoid(X @ highway.gate.weight.T + highway.gate.bias - 1)
    assert torch.allclose(highway(X, F), gate * F + (1 - gate) * X, atol=1e-6)


def test_a_highway_begins_by_carrying_more_than_it_replaces() -> None:
    highway = Highway(4)
    torch.nn.init.zeros_(highway.gate.weight)
    torch.nn.init.zeros_(highway.gate.bias)
    assert ((highway(X, F) - X).abs() < (highway(X, F) - F).abs()).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_streams_have_the_sizes_that_layers_are_made_for(kind: str, layers: int) -> None:
    settings = settings_from(
        {"model.hidden": 4, "model.layer_norm": True},
        {"model.connections": kind, "model.encoder_layers": 2},
    ).model
    sizes = stream_sizes(settings, 3, layers)
    stream = torch.randn(2, 3)
    for number, (connection, norm) in enumerate(
        zip(connections(settings, layers), norms(settings, sizes[1:]), strict=True)
    ):
        assert stream.shape[-1] == sizes[number]
        stream = norm(connection(stream, torch.randn(2, 4)))
    assert stream.shape[-1] == sizes[-1] == 4
