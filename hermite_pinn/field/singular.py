"""Functions that solve an elliptic equation at a corner and are not smooth there.

Near a corner of angle ``w`` the solution of an equation with the principal part ``a11 u_xx + 2 a12 u_xy + a22 u_yy``
behaves like a sum of ``r**p f(phi)`` with exponents ``p`` that only the angle and the kinds of the conditions on its
two sides decide.  An affine change of variables turns the principal part into the Laplacian and the corner into one of
another angle; with the complex variable ``z`` there every real part of ``c z**p`` is harmonic, and a side along which a
derivative in some direction vanishes asks for one relation between ``p`` and the phase of ``c``.  A value that is given
is a derivative along the side.  See Grisvard, *Elliptic Problems in Nonsmooth Domains* (1985), chapter 4.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.schema import Entry

__all__ = ["SingularFunction", "Wedge", "wedge_functions"]

Vector = tuple[float, float]

#: Largest exponent, and how far exponents are from integers, where a polynomial takes the place of a power.
LARGEST, APART = 2.0, 5e-3

#: Terms of the series that keeps a function with a finite cut as it is near its corner.
TERMS = 3

#: Smallest distance from the corner, in units of :attr:`SingularFunction.length`, at which derivatives are taken.
CLOSEST = 1e-8


@dataclass(frozen=True)
class SingularFunction:
    """A harmonic function, after an affine change of variables, with a singular point.

    It is the real part of ``exp(i phase) F(z)``, where the complex number ``z`` has the parts ``frame @ (x - point)``.
    ``F(z)`` is ``z**exponent``, or that times ``log(z)``, with a cut along the negative real axis.  If the cut is
    finite, it is a function that is analytic but between -1 and 0, bounded far away, and near zero the same up to a
    factor ``1 + O(z**3)`` and a smooth function: a polynomial in ``z / (1 + z)`` times a power, and the logarithm,
    of that.

    At the point itself the value is 0, and derivatives, which may be infinite there, are those at a distance of 1e-8
    times :attr:`length` in the middle of what is not cut.

    Attributes
    ----------
    point
        The corner.
    exponent
        Larger than 0; an integer where there is a logarithm.
    phase
        In radians.
    frame
        The change of variables, two rows.
    finite
        Whether the cut ends at ``z = -1``.
    logarithm
        Whether it has that factor.

    Examples
    --------
    >>> root = SingularFunction((0.0, 0.0), 0.5, 0.0, ((1.0, 0.0), (0.0, 1.0)))
    >>> x = torch.tensor([[4.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    >>> root.jets(x, Channels.value(2)).tolist()
    [[2.0, 0.0]]
    """

    point: Vector
    exponent: float
    phase: float
    frame: tuple[Vector, Vector]
    finite: bool = False
    logarithm: bool = False

    @property
    def length(self) -> float:
        """The distance along which ``z`` grows by about 1."""
        (a, b), (c, d) = self.frame
        return 1.0 / math.sqrt(abs(a * d - b * c))

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """Derivative channels at points (2, n): (channels, n), of the type of the points, computed in float64.

        Differentiable in the points, also where that needs derivatives of an order that no channel has.
        """
        z = self._position(x.to(torch.float64))
        powers = self._powers(z, channels.order)
        slopes = [complex(self.frame[0][axis], self.frame[1][axis]) for axis in range(2)]
        turn = cmath.exp(1j * self.phase)
        rows = []
        for channel in channels.channels:
            total: torch.Tensor | float = 0.0
            factors = np.zeros(channels.order + 1, dtype=complex)
            for weight, (along, across) in channel:
                factors[along + across] += weight * slopes[0] ** along * slopes[1] ** across
            for order in np.flatnonzero(factors):
                part = powers[order] * (turn * complex(factors[order]))
                total = total + part.real
            rows.append(total if isinstance(total, torch.Tensor) else torch.zeros_like(z.real))
        return torch.stack(rows).to(x.dtype)

    def _position(self, x: torch.Tensor) -> torch.Tensor:
        """The complex variable; exactly zero at the corner."""
        from_point = [x[axis] - self.point[axis] for axis in range(2)]
        real, imaginary = (row[0] * from_point[0] + row[1] * from_point[1] for row in self.frame)
        return torch.complex(real, imaginary)

    def _powers(self, z: torch.Tensor, order: int) -> list[torch.Tensor]:
        """The derivatives of ``F`` from the zeroth on."""
        at_corner = z.abs() < CLOSEST
        near = torch.where(at_corner, torch.full_like(z, CLOSEST), z)
        # a function with a finite cut is a series in w = z / (1 + z) with dw/dz = (1 - w)**2
        rest = 1.0 / (1.0 + near) if self.finite else torch.ones_like(near)
        w = near * rest if self.finite else near
        log, derivatives = w.log(), []
        for n, (plain, of_log) in enumerate(self._series(order)):
            value = _horner(plain, w)
            if self.logarithm:
                value = value + _horner(of_log, w) * log
            value = value * (log * (self.exponent - n)).exp()
            derivatives.append(value * rest ** (n + 1) if n and self.finite else value)
        derivatives[0] = torch.where(z == 0, torch.zeros_like(z), derivatives[0])
        return derivatives

    def _series(self, order: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Coefficients of polynomials ``q`` and ``l`` by which the derivatives are given, from the zeroth on.

        The ``n``-th derivative of ``F`` is ``(1 - w)**(n + 1) w**(exponent - n) (q + l log w)`` if the cut is finite,
        without the first factor for ``n = 0``; else ``w`` is ``z`` and there is no such factor.
        """
        first = np.ones(1)
        if self.finite:  # of (1 - w)**-exponent
            first = np.cumprod([1.0, *((self.exponent + j) / (j + 1) for j in range(TERMS - 1))])
        plain, of_log = (np.zeros(1), first) if self.logarithm else (first, np.zeros(1))
        for n in range(order + 1):
            yield plain, of_log
            factor = np.array([1.0, -1.0] if self.finite and n else [1.0])
            by_log = np.convolve(of_log, factor)
            plain, of_log = (self._raised(series, n, factor) for series in (plain, of_log))
            plain = _sum(plain, by_log)

    def _raised(self, series: np.ndarray, n: int, factor: np.ndarray) -> np.ndarray:
        raised = np.convolve((self.exponent - n + np.arange(len(series))) * series, factor)
        return raised if len(factor) == 1 else raised - (n + 1) * np.concatenate([[0.0], series])

    # -- files ---
    def describe(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "point": list(self.point),
            "exponent": self.exponent,
            "phase": self.phase,
            "frame": [list(row) for row in self.frame],
            "finite": self.finite,
            "logarithm": self.logarithm,
        }

    @classmethod
    def from_description(cls, described: Entry) -> SingularFunction:
        """Inverse of :meth:`describe`.

        Raises
        ------
        CorruptFileError
            If something is missing, is no finite number, or makes no change of variables.
        """
        frame = described.at("frame")
        first, last = (_pair(row) for row in frame.items(2))
        if not abs(first[0] * last[1] - first[1] * last[0]) > 0:
            raise frame.refuse("two rows that are not parallel")
        exponent = described.at("exponent")
        if not exponent.number(0.0) > 0:
            raise exponent.refuse("a number above 0")
        return cls(
            _pair(described.at("point")),
            exponent.number(),
            described.at("phase").number(),
            (first, last),
            described.at("finite").flag(),
            described.at("logarithm").flag(),
        )


def _pair(entry: Entry) -> Vector:
    first, last = (e.number() for e in entry.items(2))
    return first, last


def _sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of two polynomials."""
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    return np.concatenate([longer[: len(shorter)] + shorter, longer[len(shorter) :]])


def _horner(coefficients: np.ndarray, w: torch.Tensor) -> torch.Tensor:
    value = torch.full_like(w, complex(coefficients[-1]))
    for c in coefficients[-2::-1]:
        value = value * w + float(c)
    return value


@dataclass(frozen=True)
class Wedge:
    """A corner with what is asked on its sides, and the direction in which functions may be cut.

    Attributes
    ----------
    point
        The corner.
    sides
        Unit vectors along the first side and the last; the domain lies counter-clockwise from the first.
    angle
        Of the domain, between 0 and 2 pi.
    derivatives
        Per side the direction of the derivative that is given: along the side for values, across it for normal
        derivatives.
    cut
        Unit vector that points into what was removed.
    reach
        Distance along the cut up to which nothing belongs to the domain; infinite where that holds for the whole ray.
    length
        A length that makes functions of size 1 where they matter: the size of the domain.
    """

    point: Vector
    sides: tuple[Vector, Vector]
    angle: float
    derivatives: tuple[Vector, Vector]
    cut: Vector
    reach: float = math.inf
    length: float = 1.0


def wedge_functions(wedge: Wedge, principal: Sequence[Sequence[float]]) -> tuple[SingularFunction, ...]:
    """The functions of a corner with exponents up to 2, from the most singular on.

    Where an exponent is an integer, its power is a polynomial; equations and conditions that ask for the same
    polynomial are only met by that times a logarithm, as those of a source that does not vanish in a right angle.

    Parameters
    ----------
    wedge
        The corner.
    principal
        The symmetric matrix ``((a11, a12), (a12, a22))`` of the equation there, definite.

    Raises
    ------
    ValueError
        If the matrix is not definite.

    Examples
    --------
    The re-entrant corner of an L, with values given on both sides:

    >>> sides = (1.0, 0.0), (0.0, -1.0)
    >>> corner = Wedge((0.0, 0.0), sides, 1.5 * math.pi, sides, (math.sqrt(0.5), -math.sqrt(0.5)))
    >>> [(round(f.exponent, 4), f.logarithm) for f in wedge_functions(corner, ((1.0, 0.0), (0.0, 1.0)))]
    [(0.6667, False), (1.3333, False), (2.0, True)]
    """
    change = _to_laplacian(np.asarray(principal, dtype=float))

    def position(vector: Sequence[float]) -> complex:
        x, y = change @ np.asarray(vector, dtype=float)
        return complex(x, y)

    cut = position(wedge.cut)
    finite = math.isfinite(wedge.reach)
    unit = -cut * (0.5 * wedge.reach if finite else wedge.length / abs(cut))
    first, last = (position(side) / unit for side in wedge.sides)
    given = [position(vector) / unit for vector in wedge.derivatives]
    start, angle = cmath.phase(first), _opening(first, last, wedge.angle)
    row = np.array([[1 / unit, 1j / unit]]) @ change
    frame = (float(row[0, 0].real), float(row[0, 1].real)), (float(row[0, 0].imag), float(row[0, 1].imag))
    turn = cmath.phase(given[0]) - cmath.phase(given[1])
    functions = []
    for k in range(-8, 9):
        exponent = 1.0 + (k * math.pi + turn) / angle
        whole = round(exponent)
        logarithm = abs(exponent - whole) <= APART
        if logarithm:
            exponent = float(whole)
        if 0.0 < exponent <= LARGEST:
            phase = 0.5 * math.pi - (exponent - 1.0) * start - cmath.phase(given[0])
            phase = _positive(phase, exponent * start)
            functions.append(SingularFunction(wedge.point, exponent, phase, frame, finite, logarithm))
    return tuple(functions)


def _positive(phase: float, turned: float) -> float:
    """The phase, or the opposite one, so that a power is positive along the first side, or next to it."""
    value, slope = math.cos(phase + turned), -math.sin(phase + turned)
    negative = value < 0 if abs(value) > 1e-9 else slope < 0
    return math.remainder(phase + math.pi * negative, math.tau)


def _to_laplacian(principal: np.ndarray) -> np.ndarray:
    """A matrix of determinant 1 that makes a multiple of the identity of the principal part: the identity of itself."""
    signed = principal * (1.0 if principal[0, 0] > 0 else -1.0)
    determinant = float(np.linalg.det(signed))
    if not (signed[0, 0] > 0 and determinant > 0):
        raise ValueError(f"the principal part {principal.tolist()} is not definite")
    root = np.linalg.cholesky(signed / math.sqrt(determinant))
    return np.linalg.inv(root)


def _opening(first: complex, last: complex, angle: float) -> float:
    """Angle of the changed corner, from that of the corner, which lies on the same side of pi."""
    turned = cmath.phase(last / first) % math.tau
    if angle > math.pi:
        return turned if turned > 0.5 * math.pi else turned + math.tau
    return turned if turned < 1.5 * math.pi else turned - math.tau
