"""Radiance fields on sparse octrees: features at the corners of the cells in which something is seen."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.rays.cascades import Cascades
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.field.appended import Appended
from hermite_pinn.field.field import Field
from hermite_pinn.field.hermite_grid import HermiteGrid
from hermite_pinn.field.octree import Occupancy, Octree
from hermite_pinn.field.summed import Summed

from .encoding import Encoded, kind_of
from .grid_model import GridModel
from .grid_options import GridOptions
from .instant_ngp import InstantNGP
from .model import Recipe
from .setting import Setting

__all__ = ["OctreeModel", "OctreeRecipe", "marched_level"]

#: Standard deviation of the first features.
STD = 0.01


@dataclass(frozen=True)
class OctreeRecipe(Recipe):
    """A radiance field on a sparse octree that is known before, from another field or from depths.

    Features lie at the corners of cells, are multilinear in a cell, and are summed over the levels; the networks read
    the sum and the coordinates.  Samples are marched through the cells of the finest level that is no finer than the
    occupancy grid.

    Parameters
    ----------
    coarsest
        Cells per axis of the coarsest level, in the cube around the scene's box.
    masks
        Of every level but the finest, which parts of its cells the next one has: deflated, in base 64.
    levels
        That have features, from the coarsest on; cells of finer ones only tell where samples are marched.
    features
        Of a corner.
    networks
        Settled options of the networks, the march and the background.

    Raises
    ------
    CorruptFileError
        If masks are not those of an octree.

    Examples
    --------
    >>> from hermite_pinn.field.octree import Everywhere
    >>> tree = Octree.of(Everywhere(), (0.0,) * 3, (1.0,) * 3, (2, 2, 2), 2)
    >>> recipe = OctreeRecipe.of(tree, 2, 4, InstantNGP(cells=8, cascades=1))
    >>> recipe.tree.resolutions, len(recipe.masks)
    (((2, 2, 2), (4, 4, 4)), 1)
    """

    coarsest: tuple[int, int, int]
    masks: tuple[str, ...]
    levels: int
    features: int
    networks: InstantNGP

    name: ClassVar[str] = "octree"

    @classmethod
    def of(cls, tree: Octree, levels: int, features: int, networks: InstantNGP) -> OctreeRecipe:
        """The recipe of an octree."""
        masks = tuple(
            base64.b64encode(zlib.compress(tree.masks(level), 9)).decode() for level in range(tree.levels - 1)
        )
        x, y, z = tree.coarsest
        return cls((x, y, z), masks, levels, features, networks)

    @cached_property
    def tree(self) -> Octree:
        """The cells of all levels."""
        tree = Octree.whole(self.coarsest)
        for text in self.masks:
            inflate = zlib.decompressobj()
            try:
                found = inflate.decompress(base64.b64decode(text), len(tree.cells[-1]) + 1)
            except (ValueError, zlib.error) as error:
                raise CorruptFileError(f"the masks of an octree are damaged: {error}") from error
            tree = tree.refined(found)
        return tree

    @property
    def numbers(self) -> int:
        """See :class:`Recipe`: the occupancy grid and the networks."""
        return self.networks.numbers

    def settled(self, setting: Setting, device: torch.device) -> OctreeRecipe:
        """See :meth:`Recipe.settled`."""
        return replace(self, networks=self.networks.settled(setting, device))

    def make(
        self, setting: Setting, generator: torch.Generator, dtype: torch.dtype, device: torch.device
    ) -> OctreeModel:
        """See :meth:`Recipe.make`."""
        names = GridOptions.__dataclass_fields__
        options = GridOptions(**{name: getattr(self.networks, name) for name in names})
        return OctreeModel(self, kind_of("linear"), options, setting, generator, dtype, device)


class OctreeModel(GridModel):
    """What :class:`OctreeRecipe` makes; occupied are the cells of its octree, and stay so."""

    recipe: OctreeRecipe

    def __init__(
        self,
        recipe: OctreeRecipe,
        kind: Field,
        options: GridOptions,
        setting: Setting,
        generator: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__(recipe, kind, options, setting, generator, dtype, device)
        lower, upper = setting.cube
        there = occupied(recipe.tree, lower, upper, self.occupied.grid.cascades)
        self.occupied.grid.hide(torch.from_numpy(~there).to(device))
        self.occupied.bits = self.occupied.grid.bits

    @property
    def layout(self) -> GridLayout:
        """Of the features."""
        lower, upper = self.setting.cube
        tree = self.recipe.tree.prefix(self.recipe.levels)
        return GridLayout(
            lower, upper, tree.resolutions, "linear", self.recipe.features, None, (False,) * 3, tree.listed
        )

    def _encoding(self, kind: Field, generator: torch.Generator) -> Encoded:
        layout = self.layout
        table = torch.randn(layout.size, generator=generator, dtype=self.dtype).mul_(STD)
        return Encoded(Appended(Summed(HermiteGrid(layout, table)), (0, 1, 2)), self.dtype, self.device)

    def advance(self, step: int, progress: float, generator: torch.Generator) -> None:
        """Nothing: the cells are known."""


def occupied(tree: Octree, lower: tuple[float, ...], upper: tuple[float, ...], cascades: Cascades) -> np.ndarray:
    """Which cells of cascades the octree of a box has, on its finest level that is no finer than they are.

    Returns
    -------
    ndarray
        bool, (cascades, cells^3), in the order of :meth:`.Cascades.points`.
    """
    level = marched_level(tree.coarsest, tree.levels, cascades.cells, cascades.count)
    whole = np.zeros(tree.resolutions[level], dtype=bool)
    whole[tuple(tree.cells[level].T)] = True
    known = Occupancy(whole, lower, upper)
    cube = cascades.cells**3
    rows = []
    for number in range(cascades.count):
        size = np.full(3, cascades.width(number) * (1 - 1e-3))  # neighbours are not meant
        middle = cascades.points(torch.arange(cube) + number * cube).double().numpy().T
        rows.append(known.wanted(middle - size / 2, size))
    return np.stack(rows)


def marched_level(coarsest: Sequence[int], levels: int, cells: int, cascades: int) -> int:
    """Of an octree's levels the finest that is no finer than the cells of the finest cascade, or the coarsest.

    Examples
    --------
    >>> marched_level((16, 16, 16), 4, 64, 1)
    2
    """
    most = cells << (cascades - 1)
    return max([0, *(k for k in range(levels) if max(coarsest) << k <= most)])
