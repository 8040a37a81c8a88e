"""Radiance fields of a synthetic scene and of photographs: quality, seconds, samples, and encoders compared."""

from .cases import CASES, Case, Goal
from .report import draw_rows, medians, missed, to_json, to_markdown
from .row import Row, kept_row, run_case

__all__ = [
    "CASES",
    "Case",
    "Goal",
    "Row",
    "draw_rows",
    "kept_row",
    "medians",
    "missed",
    "run_case",
    "to_json",
    "to_markdown",
]
