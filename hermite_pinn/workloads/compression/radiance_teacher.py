"""Radiance fields as teachers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hermite_pinn.checks import instance
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.field.octree import Occupancy, Octree, Prior
from hermite_pinn.geometry import Box
from hermite_pinn.workloads.radiance.instant_ngp import InstantNGP
from hermite_pinn.workloads.radiance.model import RadianceModel, Sight
from hermite_pinn.workloads.radiance.octree_recipe import OctreeModel
from hermite_pinn.workloads.radiance.scene import Scene
from hermite_pinn.workloads.radiance.solution import Radiance
from hermite_pinn.workloads.radiance.views import View, Views

from .octree_field import Decoder
from .radiance_octree import OctreeRadiance, RadianceSkeleton
from .teacher import Teacher

__all__ = ["RadianceTeacher"]

#: Opacity from which on the depth of a ray is that of something.
SEEN = 0.05
#: Cells of the grid in which depths are marked, along the box.
MARKED = 256
#: Views by which a field is judged, and rays by which samples are counted.
JUDGED, COUNTED = 8, 4096


class RadianceTeacher(Teacher):
    """The pictures of a radiance field: those of a scene, or what the field itself shows its cameras.

    Details are where its cameras see something: in the cells of depths, and their neighbours.

    Parameters
    ----------
    field
        That was fitted, by any recipe.
    scene
        Whose training views are learned from and whose test views are told of; None: what the field shows its cameras.
    """

    title = "radiance field"
    features = 16
    points = 1 << 14
    sees = True

    def __init__(self, field: Radiance, scene: Any = None) -> None:
        self._field = field
        lower, upper = field.model.setting.cube
        self.domain = Box(**{name: (a, b) for name, a, b in zip("xyz", lower, upper, strict=True)})
        self._networks = _networks(field.model)
        self._scene = None if scene is None else instance("scene", scene, Scene, "a hermite_pinn.radiance.Scene")
        if self._scene is not None and not len(self._scene.train):
            raise InvalidProblemError("the scene has no training views; load it with other splits or test_every=None")
        if self._scene is not None and len(self._scene.train) != len(field.cameras):
            raise InvalidProblemError(
                f"the scene has {len(self._scene.train)} training views, and the field was fitted to {len(field.cameras)}; give the scene to "
                "which it was fitted, with the same splits"
            )
        if not len(field.cameras):
            raise InvalidArgumentError(
                "a field without cameras shows nothing to learn from; compress one that was fitted"
            )
        self._shown()

    @classmethod
    def teaches(cls, model: Any) -> bool:
        """Whether :func:`hermite_pinn.radiance.fit` made it."""
        return isinstance(model, Radiance)

    def _shown(self) -> None:
        """Look at everything: where there is something, and what pictures show."""
        lower, upper = (np.asarray(corner) for corner in self._field.model.setting.cube)
        marked = np.zeros((MARKED,) * 3, dtype=bool)
        pictures = []
        for camera in self._field.cameras:
            rays = camera.rays()
            sight = self._field.model.look(rays, torch.zeros(3) if self._alpha else None)
            pictures.append(self._picture(sight).T.reshape(camera.height, camera.width, -1).cpu())
            seen = (sight.opacity > SEEN).cpu()
            points = rays[seen].at(sight.depth.cpu()[seen].float()).double().numpy()
            at = np.floor((points - lower) / (upper - lower) * MARKED).astype(np.int64)
            at = at[((at >= 0) & (at < MARKED)).all(1)]
            marked[tuple(at.T)] = True
        self._marked = marked
        learned = Views(self._field.cameras, pictures)
        self._train = learned if self._scene is None else self._scene.train.moved(self._field.cameras.poses)
        told = self._train if self._scene is None or not len(self._scene.test) else self._scene.test
        self._told = told[:: -(-len(told) // JUDGED)]

    @property
    def _alpha(self) -> bool:
        return self._field.model.setting.alpha

    def _picture(self, sight: Sight) -> Tensor:
        """Colours (3, n), or those that are not multiplied by alpha and alpha, (4, n)."""
        if not self._alpha:
            return sight.colour
        return torch.cat([(sight.colour / sight.opacity.clamp_min(1e-6)).clamp(0, 1), sight.opacity[None]])

    @property
    def prior(self) -> Prior:
        """Where something is seen."""
        lower, upper = self._field.model.setting.cube
        return _Around(self._marked, lower, upper)

    @property
    def coarsest(self) -> tuple[int, ...]:
        """So that the finest of four levels has about one and a half cells for a pixel, or three in a scene around."""
        return (32,) * 3 if self._field.model.setting.inside else (16,) * 3

    def skeleton(self, decoder: Decoder) -> RadianceSkeleton:
        """See :meth:`Teacher.skeleton`."""
        networks = replace(self._networks, width=decoder.width)
        return RadianceSkeleton(self._field.model.setting, networks, decoder.features, self._field.cameras)

    def prepare(self, tree: Octree, generator: torch.Generator) -> None:
        """Nothing: the pixels are all there."""
        self._per_ray: float | None = None
        self._model: OctreeModel | None = None
        self._visible: float | None = None

    def loss(self, field: OctreeRadiance, count: int, generator: torch.Generator) -> Tensor:
        """See :meth:`Teacher.loss`: that of the recipe, at rays that have about so many samples."""
        if self._per_ray is None:
            self._per_ray = self._counted(field.model)
        if self._visible is not None:
            field.model.visible.fill_(self._visible)
        self._model, self._visible = field.model, None
        draw = self._train.sample(max(16, round(count / self._per_ray)), generator)
        target = draw.colors.T.contiguous()
        terms = field.applied(lambda model: model.terms(draw.rays, target, 0.0, generator))
        return torch.stack(list(terms.values())).sum()

    def _counted(self, model: OctreeModel) -> float:
        """Samples of a ray, the mean of some; drawn in the same way always."""
        rays = self._train.sample(COUNTED, torch.Generator().manual_seed(0)).rays
        return max(1.0, len(model.marched(rays, 0)) / COUNTED)

    def scores(self, field: OctreeRadiance) -> Mapping[str, float]:
        """Mean ``psnr`` of some views: those that are held out if a scene has such, else of those to learn."""
        squares = [field.applied(partial(_misfit, view=view)) for view in self._told]
        return {"psnr": float(np.mean(-10 * np.log10(np.maximum(squares, 1e-30))))}

    # -- between runs ---
    def state(self) -> dict[str, Any]:
        """The share of samples that were seen, by which the way to look for them is chosen."""
        return {"visible": 1.0 if self._model is None else float(self._model.visible)}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """See :meth:`Teacher.restore`."""
        self._visible = float(saved["visible"])


class _Around(Occupancy):
    """Cells that are marked or touch one that is."""

    def wanted(self, lower: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Those with a marked one no farther than half their edge."""
        return super().wanted(lower - size / 2, 2 * size)


def _misfit(model: RadianceModel, view: View) -> float:
    """Mean square of the errors of a view, in front of white where it has alpha."""
    image = view.image.reshape(-1, view.image.shape[-1]).T
    white = torch.ones(3) if len(image) == 4 else None
    true = image[:3] * image[3] + 1 - image[3] if len(image) == 4 else image
    return float((model.look(view.camera.rays(), white).colour - true).double().square().mean())


def _networks(model: RadianceModel) -> InstantNGP:
    """Settled options of what reads the features, as the field has them if it is marched through cells, too."""
    names = [f.name for f in fields_of(InstantNGP)]
    own = {name: value for name in names if (value := getattr(model.recipe, name, None)) is not None}
    kept = {name: own[name] for name in KEPT if name in own}
    return InstantNGP(**kept).settled(model.setting, torch.device("cpu"))


#: What an octree's field takes over from the recipe of the one that it is like.
KEPT = ("hidden", "density", "cells", "cascades", "march_steps", "cone", "finer", "near", "background", "least")
