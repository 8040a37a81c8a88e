"""Wave equation on a string with fixed ends.

    u_tt = c^2 u_xx,        x in [0, L],  t in [0, T],        u(0, t) = u(L, t) = 0,        u_t(x, 0) = 0,
    u = sum_j A_j sin(n_j pi x / L) cos(n_j pi c t / L).

Source: PINNacle (arXiv 2306.08827), case Wave1d-C: c = 2, L = T = 1,
sin(pi x) cos(2 pi t) + sin(4 pi x) cos(8 pi t) / 2.

Numbers to beat (relative L2): 9.79e-2, the best of PINNacle's methods; 1.63e-2 in later work; 1.2e-15 in 635 s on a GPU
(DSGNAR, arXiv 2607.02194, as reported there).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError

from .base import positive_number, real_numbers, settings

__all__ = ["wave"]


@settings(c=positive_number, length=positive_number, time=positive_number)
def wave(
    c: float = 2.0,
    waves: float | Sequence[float] = (1, 4),
    amplitudes: float | Sequence[float] = (1.0, 0.5),
    length: float = 1.0,
    time: float = 1.0,
) -> hp.Problem:
    """One space axis and time.

    Parameters
    ----------
    c
        Speed.
    waves, amplitudes
        Integers n and factors A, as many of each.
    length, time
        Extent of the string and of time.

    Examples
    --------
    >>> hp.solve(wave(waves=1, amplitudes=1), tol=1e-4).error()["u"]["relative_l2"] < 1e-4
    True
    """
    n, factors = real_numbers("waves", waves), real_numbers("amplitudes", amplitudes)
    if len(n) != len(factors) or not all(k.is_integer() and k > 0 for k in n):
        raise InvalidArgumentError(
            f"waves must be positive integers, as many as amplitudes; got waves={waves!r} and amplitudes={amplitudes!r}"
        )
    modes = [(factor, k * math.pi / length) for factor, k in zip(factors, n, strict=True)]

    def solution(x: Any, t: Any) -> Any:
        total: Any = 0.0
        for factor, q in modes:
            total = total + factor * hp.sin(q * x) * hp.cos(q * c * t)
        return total

    return hp.Problem(
        domain=hp.Box(x=(0, length), t=(0, time)),
        fields=["u"],
        residual=lambda u: u.tt - c**2 * u.xx,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: solution(x, 0.0), u_t=0.0)],
        exact={"u": solution},
        name=f"wave c={c:g}, n={','.join(f'{k:g}' for k in n)}",
    )
