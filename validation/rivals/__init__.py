"""The package beside finite elements, spectral methods and integrators: CPU seconds at equal error."""

from .cases import CONTESTS
from .contest import Answer, Contest, Curve, Entrant, Point, run_entrant
from .picture import draw_curves
from .report import to_json, to_markdown
from .suite import kept_curve, run_curve

__all__ = [
    "CONTESTS",
    "Answer",
    "Contest",
    "Curve",
    "Entrant",
    "Point",
    "draw_curves",
    "kept_curve",
    "run_curve",
    "run_entrant",
    "to_json",
    "to_markdown",
]
