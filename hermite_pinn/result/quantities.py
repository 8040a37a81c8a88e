"""Fields and derivatives by name, as tables, pages and notebooks ask for them: ``u``, ``u.x``, ``u.laplacian``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hermite_pinn.checks import items, text
from hermite_pinn.cuda.encoder.channels import Channel, Channels
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.complex_values import PARTS
from hermite_pinn.expressions.jets import Vector, leaves_of_linear
from hermite_pinn.expressions.spelling import axes_of

from .complex_function import complex_names
from .derivatives import derivative
from .exportable import Exportable

__all__ = ["Quantity", "quantities", "shown_fields", "values_at", "values_on"]

NAMES = "a list of fields and derivatives such as ['u', 'u.x', 'u.laplacian']"


@dataclass(frozen=True)
class Quantity:
    """A field or a derivative of one.

    Attributes
    ----------
    name
        As it was asked for.
    parts
        Numbers of the field's components: one, or those of the real and the imaginary part.
    channel
        The weighted derivatives it sums.
    """

    name: str
    parts: tuple[int, ...]
    channel: Channel

    def of(self, values: np.ndarray, channel: int) -> np.ndarray:
        """Its values from those of all fields (fields, channels, ...); complex where it has two parts."""
        real = values[self.parts[0], channel]
        return real if len(self.parts) == 1 else real + 1j * values[self.parts[1], channel]


def shown_fields(solution: Exportable) -> tuple[str, ...]:
    """Names of the fields as the problem states them: a complex field in the place of its parts.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(hp.Box(x=(0, 1)), {"u": complex}, lambda u: u.x - 2j * u, [hp.Dirichlet(u=1, on="x-")])
    >>> shown_fields(hp.solve(problem, levels=1, progress=False))
    ('u',)
    """
    whole = complex_names(solution.fields)
    parts = {f"{name}_{part}": name for name in whole for part in PARTS}
    return tuple(dict.fromkeys(parts.get(f, f) for f in solution.fields))


def quantities(solution: Any, names: Any = None) -> list[Quantity]:
    """What some names stand for; None: all fields.

    Raises
    ------
    InvalidArgumentError
        For names that are no field or derivative, and for vectors such as ``u.grad``.
    """
    if names is None:
        names = shown_fields(solution)
    given = [names] if isinstance(names, str) else items("fields", names, NAMES, least=1)
    asked = dict.fromkeys(text("an entry of fields", name) for name in given)
    return [_quantity(solution, name) for name in asked]


def _quantity(solution: Any, name: str) -> Quantity:
    field, dot, attribute = name.partition(".")
    parts = [f"{field}_{p}" for p in PARTS] if field in complex_names(solution.fields) else [field]
    if parts[0] not in solution.fields:
        known = ", ".join(dict.fromkeys((*shown_fields(solution), *solution.fields)))
        raise InvalidArgumentError(f"there is no field {field!r}; the fields are {known}")
    indices = tuple(solution.fields.index(p) for p in parts)
    axes = solution.domain.names
    if not dot:
        return Quantity(name, indices, ((1.0, (0,) * len(axes)),))
    if attribute in PARTS and len(indices) == 2:
        return Quantity(name, (indices[PARTS.index(attribute)],), ((1.0, (0,) * len(axes)),))
    if not attribute or not (attribute in ("laplacian", "grad") or axes_of(attribute, axes)):
        raise InvalidArgumentError(
            f"{name!r} is no derivative; write for example {field}.{axes[0]}, {field}.{axes[0] * 2} or {field}.laplacian"
        )
    made = derivative(solution.field, parts[0], (0,) * len(axes), axes, attribute)
    if isinstance(made, Vector):
        each = ", ".join(f"'{field}.{axes[i]}'" for i in solution.domain.space_axes)
        raise InvalidArgumentError(f"{name!r} is a vector; ask for its components {each}")
    return Quantity(name, indices, tuple(leaves_of_linear(made)))


def values_on(solution: Any, chosen: Sequence[Quantity], axes: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Quantities on the tensor product of axes, by name: (n_1, ..., n_d), NaN outside of the domain."""
    channels = _channels(solution, chosen)
    return _named(chosen, channels, solution.on_grid(axes, channels))


def values_at(solution: Any, chosen: Sequence[Quantity], points: np.ndarray) -> dict[str, np.ndarray]:
    """Quantities at points (n, dim), by name: (n,)."""
    channels = _channels(solution, chosen)
    return _named(chosen, channels, solution.at_points(points, channels))


def _channels(solution: Any, chosen: Sequence[Quantity]) -> Channels:
    return Channels(solution.domain.dim, tuple(dict.fromkeys(q.channel for q in chosen)))


def _named(chosen: Sequence[Quantity], channels: Channels, values: np.ndarray) -> dict[str, np.ndarray]:
    return {q.name: q.of(values, channels.channels.index(q.channel)) for q in chosen}
