"""The product rule: derivatives of a factor times a field as combinations of those of the field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.network.activation import JetPlan

__all__ = ["Factor", "combine"]


class Factor(Protocol):
    """What multiplies fields, and what is added to them, so that conditions hold exactly."""

    def matrix(self, x: torch.Tensor, plan: JetPlan) -> torch.Tensor:
        """Derivatives of the product as combinations of those of the field, (fields, requested, carried, n)."""

    def added(self, x: torch.Tensor, channels: Channels) -> torch.Tensor | None:
        """Jets (fields, channels, n) of what is added; None for nothing."""

    def describe(self) -> dict[str, Any]:
        """As plain data."""


def combine(
    x: torch.Tensor, plan: JetPlan, fields: int, derivative: Callable[[int, tuple[int, ...]], torch.Tensor]
) -> torch.Tensor:
    """The matrix of :class:`Factor`.

    Parameters
    ----------
    x
        Points (dim, n).
    plan
        What is asked for, and the channels of the field that are there.
    fields
        Their number.
    derivative
        Takes the number of a field and orders, returns that derivative (n,) of its factor.
    """
    carried, dim = plan.carried.channels, x.shape[0]
    place = {c[0][1]: i for i, c in enumerate(carried) if sum(c[0][1]) < 2}
    matrix = x.new_zeros(fields, len(plan.outputs), len(carried), x.shape[1])
    for f in range(fields):
        for r, c in enumerate(plan.outputs):
            matrix[f, r, c] = derivative(f, (0,) * dim)
            for weight, orders in carried[c]:
                if sum(orders) == 0:
                    continue
                matrix[f, r, 0] += weight * derivative(f, tuple(orders))
                if sum(orders) == 2:
                    for axis in _axes(orders):
                        unit = tuple(int(axis == j) for j in range(dim))
                        rest = tuple(m - u for m, u in zip(orders, unit, strict=True))
                        matrix[f, r, place[unit]] += weight * derivative(f, rest)
    return matrix


def _axes(orders: Sequence[int]) -> list[int]:
    """Every axis as often as it is differentiated along."""
    return [i for i, m in enumerate(orders) for _ in range(m)]
