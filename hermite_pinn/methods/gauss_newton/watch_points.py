"""Points at which a stage must have seen what the problem prescribes: peaks of sources and of conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.expressions.program import Leaf, Program, Value, depends_on, is_smooth
from hermite_pinn.geometry import Samples
from hermite_pinn.methods.systems.broken_axes import axes_of
from hermite_pinn.methods.systems.point_block import PointBlock
from hermite_pinn.methods.systems.rough_terms import is_averaged
from hermite_pinn.methods.systems.singular_columns import SingularColumns
from hermite_pinn.methods.systems.smoothed_fluxes import is_smoothed
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term
from hermite_pinn.residuals.corner_functions import corner_functions
from hermite_pinn.residuals.evaluation import restriction
from hermite_pinn.residuals.scales import rms

from .contact import Contact, contacts
from .forgotten_start import later, start_rate
from .peaks import candidates

__all__ = ["Watched", "WatchPoints"]

SCOUTS = 65536  # in the interior: a feature of a thousandth of a square is hit
FACE_SCOUTS = 16384
WATCHED, BLOCKS = 64, 256  # of the highest points, and parts of the box of which the highest is watched
STARTS = 4096  # points among which searches for peaks begin
PEAK = 3.0  # times the root mean square: a prescribed value that is watched
JUMP_POINTS = 32768
SPREAD = 1024  # points at which sizes of terms are taken
STATES, INSIDE = 4, 1e-9  # samples along an axis of a cell that tell jumps, and how far they lie within it
LAYER = 2  # cells on both sides over which jumps of fluxes are spread
OUTLIER = 8.0  # times the median: a residual that belongs to a jump


@dataclass(frozen=True)
class Watched:
    """Residuals at the watch points of a term.

    Attributes
    ----------
    term
        Number of the term in the problem.
    residual
        The largest.
    share
        Of what is prescribed there, at most.
    point
        Where the largest is, for messages.
    """

    term: int
    residual: float
    share: float
    point: str


@dataclass(frozen=True)
class _Group:
    """A term with the points to look at, and the sizes of what is prescribed there: the largest, and at every point."""

    number: int
    term: Term
    samples: Samples
    prescribed: float = 0.0
    sizes: torch.Tensor | None = None


def _highest(x: torch.Tensor, values: torch.Tensor, least: float) -> torch.Tensor:
    """Numbers of the points (dim, n) with the largest values above the least, and of the largest in parts of the box.

    Several narrow peaks differ in height; each has a point.
    """
    above = torch.nonzero(values > least)[:, 0]
    if not len(above):
        return above
    low, high = x.amin(1, keepdim=True), x.amax(1, keepdim=True)
    x, values = x[:, above], values[above]
    chosen = torch.topk(values, min(WATCHED, len(values))).indices
    count = max(2, round(BLOCKS ** (1.0 / len(x))))
    parts = ((x - low) / (high - low).clamp(min=1e-300) * count).long().clamp(0, count - 1)
    block = torch.zeros(x.shape[1], dtype=torch.int64)
    for row in parts:
        block = block * count + row
    order = torch.argsort(values)
    best = torch.full((count ** len(x),), -1, dtype=torch.int64)
    best[block[order]] = order  # the last one, with the largest value, stays
    return above[torch.cat([chosen, best[best >= 0]]).unique()]


class WatchPoints:
    """Looks once at the prescribed part of every term at many points, and remembers those where it is largest.

    A source between the points of a coarse level is invisible to it, and no change between levels tells of it.

    Parameters
    ----------
    problem
        What is solved.  Only peaks are watched: values above three times the root mean square.  Terms with kinks or
        jumps (``where``, ``abs``) are also watched at points spread over their region.

    Attributes
    ----------
    peaks, jumps
        What to look at; see :meth:`residuals` and :meth:`jump_means`.
    spread
        Points of the interior at which terms are compared.
    start_rate
        See :func:`.start_rate`.  Where it is not zero the start is forgotten, and residuals tell of the error at later
        times only, in which all points of ``spread`` lie then; see :meth:`residual_norms`.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.peaks: list[_Group] = []
        self.jumps: list[_Group] = []
        self.spread = problem.domain.interior.quasi_random(SPREAD, 1)
        self.start_rate = start_rate(problem)
        self.contacts = contacts(problem)
        if self.start_rate:
            self.spread = later(problem, self.spread)
        for number, term in enumerate(problem.terms):
            if term.region.measured is not None or term.region.penalty is not None:
                continue
            if not depends_on(term.residual, ["coordinate", "normal"]):
                continue  # the same everywhere
            count = SCOUTS if term.region.is_interior else FACE_SCOUTS
            samples = term.region.quasi_random(count, 0)
            if term.where is not None:
                samples = samples.take(restriction(term, problem, samples))
            values = self._prescribed(term, samples)
            if values is None or not samples.count:
                continue
            self._watch(number, term, samples, values)
            on_lines = problem.jumps_on_lines  # of the grid
            if term.region.is_interior and not on_lines and self._is_sampled(term):
                self.jumps.append(_Group(number, term, samples.take(slice(0, JUMP_POINTS))))

    def _is_sampled(self, term: Term) -> bool:
        """Whether an equation has jumps or kinks that are not spread over cells."""
        problem = self.problem
        if is_smooth(problem.plan.known(term.residual)):
            return False
        own = compile_term(problem, term)
        return not (is_averaged(problem, own) or is_smoothed(problem, own))

    def _watch(self, number: int, term: Term, samples: Samples, values: torch.Tensor) -> None:
        """Remember the peaks of a term among samples, and those that its expression tells of."""
        least = PEAK * float(values.square().mean().sqrt())
        parts = [samples.take(_highest(samples.x, values, least))]
        if term.region.is_interior and not self.problem.domain.is_cut:
            residual = self.problem.plan.known(term.residual)
            searched = Samples(candidates(self.problem, residual, samples.take(slice(0, STARTS))))
            found = self._prescribed(term, searched) if searched.count else None
            if found is not None:
                parts.append(searched.take(_highest(searched.x, found, least)))
        for part in parts:
            if part.count:
                sizes = self._prescribed(term, part)
                assert sizes is not None
                self.peaks.append(_Group(number, term, part, float(sizes.max()), sizes))

    def _prescribed(self, term: Term, samples: Samples) -> torch.Tensor | None:
        """Sizes (n,) of a term's residual where all fields are zero; None where they are not numbers."""
        env: dict[Leaf, Value] = dict(samples.leaves(self.problem.domain.names))
        env |= {("parameter", p.name): p.init for p in self.problem.parameters}
        value = compile_term(self.problem, term).evaluate(env, {})[0]
        if not isinstance(value, torch.Tensor):
            return None
        sizes = value.expand(samples.count).abs().to(torch.float64)
        return sizes if bool(torch.isfinite(sizes).all()) else None

    def residuals(
        self, basis: str, resolution: tuple[int, ...], finest: torch.Tensor, parameters: dict[str, float]
    ) -> list[Watched]:
        """Residuals of a state at the watch points.

        Parameters
        ----------
        basis, resolution, finest
            The finest level and its coefficients (fields, ...).
        parameters
            Values of the unknown parameters.
        """
        found = []
        for group in self.peaks:
            sizes = self._at(group, basis, resolution, finest, parameters)
            if group.term.region.is_interior:
                cell = [a / n for a, n in zip(self.problem.domain.lengths, resolution, strict=True)]
                near = self.nearness(group.samples.x, np.array(cell))
                sizes = sizes * torch.as_tensor(near, dtype=sizes.dtype)
                sizes = torch.where(self._spread_there(group, cell), 0.0, sizes)
            worst = int(sizes.argmax())
            names, point = self.problem.domain.names, group.samples.x[:, worst].tolist()
            text = ", ".join(f"{name}={value:.4g}" for name, value in zip(names, point, strict=True))
            residual = float(sizes[worst])
            found.append(Watched(group.number, residual, residual / group.prescribed, text))
        return found

    def _spread_there(self, group: _Group, cell: Sequence[float]) -> torch.Tensor:
        """At which points (n,) something jumps within the cell, or a few cells around, over which it is spread.

        The residual of the equation itself, which is not that of the level, is as large as the jump there.
        """
        problem, x = self.problem, group.samples.x
        own = compile_term(problem, group.term)
        around = LAYER if is_smoothed(problem, own) else 0 if is_averaged(problem, own) else None
        if around is None:
            return torch.zeros(x.shape[1], dtype=torch.bool)
        domain = problem.domain
        inside = torch.linspace(-around + INSIDE, 1 + around - INSIDE, STATES * (1 + 2 * around), dtype=torch.float64)
        env: dict[Leaf, Value] = {}
        for axis, (name, h) in enumerate(zip(domain.names, cell, strict=True)):
            lower, upper = domain.bounds[name]
            corner = lower + h * ((x[axis].to(torch.float64) - lower) / h).floor()
            places = (corner[:, None] + h * inside).clamp(lower, upper)
            env[("coordinate", name)] = places.reshape(
                [-1] + [len(inside) if i == axis else 1 for i in range(domain.dim)]
            )
        shape = [x.shape[1]] + [len(inside)] * domain.dim
        found = torch.zeros(x.shape[1], dtype=torch.bool)
        for value in Program(problem.rough).run(env):
            states = torch.as_tensor(value, dtype=torch.float64).expand(shape).flatten(1)
            found |= states.amax(1) > states.amin(1)
        return found

    def nearness(self, x: torch.Tensor, cells: np.ndarray) -> np.ndarray:
        """Factors (n,) of points (dim, n): distances to sides with exact values in cells, where they are less than one.

        There a source moves the fields the less the closer it is.

        Parameters
        ----------
        cells
            Lengths of the cells in which the points lie, (dim,), or (n, dim).
        """
        domain, factors = self.problem.domain, np.ones(x.shape[1])
        for axis, side in self._pinned:
            bound = (domain.lower, domain.upper)[side][axis]
            factors *= np.minimum(np.abs(x[axis].numpy() - bound) / cells[..., axis], 1.0)
        return factors

    @cached_property
    def _pinned(self) -> list[tuple[int, int]]:
        """Sides of the box, but for those of time, on which the values of all fields are prescribed."""
        held: dict[tuple[int, int], set[str]] = {}
        for term in self.problem.terms:
            plane = term.region.plane
            if term.trace is not None and term.trace.order == 0 and plane is not None and term.where is None:
                held.setdefault((plane.axis, plane.side), set()).add(term.trace.field)
        time, fields = self.problem.domain.time_axis, set(self.problem.fields)
        return [place for place, names in held.items() if names == fields and place[0] != time]

    def jump_means(
        self, basis: str, resolution: tuple[int, ...], finest: torch.Tensor, parameters: dict[str, float]
    ) -> dict[int, float]:
        """By term with kinks or jumps, the mean over the region of residuals far above the median: what lies there."""
        means: dict[int, float] = {}
        for group in self.jumps:
            sizes = self._at(group, basis, resolution, finest, parameters)
            far = torch.where(sizes > OUTLIER * sizes.median(), sizes, 0.0)
            means[group.number] = float(far.mean())
        return means

    def term_norms(
        self, basis: str, resolution: tuple[int, ...], finest: torch.Tensor, parameters: dict[str, float]
    ) -> list[float]:
        """By equation, how large its terms are at a state: the root mean square of the largest, the source included."""
        equations = self._equations
        block = self._block(equations, self.spread, basis, resolution, finest, parameters)
        env = dict(self.spread.to(finest.device, finest.dtype).leaves(self.problem.domain.names))
        env |= {("parameter", name): value for name, value in parameters.items()}
        jets, norms = block.jets(finest), []
        for term in equations:
            source, _, _ = term.evaluate(env, {})
            _, variable, _ = term.evaluate(env, jets)
            norms.append(max(rms(source), *(rms(s * jets[j]) for j, s in (term.constant | variable).items())))
        return norms

    def free_boundaries(
        self, basis: str, resolution: tuple[int, ...], finest: torch.Tensor, parameters: dict[str, float]
    ) -> list[Contact]:
        """The choices of which a state takes different pieces at different points."""
        if not self.contacts:
            return []
        block = self._block(self._equations, self.spread, basis, resolution, finest, parameters)
        env: dict[Leaf, Value] = dict(self.spread.to(finest.device, finest.dtype).leaves(self.problem.domain.names))
        env |= {("parameter", name): value for name, value in parameters.items()}
        env |= {("jet", j): value for j, value in block.jets(finest).items()}
        return [c for c in self.contacts if c.takes_both(env)]

    def residual_norms(
        self, basis: str, resolution: tuple[int, ...], finest: torch.Tensor, parameters: dict[str, float]
    ) -> dict[str, float]:
        """Root mean squares of the residuals of the equations at the points at which terms are compared."""
        equations = self._equations
        block = self._block(equations, self.spread, basis, resolution, finest, parameters)
        rows = block.linearize(finest, parameters)
        return {t.name: rms(r) for t, r in zip(equations, rows, strict=True)}

    @cached_property
    def _equations(self) -> list[CompiledTerm]:
        return [compile_term(self.problem, t) for t in self.problem.terms if t.region.is_interior]

    def _at(
        self,
        group: _Group,
        basis: str,
        resolution: tuple[int, ...],
        finest: torch.Tensor,
        parameters: dict[str, float],
    ) -> torch.Tensor:
        samples = Samples(group.samples.x, 1.0, group.samples.normals)
        terms = [compile_term(self.problem, group.term)]
        block = self._block(terms, samples, basis, resolution, finest, parameters)
        sizes = block.linearize(finest, parameters)[0].abs().to("cpu", torch.float64)
        return torch.where(torch.isfinite(sizes), sizes, math.inf)

    def _block(
        self,
        terms: Sequence[CompiledTerm],
        samples: Samples,
        basis: str,
        resolution: tuple[int, ...],
        finest: torch.Tensor,
        parameters: dict[str, float],
    ) -> PointBlock:
        axes = axes_of(self.problem)
        block = PointBlock(
            terms, self.problem.fields, tuple(parameters), basis, resolution, axes, samples, None, finest.dtype,
            finest.device,
        )  # fmt: skip
        corners = corner_functions(self.problem).basis
        if len(corners):
            block.singular = SingularColumns.of(corners, block)
        return block
