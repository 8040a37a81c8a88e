"""Fields and their derivatives as leaves of an expression, and the vectors made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hermite_pinn.calls import near
from hermite_pinn.errors import InvalidProblemError

from .graph import Expr, constant, normal, wrap
from .spelling import axes_of, jet_name
from .vectors import Components, UnknownDerivativeError

__all__ = ["FieldJet", "NormalVector", "UnknownDerivativeError", "Vector", "leaves_of_linear"]


USUAL = ("x", "y", "z", "t")  # names of axes


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
            raise InvalidProblemError(
                f"{jet_name(field, raised, self._axes)} is a derivative of order {sum(raised)}; this problem takes derivatives "
                f"up to order {self._max_order}. {self._ways(raised)}"
            )
        return FieldJet(field, raised, self._axes, self._max_order)

    def _ways(self, raised: tuple[int, ...]) -> str:
        """How to write a derivative beyond the order that the problem takes."""
        every = [i for i, m in enumerate(raised) for _ in range(m)]
        low, rest = every[: self._max_order], every[self._max_order :]
        lower = jet_name(self.data[0], [low.count(i) for i in range(len(raised))], self._axes)
        helper = lower.replace(".", "_")
        whole = f"{helper}.{''.join(self._axes[i] for i in rest)}"
        way = (
            f"ntroduce an auxiliary field for a lower derivative: fields=[..., {helper!r}] with one more residual "
            f"`{helper} - {lower}`, and {whole} in place of {jet_name(self.data[0], raised, self._axes)}"
        )
        if len(every) > 4:
            return f"I{way}"
        return f"Give the problem max_order={len(every)}, which gauss_newton takes; or i{way}"

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
                f"{jet_name(self.data[0], self.data[1], self._axes)}.{name}: {self._meant(name)}"
            )
        return self._raised(axes)

    def _meant(self, name: str) -> str:
        """Why there is no derivative of a name, and what to write."""
        known = f"the coordinates are {', '.join(self._axes)}"
        absent = tuple(a for a in USUAL if a not in self._axes)
        along = axes_of(name, self._axes + absent) or []
        missing = sorted({(self._axes + absent)[i] for i in along if i >= len(self._axes)})
        if missing:
            bounds = ", ".join(f"{a}=(0, 1)" for a in missing)
            axes = f"is no axis {missing[0]}" if len(missing) == 1 else f"are no axes {' and '.join(missing)}"
            return f"there {axes}; {known}; add {bounds} to the Box, in the units of the problem"
        told = f"no derivative of that name; {known}, so write for example .{self._axes[0]} or .{self._axes[0] * 2}; also .laplacian, .grad and .n"
        like = near(name, ("laplacian", "grad"))
        return f"{told}; did you mean .{like}?" if like else told


class Vector(Components[Expr]):
    """Components along the space axes, with the sums and products a PDE needs.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> gradient = FieldJet("u", (0, 0), ("x", "y"), 2).grad
    >>> gradient.dot([3, coordinate("y")]), gradient @ gradient, 2 * gradient - gradient
    (u.x*3 + u.y*y, u.x*u.x + u.y*u.y, (2*u.x - u.x, 2*u.y - u.y))
    """

    def _made(self, components: Iterable[Any]) -> Vector:
        return Vector(map(wrap, components))


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
