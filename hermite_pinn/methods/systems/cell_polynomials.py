"""Functions that jump inside cells, and their best polynomials there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch

from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Leaf, Program, Value

__all__ = ["CellPolynomials"]

LEAST = 4  # samples along an axis of a cell, which tell where the function jumps
SAMPLES = 2**22  # in all cells where it does
MOST = 128  # along an axis of such a cell
INSIDE = 1e-9  # of a cell: how far its outermost samples lie within it
FAINT = 1e-3  # of the largest value: what the polynomial leaves of a function that is smooth
CHUNK = 2**20  # samples at once


class CellPolynomials:
    """A function of coordinates, replaced on every cell by the polynomial that is closest in the mean square.

    The polynomials are products of polynomials along the axes.  They keep the mean of the function over each cell,
    wherever in it the function jumps, and their values stay between its least and its largest there.  In cells where
    the function is smooth they have its values at the points of Gauss.

    Parameters
    ----------
    function
        Depends on coordinates only.
    names
        Of these.
    edges
        By coordinate the ends of the cells, float64, ascending.
    degrees
        By coordinate the number of coefficients of the polynomials along it.

    Examples
    --------
    The mean of a step within the second of two cells:

    >>> from hermite_pinn.expressions.functions import where
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> step = where(coordinate("x") < 0.75, 0.0, 1.0)
    >>> CellPolynomials(step, ["x"], [np.array([0.0, 0.5, 1.0])], [1])(np.array([0.2, 0.7])).round(9).tolist()
    [0.0, 0.5]
    """

    def __init__(
        self, function: Expr, names: Sequence[str], edges: Sequence[np.ndarray], degrees: Sequence[int]
    ) -> None:
        self.edges, self.degrees, self.names = list(edges), list(degrees), list(names)
        rules = [np.polynomial.legendre.leggauss(k) for k in degrees]
        self._nodes = [0.5 + 0.5 * x for x, _ in rules]
        self._weights = np.ones(())
        for _, w in rules:
            self._weights = self._weights[..., None] * (0.5 * w)
        self._program = Program([function])
        shape, least = [len(e) - 1 for e in edges], max(LEAST, 2 * max(degrees))
        every = np.stack(np.unravel_index(np.arange(math.prod(shape)), shape), 1)
        first = INSIDE + (1.0 - 2.0 * INSIDE) * np.linspace(0.0, 1.0, least)
        _, self._least, self._most, misfit = self._fitted(every, first)
        size = max(np.abs(self._least).max(), np.abs(self._most).max())
        rough = np.flatnonzero(~(misfit <= FAINT * size))
        self.values = self._sampled(every, self._nodes).copy()
        if len(rough):
            per = max(least, min(MOST, int((SAMPLES / len(rough)) ** (1.0 / len(shape)))))
            found = self._fitted(every[rough], (np.arange(per) + 0.5) / per)
            self.values[rough] = _limited(*found[:3], self._weights)
            self._least[rough], self._most[rough] = found[1:3]
        smooth = np.flatnonzero(misfit <= FAINT * size)
        self._least[smooth], self._most[smooth] = -math.inf, math.inf
        self._strides = np.array([math.prod(shape[i + 1 :]) for i in range(len(shape))])

    def _fitted(self, cells: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of cells (n, axes): values at the nodes (n, nodes ...), least and largest values, and what the fit leaves.

        The samples are those at some positions along every axis of a cell, from 0 to 1.
        """
        dim = cells.shape[1]
        bases = [_lagrange(nodes, inside) for nodes in self._nodes]
        rows = max(1, CHUNK // len(inside) ** dim)
        parts = []
        for begin in range(0, len(cells), rows):
            v = self._sampled(cells[begin : begin + rows], [inside] * dim)
            fit = v
            for axis, basis in enumerate(bases):
                fit = np.moveaxis(np.tensordot(fit, np.linalg.pinv(basis), (axis + 1, 1)), -1, axis + 1)
            back = fit
            for axis, basis in enumerate(bases):
                back = np.moveaxis(np.tensordot(back, basis, (axis + 1, 1)), -1, axis + 1)
            over = tuple(range(1, dim + 1))
            parts.append((fit, v.min(over), v.max(over), np.abs(back - v).max(over)))
        whole = [np.concatenate(found) for found in zip(*parts, strict=True)]
        return whole[0], whole[1], whole[2], whole[3]

    def _sampled(self, cells: np.ndarray, inside: Sequence[np.ndarray]) -> np.ndarray:
        """Values of the function at positions in cells, by axis from 0 to 1: (n, positions along every axis)."""
        dim = cells.shape[1]
        env: dict[Leaf, Value] = {}
        for axis, (name, edges, at) in enumerate(zip(self.names, self.edges, inside, strict=True)):
            own = cells[:, axis]
            x = edges[own, None] + np.diff(edges)[own, None] * at
            where = [len(cells), *(len(at) if i == axis else 1 for i in range(dim))]
            env[("coordinate", name)] = torch.as_tensor(x).reshape(where)
        found = torch.as_tensor(self._program.run(env)[0], dtype=torch.float64).numpy()
        return np.broadcast_to(found, [len(cells), *map(len, inside)])

    def __call__(self, *x: np.ndarray) -> np.ndarray:
        """Values at points (n,), given by coordinate."""
        cells, factors = [], []
        for own, edges, nodes in zip(x, self.edges, self._nodes, strict=True):
            cell = np.clip(np.searchsorted(edges, own, side="right") - 1, 0, len(edges) - 2)
            cells.append(cell)
            factors.append(_lagrange(nodes, (own - edges[cell]) / (edges[cell + 1] - edges[cell])))
        at = sum((c * s for c, s in zip(cells, self._strides, strict=True)), np.zeros(np.shape(x[0]), dtype=np.int64))
        total = np.zeros(np.shape(x[0]))
        for k in itertools.product(*map(range, self.degrees)):
            weight = math.prod(f[..., i] for f, i in zip(factors, k, strict=True))
            total += weight * self.values[(at, *k)]
        return np.asarray(np.clip(total, self._least[at], self._most[at]))


def _limited(values: np.ndarray, least: np.ndarray, most: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Values at the nodes of cells (n, nodes ...), brought closer to their mean until none is beyond the limits (n,).

    Source: X. Zhang, C.-W. Shu, On maximum-principle-satisfying high order schemes, J. Comput. Phys. 229 (2010).
    """
    whole = (slice(None),) + (None,) * weights.ndim
    over = tuple(range(1, values.ndim))
    mean = np.clip((values * weights).sum(over), least, most)
    away = values - mean[whole]
    room = np.where(away > 0, most[whole] - mean[whole], mean[whole] - least[whole])
    part = np.where(np.abs(away) > room, room / np.maximum(np.abs(away), 1e-300), 1.0).min(over)
    return np.asarray(mean[whole] + part[whole] * away)


def _lagrange(nodes: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The polynomials that are one at a node and zero at the others, at points: (..., nodes)."""
    parts = []
    for k, own in enumerate(nodes):
        others = np.delete(nodes, k)
        parts.append(np.prod((np.asarray(x)[..., None] - others) / (own - others), axis=-1))
    return np.stack(parts, -1)
