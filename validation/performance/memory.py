"""Estimates of memory against what runs really take.

``python -m hermite_pinn.validation.performance.memory --out docs/performance/memory.md`` solves every case in a process
of its own, with few steps, since the memory does not depend on them, and compares the estimate of the last stage with
the growth of the process' largest resident size since a solve on one level.  Estimates below 60 MiB are not judged:
there what the system and its libraries take for themselves counts as much.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import HermitePinnError
from hermite_pinn.memory import spelled_size
from hermite_pinn.validation.accuracy.suite import machine

__all__ = ["CASES", "FACTOR", "JUDGED", "MemoryCase", "MemoryRow", "main", "markdown", "measured"]

FACTOR = 1.5  # how far estimate and measurement may be apart
JUDGED = 60 * 2**20  # bytes from which on they are compared


@dataclass(frozen=True)
class MemoryCase:
    """One configuration: a problem and its settings, its levels, and options of :class:`hermite_pinn.GaussNewton`."""

    problem: str
    levels: int
    basis: str = "cubic"
    base: int = 4
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The case in words."""
        more = [f"{name}={value}" for name, value in [*self.settings.items(), *self.options.items()]]
        more += [f"base={self.base}"] if self.base != 4 else []
        return ", ".join([self.problem, self.basis, f"{self.levels} level{'s' * (self.levels > 1)}", *more])


@dataclass(frozen=True)
class MemoryRow:
    """Bytes estimated and measured, and the number of unknowns."""

    label: str
    unknowns: int
    estimate: float
    measured: float

    @property
    def ratio(self) -> float:
        """Estimate over measurement."""
        return self.estimate / max(self.measured, 1.0)

    @property
    def good(self) -> bool:
        """Whether they agree, or are too small to be judged."""
        return max(self.estimate, self.measured) < JUDGED or 1 / FACTOR <= self.ratio <= FACTOR


CASES: tuple[MemoryCase, ...] = (
    MemoryCase("helmholtz2d", 8),
    MemoryCase("helmholtz2d", 7, "quintic"),
    MemoryCase("helmholtz2d", 7, "septic"),
    MemoryCase("helmholtz2d", 1, base=400),
    MemoryCase("helmholtz2d", 8, options={"precision": "mixed"}),
    MemoryCase("helmholtz2d", 5, options={"inner": "banded"}),
    MemoryCase("poisson2d", 8),
    MemoryCase("poisson3d", 4),
    MemoryCase("poisson3d", 3, "quintic"),
    MemoryCase("helmholtz3d", 4),
    MemoryCase("helmholtz3d", 3, "septic"),
    MemoryCase("kovasznay", 6),
    MemoryCase("kovasznay", 6, "quintic"),
    MemoryCase("cavity", 6),
    MemoryCase("stokes", 7),
    MemoryCase("plate", 6, "septic"),
    MemoryCase("inverse_poisson", 7),
    MemoryCase("burgers", 8, options={"slabs": 1, "inner": "cg"}),
    MemoryCase("klein_gordon", 4, options={"slabs": 1, "inner": "cg"}),
    MemoryCase("heat", 8),
    MemoryCase("wave", 9, options={"slabs": 8}),
    MemoryCase("allen_cahn", 8, options={"slabs": 4}),
    MemoryCase("taylor_green", 4, options={"slabs": 1}),
    MemoryCase("taylor_green", 4, options={"slabs": 4}),
    MemoryCase("taylor_green", 3, "quintic", options={"slabs": 2}),
    MemoryCase("flow_mixing", 5),
    MemoryCase("four_discs", 7),
    MemoryCase("l_shape", 7),
    MemoryCase("poisson2d_cg", 7),
    MemoryCase("plate_with_hole", 6),
    MemoryCase("step", 5),
    MemoryCase("heat2d_cg", 4),
    MemoryCase("poisson3d_cg", 4),
    MemoryCase("poisson_mesh", 4, settings={"mesh": "gear"}),
    MemoryCase("poisson_mesh", 4, settings={"mesh": "torus_knot", "side": "inside", "solution": "manufactured"}),
    MemoryCase("poisson_mesh", 3, "quintic", settings={"mesh": "bracket", "solution": "manufactured"}),
    MemoryCase("heat_on_part", 3),
)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def _most_resident() -> int:
    """The peak of this process since it began its program; ``getrusage`` may tell that of the process it came from."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _run(case: MemoryCase) -> MemoryRow:
    """Estimate and measurement in this process, which must not have solved anything larger."""
    problem = problems.make(case.problem, **case.settings)
    options: dict[str, Any] = {"inner_steps": 6, "outer_steps": 2} | dict(case.options)
    method, kind = hp.GaussNewton(**options), hp.Field(basis=case.basis, base=case.base)
    hp.solve(problem, field=hp.Field(basis=case.basis), method=method, levels=1, progress=False, throw=False)
    gc.collect()
    before = _resident()
    solution = hp.solve(problem, field=kind, method=method, levels=case.levels, progress=False, throw=False)
    peak = _most_resident() - before
    return MemoryRow(case.label, solution.field.parameter_count, solution.stats["memory_estimate"], float(peak))


def measured(case: MemoryCase) -> MemoryRow:
    """Estimate and measurement in a process of its own.

    Raises
    ------
    HermitePinnError
        If that process fails.
    """
    command = [sys.executable, "-m", "hermite_pinn.validation.performance.memory", "--one", str(CASES.index(case))]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise HermitePinnError(f"{case.label} failed:\n{done.stderr[-2000:]}")
    return MemoryRow(case.label, **json.loads(done.stdout.splitlines()[-1]))


def markdown(rows: Sequence[MemoryRow]) -> str:
    """A document with the table of the rows."""
    lines = [
        "# Estimates of memory",
        "",
        "`python -m hermite_pinn.validation.performance.memory --out docs/performance/memory.md` compares the estimate of the"
        ' last stage (`solution.stats["memory_estimate"]`) with the growth of the largest resident size of the process, on'
        f" {machine()['cpu']} with one thread. Above 60 MiB they agree within a factor {FACTOR} in"
        f" {sum(r.good for r in rows)} of {len(rows)} rows.",
        "",
        "| case | unknowns | estimate | measured | ratio |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.label} | {r.unknowns:,} | {spelled_size(r.estimate)} | {spelled_size(r.measured)} | "
        f"{r.ratio:.2f}{'' if r.good else ' **'} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all cases; see the module."""
    parser = argparse.ArgumentParser(description="Estimates of memory against what runs take.")
    parser.add_argument("--out", type=Path, help="Markdown file; standard output if not given")
    parser.add_argument("--only", default="", help="cases whose label contains this")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one is not None:
        row = _run(CASES[chosen.one])
        numbers = {"unknowns": row.unknowns, "estimate": row.estimate, "measured": row.measured}
        sys.stdout.write(json.dumps(numbers) + "\n")
        return
    rows: list[MemoryRow] = []
    for case in (c for c in CASES if chosen.only in c.label):
        rows.append(measured(case))
        if chosen.out is not None:
            chosen.out.write_text(markdown(rows), encoding="utf-8")
    if chosen.out is None:
        sys.stdout.write(markdown(rows))


if __name__ == "__main__":
    main()
