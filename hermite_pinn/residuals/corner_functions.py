"""Which singular functions the solution of a problem has at the corners of its domain."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from hermite_pinn.expressions.program import depends_on
from hermite_pinn.field.singular import SingularFunction, Wedge, following, wedge_functions
from hermite_pinn.field.singular_part import SingularBasis, SingularPart
from hermite_pinn.geometry import Domain
from hermite_pinn.geometry.corner import Corner
from hermite_pinn.problem.problem import Problem

from .compiled import Jet, compile_term
from .corner_cuts import contained, cut_of, hole_middles
from .corner_systems import Mode, system_modes
from .corner_terms import CLOSE, FLAT, UnsuitableError, conditions_on, order_of, same_face, sensitivities_at

__all__ = ["CornerFunctions", "corner_functions", "singular_part"]

MOST = 64  # functions of a problem; the smoothest are left out first
BESIDE, OFF = 3e-3, 1e-6  # of that: where coefficients and sides are compared with those at the corner, and how closely
PARALLEL = 1e-6  # sine of an angle that counts as zero


@dataclass(frozen=True)
class CornerFunctions:
    """The singular functions of a problem.

    Attributes
    ----------
    basis
        The functions, and whose they are.
    treated
        The corners at which every field has its functions, or needs none.
    reasons
        By corner that is not treated, why.
    """

    basis: SingularBasis = field(default_factory=SingularBasis)
    treated: tuple[Corner, ...] = ()
    reasons: tuple[tuple[Corner, str], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether there are functions, and no corner is without those that it needs."""
        return len(self.basis) > 0 and not self.reasons


def corner_functions(problem: Problem) -> CornerFunctions:
    """The singular functions of a problem at the corners of its domain; the problem's plan keeps them.

    Functions of a field are those of :func:`.wedge_functions` for the principal part of its own equation at the corner
    and for what the conditions say of the two sides there.  Where principal parts or conditions couple fields, or the
    order is higher, they are those of :func:`.system_modes`.  There are none for problems in time or with periodic
    axes, and for equations that are not elliptic.
    """
    return problem.plan.own.once("corner functions", lambda: _found(problem))


def singular_part(problem: Problem, state: Mapping[str, float], like: torch.Tensor) -> SingularPart | None:
    """The singular functions of a problem with the coefficients of a state, of the type of a tensor; None without any.

    Parameters
    ----------
    state
        Coefficients by the names :attr:`.SingularBasis.unknowns`, beside other parameters.
    """
    basis = corner_functions(problem).basis
    if not len(basis):
        return None
    return SingularPart(basis, like.new_tensor([state.get(name, 0.0) for name in basis.unknowns]))


def _found(problem: Problem) -> CornerFunctions:
    of_the_box = {c: _of_the_box(problem.domain, c) for c in problem.domain.corners}
    why = _unsuitable_domain(problem)
    if why:
        return CornerFunctions(reasons=tuple((c, why) for c, whole in of_the_box.items() if not whole))
    found: list[Mode] = []
    treated, reasons = [], []
    for corner, whole in of_the_box.items():
        try:
            found += _modes_of_the_box(problem, corner) if whole else _modes(problem, corner)
        except UnsuitableError as why_not:
            reasons += [] if whole else [(corner, str(why_not))]
            continue
        treated += [] if whole else [corner]
    found.sort(key=lambda mode: mode.order)
    chosen, left_out = found[:MOST], {mode.point for mode in found[MOST:] if mode.order < 1.0}
    reasons += [(c, f"there are more than {MOST} functions") for c in treated if c.point in left_out]
    return CornerFunctions(_basis(chosen), tuple(c for c in treated if c.point not in left_out), tuple(reasons))


def _basis(modes: Sequence[Mode]) -> SingularBasis:
    parts = [(number, f, name) for number, mode in enumerate(modes) for f, name in mode.functions]
    numbers, functions, names = zip(*parts, strict=True) if parts else ((), (), ())
    return SingularBasis(functions, names, () if len(numbers) == len(modes) else numbers)


