"""Solve a problem once in a variant, and measure error and CPU seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.validation.rivals.timing import one_thread

from .ablation import Measure

__all__ = ["Solve", "off_lattice"]

TRIAL = 40  # steps that are timed to see how many fit
NODES = {2: 401, 3: 61}


def off_lattice(dim: int) -> np.ndarray:
    """Points of the unit box that meet no vertex of a level: 401 x 401, or 61 x 61 x 61.

    Examples
    --------
    >>> off_lattice(2).shape
    (160801, 2)
    """
    count = NODES[dim]
    axis = (torch.arange(count, dtype=torch.float64) + 5**-0.5) / count
    return torch.cartesian_prod(*[axis] * dim).numpy()


@dataclass(frozen=True)
class Solve(Measure):
    """One run of ``hp.solve`` on one thread; the result is its final state.

    Attributes
    ----------
    method, field, levels, dtype, seed
        Of :func:`hermite_pinn.solve`.
    problem, settings
        Name of a problem of the library with an exact solution on the unit box, and its settings.
    seconds
        CPU seconds in which a first-order method is to end: its number of steps is chosen by the time that some steps
        take, so that its learning rate has decayed when the time is over.  None leaves the number of steps.
    """

    method: str | hp.Method
    field: hp.Field
    levels: int | tuple[int, ...] = 6
    problem: str = "helmholtz2d"
    settings: dict[str, float] = dataclass_field(default_factory=dict)
    dtype: str | None = None
    seed: int = 0
    seconds: float | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """See :attr:`.Measure.asked`."""
        return {
            "problem": self.problem,
            "settings": dict(self.settings),
            "method": repr(self.method),
            "field": repr(self.field),
            "levels": self.levels if isinstance(self.levels, int) else list(self.levels),
            "dtype": self.dtype,
            "seed": self.seed,
            "seconds": self.seconds,
        }

    def run(self) -> dict[str, float]:
        """Relative L2 error, CPU seconds, steps and parameters; see :meth:`.Measure.run`.

        Raises
        ------
        KeyboardInterrupt
            If the run was interrupted.
        """
        problem = problems.make(self.problem, **self.settings)
        with one_thread():
            method = self._fitted(problem)
            solution, seconds = self._timed(problem, method)
        if solution.status is hp.Status.INTERRUPTED:
            raise KeyboardInterrupt
        stats = solution.stats
        steps = stats.get("inner_steps") or (solution.history[-1]["step"] if len(solution.history) else 0)
        return {
            "error": float(solution.error(off_lattice(problem.domain.dim))["u"]["relative_l2"]),
            "seconds": seconds,
            "steps": float(steps),
            "parameters": float(stats["parameters"]),
        }

    def _timed(self, problem: hp.Problem, method: str | hp.Method) -> tuple[hp.Solution, float]:
        began = time.process_time()
        solution = hp.solve(
            problem,
            field=self.field,
            method=method,
            levels=self.levels,
            dtype=self.dtype,
            seed=self.seed,
            device="cpu",
            progress=False,
        )
        return solution, time.process_time() - began

    def _fitted(self, problem: hp.Problem) -> str | hp.Method:
        """The method with as many steps as fit."""
        if self.seconds is None or not isinstance(self.method, hp.Adam):
            return self.method
        short = replace(self.method, steps=1)
        _, first = self._timed(problem, short)  # kernels are there now
        _, alone = self._timed(problem, short)
        _, more = self._timed(problem, replace(short, steps=1 + TRIAL))
        each = max(more - min(alone, first), 1e-9) / TRIAL
        return replace(self.method, steps=max(1, int((self.seconds - min(alone, first)) / each)))
