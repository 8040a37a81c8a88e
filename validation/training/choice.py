"""The trials by which the numbers of the first-order methods were chosen, on problems that make fronts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import hermite_pinn as hp
from hermite_pinn.methods.base import Method

from .fronts import FRONTS
from .table import QUICK, Row, timed

__all__ = ["TRIALS", "Trial", "run_trial"]


@dataclass(frozen=True)
class Trial:
    """A method with some of its numbers given, and perhaps a field.

    Attributes
    ----------
    method
        Makes it; what is not given follows the rules.
    field
        None for that of the rules.
    """

    method: Callable[..., Method]
    field: hp.Field | None = None


def _tanh(width: int, activation: str = "tanh", omega: float = 1.0) -> hp.Field:
    return hp.Field(head="siren", encoder="coordinates", width=width, depth=3, omega=omega, activation=activation)


def _lbfgs(**given: Any) -> Callable[..., Method]:
    """L-BFGS on a network that a trial names, with the numbers of the rules unless others are given."""
    numbers: dict[str, Any] = {"hard": True, "points": 2048, "steps": 2000, "rounds": 20, "adaptive": hp.RAD()}
    return lambda **more: hp.LBFGS(**(numbers | given | more))


#: By name: the rules, and the rules with one thing changed.
TRIALS: Mapping[str, Trial] = MappingProxyType(
    {
        "LBFGS": Trial(hp.LBFGS),
        "LBFGS, full": Trial(_lbfgs(), _tanh(20)),
        "LBFGS, 50 pairs": Trial(_lbfgs(memory=50), _tanh(20)),
        "LBFGS, sines": Trial(_lbfgs(), _tanh(20, "sine", 2.0)),
        "LBFGS, fixed": Trial(_lbfgs(adaptive=None, rounds=1), _tanh(20)),
        "LBFGS, 4096": Trial(_lbfgs(points=4096), _tanh(20)),
        "LBFGS, levels": Trial(hp.LBFGS, hp.Field()),
        "Adam": Trial(hp.Adam),
        "Adam, tanh": Trial(lambda **more: hp.Adam(**({"hard": True} | more)), _tanh(32)),
        "Adam, residual": Trial(lambda **more: hp.Adam(**({"adaptive": hp.RAD(every=500)} | more))),
        "SOAP": Trial(hp.SOAP),
        "SOAP, tanh": Trial(lambda **more: hp.SOAP(**({"hard": True} | more)), _tanh(32)),
    }
)


def run_trial(name: str, front: str, seed: int, quick: bool = False) -> Row:
    """Solve one of the problems that make fronts.

    Parameters
    ----------
    name
        Of :data:`TRIALS`.
    front
        Of :data:`.FRONTS`.
    seed
        Of the network and the points.
    quick
        Twenty steps, to see that everything runs.
    """
    trial, case = TRIALS[name], FRONTS[front]
    method = trial.method(**({"steps": QUICK} if quick else {}))
    return replace(timed(case, method, seed, trial.field), method=name)
