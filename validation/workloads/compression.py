"""Compressed solutions beside zfp: bytes at equal error, size by error, and the time of a million points.

What docs/compression.md quotes: a part of ``hermite-pinn validate --suite compression``.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import hermite_pinn as hp
from hermite_pinn.schema import Entry
from hermite_pinn.validation.kept import read_kept, write_kept
from hermite_pinn.validation.rivals.timing import one_thread

from .compression_zfp import Samples, fewest_bytes

__all__ = ["CASES", "Row", "draw", "kept_row", "measure", "run_case", "to_markdown"]

FORMAT = "compressed solution 1"
TOL = 1e-6
CURVE = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
QUERIES = 1_000_000
DEGREES = (1, 3, 5)
USUAL = (1, 3)
LEAST_OF_ZFP, LEAST_OF_TABLE, MOST_TIME = 4.0, 10.0, 2.0

#: Solutions by name, and whether their size is compared with numbers to reach.
CASES: Mapping[str, tuple[Callable[[], hp.Solution], bool]] = {
    "helmholtz2d a=10": (lambda: hp.solve(hp.problems.helmholtz2d(a=10), progress=False), True),
    "flow_mixing": (lambda: hp.solve(hp.problems.flow_mixing(), tol=5e-6, progress=False, throw=False), True),
    "helmholtz3d": (lambda: hp.solve(hp.problems.helmholtz3d(), progress=False), False),
    "wave": (lambda: hp.solve(hp.problems.wave(), progress=False), False),
    "burgers": (lambda: hp.solve(hp.problems.burgers(), progress=False), False),
}


@dataclass(frozen=True)
class Row:
    """What was measured of a solution with one field.

    Attributes
    ----------
    name
        Of the case.
    grid
        Basis and cells.
    table
        Bytes of its coefficients.
    bytes, error
        Of the file at the tolerance 1e-6, and its relative L2 error.
    sizes
        By level, bytes up to its end.
    samples
        The same error by zfp, by degree of the interpolation.
    curve
        Tolerances, bytes and errors.
    seconds
        CPU time of compressing, of loading, of a million points of the solution and of the loaded one.
    compared
        Whether there are numbers to reach.
    """

    name: str
    grid: str
    table: int
    bytes: int
    error: float
    sizes: tuple[int, ...]
    samples: tuple[Samples, ...]
    curve: tuple[tuple[float, int, float], ...]
    seconds: tuple[float, float, float, float]
    compared: bool

    @property
    def zfp(self) -> int | None:
        """Fewest bytes by zfp and the usual interpolation."""
        return min((s.bytes for s in self.samples if s.degree in USUAL and s.bytes is not None), default=None)

    @property
    def missed(self) -> str:
        """What is not reached, in words: so many times fewer bytes, or the time of points."""
        if not self.compared:
            return ""
        ratios = [
            ("zfp", (self.zfp or 0) / self.bytes, LEAST_OF_ZFP),
            ("the table", self.table / self.bytes, LEAST_OF_TABLE),
        ]
        told = [f"{ratio:.3g} times fewer bytes than {what}" for what, ratio, least in ratios if 0 < ratio < least]
        slow = self.seconds[3] / max(self.seconds[2], 1e-9)
        told += [f"points take {slow:.2g} times as long"] if slow > MOST_TIME else []
        return f"{self.name}: {', '.join(told)}" if told else ""

    @property
    def line(self) -> str:
        """For the terminal."""
        zfp = "-" if self.zfp is None else f"{self.zfp / self.bytes:.1f}"
        return f"{self.name:<20} {self.bytes:>9,} bytes, {self.table / self.bytes:5.1f} times fewer, {zfp} than zfp, error {self.error:.1e}"


def run_case(name: str, folder: Path | None = None) -> Row:
    """Measure a case, or read what a folder keeps of it; solutions are kept there, too.

    Raises
    ------
    OutOfMemoryError
        If the case does not fit.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as place:
            return run_case(name, Path(place))
    kept = kept_row(name, folder)
    if kept is not None:
        return kept
    with one_thread():
        row = measure(name, _solved(name, folder), folder)
    write_kept(folder / f"{_stem(name)}.json", FORMAT, _asked(name), asdict(row))
    return row


def kept_row(name: str, folder: Path) -> Row | None:
    """What a folder keeps of a case; None if it has nothing."""
    entry = read_kept(folder / f"{_stem(name)}.json", FORMAT, _asked(name))
    return None if entry is None else _row(entry)


