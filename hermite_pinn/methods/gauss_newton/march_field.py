"""The field of a march: its states at equal distances in time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import GridField, linear_field
from hermite_pinn.geometry.quadrature import sobol_cube
from hermite_pinn.memory import available_memory

from .march_states import Course, Record, prolonged_in_space
from .record_slopes import with_slopes
from .stage import Discretization

__all__ = ["FEWEST", "begun_field", "change_between", "shown_field"]

FEWEST = 4  # cells in time
LEAST, DENSE = 64, 4  # of them at most, or by state of the march
FAST = 0.1  # error of a cell by the derivatives at its ends, above which differences of the states serve better
SHARE = 0.125  # of the free memory, for the field of a march
POINTS = 2**14
SLACK = 1e-9  # of the length of time: times closer than that are the same


def shown_field(grid: Discretization, course: Course, tol: float, fewest: int = FEWEST) -> tuple[GridField, float]:
    """The field with the least number of equal cells in time that loses no more than ``tol`` of the steps.

    Fewer cells are taken where the memory does not suffice.  What cells may lose is told by the steps within them;
    where that is too much, it is measured at the states, between which cubics or steps hold the solution.

    Parameters
    ----------
    grid, course
        The march.
    tol
        Relative to the sizes of the fields.
    fewest
        Cells to begin with; more than those of the march before let the change from it tell what they lose.

    Returns
    -------
    field, lost
        And what it loses, relative to the sizes of the fields.
    """
    domain, m = grid.problem.domain, BASES[grid.basis].coefficients
    assert domain.time_axis is not None
    length = domain.lengths[domain.time_axis]
    numbers = len(grid.problem.fields) * m * math.prod(m * (n + 1) for n in course.cells)
    free = available_memory(grid.device)
    most = float(max(LEAST, DENSE * len(course.records)))
    if free is not None:
        most = max(FEWEST, min(most, SHARE * free / (8.0 * numbers)))
    cells = max(FEWEST, fewest if fewest <= most else FEWEST)
    while True:
        lost, whole = _lost(course.records, length / cells, length, 2 * m), None
        if lost > tol:
            whole = _coefficients(grid, course, cells)
            lost = min(lost, _missed(grid, course, whole, cells))
        if lost <= tol or 2 * cells > most:
            return _made(grid, course, cells, _coefficients(grid, course, cells) if whole is None else whole), lost
        cells *= 2


def _missed(grid: Discretization, course: Course, whole: torch.Tensor, cells: int) -> float:
    """What a field misses of the states, in the mean square over space and time, relative to the fields' sizes."""
    domain, m, records = grid.problem.domain, BASES[grid.basis].coefficients, course.records
    axis = domain.time_axis
    assert axis is not None
    length = domain.lengths[axis]
    squares, sizes = (torch.zeros(len(whole), dtype=whole.dtype, device=whole.device) for _ in range(2))
    times = [r.time for r in records]
    vertices = (slice(None), *[slice(None, None, m)] * len(domain.space_axes))
    for k, record in enumerate(records):
        place = (record.time - domain.lower[axis]) / length * cells
        cell = min(max(0, math.floor(place)), cells - 1)
        local = torch.tensor(place - cell, dtype=torch.float64)
        weights = torch.stack([torch.as_tensor(w) for w in basis_values(grid.basis, local, 0)]).to(whole)
        own = whole.narrow(axis + 1, m * cell, 2 * m)
        found = torch.tensordot(own, weights, ([axis + 1], [0]))[vertices].flatten(1)
        state = prolonged_in_space(record.values[..., :1], grid, record.cells, course.cells)[..., 0][vertices].flatten(
            1
        )
        share = 0.5 * (times[min(k + 1, len(times) - 1)] - times[max(k - 1, 0)]) / length
        squares += share * (found - state).square().mean(1)
        sizes = torch.maximum(sizes, state.square().mean(1).sqrt())
    return float(torch.where(sizes > 0, squares.sqrt() / sizes, 0.0).max())


def _lost(records: Sequence[Record], cell: float, length: float, order: int) -> float:
    """The part of the errors of cells of a length that is beyond those of the steps."""
    squares = 0.0
    for a, b in itertools.pairwise(records):
        ratio = cell / (b.time - a.time)
        if ratio > 1.0 + SLACK:
            squares += (b.time - a.time) / length * min(1.0, b.error * ratio**order) ** 2
    return math.sqrt(squares)


def _made(grid: Discretization, course: Course, cells: int, whole: torch.Tensor) -> GridField:
    problem, axis = grid.problem, grid.problem.domain.time_axis
    assert axis is not None
    resolution = list(course.cells)
    resolution.insert(axis, cells)
    found = linear_field(problem.domain, problem.fields, problem.periodic, grid.basis, [tuple(resolution)], [whole])
    return grid.beside(found)


