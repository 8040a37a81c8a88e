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
    """Draw noisy cameras: each is moved by a twist of independent normal numbers.

    Parameters
    ----------
    cameras
        At their true places.
    sigma
        Standard deviation of the six numbers of every twist; BARF takes 0.15 in a world whose scene has the size 1.
    seed
        Of the draw.
    side
        What is moved first by the noise: ``"world"`` (BARF: extrinsic matrix after noise, so that centres swing
        around the origin of the world) or ``"camera"`` (cameras turn where they are).

    Returns
    -------
    Cameras
        The same intrinsics at the poses that were drawn, float64.

    Raises
    ------
    InvalidArgumentError
        If sigma is negative or not finite, or an option is unknown.

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
