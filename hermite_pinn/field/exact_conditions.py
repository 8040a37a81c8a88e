"""Fields that satisfy prescribed values exactly: a function that has them plus a factor, zero there, times a field.

With ``g`` equal to the prescribed values where they are prescribed, and ``f`` zero there and nowhere else, every field
``g + f v`` satisfies the conditions, and any function that does so is one of these.  See I. E. Lagaris, A. Likas and
D. I. Fotiadis, "Artificial neural networks for solving ordinary and partial differential equations", IEEE Transactions
on Neural Networks 9 (1998), and N. Sukumar and A. Srivastava, "Exact imposition of boundary conditions with distance
functions in physics-informed deep neural networks", CMAME 389 (2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.network.activation import JetPlan
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Program, total_derivative
from hermite_pinn.schema import Entry

from .boundary_distance import BoundaryDistance
from .boundary_factor import BoundaryFactor
from .expression_graph import described_graph, expressions_from
from .product_rule import Factor, combine

__all__ = ["ExactConditions", "distance_name", "factor_from"]

KIND = "conditions"
Orders = tuple[int, ...]


def distance_name(number: int) -> str:
    """What a distance is called in expressions, where it stands as if it were a field."""
    return f"distance:{number}"


@dataclass(frozen=True, eq=False)
class ExactConditions:
    """``lift + factor * field`` for every field, with derivatives up to the second.

    Attributes
    ----------
    axes
        Names of the coordinates.
    factors, lifts
        By field; expressions of the coordinates, and of ``distances`` as jets called :func:`distance_name`.
    distances
        Functions that are known by numbers only.
    unit
        What the factors are multiplied with.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import constant, coordinate
    >>> x = coordinate("x")
    >>> held = ExactConditions(("x",), (x * (1.0 - x),), (x * 2.0,))
    >>> at = torch.tensor([[0.0, 0.5]], dtype=torch.float64)
    >>> held.added(at, Channels.value(1)).tolist(), held.matrix(at, JetPlan.of(Channels.value(1))).flatten().tolist()
    ([[[0.0, 1.0]]], [0.0, 0.25])
    """

    axes: tuple[str, ...]
    factors: tuple[Expr, ...]
    lifts: tuple[Expr, ...]
    distances: tuple[BoundaryDistance, ...] = ()
    unit: float = 1.0

    def scaled(self, unit: float) -> ExactConditions:
        """The same with another unit."""
        return replace(self, unit=unit)

    # -- derivatives ---
    @cached_property
    def _known(self) -> dict[tuple[bool, int, Orders], Expr]:
        zero = (0,) * len(self.axes)
        return {
            (lift, f, zero): e for lift in (False, True) for f, e in enumerate(self.lifts if lift else self.factors)
        }

    @cached_property
    def _programs(self) -> dict[tuple[tuple[bool, int, Orders], ...], Program]:
        return {}

    def _expression(self, lift: bool, field: int, orders: Orders) -> Expr:
        key = lift, field, orders
        if key not in self._known:
            axis = next(i for i, m in enumerate(orders) if m)
            lower = tuple(m - (i == axis) for i, m in enumerate(orders))
            below = self._expression(lift, field, lower)
            self._known[key] = self.derivative(below, axis)
        return self._known[key]

    def derivative(self, expression: Expr, axis: int) -> Expr:
        """Of an expression of coordinates and distances along an axis."""
        return total_derivative(expression, self.axes[axis], axis)

    def _evaluate(
        self, x: torch.Tensor, wanted: Sequence[tuple[bool, int, Orders]]
    ) -> dict[tuple[bool, int, Orders], torch.Tensor]:
        key = tuple(wanted)
        if key not in self._programs:
            self._programs[key] = Program([self._expression(*one) for one in key])
        program = self._programs[key]
        env: dict[tuple[str, Any], torch.Tensor] = {("coordinate", name): x[i] for i, name in enumerate(self.axes)}
        for number, distance in enumerate(self.distances):
            name = distance_name(number)
            orders = [data[1] for kind, data in program.leaves if kind == "jet" and data[0] == name]
            if orders:
                env |= {("jet", (name, o)): v for o, v in distance.jets(x, orders).items()}
        values = program.run(env)
        return {
            k: torch.as_tensor(v, dtype=x.dtype, device=x.device).expand(x.shape[1:])
            for k, v in zip(key, values, strict=True)
        }

    def matrix(self, x: torch.Tensor, plan: JetPlan) -> torch.Tensor:
        """See :class:`.Factor`."""
        dim, needed = x.shape[0], {(0,) * x.shape[0]}
        for c in plan.outputs:
            for _, orders in plan.carried.channels[c]:
                needed |= _below(tuple(orders))
        wanted = [(False, f, o) for f in range(len(self.factors)) for o in sorted(needed) if len(o) == dim]
        values = self._evaluate(x, wanted)
        return self.unit * combine(x, plan, len(self.factors), lambda f, o: values[(False, f, o)])

    def added(self, x: torch.Tensor, channels: Channels) -> torch.Tensor | None:
        """See :class:`.Factor`."""
        if all(lift.is_constant and lift.data == 0 for lift in self.lifts):
            return None
        orders = sorted({tuple(o) for channel in channels.channels for _, o in channel})
        values = self._evaluate(x, [(True, f, o) for f in range(len(self.lifts)) for o in orders])
        rows = [
            torch.stack(
                [
                    sum((w * values[(True, f, tuple(o))] for w, o in channel), x.new_zeros(x.shape[1]))
                    for channel in channels.channels
                ]
            )
            for f in range(len(self.lifts))
        ]
        return torch.stack(rows)

    # -- files ---
    def describe(self) -> dict[str, Any]:
        """As plain data."""
        graph = described_graph([*self.factors, *self.lifts])
        return {"kind": KIND, **graph, "distances": [d.describe() for d in self.distances], "unit": self.unit}

    @classmethod
    def from_description(cls, described: Entry, axes: Sequence[str], fields: int) -> ExactConditions:
        """Inverse of :meth:`describe`.

        Raises
        ------
        CorruptFileError
            If it is that of other fields or of other coordinates.
        """
        distances = tuple(
            BoundaryDistance.from_description(d, len(axes)) for d in described.at("distances").items(most=1000)
        )
        names = [distance_name(k) for k in range(len(distances))]
        expressions = expressions_from(described, axes, names)
        if len(expressions) != 2 * fields:
            raise described.at("roots").refuse(f"{2 * fields} expressions")
        unit = described.at("unit").number(1e-300)
        return cls(tuple(axes), tuple(expressions[:fields]), tuple(expressions[fields:]), distances, unit)


def _below(orders: Orders) -> set[Orders]:
    """Orders that the product rule needs for these."""
    found = {orders}
    for i, m in enumerate(orders):
        if m:
            found |= _below(tuple(k - (i == j) for j, k in enumerate(orders)))
    return found


def factor_from(
    described: Entry, lower: Sequence[float], upper: Sequence[float], fields: int, axes: Sequence[str]
) -> Factor:
    """The factor that a file describes.

    Raises
    ------
    CorruptFileError
        If it fits neither the box nor the fields.
    """
    if described.get("kind") is None:
        return BoundaryFactor.from_description(described, lower, upper, fields)
    described.at("kind").text((KIND,))
    return ExactConditions.from_description(described, axes, fields)
