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
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channel, Channels
from hermite_pinn.schema import Entry

__all__ = ["SingularFunction", "Wedge", "combination", "following", "wedge_functions"]

Vector = tuple[float, float]

#: Largest exponent, and how far exponents are from integers, where a polynomial takes the place of a power.
LARGEST, APART = 2.0, 5e-3

#: Smallest distance from the corner, in units of :attr:`SingularFunction.length`, at which derivatives are taken.
CLOSEST = 1e-8


@dataclass(frozen=True)
class SingularFunction:
    """A function with a singular point, harmonic after an affine change of variables.

    It is the real part of ``exp(i phase) F(z)``, where the complex number ``z`` has the parts ``frame @ (x - point)``.
    ``F(z)`` is ``w**exponent``, or that times ``log(w)``, where ``w`` is ``z``, with a cut along the negative real
    axis; if the cut is finite, ``w = z / (1 + z)``, which is about ``z`` near zero and bounded far away, with a cut
    between -1 and 0.  Times a power of the conjugate of ``w`` it is not harmonic; such functions follow those that are
    where coefficients vary, sides are curved, or there are derivatives of lower order.

    At the point itself the value is 0, and derivatives, which may be infinite there, are those at a distance of 1e-8
    times :attr:`length` in the middle of what is not cut.

    Attributes
    ----------
    point
        The corner.
    exponent
        Of ``z``; an integer where there is a logarithm.
    phase
        In radians.
    frame
        The change of variables, two rows.
    finite
        Whether the cut ends at ``z = -1``.
    logarithm
        Whether it has that factor.
    conjugate
        Power of the conjugate; with the exponent it is more than 0.

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
    conjugate: int = 0
    kind: ClassVar[str] = "harmonic"  # in files

    @property
    def order(self) -> float:
        """The power of the distance from the corner with which it vanishes there, but for a logarithm."""
        return self.exponent + self.conjugate

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
        rows = [self._channel(channel, powers) for channel in channels.channels]
        return torch.stack([r if isinstance(r, torch.Tensor) else torch.zeros_like(z.real) for r in rows]).to(x.dtype)

    def _channel(self, channel: Channel, powers: Mapping[tuple[int, int], torch.Tensor]) -> torch.Tensor | float:
        """A sum of derivatives from the products of a derivative of ``F`` and one of the power of the conjugate."""
        slopes = [complex(self.frame[0][axis], self.frame[1][axis]) for axis in range(2)]
        total: torch.Tensor | float = 0.0
        for key, factor in combination(channel, slopes).items():
            if factor != 0 and key in powers:  # others are zero
                total = total + (powers[key] * (cmath.exp(1j * self.phase) * factor)).real
        return total

    def _position(self, x: torch.Tensor) -> torch.Tensor:
        """The complex variable; exactly zero at the corner."""
        from_point = [x[axis] - self.point[axis] for axis in range(2)]
        real, imaginary = (row[0] * from_point[0] + row[1] * from_point[1] for row in self.frame)
        return torch.complex(real, imaginary)

    def _powers(self, z: torch.Tensor, order: int) -> dict[tuple[int, int], torch.Tensor]:
        """Products of derivatives of ``F`` and of the power of the conjugate, by their orders."""
        at_corner = z.abs() < CLOSEST
        near = torch.where(at_corner, torch.full_like(z, CLOSEST), z)
        if self.finite:  # not at the end of the cut, where nothing of the domain is
            near = torch.where((1.0 + near).abs() < CLOSEST, torch.full_like(z, complex(-1.0, CLOSEST)), near)
        own = _derivatives(near, self.exponent, order, self.finite, self.logarithm)
        products = {(n, 0): value for n, value in enumerate(own)}
        if self.conjugate:
            other = _derivatives(near, self.conjugate, order, self.finite)
            products = {(n, m): f * g.conj() for (n, f), (m, g) in itertools.product(enumerate(own), enumerate(other))}
        products[0, 0] = torch.where(z == 0, torch.zeros_like(z), products[0, 0])
        return products

    # -- files ---
    def describe(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "kind": self.kind,
            "point": list(self.point),
            "exponent": self.exponent,
            "phase": self.phase,
            "frame": [list(row) for row in self.frame],
            "finite": self.finite,
            "logarithm": self.logarithm,
            "conjugate": self.conjugate,
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
        exponent, conjugate = described.at("exponent"), described.at("conjugate").integer(0, 9)
        if not exponent.number(-9.0, 9.0) + conjugate > 0:
            raise exponent.refuse(f"a number above {-conjugate}")
        return cls(
            _pair(described.at("point")),
            exponent.number(),
            described.at("phase").number(),
            (first, last),
            described.at("finite").flag(),
            described.at("logarithm").flag(),
            conjugate,
        )


def combination(channel: Channel, slopes: Sequence[complex]) -> dict[tuple[int, int], complex]:
    """A sum of derivatives along the axes from those by a complex variable and by its conjugate, by their orders.

    Parameters
    ----------
    slopes
        Of the variable along the axes.
    """
    factors: dict[tuple[int, int], complex] = {}
    for weight, (along, across) in channel:
        for i, j in itertools.product(range(along + 1), range(across + 1)):
            factor = math.comb(along, i) * math.comb(across, j) * slopes[0] ** i * slopes[1] ** j
            factor *= slopes[0].conjugate() ** (along - i) * slopes[1].conjugate() ** (across - j)
            key = i + j, along - i + across - j
            factors[key] = factors.get(key, 0.0) + weight * factor
    return factors


def _pair(entry: Entry) -> Vector:
    first, last = (e.number() for e in entry.items(2))
    return first, last


def _derivatives(
    z: torch.Tensor, exponent: float, order: int, finite: bool, logarithm: bool = False
) -> list[torch.Tensor]:
    """A power, perhaps times a logarithm, and its derivatives by ``z``, from the zeroth on.

    If the cut is finite, the variable is ``w = z / (1 + z)`` with ``dw/dz = (1 - w)**2``, else ``w = z``.  The ``n``-th
    derivative is ``w**(exponent - n) (q + l log w)`` with polynomials ``q`` and ``l``; if the cut is finite, that
    times ``(1 - w)**(n + 1)`` for ``n > 0``.
    """
    rest = 1.0 / (1.0 + z) if finite else torch.ones_like(z)
    w = z * rest if finite else z
    log, derivatives = w.log(), []
    plain, of_log = (np.zeros(1), np.ones(1)) if logarithm else (np.ones(1), np.zeros(1))
    for n in range(order + 1):
        value = _horner(plain, w) + _horner(of_log, w) * log if logarithm else _horner(plain, w)
        value = value * (log * (exponent - n)).exp()
        derivatives.append(value * rest ** (n + 1) if n and finite else value)
        factor = np.array([1.0, -1.0] if finite and n else [1.0])
        by_log = np.convolve(of_log, factor)
        plain, of_log = (_raised(series, exponent, n, factor) for series in (plain, of_log))
        plain = _sum(plain, by_log)
    return derivatives


def _raised(series: np.ndarray, exponent: float, n: int, factor: np.ndarray) -> np.ndarray:
    raised = np.convolve((exponent - n + np.arange(len(series))) * series, factor)
    return raised if len(factor) == 1 else raised - (n + 1) * np.concatenate([[0.0], series])


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
        Length of the cut; infinite where nothing along the whole ray belongs to the domain.
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
    unit = -cut * (wedge.reach if finite else wedge.length / abs(cut))
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


def following(
    functions: Sequence[SingularFunction], more: bool = True, varies: bool = False
) -> tuple[SingularFunction, ...]:
    """Functions of the next order, with which a solution goes on at a corner.

    Where a corner has ``r**p`` with ``p < 1``, first derivatives, coefficients that vary, curved sides and values in
    conditions on derivatives add multiples of ``r**(p + 1)`` with other dependence on the angle.  Functions with a
    finite cut differ from powers by such multiples, which are harmonic.

    Parameters
    ----------
    functions
        Those of a corner.
    more
        Whether there is more than the principal part frozen at the corner, and straight sides.
    varies
        Whether the second derivatives have coefficients of which not only the common factor varies.
    """
    found: list[SingularFunction] = []
    for f in functions:
        if f.logarithm:
            continue
        conjugates = range(1 + more + (more and varies)) if f.exponent < 1.0 else range(1)
        if f.finite or (more and f.exponent < 1.0):
            for conjugate, turn in itertools.product(conjugates, (0.0, 0.5 * math.pi)):
                found.append(replace(f, exponent=f.exponent + 1.0 - conjugate, phase=turn, conjugate=conjugate))
    return tuple(found)


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
