"""A plate with a round hole under tension: linear elasticity in plane stress.

    div s = 0,        s = E / (1 - q^2) ((1 - q) e + q tr(e) I),        e = (grad w + grad w^T) / 2,        w = (u, v),

on [-l, l]^2 minus the disc of radius a at the origin, q being Poisson's ratio.  The hole is free of traction, s n = 0;
on the square the displacement of the infinite plate under the tension S along x is given, with r, phi polar
coordinates, G = E / (2 (1 + q)), c = (3 - q) / (1 + q):

    u = S a / (8 G) [(r/a) (c + 1) cos phi + (2 a/r) ((1 + c) cos phi + cos 3 phi) - (2 a^3/r^3) cos 3 phi],
    v = S a / (8 G) [(r/a) (c - 3) sin phi + (2 a/r) ((1 - c) sin phi + sin 3 phi) - (2 a^3/r^3) sin 3 phi].

The stress along the hole is S (1 - 2 cos 2 phi), three times the tension at its sides.

Source: E. G. Kirsch, Zeitschrift des Vereines deutscher Ingenieure 42, 797 (1898); S. Timoshenko and J. N. Goodier,
Theory of Elasticity, article 35.  Peers cut the plate and give tractions, so that no number can be compared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError

from .base import not_negative, number, positive_number, settings

__all__ = ["exact_hoop_stress", "hoop_stress", "plate_with_hole", "stresses"]


@settings(
    radius=positive_number, half_width=positive_number, young=positive_number, poisson=not_negative, tension=number
)
def plate_with_hole(
    radius: float = 0.25, half_width: float = 1.0, young: float = 1.0, poisson: float = 0.3, tension: float = 1.0
) -> hp.Problem:
    """Two space axes; fields u and v, the displacements; the hole is the face ``disk``.

    Parameters
    ----------
    radius, half_width
        a and l.
    young, poisson
        Young's modulus E and Poisson's ratio q, at most 1/2.
    tension
        S.

    Examples
    --------
    >>> plate_with_hole().fields
    ('u', 'v')
    """
    if radius >= half_width:
        raise InvalidArgumentError(f"radius must be less than half_width={half_width:g}, got {radius:g}")
    if poisson > 0.5:
        raise InvalidArgumentError(f"poisson must be at most 0.5, got {poisson:g}")
    shear, q, a = young / (2 * (1 + poisson)), poisson, radius
    c = (3 - q) / (1 + q)
    size = tension * a / (8 * shear)

    def polar(x: Any, y: Any) -> tuple[Any, Any, Any, Any, Any]:
        """The ratio a / r, and the cosines and sines of the angle and of three times the angle."""
        r2 = x * x + y * y
        r = hp.sqrt(r2)
        cos, sin = x / r, y / r
        return a / r, cos, sin, 4 * cos**3 - 3 * cos, 3 * sin - 4 * sin**3

    def u_exact(x: Any, y: Any) -> Any:
        b, cos, _, cos3, _ = polar(x, y)
        return size * ((c + 1) * x / a + 2 * b * ((1 + c) * cos + cos3) - 2 * b**3 * cos3)

    def v_exact(x: Any, y: Any) -> Any:
        b, _, sin, _, sin3 = polar(x, y)
        return size * ((c - 3) * y / a + 2 * b * ((1 - c) * sin + sin3) - 2 * b**3 * sin3)

    wide = young / (1 - q * q)

    def residual(u: Any, v: Any) -> dict[str, Any]:
        return {
            "balance x": wide * (u.xx + q * v.xy) + shear * (u.yy + v.xy),
            "balance y": wide * (v.yy + q * u.xy) + shear * (v.xx + u.xy),
        }

    return hp.Problem(
        domain=hp.Box(x=(-half_width, half_width), y=(-half_width, half_width)) - hp.Disk((0, 0), radius),
        fields=["u", "v"],
        residual=residual,
        conditions=[
            hp.Dirichlet(u=u_exact, v=v_exact, on=["x-", "x+", "y-", "y+"]),
            hp.Condition(lambda u, v, n: wide * (u.x + q * v.y) * n[0] + shear * (u.y + v.x) * n[1], on="disk"),
            hp.Condition(lambda u, v, n: shear * (u.y + v.x) * n[0] + wide * (v.y + q * u.x) * n[1], on="disk"),
        ],
        exact={"u": u_exact, "v": v_exact},
        name=f"plate_with_hole a={radius:g}, q={poisson:g}",
    )


def stresses(
    solution: Any, x: np.ndarray, y: np.ndarray, young: float = 1.0, poisson: float = 0.3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The stresses s_xx, s_yy and s_xy at points, of a solution with the fields u and v."""
    u, v, wide = solution.u, solution.v, young / (1 - poisson**2)
    along_x, along_y = np.asarray(u.x(x, y)), np.asarray(v.y(x, y))
    shear = young / (2 * (1 + poisson)) * (np.asarray(u.y(x, y)) + np.asarray(v.x(x, y)))
    return wide * (along_x + poisson * along_y), wide * (along_y + poisson * along_x), shear


def hoop_stress(
    solution: Any, angle: np.ndarray, radius: float = 0.25, young: float = 1.0, poisson: float = 0.3
) -> np.ndarray:
    """The stress along the hole at angles from the direction of tension."""
    c, s = np.cos(angle), np.sin(angle)
    edge = radius * (1 + 1e-12)
    xx, yy, xy = stresses(solution, edge * c, edge * s, young, poisson)
    found: np.ndarray = xx * s * s + yy * c * c - 2 * xy * s * c
    return found


def exact_hoop_stress(angle: np.ndarray, tension: float = 1.0) -> np.ndarray:
    """The stress along the hole of the infinite plate.

    Examples
    --------
    >>> round(float(exact_hoop_stress(np.array(np.pi / 2))), 12)
    3.0
    """
    found: np.ndarray = tension * (1 - 2 * np.cos(2 * angle))
    return found