def _modes(problem: Problem, corner: Corner) -> list[Mode]:
    """The functions of a corner, field by field if that can be, or those of the system."""
    try:
        by_field = [(function, name) for name in problem.fields for function in _functions(problem, corner, name)]
        return [Mode(((function, name),)) for function, name in by_field]
    except UnsuitableError as why:
        try:
            return system_modes(problem, corner)
        except UnsuitableError as of_the_system:
            raise (why if len(problem.fields) == 1 else of_the_system) from None


def _modes_of_the_box(problem: Problem, corner: Corner) -> list[Mode]:
    """Those of a system in a corner of the box where it has no square-integrable derivatives of its order.

    Such are traction beside given values, as at the outlet of a channel.
    """
    if len(problem.fields) == 1:
        return []
    modes = system_modes(problem, corner)
    return modes if any(mode.order < 1.0 for mode in modes) else []


def _of_the_box(domain: Domain, corner: Corner) -> bool:
    """Whether both sides are whole sides of the box, whose corners are as those of a box without cuts."""
    planes = {f.name: f.plane for f in domain.faces}
    return all(planes.get(name) is not None for name in corner.faces)


def _unsuitable_domain(problem: Problem) -> str:
    domain = problem.domain
    if domain.time_axis is not None:
        return "its coefficients would depend on time"
    if domain.dim != 2:
        return f"the domain has {domain.dim} axes"
    return "an axis is periodic" if any(problem.periodic) else ""


def _functions(problem: Problem, corner: Corner, field: str) -> tuple[SingularFunction, ...]:
    """The functions of a field at a corner, and those that follow where more than the frozen principal part counts."""
    principal = _principal(problem, corner, field)
    first, last = ((math.cos(a), math.sin(a)) for a in (corner.start, corner.start + corner.angle))
    sides = first, last
    normals = (sides[0][1], -sides[0][0]), (-sides[1][1], sides[1][0])
    derivatives = (
        _derivative(problem, corner, corner.faces[0], first, normals[0], field),
        _derivative(problem, corner, corner.faces[1], last, normals[1], field),
    )
    given = [d[0] * s[0] + d[1] * s[1] for d, s in zip(derivatives, sides, strict=True)]
    if abs(corner.angle - math.pi) < FLAT and abs(abs(given[0]) - abs(given[1])) < FLAT:
        return ()
    middles = problem.plan.own.once("middles of holes", lambda: hole_middles(problem.domain))
    cut, reach = cut_of(problem.domain, corner, middles)
    length = 0.5 * math.hypot(*problem.domain.lengths)
    wedge = Wedge(corner.point, sides, corner.angle, derivatives, cut, reach, length)
    functions = wedge_functions(wedge, principal)
    varies, more = _beyond(problem, corner, field)
    return (*functions, *following(functions, more, varies))


