"""Disks that are full, read-only or gone: what was there stays, what was computed stays, and it is said."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import hermite_pinn as hp

from .case import Bench, Case, Fault, Kind
from .compare import partial_files, same_solution, same_tensors, whole
from .program import run_program
from .stock import CHECKPOINTS, checkpoint, solution, uninterrupted
from .troubles import TROUBLES, Trouble

__all__ = ["cases"]

ATTACK = "disks"
REPEATS = {"file limit": 5, "full": 3, "no descriptors": 2}  # of those with random sizes


@dataclass(frozen=True)
class Writing:
    """Something that writes files.

    Attributes
    ----------
    name
        Of the solution.
    write
        Writes it into a folder.
    before
        Name of the solution that is there already; None for the same.
    """

    name: str
    write: Callable[[hp.Solution, Path], Any]
    before: str | None = None


def _drawn(file: str, method: str, **options: Any) -> Writing:
    return Writing("linear-2d", lambda found, folder: getattr(found, method)(folder / file, **options))


#: What writes files at once, by name.
WRITINGS = {
    "save": Writing("coupled", lambda found, folder: found.save(folder / "u.h5"), "linear-1d"),
    "save large": Writing("septic", lambda found, folder: found.save(folder / "u.h5", samples=9000), "linear-1d"),
    "vti": _drawn("u.vti", "to_vtk", resolution=40),
    "vtu": _drawn("u.vtu", "to_vtk", resolution=20),
    "points": _drawn("u.vtu", "to_vtk", points=np.random.default_rng(1).random((500, 2))),
    "pvd": Writing("moving", lambda found, folder: found.to_vtk(folder / "u.pvd", resolution=12, times=4)),
    "png": _drawn("u.png", "plot", resolution=20),
    "pdf": _drawn("u.pdf", "plot", resolution=20),
    "svg": _drawn("u.svg", "plot_history"),
    "history": _drawn("history.png", "plot_history"),
}

PICTURES = ("pdf", "svg", "history")  # take seconds
UNFIT = ("no descriptors", "forbidden")  # in which no program starts

#: Runs with a checkpoint, by name.
RUNS = ("at-once", "slabs", "joint", "adam", "lbfgs", "chain")


def cases(seed: int) -> list[Case]:
    """Everything that writes, in every trouble, over nothing and over good files."""
    made = []
    for trouble, how in TROUBLES.items():
        for repeat in range(REPEATS.get(trouble, 1)):
            for name, writing in WRITINGS.items():
                action, long = _writes(writing, how), name in PICTURES
                made.append(Case(ATTACK, f"{name}, {trouble} {repeat}", seed, action, long=long))
            for run in RUNS:
                made.append(Case(ATTACK, f"checkpoint {run}, {trouble} {repeat}", seed, _runs(run, how)))
            made.append(Case(ATTACK, f"log, {trouble} {repeat}", seed, _logs(how)))
            if trouble not in UNFIT:
                made.append(Case(ATTACK, f"program, {trouble} {repeat}", seed, _programs(how)))
        made.append(Case(ATTACK, f"new file, {trouble}", seed, _writes(WRITINGS["save"], how, new=True)))
        made.append(Case(ATTACK, f"new picture, {trouble}", seed, _writes(WRITINGS["png"], how, new=True)))
    return made


def _files(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and "ballast" not in p.name
    }


def _writes(writing: Writing, how: Trouble, new: bool = False) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        found, old = (
            hp.Solution.load(solution(bench.shared, name)) for name in (writing.name, writing.before or writing.name)
        )
        well = bench.place / "well"
        well.mkdir()
        writing.write(found, well)
        size = max(len(data) for data in _files(well).values())
        with how.folder(bench) as folder:
            if not new:
                writing.write(old, folder)
            before, refusal = _files(folder), None
            with how.begins(folder, bench, size):
                try:
                    writing.write(found, folder)
                except hp.HermitePinnError as error:
                    refusal = error
            if how.keeps:
                _judge(folder, before, refusal)
                if refusal is None and (folder / "u.h5").exists():
                    same_solution(found, hp.Solution.load(folder / "u.h5"))
        if refusal is not None:
            if not isinstance(refusal, hp.OutputError):
                raise Fault(Kind.RAW, f"{type(refusal).__name__} instead of OutputError: {refusal}")
            raise refusal

    return action


def _judge(folder: Path, before: Mapping[str, bytes], refusal: Exception | None) -> None:
    """What was there is there, and what is there is whole."""
    after = _files(folder)
    if refusal is not None:
        changed = [name for name, data in before.items() if after.get(name) != data]
        if changed and not _is_series(before):
            raise Fault(Kind.LOSS, f"{', '.join(changed)} changed although writing was refused: {refusal}")
        added = sorted(set(after) - set(before))
        if added:
            raise Fault(Kind.LOSS, f"{', '.join(added)} left behind by a refused write")
    for name in set(before) | set(after):
        whole(folder / name)
    if partial_files(folder):
        raise Fault(Kind.LOSS, f"{', '.join(partial_files(folder))} left behind")


def _is_series(files: Mapping[str, bytes]) -> bool:
    return any(name.endswith(".pvd") for name in files)


# -- runs ---
@dataclass
class _Later(hp.Callback):
    """Lets the trouble begin during a run, after some rows of its history."""

    rows: int
    begin: Callable[[], Any]
    count: int = field(default=0, init=False)

    def on_step(self, state: hp.RunState) -> None:
        """Count."""
        self.count += 1
        if self.count == self.rows:
            self.begin()


class _Told(logging.Handler):
    """Counts what the package says in its log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def _listening() -> Any:
    """What is said during a block, by warnings or by the log."""
    told, logger = _Told(), logging.getLogger("hermite_pinn")
    logger.addHandler(told)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield told.lines
    finally:
        logger.removeHandler(told)
        told.lines += [str(w.message) for w in caught]


