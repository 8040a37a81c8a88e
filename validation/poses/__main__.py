"""Refine noisy poses of synthetic scenes in several ways, and compare what comes out.

    python -m hermite_pinn.validation.poses --out build/poses --scenes 1 2 --draws 0 1 --rates 0.003 0.01
    python -m hermite_pinn.validation.poses --out build/poses --scale target --scenes 0 --ways known linear

Every row is kept in the folder, so that an interrupted study goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hermite_pinn import validation
from hermite_pinn.output import make_folder, write_text

from .cases import SCALES, WAYS, Case, cases_of
from .report import to_markdown
from .row import Row, run_case


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, nargs="+", default=[1, 2], help="random worlds; 0: the standard one")
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1], help="seeds of the noise")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-2], help="learning rates of poses")
    parser.add_argument("--sigma", type=float, default=0.15, help="standard deviation of the noise")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--scale", default="small", choices=list(SCALES))
    parser.add_argument("--out", type=Path, help="a folder that keeps rows and pictures, and gets poses.md")
    options = parser.parse_args(arguments)
    if options.out is not None:
        make_folder(options.out)
    rows: dict[Case, Row] = {}
    for case in cases_of(options.scenes, options.draws, options.rates, options.ways, options.scale, options.sigma):
        rows[case] = run_case(case, options.out)
        sys.stdout.write(f"{case.name:<40} {rows[case].line}\n")
        sys.stdout.flush()
        if options.out is not None:
            write_text(options.out / "poses.md", f"{validation.machine()}\n\n{to_markdown(rows)}\n")
    sys.stdout.write(f"\n{to_markdown(rows)}\n")


if __name__ == "__main__":
    main()
