"""One run that says whether a machine computes the right numbers, and how fast.

``python -m hermite_pinn.validation.performance.gpu_check`` checks the kernels against the float64 reference, measures
them against
the memory, automatic differentiation and finite differences, times training steps and full solves, and writes a JSON
and a Markdown file after every section, so that nothing is lost if a later one fails.  It needs PyTorch, NumPy, SciPy,
h5py and, on a GPU, CuPy.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import logging
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from hermite_pinn.errors import HermitePinnError
from hermite_pinn.output import make_folder, write_text
from hermite_pinn.run.device import choose_device
from hermite_pinn.validation.accuracy.suite import machine

from .baselines import derivative_rows
from .correctness import kernel_rows, network_rows, operator_rows
from .gpu_tests import rows_of_tests
from .profile import profile_rows
from .radiance_rows import radiance_rows
from .roofline import Roof, axis_rows, jet_rows, measure_roof, resource_rows
from .rows import Budget, Row, rows_markdown
from .sections import INTRODUCTIONS
from .timing import synchronize
from .training import solve_rows, step_rows

__all__ = ["Report", "Section", "Sizes", "main", "run"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes
    ----------
    copied
        Bytes of the copy that measures the bandwidth.
    points, reference_points
        Points of the jets; of comparisons with plain PyTorch.
    batch
        Points of the comparison with finite differences.
    steps
        Training steps.
    cells
        Grids of the products of Gauss-Newton.
    solves
        Key of :data:`hermite_pinn.validation.performance.training.SOLVES`.
    views
        Pixels along an edge of the pictures that a radiance field is fitted to, and steps of that.
    """

    copied: int
    points: int
    reference_points: int
    batch: int
    steps: int
    cells: tuple[tuple[int, ...], ...]
    solves: str
    views: tuple[int, int] = (24, 40)

    @classmethod
    def of(cls, device: torch.device) -> Sizes:
        """Those of the targets on a GPU, small ones on a CPU."""
        if device.type == "cuda":
            return cls(2**30, 2**22, 2**16, 30_000, 400, ((512, 512), (64, 64, 64)), "full", (100, 500))
        return cls(2**27, 2**17, 2**12, 10_000, 10, ((256, 256),), "small")


@dataclass
class Section:
    """A part of the report: its rows, or the last line of the traceback of what went wrong."""

    title: str
    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    failure: str = ""


@dataclass
class Report:
    """Everything that was measured, and what on."""

    machine: dict[str, Any]
    sections: list[Section] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)  # sections that a broken device left out
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())

    def to_json(self) -> str:
        """Plain data with a verdict for every row."""
        sections = [
            asdict(s) | {"rows": [asdict(r) | {"verdict": r.verdict} for r in s.rows]} for s in self.sections
        ]  # fmt: skip
        return json.dumps(_finite({"date": self.date, "machine": self.machine, "sections": sections}), indent=1)

    def to_markdown(self) -> str:
        """Tables by section."""
        rows = [r for s in self.sections for r in s.rows]
        counts = {v: sum(r.verdict == v for r in rows) for v in ("met", "not met", "not measured")}
        failed = sum(bool(s.failure) for s in self.sections)
        lines = [
            f"# Performance: {self.machine.get('gpu') or self.machine['cpu']}",
            f"Measured {self.date} by `python -m hermite_pinn.validation.performance.gpu_check`. "
            f"Targets met: {counts['met']}; not met: {counts['not met']}; not measured: {counts['not measured']}; "
            f"sections that failed: {failed}.",
            "\n".join(f"- {k}: {v}" for k, v in self.machine.items()),
        ]
        for s in self.sections:
            lines.append(f"## {s.title}")
            if s.title in INTRODUCTIONS:
                lines.append(INTRODUCTIONS[s.title])
            if s.failure:
                lines.append(f"**Failed:** `{s.failure}`")
            if s.rows:
                lines.append(rows_markdown(s.rows))
            lines.append(f"This section took {s.seconds:.1f} s.")
        return "\n\n".join(lines) + "\n"

    def write(self, folder: Path, name: str) -> None:
        """Both files."""
        make_folder(folder)
        write_text(folder / f"{name}.json", self.to_json() + "\n")
        write_text(folder / f"{name}.md", self.to_markdown())


