"""What of the fields may jump where coefficients and sources jump."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hermite_pinn.expressions.differentiation import fluxes
from hermite_pinn.expressions.graph import Expr, postorder

__all__ = ["continuity"]


def continuity(residuals: Sequence[Expr], fields: Sequence[str], dim: int) -> Mapping[str, tuple[int, ...]]:
    """By field and axis, how many derivatives, the value included, do not jump across a break of the axis.

    A field of which an equation takes p derivatives along an axis has p - 1 that are continuous; the last one may jump
    as the coefficients and the source do.  Where an equation differentiates a whole expression, as the divergence of
    ``a * u.grad``, the expression is continuous, and of the field what it differentiates itself.

    Examples
    --------
    >>> from hermite_pinn.expressions.jets import FieldJet
    >>> u = FieldJet("u", (0, 0), ("x", "t"), 2)
    >>> continuity([u.t - u.xx], ["u"], 2)
    {'u': (2, 1)}
    """
    orders = {name: [0] * dim for name in fields}
    found = fluxes(residuals)
    seen = {id(node) for node, _ in found}
    inside = [flux.expression for _, flux in found]
    for e in postorder(*residuals, *inside, until=seen):
        if e.op == "jet":
            name, derivative = e.data
            own = orders[name]
            orders[name] = [max(pair) for pair in zip(own, derivative, strict=True)]
    return {name: tuple(own) for name, own in orders.items()}
