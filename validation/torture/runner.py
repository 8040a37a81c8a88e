"""Runs cases in processes of their own, ends those that hang, and replaces those that die."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from .case import Case, Kind, Verdict

__all__ = ["Ended", "run_cases"]

COMPILERS = ("cc1", "cc1plus", "collect2", "ld", "as", "g++", "c++", "clang", "clang++", "ptxas")
TICK = 0.2  # seconds between two looks at a worker
GROWTH = 2**31  # bytes by which a worker may grow beyond what the case allows before it is ended

Ended = tuple[Case, Verdict]


def run_cases(
    cases: Sequence[Case], shared: Path, jobs: int, patience: float, tell: Callable[[Ended], None]
) -> list[Ended]:
    """Verdicts of all cases, in their order.

    Parameters
    ----------
    shared
        Folder of good files; its parent holds the folders of the cases.
    jobs
        Processes at a time.
    patience
        Factor of the time limits, for a machine that others use.
    tell
        Called with each case as it ends, by one thread at a time.

    Raises
    ------
    OSError
        If no process can be started, or the folder is gone.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(cases)):
        waiting.put(number)
    ended: dict[int, Ended] = {}
    lock = threading.Lock()

    def serve() -> None:
        worker = _Worker(shared)
        with contextlib.closing(worker):
            while True:
                try:
                    number = waiting.get_nowait()
                except queue.Empty:
                    return
                result = (cases[number], worker.verdict(cases[number], patience))
                with lock:
                    ended[number] = result
                    tell(result)

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for serving in [pool.submit(serve) for _ in range(max(1, jobs))]:
            serving.result()
    return [ended[number] for number in range(len(cases))]


class _Worker:
    """A process for the cases of one class; started when needed, ended by what it does not survive."""

    def __init__(self, shared: Path) -> None:
        self.shared = shared
        self.attack = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.ask = self.answers = -1
        self.idle = 0

    def verdict(self, case: Case, factor: float) -> Verdict:
        """Run a case to its end, or to that of the process."""
        if self.process is None or self.attack != case.attack:
            self._start(case.attack)
        assert self.process is not None
        task = {"attack": case.attack, "name": case.name, "seed": case.seed}
        began = time.perf_counter()
        with contextlib.suppress(BrokenPipeError):
            os.write(self.ask, (json.dumps(task) + "\n").encode())
        text, patience = b"", _Patience(self.process.pid, factor * case.limit)
        while not text.endswith(b"\n"):
            if select.select([self.answers], [], [], TICK)[0]:
                part = os.read(self.answers, 65536)
                if not part:
                    return self._died(time.perf_counter() - began)
                text += part
                continue
            if _resident(self.process.pid) - self.idle > GROWTH + case.memory:
                return self._killed(Kind.MEMORY, "the process grew without end", began)
            if patience.ended():
                return self._killed(Kind.HANG, f"not done after {patience.passed:.0f} s", began)
        kind, detail, seconds = json.loads(text)
        return Verdict(Kind(kind), detail, seconds)

    def _start(self, attack: str) -> None:
        self.close()
        asked, self.ask = os.pipe()
        self.answers, answers = os.pipe()
        with open(self.shared.parent / f"{attack}.log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "hermite_pinn.validation.torture.worker",
                    str(asked),
                    str(answers),
                    str(self.shared),
                ],
                pass_fds=(asked, answers),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        os.close(asked)
        os.close(answers)
        self.attack, self.idle = attack, 2**29

    def _died(self, seconds: float) -> Verdict:
        assert self.process is not None
        code = self.process.wait()
        self.close()
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Verdict(Kind.CRASH, f"the process ended by {name}", seconds)

    def _killed(self, kind: Kind, detail: str, began: float) -> Verdict:
        self.close()
        return Verdict(kind, detail, time.perf_counter() - began)

    def close(self) -> None:
        """End the process, and those it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            os.close(self.ask)
            os.close(self.answers)
            self.process = None


def _resident(pid: int) -> int:
    """Resident bytes of a process; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


class _Patience:
    """How long a case has taken: time in which its processes compute, or wait for nothing that computes.

    Time in which they are ready but others have the processor does not count, nor does compilation.
    """

    def __init__(self, pid: int, limit: float) -> None:
        self.pid, self.limit = pid, limit
        self.passed = 0.0
        self.at, self.used = time.perf_counter(), _used(pid).seconds

    def ended(self) -> bool:
        """Count what has passed since the last call; whether it is too much."""
        before, self.at = self.at, time.perf_counter()
        now = _used(self.pid)
        worked, self.used = max(0.0, now.seconds - self.used), now.seconds
        if not now.compiling:
            self.passed += worked if now.runnable else self.at - before
        return self.passed > self.limit


class _Use(NamedTuple):
    """What a process and those it started have used, and whether one of them could go on."""

    seconds: float
    runnable: bool
    compiling: bool


def _used(pid: int) -> _Use:
    seconds, runnable, compiling = 0.0, False, False
    for one in _tree(pid):
        with contextlib.suppress(OSError, IndexError, ValueError):
            name, _, rest = Path(f"/proc/{one}/stat").read_text().rpartition(")")
            words = rest.split()
            seconds += sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")
            runnable |= words[0] == "R"
            compiling |= name.partition("(")[2] in COMPILERS
    return _Use(seconds, runnable, compiling)


def _tree(pid: int) -> Iterator[int]:
    """A process and all that it started, directly or not."""
    yield pid
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _tree(int(child))
