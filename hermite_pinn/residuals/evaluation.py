"""Residuals of a field at points: differentiable, for first-order methods, and for reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import torch

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import Leaf, Program, Value
from hermite_pinn.field.field import GridField
from hermite_pinn.geometry import Samples
from hermite_pinn.geometry.samples import Normals
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .compiled import channels_of, compile_term

__all__ = ["HeldOut", "TermEvaluator", "held_out_points", "residual_rms", "restricted", "restriction"]


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
    def turning(self) -> bool:
        """Whether a residual depends on a normal that is not the same at all points."""
        return any(kind == "normal" for kind, _ in self._program.leaves)

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
        normals: Normals = None,
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
        normals
            Outward normals (dim, n), needed where a term's region has another one at every point.
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
        if normals is not None:
            env |= {("normal", i): component for i, component in enumerate(normals)}
        for kind, data in self._program.leaves:
            if kind == "jet":
                name, orders = data
                known = orders in self._place and data in self._jets
                env[(kind, data)] = channels[name][self._place[orders]] if known else 0.0
        values = self._program.run(env)
        return [v.expand(x.shape[1]) if isinstance(v, torch.Tensor) else x.new_full((x.shape[1],), v) for v in values]


def restriction(term: Term, problem: Problem, samples: Samples) -> torch.Tensor:
    """Which of the points the term's restriction keeps (n,), none perhaps; nothing waits for the device."""
    x = samples.x
    if term.where is None:
        return torch.ones(x.shape[1], dtype=torch.bool, device=x.device)
    value = problem.plan.program(term.where).run(samples.leaves(problem.domain.names))[0]
    if isinstance(value, torch.Tensor):
        return value.expand(x.shape[1]).bool()
    return torch.full((x.shape[1],), bool(value), device=x.device)


def restricted(term: Term, problem: Problem, samples: Samples) -> Samples:
    """The points that the term's restriction keeps; the same samples where there is none.

    Raises
    ------
    InvalidProblemError
        If it keeps none.
    """
    if term.where is None:
        return samples
    kept = restriction(term, problem, samples)
    if not kept.any():
        raise InvalidProblemError(
            f"the condition {term.name!r} applies to none of {samples.count} points of the face {term.region.name}: its `where` "
            "is false there"
        )
    return samples.take(kept)


def held_out_points(problem: Problem, term: Term, count: int, generator: torch.Generator) -> Samples:
    """Random points of a term's region, float64, or its measured points with their columns."""
    return restricted(term, problem, term.region.held_out(count, generator))


class HeldOut(NamedTuple):
    """RMS of residuals at points that no method trained on: by term, and of terms on several faces by face."""

    rms: dict[str, float]
    by_face: dict[str, dict[str, float]]


def residual_rms(
    problem: Problem, field: GridField, parameters: Mapping[str, float], seed: int = 0, count: int = 20_000
) -> HeldOut:
    """RMS of every term at random points that no method trained on, by name of the term, penalties apart."""
    generator = torch.Generator().manual_seed(seed + 7919)
    squares: dict[str, list[torch.Tensor]] = {}
    faces: dict[str, dict[str, list[torch.Tensor]]] = {}
    for term in problem.terms:
        if term.region.penalty is not None:
            continue
        n = count if term.region.is_interior else count // 4
        samples = held_out_points(problem, term, n, generator).to(field.device, field.dtype)
        with torch.no_grad():
            rows = TermEvaluator([term], problem).residuals(
                field, samples.x, parameters, samples.columns, normals=samples.normals
            )
        squares.setdefault(term.name, []).append(rows[0].double() ** 2)
        faces.setdefault(term.name, {}).setdefault(term.region.name, []).append(squares[term.name][-1])
    several = {name: parts for name, parts in faces.items() if len(parts) > 1}
    return HeldOut(_root_means(squares), {name: _root_means(parts) for name, parts in several.items()})


def _root_means(squares: Mapping[str, list[torch.Tensor]]) -> dict[str, float]:
    return {name: float(torch.cat(parts).mean().sqrt()) for name, parts in squares.items()}
