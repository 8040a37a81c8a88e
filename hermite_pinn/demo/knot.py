"""A trefoil knot as a mesh, so that the demonstration needs no file."""

from __future__ import annotations

import numpy as np

from hermite_pinn.geometry import Mesh

__all__ = ["trefoil"]


def trefoil(along: int = 240, around: int = 32, tube: float = 0.42) -> Mesh:
    """The surface of a tube about the curve (sin s + 2 sin 2s, cos s - 2 cos 2s, -sin 3s).

    Parameters
    ----------
    along, around
        Numbers of vertices along the curve and around the tube.
    tube
        Radius of the tube.

    Examples
    --------
    >>> mesh = trefoil(60, 8)
    >>> mesh.vertices.shape, mesh.faces.shape
    ((480, 3), (960, 3))
    """
    s = 2 * np.pi * np.arange(along) / along
    centre = np.stack([np.sin(s) + 2 * np.sin(2 * s), np.cos(s) - 2 * np.cos(2 * s), -np.sin(3 * s)], axis=1)
    tangent = np.stack(
        [np.cos(s) + 4 * np.cos(2 * s), -np.sin(s) + 4 * np.sin(2 * s), -3 * np.cos(3 * s)],
        axis=1,
    )
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    across = np.cross(tangent, [0.0, 0.0, 1.0])  # the curve is never upright
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    third = np.cross(tangent, across)
    angle = 2 * np.pi * np.arange(around) / around
    offset = np.cos(angle)[None, :, None] * across[:, None] + np.sin(angle)[None, :, None] * third[:, None]
    vertices = (centre[:, None] + tube * offset).reshape(-1, 3)
    i, j = (g.ravel() for g in np.meshgrid(np.arange(along), np.arange(around), indexing="ij"))
    here, next_ = i * around + j, (i + 1) % along * around + j
    turned, both = i * around + (j + 1) % around, (i + 1) % along * around + (j + 1) % around
    faces = np.concatenate([np.stack([here, next_, both], axis=1), np.stack([here, both, turned], axis=1)])
    return Mesh((vertices, faces), name="knot")
