"""Solve DeepXDE's first examples by the first-order methods with their defaults, and print the table.

    python -m hermite_pinn.validation.training --seeds 0 1 2 --out build/training
    python -m hermite_pinn.validation.training --rival deepxde.json

One thread; CPU seconds of the run, without those that compile kernels.  ``--rival`` adds rows of another code: a JSON
list of objects with ``case``, ``seed``, ``error`` and ``cpu``.  Rows are kept in the folder and not run again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hermite_pinn import validation
from hermite_pinn.output import make_folder, write_text

from .cases import CASES, METHODS
from .table import Row, rivals_of, run_case, to_markdown


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--rival", type=Path, help="a JSON file with rows of another code")
    parser.add_argument("--out", type=Path, help="a folder that keeps rows and gets training.md")
    options = parser.parse_args(arguments)
    others = [] if options.rival is None else [r for r in rivals_of(options.rival) if r.case in options.cases]
    rows: list[Row] = []
    if options.out is not None:
        make_folder(options.out)
    for seed in options.seeds:
        for case in options.cases:
            for method in options.methods:
                kept = None if options.out is None else options.out / f"{case}-{method}-{seed}.json"
                if kept is not None and kept.exists():
                    row = Row(**json.loads(kept.read_text(encoding="utf-8")))
                else:
                    row = run_case(case, method, seed)
                    if kept is not None:
                        write_text(kept, json.dumps(asdict(row)))
                rows.append(row)
                sys.stdout.write(f"{case:<14} {method:<6} seed {seed}: {row.error:.2e} in {row.cpu:.1f} CPU s\n")
                sys.stdout.flush()
    text = to_markdown([*rows, *others])
    if options.out is not None:
        write_text(options.out / "training.md", f"{validation.machine()}\n\n{text}\n")
    sys.stdout.write(f"\n{text}\n")


if __name__ == "__main__":
    main()
