"""Conditions that a tensor grid satisfies exactly: prescribed values and normal derivatives on whole faces.

The trace on a face normal to axis i involves only the coefficients of order 0 along i at the vertices of the face,
and the normal derivative only those of order 1.  Those coefficients are fixed: on the finest level to the projection
of the prescribed function (less what the coarser levels hold), and they are no unknowns of the solve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.tensor_grid.pieces import Ties
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import Leaf, Value, leaves
from hermite_pinn.geometry import Plane
from hermite_pinn.problem.terms import FaceTrace, Term

from .block import Axis

__all__ = ["Carried", "Constraints", "is_hard"]


def is_hard(term: Term, basis: str) -> bool:
    """Whether a dense grid of this basis satisfies the term exactly: a known value or derivative on a whole face."""
    return (
        term.trace is not None
        and term.region.plane is not None
        and term.trace.order < BASES[basis].coefficients
        and not any(kind == "parameter" for kind, _ in leaves(term.trace.value))
    )


def _side(term: Term) -> Plane:
    """The side of the box on which a term with a trace holds."""
    assert term.region.plane is not None
    return term.region.plane


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
        plane = term.region.plane
        if plane is None or (plane.axis, plane.side) != (self.axis, 0):
            return True
        return term.trace is not None and term.trace.order < self.orders[term.trace.field]


@dataclass(frozen=True)
class Constraints:
    """The fixed coefficients of a problem on a basis.

    Attributes
    ----------
    terms
        What the grid satisfies exactly.
    fields, basis, axes
        The unknowns.
    carried
        State at the start of time that replaces the initial conditions, or None.
    continuity
        See :attr:`.Problem.continuity`; needed where axes have breaks.
    """

    terms: tuple[Term, ...]
    fields: tuple[str, ...]
    basis: str
    axes: tuple[Axis, ...]
    carried: Carried | None = None
    continuity: Mapping[str, Sequence[int]] = field(default_factory=dict)
    _kept: dict[tuple[int, ...], tuple[torch.Tensor, torch.Tensor]] = field(default_factory=dict, repr=False)

    def count(self, field: str, axis: int) -> int:
        """Coefficients fixed along one line in direction ``axis``."""
        traces = set()
        for t in self.terms:
            assert t.trace is not None
            if t.trace.field == field and _side(t).axis == axis:
                traces.add((_side(t).side, t.trace.order))
        return len(traces)

    def mask(self, shape: Sequence[int], device: torch.device | str = "cpu") -> torch.Tensor:
        """Which coefficients of a level of shape (fields, m N_1, ...) are fixed."""
        m = BASES[self.basis].coefficients
        fixed = torch.zeros(tuple(shape), dtype=torch.bool, device=device)
        for t in self.terms:
            assert t.trace is not None
            plane = _side(t)
            where: list[int | slice] = [slice(None)] * len(shape)
            where[0] = self.fields.index(t.trace.field)
            last = shape[plane.axis + 1] - m
            where[plane.axis + 1] = (last if plane.side else 0) + t.trace.order
            fixed[tuple(where)] = True
        return fixed

    def lift(self, resolution: tuple[int, ...], coefficients: torch.Tensor) -> torch.Tensor:
        """Finest-level coefficients with the fixed entries set to represent the prescribed functions.

        On every face that is the L2 projection of the function (the error is that of interpolation, O(h^4) for
        cubics); where faces with different data meet, it is the mean.

        Raises
        ------
        InvalidProblemError
            If a prescribed function is not finite somewhere.
        """
        if not self.terms:
            return coefficients
        mask, values = self._prescribed(resolution, coefficients)
        return torch.where(mask, values, coefficients)

    def _prescribed(self, resolution: tuple[int, ...], like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Which coefficients are fixed, and their values; kept for the next call."""
        if resolution not in self._kept:
            total, count = torch.zeros_like(like), torch.zeros_like(like)
            for t in self.terms:
                face, trace = _side(t), t.trace
                assert trace is not None
                if self.carried is not None and (face.axis, face.side) == (self.carried.axis, 0):
                    continue
                f = self.fields.index(trace.field)
                m = BASES[self.basis].coefficients
                index = (like.shape[face.axis + 1] - m if face.side else 0) + trace.order
                total[f].select(face.axis, index).add_(self._projection(t, trace, resolution, like))
                count[f].select(face.axis, index).add_(1.0)
            values = total / count.clamp(min=1.0)
            if self.carried is not None:
                axis = self.carried.axis
                for f, name in enumerate(self.fields):
                    for order in range(self.carried.orders[name]):
                        values[f].select(axis, order).copy_(self.carried.coefficients[f].select(axis, order))
            self._kept.clear()
            self._kept[resolution] = (self.mask(like.shape, like.device), values)
        return self._kept[resolution]

    def _tied(self, name: str, axis: int, cells: int) -> sparse.csr_array | None:
        """Coefficients along an axis with breaks from those that are unknowns; None without breaks."""
        own = self.axes[axis]
        if own.pieces is None:
            return None
        m = BASES[self.basis].coefficients
        count = own.coefficients(self.basis, cells)
        number, factor = Ties([own.pieces], (cells,), [(self.continuity[name][axis],)], m, [own.periodic]).labels(
            (1, count)
        )
        kept, column = np.unique(number.numpy(), return_inverse=True)
        entries = factor.numpy(), (np.arange(count), column)
        return sparse.csr_array(entries, shape=(count, len(kept)))

    def _projection(
        self, term: Term, trace: FaceTrace, resolution: tuple[int, ...], like: torch.Tensor
    ) -> torch.Tensor | float:
        """Coefficients of a prescribed function on its face: one axis after another, by the 1-D mass matrices."""
        face = _side(term)
        side = self.axes[face.axis]
        cell = side.end_cells(resolution[face.axis])[face.side]
        if trace.value.is_constant and trace.value.data == 0:
            return 0.0
        others = [i for i in range(len(self.axes)) if i != face.axis]
        m = BASES[self.basis].coefficients
        grids = term.region.gauss(resolution, max(m + 2, 2 * m) if 1 in resolution else m + 2).axes
        assert grids is not None
        env: dict[Leaf, Value] = {("coordinate", side.name): face.position}
        for k, i in enumerate(others):
            shape = [-1 if j == k else 1 for j in range(len(others))]
            env[("coordinate", self.axes[i].name)] = torch.as_tensor(grids[i][0]).reshape(shape)
        sizes = [len(grids[i][0]) for i in others]
        value = np.broadcast_to(np.asarray(trace.program.run(env)[0], dtype=float), sizes)
        if not np.isfinite(value).all():
            raise InvalidProblemError(
                f"the value of {term.name!r} is not finite at {int((~np.isfinite(value)).sum())} of {value.size} points of "
                f"the face {term.region.name}; look for divisions by zero, roots or logarithms of negative numbers in it"
            )
        projected = value * cell**trace.order  # derivatives count in cell units
        for k, i in enumerate(others):
            a, (points, weights) = self.axes[i], grids[i]
            one = a.evaluation(self.basis, resolution[i], points, (0,)).matrices[0]
            tied = self._tied(trace.field, i, resolution[i])
            if tied is not None:
                one = one @ tied
            weighted = one.T @ sparse.diags(weights)
            flat = np.moveaxis(projected, k, 0)
            solved = splu((weighted @ one).tocsc()).solve(weighted @ flat.reshape(len(points), -1))
            if tied is not None:
                solved = tied @ solved
            projected = np.moveaxis(solved.reshape(-1, *flat.shape[1:]), 0, k)
        return torch.as_tensor(np.array(projected)).to(like)
