"""Do the conditions of a problem agree?  Values that contradict each other, and values that jump from face to face.

Conditions are compared as linear forms of one field: the derivatives that they prescribe a combination of, with their
coefficients, and its value.  Those of one form on one face must have one value; more forms on a face than the
equations have derivatives across it leave no solution; and values of a field that differ where two faces meet leave
none that is smooth there, which is allowed but said.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from hermite_pinn.errors import HermitePinnError, InvalidProblemError
from hermite_pinn.expressions.graph import Expr, constant
from hermite_pinn.expressions.program import (
    Program,
    Value,
    depends_on,
    is_smooth,
    leaves,
    substitute,
    total_derivative,
)
from hermite_pinn.geometry import Domain, Region, Samples
from hermite_pinn.geometry.samples import Normals

from .plan import Plan
from .side_jumps import jumps_on_side
from .terms import Term

__all__ = ["Conditions", "Form", "forms", "highest_orders"]

POINTS = 64  # of a face, or of an edge, where conditions are compared
CONTRADICTION = 1e-3  # difference of two values, relative to the largest of the field, that no interpolation explains
JUMP = 1e-6  # the same where two faces meet, or on both sides of a jump
FLOOR = 1e-12  # of what a prescribed function is anywhere: values on a face below which they count as rounding


class Values(NamedTuple):
    """What a form says at points: coefficients (derivatives, n), values (n,), and where it holds (n,)."""

    slopes: np.ndarray
    values: np.ndarray
    holds: np.ndarray


@dataclass(frozen=True, eq=False)
class Form:
    """A condition as ``sum slopes * derivatives of the field = value`` on a region.

    Attributes
    ----------
    term
        The condition.
    field
        The field it is about.
    orders
        Orders of its derivatives, sorted.
    expressions
        Their coefficients, and the residual where they are zero.
    """

    term: Term
    field: str
    orders: tuple[tuple[int, ...], ...]
    expressions: tuple[Expr, ...]

    @cached_property
    def _program(self) -> Program | None:
        """Computes what is no number: of the expressions, and where the condition holds."""
        varying = [e for e in (*self.expressions, self.term.where) if e is not None and not e.is_constant]
        return Program(varying) if varying else None

    def _evaluated(self, samples: Samples, names: Sequence[str]) -> list[Value]:
        """The expressions at points, and where the condition holds."""
        computed = iter([] if self._program is None else self._program.run(samples.leaves(names)))
        where = constant(1.0) if self.term.where is None else self.term.where
        return [e.data if e.is_constant else next(computed) for e in (*self.expressions, where)]

    @property
    def is_value(self) -> bool:
        """Whether it prescribes the field itself."""
        return len(self.orders) == 1 and not any(self.orders[0])

    def at(self, samples: Samples, names: Sequence[str]) -> Values:
        """Coefficients, scaled so that the largest is 1, and the value, at points."""
        try:
            results = self._evaluated(samples, names)
        except HermitePinnError:
            raise
        except Exception as error:  # of a user's function
            raise InvalidProblemError(
                f"the value of {self.term.name!r} cannot be evaluated on the face {self.term.region.name}: "
                f"{type(error).__name__}: {error}. It is called with arrays of points where it cannot be traced; write it with "
                "the functions of hermite_pinn (hp.sin, hp.where, ...)"
            ) from error
        count = samples.count
        arrays = [np.broadcast_to(torch.as_tensor(r, dtype=torch.float64).numpy(), (count,)) for r in results]
        slopes, rest, holds = np.stack(arrays[:-2]), arrays[-2], arrays[-1] != 0
        largest = np.argmax(np.abs(slopes), axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            pivot = np.take_along_axis(slopes, largest[None], 0)[0]
            slopes, values = slopes / pivot, -rest / pivot
        return Values(slopes, values + 0.0, holds & np.isfinite(values))


def forms(terms: Sequence[Term], plan: Plan) -> list[Form]:
    """The conditions on the boundary that are linear forms of one field, with nothing unknown in them."""
    found = []
    for term in terms:
        if not term.region.on_boundary or depends_on(term.residual, ["parameter", "data"]):
            continue
        if term.where is not None and depends_on(term.where, ["parameter", "jet"]):
            continue
        slopes = {data: e for (_, data), e in plan.slopes(term.residual).items()}
        slopes = {jet: e for jet, e in slopes.items() if not (e.is_constant and e.data == 0)}
        if len({f for f, _ in slopes}) != 1 or any(depends_on(e, ["jet"]) for e in slopes.values()):
            continue
        rest = substitute(term.residual, lambda leaf: 0.0 if leaf.op == "jet" else None)
        if depends_on(rest, ["jet"]):  # a tabulated law
            continue
        ordered = sorted(slopes, key=lambda jet: jet[1])
        expressions = (*(slopes[jet] for jet in ordered), rest)
        found.append(Form(term, ordered[0][0], tuple(o for _, o in ordered), expressions))
    return found


def highest_orders(residuals: Sequence[Expr], dim: int) -> list[dict[str, int]]:
    """Per axis, the highest order of differentiation of every field in some residuals."""
    orders: list[dict[str, int]] = [{} for _ in range(dim)]
    for kind, data in leaves(*residuals):
        if kind == "jet":
            name, derivative = data
            for along, order in zip(orders, derivative, strict=True):
                along[name] = max(along.get(name, 0), order)
    return orders


def _place(names: Sequence[str], x: np.ndarray) -> str:
    return ", ".join(f"{name} = {value:.6g}" for name, value in zip(names, x, strict=True))


class Conditions:
    """The conditions of a problem, to be compared with each other.

    Parameters
    ----------
    domain
        Of the problem.
    terms
        Its equations and conditions; see :func:`forms`.
    plan
        Of the problem, which differentiates every expression once.
    """

    def __init__(self, domain: Domain, terms: Sequence[Term], plan: Plan) -> None:
        self.domain, self.forms = domain, forms(terms, plan)
        self.by_region: dict[Region, list[tuple[Form, Values]]] = {}
        self.samples: dict[Region, Samples] = {}
        self.sizes: dict[str, float] = {}
        self.rounding: dict[str, float] = {}
        for form in self.forms:
            region = form.term.region
            if region not in self.samples:
                self.samples[region] = region.quasi_random(POINTS, 0)
            given = form.at(self.samples[region], domain.names)
            self.by_region.setdefault(region, []).append((form, given))
            largest = float(np.abs(given.values[given.holds]).max(initial=0.0))
            self.sizes[form.field] = max(self.sizes.get(form.field, 0.0), largest)
            rounding = FLOOR * max(largest, self._anywhere(form))
            self.rounding[form.field] = max(self.rounding.get(form.field, 0.0), rounding)
        self._share_pieces()

    def _anywhere(self, form: Form) -> float:
        """The largest value of a prescribed function in the domain, or one where it has none there."""
        inside = self.domain.interior.quasi_random(POINTS, 0)
        try:
            values = form.at(Samples(inside.x, normals=form.term.region.normal), self.domain.names).values
        except Exception:  # of a user's function that is made for points of the face, or that depends on a normal
            return 1.0
        return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))

    def _share_pieces(self) -> None:
        """Conditions on the whole boundary of a shape hold on its pieces, too."""
        whole = {region: list(members) for region, members in self.by_region.items()}
        for piece, region in itertools.permutations(whole, 2):
            if piece.covers and piece.covers < region.covers:
                points = self.samples[piece]
                self.by_region[piece] += [(form, form.at(points, self.domain.names)) for form, _ in whole[region]]

    def disagreements(
        self, orders: Sequence[Mapping[str, int]] | None, exact: Callable[[], Mapping[str, Expr]]
    ) -> None:
        """Refuse conditions on one face that cannot hold together.

        Parameters
        ----------
        orders
            Per axis the highest derivatives of the fields in the equations, see :func:`highest_orders`; None where
            data, penalties or parameters make more conditions than derivatives legitimate.
        exact
            Returns a known solution by field: more conditions than derivatives may hold together if it satisfies them.

        Raises
        ------
        InvalidProblemError
            For two values of one form on one face, and for more conditions across a face than the equations allow; the
            message names the conditions and the place.
        """
        for region, members in self.by_region.items():
            for (a, of_a), (b, of_b) in itertools.combinations(members, 2):
                if a.field == b.field and a.orders == b.orders:
                    least = max(CONTRADICTION * self.sizes[a.field], self.rounding[a.field])
                    _compare(a, of_a, b, of_b, self.samples[region], least, self.domain)
        for region in self.by_region if orders is not None else ():
            self._count(region, orders or (), exact)

    def _count(
        self, region: Region, orders: Sequence[Mapping[str, int]], exact: Callable[[], Mapping[str, Expr]]
    ) -> None:
        """Refuse two conditions for one field on a face, if more hold across its axis than derivatives along it."""
        plane, members = region.plane, self.by_region[region]
        if len({f.field for f, _ in members}) == len(members):
            return
        cut = any(f.plane is None for f in self.domain.space_faces)
        if plane is None or (cut and plane.axis != self.domain.time_axis):
            self._count_on_cut(region, orders, exact)
            return
        allowed = sum(orders[plane.axis].values())
        opposite = [
            m for r, m in self.by_region.items() if r.plane is not None and r.plane[:2] == (plane.axis, 1 - plane.side)
        ]
        if len(members) + sum(map(len, opposite)) <= allowed:
            return
        here = max((_independent(members, at) for at in range(0, POINTS, 8)), key=len)
        there = sum(min(len(_independent(m, at)) for at in range(0, POINTS, 8)) for m in opposite)
        if len(here) + there <= allowed:
            return
        reason = (
            f"there are {len(here) + there} across {self.domain.names[plane.axis]}, where the equations have {allowed} "
            f"derivative{'s' * (allowed != 1)} along it"
        )
        self._refuse_extra(region, here, reason, exact)

    def _count_on_cut(
        self, region: Region, orders: Sequence[Mapping[str, int]], exact: Callable[[], Mapping[str, Expr]]
    ) -> None:
        """The same where shapes cut the box: a face takes half of the derivatives, if all others have theirs."""
        highest = {f: max(orders[i].get(f, 0) for i in self.domain.space_axes) for axis in orders for f in axis}
        allowed = sum(highest.values()) // 2
        here = max((_independent(self.by_region[region], at) for at in range(0, POINTS, 8)), key=len)
        if len(here) <= allowed:
            return
        for face in self.domain.space_faces:
            for part in face.covers:
                members = [m for r, own in self.by_region.items() if part in r.covers for m in own]
                if len(members) < allowed:
                    return
        reason = f"every face has {allowed} or more, where the equations take {allowed}"
        self._refuse_extra(region, here, reason, exact)

    def _refuse_extra(
        self, region: Region, here: Sequence[Form], reason: str, exact: Callable[[], Mapping[str, Expr]]
    ) -> None:
        """Refuse several conditions for a field on a face, unless a known solution satisfies them."""
        for name in dict.fromkeys(f.field for f in here):
            own = [f for f in here if f.field == name]
            points, axes = self.samples[region], self.domain.names
            if len(own) > 1 and not all(_satisfied(f, exact(), points, axes) for f in own):
                raise InvalidProblemError(
                    f"the face {region.name} has {len(own)} conditions for {name}, "
                    f"{' and '.join(repr(f.term.name) for f in own)}, and {reason}: "
                    "no function satisfies all of them in general; remove one, or give measured values as hp.Data"
                )

    def jumps(self) -> Iterator[str]:
        """Sentences about values of a field that differ where two faces meet, and that jump within a face."""
        values = [f for f in self.forms if f.is_value and not f.term.region.inner]
        for a, b in itertools.combinations(values, 2):
            if a.field != b.field or a.term.region == b.term.region or _same(a, b):
                continue
            for at_a, at_b in self._meeting(a.term.region, b.term.region):
                of_a, of_b = a.at(at_a, self.domain.names), b.at(at_b, self.domain.names)
                off = np.where(of_a.holds & of_b.holds, np.abs(of_a.values - of_b.values), 0.0)
                at = int(off.argmax())
                if off[at] > max(JUMP * self.sizes[a.field], self.rounding[a.field]):
                    yield (
                        f"{a.field} jumps from {of_a.values[at]:.6g} to {of_b.values[at]:.6g} where the faces "
                        f"{a.term.region.name} and {b.term.region.name} meet "
                        f"({_place(self.domain.names, at_a.x[:, at].numpy())}): no solution is smooth there"
                    )
                    break
        for form in values:
            region, least = form.term.region, max(JUMP * self.sizes[form.field], self.rounding[form.field])
            for jump in jumps_on_side(
                form.expressions, region, self.samples[region], self.domain, self._values_of(form), least
            ):
                yield (
                    f"{form.field} jumps from {jump.before:.6g} to {jump.after:.6g} on the face {region.name} at "
                    f"{jump.axis} = {jump.place:.6g}: no solution is smooth there"
                )

    def _values_of(self, form: Form) -> Callable[[Samples], np.ndarray]:
        """Makes the values of a form at points, NaN where it does not hold."""

        def values(samples: Samples) -> np.ndarray:
            given = form.at(samples, self.domain.names)
            return np.where(given.holds, given.values, np.nan)

        return values

    def _meeting(self, first: Region, second: Region) -> Iterator[tuple[Samples, Samples]]:
        """Points where two faces meet, with the normals of either."""
        one, other = first.lies_in, second.lies_in
        if one is not None and other is not None:
            if one.axis != other.axis:
                x = self.samples[first].x.clone()
                x[other.axis] = other.position
                x = x[:, self.domain.contains(x, slack=1e-9)]
                if x.shape[1]:
                    samples = Samples(x, normals=first.normal)
                    yield samples, samples
            return
        for region, plane in ((first, other), (second, one)):
            if plane is not None and plane.axis == self.domain.time_axis:  # the start, and a shape that does not move
                x = self.samples[region].x.clone()
                x[plane.axis] = plane.position
                normals = self.samples[region].normals
                yield Samples(x, normals=normals), Samples(x, normals=normals)
                return
        for meeting in self.domain.meetings:
            a, b = meeting.parts
            if (a in first.covers and b in second.covers) or (b in first.covers and a in second.covers):
                x = self._at_times(meeting.points)
                yield Samples(x, normals=self._normals(first, x)), Samples(x, normals=self._normals(second, x))

    def _at_times(self, points: np.ndarray) -> torch.Tensor:
        """Points in space (space axes, n) at times spread over the domain."""
        repeated = points[:, np.arange(max(POINTS, points.shape[1])) % points.shape[1]]
        x = np.empty((self.domain.dim, repeated.shape[1]))
        x[list(self.domain.space_axes)] = repeated
        time = self.domain.time_axis
        if time is not None:
            x[time] = np.linspace(self.domain.lower[time], self.domain.upper[time], x.shape[1])
        return torch.as_tensor(x)

    def _normals(self, region: Region, x: torch.Tensor) -> Normals:
        """The normals of a face at points on it: the same everywhere, or those of the nearest of its points."""
        normals = self.samples[region].normals
        if not isinstance(normals, torch.Tensor):
            return normals
        nearest = torch.cdist(x.T, self.samples[region].x.T).argmin(1)
        return normals[:, nearest]


def _compare(a: Form, of_a: Values, b: Form, of_b: Values, points: Samples, least: float, domain: Domain) -> None:
    alike = np.abs(of_a.slopes - of_b.slopes).max(0) <= 1e-9
    off = np.where(of_a.holds & of_b.holds & alike, np.abs(of_a.values - of_b.values), 0.0)
    at = int(off.argmax())
    if off[at] <= least:
        return
    place, region = _place(domain.names, points.x[:, at].numpy()), a.term.region
    general = [f.term.name for f in (a, b) if f.term.name.endswith("on boundary")]
    what = a.field if a.is_value else f"a derivative of {a.field}"
    hint = (
        f"{general[0]!r} holds on {region.name}, too: give it the other faces by on=[...]"
        if len(general) == 1
        else "remove one of them, or restrict them by where="
    )
    raise InvalidProblemError(
        f"the conditions {a.term.name!r} and {b.term.name!r} prescribe two values of {what} on the face {region.name}: "
        f"{of_a.values[at]:.6g} and {of_b.values[at]:.6g} at {place}; {hint}"
    )


def _independent(members: Sequence[tuple[Form, Values]], at: int) -> list[Form]:
    """Forms that hold at a point, without those that others there imply."""
    chosen: list[Form] = []
    rows: list[np.ndarray] = []
    columns = sorted({(f.field, o) for f, _ in members for o in f.orders})
    for form, values in members:
        if not values.holds[at]:
            continue
        row = np.zeros(len(columns))
        for order, slope in zip(form.orders, values.slopes[:, at], strict=True):
            row[columns.index((form.field, order))] = slope
        if np.linalg.matrix_rank(np.array([*rows, row]), tol=1e-9) > len(rows):
            rows.append(row)
            chosen.append(form)
    return chosen


def _satisfied(form: Form, exact: Mapping[str, Expr], points: Samples, names: Sequence[str]) -> bool:
    """Whether a known solution satisfies a condition; yes where it cannot be differentiated."""
    if form.field not in exact:
        return False
    parts = []
    for orders in form.orders:
        derivative = exact[form.field]
        for axis, times in enumerate(orders):
            for _ in range(times):
                if not is_smooth(derivative):
                    return True
                derivative = total_derivative(derivative, names[axis], axis)
        parts.append(derivative)
    given, at = form.at(points, names), points.leaves(names)
    known = [torch.as_tensor(v, dtype=torch.float64).numpy() for v in Program(parts).run(at)]
    total = sum(s * v for s, v in zip(given.slopes, known, strict=True))
    off = np.where(given.holds, np.abs(total - given.values), 0.0)
    size = max(
        FLOOR, float(np.abs(given.values[given.holds]).max(initial=0.0)), *(float(np.abs(v).max()) for v in known)
    )
    return bool(off.max() <= CONTRADICTION * size)


def _same(a: Form, b: Form) -> bool:
    """Whether two conditions have the same number as value, which is most often so."""
    traces = a.term.trace, b.term.trace
    first, second = (t.value if t is not None else None for t in traces)
    return (
        first is not None
        and second is not None
        and first.is_constant
        and second.is_constant
        and first.data == second.data
    )