def _disturbed(
    bench: Bench, how: Trouble, folder: Path, size: int, name: str, **options: Any
) -> tuple[hp.Solution, int, list[str]]:
    """A run whose folder gets into trouble after its first steps; its solution, steps, and what it said."""
    with contextlib.ExitStack() as trouble, _listening() as said:
        later = _Later(bench.random.randrange(1, 3), lambda: trouble.enter_context(how.begins(folder, bench, size)))
        try:
            found = CHECKPOINTS[name].solve(**(options | {"callbacks": [*options.get("callbacks", ()), later]}))
        except hp.HermitePinnError as error:
            raise Fault(
                Kind.LOSS, f"the run was lost after {later.count} steps: {type(error).__name__}: {error}"
            ) from error
    return found, later.count, said


def _runs(name: str, how: Trouble) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        truth, good = uninterrupted(bench.shared, name), checkpoint(bench.shared, name)
        with how.folder(bench) as folder:
            path = folder / "run.h5"
            path.write_bytes(good.read_bytes())
            saving = hp.Checkpoint(path, seconds=0)
            found, _, said = _disturbed(bench, how, folder, good.stat().st_size, name, checkpoint=saving)
            said = [line for line in said if path.name in line]
            if not (how.ends and found.status is hp.Status.INTERRUPTED and found.message):
                same_tensors(truth, found.field.tensors())
            if how.keeps:
                _judge(folder, {}, None)
                again = CHECKPOINTS[name].solve(resume=path)
                if CHECKPOINTS[name].exact:
                    same_tensors(truth, again.field.tensors())
        if len(said) > 1:
            raise Fault(Kind.RAW, f"warned {len(said)} times: {said[0]}")
        if not said and not (how.keeps or _is_good(path)):
            raise Fault(Kind.LOSS, "the checkpoint could not be written and nothing was said")

    return action


def _is_good(path: Path) -> bool:
    try:
        whole(path)
    except Fault:
        return False
    return True


def _logs(how: Trouble) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        truth = uninterrupted(bench.shared, "adam")
        with how.folder(bench) as folder:
            log = hp.CSVLog(folder / "run.csv")
            found, _, said = _disturbed(bench, how, folder, 400, "adam", callbacks=[log])
            same_tensors(truth, found.field.tensors())
            said = [line for line in said if log.path.name in line]
            if len(said) > 1:
                raise Fault(Kind.RAW, f"warned {len(said)} times: {said[0]}")

    return action


def _programs(how: Trouble) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        arguments = ["solve", "poisson2d", "--levels", "1", "--out"]
        with how.folder(bench) as folder:
            first = run_program([*arguments, str(folder)], bench)
            if first.code:
                raise Fault(Kind.RAW, f"a healthy folder was refused: {first.errors}")
            before = _files(folder)
            size = max(len(data) for data in before.values())
            with how.begins(folder, bench, size):
                done = run_program([*arguments, str(folder)], bench)
            done.check()
            if how.keeps:
                _judge(folder, {}, None)
        if done.code and not done.errors.strip():
            raise Fault(Kind.LOSS, f"exit code {done.code} without a word")

    return action
