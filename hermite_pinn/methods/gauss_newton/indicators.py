"""What a stage says of its own error, beside how far it has moved from the stage before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.methods.systems.rough_terms import is_averaged
from hermite_pinn.methods.systems.smoothed_fluxes import is_smoothed
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.compiled import Jet, compile_term
from hermite_pinn.residuals.scales import first_sizes

from .pieces import crossing_level, piecewise_surpluses
from .surplus import AxisSurplus, surpluses
from .term_sizes import Sensitivities, relative_residual, strengths
from .watch_points import WatchPoints

__all__ = ["Indicators", "growth", "indicators"]

LEAF = 0.05  # largest local surplus of a resolved field, relative to its size
SEEN = 0.1  # of what is prescribed at a watch point, as a residual there: it is seen
CALM = 0.01  # largest local surplus below which the residual of a fit is not asked
RESIDUAL = 0.05  # largest relative residual between the points
WATCHED = 1e-2  # largest relative residual at a watch point
UNKNOWN = 2.0  # the rate of convergence of what is not resolved at all
IRREGULAR = 0.7  # ratio of two successive rates of the surplus below which they say little
MISFIT = 0.1  # residual of a least-squares fit, relative to the terms of its equation, that is not small
AVERAGED, SMOOTHED = 4.0, 2.0  # orders two and one: what jumps is averaged over cells, or spread over some
INVERSE = 0.1  # about 1 / pi**2: how far a residual that varies over the domain moves a field


@dataclass(frozen=True)
class Indicators:
    """Numbers relative to the sizes of the fields; the largest of all fields.

    Attributes
    ----------
    interpolation
        Error of the Hermite interpolant on this level, extrapolated from the hierarchical surplus.
    rate
        By how much the last refinement lowered that error, as far as the surplus tells; None where it does not.
    leaf
        Per axis the largest local surplus.
    cells
        Number of cells.
    residual
        The largest change of a field over a cell that the residual between the points asks for.
    watched, place
        The same at the watch points, where prescribed functions have peaks, and where that is.
    jumps
        Change of the fields that residuals at jumps of the equations ask for.
    misfit
        Change of the fields that the residual of a least-squares fit tells of, relative to its terms.
    rounding
        The level at which rounding limits the error.
    most
        By how much a doubling of the cells lowers the error at most, where what jumps is averaged; 0 elsewhere.
    free
        The same where there are free boundaries (see :class:`.Contact`).
    start
        The same where diffusion starts with data that are not smooth (see :func:`.start_rate`).

    Examples
    --------
    >>> Indicators(leaf=(0.3, 1e-3)).unresolved(("x", "y"))
    'the solution is not resolved along x'
    """

    interpolation: float = 0.0
    rate: float | None = None
    leaf: tuple[float, ...] = ()
    cells: int = 1
    residual: float = 0.0
    watched: float = 0.0
    place: str = ""
    jumps: float = 0.0
    misfit: float = 0.0
    rounding: float = 0.0
    most: float = 0.0
    free: float = 0.0
    start: float = 0.0

    @property
    def seen(self) -> bool:
        """Whether the peaks of all prescribed functions have been seen."""
        return self.watched <= WATCHED

    @property
    def coarse(self) -> float:
        """The largest local surplus of a field that the level does not resolve; zero where it does."""
        largest = max(self.leaf, default=0.0)
        return largest if largest > LEAF else 0.0

    @property
    def resolved(self) -> bool:
        """Whether the level resolves the solution, as far as it can tell."""
        return self.seen and self.residual <= RESIDUAL and all(s <= LEAF for s in self.leaf)

    def unresolved(self, names: Sequence[str], sizes: Sequence[float] = ()) -> str:
        """What is not resolved, for messages; nothing where all is.

        Parameters
        ----------
        names, sizes
            Of the axes, and of a cell along them.
        """
        axes = [i for i, s in enumerate(self.leaf) if s > LEAF]
        parts = []
        if axes:
            part = f"the solution is not resolved along {' and '.join(names[i] for i in axes)}"
            if sizes:
                cells = ", ".join(f"{sizes[i]:.1e}" for i in axes)
                part += (
                    f" (cells of {cells}, where it changes by up to {max(self.leaf):.0%} of its size between vertices)"
                )
            parts.append(part)
        if not self.seen:
            parts.append(f"a peak of what is prescribed, at {self.place}, is not seen by the cells")
        elif not axes and self.residual > RESIDUAL:
            parts.append(
                f"the residual between the points ({self.residual:.1e} of the solution over a cell) is not small"
            )
        return "; ".join(parts)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return asdict(self) | {"leaf": list(self.leaf)}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Indicators:
        """Those of a checkpoint."""
        return cls(**(dict(state) | {"leaf": tuple(state["leaf"])}))


def growth(details: Sequence[float], most: float, smooth: float = 0.0) -> float | None:
    """The rate at which the next doubling will lower the surplus, from those of the last doublings, the finest first.

    For a smooth field what the rate lacks to the order of the basis shrinks from doubling to doubling, as fast as it
    did before; for a singular one it stays.  Where the details shrink irregularly, as on grids that meet the zeros of a
    wave, the mean over both doublings counts, and half of it the error that a smooth field would have.  None where
    there are too few.

    Examples
    --------
    >>> growth([1.0, 8.0, 64.0], 16.0), growth([1.0, 8.0, 8.0], 16.0) > 11.0, growth([1.0], 16.0) is None
    (8.0, True, True)
    """
    if len(details) < 2 or not details[1] > 0 or not details[0] > 0:
        return None if len(details) < 2 else most if details[1] > 0 else None
    last = min(max(details[1] / details[0], 1.0), most)
    if len(details) < 3 or not details[2] > 0:
        return last + 0.5 * (most - last) if last > 1.0 else last
    if details[1] ** 2 < IRREGULAR * details[0] * details[2]:
        both = min(max(math.sqrt(details[2] / details[0]), 1.0), most)
        return math.sqrt(both * min(max(details[0] / smooth, 1.0), most)) if smooth > 0 else both
    before = min(max(details[2] / details[1], 1.0), most)
    lack = most - last
    return most - lack * min(1.0, lack / (most - before)) ** 3 if before < most else last


def _interpolation(
    surplus: Sequence[AxisSurplus], refined: Sequence[bool], sizes: Sequence[float], most: float
) -> tuple[float, float | None]:
    """The error of interpolation relative to the sizes, and the rate of the last refinement."""
    errors, rates = [0.0], [math.inf]
    for f, size in enumerate(sizes):
        if not size > 0:
            continue
        now = before = 0.0
        known = True
        for axis, doubled in zip(surplus, refined, strict=True):
            details = [d[f] for d in axis.details]
            rate = growth(details, most, axis.smooth[f])
            if not details:
                continue
            known &= rate is not None or not doubled
            error = details[0] / (rate or 4.0)
            now += error
            before += details[0] if doubled else error
        errors.append(now / size)
        if known and now > 0:
            rates.append(before / now)
            if max(axis.details[0][f] for axis in surplus if axis.details) > size:
                rates.append(UNKNOWN)  # the coarser interpolant has nothing to do with the field
    rate = min(rates)
    return max(errors), rate if math.isfinite(rate) else None


def indicators(
    problem: Problem,
    basis: str,
    resolution: tuple[int, ...],
    before: tuple[int, ...] | None,
    finest: torch.Tensor,
    parameters: dict[str, float],
    sensitivities: Sensitivities,
    residuals: Mapping[str, float],
    sizes: Sequence[float],
    watch: WatchPoints,
    fitted: bool = False,
    inner: torch.Tensor | None = None,
) -> Indicators:
    """What the coefficients of a stage say.

    Parameters
    ----------
    resolution, before
        Cells of the finest level, and of the one before.
    finest, parameters
        Its coefficients, and the values of the parameters.
    sensitivities
        Sizes of the coefficients of the equations.
    residuals
        RMS of the equations between the points, by name.
    sizes
        RMS of the fields, or what their errors are to be relative to.
    watch
        Where to look.
    fitted
        Whether there are more points than coefficients, so that the residual at the points is not zero.
    inner
        Which vertices lie in the domain; None for all.
    """
    domain = problem.domain
    cell = [a / n for a, n in zip(domain.lengths, resolution, strict=True)]
    over_cell, over_all = (strengths(sensitivities, problem.fields, a) for a in (cell, domain.lengths))
    surplus = piecewise_surpluses(problem, basis, resolution, finest)
    if surplus is None:
        surplus = surpluses(finest, basis, problem.periodic, inner)
    refined = [True] * domain.dim if before is None else [a != b for a, b in zip(before, resolution, strict=True)]
    interpolation, rate = _interpolation(surplus, refined, sizes, 4.0 ** BASES[basis].coefficients)
    leaf = [
        max((v / s for v, s in zip(axis.largest, sizes, strict=True) if s > 0 and math.isfinite(v)), default=0.0)
        for axis in surplus
    ]
    equations = [t for t in problem.terms if t.region.is_interior]
    place, watched = "", 0.0
    for w in watch.residuals(basis, resolution, finest, parameters):
        term = problem.terms[w.term]
        row = _row(problem, w.term, equations, over_cell, cell)
        size = relative_residual([w.residual], [row], sizes)
        if size > watched and w.share > SEEN:
            watched, place = size, w.point + ("" if term.region.is_interior else f" ({term.name})")
    free = watch.free_boundaries(basis, resolution, finest, parameters)
    means = watch.jump_means(basis, resolution, finest, parameters)
    for contact in free:
        if contact.highest:  # its residual jumps within a cell, whatever the error
            means.pop(contact.term, None)
    jumps = [
        relative_residual([means[n]], [over_all[equations.index(problem.terms[n])]], sizes) for n in means
    ]  # fmt: skip
    misfit = 0.0
    if fitted and max(leaf, default=1.0) > CALM:
        terms = watch.term_norms(basis, resolution, finest, parameters)
        misfit = max(
            (
                _misfit(min(1.0, residuals.get(t.name, 0.0) / size), BASES[basis].coefficients, list(row))
                for t, size, row in zip(equations, terms, sensitivities, strict=True)
                if size > 0
            ),
            default=0.0,
        )
    return Indicators(
        most=_most(problem),
        free=min((contact.rate for contact in free), default=0.0),
        start=watch.start_rate,
        misfit=misfit,
        interpolation=interpolation,
        rate=rate,
        leaf=tuple(leaf),
        cells=math.prod(resolution),
        residual=relative_residual([residuals.get(t.name, 0.0) for t in equations], over_cell, sizes),
        watched=watched,
        place=place,
        jumps=max(INVERSE * max(jumps, default=0.0), crossing_level(problem, resolution)),
        rounding=rounding_level(problem, basis, resolution, sensitivities, sizes, torch.finfo(finest.dtype).eps),
    )


def _most(problem: Problem) -> float:
    """By how much a doubling lowers the error at most, where coefficients jump within cells; 0 where none does."""
    equations = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
    if any(is_smoothed(problem, t) for t in equations):
        return SMOOTHED
    return AVERAGED if any(is_averaged(problem, t) for t in equations) else 0.0


def _misfit(residual: float, m: int, jets: Sequence[Jet]) -> float:
    """The error that a relative residual of an equation tells of.

    Both are of order one where nothing is resolved; then the residual falls like ``h**(2 m - o)`` and the error like
    ``h**(2 m)``.  Small residuals tell of nothing that changes between levels do not tell better.
    """
    if residual < MISFIT:
        return 0.0
    order = max(sum(orders) for _, orders in jets)
    return residual ** (2 * m / max(1, 2 * m - order))


@lru_cache(maxsize=16)
def _largest_derivatives(basis: str) -> tuple[float, ...]:
    """By order the largest derivative of a function of a basis, over cells of unit length."""
    m = BASES[basis].coefficients
    at = torch.linspace(0, 1, 33 if m > 2 else 1, dtype=torch.float64)  # functions of cubics bend most at a vertex
    return tuple(max(float(v.abs().max()) for v in basis_values(basis, at, o)) for o in range(2 * m))


def rounding_level(
    problem: Problem,
    basis: str,
    resolution: Sequence[int],
    sensitivities: Sensitivities,
    sizes: Sequence[float],
    epsilon: float,
) -> float:
    """About the relative error that rounding in the residuals leaves in the fields.

    A derivative of order o is wrong by ``epsilon`` times the size of its terms, ``c_o h**-o``.  Errors that are
    independent at every point move a field that varies over the domain, ``pi / L`` at a time, by as much as they do on
    average along the axis with most points.  Fields have some sizes.  The factor is that of measurements.
    """
    m, lengths = BASES[basis].coefficients, problem.domain.lengths
    largest = _largest_derivatives(basis)
    worst, known = 0.0, {f: s if s > 0 else 0.0 for f, s in zip(problem.fields, sizes, strict=True)}
    for row in sensitivities:
        terms, whole = [0.0], [0.0]
        for (field, orders), slope in row.items():
            s = slope * known[field]
            over = list(zip(orders, lengths, resolution, strict=True))
            terms.append(s * math.prod(largest[o] * (n / a) ** o for o, a, n in over))
            whole.append(s * math.prod((math.pi / a) ** o for o, a, _ in over))
        if max(whole) > 0:
            worst = max(worst, max(terms) / max(whole))
    return epsilon * max(4.0, worst / (6.0 * math.sqrt(m * max(resolution))))


def _row(
    problem: Problem,
    number: int,
    equations: Sequence[Term],
    over_cell: Sequence[Sequence[float]],
    cell: Sequence[float],
) -> list[float]:
    """The strengths over a cell of a term's fields."""
    term = problem.terms[number]
    if term.region.is_interior:
        return list(over_cell[equations.index(term)])
    return strengths([first_sizes(problem, compile_term(problem, term))], problem.fields, cell)[0]
