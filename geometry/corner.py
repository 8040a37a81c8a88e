"""Places of a boundary where it turns, and where parts of it meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["Corner", "Meeting"]


@dataclass(frozen=True)
class Corner:
    """A corner of the boundary of a domain in two space axes.

    Attributes
    ----------
    point
        Where it is.
    angle
        Of the domain there, between 0 and 2 pi.
    start
        Direction of the first side as an angle from the first axis; the domain lies between ``start`` and
        ``start + angle``, counter-clockwise.
    faces
        Names of the faces along the first side and along the last.
    """

    point: tuple[float, float]
    angle: float
    start: float
    faces: tuple[str, str]


class Meeting(NamedTuple):
    """Where two parts of a boundary in space meet: their names, and points (space axes, n)."""

    parts: tuple[str, str]
    points: np.ndarray
