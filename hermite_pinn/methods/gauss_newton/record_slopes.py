"""Higher derivatives in time of states that are known with their first derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hermite_pinn.cuda.encoder.basis import BASES

from .march_states import Record, prolonged_in_space
from .stage import Discretization

__all__ = ["slope_weights", "with_slopes"]


def slope_weights(times: Sequence[float], at: int, orders: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Weights of values and first derivatives at some times for higher derivatives at one of them.

    They are those of the polynomial that all of them determine.

    Parameters
    ----------
    times
        In ascending order.
    at
        Number of the time at which derivatives are wanted.
    orders
        Which.

    Returns
    -------
    values, slopes
        (orders, times) each.

    Examples
    --------
    >>> values, slopes = slope_weights([0.0, 1.0, 3.0], 1, [2])  # of t**5 at t = 1
    >>> round(float(values[0] @ [0, 1, 243] + slopes[0] @ [0, 5, 405]), 9)
    20.0
    """
    span = times[-1] - times[0]
    s = (np.asarray(times, dtype=float) - times[at]) / span
    n = len(s)
    powers = np.arange(2 * n)
    known = np.concatenate(
        [s[:, None] ** powers, np.where(powers > 0, powers * s[:, None] ** np.maximum(powers - 1, 0), 0.0)]
    )
    inverse = np.linalg.inv(known)
    rows = np.stack([math.factorial(k) * inverse[k] / span**k for k in orders])
    return rows[:, :n], rows[:, n:] * span


def with_slopes(grid: Discretization, records: Sequence[Record], at: int) -> Record:
    """A state with all derivatives in time, from the values and first derivatives of those beside it.

    Parameters
    ----------
    grid
        The problem and the basis.
    records
        In the order of time; cells only become smaller.
    at
        Number of the state, from the first one on.

    Returns
    -------
    Record
        The state itself, if it has them all.
    """
    m, record = BASES[grid.basis].coefficients, records[at]
    known = record.values.shape[-1]
    if known == m:
        return record
    first = max(0, min(at - 1, len(records) - 3))
    near = [i for i in range(first, min(first + 3, len(records))) if _holds(record, records[i])]
    orders = [o for o in range(known, m) if o < 2 * len(near)]
    values = record.values.new_zeros((*record.values.shape[:-1], m))
    values[..., :known] = record.values
    if len(near) > 1:
        of_values, of_slopes = slope_weights([records[i].time for i in near], near.index(at), orders)
        for n, i in enumerate(near):
            own = prolonged_in_space(records[i].values, grid, records[i].cells, record.cells)
            for row, order in enumerate(orders):
                values[..., order].add_(own[..., 0], alpha=float(of_values[row, n]))
                values[..., order].add_(own[..., 1], alpha=float(of_slopes[row, n]))
    return replace(record, values=values)


def _holds(record: Record, other: Record) -> bool:
    """Whether the cells of a state hold another one."""
    return all(a <= b for a, b in zip(other.cells, record.cells, strict=True))
