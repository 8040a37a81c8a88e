"""Solutions as the data structures of other libraries: ``xarray.Dataset`` and ``pandas.DataFrame``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hermite_pinn.checks import either, instance, real_array
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.libraries import optional

from .facts import attributes
from .inside import inside_grid
from .quantities import quantities, values_at, values_on
from .sizes import WRITTEN, check_grid, intervals

__all__ = ["grid_positions", "to_pandas", "to_xarray"]

INTERVALS = {1: 200, 2: 100, 3: 40, 4: 16}  # per axis, by the number of axes


def to_xarray(solution: Any, fields: Any, axes: Any, resolution: float | None) -> Any:
    """See :meth:`hermite_pinn.Solution.to_xarray`."""
    xarray = optional("xarray", "xarray", "to_xarray")
    chosen = quantities(solution, fields)
    positions, flat = grid_positions(solution, axes, resolution, 2 * len(chosen))
    names = solution.domain.names
    values = values_on(solution, chosen, positions)
    coordinates = {name: a[0] if name in flat else (name, a) for name, a in zip(names, positions, strict=True)}
    free = [name for name in names if name not in flat]
    across = tuple(names.index(name) for name in flat)
    data = {name: (free, np.squeeze(v, axis=across)) for name, v in values.items()}
    return xarray.Dataset(data, coordinates, attributes(solution))


def to_pandas(solution: Any, fields: Any, points: Any, axes: Any, resolution: float | None) -> Any:
    """See :meth:`hermite_pinn.Solution.to_pandas`."""
    pandas = optional("pandas", "pandas", "to_pandas")
    chosen, domain = quantities(solution, fields), solution.domain
    if points is not None:
        if axes is not None or resolution is not None:
            raise InvalidArgumentError(
                "to_pandas takes points, or a grid by axes and resolution; leave one of them out"
            )
        shape = f"an array of shape (n, {domain.dim}), the coordinates {', '.join(domain.names)} in this order"
        given = real_array("points", points, shape=shape, columns=domain.dim)
        values = values_at(solution, chosen, given)
        frame = pandas.DataFrame(dict(zip(domain.names, given.T, strict=True)) | values)
    else:
        positions, _ = grid_positions(solution, axes, resolution, domain.dim + 2 * len(chosen))
        on_grid = values_on(solution, chosen, positions)
        inside = inside_grid(domain, positions)
        columns = {
            n: np.broadcast_to(a, inside.shape)[inside] for n, a in zip(domain.names, np.ix_(*positions), strict=True)
        }
        frame = pandas.DataFrame(columns | {name: v[inside] for name, v in on_grid.items()})
    frame.attrs |= attributes(solution)
    return frame


def grid_positions(
    solution: Any, axes: Any, resolution: float | None, numbers: int
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Positions along all axes, and the names of those along which there is one that was given as a number.

    Raises
    ------
    InvalidArgumentError
        For axes that do not exist and positions that are no numbers.
    OutOfMemoryError
        If so many ``numbers`` per point do not fit.
    """
    domain = solution.domain
    count = either(intervals, None)("resolution", resolution) or INTERVALS[domain.dim]
    given = {} if axes is None else instance("axes", axes, Mapping, "positions by axis such as {'x': [0.0, 0.5]}")
    for name in given:
        if name not in domain.names:
            raise InvalidArgumentError(f"axes names {name!r}, which is no axis; the axes are {', '.join(domain.names)}")
    known = {name: _along(name, value) for name, value in given.items()}
    check_grid([known[n].size if n in known else count + 1 for n in domain.names], numbers, times=WRITTEN)
    positions = [
        np.atleast_1d(known[name]) if name in known else np.linspace(lower, upper, count + 1)
        for name, (lower, upper) in domain.bounds.items()
    ]
    return positions, tuple(name for name in domain.names if name in known and known[name].ndim == 0)


def _along(name: str, value: Any) -> np.ndarray:
    """Positions along an axis, or one."""
    array = real_array(f"the positions along {name}", value, shape="a number or an array of shape (n,)")
    if array.ndim > 1 or not array.size:
        raise InvalidArgumentError(
            f"the positions along {name} are a number or an array of shape (n,) with n > 0, got {array.shape}"
        )
    return array.astype(np.float64)
