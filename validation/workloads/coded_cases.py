"""What is coded: a bunny, a made picture, and a scene that is rendered here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.validation.kept import completed
from hermite_pinn.workloads import sdf
from hermite_pinn.workloads.compression.teacher import Teacher
from hermite_pinn.workloads.compression.teachers import teacher_of
from hermite_pinn.workloads.radiance.evaluation import mean_measures, rendered
from hermite_pinn.workloads.radiance.model import RadianceModel
from hermite_pinn.workloads.radiance.solution import picture_of
from hermite_pinn.workloads.sdf.quality import quality
from hermite_pinn.workloads.sdf.sources import target_of
from hermite_pinn.workloads.sdf.target import Target

from .distances import scanned

__all__ = ["CASES", "Case", "scene"]

INSIDE = 200_000


@dataclass(frozen=True)
class Case:
    """Something that is coded.

    Attributes
    ----------
    teacher
        Made from a folder, in which what was fitted is kept; None where there are no files of it.
    options
        Of the octree and the training, the same for all ways.
    scores
        How good a field is.
    """

    teacher: Callable[[Path | None], Teacher | None]
    options: Mapping[str, Any]
    scores: Callable[[Any], Mapping[str, float]]


def _kept(folder: Path | None, name: str, made: Callable[[], Any], read: Callable[[Path], Any]) -> Any:
    """What was fitted, from a folder if it is there."""
    if folder is None:
        return made()
    if not (folder / name).is_file():
        made().save(folder / name)
    return read(folder / name)


# -- the bunny ---
UNIT = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))


@cache
def _target() -> Target | None:
    mesh = scanned("bunny")
    return None if mesh is None else target_of(mesh, "signed")


@cache
def _bunny(folder: Path | None) -> Teacher | None:
    mesh = scanned("bunny")
    if mesh is None:
        return None
    fit = lambda: completed(sdf.fit(mesh, levels=6, box=UNIT, progress=False))  # noqa: E731
    return teacher_of(_kept(folder, "bunny.h5", fit, hp.Solution.load))


@cache
def _inside() -> tuple[np.ndarray, np.ndarray]:
    """Points in the box, (3, n), and their distances to the mesh."""
    target, x = _target(), np.random.default_rng(3).random((3, INSIDE))
    assert target is not None
    return x, target.nearest(x).distance


def _distances(field: GridField) -> Mapping[str, float]:
    """Against the mesh: the share of the insides, and the errors of values and gradients within 0.01 of the surface."""
    target, (x, true) = _target(), _inside()
    assert target is not None
    found = quality(target, UNIT, field, 0)
    values = field.evaluate(torch.as_tensor(x, dtype=field.dtype), Channels.value(3))[0, 0].double().numpy()
    return {"iou": sdf.iou(values, true), "gradient_mae": found["gradient_mae"], "value_rms": found["value_rms"]}


# -- a picture ---
@cache
def _picture(folder: Path | None = None) -> Teacher:
    return teacher_of(hp.images.made_picture(256))


def _pixels(field: GridField) -> Mapping[str, float]:
    """In decibels, at all pixels."""
    return _picture().scores(field)


# -- a scene ---
@cache
def scene() -> hp.radiance.Scene:
    """That of the suite radiance."""
    return hp.radiance.Scene.render_synthetic(100, train=40, test=8)


@cache
def _scene(folder: Path | None) -> Teacher:
    fit = lambda: completed(hp.radiance.fit(scene(), steps=3000, device="cpu", progress=False))  # noqa: E731
    return teacher_of(_kept(folder, "synthetic.h5", fit, hp.radiance.Radiance.load), scene())


@dataclass(frozen=True)
class _Shown:
    """What renders a model's pictures."""

    model: RadianceModel

    def render(self, camera: Any, background: Any = None, normals: bool = False, cones: int = 1) -> Any:
        """A picture."""
        return picture_of(self.model, camera, background, normals, cones)


def _views(field: Any) -> Mapping[str, float]:
    """Of the views that are held out."""
    return mean_measures([rendered(_Shown(field.baked()), view).measures for view in scene().test])


#: Features as published; the finest level of the picture has a cell for every pixel.
CASES: Mapping[str, Case] = {
    "bunny": Case(
        _bunny, {"features": 16, "steps": 1500, "code_steps": 500, "points": 6000, "coarsest": (8, 8, 8)}, _distances
    ),
    "picture": Case(
        _picture, {"features": 16, "steps": 1200, "code_steps": 400, "points": 4096, "coarsest": (32, 32)}, _pixels
    ),
    "scene": Case(_scene, {"features": 16, "steps": 800, "code_steps": 200, "points": 1 << 14}, _views),
}
