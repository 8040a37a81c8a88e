"""A grid on axes with breaks as an encoder: pieces of a uniform grid, moved and stretched."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.tensor_grid.pieces import Pieces
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.geometry import Domain
from hermite_pinn.schema import Entry

from .encoder import Encoder, EncoderOptions, Levels
from .hermite_grid import HermiteGrid
from .linearization import RowProducts
from .tree import Tree

__all__ = ["BrokenGrid", "uniform_layout"]


@dataclass(frozen=True, eq=False)
class BrokenGrid(Encoder):
    """One dense level with two vertices at every break, one for each side.

    Parameters
    ----------
    lines
        By axis, its ends and breaks, ascending.
    resolution
        Cells along every axis.
    periodic
        By axis; both ends have vertices all the same.
    inner
        The coefficients as those of a uniform grid whose cells have length one: between the two vertices of a break
        there is a cell that no point lies in.

    Examples
    --------
    >>> c = torch.tensor([[0.0, 1.0, 5.0, 6.0]])  # 0 to 1 on the left of the break, 5 to 6 on its right
    >>> grid = BrokenGrid.of([(0.0, 0.2, 1.0)], (2,), "linear", (False,), c)
    >>> grid.jets(torch.tensor([[0.1, 0.6]]), Channels.value(1)).ravel().tolist()
    [0.5, 5.5]
    """

    lines: tuple[tuple[float, ...], ...]
    resolution: tuple[int, ...]
    periodic: tuple[bool, ...]
    inner: HermiteGrid

    name: ClassVar[str] = "broken"
    affine: ClassVar[bool] = True

    @classmethod
    def of(
        cls,
        lines: Sequence[Sequence[float]],
        resolution: Sequence[int],
        basis: str,
        periodic: Sequence[bool],
        coefficients: torch.Tensor,
    ) -> BrokenGrid:
        """From coefficients (features, m N_1, ..., m N_d) of all vertices, those on breaks twice."""
        chosen, cells, wraps = tuple(map(tuple, lines)), tuple(resolution), tuple(periodic)
        layout = uniform_layout(chosen, cells, basis, len(coefficients), wraps)
        return cls(chosen, cells, wraps, HermiteGrid.from_coefficients(layout, [coefficients]))

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
    ) -> BrokenGrid:
        """None to train: it is what Gauss-Newton makes.

        Raises
        ------
        InvalidArgumentError
            Always.
        """
        raise InvalidArgumentError(
            "a field on axes with breaks is what gauss_newton makes; leave the encoder out, or use encoder='hermite'"
        )

    # -- the grid ---
    @property
    def grid(self) -> GridLayout:
        """The layout of a uniform grid on the same box with as many cells, for those who ask for cells and basis."""
        layout = replace(self.inner.layout, resolutions=(self.resolution,), periodic=self.periodic)
        return replace(layout, lower=self.lower, upper=self.upper)

    @property
    def lower(self) -> tuple[float, ...]:
        """Lower corner of the box."""
        return tuple(knots[0] for knots in self.lines)

    @property
    def upper(self) -> tuple[float, ...]:
        """Upper corner of the box."""
        return tuple(knots[-1] for knots in self.lines)

    @property
    def levels(self) -> int:
        """One."""
        return 1

    @property
    def features(self) -> int:
        """Features."""
        return self.inner.features

    @property
    def cells(self) -> tuple[int, ...]:
        """Cells along every axis."""
        return self.resolution

    @property
    def breaks(self) -> tuple[tuple[float, ...], ...]:
        """See :attr:`Encoder.breaks`."""
        return tuple(knots[1:-1] for knots in self.lines)

    def parameters(self) -> dict[str, torch.Tensor]:
        """The table."""
        return self.inner.parameters()

    def with_parameters(self, tree: Tree) -> BrokenGrid:
        """The same grid with another table."""
        return replace(self, inner=self.inner.with_parameters(tree))

    @property
    def level_slices(self) -> dict[str, tuple[slice, ...]]:
        """Those of the table."""
        return self.inner.level_slices

    @property
    def tables(self) -> dict[str, GridLayout]:
        """The layout of the uniform grid that holds the coefficients."""
        return self.inner.tables

    # -- values ---
    def _moved(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Points on the uniform grid, and by axis cells per unit of length, both (dim, n)."""
        at, scales = torch.empty_like(x), torch.empty_like(x)
        plain = x.detach()
        for axis, (knots, total) in enumerate(zip(self.lines, self.resolution, strict=True)):
            shares = Pieces(knots).cells(total)
            ends = plain.new_tensor(knots)
            along = plain[axis]
            if self.periodic[axis]:
                length = knots[-1] - knots[0]
                along = along - length * torch.floor((along - knots[0]) / length)
            piece = torch.bucketize(along, ends[1:-1].contiguous(), right=True)
            counts = plain.new_tensor(shares)
            scale = (counts / ends.diff())[piece]
            first = torch.cat([counts.new_zeros(1), (counts + 1).cumsum(0)[:-1]])[piece]
            # at the right end of a piece rounding may not lead into the cell that is none
            most = counts[piece] * (1.0 - 4.0 * torch.finfo(x.dtype).eps)
            last = piece == len(shares) - 1
            inside = (along - ends[piece]) * scale
            at[axis] = first + torch.where(last, inside, torch.minimum(inside, most))
            scales[axis] = scale
        if x.requires_grad:  # the map is linear where it is smooth
            at = at + (x - plain) * scales
        return at, scales

    def _parts(self, channels: Channels) -> tuple[list[tuple[int, ...]], Channels]:
        """The single derivatives that channels are made of, and these as channels."""
        orders = sorted({o for terms in channels.channels for _, o in terms})
        return orders, Channels(channels.dim, tuple(((1.0, o),) for o in orders))

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """See :meth:`Encoder.jets`."""
        at, scales = self._moved(x)
        orders, single = self._parts(channels)
        made = self.inner.jets(at, single)
        factors = [_factor(scales, o) for o in orders]
        parts = []
        for terms in channels.channels:
            numbers = [(weight, orders.index(o)) for weight, o in terms]
            parts.append(torch.stack([weight * factors[k] * made[:, :, k] for weight, k in numbers]).sum(0))
        return torch.stack(parts, 2)

    def linearized(self, x: torch.Tensor, channels: Channels, weights: torch.Tensor) -> RowProducts:
        """See :meth:`Encoder.linearized`."""
        at, scales = self._moved(x)
        orders, single = self._parts(channels)
        shape = (*weights.shape[:3], len(orders), weights.shape[-1])
        split = weights.new_zeros(shape)
        for c, terms in enumerate(channels.channels):
            for weight, o in terms:
                k = orders.index(o)
                split[:, :, :, k] += weight * weights[:, :, :, c] * _factor(scales, o)
        return self.inner.linearized(at, single, split)

    def level_coefficients(self, level: int) -> torch.Tensor:
        """See :meth:`Encoder.level_coefficients`; those on breaks twice."""
        return self.inner.level_coefficients(level)

    # -- files ---
    def describe(self) -> dict[str, Any]:
        """See :meth:`Encoder.describe`."""
        layout = self.inner.layout
        return {
            "name": self.name,
            "lines": [list(knots) for knots in self.lines],
            "resolution": list(self.resolution),
            "basis": layout.basis,
            "features": layout.features,
            "periodic": list(self.periodic),
        }

    @classmethod
    def from_description(cls, described: Entry, tree: Entry) -> BrokenGrid:
        """See :meth:`Encoder.from_description`."""
        lines = []
        for entry in described.at("lines").items(least=1, most=4):
            knots = tuple(e.number() for e in entry.items(least=2))
            least = 1e-7 * abs(knots[-1] - knots[0])
            if any(not b - a >= least for a, b in itertools.pairwise(knots)):
                raise entry.refuse("ascending numbers with room between them")
            lines.append(knots)
        cells = tuple(e.integer(1) for e in described.at("resolution").items(len(lines)))
        for entry, knots, n in zip(described.at("resolution").items(len(lines)), lines, cells, strict=True):
            if n < len(knots) - 1:
                raise entry.refuse(f"a number of cells of at least {len(knots) - 1}, one for each piece")
        periodic = tuple(e.flag() for e in described.at("periodic").items(len(lines)))
        basis, features = described.at("basis").text(), described.at("features").integer(1)
        try:
            layout = uniform_layout(tuple(lines), cells, basis, features, periodic)
        except InvalidArgumentError as error:
            raise CorruptFileError(f"{described.source} is damaged: {error}") from error
        kept = HermiteGrid.from_description(Entry({"layout": layout.key}, described.source, described.path), tree)
        return cls(tuple(lines), cells, periodic, kept)


def _factor(scales: torch.Tensor, orders: Sequence[int]) -> torch.Tensor:
    """What a derivative on the uniform grid counts, (n,)."""
    factor = torch.ones_like(scales[0])
    for scale, order in zip(scales, orders, strict=True):
        if order:
            factor = factor * scale**order
    return factor


def uniform_layout(
    lines: tuple[tuple[float, ...], ...],
    resolution: tuple[int, ...],
    basis: str,
    features: int,
    periodic: tuple[bool, ...],
) -> GridLayout:
    """The grid with cells of length one, a cell that is none at every break."""
    cells = tuple(n + len(knots) - 2 for n, knots in zip(resolution, lines, strict=True))
    sizes = tuple(float(n) for n in cells)
    wraps = tuple(p and len(knots) == 2 for p, knots in zip(periodic, lines, strict=True))
    return GridLayout((0.0,) * len(cells), sizes, (cells,), basis, features, None, wraps)
