"""One attack and what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path

__all__ = ["Bench", "Case", "Fault", "Kind", "Skipped", "Verdict"]


class Kind(StrEnum):
    """What came of a case; the last six are faults."""

    OK = "ok"
    REFUSED = "refused"
    SKIPPED = "skipped"
    CRASH = "crash"
    HANG = "hang"
    RAW = "raw error"
    LOSS = "silent loss"
    MEMORY = "memory"
    ACCEPTED = "accepted"
    STATUS = "wrong status"

    @property
    def fault(self) -> bool:
        """Whether the package did what it must never do."""
        return self not in (Kind.OK, Kind.REFUSED, Kind.SKIPPED)


@dataclass(frozen=True)
class Verdict:
    """How a case ended.

    Attributes
    ----------
    kind
        ``ok``; ``refused`` by an error of the package with a message; ``skipped`` where this machine does not allow the
        attack; or a fault: ``crash`` (a signal), ``hang``, ``raw error`` (an exception of another library or of the
        language, or an error that comes too late), ``silent loss`` (a result or a good file is gone, or what is read
        is not what was written), ``memory``, ``accepted`` (nonsense that is not refused), ``wrong status``.
    detail
        The same in words.
    seconds
        How long it took.
    """

    kind: Kind
    detail: str = ""
    seconds: float = 0.0


class Fault(Exception):  # noqa: N818 (it is what is looked for, not what went wrong here)
    """Raised by a case that finds a fault."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class Skipped(Exception):  # noqa: N818
    """Raised by a case that this machine does not allow."""


@dataclass(frozen=True)
class Bench:
    """What a case is given.

    Attributes
    ----------
    place
        An empty folder of its own.
    shared
        A folder of good files, made by whoever needs them first; see :mod:`.stock`.
    key
        What the random numbers depend on.
    """

    place: Path
    shared: Path
    key: str

    @cached_property
    def random(self) -> random.Random:
        """The same numbers whenever the case is repeated."""
        return random.Random(self.key)


@dataclass(frozen=True)
class Case:
    """An attack that can be repeated.

    Attributes
    ----------
    attack
        Name of its class.
    name
        Its own name, unique in the class.
    seed
        Of its random choices.
    action
        What is done; what it raises decides the verdict.
    limit
        Seconds after which it counts as hanging, compilation apart.
    memory
        Bytes by which the process may grow.
    refused
        Whether nothing but an error of the package will do.
    long
        Whether it takes too long for the quick selection.
    """

    attack: str
    name: str
    seed: int
    action: Callable[[Bench], object] = field(repr=False, compare=False)
    limit: float = 15.0
    memory: int = 2**30
    refused: bool = False
    long: bool = False

    @property
    def command(self) -> str:
        """Repeats the case."""
        return (
            f"python -m hermite_pinn.validation.torture --class {self.attack} --case '{self.name}' --seed {self.seed}"
        )

    def bench(self, place: Path, shared: Path) -> Bench:
        """What the case is given, with files in ``place``."""
        return Bench(place, shared, f"{self.attack}/{self.name}/{self.seed}")
