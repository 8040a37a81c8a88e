"""Pictures with fewer pixels, and the cameras that take them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from hermite_pinn.checks import instance, integer
from hermite_pinn.errors import InvalidArgumentError

from .camera import Cameras
from .intrinsics import Intrinsics
from .views import Views

__all__ = ["reduced"]


def reduced(views: Views, factor: int) -> Views:
    """Reduce the resolution of views: each new pixel is the mean of a square of pixels.

    Rows and columns that fill no square are cut off, half of them on each side; the principal points move with them.
    Means of colours with alpha are weighted by it.  Depths are not kept.

    Parameters
    ----------
    views
        Pictures with their cameras.
    factor
        Pixels along the edge of a square.

    Returns
    -------
    Views
        Smaller pictures with adapted cameras.

    Raises
    ------
    InvalidArgumentError
        If a picture is smaller than one square.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import Scene
    >>> views = reduced(Scene.render_synthetic(20, train=1, test=0).views, 8)
    >>> views[0].image.shape, views[0].camera.intrinsics.cx
    (torch.Size([2, 2, 3]), 1.0)
    """
    instance("views", views, Views, "hermite_pinn.radiance.Views")
    k = integer("factor", factor, least=1, most=1 << 14)
    small = min((min(c.width, c.height) for c in views.cameras), default=k)
    if small < k:
        raise InvalidArgumentError(f"factor must be at most {small}, the shortest side of a picture in pixels, got {k}")
    cameras = Cameras([_intrinsics(camera.intrinsics, k) for camera in views.cameras], views.cameras.poses)
    return Views(cameras, [_image(image, k) for image in views.images], views.names)


def _cut(size: int, k: int) -> int:
    """Pixels that are cut off before the first square."""
    return size % k // 2


def _intrinsics(given: Intrinsics, k: int) -> Intrinsics:
    across, down = _cut(given.width, k), _cut(given.height, k)
    return replace(
        given,
        width=given.width // k,
        height=given.height // k,
        fl_x=given.fl_x / k,
        fl_y=given.fl_y / k,
        cx=(given.cx - across) / k,
        cy=(given.cy - down) / k,
    )


def _image(image: Tensor, k: int) -> Tensor:
    height, width, channels = image.shape
    top, left, rows, columns = _cut(height, k), _cut(width, k), height // k, width // k
    squares = image[top : top + rows * k, left : left + columns * k].reshape(rows, k, columns, k, channels)
    if channels == 3:
        return squares.mean((1, 3))
    alpha = squares[..., 3:].mean((1, 3))
    colors = (squares[..., :3] * squares[..., 3:]).mean((1, 3)) / alpha.clamp_min(1e-6)
    return torch.cat([colors, alpha], -1)
