"""The powers with which solutions of an elliptic system begin at a corner, found from operator and conditions alone.

With the weights ``s_k`` of the equations and ``t_j`` of the fields (see :mod:`.adn_weights`) the principal part has
solutions ``u_j = r**(m + t_j) f_j(phi)``.  What is left in the angle is a system of ordinary differential equations
whose coefficients are polynomials in ``m``, with conditions at the angles of the two sides: an operator pencil, whose
eigenvalues are the powers.  It is discretised by Chebyshev series at Chebyshev points, equation ``k`` at
``count - s_k`` of them and field ``j`` with ``count + t_j`` coefficients, so that as many conditions are missing as the
system asks for.  The series cover the whole turn up to the cut of the functions, not the corner alone, since rows are
taken outside the domain, too.  See Kozlov, Maz'ya and Rossmann, *Spectral Problems Associated with Corner Singularities
of Solutions to Elliptic Equations* (2001), and for the discretisation Driscoll and Hale (IMA J. Numer. Anal. 36, 2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.polynomial import chebyshev

from hermite_pinn.immutable import read_only

__all__ = ["CornerMode", "Pencil", "corner_modes", "is_elliptic", "is_polynomial", "particular"]

#: An operator by field and orders of the derivatives along both axes.
Operator = Mapping[tuple[int, tuple[int, int]], float]

COUNTS = (24, 32, 48, 72)  # collocation points, of which a pair has to agree
AGREE = 1e-6  # largest difference of powers between them
INTEGER, POLYNOMIAL = 1e-5, 1e-5  # how far from an integer, and from a polynomial, solutions are smooth
BALANCING = 30  # passes over equations and fields
NOTHING = 1e-14  # coefficients of series that are left out
SINGULAR = 1e-9  # of its largest singular value: one that counts as zero
PARTICULAR = 1e-6  # how closely discretisations of a solution with given values agree
WELL_POSED = 1e-8  # smallest determinant of a principal part of size 1


@dataclass(frozen=True)
class CornerMode:
    """A solution ``u_j = r**(power + t_j) f_j(phi)`` of the principal part and the conditions at a corner.

    Attributes
    ----------
    power
        The number that the pencil determines; its imaginary part is not negative.
    series
        By field, Chebyshev coefficients of ``f_j`` over the whole turn from cut to cut, complex.
    """

    power: complex
    series: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Pencil:
    """The principal part of a system at a corner.

    Attributes
    ----------
    s, t
        Weights of equations and fields.
    equations
        By equation the coefficients of the derivatives of order ``s_k + t_j``.
    conditions
        By condition the same for the highest derivatives, and the angle of the side.
    cut
        Angle at which the functions are cut; the series cover what lies up to a turn before it.
    """

    s: tuple[int, ...]
    t: tuple[int, ...]
    equations: tuple[Operator, ...]
    conditions: tuple[tuple[Operator, float], ...]
    cut: float

    @cached_property
    def order(self) -> int:
        """Order of the system: the number of conditions on both sides together."""
        return sum(self.s) + sum(self.t)

    @cached_property
    def units(self) -> np.ndarray:
        """Sizes of the fields by which their terms in the equations are balanced."""
        sizes = np.zeros((len(self.equations), len(self.t)))
        for k, equation in enumerate(self.equations):
            for (field, _), coefficient in equation.items():
                sizes[k, field] = max(sizes[k, field], abs(coefficient))
        there = sizes > 0
        logs = np.where(there, np.log(np.where(there, sizes, 1.0)), 0.0)
        of_fields = np.zeros(len(self.t))
        for _ in range(BALANCING):
            of_equations = ((logs + of_fields) * there).sum(1) / there.sum(1)
            of_fields = ((of_equations[:, None] - logs) * there).sum(0) / there.sum(0)
        units: np.ndarray = np.exp(of_fields - of_fields.max())
        return units

    def matrices(self, count: int) -> list[np.ndarray]:
        """The square matrix that is singular for a power: its coefficients of the powers of ``m``, from the zeroth."""
        blocks, scales = self._blocks(count)
        return [
            np.concatenate([f * b[power] for f, b in zip(scales, blocks, strict=True)])
            for power in range(len(blocks[0]))
        ]

    def angles(self, count: int, equation: int) -> np.ndarray:
        """Where an equation is collocated."""
        angles: np.ndarray = self.cut - math.pi + math.pi * chebyshev.chebpts1(count - self.s[equation])
        return angles

    def right_side(self, count: int, sources: Sequence[np.ndarray], values: Sequence[float]) -> np.ndarray:
        """What the :meth:`matrices` have to give for equations with sources at their :meth:`angles`, and values."""
        _, scales = self._blocks(count)
        parts = [*sources, *(np.array([v]) for v in values)]
        return np.concatenate([f * part for f, part in zip(scales, parts, strict=True)])

    @cached_property
    def _kept_blocks(self) -> dict[int, tuple[list[list[np.ndarray]], list[float]]]:
        return {}

    def _blocks(self, count: int) -> tuple[list[list[np.ndarray]], list[float]]:
        """Rows by equation and condition and by power of ``m``, and what they are multiplied with; they are kept."""
        if count not in self._kept_blocks:
            self._kept_blocks[count] = self._made_blocks(count)
        return self._kept_blocks[count]

    def _made_blocks(self, count: int) -> tuple[list[list[np.ndarray]], list[float]]:
        sizes = [count + t for t in self.t]
        blocks = [
            self._rows(equation, chebyshev.chebpts1(count - s), sizes)
            for equation, s in zip(self.equations, self.s, strict=True)
        ]
        for condition, angle in self.conditions:
            x = (angle - self.cut) % math.tau / math.pi - 1.0
            blocks.append(self._rows(condition, np.array([x]), sizes))
        degree = max(len(b) for b in blocks)
        full = [b + [np.zeros_like(b[0])] * (degree - len(b)) for b in blocks]
        return full, [1.0 / max(np.abs(m).max() for m in b) for b in full]

    def _rows(self, operator: Operator, x: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
        """An operator at points between -1 and 1, on all coefficients; by power of ``m``."""
        angle = self.cut - math.pi + math.pi * x
        top = max(sum(orders) for _, orders in operator)
        found = [np.zeros((len(x), sum(sizes))) for _ in range(top + 1)]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        for (field, orders), coefficient in operator.items():
            columns, coefficient = slice(starts[field], starts[field + 1]), coefficient * self.units[field]
            for power, values in enumerate(_derivative(orders, float(self.t[field]), angle, x, sizes[field])):
                found[power][:, columns] += coefficient * values
        return found


def _derivative(orders: tuple[int, int], t: float, angle: np.ndarray, x: np.ndarray, size: int) -> list[np.ndarray]:
    """A derivative of ``r**(m + t) f(phi)`` on coefficients of ``f``, over ``r**(m + t - order)``; by power of ``m``.

    Along an axis ``r**a g`` becomes ``r**(a - 1) (a c g + d g')`` with the slopes c of ``r`` and ``d / r`` of the
    angle; products with functions of the angle are kept as coefficients of ``f`` and its derivatives.
    """
    cosine, sine = np.cos(angle), np.sin(angle)
    # (power of m, derivative of f): {(cosines, sines): factor}
    terms: dict[tuple[int, int], dict[tuple[int, int], float]] = {(0, 0): {(0, 0): 1.0}}
    for taken, axis in enumerate([0] * orders[0] + [1] * orders[1]):
        terms = _differentiated(terms, axis, t - taken)
    highest = sum(orders)
    values = [_chebyshev(x.tobytes(), size, n) for n in range(highest + 1)]
    found = [np.zeros((len(x), size)) for _ in range(highest + 1)]
    for (power, derivative), factors in terms.items():
        weight = sum(f * cosine**i * sine**j for (i, j), f in factors.items())
        found[power] += np.asarray(weight)[:, None] * values[derivative]
    return found


@lru_cache(maxsize=64)
def _chebyshev(x: bytes, size: int, order: int) -> np.ndarray:
    """Derivatives by the angle of Chebyshev polynomials (points, size) at points that are given as bytes."""
    series = np.eye(size)
    values = chebyshev.chebval(np.frombuffer(x), chebyshev.chebder(series, order) if order else series)
    return read_only(values.T / math.pi**order)


def _differentiated(
    terms: Mapping[tuple[int, int], Mapping[tuple[int, int], float]], axis: int, t: float
) -> dict[tuple[int, int], dict[tuple[int, int], float]]:
    """The derivative of ``r**(m + t)`` times a sum of terms along an axis, over ``r**(m + t - 1)``."""
    out: dict[tuple[int, int], dict[tuple[int, int], float]] = {}

    def add(power: int, derivative: int, trigonometric: tuple[int, int], factor: float) -> None:
        own = out.setdefault((power, derivative), {})
        own[trigonometric] = own.get(trigonometric, 0.0) + factor

    radial = (1, 0) if axis == 0 else (0, 1)
    turning, sign = ((0, 1), -1.0) if axis == 0 else ((1, 0), 1.0)
    for (power, derivative), factors in terms.items():
        for (i, j), f in factors.items():
            add(power, derivative, (i + radial[0], j + radial[1]), t * f)
            add(power + 1, derivative, (i + radial[0], j + radial[1]), f)
            add(power, derivative + 1, (i + turning[0], j + turning[1]), sign * f)
            if i:
                add(power, derivative, (i - 1 + turning[0], j + 1 + turning[1]), -sign * i * f)
            if j:
                add(power, derivative, (i + 1 + turning[0], j - 1 + turning[1]), sign * j * f)
    return out


def is_elliptic(pencil: Pencil, directions: int = 360) -> bool:
    """Whether the principal part determines the highest derivatives in every direction."""
    size = len(pencil.t)
    symbols = np.zeros((directions, size, size))
    angles = math.pi * np.arange(directions) / directions
    for k, equation in enumerate(pencil.equations):
        for (j, (along, across)), coefficient in equation.items():
            symbols[:, k, j] += coefficient * np.cos(angles) ** along * np.sin(angles) ** across
    symbols *= pencil.units
    sizes = np.abs(symbols).max((0, 2), keepdims=True)
    if not (sizes > 0).all():
        return False
    determinants = np.linalg.det(symbols / sizes)
    return bool((determinants > WELL_POSED).all() or (determinants < -WELL_POSED).all())


def corner_modes(pencil: Pencil, least: float, largest: float) -> tuple[CornerMode, ...]:
    """The modes of a corner whose powers have real parts above ``least`` up to ``largest``, the lowest first.

    Of a pair of conjugate powers the one with the positive imaginary part is given.  Polynomials are left out.

    Raises
    ------
    ArithmeticError
        If the discretisations do not agree on the powers.

    Examples
    --------
    Laplace's equation in the re-entrant corner of an L, with values given:

    >>> laplace, value = {(0, (2, 0)): 1.0, (0, (0, 2)): 1.0}, {(0, (0, 0)): 1.0}
    >>> sides = ((value, 0.0), (value, 1.5 * math.pi))
    >>> modes = corner_modes(Pencil((0,), (2,), (laplace,), sides, 1.75 * math.pi), -2.0, 0.0)
    >>> [round(mode.power.real + 2, 6) for mode in modes]
    [0.666667, 1.333333]
    """
    earlier = None
    for count in COUNTS:
        found = _modes(pencil, count, least, largest)
        if earlier is not None and _agree(earlier, found):
            smooth = [is_polynomial(pencil, mode) for mode in found]
            return tuple(mode for mode, is_smooth in zip(found, smooth, strict=True) if not is_smooth)
        earlier = found
    raise ArithmeticError("the powers of the corner are not determined well enough")


def particular(
    pencil: Pencil,
    power: float,
    sources: Callable[[int, np.ndarray], np.ndarray],
    values: Sequence[float],
    sizes: Sequence[float],
) -> tuple[CornerMode, CornerMode]:
    """A solution ``u_j = r**(power + t_j) (f_j(phi) + log(r) g_j(phi))`` with sources and values of the conditions.

    Where the power is one of those with which solutions begin without any, a logarithm is needed.

    Parameters
    ----------
    sources
        What an equation gives over ``r**(power - s_k)``, at angles.
    values
        What the conditions give over their powers of ``r``.
    sizes
        Of the fields, over the powers of ``r``: what is small beside these does not matter.

    Returns
    -------
    f, g
        As modes of that power.

    Raises
    ------
    ArithmeticError
        If it takes higher powers of the logarithm, or discretisations do not agree.

    Examples
    --------
    A value that jumps by one in a right angle turns by two thirds of that in 60 degrees:

    >>> laplace, value = {(0, (2, 0)): 1.0, (0, (0, 2)): 1.0}, {(0, (0, 0)): 1.0}
    >>> pencil = Pencil((0,), (2,), (laplace,), ((value, 0.0), (value, 0.5 * math.pi)), 1.25 * math.pi)
    >>> f, g = particular(pencil, -2.0, lambda k, angle: 0.0 * angle, [0.0, 1.0], [1.0])
    >>> x = (math.pi / 3 - 0.25 * math.pi) / math.pi
    >>> round(float(chebyshev.chebval(x, f.series[0]).real), 6), bool(np.abs(g.series[0]).max() < 1e-9)
    (0.666667, True)
    """
    found = [_particular(pencil, count, power, sources, values) for count in COUNTS[:2]]
    for first, last in zip(*found, strict=True):
        for a, b, size in zip(first.series, last.series, sizes, strict=True):
            if np.abs(a - b[: len(a)]).max() > PARTICULAR * max(size, float(np.abs(b).max())):
                raise ArithmeticError("the solution at the corner is not determined well enough")
    return found[-1]


def _particular(
    pencil: Pencil,
    count: int,
    power: float,
    sources: Callable[[int, np.ndarray], np.ndarray],
    values: Sequence[float],
) -> tuple[CornerMode, CornerMode]:
    matrices = pencil.matrices(count)
    matrix = np.sum([power**k * m for k, m in enumerate(matrices)], axis=0)
    slope = np.sum([k * power ** (k - 1) * m for k, m in enumerate(matrices) if k], axis=0)
    given = [np.asarray(sources(k, pencil.angles(count, k)), dtype=float) for k in range(len(pencil.equations))]
    wanted = pencil.right_side(count, given, values)
    left, sizes, right = np.linalg.svd(matrix)
    null = sizes < SINGULAR * sizes[0]
    logarithmic = np.zeros(matrix.shape[1])
    if null.any():
        lost = left[:, null].T @ wanted
        through = left[:, null].T @ slope @ right[null].T
        factors = np.linalg.lstsq(through, lost, rcond=SINGULAR)[0]
        if np.abs(through @ factors - lost).max() > PARTICULAR * max(1e-300, np.abs(wanted).max()):
            raise ArithmeticError("the solution at the corner has squares of the logarithm")
        logarithmic = right[null].T @ factors
    rest = left[:, ~null].T @ (wanted - slope @ logarithmic)
    regular = right[~null].T @ (rest / sizes[~null])
    return _as_mode(pencil, count, power, regular), _as_mode(pencil, count, power, logarithmic)


def _as_mode(pencil: Pencil, count: int, power: float, vector: np.ndarray) -> CornerMode:
    parts = np.split(vector.astype(complex), np.cumsum([count + t for t in pencil.t])[:-1])
    return CornerMode(complex(power), tuple(unit * part for unit, part in zip(pencil.units, parts, strict=True)))


def _agree(first: Sequence[CornerMode], last: Sequence[CornerMode]) -> bool:
    return len(first) == len(last) and all(abs(a.power - b.power) < AGREE for a, b in zip(first, last, strict=True))


def _modes(pencil: Pencil, count: int, least: float, largest: float) -> list[CornerMode]:
    matrices = pencil.matrices(count)
    size, degree = matrices[0].shape[0], len(matrices) - 1
    shift = 0.5 * (least + largest) + 0.0123
    shifted = [
        sum(math.comb(n, k) * shift ** (n - k) * matrices[n] for n in range(k, degree + 1)) for k in range(degree + 1)
    ]
    # A0 + m A1 + m**2 A2 + ... = 0, by the inverse of m: companion matrix for the reciprocal polynomial
    first = np.linalg.inv(shifted[0])
    companion = np.zeros((size * degree, size * degree))
    for k in range(degree):
        companion[:size, k * size : (k + 1) * size] = -first @ shifted[k + 1]
    companion[size:, :-size] = np.eye(size * (degree - 1))
    values, vectors = np.linalg.eig(companion)
    found = []
    with np.errstate(divide="ignore", invalid="ignore"):
        powers = shift + 1.0 / values
    for power, vector in zip(powers, vectors[-size:].T, strict=True):
        if not np.isfinite(power) or power.imag < -AGREE or not least + AGREE < power.real <= largest + AGREE:
            continue
        if abs(power.imag) > 3.0 * (largest - least):
            continue
        found.append(_mode(pencil, count, complex(power), vector))
    return sorted(found, key=lambda mode: (round(mode.power.real, 6), mode.power.imag))


def _mode(pencil: Pencil, count: int, power: complex, vector: np.ndarray) -> CornerMode:
    """An eigenvector as series of size 1; those of a real power are real."""
    vector = vector / vector[np.argmax(np.abs(vector))]
    if abs(power.imag) < AGREE:
        power, vector = complex(power.real), vector.real.astype(complex)
    vector[np.abs(vector) < NOTHING] = 0.0
    ends = np.cumsum([count + t for t in pencil.t])[:-1]
    parts = np.split(vector, ends)
    return CornerMode(power, tuple(unit * part for unit, part in zip(pencil.units, parts, strict=True)))


def is_polynomial(pencil: Pencil, mode: CornerMode) -> bool:
    """Whether every field is a homogeneous polynomial in both coordinates."""
    if abs(mode.power - round(mode.power.real)) > INTEGER:
        return False
    x = np.linspace(-0.99, 0.99, 101)
    angle = pencil.cut - math.pi + math.pi * x
    for series, t, unit in zip(mode.series, pencil.t, pencil.units, strict=True):
        values, degree = chebyshev.chebval(x, series).real, round(mode.power.real) + t
        powers = [np.cos(angle) ** i * np.sin(angle) ** (degree - i) for i in range(degree + 1)]
        known = np.stack(powers, 1) if powers else np.zeros((len(x), 1))
        rest = values - known @ np.linalg.lstsq(known, values, rcond=None)[0]
        if np.abs(rest).max() > POLYNOMIAL * unit:
            return False
    return True
