"""Functions whose zero set bounds a shape: how they are called, their gradients, and their values on a grid."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from hermite_pinn.checks import spelled
from hermite_pinn.errors import HermitePinnError, InvalidProblemError

__all__ = ["Level", "Table", "axes_of"]

NAMES = ("x", "y", "z")
STEP = 1e-6  # of the size, for differences
NEWTON = 8
BATCH = 1 << 20  # points at once


@dataclass(frozen=True, eq=False)
class Level:
    """A function of coordinates on points (dim, n).

    Attributes
    ----------
    function
        Of as many arrays as there are axes, in the order ``order``.
    order
        Which axis each argument is.
    size
        Of the shape, for steps.
    """

    function: Callable[..., Any]
    order: tuple[int, ...]
    size: float = 1.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Values (n,), NaN where there are none.

        Raises
        ------
        InvalidProblemError
            If the function cannot be evaluated on arrays, or gives something else than a real number per point.
        """
        values = np.empty(x.shape[1])
        for start in range(0, values.size, BATCH):
            part = x[:, start : start + BATCH]
            values[start : start + BATCH] = self._evaluated(part)
        return values

    def _evaluated(self, x: np.ndarray) -> np.ndarray:
        try:
            with np.errstate(all="ignore"):
                found = np.asarray(self.function(*(x[i].copy() for i in self.order)))
        except HermitePinnError:
            raise
        except Exception as error:  # whatever a foreign function raises
            raise InvalidProblemError(
                f"the function of an implicit shape cannot be evaluated on arrays of coordinates: {type(error).__name__}: {error}; "
                "use hp.sin, hp.where and the like, or those of NumPy"
            ) from error
        if found.dtype.kind not in "biuf" or found.shape not in ((), (1,), (x.shape[1],)):
            raise InvalidProblemError(
                f"the function of an implicit shape must give one real number per point, got {spelled(found)} of type "
                f"{found.dtype} for {x.shape[1]} points"
            )
        return np.broadcast_to(found.astype(np.float64), (x.shape[1],))

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Derivatives (dim, n), by central differences over a way so short that corners nearby do not matter."""
        step = STEP * self.size
        rows = []
        for axis in range(len(x)):
            offset = np.zeros((len(x), 1))
            offset[axis] = step
            rows.append((self(x + offset) - self(x - offset)) / (2 * step))
        return np.stack(rows)

    def normals(self, x: np.ndarray) -> np.ndarray:
        """Unit gradients (dim, n); zero where there are none."""
        slope = self.gradient(x)
        length = np.linalg.norm(slope, axis=0)
        good = np.isfinite(length) & (length > 0)
        return np.where(good, slope / np.where(good, length, 1.0), 0.0)

    def projected(self, x: np.ndarray, reach: float, steps: int = NEWTON) -> np.ndarray:
        """Points (dim, n) of the zero set near others, by Newton steps along the gradient no longer than ``reach``."""
        x = x.copy()
        active = np.arange(x.shape[1])
        for _ in range(steps):
            value, slope = self(x[:, active]), self.gradient(x[:, active])
            square = (slope**2).sum(0)
            good = np.isfinite(value) & np.isfinite(square) & (square > 0)
            step = np.where(good, value / np.where(good, square, 1.0) * slope, 0.0)
            length = np.linalg.norm(step, axis=0)
            step *= np.minimum(1.0, reach / np.maximum(length, 1e-300))
            x[:, active] -= step
            active = active[length > 1e-12 * self.size]
            if not active.size:
                break
        return x


@dataclass(frozen=True, eq=False)
class Table:
    """Values on a grid between two corners, with cubic interpolation; what is left of a function in a file.

    Attributes
    ----------
    lower, upper
        Corners (dim,).
    values
        At equal distances along every axis, both ends included, float64.
    """

    lower: np.ndarray
    upper: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "_coefficients", ndimage.spline_filter(self.values, 3, mode="mirror"))

    def __call__(self, *x: np.ndarray) -> np.ndarray:
        """Values (n,); outside those of the nearest point."""
        cells = np.array(self.values.shape) - 1
        scale = cells / (self.upper - self.lower)
        place = [np.clip((c - a) * s, 0, n) for c, a, s, n in zip(x, self.lower, scale, cells, strict=True)]
        found = ndimage.map_coordinates(vars(self)["_coefficients"], place, order=3, mode="mirror", prefilter=False)
        return np.asarray(found)


def axes_of(function: Callable[..., Any], dim: int | None, names: Sequence[str]) -> tuple[int, ...]:
    """Which axis each argument of a function is: by name if the names are those of the axes, else by position.

    Raises
    ------
    InvalidProblemError
        If its arguments are not as many as the axes.
    """
    if not callable(function):
        raise InvalidProblemError(
            f"function must be a function of the coordinates, negative inside, got {spelled(function)}"
        )
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in plain if p.default is p.empty]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) or not parameters:
        if dim not in (2, 3):
            raise InvalidProblemError(
                "the number of coordinates of the function cannot be seen; give bounds=(lower, upper)"
            )
        return tuple(range(dim))
    if "t" in needed:
        raise InvalidProblemError(
            "a shape is the same at all times: its function takes the coordinates of space, not t"
        )
    if len(needed) not in (2, 3) or dim not in (None, len(needed)):
        wanted = "two or three coordinates" if dim is None else f"{dim} coordinates, as many as its bounds have"
        raise InvalidProblemError(
            f"the function of an implicit shape must take {wanted}, got ({', '.join(needed)}); arguments with a default are left alone"
        )
    for known in (tuple(names), NAMES[: len(needed)]):
        if set(needed) == set(known):
            return tuple(known.index(name) for name in needed)
    return tuple(range(len(needed)))
