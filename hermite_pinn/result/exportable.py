"""What exports, pictures and reports need of a result; whatever offers it can be exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import GridField
from hermite_pinn.geometry import Domain
from hermite_pinn.run.status import Status

from .facts import Fact

__all__ = ["Exportable", "Reportable"]


class Exportable(Protocol):
    """Fields on a domain that can be sampled, with their known solution and residuals where there are any.

    ``slack`` is how far outside points may lie, relative to the edge lengths, where shapes cut the domain.
    """

    @property
    def domain(self) -> Domain:
        """Where the fields live."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""

    @property
    def has_equations(self) -> bool:
        """Whether :meth:`residual` can be asked for."""

    @property
    def facts(self) -> Mapping[str, Fact]:
        """What is known of the run that made them, texts and numbers by name, which files hold beside them."""

    def vertex_axes(self, limit: int) -> list[np.ndarray]:
        """Positions along each axis that show all detail, at most ``limit`` intervals."""

    def on_grid(self, axes: Sequence[np.ndarray], channels: Channels | None = None) -> np.ndarray:
        """Channels of all fields on a tensor product: (fields, channels, n_1, ..., n_d), float64, NaN outside."""

    def at_points(self, points: Any, channels: Channels | None = None, *, slack: float = ...) -> np.ndarray:
        """Channels of all fields at points (n, dim): (fields, channels, n), float64."""

    def exact_values(self, coordinates: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Known solution by field at coordinates that broadcast, one array per axis; empty if none is known."""

    def residual(self, points: Any, *, slack: float = ...) -> dict[str, np.ndarray]:
        """Residuals of the equations at points (n, dim), by name."""


class Reportable(Protocol):
    """A finished run as the report tells it; the attributes are those of :class:`hermite_pinn.Solution`."""

    @property
    def title(self) -> str:
        """What was solved."""

    @property
    def domain(self) -> Domain:
        """Where."""

    @property
    def field(self) -> GridField:
        """The trained field."""

    @property
    def status(self) -> Status:
        """Why the run ended."""

    @property
    def message(self) -> str:
        """The same in numbers."""

    @property
    def estimated_error(self) -> float | None:
        """Estimate of the relative L2 error."""

    @property
    def parameters(self) -> Mapping[str, float]:
        """Values of the parameters."""

    @property
    def residuals(self) -> Mapping[str, float]:
        """RMS of every term."""

    @property
    def stats(self) -> Mapping[str, Any]:
        """Time, memory, sizes, scales."""
