"""Codes of networks beside this package, each in an environment of its own."""

from .cases import CASES, Case, Training
from .codes import Code, entrants
from .environment import RIVALS, Rival, make
from .rows import Mark, Row
from .suite import kept_row, race, run_row

__all__ = [
    "CASES",
    "RIVALS",
    "Case",
    "Code",
    "Mark",
    "Rival",
    "Row",
    "Training",
    "entrants",
    "kept_row",
    "make",
    "race",
    "run_row",
]
