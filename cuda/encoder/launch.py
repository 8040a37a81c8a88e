"""Launch the encoder's kernels where their tensors are."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache

import numpy as np
import torch

from hermite_pinn.cuda.runtime import device, host
from hermite_pinn.cuda.runtime.host import address
from hermite_pinn.cuda.runtime.source import BLOCK
from hermite_pinn.errors import OutOfMemoryError

from .layout import GridLayout
from .specialization import PER_LEVEL, Specialization

__all__ = ["on_device", "on_host", "prepare"]


@lru_cache(maxsize=1024)
def _host_function(spec: Specialization) -> ctypes._NamedFuncPointer:
    return host.function(spec.source("cpp"), "hp_run", "lppppppilppii")


def prepare(specs: list[Specialization]) -> None:
    """Compile several specialisations for this CPU at the same time."""
    with ThreadPoolExecutor(max_workers=max(1, os.cpu_count() or 1)) as pool:
        list(pool.map(_host_function, specs))


def on_host(
    spec: Specialization,
    layout: GridLayout,
    x: torch.Tensor,
    table: torch.Tensor | None,
    weights: torch.Tensor | None,
    out: torch.Tensor,
    weights_stride: int = 0,
    rows: torch.Tensor | None = None,
    scales: torch.Tensor | None = None,
) -> None:
    """Run one kernel on CPU tensors, all contiguous, of ``spec.dtype``; shapes as in ``operations.cuh``."""
    words, frame = layout.words, layout.frames[spec.dtype]
    failed = _host_function(spec)(
        x.shape[1],
        address(x),
        address(table),
        address(weights),
        address(rows),
        address(out),
        words.ctypes.data,
        layout.levels,
        weights_stride,
        frame.ctypes.data,
        address(scales),
        layout.periodic_bits,
        torch.get_num_threads(),
    )
    if failed:
        raise OutOfMemoryError(
            f"the adjoint of {layout.levels} levels needs a second copy of a level's table "
            f"({layout.size * out.element_size() / 2**20:.0f} MiB); use fewer threads (torch.set_num_threads) or fewer levels"
        )


@cache  # recorded graphs hold the addresses
def _constants(layout: GridLayout, dtype: str, index: int) -> tuple[torch.Tensor, torch.Tensor]:
    place = torch.device("cuda", index)
    return torch.as_tensor(layout.words).to(place), torch.as_tensor(layout.frames[dtype]).to(place)


@lru_cache(maxsize=1024)
def _device_source(spec: Specialization) -> str:
    return spec.source("cu")


def on_device(
    spec: Specialization,
    layout: GridLayout,
    x: torch.Tensor,
    table: torch.Tensor | None,
    weights: torch.Tensor | None,
    out: torch.Tensor,
    weights_stride: int = 0,
    rows: torch.Tensor | None = None,
    scales: torch.Tensor | None = None,
) -> None:
    """Run one kernel on CUDA tensors, all contiguous, of ``spec.dtype``: grid = (samples, levels)."""
    index = x.device.index
    words, frame = _constants(layout, spec.dtype, index)
    n = x.shape[1]
    blocks = (-(-n // BLOCK), layout.levels if spec.operation in PER_LEVEL else 1)
    levels, periodic = np.int32(layout.levels), np.int32(layout.periodic_bits)
    arguments = (n, x, table, weights, rows, out, words, levels, weights_stride, frame, scales, periodic)
    device.start(_device_source(spec), "hp_run", index, blocks, arguments)
