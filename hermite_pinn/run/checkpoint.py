"""Save the state of a run as it goes, and continue it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError

from .history import History
from .monitor import Monitor
from .store import check_writable, read_store, write_store

__all__ = ["Checkpoint", "read_checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often to save.

    Parameters
    ----------
    path
        HDF5 file, replaced at every save.
    seconds
        Least time between two saves; a save is also made at the end of every level (``gauss_newton``) and of the run.
    """

    path: str | Path
    seconds: float = 60.0

    def check(self) -> None:
        """Raise an error now if the file could not be written later."""
        check_writable(self.path)
        if not self.seconds >= 0:
            raise InvalidArgumentError(f"seconds between checkpoints must not be negative, got {self.seconds}")

    def saver(self, identity: dict[str, Any], monitor: Monitor) -> Callable[[Callable[[], dict[str, Any]], bool], None]:
        """A function that saves ``state()`` if it is time, or if forced."""
        last = time.monotonic()

        def save(state: Callable[[], dict[str, Any]], force: bool) -> None:
            nonlocal last
            if not force and time.monotonic() - last < self.seconds:
                return
            plain, arrays = _separated(state())
            meta = {"identity": identity, "state": plain, "history": list(monitor.history), "elapsed": monitor.elapsed}
            write_store(self.path, "checkpoint", meta, arrays)
            last = time.monotonic()

        return save


def _separated(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    plain: dict[str, Any] = {}
    arrays: dict[str, np.ndarray] = {}
    for key, value in state.items():
        if isinstance(value, torch.Tensor):
            arrays[key] = value.detach().cpu().numpy()
        elif isinstance(value, dict) and any(isinstance(v, torch.Tensor) for v in value.values()):
            arrays |= {f"{key}/{k}": v.detach().cpu().numpy() for k, v in value.items()}
        else:
            plain[key] = value
    return plain, arrays


def read_checkpoint(path: str | Path, identity: dict[str, Any], monitor: Monitor) -> dict[str, Any]:
    """State saved by an earlier run of the same problem and method; the monitor continues its history.

    Raises
    ------
    InvalidArgumentError
        If the file belongs to another problem, method, field, levels or seed; the message names the difference.
    CorruptFileError, FileNotFoundError
        If the file is damaged or missing.
    """
    meta, arrays = read_store(path, "checkpoint")
    try:
        found, state = meta["identity"], dict(meta["state"])
        for key, value in identity.items():
            if key == "options":
                continue
            if found.get(key) != value:
                raise InvalidArgumentError(
                    f"{path} cannot be resumed: its {key} differs.\n  in the file: {found.get(key)}\n  asked for:   {value}"
                )
        changed = {k for k, v in identity["options"].items() if found["options"].get(k) != v}
        if changed - {"steps", "max_levels", "max_unknowns", "check_every"}:
            key = sorted(changed - {"steps", "max_levels", "max_unknowns"})[0]
            raise InvalidArgumentError(
                f"{path} cannot be resumed: the option {key} of {identity['method']} differs.\n  in the file: {found['options'].get(key)}\n"
                f"  asked for:   {identity['options'][key]}"
            )
        monitor.resume(History(meta["history"]), float(meta["elapsed"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(f"{path} is damaged: {type(error).__name__} {error}") from error
    for name, array in arrays.items():
        group, _, key = name.partition("/")
        if key:
            state.setdefault(group, {})[key] = torch.as_tensor(array)
        else:
            state[name] = torch.as_tensor(array)
    return state
