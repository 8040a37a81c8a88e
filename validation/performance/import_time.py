"""How long the package takes to load: ``python -m hermite_pinn.validation.performance.import_time``.

CPU seconds in a process of its own, the least of several runs, above ``import torch`` in the same process.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

__all__ = ["CASES", "import_seconds", "main"]

#: What is timed, after ``import torch``.
CASES: Mapping[str, str] = {
    "import hermite_pinn": "import hermite_pinn",
    "the command line": "import hermite_pinn.cli",
    "everything that a problem needs": "import hermite_pinn as hp; hp.Problem, hp.Box, hp.Dirichlet",
    "everything that a solve needs": "import hermite_pinn as hp; hp.Problem, hp.Box, hp.Dirichlet, hp.solve",
}
_TIMED = "import time, torch; start = time.process_time(); {}; print(time.process_time() - start)"


def import_seconds(statement: str, runs: int = 5) -> float:
    """CPU seconds of a statement in a fresh process with PyTorch, the least of some runs.

    Examples
    --------
    >>> 0 <= import_seconds("pass", runs=1) < 1
    True
    """
    command = [sys.executable, "-c", _TIMED.format(statement)]
    seconds = [
        float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(max(1, runs))
    ]
    return min(seconds)


def main() -> None:
    """Print the seconds of all cases."""
    for label, statement in CASES.items():
        sys.stdout.write(f"{import_seconds(statement):7.3f} s  {label}\n")


if __name__ == "__main__":
    main()
