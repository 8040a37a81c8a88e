"""Compressed fields: files of a bounded error, or of so many bits, in levels of detail of which a prefix can be read."""

from __future__ import annotations

from .compress import Compressed, compress, load
from .levels import CompressedSolution

__all__ = ["Compressed", "CompressedSolution", "compress", "load"]
