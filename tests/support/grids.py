"""Layouts and points for kernel tests."""

import itertools

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import BASES, GridLayout

TABLES = ("dense", "hashed", "split")


def layout(basis: str, dim: int, tables: str = "dense", features: int = 2, periodic: bool = True) -> GridLayout:
    """Three levels, another resolution per axis, a box away from the origin, axis 0 periodic."""
    groups = dim * (BASES[basis] - 1) + 1
    sizes = {"dense": None, "hashed": (16,), "split": tuple(2 ** (3 + g % 3) for g in range(groups))}[tables]
    lower = (-1.0, 0.5, 0.0, 2.0)[:dim]
    upper = (1.5, 1.0, 3.0, 2.5)[:dim]
    resolutions = tuple(tuple(n + i % 2 for i in range(dim)) for n in (1, 3, 5))
    wraps = tuple(periodic and i == 0 for i in range(dim))
    return GridLayout(lower, upper, resolutions, basis, features, sizes, wraps)


def combinations(dims=(1, 2, 3, 4)):
    """Basis, dimension and kind of tables; separate tables only where there are several orders of coefficients."""
    for basis, dim, tables in itertools.product(BASES, dims, TABLES):
        if tables == "split" and BASES[basis] == 1:
            continue
        if (2 * BASES[basis]) ** dim > 256:
            continue  # hundreds of coefficients per cell: correct but slow to compile
        yield basis, dim, tables


def points(grid: GridLayout, count: int = 37) -> torch.Tensor:
    """Random points, both ends of every axis, all corners of the box, and points on cell faces and vertices."""
    lower, lengths = torch.tensor(grid.lower), torch.tensor(grid.lengths)
    unit = torch.rand(grid.dim, count, dtype=torch.float64)
    corners = torch.tensor(list(itertools.product((0.0, 1.0), repeat=grid.dim)), dtype=torch.float64).T
    faces = torch.rand(grid.dim, 3, dtype=torch.float64)
    faces[0, :] = torch.tensor([1 / 3, 0.2, 0.6])
    unit = torch.cat([unit, corners, faces, torch.full((grid.dim, 1), 0.4, dtype=torch.float64)], 1)
    return lower[:, None].double() + lengths[:, None].double() * unit


def all_channels(dim: int) -> Channels:
    """Value, all first and second derivatives, and the Laplacian over all axes and over one."""
    return Channels.jet(dim, 2) + Channels.laplacian(dim) + Channels.laplacian(dim, [dim - 1])


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference relative to the largest entry."""
    return float((a - b).detach().abs().max() / b.detach().abs().max())
