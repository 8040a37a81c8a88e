"""Processes that are ended at any moment: what was saved is whole, and a run goes on from there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import hermite_pinn as hp

from .case import Bench, Case, Fault, Kind
from .compare import close_tensors, partial_files, same_solution, same_tensors, whole
from .program import Child, run_program
from .stock import CHECKPOINTS, solution, uninterrupted

__all__ = ["cases"]

ATTACK = "kills"
SIGNALS = {"SIGKILL": 6, "SIGTERM": 4, "SIGINT": 4}  # how often each is tried with every run
SAVES, SERIES, COMPILATIONS, PROGRAMS = 12, 4, 4, 8
AGREEMENT = 1e-6  # of a resumed run that is not promised bit for bit, relative to the largest coefficient
PROGRAM = ["solve", "poisson2d", "--levels", "4"]


def cases(seed: int) -> list[Case]:
    """Runs of all methods, saving, pictures of a series, compilation, and the command line."""
    made = []
    for name in CHECKPOINTS:
        for number, times in SIGNALS.items():
            made += [Case(ATTACK, f"{name}: {number} {k}", seed, _run(name, number)) for k in range(times)]
    made += [Case(ATTACK, f"save: SIGKILL {k}", seed, _saving) for k in range(SAVES)]
    made += [Case(ATTACK, f"series: SIGKILL {k}", seed, _series) for k in range(SERIES)]
    made += [
        Case(ATTACK, f"compilation: {number} {k}", seed, _compilation(number), limit=60.0, long=True)
        for number in ("SIGKILL", "SIGTERM")
        for k in range(COMPILATIONS)
    ]
    for number in SIGNALS:
        made += [
            Case(ATTACK, f"program: {number} {k}", seed, _program(number), limit=30.0, long=True)
            for k in range(PROGRAMS if number == "SIGTERM" else PROGRAMS // 2)
        ]
    return made


# -- runs ---
@dataclass
class _Marks(hp.Callback):
    """Leaves the number of rows, the start and the end of a run in a file, which survives the process."""

    path: Path
    rows: int = 0

    def on_start(self, state: hp.RunState) -> None:
        """Begin."""
        self.path.write_text("0")

    def on_step(self, state: hp.RunState) -> None:
        """Count."""
        self.rows += 1
        self.path.write_text(str(self.rows))

    def on_end(self, result: hp.Solution) -> None:
        """End."""
        self.path.write_text("end")


def _victim(name: str, place: Path) -> Callable[[], str]:
    """A run with a checkpoint; tells its status, or where Ctrl-C was raised."""
    marks = _Marks(place / "marks")

    def work() -> str:
        try:
            found = CHECKPOINTS[name].solve(checkpoint=hp.Checkpoint(place / "run.h5", seconds=0), callbacks=[marks])
        except KeyboardInterrupt:
            return f"raised after {marks.path.read_text()}"
        return found.status.name

    return work


def _seconds(shared: Path, name: str) -> float:
    """How long the run takes in a child process; measured once."""
    path = shared / f"{name}.seconds"
    if not path.exists():
        place = shared / f"{name}.{os.getpid()}.timing"
        place.mkdir()
        began = time.perf_counter()
        Child(_victim(name, place)).result()
        path.write_text(str(time.perf_counter() - began))
    return float(path.read_text())


def _begun(child: Child, marks: Path) -> None:
    """Wait for the start of the run."""
    until = time.perf_counter() + 60
    while not marks.exists() and time.perf_counter() < until:
        time.sleep(0.002)


def _run(name: str, number: str) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        truth = Child(lambda: uninterrupted(bench.shared, name)).result()
        moment = bench.random.random() * 1.1 * _seconds(bench.shared, name)
        path, marks = bench.place / "run.h5", bench.place / "marks"
        child = Child(_victim(name, bench.place))
        _begun(child, marks)
        time.sleep(moment)
        child.kill(getattr(signal, number))
        status = child.result()
        mark = marks.read_text() or "0"
        if number != "SIGKILL":
            _ended_well(child, status, mark)
        rows = int(mark) if mark != "end" else sys.maxsize
        if rows > 2 and not path.exists():
            raise Fault(Kind.LOSS, f"no checkpoint after {mark} rows of the history")
        if path.exists():
            whole(path)
            _resumed(bench, name, path, truth)

    return action


def _ended_well(child: Child, status: str | None, mark: str) -> None:
    """SIGTERM and Ctrl-C end a run with a result; once the run is over, they end the process as ever."""
    if mark == "end" or (mark == "0" and (child.signalled or status is None or status.startswith("raised"))):
        return
    if child.signalled or status is None:
        raise Fault(Kind.LOSS, f"the process was ended by the signal after {mark} rows, without a result")
    if status.startswith("raised"):
        raise Fault(Kind.LOSS, f"KeyboardInterrupt was raised after {mark} rows, without a result")


def _resumed(bench: Bench, name: str, path: Path, truth: dict[str, object]) -> None:
    """A run that goes on ends as one that was not ended, and leaves no drafts."""
    recipe = CHECKPOINTS[name]

    def work() -> dict[str, object]:
        return dict(recipe.solve(resume=path, checkpoint=path).field.tensors())

    found = Child(work).result()
    if recipe.exact:
        same_tensors(truth, found)  # type: ignore[arg-type]
    else:
        close_tensors(truth, found, AGREEMENT)  # type: ignore[arg-type]
    left = partial_files(bench.place)
    if left:
        raise Fault(Kind.LOSS, f"{', '.join(left)} left behind by the killed run, and not removed by the next")


# -- files ---
def _saving(bench: Bench) -> None:
    """Two solutions are saved in turn to one file."""
    names = ("linear-2d", "coupled")
    files = [solution(bench.shared, name) for name in names]
    path = bench.place / "u.h5"

    def work() -> None:
        goods = [hp.Solution.load(file) for file in files]
        while True:
            for good in goods:
                good.save(path)

    child = Child(work)
    _begun(child, path)
    time.sleep(bench.random.random() * 0.3)
    child.kill(signal.SIGKILL)
    child.result()
    found = hp.Solution.load(path)
    same_solution(hp.Solution.load(files[0] if found.fields == ("u",) else files[1]), found)
    Child(lambda: found.save(path)).result()
    left = partial_files(bench.place)
    if left:
        raise Fault(Kind.LOSS, f"{', '.join(left)} left behind, and not removed by the next")


def _series(bench: Bench) -> None:
    """A series of images is written again and again."""
    good, path = solution(bench.shared, "moving"), bench.place / "u.pvd"

    def work() -> None:
        loaded = hp.Solution.load(good)
        while True:
            loaded.to_vtk(path, resolution=10, times=5)

    child = Child(work)
    _begun(child, path)
    time.sleep(bench.random.random() * 0.3)
    child.kill(signal.SIGKILL)
    child.result()
    for file in bench.place.rglob("*"):
        if file.suffix in (".pvd", ".vti"):
            whole(file)


# -- programs of their own ---
SOLVE = "import hermite_pinn as hp; print(hp.solve(hp.problems.poisson2d(), levels=1, progress=False).u(0.3, 0.4))"


def _compilation(number: str) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        environment = dict(os.environ) | {"HERMITE_PINN_CACHE": str(bench.place / "kernels")}
        command = [sys.executable, "-c", SOLVE]
        told = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout
        victim = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        kernels, until = bench.place / "kernels", time.perf_counter() + 30
        while not (kernels.is_dir() and any(kernels.iterdir())) and time.perf_counter() < until:
            time.sleep(0.01)
        time.sleep(bench.random.random() * 4.0)
        os.killpg(victim.pid, getattr(signal, number))
        victim.wait()
        again = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if again.returncode or again.stdout != told:
            lines = (again.stderr.strip() or again.stdout.strip()).splitlines()
            raise Fault(Kind.RAW, f"the next run ends with {again.returncode}: {lines[-1] if lines else ''}")
        left = [p.name for p in kernels.iterdir() if p.is_dir() or p.name.endswith(".partial")]
        if left:
            raise Fault(
                Kind.LOSS, f"{', '.join(left)} left in the cache by the killed run, and not removed by the next"
            )

    return action


def _program(number: str) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        out, run = bench.place / "out", bench.place / "run.h5"
        arguments = [*PROGRAM, "--out", str(out), "--checkpoint", str(run)]
        moment = random.Random(bench.key).random() * 2.5
        done = run_program(arguments, bench, signals=(moment, getattr(signal, number)))
        if done.code < 0 and -done.code not in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            raise Fault(Kind.CRASH, f"ended by {signal.Signals(-done.code).name}")
        if number == "SIGINT" and "Traceback" in done.errors:
            raise Fault(Kind.RAW, f"a traceback after Ctrl-C: {done.errors.strip().splitlines()[-1]}")
        for file in [*out.glob("*"), *run.parent.glob("run.h5")]:
            if ".partial" not in file.name:
                whole(file)
        more = ["--resume", str(run)] if run.exists() else []
        again = run_program([*arguments, *more], bench)
        again.check()
        if again.code:
            raise Fault(Kind.LOSS, f"the program cannot go on: exit code {again.code}, {again.errors[-200:]}")
        left = partial_files(bench.place)
        if left:
            raise Fault(Kind.LOSS, f"{', '.join(left)} left behind by the killed run, and not removed by the next")

    return action
