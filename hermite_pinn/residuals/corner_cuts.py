"""Where the functions of a corner are cut: outside of the domain, and if they can be, as far as infinity.

Round a hole they cannot.  Then a cut ends in the middle of the hole, at the same point for all of its corners: the
functions are the smoother the farther that is from the domain, and those of corners that share it make up for each
other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage

from hermite_pinn.geometry import Domain
from hermite_pinn.geometry.corner import Corner

__all__ = ["contained", "cut_of", "hole_middles"]

#: Parts of the removed angle at which a function may be cut, in order of preference.
CUTS = (0.5, 0.42, 0.58, 0.35, 0.65, 0.27, 0.73, 0.2, 0.8, 0.1, 0.9)
LOOKED_AT = 192  # cells along an axis of the grid on which holes are looked for, in the box and round each of them
DEEP = 0.95  # of the largest distance from the domain: where the middle of a hole is


def cut_of(domain: Domain, corner: Corner, middles: Sequence[np.ndarray] = ()) -> tuple[tuple[float, float], float]:
    """A direction out of the domain, and the length of a cut along it, infinite where that is possible.

    Parameters
    ----------
    middles
        Of the holes; see :func:`hole_middles`.
    """
    removed = 2.0 * math.pi - corner.angle
    far = 2.0 * math.hypot(*domain.lengths)
    distances = np.concatenate([np.geomspace(1e-5, 1e-2, 40), np.linspace(1e-2, 1.0, 800)[1:]]) * far
    point = np.array(corner.point)[:, None]
    best, length, most = (1.0, 0.0), far, -1.0
    for part in CUTS:
        angle = corner.start + corner.angle + part * removed
        direction = math.cos(angle), math.sin(angle)
        along = np.array(direction)[:, None]
        there = contained(domain, point + along * distances)
        if not there.any():
            return direction, math.inf
        ends = float(distances[np.argmax(there)]) * np.linspace(0.1, 0.95, 18)
        score = ends * _clearance(domain, point + along * ends)
        if score.max() > most:
            best, length, most = direction, float(ends[np.argmax(score)]), float(score.max())
    to_middles = [(float(np.hypot(*(m - corner.point))), m) for m in middles]
    for distance, middle in sorted(to_middles, key=lambda pair: pair[0]):
        along = (middle - corner.point)[:, None] / max(distance, 1e-300)
        on_the_way = np.concatenate([np.geomspace(1e-4, 1e-2, 20), np.linspace(1e-2, 1.0, 400)[1:]]) * distance
        if distance > 0 and not contained(domain, point + along * on_the_way).any():
            return (float(along[0, 0]), float(along[1, 0])), distance
    return best, length


def hole_middles(domain: Domain) -> list[np.ndarray]:
    """Points (2,) in the middle of every hole of a domain in the plane, as far as a grid shows them."""
    lower, upper = np.array(domain.lower), np.array(domain.upper)
    size = (upper - lower) / LOOKED_AT
    labels, count = _holes(domain, lower, upper)
    middles = []
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        first, last = np.array([s.start for s in box]), np.array([s.stop for s in box])
        if number > count or (first == 0).any() or (last == LOOKED_AT).any():
            continue  # open to the outside of the box
        low, high = lower + (first - 1) * size, lower + (last + 1) * size
        own, found = _holes(domain, low, high)
        if not found:
            continue
        largest = 1 + int(np.argmax(np.bincount(own.ravel(), minlength=found + 1)[1:]))
        depth = ndimage.distance_transform_edt(own == largest, sampling=(high - low) / LOOKED_AT)
        deep = np.stack(np.nonzero(depth >= DEEP * depth.max()))
        middles.append(low + (deep.mean(1) + 0.5) * (high - low) / LOOKED_AT)
    return middles


def _holes(domain: Domain, lower: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, int]:
    """Connected parts of what is outside a domain between two corners, on a grid."""
    axes = [a + (b - a) * (np.arange(LOOKED_AT) + 0.5) / LOOKED_AT for a, b in zip(lower, upper, strict=True)]
    x = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")])
    labels, count = ndimage.label(~contained(domain, x).reshape(LOOKED_AT, LOOKED_AT))
    return labels, int(count)


def _clearance(domain: Domain, x: np.ndarray) -> np.ndarray:
    """About the distances (n,) of points (2, n) outside a domain from it."""
    radii = np.geomspace(1e-4, 2.0, 64) * math.hypot(*domain.lengths)
    turns = np.linspace(0.0, 2.0 * math.pi, 24, endpoint=False)
    rings = np.stack([np.outer(radii, f(turns)) for f in (np.cos, np.sin)])  # (2, radii, turns)
    around = (x[:, :, None, None] + rings[:, None]).reshape(2, -1)
    hit = np.asarray(contained(domain, around).reshape(x.shape[1], len(radii), -1).any(axis=2))
    return np.asarray(np.where(hit.any(1), radii[np.argmax(hit, axis=1)], np.inf))


def contained(domain: Domain, x: np.ndarray) -> np.ndarray:
    """Which points (2, n) lie in a domain, those outside of its box never."""
    lower, upper = (np.array(corner)[:, None] for corner in (domain.lower, domain.upper))
    within: np.ndarray = np.asarray(((x >= lower) & (x <= upper)).all(axis=0))
    within[within] = domain.contains(torch.as_tensor(x[:, within])).numpy()
    return within
