"""Files that were damaged, or altered by someone who knows the format, are refused or are good."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import hermite_pinn as hp

from .alterations import ARRAY_CHANGES, BYTE_CHANGES, VALUES, Content, change_array, change_meta
from .case import Bench, Case, Fault, Kind
from .compare import same_solution, same_tensors, used
from .stock import CHECKPOINTS, SOLUTIONS, checkpoint, continued, solution
from .structures import PATHS, STRUCTURES

__all__ = ["cases"]

ATTACK = "altered_files"
QUICK = (
    "linear-2d",
    "siren",
    "hashed",
    "parameters",
    "samples",
    "at-once",
    "slabs",
    "adam",
    "lbfgs",
)  # made in no time
REPEATS = 3  # of every change of bytes
META_CHANGES = ("dropped", "renamed", "doubled", "negative", "one more", *VALUES)
TREE_CHANGES = ("dropped", "renamed", "added", "exchanged", *ARRAY_CHANGES)

Make = Callable[[Path, Bench], Any]


def cases(seed: int) -> list[Case]:
    """Solutions that are loaded and used, and checkpoints that are resumed."""
    made = []
    for kind, names, use in (("solution", SOLUTIONS, _loads), ("checkpoint", CHECKPOINTS, _resumes)):
        for number, name in enumerate(names):
            for change, make, exact in _changes(number):
                action, long = use(name, make, exact), name not in QUICK
                made.append(Case(ATTACK, f"{kind} {name}: {change}", seed, action, long=long))
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


# -- checkpoints ---
def _resumes(name: str, make: Make, exact: bool) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        path = make(checkpoint(bench.shared, name), bench)
        if path is None:
            return  # nothing to resume
        again = CHECKPOINTS[name].solve(resume=path, throw=True)
        if exact:
            same_tensors(continued(bench.shared, name), again.field.tensors())
        elif again.status.success and not _finite(again):
            raise Fault(Kind.STATUS, f"{again.status.label} with numbers that are not finite")

    return action


def _finite(s: hp.Solution) -> bool:
    numbers = [*s.parameters.values(), 0.0 if s.estimated_error is None else s.estimated_error]
    return bool(np.isfinite(numbers).all()) and all(bool(v.isfinite().all()) for v in s.field.tensors().values())
