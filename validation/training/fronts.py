"""Evolutions that make fronts, with known solutions: on them the numbers of the first-order methods were chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import cos, pi, sin, tanh

from .cases import Case

__all__ = ["FRONTS"]

#: Viscosity of both equations of Burgers.
VISCOSITY = 5e-3
#: Half of the jump of the travelling front, and its speed.
JUMP, SPEED = 0.5, 0.5
#: Width of the front of Allen and Cahn.
WIDTH = 0.1
#: Places of the quadrature, up to so many standard lengths.
NODES, REACH, AT_ONCE = 2801, 14.0, 2000

Array = np.ndarray


def _two_waves() -> hp.Problem:
    """Burgers' equation from two sines: a front arises, and moves."""
    return hp.Problem(
        domain=hp.Box(x=(-1, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u: u.t + u * u.x - VISCOSITY * u.xx,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: -sin(pi * x) + 0.5 * sin(2 * pi * x))],
    )


def two_waves(x: Array, t: Array) -> Array:
    """Its solution by the transformation of Cole and Hopf, with the trapezoidal rule.

    Examples
    --------
    >>> two_waves(np.array([0.25]), np.array([0.0])).round(4)
    array([-0.2071])
    """
    found = np.empty(len(x))
    z = np.linspace(-REACH, REACH, NODES)
    for first in range(0, len(x), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        s = math.pi * (x[part, None] - np.sqrt(4 * VISCOSITY * t[part, None]) * z)
        potential = (np.cos(s) - 0.25 * np.cos(2 * s)) / math.pi
        exponent = -potential / (2 * VISCOSITY) - z**2
        weights = np.exp(exponent - exponent.max(1, keepdims=True))
        found[part] = ((-np.sin(s) + 0.5 * np.sin(2 * s)) * weights).sum(1) / weights.sum(1)
    return found


def _front(x: Any, t: Any) -> Any:
    return SPEED - JUMP * tanh(JUMP * (x + 0.3 - SPEED * t) / (2 * VISCOSITY))


def _travelling() -> hp.Problem:
    """Burgers' equation with a front that is there from the start."""
    return hp.Problem(
        domain=hp.Box(x=(-1, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u: u.t + u * u.x - VISCOSITY * u.xx,
        conditions=[hp.Dirichlet(u=_front), hp.Initial(u=lambda x: _front(x, 0.0))],
    )


def _interface(x: Any, t: Any) -> Any:
    return tanh((x - 0.4 * sin(2 * t)) / WIDTH) * cos(0.5 * pi * x)


def _allen_cahn() -> hp.Problem:
    """The equation of Allen and Cahn with a source, an interface that moves, and values that vanish at both ends."""

    def residual(u: Any, x: Any, t: Any) -> Any:
        v = _interface(x, t)
        front, bump = tanh((x - 0.4 * sin(2 * t)) / WIDTH), cos(0.5 * pi * x)
        steep = (1 - front**2) / WIDTH
        v_t = -0.8 * cos(2 * t) * steep * bump
        v_xx = -2 * front * steep / WIDTH * bump - pi * steep * sin(0.5 * pi * x) - 0.25 * pi**2 * v
        source = v_t - 1e-3 * v_xx - 5 * (v - v**3)
        return u.t - 1e-3 * u.xx - 5 * (u - u**3) - source

    return hp.Problem(
        domain=hp.Box(x=(-1, 1), t=(0, 1)),
        fields=["u"],
        residual=residual,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: _interface(x, 0.0))],
    )


#: By name.
FRONTS: Mapping[str, Case] = MappingProxyType(
    {
        case.name: case
        for case in (
            Case("two_waves", _two_waves, two_waves, 1.0, -1.0),
            Case("travelling", _travelling, lambda x, t: np.asarray(_front(x, t)), 1.0, -1.0),
            Case("allen_cahn", _allen_cahn, lambda x, t: np.asarray(_interface(x, t)), 1.0, -1.0),
        )
    }
)
