"""Names and arguments that were written almost as they are meant: messages with what is near."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from .checks import spelled
from .errors import InvalidArgumentError

__all__ = ["CallError", "keyword_only", "near", "options_named", "with_options_named"]

P = ParamSpec("P")
R = TypeVar("R")

SHORTEST = 3  # letters of a name that may begin another one
LONGEST = 60  # letters of a name that are compared
ALIKE = 0.65  # share of letters in common


class CallError(InvalidArgumentError, TypeError):
    """A call has arguments by position that are taken by name, or options that do not exist."""


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like another, without regard to case, or None.

    Examples
    --------
    >>> near("Dirichelt", ["Dirichlet", "Data"]), near("tolerance", ["tol", "seed"]), near("x", ["y"])
    ('Dirichlet', 'tol', None)
    """
    if len(name) > LONGEST:
        return None
    by_lower = {k.lower(): k for k in sorted(known, reverse=True)}
    lower = name.lower()
    alike = difflib.get_close_matches(lower, by_lower, 1, ALIKE)
    begun = [
        k for k in by_lower if min(len(k), len(lower)) >= SHORTEST and (k.startswith(lower) or lower.startswith(k))
    ]
    found = alike or sorted(begun, key=len)[-1:]
    return by_lower[found[0]] if found else None


def keyword_only(how: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate an ``__init__`` whose arguments are taken by name, so that arguments by position are explained.

    Parameters
    ----------
    how
        How a call is written; ``{name}`` is the name of the class.

    Raises
    ------
    CallError
        By the decorated call, if it has more arguments by position than it takes.

    Examples
    --------
    >>> class Point:
    ...     @keyword_only("{name}(x=1.0)")
    ...     def __init__(self, *, x):
    ...         self.x = x
    >>> Point(3)
    Traceback (most recent call last):
    hermite_pinn.calls.CallError: Point takes its arguments by name, got 3 without one; write Point(x=1.0)
    """

    def decorated(init: Callable[P, R]) -> Callable[P, R]:
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        most = sum(p.kind in kinds for p in inspect.signature(init).parameters.values())

        @functools.wraps(init)
        def checked(*args: P.args, **options: P.kwargs) -> R:
            if len(args) > most:
                name = type(args[0]).__name__
                others = "" if most == 1 else "further "
                raise CallError(
                    f"{name} takes its {others}arguments by name, got {spelled(args[most])} without one; write "
                    f"{how.format(name=name)}"
                )
            return init(*args, **options)

        return checked

    return decorated


def _check_options(name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Refuse options that a function does not have, with the nearest one that it has.

    Raises
    ------
    CallError
        If there is one.
    """
    known = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return
    for option in options:
        if option not in known:
            like = near(option, known)
            listed = ", ".join(n for n, p in known.items() if n != "self" and p.kind is not p.POSITIONAL_ONLY)
            told = f"did you mean {like}?" if like else f"it takes {listed}"
            raise CallError(f"{name}() has no argument {option!r}; {told}")


def options_named(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function, so that an option that it does not have is explained.

    Examples
    --------
    >>> @options_named
    ... def solve(problem, tol=1e-6):
    ...     return tol
    >>> solve("heat", tolerance=1e-3)
    Traceback (most recent call last):
    hermite_pinn.calls.CallError: solve() has no argument 'tolerance'; did you mean tol?
    """

    @functools.wraps(function)
    def checked(*args: P.args, **options: P.kwargs) -> R:
        try:
            inspect.signature(function).bind_partial(*args, **options)
        except TypeError:
            made = function.__name__ == "__init__"
            _check_options(type(args[0]).__name__ if made else function.__name__, function, options)
        return function(*args, **options)

    return checked


def with_options_named(kind: type[R]) -> type[R]:
    """Decorate a dataclass of options, so that one that it does not have is explained.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @with_options_named
    ... @dataclass(frozen=True)
    ... class Method:
    ...     steps: int = 10
    >>> Method(setps=3)
    Traceback (most recent call last):
    hermite_pinn.calls.CallError: Method() has no argument 'setps'; did you mean steps?
    """
    kind.__init__ = options_named(kind.__init__)  # type: ignore[method-assign]
    return kind
