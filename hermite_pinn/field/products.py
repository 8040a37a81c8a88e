"""Sums and products over the axes of functions of one axis each, for boxes of many axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import torch

from hermite_pinn.cuda.encoder.channels import MOST_AXES, Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain
from hermite_pinn.schema import FLOATS, Entry

from .axis_functions import AxisFunctions
from .encoder import EncoderOptions, Levels
from .linearization import RowProducts
from .tree import Tree
from .wave_features import Gridless

__all__ = ["Products"]

MOST_CELLS, MOST_RANK = 2**12, 2**10
FIRST = 4  # products where no number of them is told
ORDER = 4  # of derivatives that are square integrable


@dataclass(frozen=True, eq=False)
class Products(Gridless):
    """Feature f is ``sum_i s_fi(x_i) + sum_r prod_i p_fri(x_i)`` with septic Hermite functions of one axis each.

    The number of coefficients grows with the number of axes, not exponentially.

    Attributes
    ----------
    count
        Cells per axis.
    sums
        Coefficients of the functions ``s``, (features, dim, functions of an axis).
    products
        Coefficients of the functions ``p``, (features, rank, dim, functions of an axis).

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> box = hp.Box(**{f"x{i}": (0, 1) for i in range(6)})
    >>> encoder = hp.Field(encoder="products", rank=2).build(box, ["u"], [False] * 6, 1).encoder
    >>> encoder.dim, encoder.rank, encoder.parameter_count
    (6, 2, 360)
    """

    count: int
    sums: torch.Tensor
    products: torch.Tensor

    name: ClassVar[str] = "products"
    affine: ClassVar[bool] = False
    heads: ClassVar[frozenset[str] | None] = frozenset({"linear"})
    takes: ClassVar[frozenset[str]] = frozenset({"rank", "base"})

    @classmethod
    def planned(
        cls, options: EncoderOptions, domain: Domain, periodic: Sequence[bool], levels: Levels, features: int
    ) -> tuple[GridLayout | None, int]:
        """No grid; see :meth:`Encoder.planned`."""
        _cells(options, levels)
        return None, features

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
    ) -> Products:
        """Sums that are zero, and products of functions with random values, of which one is zero.

        So the features are zero everywhere, but their gradients are not.
        """
        random = torch.Generator().manual_seed(seed)
        wraps, count = tuple(map(bool, periodic)), _cells(options, levels)
        rank = FIRST if options.rank is None else options.rank
        length = max(_along(domain.lower, domain.upper, wraps, count), key=lambda a: a.count).count
        sums = torch.zeros(features, domain.dim, length, dtype=dtype)
        products = torch.zeros(features, rank, domain.dim, length, dtype=dtype)
        values = products[..., ::ORDER]
        values.copy_(torch.randn(values.shape, generator=random, dtype=torch.float64).to(dtype))
        products[:, :, 0] = 0.0
        return cls(domain.lower, domain.upper, wraps, count, sums, products)

    @property
    def rank(self) -> int:
        """How many products a feature has."""
        return self.products.shape[1]

    @cached_property
    def along(self) -> tuple[AxisFunctions, ...]:
        """The functions of every axis."""
        return _along(self.lower, self.upper, self.wraps, self.count)

    @property
    def order(self) -> int:
        """Highest order of the derivatives that are square integrable."""
        return ORDER

    @classmethod
    def derivative_order(cls, options: EncoderOptions, dim: int) -> int:
        """The same."""
        return ORDER

    @property
    def features(self) -> int:
        """One per field."""
        return len(self.sums)

    @property
    def cells(self) -> tuple[int, ...]:
        """Per axis."""
        return (self.count,) * self.dim

    @property
    def summary(self) -> str:
        """See :attr:`Encoder.summary`."""
        return f"functions of one axis on {self.count} cells, their sum and {self.rank} products"

    def parameters(self) -> dict[str, torch.Tensor]:
        """Coefficients of sums and products."""
        return {"sums": self.sums, "products": self.products}

    def with_parameters(self, tree: Tree) -> Products:
        """The same functions with other coefficients."""
        return replace(self, sums=tree["sums"], products=tree["products"])

    def refined(self) -> Products:
        """The same features on cells of half the length."""

        def finer(coefficients: torch.Tensor) -> torch.Tensor:
            own = coefficients.detach().to("cpu", torch.float64)
            rows = [a.refined(own[..., i, : a.count]) for i, a in enumerate(self.along)]
            longest = max(r.shape[-1] for r in rows)
            padded = [torch.nn.functional.pad(r, (0, longest - r.shape[-1])) for r in rows]
            return torch.stack(padded, -2).to(coefficients.device, coefficients.dtype)

        return replace(self, count=2 * self.count, sums=finer(self.sums), products=finer(self.products))

    def basis(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """The features."""
        return self.jets(x, channels)[0]

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """See :meth:`Encoder.jets`."""
        wanted = {(i, c[i]) for channel in channels.channels for _, c in channel for i in range(self.dim)}
        functions = {(i, k): a.along(self.products[:, :, i, : a.count], x[i], k) for i, k in sorted(wanted) for a in [self.along[i]]}  # fmt: skip
        added = {(i, k): a.along(self.sums[:, i, : a.count], x[i], k) for i, k in sorted(wanted) for a in [self.along[i]]}  # fmt: skip
        rows = []
        for channel in channels.channels:
            total = x.new_zeros(self.features, x.shape[1])
            for weight, orders in channel:
                total = total + weight * math.prod((functions[i, k] for i, k in enumerate(orders)), start=x.new_ones(())).sum(1)  # fmt: skip
                moving = [i for i, k in enumerate(orders) if k]
                for i in moving if len(moving) == 1 else () if moving else range(self.dim):
                    total = total + weight * added[i, orders[i]]
            rows.append(total)
        return torch.stack(rows, 1)[None]

    def linearized(self, x: torch.Tensor, channels: Channels, weights: torch.Tensor) -> RowProducts:
        """See :meth:`Encoder.linearized`."""
        own = weights.sum(1) if weights.shape[1] > 1 else weights[:, 0]

        def rows(tree: Tree, points: slice = slice(None)) -> torch.Tensor:
            jets = self.with_parameters({**self.parameters(), **tree}).jets(x[:, points], channels)[0]
            return torch.einsum("tfcn,fcn->tn", own[..., points], jets)

        return _Rows(self.parameters(), rows)

    def describe(self) -> dict[str, Any]:
        """See :meth:`Encoder.describe`."""
        return self._box() | {"cells": self.count, "rank": self.rank, "features": self.features}

    @classmethod
    def from_description(cls, described: Entry, tree: Entry) -> Products:
        """See :meth:`Encoder.from_description`."""
        lower, upper, wraps = cls._read_box(described, MOST_AXES)
        count, rank = described.at("cells").integer(1, MOST_CELLS), described.at("rank").integer(0, MOST_RANK)
        features, dim = described.at("features").integer(1, 2**16), len(lower)
        length = max(a.count for a in _along(lower, upper, wraps, count))
        sums = tree.at("sums").tensor((features, dim, length), FLOATS)
        products = tree.at("products").tensor((features, rank, dim, length), FLOATS)
        return cls(lower, upper, wraps, count, sums, products)


def _along(
    lower: Sequence[float], upper: Sequence[float], wraps: Sequence[bool], count: int
) -> tuple[AxisFunctions, ...]:
    return tuple(AxisFunctions(a, b, count, w) for a, b, w in zip(lower, upper, wraps, strict=True))


def _cells(options: EncoderOptions, levels: Levels) -> int:
    """Cells per axis of the finest level; axes have the same number.

    Raises
    ------
    InvalidArgumentError
        If another number is asked for on every axis, or too many.
    """
    finest = levels if isinstance(levels, int) else levels[-1]
    base = options.base
    if not isinstance(finest, int) or not isinstance(base, int):
        raise InvalidArgumentError(
            f"encoder='products' has the same number of cells on every axis, got levels={levels!r} and base={base!r}; give one number"
        )
    cells = base * 2 ** (finest - 1) if isinstance(levels, int) else finest
    if cells > MOST_CELLS:
        raise InvalidArgumentError(f"encoder='products' has {MOST_CELLS} cells an axis at most, got {cells}")
    return cells


@dataclass(frozen=True, eq=False)
class _Rows(RowProducts):
    """Rows by the coefficients of sums and products, by automatic differentiation."""

    at: Mapping[str, torch.Tensor]
    rows: Callable[..., torch.Tensor]

    def forward(self, direction: Tree) -> torch.Tensor | None:
        own = {k: v for k, v in direction.items() if k in self.at}
        if not own:
            return None
        moved: torch.Tensor = torch.func.jvp(self.rows, ({k: self.at[k] for k in own},), (own,))[1]
        return moved

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        own = {k: self.at[k] for k in out if k in self.at}
        if own:
            (pulled,) = torch.func.vjp(self.rows, own)[1](rows)
            for k, v in pulled.items():
                out[k].add_(v)

    def squares(self, out: Tree) -> None:
        count = self.rows({}).shape[1]
        for k in out:
            if k in self.at:
                for n in range(count):
                    for matrix in self.dense(k, slice(n, n + 1)):
                        out[k].add_(matrix[0].view_as(out[k]).square())

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        found = torch.func.jacrev(lambda v: self.rows({path: v}, points))(self.at[path])
        return [part.flatten(1) for part in found]
