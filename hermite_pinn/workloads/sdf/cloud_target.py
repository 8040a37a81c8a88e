"""Clouds of points with normals as targets: patches between the points, and signs by normals and winding numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry.shape import Surface

from .patches import Patches
from .point_cloud import PointCloud
from .point_winding import PointWinding
from .target import Nearest, Target, directed

__all__ = ["CloudTarget"]

#: Part of the extent up to which a point is on the surface.
ON = 1e-9
#: Places along the longest edge at which winding numbers are taken.
GRID = 32
#: Largest part of the area that may be missing, by the sum of normals times areas, which vanishes for closed surfaces.
OPEN = 0.1
#: Distance of a winding number from 0 and 1 from which on it tells nothing, and the largest part of these.
VAGUE, MOST_VAGUE = 0.3, 0.1


class CloudTarget(Target):
    """The surface through points with normals.

    The closest point of the curved patches at the points is found, see :class:`Patches`.  Its normal tells the sign
    near the surface; farther away, where a ball around a point reaches one of the places of a grid, the winding number
    there does, which single wrong normals and small gaps do not change.

    Parameters
    ----------
    cloud
        The points.
    signed
        Whether it has an inside.

    Raises
    ------
    InvalidProblemError
        If signs are asked for and the points do not enclose anything.
    """

    def __init__(self, cloud: PointCloud, signed: bool) -> None:
        self.cloud, self.signed, self.notes = cloud, signed, cloud.notes
        self.patches = Patches(cloud.points, cloud.normals)
        self.room = ON * self.extent
        if signed:
            self._check_closed()

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) of the box around the points."""
        return self.cloud.bounds

    def nearest(self, x: np.ndarray, inside: np.ndarray | None = None) -> Nearest:
        """Distances to the patches; see :class:`Target`."""
        rows = np.ascontiguousarray(x.T)
        feet = self.patches.closest(rows)
        if not self.signed:
            return directed(x, feet.points.T, np.ones(len(rows)), np.zeros_like(x), self.room)
        away = rows - feet.points
        sign = np.where(np.einsum("ni,ni->n", away, feet.normals) < 0, -1.0, 1.0)
        sign = self._farther(rows, np.linalg.norm(away, axis=1), sign)
        if inside is not None:
            sign = np.where(inside > 0, -1.0, np.where(inside < 0, 1.0, sign))
        return directed(x, feet.points.T, sign, feet.normals.T, self.room)

    def surface(self, count: int, generator: np.random.Generator) -> Surface:
        """Random points on the patches, about uniform by area; see :class:`Target`."""
        areas = self.patches.areas
        chosen = generator.choice(len(areas), count, p=areas / areas.sum())
        radius = np.sqrt(areas[chosen] / np.pi * generator.random(count))
        turn = 2 * np.pi * generator.random(count)
        feet = self.patches.at(chosen, radius * np.cos(turn), radius * np.sin(turn))
        return Surface(feet.points.T, np.full(count, areas.sum() / max(1, count)), feet.normals.T)

    def described(self) -> Mapping[str, Any]:
        """The number of points, and a digest of all."""
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(self.cloud.points).tobytes())
        digest.update(np.ascontiguousarray(self.cloud.normals).tobytes())
        return {"kind": "cloud", "signed": self.signed, "points": len(self.cloud), "digest": digest.hexdigest()}

    # -- signs ---
    @cached_property
    def _grid(self) -> tuple[np.ndarray, np.ndarray]:
        """The distance between places, and winding numbers at those that are away from the surface; NaN at others."""
        lower, upper = self.bounds
        step = self.extent / GRID
        axes = [a + step * np.arange(int(np.ceil((b - a) / step)) + 1) for a, b in zip(lower, upper, strict=True)]
        places = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        distance = self.patches.tree.query(places)[0]
        winding = np.full(len(places), np.nan)
        away = distance > max(step / 2, 2 * self.patches.spacing)
        winding[away] = PointWinding(self.cloud.points, self.cloud.normals, self.patches.areas).at(places[away])
        return np.array(step), winding.reshape([len(a) for a in axes])

    def _farther(self, rows: np.ndarray, distance: np.ndarray, sign: np.ndarray) -> np.ndarray:
        """Signs by the winding number at the closest place, where it is closer than the surface."""
        (step, winding), lower = self._grid, self.bounds[0]
        place = np.rint((rows - lower) / step).astype(np.int64)
        within = ((place >= 0) & (place < winding.shape)).all(1)
        result = np.where(within, sign, 1.0)
        place = np.clip(place, 0, np.array(winding.shape) - 1)
        reached = np.linalg.norm(rows - (lower + place * step), axis=1) < distance
        there = winding[tuple(place.T)]
        told = within & reached & np.isfinite(there)
        result[told] = np.where(there[told] > 0.5, -1.0, 1.0)
        return result

    def _check_closed(self) -> None:
        """Refuse clouds of surfaces that do not enclose anything.

        Raises
        ------
        InvalidProblemError
            If that is so.
        """
        areas = self.patches.areas
        open_ = float(np.linalg.norm((areas[:, None] * self.cloud.normals).sum(0)) / areas.sum())
        winding = self._grid[1]
        known = winding[np.isfinite(winding)]
        vague = float((np.abs(known - np.rint(known.clip(0, 1))) > VAGUE).mean()) if known.size else 0.0
        if open_ > OPEN or vague > MOST_VAGUE:
            why = (
                f"their normals, times areas, sum to {open_:.2g} of the area instead of 0"
                if open_ > OPEN
                else f"the winding number is between {VAGUE:g} and {1 - VAGUE:g}, or beyond 0 and 1, at {vague:.0%} of the places around"
            )
            raise InvalidProblemError(
                f"the points do not enclose anything: {why}. Without an inside the sign of the distance is undefined: "
                "sign='unsigned' fits distances without sign; or add the points that are missing, or correct the normals"
            )
