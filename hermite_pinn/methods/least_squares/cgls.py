"""Conjugate gradients on the normal equations of a least-squares problem, with tests that stop it safely."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from hermite_pinn.cuda.runtime.cuda_graph import CapturedStep, Recorder

from .rows import Rows, dot, vdot

__all__ = ["LeastSquaresResult", "Products", "cgls"]

logger = logging.getLogger(__name__)

#: Steps between two looks at the scalars where they lie on a GPU; a divisor of the steps between restarts.
CHECK_EVERY = 5
#: Steps before one is recorded, in which kernels are compiled and matrices sent; on an H200 more were slower.
UNRECORDED = 2


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
        ``"tolerance"``, ``"rounding"``, ``"settled"``, ``"steps"``, ``"callback"``, ``"zero"``, ``"not finite"``, or
        ``"unsuitable"`` where a solver gave up for others.
    decrease
        ``||b||^2 - ||b - A y||^2 - damping ||y||^2``, the predicted decrease of what is minimised.
    left
        Part of the change of the solution that is left, where the iteration ended by that, or None.
    """

    y: torch.Tensor
    steps: int
    reduction: float
    converged: bool
    reason: str
    decrease: float
    left: float | None = None


def _fetched(values: Sequence[torch.Tensor]) -> list[float]:
    """Scalars as numbers, in one transfer."""
    return [float(v) for v in torch.stack([v.to(torch.float64) for v in values]).cpu().tolist()]


