"""Grids of values without stored derivatives: smooth weights, their gradients alone, and cubics through four values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.geometry import Domain

from .encoder import EncoderOptions, Levels
from .hermite_grid import TABLES, HermiteGrid

__all__ = ["WEIGHTS", "CubicGrid", "SmoothGrid", "StraightThroughGrid"]

#: Smooth weights by the name that ``hp.Field(weights=...)`` takes, and the basis of the kernels that has them.
WEIGHTS = {"cosine": "cosine", "smoothstep": "smoothstep", "cosine_product": "cosine_product"}


class SmoothGrid(HermiteGrid):
    """A multilevel grid of values whose weights have zero slope at vertices: Heo et al. (2023), or smoothstep.

    ``"cosine"`` and ``"smoothstep"`` act on every axis: C1, and the weights of a cell sum up to 1.
    ``"cosine_product"`` acts on the product over the axes, as in the paper: from two axes on the weights sum up to less
    inside a cell (0.821 and 0.616 on average in two and three dimensions), and slopes across faces of cells jump.

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


class StraightThroughGrid(HermiteGrid):
    """Multilinear values with gradients, by the points, of smooth weights (Heo et al., 2023).

    With w the multilinear weight of a corner, values take w and first derivatives those of
    ``w + blend (1 - cos(pi w)) / 2``.  There are no second derivatives.

    Examples
    --------
    >>> from hermite_pinn import Box, Field
    >>> Field(encoder="straight_through", blend=0.5).build(Box(x=(0, 1)), ["u"], [False], 2).layout.blend
    0.5
    """

    name: ClassVar[str] = "straight_through"
    nestable: ClassVar[bool] = False
    takes: ClassVar[frozenset[str]] = TABLES | {"blend"}

    @classmethod
    def basis_of(cls, options: EncoderOptions) -> str:
        """The one of this name."""
        return "straight_through"

    @classmethod
    def planned_grid(
        cls, options: EncoderOptions, domain: Domain, periodic: Sequence[bool], levels: Levels, features: int
    ) -> GridLayout:
        """The layout, which holds the share of the smooth weights."""
        return replace(super().planned_grid(options, domain, periodic, levels, features), blend=options.blend)


class CubicGrid(HermiteGrid):
    """Cubics through four values per axis, whose slopes at vertices are differences (Catmull and Rom, 1974).

    C1 without stored derivatives; next to faces the slopes are one-sided, so that quadratics are reproduced.

    Examples
    --------
    >>> from hermite_pinn import Box, Field
    >>> Field(encoder="cubic").build(Box(x=(0, 1)), ["u"], [False], 2).layout.basis
    'catmull_rom'
    """

    name: ClassVar[str] = "cubic"
    nestable: ClassVar[bool] = False
    takes: ClassVar[frozenset[str]] = TABLES

    @classmethod
    def basis_of(cls, options: EncoderOptions) -> str:
        """That of Catmull and Rom."""
        return "catmull_rom"
