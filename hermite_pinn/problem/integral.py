"""Integrals of fields as parts of equations and conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hermite_pinn.checks import items, number, refuse, text
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.complex_values import ComplexValue, parts_of
from hermite_pinn.expressions.graph import Expr, postorder
from hermite_pinn.expressions.jets import FieldJet

from .linear_operator import LinearOperator, operand

__all__ = ["Integral", "Interval"]

Limit = float | None


@dataclass(frozen=True)
class Interval:
    """Over what an integral goes.

    Attributes
    ----------
    axis
        Name of the axis.
    lower, upper
        Limits; None: the ends of the axis.
    running
        Which of them is the coordinate itself, ``"lower"`` or ``"upper"``; None: neither.
    kernel
        Function of the coordinate and the variable of integration, or None.
    name
        Of the fields that stand for the integral.
    """

    axis: str
    lower: Limit
    upper: Limit
    running: str | None
    kernel: Callable[..., Any] | None
    name: str


class Integral(LinearOperator):
    """An integral over one axis or several, as a part of a residual or of a :class:`Condition`.

    ``Integral(u, over="x")`` is that over a whole axis, ``upper=x`` makes it run up to the coordinate (Volterra),
    ``kernel=lambda x, s: ...`` multiplies by a function of the coordinate and the variable of integration ``s``.

    Every integral is a field of its own with the equation that it is a primitive of the expression, so that every
    method solves it, with exact derivatives, as accurately as the rest: the solution has it under its name.  A kernel
    is written as a sum of products of a function of ``x`` and one of ``s``, of which each is a field: few for
    ``exp(s - x)``, polynomials and waves, up to 24 where ``K(x, s)`` is interpolated by polynomials of ``x``.

    Parameters
    ----------
    expression
        Of fields, their derivatives, coordinates, and other integrals.
    over
        Name of an axis, or several, one after the other; None: all axes of space of the fields in the expression.
    kernel
        Function of the coordinate, by the name of the axis, and of ``s`` (``r`` where the axis is called ``s``).
    lower, upper
        Limits: numbers, the coordinate itself as ``upper=x``, or None for the ends of the axis.
    name
        Of the field that stands for it; several integrals of one name are numbered.

    Raises
    ------
    InvalidProblemError
        For axes that do not exist, are periodic (but over the whole period) or cut by shapes, limits outside the
        domain, and kernels that are no sum of few products, when the problem is made.

    Examples
    --------
    A memory that fades, ``y' + y = integral of exp(s - x) y(s) from 0 to x``:

    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(
    ...     hp.Box(x=(0, 5)), "y",
    ...     lambda y, x: y.x + y - hp.Integral(y, over="x", upper=x, kernel=lambda x, s: hp.exp(s - x), name="memory"),
    ...     [hp.Dirichlet(y=1.0, on="x-")],
    ... )
    >>> solution = hp.solve(problem, progress=False)
    >>> abs(solution.y(2.0) - hp.exp(-2.0) * hp.cosh(2.0)) < 1e-6
    True
    """

    __slots__ = ()

    def __init__(
        self,
        expression: Any,
        over: str | Sequence[str] | None = None,
        *,
        kernel: Callable[..., Any] | None = None,
        lower: Any = None,
        upper: Any = None,
        name: str = "integral",
    ) -> None:
        inner = operand("the integral", expression)
        axes = _axes(inner, over)
        named = text("the name of an Integral", name, error=InvalidProblemError)
        if kernel is not None and (not callable(kernel) or isinstance(kernel, type)):
            refuse(
                "the kernel of an Integral",
                kernel,
                "a function such as lambda x, s: x * s",
                otherwise="None",
                error=InvalidProblemError,
            )
        if len(axes) > 1 and not (kernel is None and lower is None and upper is None):
            raise InvalidProblemError(
                f"an Integral over {' and '.join(axes)} has no kernel and no limits; write one over each axis, inside each other"
            )
        for axis in axes[:-1]:
            inner = Integral(inner, axis, name=named)
        axis = axes[-1]
        ends = {"lower": _limit(axis, "lower", lower), "upper": _limit(axis, "upper", upper)}
        running = [side for side, end in ends.items() if isinstance(end, str)]
        if len(running) > 1:
            raise InvalidProblemError(f"an Integral from {axis} to {axis} is zero; give one of the limits a number")
        a, b = (None if isinstance(end, str) else end for end in ends.values())
        super().__init__("integral", (inner,), Interval(axis, a, b, next(iter(running), None), kernel, named))


def _axes(expression: Expr, over: Any) -> list[str]:
    """Names of axes."""
    if over is None:
        known = [leaf for leaf in postorder(expression) if isinstance(leaf, FieldJet)]
        if not known:
            raise InvalidProblemError(
                f"the integral of {expression} contains no field; say over which axes it goes by over="
            )
        return [known[0]._axes[i] for i in known[0]._space()]
    accepted = "the name of an axis such as 'x', or several"
    listed = (
        [over]
        if isinstance(over, str)
        else items("`over`", over, accepted, otherwise="None", least=1, error=InvalidProblemError)
    )
    return [text("an axis of an Integral", axis, error=InvalidProblemError) for axis in listed]


def _limit(axis: str, side: str, limit: Any) -> float | str | None:
    """A number, the name of the axis for the coordinate itself, or None."""
    if limit is None or (isinstance(limit, str) and limit == axis):
        return limit
    if isinstance(limit, ComplexValue):
        return _limit(axis, side, parts_of(limit)[0])
    if isinstance(limit, Expr) and not limit.is_constant:
        if limit.op == "coordinate" and limit.data == axis:
            return axis
        raise InvalidProblemError(
            f"the {side} limit {limit} of an Integral over {axis} is neither a number nor the coordinate {axis} itself"
        )
    value = limit.data if isinstance(limit, Expr) else limit
    return number(
        f"the {side} limit of an Integral over {axis}",
        value,
        otherwise=f"the coordinate {axis}, or None",
        error=InvalidProblemError,
    )
