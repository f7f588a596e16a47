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
depend on the number of layers. With layer norm (Ba et al. 2016) it is what a layer adds that is
normalised in a dense stack, and the whole y in the others.

    X size of the stream, H size of a layer's outputs
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings

_CARRY = 1.0  # how far highway gates lean towards x at first


class Plain(nn.Module):
    """The next layer reads what this one gave."""

    def __init__(self, size: int, layer_norm: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size) if layer_norm else nn.Identity()

    def forward(self, stream: Tensor, outputs: Tensor) -> Tensor:
        """[..., X] that a layer read and [..., H] that it gave → what the next one reads."""
        normed: Tensor = self.norm(outputs)
        return normed


class Residual(Plain):
    """A layer adds to what it read."""

    def forward(self, stream: Tensor, outputs: Tensor) -> Tensor:
        return super().forward(stream, stream + outputs)


class Highway(Plain):
    """A gate decides, unit by unit, what a layer replaces."""

    def __init__(self, size: int, layer_norm: bool) -> None:
        super().__init__(size, layer_norm)
        self.gate = nn.Linear(size, size)

    def forward(self, stream: Tensor, outputs: Tensor) -> Tensor:
        transform = torch.sigmoid(self.gate(stream) - _CARRY)
        return super().forward(stream, torch.lerp(stream, outputs, transform))


class Dense(Plain):
    """The next layer reads all that the layers below gave, and the embeddings."""

    def forward(self, stream: Tensor, outputs: Tensor) -> Tensor:
        return torch.cat((stream, super().forward(stream, outputs)), dim=-1)


_KINDS = {"plain": Plain, "residual": Residual, "highway": Highway, "dense": Dense}


def stream_sizes(settings: ModelSettings, inputs: int, layers: int) -> list[int]:
    """The size of the stream that each layer reads, the lowest `inputs`."""
    grows = settings.hidden if settings.connections == "dense" else 0
    above = inputs + grows if grows else settings.hidden
    return [inputs, *(above + number * grows for number in range(layers - 1))]


def connections(settings: ModelSettings, layers: int) -> nn.ModuleList:
    """One connection above each layer, the last for whoever reads the stack."""
    plain = layers - 1 if settings.connections == "dense" else 0
    kinds = [_KINDS[settings.connections]] * layers
    kinds[plain] = Plain
    return nn.ModuleList(kind(settings.hidden, settings.layer_norm) for kind in kinds)
