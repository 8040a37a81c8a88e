"""Small pictures of solids: a box as its edges, and what shapes leave of it as a shaded surface."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from hermite_pinn.markup import escaped

__all__ = ["sampled_level", "solid_svg"]

SIZE = 190.0  # pixels
MARGIN = 26.0
CELLS = 24  # along the longest edge of what is drawn
SHARP = 2  # times finer than it is shown
TURN, TILT = np.radians(-35.0), np.radians(24.0)
LIGHT = np.array([-0.35, -0.75, 0.56])
HALF = 0.55  # share of its box from which on a domain is shown without its front half
GROUND = np.array([103.0, 155.0, 226.0])


def solid_svg(domain: Any) -> str:
    """The box around a domain with three axes of space and, where shapes cut it, its surface."""
    space = domain.space_axes
    lower, upper = np.array(domain.lower)[list(space)], np.array(domain.upper)[list(space)]
    corners = np.stack([g.ravel() for g in np.meshgrid(*zip(lower, upper, strict=True), indexing="ij")], 1)
    flat = _seen(corners)[:, :2]
    start, reach = flat.min(0), float(np.ptp(flat, axis=0).max())

    def at(points: np.ndarray) -> np.ndarray:
        return np.asarray((_seen(points)[:, :2] - start) * (SIZE / reach) + MARGIN)

    width, height = np.ptp(flat, axis=0) * (SIZE / reach) + 2 * MARGIN
    drawn = ""
    if domain.is_cut:
        drawn = _surface(domain, lower, upper, at, (int(width), int(height)))
    drawn += _edges(corners, at, domain.is_cut)
    drawn += _names([domain.names[i] for i in space], lower, upper, at)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:100%">{drawn}</svg>'
    )


def _seen(points: np.ndarray) -> np.ndarray:
    """Points (n, 3) as they are seen: to the right, downwards, and away from the eye."""
    x, y, z = points.T
    right, away = x * np.cos(TURN) - y * np.sin(TURN), x * np.sin(TURN) + y * np.cos(TURN)
    return np.stack([right, -(z * np.cos(TILT) + away * np.sin(TILT)), away * np.cos(TILT) - z * np.sin(TILT)], 1)


def _edges(corners: np.ndarray, at: Any, faint: bool) -> str:
    """The twelve edges, those behind dashed."""
    hidden = int(np.argmax(_seen(corners)[:, 2]))
    places, lines = at(corners), []
    for i in range(8):
        for bit in (1, 2, 4):
            if not i & bit:
                j = i | bit
                dashed = ' stroke-dasharray="3 3" stroke-opacity=".45"' if hidden in (i, j) or faint else ""
                (x0, y0), (x1, y1) = places[i], places[j]
                lines.append(
                    f'<path d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}" stroke="currentColor" stroke-width="1.1"{dashed}/>'
                )
    return "".join(lines)


def _names(names: list[str], lower: np.ndarray, upper: np.ndarray, at: Any) -> str:
    """The axes, with their ends, beside edges that nothing hides."""
    texts, middle = [], 0.5 * (lower + upper)
    corner = {0: (1, lower[1], 2, lower[2]), 1: (0, upper[0], 2, lower[2]), 2: (0, lower[0], 1, lower[1])}
    shift = {0: (-4, 15, "middle"), 1: (8, 10, "start"), 2: (-6, 0, "end")}
    for axis, name in enumerate(names):
        place = middle.copy()
        i, a, j, b = corner[axis]
        place[i], place[j] = a, b
        ((x, y),) = at(place[None])
        dx, dy, anchor = shift[axis]
        texts.append(
            f'<text x="{x + dx:.1f}" y="{y + dy:.1f}" text-anchor="{anchor}" fill="currentColor" font-size="11" '
            f'font-family="sans-serif">{escaped(name, 20)}<title>{lower[axis]:g} ... {upper[axis]:g}</title></text>'
        )
    return "".join(texts)


def _surface(domain: Any, lower: np.ndarray, upper: np.ndarray, at: Any, size: tuple[int, int]) -> str:
    """The boundary of what shapes leave, shaded, as a picture inside the SVG."""
    from PIL import Image, ImageDraw
    from skimage.measure import marching_cubes

    counts = [max(6, round(CELLS * share)) + 1 for share in (upper - lower) / float((upper - lower).max())]
    level = sampled_level(domain, counts)
    if (level < 0).mean() > HALF:
        level[:, : counts[1] // 2] = np.abs(level[:, : counts[1] // 2]) + 1e-9
    padded = np.pad(level, 1, constant_values=1e-3 * float(np.abs(level).max()))
    if not padded.min() < 0.0 < padded.max():
        return ""
    vertices, faces, _, _ = marching_cubes(padded, 0.0)
    share = np.clip((vertices - 1) / (np.array(counts) - 1), 0.0, 1.0)
    points = lower + share * (upper - lower)
    corners = points[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    bright = 0.45 + 0.55 * np.abs(normals @ (LIGHT / np.linalg.norm(LIGHT)))
    order = np.argsort(-_seen(points)[:, 2][faces].mean(1))
    flat = at(points)[faces] * SHARP
    picture = Image.new("RGBA", (size[0] * SHARP, size[1] * SHARP))
    brush = ImageDraw.Draw(picture)
    for k in order.tolist():
        tone = tuple(int(c) for c in np.minimum(GROUND * bright[k], 255.0))
        brush.polygon([tuple(p) for p in flat[k].tolist()], fill=(*tone, 255))
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.BOX).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<image width="{size[0]}" height="{size[1]}" href="data:image/png;base64,{data}"/>'


def sampled_level(domain: Any, counts: Sequence[int]) -> np.ndarray:
    """Distances to what cuts a domain on a grid over the axes of space, at the start of time."""
    space = domain.space_axes
    lines = [np.linspace(domain.lower[i], domain.upper[i], n) for i, n in zip(space, counts, strict=True)]
    mesh = np.meshgrid(*lines, indexing="ij")
    x = np.empty((domain.dim, mesh[0].size))
    x[:] = np.array(domain.lower)[:, None]
    for i, g in zip(space, mesh, strict=True):
        x[i] = g.ravel()
    return domain.cut_distance(torch.as_tensor(x)).detach().cpu().numpy().reshape(mesh[0].shape).copy()
