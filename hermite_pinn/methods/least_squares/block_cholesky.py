"""A Cholesky factor of a sparse matrix of dense blocks, front by front."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch

from .nested_dissection import Dissection, Front

__all__ = ["BlockCholesky"]

RAISE = 100.0  # factor of a shift that was too small
STRIP = 384  # rows of what a front passes on that are made at a time
LARGEST = 1e9  # shift of a matrix with unit diagonal


@dataclass(frozen=True, eq=False)
class _Step:
    """The part of the factor that belongs to one front.

    Attributes
    ----------
    own
        Its rows.
    boundary
        Numbers of the rows below, int64.
    corner, below
        The factor's lower triangle there, and what is below.
    """

    own: slice
    boundary: torch.Tensor
    corner: torch.Tensor
    below: torch.Tensor


class BlockCholesky:
    """A lower triangular L with ``L L^T = A + shift``, for a symmetric positive matrix A with unit diagonal.

    The matrix is eliminated front by front (Duff and Reid, The multifrontal solution of indefinite sparse symmetric
    linear equations, ACM TOMS 9, 1983).  Where rounding makes a front indefinite, its shift is raised.

    Parameters
    ----------
    dissection
        Order of the vertices.
    blocks
        By pair in ``dissection.later``, the products of the unknowns of the later vertex (rows) and the earlier one
        (columns), float64, (pairs, w, w).
    shift
        Is added to the diagonal.

    Raises
    ------
    ArithmeticError
        If numbers are not finite.

    Examples
    --------
    >>> from hermite_pinn.methods.least_squares.nested_dissection import dissect
    >>> line = dissect(np.arange(3)[:, None], (3,), (False,), 1)
    >>> line.later.tolist()
    [0, 1, 1, 2, 2]
    >>> blocks = torch.tensor([1.0, -0.5, 1.0, -0.5, 1.0], dtype=torch.float64)[:, None, None]
    >>> factor = BlockCholesky(line, blocks, 0.0)
    >>> factor.upper(factor.lower(torch.ones(3, dtype=torch.float64))).round(decimals=9)
    tensor([3., 4., 3.], dtype=torch.float64)
    """

    def __init__(self, dissection: Dissection, blocks: torch.Tensor, shift: float) -> None:
        self.size = len(dissection.order) * blocks.shape[1]
        self.shift = shift
        self._steps: list[_Step] = []
        passed: dict[int, torch.Tensor] = {}
        for number, front in enumerate(dissection.fronts):
            below = {child: passed.pop(child) for child in front.children}
            step, rest = self._eliminated(dissection, front, blocks, below)
            self._steps.append(step)
            if rest is not None:
                passed[number] = rest

    def _eliminated(
        self, dissection: Dissection, front: Front, blocks: torch.Tensor, below: dict[int, torch.Tensor]
    ) -> tuple[_Step, torch.Tensor | None]:
        """The front's part of the factor, and what it leaves to its parent."""
        w, own, boundary = blocks.shape[1], front.end - front.first, front.boundary
        part = slice(int(dissection.starts[front.first]), int(dissection.starts[front.end]))
        columns = np.repeat(np.arange(own), np.diff(dissection.starts[front.first : front.end + 1]))
        rows = _local(front, dissection.later[part])
        panel = torch.zeros(own + len(boundary), w, own, w, dtype=torch.float64)
        panel[torch.as_tensor(rows), :, torch.as_tensor(columns), :] = blocks[part]
        panel = panel.view(-1, own * w)
        rest = torch.zeros(w * len(boundary), w * len(boundary), dtype=torch.float64)
        for child, passed in below.items():
            at = _local(front, dissection.fronts[child].boundary)
            inner = int(np.searchsorted(at, own))
            _add(panel, at, at[:inner], passed[:, : inner * w], w)
            _add(rest, at[inner:] - own, at[inner:] - own, passed[inner * w :, inner * w :], w)
        corner = self._corner(panel[: own * w])
        under = torch.linalg.solve_triangular(corner.mT, panel[own * w :], upper=True, left=False)
        step = _Step(slice(front.first * w, front.end * w), _spread(boundary, w), corner, under)
        if not len(boundary):
            return step, None
        for first in range(0, len(rest), STRIP):  # of which the lower triangle is needed
            strip = slice(first, first + STRIP)
            rest[strip, : first + STRIP].addmm_(under[strip], under[: first + STRIP].mT, alpha=-1.0)
        return step, rest

    def _corner(self, matrix: torch.Tensor) -> torch.Tensor:
        shift = self.shift
        while True:
            shifted = matrix.clone()
            shifted.diagonal().add_(shift)
            factor, info = torch.linalg.cholesky_ex(shifted)
            if int(info) == 0:
                return factor
            if shift > LARGEST or not bool(torch.isfinite(matrix).all()):
                raise ArithmeticError("a matrix with numbers that are not finite has no factor")
            shift = max(RAISE * shift, 1e-15)

    @property
    def entries(self) -> int:
        """Numbers that are kept."""
        return sum(s.corner.numel() + s.below.numel() for s in self._steps)

    @property
    def log_determinant(self) -> float:
        """Of the matrix."""
        return sum(2.0 * float(s.corner.diagonal().log().sum()) for s in self._steps)

    @property
    def least_pivot(self) -> float:
        """The smallest square of a diagonal entry of L: of a singular matrix it is rounding, or the shift."""
        return min((float(s.corner.diagonal().min()) ** 2 for s in self._steps if len(s.corner)), default=1.0)

    def lower(self, right: torch.Tensor) -> torch.Tensor:
        """``L^-1`` times a vector (n,) or some columns (n, k)."""
        x = right.clone().view(self.size, -1)
        for s in self._steps:
            own = torch.linalg.solve_triangular(s.corner, x[s.own], upper=False)
            x[s.own] = own
            if len(s.boundary):
                x.index_add_(0, s.boundary, s.below @ own, alpha=-1.0)
        return x.view(right.shape)

    def upper(self, right: torch.Tensor) -> torch.Tensor:
        """``L^-T`` times a vector (n,) or some columns (n, k)."""
        x = right.clone().view(self.size, -1)
        for s in reversed(self._steps):
            own = x[s.own]
            if len(s.boundary):
                own = own - s.below.mT @ x.index_select(0, s.boundary)
            x[s.own] = torch.linalg.solve_triangular(s.corner.mT, own, upper=True)
        return x.view(right.shape)


