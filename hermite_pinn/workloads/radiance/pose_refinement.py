"""Poses that are refined with the scene: twists as parameters, their rates, and the order in which levels move."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from hermite_pinn.checks import check_options, choice, flag, number, real_array
from hermite_pinn.errors import InvalidArgumentError

from .se3 import compose, exponential

__all__ = ["SIDES", "PoseRefinement", "RefinedPoses", "corrected", "level_shares"]

SIDES = ("world", "camera")


def corrected(poses: Tensor, twists: Tensor, side: str = "world") -> Tensor:
    """Poses moved by twists; with P(x) the extrinsic map of a pose, the new ones have P(exp(twist) x) or exp(twist) P(x).

    Parameters
    ----------
    poses
        (n, 3, 4), from the camera to the world.
    twists
        (n, 6), see :func:`hermite_pinn.radiance.exponential`.
    side
        ``"world"``: the twist moves points of the world first, as in BARF, so poses are multiplied from the left by its
        inverse; ``"camera"``: it moves those of the camera, after the extrinsic map.

    Returns
    -------
    Tensor
        (n, 3, 4), differentiable by both.
    """
    back = exponential(-twists)
    return compose(back, poses) if side == "world" else compose(poses, back)


def level_shares(progress: float, levels: int, window: tuple[float, float] | None) -> list[float]:
    """Share of its full update that each level makes: BARF's window, which opens from the coarsest level on.

    With ``a = levels (progress - begin) / (end - begin)`` held between 0 and ``levels``, level l = 0, 1, ... has the share
    ``(1 - cos(pi clip(a - l, 0, 1))) / 2``.  The coarsest level always has the share 1: without it nothing would move
    before the window begins.

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
    """How poses are refined while a scene is fitted.

    Attributes
    ----------
    rate
        Learning rate of Adam for the six numbers of every pose, at the start.
    decay
        Factor by which it has fallen at the end, exponentially.
    curriculum
        Progress at which the finer levels begin to move and at which all do, see :func:`level_shares`; the shares scale
        *updates*, since a factor on gradients cancels in Adam.  None: all move from the start.
    side
        What corrections move first: ``"world"`` (BARF) or ``"camera"``.
    fix_first
        Whether the first pose stays.  Otherwise the whole scene may drift by a similarity, which is aligned away.
    rotation_penalty, translation_penalty
        Factors of the mean squares of both halves of the twists in the loss, as in nerfstudio (1e-3 and 1e-2 there).

    Raises
    ------
    InvalidArgumentError
        If an option is out of range.

    Examples
    --------
    >>> refinement = PoseRefinement(rate=1e-3)
    >>> refinement.rate_at(0.0), refinement.rate_at(1.0)
    (0.001, 1e-05)
    >>> refinement.shares(0.05, 4)
    [1.0, 0.0, 0.0, 0.0]
    """

    rate: float = 3e-3
    decay: float = 0.01
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
                "curriculum": _window,
                "side": partial(choice, options=SIDES),
                "fix_first": flag,
                "rotation_penalty": partial(number, least=0),
                "translation_penalty": partial(number, least=0),
            },
        )

    def rate_at(self, progress: float) -> float:
        """The learning rate of the poses at some progress."""
        return self.rate * self.decay**progress

    def shares(self, progress: float, levels: int) -> list[float]:
        """Share of its full update that each level makes, see :func:`level_shares`."""
        return level_shares(progress, levels, self.curriculum)


def _window(name: str, value: Any, **how: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    ends = real_array(name, value, shape="two numbers, begin and end, or None", **how)
    if ends.shape != (2,) or not 0 <= ends[0] < ends[1] <= 1:
        raise InvalidArgumentError(f"{name} must be two numbers with 0 <= begin < end <= 1, or None, got {value!r}")
    return float(ends[0]), float(ends[1])


class RefinedPoses(nn.Module):
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
    >>> poses = RefinedPoses(torch.from_numpy(scattered_poses(3, 2.0)), PoseRefinement())
    >>> bool(torch.equal(poses(), poses.initial)), poses.twists.shape
    (True, torch.Size([3, 6]))
    """

    initial: Tensor

    def __init__(self, poses: Tensor, refinement: PoseRefinement) -> None:
        super().__init__()
        self.refinement = refinement
        self.register_buffer("initial", poses.detach().clone())
        self.twists = nn.Parameter(self.initial.new_zeros(len(poses), 6))

    def forward(self) -> Tensor:
        """The poses as they are now, (n, 3, 4), differentiable by the twists."""
        twists = self.twists
        if self.refinement.fix_first:
            twists = torch.cat([torch.zeros_like(twists[:1]), twists[1:]])
        return corrected(self.initial, twists, self.refinement.side)

    def penalty(self) -> Tensor:
        """What is added to the loss: weighted mean squares of the twists."""
        rotation, translation = self.twists.square().mean(0).view(2, 3).sum(1)
        options = self.refinement
        return options.rotation_penalty * rotation + options.translation_penalty * translation
