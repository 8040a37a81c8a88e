"""Shapes bounded by triangles, from files and arrays."""

from .mesh import Mesh

__all__ = ["Mesh"]
