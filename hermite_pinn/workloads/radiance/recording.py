"""What a file says about pictures and cameras, in our conventions, before any picture is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError

from .intrinsics import Intrinsics
from .lens import Lens, PerspectiveLens

__all__ = ["MOST_FRAMES", "Frame", "Optics", "Recording", "checked_size"]

#: Most pictures of a scene.
MOST_FRAMES = 100_000


@dataclass(frozen=True)
class Optics:
    """Intrinsics as far as a file states them; the rest follows from the picture.

    Attributes
    ----------
    width, height
        To which the other numbers refer; None: the picture's.
    fl_x, fl_y, cx, cy
        In pixels of these.
    angle_x, angle_y
        Angles of view in radians, in place of focal lengths.
    lens
        The distortion.
    """

    width: int | None = None
    height: int | None = None
    fl_x: float | None = None
    fl_y: float | None = None
    cx: float | None = None
    cy: float | None = None
    angle_x: float | None = None
    angle_y: float | None = None
    lens: Lens = field(default_factory=PerspectiveLens)

    def of_picture(self, width: int, height: int) -> Intrinsics:
        """The intrinsics of a picture of so many pixels."""
        w, h = self.width or width, self.height or height
        across, down = _focal(self.fl_x, self.angle_x, w), _focal(self.fl_y, self.angle_y, h)
        across, down = across or down, down or across
        if across is None or down is None:
            raise InvalidArgumentError("neither a focal length nor an angle of view is given")
        cx, cy = w / 2 if self.cx is None else self.cx, h / 2 if self.cy is None else self.cy
        return Intrinsics(w, h, across, down, cx, cy, self.lens).resized(width, height)

    @property
    def complete(self) -> bool:
        """Whether a focal length can be found."""
        return any(v is not None for v in (self.fl_x, self.fl_y, self.angle_x, self.angle_y))


def _focal(length: float | None, angle: float | None, size: int) -> float | None:
    if length is not None or angle is None:
        return length
    return size / (2 * math.tan(angle / 2))


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture and its camera.

    Attributes
    ----------
    name
        As the file calls the picture.
    path
        Where it should be.
    optics
        Of its camera.
    pose
        Of its camera, (3, 4); see :mod:`.poses`.
    split
        ``"train"``, ``"val"`` or ``"test"`` if the file says so, otherwise None.
    """

    name: str
    path: Path
    optics: Optics
    pose: np.ndarray
    split: str | None = None


@dataclass(frozen=True, eq=False)
class Recording:
    """What a file says.

    Attributes
    ----------
    source
        The file or folder, for messages.
    frames
        Pictures and cameras.
    aabb_scale
        Side of the box of instant-ngp, if the file states one.
    scale, offset
        What instant-ngp does to the world before; None: its defaults.
    points
        Points of the scene (n, 3), float64, and their colours (n, 3), uint8; empty if the file has none.
    """

    source: str
    frames: tuple[Frame, ...]
    aabb_scale: float | None = None
    scale: float | None = None
    offset: tuple[float, float, float] | None = None
    points: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    colors: np.ndarray = field(default_factory=lambda: np.empty((0, 3), dtype=np.uint8))


def checked_size(path: Path, most: int) -> int:
    """Bytes of a file that will be read whole.

    Raises
    ------
    CorruptFileError
        If it is no regular file, cannot be read or has more bytes than ``most``.
    """
    try:
        regular, size = path.is_file(), path.stat().st_size
    except OSError as error:
        raise CorruptFileError(f"{path} cannot be read: {error.strerror}") from error
    if not regular:
        raise CorruptFileError(f"{path} is no regular file; give the file itself")
    if size > most:
        raise CorruptFileError(
            f"{path} has {size} bytes, and files of more than {most} are not read; split the scene, or remove what is not needed"
        )
    return size
