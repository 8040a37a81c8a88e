"""What determines unknown parameters, and how well: standard errors from the normal matrix at the solution."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from hermite_pinn.methods.base import Doubt
from hermite_pinn.methods.least_squares.cgls import cgls
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.problem.parameters import Parameter
from hermite_pinn.residuals.data_weights import Misfit

from .penalty_weights import Choice

__all__ = ["Sensitivity", "bound_note", "bounded", "parameter_doubts", "parameter_sensitivity", "standard_errors"]

#: Part of the effect of a parameter on the rows that the fields cannot take back, below which it has none.
NO_EFFECT = 1e-7

#: The same for the least of the effects of combinations of parameters, squared and in units of the largest.
NO_SEPARATE_EFFECT = 1e-10

#: Without data: what is left of the equations, in units of what a change of a parameter by its size leaves.
WITHIN_RESIDUAL = 0.1


class Measured(Protocol):
    """A system with measured data."""

    misfit: Misfit

    @property
    def emphasis(self) -> float:
        """Factor of the weight of noisy data against the equations."""


@dataclass(frozen=True)
class Sensitivity:
    """How the rows at a solution depend on the parameters if the fields follow.

    With the rows ``r`` of the least-squares problem and their derivatives ``J`` by coefficients and ``p`` by
    parameters, column j of ``p`` less its best approximation by ``J`` is the residual ``q_j`` of one more linear solve.

    Attributes
    ----------
    names
        Of the parameters.
    complement
        ``q_i . q_j``: the Schur complement of ``J^T J`` in the normal matrix.
    norms
        ``|p_j|``.
    residual
        ``|r|``.
    misfit, count
        Sum of squares of the data rows, and their number.
    """

    names: tuple[str, ...]
    complement: torch.Tensor
    norms: torch.Tensor
    residual: float
    misfit: float
    count: int

    @property
    def sizes(self) -> torch.Tensor:
        """``|q_j|``."""
        return self.complement.diagonal().clamp(min=0.0).sqrt()

    def undetermined(self, scales: Mapping[str, float]) -> list[tuple[str, ...]]:
        """Parameters that nothing determines, and groups of which only combinations are determined.

        Parameters
        ----------
        scales
            By name, a change of a parameter that matters.
        """
        sizes = self.sizes
        least = NO_EFFECT * self.norms
        if not self.count:
            change = torch.tensor([scales[name] for name in self.names], dtype=sizes.dtype)
            least = torch.maximum(least, self.residual / WITHIN_RESIDUAL / change)
        known = (sizes > least) & (self.norms > 0)
        groups: list[tuple[str, ...]] = [(name,) for name, k in zip(self.names, known.tolist(), strict=True) if not k]
        chosen = torch.nonzero(known).flatten()
        if len(chosen) < 2:
            return groups
        values, vectors = self._scaled(chosen)
        for value, vector in zip(values.tolist(), vectors.T, strict=True):
            if value < NO_SEPARATE_EFFECT * float(values[-1]):
                members = torch.nonzero(vector.abs() > 0.1).flatten().tolist()
                groups.append(tuple(self.names[int(chosen[i])] for i in members))
        return groups

    def without(self, names: Collection[str]) -> Sensitivity:
        """The same where some parameters are held where they are."""
        kept = [i for i, name in enumerate(self.names) if name not in names]
        return replace(
            self,
            names=tuple(self.names[i] for i in kept),
            complement=self.complement[kept][:, kept],
            norms=self.norms[kept],
        )

    def variances(self) -> list[float]:
        """Diagonal of the inverse of the complement; infinity where it is singular.

        Parameters without any effect take nothing from the others.
        """
        found = [math.inf] * len(self.names)
        sizes = self.sizes
        chosen = torch.nonzero((sizes > NO_EFFECT * self.norms) & (self.norms > 0)).flatten()
        if not len(chosen):
            return found
        values, vectors = self._scaled(chosen)
        inverse = torch.where(values > 1e-14 * values.max(), 1.0 / values, math.inf)
        scaled: list[float] = (vectors.square() * inverse).nan_to_num(nan=0.0, posinf=math.inf).sum(1).tolist()
        for i, v, size in zip(chosen.tolist(), scaled, sizes[chosen].tolist(), strict=True):
            found[i] = v / size**2
        return found

    def _scaled(self, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Eigenvalues and eigenvectors of the complement of some parameters in units of the sizes."""
        sizes = self.sizes[chosen]
        values, vectors = torch.linalg.eigh(self.complement[chosen][:, chosen] / torch.outer(sizes, sizes))
        return values, vectors


def parameter_sensitivity(system: GridSystem, vector: torch.Tensor, tol: float, max_steps: int) -> Sensitivity:
    """The sensitivity of a problem with parameters at its solution.

    Parameters
    ----------
    system, vector
        The problem and its solution.
    tol, max_steps
        For the linear solves.
    """
    rows = system.linearize(vector)
    misfit, count = _misfit(system, rows)
    columns = system.column_scale()
    system.split(columns)[1].zero_()
    left, norms = [], []
    for i in range(len(system.parameter_names)):
        unit = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        system.split(unit)[1][i] = 1.0
        b = [row.clone() for row in system.forward(unit)]
        norms.append(math.sqrt(float(system.inner(b, b))))
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
    residual = math.sqrt(float(system.inner(rows, rows)))
    lengths = torch.tensor(norms, dtype=complement.dtype)
    return Sensitivity(system.parameter_names, complement, lengths, residual, misfit, count)


