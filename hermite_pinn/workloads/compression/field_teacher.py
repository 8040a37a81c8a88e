"""Solutions and pictures as teachers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.octree import Everywhere, Octree, Prior
from hermite_pinn.geometry import Box
from hermite_pinn.result.evaluable import Evaluable
from hermite_pinn.workloads.images.pixels import picture_array

from .teacher import FieldsTeacher

__all__ = ["FieldTeacher", "PictureTeacher"]

#: Points of a pool, and of an examination.
POOL, EXAMINED = 400_000, 100_000
SEED = 12


class _Values(FieldsTeacher):
    """Values of fields at points, which count in units of their standard deviation."""

    _points: torch.Tensor
    _known: torch.Tensor

    @property
    def prior(self) -> Prior:
        """Details are everywhere."""
        return Everywhere()

    def units(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation."""
        return tuple(self._known.mean(1).tolist()), tuple(self._known.std(1).clamp(min=1e-12).tolist())

    def loss(self, field: GridField, count: int, generator: torch.Generator) -> torch.Tensor:
        """See :meth:`Teacher.loss`."""
        drawn = torch.randint(self._points.shape[1], (count,), generator=generator)
        found = field.jets(self._points[:, drawn], Channels.value(field.layout.dim))[:, 0]
        unit = self._known.std(1, keepdim=True).clamp(min=1e-12)
        return ((found - self._known[:, drawn]) / unit).square().mean()


class FieldTeacher(_Values):
    """The fields of a solution on a whole box, at random points.

    Parameters
    ----------
    solution
        Any with a box as its domain.
    """

    def __init__(self, solution: Any, scene: Any = None) -> None:
        self._owner: Evaluable = solution
        domain = self._owner.domain
        if domain.is_cut or domain.breaks:
            raise InvalidArgumentError(
                f"fields are coded on whole boxes without breaks, got one on {domain!r}; method='levels' keeps other solutions"
            )
        self.domain = Box(**domain.bounds)
        self.names, self.periodic, self.title = self._owner.fields, self._owner.periodic, solution.title
        self._points, self._known = self._drawn(POOL, SEED)

    @classmethod
    def teaches(cls, model: Any) -> bool:
        """Whether it has fields on a domain."""
        return isinstance(model, Evaluable)

    def _drawn(self, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        lower, upper = np.asarray(self.domain.lower), np.asarray(self.domain.upper)
        x = lower + np.random.default_rng(seed).random((count, len(lower))) * (upper - lower)
        values = self._owner.at_points(x)[:, 0]
        return torch.as_tensor(x.T.copy(), dtype=torch.float32), torch.as_tensor(values, dtype=torch.float32)

    @property
    def coarsest(self) -> tuple[int, ...]:
        """8 along every axis."""
        return (8,) * self.domain.dim

    def prepare(self, tree: Octree, generator: torch.Generator) -> None:
        """Other points for other generators."""
        self._points, self._known = self._drawn(POOL, int(torch.randint(2**62, (1,), generator=generator)))

    def scores(self, field: GridField) -> Mapping[str, float]:
        """The relative L2 error of every field, at points that were not learned from."""
        points, true = self._drawn(EXAMINED, SEED + 1)
        found = field.evaluate(points, Channels.value(len(points)))[:, 0]
        errors = (found - true).double().norm(dim=1) / true.double().norm(dim=1).clamp(min=1e-300)
        return dict(zip(self.names, errors.tolist(), strict=True))


class PictureTeacher(_Values):
    """The pixels of a picture, as values at their places.

    Parameters
    ----------
    picture
        (H, W) or (H, W, C); integers are divided by the largest number of their type.
    """

    title = "picture"

    def __init__(self, picture: Any, scene: Any = None) -> None:
        values = picture_array("picture", picture)
        channels, rows, columns = values.shape
        longest = max(rows, columns) - 1
        self.domain = Box(x=(0.0, (columns - 1) / longest), y=(0.0, (rows - 1) / longest))
        self.names = ("value",) if channels == 1 else tuple(f"channel{k}" for k in range(channels))
        self.periodic = (False, False)
        self.shape = rows, columns
        x, y = np.meshgrid(np.arange(columns) / longest, np.arange(rows) / longest)
        self._points = torch.as_tensor(np.stack([x.ravel(), y.ravel()]), dtype=torch.float32)
        self._known = torch.as_tensor(values.reshape(channels, -1), dtype=torch.float32)

    @classmethod
    def teaches(cls, model: Any) -> bool:
        """Whether it is an array."""
        return hasattr(model, "__array__")

    @property
    def coarsest(self) -> tuple[int, ...]:
        """A sixteenth of the pixels along each axis: the finest of four levels has a cell for two pixels."""
        rows, columns = self.shape
        return max(1, round(columns / 16)), max(1, round(rows / 16))

    def prepare(self, tree: Octree, generator: torch.Generator) -> None:
        """The pixels are all there."""

    def scores(self, field: GridField) -> Mapping[str, float]:
        """``psnr`` in decibels at the pixels, with a peak of 1."""
        found = field.evaluate(self._points, Channels.value(2))[:, 0]
        square = float((found - self._known).double().square().mean())
        return {"psnr": float(-10 * np.log10(max(square, 1e-30)))}
