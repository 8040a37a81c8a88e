"""Problems on cut domains, measured against exact solutions and independent references."""

from .case import Case, Measured, Outcome, run_case
from .cases import CASES
from .report import to_json, to_markdown

__all__ = ["CASES", "Case", "Measured", "Outcome", "run_case", "to_json", "to_markdown"]
