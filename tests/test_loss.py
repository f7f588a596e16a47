"""The fused output layer and loss equal torch's two steps."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch import nn

from nmt import loss as module
from nmt.device import has_bfloat16_kernels
from nmt.loss import cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_are_torchs(smoothing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in {"_CHUNK": 4, "_BLOCK": 2, "_ROWS": 2}.items():
        monkeypatch.setattr(module, name, size)  # so that there are several, and a row to fill up
    torch.manual_seed(1)
    readout = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(11, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(11, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 11, (7,))
    ours = cross_entropy(readout, weight, bias, targets, smoothing)
    ours_by = torch.autograd.grad(ours.smoothed * 2, (readout, weight, bias))
    logits = readout @ weight.T + bias
    theirs = nn.functional.cross_entropy(
        logits, targets, reduction="sum", label_smoothing=smoothing
    )
    theirs_by = torch.autograd.grad(theirs * 2, (readout, weight, bias))
    assert float(ours.smoothed.detach()) == pytest.approx(float(theirs.detach()), rel=1e-5)
    assert float(ours.likelihood) == pytest.approx(
        float(nn.functional.cross_entropy(logits, targets, reduction="sum").detach()), rel=1e-5
    )
    for mine, other in zip(ours_by, theirs_by, strict=True):
        assert torch.allclose(mine, other, atol=1e-5)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [1, 32, 129, 2_561])
def test_so_they_are_in_blocks_of_the_real_size(count: int, kind: torch.dtype) -> None:
    """Weights in float32 and a readout in either precision, as in training."""
    torch.manual_seed(count)
    readout = torch.randn(count, 16).tanh().to(kind).requires_grad_()
    weight, bias = (torch.randn(300, 16) * 0.5).requires_grad_(), torch.randn(300).requires_grad_()
    targets = torch.randint(0, 200, (count,))  # the last 100 words get what smoothing gives only
    ours = cross_entropy(readout, weight, bias, targets, 0.1)
    ours_by = torch.autograd.grad(ours.smoothed, (readout, weight, bias))
    exactly = [part.detach().to(kind).double().requires_grad_() for part in (readout, weight, bias)]
    theirs = nn.functional.cross_entropy(
        nn.functional.linear(*exactly), targets, reduction="sum", label_smoothing=0.1
    )
    near = 1e-5 if kind == torch.float32 else 2e-2
    assert float(ours.smoothed.detach()) == pytest.approx(float(theirs.detach()), rel=near)
    for mine, exact in zip(ours_by, torch.autograd.grad(theirs, exactly), strict=True):
        for rows in (slice(0, 200), slice(200, None)):
            off = (mine[rows].double() - exact[rows]).norm()
            assert off <= near * exact[rows].norm()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_torch_without_onednn_finds_the_same(
    kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    readout, weight = torch.randn(40, 16).tanh().to(kind), torch.randn(300, 16) * 0.5
    layer = weight.requires_grad_(), torch.zeros(300, requires_grad=True)
    targets = torch.randint(0, 300, (40,))
    packed = cross_entropy(readout, *layer, targets, 0.1).smoothed
    has_bfloat16_kernels.cache_clear()
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(torch.ops, "mkldnn", None)
    try:
        plain = cross_entropy(readout, *layer, targets, 0.1).smoothed
    finally:
        has_bfloat16_kernels.cache_clear()
    assert float(plain.detach()) == pytest.approx(float(packed.detach()), rel=1e-5)


def test_gradients_of_many_chunks_are_not_all_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    product, made = torch.mm, list[weakref.ref[torch.Tensor]]()

    def counted(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        result = product(left, right)
        if result.shape == (11, 5):
            made.append(weakref.ref(result))
            assert sum(each() is not None for each in made) <= 3
        return result

    for name in ("_CHUNK", "_BLOCK", "_ROWS"):
        monkeypatch.setattr(module, name, 2)
    monkeypatch.setattr(torch, "mm", counted)
    weight = torch.randn(11, 5, requires_grad=True)
    cross_entropy(torch.randn(20, 5), weight, torch.zeros(11), torch.arange(20) % 11)
    assert len(made) == 10


def test_a_target_that_is_out_of_reach_has_its_true_loss() -> None:
    """Its probability, e⁻²⁰⁰, is no float32."""
    readout, weight = torch.tensor([[200.0]], requires_grad=True), torch.tensor([[0.0], [1.0]])
    loss = cross_entropy(readout, weight, torch.zeros(2), torch.tensor([0]))
    assert float(loss.likelihood) == 200.0
    assert torch.autograd.grad(loss.smoothed, readout)[0].tolist() == [[1.0]]


def test_nothing_to_predict_is_no_loss() -> None:
    readout, weight = torch.zeros(0, 5, requires_grad=True), torch.zeros(6, 5, requires_grad=True)
    loss = cross_entropy(readout, weight, torch.zeros(6), torch.zeros(0, dtype=torch.int64))
    loss.smoothed.backward()
    assert float(loss.smoothed.detach()) == 0.0
    assert weight.grad is not None and not weight.grad.any()


def test_no_gradient_is_made_where_none_is_asked_for() -> None:
    with torch.no_grad():
        loss = cross_entropy(torch.randn(4, 5), torch.randn(6, 5), torch.zeros(6), torch.arange(4))
    assert not loss.smoothed.requires_grad
