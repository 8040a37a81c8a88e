"""Run a suite of cases and tabulate error and time against what is to be reached."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

import hermite_pinn as hp
from hermite_pinn import problems

from .cases import Case

__all__ = ["Result", "machine", "run_case", "run_suite", "to_markdown"]


@dataclass(frozen=True)
class Result:
    """What a case gave.

    ``errors`` are relative L2 errors by field on an off-lattice grid, float64, final parameters; ``seconds`` exclude
    compilation; ``inner`` is the largest number of conjugate-gradient steps of any level; ``memory`` the peak of the
    process in bytes.
    """

    case: Case
    status: str
    errors: dict[str, float]
    estimate: float | None
    seconds: float
    compile_seconds: float
    resolution: tuple[int, ...]
    unknowns: int
    inner: int
    memory: int

    @property
    def error(self) -> float:
        """Largest error of all fields."""
        return max(self.errors.values())

    @property
    def reached(self) -> bool:
        """Whether error and time are within the case's limits."""
        return self.error <= self.case.error and self.seconds <= self.case.seconds


def run_case(case: Case, seed: int = 0, device: str = "auto") -> Result:
    """Solve one case and measure it."""
    problem = problems.make(case.problem, **case.settings)
    solution = hp.solve(problem, levels=case.levels, tol=case.tol, seed=seed, device=device, progress=False)
    history = solution.history
    return Result(
        case=case,
        status=solution.status.label,
        errors={f: e["relative_l2"] for f, e in solution.error().items()},
        estimate=solution.estimated_error,
        seconds=solution.stats["seconds"],
        compile_seconds=solution.stats["compile_seconds"],
        resolution=tuple(solution.field.layout.resolutions[-1]),
        unknowns=int(history["unknowns"][-1]),
        inner=int(history["inner"].max()),
        memory=int(solution.stats["peak_memory"]),
    )


def run_suite(
    cases: Sequence[Case], seed: int = 0, device: str = "auto", report: Callable[[Result], None] = lambda result: None
) -> list[Result]:
    """Solve all cases, telling each result as it comes."""
    found = []
    for case in cases:
        result = run_case(case, seed, device)
        report(result)
        found.append(result)
    return found


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    found: dict[str, Any] = {
        "cpu": name,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def to_markdown(results: Sequence[Result]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| case | cells | error (relative L2) | at most | paper | estimate | seconds | at most | CG steps | peak memory |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        c = r.case
        paper = "" if c.paper is None else f"{c.paper:.2e}"
        estimate = "" if r.estimate is None else f"{r.estimate:.1e}"
        mark = "" if r.reached else " (missed)"
        lines.append(
            f"| {c.label} | {'x'.join(map(str, r.resolution))} | {r.error:.2e}{mark} | {c.error:.0e} | {paper} | {estimate} | {r.seconds:.2f} | "
            f"{c.seconds:g} | {r.inner} | {r.memory / 2**20:.0f} MiB |"
        )
    return "\n".join(lines)


def to_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The results as plain data."""
    return [asdict(r) | {"error": r.error, "reached": r.reached} for r in results]
