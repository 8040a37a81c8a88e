"""Generalised minimal residuals with a preconditioner on the right."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

__all__ = ["gmres"]

FIRST = 16  # directions that there is room for at the beginning


def gmres(
    product: Callable[[torch.Tensor], torch.Tensor],
    precondition: Callable[[torch.Tensor], torch.Tensor],
    b: torch.Tensor,
    tol: float,
    most: int,
) -> tuple[torch.Tensor, int, bool]:
    """A solution ``x = P y`` of ``A x = b`` from zero, the number of steps, and whether the residual is small enough.

    Parameters
    ----------
    product
        ``A``, from unknowns (n,) to rows of any shape.
    precondition
        ``P``, from rows to unknowns.
    b
        Right side.
    tol
        Reduction of the residual.
    most
        Steps, without a restart.

    Examples
    --------
    >>> a = torch.tensor([[2.0, 1.0], [0.0, 4.0]], dtype=torch.float64)
    >>> x, steps, met = gmres(lambda x: a @ x, lambda r: r, torch.ones(2, dtype=torch.float64), 1e-10, 9)
    >>> [round(v, 6) for v in x.tolist()], steps, met
    ([0.375, 0.25], 2, True)
    """
    shape, size = b.shape, float(b.norm())
    if not size > 0 or not math.isfinite(size):
        return precondition(torch.zeros_like(b)), 0, size == 0.0
    basis = b.new_empty(min(most, FIRST) + 1, b.numel())
    basis[0] = b.reshape(-1) / size
    directions: list[torch.Tensor] = []
    h = torch.zeros(most + 1, most, dtype=torch.float64)
    right = torch.zeros(most + 1, dtype=torch.float64)
    right[0] = size
    y, left = torch.zeros(0, dtype=torch.float64), size
    for k in range(most):
        directions.append(precondition(basis[k].view(shape)))
        w = product(directions[k]).reshape(-1)
        known = basis[: k + 1]
        for _ in range(2):  # once more, for orthogonality
            own = known @ w
            w = w - own @ known
            h[: k + 1, k] += own.cpu()
        h[k + 1, k] = float(w.norm())
        y = torch.linalg.lstsq(h[: k + 2, : k + 1], right[: k + 2, None], driver="gelsd").solution[:, 0]
        left = float((h[: k + 2, : k + 1] @ y - right[: k + 2]).norm())
        if left <= tol * size or float(h[k + 1, k]) <= 1e-14 * size or not math.isfinite(left):
            break
        if k + 1 == len(basis):
            basis = torch.cat([basis, torch.empty_like(basis)])
        torch.div(w, h[k + 1, k].to(w), out=basis[k + 1])
    return torch.stack(directions, -1) @ y.to(directions[0]), k + 1, left <= tol * size
