"""Checks of arguments: what was given, what is accepted, and what to do, in the same words everywhere.

A check takes the name of an argument and its value, and returns the value as the plain type that the package works
with.  With keywords bound by :func:`functools.partial` it is an entry of a table of options, see :func:`check_options`.
"""

from __future__ import annotations

import difflib
import itertools
import math
import numbers
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from .errors import InvalidArgumentError

__all__ = [
    "Check",
    "check_options",
    "choice",
    "either",
    "flag",
    "instance",
    "integer",
    "items",
    "number",
    "path",
    "real_array",
    "refuse",
    "spelled",
    "text",
]

T = TypeVar("T")
#: Takes a name and a value (and what else is accepted: ``otherwise``), and returns the value to work with.
Check = Callable[..., Any]
Refusal = type[InvalidArgumentError]

LARGEST_INTEGER = 2**63 - 1
MOST_ITEMS = 1_000_000
LONGEST = 80


def spelled(value: object) -> str:
    """A value as it is told in a message: on one line, and short whatever it is.

    Examples
    --------
    >>> spelled(float), spelled(np.zeros((3, 4))), len(spelled("a" * 1000))
    ('the class float', 'an ndarray of shape (3, 4)', 80)
    """
    if isinstance(value, type):
        return f"the class {value.__name__}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        kind = type(value).__name__
        return f"{'an' if kind[0] in 'aeiounAEIOU' else 'a'} {kind} of shape {tuple(shape)}"
    try:
        told = " ".join(repr(value).split())
    except Exception:  # whatever a foreign repr raises
        told = f"a {type(value).__name__}"
    half = (LONGEST - 3) // 2
    return told if len(told) <= LONGEST else f"{told[: half + 1]}...{told[-half:]}"


def refuse(
    name: str,
    value: object,
    accepted: str,
    *,
    otherwise: str = "",
    hint: str = "",
    error: Refusal = InvalidArgumentError,
) -> NoReturn:
    """Raise the error of an argument.

    Parameters
    ----------
    name
        Of the argument.
    value
        What was given.
    accepted
        What is accepted, after "must be".
    otherwise
        What else is accepted, such as ``"None"``.
    hint
        What to do, if that does not follow.
    error
        Class of the error.

    Raises
    ------
    InvalidArgumentError
        Always.

    Examples
    --------
    >>> refuse("steps", -1, "an integer of at least 1")
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: steps must be an integer of at least 1, got -1
    """
    alternative = f" or {otherwise}" if otherwise else ""
    raise error(f"{name} must be {accepted}{alternative}, got {spelled(value)}{f'; {hint}' if hint else ''}")


def _scalar(value: Any) -> Any:
    """The Python number in a NumPy number or in an array or tensor without axes; anything else as it is."""
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        try:
            return value.item()
        except Exception:  # a tensor without data, for example
            return value
    return value


def integer(
    name: str,
    value: Any,
    *,
    least: int | None = None,
    most: int | None = None,
    otherwise: str = "",
    hint: str = "",
    error: Refusal = InvalidArgumentError,
) -> int:
    """An integer in a range, of Python or NumPy; truth values and floating-point numbers are none.

    Examples
    --------
    >>> integer("levels", np.int32(3), least=1)
    3
    >>> integer("levels", 2.5, least=1)
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: levels must be an integer of at least 1, got 2.5
    """
    plain = _scalar(value)
    largest = LARGEST_INTEGER if most is None else most
    whole = isinstance(plain, numbers.Integral) and not isinstance(plain, bool)
    if whole and -LARGEST_INTEGER <= int(plain) <= largest and (least is None or int(plain) >= least):
        return int(plain)
    accepted = "an integer"
    if least is not None:
        accepted += f" of at least {least}" if most is None else f" between {least} and {most}"
    elif most is not None:
        accepted += f" of at most {most}"
    if whole and most is None and int(plain) > largest:
        accepted += " and below 2**63"
    refuse(name, value, accepted, otherwise=otherwise, hint=hint, error=error)


