"""How far cameras are from where they should be, whatever world they are told in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hermite_pinn.checks import instance, real_array
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.geometry.similarity import Similarity

from .camera import Cameras
from .se3 import inverse, rotation_angle

__all__ = ["PoseErrors", "align", "checked_similarity", "moved_poses", "pose_errors"]

#: Spread of the centres across their line, relative to that along it, below which a turn about it is not told.
LEAST_SPREAD = 1e-4


@dataclass(frozen=True, eq=False)
class PoseErrors:
    """Errors of poses after alignment by a similarity.

    Attributes
    ----------
    rotation
        Angles of the rotations (n,), in degrees, float64.
    translation
        Distances (n,) of the shifts of extrinsic matrices (from the world to the camera), as in BARF.
    centres
        Distances (n,) of the centres of the cameras.
    similarity
        Map from the world of the poses to that of the reference.
    poses
        Poses (n, 3, 4) in the world of the reference.
    """

    rotation: Tensor
    translation: Tensor
    centres: Tensor
    similarity: Similarity
    poses: Tensor

    def __str__(self) -> str:
        """Means of the errors."""
        return (
            f"rotation {float(self.rotation.mean()):.3g} degrees, translation {float(self.translation.mean()):.3g}, "
            f"centres {float(self.centres.mean()):.3g}"
        )


def align(points: Any, reference: Any) -> Similarity:
    """Find the similarity that maps points to reference points, in float64.

    It maps the mean to the mean, and the root mean square distance from it to that of the reference, as in BARF.  The
    rotation is that of least squares and never mirrors.

    Parameters
    ----------
    points, reference
        Points (n, 3), for instance the centres of cameras.

    Returns
    -------
    Similarity
        With ``scale``, ``rotation``, ``offset`` and ``inverse``.

    Raises
    ------
    InvalidProblemError
        If a number is not finite, the numbers of points differ or are below three, or the points do not determine a
        rotation because they lie on one line or mirror each other.

    Examples
    --------
    >>> points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> found = align(points, 2 * points + [1, 2, 3])
    >>> round(found.scale, 12), found.offset.round(12).tolist()
    (2.0, [1.0, 2.0, 3.0])
    """
    sources, targets = (
        real_array(name, given, shape="points (n, 3)", columns=3, error=InvalidProblemError)
        for name, given in (("points", points), ("reference", reference))
    )
    if len(sources) != len(targets):
        raise InvalidProblemError(
            f"points and reference must be as many, got {len(sources)} and {len(targets)}; give both in the same order"
        )
    if len(sources) < 3:
        raise InvalidProblemError(
            f"an alignment needs three points or more that are not on one line, got {len(sources)}"
        )
    middle, aim = sources.mean(0), targets.mean(0)
    spread, wanted = (float(np.sqrt(np.square(p - m).sum(1).mean())) for p, m in ((sources, middle), (targets, aim)))
    if not (spread > 0 and wanted > 0):
        raise InvalidProblemError("an alignment needs points apart from each other, and all are one; check the poses")
    left, sizes, right = np.linalg.svd((targets - aim).T @ (sources - middle) / (len(sources) * spread * wanted))
    side = 1.0 if np.linalg.det(left @ right) > 0 else -1.0
    if sizes[1] + side * sizes[2] <= LEAST_SPREAD**2 * sizes[0]:
        raise InvalidProblemError(
            "the points do not tell a rotation: they lie on one line, or those of the reference mirror them; take more cameras, at other places"
        )
    rotation = (left * [1.0, 1.0, side]) @ right
    scale = wanted / spread
    return Similarity(scale, rotation, aim - scale * rotation @ middle)


def checked_similarity(given: Any) -> Similarity:
    """A similarity of space.

    Raises
    ------
    InvalidArgumentError
        If it is something else.
    """
    found = instance("similarity", given, Similarity, "a Similarity, such as hermite_pinn.radiance.align returns")
    if found.dim != 3:
        raise InvalidArgumentError(f"similarity must be one of space, got one of {found.dim} axes")
    return found


def moved_poses(poses: Tensor, similarity: Similarity) -> Tensor:
    """Poses (n, 3, 4) in the world to which a similarity takes theirs: they turn, and their centres move."""
    turn = torch.as_tensor(similarity.rotation).to(poses)
    centres = similarity.scale * poses[:, :, 3] @ turn.T + torch.as_tensor(similarity.offset).to(poses)
    return torch.cat([turn @ poses[:, :, :3], centres[:, :, None]], 2)


def pose_errors(cameras: Cameras, reference: Cameras, similarity: Similarity | None = None) -> PoseErrors:
    """Measure the errors of cameras by BARF's protocol.

    Parameters
    ----------
    cameras
        Estimated cameras.
    reference
        True cameras, in the same order.
    similarity
        Map from the world of the first to that of the second.  Default: that of their centres, see :func:`align`.

    Returns
    -------
    PoseErrors
        Errors of every camera.

    Raises
    ------
    InvalidProblemError
        As for :func:`align`.  Two cameras, or centres on one line, need a ``similarity``.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import Cameras, Intrinsics, scattered_poses
    >>> true = Cameras(Intrinsics.of_view_angle(4, 2, 1.0), scattered_poses(5, 3.0))
    >>> moved = moved_poses(true.poses, Similarity.turn(3, 30.0, "z").after(Similarity.scaling(3, 2.0)))
    >>> errors = pose_errors(true.moved(moved), true)
    >>> bool(errors.rotation.max() < 1e-6), bool(errors.centres.max() < 1e-9)
    (True, True)
    """
    found, true = (
        instance(name, given, Cameras, "hermite_pinn.radiance.Cameras").poses.detach().to("cpu", torch.float64)
        for name, given in (("cameras", cameras), ("reference", reference))
    )
    if len(found) != len(true):
        raise InvalidProblemError(
            f"cameras and reference must be as many, got {len(found)} and {len(true)}; give both in the same order"
        )
    move = align(found[:, :, 3], true[:, :, 3]) if similarity is None else checked_similarity(similarity)
    aligned = moved_poses(found, move)
    return PoseErrors(
        rotation_angle(aligned[:, :, :3] @ true[:, :, :3].transpose(1, 2)),
        torch.linalg.vector_norm(inverse(aligned)[:, :, 3] - inverse(true)[:, :, 3], dim=1),
        torch.linalg.vector_norm(aligned[:, :, 3] - true[:, :, 3], dim=1),
        move,
        aligned,
    )
