"""How runs on ordinary differential equations end: which of two results is returned, and whether it is the only one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hermite_pinn.errors import DivergedError
from hermite_pinn.methods.base import Outcome
from hermite_pinn.methods.course import Ending
from hermite_pinn.problem.problem import Problem

from .start_freedom import open_start
from .verdict import determined

__all__ = ["levels_or_march", "with_freedom"]


def levels_or_march(levels: Callable[[], Outcome], march: Outcome, begun: bool) -> Outcome:
    """What nested levels find where a march has failed, or what the march has found where they fail as well.

    Parameters
    ----------
    levels
        Solves on nested levels.
    march
        How the march ended.
    begun
        Whether it has come further than its start.
    """
    try:
        found = levels()
    except DivergedError as error:
        return replace(march, message=f"{march.message}; nested levels diverge ({error})")
    if begun and not found.status.success:
        return replace(march, message=f"{march.message}; nested levels fail, too ({found.message})")
    return replace(found, message=f"{found.message}; a march from the start values failed before")


def with_freedom(problem: Problem, outcome: Outcome) -> Outcome:
    """An outcome whose status says whether start values leave the solution open."""
    sentence = open_start(problem, outcome.field)
    if sentence is None:
        return outcome
    ending = determined(Ending(outcome.status, outcome.message), 0, [sentence])
    return replace(outcome, status=ending.status, message=ending.message)
