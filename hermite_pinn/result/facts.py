"""What is known of a run, as numbers and texts that files and tables can hold beside the fields."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["Fact", "attributes", "facts"]

Fact = str | float


def attributes(solution: Any) -> dict[str, Any]:
    """Title, status, estimated error, parameters, method and versions of a finished run, by name."""
    told: dict[str, Any] = {"title": solution.title, "status": solution.status.name, "message": solution.message}
    if solution.estimated_error is not None:
        told["estimated_error"] = float(solution.estimated_error)
    told |= {f"parameter_{name}": float(value) for name, value in solution.parameters.items()}
    stats = solution.stats
    kinds, names = int | float | str, ("tol", "method", "seed", "seconds", "unknowns")
    told |= {k: stats[k] for k in names if isinstance(stats.get(k), kinds)}
    return told | {f"version_{name}": str(version) for name, version in dict(stats.get("versions", {})).items()}


def facts(solution: Any) -> dict[str, Fact]:
    """The same for VTK files, with the status as reports spell it, whether it is a success, and the problem.

    Empty texts and numbers that are not finite are left out: not every reader of VTK accepts them.
    """
    told: dict[str, Fact] = attributes(solution) | {"status": solution.status.label}
    told["success"] = float(solution.status.success)
    problem = solution.settings.get("problem") if solution.problem is None else str(solution.problem)
    told |= {"problem": problem} if isinstance(problem, str) else {}
    return {name: v for name, v in told.items() if (v if isinstance(v, str) else math.isfinite(v))}
