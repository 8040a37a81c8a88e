"""The encoder's kernels against the bandwidth of the memory, and against plain PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch

from hermite_pinn.cuda.encoder import ops, reference, resources
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.morton import morton_order
from hermite_pinn.errors import HermitePinnError

from .rows import Row
from .stencil import laplacian, neighbours
from .timing import copy_bandwidth, median_seconds

__all__ = [
    "Roof",
    "axis_rows",
    "compulsory_bytes",
    "jet_rows",
    "measure_roof",
    "paper_layout",
    "resource_rows",
]


#: Bytes per second that a copy within the memory of an H200 moves; targets in milliseconds are for this.
H200_COPY = 4.3e12


@dataclass(frozen=True)
class Roof:
    """Measured copy bandwidth in bytes per second, and the factor by which times for an H200 are stretched."""

    bandwidth: float
    stretch: float


def measure_roof(device: torch.device, size: int) -> tuple[Roof, list[Row]]:
    """The bandwidth of a copy, and what it makes of targets that are times on an H200."""
    bandwidth = copy_bandwidth(device, size)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    stretch = 1.0 if "H200" in name else max(1.0, H200_COPY / bandwidth)
    note = f"{size / 2**20:.0f} MiB, read and written"
    if device.type == "cuda" and stretch > 1:
        note += f"; targets in seconds are those for an H200 ({H200_COPY / 1e12:g} TB/s) times {stretch:.2f}"
    return Roof(bandwidth, stretch), [Row("copy bandwidth", bandwidth / 1e9, "GB/s", note=note)]


def paper_layout(
    dim: int, features: int = 2, basis: str = "cubic", table: int | None = 2**14, levels: int = 8
) -> GridLayout:
    """Levels of 4, 8, 16, ... cells on the unit box with tables of ``table`` slots; None: dense."""
    cells = tuple((4 * 2**k,) * dim for k in range(levels))
    return GridLayout((0.0,) * dim, (1.0,) * dim, cells, basis, features, None if table is None else (table,))


def compulsory_bytes(layout: GridLayout, channels: Channels, points: int, width: int = 4) -> int:
    """Bytes that jets cannot avoid to move: points once, the table once, the result once."""
    result = layout.levels * layout.features * len(channels) * points
    return width * (layout.dim * points + layout.size + result)


def jet_rows(device: torch.device, points: int, reference_points: int, roof: Roof) -> Iterator[Row]:
    """Value, gradient and Laplacian of the paper's levels: bandwidth, order of the points, and plain PyTorch."""
    gpu = device.type == "cuda"
    layout, channels = paper_layout(2), Channels.jet(2, 1) + Channels.laplacian(2)
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(layout.size, generator=generator).to(device)
    x = torch.rand(2, points, generator=generator).to(device)
    ordered = x[:, morton_order(x, layout.lower, layout.upper)].contiguous()
    size = compulsory_bytes(layout, channels, points)
    what = f"2D cubic, 8 levels, F=2, 2^14 slots, {points:,} points"
    seconds: dict[str, float] = {}
    for name, at in (("ordered", ordered), ("random", x)):
        seconds[name] = median_seconds(lambda at=at: ops.jets(at, table, layout, channels), device)  # type: ignore[misc]
        share = 100 * size / seconds[name] / roof.bandwidth
        target = 60.0 if gpu and name == "ordered" else None
        details = {"seconds": seconds[name], "bytes": size}
        yield Row(f"jets, {name} points: share of the copy bandwidth", share, "%", target, True, what, details)
    yield (
        Row(
            "jets: random over ordered points",
            seconds["random"] / seconds["ordered"],
            "times",
            note="ordered along a Morton curve",
        )
    )
    weights = torch.randn(layout.levels, 2, len(channels), points, generator=generator).to(device)
    for name, at in (("ordered", ordered), ("random", x)):
        taken = median_seconds(lambda at=at: ops.adjoint(at, weights, layout, channels), device)  # type: ignore[misc]
        yield (
            Row(
                f"adjoint over jets, {name} points",
                taken / seconds[name],
                "times",
                note=what,
                details={"seconds": taken},
            )
        )
    trilinear = paper_layout(2, basis="linear")
    values = torch.randn(trilinear.size, generator=generator).to(device)
    differences = median_seconds(lambda: _differences(ordered, values, trilinear), device)
    note = f"{what}; 5 passes of a trilinear encoder with the same levels and slots"
    ratio = differences / seconds["ordered"]
    yield Row(
        "encoder alone: finite differences over jets", ratio, "times", note=note, details={"seconds": differences}
    )
    few = x[:, :reference_points].contiguous()
    native = median_seconds(lambda: ops.jets(few, table, layout, channels), device)
    plain = median_seconds(lambda: reference.jets(few, table, layout, channels), device, repeats=3)
    note = f"{reference_points:,} random points, float32"
    yield Row("jets: plain PyTorch over native", plain / native, "times", 15.0, True, note)


def _differences(x: torch.Tensor, table: torch.Tensor, layout: GridLayout, h: float = 1.0 / 512) -> torch.Tensor:
    """Value, gradient and Laplacian (levels, features, dim + 2, n) by central differences."""
    channels = Channels.value(layout.dim)
    middle, pairs = neighbours(lambda at: ops.jets(at, table, layout, channels)[:, :, 0], x, h)
    slopes = [(right - left) / (2 * h) for right, left in pairs]
    return torch.stack([middle, *slopes, laplacian(middle, pairs, h)], 2)


def axis_rows(device: torch.device, cells: tuple[int, ...], roof: Roof) -> list[Row]:
    """One step of conjugate gradients on a dense grid: the product with the Jacobian and with its transpose."""
    from hermite_pinn import problems
    from hermite_pinn.field.field import resolutions_of
    from hermite_pinn.methods.systems.grid_system import GridSystem

    dim = len(cells)
    count = cells[0].bit_length() - 2
    problem = problems.make(f"helmholtz{dim}d", a=10)
    resolutions = resolutions_of(count, cells[0] >> (count - 1), 2.0, dim)
    system = GridSystem(problem, "cubic", resolutions, device=device)
    rows = system.linearize(torch.zeros(system.size, dtype=torch.float64, device=device))
    vector = torch.randn(system.size, dtype=torch.float64, device=device)
    taken = median_seconds(lambda: system.adjoint(system.forward(vector.clone())), device, repeats=5)
    moved = 8 * 2 * (system.size + sum(r.numel() for r in rows))
    note = f"{'x'.join(map(str, resolutions[-1]))} cells, {system.size:,} unknowns, float64"
    details = {"share_of_copy_bandwidth": moved / taken / roof.bandwidth}
    return [Row(f"Gauss-Newton, {dim}D: J and its transpose", 1e3 * taken, "ms", note=note, details=details)]


def resource_rows(device: torch.device) -> Iterator[Row]:
    """Registers and local memory per thread of the usual kernels: on a GPU as loaded, else as NVRTC compiles them."""
    index = torch.cuda.current_device() if device.type == "cuda" and device.index is None else device.index or 0
    for spec in resources.standard():
        name = f"registers, {resources.label(spec)}"
        try:
            (usage,) = resources.loaded([spec], index) if device.type == "cuda" else resources.compiled([spec])
        except HermitePinnError as error:
            yield Row(name, None, note=str(error).splitlines()[0])
            continue
        how = "as loaded" if usage.spilled is None else f"compiled by NVRTC, {usage.spilled} bytes spilled"
        note = f"sm_{usage.architecture}, {how}, {usage.local} bytes of local memory, room for {usage.warps} warps"
        yield Row(name, float(usage.registers), "per thread", note=note, details=asdict(usage))
