"""Layouts and points for kernel tests."""

import itertools
import math

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES, KERNEL_BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.vertices import VertexList

TABLES = ("dense", "hashed", "split", "indexed")

#: Bases and dimensions of which kernels with indexed levels are compiled: maps do not depend on the basis.
INDEXED = (("quintic", 1), ("cubic", 2), ("cubic", 3), ("linear", 4))


def layout(basis: str, dim: int, tables: str = "dense", features: int = 2, periodic: bool = True) -> GridLayout:
    """Three levels, another resolution per axis, a box away from the origin, axis 0 periodic.

    With ``"indexed"`` tables the finest level stores some of its vertices and the others are dense and hashed.
    """
    groups = dim * (KERNEL_BASES[basis].coefficients - 1) + 1
    split = tuple(2 ** (3 + g % 3) for g in range(groups))
    sizes = {"dense": None, "hashed": (16,), "split": split, "indexed": (16,), "indexed split": split}[tables]
    lower = (-1.0, 0.5, 0.0, 2.0)[:dim]
    upper = (1.5, 1.0, 3.0, 2.5)[:dim]
    resolutions = tuple(tuple(n + i % 2 for i in range(dim)) for n in (1, 3, 5))
    wraps = tuple(periodic and i == 0 for i in range(dim))
    grid = GridLayout(lower, upper, resolutions, basis, features, sizes, wraps)
    return grid.with_levels(resolutions, (None, None, some_vertices(grid, 2))) if "indexed" in tables else grid


def all_vertices(grid: GridLayout, level: int) -> np.ndarray:
    """All vertices of a level in row-major order, (count, dim)."""
    return np.stack(np.unravel_index(np.arange(math.prod(grid.vertices(level))), grid.vertices(level)), 1)


def some_vertices(grid: GridLayout, level: int, share: float = 0.6, seed: int = 0) -> VertexList:
    """A random part of the vertices of a level, its first and its last among them."""
    every = all_vertices(grid, level)
    chosen = np.random.default_rng(seed).random(len(every)) < share
    chosen[[0, -1]] = True
    return VertexList.of(every[chosen])


def combinations(dims=(1, 2, 3, 4)):
    """Basis, dimension and kind of tables; separate tables only where there are several orders of coefficients."""
    for basis, dim, tables in itertools.product(BASES, dims, TABLES):
        if tables == "split" and BASES[basis].coefficients == 1:
            continue
        if tables == "indexed" and (basis, dim) not in INDEXED:
            continue
        if (2 * BASES[basis].coefficients) ** dim > 256:
            continue  # hundreds of coefficients per cell: correct but slow to compile
        yield basis, dim, tables
    if 2 in dims:
        yield "cubic", 2, "indexed split"


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
