"""What a page shows of a solution: samples of fields, derivatives, errors and residuals, in 16 bits."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy.ndimage import binary_dilation, distance_transform_edt

from hermite_pinn.checks import either
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.complex_values import PARTS

from .complex_function import complex_names
from .derivatives import derivative_names
from .quantities import Quantity, quantities
from .sizes import DRAWN, check_grid, intervals

__all__ = ["coded", "known_history", "viewer_axes", "viewer_samples"]

POINTS = {1: 1001, 2: 181, 3: 61, 4: 25}  # per axis, by the number of axes
BUDGET = 1_500_000  # numbers on a page, two bytes each
MOST = 40  # quantities
LEVELS = 65534  # of a number in 16 bits; one more stands for none
BEYOND = 0.5  # of the range of a field by which it may leave that outside of its domain


def shown_names(solution: Any) -> list[str]:
    """Fields with their first derivatives and Laplacian, those of second order too where there is room."""
    axes, fields = solution.domain.names, solution.fields
    first = list(derivative_names(solution.field, axes, 1))
    second = [n for n in derivative_names(solution.field, axes, 2) if n not in first]
    space = [axes[i] for i in solution.domain.space_axes]
    laplacian = ["laplacian"] if len(space) > 1 and all(a * 2 in second for a in space) else []
    for attributes in (first + second + laplacian, first + laplacian, first, []):
        names = [n for f in fields for n in (f, *(f"{f}.{a}" for a in attributes))]
        if len(names) <= (12 if len(axes) > 2 else MOST):
            return names
    return list(fields)[:MOST]


def viewer_axes(solution: Any, count: int, resolution: float | None) -> list[np.ndarray]:
    """Positions along the axes of a page that shows ``count`` quantities.

    Parameters
    ----------
    resolution
        Intervals per axis; None: as many as keep the page small.
    """
    domain = solution.domain
    given = either(intervals, None)("resolution", resolution)
    points = POINTS[domain.dim] if given is None else given + 1
    if given is None:
        points = max(5, int(points * min(1.0, (BUDGET / (count * points**domain.dim)) ** (1.0 / domain.dim))))
    check_grid([points] * domain.dim, count, times=DRAWN)
    axes = [np.linspace(a, b, points) for a, b in zip(domain.lower, domain.upper, strict=True)]
    graded = solution.field.encoder.knots
    if given is None and any(graded):
        own = solution.vertex_axes(points - 1)
        axes = [o if knots else a for a, o, knots in zip(axes, own, graded, strict=True)]
    return axes


def viewer_samples(
    solution: Any, fields: Any, resolution: float | None, share: int = 1
) -> tuple[list[np.ndarray], dict[str, np.ndarray], np.ndarray | None]:
    """Positions along the axes, samples by name (n_1, ..., n_d), and the level that cuts the domain (space axes only).

    The page holds ``share`` solutions of this size.

    Where shapes cut the domain, samples go on for an interval beyond its boundary and are NaN elsewhere, and the level
    is negative inside.
    """
    chosen = quantities(solution, shown_names(solution) if fields is None else fields)
    extra = (len(solution.fields) if _knows(solution) else 0) + (
        len(solution.problem.residuals) if solution.has_equations else 0
    )
    axes = viewer_axes(solution, share * (len(chosen) + extra), resolution)
    domain = solution.domain
    shape = tuple(len(a) for a in axes)
    points = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], 1)
    level = None
    wanted = np.ones(shape, dtype=bool)
    inside = wanted
    if domain.is_cut:
        whole = domain.cut_distance(torch.as_tensor(np.ascontiguousarray(points.T))).numpy().reshape(shape)
        inside = whole <= 0.0
        around = np.ones([3 if i in domain.space_axes else 1 for i in range(domain.dim)], dtype=bool)
        wanted = binary_dilation(inside, around)
        level = whole.take(0, domain.time_axis) if domain.time_axis is not None else whole
    found = _sampled(solution, chosen, points[wanted.ravel()])
    samples = {}
    for name, values in found.items():
        spread = np.full(shape, np.nan)
        spread[wanted] = values
        samples[name] = spread if level is None else _within_reason(spread, inside, wanted)
    return axes, samples, level


def _knows(solution: Any) -> bool:
    return solution.problem is not None and bool(solution.problem.exact)


def _sampled(solution: Any, chosen: Sequence[Quantity], points: np.ndarray) -> dict[str, np.ndarray]:
    """Quantities, errors and residuals at points, by name; complex ones as parts, modulus and phase."""
    channels = Channels(solution.domain.dim, tuple(dict.fromkeys(q.channel for q in chosen)))
    values = solution.at_points(points, channels, slack=math.inf)
    found: dict[str, np.ndarray] = {}
    for q in chosen:
        v = q.of(values, channels.channels.index(q.channel))
        found |= {q.name: v} if v.dtype.kind == "f" else _parts(q.name, v)
    for name in complex_names(solution.fields):
        real, imag = (found.get(f"{name}_{part}") for part in PARTS)
        if real is not None and imag is not None:
            found |= {f"|{name}|": np.hypot(real, imag), f"arg {name}": np.arctan2(imag, real)}
    if _knows(solution):
        value = solution.at_points(points, slack=math.inf)[:, 0]
        for name, truth in solution.exact_values(list(points.T)).items():
            found[f"error of {name}"] = value[solution.fields.index(name)] - truth
    if solution.has_equations:
        found |= {f"residual {k}": v for k, v in solution.residual(points, slack=math.inf).items()}
    return found


def _parts(name: str, v: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{name} real": v.real, f"{name} imag": v.imag, f"|{name}|": np.abs(v), f"arg {name}": np.angle(v)}


def _within_reason(values: np.ndarray, inside: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Values whose continuation beyond the boundary is the nearest one inside where it goes astray."""
    known = inside & np.isfinite(values)
    if not known.any():
        return values
    low, high = float(values[known].min()), float(values[known].max())
    room = BEYOND * (high - low)
    astray = wanted & ~known & ~((values >= low - room) & (values <= high + room))
    if astray.any():
        nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
        values = values.copy()
        values[astray] = values[tuple(index[astray] for index in nearest)]
    return values


def coded(values: np.ndarray, inside: np.ndarray | None = None) -> dict[str, Any]:
    """Numbers in 16 bits between their extremes, as text; ``low`` and ``high`` are those inside alone.

    Examples
    --------
    >>> coded(np.array([0.0, 1.0]))["low"], coded(np.array([0.0, np.nan, 2.0]))["high"]
    (0.0, 2.0)
    """
    known = np.isfinite(values)
    if not known.any():
        return {"low": 0.0, "high": 0.0, "first": 0.0, "step": 0.0, "data": _text(np.full(values.shape, LEVELS + 1))}
    first, last = float(values[known].min()), float(values[known].max())
    step = (last - first) / LEVELS or 1.0
    numbers = np.full(values.shape, LEVELS + 1, dtype=np.uint16)
    numbers[known] = np.round((values[known] - first) / step).astype(np.uint16)
    shown = known if inside is None or not (known & inside).any() else known & inside
    return {
        "low": float(values[shown].min()), "high": float(values[shown].max()), "first": first, "step": step,
        "data": _text(numbers),
    }  # fmt: skip


def _text(numbers: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers, dtype="<u2").tobytes()).decode()


def known_history(columns: Mapping[str, np.ndarray]) -> dict[str, list[float | None]]:
    """Columns as lists, None in the place of what is not finite."""
    return {k: [float(x) if math.isfinite(x) else None for x in v.tolist()] for k, v in columns.items()}
