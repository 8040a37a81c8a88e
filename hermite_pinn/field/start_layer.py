"""Functions that diffuse from a side of a box into it, where a condition contradicts the state at the start.

Beside a side whose prescribed value jumps at the start of time, diffusion gives a layer of width ``sqrt(D t)``.  No
grid holds it: its derivatives are infinite in the corner of space and time.  With ``r = 2 sqrt(D t)`` and the distance
``d`` from the side, ``r**n i^n erfc(d / r)`` solves ``u_t = D u_dd`` and vanishes at the start; ``i^n erfc`` are the
repeated integrals of the complementary error function.  On the side it is a multiple of ``t**(n/2)``.  Times
``exp(a d + b t)`` it solves equations with drift and decay.  See Carslaw and Jaeger, *Conduction of Heat in Solids*
(1959), section 2.5 and appendix II.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.functions import erfc, exp, sqrt
from hermite_pinn.schema import Entry

__all__ = ["StartLayer"]

ROOT_PI = 0.5641895835477563  # 1 / sqrt(pi)
HIGHEST = 9  # degree in files


@dataclass(frozen=True)
class StartLayer:
    """A solution of the equation of diffusion, ``r**n i^n erfc(d / r)`` with ``r = 2 sqrt(D (t + shift))``.

    Attributes
    ----------
    point
        The corner: where the side is, and when time starts.
    time
        Number of the axis of time, 0 or 1.
    inward
        1 where the domain is on the upper side of the corner along the axis of space, else -1.
    diffusivity
        ``D``, more than 0.
    degree
        ``n``, at least 0: even for values on the side, odd for slopes.
    shift
        A very short time, before which the layer begins: all derivatives are finite.
    growth
        ``a`` and ``b`` of a factor ``exp(a d + b t)``, where ``d`` is the distance from the side.

    Examples
    --------
    >>> step = StartLayer((0.0, 0.0), 1, 1, 1.0, 0, 1e-16)
    >>> x = torch.tensor([[0.0, 1.0], [1.0, 0.25]], dtype=torch.float64)
    >>> [round(v, 6) for v in step.jets(x, Channels.value(2))[0].tolist()]  # 1 on the side, erfc(1) at a distance
    [1.0, 0.157299]
    """

    point: tuple[float, float]
    time: int
    inward: int
    diffusivity: float
    degree: int
    shift: float
    growth: tuple[float, float] = (0.0, 0.0)
    kind: ClassVar[str] = "start layer"  # in files

    @property
    def order(self) -> float:
        """The power of the distance from the corner with which it grows."""
        return float(self.degree)

    def at(self, place: Any, time: Any, orders: Sequence[int]) -> Any:
        """A derivative at coordinates of space and time, which are numbers, tensors or symbols.

        Parameters
        ----------
        orders
            Along both axes of the domain.
        """
        along, later = orders[1 - self.time], orders[self.time]
        times = time - self.point[self.time] + self.shift
        width = 2.0 * sqrt(self.diffusivity * times)
        distance = self.inward * (place - self.point[1 - self.time])
        (inner, after), total = self.growth, 0.0
        for i, j in itertools.product(range(along + 1), range(later + 1)):
            factor = math.comb(along, i) * math.comb(later, j) * inner ** (along - i) * after ** (later - j)
            if not factor:
                continue
            degree = self.degree - i - 2 * j
            value = _repeated_integral(degree, distance / width)
            if degree:
                value = value * width**degree
            total = total + value * float((-1) ** i * self.diffusivity**j * factor)
        if inner or after:
            total = total * exp(inner * distance + after * (time - self.point[self.time]))
        return total * float(self.inward**along)

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """Derivative channels at points (2, n): (channels, n), of the type of the points, computed in float64."""
        place, time = x[1 - self.time].to(torch.float64), x[self.time].to(torch.float64)
        rows = [
            sum(weight * self.at(place, time, orders) for weight, orders in channel) for channel in channels.channels
        ]
        return torch.stack([torch.as_tensor(row) for row in rows]).to(x.dtype)

    # -- files ---
    def describe(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "kind": self.kind,
            "point": list(self.point),
            "time": self.time,
            "inward": self.inward,
            "diffusivity": self.diffusivity,
            "degree": self.degree,
            "shift": self.shift,
            "growth": list(self.growth),
        }

    @classmethod
    def from_description(cls, described: Entry) -> StartLayer:
        """Inverse of :meth:`describe`.

        Raises
        ------
        CorruptFileError
            If something is missing or out of range.
        """
        first, last = (e.number() for e in described.at("point").items(2))
        inward, parts = described.at("inward").integer(-1, 1), {}
        for name in ("diffusivity", "shift"):
            entry = described.at(name)
            parts[name] = entry.number(0.0)
            if not parts[name] > 0:
                raise entry.refuse("a number above 0")
        if not inward:
            raise described.at("inward").refuse("1 or -1")
        degree = described.at("degree").integer(0, HIGHEST)
        time = described.at("time").integer(0, 1)
        inner, after = (e.number() for e in described.at("growth").items(2))
        return cls((first, last), time, inward, parts["diffusivity"], degree, parts["shift"], (inner, after))


def _repeated_integral(degree: int, ratio: Any) -> Any:
    """``i^n erfc``; of a negative degree the derivatives with alternating sign."""
    if degree < 0:
        bell = (2.0 * ROOT_PI) * exp(-(ratio * ratio))
        before: Any = 0.0
        now: Any = 1.0
        for m in range(-1 - degree):
            before, now = now, 2.0 * ratio * now - (2.0 * m) * before
        return bell * now
    if degree == 0:
        return erfc(ratio)
    lower, value = _repeated_integral(-1, ratio), _repeated_integral(0, ratio)
    for n in range(1, degree + 1):
        lower, value = value, (0.5 * lower - ratio * value) / n
    return value
