"""Poses of pictures in a radiance field that stays as it is."""

from __future__ import annotations

import torch

from hermite_pinn.checks import instance, integer
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry.similarity import Similarity

from .alignment import checked_similarity, moved_poses
from .model import RadianceModel
from .photometry import descended
from .pose_refinement import PoseRefinement
from .se3 import corrected
from .views import Views

__all__ = ["placed", "registered"]


def placed(views: Views, similarity: Similarity) -> Views:
    """Move views by a similarity, for instance true test views to the drifted world of refined poses.

    Parameters
    ----------
    views
        Pictures with cameras.
    similarity
        Map from their world to the other, such as the inverse of that of :func:`hermite_pinn.radiance.pose_errors`.

    Returns
    -------
    Views
        The same pictures with moved cameras.

    Raises
    ------
    InvalidArgumentError
        If an argument has another type.
    """
    poses = instance("views", views, Views, "hermite_pinn.radiance.Views").cameras.poses
    return views.moved(moved_poses(poses.detach().to(torch.float64), checked_similarity(similarity)))


def registered(
    model: RadianceModel,
    views: Views,
    refinement: PoseRefinement | None = None,
    *,
    steps: int = 100,
    rays: int = 256,
    seed: int = 0,
) -> Views:
    """Fit the poses of views to a fixed radiance field, by Adam on their own colours.

    BARF (Lin et al., 2021) places test views in this way, with 100 steps, before their PSNR is computed; otherwise the
    remaining errors of the training poses would count as errors of the pictures.  The test pictures are used, so a PSNR
    that is obtained in this way must be reported as such.

    Parameters
    ----------
    model
        The field, which does not change.
    views
        Pictures with estimated cameras.
    refinement
        Options of which ``side``, ``rate`` and ``decay`` are used.  Default: ``PoseRefinement()``.
    steps
        Number of steps.
    rays
        Rays per view and step, on average.
    seed
        Seed of the random numbers.

    Returns
    -------
    Views
        The same pictures with fitted cameras.

    Raises
    ------
    InvalidArgumentError
        If there are no views, or an option is out of range.
    """
    instance("model", model, RadianceModel, "a hermite_pinn.radiance.RadianceModel, such as found.model")
    options = PoseRefinement()
    if refinement is not None:
        options = instance("refinement", refinement, PoseRefinement, "a hermite_pinn.radiance.PoseRefinement")
    steps, rays = integer("steps", steps, least=0, most=1_000_000), integer("rays", rays, least=1, most=1 << 20)
    if not len(instance("views", views, Views, "hermite_pinn.radiance.Views")):
        raise InvalidArgumentError("there are no views to register; load the scene with test views, or give others")
    generator = torch.Generator().manual_seed(integer("seed", seed, least=0))
    twists = torch.zeros(len(views), 6, dtype=torch.float64, device=model.device)
    rates = [options.rate * options.decay ** (step / steps) for step in range(steps)]
    moved = descended(model, views, twists, options.side, rates, rays, generator)
    return views.moved(corrected(views.cameras.poses.detach().to(moved), moved, options.side).cpu())
