"""A sum of functions that are singular at corners, as the part of fields that no grid can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.schema import FLOATS, Entry

from .linearization import RowProducts
from .singular import SingularFunction
from .tree import Tree

__all__ = ["SingularBasis", "SingularPart", "SingularProducts"]

MOST = 10_000  # functions in a file
PIECE = 1 << 16  # points evaluated at a time
COEFFICIENTS = "coefficients"  # the one parameter


@dataclass(frozen=True)
class SingularBasis:
    """Functions of two coordinates, each of which belongs to one field.

    Attributes
    ----------
    functions
        The functions.
    fields
        By function, the name of its field.

    Examples
    --------
    >>> root = SingularFunction((0.0, 0.0), 0.5, 0.0, ((1.0, 0.0), (0.0, 1.0)))
    >>> basis = SingularBasis((root, root), ("u", "v"))
    >>> len(basis), basis.of("v"), basis.unknowns
    (2, (1,), ('corner:0', 'corner:1'))
    """

    functions: tuple[SingularFunction, ...] = ()
    fields: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.functions)

    def of(self, field: str) -> tuple[int, ...]:
        """Numbers of the functions of a field."""
        return tuple(i for i, name in enumerate(self.fields) if name == field)

    @property
    def unknowns(self) -> tuple[str, ...]:
        """Names of the coefficients, which no parameter of a problem can have."""
        return tuple(f"corner:{i}" for i in range(len(self)))

    def jets(self, x: torch.Tensor, channels: Channels, numbers: Sequence[int] | None = None) -> torch.Tensor:
        """Derivative channels of all functions, or of some, at points (2, n): (functions, channels, n)."""
        chosen = self.functions if numbers is None else [self.functions[i] for i in numbers]
        if not chosen:
            return x.new_zeros(0, len(channels), x.shape[1])
        return torch.stack([function.jets(x, channels) for function in chosen])


@dataclass(frozen=True, eq=False)
class SingularPart:
    """A sum of singular functions with coefficients.

    Attributes
    ----------
    basis
        The functions, and whose they are.
    coefficients
        One per function; the parameter ``coefficients``.
    """

    basis: SingularBasis
    coefficients: torch.Tensor

    def parameters(self) -> dict[str, torch.Tensor]:
        """The coefficients."""
        return {COEFFICIENTS: self.coefficients}

    def with_parameters(self, tree: Tree) -> SingularPart:
        """The same functions with other coefficients."""
        return replace(self, coefficients=tree[COEFFICIENTS])

    def jets(self, x: torch.Tensor, channels: Channels, fields: Sequence[str]) -> torch.Tensor:
        """Derivative channels of the sum at points (2, n): (fields, channels, n), differentiable in the coefficients.

        Derivatives that are infinite at a corner are those close to it; see :class:`.SingularFunction`.
        """
        by_field = []
        for name in fields:
            numbers = list(self.basis.of(name))
            by_field.append(
                torch.einsum("i,icn->cn", self.coefficients[numbers], self.basis.jets(x, channels, numbers))
            )
        return torch.stack(by_field)

    def evaluate(self, x: torch.Tensor, channels: Channels, fields: Sequence[str]) -> torch.Tensor:
        """:meth:`jets` without gradients, in pieces that bound the memory."""
        with torch.no_grad():
            return torch.cat([self.jets(part, channels, fields) for part in x.split(PIECE, 1)], 2)

    def by_field(self, x: torch.Tensor, channels: Channels, fields: Sequence[str]) -> torch.Tensor:
        """Derivative channels of every function, (functions, fields, channels, n), zero in fields not its own."""
        jets = self.basis.jets(x, channels)
        out = jets.new_zeros(len(jets), len(fields), *jets.shape[1:])
        for i, name in enumerate(self.basis.fields):
            out[i, list(fields).index(name)] = jets[i]
        return out

    # -- files ---
    def describe(self) -> list[dict[str, Any]]:
        """Everything but the coefficients as plain data."""
        pairs = zip(self.basis.functions, self.basis.fields, strict=True)
        return [{"field": name} | function.describe() for function, name in pairs]

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
        basis = SingularBasis(
            tuple(SingularFunction.from_description(item) for item in items),
            tuple(item.at("field").text(fields) for item in items),
        )
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
