"""Bending of a rectangular plate: the biharmonic equation.

    u_xxxx + 2 u_xxyy + u_yyyy = q        on a rectangle with edges L_x, L_y,

simply supported (u = Delta u = 0, a rectangle's edges being straight) or clamped (u = u.n = 0).  ``form="auxiliary"``
writes it with second derivatives, w - Delta u = 0 and Delta w = q.  Manufactured with s, t in [0, 1] along the edges:

    supported:  u = sin(a pi s) sin(b pi t),        clamped:  u = sin(a pi s)^2 sin(b pi t)^2.

Source: Timoshenko and Woinowsky-Krieger, Theory of Plates and Shells, chapter 5 (Navier's solution is a sum of the
supported modes); the load of the clamped plate is manufactured here.  Peers use other loads, so that no number can be
compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError

from .base import Bounds, bounds, choice, per_axis, settings

__all__ = ["plate"]


@settings(x=bounds, y=bounds)
def plate(
    support: str = "simple",
    a: float | Sequence[float] = 2,
    x: Bounds = (0, 1),
    y: Bounds = (0, 1),
    form: str = "direct",
) -> hp.Problem:
    """Two space axes; field u (deflection), and w (its Laplacian) in the auxiliary form.

    Parameters
    ----------
    support
        ``"simple"`` or ``"clamped"``.
    a
        Half waves, positive integers, one number or one per axis.
    x, y
        Bounds.
    form
        ``"direct"``, fourth derivatives of u, for ``gauss_newton``; or ``"auxiliary"``, for every method.

    Examples
    --------
    >>> hp.solve(plate(a=1), tol=1e-6).error()["u"]["relative_l2"] < 1e-6
    True
    """
    choice("support", support, ["simple", "clamped"])
    choice("form", form, ["direct", "auxiliary"])
    waves = per_axis("a", a, 2)
    if not all(n.is_integer() and n > 0 for n in waves):
        raise InvalidArgumentError(f"a must be positive integers, or the edges are not supported; got {a!r}")
    domain = hp.Box(x=x, y=y)
    p, q = (n * math.pi / size for n, size in zip(waves, domain.lengths, strict=True))

    def angles(x_: Any, y_: Any) -> tuple[Any, Any]:
        return p * (x_ - domain.lower[0]), q * (y_ - domain.lower[1])

    def deflection(x: Any, y: Any) -> Any:
        s, t = angles(x, y)
        product = hp.sin(s) * hp.sin(t)
        return product if support == "simple" else product * product

    def laplacian(x: Any, y: Any) -> Any:
        s, t = angles(x, y)
        if support == "simple":
            return -(p**2 + q**2) * hp.sin(s) * hp.sin(t)
        return 2 * p**2 * hp.cos(2 * s) * hp.sin(t) ** 2 + 2 * q**2 * hp.sin(s) ** 2 * hp.cos(2 * t)

    def load(x: Any, y: Any) -> Any:
        s, t = angles(x, y)
        if support == "simple":
            return (p**2 + q**2) ** 2 * hp.sin(s) * hp.sin(t)
        mixed = 8 * p**2 * q**2 * hp.cos(2 * s) * hp.cos(2 * t)
        return mixed - 8 * p**4 * hp.cos(2 * s) * hp.sin(t) ** 2 - 8 * q**4 * hp.sin(s) ** 2 * hp.cos(2 * t)

    name = f"plate {support}, a={waves[0]:g}x{waves[1]:g}"
    clamped: list[Any] = [hp.Dirichlet(u=0.0), hp.Neumann(u=0.0)]
    if form == "auxiliary":
        return hp.Problem(
            domain=domain,
            fields=["u", "w"],
            residual=lambda u, w, x, y: {"curvature": w - u.laplacian, "load": w.laplacian - load(x, y)},
            conditions=clamped if support == "clamped" else [hp.Dirichlet(u=0.0, w=0.0)],
            exact={"u": deflection, "w": laplacian},
            name=f"{name}, auxiliary",
        )
    hinged: list[Any] = [
        hp.Dirichlet(u=0.0),
        *(hp.Condition(lambda u, i=i: getattr(u, i + i), on=[f"{i}-", f"{i}+"]) for i in "xy"),
    ]
    return hp.Problem(
        domain=domain,
        fields=["u"],
        residual=lambda u, x, y: u.xxxx + 2 * u.xxyy + u.yyyy - load(x, y),
        conditions=clamped if support == "clamped" else hinged,
        exact={"u": deflection},
        name=name,
        max_order=4,
    )
