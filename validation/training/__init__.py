"""First-order methods with their defaults on the first examples of DeepXDE."""

from .cases import CASES, METHODS, Case
from .table import Row, rivals_of, run_case, to_markdown

__all__ = ["CASES", "METHODS", "Case", "Row", "rivals_of", "run_case", "to_markdown"]
