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
SAVED = "coupled"


@dataclass(frozen=True)
class Writing:
    """Something that writes files: ``write(folder, bench)``, and which they are."""

    write: Callable[[Path, Bench], Any]
    before: Callable[[Path, Bench], Any] | None = None  # makes the files that are there already; by default the same


def _loaded(bench: Bench, name: str) -> hp.Solution:
    return hp.Solution.load(solution(bench.shared, name))


def _save(name: str, **options: Any) -> Callable[[Path, Bench], None]:
    def write(folder: Path, bench: Bench) -> None:
        good = _loaded(bench, name)
        good.save(folder / "u.h5", **options)
        same_solution(good, hp.Solution.load(folder / "u.h5"))

    return write


def _draws(file: str, method: str, **options: Any) -> Writing:
    def write(folder: Path, bench: Bench) -> None:
        getattr(_loaded(bench, "linear-2d"), method)(folder / file, **options)

    return Writing(write)


#: What writes files at once, by name.
WRITINGS = {
    "save": Writing(_save(SAVED), _save("linear-1d")),
    "save large": Writing(_save("septic", samples=9000), _save("linear-1d")),
    "vti": _draws("u.vti", "to_vtk", resolution=40),
    "vtu": _draws("u.vtu", "to_vtk", resolution=20),
    "points": _draws("u.vtu", "to_vtk", points=np.random.default_rng(1).random((500, 2))),
    "pvd": Writing(lambda folder, bench: _loaded(bench, "moving").to_vtk(folder / "u.pvd", resolution=12, times=4)),
    "png": _draws("u.png", "plot", resolution=20),
    "pdf": _draws("u.pdf", "plot", resolution=20),
    "svg": _draws("u.svg", "plot_history"),
    "history": _draws("history.png", "plot_history"),
}

#: Runs with a checkpoint, by name, and a run with a log.
RUNS = ("at-once", "slabs", "joint", "adam", "lbfgs", "chain")


def cases(seed: int) -> list[Case]:
    """Everything that writes, in every trouble, over nothing and over good files."""
    made = []
    for trouble, how in TROUBLES.items():
        for repeat in range(REPEATS.get(trouble, 1)):
            for name, writing in WRITINGS.items():
                made.append(Case(ATTACK, f"{name}, {trouble} {repeat}", seed, _writes(writing, how)))
            for run in RUNS:
                made.append(Case(ATTACK, f"checkpoint {run}, {trouble} {repeat}", seed, _runs(run, how)))
            made.append(Case(ATTACK, f"log, {trouble} {repeat}", seed, _logs(how)))
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


def _size(write: Callable[[Path, Bench], Any], bench: Bench) -> int:
    """Bytes of the largest file that is written where all is well."""
    folder = bench.place / "well"
    folder.mkdir()
    write(folder, bench)
    return max(len(data) for data in _files(folder).values())


def _writes(writing: Writing, how: Trouble, new: bool = False) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        size = _size(writing.write, bench)
        with how.folder(bench) as folder:
            if not new:
                (writing.before or writing.write)(folder, bench)
            before, refusal = _files(folder), None
            with how.begins(folder, bench, size):
                try:
                    writing.write(folder, bench)
                except hp.HermitePinnError as error:
                    refusal = error
            if how.keeps:
                _judge(folder, before, refusal)
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
        later = _Later(
            bench.random.randrange(1, 3), lambda: trouble.enter_context(how.begins(folder, bench, size))
        )
        try:
            found = CHECKPOINTS[name].solve(**(options | {"callbacks": [*options.get("callbacks", ()), later]}))
        except hp.HermitePinnError as error:
            raise Fault(Kind.LOSS, f"the run was lost after {later.count} steps: {type(error).__name__}: {error}") from error
    return found, later.count, said


def _runs(name: str, how: Trouble) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        truth, good = uninterrupted(bench.shared, name), checkpoint(bench.shared, name)
        with how.folder(bench) as folder:
            path = folder / "run.h5"
            path.write_bytes(good.read_bytes())
            saving = hp.Checkpoint(path, seconds=0)
            found, _, said = _disturbed(bench, how, folder, good.stat().st_size, name, checkpoint=saving)
            same_tensors(truth, found.field.tensors())
            if how.keeps:
                _judge(folder, {}, None)
                again = CHECKPOINTS[name].solve(resume=path)
                if CHECKPOINTS[name].exact:
                    same_tensors(truth, again.field.tensors())
        if len(said) > 1:
            raise Fault(Kind.RAW, f"warned {len(said)} times: {said[0]}")
        if not said and not how.keeps:
            raise Fault(Kind.LOSS, "the checkpoint could not be written and nothing was said")

    return action


def _logs(how: Trouble) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        truth = uninterrupted(bench.shared, "adam")
        with how.folder(bench) as folder:
            log = hp.CSVLog(folder / "run.csv")
            found, _, said = _disturbed(bench, how, folder, 400, "adam", callbacks=[log])
            same_tensors(truth, found.field.tensors())
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
