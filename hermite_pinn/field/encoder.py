"""Encoders: from points to features with their derivatives, linear or not in the parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import KERNEL_BASES
from hermite_pinn.cuda.encoder.channels import MAX_ORDER, Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain
from hermite_pinn.schema import Entry

from .linearization import RowProducts
from .stencils import Stencil
from .tree import Tree

__all__ = ["Encoder", "EncoderOptions", "Levels"]

#: A number of levels, or the resolution of each, one number or one per axis.
Levels = int | Sequence[int | Sequence[int]]


class EncoderOptions(Protocol):
    """What :class:`hermite_pinn.Field` says about encoders; see there."""

    @property
    def basis(self) -> str:
        """Name of the basis."""

    @property
    def base(self) -> int | tuple[int, ...]:
        """Cells of the coarsest level."""

    @property
    def ratio(self) -> float:
        """Factor of the resolution from level to level."""

    @property
    def table_size(self) -> int | tuple[int, ...] | None:
        """Largest number of slots per level."""

    @property
    def table_std(self) -> float:
        """Standard deviation of the first values."""

    @property
    def half(self) -> bool:
        """Whether tables are read in half precision."""

    @property
    def weights(self) -> str:
        """Name of the smooth weights."""

    @property
    def blend(self) -> float:
        """Share of the smooth weights in gradients."""

    @property
    def differences(self) -> str:
        """Name of the differences."""

    @property
    def epsilon(self) -> float | None:
        """Distance over which differences are taken."""

    @property
    def frequencies(self) -> int:
        """Number of random frequencies."""

    @property
    def bandwidth(self) -> float:
        """Their standard deviation."""

    @property
    def rank(self) -> int | None:
        """Number of products over the axes."""


class Encoder(ABC):
    """Features of points in a box, on one or more levels, as functions with derivatives.

    An encoder is immutable; :meth:`with_parameters` makes another one.  A new kind is a class of its own in
    :data:`hermite_pinn.field.encoders.ENCODERS`.

    Attributes
    ----------
    name
        How users call it, and files.
    affine
        Whether the features are affine in the parameters.
    nestable
        Whether dense levels of it are what nested iteration makes, refines and starts from.
    heads
        Names of the heads that can read it; None: all.
    takes
        The options of :class:`hermite_pinn.Field` that mean something to it, of those that do not to every encoder.
    """

    name: ClassVar[str]
    affine: ClassVar[bool]
    nestable: ClassVar[bool] = True
    heads: ClassVar[frozenset[str] | None] = None
    takes: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def lower(self) -> tuple[float, ...]:
        """Lower corner of the box."""

    @property
    @abstractmethod
    def upper(self) -> tuple[float, ...]:
        """Upper corner of the box."""

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.lower)

    @property
    @abstractmethod
    def levels(self) -> int:
        """Number of levels."""

    @property
    @abstractmethod
    def features(self) -> int:
        """Features per level."""

    @property
    @abstractmethod
    def cells(self) -> tuple[int, ...]:
        """Cells per axis that resolve the finest detail the encoder can hold."""

    @classmethod
    @abstractmethod
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
    ) -> Encoder:
        """A fresh encoder, on the CPU.

        Parameters
        ----------
        features
            Per level.
        generator
            Random numbers of the first values; None: features that are zero everywhere.
        device
            Where it will live, for the memory it needs there.
        seed
            Of what is random and not trained.

        Raises
        ------
        InvalidArgumentError, OutOfMemoryError
            For options that make no encoder, and for one that does not fit.
        """

    @classmethod
    def derivative_order(cls, options: EncoderOptions, dim: int) -> int:
        """Highest order of the derivatives that are square integrable, or are differences, of what options make."""
        return MAX_ORDER

    @property
    def highest_order(self) -> int:
        """Highest order of differentiation along an axis: where the basis is a polynomial in every cell, its degree."""
        basis = KERNEL_BASES[self.grid.basis]
        return min(max(2, basis.degree), basis.most_order)

    @property
    def order(self) -> int:
        """Highest order of the derivatives that are square integrable, or are differences."""
        return KERNEL_BASES[self.grid.basis].smoothness + 1

    @property
    def points_per_cell(self) -> int:
        """Gauss points per cell and axis that determine what the encoder can hold."""
        return KERNEL_BASES[self.grid.basis].coefficients + 1

    @property
    def periodic_axes(self) -> tuple[bool, ...]:
        """Which axes wrap."""
        return self.grid.periodic

    @property
    def summary(self) -> str:
        """The encoder in a few words."""
        size = "x".join(map(str, self.grid.resolutions[-1]))
        return f"{self.grid.basis}, {self.grid.levels} levels up to {size} cells"

    def stencil(self, x: torch.Tensor, channels: Channels) -> Stencil | None:
        """How fields are differenced that have no derivatives otherwise; None where they have.

        Raises
        ------
        InvalidArgumentError
            For derivatives that the differences do not give.
        """
        return None

    @property
    def breaks(self) -> tuple[tuple[float, ...], ...]:
        """By axis, where the features or their derivatives may jump."""
        return ((),) * self.dim

    @property
    def knots(self) -> tuple[tuple[float, ...], ...]:
        """By axis, the ends of its cells, ascending, where these have different lengths; none where they are equal."""
        return ((),) * self.dim

    @abstractmethod
    def parameters(self) -> dict[str, torch.Tensor]:
        """Trainable tensors by their path in the encoder; empty for none."""

    @abstractmethod
    def with_parameters(self, tree: Tree) -> Encoder:
        """The same encoder with other values in :meth:`parameters`."""

    @abstractmethod
    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """Derivative channels of the features.

        Parameters
        ----------
        x
            Points (dim, n).

        Returns
        -------
        torch.Tensor
            (levels, features, channels, n), differentiable in the parameters and, for values and first derivatives,
            in ``x``.
        """

    def recalled_jets(
        self, x: torch.Tensor, channels: Channels, known: torch.Tensor, index: torch.Tensor
    ) -> torch.Tensor:
        """:meth:`jets` at points whose jets are ``known[..., index]``; an encoder may compute them again."""
        return self.jets(x, channels)

    def summed_jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """:meth:`jets` summed over the levels, (features, channels, n)."""
        return self.jets(x, channels).sum(0)

    def tensor_jets(self, axes: Sequence[np.ndarray], channels: Channels) -> torch.Tensor | None:
        """:meth:`summed_jets` on the tensor product of axes, (features, channels, n_1, ..., n_d).

        None where an encoder knows no faster way than point by point.
        """
        return None

    @abstractmethod
    def linearized(self, x: torch.Tensor, channels: Channels, weights: torch.Tensor) -> RowProducts:
        """Rows ``sum_lfc weights[t, l, f, c] * jets[l, f, c]`` linearised in the parameters.

        Parameters
        ----------
        x
            Points (dim, n).
        weights
            (terms, levels, features, channels, n); a second axis of length 1 means the same weights for every level.
        """

    @property
    def parameter_count(self) -> int:
        """Numbers stored."""
        return sum(leaf.numel() for leaf in self.parameters().values())

    @property
    def reachable_count(self) -> int:
        """Numbers that can influence the features somewhere in the box."""
        return self.parameter_count

    @property
    def hash_collisions(self) -> tuple[float, ...]:
        """By level the share of slots with more than one vertex; empty where no level is hashed."""
        return ()

    @property
    def level_slices(self) -> dict[str, tuple[slice, ...]]:
        """Where the parameters of every level lie, from the coarsest on, by the path of what holds them all."""
        return {}

    @property
    def tables(self) -> dict[str, GridLayout]:
        """Where the coefficients lie in those of the parameters that are tables of a grid, by path."""
        return {}

    def collapsed(self) -> Encoder:
        """An encoder with the same sum over the levels and fewer of them, where there is one; else this."""
        return self

    def at_level(self, level: int) -> Encoder:
        """The same features while a level is the finest that is trained; scales of derivatives may follow it."""
        return self

    def rounded(self) -> Encoder:
        """The same features where parameters are read in half precision, with these parameters in full."""
        return self

    @classmethod
    def planned_grid(
        cls, options: EncoderOptions, domain: Domain, periodic: Sequence[bool], levels: Levels, features: int
    ) -> GridLayout:
        """The levels that :meth:`build` makes, before any table is there.

        Raises
        ------
        InvalidArgumentError
            For options and levels that do not fit together, or for an encoder without a grid.
        """
        raise InvalidArgumentError(f"the encoder {cls.name!r} has no grid; this needs encoder='hermite'")

    @classmethod
    def planned(
        cls, options: EncoderOptions, domain: Domain, periodic: Sequence[bool], levels: Levels, features: int
    ) -> tuple[GridLayout | None, int]:
        """The grid that :meth:`build` makes, if it makes one, and the number of features of all levels.

        Raises
        ------
        InvalidArgumentError
            For options and levels that do not fit together.
        """
        grid = cls.planned_grid(options, domain, periodic, levels, features)
        return grid, grid.levels * grid.features

    @property
    def has_grid(self) -> bool:
        """Whether there is a :attr:`grid`."""
        return True

    @property
    def grid(self) -> GridLayout:
        """Levels and places of the coefficients of a grid.

        Raises
        ------
        InvalidArgumentError
            If the encoder has none.
        """
        raise InvalidArgumentError(f"the encoder {self.name!r} has no grid; this needs encoder='hermite'")

    def level_coefficients(self, level: int) -> torch.Tensor:
        """Coefficients of one dense level of a grid as (features, m N_1, ..., m N_d).

        Raises
        ------
        InvalidArgumentError
            If the encoder is no grid.
        """
        raise InvalidArgumentError(f"the encoder {self.name!r} has no grid; this needs encoder='hermite'")

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything but the parameters as plain data, ``name`` included."""

    @classmethod
    @abstractmethod
    def from_description(cls, described: Entry, tree: Entry) -> Encoder:
        """Inverse of :meth:`describe` with :meth:`parameters`, which come from a file.

        Raises
        ------
        CorruptFileError
            If something is missing or does not fit together.
        """
