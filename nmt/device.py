"""Where the arithmetic runs, and how: chosen by testing what this machine can do.

On a CPU float32 products go through oneDNN, and bfloat16 is used for training where a small trial
product shows that it pays. Nothing here depends on a vendor's name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from nmt.choices import Precision
from nmt.errors import SettingsError

_TRIAL = 512  # size of the trial product
_WORTH_IT = 1.3  # bf16 must be this many times faster


@dataclass(frozen=True)
class Device:
    """A place to compute, set up."""

    torch: torch.device
    threads: int
    notes: tuple[str, ...] = ()  # what else was chosen

    @property
    def name(self) -> str:
        if self.torch.type == "cuda":
            return torch.cuda.get_device_name(self.torch)
        plural = "s" if self.threads > 1 else ""
        return ", ".join((self.torch.type, f"{self.threads} thread{plural}", *self.notes))


def open_device(choice: str = "auto", threads: int | None = None) -> Device:
    """Set torch up for `auto`, `cpu`, `cuda` or `mps`.

    Raises:
        SettingsError: the device is not there.
    """
    if threads:
        torch.set_num_threads(threads)
    name = _best() if choice == "auto" else choice
    if not _is_there(name):
        raise SettingsError(f"--device {choice}: there is no such device here", "use --device auto")
    device = torch.device(name)
    if name == "cuda":  # of several processes on a machine, each takes a GPU of its own
        each, there = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
        if each > there:
            raise SettingsError(
                f"{each} processes on this machine want a GPU each, and there are {there}",
                f"use --nproc-per-node {there}, or --device cpu",
            )
        device = torch.device(name, int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if device.type == "cpu":
        kept = _keep_freed_memory()
        # "medium" sends float32 products to oneDNN, which a CPU with AMX might round to bfloat16.
        exact = torch.cpu._is_amx_tile_supported()
        torch.set_float32_matmul_precision("highest" if exact else "medium")
        notes = ["float32 by torch's default kernels" if exact else "float32 by oneDNN"]
        notes += ["freed memory kept"] if kept else []
    else:
        notes = []
        torch.set_float32_matmul_precision("high")
    return Device(device, torch.get_num_threads(), tuple(notes))


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """bfloat16 products within, or nothing for fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return contextlib.nullcontext()


def linear(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    """x [N, I] ↦ x · weightᵀ + bias, [N, O], for several x without a gradient: on a CPU the weights
    are packed for oneDNN first, where it has kernels for their type."""
    in_float32 = weight.dtype == torch.float32 and torch.backends.mkldnn.is_available()
    in_bfloat16 = weight.dtype == torch.bfloat16 and has_bfloat16_kernels()
    if not (weight.is_cpu and (in_float32 or in_bfloat16)):
        return lambda x: nn.functional.linear(x, weight, bias)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous())
    product = torch.ops.mkldnn._linear_pointwise
    return lambda x: cast(Tensor, product(x, packed, bias, "none", [], ""))


@cache
def has_bfloat16_kernels() -> bool:
    """Whether torch has oneDNN, and that has them for this CPU."""
    return torch.backends.mkldnn.is_available() and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def machine() -> str:
    """Processor, system and torch, without a name that only this one machine has."""
    cores = f"{os.cpu_count() or 1} cores"
    return f"{_processor()}, {cores}, {platform.system()}, torch {torch.__version__}"


def _processor() -> str:
    """What the system calls it; Linux says so in a file."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def world_size() -> int:
    """How many processes torchrun started for this training."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def _best() -> str:
    return next((name for name in ("cuda", "mps") if _is_there(name)), "cpu")


def _is_there(name: str) -> bool:
    if name == "cuda":
        return torch.cuda.is_available()
    if name == "mps":
        return torch.backends.mps.is_available() and world_size() == 1  # gloo knows no mps
    return name == "cpu"


def training_precision(device: torch.device) -> tuple[Precision, str]:
    """What suits training there, and why, in words: on a CPU found by a trial."""
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported():
            return "bf16", "this GPU has bfloat16 units"
        return "fp32", "this GPU has no bfloat16 units"
    if device.type == "mps":
        return "fp32", "the safe choice on mps"
    if not has_bfloat16_kernels():
        return "fp32", "this CPU has no bfloat16 kernels"
    gain = _seconds(torch.float32) / _seconds(torch.bfloat16)
    if gain < _WORTH_IT:
        return "fp32", f"bfloat16 products are only {gain:.1f} times as fast here"
    return "bf16", f"bfloat16 products are {gain:.1f} times as fast as float32 here"


def _seconds(kind: torch.dtype) -> float:
    """The fastest of several trial products."""
    left, right = (torch.ones(_TRIAL, _TRIAL, dtype=kind) for _ in range(2))
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        torch.mm(left, right)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _keep_freed_memory() -> bool:
    """Keep freed blocks in the process: glibc hands large ones back, to be faulted in anew.

    Returns:
        Whether that is possible here.
    """
    trim_threshold, mmap_threshold = -1, -3  # mallopt(3)
    mallopt = _from_libc("mallopt")
    return bool(mallopt and mallopt(mmap_threshold, 1 << 30) and mallopt(trim_threshold, 1 << 30))


def give_back_freed_memory() -> None:
    """Hand back all the same what has been freed by now, where that is possible: it would wait for
    this thread, and others are to do the work."""
    if malloc_trim := _from_libc("malloc_trim"):
        malloc_trim(0)


def _from_libc(name: str) -> Callable[..., int] | None:
    """A function of the C library, if it has it."""
    if os.name != "posix":
        return None
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return function
