"""Speed of the kernels: against plain PyTorch, of products against jets in memory, of ordered against random points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from hermite_pinn.cuda.encoder import ops, products, reference
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.morton import morton_order

from .roofline import paper_layout
from .timing import median_seconds

__all__ = [
    "KernelTiming",
    "OrderTiming",
    "ProductTiming",
    "time_kernels",
    "time_orders",
    "time_products",
]


@dataclass(frozen=True)
class KernelTiming:
    """Nanoseconds per point of one level, medians.

    Attributes
    ----------
    label
        Dimension, basis, features and precision.
    points
        Points of a run of ``jets`` and ``adjoint``.
    jets, adjoint
        Value, gradient and Laplacian, and their transpose.
    reference
        ``jets`` in plain PyTorch.
    """

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


@dataclass(frozen=True)
class ProductTiming:
    """Nanoseconds per point and level of products with a Jacobian; ``stored`` with the jets of all points in memory."""

    label: str
    forward: float
    forward_stored: float
    transposed: float
    transposed_stored: float


@dataclass(frozen=True)
class OrderTiming:
    """Nanoseconds per point and level at random points, and at the same in Morton order; ``sorting`` per point."""

    label: str
    jets: float
    jets_ordered: float
    adjoint: float
    adjoint_ordered: float
    sorting: float


def time_kernels(device: str = "cpu", points: int = 500_000, reference_points: int = 20_000) -> list[KernelTiming]:
    """Time value, gradient and Laplacian of cubic fields: one level, random points, 2**19 slots.

    Parameters
    ----------
    points
        For the kernels.
    reference_points
        For the PyTorch reference, which is much slower.
    """
    place = torch.device(device)
    timings = []
    for dim, features, dtype in ((2, 2, torch.float32), (3, 2, torch.float32), (3, 1, torch.float64)):
        cells = 256 if dim == 2 else 64
        layout = GridLayout((0.0,) * dim, (1.0,) * dim, ((cells,) * dim,), "cubic", features, (2**19,))
        channels = Channels.jet(dim, 1) + Channels.laplacian(dim)
        generator = torch.Generator().manual_seed(0)
        table = torch.randn(layout.size, generator=generator).to(place, dtype)
        x = torch.rand(dim, points, generator=generator).to(place, dtype)
        weights = torch.randn(1, features, len(channels), points, generator=generator).to(place, dtype)
        few = x[:, :reference_points].contiguous()
        jets, adjoint, plain = (
            1e9 * median_seconds(work, place) / work.args[0].shape[1]
            for work in (
                partial(ops.jets, x, table, layout, channels),
                partial(ops.adjoint, x, weights, layout, channels),
                partial(reference.jets, few, table, layout, channels),
            )
        )
        precision = str(dtype).removeprefix("torch.")
        label = f"{dim}-D cubic, {features} feature{'s' * (features > 1)}, {precision}"
        timings.append(KernelTiming(label, points, jets, adjoint, plain))
    return timings


def time_products(device: str = "cpu", points: int = 16_384) -> list[ProductTiming]:
    """Time products with the Jacobian of a residual and with its transpose, at random points in float64.

    A linear head (one feature, value and Laplacian, the same weights for all levels) and a network (two features,
    value, gradient and Laplacian, weights by level), each with and without the jets of all points in memory.
    """
    place, f64 = torch.device(device), torch.float64
    generator = torch.Generator().manual_seed(0)
    timings = []
    for dim, levels, slots in ((2, 6, None), (3, 4, 2**12)):
        for head, terms in (("linear", 1), ("network", 1), ("network", 2)):
            linear = head == "linear"
            layout = paper_layout(dim, 1 if linear else 2, table=slots, levels=levels)
            channels = (Channels.value(dim) if linear else Channels.jet(dim, 1)) + Channels.laplacian(dim)
            x = torch.rand(dim, points, generator=generator, dtype=f64).to(place)
            table = torch.randn(layout.size, generator=generator, dtype=f64).to(place)
            shape = (terms, 1 if linear else levels, layout.features, len(channels), points)
            weights = torch.randn(shape, generator=generator, dtype=f64).to(place)
            rows = torch.randn(terms, points, generator=generator, dtype=f64).to(place)

            def stored(x=x, table=table, weights=weights, layout=layout, channels=channels) -> torch.Tensor:  # type: ignore[no-untyped-def]
                if weights.shape[1] == 1:
                    return torch.einsum("tfcn,fcn->tn", weights[:, 0], ops.summed_jets(x, table, layout, channels))
                return torch.einsum("tlfcn,lfcn->tn", weights, ops.jets(x, table, layout, channels))

            def spread(x=x, rows=rows, weights=weights, layout=layout, channels=channels) -> torch.Tensor:  # type: ignore[no-untyped-def]
                total = torch.einsum("tlfcn,tn->lfcn", weights, rows)
                return ops.adjoint(x, total.expand(layout.levels, -1, -1, -1), layout, channels)

            works = (
                partial(products.jacobian_vector, x, table, weights, layout, channels),
                stored,
                partial(products.vector_jacobian, x, rows, weights, layout, channels),
                spread,
            )
            size = "dense" if slots is None else f"2^{slots.bit_length() - 1} slots"
            label = f"{dim}-D {head}, {levels} levels, {size}, {terms} row{'s' * (terms > 1)}"
            timings.append(
                ProductTiming(
                    label, *(1e9 * median_seconds(work, place, repeats=15) / points / levels for work in works)
                )
            )
    return timings


def time_orders(device: str = "cpu") -> list[OrderTiming]:
    """Time value, gradient and Laplacian on eight levels (two features, float32), random and in Morton order."""
    place = torch.device(device)
    generator = torch.Generator().manual_seed(0)
    timings = []
    for dim, slots, points in ((2, 14, 10_000), (2, 14, 100_000), (2, 19, 100_000), (3, 14, 100_000), (3, 19, 100_000)):
        layout = paper_layout(dim, table=2**slots)
        channels = Channels.jet(dim, 1) + Channels.laplacian(dim)
        table = torch.randn(layout.size, generator=generator).to(place)
        x = torch.rand(dim, points, generator=generator).to(place)
        order = partial(morton_order, x, layout.lower, layout.upper)
        ordered = x[:, order()].contiguous()
        weights = torch.randn(8, 2, len(channels), points, generator=generator).to(place)
        works = (
            *(partial(ops.jets, at, table, layout, channels) for at in (x, ordered)),
            *(partial(ops.adjoint, at, weights, layout, channels) for at in (x, ordered)),
            order,
        )
        times = [1e9 * median_seconds(work, place) / points / n for work, n in zip(works, (8, 8, 8, 8, 1), strict=True)]
        label = f"{dim}-D, 2^{slots} slots ({4 * layout.size / 1e6:.1f} MB), {points:,} points"
        timings.append(OrderTiming(label, *times))
    return timings
