"""Which kernels take the time of a step, and how long the GPU waits for the host between them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from hermite_pinn import problems
from hermite_pinn.field.field import resolutions_of
from hermite_pinn.methods.systems.grid_system import GridSystem

from .rows import Budget, Row
from .timing import median_seconds, synchronize
from .training import paper_steps

__all__ = ["Kernel", "kernels_of", "profile_rows", "short"]

#: Kernels that are named one by one.
NAMED = 10
#: Training steps of a recording, most of which start a graph.
STEPS = 200


@dataclass(frozen=True)
class Kernel:
    """What a GPU did under one name.

    Attributes
    ----------
    name
        Of the kernel or copy.
    seconds
        On the device, of all its launches.
    count
        Number of launches.
    """

    name: str
    seconds: float
    count: int


def kernels_of(recording: Iterable[Any]) -> list[Kernel]:
    """The work on the device in averages of PyTorch's profiler, the longest first.

    Parameters
    ----------
    recording
        Averages by name; those that took no time on a device are left out.

    Examples
    --------
    >>> from types import SimpleNamespace as Average
    >>> host = Average(key="host", self_device_time_total=0.0, count=1)
    >>> jets = Average(key="jets", self_device_time_total=2e6, count=4)
    >>> kernels_of([host, jets])
    [Kernel(name='jets', seconds=2.0, count=4)]
    """
    found = []
    for average in recording:
        # before PyTorch 2.4 it was called after the one kind of device there was
        spent = float(getattr(average, "self_device_time_total", 0.0) or getattr(average, "self_cuda_time_total", 0.0))
        if spent > 0:
            found.append(Kernel(str(average.key), 1e-6 * spent, int(average.count)))
    return sorted(found, key=lambda kernel: -kernel.seconds)


def short(name: str) -> str:
    """The name of a kernel without its templates, but for what it computes.

    Examples
    --------
    >>> short("void at::native::vectorized_elementwise_kernel<4, at::native::CUDAFunctor_add<float> >(int)")
    'vectorized_elementwise_kernel CUDAFunctor_add'
    >>> short("hp_siren"), short("Memcpy DtoD (Device -> Device)")
    ('hp_siren', 'Memcpy DtoD (Device -> Device)')
    """
    plain, _, templates = name.partition("<")
    if not templates:
        return name
    computed = re.search(r"\w*(?:Functor|Ops|Kernel)\w*", templates)
    return " ".join([re.split(r"[:\s]", plain)[-1], *([computed[0]] if computed else [])])


def _recorded(work: Callable[[], object], device: torch.device) -> list[Kernel]:
    synchronize(device)
    seen = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with profile(activities=seen) as recording:
        work()
        synchronize(device)
    # what the host does for an operation counts its kernels a second time
    on_device = [a for a in recording.key_averages() if "CUDA" in str(getattr(a, "device_type", "CUDA"))]
    return kernels_of(on_device)


def _rows(what: str, kernels: list[Kernel], times: int, seconds: float) -> Iterator[Row]:
    """The kernels of one of several equal pieces of work that takes so many seconds without the profiler."""
    busy = sum(kernel.seconds for kernel in kernels) / times
    launches = sum(kernel.count for kernel in kernels) / times
    note = f"{launches:.0f} kernels and copies take {1e6 * busy:.0f} us of {1e6 * seconds:.0f} us"
    yield Row(f"{what}: the GPU computes", 100 * busy / seconds, "%", note=note)
    for kernel in kernels[:NAMED]:
        count = f"{kernel.count / times:.1f} launches"
        yield Row(f"{what}: {short(kernel.name)}", 1e6 * kernel.seconds / times, "us", note=count)


def profile_rows(device: torch.device, cells: Sequence[tuple[int, ...]], budget: Budget) -> Iterator[Row]:
    """Kernels of the training steps of the paper's models, and of products of Gauss-Newton with their transpose.

    Parameters
    ----------
    cells
        Grids of the products.
    budget
        What does not fit into it is left out.
    """
    for dim, table, points in ((2, 2**14, 10_000), (3, 2**17, 40_000)):
        missing = budget.lacks(20.0)
        if missing:
            yield Row(f"{dim}D training step: kernels", None, note=missing)
            continue
        train = partial(paper_steps, dim, table, 5_000, points, STEPS, device)
        seconds = float(train().stats["seconds_per_step"])
        yield from _rows(f"{dim}D training step", _recorded(train, device), STEPS, seconds)
    for grid in cells:
        yield from _products(device, grid)


def _products(device: torch.device, cells: tuple[int, ...]) -> Iterator[Row]:
    dim, count = len(cells), cells[0].bit_length() - 2
    resolutions = resolutions_of(count, cells[0] >> (count - 1), 2.0, dim)
    system = GridSystem(problems.make(f"helmholtz{dim}d", a=10), "cubic", resolutions, device=device)
    system.linearize(torch.zeros(system.size, dtype=torch.float64, device=device))
    vector = torch.randn(system.size, dtype=torch.float64, device=device)

    def product() -> torch.Tensor:
        return system.adjoint(system.forward(vector.clone()))

    seconds = median_seconds(product, device, repeats=5)
    yield from _rows(f"Gauss-Newton, {dim}D, J and its transpose", _recorded(product, device), 1, seconds)
