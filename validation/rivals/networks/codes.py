"""The codes: what each is asked, and how it runs a problem."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation.references.pinnacle import relative_error
from hermite_pinn.validation.rivals.timing import one_thread, shortest
from hermite_pinn.version import installed_version

from .cases import Case
from .environment import RIVALS, Rival
from .frame import lines
from .rows import Mark, Row
from .script import ScriptError, run_script

__all__ = ["Code", "InOtherEnvironment", "InThisPackage", "entrants"]

#: Wall seconds after which a training of this package ends.
LIMIT = 600.0
QUICK = 20


class Code(Protocol):
    """A code that takes part."""

    @property
    def name(self) -> str:
        """For files."""

    @property
    def code(self) -> str:
        """For tables."""

    def missing(self) -> str:
        """Why it cannot take part, or ""."""

    def asked(self, case: Case) -> Mapping[str, Any]:
        """All that its run depends on."""

    def run(self, case: Case) -> Row:
        """Solve a problem."""


@dataclass(frozen=True)
class InThisPackage:
    """A call of :func:`hermite_pinn.solve`.

    Attributes
    ----------
    name, code
        For files and tables.
    method
        None for the default call.
    words
        What is called, for the table.
    """

    name: str
    code: str
    method: hp.Method | None
    words: str

    def missing(self) -> str:
        """Nothing is."""
        return ""

    def asked(self, case: Case) -> Mapping[str, Any]:
        """The call and the version."""
        return {"problem": case.equation, "call": self.words, "version": installed_version()}

    def run(self, case: Case) -> Row:
        """Solve, the default call up to five times within four seconds: the least CPU seconds count."""
        problem = case.statement()

        def work() -> tuple[hp.Solution, float]:
            began = time.perf_counter()
            common: dict[str, Any] = {"device": "cpu", "progress": False, "throw": False}
            if self.method is None:
                solution = hp.solve(problem, **common)
            else:
                solution = hp.solve(problem, method=self.method, max_time=LIMIT, **common)
            return solution, time.perf_counter() - began

        with one_thread():
            (solution, wall), seconds = shortest(work, 4.0 if self.method is None else 0.0)
        if solution.status is hp.Status.INTERRUPTED:
            raise KeyboardInterrupt
        points = case.points()
        found = solution.parameters[case.parameter] if case.parameter else solution.u(*points)
        error = relative_error(np.asarray(found, dtype=float).ravel(), case.truth(points))
        mark = Mark(int(solution.stats.get("steps", 0)), seconds, wall, error)
        return Row(case.name, self.code, self.words, lines(case.statement) + 1, (mark,), solution.status.label)


@dataclass(frozen=True)
class InOtherEnvironment:
    """A rival, run by its script in its environment.

    Attributes
    ----------
    rival
        Which.
    environments
        The folder of environments, or None.
    quick
        Whether a few iterations are enough.
    seed
        Of points and network.
    """

    rival: Rival
    environments: Path | None
    quick: bool
    seed: int

    @property
    def name(self) -> str:
        """For files."""
        return self.rival.name

    @property
    def code(self) -> str:
        """For tables."""
        return self.rival.code

    def missing(self) -> str:
        """The command that makes its environment, where there is none."""
        return self.rival.missing(self.environments)

    def asked(self, case: Case) -> Mapping[str, Any]:
        """Settings and seed; version of the rival."""
        return {
            "problem": case.equation,
            "packages": list(self.rival.packages),
            "settings": asdict(case.trainings[self.name].settings),
            "quick": self.quick,
            "seed": self.seed,
        }

    def run(self, case: Case) -> Row:
        """Train, and compare what was predicted at every mark."""
        if self.environments is None:
            raise InvalidArgumentError(self.missing())
        training = case.trainings[self.name]
        settings = asdict(training.settings)
        if self.quick:
            settings |= {"iterations": QUICK, "refinement": min(QUICK, settings["refinement"])}
        words = f"{training.words}; {training.origin}"
        points = case.points()
        try:
            told = run_script(self.rival, self.environments, case.name, settings, points, self.seed)
        except ScriptError as error:
            return Row(case.name, self.code, words, reason=str(error))
        truth = case.truth(points)
        marks = tuple(
            Mark(stage.iterations, stage.seconds, stage.wall, relative_error(stage.values, truth))
            for stage in told.stages
        )
        return Row(case.name, self.code, words, told.lines, marks)


def entrants(environments: Path | None, quick: bool, seed: int) -> list[Code]:
    """All codes, this package's first.

    Parameters
    ----------
    environments
        The folder of the rivals' environments, or None.
    quick
        A few iterations of everything that trains.
    seed
        Of the rivals' points and networks.
    """
    adam = hp.Adam(steps=QUICK) if quick else hp.Adam()
    lbfgs = hp.LBFGS(steps=QUICK) if quick else hp.LBFGS()
    limit = f"max_time={LIMIT:g}"
    few = f"steps={QUICK}" if quick else ""
    return [
        InThisPackage("default", "hermite_pinn", None, "`hp.solve(problem)`"),
        InThisPackage("adam", "hermite_pinn, Adam", adam, f"`hp.solve(problem, method=hp.Adam({few}), {limit})`"),
        InThisPackage("lbfgs", "hermite_pinn, L-BFGS", lbfgs, f"`hp.solve(problem, method=hp.LBFGS({few}), {limit})`"),
        *(InOtherEnvironment(rival, environments, quick, seed) for rival in RIVALS.values()),
    ]
