"""What stands between the layers of a stack: how the outputs of one become the inputs of the next.

Along a stack goes a stream. A layer reads it, and a connection makes of what the layer read and of
what it gave the stream that the next one reads. Connections look at each time step by itself, so
they serve whole sequences and single steps alike, and the layers between them stay fused.

    plain       y = f(x)
    residual    y = x + f(x)                       (He et al. 2016; Wu et al. 2016, §3.1)
    highway     y = t ⊙ f(x) + (1 − t) ⊙ x         (Srivastava et al. 2015), t = sigmoid(W x + b)
    dense       y = [x; f(x)]                      (Huang et al. 2017)

The sum and the gate need x and f(x) of one size: the lowest layer, which reads embeddings, is
always left plainly. So is the highest of a dense stack, whose readers want a size that does not
depend on the number of layers. A layer norm (Ba et al. 2016) may follow each connection.

    X size of the stream, H size of a layer's outputs
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings

_CARRY = 1.0  # how far highway gates lean towards x at first


class Plain(nn.Module):
    """The next layer reads what this one gave."""

    def forward(self, stream: Tensor, outputs: Tensor) -> Tensor:
        """[..., X] that a layer read and [..., H] that it gave → what the next one reads."""
        return outputs


class Residual(nn.Module):
    """A layer adds to what it read."""

    def forward(self, stream: Tensor, outputs: Tensor) -> Tensor:
        """[..., H] and [..., H] → [..., H]."""
        return stream + outputs


class Highway(nn.Module):
    """A gate decides, unit by unit, what a layer replaces."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.gate = nn.Linear(size, size)

    def forward(self, stream: Tensor, outputs: Tensor) -> Tensor:
        """[..., H] and [..., H] → [..., H]."""
        transform = torch.sigmoid(self.gate(stream) - _CARRY)
        return stream + transform * (outputs - stream)


class Dense(nn.Module):
    """The next layer reads all that the layers below gave, and the embeddings."""

    def forward(self, stream: Tensor, outputs: Tensor) -> Tensor:
        """[..., X] and [..., H] → [..., X + H]."""
        return torch.cat((stream, outputs), dim=-1)


def connections(settings: ModelSettings, layers: int) -> nn.ModuleList:
    """One above each layer, the last for whoever reads the stack."""
    if settings.connections == "dense":
        return nn.ModuleList([*(Dense() for _ in range(layers - 1)), Plain()])
    return nn.ModuleList([Plain(), *(_connection(settings) for _ in range(layers - 1))])


def _connection(settings: ModelSettings) -> nn.Module:
    if settings.connections == "plain":
        return Plain()
    return Residual() if settings.connections == "residual" else Highway(settings.hidden)


def stream_sizes(settings: ModelSettings, inputs: int, layers: int) -> list[int]:
    """The size of the stream below each layer, the first `inputs`, and above the last."""
    hidden = settings.hidden
    if settings.connections == "dense":
        return [*(inputs + number * hidden for number in range(layers)), hidden]
    return [inputs, *(hidden for _ in range(layers))]


def norms(settings: ModelSettings, sizes: Sequence[int]) -> nn.ModuleList:
    """One above each connection, for streams of these sizes; without layer norm they do nothing."""
    return nn.ModuleList(nn.LayerNorm(n) if settings.layer_norm else nn.Identity() for n in sizes)
