"""Boundary, initial and data conditions, and the terms they contribute to a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.graph import Expr, constant, normal
from hermite_pinn.expressions.jets import FieldJet
from hermite_pinn.expressions.program import Program, substitute
from hermite_pinn.expressions.trace import Symbols
from hermite_pinn.geometry import Domain, Points, Region
from hermite_pinn.immutable import Immutable, ReadOnly, read_only

__all__ = ["Condition", "Data", "Dirichlet", "FaceTrace", "Gauge", "Initial", "Neumann", "Periodic", "Robin", "Term"]

On = str | Sequence[str]


@dataclass(frozen=True)
class FaceTrace:
    """A prescribed value (order 0) or derivative along the axis of a whole side of the box (order 1)."""

    field: str
    order: int
    value: Expr

    @cached_property
    def program(self) -> Program:
        """Computes the value."""
        return Program([self.value])


@dataclass(frozen=True, eq=False)
class Term:
    """One residual on one region.

    Attributes
    ----------
    name
        How it is called in reports; the faces of one condition share it.
    expression
        Zero where the term is satisfied.  Components of the normal are leaves, so that all regions of a condition share
        it.
    region
        Where it holds.
    weight
        The user's weight, or None.
    trace
        Set if the term prescribes a value or normal derivative on a whole side of the box.
    where
        Restriction of a face to the points where this expression is true.
    noise
        Standard deviations (n,) of measured values; ``"auto"`` where they are equal but unknown; None for exact ones.
    residual
        The expression with the numbers of the region's normal, where that is the same at all of its points.  What they
        multiply by zero is gone, so that no more derivatives are computed than the region needs.
    """

    name: str
    expression: Expr
    region: Region
    weight: float | None = None
    trace: FaceTrace | None = None
    where: Expr | None = None
    noise: np.ndarray | str | None = None
    residual: Expr = field(default=None)  # type: ignore[assignment]  # made from the expression

    def __post_init__(self) -> None:
        if self.residual is None:
            object.__setattr__(self, "residual", with_normal(self.expression, self.region))


def with_normal(expression: Expr, region: Region) -> Expr:
    """An expression with the components of a region's normal put in where they are numbers."""
    components = region.normal
    if components is None:
        return expression
    return substitute(expression, lambda leaf: components[leaf.data] if leaf.op == "normal" else None)


def _slope(u: FieldJet) -> Expr:
    """Derivative along the outward normal, which may be that of time."""
    total: Expr = constant(0.0)
    for axis in range(len(u.data[1])):
        total = total + normal(axis) * u._raised([axis])
    return total


def _weight(weight: float | None) -> float | None:
    if weight is not None and not (np.isfinite(weight) and weight > 0):
        raise InvalidProblemError(f"the weight of a condition must be a positive number, got {weight!r}")
    return None if weight is None else float(weight)


class _OnFaces(Immutable):
    """What conditions on faces share: the choice of faces and the weight."""

    def __init__(self, on: On, weight: float | None, where: Callable[..., Any] | None) -> None:
        if not (isinstance(on, str) or (isinstance(on, Iterable) and all(isinstance(f, str) for f in on))):
            raise InvalidProblemError(
                f"`on` takes a face name such as 'x-', a list of them, or 'boundary'; got {on!r}. To restrict a face use "
                "where=lambda x, y: ..."
            )
        self.on: On = on if isinstance(on, str) else tuple(on)
        self.weight = _weight(weight)
        self.where = where

    def faces(self, domain: Domain, periodic: tuple[bool, ...]) -> tuple[Region, ...]:
        """The regions where the condition holds."""
        names = [self.on] if isinstance(self.on, str) else list(self.on)
        regions: list[Region] = []
        for name in names:
            if name == "boundary":
                regions.extend(f for f in domain.space_faces if f.plane is None or not periodic[f.plane.axis])
            else:
                face = domain.face(name)
                if face.plane is not None and periodic[face.plane.axis]:
                    axis = domain.names[face.plane.axis]
                    raise InvalidProblemError(
                        f"{self}: the axis {axis} is periodic, so it has no face {name!r}; "
                        f"remove this condition or Periodic({axis!r})"
                    )
                regions.append(face)
        if not regions:
            raise InvalidProblemError(
                f"{self} applies to no point: 'boundary' means the faces of the space axes that are not periodic, and {domain} has none"
            )
        return tuple(dict.fromkeys(regions))

    def _label(self) -> str:
        return self.on if isinstance(self.on, str) else ", ".join(self.on)

    def _restriction(self, symbols: Symbols) -> Expr | None:
        return None if self.where is None else symbols.value(self.where, f"`where` of {self}")


