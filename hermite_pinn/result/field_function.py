"""A field of a solution, or a derivative of one, as a function of the coordinates."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.jets import leaves_of_linear
from hermite_pinn.field.field import GridField

from .derivatives import derivative, derivative_names

__all__ = ["FieldFunction", "Sums", "UnknownAttributeError"]

LISTED = 2  # order of the derivatives that are listed at least

Sums = list[list[tuple[float, tuple[int, ...]]]]
"""By component, weights and orders of the derivatives whose sum it is."""


class _HasField(Protocol):
    field: GridField


class FieldFunction:
    """A field, or a derivative of one, as a function of the coordinates.

    Call it with one number, NumPy array or tensor per coordinate, in the order of the domain's axes or by name; they
    are broadcast. Attributes give derivatives: ``u.x``, ``u.xy``, ``u.laplacian``; ``u.grad`` has one component per
    space axis in its last dimension.  float64 in, float64 out; tensors in, tensors out, and differentiable in the
    coordinates.

    Raises
    ------
    InvalidArgumentError
        For points outside the box, complex or non-numeric coordinates, or a wrong number of them.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - 6 * x, [hp.Dirichlet(u=0.0)])
    >>> u = hp.solve(problem, levels=1).u  # x**3 - x
    >>> round(u(0.5), 9), u.x(np.array([0.0, 1.0])).round(9).tolist(), round(u.laplacian(x=0.5), 9)
    (-0.375, [-1.0, 2.0], 3.0)
    """

    def __init__(
        self,
        owner: _HasField,
        axes: Sequence[str],
        evaluate: Callable[[str, Sums, Sequence[Any]], Any],
        name: str,
        terms: Sums,
        label: str,
    ) -> None:
        self._owner = owner
        self._axes = tuple(axes)
        self._evaluate = evaluate
        self._name = name
        self._terms = terms
        self._label = label
        named = inspect.Parameter.POSITIONAL_OR_KEYWORD
        self.__signature__ = inspect.Signature([inspect.Parameter(axis, named) for axis in self._axes])

    def __repr__(self) -> str:
        return f"<{self._label}({', '.join(self._axes)}) of {self._owner!r}>"

    def __getattr__(self, attribute: str) -> FieldFunction:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if len(self._terms) != 1 or len(self._terms[0]) != 1:
            raise UnknownAttributeError(
                f"{self._label} has no attribute {attribute!r}; take derivatives of the field itself"
            )
        jet = derivative(self._owner.field, self._name, self._terms[0][0][1], self._axes, attribute)
        components = list(jet) if isinstance(jet, tuple) else [jet]
        terms = [leaves_of_linear(c) for c in components]
        return FieldFunction(self._owner, self._axes, self._evaluate, self._name, terms, f"{self._label}.{attribute}")

    def __dir__(self) -> list[str]:
        """Also the derivatives up to the order of the problem, for the tab key of IPython and notebooks."""
        if len(self._terms) != 1 or len(self._terms[0]) != 1:
            return list(super().__dir__())
        orders = self._terms[0][0][1]
        most = max(LISTED, getattr(getattr(self._owner, "problem", None), "order", 0))
        made = list(derivative_names(self._owner.field, self._axes, most, orders))
        twice = [a * 2 for a in self._axes if a != "t"]
        whole = [name for name, need in (("grad", self._axes), ("laplacian", twice)) if set(need) - {"t"} <= set(made)]
        return [*super().__dir__(), *made, *whole]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate at coordinates, positional in the order of the axes or by name."""
        axes = self._axes
        unknown = [k for k in kwargs if k not in axes]
        if unknown or len(args) + len(kwargs) != len(axes):
            got = f"{len(args)} positional" + (f" and {', '.join(kwargs)}" if kwargs else "")
            wanted = f"{self._label} takes the coordinates {', '.join(axes)}"
            raise InvalidArgumentError(self._points_refused(wanted, args) or f"{wanted}, got {got}")
        named = dict(zip(axes, args, strict=False)) | kwargs
        values = [named[a] for a in axes if a in named]
        if len(values) != len(axes):
            raise InvalidArgumentError(f"{self._label} takes the coordinates {', '.join(axes)}, each once")
        return self._evaluate(self._name, self._terms, values)

    def _points_refused(self, wanted: str, args: Sequence[Any]) -> str | None:
        """What to write in place of points in one array, (n, dim) or (dim,); None if nothing of that kind was given."""
        shape = _shape(args[0]) if len(args) == 1 else ()
        if not shape or len(shape) > 2 or shape[-1] != len(self._axes):
            return None
        columns = ", ".join(f"p[:, {i}]" if len(shape) == 2 else f"p[{i}]" for i in range(len(self._axes)))
        return f"{wanted} one by one, got one array p of shape {shape}; write {self._label}({columns})"


def _shape(value: Any) -> tuple[int, ...]:
    """Of an array, a tensor or nested lists; none for what is no array."""
    try:
        return tuple(getattr(value, "shape", None) or np.shape(value))
    except Exception:  # ragged lists and foreign objects
        return ()


class UnknownAttributeError(InvalidArgumentError, AttributeError):
    """A solution was asked for a field, or a function of it for a derivative, that it does not have."""
