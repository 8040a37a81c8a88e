"""Conditions that a tensor grid satisfies exactly: prescribed values and normal derivatives on whole faces.

The trace on a face normal to axis i involves only the coefficients of order 0 along i at the vertices of the face,
and the normal derivative only those of order 1.  Those coefficients are fixed: on the finest level to the projection
of the prescribed function (less what the coarser levels hold), and they are no unknowns of the solve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.conditions import Term
from hermite_pinn.cuda.layout import BASES
from hermite_pinn.geometry import Face, gauss_axis
from hermite_pinn.program import leaves
from hermite_pinn.residuals import CompiledTerm

from .collocation import Axis
from .krylov import cgls
from .tensor_block import TensorBlock

__all__ = ["Carried", "Constraints", "is_hard"]


def is_hard(term: Term, basis: str) -> bool:
    """Whether a dense grid of this basis satisfies the term exactly: a known value or derivative on a whole face."""
    return (
        term.trace is not None
        and isinstance(term.region, Face)
        and term.trace.order < BASES[basis]
        and not any(kind == "parameter" for kind, _ in leaves(term.trace.value))
    )


@dataclass(frozen=True)
class Carried:
    """The state at the start of a time slab: the end of the one before.

    Attributes
    ----------
    axis
        Number of the time axis.
    orders
        By field, how many derivatives in time are given: 1 for an equation of first order.
    coefficients
        Coefficients at the vertices of that time, (fields, ...) with m along the time axis.
    """

    axis: int
    orders: Mapping[str, int]
    coefficients: torch.Tensor

    def keeps(self, term: Term) -> bool:
        """Whether a term of the problem holds in the slab: all do but the initial conditions that are not carried."""
        if not (isinstance(term.region, Face) and term.region.axis == self.axis and term.region.side == 0):
            return True
        return term.trace is not None and term.trace.order < self.orders[term.trace.field]


@dataclass(frozen=True)
class Constraints:
    """The fixed coefficients of a problem on a basis."""

    terms: tuple[Term, ...]
    fields: tuple[str, ...]
    basis: str
    axes: tuple[Axis, ...]
    carried: Carried | None = None

    def count(self, field: str, axis: int) -> int:
        """Coefficients fixed along one line in direction ``axis``."""
        found = set()
        for t in self.terms:
            assert t.trace is not None
            assert isinstance(t.region, Face)
            if t.trace.field == field and t.region.axis == axis:
                found.add((t.region.side, t.trace.order))
        return len(found)

    def mask(self, shape: Sequence[int], device: torch.device | str = "cpu") -> torch.Tensor:
        """Which coefficients of a level of shape (fields, m N_1, ...) are fixed."""
        m = BASES[self.basis]
        found = torch.zeros(tuple(shape), dtype=torch.bool, device=device)
        for t in self.terms:
            assert t.trace is not None
            assert isinstance(t.region, Face)
            where: list[int | slice] = [slice(None)] * len(shape)
            where[0] = self.fields.index(t.trace.field)
            last = shape[t.region.axis + 1] - m
            where[t.region.axis + 1] = (last if t.region.side else 0) + t.trace.order
            found[tuple(where)] = True
        return found

    @cached_property
    def _functions(self) -> list[Term]:
        """The terms whose function has to be fitted: those that are not zero and not carried."""
        if all(t.trace is not None and t.trace.value.is_constant and t.trace.value.data == 0 for t in self._prescribed):
            return []
        return self._prescribed

    @cached_property
    def _prescribed(self) -> list[Term]:
        axis = None if self.carried is None else self.carried.axis
        return [t for t in self.terms if isinstance(t.region, Face) and (t.region.axis != axis or t.region.side)]

    def lift(
        self, resolution: tuple[int, ...], coefficients: torch.Tensor, parameters: dict[str, float]
    ) -> torch.Tensor:
        """Finest-level coefficients with the fixed entries set to represent the prescribed functions.

        The fixed entries are the weighted least-squares fit at the Gauss points of the faces (the error is that of
        interpolation, O(h^4) for cubics); where faces with different data meet, it is their mean.
        """
        if not self.terms:
            return coefficients
        mask = self.mask(coefficients.shape, coefficients.device)
        found = torch.where(mask, 0.0, coefficients)
        if self.carried is not None:
            for f, name in enumerate(self.fields):
                for order in range(self.carried.orders[name]):
                    state = self.carried.coefficients[f].select(self.carried.axis, order)
                    found[f].select(self.carried.axis, order).copy_(state)
                    mask[f].select(self.carried.axis, order).fill_(False)
        return self._fitted(resolution, found, mask, parameters) if self._functions else found

    def _fitted(
        self, resolution: tuple[int, ...], found: torch.Tensor, mask: torch.Tensor, parameters: dict[str, float]
    ) -> torch.Tensor:
        blocks = []
        for t in self._functions:
            face = t.region
            assert isinstance(face, Face)
            points, weights = [], []
            for i, a in enumerate(self.axes):
                if i == face.axis:
                    p, w = np.array([face.position]), np.ones(1)
                else:
                    p, w = gauss_axis(*a.bounds, resolution[i], BASES[self.basis] + 2)
                points.append(p)
                weights.append(w)
            # a derivative along the axis counts in cell units, like the coefficient it fixes
            order = t.trace.order if t.trace is not None else 0
            scale = (
                (resolution[face.axis]) / (self.axes[face.axis].bounds[1] - self.axes[face.axis].bounds[0])
            ) ** order
            compiled = CompiledTerm(t)
            names = tuple(parameters)
            blocks.append(
                TensorBlock(
                    [compiled], self.fields, names, self.basis, resolution, self.axes, points, weights, [scale],
                    found.dtype, found.device,
                )
            )  # fmt: skip
        none = torch.zeros(len(parameters), dtype=found.dtype, device=found.device)
        rows = [block.linearize(found, parameters)[0] for block in blocks]
        diagonal: torch.Tensor = sum(b.diagonal(resolution, tuple(found.shape)) for b in blocks)  # type: ignore[assignment]
        inverse = torch.where(mask & (diagonal > 0), diagonal, 1.0).rsqrt() * (mask & (diagonal > 0))

        def forward(y: torch.Tensor) -> list[torch.Tensor]:
            direction = y.view(found.shape) * inverse
            return [block.forward(direction, none)[0].clone() for block in blocks]

        def adjoint(r: list[torch.Tensor]) -> torch.Tensor:
            out = torch.zeros_like(found)
            for block, row in zip(blocks, r, strict=True):
                block.adjoint([row], out)
            return (out * inverse).reshape(-1)

        result = cgls(forward, adjoint, [-r for r in rows], tol=1e-13, max_steps=400)
        return found + result.y.view(found.shape) * inverse
