"""The problems of DeepXDE's first examples with a known answer, and the methods without any option."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

import hermite_pinn as hp
from hermite_pinn import exp, pi, sin
from hermite_pinn.methods.base import Method
from hermite_pinn.problems.references import cole_hopf

__all__ = ["CASES", "METHODS", "Case"]

Function = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Case:
    """A problem in space and time.

    Attributes
    ----------
    name
        That of DeepXDE's example.
    statement
        Makes the problem.
    exact
        Values at points (n,) in space and (n,) in time.
    end
        Of time.
    lower
        Of space, which ends at 1.
    """

    name: str
    statement: Callable[[], hp.Problem]
    exact: Function
    end: float
    lower: float

    @property
    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """256 places at 101 times, boundaries included: the whole domain."""
        x, t = np.meshgrid(np.linspace(self.lower, 1.0, 256), np.linspace(0.0, self.end, 101), indexing="ij")
        return x.ravel(), t.ravel()

    def error(self, solution: hp.Solution) -> float:
        """Relative L2 error at :attr:`points`."""
        x, t = self.points
        truth = self.exact(x, t)
        return float(np.linalg.norm(np.asarray(solution.u(x, t)) - truth) / np.linalg.norm(truth))


def _diffusion() -> hp.Problem:
    return hp.Problem(
        domain=hp.Box(x=(-1, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u, x, t: u.t - u.xx + exp(-t) * (1 - pi**2) * sin(pi * x),
        conditions=[hp.Dirichlet(u=lambda x, t: sin(pi * x) * exp(-t)), hp.Initial(u=lambda x: sin(pi * x))],
    )


def _heat() -> hp.Problem:
    return hp.Problem(
        domain=hp.Box(x=(0, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u: u.t - 0.4 * u.xx,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: sin(pi * x))],
    )


def _burgers() -> hp.Problem:
    return hp.Problem(
        domain=hp.Box(x=(-1, 1), t=(0, 0.99)),
        fields=["u"],
        residual=lambda u: u.t + u * u.x - 0.01 / pi * u.xx,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: -sin(pi * x))],
    )


#: By the name of the example.
CASES: Mapping[str, Case] = MappingProxyType(
    {
        case.name: case
        for case in (
            Case("diffusion_1d", _diffusion, lambda x, t: np.exp(-t) * np.sin(math.pi * x), 1.0, -1.0),
            Case("heat", _heat, lambda x, t: np.exp(-0.4 * math.pi**2 * t) * np.sin(math.pi * x), 1.0, 0.0),
            Case("Burgers", _burgers, lambda x, t: cole_hopf(x, t, 0.01 / math.pi), 0.99, -1.0),
        )
    }
)

#: The methods as a user writes them.
METHODS: Mapping[str, Callable[..., Method]] = MappingProxyType({"Adam": hp.Adam, "SOAP": hp.SOAP, "LBFGS": hp.LBFGS})
