"""Where conditions hold: faces by name, planes, or given points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from hermite_pinn.checks import items, number, real_array, refuse
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry import Domain, Region
from hermite_pinn.geometry.surface_points import SurfacePoints
from hermite_pinn.immutable import Immutable, ReadOnly, read_only

__all__ = ["GivenPoints", "NamedFaces", "On", "Places", "places"]

On = str | Sequence[str] | Mapping[str, float | Sequence[float]] | ArrayLike | tuple[ArrayLike, ArrayLike]

FACES = (
    "a face name such as 'x-', a list of them, 'boundary', planes such as {'x': 0.5}, an array of points (n, dim), or a pair "
    "(points, normals) of such arrays"
)
RESTRICT = "to restrict a face use where=lambda x, y: ..."
UNIT = 1e-3  # by which normals may differ from unit length


class Places(ABC):
    """Where a condition holds; how it is written is what messages call it."""

    @property
    @abstractmethod
    def given(self) -> Any:
        """As a condition tells it: a name, names, or points."""

    @abstractmethod
    def regions(self, domain: Domain, periodic: tuple[bool, ...], condition: object) -> tuple[Region, ...]:
        """The regions of a domain.

        Raises
        ------
        InvalidProblemError
            If it has none; the message names the condition.
        """


class GivenPoints(Immutable, Places):
    """Points on which a condition holds, with their outward normals or without.

    Attributes
    ----------
    points
        (n, axes), read-only.
    normals
        The same shape, or None.
    """

    def __init__(self, points: np.ndarray, normals: np.ndarray | None) -> None:
        self.points = read_only(points)
        self.normals = None if normals is None else read_only(normals)
        self._regions: dict[Domain, SurfacePoints] = {}

    def __repr__(self) -> str:
        return f"{len(self.points)} points"

    @property
    def given(self) -> GivenPoints:
        """The points."""
        return self

    def regions(self, domain: Domain, periodic: tuple[bool, ...], condition: object) -> tuple[Region, ...]:
        """The points as a region of a domain.

        Raises
        ------
        InvalidProblemError
            If they have another number of coordinates, or do not lie in it.
        """
        if domain not in self._regions:
            self._regions[domain] = self._made(domain, condition)
        return (self._regions[domain],)

    def _made(self, domain: Domain, condition: object) -> SurfacePoints:
        points, normals = self.points, self.normals
        dim, space = domain.dim, len(domain.space_axes)
        accepted = {dim, space}
        if normals is None and points.shape[1] in {2 * dim, 2 * space} - accepted:
            half = points.shape[1] // 2
            points, normals = points[:, :half], points[:, half:]
        if points.shape[1] not in accepted:
            names = ", ".join(domain.names[i] for i in domain.space_axes)
            in_time = f", or {dim} with the time" if dim > space else ""
            raise InvalidProblemError(
                f"{condition}: the points of `on` have {points.shape[1]} coordinates; the domain has {space} in space ({names}){in_time}"
            )
        if normals is not None:
            normals = self._unit(normals, domain, condition)
        full = points
        if points.shape[1] < dim:
            full = np.full((len(points), dim), domain.lower[domain.time_axis or 0])
            full[:, list(domain.space_axes)] = points
        outside = ~domain.contains(torch.as_tensor(full.T.copy()), slack=1e-6).numpy()
        if outside.any():
            raise InvalidProblemError(
                f"{condition}: {int(outside.sum())} of {len(points)} points of `on` lie outside {domain}, the first at "
                f"{points[outside][0].tolist()}"
            )
        axes = range(dim) if points.shape[1] == dim else domain.space_axes
        points = np.clip(points, [domain.lower[i] for i in axes], [domain.upper[i] for i in axes])
        return SurfacePoints(domain, points, normals)

    @staticmethod
    def _unit(normals: np.ndarray, domain: Domain, condition: object) -> np.ndarray:
        """Normals in space of unit length."""
        if normals.shape[1] == domain.dim:
            normals = normals[:, list(domain.space_axes)]
        lengths = np.linalg.norm(normals, axis=1)
        off = np.abs(lengths - 1.0) > UNIT
        if normals.shape[1] != len(domain.space_axes) or off.any():
            raise InvalidProblemError(
                f"{condition}: normals of `on` must be unit vectors in space that point out of the domain, with "
                f"{len(domain.space_axes)} components; got the shape {normals.shape}"
                + (f" and the length {lengths[off][0]:.4g}" if off.any() else "")
            )
        return np.asarray(normals / lengths[:, None])


class NamedFaces(Immutable, Places):
    """Faces by name, of which ``"boundary"`` is one: all of the space axes.

    Attributes
    ----------
    names
        Of the faces.
    """

    def __init__(self, names: str | tuple[str, ...]) -> None:
        self._given = names
        self.names = (names,) if isinstance(names, str) else names

    def __repr__(self) -> str:
        return ", ".join(self.names)

    @property
    def given(self) -> str | tuple[str, ...]:
        """A name, or several."""
        return self._given

    def regions(self, domain: Domain, periodic: tuple[bool, ...], condition: object) -> tuple[Region, ...]:
        """The faces.

        Raises
        ------
        InvalidProblemError
            If a face does not exist or there is none.
        """
        found: list[Region] = []
        for name in self.names:
            if name == "boundary":
                found.extend(f for f in domain.space_faces if f.plane is None or not periodic[f.plane.axis])
            else:
                face = domain.face(name)
                seam = face.plane is not None and periodic[face.plane.axis]
                found.append(domain.seam(face) if seam else face)
        if not found:
            raise InvalidProblemError(
                f"{condition} applies to no point: 'boundary' means the faces of the space axes that are not periodic, and "
                f"{domain} has none"
            )
        return tuple(dict.fromkeys(found))


class Planes(Immutable, Places):
    """Planes across axes, by the coordinates at which they lie.

    Attributes
    ----------
    positions
        By axis.
    """

    def __init__(self, positions: Mapping[str, tuple[float, ...]]) -> None:
        self.positions = ReadOnly(dict(positions))

    def __repr__(self) -> str:
        return ", ".join(f"{axis} = {p:g}" for axis, at in self.positions.items() for p in at)

    @property
    def given(self) -> dict[str, tuple[float, ...]]:
        """Positions by axis."""
        return dict(self.positions)

    def regions(self, domain: Domain, periodic: tuple[bool, ...], condition: object) -> tuple[Region, ...]:
        """The planes.

        Raises
        ------
        InvalidProblemError
            If there is no such axis, or a plane lies outside the domain or on a face of it, which has a name.
        """
        found: list[Region] = []
        for axis, positions in self.positions.items():
            lower, upper = domain.bounds[domain.names[domain.axis(axis)]]
            for p in positions:
                if p in (lower, upper):
                    raise InvalidProblemError(
                        f"{condition}: {axis} = {p:g} is the face {axis}{'-+'[p == upper]}; give its name"
                    )
                if not lower < p < upper:
                    raise InvalidProblemError(
                        f"{condition}: there is no plane {axis} = {p:g} in {domain}, where {axis} is in ({lower:g}, {upper:g})"
                    )
                found.append(domain.section(axis, p))
        return tuple(dict.fromkeys(found))


def places(on: Any) -> Places:
    """The places of a condition from a name, names, points, or points and normals.

    Raises
    ------
    InvalidProblemError
        If they are anything else.
    """
    if isinstance(on, str):
        return NamedFaces(str(on))
    if isinstance(on, Mapping):
        return _planes(on)
    if np.ndim(_plain(on)) == 2 and hasattr(on, "shape"):
        return _given([on], on)
    entries = items("`on`", on, FACES, hint=RESTRICT, error=InvalidProblemError)
    if all(isinstance(name, str) for name in entries):
        return NamedFaces(tuple(map(str, entries)))
    if any(isinstance(name, str) for name in entries):
        refuse("`on`", on, FACES, hint=RESTRICT, error=InvalidProblemError)
    pair = len(entries) == 2 and all(np.ndim(_plain(e)) == 2 for e in entries)
    return _given(entries if pair else [on], on)


def _planes(on: Mapping[Any, Any]) -> Planes:
    """Planes by axis, one coordinate or several."""
    made: dict[str, tuple[float, ...]] = {}
    for axis, at in on.items():
        given = at if isinstance(at, (list, tuple, np.ndarray)) else [at]
        listed = items(
            f"the planes across {axis}", given, "coordinates such as [0.2, 0.5]", least=1, error=InvalidProblemError
        )
        made[str(axis)] = tuple(number(f"a plane across {axis}", p, error=InvalidProblemError) for p in listed)
    if not made:
        refuse("`on`", on, FACES, hint=RESTRICT, error=InvalidProblemError)
    return Planes(made)


def _given(arrays: Sequence[Any], on: Any) -> GivenPoints:
    """Points, or points and normals."""
    made = [real_array("`on`", a, shape=FACES, hint=RESTRICT, error=InvalidProblemError) for a in arrays]
    if any(a.ndim != 2 or not a.size for a in made) or len({a.shape[0] for a in made}) > 1:
        refuse("`on`", on, FACES, hint=RESTRICT, error=InvalidProblemError)
    return GivenPoints(made[0], made[1] if len(made) > 1 else None)


def _plain(value: Any) -> Any:
    """A value as an array, None where it is none."""
    try:
        return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except Exception:  # ragged lists, tensors without data, foreign objects: whatever their conversion raises
        return None
