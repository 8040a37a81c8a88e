"""Linear interpolation on a multilevel grid, with derivatives by finite differences: Instant-NGP's for equations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain
from hermite_pinn.schema import Entry

from .encoder import EncoderOptions, Levels
from .hermite_grid import TABLES, HermiteGrid
from .linearization import RowProducts
from .stencils import DIFFERENCES, Stencil, StencilProducts, Steps

__all__ = ["DifferenceGrid"]


@dataclass(frozen=True, eq=False)
class DifferenceGrid(HermiteGrid):
    """Multilinear interpolation whose derivatives are differences of values at taps around a point.

    A field takes the differences of its outputs, behind the head: 2 dim + 1 passes over encoder and head for value,
    gradient and Laplacian.  That is how Instant-NGP's grids have been used for differential equations (INGP-FD) and
    for surfaces (NeuralAngelo, with six or four taps).

    Parameters
    ----------
    differences
        ``"central"``, or ``"tetrahedral"``: four taps, in three dimensions.
    epsilon
        Distance of the taps from the point, in the units of the box; None: one cell of the finest level that is trained
        along every axis, or the longest edge of such a cell where there is one distance for all axes.
    finest
        That level, while finer ones are not trained yet; None for the last.

    Examples
    --------
    >>> from hermite_pinn import Box, Field
    >>> field = Field(encoder="trilinear_fd").build(Box(x=(0, 1)), ["u"], [False], 2)
    >>> field = field.with_tensors({"encoder/table": torch.linspace(0, 1, 32, dtype=torch.float64)})
    >>> field.jets(torch.tensor([[0.5]], dtype=torch.float64), Channels.jet(1, 2)).shape
    torch.Size([1, 3, 1])
    """

    differences: str = "central"
    epsilon: float | None = None
    finest: int | None = None

    name: ClassVar[str] = "trilinear_fd"
    nestable: ClassVar[bool] = False
    takes: ClassVar[frozenset[str]] = TABLES | {"differences", "epsilon"}

    @classmethod
    def basis_of(cls, options: EncoderOptions) -> str:
        """The linear one."""
        return "linear"

    @classmethod
    def derivative_order(cls, options: EncoderOptions, dim: int) -> int:
        """Two, by differences."""
        return 2

    @classmethod
    def planned_grid(
        cls, options: EncoderOptions, domain: Domain, periodic: Sequence[bool], levels: Levels, features: int
    ) -> GridLayout:
        """The layout, on which the differences must have room; see :meth:`Encoder.planned_grid`."""
        layout = super().planned_grid(options, domain, periodic, levels, features)
        _steps(layout, options.differences, options.epsilon)
        return layout

    @classmethod
    def build(
        cls,
        options: EncoderOptions,
        domain: Domain,
        periodic: Sequence[bool],
        levels: Levels,
        features: int,
        generator: torch.Generator | None,
        dtype: torch.dtype,
        device: torch.device,
        seed: int = 0,
    ) -> DifferenceGrid:
        """A table with small random values, or zero; see :class:`Encoder`."""
        plain = super().build(options, domain, periodic, levels, features, generator, dtype, device, seed)
        return cls(plain.layout, plain.table, plain.half, options.differences, options.epsilon)

    def at_level(self, level: int) -> DifferenceGrid:
        """The same grid with differences over the cells of a level, unless the distance was given.

        Raises
        ------
        InvalidArgumentError
            If there is no such level.
        """
        if not 0 <= level < self.levels:
            raise InvalidArgumentError(f"the levels are 0 to {self.levels - 1}, got {level}")
        return replace(self, finest=level if level < self.levels - 1 else None)

    @property
    def highest_order(self) -> int:
        """Two."""
        return 2

    @property
    def order(self) -> int:
        """Two."""
        return 2

    @property
    def summary(self) -> str:
        """See :attr:`Encoder.summary`."""
        return f"{super().summary}, {self.differences} differences"

    def stencil(self, x: torch.Tensor, channels: Channels) -> Stencil | None:
        """The taps; None where no derivative is asked for."""
        if channels.order == 0:
            return None
        steps = _steps(self.layout, self.differences, self.epsilon, self.finest)
        return DIFFERENCES[self.differences](x, channels, steps)

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """See :meth:`Encoder.jets`; differences of the features."""
        stencil = self.stencil(x, channels)
        if stencil is None:
            return super().jets(x, channels)
        values = super().jets(stencil.points, Channels.value(self.dim))
        return stencil.combine(values.flatten(0, 1)).unflatten(0, values.shape[:2])

    def summed_jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """See :meth:`Encoder.summed_jets`; differences of the features."""
        stencil = self.stencil(x, channels)
        if stencil is None:
            return super().summed_jets(x, channels)
        return stencil.combine(super().summed_jets(stencil.points, Channels.value(self.dim)))

    def recalled_jets(
        self, x: torch.Tensor, channels: Channels, known: torch.Tensor, index: torch.Tensor
    ) -> torch.Tensor:
        """See :meth:`Encoder.recalled_jets`; computed again, since gradients by points are differences."""
        return self.jets(x, channels)

    def tensor_jets(self, axes: Sequence[np.ndarray], channels: Channels) -> torch.Tensor | None:
        """See :meth:`Encoder.tensor_jets`: of values only."""
        return super().tensor_jets(axes, channels) if channels.order == 0 else None

    def linearized(self, x: torch.Tensor, channels: Channels, weights: torch.Tensor) -> RowProducts:
        """See :meth:`Encoder.linearized`."""
        stencil = self.stencil(x, channels)
        if stencil is None:
            return super().linearized(x, channels, weights)
        inner = super().linearized(stencil.points, Channels.value(self.dim), stencil.spread(weights))
        return StencilProducts(inner, stencil.taps, x.shape[1])

    def describe(self) -> dict[str, Any]:
        """See :meth:`Encoder.describe`."""
        return super().describe() | {
            "differences": self.differences,
            "epsilon": self.epsilon,
            "finest": self.finest,
        }

    @classmethod
    def from_description(cls, described: Entry, tree: Entry) -> DifferenceGrid:
        """See :meth:`Encoder.from_description`."""
        plain = super().from_description(described, tree)
        if plain.layout.basis != "linear":
            raise described.at("layout").refuse("a grid of the linear basis")
        epsilon, kind = described.get("epsilon"), described.at("differences").text(DIFFERENCES)
        size, finest = None if epsilon is None else epsilon.number(0.0), described.get("finest")
        level = None if finest is None else finest.integer(0, plain.levels - 1)
        try:
            _steps(plain.layout, kind, size, level)
        except InvalidArgumentError as error:
            raise described.refuse(f"differences that fit the grid: {error}") from error
        return cls(plain.layout, plain.table, plain.half, kind, size, level)


def _cells(layout: GridLayout, level: int) -> tuple[float, ...]:
    """Edges of a cell of a level."""
    return tuple(length / n for length, n in zip(layout.lengths, layout.resolutions[level], strict=True))


def _steps(layout: GridLayout, differences: str, epsilon: float | None, finest: int | None = None) -> Steps:
    """Where differences are taken; levels finer than ``finest`` do not count."""
    if differences == "tetrahedral" and layout.dim != 3:
        raise InvalidArgumentError(
            f"tetrahedral differences are for three axes, got {layout.dim}; use differences='central'"
        )
    levels = range(layout.levels if finest is None else finest + 1)
    sizes = tuple(map(min, zip(*(_cells(layout, level) for level in levels), strict=True)))
    if epsilon is not None or differences == "tetrahedral":
        sizes = (max(sizes) if epsilon is None else epsilon,) * layout.dim
    if not min(sizes) > 0:
        raise InvalidArgumentError(f"differences need a positive epsilon, got {epsilon!r}")
    return Steps(layout.lower, layout.upper, sizes, layout.periodic)
