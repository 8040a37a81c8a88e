"""Speed of the kernels against the plain PyTorch reference, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from hermite_pinn.cuda import ops, reference
from hermite_pinn.cuda.channels import Channels
from hermite_pinn.cuda.layout import GridLayout

__all__ = ["KernelTiming", "time_kernels"]


@dataclass(frozen=True)
class KernelTiming:
    """Nanoseconds per point and level, best of several runs."""

    label: str
    points: int
    jets: float
    adjoint: float
    reference: float

    @property
    def speedup(self) -> float:
        """Reference over jets."""
        return self.reference / self.jets

    @property
    def adjoint_ratio(self) -> float:
        """Adjoint over jets."""
        return self.adjoint / self.jets


def _best(run: Callable[[], object], repeats: int, synchronize: Callable[[], None]) -> float:
    times = []
    for _ in range(repeats):
        synchronize()
        began = time.perf_counter()
        run()
        synchronize()
        times.append(time.perf_counter() - began)
    return min(times)


def time_kernels(
    device: str = "cpu", points: int = 500_000, reference_points: int = 20_000, repeats: int = 5
) -> list[KernelTiming]:
    """Time value, gradient and Laplacian of cubic fields: one level, random points, 2**19 slots.

    Parameters
    ----------
    points
        For the kernels.
    reference_points
        For the PyTorch reference, which is much slower.
    """
    place = torch.device(device)
    synchronize = torch.cuda.synchronize if place.type == "cuda" else lambda: None
    found = []
    for dim, features, dtype in ((2, 2, torch.float32), (3, 2, torch.float32), (3, 1, torch.float64)):
        cells = 256 if dim == 2 else 64
        layout = GridLayout((0.0,) * dim, (1.0,) * dim, ((cells,) * dim,), "cubic", features, (2**19,))
        channels = Channels.jet(dim, 1) + Channels.laplacian(dim)
        generator = torch.Generator().manual_seed(0)
        table = torch.randn(layout.size, generator=generator).to(place, dtype)
        x = torch.rand(dim, points, generator=generator).to(place, dtype)
        weights = torch.randn(1, features, len(channels), points, generator=generator).to(place, dtype)
        few = x[:, :reference_points].contiguous()

        jets = partial(ops.jets, x, table, layout, channels)
        adjoint = partial(ops.adjoint, x, weights, layout, channels)
        plain = partial(reference.jets, few, table, layout, channels)
        jets(), adjoint()
        name = str(dtype).removeprefix("torch.")
        found.append(
            KernelTiming(
                f"{dim}-D cubic, {features} feature{'s' * (features > 1)}, {name}",
                points,
                1e9 * _best(jets, repeats, synchronize) / points,
                1e9 * _best(adjoint, repeats, synchronize) / points,
                1e9 * _best(plain, 2, synchronize) / reference_points,
            )
        )
    return found