def _coefficients(grid: Discretization, course: Course, cells: int) -> torch.Tensor:
    """Those of the field, (fields, m N_1, ..., m (cells + 1), ...)."""
    m = BASES[grid.basis].coefficients
    domain, axis = grid.problem.domain, grid.problem.domain.time_axis
    assert axis is not None
    step = domain.lengths[axis] / cells
    records = course.records
    times = np.array([r.time for r in records])
    powers = [step**k for k in range(m)]
    whole: torch.Tensor | None = None
    for vertex in range(cells + 1):
        time = domain.lower[axis] + step * vertex
        own, values = _state(grid, records, times, time)
        state = prolonged_in_space(values, grid, own, course.cells)
        scaled = (state * torch.tensor(powers, dtype=state.dtype, device=state.device)).movedim(-1, axis + 1)
        if whole is None:
            shape = list(scaled.shape)
            shape[axis + 1] = m * (cells + 1)
            whole = scaled.new_empty(shape)
        whole.narrow(axis + 1, m * vertex, m).copy_(scaled)
    assert whole is not None
    for vertex in range(cells + 1):
        if _is_fast(records, times, domain.lower[axis] + step * vertex, step, 2 * m):
            _take_differences(whole, axis + 1, vertex, cells, m)
    return whole


def _is_fast(records: Sequence[Record], times: np.ndarray, time: float, cell: float, order: int) -> bool:
    """Whether the solution changes so fast at a time that its derivatives there say nothing of a whole cell."""
    if len(records) < 2:
        return False  # the march has not come to the end of its first step
    after = min(max(1, int(np.searchsorted(times, time))), len(times) - 1)
    for k in {after, min(after + 1, len(times) - 1)}:
        a, b = records[k - 1], records[k]
        ratio = cell / (b.time - a.time)
        if ratio > 1.0 + SLACK and b.error * ratio**order > FAST:
            return True
    return False


def _take_differences(whole: torch.Tensor, at: int, vertex: int, cells: int, m: int) -> None:
    """Replace the first derivative in time at a vertex by a difference of values, and the higher ones by zero."""
    low, high = max(0, vertex - 1), min(cells, vertex + 1)
    slope = (whole.select(at, m * high) - whole.select(at, m * low)) / (high - low)
    whole.select(at, m * vertex + 1).copy_(slope)
    for k in range(2, m):
        whole.select(at, m * vertex + k).zero_()


def _state(
    grid: Discretization, records: Sequence[Record], times: np.ndarray, time: float
) -> tuple[tuple[int, ...], torch.Tensor]:
    """Cells and values at a time, with derivatives in time."""
    slack = SLACK * (grid.problem.domain.lengths[grid.problem.domain.time_axis or 0] or 1.0)
    near = int(np.argmin(np.abs(times - time)))
    if abs(times[near] - time) <= slack:
        return records[near].cells, with_slopes(grid, records, near).values
    after = int(np.searchsorted(times, time))
    if after >= len(times):  # the march has not come so far
        values = with_slopes(grid, records, len(records) - 1).values.clone()
        values[..., 1:] = 0.0
        return records[-1].cells, values
    a, b = (with_slopes(grid, records, k) for k in (after - 1, after))
    m, h = a.values.shape[-1], b.time - a.time
    left = prolonged_in_space(a.values, grid, a.cells, b.cells)
    powers = torch.tensor([h**k for k in range(m)], dtype=left.dtype, device=left.device)
    both = torch.cat([left * powers, b.values * powers], -1)
    local = torch.tensor((time - a.time) / h, dtype=torch.float64)
    rows = [torch.stack([torch.as_tensor(w) for w in basis_values(grid.basis, local, k)]) for k in range(m)]
    return b.cells, both @ torch.stack(rows, 1).to(both) / powers


def change_between(before: GridField, after: GridField, lower: Sequence[float], upper: Sequence[float]) -> list[float]:
    """By field, the difference of two fields relative to the second, in the mean square at Sobol points of the box."""
    points = sobol_cube(len(lower), POINTS, 0).T.to(after.device)
    low, high = (torch.tensor(list(v), dtype=points.dtype, device=points.device)[:, None] for v in (lower, upper))
    x = (low + (high - low) * points).contiguous()
    channels = Channels.value(len(lower))
    first, second = (f.evaluate(x, channels)[:, 0] for f in (before, after))
    sizes = second.square().mean(1).sqrt()
    moved = (second - first).square().mean(1).sqrt()
    return [float(a / b) if b > 0 else (0.0 if a == 0 else math.inf) for a, b in zip(moved, sizes, strict=True)]


def begun_field(grid: Discretization, course: Course | None, tol: float, cells: int) -> tuple[GridField, float]:
    """The field of a march that did not come to its end, and the time that it reached.

    Parameters
    ----------
    course
        What there is of it; without a state the field is that of the prescribed values on so many cells.
    tol
        What cubics between states may miss.
    cells
        Along every axis.
    """
    axis = grid.problem.domain.time_axis
    assert axis is not None
    if course is not None and course.records:
        return shown_field(grid, course, tol)[0], course.records[-1].time
    resolution = (cells,) * grid.problem.domain.dim
    pyramid, system = grid.pyramid([resolution]), grid.system([resolution])
    vector = system.impose(torch.zeros(pyramid.size, dtype=grid.dtype, device=grid.device))
    return grid.beside(system.at(vector)), grid.problem.domain.lower[axis]
