"""Run a suite of cases and tabulate error and time against what is to be reached."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.validation.references.classical import Classical, fourier_convection, helmholtz_spectral

from .cases import Case

__all__ = ["Result", "cost_markdown", "machine", "run_case", "run_suite", "to_json", "to_markdown"]


@dataclass(frozen=True)
class Result:
    """What a case gave.

    ``errors`` are relative L2 errors by field on an off-lattice grid, float64, final parameters; ``seconds`` exclude
    compilation; ``inner`` is the largest number of conjugate-gradient steps of any level; ``memory`` the peak of the
    process in bytes; ``course`` the seconds, unknowns and estimated error at the end of every level; ``classical`` what
    a spectral method gives, where one is at hand.
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
    course: list[tuple[float, int, float]]
    classical: Classical | None = None

    @property
    def error(self) -> float:
        """Largest error of the fields that count."""
        return self.case.worst(self.errors)

    @property
    def reached(self) -> bool:
        """Whether error and time are within the case's limits."""
        return self.error <= self.case.error and self.seconds <= self.case.seconds


def run_case(case: Case, seed: int = 0, device: str = "auto") -> Result:
    """Solve one case and measure it."""
    problem = problems.make(case.problem, **case.settings)
    solution = hp.solve(
        problem, field=case.grid, levels=case.levels, tol=case.tol, seed=seed, device=device, progress=False
    )
    history = solution.history
    level, ends = history["level"], []
    for i in range(len(level)):
        if i + 1 == len(level) or level[i + 1] != level[i]:
            ends.append((float(history["time"][i]), int(history["unknowns"][i]), float(history["error"][i])))
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
        course=ends,
        classical=_classical(case),
    )


def _classical(case: Case) -> Classical | None:
    if case.problem in ("helmholtz2d", "helmholtz3d") and not {"x", "y", "z"} & set(case.settings):
        waves = case.settings.get("a", 10)
        if all(float(w).is_integer() for w in (waves if isinstance(waves, tuple) else (waves,))):
            return helmholtz_spectral(waves, float(case.settings.get("k", 1.0)), int(case.problem[-2]))
    if case.problem == "convection":
        return fourier_convection(float(case.settings.get("c", 30.0)))
    return None


def run_suite(
    cases: Sequence[Case], seed: int = 0, device: str = "auto", report: Callable[[Result], None] = lambda result: None
) -> list[Result]:
    """Solve all cases, telling each result as it comes."""
    results = []
    for case in cases:
        result = run_case(case, seed, device)
        report(result)
        results.append(result)
    return results


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), name)
    except OSError:
        pass
    description: dict[str, Any] = {
        "cpu": name,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        description["gpu"] = torch.cuda.get_device_name()
    return description


def to_markdown(results: Sequence[Result]) -> str:
    """The results as Markdown tables: errors and times, then the cost of the levels of the largest runs."""
    lines = [
        "| case | cells | error (relative L2) | at most | to beat | estimate | seconds | at most | CG steps | peak memory | classical method |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        c = r.case
        paper = "" if c.paper is None else f"{c.paper:.2e}"
        estimate = "" if r.estimate is None else f"{r.estimate:.1e}"
        mark = "" if r.reached else " (missed)"
        errors = f"{r.error:.2e}{mark}"
        others = {f: e for f, e in r.errors.items() if c.fields is not None and f not in c.fields}
        errors += "".join(f"; {f} {e:.2e}" for f, e in others.items())
        classical = "" if r.classical is None else f"{r.classical.error:.0e} in {1e3 * r.classical.seconds:.0f} ms"
        lines.append(
            f"| {c.label} | {'x'.join(map(str, r.resolution))} | {errors} | {c.error:.0e} | {paper} | {estimate} | {r.seconds:.2f} | "
            f"{c.seconds:g} | {r.inner} | {r.memory / 2**20:.0f} MiB | {classical} |"
        )
    return "\n".join(lines)


def cost_markdown(results: Sequence[Result]) -> str:
    """Seconds of every level against its unknowns, for the results with most of them in two and in three axes."""
    chosen = []
    for dim in (2, 3):
        candidates = [r for r in results if len(r.resolution) == dim and r.case.problem.startswith("helmholtz")]
        if candidates:
            chosen.append(max(candidates, key=lambda r: r.unknowns))
    lines = ["| case | unknowns | seconds of the level | microseconds per unknown |", "|---|---|---|---|"]
    for r in chosen:
        before = 0.0
        for at, unknowns, _ in r.course:
            if unknowns >= 1e4:
                lines.append(
                    f"| {r.case.label} | {unknowns:,} | {at - before:.2f} | {1e6 * (at - before) / unknowns:.2f} |"
                )
            before = at
    return "\n".join(lines)


def to_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The results as plain data."""
    return [asdict(r) | {"error": r.error, "reached": r.reached, "command": r.case.command} for r in results]
