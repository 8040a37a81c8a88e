"""A field of a solution, or a derivative of one, as a function of the coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.jets import leaves_of_linear
from hermite_pinn.geometry import Domain

from .derivatives import derivative

__all__ = ["FieldFunction", "Sums", "check_inside", "coordinate_tensor"]

Sums = list[list[tuple[float, tuple[int, ...]]]]
"""By component, weights and orders of the derivatives whose sum it is."""


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
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - 6 * x, [hp.Dirichlet(u=0.0)])
    >>> u = hp.solve(problem, levels=1).u  # x**3 - x
    >>> round(u(0.5), 9), u.x(np.array([0.0, 1.0])).round(9).tolist(), round(u.laplacian(x=0.5), 9)
    (-0.375, [-1.0, 2.0], 3.0)
    """

    def __init__(
        self,
        owner: Any,
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

    def __repr__(self) -> str:
        return f"<{self._label}({', '.join(self._axes)}) of {self._owner!r}>"

    def __getattr__(self, attribute: str) -> FieldFunction:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if len(self._terms) != 1 or len(self._terms[0]) != 1:
            raise AttributeError(f"{self._label} has no attribute {attribute!r}; take derivatives of the field itself")
        jet = derivative(self._owner.field, self._name, self._terms[0][0][1], self._axes, attribute)
        components = list(jet) if isinstance(jet, tuple) else [jet]
        terms = [leaves_of_linear(c) for c in components]
        return FieldFunction(self._owner, self._axes, self._evaluate, self._name, terms, f"{self._label}.{attribute}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate at coordinates, positional in the order of the axes or by name."""
        axes = self._axes
        unknown = [k for k in kwargs if k not in axes]
        if unknown or len(args) + len(kwargs) != len(axes):
            got = f"{len(args)} positional" + (f" and {', '.join(kwargs)}" if kwargs else "")
            raise InvalidArgumentError(f"{self._label} takes the coordinates {', '.join(axes)}, got {got}")
        named = dict(zip(axes, args, strict=False)) | kwargs
        values = [named[a] for a in axes if a in named]
        if len(values) != len(axes):
            raise InvalidArgumentError(f"{self._label} takes the coordinates {', '.join(axes)}, each once")
        return self._evaluate(self._name, self._terms, values)


def coordinate_tensor(name: str, value: Any) -> torch.Tensor:
    """Numbers, an array or a tensor as a float64 tensor.

    Raises
    ------
    InvalidArgumentError
        If they are complex or no numbers; the message calls them the coordinate ``name``.
    """
    if isinstance(value, torch.Tensor):
        if value.is_complex():
            raise InvalidArgumentError(f"the coordinate {name} is complex; coordinates are real")
        return value.to(torch.float64)
    try:
        array = np.asarray(value)
        if np.iscomplexobj(array):
            raise InvalidArgumentError(f"the coordinate {name} is complex; coordinates are real")
        return torch.tensor(array.astype(np.float64))
    except (TypeError, ValueError) as error:
        if isinstance(error, InvalidArgumentError):
            raise
        raise InvalidArgumentError(
            f"the coordinate {name} must be a number, an array or a tensor, got {value!r}"
        ) from error


def check_inside(domain: Domain, periodic: Sequence[bool], coordinates: Sequence[torch.Tensor]) -> None:
    """Refuse coordinates, one tensor per axis, outside a domain; periodic axes have no outside.

    Raises
    ------
    InvalidArgumentError
        If a coordinate lies outside or is no number.
    """
    for name, a, b, wraps, t in zip(domain.names, domain.lower, domain.upper, periodic, coordinates, strict=True):
        if wraps or t.numel() == 0:
            continue
        slack = 1e-9 * (b - a)
        low, high = float(t.detach().min()), float(t.detach().max())
        if not (low >= a - slack and high <= b + slack):
            outside = low if not low >= a - slack else high
            raise InvalidArgumentError(f"{name} = {outside:g} lies outside the domain {domain}; evaluate inside it")
