"""How much changes of features count: by the gradients of a loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hermite_pinn.field.tree import TABLE

from .rows import row_width, rows_of
from .teacher import Teacher

__all__ = ["metrics_of"]

#: Batches by which it is measured, and the part of the largest that counts in directions in which nothing was seen.
BATCHES, LEAST = 8, 1e-3


def metrics_of(field: Any, teacher: Teacher, points: int, generator: torch.Generator) -> list[Tensor]:
    """By level a matrix (w, w), by which rows are multiplied so that equal distances change the loss about equally.

    It is the root of the mean outer product of the gradients by the rows, which is that of the squared derivatives of
    what the field says by its features, as far as its misfits do not depend on these.  The largest eigenvalue is 1.

    Parameters
    ----------
    field
        A :class:`.Learnable` that was trained.
    teacher, points
        Whose loss, and points of a batch.
    generator
        Of the batches.
    """
    layout = field.layout
    sums = [torch.zeros(row_width(layout), row_width(layout), dtype=torch.float64) for _ in range(layout.levels)]
    for _ in range(BATCHES):
        tree = {path: leaf.detach().requires_grad_(path == TABLE) for path, leaf in field.tensors().items()}
        teacher.loss(field.with_tensors(tree), points, generator).backward()  # type: ignore[no-untyped-call]
        gradient = tree[TABLE].grad
        assert gradient is not None
        for total, rows in zip(sums, rows_of(gradient, layout), strict=True):
            some = rows.double()
            total += some.T @ some
    return [_root(total).to(field.table.dtype) for total in sums]


def _root(square: Tensor) -> Tensor:
    if not bool(torch.isfinite(square).all()) or not bool(square.any()):  # of a field that cannot be judged
        return torch.eye(len(square), dtype=square.dtype)
    values, vectors = torch.linalg.eigh(square)
    largest = float(values.max())
    return (vectors * (values / largest).clamp(min=LEAST).sqrt()) @ vectors.T
