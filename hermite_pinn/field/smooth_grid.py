"""Grids of values read by smooth weights, without stored derivatives."""

from __future__ import annotations

from typing import ClassVar

from .encoder import EncoderOptions
from .hermite_grid import TABLES, HermiteGrid

__all__ = ["WEIGHTS", "SmoothGrid"]

#: Smooth weights by the name that ``hp.Field(weights=...)`` takes, and the basis of the kernels that has them.
WEIGHTS = {"cosine": "cosine", "smoothstep": "smoothstep"}


class SmoothGrid(HermiteGrid):
    """A multilevel grid of values whose weights have zero slope at vertices: Heo et al. (2023), or smoothstep.

    Examples
    --------
    >>> import torch
    >>> from hermite_pinn import Box, Field
    >>> field = Field(encoder="smooth", weights="smoothstep").build(Box(x=(0, 1)), ["u"], [False], 2)
    >>> field.encoder.name, field.layout.basis
    ('smooth', 'smoothstep')
    """

    name: ClassVar[str] = "smooth"
    nestable: ClassVar[bool] = False
    takes: ClassVar[frozenset[str]] = TABLES | {"weights"}

    @classmethod
    def basis_of(cls, options: EncoderOptions) -> str:
        """That of the weights."""
        return WEIGHTS[options.weights]
