"""Lenses: where the light of a direction falls on the image plane, and back.

The axes of a lens are x to the right, y down and z forward, as in OpenCV; the image plane is at distance 1.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hermite_pinn.checks import number
from hermite_pinn.errors import InvalidProblemError

__all__ = ["FisheyeLens", "Lens", "PerspectiveLens"]

#: Steps of Newton's method, halvings of one of them, and what is left of the equation then, relative to 1 + |point|.
STEPS, HALVINGS, LEFT = 50, 12, 1e-13
#: What may be left where rounding lets no step reduce it further.
ACCEPTED = 1e-11


@dataclass(frozen=True)
class Lens(ABC):
    """The interface of a lens, with the coefficients of OpenCV."""

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, number(field.name, getattr(self, field.name)))

    @abstractmethod
    def image(self, directions: Tensor) -> Tensor:
        """Map directions (n, 3) of any length to the image plane, (n, 2); NaN where the lens does not see."""

    @abstractmethod
    def directions(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Map points (n, 2) of the image plane to directions.

        Returns
        -------
        directions
            Unit vectors (n, 3).
        spread
            Solid angle per area of the image plane, (n,).

        Raises
        ------
        InvalidProblemError
            If the distortion cannot be inverted at a point.
        """

    @cached_property
    def straight(self) -> bool:
        """Whether all coefficients are zero."""
        return all(getattr(self, field.name) == 0 for field in fields(self))

    def _undone(self, converged: Tensor) -> None:
        """Refuse points whose distortion was not undone."""
        if not bool(converged.all()):
            told = ", ".join(f"{field.name}={getattr(self, field.name):g}" for field in fields(self))
            raise InvalidProblemError(
                f"the distortion {told} cannot be undone at {int((~converged).sum())} of {converged.numel()} points of the image: "
                "there it folds the image over itself; check the coefficients and their order, or calibrate again"
            )


