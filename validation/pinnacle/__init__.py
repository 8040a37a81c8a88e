"""The benchmark PINNacle, case by case, with the default call of the solver."""

from .cases import ROWS
from .report import to_json, to_markdown
from .row import Row, Task
from .suite import kept_row, run_row

__all__ = ["ROWS", "Row", "Task", "kept_row", "run_row", "to_json", "to_markdown"]
