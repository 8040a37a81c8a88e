"""Files that were damaged, or altered by someone who knows the format, are refused or are good."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

import hermite_pinn as hp

from .alterations import ARRAY_CHANGES, BYTE_CHANGES, VALUES, Content, change_array, change_meta
from .case import Bench, Case, Fault, Kind
from .stock import CHECKPOINTS, SOLUTIONS, checkpoint, solution
from .structures import PATHS, STRUCTURES

__all__ = ["cases", "same_solution", "used"]

ATTACK = "altered_files"
REPEATS = 3  # of every change of bytes
META_CHANGES = ("dropped", "renamed", "doubled", "negative", "one more", *VALUES)
TREE_CHANGES = ("dropped", "renamed", "added", "exchanged", *ARRAY_CHANGES)

Make = Callable[[Path, Bench], Any]


def cases(seed: int) -> list[Case]:
    """Solutions that are loaded and used, and checkpoints that are resumed."""
    made = []
    for number, name in enumerate([*SOLUTIONS, *CHECKPOINTS]):
        for change, make, exact in _changes(number):
            if name in SOLUTIONS:
                made.append(Case(ATTACK, f"solution {name}: {change}", seed, _loads(name, make, exact)))
            if name in CHECKPOINTS:
                made.append(Case(ATTACK, f"checkpoint {name}: {change}", seed, _resumes(name, make, exact)))
    return made


def _changes(number: int) -> Iterator[tuple[str, Make, bool]]:
    """Name, alteration, and whether what is read must be what was written; the rarer ones are shared out by number."""
    for change in BYTE_CHANGES:
        for repeat in range(REPEATS):
            yield f"{change} {repeat}", _with_bytes(change), True
    for change in META_CHANGES:
        yield f"text {change}", _with_meta(change), False
    for change in TREE_CHANGES:
        yield f"array {change}", _with_array(change), False
    for change in _shared_out(STRUCTURES, number, 3):
        yield f"structure {change}", _with_structure(change), change == "unaltered"
    for change in _shared_out(PATHS, number, 4):
        yield f"path {change}", PATHS[change], True


def _shared_out(names: Iterable[str], number: int, parts: int) -> list[str]:
    return [name for k, name in enumerate(names) if (k + number) % parts == 0]


def _with_bytes(change: str) -> Make:
    def make(good: Path, bench: Bench) -> Path:
        data = bytearray(good.read_bytes())
        BYTE_CHANGES[change](data, bench.random)
        path = bench.place / "u.h5"
        path.write_bytes(data)
        return path

    return make


def _with_meta(change: str) -> Make:
    def make(good: Path, bench: Bench) -> Path:
        content, path = Content(good), bench.place / "u.h5"
        content.meta, _ = change_meta(content.meta, bench.random, change)
        content.write(path)
        return path

    return make


def _with_array(change: str) -> Make:
    def make(good: Path, bench: Bench) -> Path:
        content, path = Content(good), bench.place / "u.h5"
        content.arrays, _ = change_array(content.arrays, bench.random, change)
        if "array_order" in content.meta and bench.random.random() < 0.8:
            content.meta["array_order"] = list(content.arrays)
        content.write(path)
        return path

    return make


def _with_structure(change: str) -> Make:
    def make(good: Path, bench: Bench) -> Path:
        path = bench.place / "u.h5"
        STRUCTURES[change](good, path, bench)
        return path

    return make


# -- solutions ---
def _loads(name: str, make: Make, exact: bool) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        good = solution(bench.shared, name)
        path = make(good, bench)
        loaded = hp.Solution.load(path)
        _in_use(lambda: used(loaded, bench))
        if exact:
            same_solution(hp.Solution.load(good), loaded)

    return action


def _in_use(work: Callable[[], None]) -> None:
    """What fails after a file was accepted, fails too late."""
    try:
        work()
    except Fault:
        raise
    except Exception as error:
        raise Fault(Kind.RAW, f"accepted, and failed in use: {type(error).__name__}: {error}") from error


def used(loaded: hp.Solution, bench: Bench) -> None:
    """Ask a solution for all that it offers."""
    lower, upper = np.array(list(loaded.domain.bounds.values()), dtype=float).T
    points = lower + (upper - lower) * np.random.default_rng(1).random((7, len(lower)))
    for name in loaded.fields:
        function = getattr(loaded, name)
        for value in (function, function.grad, function.laplacian) if loaded.domain.space_axes else (function,):
            value(*points.T)
    loaded.at_points(points)
    loaded.error(points, exact=dict.fromkeys(loaded.fields, 1.0))
    str(loaded), repr(loaded), [loaded.history[column] for column in loaded.history.columns if column != "method"]
    again = bench.place / "again.h5"
    loaded.save(again, samples=3)
    same_solution(loaded, hp.Solution.load(again))
    if loaded.domain.dim <= 3:
        loaded.to_vtk(bench.place / "u.vti", resolution=3)
    if bench.random.random() < 0.05:
        loaded.plot(bench.place / "u.png")
        loaded.plot_history(bench.place / "history.png")


def same_solution(one: hp.Solution, other: hp.Solution) -> None:
    """Raise a fault if two solutions differ in anything that is kept in files."""
    told = []
    for s in (one, other):
        facts = [s.fields, list(s.domain.bounds.items()), s.periodic, s.status.name, s.message, s.parameters, s.residuals]
        told.append(json.dumps([*facts, s.estimated_error, s.title, list(s.history), s.stats, s.settings], default=str))
    if told[0] != told[1]:
        raise Fault(Kind.LOSS, "the text of the file read is another one than that written")
    same_tensors(one.field.tensors(), other.field.tensors())


def same_tensors(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Raise a fault if two trees of tensors differ in a bit."""
    if list(one) != list(other):
        raise Fault(Kind.LOSS, f"the tensors are {', '.join(other)} instead of {', '.join(one)}")
    for name, tensor in one.items():
        if tensor.dtype != other[name].dtype or not np.array_equal(tensor.numpy(), other[name].numpy(), equal_nan=True):
            raise Fault(Kind.LOSS, f"{name} has other numbers than were written")


# -- checkpoints ---
def _resumes(name: str, make: Make, exact: bool) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        path = make(checkpoint(bench.shared, name), bench)
        if path is None:
            return  # nothing to resume
        again = CHECKPOINTS[name].solve(resume=path, throw=True)
        if exact:
            same_tensors(torch.load(_resumed(bench.shared, name)), again.field.tensors())
        elif again.status.success and not _finite(again):
            raise Fault(Kind.STATUS, f"{again.status.label} with numbers that are not finite")

    return action


def _finite(s: hp.Solution) -> bool:
    numbers = [*s.parameters.values(), 0.0 if s.estimated_error is None else s.estimated_error]
    return bool(np.isfinite(numbers).all()) and all(bool(v.isfinite().all()) for v in s.field.tensors().values())


def _resumed(shared: Path, name: str) -> Path:
    """Tensors at the end of the run continued from the good file."""
    path = shared / f"{name}.end.pt"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            end = CHECKPOINTS[name].solve(resume=checkpoint(shared, name))
            torch.save(end.field.tensors(), path)
    return path
