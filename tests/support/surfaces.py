"""Signed fields with known surfaces."""

from __future__ import annotations

import numpy as np
import torch

from hermite_pinn.geometry import Mesh
from hermite_pinn.workloads.sdf import FunctionField, SignedField

CUBE = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))


def ball(radius: float = 0.6, center: tuple[float, float, float] = (0.1, -0.05, 0.02)) -> FunctionField:
    a, b, c = center
    return FunctionField(lambda x, y, z: ((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) ** 0.5 - radius, *CUBE)


def ring(radius: float = 0.6, tube: float = 0.2) -> FunctionField:
    return FunctionField(
        lambda x, y, z: (((x**2 + y**2) ** 0.5 - radius) ** 2 + z**2) ** 0.5 - tube, (-1, -1, -0.5), (1, 1, 0.5)
    )


def ring_curvature(x: np.ndarray, radius: float = 0.6, tube: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Mean and Gaussian curvature of a ring at points of it."""
    around = np.hypot(x[:, 0], x[:, 1])
    other = (around - radius) / (tube * around)
    return (1 / tube + other) / 2, other / tube


def ellipsoid(matrix: np.ndarray, power: float = 1.0, factor: float = 1.0) -> FunctionField:
    """A quadratic form, or a function of it with the same zero set."""
    m = torch.as_tensor(matrix, dtype=torch.float64)

    def value(x, y, z):
        v = torch.stack([x, y, z])
        return factor * ((v * (m @ v)).sum(0) ** power - 1)

    return FunctionField(value, *CUBE)


def block(half: float = 0.5) -> FunctionField:
    """A cube, with creases and corners, where its gradient jumps."""
    return FunctionField(
        lambda x, y, z: torch.maximum(torch.maximum(x.abs(), y.abs()), z.abs()) - half, (-1, -1, -1), (1, 1.1, 0.9)
    )


class MeshField(SignedField):
    """Exact distances to a mesh."""

    def __init__(self, mesh: Mesh, margin: float = 0.3) -> None:
        lower, upper = mesh.bounds
        self.mesh = mesh
        self.lower, self.upper = lower - margin, upper + margin

    def jets(self, x: np.ndarray, order: int) -> np.ndarray:
        distance = self.mesh.signed_distance(x.T)
        if order == 0:
            return distance[None]
        closest = self.mesh.closest(x.T)
        away = (x - closest.point) * np.sign(distance)[:, None]
        length = np.linalg.norm(away, axis=1, keepdims=True)
        normals = self.mesh.triangles.normals[closest.face]
        gradient = np.where(length > 1e-12, away / np.maximum(length, 1e-300), normals)
        return np.concatenate([distance[None], gradient.T, np.zeros((6 if order == 2 else 0, len(x)))])
