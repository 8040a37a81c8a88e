"""Compressed fields: files of a bounded error or of so many bits, whose first levels of detail can be read alone."""

from __future__ import annotations

from .compress import Compressed, compress, load
from .levels import CompressedSolution

__all__ = ["Compressed", "CompressedSolution", "compress", "load"]
