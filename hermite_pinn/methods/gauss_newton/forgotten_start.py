"""Diffusion that begins with data which jump, have kinks or contradict the boundary, and forgets them.

Near such places derivatives are infinite at the start, and the residual of any grid grows as its cells shrink, for all
that the solution converges: what is wrong within some cells of the start dies out.  So the residual at the start says
nothing of the error; that of later times does.
"""

from __future__ import annotations

import torch

from hermite_pinn.expressions.program import Leaf, Value, is_smooth
from hermite_pinn.geometry import Samples
from hermite_pinn.problem.jumps import find_jumps
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import FaceTrace, Term

from .time_slabs import parabolic

__all__ = ["JUMP", "later", "start_rate"]

LATE = 0.1  # part of the time after which residuals tell of the error
POINTS = 256  # of the line or face where a side begins, at which its values and the start are compared
DIFFERENCE = 1e-8  # of values, relative to the largest anywhere, that contradict each other
BESIDE = 1e-7  # of an axis, on both sides of a place where values may jump
STEP = 1e-4  # of the largest value: one that is no kink
JUMP, KINK = 2.0**1.5, 2.0**2.5  # by which half the cells lower the error of what is a cell wide and a cell long


def start_rate(problem: Problem) -> float:
    """By how much a doubling of the cells lowers the error at most, where diffusion begins with rough data.

    Values that jump, or are not those of a side, are wrong by their own size within a cell of the place, as long as
    diffusion takes to cross it: on a part of the domain that shrinks with the third power of the cells, so that the
    L2 error does with the power 3/2.  Kinks are wrong by the size of a cell there.

    Parameters
    ----------
    problem
        What is solved.  Only where every equation has a first derivative in time and second derivatives in space.

    Returns
    -------
    rate
        Zero where the start is smooth, as far as values tell.

    Examples
    --------
    >>> from hermite_pinn import Box, Dirichlet, Initial, Problem
    >>> heat, sides = lambda u: u.t - u.xx, Dirichlet(u=0.0)
    >>> round(start_rate(Problem(Box(x=(0, 1), t=(0, 1)), "u", heat, [sides, Initial(u=1.0)])), 2)
    2.83
    >>> start_rate(Problem(Box(x=(0, 1), t=(0, 1)), "u", heat, [sides, Initial(u=lambda x: x * (1 - x))]))
    0.0
    """
    axis = problem.domain.time_axis
    if axis is None or problem.parameters or not parabolic(problem):
        return 0.0
    starts = [t for t in problem.terms if _side(t) == (axis, 0)]
    sides = [t for t in problem.terms if _side(t) not in (None, (axis, 0), (axis, 1))]
    if any(_contradict(problem, start, side, axis) for start in starts for side in sides):
        return JUMP
    rough = [t for t in starts if t.trace is not None and not is_smooth(problem.plan.known(t.trace.value))]
    if not rough:
        return 0.0
    return JUMP if any(_jumps(problem, t) for t in rough) else KINK


def later(problem: Problem, samples: Samples) -> Samples:
    """Those of some points that lie in the later times, in which residuals tell of the error."""
    axis = problem.domain.time_axis
    assert axis is not None
    since = problem.domain.lower[axis] + LATE * problem.domain.lengths[axis]
    return samples.take(torch.nonzero(samples.x[axis] > since).reshape(-1))


def _side(term: Term) -> tuple[int, int] | None:
    """The axis and the end of a side on which a term prescribes values; None of any other term."""
    plane = term.region.plane
    return None if term.trace is None or term.trace.order or plane is None else (plane.axis, plane.side)


def _contradict(problem: Problem, start: Term, side: Term, axis: int) -> bool:
    """Whether a start and a side prescribe different values of one field where they meet."""
    first, second = start.trace, side.trace
    assert first is not None
    assert second is not None
    if first.field != second.field:
        return False
    samples = side.region.quasi_random(POINTS, 0)
    meeting = samples.x.clone()
    meeting[axis] = problem.domain.lower[axis]
    difference = _values(problem, first, meeting) - _values(problem, second, meeting)
    within = start.region.quasi_random(POINTS, 0).x
    size = max(float(_values(problem, t, x).abs().max()) for t, x in ((first, within), (second, samples.x)))
    return bool(difference.abs().max() > DIFFERENCE * size)


def _jumps(problem: Problem, start: Term) -> bool:
    """Whether a start of which the expression is not smooth jumps: it does where nobody knows the places."""
    assert start.trace is not None
    value, domain = start.trace.value, problem.domain
    found = find_jumps([value], domain)
    if not found.everywhere or not found.breaks:
        return True
    x = start.region.quasi_random(POINTS, 0).x
    size, steps = float(_values(problem, start.trace, x).abs().max()), 0.0
    for name, places in found.breaks.items():
        axis = domain.names.index(name)
        for place in places:
            below, above = x.clone(), x.clone()
            below[axis], above[axis] = place - BESIDE * domain.lengths[axis], place + BESIDE * domain.lengths[axis]
            difference = _values(problem, start.trace, above) - _values(problem, start.trace, below)
            steps = max(steps, float(difference.abs().max()))
    return steps > STEP * size


def _values(problem: Problem, trace: FaceTrace, x: torch.Tensor) -> torch.Tensor:
    """The values (n,) that a trace prescribes at points (dim, n)."""
    env: dict[Leaf, Value] = dict(Samples(x, 1.0, None).leaves(problem.domain.names))
    return torch.as_tensor(trace.program.run(env)[0], dtype=torch.float64).expand(x.shape[1])
