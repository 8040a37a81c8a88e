"""Fields of distances that are affine in their parameters: one linear least-squares problem at samples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from hermite_pinn.field.grid_field import FieldRows, GridField
from hermite_pinn.field.tree import flatten, restore
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.methods.least_squares.cgls import cgls
from hermite_pinn.methods.least_squares.rows import Rows, dot
from hermite_pinn.run.interrupt import cause, uninterrupted
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.status import Status
from hermite_pinn.run.workload import Save
from hermite_pinn.schema import Entry, intact

from .misfits import COMPONENTS, Misfits
from .samples import Samples, SampleSource

__all__ = ["AffineFit", "sample_count"]

#: Rows per unknown, and samples at least and at most.
SURPLUS, LEAST, MOST = 4, 1 << 15, 1 << 18
#: Rows at a sample: value, three components of the gradient, and its length to first order.
ROWS = 4
PIECE = 1 << 15  # samples linearised together
PROBES = 8  # products by which the columns are measured
#: Squares of the coefficients of a level count as this part of a sample each, so that where there are none the finer
#: levels are zero; and functions of a level that a sample reads.
RIDGE, READ = 0.01, 8
#: Steps of a round, after which the state is saved and the iteration starts afresh, and rounds at most.
STEPS, ROUNDS = 100, 20
#: Reduction of the gradient, or of the misfit in a round, at which the iteration ends.
TOLERANCE, SETTLED = 1e-5, 1e-3


def sample_count(unknowns: int, order: int) -> int:
    """How many samples determine so many unknowns.

    Examples
    --------
    >>> sample_count(1000, 1), sample_count(200_000, 1), sample_count(10**8, 1)
    (32768, 200000, 262144)
    """
    return min(MOST, max(LEAST, SURPLUS * unknowns // (ROWS if order else 1)))


@dataclass
class AffineFit:
    """The least-squares problem of a field whose parameters are all unknown.

    The length of the gradient counts to first order about the true direction, which makes all rows linear.  Where
    samples are rarer than the coefficients of a level, these are kept small.

    Attributes
    ----------
    start
        The field, in which its jets must be affine.
    source
        Of samples.
    misfits
        What is minimised.
    monitor
        History, limits, callbacks, progress.
    seed
        Of the samples.
    stats
        Numbers of the iteration, once it is done.
    """

    start: GridField
    source: SampleSource
    misfits: Misfits
    monitor: Monitor
    seed: int
    stats: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._tree = self.start.tensors()
        self._solved = torch.zeros_like(flatten(self._tree))
        self._scaled: torch.Tensor | None = None
        self._steps = 0
        self._ended: str | None = None

    @property
    def field(self) -> GridField:
        """What the iteration has come to."""
        solution = self._solved if self._scaled is None else self._solved + self._scaled * self._columns
        return self.start.with_tensors(restore(solution.clone(), self._tree))

    # -- the problem ---
    @cached_property
    def _samples(self) -> list[Samples]:
        return list(self.source.samples(self._count, self.seed).pieces(PIECE))

    @cached_property
    def _products(self) -> list[FieldRows]:
        """Products with the Jacobian, by piece of the samples."""
        zero = self.start.with_tensors({path: torch.zeros_like(leaf) for path, leaf in self._tree.items()})
        products = []
        for piece in self._samples:
            weights = self._weights(piece)
            products.append(zero.linearized(piece.x, self.misfits.channels).rows([row[None] for row in weights]))
        return products

    def _weights(self, piece: Samples) -> torch.Tensor:
        """Weights (rows, channels, n) of the jets in the rows."""
        assert piece.weights is not None
        roots = {name: math.sqrt(self.misfits.weight(name)) * piece.weights.sqrt() for name in self.misfits.names}
        rows = piece.x.new_zeros(sum(COMPONENTS[name] for name in roots), len(self.misfits.channels), piece.count)
        rows[0, 0] = roots["value"] / self.misfits.extent
        if "normal" in roots:
            for axis in range(3):
                rows[1 + axis, 1 + axis] = roots["normal"] * piece.known
        if "eikonal" in roots:
            rows[-1, 1:] = roots["eikonal"] * piece.gradient
        return rows

    @cached_property
    def _wanted(self) -> Rows:
        """What the rows are to be, by piece."""
        wanted = []
        for piece in self._samples:
            jets = torch.cat([piece.distance[None], piece.gradient])[: len(self.misfits.channels)]
            wanted.append((self._weights(piece) * jets).sum(1))
        return wanted

    @cached_property
    def _squares(self) -> torch.Tensor:
        """Squares of the norms of the columns, measured by products with random signs."""
        generator = torch.Generator(self._solved.device).manual_seed(self.seed)
        squares = torch.zeros_like(self._solved)
        for _ in range(PROBES):
            signs = [
                (torch.randint(2, r.shape, generator=generator, device=r.device) * 2 - 1).to(r.dtype)
                for r in self._wanted
            ]
            squares += self._products_adjoint(signs).square() / PROBES
        return squares

    @cached_property
    def _roots(self) -> torch.Tensor:
        """Factors of the coefficients in the rows that keep them small; zero on the coarsest level."""
        roots, levels, start = torch.zeros_like(self._squares), self.start.level_slices, 0
        for path, leaf in self._tree.items():
            for part in levels.get(path, ())[1:]:
                level = slice(start + part.start, start + part.stop)
                roots[level] = (RIDGE * self._squares[level].sum() / (READ * self._count)).sqrt()
            start += leaf.numel()
        return roots

    @property
    def _count(self) -> int:
        return sample_count(self._solved.numel(), self.misfits.order)

    @cached_property
    def _columns(self) -> torch.Tensor:
        """Inverse norms of the columns; 0 where no sample reaches."""
        norms = (self._squares + self._roots.square()).sqrt()
        return torch.where(self._squares > 0, 1.0 / norms, 0.0)

    def _forward(self, x: torch.Tensor) -> Rows:
        tree, rows = restore(x, self._tree), []
        for part in self._products:
            made = part.forward(tree)
            assert made is not None
            rows.append(made)
        return [*rows, self._roots * x]

    def _adjoint(self, rows: Rows) -> torch.Tensor:
        return self._products_adjoint(rows[:-1]) + self._roots * rows[-1]

    def _products_adjoint(self, rows: Rows) -> torch.Tensor:
        out = {path: torch.zeros_like(leaf) for path, leaf in self._tree.items()}
        for part, own in zip(self._products, rows, strict=True):
            part.adjoint(own, out)
        return flatten(out)

    # -- the iteration ---
    def run(self, save: Save, saved: Mapping[str, Any] | None) -> Ending:
        """Iterate until the squares fall no further; see :class:`.Course`.

        Raises
        ------
        CorruptFileError
            If a saved state does not fit the field.
        """
        if saved:
            self._continue(saved)

        def settle(ending: Ending) -> Ending:
            self.stats = {"samples": self._count, "cg_steps": self._steps}
            return ending

        return run_to_end(
            lambda: self._work(save),
            lambda ending: ending,
            interrupted=lambda: f"{cause()} after {self._steps} steps",
            settle=settle,
            usable=lambda: self._steps > 0,
            monitor=self.monitor,
        )

    def _work(self, save: Save) -> Ending:
        left = self._left()
        before, start = float(dot(left, left)), self._slope([*self._wanted, torch.zeros_like(self._solved)])
        while self._ended is None and self._steps < ROUNDS * STEPS:
            self._round(left, start)
            left = self._left()
            after, reduction = float(dot(left, left)), self._slope(left) / start
            self._ended = self._end(before, after, reduction)
            before = after
            with uninterrupted():
                save(self._state, True)
            self._record(after, left, reduction)
        if self._ended is not None:
            return Ending(Status.COMPLETED, self._ended)
        return Ending(Status.STALLED, f"{self._told} did not end the least squares")

    def _left(self) -> Rows:
        wanted = [*self._wanted, torch.zeros_like(self._solved)]
        return [w - r for w, r in zip(wanted, self._forward(self._solved), strict=True)]

    def _end(self, before: float, after: float, reduction: float) -> str | None:
        """Why the iteration ends after a round, or None."""
        if reduction <= TOLERANCE:
            return f"{self._told} reduced the gradient to {reduction:.1e}"
        if after >= (1 - SETTLED) * before:
            return f"{self._told}, the last {STEPS} of which lowered the squares by less than {SETTLED:.1%}"
        return None

    @property
    def _told(self) -> str:
        return f"{self._solved.numel():,} coefficients, {self._steps} steps of conjugate gradients"

    def _slope(self, rows: Rows) -> float:
        """Norm of the gradient in the scaled variables."""
        return float((self._adjoint(rows) * self._columns).norm())

    def _round(self, left: Rows, start: float) -> None:
        """Some steps for what is left; :attr:`field` follows them."""
        slope = self._slope(left)

        def watch(steps: int, y: torch.Tensor) -> bool:
            self._scaled = y
            self.monitor.check_time()
            return False

        done = cgls(
            lambda y: self._forward(y * self._columns),
            lambda rows: self._adjoint(rows) * self._columns,
            left,
            tol=min(1.0, TOLERANCE * start / slope) if slope > 0 else 1.0,
            max_steps=STEPS,
            settled=watch,
        )
        with uninterrupted():
            self._solved, self._scaled = self._solved + done.y * self._columns, None
            self._steps += done.steps

    def _record(self, loss: float, left: Rows, reduction: float) -> None:
        squares = torch.stack([r.square().sum(1) for r in left[:-1]]).sum(0)
        sizes = [COMPONENTS[name] for name in self.misfits.names]
        parts = [float(part.sum()) for part in squares.split(sizes)]
        self.monitor.record(
            step=self._steps,
            loss=loss,
            terms=self.misfits.report(dict(zip(self.misfits.names, parts, strict=True))),
            level=self.start.encoder.levels,
            unknowns=self._solved.numel(),
            field=lambda: self.field,
            done=min(1.0, math.log(max(reduction, TOLERANCE)) / math.log(TOLERANCE)),
            reduction=reduction,
        )

    # -- between runs ---
    def _state(self) -> dict[str, Any]:
        return {"steps": self._steps, "solved": self._solved, "ended": self._ended or ""}

    def _continue(self, saved: Mapping[str, Any]) -> None:
        entry = Entry.of(saved, "the checkpoint")
        with intact(entry.source):
            self._steps = entry.at("steps").integer(0, ROUNDS * STEPS)
            solved = entry.at("solved").tensor(tuple(self._solved.shape), (self._solved.dtype,))
            self._solved = solved.to(self._solved.device)
            self._ended = entry.at("ended").text() or None
