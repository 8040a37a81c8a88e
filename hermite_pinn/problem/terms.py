"""What equations and conditions contribute to a problem: residuals on regions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hermite_pinn.checks import number
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Program, substitute
from hermite_pinn.geometry import Region

__all__ = ["FaceTrace", "Term", "checked_weight", "with_normal"]


@dataclass(frozen=True)
class FaceTrace:
    """A prescribed value (order 0) or derivative along the axis of a whole side of the box (order 1)."""

    field: str
    order: int
    value: Expr

    @cached_property
    def program(self) -> Program:
        """Computes the value."""
        return Program([self.value])


@dataclass(frozen=True, eq=False)
class Term:
    """One residual on one region.

    Attributes
    ----------
    name
        How it is called in reports; the faces of one condition share it.
    expression
        Zero where the term is satisfied.  Components of the normal are leaves, so that all regions of a condition share
        it.
    region
        Where it holds.
    weight
        The user's weight, or None.
    trace
        Set if the term prescribes a value or normal derivative on a whole side of the box.
    where
        Restriction of a face to the points where this expression is true.
    noise
        Standard deviations (n,) of measured values; ``"auto"`` where they are equal but unknown; None for exact ones.
    residual
        The expression with the numbers of the region's normal, where that is the same at all of its points.  What they
        multiply by zero is gone, so that no more derivatives are computed than the region needs.
    """

    name: str
    expression: Expr
    region: Region
    weight: float | None = None
    trace: FaceTrace | None = None
    where: Expr | None = None
    noise: np.ndarray | str | None = None
    residual: Expr = field(default=None)  # type: ignore[assignment]  # made from the expression

    def __post_init__(self) -> None:
        if self.residual is None:
            object.__setattr__(self, "residual", with_normal(self.expression, self.region))


def with_normal(expression: Expr, region: Region) -> Expr:
    """An expression with the components of a region's normal put in where they are numbers."""
    components = region.normal
    if components is None:
        return expression
    return substitute(expression, lambda leaf: components[leaf.data] if leaf.op == "normal" else None)


def checked_weight(weight: float | None) -> float | None:
    """The weight of a condition as a number.

    Raises
    ------
    InvalidProblemError
        If it is not positive and finite.
    """
    if weight is None:
        return None
    return number("the weight of a condition", weight, above=0, otherwise="None", error=InvalidProblemError)
