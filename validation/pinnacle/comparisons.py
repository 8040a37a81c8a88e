"""How solutions are compared: one relative L2 error over all fields, points and times, as the benchmark does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation.geometry.case import Errors, fields_at, inside_points
from hermite_pinn.validation.references.pinnacle import read_table, relative_error, shared_file

__all__ = ["Exact", "Known", "against_table", "at_times", "deviation", "evolution_rows", "lattice"]

Array = np.ndarray
TABLE = "the benchmark's table"
_CHUNK = 200_000


def lattice(*axes: Array) -> Array:
    """All points (dim, n) of a tensor product.

    Examples
    --------
    >>> lattice(np.array([0.0, 1.0]), np.array([5.0])).shape
    (2, 2)
    """
    return np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")])


def at_times(points: Array, times: Array) -> Array:
    """Every point (dim, n) at every time (m,): (dim + 1, n m), the times of a point together.

    Examples
    --------
    >>> at_times(np.array([[1.0, 2.0]]), np.array([0.0, 0.5])).tolist()
    [[1.0, 1.0, 2.0, 2.0], [0.0, 0.5, 0.0, 0.5]]
    """
    return np.concatenate([np.repeat(points, len(times), 1), np.tile(times, points.shape[1])[None]])


def evolution_rows(name: str, last: float, dim: int) -> tuple[Array, Array, Array]:
    """A table of the benchmark whose columns are coordinates and then values at equidistant times from 0.

    Parameters
    ----------
    name
        Of the file.
    last
        The last time.
    dim
        Number of coordinates.

    Returns
    -------
    Points (dim, n), times (m,), values (n, m), float64.
    """
    rows = read_table(name)
    return rows[:, :dim].T.copy(), np.linspace(0.0, last, rows.shape[1] - dim), rows[:, dim:].copy()


def found_at(solution: hp.Solution, names: Sequence[str], points: Array) -> Array:
    """Values (fields, n) at points (dim, n), in parts that fit the memory."""
    parts = [points[:, k : k + _CHUNK] for k in range(0, points.shape[1], _CHUNK)]
    return np.concatenate([fields_at(solution, names, part) for part in parts], 1)


def deviation(solution: hp.Solution, names: Sequence[str], points: Array, values: Array) -> float:
    """The benchmark's error of some fields, against values (fields, n) at points (dim, n)."""
    return relative_error(found_at(solution, names, points), values)


@dataclass(frozen=True, eq=False)
class Exact:
    """Errors against the solution that the problem knows.

    Attributes
    ----------
    points
        Where, (dim, n); None for quasi-random points of the domain.
    name
        How the error is called.
    table
        Name, last time and number of coordinates of the benchmark's own table, where it has one; the error against it
        is told, too, if a copy is at hand.
    """

    points: Callable[[], Array] | None = None
    name: str = "error"
    table: tuple[str, float, int] | None = None

    def __call__(self, solution: hp.Solution) -> Errors:
        """Errors of a solution."""
        problem = solution.problem
        assert problem is not None
        points = inside_points(solution.domain) if self.points is None else self.points()
        names = [f for f in solution.fields if f in problem.exact]
        values = np.stack([np.broadcast_to(np.asarray(problem.exact[f](*points)), points.shape[1:]) for f in names])
        errors = {self.name: deviation(solution, names, points, values)}
        if len(names) > 1:
            found = found_at(solution, names, points)
            errors |= {f: relative_error(a, b) for f, a, b in zip(names, found, values, strict=True)}
        if self.table is not None:
            errors |= against_table(solution, names, *self.table)
        return errors


@dataclass(frozen=True, eq=False)
class Known:
    """Errors against values of another origin.

    Attributes
    ----------
    fields
        Which fields are compared.
    reference
        Points (dim, n), values (fields, n), and the relative L2 error of these values, as it was measured.
    free
        Fields that are known up to a constant; their means are taken away.
    """

    fields: tuple[str, ...]
    reference: Callable[[], tuple[Array, Array, float]]
    free: tuple[str, ...] = ()

    def __call__(self, solution: hp.Solution) -> Errors:
        """Errors of a solution."""
        points, values, accuracy = self.reference()
        found, values = found_at(solution, self.fields, points), values.copy()
        for k, name in enumerate(self.fields):
            if name in self.free:
                found[k] += values[k].mean() - found[k].mean()
        errors = {"error": relative_error(found, values)}
        if len(self.fields) > 1:
            errors |= {f: relative_error(a, b) for f, a, b in zip(self.fields, found, values, strict=True)}
        return errors | {"of the reference": accuracy}


def against_table(solution: hp.Solution, names: Sequence[str], name: str, last: float, dim: int) -> Errors:
    """The error against a table of the benchmark, if a copy is at hand."""
    try:
        shared_file("data", "pinnacle", name)
    except InvalidArgumentError:
        return {}
    points, times, values = evolution_rows(name, last, dim)
    return {TABLE: deviation(solution, names, at_times(points, times), values.reshape(1, -1))}