class _Values(_OnFaces):
    """Conditions that prescribe one number or function per field."""

    def __init__(self, on: On, weight: float | None, where: Callable[..., Any] | None, values: dict[str, Any]) -> None:
        super().__init__(on, weight, where)
        if not values:
            name = type(self).__name__
            raise InvalidProblemError(f"{name} needs at least one field, for example {name}(u=0.0)")
        self.values = ReadOnly(values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.values)}, on={self._label()!r})"


class Dirichlet(_Values):
    """Prescribed values: ``Dirichlet(u=0.0)``, ``Dirichlet(u=lambda x, y: x * y, on=["x-", "y+"])``.

    On a whole face of a box and a dense Hermite grid the condition is imposed exactly (to the interpolation error of
    the given function); elsewhere it is a weighted residual.

    Parameters
    ----------
    on
        Face name, list of names, or ``"boundary"`` (all faces of the space axes).
    weight
        Weight of the residual relative to the automatic one, where the condition is not imposed exactly.
    where
        Function of the coordinates that restricts the faces to the points where it is true.
    values
        Number or function of the coordinates, by field.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> [hp.Dirichlet(u=0.0), hp.Dirichlet(u=lambda x, y: x * y, on=["x-", "y+"])][1].on
    ['x-', 'y+']
    """

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
        for name, value in self.values.items():
            u, g = symbols.field(name), symbols.value(value, f"the value of {name} in {self}", normal=True)
            residual = u - g
            for face in self.faces(domain, periodic):
                trace = None
                if restriction is None and face.plane is not None:
                    trace = FaceTrace(name, 0, with_normal(g, face))
                terms.append(Term(f"{name} on {self._label()}", residual, face, self.weight, trace, restriction))
        return terms


class Neumann(_Values):
    """Prescribed outward normal derivatives: ``Neumann(u=0.0, on="x+")``; arguments as for :class:`Dirichlet`.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> hp.Neumann(u=lambda x: hp.sin(x), on="y+").on
    'y+'
    """

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
        for name, value in self.values.items():
            u, g = symbols.field(name), symbols.value(value, f"the value of {name} in {self}", normal=True)
            residual = _slope(u) - g
            for face in self.faces(domain, periodic):
                trace = None
                if restriction is None and face.plane is not None:
                    along = with_normal(normal(face.plane.axis) * g, face)
                    trace = FaceTrace(name, 1, along)
                terms.append(Term(f"{name}.n on {self._label()}", residual, face, self.weight, trace, restriction))
        return terms


class Robin(_Values):
    """``alpha * u + beta * u.n = g`` as ``Robin(u=(alpha, beta, g), on="x+")``; each may be a function.

    Examples
    --------
    Cooling at a face, u.n = -3 (u - 20):

    >>> import hermite_pinn as hp
    >>> hp.Robin(u=(3.0, 1.0, 60.0), on="x+").on
    'x+'
    """

    def __init__(
        self,
        *,
        on: On = "boundary",
        weight: float | None = None,
        where: Callable[..., Any] | None = None,
        **values: Any,
    ) -> None:
        super().__init__(on, weight, where, {k: tuple(v) if isinstance(v, Sequence) else v for k, v in values.items()})
        for name, triple in values.items():
            if not (isinstance(triple, Sequence) and len(triple) == 3):
                raise InvalidProblemError(
                    f"Robin({name}=...) takes three entries (alpha, beta, g) for alpha*u + beta*u.n = g, got {triple!r}"
                )

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """Residuals of the condition, one per field and face."""
        restriction = self._restriction(symbols)
        terms: list[Term] = []
        for name, triple in self.values.items():
            u = symbols.field(name)
            labels = ("alpha", "beta", "g")
            alpha, beta, g = (
                symbols.value(v, f"{label} of {name} in {self}", normal=True)
                for label, v in zip(labels, triple, strict=True)
            )
            residual = alpha * u + beta * _slope(u) - g
            terms.extend(
                Term(f"{name} + {name}.n on {self._label()}", residual, face, self.weight, None, restriction)
                for face in self.faces(domain, periodic)
            )
        return terms


