"""Small coefficients of second derivatives that make layers, and the larger ones with which a solve begins.

Least squares prefer a wrong solution of ``-eps u'' + b u' = f`` as long as the layer of width ``eps / b`` is not
resolved: zero costs 1, the layer about ``1 / h``.  So the coefficient begins at the value that makes the layer a
quarter of the domain wide, and is halved whenever the layer is resolved, until it is that of the problem.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm, Jet, compile_term
from hermite_pinn.residuals.sizes import field_sizes, rms, sobol_points

__all__ = ["SmallCoefficient", "added", "foreign_sides", "small_coefficients"]

WIDTH = 0.25  # of the domain: of the layer with which a solve begins
WORTH = 4.0  # times the coefficient: one with which a solve begins, if it is to begin there


@dataclass(frozen=True)
class SmallCoefficient:
    """One coefficient that is small beside that of the first derivative along the same axis.

    Attributes
    ----------
    equation, jet
        The number of the equation, and the second derivative of a field.
    value
        The coefficient, with its sign.
    first
        The one with which a solve begins.
    speed
        The coefficient of the first derivative.

    Examples
    --------
    >>> small = SmallCoefficient(0, ("u", (2,)), -1e-2, -0.25, 1.0)
    >>> small.at(1), small.at(9), small.layer(1)
    (-0.125, -0.01, (0, 0.125))
    """

    equation: int
    jet: Jet
    value: float
    first: float
    speed: float

    def at(self, halvings: float) -> float:
        """The coefficient after some halvings: never smaller than it is."""
        return math.copysign(max(abs(self.first) * 0.5**halvings, abs(self.value)), self.value)

    def layer(self, halvings: float) -> tuple[int, float]:
        """The axis across which there is a layer after some halvings, and how wide it is."""
        return self.jet[1].index(2), abs(self.at(halvings)) / self.speed

    @property
    def halvings(self) -> float:
        """After how many of them nothing is added."""
        return max(0.0, math.log2(abs(self.first) / abs(self.value)))


def small_coefficients(problem: Problem) -> list[SmallCoefficient]:
    """The small coefficients of a problem, at fields of the sizes that its statement tells."""
    found = []
    equations = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
    env, time = sobol_points(problem), problem.domain.time_axis
    sizes = field_sizes(problem)
    for number, term in enumerate(equations):
        slopes = _slopes(term, env, sizes)
        if slopes is None:
            continue
        for (field, orders), second in slopes.items():
            axis = orders.index(2) if 2 in orders and sum(orders) == 2 else None
            if axis is None or axis == time:
                continue
            first = slopes.get((field, tuple(int(k == axis) for k in range(problem.domain.dim))))
            if (
                first is None
                or not bool((second.sign() == second.sign()[0]).all())
                or not float(second.abs().min()) > 0
            ):
                continue
            value, start = rms(second), WIDTH * rms(first) * problem.domain.lengths[axis]
            if math.isfinite(start) and start > WORTH * value:
                sign = float(second[0].sign())
                found.append(SmallCoefficient(number, (field, orders), sign * value, sign * start, rms(first)))
    return found


def _slopes(term: CompiledTerm, env: dict, sizes: dict[str, float]) -> dict[Jet, torch.Tensor] | None:  # type: ignore[type-arg]
    """Derivatives of a residual by jets where fields have their sizes; None where it is not defined there."""
    values = {(f, o): sizes[f] for f, o in term.jets if f in sizes and not any(o)}
    try:
        _, variable, _ = term.evaluate(env, values)
    except (ArithmeticError, ValueError, RuntimeError):
        return None
    return {
        jet: torch.atleast_1d(torch.as_tensor(s, dtype=torch.float64)) for jet, s in (term.constant | variable).items()
    }


def added(coefficients: Sequence[SmallCoefficient], equations: int, halvings: float) -> list[dict[Jet, float]]:
    """By equation, what is added to its residual: numbers times jets."""
    parts: list[dict[Jet, float]] = [{} for _ in range(equations)]
    for c in coefficients:
        extra = c.at(halvings) - c.value
        if extra:
            parts[c.equation][c.jet] = extra
    return parts


def foreign_sides(problem: Problem, coefficients: Sequence[SmallCoefficient]) -> list[tuple[int, int]]:
    """Sides, by axis and end, at which layers end, with values that belong to the problem's coefficients alone."""
    across, found = {c.jet[1].index(2) for c in coefficients}, []
    for term in problem.terms:
        plane, trace = term.region.plane, term.trace
        if plane is None or trace is None or plane.axis in across:
            continue
        if not (trace.value.is_constant and trace.value.data == 0):
            found.append((plane.axis, plane.side))
    return found
