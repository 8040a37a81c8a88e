"""What a row of the suite is, and how it is run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.errors import BackendUnavailableError, HermitePinnError
from hermite_pinn.validation.references.pinnacle import relative_error, shared_file

__all__ = [
    "Case",
    "Measured",
    "Outcome",
    "Solving",
    "against_exact",
    "field_error",
    "fields_at",
    "inside_points",
    "run_case",
    "timed",
]

Errors = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Measured:
    """What the work of a case gave.

    Attributes
    ----------
    errors
        By what was compared; those that the case has a limit for, and others.
    seconds
        Without compilation and without the references.
    solution
        If there is one: status, estimate and picture come from it.
    notes
        What is worth knowing beside the numbers.
    """

    errors: Errors
    seconds: float
    solution: hp.Solution | None = None
    notes: str = ""


@dataclass(frozen=True, eq=False)
class Case:
    """A row of the suite.

    Attributes
    ----------
    name
        For ``--only`` and the picture's file.
    title
        For tables.
    work
        Solves and compares, given a seed, a device and the longest time.
    limits
        What errors are to be reached, by what is compared.
    seconds
        Longest time, on two CPU cores.
    published
        The best published error, if there is one.
    needs
        Files of the data beside the project, without which it is skipped.
    """

    name: str
    title: str
    work: Callable[[int, str, float], Measured]
    limits: Errors
    seconds: float
    published: float | None = None
    needs: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a case went.

    Attributes
    ----------
    measured
        None if it was skipped or failed.
    reason
        Why it was skipped or failed, or "".
    skipped
        Whether something that it needs is not there.
    picture
        The file that was written, or None.
    """

    case: Case
    measured: Measured | None = None
    reason: str = ""
    skipped: bool = False
    picture: Path | None = None

    @property
    def reached(self) -> bool:
        """Whether all errors and the time are within the limits."""
        m = self.measured
        if m is None:
            return False
        return m.seconds <= self.case.seconds and all(m.errors[k] <= most for k, most in self.case.limits.items())

    @property
    def mark(self) -> str:
        """``"reached"``, ``"MISSED"``, ``"skipped"`` or ``"FAILED"``."""
        if self.skipped:
            return "skipped"
        return "FAILED" if self.measured is None else ("reached" if self.reached else "MISSED")

    @property
    def line(self) -> str:
        """One line for people."""
        if self.measured is None:
            return f"{self.case.title:<52} {self.mark}: {self.reason}"
        m = self.measured
        errors = "  ".join(
            f"{k} {e:.2e} (<= {self.case.limits[k]:g})" for k, e in m.errors.items() if k in self.case.limits
        )
        return f"{self.case.title:<52} {errors}  {m.seconds:6.1f} s (<= {self.case.seconds:g})  {self.mark}"


def run_case(case: Case, seed: int = 0, device: str = "auto", folder: Path | None = None) -> Outcome:
    """Run a case, and draw its solution to ``NAME.png`` in a folder, if one is given.

    What goes wrong is told in the outcome, so that other cases run all the same.
    """
    try:
        for needed in case.needs:
            shared_file(*needed)
    except HermitePinnError as error:
        return Outcome(case, reason=str(error), skipped=True)
    try:
        found = case.work(seed, device, case.seconds)
    except BackendUnavailableError as error:
        return Outcome(case, reason=str(error), skipped=True)
    except HermitePinnError as error:
        return Outcome(case, reason=f"{type(error).__name__}: {error}")
    picture = None
    if folder is not None and found.solution is not None:
        picture = folder / f"{case.name}.png"
        try:
            found.solution.plot(picture)
        except HermitePinnError as error:
            return Outcome(case, reason=f"no picture: {error}")
    return Outcome(case, found, picture=picture)


def inside_points(domain: Any, count: int = 20_000, seed: int = 7) -> np.ndarray:
    """Points (dim, n) all over a domain, away from any grid."""
    points: np.ndarray = domain.interior.quasi_random(count, seed).x.numpy()
    return points


@dataclass(frozen=True)
class Solving:
    """Work of a case that solves a problem and compares it.

    Attributes
    ----------
    statement
        Makes the problem.
    compare
        Errors of a solution, by what is compared.
    options
        For ``solve``.
    """

    statement: Callable[[], hp.Problem]
    compare: Callable[[hp.Solution], Errors] = field(default_factory=lambda: against_exact)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, seed: int, device: str, seconds: float) -> Measured:
        """Solve, within twice the longest time unless levels are given, and compare."""
        limits = ({} if "levels" in self.options else {"max_time": 2 * seconds}) | dict(self.options)
        solution = hp.solve(self.statement(), seed=seed, device=device, progress=False, throw=False, **limits)
        return Measured(self.compare(solution), float(solution.stats["seconds"]), solution)


def against_exact(solution: hp.Solution) -> Errors:
    """Relative L2 error over the domain of all fields that have an exact solution."""
    problem = solution.problem
    assert problem is not None
    points = inside_points(solution.domain)
    return {"error": max(field_error(solution, name, exact, points) for name, exact in problem.exact.items())}


def field_error(solution: hp.Solution, name: str, exact: Callable[..., Any], points: np.ndarray) -> float:
    """Relative L2 error of a field at points (dim, n)."""
    return relative_error(np.asarray(getattr(solution, name)(*points)), np.asarray(exact(*points)))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What some work returns, and its seconds."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def fields_at(solution: hp.Solution, names: Sequence[str], points: np.ndarray) -> np.ndarray:
    """Values (fields, n) at points (dim, n)."""
    return np.stack([np.asarray(getattr(solution, name)(*points)) for name in names])
