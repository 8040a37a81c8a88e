"""Conjugate gradients on the normal equations of a least-squares problem, with tests that stop it safely."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

__all__ = ["LeastSquaresResult", "cgls"]

Rows = list[torch.Tensor]


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


def dot(a: Rows, b: Rows) -> float:
    """Inner product of two lists of tensors, accumulated in float64."""
    return float(
        sum(
            torch.sum(u * v, dtype=torch.float64)
            if u.dtype != torch.float64
            else torch.vdot(u.reshape(-1), v.reshape(-1))
            for u, v in zip(a, b, strict=True)
        )
    )


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
) -> LeastSquaresResult:
    """Minimise ``||A y - b||^2 + damping ||y||^2`` from ``y = 0``.

    Past the rounding level of ``A^T r`` the recurrences of CGLS drift and the error can grow without bound, so the
    true residual is recomputed every ``restart`` steps, and the solver stops where that no longer lowers the
    gradient.

    Parameters
    ----------
    forward, adjoint
        Products with A and its transpose; ``forward`` may return buffers that its next call overwrites.
    b
        Right-hand side, a list of tensors; not changed.
    tol
        Stop where ``||A^T (b - A y) - damping y|| <= tol ||A^T b||``.
    on_step
        Called with the number of steps and the current reduction; a true return value stops.

    Notes
    -----
    Bjoerck, Numerical Methods for Least Squares Problems, section 7.4.
    """
    s = adjoint(b).clone()
    y = torch.zeros_like(s)
    start = float(torch.vdot(s, s))
    if start == 0.0 or not math.isfinite(start):
        return LeastSquaresResult(y, 0, 0.0 if start == 0 else math.nan, start == 0.0, "zero", 0.0)
    p, gamma, decrease = s.clone(), start, 0.0
    lowest, reason, steps = start, "steps", 0
    norm_a, norm_b = 0.0, math.sqrt(dot(b, b))
    epsilon = torch.finfo(s.dtype).eps
    while steps < max_steps:
        q = forward(p)
        curvature = dot(q, q) + (damping * float(torch.vdot(p, p)) if damping else 0.0)
        if curvature <= 0.0 or not math.isfinite(curvature):
            reason = "rounding" if curvature <= 0.0 else "not finite"
            break
        alpha = gamma / curvature
        norm_a = max(norm_a, math.sqrt(curvature / float(torch.vdot(p, p))))
        y.add_(p, alpha=alpha)
        s.sub_(adjoint(q), alpha=alpha)
        if damping:
            s.sub_(p, alpha=damping * alpha)
        decrease += alpha * gamma
        steps += 1
        new = float(torch.vdot(s, s))
        stop = new <= tol * tol * start
        if steps % restart == 0 or stop:
            # replace the recurrence by the truth; the search direction stays, so conjugacy is kept
            s = adjoint([u - v for u, v in zip(b, forward(y), strict=True)]).clone()
            if damping:
                s.sub_(y, alpha=damping)
            true = float(torch.vdot(s, s))
            floor = 4.0 * epsilon * norm_a * (norm_b + norm_a * float(y.norm()))
            if (true > 4.0 * new and true > 0.5 * lowest) or true <= floor * floor:
                gamma, reason = true, "rounding"
                break
            new, lowest = true, min(lowest, true)
            stop = new <= tol * tol * start
        p.mul_(new / gamma).add_(s)
        gamma = new
        if stop:
            reason = "tolerance"
            break
        if on_step is not None and on_step(steps, math.sqrt(gamma / start)):
            reason = "callback"
            break
    reduction = math.sqrt(gamma / start)
    return LeastSquaresResult(y, steps, reduction, reason in ("tolerance", "rounding"), reason, decrease)
