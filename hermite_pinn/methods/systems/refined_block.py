"""Terms at points of the cells of a locally refined grid, with their exact linearisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.residuals.compiled import CompiledTerm, Jet

from .refined_points import LeafPoints

__all__ = ["RefinedBlock"]

PIECE = 4_000_000  # numbers of products that are formed at once


class RefinedBlock:
    """Rows of some terms at some points; coefficients are those of the sum of the levels, (fields, size), float64.

    Parameters
    ----------
    terms
        What is imposed.
    fields, names
        Of the fields and the axes.
    points
        Where.
    root
        Roots of the weights of the rows, (points,).
    scales
        Divisor of every term's rows.
    added
        By term, what is added to its residual: numbers times jets.
    parameters
        Names of the unknown parameters.
    known
        Data and other values at the points that the terms take.
    """

    def __init__(
        self,
        terms: Sequence[CompiledTerm],
        fields: Sequence[str],
        names: Sequence[str],
        points: LeafPoints,
        root: np.ndarray,
        scales: Sequence[float],
        added: Sequence[Mapping[Jet, float]] = (),
        parameters: Sequence[str] = (),
        known: Mapping[Leaf, Value] | None = None,
    ) -> None:
        self.parameters = tuple(parameters)
        self.terms, self.fields, self.scales = list(terms), tuple(fields), list(scales)
        self.points, self.root = points, torch.as_tensor(root)
        self.env: dict[Leaf, Value] = {
            ("coordinate", name): torch.as_tensor(x) for name, x in zip(names, points.x, strict=True)
        }
        self.env |= known or {}
        self._added = [dict(a) for a in added] or [{} for _ in self.terms]
        self._sensitivity: list[dict[Jet, Value]] = [{} for _ in self.terms]
        self._by_parameter: list[dict[str, Value]] = [{} for _ in self.terms]

    # -- evaluation ---
    def jets(self, total: torch.Tensor, wanted: Sequence[Jet]) -> dict[Jet, torch.Tensor]:
        """Jets of the fields at the points, (points,) each."""
        found = {jet: torch.empty(self.points.count, dtype=torch.float64) for jet in wanted}
        for g, (part, columns) in enumerate(zip(self.points.slices, self.points.columns, strict=True)):
            local: dict[str, torch.Tensor] = {}
            for jet in wanted:
                name, orders = jet
                if name not in local:
                    local[name] = total[self.fields.index(name)][columns]
                found[jet][part] = self.points.evaluated(g, orders, local[name]).reshape(-1)
        return found

    def linearize(self, total: torch.Tensor, parameters: Mapping[str, float] | None = None) -> list[torch.Tensor]:
        """Weighted residuals at coefficients and values of the parameters; remembers the sensitivities."""
        env = self.env | {("parameter", name): value for name, value in (parameters or {}).items()}
        wanted = sorted({jet for t in self.terms for jet in t.jets})  # those added are among them
        jets = self.jets(total, wanted)
        rows = []
        for k, t in enumerate(self.terms):
            value, sensitivity, self._by_parameter[k] = t.evaluate(env, {j: jets[j] for j in t.variable})
            for jet, slope in t.constant.items():
                value = value + slope * jets[jet]
            slopes: dict[Jet, Value] = {**t.constant, **sensitivity}
            for jet, slope in self._added[k].items():
                value = value + slope * jets[jet]
                slopes[jet] = slopes[jet] + slope
            self._sensitivity[k] = slopes
            rows.append(torch.as_tensor(value, dtype=torch.float64) * self.root / self.scales[k])
        return rows

    def parameter_columns(self) -> torch.Tensor:
        """The Jacobian by the parameters, (terms, points, parameters)."""
        found = torch.zeros(len(self.terms), self.points.count, len(self.parameters), dtype=torch.float64)
        for k, slopes in enumerate(self._by_parameter):
            for name, s in slopes.items():
                found[k, :, self.parameters.index(name)] = s * self.root / self.scales[k]
        return found

    def sensitivity(self, k: int) -> Mapping[Jet, Value]:
        """The slopes of a term's residual at the last linearisation, by jet: numbers or (points,)."""
        return self._sensitivity[k]

    # -- products ---
    def forward(self, total: torch.Tensor) -> list[torch.Tensor]:
        """Derivative of the rows along a direction of coefficients."""
        jets = self.jets(total, sorted({jet for s in self._sensitivity for jet in s}))
        rows = []
        for k, slopes in enumerate(self._sensitivity):
            row = torch.zeros_like(self.root)
            for jet, s in slopes.items():
                row = row + s * jets[jet]
            rows.append(row * self.root / self.scales[k])
        return rows

    def adjoint(self, rows: Sequence[torch.Tensor], out: torch.Tensor) -> None:
        """Add the transpose of :meth:`forward` to ``out``."""
        by_jet: dict[Jet, torch.Tensor] = {}
        for k, (row, slopes) in enumerate(zip(rows, self._sensitivity, strict=True)):
            weighted = row * self.root / self.scales[k]
            for jet, s in slopes.items():
                by_jet[jet] = by_jet[jet] + s * weighted if jet in by_jet else s * weighted
        for g, (part, columns) in enumerate(zip(self.points.slices, self.points.columns, strict=True)):
            local: dict[str, torch.Tensor] = {}
            for (name, orders), value in by_jet.items():
                product = self.points.gathered(g, orders, value[part].reshape(len(columns), -1))
                local[name] = local[name] + product if name in local else product
            for name, product in local.items():
                out[self.fields.index(name)].index_add_(0, columns.reshape(-1), product.reshape(-1))

    def cell_rows(self, group: int, some: slice) -> torch.Tensor:
        """The Jacobian of some cells of a group as dense rows, (C, terms Q, fields K)."""
        points, part = self.points, self.points.slices[group]
        q = points.groups[group].per_cell
        count = len(range(*some.indices(len(points.groups[group].cells))))
        rows = slice(part.start + some.start * q, part.start + (some.start + count) * q)
        width = points.columns[group].shape[1]
        found = torch.zeros(count, len(self.terms), q, len(self.fields), width, dtype=torch.float64)
        root = self.root[rows].reshape(count, q, 1)
        for k, slopes in enumerate(self._sensitivity):
            for (name, orders), s in slopes.items():
                weight = s[rows].reshape(count, q, 1) if isinstance(s, torch.Tensor) and s.ndim else s
                f = self.fields.index(name)
                values = points.values(group, orders)
                values = values if values.ndim == 2 else values[some]
                found[:, k, :, f] += values * (weight * root / self.scales[k])
        return found.reshape(count, len(self.terms) * q, -1)

    def products(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The normal matrix, cell by cell.

        Yields
        ------
        columns
            Of some cells the numbers of their coefficients in an array (fields, size), flat, (C, L).
        products
            (C, L, L).
        """
        size = self.points.grid.size
        for g, columns in enumerate(self.points.columns):
            whole = torch.cat([columns + f * size for f in range(len(self.fields))], 1)
            rows = max(whole.shape[1], len(self.terms) * self.points.groups[g].per_cell)
            step = max(1, PIECE // (whole.shape[1] * rows))
            for first in range(0, len(whole), step):
                own = self.cell_rows(g, slice(first, min(first + step, len(whole))))
                yield whole[first : first + step], torch.bmm(own.mT, own)

    def cell_products(self) -> Iterator[torch.Tensor]:
        """By group, the products of the columns of every field in every cell, (C, fields, K, K)."""
        for g, columns in enumerate(self.points.columns):
            width, fields = columns.shape[1], len(self.fields)
            rows = self.cell_rows(g, slice(0, len(columns)))
            own = rows.reshape(len(columns), -1, fields, width).transpose(1, 2)
            yield own.mT @ own
