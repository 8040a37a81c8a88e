"""Where trained distances are compared with true ones: on the surface, near it, and in the whole box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.morton import morton_order
from hermite_pinn.geometry import Box

from .target import Nearest, Target

__all__ = ["SampleSource", "Samples", "shares"]

#: Parts of the samples on the surface, and near it; the others are in the box.
ON, NEAR = 0.5, 0.25
#: Scale of the logistic offsets of points near the surface, in units of its extent.
SPREAD = 0.02 / 0.72


@dataclass(frozen=True)
class Samples:
    """Points with their distances.

    Attributes
    ----------
    x
        (3, n).
    distance
        (n,), in the units of the coordinates.
    gradient
        (3, n), unit vectors; zero where the direction is not known.
    known
        1 where it is, else 0, (n,), of the dtype of the others.
    parts
        Where the points on the surface, near it and in the box end.
    weights
        (n,), of means over the points, or None for equal ones.
    """

    x: torch.Tensor
    distance: torch.Tensor
    gradient: torch.Tensor
    known: torch.Tensor
    parts: tuple[int, ...]
    weights: torch.Tensor | None = None

    @property
    def count(self) -> int:
        """Number of points."""
        return self.x.shape[1]

    def take(self, chosen: torch.Tensor | slice, parts: tuple[int, ...], weights: torch.Tensor | None) -> Samples:
        """Some of the points."""
        x, distance, gradient, known = (v[..., chosen].contiguous() for v in self._columns)
        return Samples(x, distance, gradient, known, parts, weights)

    def copy_(self, other: Samples) -> None:
        """Become others, as many."""
        for own, new in zip(self._columns, other._columns, strict=True):
            own.copy_(new)

    @property
    def _columns(self) -> tuple[torch.Tensor, ...]:
        return self.x, self.distance, self.gradient, self.known

    def draw(self, count: int, generator: torch.Generator) -> Samples:
        """Random points, as many of every part as :func:`shares` says, in the order of these."""
        ends, starts = shares(count), (0, *self.parts)
        chosen = [
            torch.randint(first, last, (stop - start,), generator=generator, device=self.x.device).sort().values
            for first, last, start, stop in zip(starts, self.parts, (0, *ends), ends, strict=False)
        ]
        return self.take(torch.cat(chosen), ends, None)

    def pieces(self, size: int) -> Iterator[Samples]:
        """All points in runs of at most ``size``, with weights whose total is one."""
        for start in range(0, self.count, size):
            stop = min(start + size, self.count)
            weights = self.x.new_full((stop - start,), 1.0 / self.count)
            yield self.take(slice(start, stop), (), weights)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Weighted mean over the points of values (n,)."""
        return values.mean() if self.weights is None else self.weights @ values


def shares(count: int) -> tuple[int, int, int]:
    """Where the points of each part end, if all of them are so many; every part has one at least.

    Examples
    --------
    >>> shares(1000), shares(3)
    ((500, 750, 1000), (1, 2, 3))
    """
    on = max(1, min(round(ON * count), count - 2))
    near = max(1, min(round(NEAR * count), count - on - 1))
    return on, on + near, max(count, on + near + 1)


@dataclass(frozen=True)
class SampleSource:
    """Makes samples, of which a seed says all.

    Attributes
    ----------
    target
        The surface.
    box
        Where the field is defined.
    dtype, device
        Of the samples.
    """

    target: Target
    box: Box
    dtype: torch.dtype
    device: torch.device

    def samples(self, count: int, seed: int) -> Samples:
        """Random points with exact distances and directions, every part along a space-filling curve.

        Half of them are on the surface, a quarter is offset along its normals by a logistic variable, and a quarter is
        uniform in the box, as are those whose offset leads out of it.
        """
        generator, ends = np.random.default_rng(seed), shares(count)
        on, normals = self._on(ends[0], generator)
        signed = np.full(on.shape[1], self.target.signed)
        parts = [(on, Nearest(np.zeros(on.shape[1]), normals * signed, signed))]
        for drawn in (self._near(ends[1] - ends[0], generator), self._anywhere(ends[2] - ends[1], generator)):
            x = self._ordered(drawn)[0]
            parts.append((x, self.target.nearest(x)))
        return self._joined(parts)

    def _on(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Points on the surface, and the normals there."""
        drawn = self.target.surface(count, generator)
        x, order = self._ordered(drawn.x)
        return x, drawn.normals[:, order]

    def _near(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Points near the surface; in the place of those out of the box, others anywhere in it."""
        feet = self.target.surface(count, generator)
        x = feet.x + generator.logistic(0.0, SPREAD * self.target.extent, feet.x.shape[1]) * feet.normals
        lower, upper = self._corners
        outside = ((x < lower) | (x > upper)).any(0)
        x[:, outside] = self._anywhere(int(outside.sum()), generator)
        return x

    def _anywhere(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """Points in the box, uniform."""
        return generator.uniform(*self._corners, (3, count))

    @property
    def _corners(self) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = (np.asarray(corner, dtype=np.float64)[:, None] for corner in (self.box.lower, self.box.upper))
        return lower, upper

    def _ordered(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points as the samples' precision has them, along the curve, and which of the given ones they are."""
        rounded = torch.from_numpy(np.ascontiguousarray(x)).to(self.dtype).double()
        order: np.ndarray = morton_order(rounded, self.box.lower, self.box.upper).numpy()
        return np.ascontiguousarray(rounded.numpy()[:, order]), order

    def _joined(self, parts: list[tuple[np.ndarray, Nearest]]) -> Samples:
        def sent(columns: list[np.ndarray]) -> torch.Tensor:
            whole = np.ascontiguousarray(np.concatenate(columns, axis=-1))
            return torch.from_numpy(whole).to(self.dtype).to(self.device)

        ends = np.cumsum([x.shape[1] for x, _ in parts]).tolist()
        return Samples(
            sent([x for x, _ in parts]),
            sent([near.distance for _, near in parts]),
            sent([near.gradient * near.known for _, near in parts]),
            sent([near.known.astype(np.float64) for _, near in parts]),
            tuple(ends),
        )
