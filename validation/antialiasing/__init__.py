"""Pictures of a radiance field at scales at which it was not trained: PSNR with and without anti-aliasing."""

from .cases import CASES, Case
from .report import to_json, to_markdown
from .row import Row, kept_row, run_case

__all__ = ["CASES", "Case", "Row", "kept_row", "run_case", "to_json", "to_markdown"]
