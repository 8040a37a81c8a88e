"""What speaks against a result: equations, conditions, data and parameters, whatever method found it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import chdtri

from hermite_pinn.expressions.program import leaves
from hermite_pinn.field.field import GridField
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import compile_term
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.misfits import TermMisfit, smooth_part, term_misfits
from hermite_pinn.run.status import Status

from .base import Doubt, Outcome
from .data_scatter import with_scatter

__all__ = ["Standard", "contradictions", "doubts_about", "judged", "unjudged"]

#: Relative accuracy that is asked for where nobody names one.
ACCURACY = 1e-6

#: Relative misfit from which on a term counts as not satisfied, however inaccurate the result is said to be.
LOOSE = 0.3

#: The same for trained fields, whose error nobody estimates: a term of which a tenth is left has no digit right.
ONE_DIGIT = 0.1

#: Part of what is left of an equation that must be smooth to contradict it; of discretisation errors it is below 0.25.
SMOOTH = 0.5

#: Part of a residual that is smooth by more than chance, beside rounding.
UNEVEN = 0.05

#: Misfit of an equation below which noisy data may have bent the field.
BENT = 0.05

#: Part of an equation's size for fields of unit size that noise may leave of it, also where its terms all vanish.
FAINT = 1e-3

#: Misfit in units of the noise told, of many values, and the chance by which few values may exceed it.
NOISES, CHANCE = 2.0, 1e-9

#: Correlation of the misfits of neighbours, and their size over the scatter of the values, that noise does not have.
CORRELATED, LARGE = 0.5, 0.2

MOST_TOLD = 3  # doubts in a message
MOST_COMPARED = 2000  # misfits with those of their neighbours


@dataclass(frozen=True)
class Standard:
    """What is asked of a result.

    Attributes
    ----------
    accuracy
        Relative error that is estimated, no less than what is asked for by default; None where there is no estimate.
    minimised
        Whether the residual is as small as the grid allows.
    cells
        Least number of cells along an axis.
    bent
        Misfit of equations that noisy data may cause.
    gridded
        Whether cells limit how well equations can be satisfied, as they do not for networks.
    """

    accuracy: float | None
    minimised: bool
    cells: int
    bent: float
    gridded: bool = False

    @property
    def most(self) -> float:
        """Relative misfit that no condition may have: without an estimate, a trained field must show a digit."""
        return ONE_DIGIT if self.accuracy is None and not self.minimised else LOOSE

    @property
    def unsolved(self) -> float:
        """The same for equations: coarse cells leave more of derivatives than of values, networks do not."""
        return LOOSE if self.gridded else self.most

    @property
    def value(self) -> float:
        """Relative misfit of values, which are taken at single points, that a result of this accuracy may have."""
        if self.accuracy is None:
            return self.most
        return min(LOOSE, 100.0 * self.accuracy, max(10.0 * self.accuracy, 0.02))

    @property
    def derivative(self) -> float:
        """The same for conditions on derivatives, which converge more slowly."""
        return self.most if self.accuracy is None else min(LOOSE, max(self.value, math.sqrt(self.accuracy)))

    @property
    def degree(self) -> int:
        """Of polynomials that are smooth on the grid."""
        return min(3, self.cells // 8)


def doubts_about(problem: Problem, outcome: Outcome, misfits: Sequence[TermMisfit] | None = None) -> list[Doubt]:
    """What speaks against an outcome, the gravest first.

    Equations are looked at between the points where they were solved, conditions on their faces, data at their points,
    and parameters by their effect on all of these.

    Parameters
    ----------
    problem
        What was to be solved.
    outcome
        What a method found.
    misfits
        Of the terms, if they are known.

    Returns
    -------
    list
        With the doubts of the method itself; empty where nothing speaks against the outcome.
    """
    accuracy = None if outcome.error is None else max(outcome.error, ACCURACY)
    noise = Misfit(problem)
    bent = BENT if noise.noisy or noise.penalties else 0.0
    cells = min(outcome.field.encoder.cells)
    standard = Standard(accuracy, outcome.minimised, cells, bent, outcome.field.linear)
    misfits = term_misfits(problem, outcome.field, outcome.parameters) if misfits is None else misfits
    found = [
        *_of_data(misfits, noise, standard),
        *_of_conditions(misfits, standard),
        *_of_equations(misfits, standard, _is_open(problem, outcome)),
        *outcome.doubts,
        *_of_parameters(misfits, outcome.parameters),
    ]
    return list(dict.fromkeys(found))


def contradictions(problem: Problem, field: GridField, parameters: Mapping[str, float]) -> list[Doubt]:
    """Equations of which a field leaves a smooth residual as large as their terms, wherever the run stands.

    Parameters
    ----------
    problem
        What is being solved.
    field
        The least residual on its grid.
    parameters
        Its parameters.
    """
    standard = Standard(None, True, min(field.encoder.cells), 0.0)
    return list(_of_equations(term_misfits(problem, field, parameters), standard))


def judged(problem: Problem, outcome: Outcome) -> Outcome:
    """An outcome whose status and message say what speaks against it.

    Runs that something else ended (time, callback, keyboard, divergence) stay as they are, and so does a status without
    success, such as :attr:`Status.STALLED`, where there is no better one.
    """
    if outcome.status not in JUDGED:
        return outcome
    misfits = term_misfits(problem, outcome.field, outcome.parameters)
    outcome = replace(outcome, stats=dict(outcome.stats) | _condition_scales(misfits))
    outcome = with_scatter(problem, outcome, misfits)
    doubts = doubts_about(problem, outcome, misfits)
    if not doubts:
        return outcome
    sentences = "; ".join(d.sentence for d in doubts[:MOST_TOLD])
    joint = "and" if "; but " in outcome.message else "but"
    return _told(outcome, _status(outcome, doubts), f"{outcome.message}; {joint} {sentences}")


def unjudged(outcome: Outcome, obstacle: Exception) -> Outcome:
    """An outcome that could not be judged: nothing is promised of it, so it is no success, and it says why.

    Parameters
    ----------
    obstacle
        What was raised by :func:`judged`: no memory gives :attr:`Status.MAX_SIZE`, anything else, such as a file that
        cannot be opened, :attr:`Status.INTERRUPTED`.  A status without success stays.
    """
    lack = isinstance(obstacle, MemoryError)
    status = (Status.MAX_SIZE if lack else Status.INTERRUPTED) if outcome.status.success else outcome.status
    why = str(obstacle) or ("there is no memory for it" if lack else type(obstacle).__name__)
    return _told(outcome, status, f"{outcome.message}; it could not be checked: {why}")


def _told(outcome: Outcome, status: Status, message: str) -> Outcome:
    """The outcome with another status and message; in a chain these are those of the last method, too."""
    stats = dict(outcome.stats)
    if stats.get("stages"):
        *before, last = stats["stages"]
        stats["stages"] = [*before, last | {"status": status.label, "message": message}]
    return replace(outcome, status=status, message=message, stats=stats)


def _condition_scales(misfits: Sequence[TermMisfit]) -> dict[str, dict[str, float]]:
    """Sizes of what conditions and data add up, the largest of several faces, by name; none where all is zero."""
    sizes: dict[str, float] = {}
    for m in misfits:
        if not m.term.region.is_interior and math.isfinite(m.size) and m.size > sys.float_info.min:
            sizes[m.term.name] = max(m.size, sizes.get(m.term.name, 0.0))
    return {"condition_scales": sizes} if sizes else {}


JUDGED = (
    Status.CONVERGED,
    Status.COMPLETED,
    Status.STALLED,
    Status.MAX_SIZE,
    Status.UNDETERMINED,
    Status.UNSOLVED,
)


def _status(outcome: Outcome, doubts: Sequence[Doubt]) -> Status:
    unmet = any(d.kind != "parameter" for d in doubts)
    if unmet and (outcome.minimised or outcome.status is Status.CONVERGED):
        return Status.INCONSISTENT
    if unmet and outcome.status is Status.COMPLETED:
        return Status.UNSOLVED
    return outcome.status if unmet else Status.UNDETERMINED


# -- the kinds of evidence ---
def _is_open(problem: Problem, outcome: Outcome) -> bool:
    """Whether a linear problem leaves something of its fields free, so that its sources may not be any."""
    return outcome.status is Status.UNDETERMINED and all(
        compile_term(problem, t).affine for t in problem.terms if t.region.penalty is None
    )


def _of_equations(misfits: Sequence[TermMisfit], standard: Standard, is_open: bool = False) -> Iterator[Doubt]:
    for m in misfits:
        if not m.term.region.is_interior:
            continue
        if is_open and standard.minimised:
            part = smooth_part(m.values, m.points, standard.degree)
            smooth = m.rms * math.sqrt(part)
            if part > UNEVEN and smooth > LOOSE * max(m.assumed, UNEVEN * m.size) > 0:
                yield Doubt(
                    "equation",
                    f"{m.term.name} keeps a smooth residual of {_share(smooth / m.assumed)} of its scale, which no field lowers: "
                    "sources and what the conditions let through the boundary do not balance",
                )
                continue
        if not standard.minimised:
            if not m.unsolved < standard.unsolved:
                yield Doubt("equation", f"the residual of {m.term.name} is {_share(m.unsolved)} of its terms")
            continue
        left = m.relative
        contradicted = left * math.sqrt(smooth_part(m.values, m.points, standard.degree))
        if standard.bent and m.unsolved <= FAINT:
            continue
        allowed = max(standard.value, standard.bent)
        if not (contradicted <= allowed or contradicted < SMOOTH * left):
            yield Doubt(
                "equation",
                f"{m.term.name} keeps a smooth residual of {_share(left)} of its terms, which is no error of discretisation",
            )


def _of_conditions(misfits: Sequence[TermMisfit], standard: Standard) -> Iterator[Doubt]:
    worst: dict[str, float] = {}
    for m in misfits:
        region = m.term.region
        if region.is_interior or region.measured is not None:
            continue
        derivative = any(kind == "jet" and any(data[1]) for kind, data in leaves(m.term.residual))
        if not m.typical <= (standard.derivative if derivative else standard.value):
            worst[m.term.name] = max(m.typical, worst.get(m.term.name, 0.0))
    for name, left in worst.items():
        yield Doubt("condition", f"the condition {name!r} is missed by {_share(left)} of its size")


def _of_data(misfits: Sequence[TermMisfit], noise: Misfit, standard: Standard) -> Iterator[Doubt]:
    for m in misfits:
        if m.term.region.measured is None:
            continue
        name = m.term.name.removeprefix("data ")
        if not noise.is_noisy(m.term):
            if not m.relative <= standard.value * (m.reach if standard.minimised else 1.0):
                yield Doubt(
                    "data", f"the data of {name}, given as exact, are missed by {_share(m.relative)} of their size"
                )
        elif isinstance(m.term.noise, np.ndarray):
            times = _in_noises(m, m.term.noise)
            if not times <= _most_noises(len(m.values)):
                yield Doubt("data", f"the data of {name} are missed by {times:.3g} times their noise")
        elif _follows(m):
            yield Doubt(
                "data",
                f"the data of {name} are missed by {_share(m.relative)} of their size, and the misfits of neighbouring "
                "points are alike, which those of noise are not",
            )


def _of_parameters(misfits: Sequence[TermMisfit], parameters: Mapping[str, float]) -> Iterator[Doubt]:
    for name in parameters:
        if all(m.sensitivities.get(name, 0.0) == 0.0 for m in misfits):
            yield Doubt("parameter", f"nothing determines {name}")
    for m in misfits:
        if m.faded:
            names = " and ".join(m.sensitivities)
            yield Doubt("parameter", f"{m.term.name} vanishes with {names}, so that it asks nothing of the fields")


# -- numbers ---
def _in_noises(m: TermMisfit, noise: np.ndarray) -> float:
    """Root mean square misfit in units of the noise."""
    return float(np.sqrt(np.mean((m.values.numpy() / noise) ** 2)))


def _most_noises(count: int) -> float:
    """Root mean square of so many misfits in units of the noise that chance explains."""
    return max(NOISES, math.sqrt(float(chdtri(count, CHANCE)) / count))


def _follows(m: TermMisfit) -> bool:
    """Whether large misfits of data with unknown noise resemble those at the nearest points."""
    count = len(m.values)
    if count < 20 or not m.rms > 0:
        return False
    term = m.term.region.measured
    assert term is not None
    scatter = max(float(torch.as_tensor(c).to(torch.float64).std()) for c in term.columns.values())
    if m.rms < LARGE * scatter:
        return False
    low, high = m.points.min(1, keepdim=True).values, m.points.max(1, keepdim=True).values
    places = ((m.points - low) / (high - low).clamp(min=1e-300)).T[:MOST_COMPARED].contiguous()
    apart = torch.cdist(places, places).fill_diagonal_(math.inf)
    own = m.values[:MOST_COMPARED]
    alike = float((own * own[apart.argmin(1)]).mean() / own.square().mean())
    return alike > max(CORRELATED, 4.0 * math.sqrt(1.5 / len(own)))


def _share(part: float) -> str:
    """A relative size in words."""
    if not math.isfinite(part):
        return "infinitely many times"
    return f"{100.0 * part:.{3 if part >= 0.995 else 2}g} %" if part < 10.0 else f"{part:.2g} times"
