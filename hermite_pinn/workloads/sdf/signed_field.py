"""Functions of space whose zero set is a surface, as the tools for surfaces see them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import spelled, text
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.result.evaluable import PIECE, Evaluable

__all__ = ["FittedField", "FunctionField", "SignedField", "signed_field"]

#: Orders of the derivatives of a jet: value, first, and second derivatives.
ORDERS = tuple(Channels.jet(3, 2).channels[k][0][1] for k in range(10))


class SignedField(ABC):
    """A function on a box in space that is negative inside the surface where it vanishes.

    Attributes
    ----------
    lower, upper
        Corners of the box, float64, (3,).
    axes
        Names of the coordinates.
    """

    lower: np.ndarray
    upper: np.ndarray
    axes: tuple[str, ...] = ("x", "y", "z")

    @property
    def extent(self) -> float:
        """Longest edge of the box."""
        return float((self.upper - self.lower).max())

    @property
    def has_curvature(self) -> bool:
        """Whether second derivatives mean anything: those of a piecewise linear function do not."""
        return True

    @abstractmethod
    def jets(self, x: np.ndarray, order: int) -> np.ndarray:
        """Value and derivatives at points (n, 3) of the box, float64.

        Parameters
        ----------
        x
            The points.
        order
            0: (1, n), the value; 1: (4, n), and the gradient; 2: (10, n), and ``xx, xy, xz, yy, yz, zz``.
        """

    def on_grid(self, axes: Sequence[np.ndarray]) -> np.ndarray:
        """Values on the tensor product of three axes, (n_1, n_2, n_3)."""
        points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        return self.values(points).reshape([len(a) for a in axes])

    def values(self, x: np.ndarray) -> np.ndarray:
        """Values at points (n, 3) of the box, (n,)."""
        return self.in_pieces(x, 0)[0]

    def in_pieces(self, x: np.ndarray, order: int) -> np.ndarray:
        """The jets at points, some points at a time."""
        count = (1, 4, 10)[order]
        out = np.empty((count, len(x)))
        for k in range(0, len(x), PIECE):
            out[:, k : k + PIECE] = self.jets(x[k : k + PIECE], order)
        return out


class FittedField(SignedField):
    """A field of a solution."""

    def __init__(self, owner: Evaluable, name: str) -> None:
        domain = owner.domain
        if domain.dim != 3 or domain.time_axis is not None:
            raise InvalidArgumentError(
                f"a surface is the zero set of a field on three axes of space, got one on {spelled(domain)}"
            )
        if domain.is_cut:
            raise InvalidArgumentError(
                f"the field {name} is defined in a part of its box only, {spelled(domain)}; surfaces are extracted from "
                "fields on whole boxes"
            )
        self._owner, self._row = owner, owner.fields.index(name)
        self.lower = np.asarray(domain.lower, dtype=np.float64)
        self.upper = np.asarray(domain.upper, dtype=np.float64)
        self.axes = tuple(domain.names)

    @property
    def has_curvature(self) -> bool:
        """Whether its features have all second derivatives, or a network reads them that has."""
        field = self._owner.field
        centre = torch.as_tensor((self.lower + self.upper)[:, None] / 2).to(field.device, field.dtype)
        try:
            field.encoder.stencil(centre, Channels.jet(3, 2))
        except InvalidArgumentError:  # differences that give the Laplacian only
            return False
        return field.encoder.order >= 2 or (not field.linear and field.encoder.highest_order >= 2)

    def jets(self, x: np.ndarray, order: int) -> np.ndarray:
        """Value and derivatives; points beyond the box by rounding are taken as on its side."""
        within = np.clip(x, self.lower, self.upper)
        jets: np.ndarray = self._owner.at_points(within, Channels.jet(3, order))[self._row]
        return jets

    def on_grid(self, axes: Sequence[np.ndarray]) -> np.ndarray:
        """Values on the tensor product of three axes."""
        values: np.ndarray = self._owner.on_grid(axes)[self._row, 0]
        return values


class FunctionField(SignedField):
    """A function of three coordinates, differentiated automatically.

    Parameters
    ----------
    function
        Takes three tensors ``x, y, z`` and returns one; those of ``hermite_pinn`` (``sin``, ``sqrt``, ...) and of torch
        may be used.
    lower, upper
        Corners of the box.

    Raises
    ------
    InvalidArgumentError
        If the corners do not span a box.

    Examples
    --------
    >>> ball = FunctionField(lambda x, y, z: (x**2 + y**2 + z**2) ** 0.5 - 0.5, (-1, -1, -1), (1, 1, 1))
    >>> ball.jets(np.array([[1.0, 0.0, 0.0]]), 1).round(12).tolist()
    [[0.5], [1.0], [0.0], [0.0]]
    """

    def __init__(self, function: Callable[..., Any], lower: Sequence[float], upper: Sequence[float]) -> None:
        self.lower, self.upper = (np.asarray(corner, dtype=np.float64) for corner in (lower, upper))
        if self.lower.shape != (3,) or self.upper.shape != (3,) or not (self.lower < self.upper).all():
            raise InvalidArgumentError(
                f"the corners of a box are three numbers each, the lower ones less, got {spelled(lower)} and {spelled(upper)}"
            )
        self._function = function

    def jets(self, x: np.ndarray, order: int) -> np.ndarray:
        """Value and derivatives."""
        with torch.enable_grad():
            inputs = [torch.tensor(column, dtype=torch.float64, requires_grad=order > 0) for column in x.T]
            value = self._function(*inputs)
            rows = [value]
            if order > 0:
                first = _gradient(value, inputs, order > 1)
                rows += first
            if order > 1:
                second = [_gradient(part, inputs, False, retain=True) for part in first]
                rows += [second[i][j] for i in range(3) for j in range(i, 3)]
        return np.stack([row.numpy(force=True) for row in rows])


def _gradient(value: torch.Tensor, inputs: list[torch.Tensor], graph: bool, retain: bool = False) -> list[torch.Tensor]:
    """Derivatives of values by the coordinates of their own points; zero of what does not depend on them."""
    if not value.requires_grad:
        return [torch.zeros_like(x) for x in inputs]
    found = torch.autograd.grad(
        value.sum(), inputs, create_graph=graph, retain_graph=graph or retain, allow_unused=True
    )
    return [torch.zeros_like(x) if part is None else part for x, part in zip(inputs, found, strict=True)]


def signed_field(shape: Any, name: str | None = None) -> SignedField:
    """A field of a solution, or a function, as a :class:`SignedField`.

    Parameters
    ----------
    shape
        A solution, or a :class:`SignedField`.
    name
        Of the field; default: ``"d"``, or the only one.

    Raises
    ------
    InvalidArgumentError
        If it is neither, has no such field, or the field is not one on a box in space.
    """
    if name is not None:
        text("field", name, otherwise="None")
    if isinstance(shape, SignedField):
        return shape
    if not isinstance(shape, Evaluable):
        raise InvalidArgumentError(
            f"a surface is extracted from a Solution with a field 'd', such as hp.sdf.fit returns, or from a SignedField, got {spelled(shape)}"
        )
    fields = shape.fields
    chosen = name if name is not None else "d" if "d" in fields or len(fields) > 1 else fields[0]
    if chosen not in fields:
        raise InvalidArgumentError(
            f"the solution has no field {chosen!r}; it has {', '.join(fields)}; name one with field="
        )
    return FittedField(shape, chosen)
