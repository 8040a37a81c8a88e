"""Shapes with arguments that are good, to be replaced one by one; every one cuts a box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import hermite_pinn as hp

from .case import Bench

__all__ = ["SHAPES", "cutting"]

VERTICES = np.array([[0.2, 0.2, 0.2], [0.8, 0.2, 0.2], [0.2, 0.8, 0.2], [0.2, 0.2, 0.8]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])

#: By name, the callable and arguments that work.
SHAPES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "Disk": (hp.Disk, {"center": (0.5, 0.5), "radius": 0.2, "name": None}),
    "Rectangle": (hp.Rectangle, {"lower": (0.3, 0.3), "upper": (0.7, 0.6), "name": "plate"}),
    "Polygon": (hp.Polygon, {"vertices": [(0.2, 0.2), (0.8, 0.3), (0.5, 0.8)], "name": None}),
    "Ball": (hp.Ball, {"center": (0.5, 0.5, 0.5), "radius": 0.2, "name": None}),
    "Cuboid": (hp.Cuboid, {"lower": (0.3, 0.3, 0.3), "upper": (0.7, 0.6, 0.5), "name": None}),
    "Cylinder": (hp.Cylinder, {"start": (0.5, 0.5, 0.2), "end": (0.5, 0.5, 0.8), "radius": 0.2, "name": None}),
    "Torus": (hp.Torus, {"center": (0.5, 0.5, 0.5), "radius": 0.25, "tube": 0.1, "axis": (0, 0, 1), "name": None}),
    "Implicit": (hp.Implicit, {"function": lambda x, y: (x - 0.5) ** 2 + (y - 0.5) ** 2 - 0.04, "name": None}),
    "Mesh": (hp.Mesh, {"source": (VERTICES, FACES), "name": None, "units": None, "repair": None}),
    "MeshDomain": (
        hp.MeshDomain,
        {"mesh": (VERTICES, FACES), "side": "inside", "box": None, "name": "surface", "margin": None},
    ),
}


def cutting(name: str) -> Callable[..., Any]:
    """What makes a shape, cuts a box with it, and asks what is left."""
    kind, _ = SHAPES[name]

    def call(bench: Bench, **arguments: Any) -> Any:
        made = kind(**arguments)
        if name == "MeshDomain":
            domain = made
        else:
            axes: dict[str, Any] = dict.fromkeys(("x", "y", "z")[: made.dim], (0, 1))
            domain = hp.Box(**axes) - made
        return str(domain), domain.interior.measure, [face.name for face in domain.faces]

    return call
