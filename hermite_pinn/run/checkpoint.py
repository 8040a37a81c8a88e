"""Save the state of a run as it goes, and continue it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermite_pinn import checks
from hermite_pinn.calls import with_options_named
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError, OutputError
from hermite_pinn.output import check_writable
from hermite_pinn.schema import Entry, Saved, intact

from .distributed import Ranks
from .history import History
from .interrupt import uninterrupted
from .monitor import Monitor
from .store import read_store, write_store

__all__ = ["Checkpoint", "Saver", "begin", "chosen_checkpoint", "read_checkpoint"]

logger = logging.getLogger(__name__)

#: Options that say how far a run goes and what it reports, which may change when it is resumed.
MAY_DIFFER = frozenset({"steps", "max_levels", "max_unknowns", "check_every"})


@with_options_named
@dataclass(frozen=True)
class Checkpoint:
    """The file in which a run saves its state, and how often.

    Parameters
    ----------
    path
        HDF5 file, replaced at every save.  The new content is complete on the disk before it gets the name, so the run
        can be resumed whenever the process is killed.
    seconds
        Least time between two saves within a run.  A save is also made before the first step, after it, at the end of
        every level (``gauss_newton``), and at the end of the run, also when Ctrl-C, SIGTERM or SIGHUP ended it.

    Notes
    -----
    A file that cannot be written is an error before the first step.  Later the run goes on: it warns once, tries again
    when the next save is due, and returns its solution; if the last try failed, ``solution.message`` says so and
    ``solution.stats["checkpoint_failed"]`` has the reason.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import hermite_pinn as hp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "run.h5"
    ...     _ = hp.solve(hp.problems.poisson2d(), levels=2, checkpoint=hp.Checkpoint(path, seconds=10), progress=False)
    ...     again = hp.solve(hp.problems.poisson2d(), levels=2, resume=path, progress=False)
    >>> again.status.name
    'COMPLETED'
    """

    path: str | Path
    seconds: float = 60.0

    def __post_init__(self) -> None:
        checks.check_options(self, {"path": checks.path, "seconds": partial(checks.number, least=0, infinite=True)})

    def check(self) -> None:
        """Raise an error now if the file could not be written later."""
        check_writable(self.path)

    def saver(self, identity: dict[str, Any], monitor: Monitor) -> Saver:
        """What saves the states of a run."""
        return Saver(self, identity, monitor)


def chosen_checkpoint(checkpoint: str | Path | Checkpoint | None) -> Checkpoint | None:
    """Where the state of a run is saved, from an argument, if it can be.

    Raises
    ------
    InvalidArgumentError, OutputError
        If it is no path, or the file could not be written.
    """
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(checks.path("checkpoint", checkpoint, otherwise="a hermite_pinn.Checkpoint or None"))
    checkpoint.check()
    return checkpoint


class Saver:
    """Saves the states of a run: the first one, then one every so many seconds, and those that are forced.

    Parameters
    ----------
    checkpoint
        Where and how often.
    identity
        What must agree for the file to be continued.
    monitor
        Its history and clock are saved, too.

    Attributes
    ----------
    failure
        Why the last state could not be saved, or None.
    """

    def __init__(self, checkpoint: Checkpoint, identity: dict[str, Any], monitor: Monitor) -> None:
        self.checkpoint, self.identity, self.monitor = checkpoint, identity, monitor
        self.failure: str | None = None
        self._last = -math.inf
        self._warned = False

    def begin(self, saved: dict[str, Any] | None) -> None:
        """Save the state from which the run starts, so that there is a file from now on.

        Parameters
        ----------
        saved
            The state that is continued; None for a run from the start.

        Raises
        ------
        OutputError, OutOfMemoryError
            If the file cannot be written.
        """
        self._write(saved or {})

    def __call__(self, state: Callable[[], dict[str, Any]], force: bool) -> None:
        """Save ``state()`` if it is time, or if forced; if it cannot be written, the run goes on."""
        if not force and time.monotonic() - self._last < self.checkpoint.seconds:
            return
        try:
            with uninterrupted():
                self._write(state())
            self.failure = None
        except (OutputError, MemoryError) as error:
            self.failure = str(error) or "there is no memory for it"
            if not self._warned:
                logger.warning("the checkpoint was not saved, and the run goes on: %s", self.failure)
            self._warned = True
        self._last = time.monotonic()

    def _write(self, state: dict[str, Any]) -> None:
        plain, arrays = _separated(state)
        history, elapsed = list(self.monitor.history), self.monitor.elapsed
        meta = {"identity": self.identity, "state": plain, "history": history, "elapsed": elapsed}
        write_store(self.checkpoint.path, "checkpoint", meta, arrays)


def begin(saver: Saver | None, saved: dict[str, Any] | None, ranks: Ranks) -> None:
    """Save the state from which a run starts; what keeps rank 0 from it is an error on all ranks.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    problem = None
    try:
        if saver is not None:
            saver.begin(saved)
    except (OutputError, MemoryError) as error:
        problem = str(error)
    problem = ranks.from_leader(problem)
    if problem is not None:
        raise OutputError(problem)


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


