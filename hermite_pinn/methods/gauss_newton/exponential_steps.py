"""Steps in time that integrate the stiff linear part of an equation exactly: exponential Runge-Kutta methods.

For ``a' = L a + N(t, a)`` with a diagonal L, the method of fourth order of S. Krogstad, Generalized integrating factor
methods for stiff PDEs, J. Comput. Phys. 203 (2005).  Its last stage of a step is the first one of the next, and the
difference between both stages at the end of a step tells the error, as in P. Whalen, M. Brio, J. V. Moloney,
Exponential time-differencing with embedded Runge-Kutta adaptive step control, J. Comput. Phys. 280 (2015).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch

__all__ = ["ExponentialSteps", "StepTaken", "phi_functions"]

QUARTIC = 0.005  # of the third differences, for the error that symmetric stages have beyond them
KEPT = 6  # lengths of steps whose weights are kept
NEAR, TERMS = 1.0, 20  # arguments below which the series serves, and how much of it


def phi_functions(z: torch.Tensor, most: int = 3) -> list[torch.Tensor]:
    """``exp(z)`` and the functions phi_1, phi_2, ... with ``phi_k(z) = (phi_{k-1}(z) - 1 / (k - 1)!) / z``.

    Parameters
    ----------
    z
        Arguments of any shape, float64 or complex128.
    most
        Number of the last function.

    Examples
    --------
    >>> z = torch.tensor([0.0, -2.0], dtype=torch.float64)
    >>> [[round(float(v), 6) for v in f] for f in phi_functions(z)]
    [[1.0, 0.135335], [1.0, 0.432332], [0.5, 0.283834], [0.166667, 0.108083]]
    """
    near = z.abs() < NEAR
    small, large = torch.where(near, z, 0.0), torch.where(near, 1.0, z)
    whole = torch.exp(z)
    found, before = [whole], whole
    for k in range(1, most + 1):
        series = torch.full_like(z, 1.0 / math.factorial(k + TERMS))
        for term in reversed(range(TERMS)):
            series = series * small + 1.0 / math.factorial(k + term)
        before = torch.where(near, series, (before - 1.0 / math.factorial(k - 1)) / large)
        found.append(before)
    return found


@dataclass(frozen=True, eq=False)
class _Weights:
    """Of the stages of a step: of the state, then of the values of N, which are multiplied by the length."""

    half: torch.Tensor
    whole: torch.Tensor
    second: torch.Tensor  # N1 in the second stage
    third: tuple[torch.Tensor, torch.Tensor]  # N1 and N2 in the third
    fourth: tuple[torch.Tensor, torch.Tensor]  # N1 and N3 in the fourth
    end: tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # N1, N2 + N3, N4
    cubic: torch.Tensor  # the third divided difference of N, in the error
    last: torch.Tensor  # N4 - N5 in the error


@dataclass(frozen=True, eq=False)
class StepTaken:
    """A step.

    Attributes
    ----------
    state
        At its end.
    rate
        N there.
    error
        Estimate of what steps like this one add to the error of the state until the end of time: what decays or turns
        does not add up.
    """

    state: torch.Tensor
    rate: torch.Tensor
    error: torch.Tensor


class ExponentialSteps:
    """Steps for ``a' = L a + N(t, a)``.

    Parameters
    ----------
    linear
        The diagonal of L, of the shape of the state, float64 or complex128.
    rates
        N, of a time and a state.
    length
        Of all times.

    Examples
    --------
    >>> linear = torch.tensor([-1000.0], dtype=torch.float64)
    >>> steps = ExponentialSteps(linear, lambda t, a: 1000.0 * torch.ones_like(a), 1.0)
    >>> a = torch.zeros(1, dtype=torch.float64)
    >>> round(float(steps.take(0.0, 1.0, a, steps.rates(0.0, a)).state), 12)
    1.0
    """

    def __init__(
        self, linear: torch.Tensor, rates: Callable[[float, torch.Tensor], torch.Tensor], length: float
    ) -> None:
        self.linear, self.rates, self.length = linear, rates, length
        self._kept: OrderedDict[float, _Weights] = OrderedDict()

    def _weights(self, h: float) -> _Weights:
        known = self._kept.get(h)
        if known is not None:
            self._kept.move_to_end(h)
            return known
        count = (1.0 + 1.0 / (h * self.linear.abs()).clamp(min=1e-300)).clamp(max=max(1.0, self.length / h))
        half, p1, p2 = phi_functions(0.5 * h * self.linear, 2)
        whole, q1, q2, q3, q4 = phi_functions(h * self.linear, 4)
        made = _Weights(
            half,
            whole,
            0.5 * h * p1,
            (0.5 * h * (p1 - 2 * p2), h * p2),
            (h * (q1 - 2 * q2), 2 * h * q2),
            (h * (q1 - 3 * q2 + 4 * q3), h * (2 * q2 - 4 * q3), h * (4 * q3 - q2)),
            count * h**4 * ((6 * q4 - 3 * q3 + 0.5 * q2).abs() + QUARTIC),
            count * h * (4 * q3 - q2),
        )
        self._kept[h] = made
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return made

    def take(
        self,
        time: float,
        h: float,
        state: torch.Tensor,
        rate: torch.Tensor,
        before: tuple[float, torch.Tensor] | None = None,
    ) -> StepTaken:
        """A step of length ``h`` from a state, where N is ``rate``.

        Its stages see how N depends on the state, but not what N does between the times of the stages; that is told by
        N at an earlier time, ``before``.
        """
        w, middle, end = self._weights(h), time + 0.5 * h, time + h
        half = w.half * state
        second = self.rates(middle, half + w.second * rate)
        third = self.rates(middle, half.addcmul_(w.third[0], rate).addcmul_(w.third[1], second))
        whole = w.whole * state
        fourth = self.rates(end, (whole + w.fourth[0] * rate).addcmul_(w.fourth[1], third))
        found = whole.addcmul_(w.end[0], rate).addcmul_(w.end[1], second + third)
        found.addcmul_(w.end[2], fourth)
        last = self.rates(end, found)
        error = w.last * (fourth - last)
        if before is not None:
            times = before[0] - time, 0.0, 0.5 * h, h
            difference = sum(
                value / math.prod(a - b for b in times if b != a)
                for a, value in zip(times, (before[1], rate, third, last), strict=True)
            )
            error = error.abs() + w.cubic * torch.as_tensor(difference).abs()
        return StepTaken(found, last, error)
