"""Triangles in files of the package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hermite_pinn.schema import Entry

from .edges import edges_of
from .triangles import Triangles

__all__ = ["triangles_of", "triangles_state"]


def triangles_state(triangles: Triangles) -> Mapping[str, Any]:
    """Arrays and names that tell all."""
    return {
        "vertices": triangles.vertices,
        "faces": triangles.faces,
        "groups": triangles.groups.astype(np.int64),
        "group_names": list(triangles.names),
        "crossing": triangles.crossing,
    }


def triangles_of(entry: Entry) -> Triangles:
    """The triangles that a file describes.

    Raises
    ------
    CorruptFileError
        If these are no closed surface.
    """
    vertices = _array(entry.at("vertices"), torch.float64, 3)
    faces = _array(entry.at("faces"), torch.int64, 3)
    crossing = _array(entry.at("crossing"), torch.int64, 2)
    groups = _array(entry.at("groups"), torch.int64, None)
    names = tuple(name.text() for name in entry.at("group_names").items(least=1))
    for key, numbers, count in (
        ("faces", faces, len(vertices)),
        ("crossing", crossing, len(faces)),
        ("groups", groups, len(names)),
    ):
        if numbers.size and (numbers.min() < 0 or numbers.max() >= count):
            raise entry.at(key).refuse(f"numbers from 0 to {count - 1}")
    if len(groups) != len(faces):
        raise entry.at("groups").refuse(f"{len(faces)} numbers")
    triangles = Triangles(vertices, faces, groups.astype(np.int32), names, crossing)
    if (
        not len(faces)
        or edges_of(faces).balance.any()
        or not triangles.volumes().sum() > 0
        or not triangles.areas.all()
    ):
        raise entry.at("faces").refuse("triangles that close a surface")
    return triangles


def _array(entry: Entry, dtype: torch.dtype, columns: int | None) -> np.ndarray:
    """An array of numbers, with so many columns."""
    value = torch.from_numpy(np.ascontiguousarray(entry.value)) if isinstance(entry.value, np.ndarray) else entry.value
    shape = (None,) if columns is None else (None, columns)
    found: np.ndarray = Entry(value, entry.source, entry.path).tensor(shape, (dtype,)).numpy().copy()
    return found
