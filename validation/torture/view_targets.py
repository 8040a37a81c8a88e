"""How solutions are looked at, with arguments that are good: tables and pages."""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

from .case import Bench
from .target import Target, of_solution

__all__ = ["view_targets"]

NAMES = ["u", "u.x"]


def _branch(bench: Bench, **chosen: Any) -> Any:
    solution = hp.solve(hp.problems.poisson2d(), levels=1, progress=False)
    return hp.Branch([1.0, 2.0], [solution, solution], solution.status, solution.message).view(**chosen)


def view_targets() -> list[Target]:
    """Tables and pages of solutions."""
    return [
        Target(
            "Solution.to_xarray",
            of_solution(hp.Solution.to_xarray),
            {"fields": NAMES, "axes": {"x": [0.0, 0.5], "y": 0.5}, "resolution": 4},
        ),
        Target(
            "Solution.to_pandas",
            of_solution(hp.Solution.to_pandas),
            {"fields": NAMES, "points": [[0.1, 0.2], [0.3, 0.4]]},
        ),
        Target(
            "Solution.to_pandas on a grid",
            of_solution(hp.Solution.to_pandas),
            {"fields": NAMES, "axes": {"x": [0.0, 0.5]}, "resolution": 4},
        ),
        Target(
            "Solution.view",
            of_solution(hp.Solution.view),
            {"path": "{place}/u.html", "fields": NAMES, "resolution": 4, "show": False},
        ),
        Target(
            "Branch.view",
            _branch,
            {"path": "{place}/branch.html", "fields": NAMES, "resolution": 4, "show": False},
        ),
    ]
