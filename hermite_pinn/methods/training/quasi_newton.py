"""L-BFGS steps of a smooth function, one at a time, whose state can be saved and restored exactly."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from hermite_pinn.libraries import loading
from hermite_pinn.schema import Entry

from .minimizer import Evaluation, Minimizer

__all__ = ["COMPILER", "QuasiNewton", "load_optimizers"]

#: What PyTorch's compiler, which comes with its optimisers, sets when it is imported.
COMPILER = "TORCHINDUCTOR_CACHE_DIR"


def _slope(p: torch.Tensor) -> torch.Tensor:
    p.grad = 2.0 * (p.detach() - 1.0)
    return (p.detach() - 1.0).square().sum()


@cache
def load_optimizers() -> None:
    """Import what PyTorch's optimisers need, which they do when the first one is made: a thousand files.

    Raises
    ------
    BackendUnavailableError
        If that fails.
    """
    with loading("PyTorch's optimisers", COMPILER):
        p = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        torch.optim.LBFGS([p], max_iter=2, line_search_fn="strong_wolfe").step(lambda: _slope(p))


class QuasiNewton(Minimizer):
    """``torch.optim.LBFGS`` with strong Wolfe line search, one step per call.

    PyTorch's class evaluates the function anew at the start of every step, although its line search has just done so;
    evaluations are therefore remembered.  Its thresholds for curvature and progress are absolute (1e-10 and 1e-9),
    so values and gradients are multiplied by ``factor``, a power of two, which changes nothing else.

    Parameters
    ----------
    function
        Maps a point (n,), float64, to an :class:`Evaluation`.
    start
        First point.
    memory
        Pairs of steps and gradient differences kept.
    search_steps
        Most evaluations of one line search.
    factor
        See above.
    """

    def __init__(
        self,
        function: Callable[[torch.Tensor], Evaluation],
        start: torch.Tensor,
        memory: int,
        search_steps: int,
        factor: float,
    ) -> None:
        super().__init__(function, start, factor)
        self.z.requires_grad_()
        load_optimizers()
        self._optimizer = torch.optim.LBFGS(
            [self.z],
            lr=1.0,
            max_iter=1,
            max_eval=1 + search_steps,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=memory,
            line_search_fn="strong_wolfe",
        )

    def _closure(self) -> torch.Tensor:
        here = self._evaluate()
        value, self.z.grad = here.value * self.factor, here.gradient * self.factor
        if not math.isfinite(value) or not torch.isfinite(self.z.grad).all():
            # A wall instead of NaN or infinity, with which the interpolation of the line search cannot deal.
            value, self.z.grad = 1e3 * (abs(self.current.value) * self.factor + 1.0), torch.zeros_like(self.z)
        return torch.tensor(value, dtype=torch.float64)

    def _advance(self) -> None:
        self._optimizer.step(self._closure)

    @property
    def fresh(self) -> bool:
        """See :class:`.Minimizer`."""
        return not self._optimizer.state[self.z].get("n_iter")

    def forget(self) -> None:
        """See :class:`.Minimizer`."""
        self._optimizer.state.clear()

    @property
    def step_length(self) -> float:
        """See :class:`.Minimizer`."""
        return float(self._optimizer.state[self.z].get("t", 0.0))

    def state(self) -> dict[str, Any]:
        """See :class:`.Minimizer`."""
        s = self._optimizer.state[self.z]
        count = len(s.get("old_dirs") or ())
        state: dict[str, Any] = {
            "point": self.z.detach().clone(),
            "evaluations": self.evaluations,
            "factor": self.factor,
        }
        if "n_iter" in s:
            state["iterations"] = s["n_iter"]
        if "prev_flat_grad" in s:
            state |= {
                "direction": s["d"].clone(),
                "gradient": s["prev_flat_grad"].clone(),
                "length": float(s["t"]),
                "curvature": float(s["H_diag"]),
                "inverses": [float(r) for r in s["ro"]],
            }
        if count:
            state |= {"differences": torch.stack(s["old_dirs"]), "moves": torch.stack(s["old_stps"])}
        return state

    def restore(self, saved: dict[str, Any]) -> None:
        """See :class:`.Minimizer`."""
        like = self.z.detach()
        self._check(Entry.of(saved, "the checkpoint", "solver"))
        self.forget()
        if "gradient" in saved:
            s = self._optimizer.state[self.z]
            s["func_evals"], s["n_iter"] = 0, int(saved["iterations"])
            s["d"], s["prev_flat_grad"] = saved["direction"].to(like, copy=True), saved["gradient"].to(like, copy=True)
            s["t"] = float(saved["length"])
            s["H_diag"] = like.new_tensor(saved["curvature"])
            s["ro"] = [like.new_tensor(r) for r in saved["inverses"]]
            s["old_dirs"] = [v.clone() for v in saved["differences"].to(like)] if "differences" in saved else []
            s["old_stps"] = [v.clone() for v in saved["moves"].to(like)] if "moves" in saved else []
        self._continue(saved["point"], int(saved["evaluations"]))

    def _check(self, saved: Entry) -> None:
        """Refuse what is no state of steps in as many unknowns."""
        vector = (self.z.numel(),)
        saved.at("point").tensor(vector)
        saved.at("evaluations").integer(0)
        saved.at("factor").number(sys.float_info.min)
        if "gradient" not in saved.value:
            saved.items_named(set(saved.value) & {"point", "evaluations", "factor", "iterations"})
            return
        saved.at("iterations").integer(1)
        saved.at("direction").tensor(vector)
        saved.at("gradient").tensor(vector)
        saved.at("length").number()
        saved.at("curvature").number(sys.float_info.min)
        pairs = saved.at("inverses").items(most=int(self._optimizer.param_groups[0]["history_size"]))
        for inverse in pairs:
            inverse.number(sys.float_info.min)
        for key in ("differences", "moves"):
            if pairs or key in saved.value:
                saved.at(key).tensor((len(pairs), *vector))
