"""Signed distances: surfaces in space as zero sets of fields."""

from __future__ import annotations

from .fit import fit

__all__ = ["fit"]
