"""Coefficients on the faces of a box that conditions prescribe, at any time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Leaf, Program, Value, total_derivative
from hermite_pinn.geometry.quadrature import gauss_axis
from hermite_pinn.methods.systems.block import Axis
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .line_equations import PLACES, steady_parts

__all__ = ["FaceCoefficients"]

KEPT = 4  # times whose values are kept


@dataclass(frozen=True, eq=False)
class _Face:
    """One condition on one face.

    Attributes
    ----------
    term
        The condition.
    field, axis, index
        Numbers of the field, of the axis of space across the face, and of the coefficient along it.
    cell
        Length of a cell there to the power of the order of the trace: derivatives count in units of cells.
    shape
        Of these points.
    projections
        By axis of the face, from values at the points to coefficients.
    programs
        Compute the value and its derivatives in time, with what does not depend on the time.
    """

    term: Term
    field: int
    axis: int
    index: int
    cell: float
    shape: tuple[int, ...]
    projections: tuple[torch.Tensor, ...]
    programs: tuple[tuple[Program, dict[Leaf, Value]], ...]


class FaceCoefficients:
    """The coefficients of a state that conditions on the faces of space prescribe.

    Parameters
    ----------
    problem, basis, axes, cells
        Of the state, whose axes are those of space.
    derivatives
        In time, up to which values are asked for.

    Attributes
    ----------
    steady
        Whether they are the same at all times.
    fixed
        By field and axis, numbers of the coefficients along the axis that are prescribed.
    """

    def __init__(
        self, problem: Problem, basis: str, axes: Sequence[Axis], cells: Sequence[int], derivatives: int
    ) -> None:
        domain, m = problem.domain, BASES[basis].coefficients
        time = domain.time_axis
        assert time is not None
        self.problem, self.time = problem, domain.names[time]
        space = domain.space_axes
        self.shape = (len(problem.fields), *(a.coefficients(basis, n) for a, n in zip(axes, cells, strict=True)))
        self.fixed: list[list[list[int]]] = [[[] for _ in space] for _ in problem.fields]
        self._faces: list[_Face] = []
        for term in problem.terms:
            plane, trace = term.region.plane, term.trace
            if trace is None or plane is None or plane.axis == time:
                continue
            own, field = space.index(plane.axis), problem.fields.index(trace.field)
            index = (self.shape[own + 1] - m if plane.side else 0) + trace.order
            if index not in self.fixed[field][own]:
                self.fixed[field][own].append(index)
            cell = axes[own].end_cells(cells[own])[plane.side] ** trace.order
            places: dict[Leaf, Value] = {("coordinate", axes[own].name): float(plane.position)}
            others = [i for i in range(len(space)) if i != own]
            projections, sizes = [], []
            for k, i in enumerate(others):
                x, weights = gauss_axis(*axes[i].bounds, cells[i], m + 2)
                values = axes[i].evaluation(basis, cells[i], x, (0,)).matrices[0].toarray()
                projections.append(torch.as_tensor(np.linalg.solve((values.T * weights) @ values, values.T * weights)))
                places["coordinate", axes[i].name] = torch.as_tensor(x).reshape(
                    [-1 if j == k else 1 for j in range(len(others))]
                )
                sizes.append(len(x))
            values_of = [trace.value]
            for _ in range(derivatives):
                values_of.append(total_derivative(values_of[-1], self.time, time))
            programs = tuple(_prepared(v, places) for v in values_of)
            self._faces.append(_Face(term, field, own, index, cell, tuple(sizes), tuple(projections), programs))
        self.steady = all(("coordinate", self.time) not in f.programs[0][0].leaves for f in self._faces)
        self._count = torch.zeros(self.shape, dtype=torch.float64)
        for face in self._faces:
            self._count[face.field].select(face.axis, face.index).add_(1.0)
        self._count.clamp_(min=1.0)
        self._kept: OrderedDict[tuple[float, int], torch.Tensor] = OrderedDict()

    def at(self, time: float, derivative: int = 0) -> torch.Tensor:
        """Prescribed coefficients (fields, m N_1, ...) or their derivative in time; zero where nothing is prescribed.

        Where faces with different values meet, they are the mean.

        Raises
        ------
        InvalidProblemError
            If a value is not finite somewhere.
        """
        key = (0.0 if self.steady else time, derivative)
        if key in self._kept:
            return self._kept[key]
        total = torch.zeros(self.shape, dtype=torch.float64)
        for face in self._faces:
            program, known = face.programs[derivative]
            value = program.run(known | {("coordinate", self.time): time})[0]
            if not isinstance(value, torch.Tensor) and value == 0:
                continue
            x = torch.as_tensor(value, dtype=torch.float64).expand(face.shape)
            if not bool(torch.isfinite(x).all()):
                raise InvalidProblemError(
                    f"the value of {face.term.name!r} is not finite on the face {face.term.region.name} at "
                    f"{self.time}={time:.6g}; look for divisions by zero, roots or logarithms of negative numbers in it"
                )
            for k, projection in enumerate(face.projections):
                x = torch.tensordot(projection, x, ([1], [k])).movedim(0, k)
            total[face.field].select(face.axis, face.index).add_(x, alpha=face.cell)
        total /= self._count
        self._kept[key] = total
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return total


def _prepared(value: Expr, places: dict[Leaf, Value]) -> tuple[Program, dict[Leaf, Value]]:
    """A program for a value whose parts that do not depend on the time are known."""
    short, parts = steady_parts(value, [data for _, data in places])
    values = Program(parts).run(places) if parts else []
    return Program([short]), places | {(PLACES, k): v for k, v in enumerate(values)}
