"""What an ablation is: a question, variants that differ in one thing, and the numbers that each of them gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["COST", "SOLVED", "Ablation", "Column", "Measure", "Row", "Variant"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    key
        Of :attr:`Row.numbers`.
    heading
        With the unit.
    form
        Format of its numbers.
    """

    key: str
    heading: str
    form: str

    def spelled(self, numbers: dict[str, float]) -> str:
        """The number of a row, or "" if it has none.

        Examples
        --------
        >>> Column("error", "relative L2", ".1e").spelled({"error": 0.0123})
        '1.2e-02'
        """
        return format(numbers[self.key], self.form) if self.key in numbers else ""


#: Of runs that solve a problem.
SOLVED = (
    Column("error", "relative L2", ".2e"),
    Column("seconds", "CPU s", ".1f"),
    Column("steps", "steps", ",.0f"),
    Column("parameters", "parameters", ",.0f"),
)

#: Of steps that are timed.
COST = (
    Column("milliseconds", "CPU ms per step", ".0f"),
    Column("memory", "peak memory, MiB", ".0f"),
)


class Measure(ABC):
    """Something that is run once and gives numbers."""

    @property
    @abstractmethod
    def asked(self) -> dict[str, Any]:
        """All that the numbers depend on, as plain data."""

    @abstractmethod
    def run(self) -> dict[str, float]:
        """The numbers, by the keys of columns."""


@dataclass(frozen=True)
class Variant:
    """One of the things that are compared.

    Attributes
    ----------
    name
        What is special about it.
    group
        What it is compared within: the first variant of a group is what the others are divided by.
    measure
        What is run.
    """

    name: str
    group: str
    measure: Measure


@dataclass(frozen=True)
class Ablation:
    """Variants that differ in one thing.

    Attributes
    ----------
    name
        For ``--only`` and files.
    title
        Of its section.
    question
        One sentence.
    variants
        Of every group the one first that the others are compared with.
    columns
        Of the table; the first one is drawn and compared.
    spread
        Whether the variants of a group are repetitions, so that their smallest, middle and largest number are told.
    """

    name: str
    title: str
    question: str
    variants: tuple[Variant, ...]
    columns: tuple[Column, ...] = SOLVED
    spread: bool = False

    @property
    def groups(self) -> list[str]:
        """Names of the groups in order."""
        return list(dict.fromkeys(v.group for v in self.variants))


@dataclass(frozen=True)
class Row:
    """What a variant gave: numbers, or the reason why there are none."""

    variant: str
    group: str
    numbers: dict[str, float] = field(default_factory=dict)
    reason: str = ""

    def line(self, columns: Sequence[Column]) -> str:
        """One line for people."""
        told = "  ".join(f"{c.heading} {c.spelled(self.numbers)}" for c in columns if c.key in self.numbers)
        return f"{self.group:<14} {self.variant:<44} {told or self.reason}"
