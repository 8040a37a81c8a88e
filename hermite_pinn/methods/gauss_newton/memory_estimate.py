"""How many bytes a stage will need, told before it begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.methods.systems.block_memory import BlockMemory
from hermite_pinn.methods.systems.grid_system import GridSystem

from .banded_cholesky import banded_cost, folded_axes

__all__ = ["stage_memory"]

REAL = 8.0  # bytes of a number
PIECE = 4e6  # numbers of rows that a banded matrix is summed up from at a time
GAPS = 1.1  # what the allocator takes for itself, as a factor


def stage_memory(
    few: GridSystem, resolutions: Sequence[tuple[int, ...]], slabs: int, *, mixed: bool = False, banded: bool = False
) -> float:
    """Estimate of the bytes of a stage: vectors of unknowns, rows, work space of the products, sensitivities.

    Parameters
    ----------
    few
        The same system on a few cells; it says how many numbers there are per cell and point.
    resolutions
        Levels of the stage.
    slabs
        Number of time slabs, each of which has coarser levels of its own.
    mixed
        Whether steps are taken in float32, by a second system.
    banded
        Whether a banded factor is made on the CPU.
    """
    axis = few.problem.domain.time_axis
    if slabs == 1 or axis is None:
        sizes = [_coefficients(few, r) for r in resolutions]
        return GAPS * REAL * sum(_system(few, resolutions[-1], sum(sizes), sizes[-1], mixed, banded))
    finest = resolutions[-1]
    part = tuple(math.ceil(n / slabs) if i == axis else n for i, n in enumerate(finest))
    own = _coefficients(few, part)
    ladder = own / (1 - 0.5 ** len(finest))
    kept, working = _system(few, part, ladder, own, mixed, banded)
    whole = 4 * _coefficients(few, finest)
    return GAPS * REAL * (whole + 2 * kept + working)  # the slab before lives on until its end is final


def _coefficients(few: GridSystem, resolution: Sequence[int]) -> float:
    per_axis = (a.coefficients(few.basis, n) for n, a in zip(resolution, few.axes, strict=True))
    return float(len(few.problem.fields) * math.prod(per_axis))


def _system(
    few: GridSystem, resolution: Sequence[int], size: float, finest: float, mixed: bool, banded: bool
) -> tuple[float, float]:
    """Numbers that a system keeps, and those that solving it takes at most besides.

    Parameters
    ----------
    size, finest
        Coefficients of all levels, and of the last.
    """
    total = reduce(BlockMemory.__add__, (b.memory(resolution) for b in few.blocks))
    columns = total.rows / max(1, len(few.interior.terms)) * len(few.parameter_names)
    again = 1 if few.affine else 2  # of a nonlinear iteration the old and the new state are there
    kept = total.kept + total.sensitivity + size / REAL + columns
    bases = 3 * size + 4 * finest if few.preconditioned else 0.0
    if again == 2:  # the best state, the last one, the step and the state at its end
        kept += 4 * size + 2 * finest + total.rows
    linearizing = 4 * size + 2 * finest + (2 * again) * total.rows + (again - 1) * total.sensitivity + total.linearizing
    multiplying = 8 * size + 2 * finest + bases + (2 + again) * total.rows + total.multiplying
    if mixed:
        multiplying += 0.5 * kept + 3 * size + total.rows
    if banded:
        multiplying += _banded(few, resolution)
    return kept, max(linearizing, multiplying)


def _banded(few: GridSystem, resolution: Sequence[int]) -> float:
    """Numbers of a banded factor: the normal matrix, its factor, and the rows of the cells that are added at a time."""
    m, dim = BASES[few.basis].coefficients, len(resolution)
    per_axis = (a.coefficients(few.basis, n) for n, a in zip(resolution, few.axes, strict=True))
    cost = banded_cost((len(few.problem.fields), *per_axis), folded_axes(few), few.basis)
    if cost is None:
        return 0.0
    columns = len(few.problem.fields) * (2 * m) ** dim
    rows = len(few.interior.terms) * (m + 1) ** dim
    cells = min(math.prod(resolution), PIECE / (rows * columns))
    return 2 * cost[1] / REAL + cells * columns * (4 * columns + 2 * rows)
