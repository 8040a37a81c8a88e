"""Points on a surface with normals, as scanners give them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from hermite_pinn.checks import path, real_array
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.immutable import Immutable, read_only

from .cloud_files import read_cloud
from .cloud_mending import mended

__all__ = ["PointCloud"]


class PointCloud(Immutable):
    """Points on a surface in space, with outward normals.

    Repeated points are merged, a few points that are far from all others are removed, missing normals are taken from
    neighbours, and normals that point inwards or to different sides are turned.  :attr:`notes` lists these repairs.

    Parameters
    ----------
    points
        Coordinates, (n, 3), at least 16.
    normals
        Directions of any length, (n, 3); zeros or NaN where they are not known, which may be half of them.

    Attributes
    ----------
    points, normals
        Float64, (n, 3), the normals of length 1.
    notes
        Sentences about the repairs.

    Raises
    ------
    InvalidArgumentError
        If they are no arrays of that shape.
    InvalidProblemError
        If points are not finite or fewer than 16, or most normals are missing.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> k = np.arange(500) + 0.5
    >>> height, turn = 1 - k / 250, 10.166 * k
    >>> sphere = np.stack([np.sqrt(1 - height**2) * np.cos(turn), np.sqrt(1 - height**2) * np.sin(turn), height], 1)
    >>> cloud = hp.sdf.PointCloud(sphere, sphere)
    >>> cloud
    PointCloud(500 points, 2 x 2 x 2 from (-1, -1, -1))
    >>> shape = hp.sdf.fit(cloud, levels=2, progress=False)
    >>> abs(float(shape.d(0.5, 0.0, 0.0)) + 0.5) < 0.01
    True
    """

    def __init__(self, points: Any, normals: Any) -> None:
        places = _rows("points", points)
        directions = _rows("normals", normals, "without normals a cloud has no inside: estimate and orient them")
        if len(places) != len(directions):
            raise InvalidArgumentError(
                f"points and normals must be as many, got {len(places)} points and {len(directions)} normals"
            )
        found, outward, notes = mended(places, directions)
        self.points, self.normals = read_only(found), read_only(outward)
        self.notes: tuple[str, ...] = notes

    @classmethod
    def read(cls, source: str | os.PathLike[str]) -> PointCloud:
        """The points and normals in a file.

        Parameters
        ----------
        source
            A ``.ply`` file with normals; ``.xyz`` or ``.txt`` with lines of six numbers ``x y z nx ny nz``; or ``.npz``
            with the arrays ``points`` and ``normals``.

        Raises
        ------
        InvalidArgumentError
            If there is no such file, its format is not known, or it has no normals.
        CorruptFileError
            If it is damaged.
        """
        return cls(*read_cloud(path("source", source)))

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) of the box around the points."""
        return self.points.min(0), self.points.max(0)

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        lower, upper = self.bounds
        size = " x ".join(f"{length:.2g}" for length in upper - lower)
        corner = ", ".join(f"{value:.2g}" for value in lower)
        return f"PointCloud({len(self)} points, {size} from ({corner}))"


def _rows(name: str, value: Any, hint: str = "") -> np.ndarray:
    """An array (n, 3)."""
    array = real_array(name, value, shape="an array of shape (n, 3)", finite=False, hint=hint)
    if array.ndim != 2 or array.shape[1] != 3:
        told = "; for (3, n) give its transpose" if array.ndim == 2 and array.shape[0] == 3 else ""
        raise InvalidArgumentError(f"{name} must be an array of shape (n, 3), got the shape {array.shape}{told}")
    return np.array(array, dtype=np.float64)
