"""How points in space become points of a domain that may have a time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .domain import Domain
from .quadrature import gauss_axis, per_axis
from .samples import Samples

__all__ = ["Span"]


@dataclass(frozen=True, eq=False)
class Span:
    """How points in space become points of a domain that may have a time axis.

    Attributes
    ----------
    names
        Of all axes.
    space
        Numbers of the axes of space.
    time
        Number of the time axis, or None.
    start, end
        Of time; 0 and 1 without it.
    """

    names: tuple[str, ...]
    space: tuple[int, ...]
    time: int | None
    start: float
    end: float

    @classmethod
    def of(cls, domain: Domain) -> Span:
        """That of a domain."""
        t = domain.time_axis
        start, end = (0.0, 1.0) if t is None else (domain.lower[t], domain.upper[t])
        return cls(domain.names, domain.space_axes, t, start, end)

    @property
    def length(self) -> float:
        """Of time; 1 without it."""
        return self.end - self.start

    def joined(self, x: np.ndarray, t: np.ndarray | float) -> torch.Tensor:
        """Points (dim, n) from points in space and times."""
        result = np.empty((len(self.names), x.shape[1]))
        result[list(self.space)] = x
        if self.time is not None:
            result[self.time] = t
        return torch.as_tensor(result)

    def normals(self, normals: np.ndarray) -> torch.Tensor:
        """Normals in space with a component 0 along time."""
        return self.joined(normals, 0.0)

    def product(self, samples: Samples, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """Samples in space times a Gauss rule in time."""
        x, weights = samples.x.numpy(), samples.weights.numpy()
        normals = samples.normals
        spread = None
        if normals is not None:
            full = torch.as_tensor(normals, dtype=torch.float64)
            spread = np.broadcast_to(full.reshape(len(self.space), -1).numpy(), x.shape)
        times, shares = np.zeros(1), np.ones(1)
        if self.time is not None:
            k = per_axis(order, len(self.names))[self.time]
            times, shares = gauss_axis(self.start, self.end, cells[self.time], k)
        count = times.size
        made = self.joined(np.repeat(x, count, axis=1), np.tile(times, x.shape[1]))
        total = torch.as_tensor((weights[:, None] * shares).ravel())
        return Samples(made, total, None if spread is None else self.normals(np.repeat(spread, count, axis=1)))
