"""Callables that begin at a start, with arguments that are good."""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

from .case import Bench
from .stock import poisson
from .target import Target

__all__ = ["STARTS"]


def _heated(strength: float) -> hp.Problem:
    return hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx + strength * hp.exp(u), [hp.Dirichlet(u=0.0)])


def _started(bench: Bench, **chosen: Any) -> Any:
    return hp.solve(poisson(), levels=1, progress=False, **chosen)


def _named(bench: Bench, **numbers: Any) -> Any:
    return hp.solve(poisson(), levels=1, progress=False, start=numbers)


def _continued(bench: Bench, **chosen: Any) -> Any:
    return hp.continuation(_heated, levels=2, **chosen)


def _kept(bench: Bench, folder: Any) -> Any:
    hp.continuation(_heated, [1.0], levels=1).save(folder)
    return hp.Branch.load(folder)


def _deflated(bench: Bench, **chosen: Any) -> Any:
    return hp.solve(_heated(1.0), levels=1, progress=False, max_time=2.0, **chosen)


def _several(bench: Bench, **chosen: Any) -> Any:
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, k: u.xx + k,
        [hp.Dirichlet(u=0.0), hp.Data([[0.5]], u=[0.1])],
        parameters=[hp.Parameter("k")],
    )
    return hp.solve(problem, levels=1, progress=False, max_time=2.0, **chosen)


STARTS = [
    Target("solve deflated", _deflated, {"deflate": ()}),
    Target("solve from several starts", _several, {"starts": 2}),
    Target("solve from a start", _started, {"start": "{good}", "max_time": 2.0}),
    Target("solve from functions", _named, {"u": lambda x, y: x * y}),
    Target(
        "continuation",
        _continued,
        {"values": [1.0, 1.5], "start": None, "predictor": "secant", "halvings": 2, "max_time": 5.0, "tol": None},
    ),
    Target("Branch.save", _kept, {"folder": "{place}/branch"}),
]
