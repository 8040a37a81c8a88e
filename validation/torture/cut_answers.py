"""Problems on domains that shapes cut out of a box: known answers on few and on many levels, and none."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy.special import jn_zeros

import hermite_pinn as hp
from hermite_pinn.validation.accuracy.cut_manufactured import CUT_KINDS, cut_manufactured

from .known_answers import Answer
from .stock import Recipe

__all__ = ["CUT_ANSWERS", "CUT_UNSOLVABLE"]

SOLID = ("around a ball", "in a torus", "around a cuboid", "cooling")
SQUARE = hp.Box(x=(0, 1), y=(0, 1))
RING = SQUARE - hp.Disk((0.5, 0.5), 0.25)
ROUND = hp.Box(x=(-1.1, 1.1), y=(-1.1, 1.1)) & hp.Disk((0, 0), 1)
POINTS = np.array([[0.1, 0.2], [0.9, 0.4], [0.2, 0.8], [0.15, 0.5], [0.6, 0.9]])


def _few(kind: str, levels: int) -> Answer:
    return Answer(partial(cut_manufactured, kind, 1), {}, options={"levels": levels}, long=kind in SOLID)


def _all(kind: str) -> Answer:
    return Answer(partial(cut_manufactured, kind, 2), {}, "success", options={"tol": 1e-3}, long=True)


def _on(domain: Any, residual: Any, *conditions: Any, **more: Any) -> Recipe:
    return Recipe(lambda: hp.Problem(domain, "u", residual, list(conditions), **more), {})


#: By name.
CUT_ANSWERS: dict[str, Answer] = {
    **{f"{kind}, {levels} levels": _few(kind, levels) for kind in CUT_KINDS for levels in (2, 3)},
    **{kind: _all(kind) for kind in ("in a polygon", "around discs", "a corner", "in a curve")},
}

#: Recipes by what is wrong.
CUT_UNSOLVABLE: dict[str, Recipe] = {
    "slopes without balance around a disc": _on(RING, lambda u: u.laplacian - 1, hp.Neumann(u=0.0)),
    "a constant is free around a disc": _on(RING, lambda u: u.laplacian, hp.Neumann(u=0.0)),
    "an eigenfunction is free in a disc": _on(
        ROUND, lambda u: u.laplacian + float(jn_zeros(0, 1)[0]) ** 2 * u, hp.Dirichlet(u=0.0)
    ),
    "a parameter without data around a disc": _on(
        RING, lambda u, k: k * u.laplacian + 1, hp.Dirichlet(u=0.0), parameters=[hp.Parameter("k", init=1.0)]
    ),
    "data against the equation around a disc": _on(
        RING, lambda u: u.laplacian, hp.Dirichlet(u=0.0), hp.Data(POINTS, u=[5.0, -5.0, 3.0, -2.0, 1.0])
    ),
    "a square that is negative around a disc": _on(RING, lambda u: u.laplacian**2 + 1, hp.Dirichlet(u=0.0)),
}