# -- the equation ---
def _principal(problem: Problem, corner: Corner, field: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """The matrix of the second derivatives of a field in its own equation."""
    equations = [
        (t, sensitivities_at(problem, t, corner.point))
        for t in (compile_term(problem, t) for t in problem.terms if t.region.is_interior and t.region.penalty is None)
    ]
    owned = [(t, s) for t, s in equations if order_of(s, field) >= 2]
    if len(owned) != 1:
        what = "no equation of second order" if not owned else "second derivatives in several equations"
        raise UnsuitableError(f"{field} has {what}")
    term, sensitivities = owned[0]
    if order_of(sensitivities, field) > 2:
        raise UnsuitableError(f"the equation of {field} is of order {order_of(sensitivities, field)}")
    for other in problem.fields:
        elliptic = any(order_of(s, other) == 2 for t, s in equations if t is not term)
        if other != field and order_of(sensitivities, other) > (1 if elliptic else 0):
            raise UnsuitableError(
                f"the equation of {field} has derivatives of {other} as high as {field} itself allows"
            )
    matrix = _matrix(sensitivities, field)
    if any(depends_on(term.variable[j], ["jet"]) for j in term.variable if j[0] == field and sum(j[1]) == 2):
        other_state = _matrix(sensitivities_at(problem, term, corner.point, shifted=True), field)
        if np.linalg.norm(other_state / np.linalg.norm(other_state) - matrix / np.linalg.norm(matrix)) > 1e-6:
            raise UnsuitableError(f"the principal part of {field} depends on the solution")
    if not np.linalg.det(matrix) > 1e-8 * np.linalg.norm(matrix) ** 2:
        raise UnsuitableError(f"the equation of {field} is not elliptic there")
    (xx, xy), (_, yy) = matrix.tolist()
    return (xx, xy), (xy, yy)


def _matrix(sensitivities: Mapping[Jet, float], field: str) -> np.ndarray:
    xx, xy, yy = (sensitivities.get((field, o), 0.0) for o in ((2, 0), (1, 1), (0, 2)))
    return np.array([[xx, 0.5 * xy], [0.5 * xy, yy]])


def _beyond(problem: Problem, corner: Corner, field: str) -> tuple[bool, bool]:
    """What matters beside the principal part at a corner.

    Returns
    -------
    varies
        Whether second derivatives have coefficients that vary, and not only by a common factor.
    more
        Whether they vary at all, there are first derivatives, a side is curved, or a condition on derivatives has
        values.
    """
    size = max(problem.domain.lengths)
    middle = corner.start + 0.5 * corner.angle
    beside = [c + BESIDE * size * s for c, s in zip(corner.point, (math.cos(middle), math.sin(middle)), strict=True)]
    varies = more = False
    for term in problem.terms:
        if not term.region.is_interior or term.region.penalty is not None:
            continue
        compiled = compile_term(problem, term)
        here, there = (sensitivities_at(problem, compiled, at) for at in (corner.point, beside))
        if order_of(here, field) < 2:
            continue
        a, b = _matrix(here, field), _matrix(there, field)
        varies = varies or not np.allclose(a / np.linalg.norm(a), b / np.linalg.norm(b), atol=1e-8)
        more = more or varies or not np.allclose(a, b, rtol=1e-8, atol=0.0)
        more = more or any(name == field and sum(o) == 1 for name, o in compiled.jets)
    return varies, more or _curved(problem.domain, corner) or _with_values(problem, corner, field)


def _curved(domain: Domain, corner: Corner) -> bool:
    """Whether a side of a corner is no straight line, or the corner too small to tell."""
    size = max(domain.lengths)
    for angle, inwards in ((corner.start, 1.0), (corner.start + corner.angle, -1.0)):
        side = np.array([math.cos(angle), math.sin(angle)])
        across = inwards * np.array([-side[1], side[0]])
        at = np.array(corner.point) + BESIDE * size * side
        pair = np.stack([at + OFF * size * across, at - OFF * size * across], axis=1)
        if contained(domain, pair).tolist() != [True, False]:
            return True
    return False


def _with_values(problem: Problem, corner: Corner, field: str) -> bool:
    """Whether a condition on a derivative of a field beside a corner has values of fields too."""
    for term in problem.terms:
        if term.region.on_boundary and any(same_face(term.region.name, face) for face in corner.faces):
            orders = [sum(o) for name, o in compile_term(problem, term).jets if name == field]
            if len(set(orders)) > 1:
                return True
    return False


# -- the conditions ---
def _derivative(
    problem: Problem,
    corner: Corner,
    face: str,
    side: tuple[float, float],
    normal: tuple[float, float],
    field: str,
) -> tuple[float, float]:
    """The direction of the derivative of a field that the conditions on a side give, a unit vector."""
    step = CLOSE * max(problem.domain.lengths)
    point = [c + step * s for c, s in zip(corner.point, side, strict=True)]
    found: list[tuple[float, float]] = []
    for term in conditions_on(problem, face, point):
        sensitivities = sensitivities_at(problem, compile_term(problem, term), point, normal)
        order = order_of(sensitivities, field)
        if order < 0:
            continue
        if any(order_of(sensitivities, other) >= order for other in problem.fields if other != field):
            raise UnsuitableError(f"the condition {term.name!r} couples fields")
        if order > 1:
            raise UnsuitableError(f"the condition {term.name!r} is of order {order}")
        slopes = sensitivities.get((field, (1, 0)), 0.0), sensitivities.get((field, (0, 1)), 0.0)
        size = math.hypot(*slopes)
        found.append(side if order == 0 else (slopes[0] / size, slopes[1] / size))
    if not found:
        raise UnsuitableError(f"no condition on {face} holds for {field}")
    first = found[0]
    if any(abs(first[0] * d[1] - first[1] * d[0]) > PARALLEL for d in found[1:]):
        raise UnsuitableError(f"there is more than one condition for {field} on {face}")
    return first
