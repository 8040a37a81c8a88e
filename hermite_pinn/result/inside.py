"""Which points lie in a domain that shapes cut, and the error for those that do not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from hermite_pinn.checks import spelled
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain, Span
from hermite_pinn.geometry.cells import FULL, TOUCHED
from hermite_pinn.memory import check_fits

__all__ = ["SLACK", "check_cut", "cut_level", "inside_grid", "inside_points"]

SLACK = 1e-9  # relative to the edge lengths: points on the boundary are inside in spite of rounding
PIECE = 1 << 17  # points asked for at a time
COARSE = {1: 257, 2: 61, 3: 31}  # cells per space axis that tell most points of a grid apart


def _wrapped(domain: Domain, periodic: Sequence[bool], x: torch.Tensor) -> torch.Tensor:
    """Points (dim, n) with periodic coordinates moved into the bounding box."""
    if not any(periodic):
        return x
    moved = x.clone()
    for i, wraps in enumerate(periodic):
        if wraps:
            moved[i] = domain.lower[i] + torch.remainder(x[i] - domain.lower[i], domain.lengths[i])
    return moved


def inside_points(domain: Domain, x: torch.Tensor, periodic: Sequence[bool] = (), slack: float = SLACK) -> torch.Tensor:
    """Which of the points (dim, n) lie in the closed domain, (n,), on the CPU; periodic axes have no outside."""
    points = _wrapped(domain, periodic, x.detach().to("cpu", torch.float64))
    parts = [domain.contains(p.contiguous(), slack) for p in points.split(PIECE, dim=1)]
    found = torch.cat(parts) if parts else torch.ones(0, dtype=torch.bool)
    return found & torch.isfinite(points).all(0)


def check_cut(domain: Domain, x: torch.Tensor, periodic: Sequence[bool] = (), slack: float = SLACK) -> None:
    """Refuse points (dim, n) that shapes take away from the bounding box; of a whole box nothing is asked.

    Raises
    ------
    InvalidArgumentError
        If some lie outside; the message tells how many, the first, and what to do.
    """
    if not domain.is_cut or not x.shape[1] or math.isinf(slack):
        return
    outside = ~inside_points(domain, x, periodic, slack)
    count = int(outside.sum())
    if not count:
        return
    first = x[:, int(outside.nonzero()[0])].tolist()
    where = ", ".join(f"{name} = {value:g}" for name, value in zip(domain.names, first, strict=True))
    which = f"the point {where} lies" if x.shape[1] == 1 else f"{count:,} of {x.shape[1]:,} points lie"
    told = "" if x.shape[1] == 1 else f", the first at {where}"
    raise InvalidArgumentError(
        f"{which} outside the domain {spelled(domain)}{told}; keep those inside: solution.inside(points) tells which they are"
    )


def inside_grid(domain: Domain, axes: Sequence[np.ndarray]) -> np.ndarray:
    """Which points of the tensor product of axes lie in the domain, (n_1, ..., n_d); the axes are inside the box.

    Only points in cells that the boundary touches are looked at one by one.
    """
    shape = tuple(len(a) for a in axes)
    if not domain.is_cut:
        return np.ones(shape, dtype=bool)
    check_fits(8.0 * (domain.dim + 2) * math.prod(shape), f"a grid of {math.prod(shape):,} points", "take fewer points")
    space = domain.space_axes
    spaced = [np.asarray(axes[i], dtype=np.float64) for i in space]
    counts = [1 if i not in space else COARSE.get(len(space), 16) for i in range(domain.dim)]
    cells = domain.cells(counts) if math.prod(map(len, spaced)) > 2 * math.prod(counts) else None
    if cells is None:
        sure = np.zeros([len(a) for a in spaced], dtype=bool)
        unsure = ~sure
    else:
        places = [
            _cell_of(a, domain.lower[i], domain.lengths[i], counts[i]) for a, i in zip(spaced, space, strict=True)
        ]
        kinds = cells.kinds[np.ix_(*(number for number, _ in places))]
        sure, unsure = kinds == FULL, kinds == TOUCHED
        for k, (_, between) in enumerate(places):  # neighbours of a face of cells may differ
            unsure |= between.reshape([-1 if j == k else 1 for j in range(len(space))])
    if unsure.any():
        at = np.argwhere(unsure)
        x = torch.tensor(domain.lower, dtype=torch.float64)[:, None].repeat(1, len(at))
        for i, a, row in zip(space, spaced, at.T, strict=True):
            x[i] = torch.as_tensor(a[row])
        sure[unsure] = inside_points(domain, x).numpy()
    whole = sure.reshape([shape[i] if i in space else 1 for i in range(domain.dim)])
    return np.broadcast_to(whole, shape)


def _cell_of(positions: np.ndarray, lower: float, length: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the cells in which positions lie, and which of them lie between two."""
    scaled = (positions - lower) * (count / length)
    number = np.clip(np.floor(scaled).astype(np.int64), 0, count - 1)
    return number, np.abs(scaled - np.round(scaled)) < 1e-6


def cut_level(domain: Domain) -> Callable[[np.ndarray], np.ndarray]:
    """Distances to what cuts a domain as a function of its space coordinates alone, (space axes, n) to (n,)."""
    span = Span.of(domain)

    def level(x: np.ndarray) -> np.ndarray:
        found = np.empty(x.shape[1])
        for start in range(0, x.shape[1], PIECE):
            part = span.joined(x[:, start : start + PIECE], span.start)
            found[start : start + PIECE] = domain.cut_distance(part).numpy()
        return found

    return level
