"""Weighted residual rows of terms at fixed points, linearised about a field with tables and a network.

The derivative of row ``q`` with respect to a layer's weights is ``sum_c delta[:, c, q] outer a[:, c, q]``: the signal
propagated back to the layer times its input, summed over the derivative channels.  Signals and inputs are kept, so a
product with the Jacobian is one matrix product per layer and one pass of the encoder, and column norms need no matrix
of rows times parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from hermite_pinn.cuda.encoder import ops, products
from hermite_pinn.cuda.network.activation import JetPlan, activate, activate_adjoint
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.field.field import GridField
from hermite_pinn.geometry.samples import Normals
from hermite_pinn.problem.conditions import Term
from hermite_pinn.problem.problem import Problem
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
        self._carried = self.channels
        self._products: torch.Tensor | None = None
        self._inputs: list[torch.Tensor] = []
        self._signals: list[list[torch.Tensor]] = []
        self._to_grid = x.new_zeros(0)
        self._by_parameter: list[list[torch.Tensor | None]] = []

    # -- linearisation ---
    def _rows(
        self, jets: torch.Tensor, parameters: Mapping[str, float], sensitivities: list[torch.Tensor] | None
    ) -> list[torch.Tensor]:
        """Weighted rows from jets (fields, channels, n); appends their derivatives with respect to these jets."""
        found: dict[Jet, Value] = {(f, o): jets[self.fields.index(f), self._place[o]] for f, o in self._jets}
        env = self._env | {("parameter", name): value for name, value in parameters.items()}
        rows = []
        for t, scale in zip(self.terms, self.scales, strict=True):
            factor = self.root / scale
            value, variable, by_parameter = t.evaluate(env, found)
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
            return self._linearize(field, parameters)

    def _linearize(self, field: GridField, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        self.layout, self._count = field.layout, len(field.names)
        self._by_parameter, sensitivities = [], list[torch.Tensor]()
        if field.siren is None:
            self._carried = self.channels
            product = None
            if field.envelope is not None:
                plan = JetPlan.of(self.channels)
                self._carried = plan.carried
                product = self._product(field, plan)
            jets = ops.summed_jets(self.x, field.table, field.layout, self._carried)[: self._count]
            if product is not None:
                jets = torch.einsum("frcn,fcn->frn", product, jets)
            rows = self._rows(jets, parameters, sensitivities)
            if product is not None:
                sensitivities = [torch.einsum("frcn,frn->fcn", product, s) for s in sensitivities]
            self._to_grid = torch.stack([self._skipped(s) for s in sensitivities])
            return rows
        siren, plan = field.siren, JetPlan.of(self.channels)
        self._carried, n = plan.carried, self.x.shape[1]
        product = self._product(field, plan)
        gate = 1.0 if field.gate is None else float(field.gate)
        features = ops.jets(self.x, field.table, field.layout, plan.carried)
        a = features.reshape(-1, len(plan.carried), n)
        self._inputs, before = [a], list[torch.Tensor]()
        for k, (weight, bias) in enumerate(zip(siren.weights, siren.biases, strict=True)):
            z = (weight @ a.reshape(a.shape[0], -1)).view(weight.shape[0], *a.shape[1:])
            if k < len(siren.weights) - 1:
                before.append(z)
                a = activate(z, bias, siren.omega, siren.activation, plan)
                self._inputs.append(a)
        out = z.clone()
        out[:, 0] += siren.biases[-1][:, None]
        jets = out * gate
        skip = field.gate is not None
        if skip:
            jets = jets + features.sum(0)[: self._count]
        rows = self._rows(torch.einsum("frcn,fcn->frn", product, jets), parameters, sensitivities)
        self._signals, to_grid = [], []
        for s in sensitivities:
            delta = torch.einsum("frcn,frn->fcn", product, s)
            back, signal = [delta * gate], delta * gate
            for k in range(len(before) - 1, -1, -1):
                weights = siren.weights[k + 1].T @ signal.reshape(signal.shape[0], -1)
                signal = activate_adjoint(
                    before[k], siren.biases[k], weights.view(-1, *signal.shape[1:]), siren.omega, siren.activation, plan
                )
                back.insert(0, signal)
            grid = (siren.weights[0].T @ signal.reshape(signal.shape[0], -1)).view(features.shape)
            if skip:
                grid[:, : self._count] += delta
            self._signals.append(back)
            to_grid.append(grid)
        self._to_grid = torch.stack(to_grid)
        return rows

    def _product(self, field: GridField, plan: JetPlan) -> torch.Tensor:
        """Requested jets from carried ones, (fields, requested, carried, n); kept, since the points stay."""
        if self._products is None:
            if field.envelope is not None:
                self._products = field.envelope.matrix(self.x, plan)
            else:
                chosen = torch.eye(len(plan.carried), dtype=self.x.dtype, device=self.x.device)[list(plan.outputs)]
                self._products = chosen[None, :, :, None].expand(len(self.fields), -1, -1, self.x.shape[1])
        return self._products

    def _skipped(self, s: torch.Tensor) -> torch.Tensor:
        """Sensitivities of the sum of levels as those of the features of one level that stands for all."""
        if self.layout.features == self._count:
            return s[None]
        found = s.new_zeros(1, self.layout.features, *s.shape[1:])
        found[0, : self._count] = s
        return found

    # -- products ---
    def forward(self, direction: Mapping[str, torch.Tensor], parameters: torch.Tensor) -> list[torch.Tensor]:
        """Derivative of the rows along a direction given by the tensors that move, and the parameters'."""
        rows = [torch.zeros_like(self.root) for _ in self.terms]
        if "table" in direction:
            found = products.jacobian_vector(self.x, direction["table"], self._to_grid, self.layout, self._carried)
            rows = list(found.unbind())
        for k, a in enumerate(self._inputs):
            if f"weight{k}" in direction:
                moved = (direction[f"weight{k}"] @ a.reshape(a.shape[0], -1)).view(-1, *a.shape[1:])
                for row, signals in zip(rows, self._signals, strict=True):
                    row += torch.einsum("ucn,ucn->n", signals[k], moved)
            if f"bias{k}" in direction:
                for row, signals in zip(rows, self._signals, strict=True):
                    row += direction[f"bias{k}"] @ signals[k][:, 0]
        for row, columns in zip(rows, self._by_parameter, strict=True):
            for i, column in enumerate(columns):
                if column is not None:
                    row += column * parameters[i]
        return rows

    def adjoint(self, rows: Sequence[torch.Tensor], out: Mapping[str, torch.Tensor], parameters: torch.Tensor) -> None:
        """Add the transpose of :meth:`forward` to ``out`` and ``parameters``."""
        if "table" in out:
            stacked = torch.stack(list(rows))
            out["table"].add_(products.vector_jacobian(self.x, stacked, self._to_grid, self.layout, self._carried))
        for k, a in enumerate(self._inputs):
            if f"weight{k}" not in out and f"bias{k}" not in out:
                continue
            signal = sum(s[k] * row for s, row in zip(self._signals, rows, strict=True))
            assert isinstance(signal, torch.Tensor)
            if f"weight{k}" in out:
                out[f"weight{k}"].addmm_(signal.reshape(signal.shape[0], -1), a.reshape(a.shape[0], -1).T)
            if f"bias{k}" in out:
                out[f"bias{k}"].add_(signal[:, 0].sum(1))
        for row, found in zip(rows, self._by_parameter, strict=True):
            for i, column in enumerate(found):
                if column is not None:
                    parameters[i] += column @ row

    def squares(self, out: Mapping[str, torch.Tensor], parameters: torch.Tensor) -> None:
        """Add the squared norms of the columns to ``out`` and ``parameters``."""
        for t in range(len(self.terms)):
            if "table" in out:
                out["table"].add_(ops.diagonal(self.x, self._to_grid[t], self.layout, self._carried))
            for k, a in enumerate(self._inputs):
                if f"weight{k}" in out:
                    signal = self._signals[t][k]
                    for c in range(a.shape[1]):
                        for d in range(c + 1):
                            part = (signal[:, c] * signal[:, d]) @ (a[:, c] * a[:, d]).T
                            out[f"weight{k}"].add_(part, alpha=1.0 if c == d else 2.0)
                if f"bias{k}" in out:
                    out[f"bias{k}"].add_(self._signals[t][k][:, 0].square().sum(1))
            for i, column in enumerate(self._by_parameter[t]):
                if column is not None:
                    parameters[i] += column @ column

    def dense(self, names: Sequence[str], chunk: slice) -> list[torch.Tensor]:
        """Rows of the network's Jacobian at some of the points: per term a matrix (points, elements of ``names``)."""
        found = []
        for signals in self._signals:
            parts = []
            for name in names:
                k = int(name.removeprefix("weight").removeprefix("bias"))
                s = signals[k][:, :, chunk]
                if name.startswith("bias"):
                    parts.append(s[:, 0].T)
                    continue
                a = self._inputs[k][:, :, chunk]
                outer = torch.bmm(s.permute(2, 0, 1), a.permute(2, 1, 0))
                parts.append(outer.reshape(outer.shape[0], -1))
            found.append(torch.cat(parts, 1))
        return found
