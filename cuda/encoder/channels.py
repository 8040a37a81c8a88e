"""Derivative channels and the order in which their tensor products are contracted.

A channel is a weighted sum of mixed derivatives, such as ``u_xx + u_yy``.  A derivative is written as a tuple with
the order of differentiation per axis, so ``(2, 0)`` is ``u_xx`` in two dimensions.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["MOST_AXES", "Channel", "Channels", "Contraction", "Term"]

Orders = tuple[int, ...]
Channel = tuple[tuple[float, Orders], ...]

MAX_ORDER = 5
MOST_AXES = 16  # of a field; grids have four at most


@dataclass(frozen=True)
class Term:
    """One product of a contraction stage: ``node += weight * B[order] * source``."""

    node: int
    order: int
    source: int
    weight: float


@dataclass(frozen=True)
class Contraction:
    """For each axis the functionals that are formed (``nodes``) and the products that form them (``terms``)."""

    nodes: tuple[int, ...]
    terms: tuple[tuple[Term, ...], ...]

    def multiplications(self, coefficients: int) -> int:
        """Multiply-adds per feature and cell for a basis with ``coefficients`` functions per axis and cell."""
        return sum(len(terms) * coefficients ** (axis + 1) for axis, terms in enumerate(self.terms))


@dataclass(frozen=True)
class Channels:
    """An ordered set of derivative channels in ``dim`` dimensions.

    Parameters
    ----------
    dim
        Number of axes, 1 to 16; grids have four at most.
    channels
        Per channel the weighted derivatives it sums, as pairs ``(weight, orders)``.

    Raises
    ------
    InvalidArgumentError
        If there is no channel, or an order tuple has the wrong length or an entry outside 0 ... 5.

    Examples
    --------
    >>> Channels.of(2, [(0, 0), (1, 0)])
    Channels(value, d0)
    >>> Channels.laplacian(2)
    Channels(d00 + d11)
    """

    dim: int
    channels: tuple[Channel, ...]

    def __post_init__(self) -> None:
        if not 1 <= self.dim <= MOST_AXES:
            raise InvalidArgumentError(f"a field has 1 to {MOST_AXES} axes, got dim={self.dim}")
        if not self.channels or not all(self.channels):
            raise InvalidArgumentError(
                "a channel set needs at least one channel, and a channel at least one derivative"
            )
        for _, orders in itertools.chain.from_iterable(self.channels):
            if len(orders) != self.dim or not all(0 <= m <= MAX_ORDER for m in orders):
                raise InvalidArgumentError(
                    f"derivative {orders} must give an order of 0 to {MAX_ORDER} for each of the {self.dim} axes"
                )

    @classmethod
    def of(cls, dim: int, orders: Iterable[Sequence[int]]) -> Channels:
        """Channels that are single derivatives."""
        return cls(dim, tuple(((1.0, tuple(int(m) for m in o)),) for o in orders))

    @classmethod
    def value(cls, dim: int) -> Channels:
        """The value alone."""
        return cls.of(dim, [(0,) * dim])

    @classmethod
    def jet(cls, dim: int, order: int) -> Channels:
        """Value, first derivatives and (for ``order=2``) the second derivatives ``d00, d01, ..., d11, ...``."""
        orders = [(0,) * dim]
        for degree in range(1, order + 1):
            for axes in itertools.combinations_with_replacement(range(dim), degree):
                orders.append(tuple(axes.count(i) for i in range(dim)))
        return cls.of(dim, orders)

    @classmethod
    def laplacian(cls, dim: int, axes: Iterable[int] | None = None) -> Channels:
        """The sum of the second derivatives along ``axes`` (default: all)."""
        chosen = range(dim) if axes is None else axes
        return cls(dim, (tuple((1.0, _unit(dim, i, 2)) for i in chosen),))

    def __add__(self, other: Channels) -> Channels:
        return Channels(self.dim, self.channels + other.channels)

    def __len__(self) -> int:
        return len(self.channels)

    def __repr__(self) -> str:
        return f"Channels({', '.join(_spell(c) for c in self.channels)})"

    @cached_property
    def key(self) -> str:
        """A string that :meth:`from_key` turns back into equal channels."""
        return json.dumps([self.dim, self.channels])

    @classmethod
    def from_key(cls, key: str) -> Channels:
        """Inverse of :attr:`key`."""
        return _from_key(key)

    @cached_property
    def order(self) -> int:
        """Highest total order of differentiation."""
        return max(sum(o) for c in self.channels for _, o in c)

    def axis_orders(self, axis: int) -> tuple[int, ...]:
        """Orders of the 1-D derivatives needed along one axis."""
        return tuple(sorted({o[axis] for c in self.channels for _, o in c}))

    @cached_property
    def raised(self) -> tuple[Channels, tuple[tuple[int, ...], ...]]:
        """The channels' derivatives along every axis.

        Returns
        -------
        channels, nodes
            Channel ``nodes[c][i]`` of ``channels`` is the derivative of channel ``c`` along axis ``i``; equal ones
            are shared.
        """
        numbers: dict[Channel, int] = {}
        nodes = []
        for channel in self.channels:
            row = []
            for i in range(self.dim):
                raised = tuple((w, tuple(m + (j == i) for j, m in enumerate(o))) for w, o in channel)
                row.append(numbers.setdefault(raised, len(numbers)))
            nodes.append(tuple(row))
        return Channels(self.dim, tuple(numbers)), tuple(nodes)

    @cached_property
    def contraction(self) -> Contraction:
        """How to contract the axes one after another, the last first, with common functionals formed once.

        Examples
        --------
        >>> plan = (Channels.jet(3, 1) + Channels.laplacian(3)).contraction
        >>> plan.nodes                      # last stage: the vertex record itself
        (5, 4, 3, 1)
        >>> plan.multiplications(4)
        296
        """
        nodes: list[dict[Orders, float]] = []
        for channel in self.channels:
            node: dict[Orders, float] = {}
            for weight, orders in channel:
                node[orders] = node.get(orders, 0.0) + weight
            nodes.append(node)
        counts, stages = [len(nodes)], []
        for _ in range(self.dim):
            below: dict[tuple[tuple[Orders, float], ...], int] = {}
            terms = []
            for index, node in enumerate(nodes):
                parts: dict[int, dict[Orders, float]] = {}
                for orders, weight in node.items():
                    parts.setdefault(orders[0], {})[orders[1:]] = weight
                for order, part in sorted(parts.items()):
                    scale = part[min(part)]
                    key = tuple(sorted((o, w / scale) for o, w in part.items()))
                    terms.append(Term(index, order, below.setdefault(key, len(below)), scale))
            nodes = [dict(key) for key in below]
            counts.append(len(nodes))
            stages.append(tuple(terms))
        return Contraction(tuple(counts), tuple(stages))


@lru_cache(maxsize=256)
def _from_key(key: str) -> Channels:
    dim, channels = json.loads(key)
    return Channels(dim, tuple(tuple((w, tuple(o)) for w, o in c) for c in channels))


def _unit(dim: int, axis: int, order: int) -> Orders:
    return tuple(order if i == axis else 0 for i in range(dim))


def _spell(channel: Channel) -> str:
    def one(weight: float, orders: Orders) -> str:
        name = "".join(str(i) * m for i, m in enumerate(orders))
        return ("" if weight == 1 else f"{weight:g} ") + (f"d{name}" if name else "value")

    return " + ".join(one(w, o) for w, o in channel)
