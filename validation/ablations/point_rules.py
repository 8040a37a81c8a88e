"""Other points inside for the same losses: Gauss, Sobol and random ones, for Adam and for Gauss-Newton."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

import hermite_pinn as hp
from hermite_pinn import Status
from hermite_pinn.geometry import Domain, Samples
from hermite_pinn.methods.base import Method, Outcome, Task
from hermite_pinn.methods.least_squares.levenberg_marquardt import LevenbergMarquardt
from hermite_pinn.methods.least_squares.linear_solver import ConjugateGradients
from hermite_pinn.methods.systems.field_block import FieldBlock
from hermite_pinn.methods.systems.field_system import FieldSystem, Points, collocate
from hermite_pinn.methods.training.batches import Batch, TermGroup
from hermite_pinn.methods.training.objective import Objective, PlacedTerms
from hermite_pinn.methods.training.random_objective import RandomObjective

__all__ = ["RULES", "AdamAt", "RowsAt"]

GAUSS = 2  # points per cell and axis


def _random(domain: Domain, count: int, seed: int) -> Samples:
    samples = domain.interior.random(count, torch.Generator().manual_seed(seed), torch.float64)
    return Samples(samples.x, domain.interior.measure / count)


def _sobol(domain: Domain, count: int, seed: int) -> Samples:
    return domain.interior.quasi_random(count, seed)


def _gauss(domain: Domain, count: int, seed: int) -> Samples:
    cells = math.ceil(count ** (1 / domain.dim) / GAUSS - 1e-9)
    return domain.interior.gauss([cells] * domain.dim, GAUSS)


#: From a domain, a least number of points and a seed to points with weights.
RULES: dict[str, Callable[[Domain, int, int], Samples]] = {"random": _random, "sobol": _sobol, "gauss": _gauss}


@dataclass(frozen=True)
class AdamAt(hp.Adam):
    """Adam whose points inside follow a rule; those on the faces are random ones.

    Parameters
    ----------
    rule
        Key of :data:`RULES`.
    pool
        Points from which those of every step are chosen at random; as many as ``points`` are the same in every step,
        and 0 are new ones in every step.
    """

    rule: str = "random"
    pool: int = 0

    def objective(self, task: Task) -> Objective:
        """Means over points of the rule; residuals are not divided."""
        return _Ruled(task, self)


class _Ruled(RandomObjective):
    """The loss of :class:`AdamAt`."""

    def __init__(self, task: Task, method: AdamAt) -> None:
        super().__init__(
            task,
            method,
            task.dtype or torch.float32,
            method.default_levels(task),
            method.numbers(),
        )
        self._rule, self._drawn = RULES[method.rule], 0
        self._pool = self._fresh(method.pool) if method.pool else None

    def _fresh(self, count: int) -> torch.Tensor:
        self._drawn += 1
        samples = self._rule(self.problem.domain, count, self.seed + self._drawn)
        return samples.x.to(self.device, self.dtype)

    def _inside(self, generator: torch.Generator) -> torch.Tensor:
        if self._pool is None:
            return self._fresh(self.points)
        most = self._pool.shape[1]
        if most <= self.points + GAUSS * GAUSS * self.points**0.5:  # a Gauss grid may have some more
            return self._pool
        return self._pool[:, torch.randint(most, (self.points,), generator=generator)].contiguous()

    def draw(self, generator: torch.Generator) -> PlacedTerms:
        """Points of a step, for every group of terms."""

        def placed(group: TermGroup) -> Batch:
            if group.interior:
                return Batch(self._inside(generator))
            return group.random(self.face_points, generator)

        return [(group, placed(group)) for group in self.groups]


@dataclass(frozen=True)
class RowsAt(Method):
    """One linear least-squares problem for the sum of the levels, with interior rows at points of a rule.

    Parameters
    ----------
    rule
        Key of :data:`RULES`.
    points
        Inside, at least.
    inner_steps
        Most steps of conjugate gradients.

    Notes
    -----
    The conditions are taken at the same Gauss points whatever the rule.
    """

    rule: str = "gauss"
    points: int = 4096
    inner_steps: int = 1500

    name = "rows"

    def run(self, task: Task) -> Outcome:
        """Solve; see :class:`Method`."""
        problem, spec = task.problem, task.field or self.default_field(task.problem)
        levels = 6 if task.levels is None else task.levels
        field = spec.build(problem.domain, problem.fields, problem.periodic, levels, task.seed, torch.float64)
        cells = math.ceil(self.points ** (1 / problem.domain.dim) / GAUSS - 1e-9)
        given = collocate(problem, Points(cells, GAUSS))
        inside = [b for b in given if b.terms[0].term.region.is_interior]
        samples = RULES[self.rule](problem.domain, self.points, task.seed + 1)
        terms = [t.term for t in inside[0].terms]
        rows = FieldBlock(terms, problem, samples.x, samples.weights, inside[0].scales)
        system = FieldSystem(problem, field, [rows, *(b for b in given if b not in inside)])
        solver: LevenbergMarquardt[FieldSystem] = LevenbergMarquardt(
            ConjugateGradients(), inner_tol=1e-8, near_tol=1e-8, inner_steps=self.inner_steps, outer_steps=1,
            damping=1e-3, change=None, monitor=task.monitor,
        )  # fmt: skip
        vector = solver.fit(system, system.vector(), lambda fit: None).vector
        stats = {"inner_steps": solver.inner_total, "points": samples.x.shape[1]}
        return Outcome(system.field_of(vector), {}, Status.COMPLETED, f"rows at {self.rule} points", None, stats)
