"""Poses of the training views in a run: fixed, or refined by another module."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .model import ParameterGroup, RadianceModel
from .views import Views

__all__ = ["Posing"]


class Posing(nn.Module):
    """Poses of the training views; those of this class are the cameras' own and stay.

    Whoever refines them derives from this; parameters are leaves, so that ``state_dict`` is the whole state.
    """

    def poses(self) -> Tensor | None:
        """Poses (n, 3, 4), differentiable; None: the cameras' own."""
        return None

    def advance(self, progress: float) -> None:
        """What happens before every step."""

    def revise(self, progress: float, model: RadianceModel, views: Views, generator: torch.Generator) -> None:
        """What happens before every step with a look at the field.

        Parameters
        ----------
        progress
            Part of the run that is done, 0 to 1.
        model
            The field, which stays the same.
        views
            Training views, with the poses at which the run began.
        generator
            Of random numbers, on the CPU.
        """

    def trail(self) -> Tensor | None:
        """Poses (k, n, 3, 4) from the first to the present ones, at even parts of the run; None if they stay."""
        return None

    def penalties(self) -> dict[str, Tensor]:
        """Weighted losses of the poses alone."""
        return {}

    def groups(self) -> list[ParameterGroup]:
        """Parameters; their rates follow :meth:`rate_factor`."""
        return []

    def rate_factor(self, progress: float) -> float:
        """Factor of the poses' learning rate at a part of the run that is done, 0 to 1."""
        return 1.0

    def directional(self, progress: float) -> bool:
        """Whether colours may depend on the direction of view at a part of the run that is done."""
        return True

    def level_factors(self, levels: int, progress: float) -> Sequence[float] | None:
        """Factors of the updates of the encoder's levels, the coarsest first; None: all are one."""
        return None
