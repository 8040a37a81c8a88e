"""How many steps linear problems take in the default call of every problem of the library.

``python -m hermite_pinn.validation.performance.steps --seconds 20 --out out/steps.md`` solves one problem after another
and writes a Markdown table after every row.  Marches in time count as no linear problem.

Examples
--------
>>> print(markdown([Row("wave", "converged", 1.25, 1e-7, 40, 37, "level 3, (16, 8) cells")]))
| problem | status | CPU seconds | estimate | linear problems | most steps | where |
|---|---|---|---|---|---|---|
| wave | converged | 1.2 | 1.0e-07 | 40 | 37 | level 3, (16, 8) cells |
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hermite_pinn as hp
from hermite_pinn.errors import HermitePinnError, InvalidArgumentError
from hermite_pinn.methods.least_squares import levenberg_marquardt
from hermite_pinn.output import make_folder, write_text
from hermite_pinn.problems import PROBLEMS
from hermite_pinn.validation.accuracy.suite import machine

__all__ = ["Row", "Solve", "main", "markdown", "measured", "observed"]


@dataclass(frozen=True)
class Solve:
    """A linear problem: where in the run, its unknowns and steps, and why these ended."""

    where: str
    unknowns: int
    steps: int
    reason: str


@dataclass(frozen=True)
class Row:
    """What a default call took; ``where`` is the level of the linear problem with the most steps."""

    name: str
    status: str
    seconds: float
    estimate: float | None
    solves: int
    most: int
    where: str


class _Listener(logging.Handler):
    """Collects the linear problems that are logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.solves: list[Solve] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the numbers of a record of a linear problem."""
        if record.msg == levenberg_marquardt.SOLVED and isinstance(record.args, tuple):
            where, unknowns, steps, reason = record.args
            self.solves.append(Solve(str(where), int(str(unknowns)), int(str(steps)), str(reason)))


@contextmanager
def observed() -> Iterator[list[Solve]]:
    """Collect the linear problems that are solved in the body of a ``with`` statement.

    Examples
    --------
    >>> with observed() as solves:
    ...     _ = hp.solve(hp.problems.poisson2d(), levels=[(4, 4)], progress=False)
    >>> len(solves), solves[0].unknowns
    (1, 100)
    """
    listener = _Listener()
    source = logging.getLogger(levenberg_marquardt.__name__)
    before = source.level
    source.addHandler(listener)
    source.setLevel(logging.DEBUG)
    try:
        yield listener.solves
    finally:
        source.setLevel(before)
        source.removeHandler(listener)


def measured(name: str, make: Callable[[], hp.Problem], seconds: float) -> Row:
    """Solve a problem by the default call within some seconds, and count the steps of its linear problems."""
    began = time.process_time()
    with observed() as solves, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            solution = hp.solve(make(), progress=False, throw=False, max_time=seconds)
            status, estimate = solution.status.name.lower(), solution.estimated_error
        except HermitePinnError as error:
            status, estimate = type(error).__name__, None
    worst = max(solves, key=lambda s: s.steps, default=Solve("", 0, 0, ""))
    return Row(name, status, time.process_time() - began, estimate, len(solves), worst.steps, worst.where)


def markdown(rows: Sequence[Row]) -> str:
    """A table with a line for every problem."""
    lines = [
        "| problem | status | CPU seconds | estimate | linear problems | most steps | where |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        estimate = "" if r.estimate is None else f"{r.estimate:.1e}"
        lines.append(
            f"| {r.name} | {r.status} | {r.seconds:.1f} | {estimate} | {r.solves:,} | {r.most:,} | {r.where} |"
        )
    return "\n".join(lines)


def _chosen(only: str) -> Mapping[str, Callable[[], hp.Problem]]:
    chosen: dict[str, Any] = {name: make for name, make in PROBLEMS.items() if only in name}
    if not chosen:
        raise InvalidArgumentError(f"no problem has {only!r} in its name; there are {', '.join(PROBLEMS)}")
    return chosen


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="problems whose names contain this")
    parser.add_argument("--seconds", type=float, default=20.0, help="time limit of each (default 20)")
    parser.add_argument("--out", type=Path, help="a Markdown file, beside what is printed")
    options = parser.parse_args(arguments)
    rows: list[Row] = []
    for name, make in _chosen(options.only).items():
        rows.append(measured(name, make, options.seconds))
        if options.out is not None:
            make_folder(options.out.parent)
            write_text(options.out, f"{machine()}\n\n{markdown(rows)}\n")
    sys.stdout.write(f"{markdown(rows)}\n")


if __name__ == "__main__":
    main()
