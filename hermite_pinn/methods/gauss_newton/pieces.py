"""What levels on axes with breaks have in each piece: cells to begin with, roughness, surplus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.tensor_grid.pieces import Pieces
from hermite_pinn.methods.systems.crossing_weights import crossing_error
from hermite_pinn.methods.systems.piece_weights import block_sizes
from hermite_pinn.methods.systems.smoothed_fluxes import flux_error
from hermite_pinn.problem.problem import Problem

from .refinement import roughness
from .surplus import AxisSurplus, surpluses

__all__ = ["crossing_level", "first_cells", "piecewise_roughness", "piecewise_surpluses"]

LARGEST = 1.25  # of the cells of a first level, relative to those of an axis without breaks


def first_cells(pieces: Pieces, base: int) -> int:
    """Cells of a first level that would have ``base`` without breaks.

    Examples
    --------
    >>> first_cells(Pieces((0.0, 0.37, 0.71, 1.0)), 4), first_cells(Pieces(tuple(range(9))), 4)
    (5, 8)
    """
    least = max(base, len(pieces.lengths))
    target = LARGEST * sum(pieces.lengths) / least

    def largest(total: int) -> float:
        return max(a / n for a, n in zip(pieces.lengths, pieces.cells(total), strict=True))

    return next((n for n in range(least, 2 * least) if largest(n) <= target), least)


def crossing_level(problem: Problem, resolution: Sequence[int]) -> float:
    """The larger of :func:`.crossing_error` and :func:`.flux_error`."""
    off_lines = flux_error(problem, resolution)
    if not problem.domain.breaks:
        return off_lines
    return max(off_lines, crossing_error(problem, resolution, lambda flux: block_sizes(problem, flux, resolution)))


def _parts(
    problem: Problem, basis: str, axis: int, resolution: Sequence[int], finest: torch.Tensor
) -> Iterator[tuple[float, torch.Tensor, tuple[bool, ...]]]:
    """By piece of an axis its share of the length, its coefficients, and which axes are periodic there."""
    pieces, m = problem.domain.pieces[axis], BASES[basis].coefficients
    if pieces is None:
        yield 1.0, finest, problem.periodic
        return
    wraps = tuple(p and i != axis for i, p in enumerate(problem.periodic))
    parts = pieces.parts(resolution[axis])
    for length, part in zip(pieces.lengths, parts, strict=True):
        own = finest.narrow(axis + 1, part.start * m, (part.stop - part.start) * m)
        yield length / sum(pieces.lengths), own, wraps


def piecewise_roughness(
    problem: Problem, basis: str, resolution: Sequence[int], finest: torch.Tensor
) -> list[float] | None:
    """By axis the largest :func:`.roughness` of its pieces; None where no axis has breaks."""
    if not problem.domain.breaks:
        return None
    return [
        max(
            math.sqrt(share) * roughness(own, basis, wraps)[axis]
            for share, own, wraps in _parts(problem, basis, axis, resolution, finest)
        )
        for axis in range(problem.domain.dim)
    ]


def piecewise_surpluses(
    problem: Problem, basis: str, resolution: Sequence[int], finest: torch.Tensor
) -> list[AxisSurplus] | None:
    """As :func:`.surpluses`, piece by piece; None where no axis has breaks."""
    if not problem.domain.breaks:
        return None
    found = []
    for axis in range(problem.domain.dim):
        parts = list(_parts(problem, basis, axis, resolution, finest))
        every = [(share, surpluses(own, basis, wraps)[axis]) for share, own, wraps in parts]
        details = [
            _together(members, [share for share, _ in every])
            for members in zip(*(own.details for _, own in every), strict=False)
        ]
        largest = tuple(max(values) for values in zip(*(own.largest for _, own in every), strict=True))
        smooth = _together([own.smooth for _, own in every], [share for share, _ in every])
        found.append(AxisSurplus(tuple(details), largest, smooth))
    return found


def _together(members: Sequence[Sequence[float]], shares: Sequence[float]) -> tuple[float, ...]:
    """By field, the root mean square of values on parts of the domain."""
    return tuple(
        math.sqrt(sum(s * v * v for s, v in zip(shares, values, strict=True))) for values in zip(*members, strict=True)
    )