def number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    infinite: bool = False,
    otherwise: str = "",
    hint: str = "",
    error: Refusal = InvalidArgumentError,
) -> float:
    """A finite real number in a range whose ends belong to it (``least``, ``most``) or not (``above``, ``below``).

    Parameters
    ----------
    infinite
        Whether infinity is accepted, too; NaN never is.

    Examples
    --------
    >>> number("tol", np.float32(0.5), above=0)
    0.5
    >>> number("tol", float("nan"), above=0)
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: tol must be a positive finite number, got nan
    """
    plain = _scalar(value)
    if isinstance(plain, numbers.Real) and not isinstance(plain, bool):
        try:
            real = float(plain)
        except (OverflowError, ValueError, TypeError):
            real = math.nan
        inside = (above is None or real > above) and (least is None or real >= least)
        inside = inside and (below is None or real < below) and (most is None or real <= most)
        if inside and not math.isnan(real) and (infinite or math.isfinite(real)):
            return real
    accepted = _range(above, least, below, most, "" if infinite else "finite ")
    refuse(name, value, accepted, otherwise=otherwise, hint=hint, error=error)


def _range(above: float | None, least: float | None, below: float | None, most: float | None, finite: str) -> str:
    """The numbers of an interval in words."""
    low, high = least if above is None else above, most if below is None else below
    if low is None and high is None:
        return f"a {finite}number"
    if high is None:
        return (
            f"a positive {finite}number"
            if above == 0
            else f"a {finite}number {'of at least' if above is None else 'above'} {low:g}"
        )
    if low is None:
        return f"a {finite}number {'of at most' if below is None else 'below'} {high:g}"
    return f"a number in {'[' if above is None else '('}{low:g}, {high:g}{']' if below is None else ')'}"


