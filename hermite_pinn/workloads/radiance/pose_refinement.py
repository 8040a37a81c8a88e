"""Poses that are refined with the scene: twists as parameters, their rates, and the order in which levels move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hermite_pinn.checks import check_options, choice, flag, instance, items, number, real_array
from hermite_pinn.errors import InvalidArgumentError

from .camera import Cameras
from .model import ParameterGroup, RadianceModel
from .posing import Posing
from .relocation import relocated
from .se3 import SIDES, corrected
from .views import Views

__all__ = ["PoseRefinement", "RefinedPoses", "level_shares", "started"]

#: Parts of a run at which poses are remembered.
MARKS = 10


def level_shares(progress: float, levels: int, window: tuple[float, float] | None) -> list[float]:
    """Share of its full update that each level makes: BARF's window, which opens from the coarsest level on.

    With ``a = levels (progress - begin) / (end - begin)`` held between 0 and ``levels``, level l = 0, 1, ... has the
    share ``(1 - cos(pi clip(a - l, 0, 1))) / 2``.  The coarsest level always has the share 1: without it nothing would
    move before the window begins.

    Parameters
    ----------
    progress
        Of the training, 0 to 1.
    levels
        Their number.
    window
        (begin, end) in progress; None: all levels are open.

    Examples
    --------
    >>> level_shares(0.3, 4, (0.1, 0.5))
    [1.0, 1.0, 0.0, 0.0]
    >>> level_shares(0.35, 4, (0.1, 0.5))[2]
    0.5
    """
    if window is None:
        return [1.0] * levels
    begin, end = window
    opened = levels * min(1.0, max(0.0, (progress - begin) / (end - begin)))
    shares = [round(0.5 * (1.0 - math.cos(math.pi * min(1.0, max(0.0, opened - k)))), 12) for k in range(levels)]
    return [1.0, *shares[1:]]


@dataclass(frozen=True)
class PoseRefinement:
    """Options of the refinement of poses during a fit.

    Attributes
    ----------
    rate
        Learning rate of Adam for the six numbers of every pose, at the start.  A higher rate shakes poses that few rays
        determine.
    decay
        Factor of the rate at the end; it falls exponentially.
    hold
        Part of the run, 0 to 1, in which poses are held, because a field without surfaces misleads them.  A few hundred
        steps are enough.
    directions
        Part of the run in which colours do not depend on the direction of view.  Such a dependence lets a field explain
        pictures from wrong places without moving them.
    searches
        Parts of the run at which views with far larger errors than the others are searched for at other places; ``()``:
        never.
    curriculum
        Progress at which the finer levels begin to move and at which all do.  Their *updates* are scaled, because a
        factor on gradients cancels in Adam.  None: all move from the start.
    side
        Side on which corrections act: ``"world"`` (BARF) or ``"camera"``.
    fix_first
        Whether the first pose is fixed.  Otherwise the whole scene may drift by a similarity, which alignment removes.
    rotation_penalty, translation_penalty
        Weights in the loss of the mean squares of both halves of the twists (1e-3 and 1e-2 in nerfstudio).

    Raises
    ------
    InvalidArgumentError
        If an option is out of range.

    Examples
    --------
    >>> PoseRefinement(rate=1e-3).decay
    0.1
    >>> PoseRefinement(side="left")
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: side must be 'world' or 'camera', got 'left'
    """

    rate: float = 3e-3
    decay: float = 0.1
    hold: float = 0.2
    directions: float = 0.6
    searches: Sequence[float] = (0.4, 0.6, 0.8)
    curriculum: tuple[float, float] | None = (0.1, 0.5)
    side: str = "world"
    fix_first: bool = False
    rotation_penalty: float = 0.0
    translation_penalty: float = 0.0

    def __post_init__(self) -> None:
        check_options(
            self,
            {
                "rate": partial(number, above=0),
                "decay": partial(number, above=0, most=1),
                "hold": partial(number, least=0, below=1),
                "directions": partial(number, least=0, below=1),
                "searches": _parts,
                "curriculum": _window,
                "side": partial(choice, options=SIDES),
                "fix_first": flag,
                "rotation_penalty": partial(number, least=0),
                "translation_penalty": partial(number, least=0),
            },
        )

    def begin(self, cameras: Cameras, dtype: torch.dtype, device: torch.device) -> RefinedPoses:
        """Return poses that start at those of cameras.

        Parameters
        ----------
        cameras
            Cameras of the training views.
        dtype, device
            Type and device of the poses and their corrections.
        """
        return RefinedPoses(cameras.poses.detach().to(device, dtype), self)


def _window(name: str, value: Any, **how: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    ends = real_array(name, value, shape="two numbers, begin and end, or None", **how)
    if ends.shape != (2,) or not 0 <= ends[0] < ends[1] <= 1:
        raise InvalidArgumentError(f"{name} must be two numbers with 0 <= begin < end <= 1, or None, got {value!r}")
    return float(ends[0]), float(ends[1])


def _parts(name: str, value: Any, **how: Any) -> tuple[float, ...]:
    parts = items(name, value, "parts of the run between 0 and 1, or ()", **how)
    return tuple(sorted(number(f"a part of {name}", part, least=0, most=1) for part in parts))


class RefinedPoses(Posing):
    """Poses with corrections that are trained.

    Parameters
    ----------
    poses
        (n, 3, 4), where they begin.
    refinement
        Options.

    Attributes
    ----------
    twists
        The corrections (n, 6), zero at the start; a parameter of the type of the poses.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import scattered_poses
    >>> refined = RefinedPoses(torch.from_numpy(scattered_poses(3, 2.0)), PoseRefinement())
    >>> bool(torch.equal(refined.poses(), refined.initial)), refined.twists.shape
    (True, torch.Size([3, 6]))
    """

    initial: Tensor
    marks: Tensor
    marked: Tensor
    searched: Tensor

    def __init__(self, poses: Tensor, refinement: PoseRefinement) -> None:
        super().__init__()
        self.refinement, self.held = refinement, False
        self.register_buffer("initial", poses.detach().clone())
        self.twists = nn.Parameter(self.initial.new_zeros(len(poses), 6))
        self.register_buffer("marks", self.initial.new_zeros(MARKS, len(poses), 6))
        self.register_buffer("marked", torch.zeros((), dtype=torch.int64))
        self.register_buffer("searched", torch.zeros((), dtype=torch.int64))

    def advance(self, progress: float) -> None:
        """Remember where poses are, at even parts of the run."""
        self.held = progress < self.refinement.hold
        if int(self.marked) < MARKS and progress * MARKS >= int(self.marked):
            self.marks[int(self.marked)] = self.twists.detach()
            self.marked += 1

    def revise(self, progress: float, model: RadianceModel, views: Views, generator: torch.Generator) -> None:
        """Look for views that have gone astray, where it is due."""
        due = sum(progress >= part for part in self.refinement.searches)
        if due > int(self.searched):
            self.searched.fill_(due)
            fixed, side = int(self.refinement.fix_first), self.refinement.side
            self.twists.data.copy_(relocated(model, views, self.twists.detach(), side, fixed, generator))

    def trail(self) -> Tensor:
        """See :meth:`.Posing.trail`."""
        twists = [*self.marks[: int(self.marked)], self.twists.detach()]
        return torch.stack([corrected(self.initial, one, self.refinement.side) for one in twists]).cpu()

    def poses(self) -> Tensor:
        """The poses as they are now, (n, 3, 4), differentiable by the twists unless they are held."""
        twists: Tensor = self.twists.detach() if self.held else self.twists
        if self.refinement.fix_first:
            twists = torch.cat([torch.zeros_like(twists[:1]), twists[1:]])
        return corrected(self.initial, twists, self.refinement.side)

    def penalties(self) -> dict[str, Tensor]:
        """Weighted mean squares of both halves of the twists, where they have a weight."""
        options = self.refinement
        weights = {"rotation": options.rotation_penalty, "translation": options.translation_penalty}
        sizes = self.twists.square().mean(0).view(2, 3).sum(1)
        return {name: w * size for (name, w), size in zip(weights.items(), sizes, strict=True) if w}

    def groups(self) -> list[ParameterGroup]:
        """The twists."""
        return [ParameterGroup("poses", (self.twists,), self.refinement.rate)]

    def rate_factor(self, progress: float) -> float:
        """See :class:`.Posing`."""
        return self.refinement.decay**progress

    def directional(self, progress: float) -> bool:
        """See :class:`.Posing`."""
        return progress >= self.refinement.directions

    def level_factors(self, levels: int, progress: float) -> list[float] | None:
        """See :func:`level_shares`."""
        window = self.refinement.curriculum
        return None if window is None else level_shares(progress, levels, window)


def started(poses: Any, cameras: Cameras, device: torch.device) -> Posing:
    """What a run has for its argument ``poses``: ``"fixed"``, ``"refine"`` or a :class:`PoseRefinement`.

    Raises
    ------
    InvalidArgumentError
        If it is something else.
    """
    word = poses if isinstance(poses, str) else ""
    if word == "fixed":
        return Posing()
    if word == "refine":
        return PoseRefinement().begin(cameras, torch.float64, device)
    accepted = "'fixed', 'refine' or a hermite_pinn.radiance.PoseRefinement"
    return instance("poses", poses, PoseRefinement, accepted).begin(cameras, torch.float64, device)
