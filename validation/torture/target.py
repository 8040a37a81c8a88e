"""A callable to attack, and its good arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hermite_pinn as hp

from .case import Bench
from .stock import poisson, solution

__all__ = ["Target", "filled", "of_solution"]


@dataclass(frozen=True)
class Target:
    """A callable that takes its arguments by name.

    Attributes
    ----------
    name
        As in the documents.
    call
        Takes the bench and the arguments by name.
    good
        Arguments that work; ``{place}`` and ``{good}`` in texts become the case's folder and a good file.
    """

    name: str
    call: Callable[..., Any]
    good: Mapping[str, Any]


def of_solution(call: Callable[..., Any]) -> Callable[..., Any]:
    """Of a solution read from a file, which knows its problem again."""

    def wrapped(bench: Bench, **arguments: Any) -> Any:
        loaded = hp.Solution.load(solution(bench.shared, "linear-2d"))
        loaded.problem = poisson()
        return call(loaded, **arguments)

    return wrapped


def filled(value: Any, bench: Bench) -> Any:
    """A good argument with the paths of this case."""
    if not isinstance(value, str) or "{" not in value:
        return value
    good: Path | str = solution(bench.shared, "linear-2d") if "{good}" in value else ""
    return value.format(place=bench.place, good=good)
