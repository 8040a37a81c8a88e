"""Which singular functions the solution of a problem has at the corners of its domain."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from hermite_pinn.expressions.program import Leaf, Value, depends_on
from hermite_pinn.field.singular import SingularFunction, Wedge, following, wedge_functions
from hermite_pinn.field.singular_part import SingularBasis, SingularPart
from hermite_pinn.geometry import Domain
from hermite_pinn.geometry.corner import Corner
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .compiled import CompiledTerm, Jet, compile_term
from .corner_cuts import contained, cut_of, hole_middles
from .reference_state import reference_state

__all__ = ["CornerFunctions", "corner_functions", "singular_part"]

MOST = 64  # functions of a problem; the smoothest are left out first
FLAT = 0.02  # angle in radians by which a corner may differ from a straight line that needs no functions
CLOSE = 1e-6  # of the size of the domain: how far from a corner its sides are looked at
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


class _UnsuitableError(Exception):
    """There are no functions for a field at a corner; the message says why."""


def corner_functions(problem: Problem) -> CornerFunctions:
    """The singular functions of a problem at the corners of its domain; the problem's plan keeps them.

    Functions are those of :func:`.wedge_functions` for the principal part of the field's own equation at the corner and
    for what the conditions say of the two sides there.  There are none for problems in time or with periodic axes, for
    equations that are not elliptic of second order in one field, and where conditions or principal parts couple fields.
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
    corners = [c for c in problem.domain.corners if not _of_the_box(problem.domain, c)]
    if not corners:
        return CornerFunctions()
    why = _unsuitable_domain(problem)
    if why:
        return CornerFunctions(reasons=tuple((c, why) for c in corners))
    found, treated, reasons = [], [], []
    for corner in corners:
        own = []
        try:
            for name in problem.fields:
                own += [(function, name) for function in _functions(problem, corner, name)]
        except _UnsuitableError as why_not:
            reasons.append((corner, str(why_not)))
            continue
        found += own
        treated.append(corner)
    found.sort(key=lambda pair: pair[0].order)
    chosen, left_out = found[:MOST], {f.point for f, _ in found[MOST:] if f.order < 1.0}
    reasons += [(c, f"there are more than {MOST} functions") for c in treated if c.point in left_out]
    basis = SingularBasis(tuple(f for f, _ in chosen), tuple(name for _, name in chosen))
    return CornerFunctions(basis, tuple(c for c in treated if c.point not in left_out), tuple(reasons))


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
        (t, _sensitivities(problem, t, corner.point))
        for t in (compile_term(problem, t) for t in problem.terms if t.region.is_interior and t.region.penalty is None)
    ]
    owned = [(t, s) for t, s in equations if _order(s, field) >= 2]
    if len(owned) != 1:
        what = "no equation of second order" if not owned else "second derivatives in several equations"
        raise _UnsuitableError(f"{field} has {what}")
    term, sensitivities = owned[0]
    if _order(sensitivities, field) > 2:
        raise _UnsuitableError(f"the equation of {field} is of order {_order(sensitivities, field)}")
    for other in problem.fields:
        elliptic = any(_order(s, other) == 2 for t, s in equations if t is not term)
        if other != field and _order(sensitivities, other) > (1 if elliptic else 0):
            raise _UnsuitableError(
                f"the equation of {field} has derivatives of {other} as high as {field} itself allows"
            )
    matrix = _matrix(sensitivities, field)
    if any(depends_on(term.variable[j], ["jet"]) for j in term.variable if j[0] == field and sum(j[1]) == 2):
        other_state = _matrix(_sensitivities(problem, term, corner.point, shifted=True), field)
        if np.linalg.norm(other_state / np.linalg.norm(other_state) - matrix / np.linalg.norm(matrix)) > 1e-6:
            raise _UnsuitableError(f"the principal part of {field} depends on the solution")
    if not np.linalg.det(matrix) > 1e-8 * np.linalg.norm(matrix) ** 2:
        raise _UnsuitableError(f"the equation of {field} is not elliptic there")
    (xx, xy), (_, yy) = matrix.tolist()
    return (xx, xy), (xy, yy)


