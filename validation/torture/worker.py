"""A process that runs cases one by one as it is told to, and may die of one."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from hermite_pinn.errors import HermitePinnError

from .attacks import cases_of
from .case import Case, Fault, Kind, Skipped, Verdict

__all__ = ["judged", "main"]

HEADROOM = 8 * 2**30  # bytes of addresses beyond those of an idle worker, so that the machine survives


def judged(case: Case, shared: Path) -> Verdict:
    """Run a case in a folder of its own."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="case-", dir=shared.parent) as folder:
        try:
            kind, detail = _ended(case, Path(folder), shared)
        finally:
            os.chdir(shared)
    return Verdict(kind, detail[:600], time.perf_counter() - began)


def _ended(case: Case, place: Path, shared: Path) -> tuple[Kind, str]:
    before = _peak(reset=True)
    os.chdir(place)  # where relative paths lead
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told = case.action(case.bench(place, shared))
    except Fault as fault:
        return fault.kind, str(fault)
    except Skipped as reason:
        return Kind.SKIPPED, str(reason)
    except BaseException as error:
        kind, detail = _refusal(error)
        if kind is not Kind.REFUSED:
            return kind, detail
    else:
        kind, detail = (
            (Kind.ACCEPTED, "not refused") if case.refused else (Kind.OK, told if isinstance(told, str) else "")
        )
    grown = _peak() - before
    if grown > case.memory:
        return Kind.MEMORY, f"the process grew by {grown / 2**20:.0f} MiB; {detail}"
    return kind, detail


def _refusal(error: BaseException) -> tuple[Kind, str]:
    """An error of the package that says something is a refusal, also FileNotFoundError where the package raises it."""
    ours = isinstance(error, HermitePinnError) or (isinstance(error, FileNotFoundError) and error.errno is None)
    if ours and len(str(error)) > 10:
        return Kind.REFUSED, f"{type(error).__name__}: {error}"
    kind = Kind.MEMORY if isinstance(error, MemoryError) and not ours else Kind.RAW
    frames = traceback.extract_tb(error.__traceback__)
    where = "; ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames[-3:])
    return kind, f"{type(error).__name__}: {error} ({where})"


def _peak(reset: bool = False) -> int:
    """Largest resident memory of this process in bytes, since the last reset where the system allows one."""
    with contextlib.suppress(OSError):
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 0


def main() -> None:
    """Read cases from the first pipe named, answer verdicts on the second."""
    asked, answers = os.fdopen(int(sys.argv[1]), encoding="utf-8"), os.fdopen(int(sys.argv[2]), "w", encoding="utf-8")
    shared = Path(sys.argv[3])
    _limit_addresses()
    known: dict[tuple[str, int], dict[str, Case]] = {}
    for line in asked:
        task = json.loads(line)
        key = (task["attack"], task["seed"])
        if key not in known:
            known[key] = {c.name: c for c in cases_of(*key)}
        verdict = judged(known[key][task["name"]], shared)
        answers.write(json.dumps([verdict.kind, verdict.detail, verdict.seconds]) + "\n")
        answers.flush()


def _limit_addresses() -> None:
    with contextlib.suppress(OSError, ValueError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + HEADROOM, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main()
