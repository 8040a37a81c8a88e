"""Conditions on boundaries, at the start of time, and along periodic axes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from hermite_pinn.calls import keyword_only
from hermite_pinn.checks import items, refuse, spelled, text
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.complex_values import ComplexValue, parts_of
from hermite_pinn.expressions.graph import Expr, constant, normal, wrap
from hermite_pinn.expressions.jets import FieldJet
from hermite_pinn.expressions.trace import Symbols
from hermite_pinn.geometry import Domain, Region
from hermite_pinn.immutable import ReadOnly

from .places import On, places
from .prescribed import checked_value
from .statement import Statement
from .terms import FaceTrace, Term, checked_weight, with_normal

__all__ = ["Condition", "Dirichlet", "Gauge", "Initial", "Neumann", "Periodic", "Robin"]


def _slope(u: FieldJet) -> Expr:
    """Derivative along the outward normal, which may be that of time."""
    total: Expr = constant(0.0)
    for axis in range(len(u.data[1])):
        total = total + normal(axis) * u._raised([axis])
    return total


class _OnFaces(Statement):
    """What conditions on faces share: the choice of faces and the weight."""

    def __init__(self, on: On, weight: float | None, where: Callable[..., Any] | None) -> None:
        self._places = places(on)
        self.on = self._places.given
        self.weight = checked_weight(weight)
        if where is not None and not callable(where):
            refuse(
                "`where`", where, "a function of the coordinates such as lambda x, y: x < y", error=InvalidProblemError
            )
        self.where = where

    def faces(self, domain: Domain, periodic: tuple[bool, ...]) -> tuple[Region, ...]:
        """The regions where the condition holds."""
        return self._places.regions(domain, periodic, self)

    def _label(self) -> str:
        return repr(self._places)

    def _restriction(self, symbols: Symbols) -> Expr | None:
        return None if self.where is None else symbols.value(self.where, f"`where` of {self}")


class _Values(_OnFaces):
    """Conditions that prescribe one number or function per field."""

    def __init__(self, on: On, weight: float | None, where: Callable[..., Any] | None, values: dict[str, Any]) -> None:
        super().__init__(on, weight, where)
        if not values:
            name = type(self).__name__
            raise InvalidProblemError(f"{name} needs at least one field, for example {name}(u=0.0)")
        label = f"in {type(self).__name__}"
        self.values = ReadOnly(
            {
                name: tuple(checked_value(f"an entry of {name} {label}", v) for v in value)
                if isinstance(value, tuple)
                else checked_value(f"the value of {name} {label}", value)
                for name, value in values.items()
            }
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.values)}, on={self._label()!r})"


class _Prescribed(_Values):
    """Conditions on a field or its derivative along the normal, which a grid may satisfy exactly."""

    _order: ClassVar[int]  # of differentiation along the normal

    def _given(self, symbols: Symbols) -> Iterator[tuple[str, Expr]]:
        """Real fields and what is prescribed of them."""
        for name, value in self.values.items():
            yield from symbols.values(name, value, f"the value of {name} in {self}", normal=True).items()

    @keyword_only('{name}(u=0.0), with the name of the field, or {name}(u=0.0, on="x-")')
    def __init__(
        self,
        *,
        on: On = "boundary",
        weight: float | None = None,
        where: Callable[..., Any] | None = None,
        **values: Any,
    ) -> None:
        super().__init__(on, weight, where, values)

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """Residuals of the condition, one per field and face."""
        terms, restriction = [], self._restriction(symbols)
        for name, g in self._given(symbols):
            u = symbols.field(name)
            residual = (_slope(u) if self._order else u) - g
            label = f"{name}{'.n' if self._order else ''} on {self._label()}"
            for face in self.faces(domain, periodic):
                trace = None
                if restriction is None and face.plane is not None:
                    along = normal(face.plane.axis) * g if self._order else g
                    trace = FaceTrace(name, self._order, with_normal(along, face))
                terms.append(Term(label, residual, face, self.weight, trace, restriction))
        return terms


class Dirichlet(_Prescribed):
    """Prescribed values: ``Dirichlet(u=0.0)``, ``Dirichlet(u=lambda x, y: x * y, on=["x-", "y+"])``.

    The condition holds exactly (to the interpolation error of the given function) on a whole face of a box, across an
    axis that is not periodic, if the field is a dense Hermite grid.  Otherwise it is a weighted residual.

    Parameters
    ----------
    on
        Where the condition holds: a face name, a list of names, or ``"boundary"`` (all faces of the space axes;
        periodic ones have to be named).  Planes inside are ``{"x": 0.5}`` or ``{"x": [0.2, 0.5]}``, whose normal points
        along the axis.  Points inside or on the boundary are an array (n, dim), or ``(points, normals)`` with their
        outward unit normals, which derivatives along the normal need.
    weight
        Weight of the residual relative to the automatic one, if the condition does not hold exactly.
    where
        Function of the coordinates that restricts the faces to the points where it is true.
    values
        A number or a function of the coordinates, for each field.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> [hp.Dirichlet(u=0.0), hp.Dirichlet(u=lambda x, y: x * y, on=["x-", "y+"])][1].on
    ('x-', 'y+')
    """

    _order = 0


class Neumann(_Prescribed):
    """Prescribed outward normal derivatives: ``Neumann(u=0.0, on="x+")``; arguments as for :class:`Dirichlet`.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> hp.Neumann(u=lambda x: hp.sin(x), on="y+").on
    'y+'
    """

    _order = 1


class Robin(_Values):
    """The condition ``alpha * u + beta * u.n = g``: ``Robin(u=(alpha, beta, g), on="x+")``.

    Each of the three may be a number or a function of the coordinates.  Other arguments are those of
    :class:`Dirichlet`.

    Examples
    --------
    Cooling at a face, u.n = -3 (u - 20):

    >>> import hermite_pinn as hp
    >>> hp.Robin(u=(3.0, 1.0, 60.0), on="x+").on
    'x+'
    """

    @keyword_only("{name}(u=(alpha, beta, g)), with the name of the field, for alpha*u + beta*u.n = g")
    def __init__(
        self,
        *,
        on: On = "boundary",
        weight: float | None = None,
        where: Callable[..., Any] | None = None,
        **values: Any,
    ) -> None:
        entries = "three entries (alpha, beta, g) for alpha*u + beta*u.n = g"
        triples = {
            name: tuple(items(f"Robin({name}=...)", v, entries, least=3, most=3, error=InvalidProblemError))
            for name, v in values.items()
        }
        super().__init__(on, weight, where, triples)

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """Residuals of the condition, one per field and face."""
        restriction = self._restriction(symbols)
        terms: list[Term] = []
        for name, triple in self.values.items():
            for part, residual in self._residuals(symbols, name, triple):
                terms.extend(
                    Term(f"{part} + {part}.n on {self._label()}", residual, face, self.weight, None, restriction)
                    for face in self.faces(domain, periodic)
                )
        return terms

    def _residuals(self, symbols: Symbols, name: str, triple: tuple[Any, ...]) -> Iterator[tuple[str, Expr]]:
        """What is to vanish, by the real fields that a field consists of."""
        jets = [symbols.field(part) for part in symbols.parts(name)]
        whats = [f"{label} of {name} in {self}" for label in ("alpha", "beta", "g")]
        given = [
            list(symbols.values(name, v, what, normal=True).values()) for v, what in zip(triple, whats, strict=True)
        ]
        if len(jets) == 1:
            ((alpha,), (beta,), (g,)) = given
            yield name, wrap(alpha * jets[0] + beta * _slope(jets[0]) - g)
            return
        a, b, value = (ComplexValue(*parts) for parts in given)
        made = a * ComplexValue(*jets) + b * ComplexValue(*map(_slope, jets)) - value
        yield from zip(symbols.parts(name), parts_of(made), strict=True)


class Initial(Statement):
    """Values at the start of time, ``Initial(u=lambda x: sin(x))``, and first time derivatives, ``Initial(u_t=0.0)``.

    Parameters
    ----------
    weight
        As for :class:`Dirichlet`.
    values
        A number or a function of the space coordinates, for each field ``u``, or for ``u_t``, the derivative of ``u``
        along ``t``.

    Examples
    --------
    A string at rest:

    >>> import hermite_pinn as hp
    >>> conditions = [hp.Initial(u=lambda x: hp.sin(hp.pi * x)), hp.Initial(u_t=0.0), hp.Dirichlet(u=0.0)]
    >>> problem = hp.Problem(
    ...     domain=hp.Box(x=(0, 1), t=(0, 1)), fields=["u"], residual=lambda u: u.tt - u.xx, conditions=conditions
    ... )
    >>> solution = hp.solve(problem, tol=1e-3, progress=False)
    >>> abs(solution.u(0.5, 1.0) + 1) < 1e-2
    True
    """

    @keyword_only("{name}(u=lambda x: hp.sin(x)), with the name of the field")
    def __init__(self, *, weight: float | None = None, **values: Any) -> None:
        if not values:
            raise InvalidProblemError("Initial needs at least one field, for example Initial(u=0.0)")
        self.weight = checked_weight(weight)
        self.values = ReadOnly({k: checked_value(f"the value of {k} in Initial", v) for k, v in values.items()})

    def __repr__(self) -> str:
        return f"Initial({', '.join(self.values)})"

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """Residuals of the condition on the face ``"t-"``."""
        axis = domain.time_axis
        if axis is None:
            raise InvalidProblemError(f"{self} needs a time axis called t; the axes are {', '.join(domain.names)}")
        if periodic[axis]:
            raise InvalidProblemError(f"{self}: time is periodic, so there is no start; remove one of the two")
        face, terms = domain.face("t-"), []
        known = (*symbols.fields, *symbols.complex_fields)
        for name, value in self.values.items():
            order, of = (1, name[:-2]) if name not in known and name.endswith("_t") else (0, name)
            for part, g in symbols.values(of, value, f"the value of {name} in {self}").items():
                u = symbols.field(part)
                residual = (u._raised([axis]) if order else u) - g
                trace = FaceTrace(part, order, with_normal(g, face))
                terms.append(Term(f"{part}{'_t' * order} at t-", residual, face, self.weight, trace))
        return terms


class Periodic(Statement):
    """Periodicity along one or more axes, exact in all derivatives the basis has: the grid index wraps.

    ``Periodic("x")``, ``Periodic("x", "y")``.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(
    ...     domain=hp.Box(x=(0, 1)), fields=["u"], residual=lambda u, x: u.xx - u + hp.cos(2 * hp.pi * x),
    ...     conditions=[hp.Periodic("x")],
    ... )
    >>> solution = hp.solve(problem, levels=3, progress=False)
    >>> solution.u.x(0.0) == solution.u.x(1.0)
    True
    """

    def __init__(self, *axes: str) -> None:
        if not axes or not all(isinstance(a, str) for a in axes):
            raise InvalidProblemError(f"Periodic takes names of axes, for example Periodic('x'); got {spelled(axes)}")
        self.axes = axes

    def __repr__(self) -> str:
        return f"Periodic({', '.join(map(repr, self.axes))})"

    @property
    def wraps(self) -> tuple[str, ...]:
        """The axes."""
        return self.axes


class Gauge(Statement):
    """Fields that only enter by their derivatives in space, such as a pressure: ``Gauge("p")``.

    The equations leave a constant (or a function of time) free; it is chosen so that the mean over space is zero at
    every time.  ``gauss_newton`` does so exactly; methods that train networks leave it free.
    :meth:`hermite_pinn.Solution.error` compares such fields without their means.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> len([hp.Dirichlet(u=0.0, v=0.0), hp.Gauge("p")])   # conditions of a flow in a closed box
    2
    """

    def __init__(self, *fields: str) -> None:
        if not fields or not all(isinstance(f, str) for f in fields):
            raise InvalidProblemError(f"Gauge takes names of fields, for example Gauge('p'); got {spelled(fields)}")
        self.fields = fields

    def __repr__(self) -> str:
        return f"Gauge({', '.join(map(repr, self.fields))})"

    @property
    def gauged(self) -> tuple[str, ...]:
        """The fields."""
        return self.fields


class Condition(_OnFaces):
    """Any condition on faces: a function of fields, coordinates and parameters, by name, that is zero if it holds.

    ``u.n`` is the outward normal derivative and ``n`` the outward normal with the components ``n.x``, ``n.y``, also in
    the values of :class:`Dirichlet`, :class:`Neumann` and :class:`Robin`.

    Parameters
    ----------
    function
        Returns one residual, a tuple, or a dict of named residuals.
    on, weight, where
        As for :class:`Dirichlet`.
    name
        Name of the residual in reports.

    Examples
    --------
    >>> Condition(lambda u, x, y: u.x + u.y - 1, on="x+", name="oblique")
    Condition(oblique, on='x+')
    >>> flux = Condition(lambda u, n, x: n.x * (1 + x) * u.x + n.y * u.y, name="flux")
    >>> support = Condition(lambda u: (u, u.x), on={"x": 0.5}, name="support")  # inside
    """

    @keyword_only('{name}(lambda u, x: u.x - 1, on="x-")')
    def __init__(
        self,
        function: Callable[..., Any],
        *,
        on: On = "boundary",
        weight: float | None = None,
        where: Callable[..., Any] | None = None,
        name: str = "condition",
    ) -> None:
        if not callable(function):
            raise InvalidProblemError(
                f"Condition takes a function such as lambda u, x: u.x - 1, got {spelled(function)}"
            )
        super().__init__(on, weight, where)
        self.function = function
        self.name = text("the name of a Condition", name, error=InvalidProblemError)

    def __repr__(self) -> str:
        return f"Condition({self.name}, on={self._label()!r})"

    def expressions(self, symbols: Symbols) -> list[Expr]:
        """The residuals."""
        return list(self._residuals(symbols).values())

    def _residuals(self, symbols: Symbols) -> dict[str, Expr]:
        return symbols.residuals(self.function, f"the function of {self}", self.name, normal=True)

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """Residuals of the condition, one per component and face."""
        residuals = self._residuals(symbols)
        restriction = self._restriction(symbols)
        return [
            Term(f"{name} on {self._label()}", residual, face, self.weight, None, restriction)
            for name, residual in residuals.items()
            for face in self.faces(domain, periodic)
        ]
