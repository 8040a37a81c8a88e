"""Which cameras see something in common."""

from __future__ import annotations

import torch
from torch import Tensor

from .camera import Camera, Cameras

__all__ = ["isolated"]

#: Rays along each side of a picture, places along each of them, places of all, and most cameras that are compared.
ACROSS, ALONG, PLACES, MOST = 7, 12, 8192, 500


def isolated(cameras: Cameras, lower: Tensor, upper: Tensor) -> list[int]:
    """Numbers of the cameras that see no place of a box that another one sees, too.

    Nothing hides anything here, and only some places on some rays are tried: cameras that look at the same thing are
    not told from those that look at its two sides.  Of more than 500 cameras none is said to be isolated.

    Parameters
    ----------
    cameras
        In a world.
    lower, upper
        Corners (3,) of the box, float64.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import Intrinsics, look_at
    >>> poses = [look_at((0, -3, 0)), look_at((3, 0, 0)), look_at((0, 3, 0), (0, 6, 0))]
    >>> cameras = Cameras(Intrinsics.of_view_angle(8, 8, 0.5), torch.stack([torch.as_tensor(p) for p in poses]))
    >>> isolated(cameras, -torch.ones(3).double(), torch.ones(3).double())
    [2]
    """
    if len(cameras) > MOST:
        return []
    stride = -(-len(cameras) * ACROSS**2 * ALONG // PLACES)
    places = torch.cat([_places(camera, lower, upper)[::stride] for camera in cameras])
    seen = torch.stack([_sees(camera, places) for camera in cameras])
    alone = ~(seen & (seen.sum(0) > 1)).any(1)
    return [int(number) for number in alone.nonzero()]


def _places(camera: Camera, lower: Tensor, upper: Tensor) -> Tensor:
    """Places (n, 3) of a box that a camera sees."""
    share = torch.linspace(0, 1, ACROSS, dtype=torch.float64)
    pixels = 0.5 + torch.cartesian_prod(share, share) * torch.tensor([camera.width - 1, camera.height - 1])
    rays = camera.rays(pixels, torch.float64)
    near, far = rays.span(lower, upper)
    meets = near < far
    steps = (torch.arange(ALONG, dtype=torch.float64) + 0.5) / ALONG
    lengths = near[meets, None] + (far - near)[meets, None] * steps
    return (rays.origin[meets, None] + lengths[..., None] * rays.direction[meets, None]).reshape(-1, 3)


def _sees(camera: Camera, places: Tensor) -> Tensor:
    """Which of some places a camera sees."""
    pixels = camera.project(places)
    size = pixels.new_tensor([camera.width, camera.height])
    return ((pixels >= 0) & (pixels <= size)).all(1)
