"""Linear operators in equations that reach beyond a point, as integrals do."""

from __future__ import annotations

from typing import Any

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.complex_values import ComplexValue, parts_of
from hermite_pinn.expressions.graph import Expr, wrap
from hermite_pinn.expressions.program import leaves

__all__ = ["LinearOperator", "operand"]


class LinearOperator(Expr):
    """An operator whose first argument is what it is applied to; of a complex expression it is that of both parts."""

    __slots__ = ()

    def __new__(cls, expression: Any, *args: Any, **options: Any) -> Any:
        """The operator; two of them, of the parts, where the expression is complex."""
        if not isinstance(expression, ComplexValue):
            return super().__new__(cls)
        parts = parts_of(expression)
        return ComplexValue(*(p if p.is_constant and p.data == 0 else cls(p, *args, **options) for p in parts))


def operand(what: str, expression: Any) -> Expr:
    """What an operator is applied to.

    Parameters
    ----------
    what
        The operator in messages.

    Raises
    ------
    InvalidProblemError
        If it depends on the normal of a face.
    """
    inner = wrap(expression)
    if any(kind == "normal" for kind, _ in leaves(inner)):
        raise InvalidProblemError(f"{what} of {inner} depends on the normal, which is there on faces only")
    return inner
