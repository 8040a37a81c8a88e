"""Why a run ended, as an enumeration whose members carry a sentence of advice."""

from __future__ import annotations

from enum import Enum

__all__ = ["Status"]


ACCEPT = ", or accept the accuracy reported"
HOPELESS = 1.0  # relative error from which on nothing can be accepted


class Status(Enum):
    """The outcome of a run: ``status.success`` says whether it did what was asked, ``status.advice`` what to do next.

    Examples
    --------
    >>> Status.MAX_TIME.success, Status.MAX_TIME.advice
    (False, 'The time limit was reached; raise max_time, or accept the accuracy reported.')
    """

    CONVERGED = ("converged", "The estimated error, or the optimiser, met its tolerance; the message says which.")
    COMPLETED = ("completed", "All requested levels and steps were done, and nothing speaks against the result.")
    MAX_SIZE = (
        "max_size",
        "A finer level would exceed the allowed number of unknowns or the memory; raise max_unknowns of the method, use a machine "
        f"with more memory{ACCEPT}.",
    )
    MAX_TIME = ("max_time", f"The time limit was reached; raise max_time{ACCEPT}.")
    STALLED = (
        "stalled",
        "The solver stopped making progress before its tolerance; check that the problem has a unique solution (enough conditions, a "
        "gauge for a pressure), try another start or a finer first level.",
    )
    UNDETERMINED = (
        "undetermined",
        "Equations, conditions and data do not determine the solution, and what is returned is one of many; add the missing condition, a "
        "Gauge for a field that only enters by its derivatives, or data for a parameter (or make it a constant).",
    )
    INCONSISTENT = (
        "inconsistent",
        "The best that the solver can do does not satisfy the equations, conditions or data that the message names. Either they "
        "contradict each other: check signs, sources, faces and units, and tell the noise of data that are not exact "
        "(Data(..., noise=...)); or the iteration is in another minimum: start the parameters closer to what is expected "
        "(init of Parameter) and bound them (bounds); or the solution has a singularity or a layer that the levels do not resolve.",
    )
    UNSOLVED = (
        "unsolved",
        "All requested levels and steps were done, but the result does not satisfy the equations, conditions or data that the "
        "message names; take more steps, other points or weights, or method='gauss_newton'.",
    )
    STOPPED = ("stopped", "A callback ended the run; the state at that moment is returned.")
    INTERRUPTED = (
        "interrupted",
        "The run was interrupted; the best state so far is returned and can be resumed from a checkpoint.",
    )
    DIVERGED = (
        "diverged",
        "A residual became infinite or NaN, or the solution grew without bound; the last good state is kept. Check the signs of the "
        "highest derivatives and divisions, roots and logarithms in the residual, or start from a coarser problem.",
    )

    def __init__(self, label: str, advice: str) -> None:
        self.label = label
        self.advice = advice

    def advice_at(self, error: float | None) -> str:
        """What to do next with a result of a known or unknown accuracy, which only some may be advised to accept.

        Parameters
        ----------
        error
            Estimate of the relative error, or None.

        Examples
        --------
        >>> Status.MAX_TIME.advice_at(5.0)
        'The time limit was reached; raise max_time. The error is estimated to be as large as the solution.'
        """
        if ACCEPT not in self.advice or (error is not None and error < HOPELESS):
            return self.advice
        known = (
            "Nothing is known of the error."
            if error is None
            else "The error is estimated to be as large as the solution."
        )
        return f"{self.advice.replace(ACCEPT, '')} {known}"

    @property
    def success(self) -> bool:
        """Whether the run ended because it was done, and nothing speaks against the result."""
        return self in (Status.CONVERGED, Status.COMPLETED)
