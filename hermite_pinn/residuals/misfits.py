"""How well a field satisfies every term of a problem, against the sizes of what each term adds up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.field.field import GridField
from hermite_pinn.field.sampling import grid_jets
from hermite_pinn.geometry import Region, Samples
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term

from .compiled import CompiledTerm, Jet, channels_of, compile_term
from .evaluation import TermEvaluator, restriction
from .scales import rms, sobol_points, source_norms

__all__ = ["TermMisfit", "smooth_part", "term_misfits"]

FACE_POINTS = 256
POINTS = 4096  # on faces of which a condition keeps a part
GRID_POINTS = 512  # at which sizes of jets are taken
SEED = 7919
NEGLIGIBLE = 1e-6  # of the size assumed for an equation, or of a condition: smaller terms are no measure for the rest
ROUNDED = 1e-8  # of what a derivative by a parameter might be: it is rounding
DOUBTFUL = 5e-5  # of the size of a condition: a larger residual is compared with what its terms might be


@dataclass(frozen=True)
class TermMisfit:
    """What a field leaves of a term.

    Attributes
    ----------
    term
        The term.
    values
        Its residual at points where no method was asked to satisfy it, or at its measured points: (n,), float64, on
        the host.
    points
        Those points, (dim, n).
    size
        Root mean square of the largest thing the term adds up: its source, and its derivatives by the jets times the
        jets.  Conditions are measured by the field's size in the whole domain where it is larger there.
    assumed
        Size of an equation before it was solved: its source, or what it makes of functions of unit size (see
        :func:`source_norms`); 0 for other terms.
    reach
        Size of the field in the domain over that of the measured values; 1 for other terms.
    sensitivities
        Root mean squares of the derivatives of the residual by the parameters, by name; 0 where they are nothing but
        rounding, beside what they are of fields that vary over the domain as much as they are large.
    faded
        Whether the parameters have made an equation vanish, beside what it was at their first values.
    """

    term: Term
    values: torch.Tensor
    points: torch.Tensor
    size: float
    assumed: float = 0.0
    reach: float = 1.0
    sensitivities: Mapping[str, float] = dataclass_field(default_factory=dict)
    faded: bool = False

    @property
    def rms(self) -> float:
        """Root mean square of the residual."""
        return rms(self.values)

    @property
    def relative(self) -> float:
        """Root mean square of the residual over the size of the term; 0 where both vanish."""
        return _ratio(self.rms, self.size)

    @property
    def unsolved(self) -> float:
        """As :attr:`relative`, but of the assumed size where that is larger: near 1 where nothing was solved."""
        return _ratio(self.rms, max(self.size, self.assumed))

    @property
    def typical(self) -> float:
        """As :attr:`relative`, without the twentieth of the points where the residual is largest."""
        if not self.relative > 0 or math.isinf(self.relative):
            return self.relative
        squares = self.values.square().sort().values
        return math.sqrt(float(squares[: max(1, math.ceil(0.95 * len(squares)))].mean())) / self.size


def _ratio(left: float, size: float) -> float:
    if left == 0.0:
        return 0.0
    return left / size if size > 0 else math.inf


def term_misfits(problem: Problem, field: GridField, parameters: Mapping[str, float]) -> list[TermMisfit]:
    """Misfits of all terms but penalties, in the order of the problem's terms.

    Parameters
    ----------
    problem
        The problem.
    field
        What is said to solve it.
    parameters
        Values of the unknown parameters.

    Returns
    -------
    list
        The interior terms at 4,096 quasi-random points, conditions at 256, data at their points.
    """
    return list(_Misfits(problem, field.collapsed(), parameters).all())


class _Misfits:
    """Evaluates the terms.

    Sizes of jets are taken on coarse tensor grids where the field is summed up axis by axis, and else from the channels
    that the residuals need anyway: no kernel is compiled for them.
    """

    def __init__(self, problem: Problem, field: GridField, parameters: Mapping[str, float]) -> None:
        self.problem, self.field, self.parameters = problem, field, parameters
        self.terms = [compile_term(problem, t) for t in problem.terms if t.region.penalty is None]
        middle = [np.array([0.5 * (a + b)]) for a, b in problem.domain.bounds.values()]
        value = Channels.value(problem.domain.dim)
        self.separable = (
            field.linear and field.boundary_factor is None and field.encoder.tensor_jets(middle, value) is not None
        )
        self._sizes: dict[Jet, float] = {}
        self._jets_inside: tuple[Samples, dict[Jet, Value]] | None = None

    def all(self) -> Iterator[TermMisfit]:
        norms = iter(source_norms(self.problem))
        for t in self.terms:
            if t.term.region.is_interior:
                yield self._equation(t, next(norms))
            else:
                yield from self._condition(t)

    def _equation(self, term: CompiledTerm, assumed: float) -> TermMisfit:
        region = term.term.region
        samples = self._inside
        points, jets = self._jets(term, region, samples)
        source, derivatives, sensitivities = self._parts(term, points, jets)
        size = math.hypot(source, *(rms(s * jets[j]) for j, s in derivatives.items()))
        size = max(size, NEGLIGIBLE * assumed)
        faded = bool(sensitivities) and self._has_faded(term, points)
        return TermMisfit(term.term, self._values(term, samples), samples.x, size, assumed, 1.0, sensitivities, faded)

    def _condition(self, term: CompiledTerm) -> Iterator[TermMisfit]:
        """The misfit of a condition; nothing where its restriction keeps none of the points."""
        region = term.term.region
        samples = region.measured or self._on_face(region, FACE_POINTS if term.term.where is None else POINTS)
        if term.term.where is not None:
            samples = samples.take(restriction(term.term, self.problem, samples))
        if not samples.count:
            return
        points, jets = self._jets(term, region, samples)
        source, derivatives, sensitivities = self._parts(term, points, jets)
        sizes = self._sizes_inside(term)
        own = math.hypot(*(rms(s * jets[j]) for j, s in derivatives.items()))
        whole = math.hypot(*(rms(s) * sizes[j] for j, s in derivatives.items()))
        values = self._values(term, samples)
        if region.measured is None:
            size, reach = math.hypot(source, max(own, whole)), 1.0
            if rms(values) > DOUBTFUL * size:
                size = max(size, NEGLIGIBLE * self._natural(term, derivatives))
        else:
            size = source if source > 0 else whole
            reach = max(1.0, whole / size) if size > 0 else 1.0
        yield TermMisfit(term.term, values, samples.x, size, 0.0, reach, sensitivities)

    def _has_faded(self, term: CompiledTerm, points: Samples) -> bool:
        """Whether an equation is next to nothing at the values of the parameters, whatever the fields are."""
        jets, sizes = self._natural_jets(term), []
        zero: dict[Jet, Value] = dict.fromkeys(term.jets, torch.zeros((), dtype=torch.float64))
        for values in (self.parameters, {p.name: p.init for p in self.problem.parameters}):
            env: dict[Leaf, Value] = dict(points.leaves(self.problem.domain.names))
            env |= {("parameter", name): value for name, value in values.items()}
            derivatives = term.constant | term.evaluate(env, jets)[1]
            source = rms(term.evaluate(env, zero)[0])
            sizes.append(math.hypot(source, *(rms(s * jets[j]) for j, s in derivatives.items())))
        now, first = sizes
        return now < NEGLIGIBLE * first

    def _natural_jets(self, term: CompiledTerm) -> dict[Jet, Value]:
        """Sizes of the jets of a term for fields that vary over the domain as much as they are large."""
        lengths, sizes = self.problem.domain.lengths, self._field_sizes
        found: dict[Jet, Value] = {}
        for f, o in term.jets:
            size = sizes[f] * math.prod(a**-m for a, m in zip(lengths, o, strict=True))
            found[f, o] = torch.tensor(size, dtype=torch.float64)
        return found

    def _natural(self, term: CompiledTerm, derivatives: Mapping[Jet, Value]) -> float:
        """The size of a condition's terms for such fields."""
        jets = self._natural_jets(term)
        return math.hypot(*(rms(s * jets[j]) for j, s in derivatives.items()))

    @cached_property
    def _field_sizes(self) -> dict[str, float]:
        """Root mean squares of the fields in the domain."""
        x = self._inside.x.to(self.field.device, self.field.dtype)
        values = self.field.evaluate(x, Channels.value(self.problem.domain.dim))[:, 0].to("cpu", torch.float64)
        return dict(zip(self.problem.fields, (rms(v) for v in values), strict=True))

    @cached_property
    def _inside(self) -> Samples:
        known = sobol_points(self.problem)
        return Samples(torch.stack([torch.as_tensor(known["coordinate", n]) for n in self.problem.domain.names]))

    @staticmethod
    def _on_face(region: Region, count: int) -> Samples:
        return region.random(count, torch.Generator().manual_seed(SEED), torch.float64)

    def _values(self, term: CompiledTerm, samples: Samples) -> torch.Tensor:
        at = samples.to(self.field.device, self.field.dtype)
        with torch.no_grad():
            rows = TermEvaluator([term.term], self.problem).residuals(
                self.field, at.x, self.parameters, at.columns, normals=at.normals
            )
        return rows[0].to("cpu", torch.float64)

    def _sizes_inside(self, term: CompiledTerm) -> Mapping[Jet, float]:
        """Sizes in the whole domain of the jets that a condition uses."""
        if not self._sizes.keys() >= set(term.jets):
            interior = self.problem.domain.interior
            _, jets = self._jets(term, interior, self._inside)
            self._sizes |= {jet: rms(value) for jet, value in jets.items()}
        return self._sizes

    def _jets(self, term: CompiledTerm, region: Region, samples: Samples) -> tuple[Samples, dict[Jet, Value]]:
        """Jets that a term uses, at points of a region, and those points."""
        terms = self.terms if self.separable and region.is_interior else [term]
        orders = sorted({o for t in terms for _, o in t.jets})
        names = self.problem.fields
        if not orders:
            return samples, {}
        if self.separable and region.is_interior and self._jets_inside is not None:
            return self._jets_inside
        grid = self._grid(region) if self.separable and samples.count > 1 and term.term.where is None else None
        if grid is not None and grid.axes is not None:
            channels = Channels(self.problem.domain.dim, tuple(((1.0, o),) for o in orders))
            values = grid_jets(self.field, [r.points for r in grid.axes], channels).flatten(2).to("cpu", torch.float64)
            found: dict[Jet, Value] = {
                (name, o): values[i, k] for i, name in enumerate(names) for k, o in enumerate(orders)
            }
            if region.is_interior:
                self._jets_inside = grid, found
            return grid, found
        channels, place = channels_of(self.problem, [term])
        values = self.field.evaluate(samples.x.to(self.field.device, self.field.dtype), channels)
        values = values.to("cpu", torch.float64)
        return samples, {
            (name, o): values[i, place[o]] if o in place else torch.zeros((), dtype=torch.float64)
            for i, name in enumerate(names)
            for o in orders
        }

    def _grid(self, region: Region) -> Samples | None:
        """Gauss points of a coarse tensor grid in a region; None where it has no such grid."""
        dim = self.problem.domain.dim
        samples = region.gauss((max(2, round(GRID_POINTS ** (1.0 / dim) / 3)),) * dim, 3)
        return None if samples.axes is None else samples

    def _parts(
        self, term: CompiledTerm, samples: Samples, jets: Mapping[Jet, Value]
    ) -> tuple[float, dict[Jet, Value], dict[str, float]]:
        """Size of the source, derivatives by the jets, and sizes of those by the parameters."""
        env: dict[Leaf, Value] = dict(samples.leaves(self.problem.domain.names))
        env |= {("parameter", name): value for name, value in self.parameters.items()}
        zero: dict[Jet, Value] = dict.fromkeys(term.jets, torch.zeros((), dtype=torch.float64))  # 1 / 0 is no error
        source = rms(term.evaluate(env, zero)[0])
        _, variable, by_parameter = term.evaluate(env, jets)
        sensitivities = {name: rms(s) for name, s in by_parameter.items()}
        if any(s > 0 for s in sensitivities.values()) and term.jets:
            natural = term.evaluate(env, self._natural_jets(term))[2]
            sensitivities = {k: s if s > ROUNDED * rms(natural[k]) else 0.0 for k, s in sensitivities.items()}
        return source if math.isfinite(source) else 0.0, term.constant | variable, sensitivities


