"""What a field costs as samples that are compressed by zfp: the fewest bytes from which interpolation gives it back.

Samples lie on a uniform grid over the box, ends included, with a number of its own along every axis.  Between them the
field is interpolated by a tensor product of splines of a degree: 1 or 3, the usual ones, or 5, beside them (not-a-knot,
as SciPy has them).  What is to be kept is the relative L2 error on a grid that meets neither samples nor vertices.  zfp
takes an absolute tolerance for samples, of which only the power of two counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.interpolate import make_interp_spline

import hermite_pinn as hp
from hermite_pinn.errors import BackendUnavailableError
from hermite_pinn.field.sampling import off_lattice_axes

__all__ = ["Samples", "fewest_bytes"]

MOST_SAMPLES = 30_000_000
MOST_POINTS = 300_000  # at which errors are measured
STEPS = 12  # powers of two that are tried
LINES = 16  # positions along each of the other axes, where errors of interpolation along one are measured
MOST_ALONG = 2000  # positions along that one
PARTS = (0.9, 0.7, 0.5)  # of the error that interpolation may take, the rest is left to zfp


@dataclass(frozen=True)
class Samples:
    """Samples that give a field back.

    Attributes
    ----------
    degree
        Of the splines.
    counts
        Samples per axis.
    tolerance
        Of zfp.
    bytes
        Compressed; None where more than :data:`MOST_SAMPLES` are needed.
    error
        Relative L2 error of the field.
    """

    degree: int
    counts: tuple[int, ...]
    tolerance: float
    bytes: int | None
    error: float


def fewest_bytes(solution: hp.Solution, tol: float, degree: int) -> Samples:
    """The best of many numbers of samples and tolerances of zfp, for the only field of a solution.

    For several parts of the error, each axis gets the fewest samples with which interpolation along it keeps an equal
    share; then zfp gets the largest tolerance that keeps the whole.

    Raises
    ------
    BackendUnavailableError
        If zfpy is not installed.
    """
    axes = off_lattice_axes(solution.field, solution.domain, MOST_POINTS)
    wanted = solution.on_grid(axes)[0, 0]
    best: Samples | None = None
    tried: set[tuple[int, ...]] = set()
    power = math.floor(math.log2(tol * float(np.abs(wanted).max()))) + 2
    for part in PARTS:
        share = tol * part / math.sqrt(len(axes))
        counts = tuple(_count(solution, k, share, degree) for k in range(len(axes)))
        if math.prod(counts) > MOST_SAMPLES:
            best = best or Samples(degree, counts, 0.0, None, math.nan)
            break  # smaller parts need more
        if counts in tried:
            continue
        tried.add(counts)
        places = _places(solution, counts)
        values = np.ascontiguousarray(solution.on_grid(places)[0, 0])
        found, last = _largest_tolerance(
            values, power, partial(_error, places, axes=axes, wanted=wanted, degree=degree), tol
        )
        if found is None:
            continue
        power = last
        if best is None or best.bytes is None or found[0] < best.bytes:
            best = Samples(degree, counts, 2.0**power, *found)
    assert best is not None
    return best


def _largest_tolerance(
    values: np.ndarray, power: int, error: Callable[[np.ndarray], float], tol: float
) -> tuple[tuple[int, float] | None, int]:
    """Bytes and error with the largest power of two as tolerance that keeps the error, and that power; from a guess."""
    try:
        import zfpy
    except ModuleNotFoundError as missing:
        raise BackendUnavailableError("zfpy is not installed; pip install 'hermite_pinn[compression]'") from missing
    kept: tuple[int, float] | None = None
    step = 0
    for _ in range(STEPS):
        packed = zfpy.compress_numpy(values, tolerance=2.0**power)
        found = error(zfpy.decompress_numpy(packed))
        if found <= tol:
            kept = len(packed), found
            if step < 0:
                break
            step = 1
        elif step > 0:
            return kept, power - 1
        else:
            step = -1
        power += step
    return kept, power


def _places(solution: hp.Solution, counts: Sequence[int]) -> list[np.ndarray]:
    ends = zip(solution.domain.bounds.values(), counts, strict=True)
    return [np.linspace(a, b, n) for (a, b), n in ends]


def _error(
    places: Sequence[np.ndarray], values: np.ndarray, axes: Sequence[np.ndarray], wanted: np.ndarray, degree: int
) -> float:
    """Relative L2 error on the tensor product of axes of what samples at places give, axis by axis."""
    for k, (at, to) in enumerate(zip(places, axes, strict=True)):
        along = np.moveaxis(values, k, 0)
        values = np.moveaxis(make_interp_spline(at, along, k=degree)(to), 0, k)
    return float(np.linalg.norm(values - wanted) / np.linalg.norm(wanted))


def _count(solution: hp.Solution, axis: int, share: float, degree: int) -> int:
    """Fewest samples along an axis with which interpolation along it alone is off by no more, within 2 %."""
    fine = off_lattice_axes(solution.field, solution.domain, MOST_POINTS)
    axes = [a if k == axis else a[:: max(1, len(a) // LINES)] for k, a in enumerate(fine)]
    along = off_lattice_axes(solution.field, solution.domain, MOST_POINTS * 64)[axis]
    axes[axis] = along[:: -(-len(along) // MOST_ALONG)]
    wanted = solution.on_grid(axes)[0, 0]
    norm = float(np.linalg.norm(wanted))
    lower, upper = solution.domain.lower[axis], solution.domain.upper[axis]

    def error(count: int) -> float:
        places = [np.linspace(lower, upper, count) if k == axis else a for k, a in enumerate(axes)]
        values = np.moveaxis(solution.on_grid(places)[0, 0], axis, 0)
        found = np.moveaxis(make_interp_spline(places[axis], values, k=degree)(axes[axis]), 0, axis)
        return float(np.linalg.norm(found - wanted)) / norm

    most = int(8 * MOST_SAMPLES ** (1 / len(axes)))  # more along one axis are not for a grid of so many
    high = next(n for n in (8 * 2**k for k in range(30)) if n >= most or error(n) <= share)
    if high >= most:
        return most
    low = max(degree + 1, high // 2)
    while high - low > max(1, high // 64):
        middle = (low + high) // 2
        low, high = (low, middle) if error(middle) <= share else (middle, high)
    return high
