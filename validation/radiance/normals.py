"""Angles between the normals of a field and those of the world that was rendered."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from hermite_pinn.workloads.radiance import View, World
from hermite_pinn.workloads.radiance.evaluation import SOLID, Renders

__all__ = ["normal_errors", "true_normals"]


def true_normals(world: World, view: View) -> np.ndarray:
    """Unit normals of what the pixels' centres see, towards the camera, (height, width, 3); NaN where that is nothing.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import Scene
    >>> normals = true_normals(World.standard(), Scene.render_synthetic(8, train=1, test=0).train[0])
    >>> lengths = np.linalg.norm(normals, axis=-1)
    >>> bool(np.allclose(lengths[np.isfinite(lengths)], 1.0))
    True
    """
    rays = view.camera.rays(dtype=torch.float64)
    origin, direction = rays.origin.detach().numpy(), rays.direction.detach().numpy()
    t, which, part = world.first(origin, direction)
    normals = np.full_like(direction, np.nan)
    for k, solid in enumerate(world.solids):
        mine = np.flatnonzero(which == k)
        if mine.size:
            found = solid.normals(origin[mine] + t[mine, None] * direction[mine], part[mine])
            away = (found * direction[mine]).sum(1, keepdims=True) > 0
            normals[mine] = np.where(away, -found, found)
    return normals.reshape(view.camera.height, view.camera.width, 3)


def normal_errors(field: Renders, views: Iterable[View], world: World) -> np.ndarray:
    """Angles in degrees, (n,), at the pixels of views where there is something and where the field is opaque.

    Parameters
    ----------
    field
        What renders normals, by the exact gradient of its density.
    views
        With cameras outside of the solids.
    world
        What they show.
    """
    angles = []
    for view in views:
        true = true_normals(world, view)
        seen = field.render(view.camera, normals=True)
        there = np.isfinite(true).all(-1) & (seen.opacity.numpy() >= SOLID)
        cosines = (true * seen.normals.double().numpy()).sum(-1)[there]
        angles.append(np.degrees(np.arccos(np.clip(cosines, -1, 1))))
    return np.concatenate(angles) if angles else np.empty(0)
