"""Laplace's and the modified Helmholtz equation in a square with round holes, by multipoles fitted to the boundary.

    Delta u = k^2 u        on [-l, l]^2 minus discs,        u given on the sides and on the circles.

The solution is a sum of functions that satisfy the equation: regular ones about the centre, multipoles of every disc
and of its mirror images across the sides.  Their coefficients come from linear least squares on the boundary.  By the
maximum principle the largest misfit on the boundary bounds the error everywhere, so that a fit states its own accuracy.

Nothing here shares a line with the solver of this package.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, special

__all__ = ["BoundaryFit", "Disc", "fit_boundary", "four_discs", "poisson2d_cg"]

Array = np.ndarray
Function = Callable[[Array, Array], Array]
Disc = tuple[float, float, float]  # centre and radius


@dataclass(frozen=True, eq=False)
class BoundaryFit:
    """A sum of solutions of the homogeneous equation, plus a particular one; a function of x and y.

    Attributes
    ----------
    terms
        Makes the columns of the basis (n, m) at points.
    coefficients
        One per column.
    particular
        Is added.
    misfit
        Largest deviation from the boundary values, between the points of the fit: a bound of the error everywhere.
    """

    terms: Callable[[Array, Array], Array]
    coefficients: Array
    particular: Function
    misfit: float

    def __call__(self, x: Array, y: Array) -> Array:
        """Values at points of one shape, float64; the points are taken in batches."""
        a, b = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        flat = np.stack([a.ravel(), b.ravel()])
        parts = [
            self.terms(*part) @ self.coefficients for part in np.array_split(flat, max(1, flat.shape[1] // 4096), 1)
        ]
        values: Array = np.concatenate(parts).reshape(a.shape) + self.particular(a, b)
        return values


def fit_boundary(
    half_width: float,
    discs: Sequence[Disc],
    outer: Function,
    inner: Sequence[Function],
    k: float = 0.0,
    particular: Function = lambda x, y: np.zeros_like(x),
    order: int = 24,
    regular: int = 60,
) -> BoundaryFit:
    """Fit the boundary values of a square with round holes.

    Parameters
    ----------
    half_width
        l; the square is centred at the origin.
    discs
        Centres and radii.
    outer, inner
        Values on the sides and on every circle.
    k
        Of ``Delta u = k^2 u``; with a ``particular`` solution of an equation with a source added.
    order, regular
        Largest orders of multipoles and of regular functions.

    Examples
    --------
    >>> saddle = lambda x, y: x * x - y * y
    >>> u = fit_boundary(1.0, [(0.1, 0.2, 0.3)], saddle, [saddle], order=8, regular=8)
    >>> bool(u.misfit < 1e-12), round(float(u(np.array(0.5), np.array(0.0))), 12)
    (True, 0.25)
    """
    terms = functools.partial(_terms, half_width=half_width, discs=tuple(discs), k=k, order=order, regular=regular)

    def rows(points: int) -> tuple[Array, Array]:
        """Boundary points (2, n) and the values there."""
        s = half_width * np.cos(np.pi * (np.arange(points) + 0.5) / points)
        x, y, values = [], [], []
        for sign in (-1.0, 1.0):
            for a, b in ((s, np.full_like(s, sign * half_width)), (np.full_like(s, sign * half_width), s)):
                x.append(a)
                y.append(b)
                values.append(outer(a, b) - particular(a, b))
        for (p, q, r), value in zip(discs, inner, strict=True):
            angle = 2 * np.pi * np.arange(points) / points
            a, b = p + r * np.cos(angle), q + r * np.sin(angle)
            x.append(a)
            y.append(b)
            values.append(value(a, b) - particular(a, b))
        return np.stack([np.concatenate(x), np.concatenate(y)]), np.concatenate(values)

    count = math.ceil(2 * terms(np.zeros(1) + 0.9 * half_width, np.zeros(1)).shape[1] / (4 + len(discs)))
    points, values = rows(count)
    columns = terms(*points)
    sizes = np.abs(columns).max(0)
    coefficients = linalg.lstsq(columns / sizes, values, cond=1e-15, lapack_driver="gelsy")[0] / sizes
    points, values = rows(3 * count + 1)
    misfit = float(np.abs(terms(*points) @ coefficients - values).max())
    return BoundaryFit(terms, coefficients, particular, misfit)


def _terms(x: Array, y: Array, half_width: float, discs: Sequence[Disc], k: float, order: int, regular: int) -> Array:
    """Columns of the basis at points (n,), each of about unit size."""
    columns = [*_about(x, y, k, half_width * math.sqrt(2), regular)]
    for p, q, r in discs:
        for a in (p, 2 * half_width - p, -2 * half_width - p):
            for b in (q, 2 * half_width - q, -2 * half_width - q):
                outside = math.hypot(max(abs(a) - half_width, 0), max(abs(b) - half_width, 0))
                highest = order if outside <= r else min(order, math.ceil(math.log(1e-13) / math.log(r / outside)))
                columns += _poles(x - a, y - b, k, r, highest)
    return np.stack(columns, 1)


def _about(x: Array, y: Array, k: float, radius: float, highest: int) -> Iterator[Array]:
    """Regular functions about the origin: r^n, or I_n(k r), times sines and cosines."""
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    for n in range(highest + 1):
        if k > 0:
            size = special.ive(n, k * r) / special.ive(n, k * radius) * np.exp(k * (r - radius))
        else:
            size = (r / radius) ** n
        yield size * np.cos(n * angle)
        if n:
            yield size * np.sin(n * angle)


def _poles(x: Array, y: Array, k: float, radius: float, highest: int) -> Iterator[Array]:
    """Multipoles: log r and r^-n, or K_n(k r), times sines and cosines."""
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    for n in range(highest + 1):
        if k > 0:
            size = special.kve(n, k * r) / special.kve(n, k * radius) * np.exp(k * (radius - r))
        else:
            size = (radius / r) ** n if n else np.log(r / radius)
        yield size * np.cos(n * angle)
        if n:
            yield size * np.sin(n * angle)


def _square(x: Array, y: Array, k: float, terms: int = 40_000) -> Array:
    """The solution of ``Delta u = k^2 u`` on [-1, 1]^2 that is 1 on all sides, to k^2 / terms^2 at the corners.

    One axis solved by hand and a cosine series for the sides across the other, which converges fast where the point is
    not close to those; so the two axes change roles by point.
    """
    a, b = np.maximum(np.abs(x), np.abs(y)).ravel(), np.minimum(np.abs(x), np.abs(y)).ravel()
    n = 2 * np.arange(terms // 2) + 1
    wave = n * np.pi / 2
    rate = np.sqrt(k * k + wave**2)
    heights = 2 * k * k / (wave * rate**2) * np.where(n % 4 == 1, 1.0, -1.0)
    series = np.zeros_like(a)
    for part in np.array_split(np.argsort(b), max(1, a.size // 64)):
        few = slice(0, 1 + int(np.searchsorted(rate * (1 - b[part].max(initial=0.0)), 40.0)))  # the others are zero
        q, w, c = rate[few], wave[few], b[part, None]
        decay = np.exp(q * (c - 1)) * (1 + np.exp(-2 * q * c)) / (1 + np.exp(-2 * q))
        series[part] = (np.cos(w * a[part, None]) * decay) @ heights[few]
    found: Array = (np.cosh(k * a) / np.cosh(k) + series).reshape(x.shape)
    return found


@functools.cache
def four_discs(scale: float = 1.0) -> BoundaryFit:
    """The solution of :func:`hermite_pinn.problems.four_discs`, to 3e-10.

    Examples
    --------
    >>> four_discs().misfit < 1e-9
    True
    """
    a, r = 0.3 * scale, 0.1 * scale
    discs = [(p, q, r) for p in (-a, a) for q in (-a, a)]
    zero: Function = lambda x, y: np.zeros_like(x)  # noqa: E731
    return fit_boundary(0.5 * scale, discs, lambda x, y: np.ones_like(x), [zero] * 4, order=14, regular=40)


@functools.cache
def poisson2d_cg() -> BoundaryFit:
    """The solution of :func:`hermite_pinn.problems.poisson2d_cg`, to 2e-7.

    The particular solution is a polynomial times sines and cosines; its coefficients follow by hand from
    ``L(x^2 S) = lambda x^2 S - 2 S - 4 a x C`` and ``L(x C) = lambda x C + 2 a S`` with S = sin(a x) sin(b y),
    C = cos(a x) sin(b y), L = k^2 - Delta and lambda = a^2 + b^2 + k^2.
    """
    k, height, a, b = 8.0, 10.0, math.pi, 4 * math.pi
    rate = a * a + b * b + k * k
    square = height / rate  # of x^2 S and y^2 S
    along_x, along_y = 4 * a * square / rate, 4 * b * square / rate
    plain = (17 * height + 4 * square - 2 * a * along_x - 2 * b * along_y) / rate

    def particular(x: Array, y: Array) -> Array:
        sx, cx, sy, cy = np.sin(a * x), np.cos(a * x), np.sin(b * y), np.cos(b * y)
        found: Array = (plain + square * (x * x + y * y)) * sx * sy + along_x * x * cx * sy + along_y * y * sx * cy
        return found

    def whole(x: Array, y: Array) -> Array:
        return particular(x, y) + 0.2 * _square(x, y, k)

    discs = [(0.5, 0.5, 0.2), (0.4, -0.4, 0.4), (-0.2, -0.7, 0.1), (-0.6, 0.5, 0.3)]
    one: Function = lambda x, y: np.ones_like(x)  # noqa: E731
    return fit_boundary(1.0, discs, lambda x, y: np.full_like(x, 0.2), [one] * 4, k, whole)
