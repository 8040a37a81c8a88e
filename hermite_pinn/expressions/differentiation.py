"""Derivatives of whole expressions, as conservation laws have them: ``div(a * u.grad)``.

They are expanded by the product rule.  Where a coefficient jumps, the derivatives of the pieces say nothing of it: the
expression itself must be continuous there, and so it is kept beside its derivative.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hermite_pinn.checks import spelled
from hermite_pinn.errors import InvalidProblemError

from .graph import Expr, constant, postorder, wrap
from .jets import FieldJet
from .program import is_smooth, leaves, partials

__all__ = ["Flux", "derivative", "div", "fluxes"]


def derivative(expression: Any, axis: str) -> Any:
    """The derivative of a whole expression along an axis, in a residual: ``derivative(a(x) * u.x, "x")``.

    It is that of the product rule within each piece of ``a``.  Where ``a`` jumps (``where``, ``sign``, a table), the
    expression is continuous, not ``u.x``: on a box, a solution by Gauss-Newton has that, with a kink of u.

    Parameters
    ----------
    expression
        Of fields, coordinates and parameters.
    axis
        Name of a coordinate.

    Raises
    ------
    InvalidProblemError
        If the expression contains no field or derivatives of too high an order, or there is no such axis.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(
    ...     hp.Box(x=(0, 1)),
    ...     ["u"],
    ...     lambda u, x: hp.derivative(hp.where(x < 0.4, 1.0, 9.0) * u.x, "x") + 1,
    ...     [hp.Dirichlet(u=0.0)],
    ... )
    >>> problem.domain.breaks["x"]
    (0.4,)
    """
    whole = wrap(expression)
    jets = [e for e in postorder(whole) if isinstance(e, FieldJet)]
    if not jets:
        raise InvalidProblemError(
            f"the derivative of {spelled(expression)} along {axis!r}: it contains no field; differentiate functions of the "
            "coordinates by hand"
        )
    names = jets[0]._axes
    if axis not in names:
        raise InvalidProblemError(f"there is no axis {axis!r} to differentiate along; the axes are {', '.join(names)}")
    number = names.index(axis)
    by_data = {e.data: e for e in jets}
    slopes = partials(whole, lambda leaf: leaf.op == "jet" or (leaf.op, leaf.data) == ("coordinate", axis))
    total = constant(0.0)
    for (kind, data), slope in slopes.items():
        total = wrap(total + (slope if kind == "coordinate" else slope * by_data[data]._raised([number])))
    if whole.op == "jet" or is_smooth(whole):
        return total
    return Expr("positive", (total,), Flux(axis, whole))


def div(vector: Iterable[Any]) -> Any:
    """The divergence of a vector of expressions along the space axes, in a residual: ``div(a(x, y) * u.grad)``.

    See :func:`derivative` for what it means where a coefficient jumps.

    Parameters
    ----------
    vector
        One expression for each space axis; zeros are allowed.

    Raises
    ------
    InvalidProblemError
        If there are not as many expressions, or they contain no field.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(
    ...     hp.Box(x=(0, 1), y=(0, 1)),
    ...     ["u"],
    ...     lambda u, x, y: hp.div(hp.where(x < 0.4, 1.0, 9.0) * u.grad) + 1,
    ...     [hp.Dirichlet(u=0.0)],
    ... )
    >>> dict(problem.domain.breaks)
    {'x': (0.4,)}
    """
    parts = [wrap(v) for v in vector]
    jets = [e for e in postorder(*parts) if isinstance(e, FieldJet)]
    if not jets:
        raise InvalidProblemError("div() of a vector without a field; give expressions such as a(x, y) * u.grad")
    space = [name for name in jets[0]._axes if name != "t"]
    if len(parts) != len(space):
        raise InvalidProblemError(
            f"div() takes one expression for each of the axes {', '.join(space)}, got {len(parts)}"
        )
    total = constant(0.0)
    for part, name in zip(parts, space, strict=True):
        if any(kind == "jet" for kind, _ in leaves(part)):
            total = wrap(total + derivative(part, name))
        elif not part.is_constant:
            raise InvalidProblemError(f"div(): {spelled(part)}, the part along {name}, contains no field")
    return total


@dataclass(frozen=True, eq=False)
class Flux:
    """What a derivative of a whole expression is taken of.

    Attributes
    ----------
    axis
        Name of the axis along which it is differentiated.
    expression
        The whole.
    """

    axis: str
    expression: Expr


def fluxes(expressions: Sequence[Expr]) -> list[tuple[Expr, Flux]]:
    """The derivatives of whole expressions that occur, each with what is differentiated.

    Examples
    --------
    >>> from hermite_pinn.expressions.functions import where
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> u = FieldJet("u", (0,), ("x",), 2)
    >>> residual = 2 * derivative(where(coordinate("x") < 1, 1, 2) * u.x, "x")
    >>> [(flux.axis, flux.expression) for _, flux in fluxes([residual])]
    [('x', where(x < 1, 1, 2)*u.x)]
    """
    return [(e, e.data) for e in postorder(*expressions) if e.op == "positive" and e.data is not None]
