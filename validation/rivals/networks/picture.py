"""Error against CPU seconds, a panel per problem."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hermite_pinn.validation.rivals.panels import Panel, draw_panels

from .cases import Case
from .rows import Row

__all__ = ["draw_rows"]


def draw_rows(cases: Sequence[Case], rows: Sequence[Row], path: Path) -> None:
    """Write a picture with a panel for every problem that has results, and nothing if none has.

    Parameters
    ----------
    cases
        In the order of the panels.
    rows
        Of all codes.
    path
        Of the picture.
    """
    panels = [
        Panel(c.title, {r.code: [(m.seconds, m.error) for m in r.marks] for r in rows if r.case == c.name})
        for c in cases
    ]
    draw_panels(panels, list(dict.fromkeys(r.code for r in rows)), path, columns=3, same=True)
