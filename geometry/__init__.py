"""Domains, their regions, and the points on which residuals are collocated."""

from .box import Box, Face
from .cut import Cut
from .domain import Domain, Plane, Region, Union
from .mesh import Mesh
from .mesh_domain import MeshDomain
from .quadrature import gauss_axis, sobol_cube
from .regions import Penalty, Points
from .samples import Rule, Samples
from .saved import domain_from_state
from .shapes import Ball, Cuboid, Cylinder, Disk, Implicit, Polygon, Rectangle, Torus, shape_from_state

__all__ = [
    "Ball",
    "Box",
    "Cut",
    "Cuboid",
    "Cylinder",
    "Disk",
    "Domain",
    "Face",
    "Implicit",
    "Mesh",
    "MeshDomain",
    "Penalty",
    "Plane",
    "Points",
    "Polygon",
    "Rectangle",
    "Region",
    "Rule",
    "Samples",
    "Torus",
    "Union",
    "domain_from_state",
    "gauss_axis",
    "shape_from_state",
    "sobol_cube",
]
