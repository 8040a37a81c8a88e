"""Fractional Laplacians as parts of equations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hermite_pinn.checks import number, text
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import depends_on

from .linear_operator import LinearOperator, operand

__all__ = ["Fraction", "FractionalLaplacian"]


@dataclass(frozen=True)
class Fraction:
    """Which fractional Laplacian it is.

    Attributes
    ----------
    axis
        Name of the axis.
    alpha
        Its order.
    name
        Of the fields that stand for it.
    """

    axis: str
    alpha: float
    name: str


class FractionalLaplacian(LinearOperator):
    """The integral fractional Laplacian along one axis, of a function that is zero outside of it.

    Solutions of such equations behave like ``d**(alpha / 2)`` at a distance ``d`` from the ends.  That factor is split
    off: ``FractionalLaplacian(v, alpha, over="x")`` is ``(-d2/dx2)**(alpha / 2)`` of the function ``u = w v``, where
    ``w = ((x - a) * (b - x))**(alpha / 2)`` on the axis from ``a`` to ``b``, and u is zero outside.  The unknown is the
    smooth factor ``v``, which takes no condition at the ends; the solution is ``w`` times it, by your own formula.

    The operator is written as a sum of solutions of differential equations of second order along the axis, of which
    each is a field of its own with its equation, some 28 in all: every method solves them, with exact derivatives.  For
    polynomials ``v`` of degree up to 1000 it is exact to 1e-11, which is the least that a tolerance can ask for.

    Parameters
    ----------
    expression
        The factor ``v``: of fields and coordinates.
    alpha
        Order of the operator, between 0 and 2; for 2 it would be ``-u.xx``.
    over
        Name of the axis.
    name
        Of the fields that stand for it; several are numbered.

    Raises
    ------
    InvalidProblemError
        For other orders, and, when the problem is made, for axes that do not exist, are periodic, the time, or cut by
        shapes.

    References
    ----------
    M. Kwaśnicki, Ten equivalent definitions of the fractional Laplace operator, Fract. Calc. Appl. Anal. 20 (2017).
    B. Dyda, A. Kuznetsov, M. Kwaśnicki, Fractional Laplace operator and Meijer G-function, Constr. Approx. 45 (2017).

    Examples
    --------
    The time that a process with jumps takes to leave an interval, ``u = w`` times a constant (Getoor):

    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(hp.Box(x=(-1, 1)), "v", lambda v: hp.FractionalLaplacian(v, 1.0, over="x") - 1)
    >>> solution = hp.solve(problem, progress=False)
    >>> float(abs(solution.v(0.5) - 1.0)) < 1e-6
    True
    """

    __slots__ = ()

    def __init__(self, expression: Any, alpha: float, over: str, *, name: str = "fractional") -> None:
        inner = operand("the fractional Laplacian", expression)
        if not depends_on(inner, ["jet"]):
            raise InvalidProblemError(f"the fractional Laplacian of {inner} contains no field; give it one")
        order = number("alpha of a FractionalLaplacian", alpha, error=InvalidProblemError)
        if not 0.0 < order < 2.0:
            raise InvalidProblemError(
                f"alpha of a FractionalLaplacian must lie between 0 and 2, got {order:g}; for 2 write -u.xx, for 0 the function itself"
            )
        axis = text("the axis of a FractionalLaplacian", over, error=InvalidProblemError)
        named = text("the name of a FractionalLaplacian", name, error=InvalidProblemError)
        super().__init__("fractional", (inner,), Fraction(axis, order, named))
