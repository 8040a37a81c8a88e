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
    """Root of all errors raised on purpose by this package."""


class InvalidArgumentError(HermitePinnError, ValueError):
    """An argument has the wrong value, shape or type; the message says what is accepted."""


class InvalidProblemError(InvalidArgumentError):
    """The problem cannot be solved as stated: unknown names, missing faces, third derivatives, complex values, ..."""


class DivergedError(HermitePinnError, ArithmeticError):
    """A residual or a loss became infinite or NaN; the message names the term and the step."""


class BackendUnavailableError(HermitePinnError, RuntimeError):
    """A device, a compiler or an optional package is missing; the message says how to get it."""


class DistributedError(HermitePinnError, RuntimeError):
    """Processes of one run disagree, or one of them failed or stopped answering."""


class CorruptFileError(HermitePinnError, ValueError):
    """A file is damaged, is not one of ours, or was written by an incompatible version."""


class OutOfMemoryError(HermitePinnError, MemoryError):
    """The request does not fit in memory; the message says how large it is and what to lower."""


class OutputError(HermitePinnError, OSError):
    """A file or folder cannot be written; nothing was left half-written."""
