"""Conditions that a field satisfies exactly: zero values on whole faces of the box."""

from __future__ import annotations

from hermite_pinn.field.boundary_factor import BoundaryFactor
from hermite_pinn.problem.problem import Problem

__all__ = ["boundary_factor", "vanishing_faces"]


def vanishing_faces(problem: Problem) -> dict[tuple[str, int, int], int]:
    """``(field, axis, side)`` where a condition prescribes the value zero, with the number of its term."""
    faces = {}
    for k, t in enumerate(problem.terms):
        trace = t.trace
        if trace is None or t.region.plane is None or trace.order != 0:
            continue
        if trace.value.is_constant and trace.value.data == 0:
            faces[(trace.field, t.region.plane.axis, t.region.plane.side)] = k
    return faces


def boundary_factor(problem: Problem) -> BoundaryFactor | None:
    """The factor that satisfies a problem's homogeneous Dirichlet conditions on whole faces; None without any."""
    domain = problem.domain
    return BoundaryFactor.of_faces(domain.lower, domain.upper, problem.fields, vanishing_faces(problem))