class Initial(Immutable):
    """Values at the start of time: ``Initial(u=lambda x: sin(x))``, and with ``u_t=`` the first time derivative.

    Parameters
    ----------
    weight
        As for :class:`Dirichlet`.
    values
        Number or function of the space coordinates by field ``u``, or by ``u_t`` for the derivative of ``u`` along
        ``t``.

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

    def __init__(self, *, weight: float | None = None, **values: Any) -> None:
        if not values:
            raise InvalidProblemError("Initial needs at least one field, for example Initial(u=0.0)")
        self.weight = _weight(weight)
        self.values = ReadOnly(values)

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
        for name, value in self.values.items():
            order, of = (1, name[:-2]) if name not in symbols.fields and name.endswith("_t") else (0, name)
            u, g = symbols.field(of), symbols.value(value, f"the value of {name} in {self}")
            residual = (u._raised([axis]) if order else u) - g
            terms.append(Term(f"{name} at t-", residual, face, self.weight, FaceTrace(of, order, with_normal(g, face))))
        return terms


class Periodic(Immutable):
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
            raise InvalidProblemError(f"Periodic takes names of axes, for example Periodic('x'); got {axes}")
        self.axes = axes

    def __repr__(self) -> str:
        return f"Periodic({', '.join(map(repr, self.axes))})"

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """No residual: the grid satisfies it."""
        return []


class Gauge(Immutable):
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
            raise InvalidProblemError(f"Gauge takes names of fields, for example Gauge('p'); got {fields}")
        self.fields = fields

    def __repr__(self) -> str:
        return f"Gauge({', '.join(map(repr, self.fields))})"

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """No residual: the method chooses among equal solutions."""
        return []


class Data(Immutable):
    """Measured values at points: ``Data(points, u=values)``, with noise ``Data(points, u=values, noise=0.1)``.

    Parameters
    ----------
    points
        (n, dim), coordinates in the order of the box's axes, inside the box.
    noise
        Standard deviation of the values: a number, (n,) numbers, or a dict of these by field; ``"auto"`` where it is
        the same for all points but not known.  Noisy data weigh little against the equations, so that the fields do
        not bend to fit the noise, and points with known noise in proportion to ``1 / noise**2``.  ``None`` (default):
        exact values, but with a :class:`Smoothness` in the problem as ``"auto"``.
    weight
        Mean square misfit, relative to that of the values, over the mean square of the equations' residuals relative to
        their sources: 1, for noisy data 1e-3.
    values
        (n,) numbers, or one number, by field.

    Raises
    ------
    InvalidProblemError
        For points, values and noise that are not finite or have other shapes, and for noise that is not positive.

    Examples
    --------
    >>> Data([[0.0, 0.5], [1.0, 0.5]], u=[1.0, 2.0], noise=0.1)
    Data(2 points, u)
    """

    def __init__(self, points: Any, *, noise: Any = None, weight: float | None = None, **values: Any) -> None:
        self.points = read_only(np.array(points, dtype=float, ndmin=2))
        if self.points.ndim != 2 or self.points.shape[0] == 0:
            raise InvalidProblemError(f"Data takes points of shape (n, dim) with n > 0, got {np.shape(points)}")
        if not np.isfinite(self.points).all():
            raise InvalidProblemError("the points of Data must be finite numbers")
        if not values:
            raise InvalidProblemError("Data needs values of at least one field, for example Data(points, u=values)")
        self.weight = _weight(weight)
        arrays: dict[str, np.ndarray] = {}
        for name, value in values.items():
            array = np.asarray(value)
            if np.iscomplexobj(array):
                raise InvalidProblemError(f"the values of {name} in Data are complex; fields are real")
            if array.ndim == 0:
                array = np.full(len(self.points), array)
            if array.shape != (len(self.points),):
                raise InvalidProblemError(
                    f"the values of {name} in Data have shape {array.shape}; for {len(self.points)} points it must be ({len(self.points)},)"
                )
            if not np.isfinite(array.astype(float)).all():
                raise InvalidProblemError(f"the values of {name} in Data must be finite numbers")
            arrays[name] = read_only(array.astype(float))
        self.values = ReadOnly(arrays)
        given = noise if isinstance(noise, Mapping) else dict.fromkeys(self.values, noise)
        for name in given:
            if name not in self.values:
                raise InvalidProblemError(
                    f"noise of Data names {name!r}, which has no values; it has {', '.join(self.values)}"
                )
        self.noise = ReadOnly({name: self._noise(name, given.get(name)) for name in self.values})

    def _noise(self, name: str, noise: Any) -> np.ndarray | str | None:
        if noise is None or (isinstance(noise, str) and noise == "auto"):
            return noise
        try:
            array = read_only(np.broadcast_to(np.asarray(noise, dtype=float), (len(self.points),)))
        except (TypeError, ValueError):
            array = np.array([np.nan])
        if not (np.isfinite(array).all() and (array > 0).all()):
            raise InvalidProblemError(
                f"the noise of {name} in Data takes positive standard deviations, one or {len(self.points)}, or 'auto', got "
                f"{noise!r}; leave it out for exact values"
            )
        return array

    def __repr__(self) -> str:
        return f"Data({len(self.points)} points, {', '.join(self.values)})"

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """One residual per field at the points."""
        if self.points.shape[1] != domain.dim:
            raise InvalidProblemError(
                f"{self}: points have {self.points.shape[1]} coordinates, the domain has {domain.dim} ({', '.join(domain.names)})"
            )
        outside = ~domain.contains(torch.as_tensor(self.points.T.copy()), slack=1e-9).numpy()
        if outside.any():
            raise InvalidProblemError(
                f"{self}: {int(outside.sum())} of {len(self.points)} points lie outside {domain}, the first at {self.points[outside][0].tolist()}"
            )
        points = np.clip(self.points, domain.lower, domain.upper)
        region = Points(points, {name: values.copy() for name, values in self.values.items()})
        return [
            Term(
                f"data {name}",
                symbols.field(name) - Expr("data", (), name),
                region,
                self.weight,
                noise=self.noise[name],
            )
            for name in self.values
        ]


class Condition(_OnFaces):
    """Any condition on faces: a function of fields, coordinates and parameters by name that is zero where it holds.

    ``u.n`` is the outward normal derivative and ``n`` the outward normal with the components ``n.x``, ``n.y``, also in
    the values of :class:`Dirichlet`, :class:`Neumann` and :class:`Robin`.

    Parameters
    ----------
    function
        Returns one residual, a tuple, or a dict of named residuals.
    on, weight, where
        As for :class:`Dirichlet`.
    name
        Of the residual in reports.

    Examples
    --------
    >>> Condition(lambda u, x, y: u.x + u.y - 1, on="x+", name="oblique")
    Condition(oblique, on='x+')
    >>> flux = Condition(lambda u, n, x: n.x * (1 + x) * u.x + n.y * u.y, name="flux")
    """

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
            raise InvalidProblemError(f"Condition takes a function such as lambda u, x: u.x - 1, got {function!r}")
        super().__init__(on, weight, where)
        self.function = function
        self.name = name

    def __repr__(self) -> str:
        return f"Condition({self.name}, on={self._label()!r})"

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """Residuals of the condition, one per component and face."""
        residuals = symbols.residuals(self.function, f"the function of {self}", self.name, normal=True)
        restriction = self._restriction(symbols)
        return [
            Term(f"{name} on {self._label()}", residual, face, self.weight, None, restriction)
            for name, residual in residuals.items()
            for face in self.faces(domain, periodic)
        ]
