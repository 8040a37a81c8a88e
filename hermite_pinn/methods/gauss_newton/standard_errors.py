"""Standard errors of unknown parameters from the normal matrix at the solution."""

from __future__ import annotations

import math

import torch

from hermite_pinn.methods.least_squares.cgls import cgls
from hermite_pinn.methods.systems.grid_system import GridSystem

from .penalty_weights import Choice

__all__ = ["standard_errors"]


def standard_errors(
    system: GridSystem, vector: torch.Tensor, tol: float, max_steps: int, choice: Choice | None = None
) -> dict[str, float]:
    """Standard errors of the parameters, for independent noise in the data.

    With the rows ``r`` of the least-squares problem and the derivatives ``J`` by coefficients and ``p`` by parameters,
    the covariance of the parameters is ``sigma**2 S**-1``: ``S`` is the Schur complement of ``J^T J`` in the normal
    matrix, and ``sigma`` the noise of the data rows: the given one, else one for all, estimated from their misfit.
    Column j of ``p``, less its best approximation by ``J``, is the residual ``q_j`` of one more linear solve, and
    ``S_ij = q_i . q_j``.

    Parameters
    ----------
    system, vector
        The problem and its solution.
    tol, max_steps
        For the linear solves.
    choice
        Degrees of freedom of the fit, where penalties were chosen.

    Returns
    -------
    dict
        By name; infinity where the data do not determine a parameter.  Empty without data or parameters.

    Notes
    -----
    The equations count as exact: their residual is the error of discretisation, not noise.  Penalties count as prior
    knowledge.  See G. A. F. Seber and
    C. J. Wild, Nonlinear Regression, section 2.1.
    """
    rows = system.linearize(vector)
    squares, count, at = 0.0, 0, 0
    for block in system.blocks:
        for t in block.terms:
            measured = t.term.region.measured
            if measured is not None and (not system.noisy or system.misfit.is_noisy(t.term)):
                squares += float(system.inner([rows[at]], [rows[at]]))
                count += measured.count
            at += 1
    names = system.parameter_names
    if not names or not count:
        return {}
    known = system.misfit.variance
    if known is None and count <= len(names):
        return dict.fromkeys(names, math.inf)
    columns = system.column_scale()
    system.split(columns)[1].zero_()
    left = []
    for i in range(len(names)):
        unit = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        system.split(unit)[1][i] = 1.0
        b = [row.clone() for row in system.forward(unit)]
        result = cgls(
            lambda y: system.forward(y * columns),
            lambda r: system.adjoint(r).mul_(columns),
            b,
            tol=tol,
            max_steps=max_steps,
            inner=system.inner,
        )
        image = system.forward(result.y * columns)
        left.append(torch.cat([(u - v).reshape(-1) for u, v in zip(b, image, strict=True)]))
    q = torch.stack(left)
    complement = system.ranks.add(q @ q.T).cpu()
    size = complement.diagonal().clamp(min=0.0).sqrt()
    if not bool((size > 0).all()):
        return dict.fromkeys(names, math.inf)
    values, vectors = torch.linalg.eigh(complement / torch.outer(size, size))
    inverse = torch.where(values > 1e-14 * values.max(), 1.0 / values, math.inf)
    variance = (vectors.square() * inverse).nan_to_num(nan=0.0).sum(1) / size.square()
    used = len(names) if choice is None else min(choice.freedom, count - 1.0)
    noise = squares / (count - used) if known is None else known * system.emphasis
    return {name: math.sqrt(noise * float(v)) for name, v in zip(names, variance, strict=True)}
