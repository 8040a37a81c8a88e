"""Functions ``r**p f(phi)`` of polar coordinates about a corner, of which the singular functions of systems consist."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.polynomial import Polynomial, chebyshev

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.schema import Entry

from .singular import CLOSEST, combination

__all__ = ["SectorFunction"]

LONGEST = 1000  # series in a file
SLOPES = (1.0 + 0.0j, 1.0j)  # d/dx and d/dy by the derivatives by z and by its conjugate
#: The cut-off function leaves 1 as the fourth power of the distance, and comes to 0 with four derivatives:
#: the integral of ``s (1 - s)**4`` from s to 1 over that from 0, with s the square of the distance.
CUT_OFF = Polynomial([1.0, 0.0, -15.0, 40.0, -45.0, 24.0, -5.0])


@dataclass(frozen=True)
class SectorFunction:
    """The real part of ``r**(exponent + i frequency) (f(phi) + log(r) g(phi))`` with series; r in units of a length.

    The angle counts from the direction that is opposite to the cut, where it jumps.  At the corner the value is 0 or,
    where it would be infinite, that at a distance of 1e-8 lengths, as are all derivatives.

    Attributes
    ----------
    point
        The corner.
    exponent, frequency
        Of the distance; a frequency belongs to a pair of conjugate powers.
    cut
        Angle of the cut in radians.
    series
        Chebyshev coefficients of the real part of ``f`` over ``(phi - opposite) / pi``.
    imaginary
        The same of its imaginary part; empty if that is zero.
    length
        The unit of length.
    reach
        Distance from which on the function is zero, by a factor that is 1 at the corner; infinite without a factor.
    logarithm
        Chebyshev coefficients of ``g``, which is real; empty if that is zero.

    Examples
    --------
    >>> root = SectorFunction((0.0, 0.0), 0.5, 0.0, math.pi, (1.0,))
    >>> x = torch.tensor([[4.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    >>> root.jets(x, Channels.value(2)).tolist()
    [[2.0, 0.0]]
    """

    point: tuple[float, float]
    exponent: float
    frequency: float
    cut: float
    series: tuple[float, ...]
    imaginary: tuple[float, ...] = ()
    length: float = 1.0
    reach: float = math.inf
    logarithm: tuple[float, ...] = ()
    kind: ClassVar[str] = "sector"  # in files

    @property
    def order(self) -> float:
        """The power of the distance from the corner."""
        return self.exponent

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """Derivative channels at points (2, n): (channels, n), of the type of the points, computed in float64."""
        from_point = x.to(torch.float64) - x.new_tensor(self.point, dtype=torch.float64)[:, None]
        z = torch.complex(from_point[0], from_point[1]) / self.length
        derivatives = self._derivatives(z, channels.order)
        rows = []
        for channel in channels.channels:
            total = torch.zeros_like(z.real)
            for key, factor in combination(channel, SLOPES).items():
                if factor != 0:
                    total = total + (derivatives[key] * (factor / self.length ** sum(key))).real
            rows.append(total)
        return torch.stack(rows).to(x.dtype)

    def _derivatives(self, z: torch.Tensor, order: int) -> dict[tuple[int, int], torch.Tensor]:
        """Derivatives by ``z`` and by its conjugate, by their orders."""
        opposite = complex(-math.cos(self.cut), -math.sin(self.cut))
        near = torch.where(z.abs() < CLOSEST, torch.full_like(z, CLOSEST * opposite), z)
        r = near.abs()
        unit, turned = near / r, near * opposite.conjugate()
        angle = torch.atan2(turned.imag, turned.real) / math.pi
        by_angle = self._by_angle(angle, order)
        rest = self._logarithmic(angle, order) if self.logarithm else []
        power = complex(self.exponent, self.frequency)
        radial = (r.log() * power).exp()
        found = {}
        for p, q in itertools.product(range(order + 1), repeat=2):
            if p + q <= order:
                factors = _angular_operator(power, p, q)
                total = sum(c * d for c, d in zip(factors, by_angle, strict=False))
                if rest:
                    slopes = _angular_slope(power, p, q)
                    total = total + r.log() * sum(c * d for c, d in zip(factors, rest, strict=False))
                    total = total + sum(c * d for c, d in zip(slopes, rest, strict=False))
                found[p, q] = radial * r ** -(p + q) * unit ** (q - p) * total
        if math.isfinite(self.reach):
            found = _product(found, _cut_off(near * (self.length / self.reach), self.length / self.reach, order), order)
        if self.exponent > 0:
            found[0, 0] = torch.where(z == 0, torch.zeros_like(z), found[0, 0])
        return found

    @cached_property
    def _series(self) -> np.ndarray:
        own = np.array(self.series, dtype=complex)
        if self.imaginary:
            own = own + 1j * np.array(self.imaginary)
        return own

    def _by_angle(self, x: torch.Tensor, order: int) -> list[torch.Tensor]:
        """``f`` and its derivatives by the angle at points between -1 and 1."""
        parts = [self._series.real, self._series.imag] if self.imaginary else [self._series.real]
        rows = [chebyshev.chebder(part, n) / math.pi**n for part in parts for n in range(order + 1)]
        table = np.zeros((len(rows), len(self.series)))
        for row, own in zip(table, rows, strict=True):
            row[: len(own)] = own
        values = _clenshaw(torch.as_tensor(table).to(x), x)
        if not self.imaginary:
            return [torch.complex(v, torch.zeros_like(v)) for v in values]
        return [torch.complex(a, b) for a, b in zip(values[: order + 1], values[order + 1 :], strict=True)]

    def _logarithmic(self, x: torch.Tensor, order: int) -> list[torch.Tensor]:
        """The same of what the logarithm is multiplied with."""
        return replace(self, series=self.logarithm, imaginary=(), logarithm=())._by_angle(x, order)

    # -- files ---
    def describe(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "kind": self.kind,
            "point": list(self.point),
            "exponent": self.exponent,
            "frequency": self.frequency,
            "cut": self.cut,
            "series": list(self.series),
            "imaginary": list(self.imaginary),
            "length": self.length,
            "reach": self.reach if math.isfinite(self.reach) else None,
            "logarithm": list(self.logarithm),
        }

    @classmethod
    def from_description(cls, described: Entry) -> SectorFunction:
        """Inverse of :meth:`describe`.

        Raises
        ------
        CorruptFileError
            If something is missing, is no finite number, or does not fit together.
        """
        first, last = (e.number() for e in described.at("point").items(2))
        series, imaginary = (
            tuple(e.number() for e in described.at(name).items(least=least, most=LONGEST))
            for name, least in (("series", 1), ("imaginary", 0))
        )
        if imaginary and len(imaginary) != len(series):
            raise described.at("imaginary").refuse(f"none or {len(series)} numbers")
        logarithm = described.get("logarithm")
        lengths = [entry for entry in (described.at("length"), described.get("reach")) if entry is not None]
        for entry in lengths:
            if not entry.number() > 0:
                raise entry.refuse("a positive number")
        return cls(
            (first, last),
            described.at("exponent").number(-9.0, 9.0),
            described.at("frequency").number(-99.0, 99.0),
            described.at("cut").number(),
            series,
            imaginary,
            lengths[0].number(),
            lengths[1].number() if len(lengths) > 1 else math.inf,
            tuple(e.number() for e in logarithm.items(most=LONGEST)) if logarithm is not None else (),
        )


def _clenshaw(table: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Chebyshev series, the rows of a table, at points: (rows, n)."""
    last = before = torch.zeros(len(table), len(x), dtype=x.dtype, device=x.device)
    for k in range(table.shape[1] - 1, 0, -1):
        last, before = table[:, k, None] + 2.0 * x * last - before, last
    return table[:, 0, None] + x * last - before


def _angular_operator(power: complex, p: int, q: int) -> np.ndarray:
    """What p derivatives by z and q by its conjugate of ``r**power f`` do to ``f``: factors of its derivatives.

    With ``D`` for the derivative by the angle they are ``(power - 2 i - 1j D) / 2`` and ``(power - 2 i + 1j D) / 2``,
    beside ``r**(power - p - q) exp(1j (q - p) phi)``.
    """
    factors = np.ones(1, dtype=complex)
    for sign, times in ((-1.0j, p), (1.0j, q)):
        for i in range(times):
            factors = np.convolve(factors, 0.5 * np.array([power - 2 * i, sign]))
    return factors


def _angular_slope(power: complex, p: int, q: int) -> np.ndarray:
    """The derivative of :func:`_angular_operator` by the power."""
    single = [0.5 * np.array([power - 2 * i, sign]) for sign, times in ((-1.0j, p), (1.0j, q)) for i in range(times)]
    total = np.zeros(p + q + 1, dtype=complex)
    for left_out in range(len(single)):
        product = np.array([0.5 + 0.0j])
        for i, factor in enumerate(single):
            if i != left_out:
                product = np.convolve(product, factor)
        total[: len(product)] += product
    return total


def _cut_off(z: torch.Tensor, scale: float, order: int) -> dict[tuple[int, int], torch.Tensor]:
    """The cut-off function of ``|z|`` and its derivatives by z over ``scale`` and its conjugate."""
    s = (z * z.conj()).real.clamp(max=1.0)
    values = [
        torch.complex(own, torch.zeros_like(own)) for own in (_horner(CUT_OFF.deriv(n), s) for n in range(order + 1))
    ]
    found = {}
    for p, q in itertools.product(range(order + 1), repeat=2):
        if p + q <= order:
            total = torch.zeros_like(z)
            for k in range(min(p, q) + 1):
                factor = math.comb(q, k) * math.perm(p, k) * scale ** (p + q)
                total = total + factor * z.conj() ** (p - k) * z ** (q - k) * values[p + q - k]
            found[p, q] = total
    return found


def _horner(polynomial: Polynomial, s: torch.Tensor) -> torch.Tensor:
    value = torch.zeros_like(s)
    for c in polynomial.coef[::-1]:
        value = value * s + float(c)
    return value


def _product(
    first: Mapping[tuple[int, int], torch.Tensor], last: Mapping[tuple[int, int], torch.Tensor], order: int
) -> dict[tuple[int, int], torch.Tensor]:
    """Derivatives of a product."""
    found: dict[tuple[int, int], torch.Tensor] = {}
    for p, q in first:
        terms: Sequence[torch.Tensor] = [
            math.comb(p, i) * math.comb(q, j) * first[i, j] * last[p - i, q - j]
            for i, j in itertools.product(range(p + 1), range(q + 1))
        ]
        found[p, q] = torch.stack(list(terms)).sum(0)
    return found
