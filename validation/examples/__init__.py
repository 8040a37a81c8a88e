"""The examples of DeepXDE as problems of this package: errors, CPU seconds, lines and statuses."""

from .evolution import EVOLUTION
from .example import Example, lines_of
from .forward import ORDINARY, STATIONARY
from .fractional import FRACTIONAL
from .inverse import INVERSE
from .report import to_json, to_markdown
from .row import Row, kept_row, run_example

__all__ = ["EXAMPLES", "Example", "Row", "kept_row", "lines_of", "run_example", "to_json", "to_markdown"]

#: By name, in the order of the list.
EXAMPLES = {example.name: example for example in (*ORDINARY, *STATIONARY, *EVOLUTION, *FRACTIONAL, *INVERSE)}
