"""Numbers of the first-order methods where none are given: by the device, the problem and the length of the run.

A GPU is idle with few points, so it gets the many of the paper.  On a CPU the time of a step is that of its points
times the units of the network: a small network that reads few levels, and points that are few but new in every step,
take many more steps in the same time, and steps are what is missing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from hermite_pinn.field.encoder import Levels
from hermite_pinn.field.field import Field
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import compile_term

__all__ = [
    "Numbers",
    "Plan",
    "RoundPlan",
    "cpu_field",
    "cpu_levels",
    "front_field",
    "makes_fronts",
    "moves_fronts",
    "numbers_for",
]

#: Parts of a run over one of which the moving average looks back, and its largest decay.
AVERAGED, LONGEST = 20, 0.999

CPU_POINTS = {1: 250, 2: 500, 3: 1000, 4: 2000}  # by the number of axes
CPU_LEVELS = {1: 5, 2: 4, 3: 3, 4: 3}
CPU_STEPS = {True: 3000, False: 12_000}  # of a problem that is linear, and of one that is not
MARCH = 0.6  # of the run
#: Of L-BFGS where fronts may arise: steps, points inside, and steps between two choices of the points.
FRONT_STEPS, FRONT_POINTS, FRONT_ROUND = 4000, 2048, 100
FACE_SHARE = 0.2  # of the points inside, on each face


@dataclass(frozen=True)
class Plan:
    """Numbers of a run of a first-order method; :class:`hermite_pinn.Adam` explains them."""

    steps: int
    points: int
    face_points: int
    lr: float
    lr_end: float
    ema: float
    march: float


@dataclass(frozen=True)
class RoundPlan:
    """Steps of a quasi-Newton method, and the rounds into which they are divided."""

    steps: int = 2000
    rounds: int = 1


@dataclass(frozen=True)
class Numbers:
    """Numbers for options that are left open: those of a GPU.

    Attributes
    ----------
    steps, points, face_points, lr
        As for :class:`hermite_pinn.Adam`.
    decay
        The last learning rate as a part of the first.
    march
        Part of the run in which the points of an evolution spread over all times.
    """

    steps: int = 20_000
    points: int = 10_000
    face_points: int = 2_000
    lr: float = 1e-3
    decay: float = 1e-2
    march: float = 0.0

    @staticmethod
    def ema(steps: int) -> float:
        """Decay of the moving average, which looks back over a twentieth of the run, but not over more than 1000 steps.

        Examples
        --------
        >>> [round(Numbers.ema(steps), 6) for steps in (20_000, 2_000, 10)]
        [0.999, 0.99, 0.0]
        """
        return min(LONGEST, max(0.0, 1.0 - AVERAGED / steps))


def numbers_for(problem: Problem, device: torch.device) -> Numbers:
    """The numbers for a problem on a device."""
    if device.type != "cpu":
        return Numbers()
    points = CPU_POINTS[min(4, problem.domain.dim)]
    linear = _is_linear(problem)
    march = MARCH if makes_fronts(problem) else 0.0
    return Numbers(CPU_STEPS[linear], points, math.ceil(FACE_SHARE * points), 3e-3, 3e-3, march)


def cpu_field(problem: Problem) -> Field:
    """Two layers of sines that read two features on every level, or three that read the coordinates.

    Levels learn a smooth solution faster; an evolution that is not linear makes fronts, which move past the vertices of
    few levels and are learned from the coordinates.
    """
    if makes_fronts(problem):
        return Field(head="siren", encoder="coordinates", width=32, depth=3, omega=2.0)
    return Field(head="siren", features=max(2, len(problem.fields)), width=32, depth=2, omega=0.5)


def front_field() -> Field:
    """What L-BFGS trains where fronts may arise: three layers of 20 hyperbolic tangents of the coordinates."""
    return Field(head="siren", encoder="coordinates", width=20, depth=3, omega=1.0, activation="tanh")


def cpu_levels(problem: Problem) -> Levels:
    """Few: 4 to 32 cells along each of two axes."""
    return CPU_LEVELS[min(4, problem.domain.dim)]


def makes_fronts(problem: Problem) -> bool:
    """Whether a problem may make fronts that move: it is an evolution that is not linear."""
    return problem.domain.time_axis is not None and not _is_linear(problem)


def moves_fronts(problem: Problem) -> bool:
    """Whether fronts may move along one axis of space.

    With more axes nothing is known about quasi-Newton steps on networks.
    """
    return problem.domain.dim == 2 and makes_fronts(problem)


def _is_linear(problem: Problem) -> bool:
    return all(compile_term(problem, t).affine for t in problem.terms)
