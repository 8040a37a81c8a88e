"""Strange surroundings: the same numbers, or one clear error, and nothing of them is changed."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

import hermite_pinn as hp

from .caches import CACHES
from .case import Bench, Case, Fault, Kind
from .compare import close_tensors, same_tensors
from .program import Child
from .stock import CHECKPOINTS, uninterrupted
from .surroundings import SOLVE, SURROUNDINGS, Surrounding

__all__ = ["cases"]

ATTACK = "environments"
METHODS = ("at-once", "slabs", "joint", "adam", "soap", "lbfgs", "chain", "parameters")
POINT = np.array([[0.3, 0.4], [0.71, 0.13]])


# -- states of PyTorch and Python ---
@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _set(change: Callable[[Any], Any], value: Any, before: Any) -> Iterator[None]:
    change(value)
    try:
        yield
    finally:
        change(before)


@contextmanager
def _warnings_as_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def _numpy_raises() -> Iterator[None]:
    with np.errstate(all="raise", under="ignore"):
        yield


@contextmanager
def _recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@contextmanager
def _streams(value: Any) -> Iterator[None]:
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = value
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


#: Contexts in which a run gives the same numbers, by name.
CONTEXTS: dict[str, Callable[[], contextlib.AbstractContextManager[Any]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "grad disabled": lambda: torch.set_grad_enabled(False),
    "default float16": lambda: _default_dtype(torch.float16),
    "default bfloat16": lambda: _default_dtype(torch.bfloat16),
    "default float64": lambda: _default_dtype(torch.float64),
    "default device meta": lambda: torch.device("meta"),
    "default device cpu": lambda: torch.device("cpu"),
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "anomaly detection": torch.autograd.detect_anomaly,
    "deterministic": lambda: _set(torch.use_deterministic_algorithms, True, False),
    "float32 by halves": lambda: _set(torch.set_float32_matmul_precision, "medium", "highest"),
    "warnings as errors": _warnings_as_errors,
    "numpy raises": _numpy_raises,
    "little recursion": _recursion,
    "no streams": lambda: _streams(None),
}

#: Those in which PyTorch adds in another order.
REORDERING = ("deterministic",)
ROUNDING = 1e-2  # after many steps in float32, relative to the largest number


def cases(seed: int) -> list[Case]:
    """Contexts of PyTorch and Python, caches, environment variables, threads and processes."""
    made = []
    for context, enter in CONTEXTS.items():
        made += [
            Case(ATTACK, f"{method} in {context}", seed, _inside(method, enter, context in REORDERING))
            for method in METHODS
        ]
        made.append(Case(ATTACK, f"a solution in {context}", seed, _used_inside(enter)))
    for name, around in SURROUNDINGS.items():
        made.append(Case(ATTACK, f"started with {name}", seed, _started(around), limit=60.0, long=True))
    for name, around in CACHES.items():
        made.append(Case(ATTACK, f"cache: {name}", seed, _started(around), limit=60.0, long=True))
    for name, action in CONCURRENT.items():
        made.append(Case(ATTACK, f"at once: {name}", seed, action, limit=30.0))
    return made


def _state() -> dict[str, Any]:
    """What belongs to others and must be as it was."""
    return {
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "tf32": torch.backends.cudnn.allow_tf32,
        "numpy": np.geterr(),
        "random": torch.random.get_rng_state().tolist(),
        "numpy random": np.random.get_state()[1].tolist(),  # type: ignore[index, union-attr]
        "SIGINT": signal.getsignal(signal.SIGINT),
        "SIGTERM": signal.getsignal(signal.SIGTERM),
        "recursion": sys.getrecursionlimit(),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
    }


def _unchanged(before: dict[str, Any]) -> None:
    changed = [name for name, value in _state().items() if value != before[name]]
    if changed:
        raise Fault(Kind.LOSS, f"changed for others: {', '.join(changed)}")


def _inside(
    method: str, enter: Callable[[], contextlib.AbstractContextManager[Any]], rounds: bool
) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        truth = uninterrupted(bench.shared, method)
        torch.set_num_threads(1)
        with enter():
            before = _state()
            found = CHECKPOINTS[method].solve()
            _unchanged(before)
            found.at_points(POINT)
        tensors = {k: v.clone() for k, v in found.field.tensors().items()}
        if rounds:
            close_tensors(truth, tensors, ROUNDING)
        else:
            same_tensors(truth, tensors)
        _differentiated(found)

    return action


def _differentiated(found: hp.Solution) -> None:
    """A solution from anywhere can be differentiated by PyTorch outside."""
    x = [torch.tensor(column, requires_grad=True) for column in POINT.T.copy()]
    value = getattr(found, found.fields[0])(*x)
    (slope,) = torch.autograd.grad(value.sum(), x[0])
    told = getattr(getattr(found, found.fields[0]), found.domain.names[0])(*POINT.T)
    if not np.allclose(slope.numpy(), told, rtol=1e-4, atol=1e-5 * (1 + np.abs(told).max())):
        raise Fault(Kind.LOSS, f"the derivative by PyTorch is {slope.tolist()}, by the solution {told.tolist()}")


def _used_inside(enter: Callable[[], contextlib.AbstractContextManager[Any]]) -> Callable[[Bench], None]:
    """A solution that was made before, asked, saved and read inside."""

    def action(bench: Bench) -> None:
        found = CHECKPOINTS["adam"].solve()
        value, slope = found.u(*POINT.T), found.u.grad(*POINT.T)
        with enter():
            found.save(bench.place / "u.h5")
            again = hp.Solution.load(bench.place / "u.h5")
            for s in (found, again):
                if not (np.array_equal(s.u(*POINT.T), value) and np.array_equal(s.u.grad(*POINT.T), slope)):
                    raise Fault(Kind.LOSS, "other values inside")
            str(found), found.error(), found.residual(POINT)
            found.to_vtk(bench.place / "u.vti", resolution=4)
        _differentiated(again)

    return action


# -- programs started in surroundings ---
VALUE = math.sin(0.9 * math.pi)


def _started(around: Surrounding) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        result = bench.place / "result.txt"
        environment = dict(os.environ)
        with around.prepare(bench, environment) as prefix:
            for _ in range(around.times):
                result.unlink(missing_ok=True)
                done = subprocess.run(
                    [*prefix, sys.executable, *around.options, "-c", SOLVE.replace("RESULT", str(result))],
                    env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
                )  # fmt: skip
                _judge(done, result.read_text(encoding="utf-8") if result.exists() else "", around)

    return action


def _judge(done: subprocess.CompletedProcess[str], told: str, around: Surrounding) -> None:
    lines = done.stderr.strip().splitlines()
    if done.returncode < 0:
        raise Fault(Kind.CRASH, f"ended by {signal.Signals(-done.returncode).name}")
    if not told:
        raise Fault(Kind.RAW, f"exit code {done.returncode}: {lines[-1] if lines else ''}")
    if told.startswith("refused"):
        if around.must_work:
            raise Fault(Kind.RAW, told)
        return
    if around.must_refuse:
        raise Fault(Kind.ACCEPTED, "a solution where there should be an error")
    if not abs(float(told.removeprefix("value: ")) - VALUE) < 1e-3:
        raise Fault(Kind.LOSS, f"a wrong value: {told}")


# -- several at once ---
def _two_threads(bench: Bench) -> None:
    """Two runs in two threads: their numbers, and the flags of PyTorch."""
    names = ("adam", "at-once", "lbfgs", "adam")
    truths = {name: uninterrupted(bench.shared, name) for name in names}
    before, found, errors = _state(), {}, []

    def work(place: int) -> None:
        try:
            found[place] = CHECKPOINTS[names[place]].solve().field.tensors()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(names))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    before["random"] = _state()["random"]
    _unchanged(before)
    for place, tensors in found.items():
        same_tensors(truths[names[place]], tensors)


def _shared_solution(bench: Bench) -> None:
    """One solution that several threads ask."""
    found = CHECKPOINTS["adam"].solve()
    rng = np.random.default_rng(3)
    points = [rng.random((50, 2)) for _ in range(8)]
    truths, wrong = [found.at_points(p) for p in points], []

    def work(place: int) -> None:
        for _ in range(20):
            if not np.array_equal(found.at_points(points[place]), truths[place]):
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(points))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise Fault(Kind.LOSS, "other values in a thread")


def _forked(bench: Bench) -> None:
    """A child of a process that has used the kernels solves and evaluates."""
    torch.set_num_threads(2)
    try:
        truth = CHECKPOINTS["at-once"].solve()
        truth.at_points(np.random.default_rng(3).random((20_000, 2)))
        torch.set_num_threads(2)
        child = Child(lambda: (truth.at_points(POINT), dict(CHECKPOINTS["at-once"].solve().field.tensors())))
        values, tensors = child.result()
    finally:
        torch.set_num_threads(1)
    if not np.array_equal(values, truth.at_points(POINT)):
        raise Fault(Kind.LOSS, "other values in a child process")
    same_tensors(truth.field.tensors(), tensors)


def _in_thread(bench: Bench) -> None:
    """A run with a checkpoint outside the main thread, where no signal arrives."""
    caught: list[BaseException] = []

    def work() -> None:
        try:
            CHECKPOINTS["adam"].solve(checkpoint=hp.Checkpoint(bench.place / "run.h5", seconds=0))
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if caught:
        raise caught[0]
    CHECKPOINTS["adam"].solve(resume=bench.place / "run.h5")


def _one_file(bench: Bench) -> None:
    """Several processes save to one file and read it."""
    path = bench.place / "u.h5"
    found = CHECKPOINTS["at-once"].solve()
    found.save(path)

    def work() -> None:
        for _ in range(20):
            found.save(path)
            hp.Solution.load(path)

    children = [Child(work) for _ in range(3)]
    for child in children:
        child.result()
    left = [p.name for p in bench.place.iterdir() if p != path]
    if left:
        raise Fault(Kind.LOSS, f"{', '.join(left)} left behind")


def _one_checkpoint(bench: Bench) -> None:
    """Two processes run with one checkpoint; both end right."""
    truth = uninterrupted(bench.shared, "adam")

    def work() -> dict[str, torch.Tensor]:
        return dict(
            CHECKPOINTS["adam"].solve(checkpoint=hp.Checkpoint(bench.place / "run.h5", seconds=0)).field.tensors()
        )

    children = [Child(work) for _ in range(2)]
    for child in children:
        same_tensors(truth, child.result())
    same_tensors(truth, CHECKPOINTS["adam"].solve(resume=bench.place / "run.h5").field.tensors())


CONCURRENT: dict[str, Callable[[Bench], None]] = {
    "threads that solve": _two_threads,
    "threads that ask": _shared_solution,
    "a child after use": _forked,
    "a thread of its own": _in_thread,
    "one file": _one_file,
    "one checkpoint": _one_checkpoint,
}
