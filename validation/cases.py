"""The cases of the benchmark suites: problem, settings, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["SUITES", "Case"]


@dataclass(frozen=True)
class Case:
    """One row of a table.

    Attributes
    ----------
    problem, settings
        Name and settings in :mod:`hermite_pinn.problems`.
    levels, tol
        Passed to ``solve``.
    error, seconds
        What is to be reached: relative L2 error of every field, wall time without compilation, on two CPU cores.
    paper
        The paper's error by its own metric, if it has the case.
    """

    problem: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    levels: int | None = None
    tol: float | None = None
    error: float = 1e-6
    seconds: float = 30.0
    paper: float | None = None

    @property
    def label(self) -> str:
        """How the case is called in tables."""
        parts = [f"{k}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for k, v in self.settings.items()]
        return " ".join([self.problem, *parts])


_PAPER = (
    Case("helmholtz2d", {"a": 10}, levels=7, error=5e-7, seconds=30, paper=1.81e-5),
    Case("helmholtz2d", {"a": 10}, levels=8, error=3e-8, seconds=60, paper=1.81e-5),
    Case("helmholtz2d", {"a": 20}, levels=7, error=1e-5, seconds=30, paper=7.93e-5),
    Case("helmholtz2d", {"a": 100}, levels=8, error=4e-4, seconds=90, paper=4.59e-2),
    Case("helmholtz3d", {"a": 3}, levels=5, error=2e-6, seconds=60, paper=6.09e-5),
    Case("convection", {"c": 30}, tol=1e-5, error=1e-5, seconds=30, paper=8.49e-5),
)
_QUICK = (
    Case("helmholtz2d", {"a": 4}, tol=1e-4, error=1e-4, seconds=10),
    Case("helmholtz2d", {"a": (2.5, 3.3), "k": 7.0}, tol=1e-4, error=1e-4, seconds=10),
    Case("helmholtz3d", {"a": 1}, tol=1e-3, error=1e-3, seconds=10),
    Case("poisson2d", {}, tol=1e-4, error=1e-4, seconds=10),
    Case("convection", {"c": 5}, tol=1e-4, error=1e-4, seconds=10),
)
_FULL = (
    *_PAPER,
    Case("helmholtz2d", {"a": (1, 4), "x": (-1, 1), "y": (-1, 1)}, tol=1e-6, error=1e-6, seconds=30),
    Case("helmholtz2d", {"a": (7.3, 3.1), "k": 5.0}, tol=1e-6, error=1e-6, seconds=30),
    Case("poisson2d", {}, tol=1e-6, error=1e-6, seconds=30),
    Case("poisson3d", {}, tol=1e-4, error=1e-4, seconds=60),
    Case("convection", {"c": 100}, tol=1e-4, error=1e-4, seconds=60),
)

#: Cases by the name of the suite.
SUITES: dict[str, tuple[Case, ...]] = {"quick": _QUICK, "paper": _PAPER, "full": _FULL}
