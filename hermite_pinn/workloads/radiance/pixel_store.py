"""What a draw of random pixels reads, on one device."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from .camera import Cameras

__all__ = ["PixelStore"]

#: Part of a GPU's free memory that pictures may take.
SHARE = 1 / 4


@dataclass(frozen=True, eq=False)
class PixelStore:
    """Pixels of all pictures, numbered one picture after another.

    Attributes
    ----------
    ends, firsts
        Number of pixels up to the end of each picture, and in front of it, (pictures,).
    starts
        Where the pixels of each picture begin in ``colors``, (pictures,).
    kind
        Number of its kind of camera, (pictures,).
    rows, widths
        Where the pixels of each kind begin in ``directions``, and pixels in a line, (kinds,).
    directions, radii
        Of all pixels of all kinds of cameras in the axes of the lens, (n, 3) and (n,), float32.
    poses
        (pictures, 3, 4).
    colors
        (n, c); on the CPU where a GPU has little room for them.
    """

    ends: Tensor
    firsts: Tensor
    starts: Tensor
    kind: Tensor
    rows: Tensor
    widths: Tensor
    directions: Tensor
    radii: Tensor
    poses: Tensor
    colors: Tensor

    @classmethod
    def of(cls, cameras: Cameras, sizes: list[int], starts: Tensor, colors: Tensor) -> PixelStore:
        """On the CPU, but for the colours, which stay where they are; pictures have ``sizes`` pixels."""
        ends = torch.tensor(sizes, dtype=torch.int64).cumsum(0)
        kinds = [kind.width * kind.height for kind in cameras.kinds]
        tables = [kind.table for kind in cameras.kinds]
        return cls(
            ends=ends,
            firsts=torch.cat([ends.new_zeros(1), ends[:-1]]),
            starts=starts,
            kind=cameras.kind,
            rows=torch.tensor([0, *kinds]).cumsum(0)[:-1],
            widths=torch.tensor([kind.width for kind in cameras.kinds]),
            directions=torch.cat([t[0] for t in tables]).float(),
            radii=torch.cat([t[1] for t in tables]).float(),
            poses=cameras.poses,
            colors=colors,
        )

    def to(self, device: torch.device) -> PixelStore:
        """A copy on another device."""
        moved: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        colors = moved.pop("colors")
        if device.type == "cuda" and colors.nbytes > SHARE * torch.cuda.mem_get_info(device)[0]:
            return PixelStore(**{name: value.to(device) for name, value in moved.items()}, colors=colors)
        return PixelStore(**{name: value.to(device) for name, value in moved.items()}, colors=colors.to(device))

    def views_of(self, flat: Tensor) -> Tensor:
        """The pictures of pixels (n,), int64."""
        return torch.bucketize(flat, self.ends, right=True)
