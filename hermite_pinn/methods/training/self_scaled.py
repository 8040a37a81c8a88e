"""Self-scaled Broyden steps with the whole inverse Hessian: for as many unknowns as a small network has."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import line_search

from hermite_pinn.schema import Entry

from .minimizer import Evaluation, Minimizer

__all__ = ["Broyden", "SelfScaledBroyden", "scaled_update"]

#: Constants of the strong Wolfe conditions.
DECREASE, CURVATURE = 1e-4, 0.9


@dataclass(frozen=True)
class Broyden:
    """How the inverse Hessian changes: ``H / tau`` plus a matrix of rank two.

    Attributes
    ----------
    tau
        Divides the matrix before: below 1 it grows, since the function is flatter than the matrix says.
    phi
        Member of Broyden's family; 1 is BFGS, 0 is DFP's dual.
    """

    tau: float
    phi: float

    def mixed(self, ys: float, yhy: float) -> tuple[float, float, float]:
        """Factors of ``s s'``, ``s (H y)' + H y s'`` and ``H y (H y)'`` that are added to ``H / tau``."""
        phi, tau = self.phi, self.tau
        return phi * yhy / (tau * ys**2) + 1.0 / ys, -phi / (tau * ys), (phi - 1.0) / (tau * yhy)


def scaled_update(b: float, h: float, unknowns: int) -> Broyden:
    """Scale and member of Broyden's family for a step.

    Parameters
    ----------
    b
        ``s' B s / s' y``: curvature that was expected along the step, over that which was found.
    h
        ``y' H y / s' y``; ``b h`` is at least 1, and 1 if the matrix was right.
    unknowns
        Their number.

    Returns
    -------
    Broyden
        BFGS without scale where the matrix was right.

    References
    ----------
    M. Al-Baali and H. Khalfan, "A combined class of self-scaling and modified quasi-Newton methods", Computational
    Optimization and Applications 52 (2012); J. F. Urban, P. Stefanou, J. A. Pons, "Unveiling the optimization process
    of physics informed neural networks", Journal of Computational Physics 523 (2025), who found it far ahead of BFGS
    and L-BFGS for networks.

    Examples
    --------
    >>> scaled_update(1.0, 1.0, 10)
    Broyden(tau=1.0, phi=1.0)
    >>> scaled_update(4.0, 1.0, 10).tau < 1.0
    True
    """
    a = b * h - 1.0
    if not (math.isfinite(a) and a > 1e-12):
        return Broyden(min(1.0, 1.0 / b) if b > 0 and math.isfinite(b) else 1.0, 1.0)
    rho = min(1.0, h * (1.0 - math.sqrt(a / (1.0 + a))))
    theta = max((rho - 1.0) / a, min(1.0 / rho, (1.0 - b) / b))
    sigma = 1.0 + a * theta
    spread = abs(sigma) ** (1.0 / (1.0 - max(2, unknowns)))
    tau = rho * min(spread, 1.0 / theta) if theta > 0 else min(rho * spread, sigma)
    return Broyden(tau, (1.0 - theta) / sigma)


class SelfScaledBroyden(Minimizer):
    """Steps along ``-H g`` with strong Wolfe line search, where ``H`` is a full matrix.

    Parameters
    ----------
    function, start, factor
        As for :class:`.Minimizer`.
    search_steps
        Most evaluations by which a line search brackets its step.
    """

    def __init__(
        self,
        function: Callable[[torch.Tensor], Evaluation],
        start: torch.Tensor,
        search_steps: int,
        factor: float,
    ) -> None:
        super().__init__(function, start, factor)
        self._search_steps = search_steps
        self._length, self._before = 0.0, math.nan
        self._matrix: torch.Tensor | None = None
        self._direction = torch.zeros_like(self.z)

    def _next_direction(self) -> torch.Tensor:
        """That of the matrix, or half the negative gradient, with a length of one at most.

        Half, since in units of the columns of the Jacobian the Hessian of a sum of squares has twos on its diagonal.
        """
        gradient = self.current.gradient
        if self._matrix is not None and float(self._direction @ gradient) < 0:
            return self._direction
        self.forget()
        return -gradient / max(2.0, float(gradient.norm()))

    def _advance(self) -> None:
        before, start = self.current, self.z.clone()
        direction = self._next_direction()
        self._length, found = self._searched(start, direction)
        if found is None:
            self.z.copy_(start)
            return
        self.z.copy_(start + self._length * direction)
        self._seen, self._before = [(self.z.clone(), found)], before.value
        self._learn(direction, before.gradient * self.factor, found.gradient * self.factor)

    def _searched(self, start: torch.Tensor, direction: torch.Tensor) -> tuple[float, Evaluation | None]:
        """Length of the step and the function there; None if nothing lower was met."""
        met: dict[float, Evaluation] = {0.0: self.current}
        # The first length to be tried lowers the function, to first order, twice as much as the last step did.
        expected = self._before * self.factor if math.isfinite(self._before) else None
        wall = Evaluation(1e3 * (abs(self.current.value) + 1.0 / self.factor), torch.zeros_like(start), {})

        def at(length: Any) -> Evaluation:
            a = float(length)
            if a not in met:
                self.evaluations += 1
                found = self.function(start + a * direction)
                good = math.isfinite(found.value) and bool(torch.isfinite(found.gradient).all())
                met[a] = found if good else wall  # instead of NaN, with which interpolation cannot deal
            return met[a]

        def value(a: Any) -> float:
            return at(a).value * self.factor

        def slope(a: Any) -> float:
            return float(at(a).gradient @ direction) * self.factor

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            length = line_search(
                lambda p: value(p[0]), lambda p: np.array([slope(p[0])]), np.zeros(1), np.ones(1),
                np.array([slope(0.0)]), value(0.0), expected, c1=DECREASE, c2=CURVATURE, maxiter=self._search_steps,
            )[0]  # fmt: skip
        if length is None:  # no point that flattens the slope enough: the lowest will do
            length = min(met, key=lambda a: met[a].value)
        return float(length), met[float(length)] if length > 0 and float(length) in met else None

    def _learn(self, direction: torch.Tensor, before: torch.Tensor, after: torch.Tensor) -> None:
        """Change the matrix by what the step showed, and find the next direction: one product with the matrix."""
        s, y = self._length * direction, after - before
        ys = float(y @ s)
        if not ys > sys.float_info.epsilon * float(y.norm() * s.norm()):
            if self._matrix is not None:
                self._direction = -(self._matrix @ after)
            return
        if self._matrix is None:
            unit = ys / float(y @ y)
            self._matrix = torch.eye(len(s), dtype=s.dtype, device=s.device).mul_(unit)
            hy, ahead = unit * y, unit * after
            b = float(s @ s) / unit / ys
        else:
            ahead = self._matrix @ after
            hy = ahead + direction
            b = -self._length * float(s @ before) / ys
        yhy = float(y @ hy)
        change = scaled_update(b, yhy / ys, len(s))
        ss, sh, hh = change.mixed(ys, yhy)
        pair = torch.stack([s, hy], 1)
        mixed = torch.stack([ss * s + sh * hy, sh * s + hh * hy])
        self._matrix.addmm_(pair, mixed, beta=1.0 / change.tau)
        self._direction = -(ahead / change.tau + pair @ (mixed @ after))

    @property
    def fresh(self) -> bool:
        """See :class:`.Minimizer`."""
        return self._matrix is None

    def forget(self) -> None:
        """See :class:`.Minimizer`."""
        self._matrix, self._before = None, math.nan

    def renew(self) -> bool:
        """See :class:`.Minimizer`: the matrix is kept, since curvature depends little on the points of a mean."""
        if self._matrix is None:
            return False
        self._seen, self._before = [], math.nan
        self.current = self._evaluate()
        self._direction = -(self._matrix @ (self.current.gradient * self.factor))
        return True

    @property
    def step_length(self) -> float:
        """See :class:`.Minimizer`."""
        return self._length

    def state(self) -> dict[str, Any]:
        """See :class:`.Minimizer`."""
        state: dict[str, Any] = {
            "point": self.z.clone(),
            "evaluations": self.evaluations,
            "factor": self.factor,
            "length": self._length,
        }
        if math.isfinite(self._before):
            state["before"] = self._before
        if self._matrix is not None:
            state |= {"matrix": self._matrix.clone(), "direction": self._direction.clone()}
        return state

    def restore(self, saved: dict[str, Any]) -> None:
        """See :class:`.Minimizer`."""
        entry, count = Entry.of(saved, "the checkpoint", "solver"), self.z.numel()
        point, evaluations = entry.at("point").tensor((count,)), entry.at("evaluations").integer(0)
        self.factor = entry.at("factor").number(sys.float_info.min)
        self._length = entry.at("length").number()
        self.forget()
        if "before" in saved:
            self._before = entry.at("before").number()
        if "matrix" in saved:
            self._matrix = entry.at("matrix").tensor((count, count)).to(self.z, copy=True)
            self._direction = entry.at("direction").tensor((count,)).to(self.z, copy=True)
        self._continue(point, evaluations)
