"""A boundary value problem: domain, fields, residuals and conditions, checked and traced when it is made."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hermite_pinn.checks import instance, integer, items, number, refuse, spelled, text
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.differentiation import fluxes
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.graph import spelled as written
from hermite_pinn.expressions.program import leaves
from hermite_pinn.expressions.trace import Symbols
from hermite_pinn.geometry import Domain, Region
from hermite_pinn.immutable import Immutable, ReadOnly
from hermite_pinn.markup import failing_softly
from hermite_pinn.torch_state import isolated

from .consistency import Conditions, highest_orders
from .direction import against_time
from .identity import Digest, Part, identify
from .inflow import Transport
from .interfaces import continuity
from .jumps import find_jumps
from .missing import bare_faces, check_used, loose_fields, missing_conditions
from .names import FIELDS, check_names, checked_exact, real_fields
from .parameters import Parameter
from .plan import Plan
from .primitives import Primitives
from .problem_html import problem_html
from .source import cut_off, traced_sources
from .statement import Statement
from .terms import Term
from .warning import HermitePinnWarning

__all__ = ["HermitePinnWarning", "Problem"]

listed = functools.partial(items, error=InvalidProblemError)


class Problem(Immutable):
    """A system of differential equations with its conditions.

    The residual is an ordinary function.  Its arguments are bound by name to fields, coordinates and parameters.  A
    field is a jet: ``u`` is the value, and ``u.x``, ``u.xx``, ``u.xy``, ``u.laplacian``, ``u.grad`` are derivatives.
    The function is called once, with symbols, when the problem is made, and mistakes are reported at that time.

    Parameters
    ----------
    domain
        The domain, for example ``Box(x=(0, 1), y=(0, 1))``.
    fields
        Names of the unknown functions, or a dict that declares each as real or complex, ``{"u": complex, "p": float}``.
        A complex field ``u`` consists of the real fields ``u_real`` and ``u_imag``.
    residual
        Function that returns one residual, a tuple, or a dict of named residuals.  Each is zero for a solution.
    conditions
        Boundary conditions, initial conditions and data.
    parameters
        Unknown numbers, for inverse problems.
    exact
        Known solution, a function of the coordinates for each field.  It only serves to report errors.
    name
        Name of the problem in reports.
    max_order
        Highest order of derivatives: 2, or up to 4 for ``gauss_newton`` on smoother bases (third derivatives on
        quintics, fourth on septics).

    Attributes
    ----------
    missing
        Sentences about conditions that seem to be missing: those of ``surely_missing``, and from a count of
        derivatives.
    surely_missing
        Those of ``unfed``, ``loose`` and ``bare``, without which no solution is unique.
    transport
        What first derivatives carry through the domain.
    unfed
        Sentences about sides through which something is carried into the domain that no condition gives.
    loose
        A sentence about fields that the equations leave open between the points of data.
    bare
        Sentences about faces of a domain that shapes cut, which have fewer conditions than the equations need there.
    notes
        Sentences about values that jump where two faces meet, about jumps that no grid line follows, about point
        sources that faces cut off, about diffusion of the wrong sign, and about the domain.
    jump_notes
        The notes about jumps of coefficients.
    rough
        Parts of the equations that jump or have a kink along no grid line.
    fractional
        Whether an equation has a fractional Laplacian.
    jumps_on_lines
        Whether the equations jump or have kinks only on the breaks of the domain, as far as this can be known.

    Raises
    ------
    InvalidProblemError
        For unknown names, derivatives beyond ``max_order``, complex values, conditions on faces that do not exist,
        conditions that contradict each other, fields that occur in no residual, and all other mistakes that can be
        recognised without computing.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(
    ...     domain=hp.Box(x=(0, 1), y=(0, 1)),
    ...     fields=["u"],
    ...     residual=lambda u, x, y: u.xx + u.yy + hp.sin(hp.pi * x) * hp.sin(hp.pi * y),
    ...     conditions=[hp.Dirichlet(u=0.0)],
    ... )
    >>> print(problem)
    Problem on Box(x=(0, 1), y=(0, 1))
      pde: 0 = u.xx + u.yy + sin(3.14159*x)*sin(3.14159*y)
      u on boundary (exact on a dense Hermite grid)
    """

    instead = "make another one with problem.replace(...)"

    @isolated()
    def __init__(
        self,
        domain: Domain,
        fields: str | Iterable[str] | Mapping[str, type],
        residual: Callable[..., Any],
        conditions: Iterable[Statement] = (),
        *,
        parameters: Iterable[Parameter] = (),
        exact: Mapping[str, Callable[..., Any]] | None = None,
        name: str | None = None,
        max_order: int = 2,
    ) -> None:
        if not isinstance(domain, Domain):
            refuse("the domain", domain, "a Box such as Box(x=(0, 1), y=(0, 1))", error=InvalidProblemError)
        if not callable(residual):
            refuse("the residual", residual, "a function such as lambda u, x: u.xx - 1", error=InvalidProblemError)
        self.domain = domain
        self._stated = fields if isinstance(fields, (str, Mapping)) else tuple(listed("fields", fields, FIELDS))
        self.fields, self.complex_fields = real_fields(self._stated)
        self.residual = residual
        self.conditions: tuple[Statement, ...] = tuple(
            listed("conditions", conditions, "a list of conditions such as [Dirichlet(u=0.0)]")
        )
        self.parameters: tuple[Parameter, ...] = tuple(
            listed("parameters", parameters, "a list of parameters such as [Parameter('nu')]")
        )
        for p in self.parameters:
            instance("a parameter", p, Parameter, "a Parameter such as Parameter('nu')", error=InvalidProblemError)
        self.exact = ReadOnly(checked_exact(exact))
        self.name = None if name is None else text("name", name, otherwise="None", error=InvalidProblemError)
        self.max_order = integer("max_order", max_order, least=1, most=4, error=InvalidProblemError)
        max_order = self.max_order
        check_names(domain, self.fields, [p.name for p in self.parameters], self.exact, self.complex_fields)
        for condition in self.conditions:
            if not isinstance(condition, Statement):
                raise InvalidProblemError(
                    f"{spelled(condition)} is no condition; use Dirichlet, Neumann, Robin, Periodic, Initial, Gauge, Data, Smoothness or "
                    "Condition"
                )
        named = tuple(p.name for p in self.parameters)
        self.plan = Plan(Symbols(self.fields, domain.names, named, max_order, self.complex_fields))
        self.symbols = self.plan.symbols
        self.periodic = self._periodic_axes()
        with traced_sources() as sources:
            self.residuals = ReadOnly(self._with_integrals(self._traced_residuals()))
        equations = list(self.residuals.values())
        whole = [flux.expression for _, flux in fluxes(equations)]
        jumps = find_jumps([*equations, *whole], domain, bool(whole))
        self.domain = domain = domain.with_breaks(jumps.breaks)
        self.jumps_on_lines = jumps.everywhere and not domain.is_cut
        self.jump_notes = jumps.notes
        self.rough = jumps.rough
        self.terms = self._traced_terms()
        check_used([p.name for p in self.parameters], self.terms)
        self.gauges = self._gauged_fields()
        stated = tuple(self.residuals.values())
        self.transport = Transport(domain, self.fields, self.periodic, stated, self.terms)
        self.unfed = self.transport.begun
        counted = missing_conditions(domain, self.fields, self.periodic, stated, self.terms)
        self.loose = loose_fields(self.fields, self.terms)
        self.bare = bare_faces(domain, self.fields, self.periodic, stated, self.terms)
        self.surely_missing = (*self.bare, *self.unfed, *self.loose)
        self.missing = (*self.surely_missing, *counted)
        lost = tuple(filter(None, (cut_off(source, names, domain.bounds) for source, names in sources)))
        backward = against_time(domain, self.residuals, self.terms)
        self.notes = (*domain.notes, *jumps.notes, *self._checked_conditions(), *lost, *backward)
        for sentence in (*self.missing, *lost, *backward):
            warnings.warn(sentence, HermitePinnWarning, stacklevel=4)

    # -- checks ---
    def _periodic_axes(self) -> tuple[bool, ...]:
        chosen = {self.domain.axis(name) for c in self.conditions for name in c.wraps}
        whole = {(f.plane.axis, f.plane.side) for f in self.domain.faces if f.plane is not None}
        for axis in sorted(chosen):
            cut = [f"{self.domain.names[axis]}{'-+'[side]}" for side in (0, 1) if (axis, side) not in whole]
            if cut:
                raise InvalidProblemError(
                    f"Periodic({self.domain.names[axis]!r}): the sides of a periodic axis must be whole, and the shapes cut "
                    f"{' and '.join(cut)}; move them away from there"
                )
        return tuple(i in chosen for i in range(self.domain.dim))

    def _traced_residuals(self) -> dict[str, Expr]:
        residuals = self.symbols.residuals(self.residual, "the residual", "pde")
        if not residuals:
            raise InvalidProblemError(
                "the residual returned no component; it must return at least one expression that is zero"
            )
        used: set[str] = set()
        for name, expression in residuals.items():
            jets = {data[0] for kind, data in leaves(expression) if kind == "jet"}
            if not jets:
                raise InvalidProblemError(
                    f"the residual {name!r} = {written(expression)} contains no field, so nothing can make it zero"
                )
            if any(kind == "normal" for kind, _ in leaves(expression)):
                raise InvalidProblemError(
                    f"the residual {name!r} uses .n, the normal derivative, which exists on boundaries only"
                )
            used |= jets
        unused = [f for f in self.fields if f not in used]
        if unused:
            raise InvalidProblemError(f"the field {unused[0]!r} occurs in no residual; remove it or use it")
        return residuals

    def _with_integrals(self, residuals: dict[str, Expr]) -> dict[str, Expr]:
        """Residuals with fields in the place of integrals, and the equations of these fields; they join the fields."""
        taken = [*self.fields, *self.domain.names, *(p.name for p in self.parameters)]
        self._primitives = Primitives(self.domain, taken, self.periodic, self.plan)
        replaced = {name: self._primitives.equation(name, residual) for name, residual in residuals.items()}
        for condition in self.conditions:
            for expression in condition.expressions(self.symbols):
                self._primitives.replaced(expression)
        self.fields = (*self.fields, *self._primitives.fields)
        self.fractional = self._primitives.fractional
        check_names(self.domain, self.fields, [p.name for p in self.parameters], self.exact, self.complex_fields)
        return replaced | {f"primitive {name}": e for name, e in self._primitives.equations.items()}

    def _traced_terms(self) -> tuple[Term, ...]:
        interior = self.domain.interior
        terms = [self.plan.known_term(Term(name, residual, interior)) for name, residual in self.residuals.items()]
        for condition in self.conditions:
            for term in condition.terms(self.domain, self.symbols, self.periodic):
                self._check_fields(term)
                terms.append(self.plan.known_term(self._primitives.term(term)))
        terms.extend(self.plan.known_term(term) for term in self._primitives.terms(self.domain))
        named = [name for c in self.conditions for name in c.smoothed]
        if len(named) > len(set(named)):
            raise InvalidProblemError(f"only one Smoothness per field; got {', '.join(named)}")
        smooth = {t.region.penalty: t.weight for t in terms if t.region.penalty is not None}
        if None in smooth.values() and all(t.region.measured is None for t in terms):
            raise InvalidProblemError(
                f"the weight of Smoothness({next(iter(smooth))}='auto') is chosen by the data, but the problem has no Data; give a number"
            )
        return tuple(terms)

    def _checked_conditions(self) -> tuple[str, ...]:
        """What is said of conditions that agree, but leave no smooth solution."""
        conditions = Conditions(self.domain, self.terms, self.plan)
        unknown = self.parameters or len(self.residuals) < len(self.fields)
        unknown = unknown or any(t.region.measured is not None or t.region.penalty is not None for t in self.terms)
        orders = None if unknown else highest_orders(tuple(self.residuals.values()), self.domain.dim)
        conditions.disagreements(orders, lambda: self.exact_expressions)
        return tuple(conditions.jumps())

    def _gauged_fields(self) -> tuple[str, ...]:
        """The fields of all gauges, after a check that they are free."""
        gauged = dict.fromkeys(f for c in self.conditions for f in c.gauged)
        for name in gauged:
            if name not in self.fields:
                raise InvalidProblemError(
                    f"Gauge names {name!r}, which is no field; the fields are {', '.join(self.fields)}"
                )
            for t in self.terms:
                for kind, data in leaves(t.residual):
                    if kind == "jet" and data[0] == name and not any(data[1][i] for i in self.domain.space_axes):
                        raise InvalidProblemError(
                            f"{name} needs no gauge: {t.name!r} contains it without a derivative in space, which "
                            "determines it; remove the Gauge or that term"
                        )
        return tuple(gauged)

    def _check_fields(self, term: Term) -> None:
        """A field must remain where components of the normal are zero, and points need normals where it occurs."""
        fixed = term.region.fixed
        if fixed is not None and fixed.normals is None and any(kind == "normal" for kind, _ in leaves(term.residual)):
            raise InvalidProblemError(
                f"the condition {term.name!r} depends on the outward normal: give on=(points, normals) with unit vectors"
            )
        if not any(kind == "jet" for kind, _ in leaves(term.residual)):
            raise InvalidProblemError(
                f"the condition {term.name!r} contains no field on the face {term.region.name}: it reads 0 = {written(term.residual)}"
            )

    # -- identity ---
    @functools.cached_property
    def identity(self) -> dict[str, Part]:
        """Hashes of all that changes the solution, by part: the domain, every equation, every condition with its data.

        They are the same in every process.  Names of the problem and the exact solution are no part of it.
        """
        domain = self.domain
        statement = {
            "the domain": domain,
            "the fields": self.fields,
            "the periodic axes": tuple(n for n, p in zip(domain.names, self.periodic, strict=True) if p),
            "the gauges": self.gauges,
            "max_order": self.max_order,
            **({"the breaks": dict(domain.breaks)} if domain.breaks else {}),
        } | {f"the parameter {p.name!r}": p for p in self.parameters}
        return identify(statement, self.terms, Digest(domain.names, domain.lower, domain.upper))

    # -- variants and views ---
    def replace(self, **changes: Any) -> Problem:
        """The same problem with some arguments changed; a problem itself never changes."""
        given = self._arguments()
        unknown = set(changes) - set(given)
        if unknown:
            raise InvalidProblemError(f"a problem has no {sorted(unknown)[0]!r}; it has {', '.join(given)}")
        return Problem(**(given | changes))

    def _arguments(self) -> dict[str, Any]:
        return {
            "domain": self.domain,
            "fields": self._stated,
            "residual": self.residual,
            "conditions": self.conditions,
            "parameters": self.parameters,
            "exact": self.exact,
            "name": self.name,
            "max_order": self.max_order,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        # a plan knows objects by their ids, which a copy has not
        return functools.partial(Problem, **self._arguments()), ()

    def restricted(self, **bounds: tuple[float, float]) -> Problem:
        """The same problem on a part of its domain, with the conditions of a face on the face of the part.

        It shares the plan: no function is traced and no expression compiled again.

        Parameters
        ----------
        bounds
            ``(lower, upper)`` by name of the axis, within the domain; other axes keep theirs.

        Raises
        ------
        InvalidProblemError
            If there is no such axis, the part is not within the domain, or it leaves out points of :class:`Data`.

        Examples
        --------
        >>> import hermite_pinn as hp
        >>> conditions = [hp.Dirichlet(u=0.0), hp.Initial(u=1.0)]
        >>> problem = Problem(hp.Box(x=(0, 1), t=(0, 4)), ["u"], lambda u: u.t - u.xx, conditions)
        >>> problem.restricted(t=(1, 2)).domain
        Box(x=(0, 1), t=(1, 2))
        """
        for name, pair in bounds.items():
            ends = listed(f"the part of axis {name}", pair, "bounds (lower, upper)")
            if len(ends) != 2:
                refuse(f"the part of axis {name}", pair, "bounds (lower, upper)", error=InvalidProblemError)
            a, b = (number(f"a bound of axis {name}", end, error=InvalidProblemError) for end in ends)
            lower, upper = self.domain.bounds[self.domain.names[self.domain.axis(name)]]
            if not lower <= a < b <= upper:
                raise InvalidProblemError(
                    f"the part {name}=({a:g}, {b:g}) does not lie within the domain, where {name} is in ({lower:g}, {upper:g})"
                )
        part = object.__new__(type(self))
        vars(part).update(vars(self) | {"domain": self.domain.restricted(bounds), "plan": self.plan.restricted()})
        vars(part).pop("identity", None)
        vars(part)["terms"] = part._traced_terms()
        return part

    def restated(self, changed: Callable[[Term], Term]) -> Problem:
        """The same problem with other terms, for instance for another unknown.

        Functions are not traced again, and nothing is checked; its exact solution is that of the problem.

        Parameters
        ----------
        changed
            Makes a term of each.
        """
        other = object.__new__(type(self))
        vars(other).update(vars(self) | {"plan": Plan(self.symbols)})
        vars(other).pop("identity", None)
        vars(other)["terms"] = tuple(other.plan.known_term(changed(term)) for term in self.terms)
        return other

    @functools.cached_property
    def continuity(self) -> Mapping[str, tuple[int, ...]]:
        """By field and axis, how many derivatives, the value included, do not jump across a break of the axis."""
        return continuity(list(self.residuals.values()), self.fields, self.domain.dim)

    @functools.cached_property
    def exact_expressions(self) -> dict[str, Expr]:
        """The known solution as expressions of the coordinates."""
        given = [self.symbols.values(f, g, f"the exact solution {f}") for f, g in self.exact.items()]
        return {f: g for parts in given for f, g in parts.items()}

    @property
    def order(self) -> int:
        """Highest order of differentiation in residuals and conditions."""
        return max(sum(d[1]) for t in self.terms for k, d in leaves(t.residual) if k == "jet")

    @property
    def faces(self) -> Sequence[Region]:
        """Faces that are boundaries: all but those of periodic axes."""
        return tuple(f for f in self.domain.faces if f.plane is None or not self.periodic[f.plane.axis])

    def __repr__(self) -> str:
        return f"Problem({self.name or ', '.join(self.fields)} on {self.domain})"

    @failing_softly
    def _repr_html_(self) -> str:
        """Equations, conditions, parameters and a picture of the domain, for notebooks."""
        return problem_html(self)

    def __str__(self) -> str:
        lines = [f"Problem{' ' + self.name if self.name else ''} on {self.domain}"]
        lines += [f"  {name}: 0 = {written(r)}" for name, r in self.residuals.items()]
        wrapped = [n for n, p in zip(self.domain.names, self.periodic, strict=True) if p]
        if wrapped:
            lines.append(f"  periodic along {', '.join(wrapped)} (exact)")
        named = {t.name: t for t in self.terms if not t.region.is_interior}
        for name, t in named.items():
            lines.append(f"  {name}" + (" (exact on a dense Hermite grid)" if t.trace else ""))
        for p in self.parameters:
            lines.append(f"  parameter {p.name} in [{p.bounds[0]:g}, {p.bounds[1]:g}], start {p.init:g}")
        return "\n".join(lines)
