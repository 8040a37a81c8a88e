"""Cameras: intrinsics at a place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import torch
from torch import Tensor

from hermite_pinn.checks import instance, items
from hermite_pinn.errors import InvalidArgumentError

from .intrinsics import Intrinsics
from .poses import rigid
from .rays import Rays

__all__ = ["Camera", "Cameras", "rays_of"]

#: How far the matrix of a pose may be from a rotation: what steps of an optimiser in float32 leave.
LOOSE = 1e-4
FLOATS = (torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera: intrinsics and a pose.

    Attributes
    ----------
    intrinsics
        Focal lengths, centre, size and lens.
    pose
        Matrix (3, 4) from the camera (x right, y up, view along -z) to the world; a float32 or float64 tensor, by
        default float64.  Rays and projections are differentiable with respect to it.

    Raises
    ------
    InvalidProblemError
        If the pose is not a rotation and a shift, or not finite.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import Camera, Intrinsics, look_at
    >>> camera = Camera(Intrinsics.of_view_angle(4, 2, 1.0), look_at((0, -3, 0)))
    >>> rays = camera.rays()
    >>> len(rays), camera.project(rays.at(torch.full((8,), 3.0)))[5].numpy().round(5).tolist()
    (8, [1.5, 1.5])
    """

    intrinsics: Intrinsics
    pose: Tensor

    def __post_init__(self) -> None:
        instance("intrinsics", self.intrinsics, Intrinsics, "hermite_pinn.radiance.Intrinsics")
        object.__setattr__(self, "pose", _poses("pose", self.pose, 2))

    @property
    def width(self) -> int:
        """Number of pixels along x."""
        return self.intrinsics.width

    @property
    def height(self) -> int:
        """Number of pixels along y."""
        return self.intrinsics.height

    @property
    def centre(self) -> Tensor:
        """Position of the camera, (3,)."""
        return self.pose[:, 3]

    def rays(self, pixels: Any = None, dtype: torch.dtype = torch.float32) -> Rays:
        """Return the rays through pixels.

        Parameters
        ----------
        pixels
            Positions (n, 2) as (x, y), where the centre of the first pixel is (0.5, 0.5).  Default: the centres of all
            pixels, row by row.
        dtype
            Type of the rays, which are computed in that of the pose.

        Raises
        ------
        InvalidProblemError
            If the distortion of the lens cannot be inverted at a pixel.
        """
        if pixels is None:
            local, radius = self.intrinsics.table
        else:
            local, radius = self.intrinsics.directions(_pixels(pixels))
        pose = self.pose
        return rays_of(pose.expand(len(local), 3, 4), local.to(pose), radius.to(pose), dtype)

    def project(self, points: Any) -> Tensor:
        """Return the pixels (n, 2) at which points (n, 3) of the world are seen, in the image or beside it.

        Points that the lens does not see give NaN.
        """
        x = torch.as_tensor(points).to(self.pose)
        if x.ndim != 2 or x.shape[1] != 3:
            raise InvalidArgumentError(f"points must be of shape (n, 3), got {tuple(x.shape)}")
        return self.intrinsics.pixels(self._local(x))

    def depth(self, points: Any) -> Tensor:
        """Return the distances (n,) of points (n, 3) along the axis of the lens, negative behind the camera."""
        return self._local(torch.as_tensor(points).to(self.pose))[:, 2]

    def _local(self, points: Tensor) -> Tensor:
        """Points in the axes of the lens."""
        inverse = torch.linalg.inv(self.pose[:, :3])
        return ((points - self.pose[:, 3]) @ inverse.T) * _turned(points)

    def resized(self, width: int, height: int) -> Camera:
        """Return the camera with another number of pixels; see :meth:`Intrinsics.resized`."""
        return replace(self, intrinsics=self.intrinsics.resized(width, height))

    def moved(self, pose: Any) -> Camera:
        """Return the camera with another pose (3, 4)."""
        return replace(self, pose=pose)


