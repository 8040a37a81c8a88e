"""What files of COLMAP hold, whether they are text or binary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["MOST_BYTES", "MOST_CAMERAS", "ModelFiles", "StoredCamera", "StoredImage", "StoredPoints"]

#: Most bytes of a file, and most cameras of a model.
MOST_BYTES, MOST_CAMERAS = 1 << 31, 100_000


@dataclass(frozen=True)
class StoredCamera:
    """A camera: its number, the name or number of its model, its pixels, and the parameters of the model."""

    number: int
    model: str | int
    width: int
    height: int
    parameters: tuple[float, ...]


@dataclass(frozen=True)
class StoredImage:
    """An image: its name, the number of its camera, and the turn (w, x, y, z) and shift from world to camera."""

    name: str
    camera: int
    quaternion: tuple[float, ...]
    shift: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class StoredPoints:
    """Points (n, 3), float64, and their colours (n, 3), uint8."""

    places: np.ndarray
    colors: np.ndarray


@dataclass(frozen=True)
class ModelFiles(ABC):
    """The files of a model.

    Attributes
    ----------
    folder
        Where they are.
    """

    folder: Path

    @abstractmethod
    def cameras(self) -> list[StoredCamera]:
        """All cameras."""

    @abstractmethod
    def images(self) -> list[StoredImage]:
        """All images."""

    @abstractmethod
    def points(self) -> StoredPoints | None:
        """All points, or None without a file of them."""
