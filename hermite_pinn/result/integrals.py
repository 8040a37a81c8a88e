"""Integrals of what a solution says: over axes, parts of axes, faces, or the whole domain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from hermite_pinn.checks import number, refuse, spelled
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.expressions.complex_values import PARTS
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Program
from hermite_pinn.expressions.trace import Symbols

from .complex_function import complex_names
from .coordinates import broadcast_coordinates
from .derivatives import highest_order
from .evaluable import PIECE, Evaluable
from .integration_places import place_of
from .quadrature import Place

__all__ = ["Marginal", "integrate"]

TOL = {False: 1e-6, True: 1e-3}  # of a quadrature, by whether shapes cut the domain
HALVINGS = 5  # of the cells before a quadrature that does not settle is refused
ROUNDING = 1e-13
UNITS: tuple[complex, complex] = 1.0, 1j
ACCEPTABLE = 1e-2  # uncertainty beyond which nobody is told to accept it
ACCEPTED = "the name of a field, or a function of fields and coordinates by name such as lambda u, x: x * u**2"


class Marginal:
    """An integral over some axes as a function of the others; call it with their coordinates.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(
    ...     hp.Box(x=(0, 1), y=(0, 1)),
    ...     "u",
    ...     lambda u, x, y: u.laplacian - 2 * y,
    ...     [hp.Dirichlet(u=lambda x, y: x**2 * y)],
    ... )
    >>> along_x = hp.solve(problem, progress=False).integrate(over="x")
    >>> along_x, round(along_x(0.6), 6)
    (<integral of u over x as a function of y>, 0.2)
    """

    def __init__(self, label: str, axes: Sequence[str], evaluate: Callable[[Mapping[str, Any]], Any]) -> None:
        self._label, self._axes, self._evaluate = label, tuple(axes), evaluate

    def __repr__(self) -> str:
        return f"<{self._label} as a function of {', '.join(self._axes)}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The integral at numbers or arrays, one per free axis, in their order or by name; they are broadcast.

        Raises
        ------
        InvalidArgumentError
            For other coordinates, points outside, and integrals that do not settle.
        """
        named = dict(zip(self._axes, args, strict=False)) | kwargs
        if len(args) + len(kwargs) != len(self._axes) or set(named) != set(self._axes):
            raise InvalidArgumentError(
                f"the {self._label} takes the coordinates {', '.join(self._axes)}, got {len(args)} positional"
                + (f" and {', '.join(kwargs)}" if kwargs else "")
            )
        return self._evaluate(named)


