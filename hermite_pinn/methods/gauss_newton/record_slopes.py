"""Higher derivatives in time of states that are known with their first derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .stage import Discretization
from .stepping import Record, prolonged_in_space

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


def with_slopes(grid: Discretization, records: Sequence[Record]) -> list[Record]:
    """States with all derivatives in time, from the values and first derivatives of those beside them.

    Parameters
    ----------
    grid
        The problem and the basis.
    records
        In the order of time; cells only become smaller.
    """
    m = records[0].values.shape[-1]
    if m <= 2 or len(records) < 2:
        return list(records)
    found = []
    for k, record in enumerate(records):
        first = max(0, min(k - 1, len(records) - 3))
        near = [i for i in range(first, min(first + 3, len(records))) if _holds(record, records[i])]
        orders = [o for o in range(2, m) if o < 2 * len(near)]
        values = record.values.clone()
        if len(near) > 1:
            of_values, of_slopes = slope_weights([records[i].time for i in near], near.index(k), orders)
            for n, i in enumerate(near):
                own = prolonged_in_space(records[i].values[..., :2], grid, records[i].cells, record.cells)
                for row, order in enumerate(orders):
                    values[..., order].add_(own[..., 0], alpha=float(of_values[row, n]))
                    values[..., order].add_(own[..., 1], alpha=float(of_slopes[row, n]))
        found.append(Record(record.time, record.cells, values, record.error))
    return found


def _holds(record: Record, other: Record) -> bool:
    """Whether the cells of a state hold another one."""
    return all(a <= b for a, b in zip(other.cells, record.cells, strict=True))
