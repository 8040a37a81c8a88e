"""Implementations of an interface by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Protocol, TypeVar

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["Registry"]


class _Named(Protocol):
    name: ClassVar[str]


T = TypeVar("T", bound=type[_Named])


class Registry(Mapping[str, T]):
    """Classes by their ``name``; a name that is not there is an error that lists those that are.

    Parameters
    ----------
    kind
        What the classes are, for messages.
    members
        The classes.

    Examples
    --------
    >>> class Plain:
    ...     name = "plain"
    >>> Registry("encoder", [Plain])["plain"].__name__
    'Plain'
    """

    def __init__(self, kind: str, members: Iterable[T]) -> None:
        self.kind = kind
        self._members = {member.name: member for member in members}

    def __getitem__(self, name: str) -> T:
        try:
            return self._members[name]
        except (KeyError, TypeError):
            raise InvalidArgumentError(f"unknown {self.kind} {name!r}; known: {', '.join(self)}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)
