"""Functions on one level that the rows of a problem see least: what of a solution may be free."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import eigsh, lobpcg

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid
from hermite_pinn.expressions.program import Value
from hermite_pinn.field.field import linear_field
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm, Jet, compile_term
from hermite_pinn.residuals.sizes import rms, sobol_points

from .penalty_weights import Choice
from .stage import Discretization

__all__ = ["EXACT", "FIRST", "LowFunctions", "SMALL", "Sampled", "THOROUGH"]

Resolution = tuple[int, ...]

DENSE = 200  # unknowns up to which all eigenvectors are found at once
SEVERAL = 50  # unknowns up to which all eigenvalues take no time
FIRST = 1300  # most unknowns of the first level that is looked at
THOROUGH = 1300  # most unknowns of a later one, where something is suspected
#: Smallest eigenvalue of the scaled normal matrix, relative to the largest, from which on something is suspected; and
#: a tenth of it per coefficient of the basis.
DOUBT = 2e-4
SMALL = 1e-2  # relative residual of a function that may be free
EXACT = 1e-9  # and of one that surely is
ROUNDING = 5e-15  # of the normal matrix, relative to its largest eigenvalue
UNSEEN = 1e-8  # of the mass of a coefficient, that functions which no point sees are given
ALIKE = 0.1  # part of a function that a coarser level may lack of the same one
AGREED = 0.25  # of what the equations make of it, by which two levels may differ that say the same
RESTARTS = 200  # of the iteration that looks for them; nothing is known where these do not do


@dataclass(frozen=True)
class Sampled:
    """Functions at points, and what the linearised equations make of them.

    Attributes
    ----------
    values
        (fields times points, functions).
    equations
        Residuals (equations, points, functions), divided as the rows are.
    terms
        (functions,), the sizes of the terms of which the residuals are made.
    """

    values: np.ndarray
    equations: np.ndarray
    terms: np.ndarray

    def margins(self, coarse: Sampled) -> np.ndarray:
        """How far the equations certainly are from vanishing for each function, relative to their terms.

        What the equations make of a function is projected on the functions, which leaves out what oscillates from cell
        to cell.  It counts where a coarser level says the same of the same function to a quarter: of a function that
        satisfies the equations it is an error of discretisation, and falls from level to level by much more.

        Parameters
        ----------
        coarse
            Functions of a level of half the resolution, at the same points.

        Returns
        -------
        margins
            (functions,), zero where nothing is certain.
        """
        fields = self.values.shape[0] // self.equations.shape[1]
        combined, *_ = np.linalg.lstsq(coarse.values, self.values, rcond=None)
        norms = np.linalg.norm(self.values, axis=0)
        alike = np.linalg.norm(self.values - coarse.values @ combined, axis=0) <= ALIKE * norms
        tests = self.values.reshape(fields, -1, self.values.shape[1])
        tests = tests / np.maximum(np.linalg.norm(tests, axis=1, keepdims=True), 1e-300)
        projected = [np.einsum("fpj,epi->fjei", tests, e) for e in (self.equations, coarse.equations @ combined)]
        now, before = (p.reshape(-1, p.shape[-1]) for p in projected)
        size = np.linalg.norm(now, axis=0)
        agreed = alike & (np.linalg.norm(now - before, axis=0) <= AGREED * size)
        largest = np.abs(now).max(0) / math.sqrt(self.equations.shape[1])
        return np.where(agreed, largest / self.terms, 0.0)


@dataclass
class LowFunctions:
    """The functions on one level that the rows of a problem, linearised at its solution, see least.

    Attributes
    ----------
    grid
        What the stages share.
    resolution
        Of the level.
    solution
        Its coefficients of all vertices there, (fields, ...).
    parameters
        Of the problem.
    choice
        Weights of penalties, if they were chosen.
    sizes
        Of the fields.
    """

    grid: Discretization
    resolution: Resolution
    solution: torch.Tensor
    parameters: Mapping[str, float]
    choice: Choice | None
    sizes: Sequence[float]

    @cached_property
    def pyramid(self) -> Pyramid:
        """The level alone."""
        return self.grid.pyramid([self.resolution])

    @property
    def size(self) -> int:
        """Number of coefficients."""
        return self.pyramid.size

    @cached_property
    def system(self) -> GridSystem:
        """The rows, linearised at the solution."""
        system = self.grid.system([self.resolution])
        if self.choice is not None:
            system.smooth(self.choice.weights, self.choice.emphasis)
        vector = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        values = system.split(vector)[1]
        system.set_level(vector, 0, self.solution)
        for i, name in enumerate(system.parameter_names):
            values[i] = self.parameters.get(name, 0.0)
        system.linearize(vector)
        return system

    @cached_property
    def kept(self) -> np.ndarray:
        """Numbers of the coefficients that no exact condition fixes."""
        fixed: np.ndarray = self.system.fixed.reshape(-1).cpu().numpy()
        return np.nonzero(~fixed)[0]

    @cached_property
    def normal(self) -> sparse.csr_array:
        """The normal matrix of the free coefficients, of all ranks."""
        parts = [sparse.csr_array((self.size, self.size))]
        for block in self.system.blocks:
            for columns, products in block.products():
                at = columns[:, :, None].expand_as(products), columns[:, None, :].expand_as(products)
                entries = products.reshape(-1).numpy(), tuple(a.reshape(-1).numpy() for a in at)
                parts.append(sparse.coo_array(entries, shape=(self.size, self.size)).tocsr())
        total = sum(parts[1:], parts[0])
        if self.grid.ranks.size > 1:
            dense = self.grid.ranks.add(torch.as_tensor(total.toarray()).to(self.system.device))
            total = sparse.csr_array(dense.cpu().numpy())
        return total[self.kept][:, self.kept]

    @cached_property
    def mass(self) -> sparse.csr_array:
        """The matrix of the L2 product of the fields, relative to their sizes, for the free coefficients."""
        one = self.system.mass()
        whole = sparse.block_diag([one / size**2 for size in self.sizes]).tocsr()
        labels = self.pyramid.labels
        if labels is not None:
            number, factor = (part.cpu().numpy() for part in labels)
            tied = sparse.csr_array((factor, (np.arange(len(number)), number)), shape=whole.shape)
            whole = (tied.T @ whole @ tied).tocsr()
        return whole[self.kept][:, self.kept]

    @property
    def doubtful(self) -> bool:
        """Whether the columns of the rows are nearly dependent; unknown is no."""
        if self.size > FIRST or self.gauged >= len(self.kept):
            return False
        scale = np.sqrt(np.clip(self.normal.diagonal(), 0.0, None))
        scale[scale == 0] = 1.0
        scaled, share = (
            self.normal.toarray() / np.outer(scale, scale),
            DOUBT * 0.1 ** BASES[self.grid.basis].coefficients,
        )
        if not scaled.any():
            return False
        if self.gauged == 0:
            return not _positive(scaled, share * _largest(scaled))
        values = scipy.linalg.eigvalsh(scaled)
        return bool(values[self.gauged] < share * values[-1])

    @property
    def gauged(self) -> int:
        """Number of free functions that gauges choose among."""
        problem = self.grid.problem
        axis = problem.domain.time_axis
        return len(problem.gauges) * (1 if axis is None else self.pyramid.dense_shapes[-1][axis + 1])

    @property
    def iterated(self) -> bool:
        """Whether eigenvectors are found by iteration from those of a coarser level; factors would be too large."""
        return len(self.kept) > THOROUGH and self.grid.problem.domain.dim > 2

    def smallest(self, spare: int, start: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Relative residuals of the functions of smallest rows, sorted, and the functions (free, count).

        Without the first ones, which the gauges choose among.
        """
        vectors = self.lowest(self.gauged + spare, start)
        residuals = self.residuals(vectors)
        order = np.argsort(residuals)[self.gauged :]
        return residuals[order], vectors[:, order]

    def lowest(self, count: int, start: np.ndarray | None) -> np.ndarray:
        """Functions (free, count) of the smallest rows for their size; ``start`` are those of a coarser level."""
        n = len(self.kept)
        count = max(1, min(count, n - 1))
        if n <= DENSE:
            return _lowest(self.normal.toarray(), self.mass.toarray(), count)
        if self.iterated and start is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it has not converged: the residuals tell
                diagonal = np.clip(self.normal.diagonal(), 1e-300, None)
                inverse = sparse.diags(1.0 / diagonal)
                return np.asarray(
                    lobpcg(self.normal, start[self.kept], self.mass, inverse, tol=1e-12, maxiter=60, largest=False)[1]
                )
        shift = 1e-9 * float(self.normal.diagonal().sum() / self.mass.diagonal().sum())
        v0 = np.random.default_rng(0).standard_normal(n)
        return np.asarray(eigsh(self.normal, count, self.mass, sigma=-shift, v0=v0, maxiter=RESTARTS)[1])

    def spread(self, vectors: np.ndarray) -> torch.Tensor:
        """Coefficients of all functions, (count, fields, ...)."""
        whole = np.zeros((vectors.shape[1], self.size))
        whole[:, self.kept] = vectors.T
        return torch.as_tensor(whole).reshape(-1, *self.pyramid.shapes[-1]).to(self.grid.device)

    def residuals(self, vectors: np.ndarray) -> np.ndarray:
        """How large the residuals of functions (free, count) are, relative to the terms that they are made of.

        What rounding may have made of a function that is surely free counts as :data:`EXACT`.
        """
        rows = np.array([self._rows(v) for v in self.spread(vectors)])
        sizes = np.sqrt(np.einsum("ik,ik->k", vectors, self.mass @ vectors))
        between, terms = np.array([self._sizes(v) for v in self.spread(vectors)]).T
        largest = float((self.normal.diagonal() / self.mass.diagonal()).max())
        rounding = np.minimum(ROUNDING * largest * (sizes / terms) ** 2, 1e-2 * SMALL)
        relative = np.maximum(rows, between) / terms
        return np.where(relative <= rounding, np.minimum(relative, EXACT), relative)

    def _rows(self, coefficients: torch.Tensor) -> float:
        """Norm of the linearised rows of a function; from the normal matrix it would have half as many digits."""
        direction = torch.zeros(self.system.size, dtype=self.system.dtype, device=self.system.device)
        self.system.split(direction)[0].copy_(coefficients.reshape(-1))
        rows = self.system.forward(direction)
        return math.sqrt(float(self.system.inner(rows, rows)))

    @cached_property
    def _linear(self) -> list[tuple[CompiledTerm, float, dict[Jet, Value]]]:
        """The equations, the divisors of their rows, and their derivatives by jets at Sobol points."""
        problem = self.grid.problem
        env = sobol_points(problem) | {("parameter", name): value for name, value in self.parameters.items()}
        x = torch.stack([torch.as_tensor(env[("coordinate", name)]) for name in problem.domain.names])
        equations = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
        at = _jets(problem, self.grid.basis, self.resolution, self.solution, x, equations)
        volume = problem.domain.interior.measure
        return [
            (term, scale / math.sqrt(volume), {**term.constant, **term.evaluate(env, at)[1]})
            for term, scale in zip(equations, self.grid.scales, strict=True)
        ]

    def sample(self, vectors: np.ndarray) -> Sampled:
        """Functions (free, count), and what the linearised equations make of them, at Sobol points."""
        parts = [self._at_points(v) for v in self.spread(vectors)]
        return Sampled(
            np.stack([p[0].reshape(-1).numpy() for p in parts], 1),
            np.stack([np.stack([r.numpy() for r in p[1]]) for p in parts], 2),
            np.array([p[2] for p in parts]),
        )

    def _sizes(self, coefficients: torch.Tensor) -> tuple[float, float]:
        """Root mean squares of the linearised equations of a function and of their terms, divided as the rows are."""
        _, residuals, terms = self._at_points(coefficients)
        return math.hypot(*(rms(r) for r in residuals)), terms

    def _at_points(self, coefficients: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor], float]:
        """A function (fields, n) at Sobol points, its linearised equations, divided as rows are, and their terms.

        Of the terms, the root mean square.
        """
        problem = self.grid.problem
        coefficients = self.pyramid.dense(0, coefficients)
        env = sobol_points(problem)
        x = torch.stack([torch.as_tensor(env[("coordinate", name)]) for name in problem.domain.names])
        jets = _jets(problem, self.grid.basis, self.resolution, coefficients, x, [t for t, _, _ in self._linear])
        value = (0,) * problem.domain.dim
        residuals, terms = [], []
        for _, scale, slopes in self._linear:
            total: Value = 0.0
            for (name, orders), s in slopes.items():
                part = s * jets[(name, orders)]
                total = total + part
                unit = math.prod(a**m for a, m in zip(problem.domain.lengths, orders, strict=True))
                terms += [rms(part) / scale, rms(s) * rms(jets[(name, value)]) / unit / scale]
            residuals.append(torch.as_tensor(total, dtype=x.dtype).expand(x.shape[1]).cpu() / scale)
        values = torch.stack([torch.as_tensor(jets[(name, value)]).expand(x.shape[1]).cpu() for name in problem.fields])
        return values, residuals, max(math.hypot(*terms), 1e-300)


