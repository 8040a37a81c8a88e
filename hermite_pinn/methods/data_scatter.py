"""By how much noisy data scatter about a result, beside the noise that was told of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import chdtr, chdtrc

from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.misfits import TermMisfit

from .base import Outcome

__all__ = ["scatter_sentence", "with_scatter"]

#: Chance below which a scatter is not that of the noise told.
CHANCE = 1e-9

#: Scatter in units of the noise below which that was told much too large.
MUCH_LESS = 0.5

#: Degrees of freedom for a value above which fields follow the data, whose scatter says little of the noise.
FOLLOWED = 0.5


def with_scatter(problem: Problem, outcome: Outcome, misfits: Sequence[TermMisfit]) -> Outcome:
    """An outcome that tells by how much data scatter of whose noise all is known; others stay as they are.

    ``stats["scatter"]`` is the root of the mean square of their misfits in units of the noise, with as many values as
    there are beside the degrees of freedom of the fit where these are known.
    """
    if not Misfit(problem).known or "smoothness" in outcome.stats:
        return outcome
    squares, count = 0.0, 0
    for m in misfits:
        if m.term.region.measured is not None and isinstance(m.term.noise, np.ndarray):
            squares += float(np.sum((m.values.numpy() / m.term.noise) ** 2))
            count += len(m.values)
    if not count or not math.isfinite(squares):
        return outcome
    freedom = outcome.stats.get("degrees_of_freedom")
    left = count - min(freedom or 0.0, count - 1.0)
    told = scatter_sentence(squares, left, freedom is not None and freedom <= FOLLOWED * count)
    return replace(
        outcome, message=f"{outcome.message}; {told}", stats=outcome.stats | {"scatter": math.sqrt(squares / left)}
    )


def scatter_sentence(squares: float, left: float, held: bool) -> str:
    """What is to be said of the scatter of data.

    Parameters
    ----------
    squares
        Sum of squares of the misfits in units of the noise.
    left
        Number of values beside the degrees of freedom.
    held
        Whether equations hold the fields, so that a small scatter says that there is less noise.

    Examples
    --------
    >>> scatter_sentence(38.0, 40.0, True)
    'the data scatter by 0.97 of the noise told'
    >>> scatter_sentence(0.4, 40.0, True)
    'the data scatter by 0.1 of the noise told, which is 10 times too large, and standard errors with it'
    """
    scatter = math.sqrt(squares / left)
    text = f"the data scatter by {scatter:.2g} of the noise told"
    if scatter > 1.0 and chdtrc(left, squares) < CHANCE:
        return f"{text}, more than chance explains: standard errors are at least as much too small"
    if held and scatter < MUCH_LESS and chdtr(left, squares) < CHANCE:
        times = math.inf if scatter == 0 else 1.0 / scatter
        many = f"{times:.2g}" if times < 10.0 else f"{times:.3g}"
        return f"{text}, which is {many} times too large, and standard errors with it"
    return text
