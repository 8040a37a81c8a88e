"""The package itself as an entrant: the default call with several tolerances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import hermite_pinn as hp

from .contest import Answer, Entrant

__all__ = ["default_call"]

Array = np.ndarray


def default_call(
    statement: Callable[[], hp.Problem],
    tolerances: Sequence[float],
    values: Callable[[hp.Solution, Array], Array] | None = None,
    max_time: float = 900.0,
    **options: Any,
) -> Entrant:
    """``hp.solve(problem, tol=...)``, which includes all work from the traced equations on.

    Parameters
    ----------
    statement
        Makes the problem; this is not timed.
    tolerances
        Of the runs, in descending order.
    values
        What is compared; by default the field ``u`` at the points.
    max_time
        Seconds after which a run ends.
    options
        Further arguments of ``solve``; there are none in a default call.
    """
    problem = statement()
    compared = values or (lambda solution, points: np.asarray(solution.u(*points)))

    def solve(tol: float | None) -> Answer:
        solution = hp.solve(problem, tol=tol, max_time=max_time, device="cpu", progress=False, throw=False, **options)
        return Answer(
            lambda points: compared(solution, points),
            int(solution.stats["parameters"]),
            solution.status.label,
            solution.estimated_error,
        )

    return Entrant("hermite_pinn", "the default call, by `tol`", tuple(tolerances), solve)
