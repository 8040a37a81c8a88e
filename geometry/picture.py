"""Small pictures of domains for notebooks, as SVG: an interval, an outline with its faces, or a solid."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch

from hermite_pinn.markup import block, escaped, figure, heading, picture_or_text, row, rows

from .solid_picture import sampled_level, solid_svg

__all__ = ["domain_html", "domain_picture", "faces_text"]

WIDE, HIGH = 210.0, 170.0  # pixels that the longest sides get
MARGIN = 34.0  # around it, for names
POINTS = 121  # along an axis, to find the outline
MOST_NAMES = 24  # faces that are named
FILL = 'fill="#4c8bf5" fill-opacity=".22" stroke="currentColor" stroke-width="1.2"'
TEXT = 'fill="currentColor" font-size="11" font-family="sans-serif"'


class Drawn(Protocol):
    """What a picture needs of a domain."""

    names: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    @property
    def is_cut(self) -> bool:
        """Whether shapes cut it."""

    @property
    def dim(self) -> int:
        """Number of axes."""

    @property
    def space_axes(self) -> tuple[int, ...]:
        """Numbers of the axes of space."""

    @property
    def time_axis(self) -> int | None:
        """Number of the time axis."""

    @property
    def faces(self) -> tuple[Any, ...]:
        """Regions with names."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences."""

    def cut_distance(self, x: torch.Tensor) -> torch.Tensor:
        """Distances to the shapes, negative inside."""


def domain_html(domain: Drawn) -> str:
    """What a notebook shows of a domain: its axes, its faces and a picture."""
    axes = ", ".join(
        f"<i>{escaped(n)}</i> in [{a:g}, {b:g}]"
        for n, a, b in zip(domain.names, domain.lower, domain.upper, strict=True)
    )
    told = rows(
        row("axes", axes),
        row("faces", faces_text(domain)),
        row("cut by", escaped(repr(domain), 200)) if domain.is_cut else "",
        *(row("note", escaped(note)) for note in domain.notes),
    )
    return block(heading("Domain", ""), told, domain_picture(domain))


def faces_text(domain: Drawn) -> str:
    """Names of the faces."""
    names = [f.name for f in domain.faces]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(f"<code>{escaped(n)}</code>" for n in names[:MOST_NAMES]) + more


def domain_picture(domain: Drawn) -> str:
    """A picture of a domain as HTML; a sentence in its place where it cannot be drawn."""
    return picture_or_text(lambda: _pictured(domain))


def _pictured(domain: Drawn) -> str:
    space = domain.space_axes
    if not space or domain.dim == 1:
        return figure(_interval(domain, 0))
    time = domain.time_axis
    if len(space) == 1 and time is not None:
        return figure(_plane(domain, space[0], time))
    below = ""
    if time is not None:
        ends = f"{domain.lower[time]:g} &rarr; {domain.upper[time]:g}"
        below = f"at every time, <i>t</i> = {ends}"
    drawn = _plane(domain, space[0], space[1]) if len(space) == 2 else solid_svg(domain)
    return figure(drawn, below=below)


def _svg(width: float, height: float, inner: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:100%">{inner}</svg>'
    )


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {TEXT}>{escaped(text, 40)}</text>'


def _interval(domain: Drawn, axis: int) -> str:
    """A line between two points."""
    a, b = MARGIN, MARGIN + WIDE
    line = f'<path d="M{a} 18H{b}M{a} 12V24M{b} 12V24" fill="none" stroke="currentColor" stroke-width="2"/>'
    name = domain.names[axis]
    ends = _text(a, 40, f"{domain.lower[axis]:g}") + _text(b, 40, f"{domain.upper[axis]:g}")
    faces = _text(a - 6, 22, f"{name}-", "end") + _text(b + 6, 22, f"{name}+", "start")
    return _svg(b + MARGIN, 46, line + ends + faces + _text(0.5 * (a + b), 40, name))


