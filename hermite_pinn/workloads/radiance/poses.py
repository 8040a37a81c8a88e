"""Poses: where cameras are and how they are turned.

A pose is a matrix (3, 4) that takes points of the camera to the world.  The camera's axes are x to the right, y up, and
z backward (it looks along -z): those of OpenGL, Blender, NeRF, instant-ngp and nerfstudio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hermite_pinn.checks import integer, number, real_array
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError

__all__ = ["TURNED", "look_at", "nearest_rotation", "rigid", "scattered_poses", "surrounding_poses"]

#: From the axes of OpenCV's cameras (right, down, forward) to ours, and back.
TURNED = np.diag([1.0, -1.0, -1.0])
#: How far a matrix of a file may be from a rotation.
DEFECT = 1e-3
GOLDEN = math.pi * (3 - math.sqrt(5))


def rigid(name: str, value: Any, defect: float = DEFECT) -> np.ndarray:
    """A pose (3, 4) from a matrix (3, 4) or (4, 4), if it is a rotation and a shift; its defect is told otherwise.

    Raises
    ------
    InvalidProblemError
        If its shape is another, it has a NaN, it is scaled, mirrored or sheared, or its last row is not (0, 0, 0, 1).

    Examples
    --------
    >>> try:
    ...     rigid("pose", 2 * np.eye(4)[:3])
    ... except InvalidProblemError as error:
    ...     print(str(error).partition(": ")[2])
    its columns have the length 2, so it is scaled; divide them by it
    """
    matrix = real_array(name, value, shape="a matrix (3, 4) or (4, 4)", error=InvalidProblemError)
    if matrix.shape not in ((3, 4), (4, 4)):
        raise InvalidProblemError(f"{name} must be a matrix (3, 4) or (4, 4), got the shape {matrix.shape}")
    wrong = f"{name} is no rotation and shift: "
    if len(matrix) == 4 and np.abs(matrix[3] - [0, 0, 0, 1]).max() > 1e-9:
        raise InvalidProblemError(
            f"{wrong}its last row is {matrix[3].tolist()} and not (0, 0, 0, 1); it may have to be transposed"
        )
    rotation = matrix[:3, :3]
    lengths = np.linalg.norm(rotation, axis=0)
    if np.abs(lengths - lengths.mean()).max() <= defect * lengths.mean() and abs(lengths.mean() - 1) > defect:
        advice = "divide them by it" if lengths.mean() > 0 else "it was not filled in"
        raise InvalidProblemError(f"{wrong}its columns have the length {lengths.mean():.6g}, so it is scaled; {advice}")
    if np.abs(lengths - 1).max() > defect:
        told = ", ".join(f"{length:.6g}" for length in lengths)
        raise InvalidProblemError(f"{wrong}its columns have the lengths {told} and not 1; export the cameras again")
    if np.abs(rotation.T @ rotation - np.eye(3)).max() > defect:
        worst = np.abs(rotation.T @ rotation - np.eye(3)).max()
        raise InvalidProblemError(
            f"{wrong}its columns are not orthogonal (a product of two is {worst:.3g}); export the cameras again"
        )
    if np.linalg.det(rotation) < 0:
        raise InvalidProblemError(f"{wrong}it mirrors (its determinant is -1); change the sign of one column")
    return matrix[:3].copy()


def nearest_rotation(pose: np.ndarray) -> np.ndarray:
    """The pose (3, 4) whose matrix is the rotation nearest to that of another, such as one rounded in a file."""
    left, _, right = np.linalg.svd(pose[:, :3])
    return np.concatenate([left @ right, pose[:, 3:]], 1)


def look_at(eye: Sequence[float], target: Sequence[float] = (0, 0, 0), up: Sequence[float] = (0, 0, 1)) -> np.ndarray:
    """Return the pose (3, 4) of a camera that looks at a point.

    Parameters
    ----------
    eye
        Position of the camera, (3,).
    target
        Point in the middle of the picture, (3,).
    up
        Direction that points up in the picture, (3,).  Another one replaces it where it is parallel to the view.

    Raises
    ------
    InvalidArgumentError
        If an argument is not a point, or both points are the same.

    Examples
    --------
    >>> look_at((0, -2, 0))[:, 3].tolist(), look_at((0, -2, 0))[:, 2].tolist()
    ([0.0, -2.0, 0.0], [0.0, -1.0, 0.0])
    """
    points = []
    for name, given in (("eye", eye), ("target", target), ("up", up)):
        point = real_array(name, given, shape="three numbers")
        if point.shape != (3,):
            raise InvalidArgumentError(f"{name} must be three numbers, got the shape {point.shape}")
        points.append(point)
    place, aim, upward = points
    back, size = place - aim, float(np.linalg.norm(place - aim))
    if size == 0:
        raise InvalidArgumentError("eye and target must be two points, got the same twice")
    back = back / size
    right = np.cross(upward, back)
    if np.linalg.norm(right) <= 1e-9 * max(float(np.linalg.norm(upward)), 1e-300):
        right = np.cross(np.eye(3)[np.abs(back).argmin()], back)
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(back, right), back, place], 1)


def scattered_poses(
    count: int, radius: float, seed: int = 0, elevations: tuple[float, float] = (5.0, 70.0)
) -> np.ndarray:
    """Return poses (count, 3, 4) that are evenly spread on a part of a sphere and look at its centre, the origin.

    Parameters
    ----------
    count
        Number of cameras.
    radius
        Radius of the sphere.
    seed
        Seed of a rotation around z, a shift of the heights, and the order.
    elevations
        Smallest and largest angle above the plane z = 0, in degrees.

    Examples
    --------
    >>> centres = scattered_poses(40, 3.0)[:, :, 3]
    >>> bool(np.allclose(np.linalg.norm(centres, axis=1), 3.0))
    True
    """
    count, seed = integer("count", count, least=1, most=100_000), integer("seed", seed, least=0)
    radius = number("radius", radius, above=0)
    generator = np.random.default_rng(seed)
    low, high = np.sin(np.radians(elevations))
    heights = low + (high - low) * (np.arange(count) + generator.random()) / count
    turns = 2 * np.pi * generator.random() + GOLDEN * np.arange(count)
    across = np.sqrt(1 - heights**2)
    eyes = radius * np.stack([across * np.cos(turns), across * np.sin(turns), heights], 1)
    return np.stack([look_at(eye) for eye in eyes[generator.permutation(count)]])


def surrounding_poses(count: int, radius: float, elevation: float = 30.0) -> np.ndarray:
    """Return poses (count, 3, 4) on a circle around the z axis that look at the origin.

    Parameters
    ----------
    count
        Number of cameras.
    radius
        Distance from the origin.
    elevation
        Angle above the plane z = 0, in degrees.

    Raises
    ------
    InvalidArgumentError
        If a number is out of range.

    Examples
    --------
    >>> centres = surrounding_poses(4, 2.0, elevation=30.0)[:, :, 3]
    >>> centres[:, 2].round(12).tolist(), centres[1].round(3).tolist()
    ([1.0, 1.0, 1.0, 1.0], [0.0, 1.732, 1.0])
    """
    count, radius = integer("count", count, least=1, most=100_000), number("radius", radius, above=0)
    height = math.radians(number("elevation", elevation, least=-90, most=90))
    turns = [2 * math.pi * k / count for k in range(count)]
    across, up = radius * math.cos(height), radius * math.sin(height)
    return np.stack([look_at((across * math.cos(turn), across * math.sin(turn), up)) for turn in turns])
