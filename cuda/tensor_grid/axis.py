"""Sparse 1-D matrices along one axis of a tensor: sum factorisation on boxes and prolongation between levels."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.cuda.runtime import device, host
from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.cuda.runtime.source import BLOCK, REALS, assembled
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["AxisMatrix", "cell_matrix", "evaluation_matrix", "prolongation_matrix"]

MAX_TERMS = 8  # of one launch on a CPU
MAX_TERMS_DEVICE = 4  # and on a GPU, where they are arguments of the kernel
KEPT, KEPT_POINTS = 128, 2048  # matrices that are kept, and points of an axis up to which they are
KEPT_WEIGHTS = 16  # sets of weights for which one is


@dataclass(frozen=True, eq=False)
class AxisMatrix:
    """Several sparse matrices with one pattern: rows are points, columns coefficients of one axis.

    Parameters
    ----------
    matrices
        SciPy CSR matrices of equal shape and pattern, by name (the derivative order).
    dtype, device
        Of the tensors it is applied to.

    Examples
    --------
    >>> A = evaluation_matrix("cubic", 2, (0.0, 1.0), False, np.array([0.25]), orders=(0,))
    >>> float(A.apply([(0, torch.tensor([1.0, 0, 1, 0, 1, 0], dtype=torch.float64))], axis=0)[0])
    1.0
    """

    matrices: dict[Hashable, sparse.csr_matrix]
    dtype: torch.dtype = torch.float64
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return next(iter(self.matrices.values())).shape

    @cached_property
    def _pattern(self) -> tuple[torch.Tensor, torch.Tensor]:
        first = next(iter(self.matrices.values()))
        return tuple(torch.as_tensor(a.astype(np.int32)).to(self.device) for a in (first.indptr, first.indices))  # type: ignore[return-value]

    @cached_property
    def _values(self) -> dict[Hashable, torch.Tensor]:
        return {k: torch.as_tensor(m.data).to(self.device, self.dtype) for k, m in self.matrices.items()}

    @cached_property
    def transposed(self) -> AxisMatrix:
        """The transposes."""
        first = next(iter(self.matrices.values()))
        # transposing numbers instead of values keeps explicit zeros, so that all matrices keep one pattern
        numbers = np.arange(1, first.nnz + 1, dtype=float)
        order = sparse.csr_matrix((numbers, first.indices, first.indptr), shape=first.shape).T.tocsr()
        at = order.data.astype(np.int64) - 1
        turned = {
            key: sparse.csr_matrix((m.data[at], order.indices, order.indptr), shape=order.shape)
            for key, m in self.matrices.items()
        }
        return AxisMatrix(turned, self.dtype, self.device)

    @cached_property
    def _weighted(self) -> dict[Hashable, AxisMatrix]:
        return {}

    def weighted(self, terms: Iterable[tuple[int, float]]) -> AxisMatrix:
        """The same pattern with matrices ``(order, weight)``: that of the order times the weight.  They are kept."""
        key = frozenset(terms)
        made = self._weighted.get(key)
        if made is None:
            if len(self._weighted) >= KEPT_WEIGHTS:
                self._weighted.clear()
            more: dict[Hashable, np.ndarray] = {(o, w): self.matrices[o].data * w for o, w in key}
            made = self._weighted[key] = self.with_matrices(more)
        return made

    def to(self, dtype: torch.dtype, device: torch.device) -> AxisMatrix:
        """The same for other tensors."""
        if dtype is self.dtype and device == self.device:
            return self
        return AxisMatrix(self.matrices, dtype, device)

    def with_matrices(self, more: dict[Hashable, np.ndarray]) -> AxisMatrix:
        """The same pattern with further matrices, given by their values."""
        first = next(iter(self.matrices.values()))
        added = {k: sparse.csr_matrix((v, first.indices, first.indptr), shape=first.shape) for k, v in more.items()}
        return AxisMatrix(self.matrices | added, self.dtype, self.device)

    def apply(
        self,
        terms: Sequence[tuple[Hashable, torch.Tensor]],
        axis: int,
        out: torch.Tensor | None = None,
        add: bool = False,
    ) -> torch.Tensor:
        """Sum over the terms of matrix ``key`` applied to a tensor along ``axis``.

        Parameters
        ----------
        terms
            Pairs (key, tensor); all tensors have one shape, with ``shape[1]`` entries along ``axis``.
        out
            Where to write (or, with ``add``, accumulate); allocated if not given.
        """
        shape, place = terms[0][1].shape, terms[0][1].device
        rows, columns = self.shape
        fits = 0 <= axis < len(shape) and shape[axis] == columns and place.type == self.device.type
        if not fits or any(t.shape != shape or t.dtype is not self.dtype or t.device != place for _, t in terms):
            raise InvalidArgumentError(
                f"a matrix with {columns} columns and dtype {self.dtype} on {self.device} was applied along axis {axis} of tensors "
                f"of shapes {[tuple(t.shape) for _, t in terms]} and dtype {terms[0][1].dtype} on {place}"
            )
        target = (*shape[:axis], rows, *shape[axis + 1 :])
        if out is None:
            out = torch.empty(target, dtype=self.dtype, device=self.device)
            add = False
        else:
            require("out", out, target, self.dtype, place)
        if out.numel() == 0:
            return out
        before, after = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
        most = MAX_TERMS_DEVICE if out.is_cuda else MAX_TERMS
        for first in range(0, len(terms), most):
            part = terms[first : first + most]
            self._launch(part, before, after, out, add or first > 0)
        return out

    def _launch(
        self, terms: Sequence[tuple[Hashable, torch.Tensor]], before: int, after: int, out: torch.Tensor, add: bool
    ) -> None:
        rows, columns = self.shape
        tensors = [t.contiguous() for _, t in terms]
        values = [self._values[key] for key, _ in terms]
        start, column = self._pattern
        if out.is_cuda:
            place = out.device.index
            total = before * rows * after
            pairs = [t for pair in zip(values, tensors, strict=True) for t in pair]
            arguments = (before, rows, columns, after, start, column, out, np.int32(add), *pairs)
            source = _source(self.dtype, "cu", len(terms))
            device.start(source, "hp_axis", place, (-(-total // BLOCK), 1), arguments)
        elif not host.available():
            moved = torch.zeros(before, rows, after, dtype=self.dtype)
            for v, t in zip(values, tensors, strict=True):
                matrix = torch.sparse_csr_tensor(
                    start, column, v, (rows, columns), dtype=self.dtype, check_invariants=False
                )
                flat = t.reshape(before, columns, after).transpose(0, 1).reshape(columns, -1)
                moved += (matrix @ flat).reshape(rows, before, after).transpose(0, 1)
            out.copy_(out + moved.view(out.shape) if add else moved.view(out.shape))
        else:
            many = ctypes.c_void_p * len(terms)
            lists = [many(*(t.data_ptr() for t in group)) for group in (values, tensors)]
            call = host.function(_source(self.dtype, "cpp"), "hp_axis", "llllppipppii")
            threads = torch.get_num_threads()
            call(
                before,
                rows,
                columns,
                after,
                start.data_ptr(),
                column.data_ptr(),
                len(terms),
                *lists,
                out.data_ptr(),
                add,
                threads,
            )


@lru_cache(maxsize=32)
def _source(dtype: torch.dtype, language: str, terms: int = 1) -> str:
    constants: dict[str, str | int] = {"HP_REAL": REALS[dtype], "HP_BLOCK": BLOCK}
    constants["HP_TERMS"] = terms if language == "cu" else 0
    return assembled(f"tensor_grid/axis.{language}", constants)


def evaluation_matrix(
    basis: str,
    cells: int,
    bounds: tuple[float, float],
    periodic: bool,
    points: np.ndarray,
    orders: Sequence[int],
    row_weights: np.ndarray | None = None,
) -> AxisMatrix:
    """Derivatives of the 1-D basis at points: matrix ``m`` maps coefficients to the ``m``-th derivative.

    Parameters
    ----------
    cells, bounds, periodic
        The axis of the grid.
    points
        Positions within ``bounds``.
    row_weights
        Factor of every row (square roots of quadrature weights).

    Returns
    -------
    AxisMatrix
        That of few points is kept and shared: its matrices are not to be changed.
    """
    points = np.asarray(points, dtype=float)
    if len(points) > KEPT_POINTS:
        return _evaluation(basis, cells, bounds, periodic, points, orders, row_weights)
    weights = None if row_weights is None else np.asarray(row_weights, dtype=float).tobytes()
    return _kept_evaluation(basis, cells, tuple(bounds), bool(periodic), points.tobytes(), tuple(orders), weights)


@lru_cache(maxsize=KEPT)
def _kept_evaluation(
    basis: str,
    cells: int,
    bounds: tuple[float, float],
    periodic: bool,
    points: bytes,
    orders: tuple[int, ...],
    row_weights: bytes | None,
) -> AxisMatrix:
    """:func:`evaluation_matrix` of points and weights as bytes."""
    weights = None if row_weights is None else np.frombuffer(row_weights)
    return _evaluation(basis, cells, bounds, periodic, np.frombuffer(points), orders, weights)


def _evaluation(
    basis: str,
    cells: int,
    bounds: tuple[float, float],
    periodic: bool,
    points: np.ndarray,
    orders: Sequence[int],
    row_weights: np.ndarray | None,
) -> AxisMatrix:
    lower, upper = bounds
    p = (points - lower) / (upper - lower)
    if periodic:
        p = p - np.floor(p)
    p = p * cells
    left = np.clip(np.floor(p), 0, cells - 1).astype(np.int64)
    vertices = cells if periodic else cells + 1
    return cell_matrix(basis, vertices, left, p - left, cells / (upper - lower), orders, row_weights)


def cell_matrix(
    basis: str,
    vertices: int,
    left: np.ndarray,
    inside: np.ndarray,
    scale: float | np.ndarray,
    orders: Sequence[int],
    row_weights: np.ndarray | None = None,
) -> AxisMatrix:
    """As :func:`evaluation_matrix`, for points of which the cells are known.

    Parameters
    ----------
    vertices
        Number of vertices; the first one follows the last.
    left, inside
        By point, the vertex on the left, and the position in the cell from 0 to 1.
    scale
        Cells per unit of length, everywhere or by point.
    """
    m = BASES[basis].coefficients
    right = (left + 1) % vertices
    ends = (left, right) if vertices > 1 else (left,)  # a single periodic cell has its vertex on both sides
    columns = np.stack([v * m + a for v in ends for a in range(m)], 1).astype(np.int32)
    width = columns.shape[1]
    start = np.arange(0, width * len(left) + 1, width, dtype=np.int32)
    sorting = np.argsort(columns, axis=1, kind="stable")
    columns = np.take_along_axis(columns, sorting, 1)
    weights = np.ones(len(left)) if row_weights is None else row_weights
    matrices: dict[Hashable, sparse.csr_matrix] = {}
    for order in orders:
        values = np.stack(basis_values(basis, inside, order), 1) * (scale**order * weights)[:, None]
        if vertices == 1:
            values = values[:, :m] + values[:, m:]
        values = np.take_along_axis(values, sorting, 1)
        entries = values.ravel(), columns.ravel(), start
        matrices[order] = sparse.csr_matrix(entries, shape=(len(left), m * vertices), copy=True)
    return AxisMatrix(matrices)


def prolongation_matrix(basis: str, coarse: int, fine: int, periodic: bool) -> AxisMatrix:
    """Coefficients on ``fine`` cells of a function given on ``coarse`` cells of the same axis; exact for nested levels.

    Fine coefficients are derivatives at fine vertices in fine cell units: ``2**-a`` times the coarse basis'
    derivative of order a.

    Raises
    ------
    InvalidArgumentError
        If ``fine`` is neither ``coarse`` nor twice as many, or the basis is not refinable (smoothstep, cosine).
    """
    if fine not in (coarse, 2 * coarse) or not BASES[basis].refinable:
        raise InvalidArgumentError(
            f"levels of a {', '.join(b.name for b in BASES.values() if b.refinable)} basis are nested if the resolution stays or doubles; got {coarse} -> {fine} cells "
            f"of a {basis} basis"
        )
    m = BASES[basis].coefficients
    ratio = fine // coarse
    count = fine if periodic else fine + 1
    vertex = np.arange(count)
    base = evaluation_matrix(basis, coarse, (0.0, float(coarse)), periodic, vertex / ratio, range(m))
    rows = [base.matrices[a] * float(ratio) ** -a for a in range(m)]
    stacked = sparse.vstack(rows).tocsr()[np.arange(m * count).reshape(m, count).T.ravel()]
    stacked.eliminate_zeros()
    stacked.sort_indices()
    return AxisMatrix({0: stacked})
