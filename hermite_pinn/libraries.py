"""Libraries that are imported when they are first needed, and that cannot be imported again once that has failed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from .errors import BackendUnavailableError

__all__ = ["loading", "optional"]


def optional(library: str, extra: str, what: str) -> Any:
    """A library that an extra of the package installs.

    Parameters
    ----------
    library
        Its name.
    extra
        The extra, as in ``pip install "hermite_pinn[extra]"``.
    what
        What needs it, for the message.

    Raises
    ------
    BackendUnavailableError
        If it cannot be imported; the message names the extra.

    Examples
    --------
    >>> try:
    ...     optional("no_such_library", "xarray", "to_xarray")
    ... except BackendUnavailableError as error:
    ...     print(str(error).partition(": ")[2])
    pip install "hermite_pinn[xarray]"
    """
    try:
        with loading(library):
            return import_module(library)
    except ImportError as error:
        raise BackendUnavailableError(
            f'{what} needs {library}, which cannot be imported ({error}): pip install "hermite_pinn[{extra}]"'
        ) from error


@contextmanager
def loading(what: str, *variables: str) -> Iterator[None]:
    """Import a library in this block, before a run begins.

    A package that is not installed is the caller's to report: ``ModuleNotFoundError`` passes.

    Parameters
    ----------
    what
        The library, for the message.
    variables
        Environment variables that it sets when it is imported, which are as before afterwards.

    Raises
    ------
    BackendUnavailableError
        If the import fails.

    Examples
    --------
    >>> try:
    ...     with loading("the library"):
    ...         raise OSError("Too many open files")
    ... except BackendUnavailableError as error:
    ...     print(str(error).partition(";")[0])
    the library cannot be loaded (OSError: Too many open files)
    """
    before = {name: os.environ.get(name) for name in variables}
    try:
        yield
    except (ModuleNotFoundError, BackendUnavailableError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise BackendUnavailableError(
            f"{what} cannot be loaded ({type(error).__name__}: {reason}); this needs a folder of temporary files that can be written "
            "(TMPDIR) with free space, and descriptors of files (ulimit -n). See to them, and start a new process: what is loaded "
            "in part cannot be loaded again"
        ) from error
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