def _add(matrix: torch.Tensor, rows: np.ndarray, columns: np.ndarray, part: torch.Tensor, width: int) -> None:
    """Add a matrix to the rows and columns of some vertices of another: first spread its columns, then add its rows."""
    if not len(rows) or not len(columns):
        return
    spread = torch.zeros(len(part), matrix.shape[1], dtype=part.dtype)
    for first, last, to in _runs(columns):
        spread[:, to * width : (to + last - first) * width] = part[:, first * width : last * width]
    for first, last, to in _runs(rows):
        matrix[to * width : (to + last - first) * width] += spread[first * width : last * width]


def _runs(places: np.ndarray) -> list[tuple[int, int, int]]:
    """Parts of ascending places that follow each other: first, end, and the place of the first."""
    breaks = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), len(places)]
    return [(a, b, int(places[a])) for a, b in itertools.pairwise(breaks)]


def _local(front: Front, places: np.ndarray) -> np.ndarray:
    """Numbers within a front and its boundary."""
    own = front.end - front.first
    beyond = own + np.searchsorted(front.boundary, places)
    inside: np.ndarray = np.where(places < front.end, places - front.first, beyond)
    return inside


def _spread(places: np.ndarray, width: int) -> torch.Tensor:
    """Numbers of the unknowns of some vertices."""
    return torch.as_tensor((places[:, None] * width + np.arange(width)).reshape(-1))
