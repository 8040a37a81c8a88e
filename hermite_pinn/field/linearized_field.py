"""A field at fixed points, linearised in its parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hermite_pinn.cuda.encoder.channels import Channels

from .encoder import Encoder
from .head import LinearizedHead
from .linearization import RowProducts
from .singular_part import SingularProducts
from .stencils import Stencil, StencilProducts
from .tree import ENCODER, HEAD, SINGULAR, Tree, branch, within

__all__ = ["FieldRows", "LinearizedField"]


@dataclass(frozen=True, eq=False)
class LinearizedField:
    """A field at fixed points and parameters.

    Attributes
    ----------
    x, carried
        Points (dim, n), with a stencil its taps, and the channels of the features there.
    encoder, head
        The parts.
    product_rule
        See :meth:`.GridField.product_rule`.
    jets
        (fields, channels, n).
    singular
        Jets of the singular functions, (functions, fields, channels, n), or None.
    stencil
        How values at taps make the channels, where derivatives are differences, or None.
    """

    x: torch.Tensor
    carried: Channels
    encoder: Encoder
    head: LinearizedHead
    product_rule: torch.Tensor | None
    jets: torch.Tensor
    singular: torch.Tensor | None = None
    stencil: Stencil | None = None

    def rows(self, weights: Sequence[torch.Tensor]) -> FieldRows:
        """Rows ``sum_fc weights[t][f, c] * jets[f, c]`` linearised in the field's parameters.

        Parameters
        ----------
        weights
            Per term (fields, channels, n).
        """
        with torch.no_grad():
            added = None if self.singular is None else SingularProducts.of(self.singular, weights)
            if self.product_rule is not None:
                weights = [torch.einsum("frcn,frn->fcn", self.product_rule, w) for w in weights]
            if self.stencil is not None:
                weights = [self.stencil.spread(w) for w in weights]
            head = self.head.rows(weights)
            encoder = self.encoder.linearized(self.x, self.carried, head.weights)
            if self.stencil is None:
                return FieldRows(encoder, head, added)
            taps, count = self.stencil.taps, self.stencil.weights.shape[2]
            return FieldRows(StencilProducts(encoder, taps, count), StencilProducts(head, taps, count), added)


@dataclass(frozen=True, eq=False)
class FieldRows(RowProducts):
    """Products with rows by the parameters of a field: those of its encoder, of its head, and of singular functions."""

    encoder: RowProducts
    head: RowProducts
    singular: SingularProducts | None = None

    @property
    def _parts(self) -> dict[str, RowProducts]:
        own: dict[str, RowProducts] = {ENCODER: self.encoder, HEAD: self.head}
        return own if self.singular is None else own | {SINGULAR: self.singular}

    def forward(self, direction: Tree) -> torch.Tensor | None:
        """See :meth:`RowProducts.forward`."""
        total: torch.Tensor | None = None
        for group, part in self._parts.items():
            rows = part.forward(branch(direction, group))
            if rows is not None:
                total = rows if total is None else total.add_(rows)
        return total

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        """See :meth:`RowProducts.adjoint`."""
        for group, part in self._parts.items():
            part.adjoint(rows, branch(out, group))

    def squares(self, out: Tree) -> None:
        """See :meth:`RowProducts.squares`."""
        for group, part in self._parts.items():
            part.squares(branch(out, group))

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        """See :meth:`RowProducts.dense`."""
        group, part = next((g, p) for g, p in self._parts.items() if within(path, g))
        (own,) = branch({path: None}, group)
        return part.dense(own, points)
