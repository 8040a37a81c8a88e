"""A sum of functions that are singular at corners, as the part of fields that no grid can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.schema import FLOATS, Entry

from .linearization import RowProducts
from .singular import SingularFunction
from .singular_sector import SectorFunction
from .start_layer import StartLayer
from .tree import Tree

__all__ = ["Shape", "SingularBasis", "SingularPart", "SingularProducts"]

MOST = 10_000  # functions in a file
PIECE = 1 << 16  # points evaluated at a time
COEFFICIENTS = "coefficients"  # the one parameter
KINDS: Mapping[str, type[SingularFunction] | type[SectorFunction] | type[StartLayer]] = MappingProxyType(
    {own.kind: own for own in (SingularFunction, SectorFunction, StartLayer)}
)


class Shape(Protocol):
    """A function of two coordinates that is singular at a point."""

    @property
    def point(self) -> tuple[float, float]:
        """The point."""

    @property
    def order(self) -> float:
        """The power of the distance from it."""

    def jets(self, x: torch.Tensor, channels: Channels) -> torch.Tensor:
        """Derivative channels at points (2, n): (channels, n)."""

    def describe(self) -> dict[str, Any]:
        """As plain data."""


@dataclass(frozen=True)
class SingularBasis:
    """Functions of two coordinates, each of which belongs to one field.

    Attributes
    ----------
    functions
        The functions.
    fields
        By function, the name of its field.
    members
        By function, the number of the coefficient that it is multiplied with: those of a system have one for functions
        of several fields.  Empty where every function has its own.

    Examples
    --------
    >>> root = SingularFunction((0.0, 0.0), 0.5, 0.0, ((1.0, 0.0), (0.0, 1.0)))
    >>> basis = SingularBasis((root, root), ("u", "v"))
    >>> len(basis), basis.of("v"), basis.unknowns
    (2, (1,), ('corner:0', 'corner:1'))
    >>> len(SingularBasis((root, root), ("u", "v"), (0, 0)))
    1
    """

    functions: tuple[Shape, ...] = ()
    fields: tuple[str, ...] = ()
    members: tuple[int, ...] = ()

    def __len__(self) -> int:
        return max(self.members) + 1 if self.members else len(self.functions)

    def of(self, field: str) -> tuple[int, ...]:
        """Numbers of the coefficients that a field depends on, in increasing order."""
        return tuple(i for i, _ in self._of(field))

    def _of(self, field: str) -> list[tuple[int, Shape]]:
        numbers = self.members or range(len(self.functions))
        chosen = zip(numbers, self.functions, self.fields, strict=True)
        return sorted(((i, function) for i, function, name in chosen if name == field), key=lambda pair: pair[0])

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the coefficients, which no parameter of a problem can have."""
        return tuple(f"corner:{i}" for i in range(len(self)))

    def jets(self, x: torch.Tensor, channels: Channels, field: str) -> torch.Tensor:
        """Derivative channels at points (2, n) of what multiplies the coefficients :meth:`of` a field.

        Returns
        -------
        torch.Tensor
            (coefficients, channels, n).
        """
        chosen = self._of(field)
        if not chosen:
            return x.new_zeros(0, len(channels), x.shape[1])
        return torch.stack([function.jets(x, channels) for _, function in chosen])


