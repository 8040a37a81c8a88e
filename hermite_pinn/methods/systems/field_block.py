"""Weighted residual rows of terms at fixed points, linearised about any field and the parameters of a problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.field.grid_field import FieldRows, GridField
from hermite_pinn.geometry.samples import Normals
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.compiled import Jet, channels_of, compile_term

__all__ = ["FieldBlock"]

Tensors = dict[str, torch.Tensor]


class FieldBlock:
    """Rows of some terms at the same points.

    Rows are multiplied by ``sqrt(weight) / scale``; they come as a list with one tensor (n,) per term.  The products
    are those at the last :meth:`linearize`.

    Parameters
    ----------
    terms
        What is imposed.
    problem
        For the names of fields, coordinates and parameters.
    x
        Points, (dim, n).
    weights
        Quadrature weight of every point, (n,).
    scales
        Divisor of every term's rows.
    columns
        Data of the points by name, (n,) each.
    normals
        Outward normals (dim, n) or (dim,), needed where they are not the same at all points of a region.

    Raises
    ------
    InvalidProblemError
        If there is no point.
    """

    def __init__(
        self,
        terms: Sequence[Term],
        problem: Problem,
        x: torch.Tensor,
        weights: torch.Tensor,
        scales: Sequence[float],
        columns: Mapping[str, torch.Tensor] | None = None,
        normals: Normals = None,
    ) -> None:
        if x.shape[1] == 0:
            raise InvalidProblemError(f"the term {terms[0].name!r} has no points")
        self.terms = [compile_term(problem, t) for t in terms]
        self.fields, self.parameters = problem.fields, tuple(p.name for p in problem.parameters)
        self.channels, self._place = channels_of(problem, self.terms)
        self.x, self.root, self.scales = x, weights.sqrt(), list(scales)
        self._env: dict[Leaf, Value] = {("coordinate", name): x[i] for i, name in enumerate(problem.domain.names)}
        self._env |= {("data", name): value for name, value in (columns or {}).items()}
        self._env |= {("normal", i): component for i, component in enumerate(() if normals is None else normals)}
        self._jets = {j for t in self.terms for j in t.jets if j[1] in self._place}
        self._product_rule: torch.Tensor | None = None  # kept, since the points stay
        self._by_field: FieldRows | None = None
        self._by_parameter: list[list[torch.Tensor | None]] = []

    # -- linearisation ---
    def _rows(
        self, jets: torch.Tensor, parameters: Mapping[str, float], sensitivities: list[torch.Tensor] | None
    ) -> list[torch.Tensor]:
        """Weighted rows from jets (fields, channels, n); appends their derivatives with respect to these jets."""
        by_jet: dict[Jet, Value] = {(f, o): jets[self.fields.index(f), self._place[o]] for f, o in self._jets}
        env = self._env | {("parameter", name): value for name, value in parameters.items()}
        rows = []
        for t, scale in zip(self.terms, self.scales, strict=True):
            factor = self.root / scale
            value, variable, by_parameter = t.evaluate(env, by_jet)
            rows.append((value * factor).expand_as(self.root))
            if sensitivities is None:
                continue
            s = torch.zeros_like(jets)
            for (f, o), v in (t.constant | variable).items():
                if o in self._place:
                    s[self.fields.index(f), self._place[o]] = v * factor
            sensitivities.append(s)
            self._by_parameter.append(
                [
                    (by_parameter[p] * factor).expand_as(self.root) if p in by_parameter else None
                    for p in self.parameters
                ]
            )
        return rows

    def residuals(self, field: GridField, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        """Weighted rows, without the derivatives."""
        with torch.no_grad():
            return self._rows(field.jets(self.x, self.channels), parameters, None)

    def linearize(self, field: GridField, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        """Weighted rows at a field; remembers the derivatives."""
        with torch.no_grad():
            if self._product_rule is None:
                self._product_rule = field.product_rule(self.x, self.channels)
            linear = field.linearized(self.x, self.channels, self._product_rule)
            self._by_parameter, sensitivities = [], list[torch.Tensor]()
            rows = self._rows(linear.jets, parameters, sensitivities)
            self._by_field = linear.rows(sensitivities)
        return rows

    @property
    def _products(self) -> FieldRows:
        assert self._by_field is not None, "products are those at the last linearize"
        return self._by_field

    # -- products ---
    def forward(self, direction: Mapping[str, torch.Tensor], parameters: torch.Tensor) -> list[torch.Tensor]:
        """Derivative of the rows along a direction given by the tensors that move, and the parameters'."""
        by_field = self._products.forward(direction)
        rows = self.root.new_zeros(len(self.terms), len(self.root)) if by_field is None else by_field
        for row, columns in zip(rows, self._by_parameter, strict=True):
            for i, column in enumerate(columns):
                if column is not None:
                    row += column * parameters[i]
        return list(rows.unbind())

    def adjoint(self, rows: Sequence[torch.Tensor], out: Mapping[str, torch.Tensor], parameters: torch.Tensor) -> None:
        """Add the transpose of :meth:`forward` to ``out`` and ``parameters``."""
        self._products.adjoint(torch.stack(list(rows)), out)
        for row, columns in zip(rows, self._by_parameter, strict=True):
            for i, column in enumerate(columns):
                if column is not None:
                    parameters[i] += column @ row

    def squares(self, out: Mapping[str, torch.Tensor], parameters: torch.Tensor) -> None:
        """Add the squared norms of the columns to ``out`` and ``parameters``."""
        self._products.squares(out)
        for columns in self._by_parameter:
            for i, column in enumerate(columns):
                if column is not None:
                    parameters[i] += column @ column

    def dense(self, names: Sequence[str], chunk: slice) -> list[torch.Tensor]:
        """Rows of the Jacobian at some of the points: per term a matrix (points, elements of ``names``)."""
        parts = [self._products.dense(name, chunk) for name in names]
        return [torch.cat(columns, 1) for columns in zip(*parts, strict=True)]
