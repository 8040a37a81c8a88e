"""Measured values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hermite_pinn.calls import keyword_only
from hermite_pinn.checks import real_array, spelled
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.trace import Symbols
from hermite_pinn.geometry import Domain, Points
from hermite_pinn.immutable import ReadOnly, read_only

from .statement import Statement
from .terms import Term, checked_weight

__all__ = ["Data"]


class Data(Statement):
    """Measured values at points: ``Data(points, u=values)``, with noise ``Data(points, u=values, noise=0.1)``.

    Parameters
    ----------
    points
        (n, dim): coordinates in the order of the box's axes, inside the box; on one axis also (n,).
    noise
        Standard deviation of the values: a number, (n,) numbers, or a dict of these by field.  Use ``"auto"`` if it is
        the same for all points but unknown.  ``None`` (default) means exact values, or ``"auto"`` if the problem has a
        :class:`Smoothness`.  Noisy data have a small weight beside the equations, so the fields do not bend to fit the
        noise.  Points with known noise have weights in proportion to ``1 / noise**2``.
    weight
        Weight of the mean square misfit (relative to that of the values) beside the mean square of the equations'
        residuals (relative to their sources): 1, for noisy data 1e-3.
    values
        (n,) numbers, or one number, for each field.

    Raises
    ------
    InvalidProblemError
        For points, values and noise that are not finite or have other shapes, and for noise that is not positive.

    Examples
    --------
    >>> Data([[0.0, 0.5], [1.0, 0.5]], u=[1.0, 2.0], noise=0.1)
    Data(2 points, u)
    """

    @keyword_only("{name}(points, u=values) with the points as one array (n, dim), such as numpy.column_stack([x, t])")
    def __init__(self, points: Any, *, noise: Any = None, weight: float | None = None, **values: Any) -> None:
        given_points = real_array(
            "the points of Data", points, shape="an array of real numbers of shape (n, dim)", error=InvalidProblemError
        )
        flat = given_points.ndim == 1 and len(given_points) > 1
        column = flat and {np.shape(v) for v in values.values()} == {given_points.shape}
        self.points = read_only(given_points[:, None] if column else np.array(given_points, ndmin=2))
        if self.points.ndim != 2 or self.points.size == 0:
            raise InvalidProblemError(f"Data takes points of shape (n, dim) with n > 0, got {given_points.shape}")
        if not values:
            raise InvalidProblemError("Data needs values of at least one field, for example Data(points, u=values)")
        self.weight = checked_weight(weight)
        arrays: dict[str, np.ndarray] = {}
        for name, value in values.items():
            array = real_array(
                f"the values of {name} in Data",
                value,
                hint=f"a field that is complex is measured by its parts, {name}_real=... and {name}_imag=...",
                error=InvalidProblemError,
            )
            if array.ndim == 0:
                array = np.full(len(self.points), array)
            if array.shape != (len(self.points),):
                turned = len(self.points) == 1 and array.shape == self.points.shape[1:]
                hint = "; points on one axis are a column, t[:, None], or t alone" if turned else ""
                raise InvalidProblemError(
                    f"the values of {name} in Data have shape {array.shape}; for {len(self.points)} points it must be "
                    f"({len(self.points)},){hint}"
                )
            arrays[name] = read_only(array)
        self.values = ReadOnly(arrays)
        given = noise if isinstance(noise, Mapping) else dict.fromkeys(self.values, noise)
        for name in given:
            if name not in self.values:
                raise InvalidProblemError(
                    f"noise of Data names {name!r}, which has no values; it has {', '.join(self.values)}"
                )
        self.noise = ReadOnly({name: self._noise(name, given.get(name)) for name in self.values})

    def _noise(self, name: str, noise: Any) -> np.ndarray | str | None:
        if noise is None or (isinstance(noise, str) and noise == "auto"):
            return noise
        try:
            if isinstance(noise, bool):
                raise InvalidProblemError("a truth value")
            array = read_only(np.broadcast_to(real_array("noise", noise), (len(self.points),)))
        except ValueError:
            array = np.array([np.nan])
        if not (np.isfinite(array).all() and (array > 0).all()):
            raise InvalidProblemError(
                f"the noise of {name} in Data takes positive standard deviations, one or {len(self.points)}, or 'auto', got "
                f"{spelled(noise)}; leave it out for exact values"
            )
        return array

    def __repr__(self) -> str:
        return f"Data({len(self.points)} points, {', '.join(self.values)})"

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """One residual per field at the points."""
        if self.points.shape[1] != domain.dim:
            raise InvalidProblemError(
                f"{self}: points have {self.points.shape[1]} coordinates, the domain has {domain.dim} ({', '.join(domain.names)})"
            )
        outside = ~domain.contains(torch.as_tensor(self.points.T.copy()), slack=1e-9).numpy()
        if outside.any():
            raise InvalidProblemError(
                f"{self}: {int(outside.sum())} of {len(self.points)} points lie outside {domain}, the first at {self.points[outside][0].tolist()}"
            )
        points = np.clip(self.points, domain.lower, domain.upper)
        region = Points(points, {name: values.copy() for name, values in self.values.items()})
        return [
            Term(
                f"data {name}",
                symbols.field(name) - Expr("data", (), name),
                region,
                self.weight,
                noise=self.noise[name],
            )
            for name in self.values
        ]
