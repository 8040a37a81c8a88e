"""How much a level changed the parameters of a problem."""

from __future__ import annotations

from collections.abc import Mapping

from hermite_pinn.problem.problem import Problem

__all__ = ["parameter_change"]

SMALL = 1e-3  # times its start, or its size where that is zero: a parameter that is smaller counts as so large


def parameter_change(problem: Problem, before: Mapping[str, float], now: Mapping[str, float]) -> float:
    """The largest change of a parameter, relative to its value.

    Parameters
    ----------
    problem
        With the parameters; zero without any.
    before, now
        Values by name.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(
    ...     hp.Box(x=(0, 1), y=(0, 1)),
    ...     "u",
    ...     lambda u, k: k * u.laplacian - 1,
    ...     [hp.Dirichlet(u=0.0)],
    ...     parameters=[hp.Parameter("k", init=1.0)],
    ... )
    >>> round(parameter_change(problem, {"k": 0.5}, {"k": 0.4}), 9)
    0.25
    """
    changes = []
    for parameter in problem.parameters:
        value, name = now[parameter.name], parameter.name
        least = SMALL * (abs(parameter.init) or parameter.size(0.0))
        changes.append(abs(value - before[name]) / max(abs(value), least))
    return max(changes, default=0.0)
