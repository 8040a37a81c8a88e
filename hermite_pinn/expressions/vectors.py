"""Vectors of components along the space axes, whatever the components are."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from hermite_pinn.checks import spelled
from hermite_pinn.errors import InvalidProblemError

__all__ = ["Components", "UnknownDerivativeError"]

T = TypeVar("T")


class UnknownDerivativeError(InvalidProblemError, AttributeError):
    """A field was asked for a derivative along an axis that does not exist, or a vector for what it has not."""


class Components(tuple[T, ...], ABC, Generic[T]):
    """The sums and products of vectors that a PDE needs; a kind of vector says how its components are made."""

    __array_ufunc__: ClassVar[None] = None  # a NumPy number leaves products to it

    @abstractmethod
    def _made(self, components: Iterable[Any]) -> Any:
        """A vector of the same kind."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise UnknownDerivativeError(
            f"a vector has no .{name}; write hp.div(v) for its divergence, v.dot(w) for the product with a vector, a * v for "
            "that with a number, and v[0], v[1] for its components"
        )

    def __mul__(self, factor: Any) -> Any:
        return self._made(component * factor for component in self)

    def __rmul__(self, factor: Any) -> Any:
        return self._made(factor * component for component in self)

    def __truediv__(self, divisor: Any) -> Any:
        return self._made(component / divisor for component in self)

    def __neg__(self) -> Any:
        components: tuple[Any, ...] = self
        return self._made(-component for component in components)

    def __add__(self, other: Any) -> Any:
        return self._paired(other, "+", operator.add)

    def __radd__(self, other: Any) -> Any:
        return self._paired(other, "+", lambda a, b: b + a)

    def __sub__(self, other: Any) -> Any:
        return self._paired(other, "-", operator.sub)

    def __rsub__(self, other: Any) -> Any:
        return self._paired(other, "-", lambda a, b: b - a)

    def __matmul__(self, other: Sequence[Any]) -> Any:
        return self.dot(other)

    def __rmatmul__(self, other: Sequence[Any]) -> Any:
        return self.dot(other)

    def dot(self, other: Sequence[Any]) -> Any:
        """Sum of products of the components."""
        if not hasattr(other, "__len__"):
            raise InvalidProblemError(f"dot() takes a vector, got {spelled(other)}")
        if len(other) != len(self):
            raise InvalidProblemError(f"dot() of a vector with {len(self)} components and one with {len(other)}")
        total: Any = 0.0
        for a, b in zip(self, other, strict=True):
            total = total + a * b
        return total

    def _paired(self, other: Any, sign: str, operation: Callable[[Any, Any], Any]) -> Any:
        """Component by component with another vector."""
        if not hasattr(other, "__len__") or len(other) != len(self):
            raise InvalidProblemError(
                f"{sign} of a vector with {len(self)} components takes another one with as many components, got {spelled(other)}"
            )
        return self._made(operation(a, b) for a, b in zip(self, other, strict=True))
