"""Comparisons of variants of a method."""

from .ablation import Ablation, Column, Measure, Row, Variant
from .picture import draw_ablation
from .report import to_json, to_markdown
from .studies import ABLATIONS
from .suite import kept_row, run_variant

__all__ = [
    "ABLATIONS",
    "Ablation",
    "Column",
    "Measure",
    "Row",
    "Variant",
    "draw_ablation",
    "kept_row",
    "run_variant",
    "to_json",
    "to_markdown",
]
