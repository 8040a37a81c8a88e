"""Heat equation with decaying modes, in one to three space dimensions.

    u_t = kappa Delta u,        u = sum_n (1 / n) prod_i sin(n pi s_i + phi) exp(-kappa n^2 pi^2 (sum_i L_i^-2) t),

with s_i in [0, 1] along each space axis of length L_i, u given at t = 0, and on the boundary either Dirichlet values
(zero for phi = 0 and integer n) or Robin values of alpha u + beta u.n.

Source: manufactured from separation of variables; the equation is in every suite (PINNacle, DeepXDE), each time with
other data, so that no number can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError

from .base import Bounds, bounds, choice, dimension, named, number, positive_number, real_numbers, settings

__all__ = ["heat"]


@settings(
    dim=dimension,
    diffusivity=positive_number,
    phase=number,
    alpha=number,
    beta=number,
    time=positive_number,
    bounds=bounds,
)
def heat(
    dim: int = 1,
    diffusivity: float = 0.1,
    waves: float | Sequence[float] = (1, 3),
    condition: str = "dirichlet",
    phase: float = 0.0,
    alpha: float = 1.0,
    beta: float = 1.0,
    time: float = 1.0,
    bounds: Bounds = (0, 1),
) -> hp.Problem:
    """One to three space axes and time.

    Parameters
    ----------
    dim
        Number of space axes.
    diffusivity
        kappa.
    waves
        The numbers n.
    condition
        ``"dirichlet"`` or ``"robin"``.
    phase
        phi; with 0 and Dirichlet conditions the boundary values are zero for integer ``waves``.
    alpha, beta
        Coefficients of the Robin condition.
    time
        Extent of time.
    bounds
        Of every space axis.

    Examples
    --------
    >>> hp.solve(heat(waves=1), tol=1e-4).error()["u"]["relative_l2"] < 1e-4
    True
    """
    choice("condition", condition, ["dirichlet", "robin"])
    numbers = real_numbers("waves", waves)
    if min(numbers) <= 0:
        raise InvalidArgumentError(f"waves must be positive, got {waves!r}")
    names = ("x", "y", "z")[:dim]
    space: dict[str, Any] = dict.fromkeys(names, bounds)
    domain = hp.Box(**space, t=(0, time))
    size = domain.lengths[0]

    def solution(*coordinates: Any, slope: int | None = None) -> Any:
        """The solution, or its derivative along a space axis."""
        *s, t = coordinates
        total: Any = 0.0
        for n in numbers:
            q = n * math.pi / size
            product: Any = 1 / n
            for i, c in enumerate(s):
                angle = q * (c - bounds[0]) + phase
                product = product * (q * hp.cos(angle) if i == slope else hp.sin(angle))
            total = total + product * hp.exp(-diffusivity * dim * q**2 * t)
        return total

    exact = named(solution, [*names, "t"])
    conditions: list[Any] = [hp.Initial(u=named(lambda *s: solution(*s, 0.0), names))]
    if condition == "dirichlet":
        zero = phase == 0 and all(n.is_integer() for n in numbers)
        conditions.append(hp.Dirichlet(u=0.0 if zero else exact))
    else:

        def flux(*arguments: Any) -> Any:
            *c, n = arguments
            return alpha * solution(*c) + sum(beta * n[i] * solution(*c, slope=i) for i in range(dim))

        along = named(flux, [*names, "t", "n"])
        conditions += [hp.Robin(u=(alpha, beta, along), on=f.name) for f in domain.space_faces]
    return hp.Problem(
        domain=domain,
        fields=["u"],
        residual=lambda u: u.t - diffusivity * u.laplacian,
        conditions=conditions,
        exact={"u": exact},
        name=f"heat {dim}-D, kappa={diffusivity:g}, {condition}",
    )