def flag(name: str, value: Any, *, otherwise: str = "", hint: str = "", error: Refusal = InvalidArgumentError) -> bool:
    """True or False, of Python or NumPy.

    Examples
    --------
    >>> flag("throw", "no")
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: throw must be True or False, got 'no'
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    refuse(name, value, f"True{',' if otherwise else ' or'} False", otherwise=otherwise, hint=hint, error=error)


def text(name: str, value: Any, *, otherwise: str = "", hint: str = "", error: Refusal = InvalidArgumentError) -> str:
    """A string.

    Examples
    --------
    >>> text("heading", b"bytes")
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: heading must be a string, got b'bytes'
    """
    if isinstance(value, str):
        return str(value)
    refuse(name, value, "a string", otherwise=otherwise, hint=hint, error=error)


def choice(
    name: str,
    value: Any,
    options: Iterable[str],
    *,
    otherwise: str = "",
    hint: str = "",
    error: Refusal = InvalidArgumentError,
) -> str:
    """One of some names.

    Examples
    --------
    >>> choice("basis", "cubics", ("cubic", "quintic"))
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: basis must be 'cubic' or 'quintic', got 'cubics'; did you mean 'cubic'?
    """
    known = list(options)
    if isinstance(value, str) and value in known:
        return str(value)
    near = difflib.get_close_matches(value, known, 1, 0.75) if isinstance(value, str) and len(value) <= LONGEST else []
    accepted = " or ".join(map(repr, known)) if len(known) <= 2 else f"one of {', '.join(map(repr, known))}"
    hint = hint or (f"did you mean {near[0]!r}?" if near else "")
    refuse(name, value, accepted, otherwise=otherwise, hint=hint, error=error)


def path(name: str, value: Any, *, otherwise: str = "", hint: str = "", error: Refusal = InvalidArgumentError) -> Path:
    """A path that the system can look for, as text or as a ``pathlib.Path``.

    Examples
    --------
    >>> path("checkpoint", "run.h5").name
    'run.h5'
    >>> path("checkpoint", "")
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: checkpoint must be the path of a file, got ''
    """
    try:
        spelling = os.fspath(value)
    except TypeError:
        spelling = None
    if isinstance(spelling, str) and spelling and "\0" not in spelling:
        try:
            os.fsencode(spelling)
        except UnicodeError:
            hint = hint or "its characters cannot be part of a file's name"
        else:
            return Path(spelling)
    refuse(name, value, "the path of a file", otherwise=otherwise, hint=hint, error=error)


def instance(
    name: str,
    value: Any,
    types: type[T] | tuple[type[T], ...],
    accepted: str,
    *,
    otherwise: str = "",
    hint: str = "",
    error: Refusal = InvalidArgumentError,
) -> T:
    """An object of a class; the class itself in its place is told apart.

    Parameters
    ----------
    types
        The class, or several.
    accepted
        What is accepted, such as ``"a hermite_pinn.Field"``.

    Examples
    --------
    >>> instance("amount", int, int, "an int")
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: amount must be an int, got the class int; make an object of it: int(...)
    """
    if isinstance(value, types):
        return value
    if isinstance(value, type) and issubclass(value, types) and not hint:
        hint = f"make an object of it: {value.__name__}(...)"
    refuse(name, value, accepted, otherwise=otherwise, hint=hint, error=error)


def items(
    name: str,
    value: Any,
    accepted: str,
    *,
    least: int = 0,
    most: int = MOST_ITEMS,
    otherwise: str = "",
    hint: str = "",
    error: Refusal = InvalidArgumentError,
) -> list[Any]:
    """What a list, tuple, array or other iterable has in it, in order; text, mappings and sets are none.

    Parameters
    ----------
    accepted
        What is accepted, such as ``"a list of resolutions"``.
    least, most
        Range of the number of items.

    Examples
    --------
    >>> items("levels", (4, 8), "a list of resolutions")
    [4, 8]
    >>> items("levels", "48", "a list of resolutions")
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: levels must be a list of resolutions, got '48'
    """
    found: list[Any] | None = None
    if not isinstance(value, (str, bytes, bytearray, Mapping, set, frozenset, type)):
        try:
            found = list(itertools.islice(iter(value), most + 1))
        except TypeError:
            found = None
    if found is not None and least <= len(found) <= most:
        return found
    refuse(name, value, accepted, otherwise=otherwise, hint=hint, error=error)


def real_array(
    name: str,
    value: Any,
    *,
    shape: str = "an array of real numbers",
    columns: int | None = None,
    finite: bool = True,
    otherwise: str = "",
    hint: str = "",
    error: Refusal = InvalidArgumentError,
) -> np.ndarray:
    """Real numbers as a float64 array: from a number, nested lists, an array or a tensor.

    Parameters
    ----------
    shape
        What is accepted, in words.
    columns
        If given, the array must have two axes, and this length along the second.
    finite
        Whether all numbers must be finite.

    Examples
    --------
    >>> real_array("points", [[0, 1], [2, 3]], columns=2).dtype
    dtype('float64')
    >>> real_array("points", [[0, 1], [2]])
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: points must be an array of real numbers, got [[0, 1], [2]]
    """
    array = _real(value)
    if array is None:
        refuse(name, value, shape, otherwise=otherwise, hint=hint, error=error)
    if columns is not None and (array.ndim != 2 or array.shape[1] != columns):
        raise error(f"{name} must be {shape}, got the shape {array.shape}{f'; {hint}' if hint else ''}")
    if finite and not np.isfinite(array).all():
        count = int(array.size - np.isfinite(array).sum())
        raise error(f"{name} must be finite, and {count} of {array.size} numbers are NaN or infinite")
    return array


def _real(value: Any) -> np.ndarray | None:
    """A float64 array, or None if these are no real numbers."""
    try:
        plain = value.detach().cpu().resolve_conj().resolve_neg() if hasattr(value, "detach") else value
        array = np.asarray(plain)
        if array.dtype.kind in "biuf":
            return np.asarray(array, dtype=np.float64)
        if array.dtype.kind == "O" and all(isinstance(x, numbers.Real) for x in array.flat):
            return np.asarray(array, dtype=np.float64)
    except Exception:  # ragged lists, tensors without data, foreign objects: whatever their conversion raises
        return None
    return None


def either(check: Check, *constants: Any) -> Check:
    """A check that accepts some constants as they are, and anything that another check accepts.

    Examples
    --------
    >>> slabs = either(integer, "auto", None)
    >>> slabs("slabs", "auto"), slabs("slabs", 3)
    ('auto', 3)
    >>> slabs("slabs", "many")
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: slabs must be an integer or 'auto' or None, got 'many'
    """
    words = " or ".join(map(repr, constants))

    def checked(name: str, value: Any, **words_and_error: Any) -> Any:
        if any(value is c or (isinstance(value, str) and value == c) for c in constants):
            return value
        return check(name, value, otherwise=words, **words_and_error)

    return checked


def check_options(options: object, checks: Mapping[str, Check]) -> None:
    """Check the options of a frozen dataclass when it is made, and store them as plain types.

    Parameters
    ----------
    options
        The dataclass, in its ``__post_init__``.
    checks
        The check of every option by name.

    Raises
    ------
    InvalidArgumentError
        For the first option that is not accepted.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from functools import partial
    >>> @dataclass(frozen=True)
    ... class Options:
    ...     steps: int = 3
    ...
    ...     def __post_init__(self):
    ...         check_options(self, {"steps": partial(integer, least=1)})
    >>> Options(steps=True)
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: steps must be an integer of at least 1, got True
    """
    for name, check in checks.items():
        object.__setattr__(options, name, check(name, getattr(options, name)))
