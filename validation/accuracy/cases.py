"""The cases of the benchmark suites: problem, settings, limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import hermite_pinn as hp

__all__ = ["SUITES", "Case"]


@dataclass(frozen=True)
class Case:
    """One row of a table.

    Attributes
    ----------
    problem, settings
        Name and settings in :mod:`hermite_pinn.problems`.
    levels, tol, basis
        Passed to ``solve``.
    error, seconds
        What is to be reached: relative L2 error, wall time without compilation, on two CPU cores.
    paper
        The error to beat by the metric of its source: the paper's if it has the case, else the record of the field.
    fields
        Fields whose errors count; None: all with a known solution.
    """

    problem: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    levels: int | None = None
    tol: float | None = None
    basis: str = "cubic"
    error: float = 1e-6
    seconds: float = 30.0
    paper: float | None = None
    fields: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The problem and its settings."""
        parts = [f"{k}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for k, v in self.settings.items()]
        return " ".join([self.problem, *parts])

    @property
    def label(self) -> str:
        """How the case is called in tables: its name, and the basis if it is not the method's own."""
        return self.name if self.basis == "cubic" else f"{self.name} {self.basis}"

    def worst(self, errors: Mapping[str, float]) -> float:
        """The largest of some errors by field, of those fields that count."""
        return max(e for f, e in errors.items() if self.fields is None or f in self.fields)

    @property
    def command(self) -> str:
        """The call of the command line that solves the case."""
        parts = [f"--set {k}={','.join(map(str, v)) if isinstance(v, tuple) else v}" for k, v in self.settings.items()]
        if self.basis != "cubic":
            parts.append(f"--basis {self.basis}")
        if self.levels is not None:
            parts.append(f"--levels {self.levels}")
        if self.tol is not None:
            parts.append(f"--tol {self.tol:g}")
        return " ".join(["hermite-pinn solve", self.problem, *parts])

    @property
    def grid(self) -> hp.Field | None:
        """The kind of field, or None for the method's own."""
        return None if self.basis == "cubic" else hp.Field(head="linear", basis=self.basis)


_QUICK = (
    Case("helmholtz2d", {"a": 4}, tol=1e-4, error=1e-4, seconds=10),
    Case("helmholtz2d", {"a": (2.5, 3.3), "k": 7.0}, tol=1e-4, error=1e-4, seconds=10),
    Case("helmholtz3d", {"a": 1}, tol=1e-3, error=1e-3, seconds=10),
    Case("poisson2d", {}, tol=1e-4, error=1e-4, seconds=10),
    Case("convection", {"c": 5}, tol=1e-4, error=1e-4, seconds=10),
    Case("burgers", {"nu": 0.1}, tol=1e-4, error=1e-4, seconds=10),
)
_BASIC = (
    Case("helmholtz2d", {"a": 10}, levels=7, error=5e-7, seconds=30, paper=1.81e-5),
    Case("helmholtz2d", {"a": 10}, levels=8, error=3e-8, seconds=60, paper=1.81e-5),
    Case("helmholtz2d", {"a": 20}, levels=7, error=1e-5, seconds=30, paper=7.93e-5),
    Case("helmholtz2d", {"a": 100}, levels=8, error=4e-4, seconds=90, paper=4.59e-2),
    Case("helmholtz3d", {"a": 3}, levels=5, error=2e-6, seconds=60, paper=6.09e-5),
    Case("convection", {"c": 30}, tol=1e-5, error=1e-5, seconds=30, paper=8.49e-5),
    Case("poisson2d", {}, tol=1e-6, error=1e-6, seconds=30),
)
_PAPER = (
    Case("helmholtz2d", {"a": 10}, tol=1e-9, basis="quintic", error=1e-9, seconds=30, paper=1.81e-5),
    Case("helmholtz2d", {"a": 10}, levels=8, error=3e-8, seconds=30, paper=1.81e-5),
    Case("helmholtz2d", {"a": 20}, levels=9, error=1e-7, seconds=30, paper=7.93e-5),
    Case("helmholtz2d", {"a": 100}, levels=9, error=2e-5, seconds=120, paper=4.59e-2),
    Case("helmholtz3d", {"a": 3}, levels=6, error=1e-7, seconds=60, paper=6.09e-5),
    Case("helmholtz3d", {"a": 10}, levels=6, error=2e-5, seconds=180, paper=6.01e-3),
    Case("convection", {"c": 30}, tol=5e-7, error=5e-7, seconds=30, paper=8.49e-5),
    Case("taylor_green", {}, tol=1.5e-6, error=5e-7, seconds=60, paper=7.71e-5, fields=("u", "v")),
    Case("flow_mixing", {}, tol=1e-5, error=1e-5, seconds=300, paper=2.35e-4),
    Case("burgers", {}, tol=1e-6, basis="quintic", error=1e-6, seconds=120, paper=1.62e-8),
    Case("allen_cahn", {}, tol=1e-6, basis="quintic", error=1e-6, seconds=120, paper=1.88e-6),
)
_STANDARD = (
    Case("helmholtz2d", {"a": (1, 4), "x": (-1, 1), "y": (-1, 1)}, tol=1e-6, error=1e-6, paper=4.13e-5),
    Case("helmholtz2d", {"a": (7.3, 3.1), "k": 5.0}, tol=1e-6, error=1e-6),
    Case("helmholtz2d", {"a": (7.3, 3.1), "k": 60.0}, tol=1e-6, error=1e-6, seconds=60),
    Case("poisson3d", {}, tol=1e-4, error=1e-4, seconds=60),
    Case("convection", {"c": 100}, tol=1e-5, error=1e-5, seconds=60),
    Case("heat", {}, tol=1e-6, error=1e-6),
    Case("wave", {}, tol=1e-6, error=1e-6, paper=1.63e-2),
    Case("klein_gordon", {}, tol=1e-5, error=1e-5, seconds=60, paper=2.76e-3),
    Case("plate", {}, tol=1e-6, error=1e-6),
    Case("plate", {"support": "clamped"}, tol=1e-6, error=1e-6),
    Case("plate", {"form": "auxiliary"}, tol=1e-6, error=1e-6),
    Case("kuramoto_sivashinsky", {}, tol=1e-7, error=1e-6, seconds=120, paper=5.1e-7),
    Case(
        "kuramoto_sivashinsky", {"form": "auxiliary"}, tol=1e-7, basis="quintic", error=1e-6, seconds=120, paper=5.1e-7
    ),
    Case("kdv", {}, tol=1e-6, error=1e-6, seconds=300, paper=2.17e-6),
    Case("kovasznay", {}, tol=5e-7, error=1e-6, seconds=60),
    Case("stokes", {}, tol=1e-6, error=1e-6, seconds=60),
    Case("cavity", {"lid": "regularised"}, levels=7, error=1e-6, seconds=60),
)
_NOISY = (
    *(
        Case("inverse_poisson", {"noise": 0.1, "seed": s} | told, levels=3, error=1.53e-2, paper=1.53e-2, fields=("a",))
        for told in ({}, {"known": False})
        for s in range(5)
    ),
    *(Case("inverse_poisson", {"noise": 0.01, "seed": s}, levels=4, error=1e-2, fields=("a",)) for s in range(5)),
    Case("inverse_poisson", {"noise": 0.0}, levels=4, error=1e-4, fields=("a",)),
)

#: Cases by the name of the suite.
SUITES: dict[str, tuple[Case, ...]] = {
    "quick": _QUICK,
    "basic": _BASIC,
    "paper": _PAPER,
    "standard": _STANDARD,
    "noisy": _NOISY,
    "full": (*_BASIC, *_PAPER, *_STANDARD),
}
