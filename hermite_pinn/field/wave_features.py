"""Encoders that are no grid: the coordinates themselves, and random Fourier features of them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import torch

from hermite_pinn.cuda.encoder.channels import MAX_ORDER, Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.geometry import Domain
from hermite_pinn.schema import FLOATS, Entry

from .encoder import Encoder, EncoderOptions, Levels
from .linearization import RowProducts
from .tree import Tree

__all__ = ["Coordinates", "FourierFeatures", "Gridless"]

CELLS = 8  # per wave, and of an encoder without any
MOST = 2**16  # frequencies


@dataclass(frozen=True, eq=False)
class Gridless(Encoder):
    """What encoders of one level without a grid share.

    Parameters
    ----------
    low, high
        Corners of the box.
    wraps
        Which axes are periodic.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    wraps: tuple[bool, ...]

    affine: ClassVar[bool] = True
    nestable: ClassVar[bool] = False

    @property
    def has_grid(self) -> bool:
        """None."""
        return False

    @property
    def lower(self) -> tuple[float, ...]:
        """Lower corner of the box."""
        return self.low

    @property
    def upper(self) -> tuple[float, ...]:
        """Upper corner of the box."""
        return self.high

    @property
    def levels(self) -> int:
        """One."""
        return 1

    @property
    def periodic_axes(self) -> tuple[bool, ...]:
        """Which axes wrap."""
        return self.wraps

    @property
    def highest_order(self) -> int:
        """As many as there are kernels for: the features are smooth."""
        return MAX_ORDER

    @property
    def order(self) -> int:
        """The same."""
        return MAX_ORDER

    @property
    def points_per_cell(self) -> int:
        """See :attr:`Encoder.points_per_cell`."""
        return 3

    @abstractmethod
    def basis(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """Channels of fixed functions of the points, (functions, channels, n)."""

    def _box(self) -> dict[str, Any]:
        return {"name": self.name, "lower": list(self.lower), "upper": list(self.upper), "periodic": list(self.wraps)}

    @staticmethod
    def _read_box(described: Entry, most: int = 4) -> tuple[tuple[float, ...], tuple[float, ...], tuple[bool, ...]]:
        lower = tuple(e.number() for e in described.at("lower").items(least=1, most=most))
        upper = tuple(e.number() for e in described.at("upper").items(len(lower)))
        if not all(b > a for a, b in zip(lower, upper, strict=True)):
            raise described.at("upper").refuse("numbers above those of lower")
        return lower, upper, tuple(e.flag() for e in described.at("periodic").items(len(lower)))


@dataclass(frozen=True, eq=False)
class Coordinates(Gridless):
    """The coordinates, scaled to [-1, 1], as features: with a network head a plain SIREN.

    A periodic axis gives the cosine and the sine of its angle instead, so that fields are periodic.

    Examples
    --------
    >>> encoder = Coordinates((0.0, 0.0), (1.0, 2.0), (False, False))
    >>> encoder.jets(torch.tensor([[0.25], [1.0]]), Channels.of(2, [(0, 0), (1, 0)]))[0, :, :, 0]
    tensor([[-0.5000,  2.0000],
            [ 0.0000,  0.0000]])
    """

    name: ClassVar[str] = "coordinates"
    heads: ClassVar[frozenset[str] | None] = frozenset({"siren"})

    @classmethod
    def planned(
        cls, options: EncoderOptions, domain: Domain, periodic: Sequence[bool], levels: Levels, features: int
    ) -> tuple[GridLayout | None, int]:
        """No grid; see :meth:`Encoder.planned`."""
        return None, domain.dim + sum(map(bool, periodic))

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
    ) -> Coordinates:
        """Nothing to train; see :class:`Encoder`."""
        return cls(domain.lower, domain.upper, tuple(periodic))

    @property
    def features(self) -> int:
        """One per axis, two per periodic one."""
        return self.dim + sum(self.wraps)

    @property
    def cells(self) -> tuple[int, ...]:
        """As many as a wave needs."""
        return (CELLS,) * self.dim

    @property
    def summary(self) -> str:
        """See :attr:`Encoder.summary`."""
        return "coordinates"

    def parameters(self) -> dict[str, torch.Tensor]:
        """None."""
        return {}

    def with_parameters(self, tree: Tree) -> Coordinates:
        """The encoder itself."""
        return self

    def basis(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """The features."""
        rows = []
        for axis, (a, b, wraps) in enumerate(zip(self.lower, self.upper, self.wraps, strict=True)):
            for phase in (0.0, -math.pi / 2) if wraps else (None,):
                rows.append(torch.stack([_along(x[axis], c, axis, a, b, phase) for c in channels.channels]))
        return torch.stack(rows)

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """See :meth:`Encoder.jets`."""
        return self.basis(x, channels)[None]

    def linearized(self, x: torch.Tensor, channels: Channels, weights: torch.Tensor) -> RowProducts:
        """See :meth:`Encoder.linearized`: no parameter moves a row."""
        return _Fixed()

    def describe(self) -> dict[str, Any]:
        """See :meth:`Encoder.describe`."""
        return self._box()

    @classmethod
    def from_description(cls, described: Entry, tree: Entry) -> Coordinates:
        """See :meth:`Encoder.from_description`."""
        return cls(*cls._read_box(described))


def _along(
    x: torch.Tensor,
    channel: tuple[tuple[float, tuple[int, ...]], ...],
    axis: int,
    a: float,
    b: float,
    phase: float | None,
) -> torch.Tensor:
    """A channel of a coordinate scaled to [-1, 1], or of the cosine of its angle and a phase."""
    total = torch.zeros_like(x)
    scale = 2.0 / (b - a) if phase is None else 2.0 * math.pi / (b - a)
    for weight, orders in channel:
        m = orders[axis]
        if m < sum(orders):
            continue
        if phase is not None:
            total = total + weight * scale**m * torch.cos((x - a) * scale + (phase + m * math.pi / 2))
        elif m < 2:
            total = total + weight * ((x - a) * scale - 1.0 if m == 0 else torch.full_like(x, scale))
    return total


@dataclass(frozen=True, eq=False)
class FourierFeatures(Gridless):
    """Cosines and sines of random frequencies (Tancik et al., 2020; Rahimi and Recht, 2007).

    With ``xi`` the coordinates scaled to [0, 1], the functions are ``cos(2 pi b . xi)`` and ``sin(2 pi b . xi)`` with
    normally distributed ``b``, rounded to integers along periodic axes.  A network reads all of them; for the linear
    head the features are sums of them with trained coefficients, so that Gauss-Newton on a linear problem is one
    linear least-squares problem.

    Parameters
    ----------
    waves
        The frequencies, in waves per edge of the box, (frequencies, dim).
    coefficients
        (features, 2 frequencies), or None: the functions themselves are the features.

    Examples
    --------
    >>> encoder = FourierFeatures((0.0,), (2.0,), (False,), ((1.0,),))
    >>> encoder.jets(torch.tensor([[0.5]]), Channels.value(1)).ravel().round(decimals=4).abs()
    tensor([0., 1.])
    """

    waves: tuple[tuple[float, ...], ...]
    coefficients: torch.Tensor | None = None

    name: ClassVar[str] = "fourier"
    heads: ClassVar[frozenset[str] | None] = frozenset({"linear", "siren"})
    takes: ClassVar[frozenset[str]] = frozenset({"frequencies", "bandwidth"})

    @classmethod
    def planned(
        cls, options: EncoderOptions, domain: Domain, periodic: Sequence[bool], levels: Levels, features: int
    ) -> tuple[GridLayout | None, int]:
        """No grid; see :meth:`Encoder.planned`."""
        return None, max(features, 2 * options.frequencies)

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
    ) -> FourierFeatures:
        """Random frequencies, with coefficients that are zero, or none; see :class:`Encoder`."""
        random = torch.Generator().manual_seed(seed)
        waves = options.bandwidth * torch.randn(options.frequencies, domain.dim, generator=random, dtype=torch.float64)
        whole = torch.tensor([bool(p) for p in periodic])
        waves = torch.where(whole, waves.round(), waves)
        listed = tuple(tuple(row) for row in waves.tolist())
        coefficients = None if generator is not None else torch.zeros(features, 2 * len(listed), dtype=dtype)
        return cls(domain.lower, domain.upper, tuple(periodic), listed, coefficients)

    @property
    def features(self) -> int:
        """Two per frequency, or as many as there are sums of them."""
        return 2 * len(self.waves) if self.coefficients is None else len(self.coefficients)

    @property
    def cells(self) -> tuple[int, ...]:
        """Cells that resolve the shortest wave along every axis."""
        largest = [max(abs(b) for b in axis) for axis in zip(*self.waves, strict=True)]
        return tuple(max(CELLS, math.ceil(CELLS / 2 * b)) for b in largest)

    @property
    def summary(self) -> str:
        """See :attr:`Encoder.summary`."""
        return f"{len(self.waves)} random frequencies"

    def parameters(self) -> dict[str, torch.Tensor]:
        """The coefficients, if there are any."""
        return {} if self.coefficients is None else {"coefficients": self.coefficients}

    def with_parameters(self, tree: Tree) -> FourierFeatures:
        """The same frequencies with other coefficients."""
        return self if self.coefficients is None else replace(self, coefficients=tree["coefficients"])

    def basis(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """Cosines, then sines."""
        rates, lower = _rates(self.waves, self.lower, self.upper, x.dtype, x.device)
        angles = rates @ (x - lower)
        waves = torch.stack([torch.cos(angles), torch.sin(angles)])
        rows = []
        for channel in channels.channels:
            total = torch.zeros_like(waves)
            for weight, orders in channel:
                size = weight * torch.stack([rates[:, i] ** m for i, m in enumerate(orders)]).prod(0)[:, None]
                total = total + size * _turned(waves, sum(orders))
            rows.append(total.flatten(0, 1))
        return torch.stack(rows, 1)

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """See :meth:`Encoder.jets`."""
        basis = self.basis(x, channels)
        if self.coefficients is None:
            return basis[None]
        return torch.einsum("fj,jcn->fcn", self.coefficients, basis)[None]

    def linearized(self, x: torch.Tensor, channels: Channels, weights: torch.Tensor) -> RowProducts:
        """See :meth:`Encoder.linearized`."""
        if self.coefficients is None:
            return _Fixed()
        return _CoefficientProducts(self.basis(x, channels), weights.sum(1) if weights.shape[1] > 1 else weights[:, 0])

    def describe(self) -> dict[str, Any]:
        """See :meth:`Encoder.describe`."""
        summed = {"features": None if self.coefficients is None else self.features}
        return self._box() | {"waves": [list(row) for row in self.waves]} | summed

    @classmethod
    def from_description(cls, described: Entry, tree: Entry) -> FourierFeatures:
        """See :meth:`Encoder.from_description`."""
        box = cls._read_box(described)
        rows = described.at("waves").items(least=1, most=MOST)
        waves = tuple(tuple(e.number() for e in row.items(len(box[0]))) for row in rows)
        for row in rows:
            for e, wraps in zip(row.items(), box[2], strict=True):
                if wraps and e.number() != round(e.number()):
                    raise e.refuse("an integer, because the axis is periodic")
        features = described.get("features")
        if features is None:
            return cls(*box, waves)
        shape = features.integer(1, MOST), 2 * len(waves)
        return cls(*box, waves, tree.at("coefficients").tensor(shape, FLOATS))


def _turned(waves: torch.Tensor, order: int) -> torch.Tensor:
    """Derivative of an order of (cosine, sine) by their angle."""
    cosine, sine = waves
    return torch.stack([(cosine, sine), (-sine, cosine), (-cosine, -sine), (sine, -cosine)][order % 4])


@lru_cache(maxsize=16)
def _rates(
    waves: tuple[tuple[float, ...], ...],
    lower: tuple[float, ...],
    upper: tuple[float, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Angle per length along every axis, (frequencies, dim), and the lower corner, (dim, 1), on the device.

    They are kept, because a step that is recorded for a GPU must not send anything.
    """
    corner = torch.tensor(lower, dtype=torch.float64)
    lengths = torch.tensor(upper, dtype=torch.float64) - corner
    rates = 2.0 * math.pi * torch.tensor(waves, dtype=torch.float64) / lengths
    return rates.to(device, dtype), corner[:, None].to(device, dtype)


class _Fixed(RowProducts):
    """Rows that depend on no parameter."""

    def forward(self, direction: Tree) -> torch.Tensor | None:
        return None

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        return

    def squares(self, out: Tree) -> None:
        return

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        raise KeyError(path)


@dataclass(frozen=True, eq=False)
class _CoefficientProducts(RowProducts):
    """Rows by coefficients: ``sum_c weights[t, f, c, q] basis[j, c, q]``."""

    basis: torch.Tensor
    weights: torch.Tensor

    def forward(self, direction: Tree) -> torch.Tensor | None:
        if "coefficients" not in direction:
            return None
        jets = torch.einsum("fj,jcn->fcn", direction["coefficients"], self.basis)
        return torch.einsum("tfcn,fcn->tn", self.weights, jets)

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        if "coefficients" in out:
            pushed = torch.einsum("tfcn,tn->fcn", self.weights, rows)
            out["coefficients"].add_(torch.einsum("fcn,jcn->fj", pushed, self.basis))

    def squares(self, out: Tree) -> None:
        if "coefficients" in out:
            for weights in self.weights:
                for total, row in zip(out["coefficients"], weights, strict=True):
                    total.add_(torch.einsum("cn,jcn->jn", row, self.basis).square_().sum(1))

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        basis = self.basis[..., points]
        return [torch.einsum("fcn,jcn->nfj", weights[..., points], basis).flatten(1) for weights in self.weights]
