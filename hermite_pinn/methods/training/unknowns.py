"""Named tensors as one vector of free numbers, and the size of the residuals' columns of the Jacobian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .bounded_parameters import BoundedMap
from .loss import Loss

__all__ = ["Unknowns", "column_norms"]


class Unknowns:
    """Tensors one after another in a vector, those with bounds as free numbers.

    Parameters
    ----------
    tensors
        Of the shapes to come.
    bounds
        Of some of them, by name.

    Examples
    --------
    >>> unknowns = Unknowns({"a": torch.zeros(2, 1), "b": torch.ones(())}, {"b": BoundedMap(0.0, 2.0)})
    >>> flat = unknowns.flat({"a": torch.full((2, 1), 5.0), "b": torch.tensor(1.0)})
    >>> flat, unknowns.tensors(flat)["b"]
    (tensor([5., 5., 0.]), tensor(1.))
    """

    def __init__(self, tensors: Mapping[str, torch.Tensor], bounds: Mapping[str, BoundedMap]) -> None:
        self._shapes = {k: v.shape for k, v in tensors.items()}
        self._bounds = dict(bounds)

    @property
    def count(self) -> int:
        """Length of the vector."""
        return sum(s.numel() for s in self._shapes.values())

    def flat(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The vector (count,) of some tensors."""
        return torch.cat([self._free(k, tensors[k]).reshape(-1) for k in self._shapes])

    def _free(self, name: str, value: torch.Tensor) -> torch.Tensor:
        if name not in self._bounds:
            return value
        free = [self._bounds[name].free(v) for v in value.reshape(-1).tolist()]
        return value.new_tensor(free).view(value.shape)

    def tensors(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Tensors by name from their vector, differentiable and within their bounds."""
        parts = torch.split(flat, [s.numel() for s in self._shapes.values()])
        tensors = {k: v.view(s) for (k, s), v in zip(self._shapes.items(), parts, strict=True)}
        return tensors | {name: bounded.bounded(tensors[name]) for name, bounded in self._bounds.items()}


def column_norms(
    loss: Loss[Any],
    parts: Sequence[Any],
    unknowns: Unknowns,
    flat: torch.Tensor,
    weights: Mapping[str, float],
    probes: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Norms (count,) of the columns of the Jacobian of all rows of a loss.

    They are root mean squares of products of the transposed Jacobian with random signs; columns below 1e-8 of the
    largest count as that one.

    Parameters
    ----------
    parts
        Of the loss.
    flat
        Where the Jacobian is taken.
    weights
        Of the losses, by name.
    probes
        Products, each the cost of one gradient; with 0, and for losses without rows, all norms are 1.
    generator
        Of the signs.
    """
    squares = torch.zeros_like(flat)
    if probes == 0:
        return squares + 1.0
    x = flat.detach().requires_grad_()
    for part in parts:
        rows = loss.rows(unknowns.tensors(x), part, weights)
        if rows is None:
            return torch.ones_like(flat)
        for _ in range(probes):
            signs = torch.randint(2, rows.shape, generator=generator, device=rows.device) * 2 - 1
            product = torch.autograd.grad((signs * rows).sum(), x, retain_graph=True)[0]
            squares += product.square() / probes
    norms = squares.sqrt()
    top = norms.max()
    if not (torch.isfinite(top) and top > 0):
        return torch.ones_like(norms)
    return torch.where(norms > 1e-8 * top, norms, top)
