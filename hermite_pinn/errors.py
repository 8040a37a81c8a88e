"""The errors of the package: one root, and subclasses that also inherit the matching builtin."""

from __future__ import annotations

__all__ = [
    "BackendUnavailableError",
    "CorruptFileError",
    "DistributedError",
    "DivergedError",
    "HermitePinnError",
    "InvalidProblemError",
    "InvalidArgumentError",
    "OutOfMemoryError",
    "OutputError",
]


class HermitePinnError(Exception):
    """Root of all errors raised on purpose by this package.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> try:
    ...     hp.Box(x=(1, 0))
    ... except hp.HermitePinnError as error:
    ...     print(type(error).__name__)
    InvalidProblemError
    """


class InvalidArgumentError(HermitePinnError, ValueError):
    """An argument has the wrong value, shape or type; the message says what is accepted.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> hp.GaussNewton(gauss=40)
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: gauss must be an integer between 1 and 16 or None, got 40
    """


class InvalidProblemError(InvalidArgumentError):
    """The problem cannot be solved as stated: unknown names, missing faces, third derivatives, complex values, ...

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> try:
    ...     hp.Problem(domain=hp.Box(x=(0, 1)), fields=["u"], residual=lambda v: v.xx, conditions=[hp.Dirichlet(u=0.0)])
    ... except hp.InvalidProblemError as error:
    ...     print(error)
    the residual: unknown argument 'v'; known here are u, x
    """


class DivergedError(HermitePinnError, ArithmeticError):
    """A residual or a loss became infinite or NaN; the message names the term and the step.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(
    ...     domain=hp.Box(x=(0, 1)),
    ...     fields=["u"],
    ...     residual=lambda u, x: u.xx + 1 / (x - x),
    ...     conditions=[hp.Dirichlet(u=0.0)],
    ... )
    >>> try:
    ...     hp.solve(problem, levels=1, progress=False)
    ... except hp.DivergedError as error:
    ...     print(str(error).partition(" at step")[0])
    the residual 'pde' is not finite at 8 of 8 points
    """


class BackendUnavailableError(HermitePinnError, RuntimeError):
    """A device, a compiler or an optional package is missing; the message says how to get it.

    Examples
    --------
    >>> from hermite_pinn.cuda.runtime import host
    >>> try:
    ...     host.compile_source("this is no C++")
    ... except BackendUnavailableError as error:
    ...     print(isinstance(error, RuntimeError))
    True
    """


class DistributedError(HermitePinnError, RuntimeError):
    """Processes of one run disagree, or one of them failed or stopped answering.

    Examples
    --------
    >>> issubclass(DistributedError, RuntimeError)
    True
    """


class CorruptFileError(HermitePinnError, ValueError):
    """A file is damaged, is not one of ours, or was written by an incompatible version.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import hermite_pinn as hp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "u.h5"
    ...     _ = path.write_text("not HDF5")
    ...     try:
    ...         hp.Solution.load(path)
    ...     except hp.CorruptFileError as error:
    ...         print("not HDF5" in path.read_text() and "u.h5" in str(error))
    True
    """


class OutOfMemoryError(HermitePinnError, MemoryError):
    """The request does not fit in memory; the message says how large it is and what to lower.

    Examples
    --------
    >>> issubclass(OutOfMemoryError, MemoryError)
    True
    """


class OutputError(HermitePinnError, OSError):
    """A file or folder cannot be written; nothing was left half-written.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> solution = hp.solve(hp.problems.poisson2d(), levels=1, progress=False)
    >>> try:
    ...     solution.save("/no/such/folder/u.h5")
    ... except hp.OutputError as error:
    ...     print("/no/such/folder" in str(error))
    True
    """
