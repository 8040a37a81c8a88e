"""Signed distances: surfaces in space as zero sets of fields."""

from __future__ import annotations

from .extract import extract
from .fit import fit
from .metrics import Agreement, chamfer_distance, compare, iou
from .point_cloud import PointCloud
from .render import Picture, render
from .signed_field import FunctionField, SignedField
from .surface import Surface

__all__ = [
    "Agreement",
    "FunctionField",
    "Picture",
    "PointCloud",
    "SignedField",
    "Surface",
    "chamfer_distance",
    "compare",
    "extract",
    "fit",
    "iou",
    "render",
]
