"""Points of a region with their quadrature weights and the outward normals there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

__all__ = ["Normals", "Rule", "Samples"]

Normals = torch.Tensor | tuple[float, ...] | None


class Rule(NamedTuple):
    """Points along one axis and their quadrature weights, float64, (n,) each."""

    points: np.ndarray
    weights: np.ndarray


class Samples:
    """Points with weights and normals; they never change.

    Points are either scattered, ``x`` (dim, n), or a tensor product, ``axes`` with a rule per axis.  ``x`` and
    ``weights`` of a tensor product are formed when they are first asked for, the last axis running fastest.

    Parameters
    ----------
    x
        Scattered points (dim, n); ``None`` for a tensor product.
    weights
        Quadrature weights (n,), or one number for all points.  Their sum is the measure of the region.
    normals
        Outward unit normals (dim, n), the components of one for all points, or ``None`` where there is none.  Weights
        and normals may be functions of ``x`` that compute them when they are first asked for.
    axes
        One rule per axis; across a flat face a single point of weight 1.
    columns
        Measured values at the points by name, (n,) each.

    Examples
    --------
    >>> line = Rule(np.array([0.25, 0.75]), np.array([0.5, 0.5]))
    >>> grid = Samples(axes=(line, line))
    >>> grid.shape, tuple(grid.x.shape), float(grid.weights.sum())
    ((2, 2), (2, 4), 1.0)
    """

    __slots__ = ("_normals", "_weights", "_x", "axes", "columns")

    def __init__(
        self,
        x: torch.Tensor | None = None,
        weights: torch.Tensor | float | Callable[[torch.Tensor], torch.Tensor] = 1.0,
        normals: Normals | Callable[[torch.Tensor], torch.Tensor] = None,
        axes: Sequence[Rule] | None = None,
        columns: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        if (x is None) == (axes is None):
            raise ValueError("samples are either points x (dim, n) or a rule per axis, not both")
        self._x, self._normals = x, normals
        self._weights = None if axes is not None else weights
        self.axes = None if axes is None else tuple(axes)
        self.columns = dict(columns or {})

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return self.x.shape[0] if self.axes is None else len(self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Points per axis of a tensor product, (n,) of scattered points."""
        return (self.x.shape[1],) if self.axes is None else tuple(len(r.points) for r in self.axes)

    @property
    def count(self) -> int:
        """Number of points."""
        return math.prod(self.shape)

    @property
    def x(self) -> torch.Tensor:
        """Points, (dim, n)."""
        if self._x is None:
            assert self.axes is not None
            mesh = np.meshgrid(*(r.points for r in self.axes), indexing="ij")
            self._x = torch.as_tensor(np.stack([g.ravel() for g in mesh]))
        return self._x

    @property
    def weights(self) -> torch.Tensor:
        """Quadrature weights, (n,)."""
        if self._weights is None:
            assert self.axes is not None
            product = np.array([1.0])
            for rule in self.axes:
                product = (product[:, None] * rule.weights).ravel()
            self._weights = torch.as_tensor(product)
        elif callable(self._weights):
            self._weights = self._weights(self.x)
        elif not isinstance(self._weights, torch.Tensor):
            self._weights = self.x.new_full((self.count,), self._weights)
        return self._weights

    @property
    def normals(self) -> Normals:
        """Outward unit normals (dim, n), the components of one for all points, or None where there is none."""
        if callable(self._normals):
            self._normals = self._normals(self.x)
        return self._normals

    def leaves(self, names: Sequence[str]) -> dict[tuple[str, Any], torch.Tensor | float]:
        """Values of the leaves of an expression that the points determine, keyed ``(kind, data)``.

        ``("coordinate", name)`` for the axes called ``names``, ``("normal", axis)`` where there is a normal, and
        ``("data", name)`` for measured columns; numbers or tensors (n,).
        """
        values: dict[tuple[str, Any], torch.Tensor | float] = dict(
            zip((("coordinate", n) for n in names), self.x.unbind(), strict=True)
        )
        if self.normals is not None:
            values |= {("normal", i): component for i, component in enumerate(self.normals)}
        return values | {("data", name): column for name, column in self.columns.items()}

    def take(self, chosen: torch.Tensor | slice) -> Samples:
        """Some of the points, by a mask (n,), numbers or a slice; scattered, with the weights they have."""
        normals = self.normals[:, chosen] if isinstance(self.normals, torch.Tensor) else self.normals
        columns = {k: v[chosen] for k, v in self.columns.items()}
        return Samples(self.x[:, chosen].contiguous(), self.weights[chosen], normals, columns=columns)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Samples:
        """The same points, scattered, on a device and in a precision."""
        normals = self.normals.to(device, dtype) if isinstance(self.normals, torch.Tensor) else self.normals
        columns = {k: v.to(device, dtype) for k, v in self.columns.items()}
        return Samples(self.x.to(device, dtype), self.weights.to(device, dtype), normals, columns=columns)
