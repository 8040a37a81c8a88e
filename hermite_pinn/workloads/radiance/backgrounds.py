"""What is behind a radiance field."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hermite_pinn.cuda.rays.harmonics import spherical_harmonics

from .networks import Network
from .setting import Setting

__all__ = ["BACKGROUNDS", "Backdrop", "Constant", "Learned", "Scattered"]

BACKGROUNDS = ("constant", "random", "learned")


class Backdrop(nn.Module):
    """Colours behind rays; the one of this class is black."""

    def training_colors(self, directions: Tensor, generator: torch.Generator) -> Tensor:
        """Colours (3, n) behind rays of directions (3, n) in a step."""
        return self.colors(directions)

    def colors(self, directions: Tensor) -> Tensor:
        """Colours (3, n) behind rays that are looked along."""
        return torch.zeros_like(directions)


class Constant(Backdrop):
    """One colour.

    Parameters
    ----------
    color
        Three numbers.
    """

    def __init__(self, color: tuple[float, float, float], dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self.color: Tensor
        self.register_buffer("color", torch.tensor(color, dtype=dtype, device=device)[:, None], persistent=False)

    def colors(self, directions: Tensor) -> Tensor:
        """See :meth:`Backdrop.colors`."""
        return self.color.expand(-1, directions.shape[1])


class Scattered(Constant):
    """A random colour behind every ray of a step, so that no density can pass for it; else one colour."""

    def training_colors(self, directions: Tensor, generator: torch.Generator) -> Tensor:
        """See :meth:`Backdrop.training_colors`."""
        drawn = torch.rand(3, directions.shape[1], generator=generator, dtype=directions.dtype)
        return drawn.to(directions.device)


class Learned(Backdrop):
    """A small network of the direction: what is so far away that only that matters.

    Parameters
    ----------
    generator, dtype, device
        Of the weights.
    """

    def __init__(self, generator: torch.Generator, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self.network = Network(16, 32, 1, 3, generator=generator, dtype=dtype).to(device)

    def colors(self, directions: Tensor) -> Tensor:
        """See :meth:`Backdrop.colors`."""
        return torch.sigmoid(self.network(spherical_harmonics(directions, 4)))


def backdrop(
    kind: str, setting: Setting, generator: torch.Generator, dtype: torch.dtype, device: torch.device
) -> Backdrop:
    """The one of a name of :data:`BACKGROUNDS`."""
    color = setting.background or (0.0, 0.0, 0.0)
    if kind == "learned":
        return Learned(generator, dtype, device)
    return (Scattered if kind == "random" else Constant)(color, dtype, device)
