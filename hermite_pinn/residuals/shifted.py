"""A problem for what is left of its solution beside a known function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.functions import Tabulated
from hermite_pinn.expressions.graph import Expr, coordinate
from hermite_pinn.expressions.program import leaves, substitute
from hermite_pinn.field.singular_part import SingularPart
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import FaceTrace, Term

from .scales import source_norms
from .sizes import field_sizes, prescribed_sizes, wave_numbers

__all__ = ["shifted"]

KEPT = 4  # sets of points whose values are kept, since equations ask for one derivative after another
LARGEST = 1 << 20  # points of a set that is kept


def shifted(problem: Problem, known: SingularPart) -> Problem:
    """The problem whose solution, with a known function added, is that of a problem.

    Sizes of fields and equations are those of the problem itself.

    Parameters
    ----------
    known
        Functions of its fields.
    """
    jets = _Jets(problem, known)
    rest = problem.restated(lambda term: _without(term, jets, problem.domain.dim))
    rest.plan.shared.once("prescribed sizes", lambda: prescribed_sizes(problem))
    rest.plan.shared.once("field sizes", lambda: field_sizes(problem))
    rest.plan.shared.once("wave numbers", lambda: wave_numbers(problem))
    rest.plan.own.once("source norms", lambda: source_norms(problem))
    return rest


def _without(term: Term, jets: _Jets, dim: int) -> Term:
    """The term for what is left."""
    residual = substitute(term.residual, lambda leaf: leaf + jets.of(*leaf.data) if leaf.op == "jet" else None)
    trace = term.trace
    if trace is not None and term.region.plane is not None:
        orders = tuple(trace.order * int(i == term.region.plane.axis) for i in range(dim))
        trace = FaceTrace(trace.field, trace.order, trace.value - jets.of(trace.field, orders))
    return replace(term, expression=residual, residual=residual, trace=trace)


class _Jets:
    """The derivatives of a known function as expressions of the coordinates, zero for fields that have none."""

    def __init__(self, problem: Problem, known: SingularPart) -> None:
        self.problem, self.known = problem, known
        self.wanted = sorted({data for t in problem.terms for kind, data in leaves(t.residual) if kind == "jet"})
        self.wanted += [(t.trace.field, (0, 0)) for t in problem.terms if t.trace is not None]
        self._expressions: dict[tuple[str, tuple[int, ...]], Expr | float] = {}
        self._values: list[tuple[np.ndarray, Mapping[tuple[str, tuple[int, ...]], np.ndarray]]] = []

    def of(self, field: str, orders: tuple[int, ...]) -> Expr | float:
        """One derivative."""
        if field not in self.known.basis.fields:
            return 0.0
        key = field, orders
        if key not in self._expressions:
            own = Tabulated(lambda *x: self._at(np.stack(np.broadcast_arrays(*x)), key), f"known {field}{orders}", True)
            self._expressions[key] = own(*map(coordinate, self.problem.domain.names))
        return self._expressions[key]

    def _at(self, x: np.ndarray, key: tuple[str, tuple[int, ...]]) -> np.ndarray:
        """One derivative at points (2, ...)."""
        for points, values in self._values:
            if key in values and points.shape == x.shape and np.array_equal(points, x):
                return values[key]
        flat = torch.tensor(x.reshape(2, -1), dtype=torch.float64)
        wanted = self.wanted if key in self.wanted else [*self.wanted, key]
        orders = sorted({o for _, o in wanted})
        channels = Channels(2, tuple(((1.0, o),) for o in orders))
        jets = self.known.evaluate(flat, channels, self.problem.fields).numpy()
        found = {
            (f, o): jets[self.problem.fields.index(f), k].reshape(x.shape[1:])
            for f in self.problem.fields
            for k, o in enumerate(orders)
        }
        if flat.shape[1] <= LARGEST:
            self._values = [(x.copy(), found), *self._values[: KEPT - 1]]
        return found[key]
