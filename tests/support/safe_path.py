"""Modules are not looked for in the root of the checkout, whose folder cuda would be taken for a package of that name.

`python -m pytest` has the current folder in its path, and PyTorch and CuPy import that package: this comes before them.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:] = [place for place in sys.path if Path(place).resolve() != ROOT]
