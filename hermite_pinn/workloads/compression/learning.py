"""How fields on octrees are trained, with tables of numbers or of codes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from hermite_pinn.errors import DivergedError
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.tree import TABLE

from .codebook import halved
from .quantized_table import QuantizedTable, Rates
from .rows import rows_of
from .teacher import Teacher

__all__ = ["Course", "learn_codes", "learn_table"]


@dataclass(frozen=True)
class Course:
    """How long and how fast is trained.

    Attributes
    ----------
    steps, points
        Steps, and points of each.
    rate
        Of Adam, for the network; it falls to a hundredth along a cosine.
    table_rate
        The same for features and codebooks.
    logit_rate
        RMS of the change of a row's logits in a step; it falls as the others do.
    temperature
        Of the softmax, at the beginning and at the end; in between it is geometric.
    revive
        Steps after which codebook entries that no corner reads get corners again; 0: never.
    random_levels
        Whether a step leaves out finer levels at random, so that all levels of detail are trained; level ``l`` is
        the finest with a probability in proportion to ``2**l``.
    """

    steps: int = 2000
    points: int = 8192
    rate: float = 3e-3
    table_rate: float = 1e-2
    logit_rate: float = 0.1
    temperature: tuple[float, float] = (1.0, 1.0)
    revive: int = 100
    random_levels: bool = False

    def fall(self, step: int) -> float:
        """Factor of the rates in a step."""
        return 0.01 + 0.99 * (1 + math.cos(math.pi * step / self.steps)) / 2

    def heat(self, step: int) -> float:
        """Temperature in a step."""
        first, last = self.temperature
        return float(first * (last / first) ** (step / max(1, self.steps - 1)))


def learn_table(field: GridField, teacher: Teacher, course: Course, generator: torch.Generator) -> GridField:
    """Train table and network of a field.

    Raises
    ------
    DivergedError
        If the loss becomes infinite or NaN.
    """
    tree = {path: leaf.detach().clone().requires_grad_() for path, leaf in field.tensors().items()}
    groups = [
        {"params": [tree[TABLE]], "lr": course.table_rate},
        {"params": [leaf for path, leaf in tree.items() if path != TABLE], "lr": course.rate},
    ]
    optimiser, rates = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-12), [course.table_rate, course.rate]
    draw = _Detail(field, course, generator)
    for step in range(course.steps):
        _set(optimiser, rates, course.fall(step))
        read = dict(tree)
        if course.random_levels:
            read[TABLE] = tree[TABLE] * draw.mask()
        loss = teacher.loss(field.with_tensors(read), course.points, generator)
        _check(loss, step)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return field.with_tensors({path: leaf.detach() for path, leaf in tree.items()})


def learn_codes(
    field: GridField, codes: QuantizedTable, teacher: Teacher, course: Course, generator: torch.Generator
) -> GridField:
    """Train logits, codebooks and network end to end with the loss of the field itself.

    The forward pass reads the chosen entries, and all numbers rounded to half precision as a file has them.  The
    backward pass takes the gradient by the table, which the kernels give, through the softmax of the touched rows.

    Parameters
    ----------
    field
        Whose network is the first one.
    codes
        Trained in place.

    Returns
    -------
    GridField
        What is read after the last step: the field of the codes, with a rounded network.

    Raises
    ------
    DivergedError
        If the loss becomes infinite or NaN.
    """
    network = {path: leaf.detach().clone() for path, leaf in field.tensors().items() if path != TABLE}
    groups = [
        {"params": list(codes.codebooks), "lr": course.table_rate},
        {"params": list(network.values()), "lr": course.rate},
    ]
    optimiser, rates = torch.optim.Adam(groups, betas=(0.9, 0.99), eps=1e-12), [course.table_rate, course.rate]
    draw = _Detail(field, course, generator)
    for step in range(course.steps):
        fall = course.fall(step)
        _set(optimiser, rates, fall)
        read = {path: halved(leaf).requires_grad_() for path, leaf in network.items()}
        table = codes.table().requires_grad_()
        used = table * draw.mask() if course.random_levels else table
        loss = teacher.loss(field.with_tensors(read | {TABLE: used}), course.points, generator)
        _check(loss, step)
        loss.backward()  # type: ignore[no-untyped-call]
        assert table.grad is not None
        by_codebook = codes.step(table.grad, Rates(course.logit_rate * fall, course.heat(step)))
        _hand_over(codes.codebooks, by_codebook)
        _hand_over(network.values(), [leaf.grad for leaf in read.values()])
        optimiser.step()
        if course.revive and step % course.revive == course.revive - 1 and 2 * step < course.steps:
            for level in codes.levels:
                level.revive(generator)
    read = {path: halved(leaf) for path, leaf in network.items()}
    return field.with_tensors(read | {TABLE: codes.table()})


class _Detail:
    """Factors of a table that leave out its finer levels, drawn at random."""

    def __init__(self, field: GridField, course: Course, generator: torch.Generator) -> None:
        self.layout, self.generator = field.layout, generator
        self.weights = torch.tensor([2.0**level for level in range(field.layout.levels)])

    def mask(self) -> torch.Tensor:
        finest = int(torch.multinomial(self.weights, 1, generator=self.generator))
        factors = torch.ones(self.layout.size)
        for rows in rows_of(factors, self.layout)[finest + 1 :]:
            rows.zero_()
        return factors


def _hand_over(leaves: Iterable[torch.Tensor], gradients: Iterable[torch.Tensor | None]) -> None:
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = gradient


def _set(optimiser: torch.optim.Optimizer, rates: Iterable[float], fall: float) -> None:
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = rate * fall


def _check(loss: torch.Tensor, step: int) -> None:
    if not bool(torch.isfinite(loss)):
        raise DivergedError(f"the loss is {float(loss)} in step {step}; lower the rates of the course")
