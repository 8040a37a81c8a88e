"""Fields and their derivatives as leaves of an expression, and the vectors made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hermite_pinn.errors import InvalidProblemError

from .graph import Expr, constant, normal, wrap
from .spelling import axes_of, jet_name

__all__ = ["FieldJet", "NormalVector", "UnknownDerivativeError", "Vector", "leaves_of_linear"]


class FieldJet(Expr):
    """A field or a derivative of one; attributes differentiate: ``u.x``, ``u.xy``, ``u.laplacian``, ``u.grad``.

    Examples
    --------
    >>> u = FieldJet("u", (0, 0), ("x", "y"), 2)
    >>> u.x * u.xy + u.laplacian
    u.x*u.xy + u.xx + u.yy
    """

    __slots__ = ("_axes", "_max_order")

    def __init__(self, field: str, orders: tuple[int, ...], axes: tuple[str, ...], max_order: int) -> None:
        super().__init__("jet", (), (field, orders))
        self._axes = axes
        self._max_order = max_order

    @property
    def symbol(self) -> str:
        """The derivative as a user writes it."""
        field, orders = self.data
        return jet_name(field, orders, self._axes)

    def _space(self) -> list[int]:
        return [i for i, name in enumerate(self._axes) if name != "t"]

    def _raised(self, axes: Sequence[int]) -> FieldJet:
        field, orders = self.data
        raised = tuple(m + list(axes).count(i) for i, m in enumerate(orders))
        if sum(raised) > self._max_order:
            name: str = jet_name(field, raised, self._axes)
            below = tuple(axes)[:-1]
            first = jet_name(field, tuple(m + list(below).count(i) for i, m in enumerate(orders)), self._axes)
            raise InvalidProblemError(
                f"{name} is a derivative of order {sum(raised)}; this problem takes derivatives up to order {self._max_order}. Introduce an "
                f"auxiliary field for a lower derivative, for example fields=[..., 'w'] with the second residual `w - {first}`, and "
                f"write {name} as a derivative of w"
                + (f"; or give the problem max_order={sum(raised)}, for gauss_newton" if sum(raised) <= 4 else "")
            )
        return FieldJet(field, raised, self._axes, self._max_order)

    @property
    def laplacian(self) -> Expr:
        """Sum of the second derivatives along the space axes (all axes but ``t``)."""
        total: Expr = constant(0.0)
        for i in self._space():
            total = total + self._raised([i, i])
        return total

    @property
    def grad(self) -> Vector:
        """First derivatives along the space axes."""
        return Vector(self._raised([i]) for i in self._space())

    @property
    def n(self) -> Expr:
        """Derivative along the outward normal; in boundary conditions only."""
        total: Expr = constant(0.0)
        for i in self._space():
            total = total + normal(i) * self._raised([i])
        return total

    def __getattr__(self, name: str) -> FieldJet:
        if name.startswith("__") or name in ("_axes", "_max_order"):
            raise AttributeError(name)
        axes = axes_of(name, self._axes)
        if axes is None:
            raise UnknownDerivativeError(
                f"{jet_name(self.data[0], self.data[1], self._axes)}.{name}: no derivative of that name; the coordinates are "
                f"{', '.join(self._axes)}, so write for example .{self._axes[0]} or .{self._axes[0] * 2}; also .laplacian, .grad and .n"
            )
        return self._raised(axes)


class UnknownDerivativeError(InvalidProblemError, AttributeError):
    """A field was asked for a derivative along a coordinate that does not exist."""


class Vector(tuple[Expr, ...]):
    """Components along the space axes, with the products a PDE needs.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> FieldJet("u", (0, 0), ("x", "y"), 2).grad.dot([3, coordinate("y")])
    u.x*3 + u.y*y
    """

    __array_ufunc__ = None  # a NumPy number leaves products to it

    def __mul__(self, factor: Any) -> Vector:  # type: ignore[override]
        return Vector(wrap(component * factor) for component in self)

    def __rmul__(self, factor: Any) -> Vector:  # type: ignore[override]
        return Vector(wrap(factor * component) for component in self)

    def dot(self, other: Sequence[Any]) -> Expr:
        """Sum of products of the components."""
        if len(other) != len(self):
            raise InvalidProblemError(f"dot() of a vector with {len(self)} components and one with {len(other)}")
        total: Expr = constant(0.0)
        for a, b in zip(self, other, strict=True):
            total = total + a * b
        return total


class NormalVector(Vector):
    """The outward normal; its components along the space axes are attributes, too: ``n.x``, ``n.y``."""

    _names: tuple[str, ...]

    def __new__(cls, axes: Sequence[str]) -> NormalVector:
        """The components along those of ``axes`` that are in space."""
        space = [i for i, name in enumerate(axes) if name != "t"]
        components = super().__new__(cls, map(normal, space))
        components._names = tuple(axes[i] for i in space)
        return components

    def __getattr__(self, name: str) -> Expr:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._names:
            raise UnknownDerivativeError(
                f"n.{name}: the normal has no such component; it has {', '.join(f'n.{a}' for a in self._names)}"
            )
        return self[self._names.index(name)]


def leaves_of_linear(expression: Expr) -> list[tuple[float, tuple[int, ...]]]:
    """Weights and orders of a sum of derivatives of one field, as ``u.laplacian`` makes it.

    Examples
    --------
    >>> leaves_of_linear(FieldJet("u", (0, 0), ("x", "y"), 2).laplacian)
    [(1.0, (2, 0)), (1.0, (0, 2))]
    """
    if expression.op == "add":
        return [part for a in expression.args for part in leaves_of_linear(a)]
    if expression.op == "jet":
        return [(1.0, expression.data[1])]
    raise InvalidProblemError(
        f"{expression} is no sum of derivatives that can be evaluated; .n exists in boundary conditions only"
    )
