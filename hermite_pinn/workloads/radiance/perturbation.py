"""Noise on poses by BARF's protocol."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import choice, instance, integer, number

from .camera import Cameras
from .se3 import SIDES, corrected

__all__ = ["perturbed"]


def perturbed(cameras: Cameras, sigma: float = 0.15, seed: int = 0, side: str = "world") -> Cameras:
    """Perturb cameras by twists of independent normal numbers.

    Parameters
    ----------
    cameras
        True cameras.
    sigma
        Standard deviation of the six numbers of every twist.  BARF uses 0.15 for a scene of size 1.
    seed
        Seed of the draw.
    side
        ``"world"``: the extrinsic matrix is applied after the twist, so that cameras swing around the origin of the
        world (BARF).  ``"camera"``: cameras turn in place.

    Returns
    -------
    Cameras
        The same intrinsics with perturbed poses, float64.

    Raises
    ------
    InvalidArgumentError
        If ``sigma`` is negative or not finite, or an option is unknown.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import Cameras, Intrinsics, pose_errors, scattered_poses
    >>> true = Cameras(Intrinsics.of_view_angle(4, 2, 1.0), scattered_poses(100, 3.0))
    >>> print(pose_errors(perturbed(true), true))
    rotation 13.5 degrees, translation 0.243, centres 0.584
    """
    given: Any = instance("cameras", cameras, Cameras, "hermite_pinn.radiance.Cameras")
    spread, draw = number("sigma", sigma, least=0), integer("seed", seed, least=0)
    twists = spread * np.random.default_rng(draw).standard_normal((len(given), 6))
    poses = given.poses.detach().to("cpu", torch.float64)
    return cameras.moved(corrected(poses, torch.from_numpy(twists), choice("side", side, SIDES)))
