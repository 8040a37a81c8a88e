"""What a run came to and took, and the numbers that every run tells of it in ``solution.stats``."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import numpy
import scipy
import torch

from hermite_pinn.field.grid_field import GridField
from hermite_pinn.version import installed_version

from .history import History

__all__ = ["Done", "field_stats", "versions"]

Found = TypeVar("Found")


@cache
def versions() -> dict[str, str]:
    """Versions of what computes, by name."""
    return {
        "hermite_pinn": installed_version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    }


@dataclass(frozen=True)
class Done(Generic[Found]):
    """Work that is over.

    Attributes
    ----------
    found
        What it returned, or what the error that ended it left.
    failure
        That error, or None.
    seconds, compile_seconds
        That it took, compilation of kernels apart.
    memory
        Largest number of bytes used.
    """

    found: Found
    failure: Exception | None
    seconds: float
    compile_seconds: float
    memory: int

    def stats(self, method: str, seed: int, history: History) -> dict[str, Any]:
        """What all runs tell: name, seed, steps by the last row of the history, seconds, bytes, threads, versions."""
        steps = int(history[-1]["step"] or 0) if len(history) else 0
        return {
            "method": method,
            "seconds": self.seconds,
            "compile_seconds": self.compile_seconds,
            "steps": steps,
            "seconds_per_step": self.seconds / steps if steps else 0.0,
            "peak_memory": self.memory,
            "threads": torch.get_num_threads(),
            "seed": seed,
            "versions": dict(versions()),
        }


def field_stats(field: GridField) -> dict[str, Any]:
    """How large a field is, where it is, and how many of its vertices share a slot of a table."""
    stats: dict[str, Any] = {
        "parameters": field.parameter_count,
        "reachable": field.reachable_count,
        "device": str(field.device),
        "dtype": str(field.dtype).removeprefix("torch."),
    }
    shared = field.encoder.hash_collisions
    return stats | ({"hash_collisions": list(shared)} if shared else {})