def _plane(domain: Drawn, across: int, up: int) -> str:
    """The domain in two axes, with the names of its faces."""
    low, high = np.array([[end[across], end[up]] for end in (domain.lower, domain.upper)])
    same = domain.time_axis not in (across, up)
    width, height = _sizes(float(high[0] - low[0]), float(high[1] - low[1]), same)

    def at(points: np.ndarray) -> np.ndarray:
        scaled = (points - low) / (high - low)
        return np.asarray(np.stack([MARGIN + scaled[:, 0] * width, 14 + (1 - scaled[:, 1]) * height], 1))

    x0, x1, y0, y1 = MARGIN, MARGIN + width, 14.0, 14.0 + height
    names = {f.name for f in domain.faces}
    if domain.is_cut and same:
        box = f'<rect x="{x0}" y="{y0}" width="{width:.1f}" height="{height:.1f}" fill="none" stroke="currentColor" stroke-opacity=".3" stroke-dasharray="3 3"/>'
        drawn = (
            box
            + f'<path d="{_path(domain, (across, up), at)}" fill-rule="evenodd" {FILL}/>'
            + _labels(domain, at, (across, up))
        )
    else:
        drawn = f'<rect x="{x0}" y="{y0}" width="{width:.1f}" height="{height:.1f}" {FILL}/>'
    h, v = domain.names[across], domain.names[up]
    middle, centre = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
    sides = [
        (f"{h}-", _text(x0 + 4, centre, f"{h}-", "start")), (f"{h}+", _text(x1 - 4, centre, f"{h}+", "end")),
        (f"{v}-", _text(middle, y1 - 5, f"{v}-")), (f"{v}+", _text(middle, y0 - 4, f"{v}+")),
    ]  # fmt: skip
    drawn += "".join(text for name, text in sides if name in names)
    drawn += _text(x0, y1 + 15, f"{low[0]:g}") + _text(x1, y1 + 15, f"{high[0]:g}") + _text(middle, y1 + 15, h)
    drawn += (
        _text(x0 - 4, y1, f"{low[1]:g}", "end")
        + _text(x0 - 4, y0 + 8, f"{high[1]:g}", "end")
        + _text(x0 - 4, centre, v, "end")
    )
    return _svg(x1 + MARGIN, y1 + 22, drawn)


def _sizes(across: float, up: float, same: bool) -> tuple[float, float]:
    """Pixels of the sides of a picture: in proportion, where both are lengths and neither gets too short."""
    if not same:
        return WIDE, 0.7 * HIGH
    scale = min(WIDE / across, HIGH / up)
    return max(across * scale, 60.0), max(up * scale, 40.0)


def _path(domain: Drawn, axes: tuple[int, int], at: Any) -> str:
    """The outline of a domain that shapes cut, as the path of an SVG."""
    from skimage.measure import find_contours

    level = sampled_level(domain, [POINTS, POINTS])
    padded = np.pad(level, 1, constant_values=max(1e-9, float(np.abs(level).max())) * 1e-6)
    span = [(domain.lower[i], domain.upper[i]) for i in axes]
    parts = []
    for loop in find_contours(padded, 0.0):
        inside = np.clip((loop - 1) / (POINTS - 1), 0.0, 1.0)
        points = np.stack([a + inside[:, k] * (b - a) for k, (a, b) in enumerate(span)], 1)
        parts.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in at(points)) + "Z")
    return "".join(parts)


def _labels(domain: Drawn, at: Any, axes: tuple[int, int]) -> str:
    """Names of faces that are no sides of the box, at a point on each."""
    texts = []
    for face in [f for f in domain.faces if f.plane is None][:MOST_NAMES]:
        x = face.quasi_random(8, 0).x.numpy()[list(axes)]
        ((px, py),) = at(x[:, np.argmax(x[0] + 0.3 * x[1])][None])
        texts.append(_text(px + 4, py - 3, face.name, "start"))
    return "".join(texts)
