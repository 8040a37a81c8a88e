"""What the commands report, as text, tables and JSON."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.table import Table

import hermite_pinn as hp

from .output import write_text

if TYPE_CHECKING:  # a command that needs neither does not wait for them
    from .doctor import Finding
    from .validation import KernelTiming, OrderTiming, ProductTiming, Result

__all__ = [
    "findings_text",
    "problem_settings",
    "problem_table",
    "show",
    "solution_json",
    "solution_text",
    "timing_json",
    "timing_tables",
    "write_report",
]


def show(*parts: RenderableType, highlight: bool = True) -> None:
    """Print texts and tables, as wide as the terminal, else 120 columns."""
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=highlight)
    for part in parts:
        console.print(part)


def write_report(folder: Path, name: str, report: Mapping[str, Any], markdown: str) -> None:
    """Write a report as ``name.json``, and its tables as ``name.md``."""
    write_text(folder / f"{name}.json", json.dumps(report, indent=1))
    write_text(folder / f"{name}.md", markdown + "\n")


# -- problems ---
def problem_settings(function: Callable[..., hp.Problem]) -> dict[str, Any]:
    """The settings of a problem of the library and their defaults."""
    return {name: p.default for name, p in inspect.signature(function).parameters.items()}


def problem_table(problems: Mapping[str, Callable[..., hp.Problem]]) -> Table:
    """Names, settings and descriptions of problems."""
    table = Table("problem", "settings", "what it is")
    for name, function in problems.items():
        settings = ", ".join(f"{k}={v}" for k, v in problem_settings(function).items())
        module = inspect.getmodule(function)
        first = (module.__doc__ or "").strip().split("\n")[0] if module else ""
        table.add_row(name, settings, first)
    return table


# -- solutions ---
def solution_json(solution: hp.Solution, errors: Mapping[str, Any], files: Sequence[Path]) -> dict[str, Any]:
    """How a run ended, what it cost, and the files it wrote."""
    return {
        "status": solution.status.label,
        "seconds": solution.stats["seconds"],
        "steps": solution.stats["steps"],
        "parameters": solution.stats["parameters"],
        "device": solution.stats["device"],
        "dtype": solution.stats["dtype"],
        "errors": errors,
        "residuals": solution.residuals,
        "files": [str(f) for f in files],
    }


def solution_text(solution: hp.Solution, files: Sequence[Path]) -> str:
    """What a run found, and the files it wrote, as lines for people."""
    lines = [f"  wrote       {file}" for file in files] or ["  (--out DIR writes HDF5, VTK and pictures)"]
    return "\n".join([str(solution), *lines])


# -- timings ---
def timing_json(
    kernels: Sequence[KernelTiming], products: Sequence[ProductTiming], orders: Sequence[OrderTiming]
) -> dict[str, Any]:
    """Timings of the kernels, one list per table."""
    return {
        "kernels": [vars(t) | {"speedup": t.speedup, "adjoint_ratio": t.adjoint_ratio} for t in kernels],
        "products": [vars(t) for t in products],
        "orders": [vars(t) for t in orders],
    }


def timing_tables(
    kernels: Sequence[KernelTiming],
    products: Sequence[ProductTiming],
    orders: Sequence[OrderTiming],
    results: Sequence[Result],
) -> Iterator[RenderableType]:
    """Timings of the kernels in three tables, and of solves in a fourth if there are any."""
    table = Table("value, gradient and Laplacian", "jets, ns", "adjoint, ns", "ratio", "reference, ns", "ratio")
    for t in kernels:
        numbers = (t.jets, t.adjoint, t.adjoint_ratio, t.reference, t.speedup)
        table.add_row(t.label, *(f"{v:.{digits}f}" for v, digits in zip(numbers, (0, 0, 1, 0, 0), strict=True)))
    yield table
    table = Table("products with Jacobians, float64", "J v, ns", "jets in memory", "J^T r, ns", "jets in memory")
    for p in products:
        times = (p.forward, p.forward_stored, p.transposed, p.transposed_stored)
        table.add_row(p.label, *(f"{v:.0f}" for v in times))
    yield table
    table = Table("order of points, float32", "jets, ns", "ordered", "adjoint, ns", "ordered", "sorting, ns a point")
    for o in orders:
        row = (o.jets, o.jets_ordered, o.adjoint, o.adjoint_ordered, o.sorting)
        table.add_row(o.label, *(f"{v:.0f}" for v in row))
    yield table
    yield "nanoseconds per point and level; ratios to the jets of the same row"
    if results:
        yield _solve_table(results)


def _solve_table(results: Sequence[Result]) -> Table:
    table = Table("case", "cells", "error", "at most", "paper / error", "seconds", "at most", "CG steps", "memory")
    for r in results:
        gain = "" if r.case.paper is None else f"{r.case.paper / r.error:.0f}"
        table.add_row(
            r.case.label, "x".join(map(str, r.resolution)), f"{r.error:.2e}", f"{r.case.error:.0e}", gain, f"{r.seconds:.2f}",
            f"{r.case.seconds:g}", str(r.inner), f"{r.memory / 2**20:.0f} MiB",
        )  # fmt: skip
    return table


# -- the machine ---
def findings_text(findings: Sequence[Finding]) -> str:
    """One line per finding, with advice where something is missing."""
    marks = {"ok": "ok     ", "absent": "absent ", "broken": "BROKEN "}
    lines = []
    for f in findings:
        lines.append(f"{marks[f.state]} {f.subject:<14} {f.detail}")
        if f.advice and f.state != "ok":
            lines.append(f"        {'':<14} -> {f.advice}")
    return "\n".join(lines)
