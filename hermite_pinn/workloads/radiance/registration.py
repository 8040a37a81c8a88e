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
    """Move views to another world, for instance true test views to the world of refined poses, which has drifted.

    Parameters
    ----------
    views
        Pictures with cameras.
    similarity
        From their world to the other: the inverse of that of :func:`hermite_pinn.radiance.pose_errors`.

    Raises
    ------
    InvalidArgumentError
        If these are no views or no similarity.
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
    """Fit the poses of views to a radiance field by steps of Adam on their own colours, with the field held.

    This is how BARF (Lin et al., 2021) places test views before their PSNR is taken, with 100 steps: what is left of
    the errors of training poses would otherwise be counted as errors of the pictures.  It looks at the pictures that
    are tested, so whoever quotes such a PSNR says so.

    Parameters
    ----------
    model
        The field, which is the same afterwards.
    views
        Where they are thought to be.
    refinement
        Its side and its rate are taken; the rate falls by ``decay`` as in a fit.  Default: ``PoseRefinement()``.
    steps
        Of Adam.
    rays
        Of every view in a step, on average.
    seed
        Of all that is random.

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
