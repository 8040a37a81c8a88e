"""The order of the basis, chosen from what the first levels tell: where a smoother basis reaches the tolerance cheaper.

A field whose derivatives grow like ``kappa**o`` has on n cells of an axis of length l an error of about ``(kappa l / 2
n)**(2 m) / (2 m)!``.  One level that resolves it tells kappa, and so the cells that every basis takes for a tolerance.
The errors of smoother bases are overestimated up to ten times, which is the safe side.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

from hermite_pinn.cuda.encoder.basis import BASES

from .convergence import Convergence

__all__ = ["Course", "cheapest_course", "courses", "falls_smoothly"]

logger = logging.getLogger(__name__)

ORDERS = ("cubic", "quintic", "septic")
#: Seconds per unknown relative to cubics, measured: by fast diagonalisation, and by steps on the levels, of which
#: transport takes many with smooth bases and few with cubics.
FAST, SLOW, TRANSPORT = (1.0, 1.0, 1.2), (1.0, 3.5, 30.0), (1.0, 9.0, 80.0)
SMOOTH = 1.5  # times m: the power of two by which a doubling lowers the error of a smooth field at least
FEW = 20_000  # unknowns of the last level, below which no other basis is worth its first levels
WORTH = 0.7  # of the time: what a change of the basis is to spare
STAGES = 3  # levels that a new basis takes before its error is known twice
REACHED = 1e-13  # error below which rounding keeps smooth bases from getting
LEAST_SHARE = 1e-6  # of the error: what an axis causes of it at least
SLACK = 0.4  # of a doubling: ten times the error with septics


@dataclass(frozen=True)
class Course:
    """How a run would go on with a basis.

    Attributes
    ----------
    basis
        Its name.
    resolutions
        Cells of its levels, the last of which is expected to meet the tolerance.
    unknowns
        Coefficients of the last level for one field.
    work
        Time, in units of what cubics take for an unknown.
    """

    basis: str
    resolutions: tuple[tuple[int, ...], ...]
    unknowns: int
    work: float


def courses(
    basis: str,
    resolution: Sequence[int],
    error: float,
    tol: float,
    least: Sequence[int],
    order: int,
    *,
    fast: bool,
    shares: Sequence[float] = (),
    most: str = ORDERS[-1],
) -> list[Course]:
    """The courses that reach a tolerance, that with the present basis first.

    Parameters
    ----------
    basis, resolution, error
        Of the last level, which resolves the solution.
    tol
        What is asked for.
    least
        Cells that a level has at least.
    order
        Of the highest derivative of the problem.
    fast
        Whether linear problems are solved by fast diagonalisation.
    shares
        By axis the part of the error that it causes, where that is known.
    most
        The smoothest basis.

    Examples
    --------
    >>> found = courses("cubic", (32, 32), 1.6e-3, 1e-10, (2, 2), 2, fast=True)
    >>> [(c.basis, c.resolutions[-1]) for c in found]
    [('cubic', (2048, 2048)), ('quintic', (256, 256)), ('septic', (64, 64))]
    """
    m = BASES[basis].coefficients
    smooth = [_scaled(m, error * max(share, LEAST_SHARE)) for share in shares or [1.0] * len(resolution)]
    weights = dict(zip(ORDERS, FAST if fast else TRANSPORT if order == 1 else SLOW, strict=True))
    found = []
    for name in [basis, *(b for b in ORDERS[: ORDERS.index(most) + 1] if BASES[b].coefficients > m)]:
        own = BASES[name].coefficients
        if order > own:
            continue
        slack, before = (SLACK, 2 ** (STAGES - 1)) if name != basis else (0.0, 1)
        doublings = [math.ceil(math.log2(s / _scaled(own, tol)) - slack) for s in smooth]
        last = tuple(max(_doubled(n, k, b), b * before) for n, k, b in zip(resolution, doublings, least, strict=True))
        count = max(1, *doublings) if name == basis else STAGES
        levels = tuple(
            tuple(_doubled(n, -k, b) for n, b in zip(last, least, strict=True)) for k in reversed(range(count))
        )
        sizes = [own ** len(last) * math.prod(level) for level in levels]
        found.append(Course(name, levels, sizes[-1], weights[name] * sum(sizes)))
    return found


def _scaled(m: int, error: float) -> float:
    """``kappa l / 2 n`` of an error of a basis with m coefficients per vertex and axis."""
    return float((math.factorial(2 * m) * error) ** (1.0 / (2 * m)))


def _doubled(cells: int, doublings: int, least: int) -> int:
    """Cells doubled, or halved as long as that is possible and they are not fewer than some."""
    for _ in range(-doublings):
        if cells % 2 or cells // 2 < least:
            break
        cells //= 2
    return cells * 2 ** max(0, doublings)


def falls_smoothly(convergence: Convergence) -> bool:
    """Whether the error of the last level is above the tolerance, and has fallen about as that of a smooth field."""
    estimates = convergence.estimates
    if convergence.last.most > 0:
        return False  # what jumps within cells lowers the order
    if convergence.tol is None or len(estimates) < 2 or not (convergence.solved and convergence.last.resolved):
        return False
    before, error = estimates[-2:]
    fall = 2.0 ** (SMOOTH * BASES[convergence.basis].coefficients)
    if before is None or error is None or not error > max(convergence.tol, REACHED) or before < fall * error:
        return False
    return convergence.last.rate is None or convergence.last.rate >= fall


def cheapest_course(
    convergence: Convergence,
    resolution: Sequence[int],
    least: Sequence[int],
    order: int,
    fields: int,
    *,
    fast: bool,
    shares: Sequence[float] = (),
    most: str = ORDERS[-1],
) -> Course | None:
    """The course with another basis that spares time; None where there is none, or too little is known.

    The last level has to resolve the solution, its error to be above the tolerance, and to have fallen about as that of
    a smooth field does.

    Parameters
    ----------
    convergence
        What the levels changed.
    resolution
        Cells of the last one.
    least, order, fast, shares, most
        See :func:`courses`.
    fields
        Their number.
    """
    error = convergence.estimates[-1] if falls_smoothly(convergence) else None
    if convergence.tol is None or error is None:
        return None
    tol = max(convergence.tol, REACHED)
    found = courses(convergence.basis, resolution, error, tol, least, order, fast=fast, shares=shares, most=most)
    best = min(found, key=lambda course: course.work)
    if best is found[0] or fields * found[0].unknowns < FEW or best.work > WORTH * found[0].work:
        return None
    logger.info(
        "%s on %s cells instead of %s on %s", best.basis, best.resolutions[-1], found[0].basis, found[0].resolutions[-1]
    )
    return best