def smooth_part(values: torch.Tensor, points: torch.Tensor, degree: int) -> float:
    """Part of the mean square of values that polynomials explain.

    What discretisation leaves of an equation oscillates from cell to cell: it is orthogonal to what the equation makes
    of the functions of the grid, which come close to any smooth function if there is a solution.  A contradiction
    between equations and conditions leaves a smooth residual.

    Parameters
    ----------
    values
        (n,).
    points
        (dim, n).
    degree
        Of the polynomials, all coordinates together.

    Returns
    -------
    float
        Between 0 and 1; of values that know nothing of each other about the number of polynomials over that of points.

    Examples
    --------
    >>> x = torch.linspace(0, 1, 1000, dtype=torch.float64)
    >>> round(smooth_part(x - x**2, x[None], 2), 6), smooth_part(torch.sin(300 * x), x[None], 2) < 0.01
    (1.0, True)
    """
    total = float(values.square().mean())
    if not total > 0 or not math.isfinite(total):
        return 0.0
    columns = _polynomials(points.to(torch.float64), degree)
    gram, products = columns @ columns.T / len(values), columns @ values / len(values)
    explained = float(products @ torch.linalg.pinv(gram, rtol=1e-10, hermitian=True) @ products)
    return min(1.0, max(0.0, explained / total))


def _polynomials(points: torch.Tensor, degree: int) -> torch.Tensor:
    """Products of Legendre polynomials of the coordinates that vary, up to a total degree, (k, n)."""
    columns = [(0, torch.ones_like(points[0]))]
    for x in points:
        low, high = x.min(), x.max()
        if not high > low:
            continue
        z = (2.0 * x - low - high) / (high - low)
        powers = [torch.ones_like(z), z]
        for k in range(1, degree):
            powers.append(((2 * k + 1) * z * powers[k] - k * powers[k - 1]) / (k + 1))
        columns = [(d + k, c * powers[k]) for d, c in columns for k in range(degree + 1 - d)]
    return torch.stack([c for _, c in columns])
