"""Sharp features by the default call: errors in the box and inside the feature, estimates, unknowns and CPU time.

What docs/refinement.md and docs/breaks.md quote.

Examples
--------
python -m hermite_pinn.validation.accuracy.sharp --only source > sharp.md
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import problems

from .sharp_problems import Source, jumping_waves, layer, layered, narrow_sources, sine_series
from .suite import machine

__all__ = ["CASES", "Row", "row_of", "to_markdown"]

Array = np.ndarray
POINTS = 400  # in the box, and in each feature
SEVERAL = ((0.3, 0.7, 1e-3, 1.0), (0.81, 0.13, 3e-3, 0.2), (0.52, 0.48, 0.03, 0.1))


@dataclass(frozen=True)
class Row:
    """What a run reached; ``inside`` is the largest of the errors inside features, None where there is none."""

    name: str
    error: float
    inside: float | None
    estimate: float | None
    unknowns: int
    seconds: float
    status: str


@dataclass(frozen=True)
class Case:
    """A problem, its solution at points (n, axes), and the points inside each of its features."""

    problem: hp.Problem
    exact: Callable[[Array], Array]
    features: Sequence[Array] = ()
    options: tuple[tuple[str, Any], ...] = ()


def _sources(*sources: Source) -> Case:
    random = np.random.default_rng(1)
    near = [np.array([cx, cy]) + w * random.standard_normal((POINTS, 2)) for cx, cy, w, _ in sources]
    return Case(narrow_sources(*sources), lambda p: sine_series(p, sources), near)


def _known(problem: hp.Problem, features: Sequence[Array] = (), **options: Any) -> Case:
    assert problem.exact is not None
    exact = problem.exact["u"]
    return Case(problem, lambda p: np.asarray(exact(*p.T), dtype=float), features, tuple(options.items()))


def _layer(eps: float) -> Case:
    random = np.random.default_rng(1)
    return _known(layer(eps), [np.stack([1 - eps * 5 * random.random(POINTS), random.random(POINTS)], 1)])


def _burgers() -> Case:
    random = np.random.default_rng(1)
    inside = np.stack([0.01 * (2 * random.random(POINTS) - 1), 0.4 + 0.6 * random.random(POINTS)], 1)
    return _known(problems.burgers(), [inside])


def _waves() -> Case:
    problem, exact = jumping_waves()
    return Case(problem, lambda p: exact(p[:, 0]))


def _levels(make: Callable[[], hp.Problem], basis: str, levels: int) -> Callable[[], Case]:
    return lambda: _known(make(), levels=levels, field=hp.Field(basis=basis))


def _orders() -> Iterator[tuple[str, Callable[[], Case]]]:
    """Fixed levels across a jump of 1 to 1000."""
    for basis, every in (("cubic", (2, 3, 4, 5)), ("quintic", (2, 3, 4))):
        for n in every:
            yield f"jump of a, {basis}, {n} levels", _levels(lambda: layered(1000.0), basis, n)
    for n in (2, 3, 4):
        yield f"heat over a jump of a, cubic, {n} levels", _levels(lambda: layered(1000.0, time=True), "cubic", n)


#: Makers of the cases by name.
CASES: dict[str, Callable[[], Case]] = {
    "source of width 2e-3": lambda: _sources((0.3, 0.7, 2e-3, 1.0)),
    "source of width 1e-3": lambda: _sources((0.337, 0.7125, 1e-3, 1.0)),
    "three sources of widths 1e-3, 3e-3 and 3e-2": lambda: _sources(*SEVERAL),
    "layer of 1e-2": lambda: _layer(1e-2),
    "layer of 1e-3": lambda: _layer(1e-3),
    "layer of 1e-4": lambda: _layer(1e-4),
    "layer of 1e-5": lambda: _layer(1e-5),
    "layer of 1e-6": lambda: _layer(1e-6),
    "Burgers, nu = 0.01/pi": _burgers,
    "waves whose numbers jump": _waves,
    **dict(_orders()),
}


def row_of(name: str, case: Case) -> Row:
    """Solve a case by the default call, with its options, and compare."""
    began = time.process_time()
    solution = hp.solve(case.problem, progress=False, throw=False, **dict(case.options))
    seconds = time.process_time() - began
    low, high = np.array(case.problem.domain.lower), np.array(case.problem.domain.upper)
    box = low + (high - low) * np.random.default_rng(0).random((POINTS, len(low)))

    def error(points: Array) -> float:
        exact = case.exact(points)
        return float(np.linalg.norm(np.asarray(solution.u(*points.T)) - exact) / np.linalg.norm(exact))

    unknowns = solution.stats.get("unknowns", solution.stats["parameters"])
    inside = max(map(error, case.features), default=None)
    return Row(name, error(box), inside, solution.estimated_error, unknowns, seconds, solution.status.name.lower())


def to_markdown(rows: Sequence[Row]) -> str:
    """A table with a line for every case."""
    lines = [
        "| problem | error in the box | inside the feature | estimate | unknowns | CPU seconds | status |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        inside, estimate = ("" if v is None else f"{v:.1e}" for v in (r.inside, r.estimate))
        lines.append(
            f"| {r.name} | {r.error:.1e} | {inside} | {estimate} | {r.unknowns:,} | {r.seconds:.1f} | {r.status} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names that contain this")
    options = parser.parse_args(arguments)
    rows = [row_of(name, make()) for name, make in CASES.items() if options.only in name]
    sys.stdout.write(f"{machine()}\n\n{to_markdown(rows)}\n")


if __name__ == "__main__":
    main()
