"""Normals and curvatures of level sets, from derivatives of the field."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from hermite_pinn.result.evaluable import PIECE

from .signed_field import ORDERS, SignedField

__all__ = ["Curvature", "averaged_jets", "curvature_of"]

#: Degree of the polynomials that are fitted in balls.
DEGREE = 4
#: Points in each of these balls.
POINTS = 256


@dataclass(frozen=True)
class Curvature:
    """Normals and curvatures of level sets at points.

    Attributes
    ----------
    normals
        Unit vectors along which the field grows: outwards; NaN where it has no gradient, (n, 3).
    mean
        Half the divergence of the unit normals, the mean of the principal curvatures: ``1 / r`` on a sphere of radius
        r whose inside is negative; (n,).
    gaussian
        Product of the principal curvatures: ``1 / r**2``; (n,).
    """

    normals: np.ndarray
    mean: np.ndarray
    gaussian: np.ndarray

    @property
    def principal(self) -> np.ndarray:
        """Both principal curvatures, the larger one first, (2, n)."""
        root = np.sqrt(np.maximum(self.mean**2 - self.gaussian, 0.0))
        return np.stack([self.mean + root, self.mean - root])


def curvature_of(jets: np.ndarray) -> Curvature:
    """Normals and curvatures from derivatives, whatever the length of the gradient (Goldman 2005).

    With gradient g and Hessian matrix A, the mean curvature is ``(tr A - g.A.g / |g|**2) / (2 |g|)``, the Gaussian one
    ``g.adj(A).g / |g|**4``.

    Parameters
    ----------
    jets
        Value, gradient and second derivatives ``xx, xy, xz, yy, yz, zz``, (10, n).

    Examples
    --------
    The point (2, 0, 0) of x**2 + y**2 + z**2 = 4:

    >>> c = curvature_of(np.array([[0.0, 4.0, 0.0, 0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 2.0]]).T)
    >>> c.normals.tolist(), float(c.mean[0]), float(c.gaussian[0])
    ([[1.0, 0.0, 0.0]], 0.5, 0.25)
    """
    g = jets[1:4]
    size = np.linalg.norm(g, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        n = g / size
        xx, xy, xz, yy, yz, zz = jets[4:] / size
        along = n[0] * (xx * n[0] + xy * n[1] + xz * n[2])
        along += n[1] * (xy * n[0] + yy * n[1] + yz * n[2]) + n[2] * (xz * n[0] + yz * n[1] + zz * n[2])
        gaussian = n[0] ** 2 * (yy * zz - yz**2) + n[1] ** 2 * (xx * zz - xz**2) + n[2] ** 2 * (xx * yy - xy**2)
        gaussian += 2 * n[0] * n[1] * (xz * yz - xy * zz) + 2 * n[0] * n[2] * (xy * yz - xz * yy)
        gaussian += 2 * n[1] * n[2] * (xy * xz - xx * yz)
        return Curvature(n.T, (xx + yy + zz - along) / 2, gaussian)


def averaged_jets(field: SignedField, x: np.ndarray, radius: float) -> np.ndarray:
    """Derivatives at points (n, 3) of the polynomials of degree 4 that fit a field best in balls around them, (10, n).

    Values in the ball are fitted by least squares, not gradients: of the distance to a mesh with edges of length h,
    facets change values by h**2 and gradients by h.  What is much finer than the ball averages out.  NaN where it
    leaves the box.

    Parameters
    ----------
    field
        What is averaged.
    x
        Centres of the balls.
    radius
        Of the balls.
    """
    offsets, weights = _stencil()
    out = np.full((10, len(x)), np.nan)
    inside = np.flatnonzero(((x - radius >= field.lower) & (x + radius <= field.upper)).all(1))
    powers = np.array([0, 1, 1, 1, 2, 2, 2, 2, 2, 2])
    each = max(1, PIECE // len(offsets))
    for k in range(0, len(inside), each):
        chosen = inside[k : k + each]
        points = (x[chosen, None] + radius * offsets).reshape(-1, 3)
        values = field.jets(points, 0)[0].reshape(len(chosen), len(offsets))
        out[:, chosen] = weights @ values.T / radius ** powers[:, None]
    return out


@functools.cache
def _stencil() -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) of the unit ball, and what makes derivatives (10, n) at its centre of the values there."""
    k = np.arange(POINTS) + 0.5
    radius = (k / POINTS) ** (1 / 3)
    order = np.argsort((np.arange(POINTS) * 0.5 * (np.sqrt(5) - 1)) % 1.0)  # each shell sees all directions
    height, angle = 1 - 2 * k / POINTS, np.pi * (1 + np.sqrt(5)) * k
    ring = np.sqrt(1 - height**2)
    points = radius[order, None] * np.stack([ring * np.cos(angle), ring * np.sin(angle), height], 1)
    exponents = [e for e in itertools.product(range(DEGREE + 1), repeat=3) if sum(e) <= DEGREE]
    inverse = np.linalg.pinv(np.stack([(points ** np.array(e)).prod(1) for e in exponents], 1))
    factors = np.array([2.0 if 2 in orders else 1.0 for orders in ORDERS])
    return points, factors[:, None] * inverse[[exponents.index(orders) for orders in ORDERS]]
