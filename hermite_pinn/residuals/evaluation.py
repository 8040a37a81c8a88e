"""Residuals of a field at points: differentiable, for first-order methods, and for reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import Leaf, Program, Value
from hermite_pinn.field.field import GridField
from hermite_pinn.geometry import Face
from hermite_pinn.problem.conditions import PointSet, Roughness, Term
from hermite_pinn.problem.problem import Problem

from .compiled import channels_of, compile_term

__all__ = ["TermEvaluator", "held_out_points", "on_face", "residual_rms", "restriction"]


class TermEvaluator:
    """Residuals of terms that share their points, by one pass of the field's jets.

    Parameters
    ----------
    terms
        Terms imposed at the same points.
    problem
        For names of fields and coordinates.
    """

    def __init__(self, terms: Sequence[Term], problem: Problem) -> None:
        self.terms = list(terms)
        self.problem = problem
        compiled = [compile_term(problem, t) for t in terms]
        self.channels, self._place = channels_of(problem, compiled)
        self._jets = {j for t in compiled for j in t.jets}

    @cached_property
    def _program(self) -> Program:
        return self.problem.plan.program(*(t.residual for t in self.terms))

    @cached_property
    def tabulated(self) -> list[str]:
        """Names of the functions in residuals and restrictions that are evaluated by NumPy, on the host."""
        programs = [self._program, *(self.problem.plan.program(t.where) for t in self.terms if t.where is not None)]
        return [data.name for program in programs for op, _, data in program.instructions if op == "opaque"]

    def residuals(
        self,
        field: GridField,
        x: torch.Tensor,
        parameters: Mapping[str, Value],
        columns: Mapping[str, torch.Tensor] | None = None,
        jets: torch.Tensor | None = None,
    ) -> list[torch.Tensor]:
        """One tensor (n,) per term, in the user's units.

        Parameters
        ----------
        x
            Points (dim, n).
        parameters
            Values of the problem's parameters, numbers or tensors.
        columns
            Measured values at the points, by name.
        jets
            The field's jets at the points in :attr:`channels`, (fields, channels, n), if they are there already.
        """
        if jets is None:
            jets = field.jets(x, self.channels)
        # unbound, not indexed: the backward pass of an index fills a tensor of all channels
        channels = dict(zip(self.problem.fields, (row.unbind() for row in jets.unbind()), strict=True))
        env: dict[Leaf, Value] = dict(
            zip((("coordinate", n) for n in self.problem.domain.names), x.unbind(), strict=True)
        )
        env |= {("parameter", name): value for name, value in parameters.items()}
        env |= {("data", name): value for name, value in (columns or {}).items()}
        for kind, data in self._program.leaves:
            if kind == "jet":
                name, orders = data
                known = orders in self._place and data in self._jets
                env[(kind, data)] = channels[name][self._place[orders]] if known else 0.0
        values = self._program.run(env)
        return [v.expand(x.shape[1]) if isinstance(v, torch.Tensor) else x.new_full((x.shape[1],), v) for v in values]


def restriction(term: Term, problem: Problem, x: torch.Tensor) -> torch.Tensor:
    """Which of the points (dim, n) the term's restriction keeps, none perhaps; nothing waits for the device."""
    if term.where is None:
        return torch.ones(x.shape[1], dtype=torch.bool, device=x.device)
    env: dict[Leaf, Value] = {("coordinate", name): x[i] for i, name in enumerate(problem.domain.names)}
    value = problem.plan.program(term.where).run(env)[0]
    if isinstance(value, torch.Tensor):
        return value.expand(x.shape[1]).bool()
    return torch.full((x.shape[1],), bool(value), device=x.device)


def on_face(term: Term, problem: Problem, x: torch.Tensor) -> torch.Tensor:
    """Which of the points (dim, n) the term's restriction keeps.

    Raises
    ------
    InvalidProblemError
        If it keeps none.
    """
    kept = restriction(term, problem, x)
    if not kept.any():
        raise InvalidProblemError(
            f"the condition {term.name!r} applies to none of {x.shape[1]} points of its face: its `where` is false there"
        )
    return kept


def held_out_points(
    problem: Problem, term: Term, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Random points of a term's region (dim, n), or its measured points, with their columns."""
    if isinstance(term.region, PointSet):
        columns = {k: torch.as_tensor(v) for k, v in term.region.columns.items()}
        return torch.as_tensor(np.ascontiguousarray(term.region.points.T)), columns
    face = term.region if isinstance(term.region, Face) else None
    x = problem.domain.sample(count, generator, torch.float64, face)
    return x[:, on_face(term, problem, x)], {}


def residual_rms(
    problem: Problem, field: GridField, parameters: Mapping[str, float], seed: int = 0, count: int = 20_000
) -> dict[str, float]:
    """RMS of every term at random points that no method trained on, by name of the term, penalties apart."""
    generator = torch.Generator().manual_seed(seed + 7919)
    squares: dict[str, list[torch.Tensor]] = {}
    for term in problem.terms:
        if isinstance(term.region, Roughness):
            continue
        x, columns = held_out_points(problem, term, count if term.region is None else count // 4, generator)
        place = (field.device, field.dtype)
        with torch.no_grad():
            rows = TermEvaluator([term], problem).residuals(
                field, x.to(*place), parameters, {k: v.to(*place) for k, v in columns.items()}
            )
        squares.setdefault(term.name, []).append(rows[0].double() ** 2)
    return {name: float(torch.cat(parts).mean().sqrt()) for name, parts in squares.items()}