def _difference(saved: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """What keeps a run from being continued as another one; None if nothing does."""
    for name in dict.fromkeys([*asked["parts"], *saved["parts"]]):
        before, now = saved["parts"].get(name), asked["parts"].get(name)
        if before is None or now is None:
            return f"its problem differs: {name} is only in " + ("the file" if now is None else "the problem asked for")
        if before["digest"] != now["digest"]:
            if before["text"] == now["text"]:
                return (
                    f"its problem differs in {name}. It reads the same, {now['text']}, but not the numbers behind it: digits, values of "
                    "functions or data, their order, their noise"
                )
            return f"its problem differs in {name}." + _sides(before["text"], now["text"])
    for key in ("method", "field", "levels", "seed", "dtype"):
        if saved[key] != asked[key]:
            return f"its {key} differs.{_sides(saved[key], asked[key])}"
    before, now = saved["options"], asked["options"]
    for name in dict.fromkeys([*now, *before]):
        if name not in MAY_DIFFER and before.get(name) != now.get(name):
            return f"the option {name} of {asked['method']} differs.{_sides(before.get(name), now.get(name))}"
    return None


def _sides(saved: object, asked: object) -> str:
    return f"\n  in the file: {saved}\n  asked for:   {asked}"


def read_checkpoint(path: str | Path, identity: dict[str, Any], monitor: Monitor) -> Saved:
    """State saved by an earlier run of the same problem and method; the monitor continues its history.

    Empty if that run had not got anywhere.

    Raises
    ------
    InvalidArgumentError
        If the file belongs to another problem, method, field, levels, seed or dtype, or is of a version that did not
        record these in full; the message names what differs.
    CorruptFileError, FileNotFoundError
        If the file is damaged or missing.
    """
    meta, arrays = read_store(path, "checkpoint")
    whole = Entry(meta, str(path))
    saved, state = whole.at("identity"), Saved({k: e.value for k, e in whole.at("state").entries().items()}, str(path))
    with intact(str(path)):
        if "parts" not in saved.entries():
            raise InvalidArgumentError(
                f"{path} cannot be resumed: it was written by an earlier version of hermite_pinn, whose files do not say which boundary "
                "values and data they belong to; start the run anew, or continue it with the version that wrote the file"
            )
        difference = _difference(_checked_identity(saved), identity)
        if difference is not None:
            raise InvalidArgumentError(f"{path} cannot be resumed: {difference}")
        monitor.resume(History.from_entry(whole.at("history")), whole.at("elapsed").number(0.0))
        groups: dict[str, dict[str, torch.Tensor]] = {}
        for name, array in arrays.items():
            group, _, key = name.partition("/")
            if group in state:
                raise CorruptFileError(f"{path} is damaged: {group} is an array and an entry of the text")
            if key:
                groups.setdefault(group, {})[key] = torch.as_tensor(array)
            else:
                state[name] = torch.as_tensor(array)
        state.update(groups)
    return state


def _checked_identity(saved: Entry) -> dict[str, Any]:
    """What a file says it belongs to, of the form that :func:`_difference` needs."""
    for part in saved.at("parts").entries().values():
        for key in ("digest", "text"):
            part.at(key).text()
    saved.at("options").entries()
    for key in ("method", "field", "levels", "seed", "dtype"):
        saved.at(key)
    return {key: entry.value for key, entry in saved.entries().items()}
