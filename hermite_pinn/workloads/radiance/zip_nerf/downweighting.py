"""How much of a grid's level is left of what a point stands for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hermite_pinn.checks import choice

__all__ = ["DOWNWEIGHTINGS", "ERF_ERROR", "downweighting", "scale_features"]

#: How far ``"approximate"`` is from ``"erf"`` at most.
ERF_ERROR = 0.0063


def _erf(cells: Tensor) -> Tensor:
    return torch.erf(cells * math.sqrt(1 / 8))


def _approximate(cells: Tensor) -> Tensor:
    return (-torch.expm1(cells**2 * (-0.5 / math.pi))).sqrt()


def _gaussian(cells: Tensor) -> Tensor:
    return torch.exp(-1.5 / cells**2)


#: By the number of standard deviations in a cell.
DOWNWEIGHTINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "erf": _erf,
    "approximate": _approximate,
    "gaussian": _gaussian,
    "none": torch.ones_like,
}


def downweighting(std: Tensor, cells: Sequence[float] | Tensor, kind: str = "erf") -> Tensor:
    """Weights of the levels of a grid for points that stand for Gaussians.

    Parameters
    ----------
    std
        Standard deviations along each axis, (...), in lengths of which ``cells`` fit into one.
    cells
        Number N of cells per length, of every level, (L,).
    kind
        ``"erf"``: erf(1/√(8 σ² N²)), the share of the Gaussian within half a cell's width of its mean, along one axis
        (Zip-NeRF); ``"approximate"``: the same with erf(x) ≈ √(1 - exp(-4 x²/π)), at most 0.0063 off;
        ``"gaussian"``: exp(-½ N² tr Σ) with tr Σ = 3 σ², how much a wave of N radians per length fades;
        ``"none"``: 1.

    Returns
    -------
    Tensor
        (L, ...), from 1 where the cells are wide to 0 where they are narrow.

    Raises
    ------
    InvalidArgumentError
        If there is no such kind.

    Examples
    --------
    >>> [round(float(w), 3) for w in downweighting(torch.tensor(0.02), [4.0, 64.0, 1024.0])]
    [1.0, 0.304, 0.019]
    """
    weigh = DOWNWEIGHTINGS[choice("kind", kind, DOWNWEIGHTINGS)]
    levels = torch.as_tensor(cells, dtype=std.dtype, device=std.device)
    inverse = 1 / std.clamp(1e-12, 1e12)
    return weigh(inverse * (1 / levels).reshape(-1, *(1,) * std.ndim))


def scale_features(weights: Tensor, size: Tensor, initial: float) -> Tensor:
    """How much of each level is left, as features in the unit of the level's own.

    Parameters
    ----------
    weights
        (L, n): means of the downweighting.
    size
        (L,): mean squares of the levels' tables, to which no gradient goes.
    initial
        Half the range of the tables' first values.

    Returns
    -------
    Tensor
        (L, n): (2 ω - 1) √(initial² + size).

    Examples
    --------
    >>> scale_features(torch.tensor([[1.0, 0.0]]), torch.tensor([9.0]), 4.0)
    tensor([[ 5., -5.]])
    """
    return (2 * weights - 1) * (initial**2 + size.detach()).sqrt()[:, None]
