"""Adam on random points: the paper's recipe, and a plain first-order method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hermite_pinn.calls import with_options_named

from .method import FirstOrder
from .updates import AdamUpdate, Trained, Update

__all__ = ["Adam"]


@with_options_named
@dataclass(frozen=True)
class Adam(FirstOrder):
    """Stochastic first-order training with curriculum, moving average and gradient-norm balancing.

    The loss is the mean square of every interior residual plus, for every condition that does not hold exactly, its
    weight times the mean square at random points of its faces; points are redrawn in every step.

    Numbers that are left open follow the device, the problem and the length of the run; docs/networks.md says how, and
    ``solution.stats["defaults"]`` which were taken.  Without ``field``, on a CPU, it is a small network that reads few
    dense levels, or the coordinates if an evolution is not linear; on a GPU, the paper's.

    Parameters
    ----------
    steps
        Optimiser steps; ``None``: 20,000 on a GPU, 3000 on a CPU, and 12,000 there if the problem is not linear.
    lr, lr_end, schedule
        Learning rate at start and end; ``"cosine"`` decay, ``"step"`` (halved every ``lr_every`` steps), or
        ``"constant"``.  ``None``: from 1e-3 to 1e-5 on a GPU, from 3e-3 to 1e-5 on a CPU.
    lr_every
        Steps between two halvings of the ``"step"`` schedule.
    points, face_points
        Random points per step in the interior and on each face with a condition; ``None``: 10,000 and 2000 on a GPU,
        500 and 100 on a CPU in two dimensions.
    weight, weight_cap
        First weight of the conditions and its largest value.
    balance_every
        Every so many steps each weight moves by a tenth towards the ratio of the gradient norms of the interior loss
        and the condition's; 0 keeps the weights.
    shared_weight
        One weight for all conditions, as in the paper, or one each.
    curriculum
        Pairs (step, levels): up to that step only the gradients of the first so many levels are kept; afterwards
        those of all.
    ema
        Decay of the moving average of the parameters, which is the result; 0 for none.  ``None``: ``1 - 20/steps``,
        at most 0.999.
    warmup
        Extra steps at the start with all levels and the first learning rate.
    normalize
        Divide residuals by the RMS of their source term.
    hard
        Whether prescribed values (Dirichlet and initial conditions, with ``u_t``) hold exactly, since a factor that
        vanishes there multiplies the field: ``True`` for all of them, or an error that says why one cannot;
        ``False`` for none; ``None`` for those that can, where the method chooses the field.
    check_every
        Steps between two rows of the history.  Only then does the host wait for the device and learn of a loss that
        is not finite.
    adaptive
        Interior points that follow the residual, see :class:`hermite_pinn.RAD`; ``None``: uniform.
    cuda_graph
        On a GPU, record the step as a CUDA graph, which the host starts with one call.  Where that is impossible a
        line in the log says why.  The numbers are the same to rounding.
    march
        Part of the run in which the points of a problem in time spread from its start over all times; ``None``: 0.6 on
        a CPU if the problem is not linear, else 0.
    defaults
        ``"device"``, or ``"paper"``: numbers and field of a GPU everywhere.

    Examples
    --------
    >>> Adam.paper().steps
    200000
    """

    name = "adam"

    @classmethod
    def paper(cls, **changes: Any) -> Adam:
        """The recipe of the Hermite-NGP paper (arXiv 2605.24774) for 2-D Helmholtz problems, in full.

        Eight levels from 4 to 512 cells, two features, tables of 2**14 slots, a SIREN of two layers with 128 units;
        10,000 random points inside and 5,000 on every face, redrawn in every step; cosine decay from 1e-3 to 1e-6
        over 200,000 steps; moving average 0.999; gradient-norm balancing every 100 steps from 5,000 up to 50,000 with
        one weight for all conditions; 20 warm-up steps; coarse-to-fine curriculum with 4, then 6, then 8 levels.  The
        released code trains all levels from the start in this benchmark: ``Adam.paper(curriculum=())``.  The result
        is the final moving average; nothing is selected on the exact solution.  Two deviations: levels that fit their
        table are indexed densely, and the faces draw their points independently.
        """
        recipe: dict[str, Any] = {
            "steps": 200_000,
            "lr": 1e-3,
            "lr_end": 1e-6,
            "schedule": "cosine",
            "points": 10_000,
            "face_points": 5_000,
            "weight": 5_000.0,
            "weight_cap": 50_000.0,
            "balance_every": 100,
            "shared_weight": True,
            "curriculum": ((5_000, 4), (15_000, 6)),
            "ema": 0.999,
            "warmup": 20,
            "normalize": False,
            "hard": False,
            "march": 0.0,
            "defaults": "paper",
        }
        return cls(**(recipe | changes))

    def updates(self, trained: Trained) -> list[Update]:
        """Adam for everything."""
        return [AdamUpdate(trained, self.numbers().ema)]