@dataclass(frozen=True, eq=False)
class SingularPart:
    """A sum of singular functions with coefficients.

    Attributes
    ----------
    basis
        The functions, and whose they are.
    coefficients
        One per member of the basis; the parameter ``coefficients``.
    """

    basis: SingularBasis
    coefficients: torch.Tensor

    def parameters(self) -> dict[str, torch.Tensor]:
        """The coefficients."""
        return {COEFFICIENTS: self.coefficients}

    def with_parameters(self, tree: Tree) -> SingularPart:
        """The same functions with other coefficients."""
        return replace(self, coefficients=tree[COEFFICIENTS])

    def to(self, like: torch.Tensor) -> SingularPart:
        """The same with coefficients of the type and on the device of a tensor."""
        return replace(self, coefficients=self.coefficients.to(like))

    def jets(self, x: torch.Tensor, channels: Channels, fields: Sequence[str]) -> torch.Tensor:
        """Derivative channels of the sum at points (2, n): (fields, channels, n), differentiable in the coefficients.

        Derivatives that are infinite at a corner are those close to it; see :class:`.SingularFunction`.
        """
        by_field = []
        for name in fields:
            numbers = list(self.basis.of(name))
            by_field.append(torch.einsum("i,icn->cn", self.coefficients[numbers], self.basis.jets(x, channels, name)))
        return torch.stack(by_field)

    def evaluate(self, x: torch.Tensor, channels: Channels, fields: Sequence[str]) -> torch.Tensor:
        """:meth:`jets` without gradients, in pieces that bound the memory."""
        with torch.no_grad():
            return torch.cat([self.jets(part, channels, fields) for part in x.split(PIECE, 1)], 2)

    def by_field(self, x: torch.Tensor, channels: Channels, fields: Sequence[str]) -> torch.Tensor:
        """Derivative channels by coefficient, (coefficients, fields, channels, n)."""
        out = x.new_zeros(len(self.basis), len(fields), len(channels), x.shape[1])
        for k, name in enumerate(fields):
            out[list(self.basis.of(name)), k] = self.basis.jets(x, channels, name)
        return out

    # -- files ---
    def describe(self) -> list[dict[str, Any]]:
        """Everything but the coefficients as plain data."""
        basis, found = self.basis, []
        for function, name, number in zip(
            basis.functions, basis.fields, basis.members or range(len(basis)), strict=True
        ):
            found.append({"field": name, "member": number} | function.describe())
        return found

    @classmethod
    def from_description(
        cls, described: Entry, tree: Entry, axes: Sequence[str], fields: Sequence[str]
    ) -> SingularPart:
        """Inverse of :meth:`describe` with :meth:`parameters`, for fields over some axes.

        Raises
        ------
        CorruptFileError
            If something is missing or does not fit together.
        """
        if len(axes) != 2:
            raise described.refuse("nothing, since only fields of two coordinates have singular functions")
        items = described.items(least=1, most=MOST)
        functions, names, members = [], [], []
        for k, item in enumerate(items):
            kind, member = item.get("kind"), item.get("member")
            functions.append(KINDS[kind.text(KINDS) if kind else SingularFunction.kind].from_description(item))
            names.append(item.at("field").text(fields))
            members.append(member.integer(0, len(items) - 1) if member else k)
        places = set(zip(members, names, strict=True))
        if sorted(set(members)) != list(range(max(members) + 1)) or len(places) < len(items):
            raise described.refuse("members that are numbered from 0 on, each of which has a field once")
        own = members == list(range(len(items)))
        basis = SingularBasis(tuple(functions), tuple(names), () if own else tuple(members))
        return cls(basis, tree.at(COEFFICIENTS).tensor((len(basis),), FLOATS))


@dataclass(frozen=True, eq=False)
class SingularProducts(RowProducts):
    """Rows by the coefficients, on which the fields depend linearly.

    Attributes
    ----------
    columns
        The Jacobian, (terms, functions, n).
    """

    columns: torch.Tensor

    @classmethod
    def of(cls, jets: torch.Tensor, weights: Sequence[torch.Tensor]) -> SingularProducts:
        """From :meth:`SingularPart.by_field` and the weights of the jets in every row, (fields, channels, n)."""
        return cls(torch.stack([torch.einsum("ifcn,fcn->in", jets, w) for w in weights]))

    def forward(self, direction: Tree) -> torch.Tensor | None:
        """See :meth:`RowProducts.forward`."""
        if COEFFICIENTS not in direction:
            return None
        return torch.einsum("i,tin->tn", direction[COEFFICIENTS], self.columns)

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        """See :meth:`RowProducts.adjoint`."""
        if COEFFICIENTS in out:
            out[COEFFICIENTS].add_(torch.einsum("tn,tin->i", rows, self.columns))

    def squares(self, out: Tree) -> None:
        """See :meth:`RowProducts.squares`."""
        if COEFFICIENTS in out:
            out[COEFFICIENTS].add_(self.columns.square().sum((0, 2)))

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        """See :meth:`RowProducts.dense`."""
        return [columns[:, points].T for columns in self.columns]
