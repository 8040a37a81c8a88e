"""Derivatives of fields by differences: at which points values are taken, and how they are weighted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hermite_pinn.cuda.encoder.channels import Channel, Channels
from hermite_pinn.errors import InvalidArgumentError

from .linearization import RowProducts
from .tree import Tree

__all__ = ["DIFFERENCES", "Stencil", "StencilProducts", "Steps", "central", "tetrahedral"]

#: Signs of the corners of a cube that form a tetrahedron, by tap and axis.
TETRAHEDRON = ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1))


@dataclass(frozen=True, eq=False)
class Stencil:
    """Channels at points as weighted sums of values at other points, the taps.

    Attributes
    ----------
    points
        (dim, taps n): the taps of all points, tap by tap.
    weights
        (channels, taps, n).

    Examples
    --------
    >>> steps = Steps((0.0,), (1.0,), (0.1,), (False,))
    >>> stencil = central(torch.tensor([[0.0, 0.5]]), Channels.of(1, [(1,)]), steps)
    >>> square = stencil.points.square()[None]                  # of the function x**2
    >>> [round(v, 5) for v in stencil.combine(square).ravel().tolist()]
    [0.0, 1.0]
    """

    points: torch.Tensor
    weights: torch.Tensor

    @property
    def taps(self) -> int:
        """Taps of a point."""
        return self.weights.shape[1]

    def combine(self, values: torch.Tensor) -> torch.Tensor:
        """Channels (fields, channels, n) from values at the taps (fields, 1, taps n)."""
        return torch.einsum("ctn,ftn->fcn", self.weights, values.reshape(len(values), *self.weights.shape[1:]))

    def spread(self, weights: torch.Tensor) -> torch.Tensor:
        """The transpose of :meth:`combine`: (..., channels, n) to (..., 1, taps n)."""
        return torch.einsum("ctn,...cn->...tn", self.weights, weights).flatten(-2)[..., None, :]


@dataclass(frozen=True)
class Steps:
    """A box and how far apart along each of its axes values are taken.

    Attributes
    ----------
    lower, upper
        Corners.
    sizes
        Distance of the taps along every axis, in the units of the box.
    periodic
        Which axes wrap.

    Raises
    ------
    InvalidArgumentError
        If a bounded axis has no room for three taps on one side of a point.
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    sizes: tuple[float, ...]
    periodic: tuple[bool, ...]

    def __post_init__(self) -> None:
        for axis, (a, b, size, wraps) in enumerate(zip(self.lower, self.upper, self.sizes, self.periodic, strict=True)):
            if not wraps and not 3.0 * size <= (b - a) * (1 + 1e-9):
                raise InvalidArgumentError(
                    f"differences over {size:g} along axis {axis} need an edge of at least three times that, got {b - a:g}; "
                    "use levels with three cells or more along every axis, or a smaller epsilon"
                )


def _lagrange(first: torch.Tensor, second: torch.Tensor) -> dict[int, tuple[torch.Tensor, ...]]:
    """Weights of the derivatives at 0 of the quadratic through values at 0 and two other places, by order."""
    a, b = first, second
    return {
        1: (-(a + b) / (a * b), -b / (a * (a - b)), -a / (b * (b - a))),
        2: (2 / (a * b), 2 / (a * (a - b)), 2 / (b * (b - a))),
    }


def central(x: torch.Tensor, channels: Channels, steps: Steps) -> Stencil:
    """Differences over three taps per axis, exact for quadratics: central, and one-sided next to faces.

    Value, gradient and pure second derivatives take 2 dim + 1 taps, a mixed derivative four more (and, at faces, those
    of its axes).

    Parameters
    ----------
    x
        Points (dim, n).

    Raises
    ------
    InvalidArgumentError
        For derivatives of an order above 2 along an axis.
    """
    dim = len(x)
    places, weights = [], []
    for i, (low, high, size, wraps) in enumerate(
        zip(steps.lower, steps.upper, steps.sizes, steps.periodic, strict=True)
    ):
        one = torch.ones_like(x[i]).detach()
        first, second = -one, one
        if not wraps:
            at = x[i].detach()
            left, right = at < low + size, at > high - size
            first = torch.where(left, one, torch.where(right, -one, first))
            second = torch.where(left, 2 * one, torch.where(right, -2 * one, second))
        places.append((torch.zeros_like(one), first, second))
        weights.append(
            {0: (one,)} | {m: tuple(w / size**m for w in row) for m, row in _lagrange(first, second).items()}
        )
    sums: dict[tuple[int, ...], dict[int, torch.Tensor]] = {}
    for c, channel in enumerate(channels.channels):
        for factor, orders in channel:
            if max(orders) > 2:
                raise InvalidArgumentError(
                    f"differences give derivatives up to order 2 along an axis, {channels} asks for order {max(orders)}"
                )
            for tap in itertools.product(*(range(3 if m else 1) for m in orders)):
                product = factor * math.prod((weights[i][m][k] for i, (m, k) in enumerate(zip(orders, tap, strict=True))), start=torch.ones_like(x[0]).detach())  # fmt: skip
                row = sums.setdefault(tap, {})
                row[c] = row[c] + product if c in row else product
    taps = sorted(sums)
    points = torch.stack(
        [torch.stack([x[i] + places[i][k] * steps.sizes[i] for i, k in enumerate(tap)]) for tap in taps], 1
    )
    return Stencil(points.reshape(dim, -1), _stacked([sums[tap] for tap in taps], len(channels), x))