class Cameras(Sequence[Camera]):
    """A sequence of cameras, whose rays are computed together.

    Parameters
    ----------
    intrinsics
        One for all cameras, or one per camera.
    poses
        Matrices (n, 3, 4), see :class:`Camera`.

    Raises
    ------
    InvalidArgumentError
        If the numbers of intrinsics and poses differ.
    InvalidProblemError
        If a pose is not a rotation and a shift, or not finite.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import Cameras, Intrinsics, scattered_poses
    >>> cameras = Cameras(Intrinsics.of_view_angle(4, 2, 1.0), scattered_poses(5, 3.0))
    >>> len(cameras), cameras[1:3].centres.shape
    (5, torch.Size([2, 3]))
    >>> rays = cameras.rays(torch.tensor([0, 4]), torch.tensor([[0.5, 0.5], [2.0, 1.0]]))
    >>> rays.direction.shape
    torch.Size([2, 3])
    """

    def __init__(self, intrinsics: Intrinsics | Sequence[Intrinsics], poses: Any) -> None:
        self.poses = _poses("poses", poses, 3)
        several = [intrinsics] if isinstance(intrinsics, Intrinsics) else items("intrinsics", intrinsics, "intrinsics")
        for one in several:
            instance("intrinsics", one, Intrinsics, "hermite_pinn.radiance.Intrinsics, or a list of them")
        if isinstance(intrinsics, Intrinsics):
            several = several * len(self.poses)
        if len(several) != len(self.poses):
            raise InvalidArgumentError(
                f"intrinsics and poses must be as many, got {len(several)} and {len(self.poses)}; give one for all, or one per pose"
            )
        kinds = {one: number for number, one in enumerate(dict.fromkeys(several))}
        #: Different intrinsics, and which of them each camera has, (n,).
        self.kinds = tuple(kinds)
        self.kind = torch.tensor([kinds[one] for one in several], dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.poses)

    @overload
    def __getitem__(self, chosen: int) -> Camera: ...
    @overload
    def __getitem__(self, chosen: slice) -> Cameras: ...
    def __getitem__(self, chosen: int | slice) -> Camera | Cameras:
        if isinstance(chosen, slice):
            return self.take(range(len(self))[chosen])
        return Camera(self.kinds[int(self.kind[chosen])], self.poses[chosen])

    def __iter__(self) -> Iterator[Camera]:
        return (self[number] for number in range(len(self)))

    def take(self, chosen: Sequence[int]) -> Cameras:
        """Return the cameras of some indices."""
        return Cameras([self.kinds[int(self.kind[k])] for k in chosen], self.poses[list(chosen)])

    @property
    def centres(self) -> Tensor:
        """Positions of the cameras, (n, 3)."""
        return self.poses[:, :, 3]

    def moved(self, poses: Any) -> Cameras:
        """Return the cameras with other poses (n, 3, 4)."""
        return Cameras([self.kinds[int(k)] for k in self.kind], poses)

    def rays(self, views: Any, pixels: Any, dtype: torch.dtype = torch.float32) -> Rays:
        """Return rays through pixels of several cameras.

        Parameters
        ----------
        views
            Indices (n,) of the cameras.
        pixels, dtype
            As for :meth:`Camera.rays`, with one pixel (n, 2) per index.

        Raises
        ------
        InvalidArgumentError
            If an index is out of range.
        InvalidProblemError
            If the distortion of a lens cannot be inverted at a pixel.
        """
        numbers, places = torch.as_tensor(views), _pixels(pixels)
        if numbers.dtype.is_floating_point or numbers.shape != places.shape[:1]:
            raise InvalidArgumentError(
                f"views must be integers (n,), as many as pixels, got {numbers.dtype} numbers of shape {tuple(numbers.shape)} for {len(places)} pixels"
            )
        if len(numbers) and not 0 <= int(numbers.min()) <= int(numbers.max()) < len(self):
            raise InvalidArgumentError(f"views must be numbers from 0 to {len(self) - 1}, the last camera")
        kind = self.kind[numbers]
        local, radius = places.new_empty(len(places), 3), places.new_empty(len(places))
        for number, intrinsics in enumerate(self.kinds):
            mine = (kind == number).nonzero()[:, 0]
            if len(mine):
                local[mine], radius[mine] = intrinsics.directions(places[mine])
        poses = self.poses[numbers]
        return rays_of(poses, local.to(poses), radius.to(poses), dtype)


def _turned(like: Tensor) -> Tensor:
    return like.new_tensor([1.0, -1.0, -1.0])


def rays_of(poses: Tensor, local: Tensor, radius: Tensor, dtype: torch.dtype) -> Rays:
    """Rays of directions (n, 3) in the axes of lenses, each with its pose (n, 3, 4)."""
    direction = torch.einsum("nij,nj->ni", poses[:, :, :3], local * _turned(local))
    direction = direction / torch.linalg.vector_norm(direction, dim=1, keepdim=True)
    return Rays(poses[:, :, 3].to(dtype).contiguous(), direction.to(dtype).contiguous(), radius.to(dtype).contiguous())


def _pixels(pixels: Any) -> Tensor:
    try:
        places = torch.as_tensor(pixels).to(torch.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InvalidArgumentError(f"pixels must be numbers of shape (n, 2), got {type(pixels).__name__}") from error
    if places.ndim != 2 or places.shape[1] != 2 or not bool(torch.isfinite(places).all()):
        raise InvalidArgumentError(
            f"pixels must be finite numbers of shape (n, 2), got the shape {tuple(places.shape)}"
        )
    return places


def _poses(name: str, given: Any, axes: int) -> Tensor:
    """Poses as a tensor (3, 4), or (n, 3, 4), each of which is a rotation and a shift."""
    shape = "(3, 4)" if axes == 2 else "(n, 3, 4)"
    try:
        poses = given if isinstance(given, Tensor) else torch.as_tensor(given, dtype=torch.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InvalidArgumentError(f"{name} must be numbers of shape {shape}, got {type(given).__name__}") from error
    if poses.ndim != axes or tuple(poses.shape[-2:]) != (3, 4) or poses.dtype not in FLOATS:
        raise InvalidArgumentError(
            f"{name} must be float32 or float64 numbers of shape {shape}, got {poses.dtype} of shape {tuple(poses.shape)}"
        )
    plain = poses.detach().to("cpu", torch.float64).reshape(-1, 3, 4).numpy()
    for number, pose in enumerate(plain):
        rigid(name if axes == 2 else f"{name}[{number}]", pose, LOOSE)
    return poses
