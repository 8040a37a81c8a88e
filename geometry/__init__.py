"""Domains, their faces, and the points on which residuals are collocated."""

from .box import Box, Face
from .quadrature import gauss_axis

__all__ = ["Box", "Face", "gauss_axis"]
