"""Rows of a problem on a cut domain: where the points are and how much every row weighs.

Residuals are taken at Gauss points of whole cells, also where these lie outside the domain: no cell is clipped, and the
equation itself holds on to the coefficients that the inside determines badly.  All rows of a cell weigh the part of it
that is inside, but no less than a tenth.  The weight does not vary in a cell because Gauss points integrate what is
smooth; a jump would cost conditions on slopes up to an order and a half.
Where something is not defined outside, cells at the boundary are divided and have points inside alone.
Cells that the boundary passes through have more points.  Rows on the boundary weigh as much as soft conditions of a
box, times :data:`FIRM`; equations of lower order in a system, as the conservation of mass, and with them the boundary,
weigh :data:`CONSERVED` squared times as much as their sizes say: a flow that loses mass between its ends satisfies the
equations of momentum only too well.  All rows are multiplied by ``min(1, max(r, h/4) / r0)`` at a distance r from
re-entrant corners and edges, where a least-squares solution would otherwise be wrong without any symptom; by the root
of that where singular functions do most of the work.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.tensor_grid.axis import evaluation_matrix
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.geometry import Region, Samples, Span, gauss_axis
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.adn_weights import are_conserved, derived_rows
from hermite_pinn.residuals.compiled import CompiledTerm, compile_term
from hermite_pinn.residuals.corner_functions import corner_functions
from hermite_pinn.residuals.evaluation import restriction
from hermite_pinn.residuals.reference_state import reference_state

from .cell_channels import CellPoints, PointGroup, TimeRule
from .compact_block import CompactBlock, Placement
from .compact_point_block import CompactPointBlock
from .cut_block import CutBlock
from .cut_constraints import inward
from .grid_rows import GridRows
from .level_cells import LevelCells, contained, level_cells

__all__ = ["CutRows"]

CONSERVED = 8.0  # root of the weight of mass against momentum
FAINT = 1e-6  # root of the weight of such points outside, with the residual of the nearest inside: no column vanishes
SUBCELLS = {2: 4, 3: 2}  # by the number of axes, parts of a cell along each where points inside alone are taken

TRIES = 100  # positions of points in cells that a thin domain may miss altogether
OUTSIDE = 0.1  # least weight of the residuals of a cell
FIRM = 3.0  # of the weight of boundary rows, against that of soft rows of a box
REACH = 0.06  # of the longest edge: distance from re-entrant places from which on rows have their full weight


class CutRows(GridRows):
    """Makes the blocks of a :class:`~hermite_pinn.methods.systems.cut_system.CutSystem`; see :class:`GridRows`.

    Attributes
    ----------
    undefined
        Whether something was not finite at points outside the domain, so that points inside alone were taken.
    """

    undefined = False

    @property
    def space(self) -> tuple[int, ...]:
        """Numbers of the space axes."""
        return self.problem.domain.space_axes

    @property
    def time(self) -> int | None:
        """Number of the time axis, or None."""
        return self.problem.domain.time_axis

    @property
    def level(self) -> LevelCells:
        """The cells of the finest level."""
        return level_cells(self.problem, self.basis, self.resolution)

    def _points_per_axis(self, soft: Sequence[Term], interior: list[CompiledTerm]) -> tuple[int, ...]:
        """As many as a vertex has coefficients for elliptic equations on cubics, one more otherwise."""
        m = BASES[self.basis].coefficients
        elliptic = self.time is None and m == 2 and self._elliptic(interior)
        return (m if elliptic else m + 1,) * self.problem.domain.dim

    # -- points ---
    def gauss_points(self, level: LevelCells, parts: int = 1) -> tuple[CellPoints, np.ndarray, np.ndarray]:
        """Gauss points of all active cells of a level, their weights, and which of them are inside.

        Touched cells have one more point per axis than a vertex has coefficients in the plane, and two more in space.

        Parameters
        ----------
        parts
            Along every axis into which touched cells are divided; with several, one more point in each will do.
        """
        m, d = level.m, level.dim
        full = self.gauss[self.space[0]]
        per = (full, max(full, m + 1, m + d - 1) if parts == 1 else m + 1)

        def made() -> tuple[CellPoints, np.ndarray, np.ndarray]:
            groups, weights = [], []
            for part, k, n in zip((~level.touched, level.touched), per, (1, parts), strict=True):
                if not part.any():
                    continue
                nodes, w = gauss_axis(0.0, 1.0, n, k)
                inside = np.array(list(itertools.product(nodes, repeat=d)))
                product = np.prod(np.array(list(itertools.product(w, repeat=d))), 1)
                groups.append(PointGroup(level.cells[part], inside))
                weights.append(np.tile(product, int(part.sum())))
            points = CellPoints(level, tuple(groups))
            area = np.concatenate(weights) * math.prod(level.widths)
            return points, area, self._inside(points)

        return self.problem.plan.shared.once(("cell points", id(level), per, parts), made)

    @staticmethod
    def shares(points: CellPoints, inside: np.ndarray) -> np.ndarray:
        """By point, the part of its cell that lies in the domain, at least :data:`OUTSIDE`."""
        found = np.ones(points.count)
        for part, group in zip(points.slices(), points.groups, strict=True):
            share = inside[part].reshape(len(group.cells), -1).mean(1)
            found[part] = np.repeat(np.maximum(share, OUTSIDE), group.per_cell)
        return found

    def _inside(self, points: CellPoints) -> np.ndarray:
        """Which points lie in the domain; those of full cells do."""
        inside = np.ones(points.count, dtype=bool)
        level = points.level
        for part, group in zip(points.slices(), points.groups, strict=True):
            if level.touched[np.isin(self._keys(level, level.cells), self._keys(level, group.cells[:1]))].any():
                inside[part] = contained(self.problem.domain, points.x[:, part])
        return inside

    @staticmethod
    def _keys(level: LevelCells, cells: np.ndarray) -> np.ndarray:
        return np.ravel_multi_index(tuple(cells.T), level.counts)

    def fading(self, x: np.ndarray, level: LevelCells) -> np.ndarray:
        """Factors (n,) of rows at points (d, n): less than one near re-entrant corners and edges."""
        domain = self.problem.domain
        span, reach = Span.of(domain), REACH * max(domain.lengths[i] for i in self.space)
        r = domain.reentrant_distance(span.joined(x, span.start), within=reach)
        if r is None:
            return np.ones(x.shape[1])
        h = float(np.prod(level.widths) ** (1.0 / level.dim))
        power = 0.5 if corner_functions(self.problem).complete else 1.0
        return np.minimum(1.0, np.maximum(r.numpy(), 0.25 * h) / reach) ** power

    def time_rule(self, cells: int, points: int | None = None) -> TimeRule | None:
        """Gauss points of the finest level along time, with the rows of a level of so many cells there."""
        if self.time is None:
            return None
        axis = self.axes[self.time]
        k = points or max(self.gauss[self.time], BASES[self.basis].coefficients + 1)
        at, weights = gauss_axis(*axis.bounds, self.resolution[self.time], k)
        return self._rule_at(at, weights, cells)

    def rule_at(self, at: np.ndarray, weights: np.ndarray, resolution: tuple[int, ...]) -> TimeRule | None:
        """Points in time with the rows of a level there; None without time."""
        return None if self.time is None else self._rule_at(at, weights, resolution[self.time])

    def _rule_at(self, at: np.ndarray, weights: np.ndarray, cells: int) -> TimeRule:
        assert self.time is not None
        axis = self.axes[self.time]
        orders = range(2 * BASES[self.basis].coefficients)
        rows = evaluation_matrix(self.basis, cells, axis.bounds, axis.periodic, at, orders)
        return TimeRule(at, weights, type(rows)(rows.matrices, self.dtype, self.device))

    # -- blocks ---
    def _cut_block(
        self,
        terms: Sequence[CompiledTerm],
        placement: Placement,
        scales: Sequence[float] | None,
        normals: np.ndarray | None = None,
        kept: np.ndarray | None = None,
    ) -> CutBlock:
        return CutBlock(
            terms, self.problem.fields, self.names, self.problem.domain.names, self.space, self.time, placement,
            scales, self.dtype, self.device, normals, kept,
        )  # fmt: skip

    def _in_cells(self, terms: Sequence[CompiledTerm], level: LevelCells, rule: TimeRule | None) -> Placement:
        """The Gauss points of whole cells, with their weights; inside alone where terms are not defined outside."""
        points, area, inside = self.gauss_points(level)
        if self.defined_outside(terms, points, inside, rule):
            root = np.sqrt(area * self.shares(points, inside)) * self.fading(points.x, level)
            return Placement(points, root, rule)
        points, area, inside = self.gauss_points(level, SUBCELLS[level.dim])
        if not inside.any():
            raise InvalidProblemError(f"no point of {points.count} in the cells of {self.problem.domain} lies inside")
        root = np.sqrt(area) * self.fading(points.x, level) * np.where(inside, 1.0, FAINT)
        return Placement(points, root, rule, taken_at=inward(points.x, inside))

    def defined_outside(
        self, terms: Sequence[CompiledTerm], points: CellPoints, inside: np.ndarray, rule: TimeRule | None
    ) -> bool:
        """Whether terms and their sensitivities are finite at the points outside the domain, at the reference state."""
        x = points.x[:, ~inside]
        if not x.shape[1]:
            return True
        domain = self.problem.domain
        times = [0.0] if rule is None else rule.points[:: max(1, len(rule.points) // 4)]
        at = torch.cat([Span.of(domain).joined(x, t) for t in times], 1)
        env: dict[Leaf, Value] = {("coordinate", name): at[i] for i, name in enumerate(domain.names)}
        env |= {("parameter", p.name): p.init for p in self.problem.parameters}
        jets = reference_state(self.problem).jets(self.problem, env)
        for term in terms:
            value, by_jet, by_parameter = term.evaluate(env, jets)
            for v in (value, *by_jet.values(), *by_parameter.values()):
                if not bool(torch.isfinite(torch.as_tensor(v)).all()):
                    self.undefined = True
                    return False
        return True

    def _cell_block(self, terms: Sequence[CompiledTerm], scales: Sequence[float]) -> CutBlock:
        """Equations at the Gauss points of whole cells."""
        rule = None if self.time is None else self.time_rule(self.resolution[self.time])
        return self._cut_block(terms, self._in_cells(terms, self.level, rule), scales)

    def _interior_block(self, terms: list[CompiledTerm]) -> CutBlock:  # type: ignore[override]
        conserved = are_conserved(self.problem, terms)
        return self._cell_block(
            terms, [s / CONSERVED if c else s for s, c in zip(self._scales, conserved, strict=True)]
        )

    def _derived_block(self) -> CutBlock | None:  # type: ignore[override]
        own = self.interior
        terms, scales = derived_rows(self.problem, own.terms, own.scales, self.resolution)
        return self._cell_block(terms, scales) if terms else None

    def _penalty_block(self, field: str, terms: Sequence[Term]) -> CutBlock:  # type: ignore[override]
        members = [compile_term(self.problem, t) for t in terms if t.region.penalty == field]
        return self._cell_block(members, [1.0] * len(members))

    def held_out_block(self) -> CutBlock:  # type: ignore[override]
        """The equations at one point of every active cell that is inside; see :meth:`GridRows.held_out_block`."""
        level = self.level
        golden = np.array([0.6180339887498949, 0.4142135623730951, 0.7320508075688772])[: level.dim]
        chosen = ~level.touched
        for k in range(TRIES):
            inside = (0.31 + 0.17 * np.arange(level.dim) + level.cells * golden + k * golden[::-1]) % 1.0
            x = (level.lower + (level.cells + inside) * level.widths).T
            chosen[level.touched] = contained(self.problem.domain, x[:, level.touched])
            if chosen.any():
                break
        group = PointGroup(level.cells[chosen], inside[chosen], own=True)
        points = CellPoints(level, (group,))
        root = np.full(points.count, math.sqrt(math.prod(level.widths)))
        rule = None
        if self.time is not None:
            a, b = self.axes[self.time].bounds
            n = self.resolution[self.time]
            at = a + (b - a) * (np.arange(n) + (0.31 + 0.6180339887498949 * np.arange(n)) % 1.0) / n
            rule = self._rule_at(at, np.full(n, (b - a) / n), n)
        return self._cut_block(self.interior.terms, Placement(points, root, rule), None)

    def _soft_block(self, term: Term) -> CompactBlock:  # type: ignore[override]
        compiled = compile_term(self.problem, term)
        if term.region.measured is not None:
            return self._point_block(compiled, self._measured(term.region.measured, term), 1.0)
        level = self.level
        scale = self._face_scale(compiled) / math.sqrt((term.weight or 1.0) * FIRM)
        if term.region.plane is not None and term.region.plane.axis == self.time:
            return self._at_time(compiled, term.region.plane.position, scale)
        samples = self.face_points(term.region)
        points, chosen = self.placed(samples, level)
        weights = samples.weights.numpy()[chosen]
        normals = self._normals(samples, chosen)
        root = np.sqrt(weights) * self.fading(points.x, level)
        rule = None if self.time is None else self.time_rule(self.resolution[self.time])
        kept = self._kept(term, points, rule, normals)
        return self._cut_block([compiled], Placement(points, root, rule), [scale], normals, kept)

    def _point_block(self, term: CompiledTerm, samples: Samples, scale: float) -> CompactPointBlock:
        """A term at scattered points, all of which lie in the domain."""
        return CompactPointBlock(
            self.problem, [term], self.problem.fields, self.names, self.basis, self.resolution, self.axes, samples,
            [scale], self.dtype, self.device,
        )  # fmt: skip

    def _at_time(self, term: CompiledTerm, position: float, scale: float) -> CutBlock:
        """A condition at the start or the end of time, at the points inside the domain."""
        assert self.time is not None
        rule = self._rule_at(np.array([position]), np.ones(1), self.resolution[self.time])
        return self._cut_block([term], self._in_cells([term], self.level, rule), [scale])

    def face_points(self, region: Region) -> Samples:
        """Points of a part of the boundary over the space axes, kept for all parts of the problem in time."""
        domain = self.problem.domain
        counts = tuple(self.resolution[i] for i in self.space)
        if region.plane is None:
            return self.problem.plan.shared.once(
                ("face points", region.name, counts, domain.lower[self.space[0]]),
                lambda: region.in_space(self.resolution),
            )
        rule = region.gauss(self.resolution, BASES[self.basis].coefficients + 1)
        assert rule.axes is not None
        assert region.normal is not None
        flat = Samples(axes=[rule.axes[i] for i in self.space])
        normal = tuple(region.normal[i] for i in self.space)
        return Samples(flat.x, flat.weights, normal)

    def placed(self, samples: Samples, level: LevelCells) -> tuple[CellPoints, np.ndarray]:
        """Points over space in their cells of a level, and which of them have one."""
        x = samples.x.numpy()
        cells, inside = level.locate(x)
        chosen = np.flatnonzero(level.has(cells))
        if not len(chosen):
            raise InvalidProblemError("no point of the boundary lies in a cell of the domain")
        return CellPoints(level, (PointGroup(cells[chosen], inside[chosen], own=True),)), chosen

    def _normals(self, samples: Samples, chosen: np.ndarray) -> np.ndarray | None:
        if samples.normals is None:
            return None
        if isinstance(samples.normals, torch.Tensor):
            return samples.normals.numpy()[:, chosen]
        return np.repeat(np.array(samples.normals)[:, None], len(chosen), 1)

    def _kept(
        self, term: Term, points: CellPoints, rule: TimeRule | None, normals: np.ndarray | None
    ) -> np.ndarray | None:
        """Where the restriction of a term holds, (points, times); None without one."""
        if term.where is None:
            return None
        span = Span.of(self.problem.domain)
        instants = (Samples(span.joined(points.x, t)) for t in ([0.0] if rule is None else rule.points))
        kept = np.stack([restriction(term, self.problem, x).numpy() for x in instants], 1)
        if not kept.any():
            raise InvalidProblemError(
                f"the condition {term.name!r} applies to none of {kept.size} points of the face {term.region.name}: its `where` "
                "is false there"
            )
        return kept

    # -- other levels, for the preconditioner ---
    def on_level(self, terms: Sequence[CompiledTerm], rows: Placement, resolution: tuple[int, ...]) -> Placement:
        """Where rows are for the coefficients of a coarser level.

        Those of equations are at the points of the level's own cells, others at the points they have.
        """
        level = level_cells(self.problem, self.basis, resolution)
        cells = None if self.time is None else resolution[self.time]
        if not rows.points.groups[0].own and (rows.rule is None or len(rows.rule.points) > 1):
            return self._in_cells(terms, level, None if cells is None else self.time_rule(cells))
        positions, inside = level.locate(rows.points.x)
        rule = None if rows.rule is None or cells is None else self._rule_at(rows.rule.points, rows.rule.weights, cells)
        return Placement(CellPoints(level, (PointGroup(positions, inside, own=True),)), rows.root, rule)
