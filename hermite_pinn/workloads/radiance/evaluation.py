"""Views rendered and compared with the true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from .camera import Camera
from .metrics import compare
from .views import View

__all__ = ["Rendered", "evaluated", "mean_measures", "rendered"]

#: The colour in front of which pictures with alpha are compared.
WHITE = (1.0, 1.0, 1.0)
#: Opacity from which on there is something to be shown.
SOLID = 0.5


class Renders(Protocol):
    """What renders pictures with colours, depths and normals."""

    def render(self, camera: Camera, background: Any = None, normals: bool = False, cones: int = 1) -> Any:
        """What a camera sees."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """A view as it was found, and as it is.

    Attributes
    ----------
    image, true
        Colours (h, w, 3); pictures with alpha stand in front of white.
    depth, normals
        (h, w) and (h, w, 3), or None; infinite and zero where less than half of the light is held back.
    measures
        ``"psnr"`` and ``"ssim"``.
    """

    image: Tensor
    true: Tensor
    depth: Tensor
    normals: Tensor | None
    measures: dict[str, float]


def rendered(field: Renders, view: View, normals: bool = False, cones: int = 1) -> Rendered:
    """Render the camera of a view and compare.

    Parameters
    ----------
    field
        A radiance field.
    view
        Its picture is only compared with.
    normals
        Whether to tell normals.
    cones
        Into which pixels are split.
    """
    true = view.image.cpu()
    alpha = true.shape[-1] == 4
    if alpha:
        true = true[..., :3] * true[..., 3:] + (1 - true[..., 3:])
    seen = field.render(view.camera, WHITE if alpha else None, normals, cones)
    solid = seen.opacity >= SOLID
    depth = torch.where(solid, seen.depth, torch.inf)
    faces = None if seen.normals is None else seen.normals * solid[..., None]
    return Rendered(seen.image, true, depth, faces, compare(seen.image, true))


def mean_measures(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Means of PSNR and SSIM over views; NaN of a measure that no view has.

    Examples
    --------
    >>> mean_measures([{"psnr": 20.0, "ssim": 0.5}, {"psnr": 30.0, "ssim": float("nan")}])
    {'psnr': 25.0, 'ssim': 0.5}
    """
    found = {}
    for name in ("psnr", "ssim"):
        known = np.array([row[name] for row in rows], dtype=np.float64)
        known = known[~np.isnan(known)]
        found[name] = float(known.mean()) if known.size else float("nan")
    return found


def evaluated(field: Renders, views: Sequence[View], cones: int = 1) -> dict[str, float]:
    """Mean PSNR and SSIM over views."""
    with torch.no_grad():
        return mean_measures([rendered(field, view, cones=cones).measures for view in views])
