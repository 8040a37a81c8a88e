"""Poses that are refined: which gradients of an encoder, which rate, with and without a curriculum of levels."""

from .cases import SCALES, WAYS, Case, Scale, Way, cases_of
from .report import compared, to_json, to_markdown
from .row import Row, kept_row, run_case

__all__ = [
    "SCALES",
    "WAYS",
    "Case",
    "Row",
    "Scale",
    "Way",
    "cases_of",
    "compared",
    "kept_row",
    "run_case",
    "to_json",
    "to_markdown",
]
