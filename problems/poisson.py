"""Poisson's equation with a broad-band manufactured solution.

    Delta u = f,        u = sum_j c_j prod_i sin(k_{j,i} pi s_i) + g prod_i 4 s_i (1 - s_i) exp(-(s_i - p_i)^2 / (2
    w^2)),

s_i in [0, 1] along each axis, zero on the boundary.  The modes have random integer wave numbers up to ``highest`` and
amplitudes that fall like |k|^-2; the last term is a narrow bump.  A single eigenmode, the usual benchmark, hides bad
conditioning: conjugate gradients then converge in a few steps whatever the grid.  This right-hand side does not.

Source: manufactured here; f follows from u by hand.  There is no number to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import hermite_pinn as hp

from .base import bounds, count, number, positive_number, seed_number, settings

__all__ = ["poisson2d", "poisson3d"]

Bounds = tuple[float, float]


@settings(modes=count, highest=count, width=positive_number, bump=number, seed=seed_number, x=bounds, y=bounds)
def poisson2d(
    modes: int = 24,
    highest: int = 12,
    width: float = 0.06,
    bump: float = 1.0,
    seed: int = 0,
    x: Bounds = (0, 1),
    y: Bounds = (0, 1),
) -> hp.Problem:
    """Two dimensions.

    Parameters
    ----------
    modes
        Number of sine modes.
    highest
        Largest wave number along an axis.
    width, bump
        Width (in units of the edges) and height of the bump.
    seed
        Of wave numbers and amplitudes.

    Examples
    --------
    >>> hp.solve(poisson2d(modes=3, highest=3, bump=0.0), tol=1e-5).status.label
    'converged'
    """
    return _poisson(modes, highest, width, bump, seed, {"x": x, "y": y}, "poisson2d")


@settings(
    modes=count, highest=count, width=positive_number, bump=number, seed=seed_number, x=bounds, y=bounds, z=bounds
)
def poisson3d(
    modes: int = 24,
    highest: int = 5,
    width: float = 0.12,
    bump: float = 1.0,
    seed: int = 0,
    x: Bounds = (0, 1),
    y: Bounds = (0, 1),
    z: Bounds = (0, 1),
) -> hp.Problem:
    """Three dimensions; parameters as for :func:`poisson2d`."""
    return _poisson(modes, highest, width, bump, seed, {"x": x, "y": y, "z": z}, "poisson3d")


def _poisson(
    modes: int, highest: int, width: float, bump: float, seed: int, bounds: dict[str, Bounds], name: str
) -> hp.Problem:
    domain = hp.Box(**bounds)
    manufactured = _Manufactured.random(domain, modes, highest, width, bump, seed)
    exact: Callable[..., Any]
    residual: Callable[..., Any]
    if domain.dim == 2:
        exact = lambda x, y: manufactured.solution(x, y)  # noqa: E731
        residual = lambda u, x, y: u.laplacian - manufactured.source(x, y)  # noqa: E731
    else:
        exact = lambda x, y, z: manufactured.solution(x, y, z)  # noqa: E731
        residual = lambda u, x, y, z: u.laplacian - manufactured.source(x, y, z)  # noqa: E731
    return hp.Problem(
        domain=domain,
        fields=["u"],
        residual=residual,
        conditions=[hp.Dirichlet(u=0.0)],
        exact={"u": exact},
        name=f"{name} with {modes} modes and a bump",
    )


@dataclass(frozen=True, eq=False)
class _Manufactured:
    """The solution of the module's docstring and its Laplacian, as expressions of the coordinates.

    ``waves`` (modes, dim) are the wave numbers k_j, ``amplitudes`` the c_j, ``centre`` the p_i, ``bump`` is g.
    """

    domain: hp.Box
    waves: np.ndarray
    amplitudes: np.ndarray
    centre: np.ndarray
    width: float
    bump: float

    @classmethod
    def random(cls, domain: hp.Box, modes: int, highest: int, width: float, bump: float, seed: int) -> _Manufactured:
        """Random modes and a random place of the bump."""
        random = np.random.default_rng(seed)
        waves = random.integers(1, highest + 1, (modes, domain.dim))
        amplitudes = random.standard_normal(modes) / np.sum(waves**2, 1)
        centre = 0.3 + 0.4 * random.random(domain.dim)
        return cls(domain, waves, amplitudes, centre, width, bump)

    def solution(self, *coordinates: Any) -> Any:
        s = self._unit(coordinates)
        return self._sines(s, lambda k: 1.0) + self._bump(s, self.bump)

    def source(self, *coordinates: Any) -> Any:
        s, lengths = self._unit(coordinates), self.domain.lengths

        def eigenvalue(k: np.ndarray) -> float:
            return -float(math.pi**2 * sum((n / size) ** 2 for n, size in zip(k, lengths, strict=True)))

        total = self._sines(s, eigenvalue)
        for axis, size in enumerate(lengths):
            total = total + self._bump(s, self.bump / size**2, axis)
        return total

    def _unit(self, coordinates: Sequence[Any]) -> list[Any]:
        """Coordinates s_i in [0, 1]."""
        axes = zip(coordinates, self.domain.lower, self.domain.lengths, strict=True)
        return [(s - a) / size for s, a, size in axes]

    def _sines(self, s: Sequence[Any], factor: Callable[[np.ndarray], float]) -> Any:
        """The sum of the modes, each times a function of its wave numbers."""
        total: Any = 0.0
        for k, c in zip(self.waves, self.amplitudes, strict=True):
            product: Any = float(c) * factor(k)
            for n, t in zip(k, s, strict=True):
                product = product * hp.sin(int(n) * math.pi * t)
            total = total + product
        return total

    def _bump(self, s: Sequence[Any], height: float, axis: int | None = None) -> Any:
        """The bump, or its second derivative along an axis."""
        product: Any = height
        for i, (t, p) in enumerate(zip(s, self.centre, strict=True)):
            product = product * self._hump(t, float(p), 2 if i == axis else 0)
        return product

    def _hump(self, t: Any, p: float, order: int) -> Any:
        """4 t (1 - t) exp(-(t - p)^2 / (2 w^2)) or its second derivative."""
        gauss, slope = hp.exp(-((t - p) ** 2) / (2 * self.width**2)), -(t - p) / self.width**2
        base = 4 * t * (1 - t)
        if order == 0:
            return base * gauss
        return gauss * (-8 + 2 * (4 - 8 * t) * slope + base * (slope * slope - 1 / self.width**2))
