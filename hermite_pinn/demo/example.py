"""What an example of the demonstration is, and what is shown of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hermite_pinn.result.solution import Solution

__all__ = ["Example", "Shown"]


@dataclass(frozen=True)
class Shown:
    """A result, with what was measured of it and the files that were written.

    Attributes
    ----------
    solution
        The result itself.
    facts
        What is told of it, by name.
    picture
        The picture for the page.
    files
        All files, the picture among them.
    """

    solution: Solution
    facts: Mapping[str, str]
    picture: Path
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Example:
    """One example.

    Attributes
    ----------
    name
        A word, for ``--only`` and the names of files.
    title
        A line.
    about
        Sentences that say what is solved.
    equations
        What is solved, in signs.
    code
        How it is written.
    show
        Solves it, writes files to a folder and tells what was found; with True at a fraction of the cost.
    """

    name: str
    title: str
    about: str
    equations: str
    code: str
    show: Callable[[Path, bool], Shown]
