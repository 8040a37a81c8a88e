"""The multilevel grid as an encoder: every vertex stores values and derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch

from hermite_pinn.checks import integer, items
from hermite_pinn.cuda.encoder import ops, products, reference
from hermite_pinn.cuda.encoder.basis import BASES, KERNEL_BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.collisions import collisions
from hermite_pinn.cuda.encoder.half import half_copy
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.tensor_grid.axis import evaluation_matrix
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid, from_records, to_records
from hermite_pinn.cuda.tensor_grid.sum_factorization import SumFactorization
from hermite_pinn.errors import InvalidArgumentError, OutOfMemoryError
from hermite_pinn.geometry import Domain
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.schema import FLOATS, Entry

from .encoder import Encoder, EncoderOptions, Levels
from .linearization import RowProducts
from .tree import Tree

__all__ = ["TABLES", "HermiteGrid", "check_tables", "plain_levels", "resolutions_of"]

TABLES = frozenset({"base", "ratio", "table_size", "table_std", "half"})  # options of every grid
MOST_LEVELS = 1000
MOST_CELLS = 2**31 - 1
FEW = 2048  # points whose rows are held at a time


@dataclass(frozen=True, eq=False)
class HermiteGrid(Encoder):
    """A multilevel grid of a basis of :data:`hermite_pinn.cuda.encoder.basis.BASES`, dense or hashed.

    Parameters
    ----------
    layout
        Levels and places of the coefficients.
    table
        Flat coefficients; the parameter ``table``.
    half
        Whether the kernels read a copy of the table in half precision; then there are values only, see
        :meth:`rounded`.

    Examples
    --------
    >>> grid = HermiteGrid(GridLayout((0.0,), (1.0,), ((2,),), "linear"), torch.arange(16.0))
    >>> grid.jets(torch.tensor([[0.75]]), Channels.value(1)).ravel()
    tensor([1.5000])
    """

    layout: GridLayout
    table: torch.Tensor
    half: bool = False

    name: ClassVar[str] = "hermite"
    affine: ClassVar[bool] = True
    takes: ClassVar[frozenset[str]] = TABLES | {"basis"}

    @classmethod
    def basis_of(cls, options: EncoderOptions) -> str:
        """Name of the basis that options mean."""
        return options.basis

    @classmethod
    def derivative_order(cls, options: EncoderOptions, dim: int) -> int:
        """See :meth:`Encoder.derivative_order`: one more than those that are continuous."""
        return KERNEL_BASES[cls.basis_of(options)].smoothness + 1

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
    ) -> HermiteGrid:
        """A table with small random values and derivatives that are zero, or zero everywhere; see :class:`Encoder`."""
        layout = cls.planned_grid(options, domain, periodic, levels, features)
        if generator is None:
            return cls(layout, torch.zeros(layout.size, dtype=dtype), options.half)
        noise = options.table_std * torch.randn(layout.size, generator=generator, dtype=torch.float64)
        return cls(layout, torch.where(_value_mask(layout), noise, 0.0).to(dtype), options.half)

    @classmethod
    def planned_grid(
        cls, options: EncoderOptions, domain: Domain, periodic: Sequence[bool], levels: Levels, features: int
    ) -> GridLayout:
        """The layout; see :meth:`Encoder.planned_grid`."""
        return GridLayout(
            domain.lower,
            domain.upper,
            resolutions_of(levels, options.base, options.ratio, domain.dim),
            cls.basis_of(options),
            features,
            (options.table_size,) if isinstance(options.table_size, int) else options.table_size,
            tuple(periodic),
        )

    @property
    def grid(self) -> GridLayout:
        """The layout."""
        return self.layout

    @property
    def lower(self) -> tuple[float, ...]:
        """Lower corner of the box."""
        return self.layout.lower

    @property
    def upper(self) -> tuple[float, ...]:
        """Upper corner of the box."""
        return self.layout.upper

    @property
    def levels(self) -> int:
        """Number of levels."""
        return self.layout.levels

    @property
    def features(self) -> int:
        """Features per level."""
        return self.layout.features

    @property
    def cells(self) -> tuple[int, ...]:
        """Most cells per axis of any level."""
        return tuple(max(level) for level in zip(*self.layout.resolutions, strict=True))

    def parameters(self) -> dict[str, torch.Tensor]:
        """The table."""
        return {"table": self.table}

    def with_parameters(self, tree: Tree) -> HermiteGrid:
        """The same grid with another table."""
        return replace(self, table=tree["table"])

    def _copy(self) -> torch.Tensor | None:
        return half_copy(self.table) if self.half else None

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """See :meth:`Encoder.jets`."""
        return ops.jets(x, self.table, self.layout, channels, copy=self._copy())

    def recalled_jets(
        self, x: torch.Tensor, channels: Channels, known: torch.Tensor, index: torch.Tensor
    ) -> torch.Tensor:
        """See :meth:`Encoder.recalled_jets`; those of a half table are computed again."""
        if self.half:
            return self.jets(x, channels)
        return ops.recalled_jets(x, self.table, known, index, self.layout, channels)

    def summed_jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """See :meth:`Encoder.summed_jets`; one kernel that never holds the levels apart."""
        return ops.summed_jets(x, self.table, self.layout, channels, copy=self._copy())

    def tensor_jets(self, axes: Sequence[np.ndarray], channels: Channels) -> torch.Tensor | None:
        """See :meth:`Encoder.tensor_jets`; by sum factorisation, on a single dense level."""
        layout = self.layout
        if layout.levels > 1 or not layout.dense or layout.basis not in BASES:
            return None
        matrices = []
        for i, points in enumerate(axes):
            bounds, orders = (layout.lower[i], layout.upper[i]), channels.axis_orders(i)
            cells, periodic = layout.resolutions[0][i], layout.periodic[i]
            axis = evaluation_matrix(layout.basis, cells, bounds, periodic, points, orders)
            matrices.append(axis.to(self.table.dtype, self.table.device))
        factorized = SumFactorization(matrices, channels)
        coefficients = self.level_coefficients(0)
        return torch.stack([torch.stack([c.clone() for c in factorized.forward(f.contiguous())]) for f in coefficients])

    def linearized(self, x: torch.Tensor, channels: Channels, weights: torch.Tensor) -> RowProducts:
        """See :meth:`Encoder.linearized`."""
        return _TableProducts(x, channels, weights, self.layout)

    @property
    def parameter_count(self) -> int:
        """Coefficients stored, padding of the table excluded."""
        return sum(g.slots * len(g.alphas) * self.features for row in self.layout.groups for g in row)

    @property
    def reachable_count(self) -> int:
        """Coefficients that can influence the features somewhere in the box."""
        return self.layout.reachable

    @property
    def hash_collisions(self) -> tuple[float, ...]:
        """See :attr:`Encoder.hash_collisions`."""
        hashed = any(g.storage.mask for row in self.layout.groups for g in row)
        return collisions(self.layout) if hashed else ()

    @property
    def level_slices(self) -> dict[str, tuple[slice, ...]]:
        """Those of the table."""
        return {"table": self.layout.level_slices}

    @property
    def tables(self) -> dict[str, GridLayout]:
        """The layout."""
        return {"table": self.layout}

    def rounded(self) -> HermiteGrid:
        """The same features where the table is read in half precision, with that table in full: it has derivatives."""
        return replace(self, table=self.table.half().to(self.table.dtype), half=False) if self.half else self

    def collapsed(self) -> HermiteGrid:
        """The same sum on the finest level alone, where levels are nested and dense; else this grid."""
        layout = self.layout
        if not layout.nested or layout.levels == 1:
            return self
        dtype, device = self.table.dtype, self.table.device
        pyramid = Pyramid(layout.basis, layout.resolutions, layout.periodic, layout.features, dtype, device)
        vector = torch.empty(pyramid.size, dtype=dtype, device=device)
        for level, view in enumerate(pyramid.views(vector)):
            view.copy_(self.level_coefficients(level))
        finest = pyramid.accumulate(vector)
        single = layout.with_levels(layout.resolutions[-1:])
        flat = to_records(finest, layout.orders)
        table = torch.zeros(single.size, dtype=dtype, device=device)
        table[: flat.numel()] = flat
        return replace(self, layout=single, table=table)

    def level_coefficients(self, level: int) -> torch.Tensor:
        """See :meth:`Encoder.level_coefficients`."""
        layout = self.layout
        group = layout.groups[level][0]
        count = group.slots * layout.record * layout.features
        part = self.table[group.offset : group.offset + count]
        return from_records(part, layout.orders, layout.vertices(level), layout.features)

    @classmethod
    def from_coefficients(cls, layout: GridLayout, coefficients: Sequence[torch.Tensor]) -> HermiteGrid:
        """Dense levels given as tensors (features, m N_1, ..., m N_d): the inverse of :meth:`level_coefficients`."""
        table = torch.zeros(layout.size, dtype=coefficients[0].dtype, device=coefficients[0].device)
        for row, level in zip(layout.groups, coefficients, strict=True):
            flat = to_records(level, layout.orders)
            table[row[0].offset : row[0].offset + flat.numel()] = flat
        return cls(layout, table)

    def describe(self) -> dict[str, Any]:
        """See :meth:`Encoder.describe`."""
        return {"name": self.name, "layout": self.layout.key}

    @classmethod
    def from_description(cls, described: Entry, tree: Entry) -> HermiteGrid:
        """See :meth:`Encoder.from_description`."""
        layout = GridLayout.from_entry(described.at("layout"))
        return cls(layout, tree.at("table").tensor((layout.size,), FLOATS))


@dataclass(frozen=True, eq=False)
class _TableProducts(RowProducts):
    """Rows by the table; linear, so that they do not depend on it."""

    x: torch.Tensor
    channels: Channels
    weights: torch.Tensor
    layout: GridLayout

    def forward(self, direction: Tree) -> torch.Tensor | None:
        if "table" not in direction:
            return None
        return products.jacobian_vector(self.x, direction["table"], self.weights, self.layout, self.channels)

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        if "table" in out:
            out["table"].add_(products.vector_jacobian(self.x, rows, self.weights, self.layout, self.channels))

    def squares(self, out: Tree) -> None:
        if "table" in out:
            for weights in self.weights:
                out["table"].add_(ops.diagonal(self.x, weights, self.layout, self.channels))

    def summed_squares(self, taps: int, count: int, out: Tree) -> None:
        if "table" not in out:
            return
        layout = self.layout
        for start in range(0, count, FEW):
            stop = min(start + FEW, count)
            at = torch.cat([torch.arange(k * count + start, k * count + stop) for k in range(taps)]).to(self.x.device)
            point = torch.arange(stop - start, device=self.x.device).repeat(taps)
            for level in range(layout.levels):
                places = reference.contributions(self.x[:, at], layout, self.channels, level)
                weights = self.weights[:, min(level, self.weights.shape[1] - 1)][..., at]
                key = torch.stack([where for where, _ in places]) * (stop - start) + point
                shared, member = key.unique(return_inverse=True)
                factors = torch.stack([torch.stack(row) for _, row in places])
                for f in range(layout.features):
                    for entries in torch.einsum("pcn,tcn->tpn", factors, weights[:, f]):
                        sums = entries.new_zeros(len(shared)).index_add_(0, member.ravel(), entries.ravel())
                        out["table"].index_add_(0, shared // (stop - start) + f, sums.square_())

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        one = self.x.new_ones(1, 1)
        return [
            torch.stack(
                [
                    products.vector_jacobian(
                        self.x[:, q : q + 1], one, weights[None, ..., q : q + 1], self.layout, self.channels
                    )
                    for q in range(*points.indices(self.x.shape[1]))
                ]
            )
            for weights in self.weights
        ]


def check_tables(layout: GridLayout, dtype: torch.dtype, device: torch.device) -> None:
    """Raise :class:`.OutOfMemoryError` if the tables of a grid do not fit."""
    need, free = layout.size * torch.empty(0, dtype=dtype).element_size(), available_memory(device)
    if free is not None and need > free:
        raise OutOfMemoryError(
            f"tables of {layout.levels} levels up to {layout.resolutions[-1]} cells have {layout.size:,} coefficients and need "
            f"{spelled_size(need)}, but {spelled_size(free)} are free on {device}; use fewer levels or a smaller table_size"
        )


def resolutions_of(levels: Levels, base: int | Sequence[int], ratio: float, dim: int) -> tuple[tuple[int, ...], ...]:
    """Cells per axis of every level from a count of levels, or from an explicit list.

    Examples
    --------
    >>> resolutions_of(3, 4, 1.5, 2)
    ((4, 4), (6, 6), (9, 9))
    >>> resolutions_of([4, (8, 16)], 4, 2.0, 2)
    ((4, 4), (8, 16))
    """
    first = (base,) * dim if isinstance(base, int) else tuple(base)
    if len(first) != dim:
        raise InvalidArgumentError(f"base needs one number, or one per axis ({dim}), got {base!r}")
    chosen = plain_levels(levels)
    if isinstance(chosen, int):
        most = int(math.log(MOST_CELLS / max(first)) / math.log(ratio)) + 1 if max(first) <= MOST_CELLS else 0
        if chosen > most:
            raise InvalidArgumentError(
                f"levels={chosen} gives more than 2**31 cells along an axis; from {max(first)} cells on, with ratio={ratio:g}, "
                f"there can be {most}"
            )
        return tuple(tuple(int(b * ratio**level + 1e-9) for b in first) for level in range(chosen))
    resolutions = []
    for n in chosen:
        one = (n,) * dim if isinstance(n, int) else n
        if len(one) != dim:
            raise InvalidArgumentError(f"a resolution needs one positive number, or one per axis ({dim}), got {n!r}")
        resolutions.append(one)
    return tuple(resolutions)


def plain_levels(levels: Any) -> int | tuple[int | tuple[int, ...], ...]:
    """The argument ``levels`` as plain integers: their number, or the resolution of each.

    Raises
    ------
    InvalidArgumentError
        If it is neither.

    Examples
    --------
    >>> plain_levels(np.int32(3)), plain_levels([4, (8, 16)])
    (3, (4, (8, 16)))
    """
    if not _several(levels):
        return integer("levels", levels, least=1, most=MOST_LEVELS, otherwise="a list of resolutions")
    cells = partial(integer, least=1, most=MOST_CELLS)
    several = items("levels", levels, "a number of levels or a list of resolutions", least=1, most=MOST_LEVELS)
    return tuple(
        tuple(cells("each number of a resolution", k) for k in n)
        if _several(n) and len(n)
        else cells("a resolution", n, otherwise="one number per axis")
        for n in several
    )


def _several(value: Any) -> bool:
    """Whether a value is a list of numbers, and not one."""
    return isinstance(value, (list, tuple, range)) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _value_mask(layout: GridLayout) -> torch.Tensor:
    """Which table elements are values rather than derivatives."""
    mask = torch.zeros(layout.size, dtype=torch.bool)
    for row in layout.groups:
        for g in row:
            width = len(g.alphas) * layout.features
            if 0 in g.alphas:
                part = mask[g.offset : g.offset + g.slots * width].view(g.slots, len(g.alphas), layout.features)
                part[:, g.alphas.index(0)] = True
    return mask
