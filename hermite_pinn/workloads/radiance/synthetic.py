"""Views of worlds, with known poses and depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hermite_pinn.checks import integer, number, real_array, refuse
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.memory import check_fits

from .camera import Cameras
from .intrinsics import Intrinsics
from .poses import TURNED, scattered_poses
from .views import Views
from .world import World

__all__ = ["Sampling", "background_color", "render_views"]

BACKGROUNDS = {"white": (1.0, 1.0, 1.0), "black": (0.0, 0.0, 0.0)}
#: Half the height of what cameras see, relative to their distance from the middle.
REACH = 0.37
#: Rays that are cast together, and those of an image whose directions are kept for the next.
BAND, KEPT = 200_000, 4_000_000


def background_color(given: Any) -> tuple[float, float, float] | None:
    """The colour of a background by its name, by its numbers, or None."""
    if given is None:
        return None
    accepted = "'white', 'black', three numbers between 0 and 1, or None"
    if isinstance(given, str):
        if given not in BACKGROUNDS:
            refuse("background", given, accepted)
        return BACKGROUNDS[given]
    color = real_array("background", given, shape=accepted)
    if color.shape != (3,) or not 0 <= color.min() <= color.max() <= 1:
        refuse("background", given, accepted)
    red, green, blue = map(float, color)
    return red, green, blue


@dataclass(frozen=True)
class Sampling:
    """How a world is seen.

    Attributes
    ----------
    size
        Pixels along both sides, or (width, height).
    supersampling
        Rays along each side of a pixel.
    radius
        Distance of the cameras from the origin.
    """

    size: int | tuple[int, int] = 100
    supersampling: int = 4
    radius: float = 3.2

    def __post_init__(self) -> None:
        given: Any = self.size
        sides = tuple(given) if isinstance(given, (tuple, list)) else (given, given)
        if len(sides) != 2:
            raise InvalidArgumentError(f"size must be one or two numbers of pixels, got {given!r}")
        width, height = (integer("size", side, least=1, most=8192) for side in sides)
        object.__setattr__(self, "size", (width, height))
        object.__setattr__(self, "supersampling", integer("supersampling", self.supersampling, least=1, most=16))
        object.__setattr__(self, "radius", number("radius", self.radius, above=0))

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height."""
        return self.size  # type: ignore[return-value]

    @property
    def intrinsics(self) -> Intrinsics:
        """Those of a camera that sees the cube from -1 to 1 from the radius 3.2."""
        width, height = self.sides
        focal = min(width, height) / (2 * REACH)
        return Intrinsics(width, height, focal, focal, width / 2, height / 2)


def render_views(
    world: World,
    sampling: Sampling,
    count: int,
    seed: int,
    background: tuple[float, float, float] | None,
    poses: Any = None,
) -> Views:
    """Render a world from places around it.

    Parameters
    ----------
    world
        What there is.
    sampling
        Pixels and rays.
    count, seed
        Number of views, and seed of their places; not used with ``poses``.
    background
        Its colour; None: images have alpha.
    poses
        Poses (count, 3, 4); default: :func:`scattered_poses`.

    Raises
    ------
    InvalidArgumentError
        If poses are not as many.
    OutOfMemoryError
        If the images do not fit into the memory.
    """
    places = scattered_poses(count, sampling.radius, seed) if poses is None else poses
    cameras = Cameras(sampling.intrinsics, places)
    if len(cameras) != count:
        raise InvalidArgumentError(f"poses must be as many as views, got {len(cameras)} for {count}")
    width, height = sampling.sides
    check_fits(width * height * (24.0 * count + 200.0), f"{count} images of {width} x {height} pixels", "take fewer or smaller")  # fmt: skip
    fine = _Directions(sampling.intrinsics, sampling.supersampling)
    images, depths = [], []
    for camera in cameras:
        pose = camera.pose.detach().to("cpu", torch.float64).numpy()
        images.append(_image(world, fine, pose, background))
        depths.append(_depth(world, sampling.intrinsics, pose))
    return Views(cameras, images, depths=depths)


class _Directions:
    """Directions of rays within pixels, in the camera's axes, in bands of whole rows of pixels."""

    def __init__(self, intrinsics: Intrinsics, count: int) -> None:
        self.width, self.height, self.count = intrinsics.width, intrinsics.height, count
        self._intrinsics = intrinsics
        self.rows = max(1, BAND // (intrinsics.width * count * count))
        self._kept: dict[int, np.ndarray] = {}

    def band(self, first: int) -> np.ndarray:
        """Those of rows from a first on, (rows * count * width * count, 3), float32; kept if all are few."""
        found = self._kept.get(first)
        if found is None:
            rows = min(self.rows, self.height - first)
            inner = (torch.arange(self.count, dtype=torch.float64) + 0.5) / self.count
            y = (torch.arange(first, first + rows)[:, None] + inner).reshape(-1)
            x = (torch.arange(self.width)[:, None] + inner).reshape(-1)
            grid = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
            found = (self._intrinsics.directions(grid.flip(1))[0].numpy() @ TURNED).astype(np.float32)
            if self.width * self.height * self.count**2 <= KEPT:
                self._kept[first] = found
        return found


def _image(world: World, fine: _Directions, pose: np.ndarray, background: tuple[float, float, float] | None) -> Tensor:
    """An image (height, width, c), means of rays in float32."""
    image = np.empty((fine.height, fine.width, 4), dtype=np.float32)
    rotation, origin = pose[:, :3].astype(np.float32), pose[:, 3].astype(np.float32)
    for first in range(0, fine.height, fine.rows):
        local = fine.band(first)
        colors, t = world.cast(origin, local @ rotation.T)
        seen = np.concatenate([colors, np.isfinite(t)[:, None]], 1, dtype=np.float32)
        k, w = fine.count, fine.width
        image[first : first + fine.rows] = seen.reshape(-1, k, w, k, 4).mean((1, 3))
    alpha = image[..., 3:]
    if background is None:
        image[..., :3] /= np.maximum(alpha, np.float32(1e-6))
        return torch.from_numpy(image)
    return torch.from_numpy(image[..., :3] + np.asarray(background, dtype=np.float32) * (1 - alpha))


def _depth(world: World, intrinsics: Intrinsics, pose: np.ndarray) -> Tensor:
    """Lengths along the rays of the pixels' centres, (height, width), in float64."""
    direction = intrinsics.table[0].numpy() @ TURNED @ pose[:, :3].T
    t, _, _ = world.first(pose[:, 3], direction)
    return torch.from_numpy(t.reshape(intrinsics.height, intrinsics.width))
