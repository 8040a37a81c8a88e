"""Ordinary differential equations by the default call: CPU seconds of the first call of a process and of the second.

Every problem runs in a process of its own, with one thread, and ``hp.solve(problem)`` without any option.  The first
call includes all that a process does once: modules and kernels are loaded, tables are made.  Bytecode and compiled
kernels, which are kept from process to process, are there: a process before made them.

Examples
--------
python -m hermite_pinn.validation.rivals.calls --only hodgkin
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import hermite_pinn as hp
from hermite_pinn.validation.accuracy.suite import machine

from .ordinary import ORDINARY
from .timing import one_thread

__all__ = ["Calls", "calls_of", "to_markdown"]


@dataclass(frozen=True)
class Calls:
    """Two calls for one problem: how the second ended, its true error, its estimate, and the CPU seconds of both."""

    title: str
    status: str
    error: float
    estimate: float | None
    first: float
    second: float


def calls_of(name: str) -> Calls:
    """Solve a problem twice, as the first work of a process.

    Parameters
    ----------
    name
        Of the contest.
    """
    contest = ORDINARY[name]()
    entrant = contest.entrants[0]
    seconds: list[float] = []
    with one_thread():
        for _ in range(2):
            began = time.process_time()
            answer = entrant.solve(None)
            seconds.append(time.process_time() - began)
    return Calls(contest.title, answer.status, contest.error(answer), answer.estimate, *seconds)


def _apart(name: str) -> Calls:
    """The calls in a process of their own."""
    command = [sys.executable, "-m", "hermite_pinn.validation.rivals.calls", "--here", name]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(2):  # the first one compiles what is missing
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
    return Calls(**json.loads(done.stdout))


def to_markdown(rows: Sequence[Calls]) -> str:
    """A table."""
    lines = [
        "| problem | status | true error | estimate | first call, CPU s | second call, CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for r in rows:
        estimate = "" if r.estimate is None else f"{r.estimate:.1e}"
        lines.append(f"| {r.title} | {r.status} | {r.error:.1e} | {estimate} | {r.first:.2f} | {r.second:.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names that contain this")
    parser.add_argument("--here", default="", help="one of the names, of which plain data are written")
    options = parser.parse_args(arguments)
    if options.here:
        sys.stdout.write(json.dumps(asdict(calls_of(options.here))))
        return
    rows = [_apart(name) for name in ORDINARY if options.only in name]
    sys.stdout.write(f"{machine()}, hermite_pinn {hp.__version__}\n\n{to_markdown(rows)}\n")


if __name__ == "__main__":
    main()
