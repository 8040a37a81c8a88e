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

    @property
    def line(self) -> str:
        """For the terminal."""
        told = ", ".join(f"{name} {value:.4g}" for name, value in self.scores.items())
        return f"{self.case:<8} {self.way:<14} {self.bytes / 1000:8.1f} kB  {told}  {self.seconds:.1f} CPU s"
