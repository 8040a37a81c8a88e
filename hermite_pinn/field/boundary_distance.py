"""Functions that vanish on the boundary of a shape and nowhere else on one side of it, from distances alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hermite_pinn.geometry.shape import Shape
from hermite_pinn.geometry.shapes import shape_from_state
from hermite_pinn.schema import Entry

__all__ = ["BoundaryDistance"]

STEP = 2e-4  # of the width: the distance of differences; their errors and those of rounding are then about 1e-8


@dataclass(frozen=True, eq=False)
class BoundaryDistance:
    """The distance from the boundary of a shape where it is small, and a constant where it is large.

    With the distance ``d`` it is ``w (1 - (1 - d/w)**3) / 3`` for ``d < w`` and ``w/3`` beyond: twice continuously
    differentiable, also where the closest point jumps, if that is farther than ``w`` from the boundary.  Its values
    are exact, its derivatives are differences of the distance.

    Attributes
    ----------
    shape
        Of which the signed distance is known.
    space
        Axes of the domain in which it lies.
    inside
        Whether the domain is inside the shape.
    width
        The distance ``w``.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> ring = BoundaryDistance(hp.Disk((0, 0), 1.0), (0, 1), True, 0.5)
    >>> x = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    >>> ring.jets(x, [(0, 0)])[(0, 0)].round(decimals=4).tolist()
    [0.0, 0.1667, 0.1667]
    """

    shape: Shape
    space: tuple[int, ...]
    inside: bool
    width: float

    def jets(self, x: torch.Tensor, orders: Iterable[tuple[int, ...]]) -> dict[tuple[int, ...], torch.Tensor]:
        """Derivatives at points (dim, n) by their orders along all axes, up to the second; each (n,)."""
        wanted = list(orders)
        place = x.detach().to("cpu", torch.float64).numpy()[list(self.space)]
        taps = self._taps(place, max(map(sum, wanted)), wanted)
        made: dict[tuple[int, ...], torch.Tensor] = {}
        for order in wanted:
            own = tuple(order[i] for i in self.space)
            value = np.zeros(place.shape[1]) if sum(own) < sum(order) else self._derivative(own, taps)
            made[order] = torch.as_tensor(value).to(x)
        return made

    @property
    def _step(self) -> float:
        return STEP * self.width

    def _taps(
        self, x: np.ndarray, highest: int, wanted: Sequence[tuple[int, ...]]
    ) -> Mapping[tuple[int, ...], np.ndarray]:
        """Values at points and at their neighbours, by how many steps these are away."""
        dim = len(self.space)
        moves = {(0,) * dim}
        if highest:
            moves |= {tuple(s * (i == j) for j in range(dim)) for i in range(dim) for s in (-1, 1)}
        for order in wanted:
            mixed = [i for i in range(dim) if order[self.space[i]] == 1]
            if sum(order) == 2 and len(mixed) == 2:
                for signs in itertools.product((-1, 1), repeat=2):
                    moves.add(tuple(signs[mixed.index(j)] if j in mixed else 0 for j in range(dim)))
        ordered = sorted(moves)
        at = np.concatenate([x + self._step * np.array(m, dtype=float)[:, None] for m in ordered], axis=1)
        values = self._profile(self.shape.signed_distance(at))
        return dict(zip(ordered, np.split(values, len(ordered)), strict=True))

    def _profile(self, distance: np.ndarray) -> np.ndarray:
        d = -distance if self.inside else distance
        return np.asarray(self.width * (1 - np.clip(1 - d / self.width, 0.0, None) ** 3) / 3)

    def _derivative(self, order: tuple[int, ...], taps: Mapping[tuple[int, ...], np.ndarray]) -> np.ndarray:
        h, dim = self._step, len(order)
        axes = [i for i, m in enumerate(order) for _ in range(m)]
        if not axes:
            return taps[(0,) * dim]
        unit = [tuple(int(i == j) for j in range(dim)) for i in axes]
        back = [tuple(-v for v in e) for e in unit]
        if len(axes) == 1:
            return (taps[unit[0]] - taps[back[0]]) / (2 * h)
        if axes[0] == axes[1]:
            return (taps[unit[0]] - 2 * taps[(0,) * dim] + taps[back[0]]) / h**2
        total = np.zeros_like(taps[(0,) * dim])
        for (a, s), (b, t) in itertools.product(zip((unit[0], back[0]), (1, -1)), zip((unit[1], back[1]), (1, -1))):  # noqa: B905
            total = total + s * t * taps[tuple(p + q for p, q in zip(a, b, strict=True))]
        return total / (4 * h**2)

    def describe(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "shape": _plain(self.shape.state()),
            "space": list(self.space),
            "inside": self.inside,
            "width": self.width,
        }

    @classmethod
    def from_description(cls, entry: Entry, dim: int) -> BoundaryDistance:
        """Inverse of :meth:`describe`, for a domain with a number of axes.

        Raises
        ------
        CorruptFileError
            If it does not describe a shape in such a domain.
        """
        space = tuple(i.integer(0, dim - 1) for i in entry.at("space").items(least=2, most=3))
        state = entry.at("shape")
        shape = shape_from_state(Entry(_arrays(state.value), state.source, state.path))
        if shape.dim != len(space) or len(set(space)) < len(space):
            raise entry.at("space").refuse(f"{shape.dim} different axes")
        return cls(shape, space, entry.at("inside").flag(), entry.at("width").number(1e-300))


def _plain(value: Any) -> Any:
    """With arrays as lists, which are marked."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return {"array": value.ravel().tolist(), "of": list(value.shape), "type": str(value.dtype)}
    return value.item() if isinstance(value, np.generic) else value


def _arrays(value: Any) -> Any:
    """Inverse of :func:`_plain`; what is no such list stays as it is, to be refused by who reads it."""
    if isinstance(value, Mapping):
        if set(value) == {"array", "of", "type"}:
            try:
                return torch.as_tensor(np.array(value["array"], dtype=value["type"]).reshape(value["of"]))
            except (TypeError, ValueError):
                return value
        return {k: _arrays(v) for k, v in value.items()}
    return [_arrays(v) for v in value] if isinstance(value, list) else value