def _matrix(sensitivities: Mapping[Jet, float], field: str) -> np.ndarray:
    xx, xy, yy = (sensitivities.get((field, o), 0.0) for o in ((2, 0), (1, 1), (0, 2)))
    return np.array([[xx, 0.5 * xy], [0.5 * xy, yy]])


def _order(sensitivities: Mapping[Jet, float], field: str) -> int:
    """Highest order of the derivatives of a field; -1 if it does not occur."""
    return max((sum(o) for (name, o), s in sensitivities.items() if name == field and s != 0), default=-1)


def _sensitivities(
    problem: Problem,
    term: CompiledTerm,
    point: Sequence[float],
    normal: Sequence[float] | None = None,
    shifted: bool = False,
) -> dict[Jet, float]:
    """Derivatives of a residual by jets at a point, at the reference state or one beside it."""
    env = _env(problem, point, normal)
    jets = dict(reference_state(problem).jets(problem, env))
    if shifted:
        for k, jet in enumerate(term.jets):
            jets[jet] = jets.get(jet, 0.0) + 0.1 + 0.05 * math.sin(1.0 + k)
    _, variable, _ = term.evaluate(env, jets)
    found = {jet: float(torch.as_tensor(value).reshape(-1)[0]) for jet, value in (term.constant | variable).items()}
    if not all(math.isfinite(value) for value in found.values()):
        raise _UnsuitableError(f"the coefficients of {term.name!r} are not finite there")
    return found


def _env(problem: Problem, point: Sequence[float], normal: Sequence[float] | None) -> dict[Leaf, Value]:
    env: dict[Leaf, Value] = {
        ("coordinate", name): torch.tensor([value], dtype=torch.float64)
        for name, value in zip(problem.domain.names, point, strict=True)
    }
    env |= {("parameter", p.name): p.init for p in problem.parameters}
    return env | {("normal", axis): component for axis, component in enumerate(normal or ())}


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
        here, there = (_sensitivities(problem, compiled, at) for at in (corner.point, beside))
        if _order(here, field) < 2:
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
        if term.region.on_boundary and any(_same_face(term.region.name, face) for face in corner.faces):
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
    for term in _on(problem, face, point):
        sensitivities = _sensitivities(problem, compile_term(problem, term), point, normal)
        order = _order(sensitivities, field)
        if order < 0:
            continue
        if any(_order(sensitivities, other) >= order for other in problem.fields if other != field):
            raise _UnsuitableError(f"the condition {term.name!r} couples fields")
        if order > 1:
            raise _UnsuitableError(f"the condition {term.name!r} is of order {order}")
        slopes = sensitivities.get((field, (1, 0)), 0.0), sensitivities.get((field, (0, 1)), 0.0)
        size = math.hypot(*slopes)
        found.append(side if order == 0 else (slopes[0] / size, slopes[1] / size))
    if not found:
        raise _UnsuitableError(f"no condition on {face} holds for {field}")
    first = found[0]
    if any(abs(first[0] * d[1] - first[1] * d[0]) > PARALLEL for d in found[1:]):
        raise _UnsuitableError(f"there is more than one condition for {field} on {face}")
    return first


def _on(problem: Problem, face: str, point: Sequence[float]) -> Iterator[Term]:
    """The terms that hold on a face at a point."""
    env = _env(problem, point, None)
    for term in problem.terms:
        if not term.region.on_boundary or term.region.measured is not None or not _same_face(term.region.name, face):
            continue
        if term.where is not None:
            holds = problem.plan.program(term.where).run(env)[0]
            if not bool(torch.as_tensor(holds).reshape(-1)[0]):
                continue
        yield term


def _same_face(region: str, face: str) -> bool:
    """Whether a region of a term is a face of a corner, or all of the shape of which that is a side."""
    return any(name == face or face.startswith(name + ":") for name in region.split(", "))
