"""What a camera does to directions, whatever its place: focal lengths, centre and lens."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from hermite_pinn.checks import instance, integer, number
from hermite_pinn.errors import InvalidProblemError

from .lens import Lens, PerspectiveLens

__all__ = ["LARGEST_SIDE", "Intrinsics"]

#: Most pixels along a side of an image.
LARGEST_SIDE = 1 << 16
#: Part by which the scales along both axes may differ, beside rounding to whole pixels.
UNEVEN = 0.01


@dataclass(frozen=True)
class Intrinsics:
    """Focal lengths, centre, size and lens of a camera.

    Pixels are (x, y), x to the right and y down; the centre of the first is (0.5, 0.5).

    Attributes
    ----------
    width, height
        Number of pixels along x and y.
    fl_x, fl_y
        Focal lengths in pixels.
    cx, cy
        Pixel at which the axis of the lens meets the image.
    lens
        A :class:`Lens`.

    Raises
    ------
    InvalidArgumentError
        If a number is out of range.

    Examples
    --------
    >>> intrinsics = Intrinsics.of_view_angle(200, 100, math.pi / 2)
    >>> round(intrinsics.fl_x, 9), intrinsics.cx, round(intrinsics.resized(100, 50).fl_x, 9)
    (100.0, 100.0, 50.0)
    """

    width: int
    height: int
    fl_x: float
    fl_y: float
    cx: float
    cy: float
    lens: Lens = field(default_factory=PerspectiveLens)

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            object.__setattr__(self, name, integer(name, getattr(self, name), least=1, most=LARGEST_SIDE))
        for name in ("fl_x", "fl_y"):
            object.__setattr__(self, name, number(name, getattr(self, name), above=0))
        for name in ("cx", "cy"):
            object.__setattr__(self, name, number(name, getattr(self, name)))
        instance("lens", self.lens, Lens, "a PerspectiveLens or a FisheyeLens")

    @classmethod
    def of_view_angle(cls, width: int, height: int, angle: float) -> Intrinsics:
        """Return a pinhole camera with square pixels and a horizontal angle of view, in radians."""
        angle = number("angle", angle, above=0, below=math.pi)
        focal = integer("width", width, least=1) / (2 * math.tan(angle / 2))
        return cls(width, height, focal, focal, width / 2, height / 2)

    def resized(self, width: int, height: int) -> Intrinsics:
        """Return the intrinsics of the same picture with another number of pixels; each axis is scaled by itself.

        Raises
        ------
        InvalidProblemError
            If the proportions differ by more than rounding to pixels and 1 %.
        """
        if (width, height) == (self.width, self.height):
            return self
        across, down = width / self.width, height / self.height
        rounding = 1 / min(width, self.width) + 1 / min(height, self.height)
        if abs(math.log(across / down)) > UNEVEN + rounding:
            raise InvalidProblemError(
                f"an image of {width} x {height} pixels is none of {self.width} x {self.height} made larger or smaller, to which the focal lengths "
                "belong; give the images that were calibrated, uncropped and not turned, or correct w and h"
            )
        focal = (self.fl_x * across, self.fl_y * down)
        return Intrinsics(width, height, *focal, self.cx * across, self.cy * down, self.lens)

    def directions(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Map pixels to directions.

        Parameters
        ----------
        pixels
            Positions (n, 2) as (x, y).

        Returns
        -------
        directions
            Unit vectors (n, 3) in the axes of the lens: right, down, forward.
        radius
            Radius (n,) of the cone of a pixel per unit of length; see :class:`Rays`.

        Raises
        ------
        InvalidProblemError
            If the distortion cannot be inverted at a pixel.
        """
        x = (pixels[:, 0] - self.cx) / self.fl_x
        y = (pixels[:, 1] - self.cy) / self.fl_y
        directions, spread = self.lens.directions(torch.stack([x, y], 1))
        return directions, (spread / (3 * self.fl_x * self.fl_y)).sqrt()

    def pixels(self, directions: Tensor) -> Tensor:
        """Map directions (n, 3) to pixels (n, 2), in the image or beside it; NaN where the lens does not see."""
        plane = self.lens.image(directions)
        return torch.stack([plane[:, 0] * self.fl_x + self.cx, plane[:, 1] * self.fl_y + self.cy], 1)

    def centres(self) -> Tensor:
        """Centres of all pixels, row by row, (height * width, 2), float64."""
        y, x = torch.meshgrid(
            torch.arange(self.height, dtype=torch.float64) + 0.5,
            torch.arange(self.width, dtype=torch.float64) + 0.5,
            indexing="ij",
        )
        return torch.stack([x, y], -1).reshape(-1, 2)

    @cached_property
    def table(self) -> tuple[Tensor, Tensor]:
        """Directions and radii of all pixels, row by row, float64; made once, since undoing a distortion takes time."""
        return self.directions(self.centres())
