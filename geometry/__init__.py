"""Domains, their regions, and the points on which residuals are collocated."""

from .box import Box, Face
from .cut import Cut
from .domain import Domain
from .mesh import Mesh
from .mesh_domain import MeshDomain
from .quadrature import gauss_axis, sobol_cube
from .region import Plane, Region
from .region_union import Union
from .regions import Penalty, Points
from .samples import Rule, Samples
from .saved import domain_from_state
from .shapes import Ball, Cuboid, Cylinder, Disk, Implicit, Polygon, Rectangle, Torus, shape_from_state
from .span import Span

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
    "Span",
    "Torus",
    "Union",
    "domain_from_state",
    "gauss_axis",
    "shape_from_state",
    "sobol_cube",
]
