"""The verb for families of problems: every solution is the start of the next one."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from hermite_pinn.calls import options_named
from hermite_pinn.checks import choice, integer, items, number, refuse
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.guess import Guess
from hermite_pinn.problem.problem import Problem
from hermite_pinn.result.branch import Branch
from hermite_pinn.result.solution import Solution
from hermite_pinn.run.arguments import limit
from hermite_pinn.run.status import Status
from hermite_pinn.starts import Start, guess_of

from .solve import solve

__all__ = ["continuation"]

logger = logging.getLogger(__name__)

ENDING = (Status.MAX_TIME, Status.STOPPED, Status.INTERRUPTED)
FAILED = (Status.STALLED, Status.INCONSISTENT, Status.UNSOLVED, Status.DIVERGED, Status.UNDETERMINED)
OWN = ("checkpoint", "resume", "throw", "deflate", "starts")  # arguments of one solve, which a family has not
LEAP = 0.3  # distance of a solution from its prediction, relative, that tells of another branch
POINTS = 1024  # at which solutions are compared
FITTED = 4  # last solutions that tell of a fold


@options_named
def continuation(
    problem_of: Callable[[float], Problem],
    values: Iterable[float],
    *,
    start: Start | None = None,
    predictor: str = "secant",
    halvings: int = 6,
    max_time: float | None = None,
    **options: Any,
) -> Branch:
    """Solve a family of problems, each from the solution of the one before.

    Parameters
    ----------
    problem_of
        Function that makes the problem for a value.  The fields and the domain are the same for all values.
    values
        Numbers, in the order in which they are to be reached.
    start
        Start of the first problem, as in :func:`solve`.
    predictor
        ``"secant"``: the next solution is predicted on the line through the last two; ``"last"``: it is the last one.
    halvings
        How often the step to a value may be halved, because its solve fails or ends far from its prediction, before the
        branch ends there.
    max_time
        Time limit in seconds for all problems together.
    options
        Options of :func:`solve` for every problem: ``tol``, ``levels``, ``method``, ``field`` and so on.

    Returns
    -------
    Branch
        A sequence of solutions, with the values.  Where not all of them were reached, ``status`` is
        :attr:`Status.STALLED`, and ``message`` and ``fold`` say whether the branch turns back there.

    Raises
    ------
    InvalidArgumentError
        For values that are no numbers or repeat, and options that are not those of :func:`solve`.

    Notes
    -----
    A solution farther than 0.3 of its size from the secant's prediction counts as one of another branch: the step is
    halved.  At a fold the value as a function of the solution has an extremum: that of the polynomial through the last
    three or four solutions, by their places along the last step.  To go around a fold, make the value an unknown
    :class:`Parameter` and take an amplitude of the solution as the number of the family; see docs/starts.md.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> def heated(strength):
    ...     return hp.Problem(
    ...         hp.Box(x=(0, 1)), ["u"], lambda u: u.xx + strength * hp.exp(u), [hp.Dirichlet(u=0.0)]
    ...     )
    >>> branch = hp.continuation(heated, [3.0, 3.4, 4.0], tol=1e-4)
    >>> branch.status.name, round(branch.fold, 2)  # no solutions beyond 3.5138
    ('STALLED', 3.51)
    """
    if not callable(problem_of):
        refuse("problem_of", problem_of, "a function that makes a Problem from a number")
    course = _Course(
        problem_of,
        choice("predictor", predictor, ("secant", "last")),
        integer("halvings", halvings, least=0, most=40),
        limit("max_time", max_time, infinite=True),
        _checked(options),
    )
    return course.run(_targets(values), start)


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    own = next((name for name in OWN if name in options), None)
    if own is not None:
        raise InvalidArgumentError(f"continuation has no {own}: it is of one solve; leave it out")
    return {"progress": False} | options


def _targets(values: Iterable[float]) -> list[float]:
    accepted = "a sequence of numbers such as [1.0, 2.0, 3.0]"
    given = values.tolist() if isinstance(values, np.ndarray) else values
    targets = [number("a value", v) for v in items("values", given, accepted, least=1)]
    for a, b in itertools.pairwise(targets):
        if a == b:
            raise InvalidArgumentError(f"values has {a:g} twice in a row; each one is a step from the one before")
    return targets


@dataclass
class _Course:
    """Where a continuation stands."""

    problem_of: Callable[[float], Problem]
    predictor: str
    halvings: int
    max_time: float | None
    options: dict[str, Any]
    began: float = field(default_factory=time.perf_counter)
    values: list[float] = field(default_factory=list)
    solutions: list[Solution] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)

    def run(self, targets: Sequence[float], start: Start | None) -> Branch:
        """Reach one value after the other."""
        for target in targets:
            ended = self._reach(target, start)
            if ended is not None:
                return ended
        left = next((s for s in self.solutions if not s.status.success), None)
        if left is None:
            return self._branch(Status.CONVERGED, f"all values from {targets[0]:g} to {targets[-1]:g} were reached")
        value = self.values[self.solutions.index(left)]
        return self._branch(left.status, f"all values were reached; at {value:g}: {left.message}")

    def _reach(self, target: float, start: Start | None) -> Branch | None:
        """Take steps until a value is reached; the end of the branch where that fails."""
        aim, origin = target, self.values[-1] if self.values else target
        while True:
            solution = self._solved(aim, start)
            if solution.status in ENDING:
                return self._branch(solution.status, f"ended at {aim:g}: {solution.message}")
            why = self._refusal(solution)
            if why is None:
                self.values.append(aim)
                self.solutions.append(solution)
                if aim == target:
                    return None
                step = aim - self.values[-2]  # no step before the first solution is shortened
                aim = target if abs(target - aim) <= 1.5 * abs(step) else aim + step
                continue
            self.refused.append({"value": aim, "status": solution.status.label, "message": why})
            logger.info("no solution at %g: %s", aim, why)
            if not self.values:
                return self._ended(aim, why)
            whole = abs(target - origin)
            step = 0.5 * (aim - self.values[-1])
            if abs(step) < whole * 0.5**self.halvings:
                return self._ended(aim, why)
            aim = self.values[-1] + step

    def _solved(self, aim: float, start: Start | None) -> Solution:
        problem = self.problem_of(aim)
        if not isinstance(problem, Problem):
            refuse("what problem_of returns", problem, "a hermite_pinn.Problem")
        left = None if self.max_time is None else max(1e-3, self.max_time - (time.perf_counter() - self.began))
        told: Start | None = self._predicted(problem, aim) if self.solutions else start
        return solve(problem, start=told, max_time=left, throw=False, **self.options)

    def _predicted(self, problem: Problem, aim: float) -> Guess:
        last = guess_of(problem, self.solutions[-1])
        if self.predictor == "last" or len(self.solutions) < 2:
            return last
        v0, v1 = self.values[-2:]
        along = (aim - v1) / (v1 - v0)
        line = Guess.combined([(1.0 + along, last), (-along, guess_of(problem, self.solutions[-2]))])
        bounds = {p.name: p.bounds for p in problem.parameters}
        inside = {k: min(max(v, bounds[k][0]), bounds[k][1]) for k, v in line.parameters.items()}
        return line.with_parameters(inside)

    def _refusal(self, solution: Solution) -> str | None:
        """Why a solution is none of the branch, or None."""
        if solution.status in FAILED:
            return solution.message
        moved = solution.stats.get("start", {}).get("moved", 0.0)
        if len(self.solutions) > 1 and moved > LEAP:
            return f"the solution is {100 * moved:.2g} % away from its prediction, which tells of another branch"
        return None

    # -- how it ends ---
    def _ended(self, aim: float, why: str) -> Branch:
        if not self.values:
            return self._branch(Status.STALLED, f"there is no solution at the first value, {aim:g}: {why}")
        fold = self._fold(aim)
        told = f"no solution was found beyond {self.values[-1]:.6g} (at {aim:.6g}: {why})"
        if fold is not None:
            told = (
                f"the branch turns back near {fold:.6g}, a fold: {told}; to go around it, make the value an unknown "
                "Parameter and prescribe an amplitude of the solution"
            )
        return self._branch(Status.STALLED, told, fold)

    def _fold(self, aim: float) -> float | None:
        """Extremum of the value, as a polynomial of the place along the last step, before what was refused."""
        if len(self.solutions) < 3:
            return None
        points = self.solutions[-1].domain.interior.quasi_random(POINTS, 0).x
        states = [_state(s, points) for s in self.solutions[-FITTED:]]
        along = states[-1] - states[-2]
        places = np.array([float((state - states[-1]) @ along) for state in states]) / max(float(along @ along), 1e-300)
        spread = self.values[-1] - self.values[-2]
        reached = (np.array(self.values[-FITTED:]) - self.values[-1]) / spread
        if not np.all(np.diff(places) > 0):
            return None
        curve = np.polynomial.Polynomial.fit(places, reached, len(places) - 1)
        extrema = [float(r.real) for r in np.atleast_1d(curve.deriv().roots()) if r.imag == 0 and r.real > 0]
        vertex = float(curve(min(extrema))) if extrema else np.inf
        return self.values[-1] + vertex * spread if 0.0 <= vertex <= 2.0 * (aim - self.values[-1]) / spread else None

    def _branch(self, status: Status, message: str, fold: float | None = None) -> Branch:
        return Branch(self.values, self.solutions, status, message, fold=fold, refused=self.refused)


def _state(solution: Solution, points: torch.Tensor) -> np.ndarray:
    """Values of all fields at points, and the parameters."""
    values = solution.at_points(points.numpy().T, slack=np.inf)[:, 0]
    return np.concatenate([values.ravel(), np.array(list(solution.parameters.values()))])