def _misfit(system: GridSystem, rows: Rows) -> tuple[float, int]:
    """Sum of squares and number of the data rows; of the noisy ones where there are some."""
    squares, count, at = 0.0, 0, 0
    for block in system.blocks:
        for t in block.terms:
            measured = t.term.region.measured
            if measured is not None and (not system.noisy or system.misfit.is_noisy(t.term)):
                squares += float(system.inner([rows[at]], [rows[at]]))
                count += measured.count
            at += 1
    return squares, count


def bounded(parameters: Sequence[Parameter], values: Mapping[str, float]) -> dict[str, float]:
    """Parameters that ended on a bound, and that bound.

    Examples
    --------
    >>> bounded([Parameter("k", init=1.0, bounds=(0.0, 1.5)), Parameter("r")], {"k": 1.5, "r": 2.0})
    {'k': 1.5}
    """
    return {p.name: values[p.name] for p in parameters if values[p.name] in p.bounds}


def bound_note(bounds: Mapping[str, float]) -> str:
    """What is to be said of parameters on their bounds; nothing without any.

    Examples
    --------
    >>> bound_note({"k": 1.5})
    'k ended on its bound 1.5 and has no standard error; those of other parameters hold it there'
    """
    if not bounds:
        return ""
    ended = ", ".join(f"{name} ended on its bound {value:g}" for name, value in bounds.items())
    one, them = ("has no standard error", "it") if len(bounds) == 1 else ("they have no standard errors", "them")
    return f"{ended} and {one}; those of other parameters hold {them} there"


def standard_errors(
    system: Measured,
    sensitivity: Sensitivity,
    choice: Choice | None = None,
    *,
    values: Mapping[str, float],
    bounds: Collection[str] = (),
    error: float | None = None,
    far: float = 0.0,
) -> dict[str, float]:
    """Standard errors of the parameters, for independent noise in the data.

    The covariance of the parameters is ``sigma**2 S**-1``: ``S`` is the complement of the sensitivity, and ``sigma``
    the noise of the data rows: the given one, else one for all, estimated from their misfit.

    Parameters
    ----------
    system, sensitivity
        The problem, and its dependence on the parameters at the solution.
    choice
        Degrees of freedom of the fit, where penalties were chosen.
    values
        Of the parameters.
    bounds
        Names of parameters on their bounds: these have no standard error, and others have that which they have as long
        as these are held.
    error
        Estimated relative error of discretisation, which adds to what noise leaves open; or None.
    far
        Distance of the fit from the best one in standard errors, which adds as well.

    Returns
    -------
    dict
        By name; infinity where the data do not determine a parameter, where it is on its bound, or where they leave
        nothing to estimate their noise from.  Empty without data.

    Notes
    -----
    The equations count as exact: their residual is the error of discretisation, not noise.  What that may be of a
    parameter is as much of its value as the estimate says, so that parameters that follow from exact data have no
    smaller error.  Penalties count as prior knowledge.  See G. A. F. Seber and
    C. J. Wild, Nonlinear Regression, section 2.1.
    """
    names, count = sensitivity.names, sensitivity.count
    if not count:
        return {}
    known = system.misfit.variance
    if known is None and system.misfit.noisy and count <= len(names):
        return dict.fromkeys(names, math.inf)
    used = len(names) if choice is None or not choice.weights else min(choice.freedom, count - 1.0)
    noise = sensitivity.misfit / max(count - used, 1.0) if known is None else known * system.emphasis
    free = sensitivity.without(bounds)
    found = dict.fromkeys(names, math.inf)
    for name, v in zip(free.names, free.variances(), strict=True):
        if v < math.inf:
            left = math.sqrt(noise * v)
            found[name] = math.hypot(left, far * left, (error or 0.0) * abs(values.get(name, 0.0)))
    return found


def parameter_doubts(
    parameters: Sequence[Parameter], values: Mapping[str, float], sensitivity: Sensitivity, errors: Mapping[str, float]
) -> Iterator[Doubt]:
    """What speaks against the values of the parameters.

    A parameter is compared with the largest of its value, its start and half the distance of its bounds, so that one
    whose value is zero is not suspected.

    Parameters
    ----------
    parameters
        Of the problem.
    values
        That were found.
    sensitivity
        Of the rows at the solution.
    errors
        Standard errors; empty without data.
    """
    scales = {p.name: p.size(values[p.name]) for p in parameters}
    groups = sensitivity.undetermined(scales)
    for group in groups:
        apart = "" if len(group) == 1 else " apart from each other"
        yield Doubt("parameter", f"nothing determines {_listed(group)}{apart}")
    named = {name for group in groups for name in group}
    for name, error in errors.items():
        if name not in named and scales[name] < error < math.inf:
            yield Doubt(
                "parameter",
                f"the standard error {error:.2g} of {name} exceeds its size, and its value is {values[name]:.3g}",
            )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
