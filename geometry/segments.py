"""Straight lines between two points: parts of them within a box, and short parts."""

from __future__ import annotations

import numpy as np

__all__ = ["clipped", "divided"]


def clipped(segments: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What of segments (n, 2, dim) lies between two corners, and the segments to which it belongs."""
    start, way = segments[:, 0], segments[:, 1] - segments[:, 0]
    still, inside = way == 0, (start >= lower) & (start <= upper)
    steps = np.where(still, 1.0, way)
    first, second = (lower - start) / steps, (upper - start) / steps
    enter = np.where(still, np.where(inside, 0.0, 1.0), np.minimum(first, second)).max(1).clip(min=0.0)
    leave = np.where(still, np.where(inside, 1.0, 0.0), np.maximum(first, second)).min(1).clip(max=1.0)
    which = np.flatnonzero(leave >= enter)
    part = segments[which].copy()
    late, early = enter[which] > 0.0, leave[which] < 1.0
    part[late, 0] += enter[which][late, None] * way[which][late]
    part[early, 1] -= (1.0 - leave[which][early, None]) * way[which][early]
    return part, which


def divided(segments: np.ndarray, longest: float) -> tuple[np.ndarray, np.ndarray]:
    """Segments (n, 2, dim) in parts that are not longer than some length, and the segments to which they belong."""
    lengths = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    parts = np.maximum(1, np.ceil(lengths / longest).astype(np.int64))
    origin = np.repeat(np.arange(len(segments)), parts)
    place = np.arange(origin.size) - np.repeat(np.cumsum(parts) - parts, parts)
    ends = np.stack([place, place + 1], axis=1) / parts[origin][:, None]
    start, way = segments[origin, 0], segments[origin, 1] - segments[origin, 0]
    return start[:, None, :] + ends[:, :, None] * way[:, None, :], origin
