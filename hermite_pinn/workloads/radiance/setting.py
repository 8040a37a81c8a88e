"""What a radiance field must know about a scene, beside its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from hermite_pinn.errors import CorruptFileError
from hermite_pinn.schema import Entry

from .scene import Scene

__all__ = ["Setting"]

Three = tuple[float, float, float]


@dataclass(frozen=True)
class Setting:
    """Where a radiance field lies, and what is behind it.

    Attributes
    ----------
    lower, upper
        Corners of the scene's box, in units of its world.
    background
        The colour in front of which the scene's pictures stand; None: not known.
    alpha
        Whether pictures have alpha.
    inside
        Whether most cameras stand in the box, so that what is near needs finer steps than what is far.
    pixels
        Along the longest side of the pictures: cells much finer than they can show are trained on noise.

    Examples
    --------
    >>> Setting.of(Scene.render_synthetic(8, train=2, test=1)).inside
    False
    """

    lower: Three
    upper: Three
    background: Three | None
    alpha: bool
    inside: bool
    pixels: int = 128

    @classmethod
    def of(cls, scene: Scene) -> Setting:
        """That of a scene."""
        centres = scene.cameras.centres.detach().to("cpu", torch.float64)
        within = ((centres > scene.lower) & (centres < scene.upper)).all(1)
        x, y, z = scene.lower.tolist()
        u, v, w = scene.upper.tolist()
        alpha = any(image.shape[-1] == 4 for image in scene.views.images)
        pixels = max((max(image.shape[:2]) for image in scene.views.images), default=128)
        return cls((x, y, z), (u, v, w), scene.background, alpha, bool(within.double().mean() > 0.5), pixels)

    @property
    def centre(self) -> Three:
        """Middle of the box."""
        x, y, z = ((a + b) / 2 for a, b in zip(self.lower, self.upper, strict=True))
        return x, y, z

    @property
    def half(self) -> float:
        """Half the longest edge of the box."""
        return max(b - a for a, b in zip(self.lower, self.upper, strict=True)) / 2

    @property
    def cube(self) -> tuple[Three, Three]:
        """Corners of the cube around the box."""
        (x, y, z), h = self.centre, self.half
        return (x - h, y - h, z - h), (x + h, y + h, z + h)

    def describe(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "lower": list(self.lower),
            "upper": list(self.upper),
            "background": None if self.background is None else list(self.background),
            "alpha": self.alpha,
            "inside": self.inside,
            "pixels": self.pixels,
        }

    @classmethod
    def from_description(cls, entry: Entry) -> Setting:
        """Inverse of :meth:`describe`.

        Raises
        ------
        CorruptFileError
            If something is missing or wrong.
        """
        lower, upper = _three(entry.at("lower")), _three(entry.at("upper"))
        if not all(a < b for a, b in zip(lower, upper, strict=True)):
            raise CorruptFileError(f"{entry.source} is damaged: {entry.path} has the box {lower} to {upper}")
        behind = entry.get("background")
        color = None if behind is None else _three(behind)
        return cls(
            lower, upper, color, entry.at("alpha").flag(), entry.at("inside").flag(), entry.at("pixels").integer(1)
        )


def _three(entry: Entry) -> Three:
    x, y, z = (e.number() for e in entry.items(3))
    return x, y, z
