"""How measured data and penalties weigh against the equations; the same for all methods."""

from __future__ import annotations

import math

import numpy as np

from hermite_pinn.expressions.program import leaves
from hermite_pinn.geometry import Samples
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .sizes import balance_of, field_sizes

__all__ = ["STRONG", "Misfit"]

#: Weight of noisy data: relative misfits cost this much less than relative residuals, so that the equations hold.
STRONG = 1e-3

#: First weight of a penalty where it is to be chosen, in units of the data's mean square.
FIRST = 1e-4

#: Wave number, in units of the box, of functions that first weights of penalties of any order smooth as much.
WAVE = 2.0 * math.pi


class Misfit:
    """Weights of the squares of data and penalty rows.

    The equations' mean squares, relative to their sources, weigh 1 together with exact data.  Noisy data and penalties
    weigh ``strength * (mean square misfit in units of the noise + sum of weight * roughness)``, with the strength for
    which the misfit relative to the size of the data weighs 1e-3, or the user's ``weight``.  Where the noise is
    not known, the size of the data takes its place as unit.

    Parameters
    ----------
    problem
        Whose data and penalties.
    strong
        See above; replaces 1e-3.

    Attributes
    ----------
    noisy
        Terms with noise.
    known
        Whether there are such terms and the noise of all is known.
    unit
        Of the misfit, relative to the size of the data: the smallest noise, or 1.
    strength
        See above.
    count
        Number of noisy values.
    order
        The highest of the derivatives that are to be small; 0 without any.
    automatic
        Fields whose roughness has no weight yet.
    """

    def __init__(self, problem: Problem, strong: float = STRONG) -> None:
        self.penalties: dict[str, float | None] = {
            t.region.penalty: t.weight for t in problem.terms if t.region.penalty is not None
        }
        self.order = max(
            (sum(d[1]) for t in problem.terms if t.region.penalty for k, d in leaves(t.residual) if k == "jet"),
            default=0,
        )
        self.automatic = tuple(f for f, weight in self.penalties.items() if weight is None)
        data = [t for t in problem.terms if t.region.measured is not None]
        self.noisy = [t for t in data if t.noise is not None or self.penalties]
        self.known = bool(self.noisy) and all(isinstance(t.noise, np.ndarray) for t in self.noisy)
        self.count = sum(_measured(t).count for t in self.noisy)
        self._sizes = {id(t): _size_of(problem, t) for t in data}
        relative = [float(np.mean(self._unit(t) ** -2.0)) ** -0.5 / self.size_of(t) for t in self.noisy]
        self.unit = min(relative, default=1.0)
        factors = [(t.weight or strong) * r**2 for t, r in zip(self.noisy, relative, strict=True)]
        self.strength = min(factors, default=1.0)

    def _unit(self, term: Term) -> np.ndarray:
        """Units of the misfit (n,): the noise where all is known, else the size of the data."""
        if self.known:
            assert isinstance(term.noise, np.ndarray)
            return term.noise
        return np.full(_measured(term).count, self.size_of(term))

    def is_noisy(self, term: Term) -> bool:
        """Whether a term compares with noisy data."""
        return any(term is t for t in self.noisy)

    def point_weights(self, term: Term) -> np.ndarray:
        """Weights (n,) of the squares of the misfits of a data term, in the user's units."""
        if self.is_noisy(term):
            return self.strength / (self.count * self._unit(term) ** 2)
        n = _measured(term).count
        return np.full(n, (term.weight or 1.0) / (n * self.size_of(term) ** 2))

    def penalty(self, field: str, chosen: dict[str, float]) -> float:
        """Weight of the mean square roughness of a field, with the weights chosen so far."""
        given = self.penalties[field]
        return self.strength * (chosen.get(field, self.first) if given is None else given)

    @property
    def first(self) -> float:
        """First weight where one is to be chosen; large, so that the first solution is smooth."""
        first = FIRST * WAVE ** (2 * min(0, 2 - self.order))
        if not self.known:
            return first
        return first * float(np.mean([np.mean((self.size_of(t) / self._unit(t)) ** 2) for t in self.noisy]))

    def size_of(self, term: Term) -> float:
        """Root mean square of the values of a data term; if they are zero, what fields of their sizes make of it."""
        return self._sizes[id(term)]

    @property
    def variance(self) -> float | None:
        """Variance of a weighted row of known noise."""
        return self.strength / self.count if self.known else None


def _measured(term: Term) -> Samples:
    assert term.region.measured is not None
    return term.region.measured


def _size_of(problem: Problem, term: Term) -> float:
    """See :meth:`Misfit.size_of`."""
    columns = [_measured(term).columns[d].numpy() for k, d in leaves(term.residual) if k == "data"]
    size = max((float(np.sqrt(np.mean(c**2))) for c in columns), default=0.0)
    if math.isfinite(size) and size > 0:
        return size
    sizes = field_sizes(problem)
    size = max((s * sizes[f] for (f, _), s in balance_of(problem, term, sizes).terms.items()), default=0.0)
    return size if math.isfinite(size) and size > 0 else 1.0
