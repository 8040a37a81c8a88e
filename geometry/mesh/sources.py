"""Triangles from what a mesh is made of: a file, arrays, or an object of trimesh."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from hermite_pinn import checks
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.memory import check_fits

from .reading import of_scene, read
from .triangles import Triangles
from .units import METRES, unit

__all__ = ["Given", "taken"]

PER_TRIANGLE = 860.0  # bytes in memory, until the surface is mended, as measured
ACCEPTED = "a file, arrays (vertices, faces), or a trimesh.Trimesh"


class Given(NamedTuple):
    """Triangles as they were given, what they are called in messages, and what is to be said of their units."""

    triangles: Triangles
    source: str
    notes: tuple[str, ...] = ()


def taken(source: Any, groups: Mapping[str, Any] | None, units: str | None) -> Given:
    """The triangles of a source, in groups, in metres if ``units`` says what they were in."""
    given = _given(source)
    triangles, notes = given.triangles, given.notes
    if groups is not None:
        triangles = _grouped(triangles, groups)
    if units is not None:
        factor = unit(units)
        triangles = Triangles(triangles.vertices * factor, triangles.faces, triangles.groups, triangles.names)
        notes = (f"{given.source} was scaled by {factor:g}: from {units} to m",)
    return Given(triangles, given.source, notes)


def _given(source: Any) -> Given:
    if isinstance(source, str | os.PathLike):
        path = checks.path("source", source)
        found = read(path)
        notes: tuple[str, ...] = ()
        if found.unit is not None and METRES.get(found.unit.lower()) != 1.0:
            told = f"the coordinates of {path.name} are in {found.unit}, and were taken as they are"
            notes = (f"{told}; units={found.unit!r} makes them metres" if found.unit.lower() in METRES else told,)
        return Given(found.triangles, path.name, notes)
    if hasattr(source, "geometry") and hasattr(source, "graph"):
        return Given(of_scene(source), "the scene")
    if hasattr(source, "vertices") and not isinstance(source, Mapping):
        source = (source.vertices, getattr(source, "faces", np.zeros((0, 3), dtype=np.int64)))
    if not isinstance(source, tuple | list) or len(source) != 2:
        checks.refuse("source", source, ACCEPTED)
    count = len(source[1]) if isinstance(source[1], np.ndarray) and source[1].ndim else 0
    check_fits(PER_TRIANGLE * count, f"a mesh of {count:,} triangles", "simplify it before")
    return Given(Triangles.of(_vertices(source[0]), _faces(source[1], len(source[0]))), "the mesh")


def _vertices(value: Any) -> np.ndarray:
    array = checks.real_array("vertices", value, shape="an array of coordinates of shape (n, 3)", finite=False)
    if array.size == 0:
        return np.zeros((0, 3))
    if array.ndim != 2 or array.shape[1] != 3:
        hint = "; for (3, n) give its transpose" if array.ndim == 2 and array.shape[0] == 3 else ""
        raise InvalidArgumentError(f"vertices must be an array of coordinates of shape (n, 3), got {array.shape}{hint}")
    return np.ascontiguousarray(array)


def _faces(value: Any, count: int) -> np.ndarray:
    what = "an array of numbers of vertices of shape (m, 3)"
    array = checks.real_array("faces", value, shape=what)
    if array.size == 0:
        return np.zeros((0, 3), dtype=np.int64)
    if array.ndim != 2 or array.shape[1] != 3:
        hint = "; divide each quadrilateral into two triangles" if array.ndim == 2 and array.shape[1] == 4 else ""
        raise InvalidArgumentError(f"faces must be {what}, got {array.shape}{hint}")
    faces = array.astype(np.int64)
    if (faces != array).any():
        raise InvalidArgumentError(f"faces must be {what}, got numbers that are no integers")
    if faces.min() < 0 or faces.max() >= count:
        hint = "; they count from 0" if faces.min() == 1 and faces.max() == count else ""
        raise InvalidArgumentError(
            f"faces must be numbers from 0 to {count - 1}, of which there are so many vertices, got {faces.min()} to "
            f"{faces.max()}{hint}"
        )
    return faces


def _grouped(triangles: Triangles, groups: Mapping[str, Any]) -> Triangles:
    """With groups of triangles by name; the rest has none."""
    checks.instance("groups", groups, Mapping, "names with numbers of triangles")
    number = np.zeros(triangles.count, dtype=np.int32)
    names = [""]
    for name, members in groups.items():
        places = np.asarray(members)
        mask = places.dtype == bool and places.shape == (triangles.count,)
        if not mask and (places.dtype.kind not in "iu" or places.size == 0 or not _within(places, triangles.count)):
            checks.refuse(
                f"groups[{name!r}]", members, f"numbers of triangles from 0 to {triangles.count - 1}, or a mask of all"
            )
        if (number[places] != 0).any():
            raise InvalidArgumentError(f"groups[{name!r}] has triangles that are in another group; each can be in one")
        number[places] = len(names)
        names.append(checks.text("a name of groups", name))
    return Triangles(triangles.vertices, triangles.faces, number, tuple(names))


def _within(places: np.ndarray, count: int) -> bool:
    return bool(places.min() >= 0 and places.max() < count)
