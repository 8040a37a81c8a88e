"""Pictures with their cameras, ready to be drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from hermite_pinn.checks import instance, integer
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.run.device import choose_device

from .camera import Camera, Cameras, rays_of
from .pixel_store import PixelStore
from .rays import Rays

__all__ = ["Draw", "View", "Views"]

#: By how much colours may lie outside of 0 to 1, as means and resampling leave them.
SLACK = 1e-2


@dataclass(frozen=True, eq=False)
class View:
    """A picture with its camera.

    Attributes
    ----------
    name
        Name of the picture.
    camera
        Its camera.
    image
        Colours between 0 and 1, (height, width, 3), or (height, width, 4) with alpha, which is not multiplied into
        them.
    depth
        Lengths (height, width) along the rays of the pixels up to the first surface, infinite where there is none.
        None: not known.
    """

    name: str
    camera: Camera
    image: Tensor
    depth: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Draw:
    """Random pixels with their rays and colours.

    Attributes
    ----------
    rays
        The n rays through the pixels.
    colors
        Colours (n, c).
    views
        Indices (n,) of the pictures.
    pixels
        Centres (n, 2) of the pixels, as (x, y).
    """

    rays: Rays
    colors: Tensor
    views: Tensor
    pixels: Tensor


class Views(Sequence[View]):
    """Pictures with their cameras, of one size or several.

    Parameters
    ----------
    cameras
        One per picture.
    images
        Colours between 0 and 1: tensors (height, width, c) of one type, c = 3 or 4 for all.
    names
        Names of the pictures.  Default: their indices.
    depths
        Depths of the pictures, see :class:`View`.  Default: not known.

    Raises
    ------
    InvalidArgumentError
        If the numbers of cameras, images, names or depths differ, the sizes of a picture and its camera differ, or
        colours are not between 0 and 1.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import Intrinsics, scattered_poses
    >>> cameras = Cameras(Intrinsics.of_view_angle(4, 2, 1.0), scattered_poses(2, 3.0))
    >>> views = Views(cameras, [torch.zeros(2, 4, 3), torch.ones(2, 4, 3)])
    >>> draw = views.sample(100, torch.Generator().manual_seed(0))
    >>> bool((draw.colors[:, 0] == draw.views).all()), len(draw.rays)
    (True, 100)
    """

    def __init__(
        self,
        cameras: Cameras,
        images: Sequence[Tensor],
        names: Sequence[str] | None = None,
        depths: Sequence[Tensor] | None = None,
    ) -> None:
        self.cameras = instance("cameras", cameras, Cameras, "hermite_pinn.radiance.Cameras")
        self.images = tuple(images)
        self.names = tuple(str(k) for k in range(len(self.images))) if names is None else tuple(names)
        self.depths = None if depths is None else tuple(depths)
        counts = {len(cameras), len(self.images), len(self.names)} | ({len(self.depths)} if self.depths else set())
        if len(counts) > 1 and (len(self.images) or len(cameras)):
            raise InvalidArgumentError(
                f"cameras, images and names must be as many, got {len(cameras)}, {len(self.images)} and {len(self.names)}"
            )
        kinds = set()
        for name, image, camera in zip(self.names, self.images, cameras, strict=True):
            instance(f"the image {name}", image, Tensor, "a tensor")
            if (
                image.ndim != 3
                or image.shape[-1] not in (3, 4)
                or tuple(image.shape[:2]) != (camera.height, camera.width)
            ):
                raise InvalidArgumentError(
                    f"the image {name} must be of shape ({camera.height}, {camera.width}, 3 or 4) for its camera, got {tuple(image.shape)}"
                )
            _check_colors(name, image)
            kinds.add((image.shape[-1], image.dtype, image.device))
        if len(kinds) > 1:
            raise InvalidArgumentError("images must all have alpha or none, and one type and device")
        self._colors, self._starts = _joined(self.images)
        self.images = tuple(
            self._colors[start : start + camera.height * camera.width].view(camera.height, camera.width, -1)
            for start, camera in zip(self._starts.tolist(), cameras, strict=True)
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, chosen: Any) -> Any:
        """One view by its number, or several by a slice."""
        if isinstance(chosen, slice):
            return self.take(range(len(self))[chosen])
        depth = None if self.depths is None else self.depths[chosen]
        return View(self.names[chosen], self.cameras[chosen], self.images[chosen], depth)

    def take(self, chosen: Sequence[int]) -> Views:
        """Return the pictures of some indices."""
        depths = None if self.depths is None else [self.depths[k] for k in chosen]
        return Views(
            self.cameras.take(chosen), [self.images[k] for k in chosen], [self.names[k] for k in chosen], depths
        )

    def moved(self, poses: Any) -> Views:
        """Return the same pictures with other poses (n, 3, 4)."""
        return Views(self.cameras.moved(poses), self.images, self.names, self.depths)

    @property
    def pixels(self) -> int:
        """Number of pixels of all pictures."""
        return sum(self._sizes)

    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        poses: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device | None = None,
    ) -> Draw:
        """Draw random pixels of all pictures, each with the same probability.

        Parameters
        ----------
        count
            Number of pixels.
        generator
            Generator of the random numbers.  Default: that of PyTorch.
        poses
            Poses (n, 3, 4) in place of those of the cameras, for instance while these are refined.  Rays are
            differentiable with respect to them.
        dtype
            Type of the rays.
        device
            Device on which pixels are looked up; a GPU keeps cameras and, where there is room, pictures.  None: rays
            are computed on the CPU, and colours where the images are.

        Raises
        ------
        InvalidArgumentError
            If there are no pictures, or poses or the device are invalid.
        BackendUnavailableError
            If the device is a GPU that does not exist.
        """
        count = integer("count", count, least=1, most=1 << 30)
        if not len(self):
            raise InvalidArgumentError("there are no pictures to draw from; choose another split of the scene")
        place = None if device is None else choose_device(device)
        store = self._store(place)
        flat = torch.randint(self.pixels, (count,), generator=generator).to(store.ends.device)
        views = flat // self._even if self._even else store.views_of(flat)
        inner = flat - store.firsts.index_select(0, views)
        stored = inner + store.starts.index_select(0, views)
        colors = store.colors.index_select(0, stored.to(store.colors.device))
        places = store.poses if poses is None else poses.to(flat.device)
        if tuple(places.shape) != (len(self), 3, 4):
            raise InvalidArgumentError(f"poses must be of shape ({len(self)}, 3, 4), got {tuple(places.shape)}")
        kinds = store.kind.index_select(0, views)
        rows, widths = inner + store.rows.index_select(0, kinds), store.widths.index_select(0, kinds)
        lines = inner // widths
        pixels = torch.stack([inner - lines * widths, lines], 1) + 0.5
        directions, radii = (a.index_select(0, rows).to(places) for a in (store.directions, store.radii))
        rays = rays_of(places.index_select(0, views), directions, radii, dtype)
        return Draw(rays, colors if place is None else colors.to(place), views, pixels)

    @cached_property
    def _sizes(self) -> list[int]:
        """Numbers of pixels of the pictures."""
        return [image.shape[0] * image.shape[1] for image in self.images]

    @cached_property
    def _even(self) -> int:
        """Number of pixels of every picture; 0 if they differ."""
        return self._sizes[0] if len(set(self._sizes)) == 1 else 0

    @cached_property
    def _stores(self) -> dict[torch.device, PixelStore]:
        """What was asked for, by device."""
        return {}

    def _store(self, device: torch.device | None) -> PixelStore:
        """What a draw reads, on a device."""
        place = torch.device("cpu") if device is None else device
        if place not in self._stores:
            plain = PixelStore.of(self.cameras, self._sizes, self._starts, self._colors)
            self._stores[place] = plain if device is None else plain.to(place)
        return self._stores[place]


def _check_colors(name: str, image: Tensor) -> None:
    """Refuse what are no colours between 0 and 1."""
    if not image.is_floating_point():
        raise InvalidArgumentError(
            f"the image {name} must be of floating-point numbers between 0 and 1, got {image.dtype}; divide integers by their largest"
        )
    low, high = (float(end) for end in image.aminmax())
    if not (low >= -SLACK and high <= 1 + SLACK):
        raise InvalidArgumentError(
            f"colours of the image {name} must be between 0 and 1, got values from {low:g} to {high:g}; scale or mend the picture"
        )


def _joined(images: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Colours (n, c) of all pixels of pictures, and where each begins.

    Pictures that already lie in one piece of memory, such as parts of another set, are not copied.
    """
    if not images:
        return torch.empty(0, 3), torch.empty(0, dtype=torch.int64)
    first = images[0].detach()
    channels, storage = first.shape[-1], first.untyped_storage()
    shared = all(
        image.is_contiguous()
        and image.untyped_storage().data_ptr() == storage.data_ptr()
        and image.storage_offset() % channels == 0
        for image in images
    )
    if shared:
        rows = storage.nbytes() // first.element_size() // channels
        starts = [image.storage_offset() // channels for image in images]
        return first.as_strided((rows, channels), (channels, 1), 0), torch.tensor(starts)
    colors = torch.cat([image.detach().reshape(-1, channels) for image in images])
    ends = torch.tensor([image.shape[0] * image.shape[1] for image in images]).cumsum(0)
    return colors, torch.cat([ends.new_zeros(1), ends[:-1]])
