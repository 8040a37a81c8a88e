"""Checks that shapes cut a box in a way that leaves a domain."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from hermite_pinn.errors import InvalidProblemError

from .carving import BESIDE, MOST, Carving
from .cell_kinds import centres
from .cells import FULL, OUTSIDE
from .cut_sides import side_state
from .cutter import Cutter
from .shape import Surface

__all__ = ["check_cuts", "count_parts"]

FAR = 50.0  # ratio of the sizes of a shape and the box from which on units are suspected
ACROSS = 8  # points on a boundary that a box has along an edge at least
UNSEEN = 300.0  # ratio from which on no grid sees a shape
AXES = "xyz"


def check_cuts(box: str, carving: Carving) -> tuple[str, ...]:
    """Sentences about how the shapes lie in the box.

    Parameters
    ----------
    box
        How the box reads.
    carving
        The box and what cuts it.

    Raises
    ------
    InvalidProblemError
        If the shapes leave nothing, if the only shape changes nothing, or a shape is too small to be seen.
    """
    notes: list[str] = []
    for number, cutter in enumerate(carving.cutters):
        size = float(np.max(np.subtract(*cutter.shape.bounds[::-1])))
        if np.isfinite(size) and size * UNSEEN < carving.size and cutter.coarse.count:
            raise InvalidProblemError(f"no grid sees {cutter.shape!r} in {box}{_unit(carving, cutter)}")
        notes.extend(_effect(box, carving, number))
    if not _anything_left(carving):
        words = "; ".join(f"{'inside' if c.keep else 'outside'} {c.shape!r}" for c in carving.cutters)
        units = next(filter(None, (_unit(carving, c) for c in carving.cutters)), "")
        raise InvalidProblemError(f"the shapes leave nothing of {box}: there is no point {words}{units}")
    parts = count_parts(carving)
    if parts > 1:
        notes.append(f"the domain has {parts} parts that do not meet; each needs conditions of its own")
    return tuple(notes)


def _effect(box: str, carving: Carving, number: int) -> list[str]:
    """Sentences about what a cutter does; an error if that is nothing, and nothing else cuts."""
    cutter = carving.cutters[number]
    kinds = cutter.kinds(carving.lower, carving.upper, carving.resolution(carving.lower, carving.upper))
    inside = carving.in_box(cutter.coarse.x)
    changed = bool((kinds == OUTSIDE).any()) or bool(inside.any())
    if changed:
        if (kinds != OUTSIDE).any() and (kinds != FULL).any():  # its boundary passes
            _check_size(box, carving, cutter)
        return [*_contacts(carving, cutter, inside), *_suspicions(carving, cutter)]
    what = (
        f"{cutter.shape!r} contains all of {box}, so that it cuts nothing away"
        if cutter.keep
        else f"{cutter.shape!r} lies outside {box} ({_place(cutter)}), so that it cuts nothing away"
    )
    advice = "; make the box larger, or leave the shape out" if cutter.keep else "; move the shape, or leave it out"
    if len(carving.cutters) == 1:
        raise InvalidProblemError(f"{what}{_unit(carving, cutter) or advice}")
    return [what]


def _check_size(box: str, carving: Carving, cutter: Cutter) -> None:
    """Raise an error if the boundary of a shape is so large that hardly a point of it lies in the box."""
    apart = max((p.measure / MOST) ** (1.0 / (carving.dim - 1)) for p in cutter.shape.pieces)
    if apart * ACROSS > carving.size:
        raise InvalidProblemError(
            f"{cutter.shape!r} is too large beside {box} for points on its boundary, of which most lie outside; give it a size "
            "that is nearer to that of the box"
        )


def _place(cutter: Cutter) -> str:
    """The bounds of a shape in words."""
    low, high = cutter.shape.bounds
    return "within " + " x ".join(f"({a:.4g}, {b:.4g})" for a, b in zip(low, high, strict=True))


def _ratio(carving: Carving, cutter: Cutter) -> float:
    """The size of a shape over that of the box."""
    size = float(np.max(np.subtract(*cutter.shape.bounds[::-1])))
    return size / carving.size if np.isfinite(size) and size > 0 else 1.0


def _unit(carving: Carving, cutter: Cutter) -> str:
    """What to do about a shape in another unit; empty where its size is near that of the box."""
    ratio = _ratio(carving, cutter)
    if 1 / FAR < ratio < FAR:
        return ""
    factor = 10.0 ** (-3 * max(1, round(abs(math.log10(ratio)) / 3)) * math.copysign(1, ratio - 1))
    size = f"{ratio:.3g} times larger" if ratio > 1 else f"{1 / ratio:.3g} times smaller"
    return f"; the shape is {size} than the box: if its unit is another one, scale it by shape.scaled({factor:g})"


def _suspicions(carving: Carving, cutter: Cutter) -> list[str]:
    """A sentence about a shape that is much larger than the box although it has an end."""
    unit = _unit(carving, cutter)
    return [f"{cutter.shape!r} reaches far beyond the box{unit}"] if unit and _ratio(carving, cutter) > 1 else []


def _contacts(carving: Carving, cutter: Cutter, inside: np.ndarray) -> list[str]:
    """Sentences about sides that a shape touches without cutting them, or at which a part ends."""
    surface: Surface = cutter.coarse
    low, high = cutter.shape.bounds
    found = []
    for axis in range(carving.dim):
        for end in (0, 1):
            side = f"{AXES[axis]}{'-+'[end]}"
            position, bound = (carving.lower, carving.upper)[end][axis], (low, high)[end][axis]
            beyond = (bound - position) * (1 if end else -1)
            if abs(beyond) <= BESIDE * carving.size and side_state(carving, axis, end) != "cut" and inside.any():
                touching = surface.x[:, np.abs(surface.x[axis] - position) <= 2e-2 * carving.size]
                others = [i for i in range(carving.dim) if i != axis]
                within = (touching[others] >= carving.lower[others, None]) & (
                    touching[others] <= carving.upper[others, None]
                )
                if within.all(0).any() and not cutter.keep:
                    found.append(f"{cutter.shape!r} touches the side {side} of the box: the domain has a cusp there")
    return found


def _anything_left(carving: Carving) -> bool:
    kinds = carving.cells(carving.resolution(carving.lower, carving.upper)).kinds
    if (kinds == FULL).any():
        return True
    lower, upper = carving.extent
    if not (upper > lower).all():
        return False
    counts = carving.resolution(lower, upper)
    kinds = carving.kinds(lower, upper, counts)
    if (kinds == FULL).any():
        return True
    cells = np.stack(np.nonzero(kinds != OUTSIDE))
    if not cells.size:
        return False
    unit = np.random.default_rng(0).random((8, *cells.shape)) - 0.5
    sizes = ((upper - lower) / np.array(counts))[:, None]
    middles = centres(lower, upper, counts, cells)
    return any(bool(carving.kept(middles + u * sizes, 0.0).any()) for u in unit)


def count_parts(carving: Carving) -> int:
    """How many parts the domain has that no grid of moderate size connects."""
    kinds = carving.cells(carving.resolution(carving.lower, carving.upper)).kinds
    labels, count = ndimage.label(kinds != OUTSIDE)
    filled = np.unique(labels[kinds == FULL])
    return max(1, min(count, filled[filled > 0].size))
