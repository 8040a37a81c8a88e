"""Samples of a solution: values, gradients, known solutions and residuals by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.spatial import cKDTree

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.geometry import Domain

from .exportable import Exportable
from .inside import inside_grid

__all__ = ["at_instant", "channels_of", "finite", "named", "pictured", "sample", "sample_points", "three", "whole_axes"]


def sample(
    solution: Exportable,
    axes: Sequence[np.ndarray],
    *,
    gradient: bool = False,
    exact: bool = False,
    residual: bool = False,
) -> dict[str, np.ndarray]:
    """Fields on the tensor product of ``axes``, by name: (n_1, ..., n_d), gradients with the space axes last.

    Where shapes cut the domain, all are NaN outside, and ``inside`` is 1 inside, else 0.

    Parameters
    ----------
    gradient
        Add ``u_grad``, the first derivatives along the space axes, and ``u_t``, that along time.
    exact
        Add ``u_exact`` and ``u_error`` where the problem knows the solution.
    residual
        Add ``residual NAME`` for every equation where the problem is known.
    """
    domain, shape = solution.domain, tuple(len(a) for a in axes)
    if domain.is_cut:
        inside = inside_grid(domain, axes)
        mesh = np.stack([a[k] for a, k in zip(axes, inside.nonzero(), strict=True)], 1)
        found = sample_points(solution, mesh, gradient=gradient, exact=exact, residual=residual)
        return {name: _spread(v, inside) for name, v in found.items()} | {"inside": inside.astype(np.uint8)}
    samples = named(solution, solution.on_grid(axes, channels_of(solution, gradient)), gradient)
    if exact:
        spread = [a.reshape([-1 if i == j else 1 for j in range(domain.dim)]) for i, a in enumerate(axes)]
        for name, truth in solution.exact_values(spread).items():
            samples[f"{name}_exact"] = truth.copy()
            samples[f"{name}_error"] = samples[name] - truth
    if residual and solution.has_equations:
        mesh = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], 1)
        samples |= {f"residual {k}": v.reshape(shape) for k, v in solution.residual(mesh).items()}
    return samples


def sample_points(
    solution: Exportable, points: np.ndarray, *, gradient: bool = False, exact: bool = False, residual: bool = False
) -> dict[str, np.ndarray]:
    """The same at points (n, dim) of a domain that shapes cut, which are known to lie inside up to rounding."""
    samples = named(solution, solution.at_points(points, channels_of(solution, gradient), slack=math.inf), gradient)
    if exact:
        for name, truth in solution.exact_values(list(points.T)).items():
            samples[f"{name}_exact"] = truth.copy()
            samples[f"{name}_error"] = samples[name] - truth
    if residual and solution.has_equations:
        samples |= {f"residual {k}": v for k, v in solution.residual(points, slack=math.inf).items()}
    return samples


def _spread(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Values of the points inside on a grid, NaN at the others."""
    spread = np.full((*inside.shape, *values.shape[1:]), np.nan)
    spread[inside] = values
    return spread


def channels_of(solution: Exportable, gradient: bool) -> Channels:
    """The value, the first derivatives along the space axes, and that along time, which is all that an ODE has."""
    domain, dim, value = solution.domain, solution.domain.dim, Channels.value(solution.domain.dim)
    along = [*domain.space_axes, *([] if domain.time_axis is None else [domain.time_axis])]
    slopes = [tuple(int(i == j) for j in range(dim)) for i in along]
    return value + Channels.of(dim, slopes) if gradient else value


def named(solution: Exportable, values: np.ndarray, gradient: bool) -> dict[str, np.ndarray]:
    """Arrays by name from :func:`channels_of` (fields, channels, ...), components last.

    A function of time alone has its derivative as ``u_grad``, too.
    """
    samples: dict[str, np.ndarray] = {}
    space, fields = len(solution.domain.space_axes), solution.fields
    for name, v in zip(fields, values, strict=True):
        samples[name] = v[0]
        if gradient:
            samples[f"{name}_grad"] = np.moveaxis(v[1 : 1 + (space or 1)], 0, -1)
            if len(v) > 1 + space > 1 and f"{name}_t" not in fields:
                samples[f"{name}_t"] = v[-1]
    return samples


def three(values: np.ndarray, places: Sequence[int] | None = None) -> np.ndarray:
    """Vectors with the three components VTK expects, zero where they have none.

    Parameters
    ----------
    values
        (..., components).
    places
        Which of the three each component is; default: the first ones.
    """
    padded = np.zeros((*values.shape[:-1], 3))
    padded[..., list(range(values.shape[-1]) if places is None else places)] = values
    return padded


def whole_axes(domain: Domain) -> Sequence[int]:
    """Which components gradients are in a file whose coordinates are all axes of a domain."""
    return domain.space_axes or (0,)


def finite(data: dict[str, np.ndarray], points: np.ndarray) -> dict[str, np.ndarray]:
    """Arrays of points (n, dim) with the nearest finite values where theirs are infinite or NaN, as at corners."""
    filled = {}
    for name, values in data.items():
        good = np.isfinite(values.reshape(len(values), -1)).all(1)
        if good.any() and not good.all():
            values = values.copy()
            values[~good] = values[good][cKDTree(points[good]).query(points[~good])[1]]
        filled[name] = values
    return filled


def pictured(fields: Sequence[str], data: Iterable[str]) -> list[list[tuple[str, str]]]:
    """What is drawn, a row per field: title and name of its values, errors and residuals, as far as there are any.

    With several fields each has one of the residuals beside it.

    Examples
    --------
    >>> pictured(["u"], ["u", "u_exact", "u_error", "residual pde"])
    [[('u', 'u'), ('error of u', 'u_error'), ('residual pde', 'residual pde')]]
    """
    known = list(data)
    residuals = [k for k in known if k.startswith("residual ")]
    rows = []
    for k, f in enumerate(fields):
        row = [(f, f)] + ([(f"error of {f}", f"{f}_error")] if f"{f}_error" in known else [])
        rows.append(row + [(r, r) for r in (residuals if len(fields) == 1 else residuals[k : k + 1])])
    return rows


def at_instant(domain: Domain, points: np.ndarray, instant: float | None) -> np.ndarray:
    """Points (n, space axes) with the coordinate of time, if there is one: an instant, by default the last."""
    whole = np.empty((len(points), domain.dim))
    whole[:, list(domain.space_axes)] = points
    if domain.time_axis is not None:
        whole[:, domain.time_axis] = domain.upper[domain.time_axis] if instant is None else instant
    return whole
