"""What the systems of a grid and of a field share: rows in blocks, and unknowns that end with the parameters."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

import torch

from hermite_pinn.expressions.program import chooses
from hermite_pinn.field.field import GridField
from hermite_pinn.methods.least_squares.rows import Rows, dot
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm
from hermite_pinn.residuals.reference_state import where_undefined
from hermite_pinn.run.distributed import Ranks

__all__ = ["BlockSystem", "RowBlock"]


REACH = 10.0  # factor by which a parameter changes in one step at most
SMALL = 1e-3  # times its start: a parameter below may change its sign


class RowBlock(Protocol):
    """Rows of some terms at some points: one tensor per term, divided by its scale."""

    terms: list[CompiledTerm]
    scales: list[float]
    root: torch.Tensor


AnyBlock = TypeVar("AnyBlock", bound=RowBlock)


class BlockSystem(ABC, Generic[AnyBlock]):
    """A weighted least-squares system of a problem, in blocks of rows.

    Attributes
    ----------
    problem
        What is to be solved.
    blocks
        The rows, in their order.
    ranks
        Processes that share the rows: norms and inner products of rows are sums over all of them.
    parameter_names
        Names of the last unknowns.
    dtype, device
        Of rows and unknowns.
    affine
        Whether one linear solve suffices.
    derived
        The block of derivatives of equations, which says nothing of its own, or None.
    held_parameters
        Numbers of the parameters that have no part in products.
    """

    problem: Problem
    blocks: list[AnyBlock]
    ranks: Ranks
    parameter_names: tuple[str, ...]
    dtype: torch.dtype
    device: torch.device
    affine: bool
    derived: AnyBlock | None = None
    held_parameters: tuple[int, ...] = ()

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of unknowns."""

    @property
    @abstractmethod
    def location(self) -> str:
        """Where in the run this is, for messages."""

    @property
    def warm(self) -> bool:
        """Whether a solve starts close to its end."""
        return False

    @cached_property
    def chooses(self) -> bool:
        """Whether fields choose between equations, as for obstacles."""
        return any(chooses(t.residual) for t in self.problem.terms if t.region.is_interior)

    @property
    def recordable(self) -> bool:
        """Whether products and inner products run on a GPU, never look at values and find their memory where it was."""
        return False

    @property
    def row_names(self) -> list[str]:
        """The name of the term of every tensor of the rows."""
        return [t.name for block in self.blocks for t in block.terms]

    def parts(self, rows: Sequence[torch.Tensor]) -> Iterator[tuple[AnyBlock, Sequence[torch.Tensor]]]:
        """Every block with its part of the rows."""
        at = 0
        for block in self.blocks:
            yield block, rows[at : at + len(block.terms)]
            at += len(block.terms)

    # -- vectors ---
    @abstractmethod
    def split(self, vector: torch.Tensor) -> tuple[Any, torch.Tensor]:
        """Views of the unknowns of the fields in a vector, and of the parameters."""

    def parameters(self, vector: torch.Tensor) -> dict[str, float]:
        """Values of the parameters in a vector."""
        return dict(zip(self.parameter_names, self.split(vector)[1].tolist(), strict=True))

    def within_bounds(self, vector: torch.Tensor) -> torch.Tensor:
        """Move the parameters in ``vector`` to their bounds where they left them, in place."""
        values = self.split(vector)[1]
        for i, p in enumerate(self.problem.parameters):
            values[i] = values[i].clamp(*p.bounds)
        return vector

    # -- bounds ---
    @contextmanager
    def holding(self, numbers: Collection[int]) -> Iterator[None]:
        """Products in which these parameters, by number, have no part."""
        before, self.held_parameters = self.held_parameters, (*self.held_parameters, *numbers)
        try:
            yield
        finally:
            self.held_parameters = before

    def hold(self, parameters: torch.Tensor) -> torch.Tensor:
        """Set what belongs to parameters that are held to zero, in place."""
        if self.held_parameters:
            parameters[list(self.held_parameters)] = 0.0
        return parameters

    def pressed(self, vector: torch.Tensor, gradient: Callable[[], torch.Tensor]) -> tuple[int, ...]:
        """Numbers of the parameters on a bound which the descent from there would take beyond it.

        Parameters
        ----------
        vector
            The unknowns.
        gradient
            Computes half of the gradient of the loss there; called where a parameter is on a bound.
        """
        values, parameters = self.split(vector)[1].tolist(), self.problem.parameters
        on_bound = [i for i, p in enumerate(parameters) if values[i] in p.bounds]
        if not on_bound:
            return ()
        slopes = self.split(gradient())[1].tolist()
        ends = {i: parameters[i].bounds for i in on_bound}
        return tuple(i for i, (lower, _) in ends.items() if (slopes[i] > 0 if values[i] == lower else slopes[i] < 0))

    def beyond(
        self, vector: torch.Tensor, step: torch.Tensor, held: Collection[int]
    ) -> tuple[tuple[int, ...], torch.Tensor]:
        """Numbers of the parameters that a step takes beyond their bounds, and the step that takes these to them.

        Those ``held`` are there already, but for rounding.
        """
        before, steps = (self.split(v)[1].tolist() for v in (vector, step))
        move = torch.zeros_like(step)
        found = []
        for i, p in enumerate(self.problem.parameters):
            if i in held:
                continue
            after = before[i] + steps[i]
            end = min(max(after, p.bounds[0]), p.bounds[1])
            if end != after:
                found.append(i)
                self.split(move)[1][i] = end - before[i]
        return tuple(found), move

    def within_reach(self, vector: torch.Tensor, trial: torch.Tensor) -> torch.Tensor:
        """Shorten the changes of the parameters from one vector to the other to what a step may trust, in place.

        In one step a parameter gets no more than ten times larger or smaller, and has to be small before it changes
        its sign: a quotient with the parameter below, seen along a line, sends it beyond zero or far away.  One that
        begins at zero has no size, and is free.
        """
        before, after = self.split(vector)[1], self.split(trial)[1]
        for i, p in enumerate(self.problem.parameters):
            value = float(before[i])
            if value == 0.0 or p.init == 0.0:  # nothing tells what is small
                continue
            size = abs(value)
            near = 0.0 if size <= SMALL * abs(p.init) else value / REACH
            free = REACH * max(size, SMALL * abs(p.init))  # else what came near zero would never leave it
            ends = (near, value * REACH) if near else (-free, free)
            after[i] = after[i].clamp(min(ends), max(ends))
        return trial

    @abstractmethod
    def linearize(self, vector: torch.Tensor) -> Rows:
        """Rows of all blocks; the products below are those at ``vector``."""

    def where_undefined(self, vector: torch.Tensor) -> str:
        """Which part of a residual is not defined at a vector, and where; nothing if that is not found."""
        return where_undefined(self.problem, self.at(vector), self.parameters(vector))

    @abstractmethod
    def at(self, vector: torch.Tensor) -> GridField:
        """The fields that a vector stands for."""

    @abstractmethod
    def change(self, step: torch.Tensor, vector: torch.Tensor) -> float:
        """Size of a step relative to the vector."""

    # -- linear algebra ---
    @abstractmethod
    def forward(self, direction: torch.Tensor) -> Rows:
        """Product with the Jacobian; may overwrite ``direction``."""

    @abstractmethod
    def adjoint(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """Product with the transposed Jacobian: the sum of all ranks' parts."""

    def inner(self, a: Rows, b: Rows) -> torch.Tensor:
        """Inner product of rows over all ranks."""
        return self.ranks.add(dot(a, b))

    @staticmethod
    def effective(squares: torch.Tensor) -> torch.Tensor:
        """Which unknowns have an effect on the rows, from the squared norms of their columns."""
        return squares > 1e-20 * squares.max()

    @staticmethod
    def inverse_norms(squares: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
        """``1 / sqrt(squares)`` for the columns of unknowns that are free, and 0 for the others."""
        return torch.where(free, torch.where(free, squares, 1.0).rsqrt(), 0.0)

    def residual_rms(self, rows: Sequence[torch.Tensor]) -> dict[str, float]:
        """Root mean square of the residuals in the user's units, by the name of the term."""
        sums: dict[str, tuple[float, float]] = {}
        for block, own in self.parts(rows):
            if block is self.derived:
                continue
            volume = float(block.root.square().expand_as(own[0]).sum())
            for k, t in enumerate(block.terms):
                square, area = sums.get(t.name, (0.0, 0.0))
                sums[t.name] = (square + float((own[k] ** 2).sum()) * block.scales[k] ** 2, area + volume)
        totals = self.ranks.add_all(*(v for pair in sums.values() for v in pair))
        pairs = zip(totals[::2], totals[1::2], strict=True)
        return {name: math.sqrt(square / area) for name, (square, area) in zip(sums, pairs, strict=True)}
