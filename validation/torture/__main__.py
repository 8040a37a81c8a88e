"""Attack the package: altered files, kills, full disks, wrong arguments, strange environments, unsolvable problems.

Prints a table by class, and every fault with the command that repeats it; the exit code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hermite_pinn.validation.accuracy.suite import machine

from .attacks import ATTACKS, cases_of
from .case import Case, Kind
from .report import faults_text, table, write_figures
from .runner import Ended, run_cases

__all__ = ["chosen_cases", "main"]

SEED = 1
AGAIN = 10  # of so many cases one is repeated with the random seed


def chosen_cases(attacks: Sequence[str], seed: int, again: int | None, quick: bool, name: str | None) -> list[Case]:
    """The cases asked for, by class.

    Parameters
    ----------
    again
        A second seed, with which a part of the cases is repeated.
    quick
        Whether a selection must do.
    name
        Of one case.
    """
    chosen: list[Case] = []
    for attack in attacks:
        cases = cases_of(attack, seed)
        if name is not None:
            chosen += [c for c in cases if c.name == name]
        elif quick:
            short = [c for c in cases if not c.long]
            picked = set(random.Random(seed).sample(range(len(short)), min(ATTACKS[attack], len(short))))
            chosen += [c for number, c in enumerate(short) if number in picked]
        else:
            chosen += cases
            if again is not None:
                chosen += cases_of(attack, again)[again % AGAIN :: AGAIN]
    return chosen


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hermite_pinn.validation.torture", description=__doc__)
    parser.add_argument(
        "--class", dest="attacks", action="append", choices=list(ATTACKS), help="may be repeated; default: all"
    )
    parser.add_argument("--case", help="name of one case, to repeat it")
    parser.add_argument(
        "--seed", type=int, help=f"of all random choices; default: {SEED}, and a part with a random seed, which is told"
    )
    parser.add_argument("--quick", action="store_true", help="a selection that takes less than a minute")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--patience", type=float, default=1.0, help="factor of the time limits, for a machine in use")
    parser.add_argument(
        "--out", type=Path, help="Markdown file whose figures are written or replaced, after the whole run"
    )
    parser.add_argument("--list", action="store_true", help="tell the cases and end")
    parser.add_argument("--verbose", action="store_true", help="tell every verdict")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; see the module.  Returns 1 if there are faults, else 0."""
    options = _arguments(arguments)
    seed = SEED if options.seed is None else options.seed
    again = secrets.randbelow(10**6) if options.seed is None and not options.quick else None
    cases = chosen_cases(options.attacks or list(ATTACKS), seed, again, options.quick, options.case)
    if not cases:
        sys.exit(f"there is no case {options.case!r}; --list tells them")
    if options.list:
        sys.stdout.writelines(f"{c.attack}: {c.name}\n" for c in cases)
        return 0
    sys.stdout.write(f"{len(cases)} cases, seed {seed}" + (f", a part again with seed {again}\n" if again else "\n"))

    def tell(result: Ended) -> None:
        case, verdict = result
        if options.verbose or verdict.kind.fault:
            told = " ".join(verdict.detail.split())
            sys.stdout.write(f"{verdict.kind}: {case.attack} {case.name} ({verdict.seconds:.1f} s) {told}\n")
            sys.stdout.flush()

    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as scratch:
        shared = Path(scratch) / "shared"
        shared.mkdir()
        ended = run_cases(cases, shared, options.jobs, options.patience, tell)
    minutes = (time.perf_counter() - began) / 60
    place = ", ".join(f"{k} {v}" for k, v in machine().items())
    seeds = f"seed {seed}" + (f", every {AGAIN}th again with seed {again}" if again else "")
    text = f"{table(ended)}\n\n{seeds}; {minutes:.1f} minutes with {options.jobs} processes; {place}."
    faults = [v for _, v in ended if v.kind.fault]
    sys.stdout.write(f"\n{text}\n\n{faults_text(ended)}\n")
    if options.out is not None and not (options.quick or options.case or options.attacks):
        write_figures(options.out, text)
    return int(bool(faults) or all(v.kind is Kind.SKIPPED for _, v in ended))


if __name__ == "__main__":
    sys.exit(main())
