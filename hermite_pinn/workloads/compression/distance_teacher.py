"""Distances to surfaces as teachers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.octree import Distance, Octree, Prior
from hermite_pinn.result.evaluable import Evaluable
from hermite_pinn.result.solution import Solution
from hermite_pinn.workloads.sdf.signed_field import FittedField

from .teacher import FieldsTeacher

__all__ = ["DistanceTeacher"]

JET, VALUE = Channels.jet(3, 1), Channels.value(3)
#: Points of a pool near the surface and in the box, and of an examination.
NEAR, FAR, EXAMINED = 400_000, 100_000, 100_000
#: Part of a batch that lies near the surface.
SHARE = 0.75
#: Misfits of distances are counted in this part of a finest cell, and this part of the distance itself.
FINE, RELATIVE = 0.1, 0.05
#: Half diagonals within which cells belong to the octree.
WIDTH = 1.5
SEED = 11
#: What :func:`hermite_pinn.sdf.fit` says of its solutions.
FITTED = "distance to a surface"


class DistanceTeacher(FieldsTeacher):
    """The field of a solution that is the distance to a surface; the surface itself is not needed.

    Points near the surface have the value and the gradient of the solution, points in the box its value, which counts
    the less the farther away they are.

    Parameters
    ----------
    solution
        With one field, on a box of three axes of space.
    """

    def __init__(self, solution: Solution, scene: Any = None) -> None:
        self._shape = FittedField(solution, solution.fields[0])
        self.domain = solution.domain  # type: ignore[assignment]
        self.names, self.periodic = solution.fields, solution.periodic
        self.title = solution.title

    @classmethod
    def teaches(cls, model: Any) -> bool:
        """Whether :func:`hermite_pinn.sdf.fit` made it."""
        return isinstance(model, Evaluable) and getattr(model, "settings", {}).get("problem") == FITTED

    @property
    def prior(self) -> Prior:
        """Near the surface."""
        return Distance(self._shape.values, WIDTH)

    @property
    def coarsest(self) -> tuple[int, ...]:
        """16 along the longest axis."""
        lengths = np.subtract(self.domain.upper, self.domain.lower)
        return tuple(int(max(1, round(16 * n))) for n in lengths / lengths.max())

    def units(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Half an edge of the box as the scale."""
        return (0.0,), (self._shape.extent / 2,)

    def prepare(self, tree: Octree, generator: torch.Generator) -> None:
        """See :meth:`Teacher.prepare`: points uniform in the finest cells, and in the box."""
        numbers = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        lower, extent = self._shape.lower, self._shape.upper - self._shape.lower
        size = extent / np.array(tree.resolutions[-1])
        cells = tree.cells[-1][numbers.integers(len(tree.cells[-1]), size=NEAR)]
        near = lower + (cells + numbers.random((NEAR, 3))) * size
        far = lower + numbers.random((FAR, 3)) * extent
        self._near, self._far = (torch.as_tensor(x.T.copy(), dtype=torch.float32) for x in (near, far))
        self._jets = torch.as_tensor(self._shape.in_pieces(near, 1), dtype=torch.float32)
        self._values = torch.as_tensor(self._shape.values(far), dtype=torch.float32)
        self._unit = FINE * float(size.min())

    def loss(self, field: GridField, count: int, generator: torch.Generator) -> torch.Tensor:
        """See :meth:`Teacher.loss`."""
        near = int(SHARE * count)
        one = torch.randint(NEAR, (near,), generator=generator)
        other = torch.randint(FAR, (count - near,), generator=generator)
        jets = field.jets(self._near[:, one], JET)[0]
        values = field.jets(self._far[:, other], VALUE)[0, 0]
        gradient = (jets[1:] - self._jets[1:, one]).square().sum(0).mean()
        close = self._scaled(jets[0], self._jets[0, one])
        return gradient + close + self._scaled(values, self._values[other])

    def _scaled(self, found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
        return ((found - true) / (self._unit + RELATIVE * true.abs())).square().mean()

    def scores(self, field: GridField) -> Mapping[str, float]:
        """Against the solution: ``iou`` in the box, and near the surface ``value_rms`` and ``gradient_mae``.

        The points near the surface are others than those that were learned from.
        """
        numbers = np.random.default_rng(SEED)
        lower, upper = self._shape.lower, self._shape.upper
        box = lower + numbers.random((EXAMINED, 3)) * (upper - lower)
        inside, known = _values(field, box) < 0, self._shape.values(box) < 0
        near = (self._near[:, :EXAMINED].T + self._unit * torch.rand(EXAMINED, 3, generator=_generator())).numpy()
        near = np.clip(near.astype(np.float64), lower, upper)
        true = self._shape.in_pieces(near, 1)
        found = field.evaluate(torch.as_tensor(near.T.copy(), dtype=field.dtype), JET)[0].double().numpy()
        return {
            "iou": float((inside & known).sum() / max(1, (inside | known).sum())),
            "value_rms": float(np.sqrt(np.mean((found[0] - true[0]) ** 2))),
            "gradient_mae": float(np.abs(found[1:] - true[1:]).mean()),
        }


def _values(field: GridField, x: np.ndarray) -> np.ndarray:
    values: np.ndarray = field.evaluate(torch.as_tensor(x.T.copy(), dtype=field.dtype), VALUE)[0, 0].double().numpy()
    return values


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)
