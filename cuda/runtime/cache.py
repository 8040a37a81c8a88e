"""The folder of compiled kernels: keyed by content, safe when several processes compile at once."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock

from hermite_pinn.errors import BackendUnavailableError

__all__ = ["cache_folder", "cached_file", "compile_clock"]

#: A list that collects the seconds spent compiling, set by whoever wants to know.
compile_clock: ContextVar[list[float] | None] = ContextVar("compile_clock", default=None)


def cache_folder() -> Path:
    """Folder of compiled kernels: ``$HERMITE_PINN_CACHE``, or ``hermite_pinn`` in the user's cache folder.

    Raises
    ------
    BackendUnavailableError
        If the folder cannot be created or written.
    """
    chosen = os.environ.get("HERMITE_PINN_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    folder = Path(chosen) if chosen else (Path(base) if base else Path.home() / ".cache") / "hermite_pinn"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise BackendUnavailableError(
            f"compiled kernels are kept in {folder}, which cannot be written ({error.strerror}); "
            "set HERMITE_PINN_CACHE to a folder that can"
        ) from error
    return folder


def cached_file(parts: list[str], suffix: str, make: Callable[[Path], None]) -> Path:
    """Path of the file for the content ``parts``, made by ``make(path)`` if it is not there yet.

    ``make`` writes to a temporary name which is moved into place when complete, under a lock for that name: a file
    that exists is whole, and each is made once however many processes ask for it.
    """
    folder = cache_folder()
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    target = folder / (name + suffix)
    if target.exists():
        return target
    began = time.perf_counter()
    with FileLock(str(folder / f"{name}.lock")):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                draft = Path(scratch) / target.name
                make(draft)
                os.replace(draft, target)
    clock = compile_clock.get()
    if clock is not None:
        clock.append(time.perf_counter() - began)
    return target
