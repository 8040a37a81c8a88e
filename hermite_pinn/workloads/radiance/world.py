"""Worlds of synthetic scenes: solids in light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hermite_pinn.checks import flag, instance, integer, items, number, real_array
from hermite_pinn.errors import InvalidArgumentError

from .solids import Block, Disc, Finish, Solid, Sphere

__all__ = ["World"]

#: How far a shadow begins from a surface.
ABOVE = 1e-4


@dataclass(frozen=True, eq=False)
class World:
    """Solids that are lit by a distant light.

    Attributes
    ----------
    solids
        Spheres, blocks, discs and bodies.
    light
        Direction to the light, (3,), of any length.
    ambient
        Share of the light that comes from all directions.
    shadows
        Whether solids cast shadows.
    box
        Lower and upper corner of the box of the scene.  Default: the cube from -1 to 1, or a larger one around all
        solids.

    Raises
    ------
    InvalidArgumentError
        If there are no solids, or a number is out of range.

    Examples
    --------
    >>> world = World([Sphere((0, 0, 0), 0.5, finish=Finish((1, 0, 0)))])
    >>> color, t = world.cast(np.array([0.0, -3.0, 0.0]), np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]))
    >>> t.tolist(), bool(color[0, 0] > 0)
    ([2.5, inf], True)
    """

    solids: Sequence[Solid]
    light: Sequence[float] = (0.4, -0.5, 0.8)
    ambient: float = 0.35
    shadows: bool = False
    box: tuple[Sequence[float], Sequence[float]] | None = None

    def __post_init__(self) -> None:
        solids = items("solids", self.solids, "a list of solids", least=1, most=10_000)
        for solid in solids:
            instance("a solid", solid, Solid, "a Sphere, Block, Disc or Body of hermite_pinn.radiance")
        light = real_array("light", self.light, shape="three numbers")
        if light.shape != (3,) or not np.linalg.norm(light) > 0:
            raise InvalidArgumentError(f"light must be three numbers, not all zero, got {self.light!r}")
        object.__setattr__(self, "solids", tuple(solids))
        object.__setattr__(self, "light", tuple((light / np.linalg.norm(light)).tolist()))
        object.__setattr__(self, "ambient", number("ambient", self.ambient, least=0, most=1))
        object.__setattr__(self, "shadows", flag("shadows", self.shadows))
        if self.box is not None:
            object.__setattr__(self, "box", _corners(self.box))

    @property
    def bounds(self) -> tuple[Sequence[float], Sequence[float]]:
        """Lower and upper corner of the box of the scene."""
        return self._around() if self.box is None else self.box

    def _around(self) -> tuple[list[float], list[float]]:
        bounds = [solid.bounds for solid in self.solids]
        half = max(1.0, *(1.05 * float(np.abs(corner).max()) for pair in bounds for corner in pair))
        return [-half] * 3, [half] * 3

    @classmethod
    def standard(cls) -> World:
        """Return a world with a checked floor, two checked spheres, one of them glossy, and a checked block."""
        return cls(
            [
                Disc((0, 0, -0.5), 0.95, finish=Finish((0.85, 0.85, 0.8), (0.25, 0.3, 0.35), check=0.25)),
                Sphere((-0.35, 0.2, -0.1), 0.4, finish=Finish((0.85, 0.25, 0.2), (0.95, 0.8, 0.3), check=0.2)),
                Sphere(
                    (0.35, 0.45, -0.25), 0.25, finish=Finish((0.2, 0.45, 0.8), (0.2, 0.7, 0.55), check=0.15, gloss=0.5)
                ),
                Block(
                    (0.1, -0.55, -0.5),
                    (0.55, -0.1, 0.05),
                    finish=Finish((0.3, 0.65, 0.3), (0.85, 0.9, 0.6), check=0.15),
                ),
            ]
        )

    @classmethod
    def random(cls, seed: int, count: int = 5) -> World:
        """Return a world with a floor and random spheres and blocks on and above it.

        Parameters
        ----------
        seed
            Seed of the places, sizes and colours.
        count
            Number of spheres and blocks.
        """
        generator = np.random.default_rng(integer("seed", seed, least=0))
        solids: list[Solid] = [Disc((0, 0, -0.5), 0.95, finish=_random_finish(generator, 0.0))]
        for k in range(integer("count", count, least=1, most=1000)):
            size = generator.uniform(0.12, 0.35)
            turn, reach = generator.uniform(0, 2 * np.pi), 0.6 * np.sqrt(generator.random())
            middle = np.array([reach * np.cos(turn), reach * np.sin(turn), -0.5 + size + 0.5 * generator.random() ** 2])
            finish = _random_finish(generator, 0.6 * (generator.random() < 0.5))
            half = size * generator.uniform(0.6, 1.0, 3)
            if k % 2 == 0:
                solids.append(Sphere(middle.tolist(), size, finish=finish))
            else:
                solids.append(Block((middle - half).tolist(), (middle + half).tolist(), finish=finish))
        return cls(solids)

    def cast(self, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the colours and lengths of rays.

        Parameters
        ----------
        origin
            Origins of the rays, (3,) or (n, 3).
        direction
            Unit vectors (n, 3), float32 or float64, which is the type of the computation.

        Returns
        -------
        colors
            Colours between 0 and 1, (n, 3); black for rays that meet nothing.
        t
            Lengths (n,) up to the first surface; infinite where there is none.
        """
        start = np.asarray(origin, dtype=direction.dtype)
        t, which, part = self.first(start, direction)
        colors = np.zeros_like(direction)
        for k, solid in enumerate(self.solids):
            mine = np.flatnonzero(which == k)
            if mine.size:
                from_here = start if start.ndim == 1 else start[mine]
                x = from_here + t[mine, None] * direction[mine]
                colors[mine] = self._shaded(solid, x, direction[mine], part[mine])
        return colors, t

    def first(self, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return lengths (n,) up to the first surface, the index of its solid (-1: none), and the part of it."""
        t = np.full(len(direction), np.inf, dtype=direction.dtype)
        which, part = np.full(len(direction), -1), np.zeros(len(direction), dtype=np.int64)
        for k, solid in enumerate(self.solids):
            found, where = solid.hit(origin, direction)
            nearer = found < t
            t[nearer], which[nearer], part[nearer] = found[nearer], k, where[nearer]
        return t, which, part

    def _shaded(self, solid: Solid, x: np.ndarray, direction: np.ndarray, part: np.ndarray) -> np.ndarray:
        """Colours of points seen along directions: Lambert's law and a highlight."""
        light = np.asarray(self.light, dtype=x.dtype)
        normal = solid.normals(x, part)
        base = solid.look.colors(x, normal)
        facing = np.where((normal * direction).sum(1, keepdims=True) > 0, -normal, normal)
        lit = np.clip(facing @ light, 0, 1)
        if self.shadows:
            shade, _, _ = self.first(x + ABOVE * facing, np.broadcast_to(light, x.shape))
            lit = np.where(np.isfinite(shade), 0, lit).astype(x.dtype)
        colors = base * (self.ambient + (1 - self.ambient) * lit)[:, None]
        if solid.look.gloss:
            between = light - direction
            between = between / np.maximum(np.linalg.norm(between, axis=1, keepdims=True), 1e-6)
            shine = np.clip((facing * between).sum(1), 0, 1) ** solid.look.shininess
            colors = colors + (solid.look.gloss * shine * (lit > 0))[:, None]
        return np.clip(colors, 0, 1)


def _corners(box: object) -> tuple[list[float], list[float]]:
    corners = real_array("box", box, shape="two corners (3,)")
    if corners.shape != (2, 3) or not (corners[0] < corners[1]).all():
        raise InvalidArgumentError(f"box must be two corners of three numbers, the lower one first, got {box!r}")
    return corners[0].tolist(), corners[1].tolist()


def _random_finish(generator: np.random.Generator, gloss: float) -> Finish:
    one, other = generator.uniform(0.1, 0.95, (2, 3))
    return Finish(tuple(one), tuple(other), check=generator.uniform(0.1, 0.25), gloss=float(gloss))
