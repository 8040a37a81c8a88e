"""``python -m hermite_pinn.validation.rivals.networks environment NAME FOLDER`` makes the environment of a rival."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hermite_pinn.errors import HermitePinnError

from .environment import RIVALS, make

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Make an environment, and say where it is.

    Parameters
    ----------
    arguments
        Of the command line, for tests.
    """
    parser = argparse.ArgumentParser(prog="python -m hermite_pinn.validation.rivals.networks")
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("environment", help="make the environment of a rival, with pip and the running PyTorch")
    verb.add_argument("name", choices=sorted(RIVALS), help="which rival")
    verb.add_argument("folder", type=Path, help="the folder of environments, later given as --environments")
    asked = parser.parse_args(arguments)
    try:
        python = make(asked.name, asked.folder)
    except HermitePinnError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{python}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
