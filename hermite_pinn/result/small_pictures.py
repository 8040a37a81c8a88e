"""Small pictures of fields for notebooks: a curve over one axis, a map over two, slices through more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hermite_pinn.colours import Anchors, coloured, scale_of
from hermite_pinn.markup import embedded, escaped, figure, picture_or_text

from .exportable import Exportable

__all__ = ["curve_svg", "field_pictures"]

WIDE, HIGH = 190.0, 150.0  # pixels
POINTS = {1: 201, 2: 81}  # per axis of a picture, by the number of axes it has
MOST, FEW = 6, 2  # fields that are drawn, and of which solids are drawn in three slices
TEXT = 'fill="currentColor" font-size="10" font-family="sans-serif"'


def field_pictures(solution: Exportable) -> str:
    """Pictures of the fields beside each other; a sentence in the place of what cannot be drawn."""
    return picture_or_text(lambda: "".join(_pictures(solution)))


def _pictures(solution: Exportable) -> list[str]:
    domain = solution.domain
    space = domain.space_axes
    if len(space) == 3 and len(solution.fields) <= FEW:
        return [p for a, b in ((0, 1), (0, 2), (1, 2)) for p in _slices(solution, [space[a], space[b]])]
    return _slices(solution, _drawn_axes(solution))


def _slices(solution: Exportable, free: list[int]) -> list[str]:
    """A picture of every field, over the axes that are not held fixed."""
    domain = solution.domain
    fixed = {i: _held(solution, i) for i in range(domain.dim) if i not in free}
    axes = [
        np.linspace(domain.lower[i], domain.upper[i], POINTS[len(free)]) if i in free else np.array([fixed[i]])
        for i in range(domain.dim)
    ]
    values = solution.on_grid(axes)[:, 0]
    held = ", ".join(f"{domain.names[i]} = {v:g}" for i, v in fixed.items())
    made = []
    for name, v in list(zip(solution.fields, values, strict=True))[:MOST]:
        flat = np.squeeze(v, axis=tuple(fixed)) if fixed else v
        title = f"<i>{escaped(name)}</i>" + (f" at {escaped(held)}" if held else "")
        if len(free) == 1:
            made.append(figure(curve_svg(axes[free[0]], [flat], domain.names[free[0]]), title))
        else:
            made.append(_mapped(domain, flat, free, title))
    left = len(solution.fields) - MOST
    return made + ([f"and {left} more fields"] if left > 0 else [])


def _drawn_axes(solution: Exportable) -> list[int]:
    """The axes of a picture: the first two of space, or the one of space and time."""
    domain = solution.domain
    space = list(domain.space_axes)
    if domain.dim == 1:
        return [0]
    return space[:2] if len(space) > 1 else [*space, *([] if domain.time_axis is None else [domain.time_axis])]


def _held(solution: Exportable, axis: int) -> float:
    """Where an axis is held that a picture does not have: the end of time, the middle of space."""
    domain = solution.domain
    if axis == domain.time_axis:
        return domain.upper[axis]
    return 0.5 * (domain.lower[axis] + domain.upper[axis])


def _mapped(domain: Any, values: np.ndarray, free: Sequence[int], title: str) -> str:
    """A map in colours, with its scale and the ends of its axes."""
    across, up = free
    low, high, anchors = scale_of(values)
    lengths = domain.upper[across] - domain.lower[across], domain.upper[up] - domain.lower[up]
    width, height = WIDE, 0.75 * HIGH
    if domain.time_axis not in free:
        scale = min(WIDE / lengths[0], HIGH / lengths[1])
        width, height = max(lengths[0] * scale, 50.0), max(lengths[1] * scale, 40.0)
    pixels = coloured(values.T[::-1], low, high, anchors)
    picture = embedded(np.ascontiguousarray(pixels), width=round(width), height=round(height), label="map of a field")
    ends = ", ".join(
        f"<i>{escaped(domain.names[i])}</i> {arrow} {domain.lower[i]:g} ... {domain.upper[i]:g}"
        for i, arrow in ((across, "&rarr;"), (up, "&uarr;"))
    )
    return figure(picture + _scale(low, high, anchors, width), title, ends)


def _scale(low: float, high: float, anchors: Anchors, width: float) -> str:
    """A bar of colours with its ends."""
    stops = ", ".join(f"#{a}" for a in anchors)
    return (
        f'<div style="width:{max(width, 90):.0f}px;font-size:80%"><div style="height:7px;margin-top:4px;'
        f'background:linear-gradient(to right, {stops})"></div><span>{low:.3g}</span>'
        f'<span style="float:right">{high:.3g}</span></div>'
    )


def curve_svg(
    x: np.ndarray, curves: Sequence[np.ndarray], name: str, *, logarithmic: bool = False, dots: bool = False
) -> str:
    """Curves over one axis with the ends of both axes; what is not finite is left out.

    Parameters
    ----------
    x, curves
        Positions (n,), and values (n,) of every curve.
    name
        Of the axis.
    logarithmic
        Whether values are drawn by their decimal logarithms.
    dots
        Whether points are marked.
    """
    shown = [np.log10(np.where(c > 0, c, np.nan)) if logarithmic else np.asarray(c, dtype=float) for c in curves]
    known = np.concatenate([c[np.isfinite(c)] for c in shown])
    if not known.size:
        return "nothing that is finite"
    low, high = float(known.min()), float(known.max())
    span, reach = (high - low) or 1.0, float(x[-1] - x[0]) or 1.0
    left, top = 46.0, 6.0
    parts = [
        f'<rect x="{left}" y="{top}" width="{WIDE}" height="{0.6 * HIGH}" fill="none" stroke="currentColor" stroke-opacity=".35"/>'
    ]
    for colour, c in zip(["#4c8bf5", "#e8743b", "#19a979"], shown, strict=False):
        px = left + (x - x[0]) / reach * WIDE
        py = top + 3 + (1 - (c - low) / span) * (0.6 * HIGH - 6)
        path, pen = [], "M"
        for a, b in zip(px.tolist(), py.tolist(), strict=True):
            if np.isfinite(b):
                path.append(f"{pen}{a:.1f} {b:.1f}")
                pen = "L"
            else:
                pen = "M"
        parts.append(f'<path d="{"".join(path)}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        if dots:
            marks = [(a, b) for a, b in zip(px.tolist(), py.tolist(), strict=True) if np.isfinite(b)]
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.4" fill="{colour}"/>' for a, b in marks]
    ends = (f"{10**low:.1e}", f"{10**high:.1e}") if logarithmic else (f"{low:.3g}", f"{high:.3g}")
    bottom = top + 0.6 * HIGH
    parts += [
        f'<text x="{left - 4}" y="{top + 9}" text-anchor="end" {TEXT}>{ends[1]}</text>',
        f'<text x="{left - 4}" y="{bottom}" text-anchor="end" {TEXT}>{ends[0]}</text>',
        f'<text x="{left}" y="{bottom + 12}" {TEXT}>{x[0]:.3g}</text>',
        f'<text x="{left + WIDE}" y="{bottom + 12}" text-anchor="end" {TEXT}>{x[-1]:.3g}</text>',
        f'<text x="{left + 0.5 * WIDE}" y="{bottom + 12}" text-anchor="middle" {TEXT}>{escaped(name, 30)}</text>',
    ]
    width, height = left + WIDE + 6, bottom + 18
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:100%">{"".join(parts)}</svg>'