def _finite(value: Any) -> Any:
    """Plain data without infinities and NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _machine(device: torch.device) -> dict[str, Any]:
    description = machine() | {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    }
    description.pop("gpu", None)
    if hasattr(os, "getloadavg"):
        description["load average at the start"] = f"{os.getloadavg()[0]:.1f}"  # of other programs
    if device.type == "cuda":
        p = torch.cuda.get_device_properties(device)
        description |= {
            "gpu": p.name,
            "compute capability": f"{p.major}.{p.minor}",
            "multiprocessors": p.multi_processor_count,
            "GPU memory": f"{p.total_memory / 2**30:.0f} GiB",
            "CUDA": torch.version.cuda,
        }
        from hermite_pinn.cuda.runtime.device import cupy

        description["CuPy"] = str(cupy().__version__)
    return description


def run(
    device: torch.device,
    seconds: float,
    sizes: Sizes | None = None,
    *,
    tests: bool = True,
    only: Sequence[str] | None = None,
    tell: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Measure everything that fits into the time.

    Parameters
    ----------
    seconds
        Sections that are expected to end later are skipped, and say so.
    sizes
        ``None``: those for the device.
    tests
        Whether the tests that need a GPU run at the end.
    only
        Titles of sections; ``None``: all.
    tell
        Called after every section.
    """
    return _Run(device, Budget(seconds), sizes or Sizes.of(device)).report(tests, only, tell)


Work = Callable[[], Iterable[Row]]


class _Run:
    """The sections of one run, and the bandwidth that those after the memory refer to."""

    def __init__(self, device: torch.device, budget: Budget, sizes: Sizes) -> None:
        self.device, self.budget, self.sizes = device, budget, sizes
        self.roof = Roof(float("nan"), 1.0)

    def report(self, tests: bool, only: Sequence[str] | None, tell: Callable[[Report], None]) -> Report:
        """All chosen sections in turn; where the device breaks, the rest is pending."""
        report = Report(_machine(self.device))
        works = self.works()
        if self.device.type == "cuda":
            works["Kernels"] = (20, [lambda: profile_rows(self.device, self.sizes.cells, self.budget)])
        if tests and self.device.type == "cuda":
            works["Tests"] = (30, [lambda: rows_of_tests(self.budget)])
        chosen = [title for title in works if only is None or title in only]
        if "Memory" not in chosen and set(chosen) - {"Correctness", "Registers", "Kernels", "Tests"}:
            self.bandwidth()
        for k, title in enumerate(chosen):
            section = self.section(title, *works[title])
            report.sections.append(section)
            if section.failure and not usable(self.device):
                report.pending = chosen[k + 1 :]
            tell(report)
            if report.pending:
                break
            if self.device.type == "cuda":
                with contextlib.suppress(RuntimeError):
                    torch.cuda.empty_cache()
        return report

    def works(self) -> dict[str, tuple[float, list[Work]]]:
        """By title how many seconds a section needs, and what gives its rows."""
        device, sizes, budget = self.device, self.sizes, self.budget
        return {
            "Correctness": (
                10,
                [lambda: kernel_rows(device), lambda: network_rows(device), lambda: operator_rows(device)],
            ),
            "Memory": (2, [self.bandwidth]),
            "Encoder": (10, [lambda: jet_rows(device, sizes.points, sizes.reference_points, self.roof)]),
            "Derivatives": (20, [lambda: derivative_rows(device, sizes.batch, sizes.reference_points)]),
            "Training steps": (10, [lambda: step_rows(device, sizes.steps, self.roof.stretch, budget)]),
            "Gauss-Newton": (
                10,
                [self.products, lambda: solve_rows(device, sizes.solves, self.roof.stretch, budget)],
            ),
            "Radiance": (30, [lambda: radiance_rows(device, *sizes.views, budget)]),
            "Registers": (10, [lambda: resource_rows(device)]),
        }

    def bandwidth(self) -> list[Row]:
        """The roof, and its rows."""
        self.roof, rows = measure_roof(self.device, self.sizes.copied)
        return rows

    def products(self) -> list[Row]:
        """Products of Gauss-Newton on all grids."""
        return [row for cells in self.sizes.cells for row in axis_rows(self.device, cells, self.roof)]

    def section(self, title: str, need: float, parts: Sequence[Work]) -> Section:
        """A section that is left out where the time is short, and that fails without the others."""
        section = Section(title)
        began = time.perf_counter()
        missing = self.budget.lacks(need)
        if missing:
            section.rows.append(Row(title, None, note=missing))
        for part in [] if missing else parts:
            try:
                for row in part():
                    section.rows.append(row)
            except Exception as error:  # a section that fails must not lose the others
                section.failure = traceback.format_exception_only(error)[-1].strip()
                logger.debug("section %s", title, exc_info=True)
        section.seconds = time.perf_counter() - began
        return section