class _Iteration:
    """Vectors and scalars of conjugate gradients, which stay on their device between two looks of the host.

    Parameters
    ----------
    exact, low
        The products, and those in a lower precision that steps are taken with as long as they help, or None.
    b, damping, inner
        See :func:`cgls`.
    """

    def __init__(
        self,
        exact: Products,
        low: Products | None,
        b: Rows,
        damping: float,
        inner: Callable[[Rows, Rows], torch.Tensor],
    ) -> None:
        self.exact, self.low, self.b, self.damping, self.inner = exact, low, b, damping, inner
        gradient = exact.adjoint(b).clone()
        self.x = torch.zeros_like(gradient)
        self.gamma = vdot(gradient, gradient)
        self.start, square_b = _fetched([self.gamma, inner(b, b)])
        self.epsilon, self.norm_b = torch.finfo(gradient.dtype).eps, math.sqrt(square_b)
        self.products = exact if low is None else low
        self.s = gradient if low is None else gradient.to(torch.float32)
        self.y = self.x if low is None else torch.zeros_like(self.s)
        self.p = self.s.clone()
        zero = torch.zeros_like(self.gamma)
        self.decrease, self.square_a, self.broken, self.new = zero, zero.clone(), zero.clone(), self.gamma.clone()
        self.current = self.lowest = self.replaced = self.start
        self.moved = False

    def half(self, which: str) -> None:
        """One of the two halves of a step; both find all vectors and scalars where they were, until they have moved."""
        if which == "step":
            self.step()
        else:
            self.turn()

    def turn(self) -> None:
        """The next search direction."""
        self.p.mul_(torch.where(self.gamma > 0, self.new / self.gamma, 0.0).to(self.p.dtype)).add_(self.s)
        self.gamma.copy_(self.new)

    def step(self) -> None:
        """One step along the search direction; a breakdown leaves everything as it is until the host looks."""
        p, s, damping = self.p, self.s, self.damping
        q = self.products.forward(p)
        square_p = vdot(p, p)
        curvature = self.inner(q, q) + damping * square_p if damping else self.inner(q, q)
        good = (curvature > 0) & torch.isfinite(curvature)
        self.broken.copy_(torch.where(good, self.broken, curvature.abs() + 1.0))
        alpha = torch.where(good, self.gamma / curvature, 0.0)
        self.square_a.copy_(torch.maximum(self.square_a, torch.where(good, curvature / square_p, 0.0)))
        self.decrease.add_(alpha * self.gamma)
        factor = alpha.to(p.dtype)
        self.y.addcmul_(p, factor)
        s.addcmul_(self.products.adjoint(q), factor, value=-1.0)
        if damping:
            s.addcmul_(p, factor, value=-damping)
        self.new.copy_(vdot(s, s))

    def look(self, tol: float, *, restart: bool) -> str | None:
        """Fetch the scalars; returns why to stop, or None.  The true residual is computed at a restart and the end."""
        self.current, failed = _fetched([self.new, self.broken])
        enough = tol * tol * self.start
        if failed != 0.0 and not self.current <= enough:
            self.current = self.current if math.isfinite(self.current) else math.nan
            return "rounding" if math.isfinite(failed) else "not finite"
        stop = failed != 0.0 or self.current <= enough
        fallen = self.products is self.low and self.current <= 1e-2 * self.replaced
        if not (restart or stop or fallen):
            return None
        if self._replace():
            return "rounding"
        return "tolerance" if self.current <= enough else None

    def _replace(self) -> bool:
        """Replace the recurrence by the truth; returns whether rounding lets the gradient fall no further.

        The search direction stays, so conjugacy is kept, unless the two have parted: then steps along it no longer
        lower the residual.
        """
        lowered = self.products is self.low
        if lowered:
            self.x += self.y
            self.y.zero_()
        gradient = self.exact.adjoint([u - v for u, v in zip(self.b, self.exact.forward(self.x), strict=True)]).clone()
        if self.damping:
            gradient.sub_(self.x, alpha=self.damping)
        self.new.copy_(vdot(gradient, gradient))
        true, size, square = _fetched([self.new, self.x.norm(), self.square_a])
        floor = 4.0 * self.epsilon * math.sqrt(square) * (self.norm_b + math.sqrt(square) * size)
        parted = true > 4.0 * self.current
        stuck = true > 0.5 * self.lowest and (lowered or parted)
        self.current = self.replaced = true
        if true <= floor * floor or (stuck and not lowered):
            return True
        if stuck:  # the low precision has given what it can
            logger.debug("the low precision ends at a reduction of %.1e", math.sqrt(true / self.start))
            self.products, self.y = self.exact, self.x
            self.p, self.s = self.p.to(self.x.dtype), torch.empty_like(self.x)
            self.moved = True
        if parted or stuck:
            self.p.zero_()
            self.gamma.copy_(self.new)
        self.s.copy_(gradient)
        self.lowest = min(self.lowest, true)
        return False

    def result(self, steps: int, reason: str) -> LeastSquaresResult:
        """The solution so far."""
        if self.products is self.low:
            self.x += self.y
        x = self.x
        (decrease,) = _fetched([self.decrease])
        if reason == "not finite" and not (math.isfinite(decrease) and bool(torch.isfinite(x).all())):
            x, decrease = torch.zeros_like(x), 0.0  # steps after the breakdown, before the host looked
        converged = reason in ("tolerance", "rounding", "settled")
        return LeastSquaresResult(x, steps, math.sqrt(self.current / self.start), converged, reason, decrease)


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
    settled: Callable[[int, torch.Tensor], bool] | None = None,
    recorder: Recorder | None = None,
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
    settled
        Called with the number of steps and the solution so far wherever the host looks; a true return value stops the
        iteration as converged.  Not for steps in a lower precision.
    recorder
        Of steps as CUDA graphs, from the third on; only for products and an ``inner`` that never look at values, and
        find their own memory where it was.

    Notes
    -----
    Bjoerck, Numerical Methods for Least Squares Problems, section 7.4.  Clark et al., Solving lattice QCD systems of
    equations using mixed precision solvers on GPUs, Computer Physics Communications 181 (2010).
    """
    iteration = _Iteration(Products(forward, adjoint), low, b, damping, inner)
    x, start = iteration.x, iteration.start
    if start == 0.0 or not math.isfinite(start):
        return LeastSquaresResult(x, 0, 0.0 if start == 0 else math.nan, start == 0.0, "zero", 0.0)
    every = check_every or (1 if x.device.type == "cpu" else CHECK_EVERY)
    reason, steps = "steps", 0
    # not of the iteration: in a cycle of references graphs would be freed at any time, also while another is recorded
    do = CapturedStep(iteration.half, recorder, warmup=UNRECORDED)
    while steps < max_steps:
        do("step")
        steps += 1
        look = steps % every == 0 or steps % restart == 0 or steps == max_steps
        end = iteration.look(tol, restart=steps % restart == 0) if look else None
        if end is not None:
            reason = end
            break
        if iteration.moved:
            do.forget()
            iteration.moved = False
        do("turn")
        if look and on_step is not None and on_step(steps, math.sqrt(iteration.current / start)):
            reason = "callback"
            break
        if look and settled is not None and settled(steps, iteration.y):
            reason = "settled"
            break
    return iteration.result(steps, reason)