def tetrahedral(x: torch.Tensor, channels: Channels, steps: Steps) -> Stencil:
    """NeuralAngelo's gradients from four taps at the corners of a tetrahedron; exact for linear functions.

    With ``h = epsilon / sqrt(3)`` and corners k the gradient is ``sum k f(x + h k) / (4 h)`` and the Laplacian
    ``(sum f(x + h k) / 2 - 2 f(x)) / h**2``: errors are of first order in h, and the Laplacian of a quadratic is exact.
    Next to faces the taps are moved inwards.

    Raises
    ------
    InvalidArgumentError
        In other than three dimensions, for other derivatives, and for steps that differ from axis to axis.
    """
    if len(x) != 3:
        raise InvalidArgumentError(
            f"tetrahedral differences are for three axes, got {len(x)}; use differences='central'"
        )
    h = steps.sizes[0] / math.sqrt(3.0)
    if any(abs(size - steps.sizes[0]) > 1e-9 * size for size in steps.sizes):
        raise InvalidArgumentError(f"tetrahedral differences take one step for all axes, got {steps.sizes}")
    centre = torch.stack([
        x[i] if wraps else x[i].clamp(low + h, high - h)
        for i, (low, high, wraps) in enumerate(zip(steps.lower, steps.upper, steps.periodic, strict=True))
    ])  # fmt: skip
    corners = [torch.stack([c + h * s for c, s in zip(centre, signs, strict=True)]) for signs in TETRAHEDRON]
    one = torch.ones_like(x[0]).detach()
    rows: list[dict[int, torch.Tensor]] = [{} for _ in range(6)]  # the point, the centre of its taps, the taps
    for c, channel in enumerate(channels.channels):
        for tap, weight in _tetrahedral_weights(channel, channels, h).items():
            rows[tap][c] = rows[tap].get(c, torch.zeros_like(one)) + weight * one
    used = [k for k, row in enumerate(rows) if row]
    points = torch.stack([[x, centre, *corners][k] for k in used], 1)
    return Stencil(points.reshape(3, -1), _stacked([rows[k] for k in used], len(channels), x))


def _tetrahedral_weights(channel: Channel, channels: Channels, h: float) -> dict[int, float]:
    """Factors of the point (0), the centre of its taps (1) and the taps (2 to 5) in a channel."""
    found = dict.fromkeys(range(6), 0.0)
    second: dict[Sequence[int], float] = {}
    for factor, orders in channel:
        if sum(orders) == 0:
            found[0] += factor
        elif sum(orders) == 1:
            for k, signs in enumerate(TETRAHEDRON):
                found[2 + k] += factor * signs[orders.index(1)] / (4.0 * h)
        else:
            second[orders] = second.get(orders, 0.0) + factor
    if second:
        if set(second) != {(2, 0, 0), (0, 2, 0), (0, 0, 2)} or len(set(second.values())) > 1:
            raise InvalidArgumentError(
                f"tetrahedral differences give value, gradient and Laplacian, {channels} asks for other second derivatives; "
                "use differences='central'"
            )
        factor = next(iter(second.values())) / h**2
        found[1] -= 2.0 * factor
        for k in range(4):
            found[2 + k] += 0.5 * factor
    return {tap: weight for tap, weight in found.items() if weight}


def _stacked(taps: Sequence[dict[int, torch.Tensor]], channels: int, x: torch.Tensor) -> torch.Tensor:
    """Weights (channels, taps, n) from those of every tap by channel."""
    none = torch.zeros_like(x[0]).detach()
    return torch.stack([torch.stack([row.get(c, none) for row in taps]) for c in range(channels)])


#: Kinds of differences by the name that ``hp.Field(differences=...)`` takes.
DIFFERENCES = {"central": central, "tetrahedral": tetrahedral}


@dataclass(frozen=True, eq=False)
class StencilProducts(RowProducts):
    """Rows at points that are sums of rows at the taps of a stencil.

    Attributes
    ----------
    inner
        Products with the rows at the taps.
    taps, count
        Taps of a point, and points.
    """

    inner: RowProducts
    taps: int
    count: int

    def forward(self, direction: Tree) -> torch.Tensor | None:
        """See :meth:`RowProducts.forward`."""
        rows = self.inner.forward(direction)
        return None if rows is None else rows.view(len(rows), self.taps, self.count).sum(1)

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        """See :meth:`RowProducts.adjoint`."""
        self.inner.adjoint(rows.repeat(1, self.taps), out)

    def squares(self, out: Tree) -> None:
        """See :meth:`RowProducts.squares`; the taps of a point are summed before they are squared."""
        self.inner.summed_squares(self.taps, self.count, out)

    def summed_squares(self, taps: int, count: int, out: Tree) -> None:
        """See :meth:`RowProducts.summed_squares`; taps of taps are taps."""
        self.inner.summed_squares(taps * self.taps, count, out)

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        """See :meth:`RowProducts.dense`."""
        start, stop, step = points.indices(self.count)
        parts = [
            self.inner.dense(path, slice(k * self.count + start, k * self.count + stop, step)) for k in range(self.taps)
        ]
        return [sum(matrices[1:], matrices[0]) for matrices in zip(*parts, strict=True)]
