"""Values and derivatives on whole sides of a box that a locally refined grid holds exactly.

The coefficients that the trace on a side consists of are fixed: together they are the L2 projection of what is
prescribed, on the faces of the cells that are not refined, and they are no unknowns of the solve.  Where sides with
different data meet, the projection compromises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.problem.terms import Term

from .refined_grid import RefinedGrid
from .refined_level import offsets
from .refined_points import gauss_points

__all__ = ["RefinedFaces"]

CORRECTIONS = 2  # of the projection by its own residual
LEAST = 1e-14  # shift of the scaled normal matrix


@dataclass(frozen=True, eq=False)
class RefinedFaces:
    """The fixed coefficients of a locally refined grid.

    Attributes
    ----------
    grid
        The grid.
    terms
        With a trace on a side each.
    fields, names
        Of the fields and the axes.
    """

    grid: RefinedGrid
    terms: tuple[Term, ...]
    fields: tuple[str, ...]
    names: tuple[str, ...]

    @cached_property
    def fixed(self) -> np.ndarray:
        """Which coefficients (fields, size) are fixed."""
        grid = self.grid
        mask = np.zeros((len(self.fields), grid.size), dtype=bool)
        orders = offsets(grid.mesh.dim, range(grid.m))
        for term in self.terms:
            trace, plane = term.trace, term.region.plane
            assert trace is not None
            assert plane is not None
            own = orders[:, plane.axis] == trace.order
            parts = []
            for level in grid.mesh.levels:
                last = level.resolution[plane.axis] if plane.side else 0
                parts.append((level.vertices[:, plane.axis] == last)[:, None] & own)
            mask[self.fields.index(trace.field)] |= np.concatenate([p.ravel() for p in parts])
        return mask

    def lifted(self, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients (fields, size) with the fixed ones set to represent what is prescribed.

        Raises
        ------
        InvalidProblemError
            If a prescribed function is not finite somewhere.
        """
        found = np.where(self.fixed, 0.0, coefficients)
        for f, name in enumerate(self.fields):
            own = [t for t in self.terms if t.trace is not None and t.trace.field == name]
            if not own or all(_is_zero(t) for t in own):
                continue
            chosen = np.flatnonzero(self.fixed[f] & self.grid.independent)
            if len(chosen):
                found[f, chosen] = self._projected(own, chosen)
        return found

    def _projected(self, terms: Sequence[Term], chosen: np.ndarray) -> np.ndarray:
        """The fixed coefficients of one field."""
        combination, rows, values = self.grid.combination(chosen), [], []
        for term in terms:
            trace, plane = term.trace, term.region.plane
            assert trace is not None
            assert plane is not None
            points = gauss_points(self.grid, self.grid.m + 2, plane)
            orders = tuple(trace.order if k == plane.axis else 0 for k in range(self.grid.mesh.dim))
            root = np.sqrt(points.weights)
            scale = points.by_cell([self.grid.widths(g.level)[plane.axis] ** trace.order for g in points.groups])
            blocks = []
            for g, columns in enumerate(points.columns):
                local = points.values(g, orders).numpy()
                shape = (len(columns), *local.shape)
                at = np.broadcast_to(columns.numpy()[:, None, :], shape)
                starts = np.arange(0, at.size + 1, local.shape[1])
                entries = (np.broadcast_to(local, shape).ravel(), at.ravel(), starts)
                blocks.append(sparse.csr_array(entries, shape=(shape[0] * shape[1], self.grid.size)))
            matrix = sparse.vstack(blocks, format="csr") @ combination
            rows.append(sparse.diags_array(root * scale) @ matrix)
            env: dict[Leaf, Value] = {
                ("coordinate", name): torch.as_tensor(x) for name, x in zip(self.names, points.x, strict=True)
            }
            value = np.broadcast_to(np.asarray(trace.program.run(env)[0], dtype=float), (points.count,))
            if not np.isfinite(value).all():
                raise InvalidProblemError(
                    f"the value of {term.name!r} is not finite at {int((~np.isfinite(value)).sum())} of {value.size} points of "
                    f"the face {term.region.name}; look for divisions by zero, roots or logarithms of negative numbers in it"
                )
            values.append(value * root * scale)
        whole, wanted = sparse.csr_array(sparse.vstack(rows, format="csr")), np.concatenate(values)
        norms = np.sqrt(np.asarray(whole.multiply(whole).sum(0)).ravel())
        inverse = np.where(norms > 0, 1.0 / np.where(norms > 0, norms, 1.0), 0.0)
        scaled = sparse.csr_array(whole @ sparse.diags_array(inverse))
        normal = sparse.csc_array(scaled.T @ scaled + LEAST * sparse.eye_array(len(chosen)))
        normal.setdiag(normal.diagonal() + (norms == 0))
        factor = splu(normal, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.0)
        solution = np.zeros(len(chosen))
        for _ in range(1 + CORRECTIONS):
            solution += factor.solve(scaled.T @ (wanted - scaled @ solution))
        return np.asarray(solution * inverse)


def _is_zero(term: Term) -> bool:
    assert term.trace is not None
    return bool(term.trace.value.is_constant and term.trace.value.data == 0)
