"""What is worth knowing of a cut domain once a problem on it is solved."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hermite_pinn.geometry import Domain
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.corner_functions import corner_functions

__all__ = ["geometry_notes"]

REENTRANT = math.pi + math.radians(5.0)  # angles from which on rows fade


def geometry_notes(problem: Problem, resolution: Sequence[int]) -> tuple[str, ...]:
    """Sentences about re-entrant places, with what was done there, and about parts thinner than two cells.

    Parameters
    ----------
    resolution
        Cells along every axis of the last level.
    """
    domain = problem.domain
    if not domain.is_cut:
        return ()
    found = [*_reentrant(problem), *domain.thin(tuple(resolution))]
    return tuple(found)


def _reentrant(problem: Problem) -> list[str]:
    domain, functions = problem.domain, corner_functions(problem)
    places = int((domain.creases.angles > REENTRANT).sum())
    sentences = []
    if len(functions.basis):
        count = len({function.point for function in functions.basis.functions})
        corners = "a corner" if count == 1 else f"{count} corners"
        sentences.append(f"{len(functions.basis)} singular functions take part at {corners} of the boundary")
    if not places or functions.complete:
        return sentences
    if len(domain.space_axes) == 2:
        reasons = {why for corner, why in functions.reasons if corner.angle > REENTRANT}
        why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
        where = "a re-entrant corner" if places == 1 else f"{places} re-entrant corners"
    else:
        why, where = "", f"re-entrant edges ({_length(domain):.3g} long in all)"
    sentences.append(
        f"the domain has {where}, where the solution may be singular: rows weigh less there, and the error falls slowly{why}"
    )
    return sentences


def _length(domain: Domain) -> float:
    creases = domain.creases
    chosen = creases.segments[creases.angles > REENTRANT]
    return float(np.linalg.norm(chosen[:, 1] - chosen[:, 0], axis=1).sum())