class Integrand:
    """An expression of fields, coordinates and normals, evaluated at points.

    Parameters
    ----------
    owner
        Whose fields they are.
    expression
        Of them.
    parameters
        Values of the parameters that it may name.
    """

    def __init__(self, owner: Evaluable, expression: Expr, parameters: Mapping[str, float]) -> None:
        self._owner, self._program = owner, Program([expression])
        self._parameters = {("parameter", name): value for name, value in parameters.items()}
        used = sorted({data for kind, data in self._program.leaves if kind == "jet"})
        self._orders = sorted({orders for _, orders in used})
        self._jets = used

    @property
    def has_normals(self) -> bool:
        """Whether it depends on the outward normal."""
        return any(kind == "normal" for kind, _ in self._program.leaves)

    def __call__(self, x: np.ndarray, normals: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Values (n,) at points (dim, n), and the sizes (n,) of the fields and derivatives of which they are made."""
        env: dict[Any, Any] = dict(self._parameters)
        env |= {("coordinate", n): torch.as_tensor(c) for n, c in zip(self._owner.domain.names, x, strict=True)}
        env |= {("normal", i): torch.as_tensor(c) for i, c in enumerate(() if normals is None else normals)}
        made_of = np.zeros(x.shape[1])
        if self._jets:
            channels = Channels(self._owner.domain.dim, tuple(((1.0, orders),) for orders in self._orders))
            values = torch.as_tensor(self._owner.at_points(x.T, channels, slack=np.inf))
            for field, orders in self._jets:
                row = values[self._owner.fields.index(field), self._orders.index(orders)]
                env[("jet", (field, orders))] = row
                made_of += row.abs().numpy()
        found = np.asarray(self._program.run(env)[0], dtype=np.float64)
        return np.broadcast_to(found, x.shape[1]), made_of


class Sums(NamedTuple):
    """A quadrature at the free points, (free,): of values, of their sizes, and of those of what they are made of."""

    value: np.ndarray
    size: np.ndarray
    made_of: np.ndarray


def integrate(owner: Evaluable, expression: Any, over: Any, parameters: Mapping[str, float], tol: float | None) -> Any:
    """See :meth:`hermite_pinn.Solution.integrate`."""
    traced = _traced(owner, expression, parameters)
    place = place_of(owner, over)
    accepted = TOL[owner.domain.is_cut] if tol is None else number("tol", tol, above=0.0, otherwise="None")
    made = []
    for factor, part in traced:
        integrand = Integrand(owner, part, parameters)
        if integrand.has_normals and not _normals(place):
            raise InvalidArgumentError(
                f"the integral of {part} depends on the outward normal, which is there on faces only; give over= a face such "
                f"as {owner.domain.faces[0].name!r}, or 'boundary'"
            )
        made.append((factor, integrand, f"integral of {part} over {_spelled(over)}"))
    free = [name for i, name in enumerate(owner.domain.names) if i not in place.axes]
    if not free:
        at = np.zeros((0, 1))
        return sum(f * float(_settled(owner, i, place, at, accepted, label)[0]) for f, i, label in made)

    def evaluate(named: Mapping[str, Any]) -> Any:
        spread = _free_points(owner, named)
        flat = np.stack([a.ravel() for a in spread])
        parts = [f * _settled(owner, i, place, flat, accepted, label) for f, i, label in made]
        values = np.sum(parts, axis=0).reshape(spread[0].shape)
        return values if values.ndim else values.item()

    return Marginal(made[0][2], free, evaluate)


def _traced(owner: Evaluable, expression: Any, parameters: Mapping[str, float]) -> list[tuple[complex, Expr]]:
    """What is integrated: one expression with the factor 1, or real and imaginary part with 1 and the unit."""
    named = complex_names(owner.fields)
    if expression is None:
        parts = {f"{name}_{part}" for name in named for part in PARTS}
        single = [*named, *(f for f in owner.fields if f not in parts)]
        if len(single) > 1:
            raise InvalidArgumentError(f"say what to integrate: one of {', '.join(single)}, or {ACCEPTED}")
        expression = single[0]
    domain = owner.domain
    most = highest_order(owner.field) * (domain.dim if owner.field.linear else 1)
    symbols = Symbols(owner.fields, domain.names, tuple(parameters), most, named)
    try:
        if isinstance(expression, str):
            return list(zip(UNITS, map(symbols.field, symbols.parts(expression)), strict=False))
        if not callable(expression) or isinstance(expression, type):
            refuse("the expression", expression, ACCEPTED, otherwise="None")
        found = symbols.residuals(expression, "the expression to integrate", "it", normal=True)
    except InvalidProblemError as error:
        raise InvalidArgumentError(str(error)) from error
    if len({name.split()[0] for name in found}) != 1:
        raise InvalidArgumentError(f"the expression to integrate is one, got {len(found)}; integrate them one by one")
    return [(UNITS[name.endswith(f" {PARTS[1]}")], part) for name, part in found.items()]


def _normals(place: Place) -> bool:
    return next(place.parts(0, 1)).normals is not None


def _spelled(over: Any) -> str:
    if over is None:
        return "the domain"
    if isinstance(over, str):
        return over
    if isinstance(over, Mapping):
        return ", ".join(f"{n} in {spelled(b)}" for n, b in over.items())
    return ", ".join(map(str, over))


def _free_points(owner: Evaluable, named: Mapping[str, Any]) -> list[np.ndarray]:
    """Coordinates along the free axes, broadcast, in their order."""
    domain = owner.domain
    values = [named.get(name, lower) for name, lower in zip(domain.names, domain.lower, strict=True)]
    spread = broadcast_coordinates(domain, values)
    if not domain.is_cut or any(i in domain.space_axes for i, name in enumerate(domain.names) if name in named):
        spread = broadcast_coordinates(domain, values, owner.periodic)
    return [t.detach().cpu().numpy() for t, name in zip(spread, domain.names, strict=True) if name in named]


def _settled(
    owner: Evaluable, integrand: Integrand, place: Place, free: np.ndarray, tol: float, label: str
) -> np.ndarray:
    """The integral at free points (axes, n), by rules of two orders that agree, on cells halved until they do.

    Raises
    ------
    InvalidArgumentError
        If they do not, or the integrand is not finite.
    """
    points = owner.field.encoder.highest_order + 1
    value = gap = scale = 0.0
    for halvings in range(HALVINGS + 1):
        low, high = (_sums(owner, integrand, place, free, halvings, p) for p in (points, points + 2))
        if owner.domain.is_cut:  # whose rule is one of cells, not of points in them
            low, high = low, _sums(owner, integrand, place, free, halvings + 1, points)
        if not (np.isfinite(low.value).all() and np.isfinite(high.value).all()):
            raise InvalidArgumentError(f"the {label} is not finite: the integrand is infinite or undefined somewhere")
        scale = float(high.size.max(initial=0.0))
        gap = float(np.abs(high.value - low.value).max(initial=0.0))
        value = float(high.value.ravel()[0]) if high.value.size else 0.0
        if gap <= max(tol * scale, ROUNDING * float(high.made_of.max(initial=0.0))):
            return high.value
    relative = gap / max(scale, 1e-300)
    accept = f", or accept the uncertainty by tol={1.5 * relative:.1g}" if relative < ACCEPTABLE else ""
    raise InvalidArgumentError(
        f"the {label} does not settle: {value:.8g}, uncertain by {gap:.2g} of the {scale:.3g} that the size of the "
        f"integrand gives, on cells halved {HALVINGS} times; it diverges, or has a singularity: leave that out by "
        f"over={{axis: (lower, upper)}}{accept}"
    )


def _sums(owner: Evaluable, integrand: Integrand, place: Place, free: np.ndarray, halvings: int, points: int) -> Sums:
    """One rule at free points (axes, n)."""
    count = free.shape[1]
    value, size, made_of = np.zeros(count), np.zeros(count), np.zeros(count)
    others = [i for i in range(owner.domain.dim) if i not in place.axes]
    for part in place.parts(halvings, points):
        n = part.x.shape[1]
        for chosen in _batches(count, n):
            k = chosen.stop - chosen.start
            x = np.empty((owner.domain.dim, k, n))
            x[list(place.axes)] = part.x[:, None, :]
            x[others] = free[:, chosen, None]
            normals = None if part.normals is None else np.tile(part.normals, k)
            values, sizes = (a.reshape(k, n) for a in integrand(x.reshape(owner.domain.dim, -1), normals))
            value[chosen] += values @ part.weights
            size[chosen] += np.abs(values) @ np.abs(part.weights)
            made_of[chosen] += sizes @ np.abs(part.weights)
    return Sums(value, size, made_of)


def _batches(count: int, each: int) -> Iterator[slice]:
    step = max(1, PIECE // max(each, 1))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))
