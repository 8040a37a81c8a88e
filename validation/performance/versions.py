"""Two checkouts of this package side by side: the same cases and kernels in turn, errors and ratios of times.

``python -m hermite_pinn.validation.performance.versions BEFORE AFTER --suite full --out out/versions.md`` runs every
case of a suite, and the kernels of ``hermite-pinn bench``, in processes of their own that take turns, so that a machine
whose speed drifts is the same for both.  It writes a Markdown table after every row, so that nothing is lost if a later
one fails.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermite_pinn.errors import HermitePinnError, InvalidArgumentError
from hermite_pinn.output import make_folder, write_text
from hermite_pinn.validation.accuracy.suite import machine

__all__ = ["Pair", "assembled", "compared_cases", "compared_kernels", "main", "markdown"]

ROOMS = ("cuda", "geometry", "problems", "validation")

#: What a child prints; both versions have these names.
CASE = """
import json, sys
from hermite_pinn.validation import SUITES, run_case
result = run_case(SUITES[sys.argv[1]][int(sys.argv[2])])
print(json.dumps([result.error, result.seconds, result.status, result.inner]))
"""
KERNELS = """
import json
from dataclasses import asdict
from hermite_pinn.validation import time_kernels, time_orders, time_products
rows = [asdict(r) for timed in (time_kernels, time_products, time_orders) for r in timed()]
print(json.dumps([[r["label"], k, v] for r in rows for k, v in r.items() if isinstance(v, float)]))
"""


@dataclass(frozen=True)
class Pair:
    """One row: a figure of the version before and of the one after, and the seconds or nanoseconds of both.

    Errors are relative L2 errors, and ``None`` for a kernel.
    """

    label: str
    before: float
    after: float
    error_before: float | None = None
    error_after: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """Time after over time before."""
        return self.after / self.before


def assembled(checkout: Path, place: Path) -> Path:
    """A folder for ``PYTHONPATH`` in which the rooms of a checkout are one package, made of links.

    Raises
    ------
    InvalidArgumentError
        If the folder is no checkout of this package.
    """
    checkout = checkout.resolve()
    package = place / "hermite_pinn"
    if not (checkout / "hermite_pinn" / "__init__.py").is_file():
        raise InvalidArgumentError(
            f"{checkout} is no checkout of hermite_pinn: it has no file hermite_pinn/__init__.py; name the root of a clone"
        )
    package.mkdir(parents=True)
    for entry in [*(checkout / "hermite_pinn").iterdir(), *(checkout / room for room in ROOMS)]:
        if entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    return place


def _told(tree: Path, code: str, *arguments: str) -> Any:
    """What a child process of one version prints, read as JSON."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise HermitePinnError(f"a run of {tree} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compared_cases(
    trees: tuple[Path, Path], suite: str, labels: Sequence[str], repeats: int, only: str = ""
) -> Iterator[Pair]:
    """Every case of a suite by both versions in turn; the time is the median of ``repeats`` runs."""
    for index, label in enumerate(labels):
        if only not in label:
            continue
        runs = [[_told(tree, CASE, suite, str(index)) for tree in trees] for _ in range(repeats)]
        before, after = ([run[side] for run in runs] for side in (0, 1))
        note = (
            "" if before[0][2:] == after[0][2:] else f"{before[0][2]}, {before[0][3]} -> {after[0][2]}, {after[0][3]}"
        )
        first, second = (statistics.median(row[1] for row in rows) for rows in (before, after))
        yield Pair(label, first, second, before[0][0], after[0][0], note)


def compared_kernels(trees: tuple[Path, Path], repeats: int) -> list[Pair]:
    """Nanoseconds per point and level of every kernel of the benchmark; the median of ``repeats`` runs in turn."""
    runs = [[_told(tree, KERNELS) for tree in trees] for _ in range(repeats)]
    rows = []
    for index, (label, figure, _) in enumerate(runs[0][0]):
        before, after = (statistics.median(run[side][index][2] for run in runs) for side in (0, 1))
        rows.append(Pair(f"{label}: {figure}", before, after))
    return rows


def markdown(cases: Sequence[Pair], kernels: Sequence[Pair]) -> str:
    """Both tables, with the median ratio of each."""
    place = machine()
    lines = [f"Measured on {place}.", ""]
    if cases:
        lines += [
            "| case | error before | error after | s before | s after | ratio | differs |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {p.label} | {p.error_before:.4g} | {p.error_after:.4g} | {p.before:.2f} | {p.after:.2f} | {p.ratio:.2f} | {p.note} |"
            for p in cases
        ]
        lines += [
            "",
            f"Median ratio of the times of {len(cases)} cases: {statistics.median(p.ratio for p in cases):.3f}",
            "",
        ]
    if kernels:
        lines += ["| kernel | ns before | ns after | ratio |", "|---|---|---|---|"]
        lines += [f"| {p.label} | {p.before:.1f} | {p.after:.1f} | {p.ratio:.2f} |" for p in kernels]
        lines += [
            "",
            f"Median ratio of {len(kernels)} kernel figures: {statistics.median(p.ratio for p in kernels):.3f}",
            "",
        ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point; see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path, help="checkout of the version before")
    parser.add_argument("after", type=Path, help="checkout of the version after")
    parser.add_argument("--suite", default="full", help="suite of `hermite-pinn validate`, or none")
    parser.add_argument("--only", default="", help="of the cases: those whose names contain this text")
    parser.add_argument("--repeats", type=int, default=1, help="runs of every case, and of the kernels")
    parser.add_argument("--kernels", type=int, default=3, help="runs of the kernels; 0 for none")
    parser.add_argument("--out", type=Path, default=Path("out/versions.md"), help="Markdown file to write")
    options = parser.parse_args(arguments)
    from hermite_pinn.validation.accuracy.cases import SUITES

    labels = [] if options.suite == "none" else [c.label for c in SUITES[options.suite]]
    make_folder(options.out.parent)
    with tempfile.TemporaryDirectory() as scratch:
        trees = (
            assembled(options.before, Path(scratch) / "before"),
            assembled(options.after, Path(scratch) / "after"),
        )
        kernels = compared_kernels(trees, options.kernels) if options.kernels else []
        cases: list[Pair] = []
        write_text(options.out, markdown(cases, kernels))
        for pair in compared_cases(trees, options.suite, labels, options.repeats, options.only):
            cases.append(pair)
            write_text(options.out, markdown(cases, kernels))


if __name__ == "__main__":
    main()
