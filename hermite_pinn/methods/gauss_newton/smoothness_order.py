"""The order of smoothness, and the basis that goes with it, of unknown fields where nothing is said of them."""

from __future__ import annotations

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.expressions.program import is_smooth
from hermite_pinn.field.field import Field
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.smoothness import Smoothness
from hermite_pinn.residuals.data_weights import Misfit

__all__ = ["fits_smooth_equations", "leaves_order_open", "smooth_field", "with_order_of"]

BASIS = "septic"
CELLS = {1: 4, 2: 2, 3: 1}  # of the first level along every axis, by number of axes


def leaves_order_open(problem: Problem) -> bool:
    """Whether order and weight of the smoothness of some field are chosen automatically."""
    return any(isinstance(c, Smoothness) and c.open for c in problem.conditions)


def smooth_field(problem: Problem) -> Field | None:
    """The field with which a run begins that needs a smooth basis; None where cubics serve as elsewhere.

    Where a problem leaves the order of smoothness open, noise leaves fields some tens of degrees of freedom, for
    which a few cells of a smooth basis are enough, and the higher the order of the derivatives that are to be small,
    the better they tell smooth functions from noise.  Fields that stand for a fractional Laplacian come close to second
    derivatives, which cubics represent badly; on several axes they serve all the same: smooth bases cost too much.
    Fits of the parameters of smooth ordinary equations take septics as well: equations that a level does not resolve
    are weighed against the noise, and on one axis the order costs nothing.
    """
    domain = problem.domain
    hard = domain.is_cut or bool(domain.breaks) or domain.dim not in CELLS or problem.max_order > 2
    close = problem.fractional and domain.dim == 1
    if hard or not (close or leaves_order_open(problem) or fits_smooth_equations(problem)):
        return None
    return Field(basis=BASIS, base=CELLS[domain.dim])


def fits_smooth_equations(problem: Problem) -> bool:
    """Whether parameters of smooth ordinary equations are fitted to noisy data."""
    if problem.domain.dim > 1 or not problem.parameters or not Misfit(problem).noisy:
        return False
    return all(is_smooth(problem.plan.known(t.residual)) for t in problem.terms if t.region.is_interior)


def with_order_of(problem: Problem, basis: str) -> Problem:
    """The problem with the highest order of smoothness that a basis takes, where it leaves that open.

    Examples
    --------
    >>> from hermite_pinn.problems import inverse_poisson
    >>> with_order_of(inverse_poisson(points=5), "quintic").order
    3
    """
    order = BASES[basis].coefficients
    if order <= problem.order or not leaves_order_open(problem):
        return problem
    conditions = [part for c in problem.conditions for part in (c.raised(order) if isinstance(c, Smoothness) else [c])]
    return problem.replace(conditions=conditions)
