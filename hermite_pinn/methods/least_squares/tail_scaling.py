"""A few dense columns at the end of a system, made nearly orthogonal to the others before an iteration begins.

Such columns are scaled badly and almost in the span of the others: a singular function is smooth but for a small part
of the domain.  Conjugate gradients on scaled columns then take twice as many steps or more.  Some steps of theirs for
every such column find most of what the others can do for it; what remains of it is normalised together with the rest of
the others, and the whole converges as fast as it would without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .cgls import cgls
from .linear_solver import LinearSystem
from .rows import Rows
from .scaling import Scaling

__all__ = ["Tail", "TailScaling", "closest_unknowns", "tail_scaling"]

#: Eigenvalues of the normalised products of what remains of the columns that count as zero; squares of what remains,
#: relative to the columns, that does.
FLOOR, NOTHING = 1e-10, 1e-20


@dataclass(frozen=True)
class TailScaling:
    """Variables in which the last columns are orthonormal, and nearly orthogonal to the others; a :class:`.Scaling`.

    Attributes
    ----------
    inner
        The change of variables of the others.
    others
        By column, the unknowns (columns, size) that come close to it; those of the tail are zero.
    factor
        Unknowns of the tail from their variables, (columns, columns).
    """

    inner: Scaling
    others: torch.Tensor
    factor: torch.Tensor

    @property
    def damping(self) -> float:
        """Of the linearised problem."""
        return self.inner.damping

    @property
    def _tail(self) -> slice:
        return slice(self.others.shape[1] - len(self.others), None)

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        tail = self.factor @ y[self._tail]
        x = self.inner.apply(y)
        x[self._tail] = 0.0
        x -= tail @ self.others
        x[self._tail] = tail
        return x

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        own = gradient[self._tail] - self.others @ gradient
        out = self.inner.transposed(gradient)
        out[self._tail] = self.factor.mT @ own
        return out


@dataclass(frozen=True)
class Tail:
    """What remains of the last columns beside the others.

    Attributes
    ----------
    rows
        By column.
    factor
        Combinations of them that are orthonormal, (columns, columns).
    inner
        Inner product of rows.
    """

    rows: list[Rows]
    factor: torch.Tensor
    inner: Callable[[Rows, Rows], torch.Tensor]

    def variables(self, left: Rows) -> torch.Tensor:
        """The variables y for which the sum of ``left`` and ``factor @ y`` times the columns is least."""
        products = torch.stack([self.inner(own, left) for own in self.rows]).to(self.factor)
        return -self.factor.mT @ products


def closest_unknowns(
    system: LinearSystem, count: int, closest: Callable[[Rows], torch.Tensor], start: torch.Tensor | None = None
) -> tuple[Tail, torch.Tensor]:
    """What the other unknowns can do for the last columns of a system, and what remains of these.

    Parameters
    ----------
    system
        Whose last ``count`` unknowns are meant.
    closest
        Gives unknowns before the tail whose rows are close to some.
    start
        Unknowns (columns, size) that are close already, or None.

    Returns
    -------
    tail
        What remains.
    others
        By column, the unknowns (columns, size) that come close to it; those of the tail are zero.
    """
    size = system.size
    others = torch.zeros(count, size, dtype=torch.float64, device=system.device)
    if start is not None:
        others.copy_(start)
    rest: list[Rows] = []
    squares = others.new_zeros(count)
    for k in range(count):
        unit = torch.zeros_like(others[k])
        unit[size - count + k] = 1.0
        column = [r.clone() for r in system.forward(unit.clone())]
        squares[k] = system.inner(column, column)
        others[k] += closest([r.clone() for r in system.forward(unit - others[k])])
        rest.append([r.clone() for r in system.forward(unit - others[k])])
    products = torch.stack([torch.stack([system.inner(a, b) for b in rest]) for a in rest])
    return Tail(rest, _orthonormal(products, squares), system.inner), others


def tail_scaling(
    system: LinearSystem, inner: Scaling, count: int, steps: int, start: torch.Tensor | None = None
) -> TailScaling:
    """The scaling for the last columns of a system at its last linearisation.

    Parameters
    ----------
    system
        Whose last ``count`` unknowns are meant.
    inner
        A change of variables for the others, which keeps them apart from the last.
    steps
        Of conjugate gradients per column.
    start
        :attr:`TailScaling.others` of an earlier scaling, or some that are close.
    """
    tail, others = closest_unknowns(system, count, lambda rows: _closest(system, inner, count, rows, steps), start)
    return TailScaling(inner, others, tail.factor)


def _closest(system: LinearSystem, inner: Scaling, count: int, rows: Rows, steps: int) -> torch.Tensor:
    """Unknowns before the tail whose rows are close to given ones."""

    def without_tail(vector: torch.Tensor) -> torch.Tensor:
        vector[len(vector) - count :] = 0.0
        return vector

    result = cgls(
        lambda y: system.forward(without_tail(inner.apply(y))),
        lambda r: inner.transposed(without_tail(system.adjoint(r))),
        rows,
        tol=1e-8,
        max_steps=steps,
        inner=system.inner,
    )
    return without_tail(inner.apply(result.y))


def _orthonormal(products: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
    """A matrix F with ``F.T @ products @ F = 1``, but for columns that are nothing, or depend on each other."""
    own = products.diagonal()
    there = (own > NOTHING * squares) & (own > 0)
    scale = torch.where(there, torch.where(there, own, 1.0).rsqrt(), 0.0)
    values, vectors = torch.linalg.eigh(products * scale[:, None] * scale)
    kept = values > FLOOR * values[-1:].clamp(min=1e-300)
    return scale[:, None] * vectors * torch.where(kept, torch.where(kept, values, 1.0).rsqrt(), 0.0)
