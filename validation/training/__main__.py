"""Solve DeepXDE's first examples by the first-order methods with their defaults, and print the table.

    python -m hermite_pinn.validation.training --seeds 0 1 2 --out build/training
    python -m hermite_pinn.validation.rivals.networks environment deepxde build/environments
    python -m hermite_pinn.validation.training --methods --environments build/environments --out build/training
    python -m hermite_pinn.validation.training --choose --out build/choice

One thread; CPU seconds of the run, without those that compile kernels.  ``--environments`` adds rows of DeepXDE with
the settings of its examples, in its own environment; ``--rival`` those of any code from a JSON list of objects with
``case``, ``seed``, ``error`` and ``cpu``.  ``--choose`` repeats the trials by which the numbers of these methods were
chosen, on other problems.  Rows are kept in the folder and not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from hermite_pinn import validation
from hermite_pinn.errors import HermitePinnError
from hermite_pinn.output import make_folder, write_text

from .cases import CASES, METHODS
from .choice import TRIALS, run_trial
from .fronts import FRONTS
from .rival import run_rival
from .table import Row, rivals_of, run_case, to_markdown


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Parameters
    ----------
    arguments
        Of the command line, for tests.
    """
    options = _parser().parse_args(arguments)
    try:
        text = _choice(options) if options.choose else _table(options)
    except HermitePinnError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if options.out is not None:
        write_text(options.out / "training.md", f"{validation.machine()}\n\n{text}\n")
    sys.stdout.write(f"\n{text}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument(
        "--environments", type=Path, help="a folder with the environment of DeepXDE, which then runs, too"
    )
    parser.add_argument("--rival", type=Path, help="a JSON file with rows of another code")
    parser.add_argument("--choose", action="store_true", help="the trials on other problems instead")
    parser.add_argument(
        "--fronts", nargs="+", default=list(FRONTS), choices=list(FRONTS), help="the problems of --choose"
    )
    parser.add_argument(
        "--trials", nargs="+", default=list(TRIALS), choices=list(TRIALS), help="the trials of --choose"
    )
    parser.add_argument("--quick", action="store_true", help="twenty steps, to see that everything runs")
    parser.add_argument("--out", type=Path, help="a folder that keeps rows and gets training.md")
    return parser


def _kept(row: Callable[[], Row], name: str, folder: Path | None) -> Row:
    """A row from a folder, or a new one, which is then kept there and told."""
    file = None if folder is None else make_folder(folder) / f"{name}.json"
    if file is not None and file.exists():
        found = Row(**json.loads(file.read_text(encoding="utf-8")))
    else:
        found = row()
        if file is not None:
            write_text(file, json.dumps(asdict(found)))
    sys.stdout.write(
        f"{found.case:<14} {found.method:<18} seed {found.seed}: {found.error:.2e} in {found.cpu:.1f} CPU s {found.status}\n"
    )
    sys.stdout.flush()
    return found


def _table(options: argparse.Namespace) -> str:
    rows: list[Row] = []
    for seed in options.seeds:
        for case in options.cases:
            for method in options.methods:
                work = partial(run_case, case, method, seed, options.quick)
                rows.append(_kept(work, f"{case}-{method}-{seed}", options.out))
            if options.environments is not None:
                work = partial(run_rival, case, seed, options.environments, options.quick)
                rows.append(_kept(work, f"{case}-DeepXDE-{seed}", options.out))
    if options.rival is not None:
        rows += [r for r in rivals_of(options.rival) if r.case in options.cases]
    return to_markdown(rows)


def _choice(options: argparse.Namespace) -> str:
    rows = [
        _kept(partial(run_trial, trial, front, seed, options.quick), f"{front}-{trial}-{seed}", options.out)
        for seed in options.seeds
        for front in options.fronts
        for trial in options.trials
    ]
    return to_markdown(rows)


if __name__ == "__main__":
    raise SystemExit(main())
