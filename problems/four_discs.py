"""Laplace's equation in a square with four round holes.

    u_xx + u_yy = 0        on [-s/2, s/2]^2 minus discs of radius s/10 at (+-3s/10, +-3s/10),
    u = 1 on the square,        u = 0 on the circles.

The solution does not depend on the scale s but through x / s.  A boundary fit by multipoles
(:mod:`hermite_pinn.validation.references.multipoles`) knows it to 3e-10.

Source: PINNacle (arXiv 2306.08827), case Poisson2d-C, whose variants are s = 1, 2, 4, 8, 16.

Number to beat: 1.23e-2, the best of PINNacle's methods.
"""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

from .base import positive_number, settings

__all__ = ["four_discs"]


@settings(scale=positive_number)
def four_discs(scale: float = 1.0) -> hp.Problem:
    """Two space axes; the faces of the holes are called ``disk``, ``disk2``, ``disk3`` and ``disk4``.

    Parameters
    ----------
    scale
        Edge of the square.

    Examples
    --------
    >>> [face.name for face in four_discs().domain.faces][-1]
    'disk4'
    """
    half, off = scale / 2, 0.3 * scale
    domain: Any = hp.Box(x=(-half, half), y=(-half, half))
    for x in (-off, off):
        for y in (-off, off):
            domain = domain - hp.Disk((x, y), 0.1 * scale)
    return hp.Problem(
        domain=domain,
        fields=["u"],
        residual=lambda u: u.laplacian,
        conditions=[
            hp.Dirichlet(u=1.0, on=["x-", "x+", "y-", "y+"]),
            hp.Dirichlet(u=0.0, on=["disk", "disk2", "disk3", "disk4"]),
        ],
        name=f"four_discs scale={scale:g}",
    )
