"""Training steps and full solves, through the public functions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

import hermite_pinn as hp
from hermite_pinn import problems

from .rows import Budget, Row

__all__ = ["SOLVES", "Solve", "paper_steps", "solve_rows", "step_rows"]


def paper_steps(dim: int, table: int, face_points: int, points: int, steps: int, device: torch.device) -> hp.Solution:
    """The paper's recipe for a number of steps, with the clock read every tenth of them."""
    method = hp.Adam.paper(
        steps=steps, points=points, face_points=face_points, warmup=0, curriculum=(), check_every=max(1, steps // 10)
    )
    field = hp.Field(head="siren", features=2, table_size=table, width=128, depth=2, omega=0.5)
    problem = problems.make(f"helmholtz{dim}d", a=10)
    return hp.solve(problem, field=field, method=method, levels=8, device=device, progress=False)


def step_rows(device: torch.device, steps: int, stretch: float, budget: Budget) -> Iterator[Row]:
    """Time and memory of a full training step: points, jets, gradients, Adam, moving average, balancing."""
    gpu = device.type == "cuda"
    cases = (
        ("2D a=10, 8 levels, 2^14, SIREN 2x128, 10k + 4x5k points", 2, 2**14, 10_000, 0.60, 139.0, "1.8-3.6 ms"),
        ("3D, 8 levels, 2^17, SIREN 2x128, 40k + 6x5k points", 3, 2**17, 40_000, 1.5, 389.0, "3.5 ms with 17M parameters"),
    )  # fmt: skip
    slowest = 0.0
    for label, dim, table, points, milliseconds, memory, paper in cases:
        count = steps if gpu or dim == 2 else max(2, steps // 5)
        # one step more than doubles in cost from two to three dimensions
        missing = budget.lacks(20 * slowest * count if slowest else 10.0)
        if missing:
            yield Row(f"training step, {label}", None, "ms", note=missing)
            continue
        paper_steps(dim, table, 5_000, points, 2, device)  # kernels are compiled here
        solution = paper_steps(dim, table, 5_000, points, count, device)
        at = solution.history["time"]
        taken = np.diff(at) / np.diff(solution.history["step"])
        seconds = statistics.median(taken) if len(taken) else float(solution.stats["seconds_per_step"])
        slowest = max(slowest, seconds)
        note = (
            f"the paper: {paper}; {solution.stats['parameters']:,} parameters; "
            f"median over {len(taken)} parts of a run of {count} steps"
        )
        target = milliseconds * stretch if gpu else None
        details = {
            "best_seconds": float(min(taken, default=seconds)),
            "compile_seconds": solution.stats["compile_seconds"],
            "cuda_graph": solution.stats.get("cuda_graph"),
        }
        yield Row(f"training step, {label}", 1e3 * seconds, "ms", target, note=note, details=details)
        peak = solution.stats["peak_memory"] / 1e6
        where = "peak of PyTorch's allocator" if gpu else "peak of the process since its start, other sections included"
        yield Row(f"peak memory, {label.split(',')[0]} training", peak, "MB", memory if gpu else None, note=where)


@dataclass(frozen=True)
class Solve:
    """A problem for Gauss-Newton with the error and the seconds that are asked for on an H200."""

    problem: str
    a: float
    base: int
    levels: int
    error: float
    seconds: float
    cost: float
    precision: str = "auto"

    @property
    def label(self) -> str:
        """How the case is called."""
        cells = self.base * 2 ** (self.levels - 1)
        return f"Gauss-Newton {self.problem} a={self.a:g}, {cells} cells per axis"


#: The three cases of the targets, and a small one for CPUs; ``cost`` is a guess at the seconds on one CPU core.
SOLVES = {
    "full": (
        Solve("helmholtz2d", 10, 6, 7, 1e-7, 0.5, 3.0),
        Solve("helmholtz2d", 100, 4, 8, 3e-4, 1.5, 5.0),
        Solve("helmholtz3d", 10, 6, 5, 1.5e-4, 1.5, 90.0),
        Solve("helmholtz2d", 10, 6, 7, 1e-7, 0.5, 4.0, "mixed"),
    ),
    "small": (
        Solve("helmholtz2d", 10, 4, 7, 5e-7, 0.5, 2.0),
        Solve("helmholtz2d", 10, 4, 7, 5e-7, 0.5, 2.0, "mixed"),
        Solve("helmholtz3d", 3, 4, 4, 5e-5, 1.5, 6.0),
    ),
}


def _solve(case: Solve, device: torch.device, budget: Budget) -> hp.Solution:
    return hp.solve(
        problems.make(case.problem, a=case.a), field=hp.Field(base=case.base), levels=case.levels,
        method=hp.GaussNewton(precision=case.precision), device=device, progress=False, max_time=max(1.0, budget.left),
    )  # fmt: skip


def solve_rows(device: torch.device, size: str, stretch: float, budget: Budget) -> Iterator[Row]:
    """Error and time of full solves; the second of two runs where there is time, so that nothing is compiled."""
    gpu = device.type == "cuda"
    for case in SOLVES[size]:
        label = case.label + (f", {case.precision}" if case.precision != "auto" else "")
        missing = budget.lacks(case.cost)
        if missing:
            yield Row(f"{label}: seconds", None, "s", note=missing)
            continue
        began = time.perf_counter()
        solution = _solve(case, device, budget)
        first = time.perf_counter() - began
        runs = 1
        while runs < 3 and 2 * first < budget.left and first < 20:
            again = _solve(case, device, budget)
            if again.stats["seconds"] < solution.stats["seconds"] or runs == 1:
                solution = again
            runs += 1
        error = solution.error()["u"]["relative_l2"]
        note = f"{solution.stats['inner_steps']} steps of conjugate gradients, {solution.history['unknowns'][-1]:,.0f} unknowns"
        details = {
            "first_run_seconds": first,
            "runs": runs,
            "precision": solution.stats["precision"],
            "status": solution.status.label,
        }
        target = case.seconds * stretch if gpu else None
        yield Row(f"{label}: error", error, "relative L2", case.error, note=solution.message)
        yield Row(f"{label}: seconds", solution.stats["seconds"], "s", target, note=note, details=details)
        if gpu:
            yield Row(f"{label}: peak memory", solution.stats["peak_memory"] / 1e6, "MB")
