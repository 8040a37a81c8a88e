"""The field of a march along one axis of space, on as few equal cells in time as hold its states."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.field.field import GridField, linear_field
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .march_states import Course, Record, prolonged_in_space
from .stage import Discretization

__all__ = ["line_field"]

FEWEST, MOST = 4, 4096  # cells in time
BETWEEN = (0.0, 0.3, 0.7)  # parts of a step where the field is compared with the march
SHARE = 0.25  # of the free memory
FAINT = 1e-14  # of the size of a field, which rounding loses


def line_field(grid: Discretization, course: Course, tol: float) -> tuple[GridField, float]:
    """The field with so few equal cells in time that it loses no more than ``tol`` of the march.

    What it loses is measured: at every state, and between them by the polynomials that these determine with their
    derivatives in time.

    Parameters
    ----------
    grid, course
        The march, which came to its end.
    tol
        Relative to the sizes of the fields, in the mean square over space and time.

    Returns
    -------
    field, lost
        And what it loses.

    Raises
    ------
    StopRun
        If more cells would be needed than there is memory for.
    """
    problem, m, records = grid.problem, BASES[grid.basis].coefficients, course.records
    domain, axis = problem.domain, problem.domain.time_axis
    assert axis is not None
    lower, length = domain.lower[axis], domain.lengths[axis]
    times = np.array([r.time for r in records])
    states = np.stack([_on_last_cells(r, grid, course) for r in records])  # (records, fields, m N, m)
    between = np.concatenate([times[:-1] + s * np.diff(times) for s in BETWEEN])
    weights = np.tile(np.diff(times), len(BETWEEN)) / (length * len(BETWEEN))
    values = states[:, :, ::m]
    truth = _interpolated(grid.basis, times, values, between, 1)[..., 0]
    sizes = np.sqrt(np.einsum("t,tfv->f", weights, truth**2) / truth.shape[2])
    sizes = np.maximum(sizes, grid.known_sizes().numpy())
    free = available_memory(grid.device)
    most = MOST if free is None else min(MOST, int(SHARE * free / (8.0 * m * states[0, ..., 0].size)))
    cells = FEWEST
    while True:
        vertices = lower + length / cells * np.arange(cells + 1)
        vertices[-1] = times[-1]
        coarse = _interpolated(grid.basis, times, values, vertices, m)
        found = _interpolated(grid.basis, vertices, coarse, between, 1)[..., 0]
        missed = np.sqrt(np.einsum("t,tfv->f", weights, (found - truth) ** 2) / truth.shape[2])
        lost = float(np.max(np.where(sizes > 0, missed / np.where(sizes > 0, sizes, 1.0), 0.0)))
        if lost <= max(tol, FAINT):
            break
        if 2 * cells > most:
            raise StopRun(
                Status.MAX_SIZE,
                f"{2 * cells:,} cells in time would be needed, which is more than is taken or than {spelled_size(free or 0.0)} hold",
            )
        cells *= 2
    whole = _interpolated(grid.basis, times, states, vertices, m) * (length / cells) ** np.arange(m)
    coefficients = (
        torch.as_tensor(whole).permute(1, 2, 0, 3) if axis > 0 else torch.as_tensor(whole).permute(1, 0, 3, 2)
    )
    shape = (len(problem.fields), states.shape[2], m * (cells + 1))
    coefficients = coefficients.reshape(shape if axis > 0 else (shape[0], shape[2], shape[1]))
    resolution = list(course.cells)
    resolution.insert(axis, cells)
    made = linear_field(
        domain, problem.fields, problem.periodic, grid.basis, [tuple(resolution)], [coefficients.contiguous()]
    )
    return grid.beside(made), lost


def _on_last_cells(record: Record, grid: Discretization, course: Course) -> np.ndarray:
    return prolonged_in_space(record.values, grid, record.cells, course.cells).numpy()


def _interpolated(
    basis: str, times: np.ndarray, values: np.ndarray, wanted: Sequence[float] | np.ndarray, orders: int
) -> np.ndarray:
    """Values and derivatives (wanted, ..., orders) of the piecewise polynomial with values (times, ..., m)."""
    at, m = np.asarray(wanted), values.shape[-1]
    right = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    h = times[right] - times[right - 1]
    local = (at - times[right - 1]) / h
    powers = np.arange(m)
    out = np.zeros((*values.shape[:-1], orders))[:1].repeat(len(at), 0)
    for order in range(orders):
        rows = [np.broadcast_to(w, local.shape) for w in basis_values(basis, local, order)]
        for end in (0, 1):
            own = np.stack(rows[end * m : (end + 1) * m], -1) * h[:, None] ** (powers - order)
            ends = values[right - 1 + end].reshape(len(at), -1, m)
            out[..., order] += (ends @ own[:, :, None]).reshape(out.shape[:-1])
    return out
