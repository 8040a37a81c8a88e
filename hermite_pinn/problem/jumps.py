"""Where coefficients and sources jump or have kinks, as far as the traced expressions tell.

A comparison, ``abs``, ``sign``, ``floor``, ``maximum`` or ``minimum`` of functions of one coordinate changes along
lines of the grid, if they are put there; a table that does the same is found by its values.  What changes along other
curves is told, since it limits the order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.expressions.elementary import registered
from hermite_pinn.expressions.graph import Expr, postorder
from hermite_pinn.expressions.program import Leaf, Program, leaves
from hermite_pinn.expressions.spelling import spelled
from hermite_pinn.geometry import Domain, sobol_cube

__all__ = ["MOST", "Jumps", "find_jumps"]

MOST = 64  # lines along an axis
BLOCKS = 256  # into which they cut a box of two or more axes, beside time
SAMPLES = 4096  # intervals of an axis in which there can be one
LINES = 8  # along an axis, on which a table is looked at
HALVINGS = 60
STEEP = 20.0  # a step between neighbours, over the median, that may be a jump
SHARE = 0.1  # of the intervals in which a table changes, if it is constant in between
KEPT = 0.3  # of a step that is left after all halvings, if it is a jump
CLOSE = 1e-9  # places on several lines, relative to the length of the axis, that are one

_SWITCHES = {"less", "less_equal", "greater", "greater_equal", "abs", "sign", "maximum", "minimum", "not_equal"}
_STEPS = {"floor", "ceil"}


@dataclass(frozen=True)
class Jumps:
    """What is found.

    Attributes
    ----------
    breaks
        By axis, where grids should have lines, ascending.
    notes
        Sentences about jumps that no lines of a grid follow.
    everywhere
        Whether these are all: nothing jumps or has a kink anywhere else, as far as can be known.
    rough
        The nodes that change along no line of a grid: comparisons and the like of several coordinates, and tables; all
        that change on domains that shapes cut, whose grids have no such lines.
    """

    breaks: dict[str, tuple[float, ...]]
    notes: tuple[str, ...]
    everywhere: bool
    rough: tuple[Expr, ...] = ()


def find_jumps(expressions: Sequence[Expr], domain: Domain, has_flux: bool = False) -> Jumps:
    """The jumps and kinks of some expressions along the axes of a domain.

    Those that depend on fields or parameters are nowhere in particular, and are left out.

    Parameters
    ----------
    expressions
        Equations, and what derivatives of whole expressions in them are taken of.
    domain
        Where they hold.
    has_flux
        Whether there are such derivatives, for which lines are put wherever there are not more than :data:`MOST`.

    Examples
    --------
    >>> from hermite_pinn.expressions.functions import where
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> from hermite_pinn.geometry import Box
    >>> x, y = coordinate("x"), coordinate("y")
    >>> found = find_jumps([where((x < 0.3) & (y * y > 0.25), 1.0, 2.0), abs(x - y)], Box(x=(0, 1), y=(0, 1)))
    >>> found.breaks, len(found.notes)
    ({'x': (0.3,), 'y': (0.5,)}, 1)
    """
    places: dict[str, set[float]] = {name: set() for name in domain.names}
    curved: dict[str, None] = {}
    many: dict[str, int] = {}
    rough: list[Expr] = []
    along: dict[str, list[Expr]] = {name: [] for name in domain.names}  # what changes along lines across an axis
    everywhere = True
    for e in postorder(*expressions):
        if e.op in _SWITCHES or e.op in _STEPS:
            coordinates = _coordinates(e.args)
            if not coordinates:
                everywhere &= coordinates is not None
                continue
            if len(coordinates) > 1:
                curved[spelled(e, 60)] = None
                rough.append(e)
                continue
            name = coordinates[0]
            along[name].append(e)
            found = _changes(_state(e, name), *domain.bounds[name])
        elif e.op == "opaque":
            found_in = _table(e, domain)
            everywhere &= bool(found_in) and all(own.flat for _, own in found_in)
            for name, own in found_in:
                if own.elsewhere:
                    curved[spelled(e, 60)] = None
                if own.elsewhere or own.steep:
                    rough.append(e)
                along[name].append(e)
                _enter(places, many, name, own.places)
            continue
        else:
            continue
        _enter(places, many, name, found)
    if domain.time_axis is not None and not has_flux:
        cells = math.prod(len(places[name]) + 1 for name in domain.names if name != domain.names[domain.time_axis])
        if domain.dim > 2 and cells > BLOCKS:  # all times at once on all of these cells would take too long
            many |= {name: len(own) for name, own in places.items() if own}
    notes = [
        f"{text} changes along no line of the grid: its jumps and kinks lower the order of convergence to 1 or 2"
        for text in curved
    ]
    notes += [
        f"coefficients or sources have {count} jumps or kinks along {name}, too many for lines of the grid there: "
        "the order of convergence is 1 or 2 until its cells are as small"
        for name, count in many.items()
    ]
    breaks = {name: tuple(sorted(own)) for name, own in places.items() if own and name not in many}
    rough += [e for name in (along if domain.is_cut else many) for e in along[name]]
    unique = {id(e): e for e in rough}
    return Jumps(breaks, tuple(notes), everywhere and not notes, tuple(unique.values()))


def _enter(places: dict[str, set[float]], many: dict[str, int], name: str, found: Sequence[float]) -> None:
    places[name] |= set(found)
    if len(places[name]) > MOST:
        many[name] = len(places[name])


def _coordinates(args: Iterable[Expr]) -> list[str] | None:
    """The coordinates on which operands depend; None where they depend on anything else."""
    found = leaves(*args)
    if any(kind != "coordinate" for kind, _ in found):
        return None
    return sorted({data for _, data in found})


def _state(e: Expr, name: str) -> Callable[[np.ndarray], np.ndarray]:
    """What changes at a jump of a node, at coordinates (n,)."""
    table = registered()
    if e.op in _STEPS:
        program = Program([Expr(e.op, e.args)])
    else:
        program = Program([e.args[0] - e.args[1] if len(e.args) > 1 else e.args[0]])

    def state(x: np.ndarray) -> np.ndarray:
        value = np.broadcast_to(np.asarray(program.run({("coordinate", name): torch.as_tensor(x)})[0]), x.shape)
        return value if e.op in _STEPS else np.sign(value)

    assert e.op in table
    return state


def _changes(state: Callable[[np.ndarray], np.ndarray], lower: float, upper: float) -> list[float]:
    """Where a function that is constant in between changes, to rounding."""
    x = np.linspace(lower, upper, SAMPLES + 1)
    with np.errstate(all="ignore"):
        try:
            s = state(x)
        except Exception:  # the statement is checked, and evaluated, elsewhere
            return []
        at = np.flatnonzero(s[1:] != s[:-1])
        if len(at) > 4 * MOST:
            return list(x[at])
        a, b, left = x[at], x[at + 1], s[at]
        for _ in range(HALVINGS):
            middle = 0.5 * (a + b)
            same = state(middle) == left
            a, b = np.where(same, middle, a), np.where(same, b, middle)
    return _apart(b, upper - lower)


def _apart(places: np.ndarray, length: float) -> list[float]:
    """Places, ascending, those that are one but for rounding once."""
    found: list[float] = []
    for place in sorted(map(float, places)):
        if not found or place - found[-1] > CLOSE * length:
            found.append(place)
    return found


@dataclass(frozen=True)
class _Steps:
    """Where a tabulated function jumps along an axis.

    Attributes
    ----------
    places
        On all lines alike.
    elsewhere
        Whether there are other jumps, on some lines.
    flat
        Whether it is constant in between.
    steep
        Whether it changes much within some intervals without a jump.
    """

    places: list[float]
    elsewhere: bool = False
    flat: bool = False
    steep: bool = False


def _table(e: Expr, domain: Domain) -> list[tuple[str, _Steps]]:
    """By axis, where a tabulated function jumps."""
    names = _coordinates(e.args)
    if not names:
        return []
    program = Program([e])
    unit = sobol_cube(domain.dim, LINES, 0).numpy()
    others = {
        name: a + (b - a) * unit[:, i]
        for i, (name, a, b) in enumerate(zip(domain.names, domain.lower, domain.upper, strict=True))
    }
    result = []
    for name in names:
        lower, upper = domain.bounds[name]
        fixed = [n for n in names if n != name]
        lines = LINES if fixed else 1

        def values(x: np.ndarray, name: str = name, fixed: Sequence[str] = fixed) -> np.ndarray:
            env: dict[Leaf, torch.Tensor | float] = {("coordinate", name): torch.as_tensor(x)}
            for n in fixed:
                env[("coordinate", n)] = torch.as_tensor(np.broadcast_to(others[n][:, None], x.shape).copy())
            return np.broadcast_to(np.asarray(program.run(env)[0], dtype=float), x.shape)

        try:
            own = _steps(values, lower, upper, lines)
        except Exception:  # outside what it is defined for, perhaps; it is checked elsewhere
            own = _Steps([])
        result.append((name, own))
    return result


def _steps(values: Callable[[np.ndarray], np.ndarray], lower: float, upper: float, lines: int) -> _Steps:
    """Jumps of a function on some lines (lines, n)."""
    x = np.broadcast_to(np.linspace(lower, upper, SAMPLES + 1), (lines, SAMPLES + 1)).copy()
    v = values(x)
    if not np.isfinite(v).all():
        return _Steps([])
    step = np.abs(np.diff(v, axis=1))
    flat = float(np.mean(step > 0)) < SHARE
    if not step.any():
        return _Steps([], flat=True)
    scale = np.abs(v).max()
    row, at = np.nonzero(step > np.maximum(STEEP * np.median(step, 1, keepdims=True), 1e-9 * scale))
    if len(at) > 4 * MOST * lines:
        return _Steps(_apart(x[row, at], upper - lower), flat=flat)
    first, a, b = step[row, at], x[row, at], x[row, at + 1]
    va, vb = v[row, at], v[row, at + 1]
    for _ in range(HALVINGS):
        middle = 0.5 * (a + b)
        every = np.broadcast_to(middle, (lines, len(middle))).copy()
        vm = values(every)[row, np.arange(len(row))]
        to_left = np.abs(vm - va) >= np.abs(vb - vm)
        a, va = np.where(to_left, a, middle), np.where(to_left, va, vm)
        b, vb = np.where(to_left, middle, b), np.where(to_left, vm, vb)
    jumped = np.abs(vb - va) > KEPT * first
    place = np.sort(b[jumped])
    if not len(place):
        return _Steps([], flat=flat, steep=len(at) > 0)
    groups = np.split(place, np.flatnonzero(np.diff(place) > CLOSE * (upper - lower)) + 1)
    shared = [float(g[0]) for g in groups if len(g) > 1 or lines == 1]
    return _Steps(shared, len(shared) < len(groups), flat)
