"""Automatic weights of penalties and of data, and the way from the data to the equations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from hermite_pinn.methods.least_squares.levenberg_marquardt import Fit
from hermite_pinn.methods.least_squares.nested_dissection import Dissection, dissect
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.data_weights import STRONG, Misfit

from .constant_products import ConstantProducts
from .penalty_evidence import Evidence, Prediction

__all__ = ["Choice", "choose_weights", "fit_smoothly", "from_data"]

STEP = math.sqrt(10.0)
#: Scatter of the data in units of their noise beyond which the choice of a coarser level is forgotten.
POOR = 1.5

ROUNDS, MOST_ROUNDS = 3, 8  # of choosing weights; more while the best ones lie at the end of what a search looks at
NEAR = 4  # steps that a search looks at either way, and three times as many at first
FIRST_EMPHASIS = 10.0  # at least, on the coarsest level
BEFORE = (100.0, 10.0)  # times the emphasis: on the way from the data to the equations
FARTHER = (1e6, 1e4, *BEFORE)  # the same where that way ends far from the data
MISSED, MISSED_UNTOLD = 3.0, 0.3  # misfit, in units of the noise or else relative, that is far from the data
HIGHEST, STRIDE = 1e7, 10.0  # emphasis on a way from the data that a level leaves where it holds them no more
STRONGER = (1e4, 1e2)  # times the weight of exact data, on the same way
MET = 0.03  # relative misfit of exact data that are met
CLOSE, LARGE = 1e-4, 0.3  # the same beyond doubt; part of the loss that data may not be above
RETURN = 10.0  # times the emphasis: to where the way goes back for other weights or levels
ENOUGH, ROUGH = 0.01, 0.01  # parts of the degrees of freedom, and of all data: steps that gain less are the last
FAR = 4  # steps of a search at first
LEAST_GAIN = 0.1  # of risk or deviance, in units of the variance: other weights have to gain it
UNLIKELY = 5.0  # deviance per degree of freedom
LARGEST, LARGEST_AGAIN = 40_000, 3_000  # unknowns of a first level on which weights are chosen, and of a finer one
MOST = 100.0
SMALLEST, GREATEST = 1e-12, 1e4  # times the first weight: with less or more nothing changes but rounding


@dataclass(frozen=True)
class Choice:
    """Weights by field, and the fit they give.

    Attributes
    ----------
    weights
        By field.
    scatter
        Root mean square misfit in units of the noise, or of the data where that is not known, for as many values as are
        left beyond the degrees of freedom.
    freedom
        Effective number of degrees of freedom of the fit.
    emphasis
        Factor of the weight of data and penalties against the equations (see :func:`balanced`).
    """

    weights: dict[str, float]
    scatter: float
    freedom: float
    emphasis: float = 1.0

    @property
    def on_the_way(self) -> bool:
        """Whether the data still weigh more than usual, since the level holds them no better."""
        return not self.weights and self.emphasis > 1.0

    def at_end(self, before: Mapping[str, float], reach: int) -> bool:
        """Whether a weight is as far from the one before as a search of so many steps looks."""
        known = [abs(math.log(w / before[f], STEP)) for f, w in self.weights.items() if f in before]
        return max(known, default=0.0) > reach - 0.5

    def stats(self, problem: Problem) -> dict[str, Any]:
        """For ``solution.stats``."""
        if not self.weights:
            return {"data_emphasis": self.emphasis}
        misfit = Misfit(problem)
        stats: dict[str, Any] = {"smoothness": dict(self.weights), "degrees_of_freedom": self.freedom}
        if misfit.known:
            return stats | {"scatter": self.scatter}
        return stats | {"noise": {t.name.removeprefix("data "): self.scatter * misfit.size_of(t) for t in misfit.noisy}}

    def sentence(self, problem: Problem) -> str:
        """For ``solution.message``."""
        misfit = Misfit(problem)
        if not self.weights:
            return f"data weigh {self.emphasis:.0e} times as much as usual, since the levels hold them no better"
        weights = ", ".join(f"{f}={w:.1e}" for f, w in self.weights.items())
        if not misfit.known:
            noise = ", ".join(f"{f}={s:.1e}" for f, s in self.stats(problem)["noise"].items())
            return f"smoothness {weights} by cross-validation, which finds the noise {noise}"
        text = f"smoothness {weights} by the predictive risk; the data scatter by {self.scatter:.2f} of their noise"
        if abs(self.scatter - 1.0) > 5.0 * math.sqrt(0.5 / misfit.count):
            more = "more than chance explains, so that noise, equations or levels do not fit the data"
            text += f": {more if self.scatter > 1.0 else 'less than chance explains, so that there is less noise'}"
        return text


def choose_weights(
    system: GridSystem,
    vector: torch.Tensor,
    weights: dict[str, float],
    reach: int,
    look: Callable[[], None] = lambda: None,
    products: ConstantProducts | None = None,
    dissection: Dissection | None = None,
) -> Choice:
    """The weights of the automatic penalties near some weights that predict the data best and are likely.

    The predictive risk alone is flat, and may smooth away what little data hardly see; the likelihood has a steep
    maximum, but takes fields for as rough on small scales as on large ones.  So the risk is minimised where the
    deviance is not more than five per degree of freedom above its minimum.  Data without told noise that are fitted to
    within 3 % are an exception: what is left of them on coarse levels is the error of the equations, of which the
    likelihood knows nothing, so that the risk alone decides.  The search changes all weights together and one after
    another, by factors of 100, 10 and at last the root of ten, up to ``reach`` of these, until nothing improves.
    """
    evidence = Evidence(system, vector, products, dissection)
    fields = system.misfit.automatic
    start = {f: weights.get(f, system.misfit.first) for f in fields}
    known: dict[tuple[int, ...], Prediction] = {}

    def weights_at(place: tuple[int, ...]) -> dict[str, float]:
        return {f: start[f] * STEP**n for f, n in zip(fields, place, strict=True)}

    def at(place: tuple[int, ...]) -> Prediction:
        if place not in known:
            look()
            for other in known.values():
                other.release()
            known[place] = evidence.at(weights_at(place))
        return known[place]

    def allowed(place: tuple[int, ...]) -> bool:
        every = [w / system.misfit.first for w in weights_at(place).values()]
        return min(every) >= SMALLEST and max(every) <= GREATEST and max(map(abs, place)) <= reach

    strength = system.misfit.strength * evidence.emphasis

    def choice(place: tuple[int, ...]) -> Choice:
        chosen = at(place)
        left = max(evidence.count - chosen.freedom, 1.0)
        scatter = math.sqrt(chosen.misfit * evidence.count / left / strength)
        return Choice(weights_at(place), scatter, chosen.freedom, evidence.emphasis)

    def slopes(every: dict[str, float]) -> list[float]:
        return [every[f] * math.log(STEP) for f in fields]

    risk = _Measure(lambda place: at(place).risk, lambda place: slopes(at(place).risk_slopes))
    deviance = _Measure(lambda place: at(place).deviance, lambda place: slopes(at(place).deviance_slopes))
    first = _sensitive((0,) * len(fields), (risk, deviance), allowed)
    if not system.misfit.known and _may_be_met(at, allowed, len(fields), reach, strength):
        found = choice(_lowest(first, risk, allowed, lambda place: True, reach))
        if found.scatter <= MET:
            return found
    likely = _lowest(first, deviance, allowed, lambda place: True, reach)
    most = at(likely).deviance + UNLIKELY * at(likely).freedom
    best = _lowest(likely, risk, allowed, lambda place: at(place).deviance <= most, reach)
    largest = {f: max(system.misfit.first, w) for f, w in weights_at(best).items()}

    def moderate(place: tuple[int, ...]) -> bool:
        return allowed(place) and all(w <= 1.001 * largest[f] for f, w in weights_at(place).items())

    return choice(_smoothest(best, at, moderate, most))


def _smoothest(
    best: tuple[int, ...],
    at: Callable[[tuple[int, ...]], Prediction],
    allowed: Callable[[tuple[int, ...]], bool],
    most: float,
) -> tuple[int, ...]:
    """The largest weights, field by field, that predict the data as well as the best: they make the problem easier.

    They are not larger than first weights, beyond which fields would seem to be known better than data tell.
    """
    limit = at(best).risk + LEAST_GAIN
    for i, stride in itertools.product(range(len(best)), (4, 2, 1)):
        while True:
            place = tuple(n + stride * (i == k) for k, n in enumerate(best))
            if not allowed(place) or at(place).risk > limit or at(place).deviance > most:
                break
            best = place
    return best


def _may_be_met(
    at: Callable[[tuple[int, ...]], Prediction],
    allowed: Callable[[tuple[int, ...]], bool],
    count: int,
    reach: int,
    strength: float,
) -> bool:
    """Whether some weights may leave data fitted closely: the misfit is least where nothing is smoothed."""
    least = next(place for n in range(reach, -1, -1) if n == 0 or allowed(place := (-n,) * count))
    return at(least).misfit <= MET**2 * strength


@dataclass(frozen=True)
class _Measure:
    """What is minimised over the places of a lattice, and its slopes per step along every axis."""

    value: Callable[[tuple[int, ...]], float]
    slopes: Callable[[tuple[int, ...]], Sequence[float]]


def _sensitive(
    start: tuple[int, ...], measures: Sequence[_Measure], allowed: Callable[[tuple[int, ...]], bool]
) -> tuple[int, ...]:
    """A place from which the search sees something: weights are lowered, field by field, while they change nothing.

    A field that is as smooth as its penalty can make it stays so under weights that are many times smaller, and
    slopes there promise nothing.
    """
    place = start
    while True:
        slopes = [measure.slopes(place) for measure in measures]
        flat = [all(abs(FAR * every[i]) < LEAST_GAIN for every in slopes) for i in range(len(place))]
        lower = tuple(n - FAR * own for n, own in zip(place, flat, strict=True))
        if lower == place or not allowed(lower):
            return place
        place = lower


def _lowest(
    start: tuple[int, ...],
    measure: _Measure,
    allowed: Callable[[tuple[int, ...]], bool],
    also: Callable[[tuple[int, ...]], bool],
    reach: int,
) -> tuple[int, ...]:
    """The place of a lattice from which no allowed move of one step lowers a value.

    The moves are those of all axes together and of every axis, of four steps at first where the reach is large, then of
    two and one.  Those of which the slopes promise most are tried first, and those of which they promise nothing never.

    Parameters
    ----------
    allowed, also
        Where a place may be; ``also`` is asked only where the value is lower.
    """
    count = len(start)
    axes = [range(count)] if count == 1 else [range(count), *([i] for i in range(count))]
    best, stride = start, FAR if reach > FAR else 2
    while stride:
        slopes = measure.slopes(best)
        promised = [
            (
                stride * direction * sum(slopes[i] for i in together),
                tuple(direction * (i in together) for i in range(count)),
            )
            for together, direction in itertools.product(axes, (-1, 1))
        ]
        before = best
        for _, move in sorted(pair for pair in promised if pair[0] < -LEAST_GAIN):
            while True:
                place = tuple(n + stride * m for n, m in zip(best, move, strict=True))
                if not allowed(place) or not measure.value(place) < measure.value(best) - LEAST_GAIN or not also(place):
                    break
                best = place
            if best != before:
                break
        if best == before:
            stride //= 2
    return best


def balanced(system: GridSystem, rows: Sequence[torch.Tensor], scatter: float) -> float:
    """The emphasis at which equations and noisy data both count by their accuracy.

    Functions of the grid satisfy the equations up to a relative residual ``e``, and the data are right up to ``s``,
    their noise over their size: least squares of both with variances ``e**2`` and ``s**2`` give relative misfits the
    weight ``(e / s)**2``.  A tenth of that is taken, since a part of ``e`` is what the data impose on the equations.
    It is never less than the strength of :class:`Misfit`, which keeps fields from fitting noise, nor more than 100.
    A user's weight of the data stays as it is.
    """
    misfit = system.misfit
    if any(t.weight is not None for t in misfit.noisy):
        return 1.0
    residual = sum(float((r * r).sum()) for r in rows[: len(system.interior.terms)])
    relative = max((scatter * misfit.unit) ** 2, 1e-30)
    return min(max(0.1 * residual / relative, STRONG), MOST) / STRONG


def fit_smoothly(
    system: GridSystem,
    vector: torch.Tensor,
    before: Choice | None,
    fit: Callable[[torch.Tensor, Callable[[Sequence[torch.Tensor]], float]], Fit],
    *,
    first: bool,
    check: Callable[[], None] = lambda: None,
) -> tuple[Fit, Choice | None]:
    """Fit with weights of the penalties and of the data that are chosen on the way.

    Parameters
    ----------
    system, vector
        The problem, and where to start.
    before
        What was chosen on a coarser level, or None.
    fit
        Solves the problem from a vector with the present weights, up to changes of the loss that its second argument
        tells of the rows.
    check
        Called on the way; may end the run.
    first
        Whether there is no coarser level: then the data weigh at least ten times as much as later, since coarse
        functions cannot satisfy the equations so well.

    Returns
    -------
    fit, choice
        The choice is None where no weight is to be chosen; that of the coarser level where this one is too large.
    """
    most = LARGEST if first else LARGEST_AGAIN
    chooses = bool(system.misfit.automatic) and system.fixed.numel() <= most
    weights, emphasis = ({}, 1.0) if before is None else (before.weights, before.emphasis)
    if before is not None and system.misfit.known and before.scatter > POOR:
        weights = {}  # functions too coarse for the data say little about the smoothness of the fields
    choice, least = before, FIRST_EMPHASIS if first else 0.0
    open_way = bool(system.problem.parameters) and not system.affine and system.misfit.known
    open_way = open_way and not system.misfit.automatic and (before is None or before.emphasis > 1.0)
    emphasis = max(emphasis, least)
    noise, products, layout = _Noise(system), ConstantProducts(), system.layout
    dissection = dissect(layout.positions, layout.sides, layout.wraps, layout.width) if chooses else None
    present = math.inf if before is None else emphasis * RETURN

    def along(
        way: Sequence[float], vector: torch.Tensor, emphasis: float, enough: Callable[[Sequence[torch.Tensor]], float]
    ) -> Fit:
        for stronger in way:
            system.smooth(weights, stronger * emphasis)
            vector = fit(vector, noise.rough).vector
        system.smooth(weights, emphasis)
        return fit(vector, enough)

    def held(vector: torch.Tensor, highest: float) -> tuple[Fit, float] | None:
        """The last fit on the way from the data that holds them, and its emphasis; None if not even the first does."""
        found: tuple[Fit, float] | None = None
        stronger = highest
        while stronger >= 0.99:
            system.smooth(weights, stronger)
            state = fit(vector, noise.rough)
            if noise.scatter(state.rows) > noise.likely:
                break
            found, vector = (state, stronger), state.vector
            stronger /= STRIDE
        system.smooth(weights, emphasis if found is None else found[1])
        if found is not None:
            system.linearize(found[0].vector)
        return found

    if open_way and before is not None:  # of a coarser level that could not hold the data by the usual weight
        kept = held(vector, before.emphasis)
        if kept is not None and kept[1] < before.emphasis:
            return kept[0], Choice({}, 1.0, 1.0, kept[1]) if kept[1] > 1.0 else None
        open_way, emphasis, choice, present = False, 1.0, replace(before, emphasis=1.0), math.inf

    rounds = ROUNDS
    for last in itertools.count():
        ends = not chooses or last == rounds
        freedom = 1.0 if choice is None else choice.freedom
        enough = partial(noise.small, freedom) if ends or choice is not before else noise.rough
        state = along([stronger for stronger in BEFORE if stronger * emphasis <= present], vector, emphasis, enough)
        if first and not last and system.problem.parameters and noise.misses(state.rows):
            state = _better(system, state, along(FARTHER, vector, emphasis, enough))
        if open_way and noise.misses(state.rows):
            kept = held(vector, HIGHEST)
            if kept is not None:
                return kept[0], Choice({}, 1.0, 1.0, kept[1])
        if ends:
            break
        if last:
            least = 0.0
        reach = NEAR if weights else 3 * NEAR
        choice = choose_weights(system, state.vector, weights, reach, check, products, dissection)
        if choice.at_end(weights, reach) and rounds < MOST_ROUNDS:
            rounds += 1
        wanted = max(balanced(system, state.rows, choice.scatter), least)
        settled = choice.weights == weights and 0.3 < wanted / emphasis < 3.0
        present = emphasis * (1.0 if choice.weights == weights else RETURN)
        vector, weights = state.vector, choice.weights
        if settled:
            break
        emphasis = wanted
    return state, None if choice is None else replace(choice, emphasis=emphasis)


def _better(system: GridSystem, one: Fit, other: Fit) -> Fit:
    """The fit with the lower loss, at which the system is linearised."""
    if other.loss < one.loss:
        return other
    system.linearize(one.vector)
    return one


def from_data(system: GridSystem, vector: torch.Tensor, fit: Callable[[torch.Tensor], Fit]) -> torch.Tensor:
    """Where a fit of parameters to exact data is to start: on the way from the data to the equations.

    Parameters that are far off leave a trajectory that misses the data, and no small change of them brings it closer.
    Fields that fit the data first say what the parameters are.  Nothing changes where the data are met already, or
    where nothing is unknown but the fields.  Data are not met either if they are missed by a little while the equations
    are missed by no more: a coarser level could not hold both, and the way back along its valley is long.

    Parameters
    ----------
    system, vector
        The problem, and where to start.
    fit
        Solves the problem from a vector with the present weights.
    """
    measured = [b for b in system.blocks if any(t.term.region.measured is not None for t in b.terms)]
    if system.affine or not system.problem.parameters or not measured:
        return vector
    rows = system.linearize(vector)
    missed = [r for block, own in system.parts(rows) if any(block is b for b in measured) for r in own]
    squares = float(system.inner(missed, missed))
    if squares < MET**2 and not (squares > CLOSE**2 and squares > LARGE * float(system.inner(rows, rows))):
        return vector
    roots = [block.root for block in measured]
    for stronger in (*STRONGER, 1.0):
        for block, root in zip(measured, roots, strict=True):
            block.root = root * math.sqrt(stronger)
        if stronger > 1.0:
            vector = fit(vector).vector
    return vector


class _Noise:
    """What the noise of the data makes of the loss: changes below are no gain.

    Moving by the posterior standard deviation of one degree of freedom raises the loss by the variance of one row.
    """

    def __init__(self, system: GridSystem) -> None:
        self.system = system

    def variance(self, rows: Sequence[torch.Tensor]) -> float:
        """Of a weighted row of the data: the given one, or what the misfit tells."""
        system, misfit = self.system, self.system.misfit
        if misfit.variance is not None:
            return misfit.variance * system.emphasis
        noisy = (r for block, own in system.parts(rows) if any(block is b for b in system.noisy) for r in own)
        return sum(float(system.inner([r], [r])) for r in noisy) / max(misfit.count, 1)

    def misses(self, rows: Sequence[torch.Tensor]) -> bool:
        """Whether a state is far from the data."""
        return self.scatter(rows) > (MISSED if self.system.misfit.known else MISSED_UNTOLD)

    @property
    def likely(self) -> float:
        """What the scatter of data that a level holds is at most, but for a chance of a hundredth."""
        return 1.0 + 2.3 / math.sqrt(2.0 * max(self.system.misfit.count, 1))

    def scatter(self, rows: Sequence[torch.Tensor]) -> float:
        """Root mean square misfit of the data, in units of their noise, or relative where that is not told."""
        system, misfit = self.system, self.system.misfit
        noisy = (r for block, own in system.parts(rows) if any(block is b for b in system.noisy) for r in own)
        squares = sum(float(system.inner([r], [r])) for r in noisy)
        return math.sqrt(squares / (misfit.strength * system.emphasis))

    def small(self, freedom: float, rows: Sequence[torch.Tensor]) -> float:
        """A hundredth of the degrees of freedom: the distance is a tenth of the standard deviation."""
        return ENOUGH * freedom * self.variance(rows)

    def rough(self, rows: Sequence[torch.Tensor]) -> float:
        """For a state that serves to choose weights: a hundredth of all data."""
        return ROUGH * max(self.system.misfit.count, 1) * self.variance(rows)
