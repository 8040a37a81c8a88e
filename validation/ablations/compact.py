"""Which method makes a network worth its cost where the grid is short of memory.

Helmholtz 2D a=10, tables of 2**12 slots, levels up to 512 cells: the compact model of arXiv 2605.24774
(relative L2 5.29e-5 there), by every way tried.  States are selected on the residual at points that were not trained
on; the exact solution only serves the column of errors.  ``docs/compact.md`` holds the results and what follows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

import hermite_pinn as hp
from hermite_pinn import JointGaussNewton, JointStage, problems

from .lbfgs import RowsLbfgs
from .peak import peak2d

__all__ = ["MEASURED", "VARIANTS", "CompactResult", "Variant", "compact_markdown", "run_variant"]

SLOTS = 2**12
PAPER = (4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True)
class Variant:
    """One way: a field and a method."""

    name: str
    method: hp.Method
    field: hp.Field
    levels: tuple[int, ...] = PAPER
    peak: bool = False


@dataclass(frozen=True)
class CompactResult:
    """What it gave: ``error`` is the relative L2 error off the lattice, ``held_out`` the relative residual there."""

    variant: Variant
    seed: int
    error: float
    held_out: float
    steps: int
    inner: int
    points: int
    seconds: float
    parameters: int
    frequency: float | None


def _linear(**changes: Any) -> hp.Field:
    base: dict[str, Any] = {"head": "linear", "table_size": SLOTS}
    return hp.Field(**(base | changes))


def _network(width: int, depth: int = 1, **changes: Any) -> hp.Field:
    base: dict[str, Any] = {"head": "siren+linear", "table_size": SLOTS, "features": 2, "width": width, "depth": depth}
    return hp.Field(**(base | changes))


def _joint(*stages: JointStage, **changes: Any) -> JointGaussNewton:
    return JointGaussNewton(stages=stages, **changes)


READOUT = JointStage("readout", 1, 28)
WIDE = JointStage("readout", 1, 40)

VARIANTS: tuple[Variant, ...] = (
    Variant("linear head, 192 x 192 cells", _joint(JointStage("table", 1, 192)), _linear()),
    Variant("linear head, 128 x 128 cells", _joint(JointStage("table", 1, 128)), _linear()),
    Variant("linear head, soft boundary", _joint(JointStage("table", 1, 128), hard=False), _linear()),
    Variant("linear head, dense levels only", _joint(JointStage("table", 1, 64)), _linear(), (4, 8, 16, 32)),
    Variant("linear head, dense levels 31, 62", _joint(JointStage("table", 1, 62)), _linear(), (31, 62)),
    Variant("linear head, quintic, dense 31, 62", _joint(JointStage("table", 1, 62), gauss=4, inner_steps=3000), _linear(basis="quintic"), (31, 62)),
    Variant("1 x 128, readout only", _joint(READOUT), _network(128)),
    Variant("1 x 256, readout only", _joint(READOUT), _network(256)),
    Variant("1 x 512, readout only", _joint(READOUT), _network(512)),
    Variant("1 x 1024, readout only", _joint(WIDE), _network(1024)),
    Variant("1 x 1024, readout only, soft boundary", _joint(WIDE, hard=False), _network(1024)),
    Variant("1 x 256, readout, then tables and readout", _joint(READOUT, JointStage("linear", 2, 128), inner_steps=100), _network(256)),
    Variant("1 x 512, readout, then tables and readout", _joint(READOUT, JointStage("linear", 2, 128), inner_steps=60), _network(512)),
    Variant("1 x 128, readout, then all layers", _joint(READOUT, JointStage("network", 25, 28)), _network(128)),
    Variant("1 x 256, readout, then all layers", _joint(READOUT, JointStage("network", 15, 28)), _network(256)),
    Variant("2 x 32, all layers", _joint(READOUT, JointStage("network", 40, 28)), _network(32, 2)),
    Variant("1 x 128, readout, layers, then everything", _joint(READOUT, JointStage("network", 25, 28), JointStage("all", 3, 96), inner_steps=60), _network(128)),
    Variant("paper's 2 x 128, random start, everything", _joint(JointStage("all", 8, 40), start="random", inner_steps=25, damping=1.0), _network(128, 2, head="siren")),
    Variant("paper's 2 x 128, linear start, everything", _joint(JointStage("table", 1, 128), start="random") >> _joint(JointStage("all", 2, 64), inner_steps=20), _network(128, 2, table_std=1e-6)),
    Variant("paper's 2 x 128, Adam 300, then everything", hp.Adam(steps=300, points=4000, face_points=500) >> _joint(JointStage("all", 5, 40), inner_steps=25, damping=1.0), _network(128, 2, head="siren")),
    Variant("2 x 128 on coordinates, readout", _joint(READOUT), _network(128, 2)),
    Variant("1 x 512 on random tables, 4 features, readout", _joint(READOUT, start="random"), _network(512, features=4, omega=10.0, table_std=1.0), (4, 8, 16)),
    Variant("1 x 512, omega 30, readout", _joint(READOUT), _network(512, omega=30.0)),
    Variant("1 x 512, quintic, dense 31, 62, readout", _joint(READOUT), _network(512, basis="quintic"), (31, 62)),
    Variant("1 x 256, readout, then L-BFGS on all layers", _joint(READOUT) >> RowsLbfgs(), _network(256)),
    Variant("peak: linear head", _joint(JointStage("table", 1, 128)), _linear(), peak=True),
    Variant("peak: 1 x 512, readout only", _joint(READOUT), _network(512), peak=True),
    Variant("peak: 1 x 512, readout, then tables and readout", _joint(READOUT, JointStage("linear", 2, 128), inner_steps=60), _network(512), peak=True),
)  # fmt: skip


#: Attributes of a result that are numbers.
MEASURED = ("seed", "error", "held_out", "steps", "inner", "points", "seconds", "parameters", "frequency")


def run_variant(variant: Variant, seed: int = 0) -> CompactResult:
    """Solve and measure on 401 x 401 points that meet no vertex of a level."""
    problem = peak2d() if variant.peak else problems.helmholtz2d(a=10)
    began = time.perf_counter()
    solution = hp.solve(
        problem, field=variant.field, levels=variant.levels, method=variant.method, seed=seed, progress=False
    )
    seconds = time.perf_counter() - began
    axis = (torch.arange(401, dtype=torch.float64) + 5**-0.5) / 401
    points = torch.cartesian_prod(axis, axis).numpy()
    stats = solution.stats
    return CompactResult(
        variant=variant,
        seed=seed,
        error=solution.error(points)["u"]["relative_l2"],
        held_out=float(stats["held_out"]),
        steps=int(stats["steps"]),
        inner=int(stats["inner_steps"]),
        points=int(stats["points"]),
        seconds=seconds,
        parameters=int(stats["parameters"]),
        frequency=stats.get("frequency"),
    )


def compact_markdown(results: Sequence[CompactResult]) -> str:
    """A Markdown table of results."""
    lines = [
        "| way | relative L2 | held-out residual | steps | inner steps | points | seconds | parameters | frequency | seed |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        frequency = "" if r.frequency is None else f"{r.frequency:g}"
        lines.append(
            f"| {r.variant.name} | {r.error:.2e} | {r.held_out:.1e} | {r.steps} | {r.inner} | {r.points:,} | {r.seconds:.0f} | "
            f"{r.parameters:,} | {frequency} | {r.seed} |"
        )
    return "\n".join(lines)
