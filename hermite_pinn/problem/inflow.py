"""Where transport carries something into the domain that no condition gives.

A quantity that first derivatives alone carry along an axis is known where its characteristics have met a condition.
Equations that evolve in time are counted on every face: as many conditions are needed as speeds point inwards (Kreiss,
*Initial boundary value problems for hyperbolic systems*, Comm. Pure Appl. Math. 23 (1970)).  For one stationary
equation of first order characteristics are followed through the domain in both directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Leaf, Program, depends_on, leaves, partials
from hermite_pinn.geometry import Domain, Region

from .terms import Term

__all__ = ["Transport", "coordinates_of"]

POINTS = 64  # of a face
STARTS = 256  # of characteristics
STEP, LONGEST = 1.0 / 64.0, 4.0  # of them, in lengths of the domain
REACH = 1e-3  # of the length of an axis that a quantity is carried, below which it matters to nobody
BARE = 0.02  # of all characteristics, that may miss all conditions
UNSURE = 10.0  # times the error of a solution, relative speeds that may be due to it
SLOW = 1e-9  # of the largest speed, below which there is none
COMPLEX = 1e-6  # imaginary part of a speed, relative to the largest, beyond which nothing is carried

Values = Mapping[Leaf, torch.Tensor]


@dataclass(frozen=True)
class Transport:
    """What first derivatives carry, and whether conditions say what comes in.

    Parameters
    ----------
    domain, fields
        Of the problem.
    periodic
        Of every axis, whether it wraps.
    residuals
        Of the equations.
    terms
        Equations and conditions.
    """

    domain: Domain
    fields: tuple[str, ...]
    periodic: tuple[bool, ...]
    residuals: tuple[Expr, ...]
    terms: tuple[Term, ...]

    @cached_property
    def axes(self) -> tuple[int, ...]:
        """Axes of space along which there are first derivatives only, so that a count of derivatives is blind."""
        domain, conditions = self.domain, [t for t in self.terms if not t.region.is_interior]
        told = any(
            t.region.measured is not None or t.region.penalty is not None or t.region.inner or t.where is not None
            for t in conditions
        )
        if told or len(self.residuals) != len(self.fields):
            return ()
        jets = [data[1] for kind, data in leaves(*self.residuals) if kind == "jet"]
        found = tuple(
            axis
            for axis in domain.space_axes
            if not self.periodic[axis]
            and max((o[axis] for o in jets), default=0) == 1
            and all(sum(o) == 1 for o in jets if o[axis])
        )
        return found if not domain.is_cut or found == domain.space_axes else ()

    @property
    def begun(self) -> tuple[str, ...]:
        """What is not given of that which flows in, as far as the statement says it: at first, where fields decide."""
        return tuple(self._found(self._told))

    def during(self, values: Callable[[Region | None, int], Values], error: float) -> tuple[str, ...]:
        """What is not given of that which flows in along a solution.

        Parameters
        ----------
        values
            Coordinates, and the fields with their derivatives, at so many points of a face; of the domain for None.
        error
            Of these, relative to their sizes: speeds that may be due to it carry nothing.
        """
        return tuple(self._found(values, UNSURE * error))

    # -- what is counted ---
    def _found(self, values: Callable[[Region | None, int], Values], doubt: float = 0.0) -> Iterator[str]:
        if not self.axes or self._slopes is None:
            return
        time = self.domain.time_axis
        if time is not None:
            yield from self._entering(time, values, doubt)
        elif len(self.fields) == 1 and not self.domain.is_cut:
            if self.axes == tuple(i for i in self.domain.space_axes if not self.periodic[i]) and self._first_order:
                yield from self._missed()
            else:
                yield from self._ungiven(values)

    @property
    def _first_order(self) -> bool:
        return all(sum(data[1]) <= 1 for kind, data in leaves(*self.residuals) if kind == "jet")

    @cached_property
    def _slopes(self) -> list[list[Expr | None]] | None:
        """By axis, the derivatives of equations by the first derivatives along it; None where parameters decide."""
        found: list[list[Expr | None]] = [[] for _ in self.domain.names]
        for residual in self.residuals:
            slopes = partials(residual, lambda leaf: leaf.op == "jet")
            for axis, own in enumerate(found):
                first = tuple(int(i == axis) for i in range(self.domain.dim))
                own += [slopes.get(("jet", (name, first))) for name in self.fields]
        used = [s for axis in (*self.axes, self.domain.time_axis) if axis is not None for s in found[axis]]
        if any(s is not None and depends_on(s, ["parameter", "data"]) for s in used):
            return None
        return found

    def _matrices(self, axis: int, at: Values) -> np.ndarray | None:
        """The derivatives along an axis at points, (n, equations, fields); None where untold fields decide."""
        assert self._slopes is not None
        count, size = len(next(iter(at.values()))), len(self.fields)
        columns = []
        for slope in self._slopes[axis]:
            if slope is None:
                columns.append(np.zeros(count))
                continue
            program = Program([slope])
            if not program.leaves <= set(at):
                return None
            value = torch.as_tensor(program.run(at)[0], dtype=torch.float64)
            columns.append(np.broadcast_to(value.reshape(-1).numpy(), count))
        return np.stack(columns, 1).reshape(count, size, size)

    def _given(self, face: Region) -> int:
        return sum(face.covers <= t.region.covers for t in self.terms if t.region.on_boundary)

    def _entering(self, time: int, values: Callable[[Region | None, int], Values], doubt: float) -> Iterator[str]:
        """Faces through which more is carried in time than conditions give there."""
        if self.periodic[time] or any(sum(d[1]) > 1 and d[1][time] for k, d in leaves(*self.residuals) if k == "jet"):
            return
        name, lengths = self.domain.names[time], self.domain.lengths
        forward = self._given(self.domain.face(f"{name}-"))
        sense = 1.0 if forward or not self._given(self.domain.face(f"{name}+")) else -1.0
        bare: list[str] = []
        for face in (f for f in self.domain.space_faces if f.plane is None or f.plane.axis in self.axes):
            speeds = self._speeds(face, time, values(face, POINTS))
            if speeds is None:
                continue
            inward = np.sort(-sense * speeds, 1)[:, ::-1]
            reach = np.maximum(inward, 0.0).mean(0) * lengths[time]
            least = max(REACH, doubt * float(np.abs(speeds).max()) * lengths[time])
            needed, given = int((reach > least).sum()), self._given(face)
            if needed > given == 0 and len(self.fields) == 1:
                bare.append(face.name)
            elif needed > given:
                yield _carried(needed, given, face.name)
        if bare:
            where = " and ".join(filter(None, (", ".join(bare[:-1]), bare[-1])))
            there = "one on each" if len(bare) > 1 else f"one on {bare[0]}"
            yield (
                f"the solution is carried into the domain through {where}, where there is no condition; it is not unique "
                f"without {there}"
            )

    def _speeds(self, face: Region, time: int, at: Values) -> np.ndarray | None:
        """Speeds out through a face, in lengths of the domain, (n, fields); None where equations say none."""
        rates = self._matrices(time, at)
        parts = [
            (axis, self._matrices(axis, at)) for axis in self.axes if face.plane is None or axis == face.plane.axis
        ]
        if rates is None or any(p is None for _, p in parts):
            return None
        normals = face.quasi_random(POINTS, 0).normals
        along: np.ndarray = np.zeros_like(rates)
        for axis, part in parts:
            component = torch.as_tensor(0.0 if normals is None else normals[axis], dtype=torch.float64)
            along = (
                along + component.expand(POINTS).numpy()[:, None, None] * np.asarray(part) / self.domain.lengths[axis]
            )
        if not (np.isfinite(along).all() and np.isfinite(rates).all()):
            return None
        size = np.abs(rates).max(2, keepdims=True)
        if not (size > 0).all() or np.abs(np.linalg.det(rates / size)).min() < SLOW:
            return None
        found = np.linalg.eigvals(np.linalg.solve(rates, along))
        if np.abs(found.imag).max() > COMPLEX * max(np.abs(found).max(), 1e-300):
            return None
        return np.asarray(found.real)

    def _ungiven(self, values: Callable[[Region | None, int], Values]) -> Iterator[str]:
        """Axes along which one equation, of higher order across them, flows in one direction without any condition."""
        for axis in self.axes:
            along = self._matrices(axis, values(None, STARTS))
            if along is None or not np.isfinite(along).all():
                continue
            least, most = along.min(), along.max()
            steady = least > SLOW * abs(most) or most < -SLOW * abs(least)
            low, high = (self.domain.face(f"{self.domain.names[axis]}{s}") for s in "-+")
            if steady and not (self._given(low) or self._given(high)):
                yield (
                    f"the solution is carried along {self.domain.names[axis]}, and there is no condition on {low.name} and "
                    f"{high.name}; it is not unique without one on {low.name if most > 0 else high.name}"
                )

    # -- characteristics ---
    def _missed(self) -> Iterator[str]:
        """Whether characteristics of one equation cross the domain without meeting a condition."""
        start = self._places(coordinates_of(self.domain, self.domain.interior, STARTS))
        ends = [self._end(start, sense) for sense in (1.0, -1.0)]
        if any(e is None for e in ends):
            return
        after, before = (np.asarray(e) for e in ends)
        given = np.array([self._given(self.domain.face(n)) > 0 for n in self._face_names] + [True])  # -1: ends nowhere
        bare = ~given[after] & ~given[before]
        if bare.mean() <= BARE:
            return
        into = [n for i, n in enumerate(self._face_names) if (before[bare] == i).any()]
        out = [n for i, n in enumerate(self._face_names) if (after[bare] == i).any()]
        yield (
            f"{bare.mean():.0%} of the characteristics enter through {' or '.join(into)} and leave through {' or '.join(out)}, where "
            f"no condition is; the solution is not unique without one on {' and '.join(into)}"
        )

    @cached_property
    def _face_names(self) -> tuple[str, ...]:
        return tuple(f"{self.domain.names[axis]}{side}" for axis in range(self.domain.dim) for side in "-+")

    def _places(self, at: Values) -> np.ndarray:
        """Points (n, dim) in lengths of the domain."""
        columns = [at["coordinate", name].numpy() for name in self.domain.names]
        return (np.stack(columns, 1) - np.array(self.domain.lower)) / np.array(self.domain.lengths)

    def _direction(self, places: np.ndarray) -> np.ndarray | None:
        """Of the characteristics, of length one or zero."""
        x = np.array(self.domain.lower) + np.clip(places, 0.0, 1.0) * np.array(self.domain.lengths)
        at = {("coordinate", n): torch.as_tensor(x[:, i].copy()) for i, n in enumerate(self.domain.names)}
        parts = [self._matrices(axis, at) for axis in range(self.domain.dim)]
        if any(p is None for p in parts):
            return None
        speed = np.stack([np.asarray(p)[:, 0, 0] for p in parts], 1) / np.array(self.domain.lengths)
        size = np.linalg.norm(speed, axis=1, keepdims=True)
        if not np.isfinite(size).all():
            return None
        return np.where(size > SLOW * size.max(), speed / np.where(size > 0, size, 1.0), 0.0)

    def _end(self, start: np.ndarray, sense: float) -> np.ndarray | None:
        """The face at which every characteristic ends, -1 where it meets none; None where directions are not known."""
        at, ended = start.copy(), np.full(len(start), -1)
        wraps = np.array(self.periodic)
        for _ in range(math.ceil(LONGEST * self.domain.dim / STEP)):
            first = self._direction(at)
            if first is None:
                return None
            middle = self._direction(at + 0.5 * STEP * sense * first)
            if middle is None:
                return None
            at = np.where((ended < 0)[:, None], at + STEP * sense * middle, at)
            at[:, wraps] %= 1.0
            beyond = np.maximum(-at, at - 1.0)
            axis = beyond.argmax(1)
            leaves_now = (beyond.max(1) > 0) & (ended < 0)
            side = at[np.arange(len(at)), axis] > 0.5
            ended = np.where(leaves_now, 2 * axis + side, ended)
            if (ended >= 0).all():
                break
        return ended

    # -- what the statement says of the fields ---
    def _told(self, face: Region | None, count: int) -> Values:
        """Coordinates at points of a face; where the equations are not linear, those at the start with its values."""
        region = self.domain.interior if face is None else face
        at = coordinates_of(self.domain, region, count)
        time = self.domain.time_axis
        used = [s for axis in self.axes for s in (self._slopes or [])[axis] if s is not None]
        if time is None or not any(depends_on(s, ["jet"]) for s in used):
            return at
        zero = (0,) * self.domain.dim
        sides = [f"{self.domain.names[time]}{s}" for s in "-+"]
        for number, side in enumerate(sides):
            traces = [t.trace for t in self.terms if t.trace is not None and t.region.covers == frozenset([side])]
            values = {t.field: t for t in traces if t.order == 0}
            if values:
                ends = self.domain.lower, self.domain.upper
                at["coordinate", self.domain.names[time]] = torch.full(
                    (count,), ends[number][time], dtype=torch.float64
                )
                for name, trace in values.items():
                    value = torch.as_tensor(trace.program.run(at)[0], dtype=torch.float64)
                    at["jet", (name, zero)] = value.expand(count)
                break
        return at


def coordinates_of(domain: Domain, region: Region, count: int) -> dict[Leaf, torch.Tensor]:
    """The coordinates of so many points of a region, each (count,)."""
    x = region.quasi_random(count, 0).x.to(torch.float64)
    return {("coordinate", name): x[i] for i, name in enumerate(domain.names)}


def _carried(needed: int, given: int, face: str) -> str:
    """The sentence about a face through which more comes in than is given there."""
    are = f"{given} condition is" if given == 1 else f"{given or 'no'} conditions are"
    carried = "one quantity is" if needed == 1 else f"{needed} quantities are"
    enough = "one" if needed == 1 else str(needed)
    return f"{carried} carried into the domain through {face}, and {are} given there; the solution is not unique without {enough} on {face}"
