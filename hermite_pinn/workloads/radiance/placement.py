"""Where the world of a file lies in that of a scene, and the box in which the scene is."""

from __future__ import annotations

import numpy as np

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry.similarity import Similarity

from .recording import Recording

__all__ = ["PLACEMENTS", "focus", "placed"]

PLACEMENTS = ("auto", "none", "aabb_scale", "cameras", "points")
#: What instant-ngp does to worlds: it scales them, and puts the origin into the middle of its unit cube.
SCALE, MIDDLE = 0.33, 0.5
#: Points from which a box can be told, and the parts of their coordinates left out at both ends.
FEWEST, OUTLIERS, MARGIN = 10, 0.02, 1.1


def placed(recording: Recording, poses: np.ndarray, placement: str) -> tuple[Similarity, np.ndarray, np.ndarray]:
    """The map from the world of a file to that of the scene, and the corners of the scene's box.

    Parameters
    ----------
    recording
        What the file says.
    poses
        Of the cameras whose pictures are there, (n, 3, 4).
    placement
        ``"none"`` keeps the world; ``"aabb_scale"`` is instant-ngp's, with its cube around the origin; with
        ``"cameras"`` the farthest camera is at distance 1 from where all look; with ``"points"`` these lie between -1
        and 1; ``"auto"`` takes what the file states: ``aabb_scale``, then points, then cameras.

    Raises
    ------
    InvalidArgumentError
        If the file states nothing of that.
    """
    if placement == "auto":
        placement = "aabb_scale" if recording.aabb_scale else "points" if len(recording.points) >= FEWEST else "cameras"
    if placement == "aabb_scale":
        scale = recording.scale or SCALE
        offset = np.array(recording.offset or (MIDDLE,) * 3) - MIDDLE
        half = (recording.aabb_scale or 1.0) / 2
        return Similarity(scale, np.eye(3), offset), np.full(3, -half), np.full(3, half)
    if placement == "points":
        if len(recording.points) < FEWEST:
            raise InvalidArgumentError(
                f"placement='points' needs {FEWEST} points or more, and {recording.source} has {len(recording.points)}; take placement='cameras'"
            )
        return _around(*_middle(recording.points))
    centre = focus(poses)
    size = float(np.linalg.norm(poses[:, :, 3] - centre, axis=1).max()) or 1.0
    if placement == "cameras":
        return _around(centre, size)
    if len(recording.points) >= FEWEST:
        centre, size = _middle(recording.points)
    return Similarity(1.0, np.eye(3), np.zeros(3)), centre - size, centre + size


def focus(poses: np.ndarray) -> np.ndarray:
    """The point (3,) nearest to the axes of cameras (n, 3, 4); of parallel ones, that nearest to their middle.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import look_at
    >>> point = focus(np.stack([look_at(eye, (1, 2, 3)) for eye in ((5, 0, 0), (0, 5, 0), (0, 0, 9))]))
    >>> point.round(9).tolist()
    [1.0, 2.0, 3.0]
    """
    across = np.eye(3) - poses[:, :, 2, None] * poses[:, None, :, 2]
    middle = poses[:, :, 3].mean(0)
    rest = np.einsum("nij,nj->i", across, poses[:, :, 3] - middle)
    return middle + np.linalg.pinv(across.sum(0), rcond=1e-6) @ rest


def _middle(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Middle and half the side of a cube around most points."""
    low, high = np.quantile(points, (OUTLIERS, 1 - OUTLIERS), axis=0)
    return (low + high) / 2, MARGIN * float((high - low).max()) / 2 or 1.0


def _around(centre: np.ndarray, size: float) -> tuple[Similarity, np.ndarray, np.ndarray]:
    """A cube around the origin, from one around a point."""
    return Similarity(1 / size, np.eye(3), -centre / size), -np.ones(3), np.ones(3)
