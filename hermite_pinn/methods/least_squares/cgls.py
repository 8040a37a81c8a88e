"""Conjugate gradients on the normal equations of a least-squares problem, with tests that stop it safely."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

__all__ = ["LeastSquaresResult", "Products", "cgls", "dot"]

logger = logging.getLogger(__name__)

Rows = list[torch.Tensor]

#: Steps between two looks at the scalars where they lie on a GPU; a divisor of the steps between restarts.
CHECK_EVERY = 5


@dataclass(frozen=True)
class Products:
    """A matrix given by its products: ``forward`` maps unknowns to rows, ``adjoint`` is the transpose."""

    forward: Callable[[torch.Tensor], Rows]
    adjoint: Callable[[Rows], torch.Tensor]


@dataclass(frozen=True)
class LeastSquaresResult:
    """Outcome of :func:`cgls`.

    Attributes
    ----------
    y
        Solution.
    steps
        Products with A (and with its transpose).
    reduction
        ``||A^T r|| / ||A^T b||`` at the end, from the true residual of the last restart onwards.
    converged
        Whether ``reduction`` met the tolerance.
    reason
        ``"tolerance"``, ``"rounding"``, ``"steps"``, ``"callback"``, ``"zero"`` or ``"not finite"``.
    decrease
        ``||b||^2 - ||b - A y||^2 - damping ||y||^2``, the predicted decrease of what is minimised.
    """

    y: torch.Tensor
    steps: int
    reduction: float
    converged: bool
    reason: str
    decrease: float


def _vdot(u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    if u.dtype != torch.float64:
        return torch.sum(u * v, dtype=torch.float64)
    return torch.vdot(u.reshape(-1), v.reshape(-1))


def dot(a: Rows, b: Rows) -> torch.Tensor:
    """Inner product of two lists of tensors, accumulated in float64: a tensor without axes on their device."""
    parts = [_vdot(u, v) for u, v in zip(a, b, strict=True)]
    return parts[0] if len(parts) == 1 else torch.stack(parts).sum()


def _fetched(values: Sequence[torch.Tensor]) -> list[float]:
    """Scalars as numbers, in one transfer."""
    return [float(v) for v in torch.stack([v.to(torch.float64) for v in values]).cpu().tolist()]


def cgls(
    forward: Callable[[torch.Tensor], Rows],
    adjoint: Callable[[Rows], torch.Tensor],
    b: Rows,
    *,
    tol: float,
    max_steps: int,
    damping: float = 0.0,
    restart: int = 50,
    on_step: Callable[[int, float], bool] | None = None,
    inner: Callable[[Rows, Rows], torch.Tensor] = dot,
    low: Products | None = None,
    check_every: int | None = None,
) -> LeastSquaresResult:
    """Minimise ``||A y - b||^2 + damping ||y||^2`` from ``y = 0``.

    Past the rounding level of ``A^T r`` the recurrences of CGLS drift and the error can grow without bound, so the
    true residual is recomputed every ``restart`` steps, and the solver stops where that no longer lowers the
    gradient.

    Vectors and scalars stay on their device: the host looks at them every ``check_every`` steps, in one transfer.

    Parameters
    ----------
    forward, adjoint
        Products with A and its transpose; ``forward`` may return buffers that its next call overwrites.
    b
        Right-hand side, a list of tensors; not changed.
    tol
        Stop where ``||A^T (b - A y) - damping y|| <= tol ||A^T b||``.
    on_step
        Called with the number of steps and the current reduction wherever the host looks; a true return value stops.
    inner
        Inner product of rows, a tensor without axes.
    low
        The same products in a lower precision.  Steps are then taken with these, the true residual is computed with
        ``forward`` and ``adjoint`` whenever the gradient has fallen to a tenth, and the solution is summed up in
        the precision of ``b``: reliable updates.  Where the low precision no longer lowers the gradient, the steps
        continue in the high one.
    check_every
        ``None``: 1 on a CPU, 5 elsewhere.

    Notes
    -----
    Bjoerck, Numerical Methods for Least Squares Problems, section 7.4.  Clark et al., Solving lattice QCD systems of
    equations using mixed precision solvers on GPUs, Computer Physics Communications 181 (2010).
    """
    exact = Products(forward, adjoint)
    gradient = adjoint(b).clone()
    x = torch.zeros_like(gradient)
    gamma = _vdot(gradient, gradient)
    start, square_b = _fetched([gamma, inner(b, b)])
    if start == 0.0 or not math.isfinite(start):
        return LeastSquaresResult(x, 0, 0.0 if start == 0 else math.nan, start == 0.0, "zero", 0.0)
    every = check_every or (1 if gradient.device.type == "cpu" else CHECK_EVERY)
    products = exact if low is None else low
    epsilon, norm_b = torch.finfo(gradient.dtype).eps, math.sqrt(square_b)
    s = gradient if low is None else gradient.to(torch.float32)
    y = x if low is None else torch.zeros_like(s)
    p = s.clone()
    decrease, square_a, broken = torch.zeros_like(gamma), torch.zeros_like(gamma), torch.zeros_like(gamma)
    current, lowest, replaced, reason, steps = start, start, start, "steps", 0
    while steps < max_steps:
        q = products.forward(p)
        square_p = _vdot(p, p)
        curvature = inner(q, q) + damping * square_p if damping else inner(q, q)
        good = (curvature > 0) & torch.isfinite(curvature)
        broken = torch.where(good, broken, curvature.abs() + 1.0)
        # a breakdown leaves everything as it is until the host looks
        alpha = torch.where(good, gamma / curvature, 0.0)
        square_a = torch.maximum(square_a, torch.where(good, curvature / square_p, 0.0))
        decrease = decrease + alpha * gamma
        factor = alpha.to(p.dtype)
        y.addcmul_(p, factor)
        s.addcmul_(products.adjoint(q), factor, value=-1.0)
        if damping:
            s.addcmul_(p, factor, value=-damping)
        steps += 1
        new = _vdot(s, s)
        look = steps % every == 0 or steps % restart == 0 or steps == max_steps
        stop = False
        if look:
            current, failed = _fetched([new, broken])
            if failed != 0.0 and not current <= tol * tol * start:
                reason = "rounding" if math.isfinite(failed) else "not finite"
                current = current if math.isfinite(current) else math.nan
                break
            stop = failed != 0.0 or current <= tol * tol * start
            if steps % restart == 0 or stop or (products is low and current <= 1e-2 * replaced):
                # replace the recurrence by the truth; the search direction stays, so conjugacy is kept, unless the two
                # have parted: then steps along it no longer lower the residual
                if products is low:
                    x += y
                    y.zero_()
                gradient = adjoint([u - v for u, v in zip(b, forward(x), strict=True)]).clone()
                if damping:
                    gradient.sub_(x, alpha=damping)
                new = _vdot(gradient, gradient)
                true, size, square = _fetched([new, x.norm(), square_a])
                floor = 4.0 * epsilon * math.sqrt(square) * (norm_b + math.sqrt(square) * size)
                parted = true > 4.0 * current
                stuck = true > 0.5 * lowest and (products is low or parted)
                current = replaced = true
                if true <= floor * floor or (stuck and products is not low):
                    reason = "rounding"
                    break
                if stuck:  # the low precision has given what it can
                    logger.debug("the low precision ends after %d steps at %.1e", steps, math.sqrt(true / start))
                    products, y, p = exact, x, p.to(x.dtype)
                if parted or stuck:
                    p.zero_()
                    gamma = new
                s, lowest = gradient.to(p.dtype), min(lowest, true)
                stop = true <= tol * tol * start
        p.mul_(torch.where(gamma > 0, new / gamma, 0.0).to(p.dtype)).add_(s)
        gamma = new
        if stop:
            reason = "tolerance"
            break
        if look and on_step is not None and on_step(steps, math.sqrt(current / start)):
            reason = "callback"
            break
    if products is low:
        x += y
    (fallen,) = _fetched([decrease])
    if reason == "not finite" and not (math.isfinite(fallen) and bool(torch.isfinite(x).all())):
        x, fallen = torch.zeros_like(x), 0.0  # steps after the breakdown, before the host looked
    converged = reason in ("tolerance", "rounding")
    return LeastSquaresResult(x, steps, math.sqrt(current / start), converged, reason, fallen)
