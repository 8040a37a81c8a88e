"""Solids of synthetic scenes: where rays meet them, and how their surfaces look."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.checks import instance, number, real_array
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Mesh

from .triangle_tree import TriangleTree

__all__ = ["Block", "Body", "Disc", "Finish", "Solid", "Sphere"]

#: How far into a surface its checks are looked up, relative to a check, so that faces between two have one colour.
INTO = 1e-3


def _triple(name: str, value: Any) -> tuple[float, float, float]:
    array = real_array(name, value, shape="three numbers")
    if array.shape != (3,):
        raise InvalidArgumentError(f"{name} must be three numbers, got the shape {array.shape}")
    x, y, z = map(float, array)
    return x, y, z


@dataclass(frozen=True)
class Finish:
    """The colours and the gloss of a surface.

    Attributes
    ----------
    color
        Red, green and blue between 0 and 1.
    second
        Colour of every second check.  None: the surface has no checks.
    check
        Edge of a check, which is a cube in space.
    gloss
        Brightness of the highlight (Blinn and Phong), which depends on the position of the camera.
    shininess
        Exponent of the highlight.

    Examples
    --------
    >>> Finish((0.8, 0.2, 0.2), gloss=0.5).gloss
    0.5
    """

    color: tuple[float, float, float] = (0.8, 0.8, 0.8)
    second: tuple[float, float, float] | None = None
    check: float = 0.25
    gloss: float = 0.0
    shininess: float = 40.0

    def __post_init__(self) -> None:
        for name in ("color", "second"):
            if getattr(self, name) is None and name == "second":
                continue
            triple = _triple(name, getattr(self, name))
            if not 0 <= min(triple) <= max(triple) <= 1:
                raise InvalidArgumentError(f"{name} must be between 0 and 1, got {triple}")
            object.__setattr__(self, name, triple)
        for name in ("check", "shininess"):
            object.__setattr__(self, name, number(name, getattr(self, name), above=0))
        object.__setattr__(self, "gloss", number("gloss", self.gloss, least=0))

    def colors(self, x: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Colours (n, 3) at points (n, 3) of a surface with normals (n, 3)."""
        first = np.asarray(self.color, dtype=x.dtype)
        if self.second is None:
            return np.broadcast_to(first, x.shape)
        cells = np.floor(x / self.check - INTO * normal).astype(np.int64).sum(1)
        return np.where((cells % 2 == 0)[:, None], first, np.asarray(self.second, dtype=x.dtype))