@dataclass(frozen=True)
class PerspectiveLens(Lens):
    """A pinhole with radial and tangential distortion (OpenCV's first model, Brown and Conrady's).

    A direction (x, y, 1) falls on (x, y) (1 + k1 r² + k2 r⁴ + k3 r⁶) + (2 p1 x y + p2 (r² + 2 x²), p1 (r² + 2 y²) +
    2 p2 x y).

    Attributes
    ----------
    k1, k2, k3
        Radial coefficients.
    p1, p2
        Tangential coefficients.

    Examples
    --------
    >>> lens = PerspectiveLens(k1=0.1)
    >>> directions, _ = lens.directions(torch.tensor([[0.3, -0.2]], dtype=torch.float64))
    >>> lens.image(directions).numpy().round(12)
    array([[ 0.3, -0.2]])
    """

    k1: float = 0.0
    k2: float = 0.0
    p1: float = 0.0
    p2: float = 0.0
    k3: float = 0.0

    @cached_property
    def _reach(self) -> float:
        """Radius up to which the distortion grows with the radius."""
        return _first_root((1.0, 3 * self.k1, 5 * self.k2, 7 * self.k3))

    def image(self, directions: Tensor) -> Tensor:
        """Map directions (n, 3) to the image plane; NaN behind the camera and where the image folds over."""
        depth = directions[:, 2]
        ahead = depth > 0
        plane = directions[:, :2] / torch.where(ahead, depth, torch.ones_like(depth))[:, None]
        seen = ahead & (plane.square().sum(1) <= self._reach**2)
        return torch.where(seen[:, None], self._distorted(plane), torch.full_like(plane, math.nan))

    def directions(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Map points to directions by Newton's method in the plane; see :meth:`Lens.directions`."""
        plane, determinant = points, torch.ones_like(points[:, 0])
        if not self.straight:
            plane = self._undistorted(points)
            a, b, d = self._slopes(plane)
            determinant = a * d - b * b
        square = 1 + plane.square().sum(1)
        directions = torch.cat([plane, torch.ones_like(plane[:, :1])], 1) / square.sqrt()[:, None]
        return directions, 1 / (square * square.sqrt() * determinant)

    def _distorted(self, plane: Tensor) -> Tensor:
        if self.straight:
            return plane
        x, y = plane.unbind(1)
        square = x * x + y * y
        radial = 1 + square * (self.k1 + square * (self.k2 + square * self.k3))
        across = 2 * self.p1 * x * y + self.p2 * (square + 2 * x * x)
        down = self.p1 * (square + 2 * y * y) + 2 * self.p2 * x * y
        return torch.stack([x * radial + across, y * radial + down], 1)

    def _slopes(self, plane: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Derivatives of x by x, of x by y (which is that of y by x), and of y by y."""
        x, y = plane.unbind(1)
        square = x * x + y * y
        radial = 1 + square * (self.k1 + square * (self.k2 + square * self.k3))
        slope = 2 * (self.k1 + square * (2 * self.k2 + square * 3 * self.k3))
        mixed = x * y * slope + 2 * (self.p1 * x + self.p2 * y)
        return (
            radial + x * x * slope + 2 * self.p1 * y + 6 * self.p2 * x,
            mixed,
            radial + y * y * slope + 6 * self.p1 * y + 2 * self.p2 * x,
        )

    def _undistorted(self, points: Tensor) -> Tensor:
        """Points of a plane without distortion: Newton's method, whose steps are halved until they help."""
        radius = torch.linalg.vector_norm(points, dim=1, keepdim=True)
        plane = points * (0.9 * self._reach / radius.clamp(min=1e-300)).clamp(max=1.0)
        left = self._left(plane, points)
        for _ in range(STEPS):
            if bool((left <= LEFT).all()):
                break
            a, b, d = self._slopes(plane)
            rest = points - self._distorted(plane)
            step = torch.stack([d * rest[:, 0] - b * rest[:, 1], a * rest[:, 1] - b * rest[:, 0]], 1)
            step = torch.nan_to_num(step / (a * d - b * b)[:, None], nan=0.0, posinf=0.0, neginf=0.0)
            plane, left, moved = self._shortened(plane, step, left, points)
            if not moved:
                break
        a, b, d = self._slopes(plane)
        within = plane.square().sum(1) <= self._reach**2
        self._undone((left <= ACCEPTED) & (a * d - b * b > 0) & within)
        return plane

    def _shortened(self, plane: Tensor, step: Tensor, left: Tensor, points: Tensor) -> tuple[Tensor, Tensor, bool]:
        """Take a step, as far as it reduces what is left at each point; and whether any did."""
        share, moved = torch.ones_like(left), False
        for _ in range(HALVINGS):
            tried = plane + share[:, None] * step
            now = self._left(tried, points)
            better = now < left
            moved = moved or bool(better.any())
            plane, left = torch.where(better[:, None], tried, plane), torch.where(better, now, left)
            share = torch.where(better, torch.zeros_like(share), share / 2)
            if not bool((share > 0).any()):
                break
        return plane, left, moved

    def _left(self, plane: Tensor, points: Tensor) -> Tensor:
        rest = torch.linalg.vector_norm(self._distorted(plane) - points, dim=1)
        return rest / (1 + torch.linalg.vector_norm(points, dim=1))


@dataclass(frozen=True)
class FisheyeLens(Lens):
    """A fisheye lens (OpenCV's, Kannala and Brandt's).

    A direction at the angle θ from the axis falls at the radius θ (1 + k1 θ² + k2 θ⁴ + k3 θ⁶ + k4 θ⁸); it may lie
    behind the camera.

    Attributes
    ----------
    k1, k2, k3, k4
        Coefficients.

    Examples
    --------
    >>> lens = FisheyeLens()
    >>> lens.image(torch.tensor([[1.0, 0.0, 0.0]])).numpy().round(6)  # straight to the right
    array([[1.570796, 0. ]], dtype=float32)
    """

    k1: float = 0.0
    k2: float = 0.0
    k3: float = 0.0
    k4: float = 0.0

    @cached_property
    def _reach(self) -> float:
        """Angle up to which the radius grows with the angle."""
        return min(math.pi, _first_root((1.0, 3 * self.k1, 5 * self.k2, 7 * self.k3, 9 * self.k4)))

    def image(self, directions: Tensor) -> Tensor:
        """Map directions (n, 3) to the image plane; NaN beyond the angle at which the image folds over."""
        across = torch.linalg.vector_norm(directions[:, :2], dim=1)
        centred = across == 0
        angle = torch.atan2(across, directions[:, 2])
        ratio = self._radius(angle) / torch.where(centred, torch.ones_like(across), across)
        ratio = torch.where(centred, torch.ones_like(ratio), ratio)
        plane = directions[:, :2] * ratio[:, None]
        return torch.where((angle <= self._reach)[:, None], plane, torch.full_like(plane, math.nan))

    def directions(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Map points to directions by Newton's method for the angle; see :meth:`Lens.directions`."""
        radius = torch.linalg.vector_norm(points, dim=1)
        angle = self._angle(radius)
        small = radius < 1e-12
        safe = torch.where(small, torch.ones_like(radius), radius)
        sine = angle.sin()
        ratio = torch.where(small, torch.ones_like(radius), sine / safe)
        directions = torch.cat([points * ratio[:, None], angle.cos()[:, None]], 1)
        return directions, ratio / self._slope(angle)

    def _radius(self, angle: Tensor) -> Tensor:
        square = angle * angle
        return angle * (1 + square * (self.k1 + square * (self.k2 + square * (self.k3 + square * self.k4))))

    def _slope(self, angle: Tensor) -> Tensor:
        square = angle * angle
        inner = 7 * self.k3 + square * 9 * self.k4
        return 1 + square * (3 * self.k1 + square * (5 * self.k2 + square * inner))

    def _angle(self, radius: Tensor) -> Tensor:
        low, high = torch.zeros_like(radius), torch.full_like(radius, self._reach)
        angle = torch.minimum(radius, 0.9 * high)
        for _ in range(STEPS):
            rest = self._radius(angle) - radius
            low, high = torch.where(rest <= 0, angle, low), torch.where(rest >= 0, angle, high)
            if bool((rest.abs() <= LEFT * (1 + radius)).all()):
                break
            tried = angle - rest / self._slope(angle)
            inside = (tried >= low) & (tried <= high)
            angle = torch.where(inside, tried, (low + high) / 2)
        self._undone((self._radius(angle) - radius).abs() <= ACCEPTED * (1 + radius))
        return angle


def _first_root(coefficients: tuple[float, ...]) -> float:
    """The least positive r at which a polynomial in r², its constant first, vanishes; infinity if there is none."""
    if not any(coefficients[1:]):
        return math.inf
    roots = np.roots(np.trim_zeros(np.array(coefficients[::-1]), "f"))
    real = roots[(np.abs(roots.imag) < 1e-9 * (1 + np.abs(roots))) & (roots.real > 0)].real
    return math.sqrt(float(real.min())) if real.size else math.inf
