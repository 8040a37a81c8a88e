"""Equations whose coefficients or sources jump along no line of the grid.

At the points of a cell such a coefficient has the value of whatever side a point lies on, and what it means for the
cell is lost: the error is of order one, and irregular.  So an equation is divided by the coefficient of its highest
derivatives where that is one function for all of them, as in ``u.t = a(x, y) * u.laplacian + f``, and what jumps in the
rest is replaced on every cell by its best polynomial.  Highest derivatives, which jump as the coefficients do, then
have a constant coefficient, and what is averaged multiplies smooth functions: the error is of second order, and
regular.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from hermite_pinn.expressions.differentiation import fluxes
from hermite_pinn.expressions.functions import tabulated
from hermite_pinn.expressions.graph import Expr, apply, constant, coordinate, postorder, wrap
from hermite_pinn.expressions.program import Program, depends_on, leaves, same, substitute
from hermite_pinn.geometry import sobol_cube
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm, Jet, compile_term

from .cell_polynomials import CellPolynomials

__all__ = ["averaged_terms", "divided_terms", "is_averaged", "leads_off_lines"]

PROBES = 2048  # points at which coefficients are compared
EQUAL = 1e-12  # relative difference of numbers that are one
LEAST = 1e-8  # of the largest value of a coefficient that an equation may be divided by
MOST = 64  # products of an equation that are told apart


@dataclass(frozen=True)
class _Product:
    """One of the products of which an equation is the sum.

    Attributes
    ----------
    smooth
        What does not jump, with the fields.
    rough
        What jumps: a function of coordinates, or None.
    """

    smooth: Expr
    rough: Expr | None


def is_averaged(problem: Problem, term: CompiledTerm) -> bool:
    """Whether what jumps in an equation is averaged over cells.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> def equation(u, x, y):
    ...     return hp.where(x * x + y * y < 0.25, 1.0, 9.0) * u.laplacian + 1
    >>> problem = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), ["u"], equation, [hp.Dirichlet(u=0.0)])
    >>> is_averaged(problem, compile_term(problem, problem.terms[0]))
    True
    """
    return _products(problem, term) is not None


def leads_off_lines(problem: Problem) -> bool:
    """Whether the coefficient of the highest derivatives of an equation jumps along no line of the grid."""
    if not problem.rough:
        return False
    equations = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
    return any(_Sum(problem, t, problem.plan.known(t.term.residual)).leads() for t in equations)


def divided_terms(problem: Problem, terms: Sequence[CompiledTerm]) -> list[CompiledTerm]:
    """Equations divided by the jumping coefficients of their highest derivatives; others as they are."""
    return [_joined(problem, t, _products(problem, t), None) for t in terms]


def averaged_terms(
    problem: Problem, terms: Sequence[CompiledTerm], edges: Sequence[np.ndarray], gauss: Sequence[int]
) -> list[CompiledTerm]:
    """Equations of which everything that jumps inside cells is averaged; others as they are.

    Parameters
    ----------
    terms
        Those of the problem.
    edges
        By axis the ends of the cells.
    gauss
        Points per cell and axis, as many as the polynomials have coefficients.
    """
    return [_joined(problem, t, _products(problem, t), (edges, gauss)) for t in terms]


def _joined(
    problem: Problem,
    term: CompiledTerm,
    products: Sequence[_Product] | None,
    cells: tuple[Sequence[np.ndarray], Sequence[int]] | None,
) -> CompiledTerm:
    """The equation of some products; with cells, of averaged ones."""
    if products is None:
        return term
    total: Expr = constant(0.0)
    for number, product in enumerate(products):
        factor = product.rough
        if factor is not None and not factor.is_constant and cells is not None:
            factor = _averaged(problem, term, number, factor, *cells)
        total = wrap(total + (product.smooth if factor is None else product.smooth * factor))
    return compile_term(problem, replace(term.term, expression=total, residual=total))


def _averaged(
    problem: Problem,
    term: CompiledTerm,
    number: int,
    factor: Expr,
    edges: Sequence[np.ndarray],
    gauss: Sequence[int],
) -> Expr:
    """A function of coordinates as polynomials on cells."""
    names = _names(problem, factor)
    axes = [problem.domain.axis(n) for n in names]
    own, degrees = [edges[i] for i in axes], [gauss[i] for i in axes]
    key = ("averaged", id(problem.plan.known(term.term.residual)), number, *(e.tobytes() for e in own), *degrees)

    def made() -> Expr:
        polynomials = CellPolynomials(factor, names, own, degrees)
        found: Expr = tabulated(polynomials, name="what jumps, averaged")(*(coordinate(n) for n in names))
        return found

    return problem.plan.shared.once(key, made)


def _names(problem: Problem, function: Expr) -> list[str]:
    used = {data for kind, data in leaves(function) if kind == "coordinate"}
    return [n for n in problem.domain.names if n in used]


def _products(problem: Problem, term: CompiledTerm) -> tuple[_Product, ...] | None:
    """What an equation is the sum of, divided as the module says; None where nothing jumps or no such sum is found."""
    if not problem.rough or problem.domain.is_cut:
        return None
    residual = problem.plan.known(term.term.residual)
    return problem.plan.shared.once(("rough", id(residual)), lambda: _Sum(problem, term, residual).products())


class _Sum:
    """Finds the products of an equation."""

    def __init__(self, problem: Problem, term: CompiledTerm, residual: Expr) -> None:
        self.problem, self.term, self.residual = problem, term, residual
        self._jumping: dict[int, bool] = {}
        self._with_fields: dict[int, bool] = {}
        self._kept: list[Expr] = []  # what is noted, so that its ids stay its own
        self._points = self._probes()

    def products(self) -> tuple[_Product, ...] | None:
        """See :func:`_products`."""
        if not self._jumps(self.residual) or fluxes([self.residual]):
            return None
        divisor = self._divisor()
        if divisor is None:
            return None
        found = self._linear() if self.term.affine else self._expanded(self.residual)
        if found is None or len(found) > MOST:
            return None
        return tuple(self._product(factors, divisor) for factors in found)

    def leads(self) -> bool:
        """Whether the coefficient of a highest derivative jumps."""
        return any(self._jumps(s) for s in self._highest())

    def _note(self, e: Expr) -> None:
        """Find out of all parts of an expression whether they jump, and whether they contain unknowns."""
        if id(e) in self._jumping:
            return
        self._kept.append(e)
        for part in postorder(e, until=self._jumping):
            own = any(part is r or (part.op == r.op and same(part, r)) for r in self.problem.rough)
            self._jumping[id(part)] = own or any(self._jumping[id(a)] for a in part.args)
            unknown = not part.args and part.op not in ("constant", "coordinate")
            self._with_fields[id(part)] = unknown or any(self._with_fields[id(a)] for a in part.args)

    def _jumps(self, e: Expr) -> bool:
        self._note(e)
        return self._jumping[id(e)]

    def _has_fields(self, e: Expr) -> bool:
        self._note(e)
        return self._with_fields[id(e)]

    def _linear(self) -> list[list[Expr]] | None:
        """The factors of every product of an affine equation: by derivative, then the source."""
        if self.term.parameters:
            return None
        jets = {leaf.data: leaf for leaf in postorder(self.residual) if leaf.op == "jet"}
        known: dict[Jet, Expr] = {**{j: constant(v) for j, v in self.term.constant.items()}, **self.term.variable}
        if any(self._has_fields(c) for c in known.values()):
            return None
        source = self._expanded(substitute(self.residual, lambda leaf: 0.0 if leaf.op == "jet" else None))
        return None if source is None else [*([c, jets[j]] for j, c in known.items()), *source]

    def _expanded(self, e: Expr) -> list[list[Expr]] | None:
        """The factors of every product in a sum; None where fields and jumps are mixed in another way."""
        if not self._jumps(e):
            return [[e]]
        split = e.op in ("add", "sub", "neg", "mul", "div") or (e.op == "positive" and e.data is None)
        if not self._has_fields(e) and not split:
            return [[e]]
        if e.op == "positive" and e.data is None:
            return self._expanded(e.args[0])
        parts = [self._expanded(a) for a in e.args if e.op != "where"]
        if any(p is None for p in parts):
            return None
        known = [p for p in parts if p is not None]
        if e.op in ("add", "sub"):
            sign = [] if e.op == "add" else [constant(-1.0)]
            return [*known[0], *([*sign, *factors] for factors in known[1])]
        if e.op == "neg":
            return [[constant(-1.0), *factors] for factors in known[0]]
        if e.op == "mul":
            return [[*a, *b] for a in known[0] for b in known[1]]
        if e.op == "div" and not self._has_fields(e.args[1]):
            return [[*factors, wrap(1.0 / e.args[1])] for factors in known[0]]
        if e.op == "where" and not self._has_fields(e.args[0]):
            return self._choice(*e.args)
        return None

    def _choice(self, condition: Expr, a: Expr, b: Expr) -> list[list[Expr]] | None:
        """One of two values, as a sum of both times zero or one."""
        of_a, of_b = self._expanded(a), self._expanded(b)
        if of_a is None or of_b is None:
            return None
        first, second = apply("where", condition, 1.0, 0.0), apply("where", condition, 0.0, 1.0)
        return [*([first, *factors] for factors in of_a), *([second, *factors] for factors in of_b)]

    def _divisor(self) -> Expr | None:
        """The coefficient of the highest derivatives over its mean; None where they have several that jump."""
        slopes = self._highest()
        jumping = [s for s in slopes if self._jumps(s)]
        if not jumping:
            return constant(1.0)
        if any(depends_on(s, ["jet", "parameter", "column", "normal"]) for s in slopes):
            return None
        first = self._values(jumping[0])
        size = np.abs(first)
        if not (np.isfinite(first).all() and size.min() > LEAST * size.max()) or len(set(np.sign(first))) > 1:
            return None
        for slope in slopes:
            ratio = self._values(slope) / first
            if np.ptp(ratio) > EQUAL * np.abs(ratio).max():
                return None
        mean = math.copysign(math.exp(float(np.mean(np.log(size)))), first[0])
        return wrap(jumping[0] / mean)

    def _highest(self) -> list[Expr]:
        """The coefficients of the derivatives of highest order in space, or in time where there are no others."""
        time = self.problem.domain.time_axis

        def order(jet: Jet) -> int:
            return sum(o for axis, o in enumerate(jet[1]) if axis != time or self.problem.domain.dim == 1)

        known: dict[Jet, Expr] = {**{j: constant(v) for j, v in self.term.constant.items()}, **self.term.variable}
        most = max(map(order, known), default=0)
        return [s for j, s in known.items() if order(j) == most] if most else []

    def _product(self, factors: Sequence[Expr], divisor: Expr) -> _Product:
        smooth: Expr = constant(1.0)
        rough: Expr = wrap(1.0 / divisor)
        for f in factors:
            if self._jumps(f):
                rough = wrap(rough * f)
            else:
                smooth = wrap(smooth * f)
        if rough.is_constant:
            return _Product(wrap(smooth * rough), None)
        values = self._values(rough)
        if np.ptp(values) <= EQUAL * np.abs(values).max():
            return _Product(wrap(smooth * float(values[0])), None)
        return _Product(smooth, rough)

    def _probes(self) -> dict[str, torch.Tensor]:
        domain = self.problem.domain
        unit = sobol_cube(domain.dim, PROBES, 0)
        return {n: a + (b - a) * unit[:, i] for i, (n, (a, b)) in enumerate(domain.bounds.items())}

    def _values(self, function: Expr) -> np.ndarray:
        """A function of coordinates at some points."""
        env = {("coordinate", n): x for n, x in self._points.items()}
        found = torch.as_tensor(Program([function]).run(env)[0], dtype=torch.float64).numpy()
        return np.broadcast_to(found, (PROBES,))
