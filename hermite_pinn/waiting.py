"""How long the threads of PyTorch wait for work before they sleep."""

from __future__ import annotations

import os
import sys

__all__ = ["load_torch"]

SPINS = "3000"  # some tenths of a millisecond
CHOICES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def load_torch() -> None:
    """Import PyTorch, if nobody has, so that its threads give up their cores soon after an operation.

    GNU's OpenMP reads ``GOMP_SPINCOUNT`` once, when it is loaded.  Without it a thread that has nothing to do spins for
    300,000 turns, in front of every barrier as well: where other processes run, two threads then take ten times as
    long as one.  What the user has chosen stays, and the environment is as before afterwards.
    """
    if "torch" in sys.modules or any(name in os.environ for name in CHOICES):
        return
    os.environ["GOMP_SPINCOUNT"] = SPINS
    try:
        import torch  # noqa: F401
    finally:
        os.environ.pop("GOMP_SPINCOUNT", None)


load_torch()
