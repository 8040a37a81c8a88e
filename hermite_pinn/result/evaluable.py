"""Fields on a domain that are evaluated anywhere in it, with any derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import instance, integer, real_array
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.complex_values import PARTS
from hermite_pinn.field.field import GridField
from hermite_pinn.field.sampling import grid_jets, vertex_axes
from hermite_pinn.geometry import Domain
from hermite_pinn.immutable import ImmutableError
from hermite_pinn.memory import check_fits
from hermite_pinn.torch_state import isolated

from .complex_function import ComplexFunction, complex_names
from .coordinates import broadcast_coordinates, grid_axes, point_array
from .field_function import FieldFunction, Sums, UnknownAttributeError
from .inside import SLACK, inside_grid, inside_points
from .sizes import check_grid

__all__ = ["PIECE", "Evaluable"]

PIECE = 1 << 17  # points that are evaluated at a time


class Evaluable:
    """Fields on a domain.

    Attributes
    ----------
    domain, periodic
        Where they live, and which axes wrap.
    field
        The :class:`hermite_pinn.field.field.GridField` that holds them.
    """

    domain: Domain
    periodic: tuple[bool, ...]
    field: GridField

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""
        return self.field.names

    def __getattr__(self, name: str) -> Any:
        """The field called so, a :class:`.FieldFunction`; a :class:`.ComplexFunction` where its parts are fields."""
        field = self.__dict__.get("field")
        if field is None or name.startswith("__"):
            raise AttributeError(name)
        if name in complex_names(field.names):
            return ComplexFunction(*(getattr(self, f"{name}_{part}") for part in PARTS))
        if name not in field.names:
            fields = ", ".join((*complex_names(field.names), *field.names))
            raise UnknownAttributeError(f"a {type(self).__name__} has no attribute {name!r}; its fields are {fields}")
        return FieldFunction(self, self.domain.names, self._evaluate, name, [[(1.0, (0,) * self.domain.dim)]], name)

    def __setattr__(self, name: str, value: Any) -> None:
        field = self.__dict__.get("field")
        if field is not None and (name in field.names or name in complex_names(field.names)):
            raise ImmutableError(
                f"{name} of a {type(self).__name__} is a field that was solved for and cannot be replaced; give what you "
                "compute from it another name"
            )
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        """Also the fields, for the tab key of IPython and notebooks."""
        names = self.fields if "field" in self.__dict__ else ()
        return [*super().__dir__(), *complex_names(names), *names]

    @cached_property
    def _fast(self) -> GridField:
        return self.field.collapsed()

    @isolated(grad=None)
    def _evaluate(self, name: str, terms: Sums, values: Sequence[Any]) -> Any:
        as_tensor = any(isinstance(v, torch.Tensor) for v in values)
        tensors = broadcast_coordinates(self.domain, values, self.periodic)
        shape = tensors[0].shape
        if shape.numel() > PIECE:
            need = 8.0 * shape.numel() * (self.domain.dim + len(terms) * len(self.fields))
            check_fits(need, f"the evaluation at {shape.numel():,} points", "evaluate fewer at a time")
        x = torch.stack([t.reshape(-1) for t in tensors])
        channels = Channels(self.domain.dim, tuple(tuple(t) for t in terms))
        graph = torch.is_grad_enabled() and x.requires_grad
        inside = x.to(self.field.device, self.field.dtype)
        jets = self._fast.jets(inside, channels) if graph else self._fast.evaluate(inside.detach(), channels)
        components = jets[self.fields.index(name)].to(x.device, torch.float64)
        out = components.T.reshape(*shape, len(terms)) if len(terms) > 1 else components[0].reshape(shape)
        if as_tensor:
            return out
        array = out.detach().numpy()
        return float(array) if array.ndim == 0 else array

    @isolated()
    def on_grid(self, axes: Sequence[np.ndarray], channels: Channels | None = None) -> np.ndarray:
        """Channels of all fields on the tensor product of axes: (fields, channels, n_1, ..., n_d), float64.

        Where shapes cut the domain, the values outside are NaN.

        Raises
        ------
        InvalidArgumentError
            If the axes are not those of the domain, or leave its bounding box.
        OutOfMemoryError
            If the grid does not fit.
        """
        chosen, positions = self._channels(channels), grid_axes(self.domain, self.periodic, axes)
        check_grid([len(a) for a in positions], len(self.fields) * len(chosen))
        if not self.domain.is_cut:
            return grid_jets(self._fast, positions, chosen).double().cpu().numpy()
        inside = inside_grid(self.domain, positions)
        values = np.full((len(self.fields), len(chosen), *inside.shape), np.nan)
        points = torch.stack([torch.as_tensor(a[k]) for a, k in zip(positions, inside.nonzero(), strict=True)])
        found = self._fast.evaluate(points.to(self.field.device, self.field.dtype), chosen)
        values[:, :, inside] = found.double().cpu().numpy()
        return values

    @isolated()
    def inside(self, *coordinates: Any) -> np.ndarray:
        """Which points lie in the domain, its boundary included: where the fields can be evaluated.

        Parameters
        ----------
        coordinates
            Points (n, dim), or one number or array per axis, in the order of the domain; these are broadcast.

        Returns
        -------
        ndarray
            Truth values, (n,) for points, else of the shape of the coordinates.  Periodic axes have no outside.

        Raises
        ------
        InvalidArgumentError
            If they are no coordinates.

        Examples
        --------
        >>> import hermite_pinn as hp
        >>> solution = hp.solve(hp.problems.poisson2d(), levels=1, progress=False)
        >>> solution.inside([[0.5, 0.5], [0.5, 2.0]]).tolist(), bool(solution.inside(0.5, 1.0))
        ([True, False], True)
        """
        domain = self.domain
        if len(coordinates) == 1 and domain.dim > 1:
            shape = f"an array of shape (n, {domain.dim}), the coordinates {', '.join(domain.names)} in this order"
            array = real_array("points", coordinates[0], shape=shape, columns=domain.dim, finite=False)
            return inside_points(domain, torch.as_tensor(np.ascontiguousarray(array.T)), self.periodic).numpy()
        if len(coordinates) != domain.dim:
            raise InvalidArgumentError(
                f"inside takes points (n, {domain.dim}) or the coordinates {', '.join(domain.names)}, got {len(coordinates)} arguments"
            )
        spread = [t.detach().cpu() for t in broadcast_coordinates(domain, coordinates)]
        x = torch.stack([t.reshape(-1) for t in spread])
        return inside_points(domain, x, self.periodic).numpy().reshape(spread[0].shape)

    def _channels(self, channels: Channels | None) -> Channels:
        if channels is None:
            return Channels.value(self.domain.dim)
        chosen = instance(
            "channels", channels, Channels, "hermite_pinn.cuda.encoder.channels.Channels", otherwise="None"
        )
        if chosen.dim != self.domain.dim:
            raise InvalidArgumentError(
                f"channels of {chosen.dim} axes on a domain with {self.domain.dim}: {self.domain}"
            )
        return chosen

    @isolated()
    def at_points(self, points: Any, channels: Channels | None = None, *, slack: float = SLACK) -> np.ndarray:
        """Channels of all fields at points (n, dim): (fields, channels, n), float64.

        Parameters
        ----------
        points, channels
            Where, and which derivatives.
        slack
            How far beyond shapes that cut the domain points may lie, relative to the edge lengths; the fields go on
            for up to a cell.

        Raises
        ------
        InvalidArgumentError
            If points have the wrong shape or lie outside the domain.
        """
        x = torch.as_tensor(np.ascontiguousarray(self._points(points, slack).T)).to(self.field.device, self.field.dtype)
        return self._fast.evaluate(x, self._channels(channels)).double().cpu().numpy()

    @isolated()
    def vertex_axes(self, limit: int) -> list[np.ndarray]:
        """Positions along each axis through the vertices of the finest level, at most ``limit`` intervals."""
        return vertex_axes(self.field, self.domain, integer("limit", limit, least=1))

    def _points(self, points: Any, slack: float = SLACK) -> np.ndarray:
        return point_array(self.domain, self.periodic, points, slack)
