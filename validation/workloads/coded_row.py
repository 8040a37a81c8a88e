"""A row of the comparison of coded fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["CodedRow"]


@dataclass(frozen=True)
class CodedRow:
    """What was measured of a field.

    Attributes
    ----------
    case, way
        What was coded, and how.
    bytes
        Of the file; of what has none, of its numbers in half precision, or in single precision where it is not coded.
    scores
        How good it is, by name.
    seconds
        CPU seconds of training and coding, with one thread.
    """

    case: str
    way: str
    bytes: int
    scores: Mapping[str, float]
    seconds: float
