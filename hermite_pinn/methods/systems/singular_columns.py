"""The coefficients of singular functions as unknowns of a system: a few dense columns beside those of the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.program import Value
from hermite_pinn.field.singular_part import SingularBasis
from hermite_pinn.residuals.compiled import CompiledTerm, Jet

__all__ = ["SingularColumns"]


class HasPoints(Protocol):
    """A block of rows."""

    terms: list[CompiledTerm]
    shape: tuple[int, ...]

    def positions(self) -> torch.Tensor:
        """The points (dim, n)."""


class SingularColumns:
    """Singular functions in the rows of some terms at some points.

    The coefficients come with the parameters of the problem: by the names :attr:`SingularBasis.unknowns` in a
    state, and after the parameters in a vector.  :meth:`weigh` makes the columns at a linearisation.

    Parameters
    ----------
    basis
        The functions.
    terms
        What is imposed.
    x
        Points (2, n) of the type and on the device of the rows.
    shape
        Of the rows, n numbers.

    Examples
    --------
    >>> from hermite_pinn import Box, Dirichlet, Problem
    >>> from hermite_pinn.field.singular import SingularFunction
    >>> from hermite_pinn.residuals.compiled import compile_term
    >>> p = Problem(Box(x=(0, 1), y=(0, 1)), "u", lambda u: u.xx + u.yy + u * u, [Dirichlet(u=0.0)])
    >>> root = SingularFunction((0.0, 0.0), 0.5, 0.0, ((1.0, 0.0), (0.0, 1.0)))
    >>> x = torch.tensor([[0.25, 1.0], [0.0, 0.0]], dtype=torch.float64)
    >>> columns = SingularColumns(SingularBasis((root,), ("u",)), [compile_term(p, p.terms[0])], x)
    >>> columns.state({"corner:0": 2.0})[0][("u", (0, 0))].tolist()
    [1.0, 2.0]
    """

    def __init__(
        self,
        basis: SingularBasis,
        terms: Sequence[CompiledTerm],
        x: torch.Tensor,
        shape: Sequence[int] | None = None,
    ) -> None:
        self.basis, self.terms = basis, list(terms)
        self.shape = tuple(shape) if shape is not None else (x.shape[1],)
        self._of = {name: list(basis.of(name)) for name in sorted(set(basis.fields))}
        self._zero = x.new_zeros(len(basis), x.shape[1])
        self._constant = [self._sum(x, t) for t in self.terms]
        variable = sorted({j for t in self.terms for j in t.variable if j[0] in self._of})
        self._variable: dict[Jet, torch.Tensor] = {}
        for name in self._of:
            orders = [o for f, o in variable if f == name]
            if orders:
                jets = basis.jets(x, Channels.of(2, orders), name)
                self._variable |= {(name, o): jets[:, i] for i, o in enumerate(orders)}
        self.columns: list[torch.Tensor] = []

    @classmethod
    def of(cls, basis: SingularBasis, block: HasPoints) -> SingularColumns:
        """Those of the rows of a block."""
        return cls(basis, block.terms, block.positions(), block.shape)

    def _sum(self, x: torch.Tensor, term: CompiledTerm) -> torch.Tensor | None:
        """What the functions add to a residual by jets with constant sensitivities, (functions, n)."""
        total: torch.Tensor | None = None
        for name, numbers in self._of.items():
            members = tuple((s, o) for (f, o), s in term.constant.items() if f == name)
            if members:
                total = self._zero.clone() if total is None else total
                total[numbers] += self.basis.jets(x, Channels(2, (members,)), name)[:, 0]
        return total

    def coefficients(self, state: Mapping[str, float]) -> torch.Tensor:
        """The coefficients in a state; those that it does not name are 0."""
        return self._zero.new_tensor([state.get(name, 0.0) for name in self.basis.unknowns])

    def state(self, state: Mapping[str, float]) -> tuple[dict[Jet, torch.Tensor], list[Value]]:
        """What the functions add to a state.

        Returns
        -------
        jets
            To the jets with variable sensitivities, of the shape of the rows.
        residuals
            Per term, to the residual by the jets with constant ones.
        """
        c = self.coefficients(state)
        jets = {j: (c[self._of[j[0]]] @ values).reshape(self.shape) for j, values in self._variable.items()}
        return jets, [0.0 if s is None else (c @ s).reshape(self.shape) for s in self._constant]

    def weigh(self, k: int, sensitivity: Mapping[Jet, Value], factor: torch.Tensor) -> None:
        """Make the columns of a term; terms follow each other from the first on.

        Parameters
        ----------
        sensitivity
            Variable sensitivities of the residual, without weights.
        factor
            Weights of the rows.
        """
        if k == 0:
            self.columns = []
        total = self._zero if self._constant[k] is None else self._constant[k]
        assert total is not None
        for j, s in sensitivity.items():
            values = self._variable.get(j)
            if values is not None:
                total = total.index_add(0, torch.tensor(self._of[j[0]], device=values.device), values * self._flat(s))
        self.columns.append(total * self._flat(factor))

    def _flat(self, value: Value) -> Value:
        return value.expand(self.shape).reshape(-1) if isinstance(value, torch.Tensor) else value

    # -- products ---
    def forward(self, k: int, coefficients: torch.Tensor) -> torch.Tensor:
        """What a direction of the coefficients adds to the rows of a term."""
        return (coefficients @ self.columns[k]).reshape(self.shape)

    def adjoint(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """The transpose of :meth:`forward`, for the rows of all terms."""
        total = self._zero.new_zeros(len(self.basis))
        for columns, row in zip(self.columns, rows, strict=True):
            total += columns @ row.reshape(-1)
        return total

    def squares(self) -> torch.Tensor:
        """Squared norms of the columns."""
        total = self._zero.new_zeros(len(self.basis))
        for columns in self.columns:
            total += columns.square().sum(1)
        return total

    def to(self, dtype: torch.dtype) -> SingularColumns:
        """The columns at the last linearisation in another precision."""
        twin = object.__new__(SingularColumns)
        twin.__dict__ |= self.__dict__ | {"_zero": self._zero.to(dtype), "columns": [c.to(dtype) for c in self.columns]}
        return twin
