"""Error against CPU seconds, a panel per contest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .contest import Contest, Curve
from .panels import Panel, draw_panels

__all__ = ["draw_curves"]


def draw_curves(contests: Sequence[Contest], curves: Mapping[str, Sequence[Curve]], path: Path) -> None:
    """Write a picture with a panel for every contest that has curves, and nothing if none has.

    Parameters
    ----------
    contests
        In the order of the panels.
    curves
        Of all codes, by the name of the contest.
    path
        Of the picture.
    """
    panels = [
        Panel(c.title, {k.code: [(p.seconds, p.error) for p in k.points] for k in curves.get(c.name, ())})
        for c in contests
    ]
    codes = list(dict.fromkeys(e.code for c in contests for e in c.entrants))
    draw_panels(panels, codes, path, columns=4, same=False)