@dataclass(frozen=True, eq=False)
class Solid(ABC):
    """The interface of a solid for ray casting: the first hit of a ray, and the normal there."""

    @abstractmethod
    def hit(self, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first positive lengths (n,) at which rays meet the solid, and the parts (n,) that they meet.

        Origins are (3,) or (n, 3) and directions (n, 3).  Lengths are infinite for rays that miss the solid.
        """

    @abstractmethod
    def normals(self, x: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Return unit normals (n, 3) at points (n, 3) of its parts (n,)."""

    @property
    @abstractmethod
    def look(self) -> Finish:
        """Its :class:`Finish`."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) of its bounding box."""


@dataclass(frozen=True, eq=False)
class _Finished(Solid):
    """A solid with a finish."""

    finish: Finish = field(default_factory=Finish, kw_only=True)

    def __post_init__(self) -> None:
        instance("finish", self.finish, Finish, "a hermite_pinn.radiance.Finish")

    @property
    def look(self) -> Finish:
        """Its finish."""
        return self.finish


@dataclass(frozen=True, eq=False)
class Sphere(_Finished):
    """A solid ball.

    Attributes
    ----------
    center, radius
        Its middle, (3,), and its radius.
    finish
        Its :class:`Finish`.

    Examples
    --------
    >>> Sphere((0, 0, 0), 1.0).hit(np.zeros(3) - [3, 0, 0], np.array([[1.0, 0, 0], [0, 1.0, 0]]))[0].tolist()
    [2.0, inf]
    """

    center: Sequence[float] = (0.0, 0.0, 0.0)
    radius: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "center", _triple("center", self.center))
        object.__setattr__(self, "radius", number("radius", self.radius, above=0))

    def hit(self, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays enter it, or leave it from within."""
        away = origin - np.asarray(self.center, dtype=direction.dtype)
        half = direction @ away if away.ndim == 1 else (direction * away).sum(1)
        across = (
            away - half[:, None] * direction
        )  # the closest point, from which the chord is found without cancellation
        chord = self.radius**2 - np.square(across).sum(1)
        met = chord >= 0
        root = np.sqrt(np.where(met, chord, 0))
        near, far = -half - root, -half + root
        t = np.where(near > 0, near, np.where(far > 0, far, np.inf))
        return np.where(met, t, np.inf).astype(direction.dtype), np.zeros(len(direction), dtype=np.int64)

    def normals(self, x: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Away from the middle."""
        away = x - np.asarray(self.center, dtype=x.dtype)
        return away / np.linalg.norm(away, axis=1, keepdims=True)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the cube around it."""
        return np.array(self.center) - self.radius, np.array(self.center) + self.radius


@dataclass(frozen=True, eq=False)
class Block(_Finished):
    """A solid box whose faces are parallel to the axes.

    Attributes
    ----------
    lower, upper
        Its corners, (3,).
    finish
        Its :class:`Finish`.
    """

    lower: Sequence[float] = (-0.5, -0.5, -0.5)
    upper: Sequence[float] = (0.5, 0.5, 0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "lower", _triple("lower", self.lower))
        object.__setattr__(self, "upper", _triple("upper", self.upper))
        if not all(a < b for a, b in zip(self.lower, self.upper, strict=True)):
            raise InvalidArgumentError(f"lower must be below upper, got {self.lower} and {self.upper}")

    def hit(self, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays enter it, or leave it from within; parts are the six faces."""
        start = np.broadcast_to(np.asarray(origin, dtype=direction.dtype), direction.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            low = (np.asarray(self.lower, dtype=direction.dtype) - start) / direction
            high = (np.asarray(self.upper, dtype=direction.dtype) - start) / direction
        first = np.nan_to_num(np.minimum(low, high), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        last = np.nan_to_num(np.maximum(low, high), nan=np.inf, posinf=np.inf, neginf=-np.inf)
        enter, leave = first.max(1), last.min(1)
        inside = enter <= 0
        t = np.where(inside, leave, enter)
        axis = np.where(inside, last.argmin(1), first.argmax(1))
        forward = np.take_along_axis(direction, axis[:, None], 1)[:, 0] > 0
        part = 2 * axis + (forward == inside)
        met = (enter <= leave) & (t > 0)
        return np.where(met, t, np.inf).astype(direction.dtype), part

    def normals(self, x: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Along an axis."""
        table = np.zeros((6, 3), dtype=x.dtype)
        table[np.arange(6), np.arange(6) // 2] = [-1, 1, -1, 1, -1, 1]
        return table[part]

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Its corners."""
        return np.array(self.lower), np.array(self.upper)


@dataclass(frozen=True, eq=False)
class Disc(_Finished):
    """A flat disc across the z axis, such as a floor.

    Attributes
    ----------
    center, radius
        Its middle, (3,), and its radius.
    finish
        The :class:`Finish` of both sides.
    """

    center: Sequence[float] = (0.0, 0.0, -0.6)
    radius: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "center", _triple("center", self.center))
        object.__setattr__(self, "radius", number("radius", self.radius, above=0))

    def hit(self, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays go through it."""
        middle = np.asarray(self.center, dtype=direction.dtype)
        start = np.broadcast_to(np.asarray(origin, dtype=direction.dtype), direction.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (middle[2] - start[:, 2]) / direction[:, 2]
            across = start[:, :2] + t[:, None] * direction[:, :2] - middle[:2]
            met = (t > 0) & np.isfinite(t) & (np.square(across).sum(1) <= self.radius**2)
        return np.where(met, t, np.inf).astype(direction.dtype), np.zeros(len(direction), dtype=np.int64)

    def normals(self, x: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Up."""
        return np.broadcast_to(np.array([0.0, 0.0, 1.0], dtype=x.dtype), x.shape)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the flat box around it."""
        reach = np.array([self.radius, self.radius, 0.0])
        return np.array(self.center) - reach, np.array(self.center) + reach


@dataclass(frozen=True, eq=False)
class Body(_Finished):
    """A solid bounded by a triangle mesh.

    Attributes
    ----------
    mesh
        A ``hermite_pinn.Mesh``, or its source: a file, ``(vertices, faces)``, or a ``trimesh.Trimesh``.
    smooth
        Whether the normals of the vertices are interpolated; otherwise triangles are flat.
    finish
        Its :class:`Finish`.
    """

    mesh: Any = None
    smooth: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "mesh", Mesh.taken(self.mesh))

    @cached_property
    def _tree(self) -> TriangleTree:
        return TriangleTree(self.mesh.triangles.corners)

    @cached_property
    def _vertex_normals(self) -> np.ndarray:
        """Unit normals of the vertices: means of those of the triangles, weighted by area."""
        triangles = self.mesh.triangles
        sums = np.zeros_like(triangles.vertices)
        for corner in range(3):
            np.add.at(sums, triangles.faces[:, corner], triangles.normals * triangles.areas[:, None])
        return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-300)

    def hit(self, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays meet the first triangle; parts are the triangles."""
        return self._tree.hit(origin, direction)

    def normals(self, x: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Normals of the triangles, or between those of their vertices."""
        triangles = self.mesh.triangles
        if not self.smooth:
            return triangles.normals[part].astype(x.dtype)
        weights = _barycentric(x, triangles.corners_of(part))
        mixed = np.einsum("nk,nki->ni", weights, self._vertex_normals[triangles.faces[part]])
        return (mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-300)).astype(x.dtype)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners of the box around it."""
        lower, upper = self.mesh.triangles.bounds
        return np.array(lower), np.array(upper)


def _barycentric(x: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Weights (n, 3) of the corners (n, 3, 3) of triangles at points (n, 3) in them."""
    one, other, to = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], x - corners[:, 0]
    a, b, c = (one * one).sum(1), (one * other).sum(1), (other * other).sum(1)
    p, q = (to * one).sum(1), (to * other).sum(1)
    size = a * c - b * b
    u, v = (c * p - b * q) / size, (a * q - b * p) / size
    return np.stack([1 - u - v, u, v], 1)
