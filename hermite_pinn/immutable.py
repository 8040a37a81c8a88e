"""Objects that do not change once they are made."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NoReturn, TypeVar

import numpy as np

from .errors import HermitePinnError

__all__ = ["Immutable", "ImmutableError", "ReadOnly", "read_only"]

V = TypeVar("V")


class ImmutableError(HermitePinnError, AttributeError):
    """An attribute of an object that does not change was assigned or deleted; the message says what to do instead."""


class Immutable:
    """Base of classes whose attributes are set by ``__init__`` and by nothing else.

    Examples
    --------
    >>> class Point(Immutable):
    ...     def __init__(self, x):
    ...         self.x = x
    >>> Point(1.0).x = 2.0
    Traceback (most recent call last):
    hermite_pinn.immutable.ImmutableError: x of a Point cannot be changed; make another one
    """

    #: What to do instead of an assignment.
    instead: ClassVar[str] = "make another one"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _closing(cls.__init__)  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        if "_closed" in vars(self):
            self._refuse(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        raise ImmutableError(f"{name} of a {type(self).__name__} cannot be changed; {self.instead}")


def _closing(init: Callable[..., None]) -> Callable[..., None]:
    """An ``__init__`` after which nothing is assigned; that of a base class leaves the object open."""

    @functools.wraps(init)
    def closing(self: Any, *args: Any, **options: Any) -> None:
        init(self, *args, **options)
        if type(self).__init__ is closing:
            vars(self)["_closed"] = True

    return closing


class ReadOnly(Mapping[str, V]):
    """A mapping by name that does not change; it keeps its own copy of what it is made of.

    Examples
    --------
    >>> values = ReadOnly({"u": 1.0})
    >>> values["u"], values == {"u": 1.0}
    (1.0, True)
    >>> values["u"] = 2.0
    Traceback (most recent call last):
    TypeError: 'ReadOnly' object does not support item assignment
    """

    def __init__(self, entries: Mapping[str, V]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> V:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return repr(self._entries)

    def _ipython_key_completions_(self) -> list[str]:
        """The names, for the tab key of IPython and notebooks."""
        return list(self._entries)


def read_only(array: np.ndarray) -> np.ndarray:
    """A copy of an array that cannot be written to."""
    copy = array.copy()
    copy.setflags(write=False)
    return copy
