"""The surfaces of the comparison of distances: scanned ones, and made ones whose curvature is known."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType

import numpy as np

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation.references.pinnacle import shared_file

__all__ = ["BOX", "SUBJECTS", "Subject", "made_part", "scan"]

Array = np.ndarray

#: Where all fields live.
BOX = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))
#: Longest side of every surface, and its centre, as in the protocol of Hermite-NGP.
LONGEST, CENTRE = 0.72, 0.5
#: Radii of the sphere and of the torus.
BALL, RING, TUBE = 0.36, 0.25, 0.11


@dataclass(frozen=True, eq=False)
class Subject:
    """A surface to which all ways fit a distance.

    Attributes
    ----------
    name
        For ``--only`` and files.
    title
        For tables.
    make
        Makes the closed mesh, longest side 0.72 around the middle of the unit cube.
    levels
        Of the Hermite grid with a linear head, from 8 cells on; its coefficients are the parameters of all ways.
    seconds
        CPU seconds of a fit, at most.
    seeds
        How many seeds are run of what is random.
    curvature
        Mean curvature of the smooth surface at points (n, 3) near it, None where it is not known.
    limits
        Mean curvatures at the ends of the colour scale.
    view
        Azimuth and elevation of the camera, degrees, and the axis that points up.
    needs
        Modules without which there is no mesh.
    """

    name: str
    title: str
    make: Callable[[], hp.Mesh]
    levels: int
    seconds: float
    seeds: int
    curvature: Callable[[Array], Array] | None = None
    limits: tuple[float, float] = (-40.0, 40.0)
    view: tuple[float, float, str] = (30.0, 20.0, "z")
    needs: tuple[str, ...] = ()

    @cached_property
    def mesh(self) -> hp.Mesh:
        """The surface, made once."""
        return self.make()

    @property
    def missing(self) -> str:
        """Why the surface cannot be made here, or ""."""
        absent = [m for m in self.needs if importlib.util.find_spec(m) is None]
        if absent:
            return f'{", ".join(absent)} is not installed: pip install "hermite_pinn[test]" brings it'
        try:
            self.mesh  # noqa: B018 - made here, so that what is missing is told before anything is run
        except InvalidArgumentError as error:
            return str(error)
        return ""


def placed(vertices: Array, faces: Array) -> hp.Mesh:
    """A mesh with its longest side scaled to 0.72, around the middle of the unit cube."""
    lower, upper = vertices.min(0), vertices.max(0)
    scaled = (vertices - (lower + upper) / 2) * (LONGEST / (upper - lower).max()) + CENTRE
    return hp.Mesh((scaled, faces))


def scan(name: str) -> hp.Mesh:
    """A scanned surface of the folder of shared meshes.

    Raises
    ------
    InvalidArgumentError
        If the file is not there.
    """
    triangles = hp.Mesh(shared_file("meshes", f"{name}.obj")).triangles
    return placed(np.asarray(triangles.vertices), np.asarray(triangles.faces))


def made_sphere() -> hp.Mesh:
    """A sphere of 20,480 triangles, whose vertices are on it."""
    import trimesh

    made = trimesh.creation.icosphere(subdivisions=5, radius=BALL)
    return hp.Mesh((np.asarray(made.vertices) + CENTRE, np.asarray(made.faces)))


def made_torus() -> hp.Mesh:
    """A torus of 16,384 triangles, whose vertices are on it."""
    import trimesh

    made = trimesh.creation.torus(RING, TUBE, major_sections=128, minor_sections=64)
    return hp.Mesh((np.asarray(made.vertices) + CENTRE, np.asarray(made.faces)))


def made_part() -> hp.Mesh:
    """A bearing block: a plate with four holes, a boss with a bore, and a slot, by set operations on solids."""
    import trimesh

    def block(size: tuple[float, float, float], at: tuple[float, float, float]) -> trimesh.Trimesh:
        made = trimesh.creation.box(extents=size)
        made.apply_translation(at)
        return made

    def rod(radius: float, height: float, at: tuple[float, float, float]) -> trimesh.Trimesh:
        made = trimesh.creation.cylinder(radius=radius, height=height, sections=96)
        made.apply_translation(at)
        return made

    plate = block((0.72, 0.5, 0.12), (0.0, 0.0, 0.0))
    boss = rod(0.17, 0.36, (0.0, 0.0, 0.12))
    rib = block((0.6, 0.06, 0.16), (0.0, 0.0, 0.1))
    holes = [rod(0.045, 0.3, (x, y, 0.0)) for x in (-0.28, 0.28) for y in (-0.17, 0.17)]
    bore, slot = rod(0.1, 0.8, (0.0, 0.0, 0.1)), block((0.05, 0.6, 0.2), (0.0, 0.0, 0.3))
    body = trimesh.boolean.union([plate, boss, rib], engine="manifold")
    made = trimesh.boolean.difference([body, bore, slot, *holes], engine="manifold")
    return placed(np.asarray(made.vertices), np.asarray(made.faces))


def sphere_curvature(x: Array) -> Array:
    """Mean curvature of the sphere, (n,)."""
    return np.full(len(x), 1.0 / BALL)


def torus_curvature(x: Array) -> Array:
    """Mean curvature of the torus at the angle around its tube at which points (n, 3) lie, (n,).

    Examples
    --------
    >>> outer, inner = torus_curvature(np.array([[0.86, 0.5, 0.5], [0.64, 0.5, 0.5]])).tolist()
    >>> round(outer, 6), round(inner, 6)                  # (1 / 0.11 + 1 / 0.36) / 2 and (1 / 0.11 - 1 / 0.14) / 2
    (5.934343, 0.974026)
    """
    around = np.hypot(x[:, 0] - CENTRE, x[:, 1] - CENTRE) - RING
    cosine = around / np.hypot(around, x[:, 2] - CENTRE)
    return (1.0 / TUBE + cosine / (RING + TUBE * cosine)) / 2


_LIST = (
    Subject("sphere", "sphere", made_sphere, 2, 3.0, 3, sphere_curvature, (-6.0, 6.0), needs=("trimesh",)),
    Subject("torus", "torus", made_torus, 2, 3.0, 3, torus_curvature, (-8.0, 8.0), (30.0, 40.0, "z"), ("trimesh",)),
    Subject(
        "part",
        "bearing block",
        made_part,
        3,
        7.0,
        3,
        None,
        (-30.0, 30.0),
        (35.0, 35.0, "z"),
        ("trimesh", "manifold3d"),
    ),
    Subject("bunny", "bunny", partial(scan, "bunny"), 5, 12.0, 1, None, (-60.0, 60.0), (60.0, 15.0, "y")),
    Subject("armadillo", "armadillo", partial(scan, "armadillo"), 5, 12.0, 1, None, (-80.0, 80.0), (20.0, 10.0, "y")),
)

#: All surfaces by name.
SUBJECTS: Mapping[str, Subject] = MappingProxyType({s.name: s for s in _LIST})