def _row(entry: Entry) -> Row:
    told: dict[str, Any] = dict(entry.value)
    told["samples"] = tuple(Samples(**{**s, "counts": tuple(s["counts"])}) for s in told["samples"])
    told["curve"] = tuple((t, b, e) for t, b, e in told["curve"])
    return Row(**{**told, "sizes": tuple(told["sizes"]), "seconds": tuple(told["seconds"])})


def _asked(name: str) -> dict[str, Any]:
    return {"name": name, "tol": TOL, "curve": list(CURVE)}


def _stem(name: str) -> str:
    return name.replace(" ", "_").replace("=", "")


def _solved(name: str, folder: Path) -> hp.Solution:
    """The solution of a case, from the folder if it is there."""
    file = folder / f"{_stem(name)}.h5"
    if file.is_file():
        return hp.Solution.load(file)
    solution = CASES[name][0]()
    solution.save(file)
    return solution


def measure(name: str, solution: hp.Solution, folder: Path) -> Row:
    """All that is told of a case."""
    began = time.process_time()
    small = hp.compression.compress(solution, tol=TOL)
    ended = time.process_time()
    file = folder / f"{_stem(name)}.hpc"
    small.save(file)
    loading = time.process_time()
    again = hp.compression.load(file)
    loaded = time.process_time()
    plain, decoded = (min(_query(s) for _ in range(3)) for s in (solution, again))
    curve = []
    for tol in CURVE:
        found = hp.compression.compress(solution, tol=tol)
        curve.append((tol, found.bytes, max(found.error.values())))
    return Row(
        name,
        solution.field.encoder.summary,
        sum(v.numel() * v.element_size() for v in solution.field.tensors().values()),
        small.bytes,
        max(small.error.values()),
        tuple(small.sizes),
        tuple(fewest_bytes(solution, TOL, degree) for degree in DEGREES),
        tuple(curve),
        (ended - began, loaded - loading, plain, decoded),
        CASES[name][1],
    )


def _query(solution: hp.Solution) -> float:
    """CPU seconds of a million random points."""
    generator = np.random.default_rng(0)
    lower, upper = np.array(solution.domain.lower), np.array(solution.domain.upper)
    x = lower + (upper - lower) * generator.uniform(size=(QUERIES, len(lower)))
    solution.at_points(x[:10])
    began = time.process_time()
    solution.at_points(x)
    return time.process_time() - began


# -- report ---
def to_markdown(rows: Sequence[Row]) -> str:
    """Tables of bytes at equal error, and of times."""
    lines = [
        f"| solution | grid | table | float32 | compressed | table by it | zfp, linear | zfp, cubic | zfp, quintic | zfp by it | error (at most {TOL:g}) |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        by_degree = [f"{s.bytes:,}" if s.bytes is not None else "more than 30 M samples" for s in r.samples]
        ratio = "-" if r.zfp is None else f"{r.zfp / r.bytes:.1f}"
        lines.append(
            f"| {r.name} | {r.grid} | {r.table:,} | {r.table // 2:,} | {r.bytes:,} | {r.table / r.bytes:.1f} | "
            f"{' | '.join(by_degree)} | {ratio} | {r.error:.2e} |"
        )
    lines += [
        "",
        "| solution | compress (CPU s) | load | 1 M points, solution | 1 M points, loaded |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {r.name} | {' | '.join(f'{s:.2f}' for s in r.seconds)} |" for r in rows]
    return "\n".join(lines)


def draw(rows: Sequence[Row]) -> Figure:
    """Bytes by error: of every solution a line, its table as a dotted one, and zfp at 1e-6."""
    figure = Figure(figsize=(7.5, 5.0), layout="constrained")
    axes = figure.subplots()
    for k, r in enumerate(rows):
        axes.loglog([e for _, _, e in r.curve], [b for _, b, _ in r.curve], "o-", color=f"C{k}", ms=4, label=r.name)
        axes.axhline(r.table, color=f"C{k}", ls=":", lw=0.8)
        for s in r.samples:
            if s.bytes is not None:
                axes.plot(s.error, s.bytes, {1: "v", 3: "s", 5: "^"}[s.degree], color=f"C{k}", mfc="none")
    axes.plot([], [], "vk", mfc="none", label="zfp, linear")
    axes.plot([], [], "sk", mfc="none", label="zfp, cubic")
    axes.plot([], [], "^k", mfc="none", label="zfp, quintic")
    axes.plot([], [], ":k", lw=0.8, label="table")
    axes.set(xlabel="relative L2 error", ylabel="bytes of the file", title="Compressed solutions")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, ncols=2)
    return figure
