"""All classes of attacks by name."""

from __future__ import annotations

from importlib import import_module

from .case import Case

__all__ = ["ATTACKS", "cases_of"]

#: Classes of attacks, and how many cases of each the quick selection has.
ATTACKS = {
    "altered_files": 50,
    "kills": 5,
    "disks": 14,
    "calls": 120,
    "command_lines": 16,
    "environments": 8,
    "statuses": 7,
}


def cases_of(attack: str, seed: int) -> list[Case]:
    """All cases of a class with the random choices of a seed."""
    cases: list[Case] = import_module(f".{attack}", __package__).cases(seed)
    return cases
