"""Heads: from the features of an encoder to the fields, with their derivatives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, ClassVar, Protocol

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.network.activation import JetPlan
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.schema import Entry

from .linearization import RowProducts
from .siren import Siren
from .tree import Tree

__all__ = ["Head", "HeadOptions", "HeadRows", "LinearizedHead"]


class HeadOptions(Protocol):
    """What :class:`hermite_pinn.Field` says about heads; see there."""

    @property
    def width(self) -> int:
        """Units per hidden layer."""

    @property
    def depth(self) -> int:
        """Number of hidden layers."""

    @property
    def omega(self) -> float:
        """Frequency inside the activation."""

    @property
    def activation(self) -> str:
        """Name of the activation."""

    @property
    def fused(self) -> bool | None:
        """Whether one kernel takes all layers."""


class HeadRows(RowProducts):
    """Products with rows by the parameters of a head, and how the rows depend on its features.

    Attributes
    ----------
    weights
        Derivatives of the rows by the features, (terms, levels, features, channels, n); a second axis of length 1
        means the same for every level.
    """

    weights: torch.Tensor


class LinearizedHead(ABC):
    """A head at fixed features, without a graph of PyTorch.

    Attributes
    ----------
    jets
        (outputs, requested channels, n).
    """

    jets: torch.Tensor

    @abstractmethod
    def rows(self, weights: Sequence[torch.Tensor]) -> HeadRows:
        """Rows ``sum_oc weights[t][o, c] * jets[o, c]``, linearised in the parameters and the features."""


class Head(ABC):
    """Fields from features, as functions with derivatives.

    A head is immutable; :meth:`with_parameters` makes another one.  A new kind is a class of its own in
    :data:`hermite_pinn.field.heads.HEADS`.

    Attributes
    ----------
    name
        How users call it, and files.
    sums_levels
        Whether it reads the sum of the features over the levels and is linear in it; then features start at zero.
    one_feature_per_field
        Whether feature ``k`` is added to output ``k``, so that there must be as many.
    """

    name: ClassVar[str]
    sums_levels: ClassVar[bool] = False
    one_feature_per_field: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def build(
        cls, options: HeadOptions, inputs: int, outputs: int, generator: torch.Generator, dtype: torch.dtype
    ) -> Head:
        """A fresh head on the CPU, for a number of features of all levels together."""

    @classmethod
    def feature_count(cls, fields: int, given: int | None = None) -> int:
        """Features per level for a number of fields, of which the user may give a number.

        Raises
        ------
        InvalidArgumentError
            If the head needs more.
        """
        if given is None:
            return fields if cls.sums_levels else max(2, fields)
        if cls.one_feature_per_field and given < fields:
            raise InvalidArgumentError(
                f"the head {cls.name!r} reads one feature per field, so features must be at least {fields}, got {given}"
            )
        return given

    @classmethod
    def planned_size(cls, options: HeadOptions, inputs: int, outputs: int) -> int:
        """How many numbers :meth:`build` makes."""
        return 0

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Number of fields."""

    @property
    def units(self) -> int:
        """Units of all layers together."""
        return 0

    @abstractmethod
    def parameters(self) -> dict[str, torch.Tensor]:
        """Trainable tensors by their path in the head; empty for none."""

    @abstractmethod
    def with_parameters(self, tree: Tree) -> Head:
        """The same head with other values in :meth:`parameters`."""

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Paths of the parameters that a least-squares problem solves for, once the head is :meth:`folded`."""
        return tuple(self.parameters())

    @property
    def readout(self) -> tuple[str, ...]:
        """Paths of the last layer's parameters, in which the outputs are affine."""
        return ()

    def folded(self) -> Head:
        """The same function with redundant factors taken into other parameters."""
        return self

    @abstractmethod
    def affine_in(self, paths: Collection[str], features: bool) -> bool:
        """Whether the outputs are affine in some parameters, and in the features if these move as well."""

    @abstractmethod
    def plan(self, channels: Channels) -> JetPlan:
        """The channels of the features that channels of the outputs need.

        Raises
        ------
        InvalidArgumentError
            For derivatives that the head cannot carry.
        """

    @abstractmethod
    def jets(self, features: torch.Tensor, plan: JetPlan) -> torch.Tensor:
        """Jets of the outputs.

        Parameters
        ----------
        features
            (levels, features, carried channels, n); if the head :attr:`sums_levels`, their sum over the levels.

        Returns
        -------
        torch.Tensor
            (outputs, requested channels, n), differentiable in the parameters and the features.
        """

    @abstractmethod
    def linearized(self, features: torch.Tensor, plan: JetPlan) -> LinearizedHead:
        """:meth:`jets` without gradients, and what products with its derivatives need."""

    @property
    def network(self) -> Siren | None:
        """The network, where there is one."""
        return None

    @property
    def gate(self) -> torch.Tensor | None:
        """The factor of the network, (1,), where there is one."""
        return None

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything but the parameters as plain data, ``name`` included."""

    @classmethod
    @abstractmethod
    def from_description(cls, described: Entry, inputs: int, outputs: int, tree: Entry) -> Head:
        """Inverse of :meth:`describe` with :meth:`parameters`, which come from a file.

        Parameters
        ----------
        inputs, outputs
            Features of all levels together, and fields.

        Raises
        ------
        CorruptFileError
            If something is missing or does not fit together.
        """
