"""Pictures from their derivatives: PSNR of direct solutions, and of encoders that are trained."""

from .cases import CASES, Case
from .report import draw_rows, to_json, to_markdown
from .row import Row, kept_row, run_case

__all__ = ["CASES", "Case", "Row", "draw_rows", "kept_row", "run_case", "to_json", "to_markdown"]
