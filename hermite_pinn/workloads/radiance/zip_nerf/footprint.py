"""Grids whose finest cells are as wide as pixels see."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from hermite_pinn.checks import instance, number
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.workloads.radiance.scene import Scene
from hermite_pinn.workloads.radiance.setting import Setting

from .frame import Frame
from .options import GridLevels

__all__ = ["fitted_levels"]

#: Radii of a pixel's cone in its width.
RADII = math.sqrt(3.0)


def fitted_levels(scene: Scene, levels: GridLevels | None = None, cells_per_pixel: float = 1.0) -> GridLevels:
    """Choose levels so that the finest has as many cells as pixels are seen across the box.

    The width of a pixel is that of its cone in the middle of the box, or at half the width of the box if the camera
    stands in it.  The median over the training views is used.

    Parameters
    ----------
    scene
        A scene with training views.
    levels
        Levels whose number, coarsest cells, features and table size are kept.  Default: ``GridLevels()``.
    cells_per_pixel
        Cells of the finest level across a pixel.

    Returns
    -------
    GridLevels
        The same levels with another ``finest``.

    Raises
    ------
    InvalidArgumentError
        If an argument has another type.
    InvalidProblemError
        If there are no training views.

    Examples
    --------
    >>> scene = Scene.render_synthetic(50, train=4, test=0)
    >>> fitted_levels(scene).finest, fitted_levels(scene, cells_per_pixel=2.0).finest
    (44, 89)
    """
    given = (
        GridLevels() if levels is None else instance("levels", levels, GridLevels, "hermite_pinn.radiance.GridLevels")
    )
    factor = number("cells_per_pixel", cells_per_pixel, above=0)
    cameras = instance("scene", scene, Scene, "a hermite_pinn.radiance.Scene").train.cameras
    if not len(cameras):
        raise InvalidProblemError(
            "the scene has no training views whose pixels could be measured; choose another split"
        )
    setting = Setting.of(scene)
    frame = Frame.of_setting(setting)
    away = (cameras.centres.double() - torch.tensor(setting.centre, dtype=torch.float64)).norm(dim=1)
    distance = torch.full_like(away, setting.half) if setting.inside else away
    radius = torch.tensor([float(kind.table[1].median()) for kind in cameras.kinds], dtype=torch.float64)[cameras.kind]
    width = float((RADII * radius * distance).median())
    return replace(given, finest=max(given.coarsest, math.floor(factor * frame.side / width)))
