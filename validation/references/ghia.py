"""Velocities along the centre lines of the lid-driven cavity.

Source: U. Ghia, K. N. Ghia and C. T. Shin, High-Re solutions for incompressible flow using the Navier-Stokes equations
and a multigrid method, J. Comput. Phys. 48, 387-411 (1982), tables I and II, Re = 100, finite differences on 129 x 129
points.  Five decimals are printed; the values deviate from converged solutions by up to a few 1e-3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

__all__ = ["GHIA_RE100", "centre_line_error"]

#: Pairs of coordinate and velocity: ``"u"`` along x = 1/2 by y, ``"v"`` along y = 1/2 by x.
GHIA_RE100: Mapping[str, np.ndarray] = {
    "u": np.array(
        [
            (0.0000, 0.00000), (0.0547, -0.03717), (0.0625, -0.04192), (0.0703, -0.04775), (0.1016, -0.06434),
            (0.1719, -0.10150), (0.2813, -0.15662), (0.4531, -0.21090), (0.5000, -0.20581), (0.6172, -0.13641),
            (0.7344, 0.00332), (0.8516, 0.23151), (0.9531, 0.68717), (0.9609, 0.73722), (0.9688, 0.78871),
            (0.9766, 0.84123), (1.0000, 1.00000),
        ]
    ),
    "v": np.array(
        [
            (0.0000, 0.00000), (0.0625, 0.09233), (0.0703, 0.10091), (0.0781, 0.10890), (0.0938, 0.12317),
            (0.1563, 0.16077), (0.2266, 0.17507), (0.2344, 0.17527), (0.5000, 0.05454), (0.8047, -0.24533),
            (0.8594, -0.22445), (0.9063, -0.16914), (0.9453, -0.10313), (0.9531, -0.08864), (0.9609, -0.07391),
            (0.9688, -0.05906), (1.0000, 0.00000),
        ]
    ),
}  # fmt: skip


def centre_line_error(u: Callable[..., Any], v: Callable[..., Any]) -> dict[str, float]:
    """Largest deviation of velocity components, functions of x and y, from the table.

    Examples
    --------
    >>> errors = centre_line_error(lambda x, y: 0 * x, lambda x, y: 0 * x)
    >>> {name: round(float(e), 5) for name, e in errors.items()}
    {'u': 1.0, 'v': 0.24533}
    """
    y, along_y = GHIA_RE100["u"].T
    x, along_x = GHIA_RE100["v"].T
    return {
        "u": float(np.max(np.abs(np.asarray(u(np.full_like(y, 0.5), y)) - along_y))),
        "v": float(np.max(np.abs(np.asarray(v(x, np.full_like(x, 0.5))) - along_x))),
    }