def usable(device: torch.device) -> bool:
    """Whether a device still computes: after an illegal access no GPU does, until the process ends."""
    try:
        synchronize(device)
        return float(torch.ones(2, device=device).sum()) == 2.0
    except RuntimeError:
        return False


def elsewhere(report: Report, options: argparse.Namespace, left: float) -> list[Section]:
    """The pending sections, measured by a fresh process; a section that says why where that fails too."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-P",
            "-m",
            "hermite_pinn.validation.performance.gpu_check",
            "--device",
            options.device,
        ]
        command += ["--out", folder, "--name", "part", "--time", f"{left / 60:.2f}"]
        command += [*(["--no-tests"] if options.no_tests else []), "--only", *report.pending]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        try:
            sections = json.loads((Path(folder) / "part.json").read_text(encoding="utf-8"))["sections"]
        except (OSError, ValueError):
            return [Section(report.pending[0], failure=f"a fresh process ended with code {done.returncode}")]
    return [
        Section(s["title"], [Row(**{k: v for k, v in r.items() if k != "verdict"}) for r in s["rows"]], s["seconds"], s["failure"])
        for s in sections
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 0, or 1 where a section failed or a correctness limit was not met."""
    parser = argparse.ArgumentParser(
        prog="python -m hermite_pinn.validation.performance.gpu_check", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--device", default="auto", help="cuda, cpu or auto")
    parser.add_argument(
        "--out", type=Path, default=Path("out/performance"), help="folder of the JSON and Markdown files"
    )
    parser.add_argument("--name", help="name of the files; default: that of the GPU, or cpu")
    parser.add_argument(
        "--time", type=float, default=8.0, metavar="MINUTES", help="sections that would end later are skipped"
    )
    parser.add_argument("--threads", type=int, help="of PyTorch on the CPU")
    parser.add_argument(
        "--only", nargs="+", metavar="SECTION", help="such as Encoder or 'Training steps'; default: all"
    )
    parser.add_argument("--no-tests", action="store_true", help="leave out the tests that need a GPU")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    name = options.name or re.sub(r"[^a-z0-9]+", "-", place.lower()).strip("-")

    def tell(report: Report) -> None:
        report.write(options.out, name)
        section = report.sections[-1]
        lines = [f"{section.title} ({section.seconds:.1f} s)"]
        if section.failure:
            lines.append(f"  FAILED: {section.failure}")
        for r in section.rows:
            value = "" if r.value is None else f"{r.value:.4g} {r.unit}".strip()
            target = "" if r.target is None else f" (target {'>=' if r.at_least else '<='} {r.target:.4g})"
            lines.append(f"  {r.label}: {value}{target} {r.verdict} {r.note if r.value is None else ''}".rstrip())
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()

    budget = Budget(60 * options.time)
    # what hangs on the device cannot be interrupted, only ended; what was measured before is written
    watchdog = threading.Timer(budget.seconds + 30, _give_up)
    watchdog.daemon = True
    watchdog.start()
    report = run(device, budget.left, tests=not options.no_tests, only=options.only, tell=tell)
    if report.pending:
        sys.stdout.write("the device no longer answers; a fresh process measures the rest\n")
        for section in elsewhere(report, options, max(budget.left, 0.0)):
            report.sections.append(section)
            tell(report)
    watchdog.cancel()
    sys.stdout.write(f"wrote {options.out / name}.json and .md\n")
    wrong = [r for s in report.sections if s.title == "Correctness" for r in s.rows if r.verdict == "not met"]
    return int(bool(wrong) or any(s.failure for s in report.sections))


def _give_up() -> None:
    sys.stderr.write("gpu_check: still not done long after its time; what was measured is written\n")
    sys.stderr.flush()
    os._exit(3)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except HermitePinnError as error:
        sys.exit(f"gpu_check: {error}")