def _largest(matrix: np.ndarray) -> float:
    """The largest eigenvalue of a positive matrix (n, n), to a thousandth."""
    n = len(matrix)
    if n <= SEVERAL:
        return float(scipy.linalg.eigvalsh(matrix)[-1])
    v0 = np.random.default_rng(0).standard_normal(n)
    return float(eigsh(matrix, 1, which="LA", v0=v0, tol=1e-3, maxiter=RESTARTS, return_eigenvectors=False)[0])


def _positive(matrix: np.ndarray, shift: float) -> bool:
    """Whether all eigenvalues of a symmetric matrix (n, n), which is overwritten, are larger than a shift.

    Examples
    --------
    >>> _positive(np.diag([1.0, 3.0]), 0.9), _positive(np.diag([1.0, 3.0]), 1.1)
    (True, False)
    """
    matrix[np.diag_indices_from(matrix)] -= shift
    try:
        scipy.linalg.cholesky(matrix.T, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        return False
    return True


def _lowest(normal: np.ndarray, mass: np.ndarray, count: int) -> np.ndarray:
    """Eigenvectors (n, count) of the smallest eigenvalues.

    A mass matrix by few points, of a domain as small as some cells, may be singular; functions that it does not see are
    then given a little mass.
    """
    chosen = [0, count - 1]
    try:
        return np.asarray(scipy.linalg.eigh(normal, mass, subset_by_index=chosen)[1])
    except np.linalg.LinAlgError:
        more = mass + UNSEEN * np.diag(np.maximum(mass.diagonal(), 1e-6 * mass.diagonal().max()))
        return np.asarray(scipy.linalg.eigh(normal, more, subset_by_index=chosen)[1])


def _jets(
    problem: Problem,
    basis: str,
    resolution: Resolution,
    coefficients: torch.Tensor,
    x: torch.Tensor,
    equations: Sequence[CompiledTerm],
) -> dict[Jet, Value]:
    """The derivatives that equations need of a function, and its values, at points."""
    orders = sorted({o for t in equations for _, o in t.jets} | {(0,) * problem.domain.dim})
    field = linear_field(problem.domain, problem.fields, problem.periodic, basis, [resolution], [coefficients])
    channels = Channels(problem.domain.dim, tuple(((1.0, o),) for o in orders))
    with torch.no_grad():
        values = field.jets(x.to(field.table), channels).to(x)
    return {(name, o): values[i, k] for i, name in enumerate(problem.fields) for k, o in enumerate(orders)}
