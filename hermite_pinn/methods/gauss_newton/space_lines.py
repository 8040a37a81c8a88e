"""An evolution problem on cells of space as a system of ordinary differential equations: the method of lines.

Along every axis a cell has as many Gauss points as a vertex has coefficients (orthogonal spline collocation), so that
values at all points, with what conditions prescribe on the faces, are one state.  Its unknowns are the modes in which
the part of the equations with constant coefficients and even derivatives is diagonal.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix
from hermite_pinn.cuda.tensor_grid.sum_factorization import SumFactorization
from hermite_pinn.expressions.program import Leaf, Program, Value
from hermite_pinn.geometry.quadrature import gauss_axis
from hermite_pinn.methods.systems.broken_axes import axes_of
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import Jet

from .line_equations import EquationRows, LineEquation, channels_of_rows, slopes_vary
from .line_faces import FaceCoefficients
from .line_modes import LineModes, line_modes

__all__ = ["SpaceLines"]

KEPT = 4  # times at which the effect of what is prescribed is kept
DAMPING = 1.0  # of the highest mode, against its transport
SIDES = 2  # of an axis, at each of which one condition holds
SLOW = 2.0 * math.pi  # turns of the slowest mode of a wave in all times


def _along(matrices: Sequence[torch.Tensor], values: torch.Tensor) -> torch.Tensor:
    """Matrices applied to the axes of a tensor, in their order."""
    if len(matrices) == 2:
        return matrices[0] @ values @ matrices[1].T
    for i, matrix in enumerate(matrices):
        values = torch.tensordot(matrix, values, ([1], [i])).movedim(0, i)
    return values


class SpaceLines:
    """The rates of change of a state.

    A state has the modes (fields, n_1, ...) of the values at the points.  Of equations of second order in time with
    modes u it is ``u' + i w u``, with the frequencies w of the modes.

    Parameters
    ----------
    problem, basis
        What is solved.
    equations
        By field.
    order
        Of the equations in time, 1 or 2.
    cells
        Along the axes of space.

    Attributes
    ----------
    linear
        The diagonal of the linear part, of the shape of a state.
    square
        Whether there are as many points as coefficients that are not prescribed, and real modes.
    """

    def __init__(
        self, problem: Problem, basis: str, equations: Sequence[LineEquation], order: int, cells: Sequence[int]
    ) -> None:
        domain = problem.domain
        axis = domain.time_axis
        assert axis is not None
        self.problem, self.basis, self.order, self.cells, self.time = problem, basis, order, tuple(cells), axis
        self.m = BASES[basis].coefficients
        every = axes_of(problem)
        self.axes = [every[i] for i in domain.space_axes]
        self.dim = len(self.axes)
        per = max(self.m, 2 * self.m - 2)
        if per == self.m and any(slopes_vary(problem, e) for e in equations):
            per += 1
        rules = [gauss_axis(*a.bounds, n, per) for a, n in zip(self.axes, cells, strict=True)]
        self.points = [x for x, _ in rules]
        self.weights = [w for _, w in rules]
        self.shape = tuple(len(x) for x in self.points)
        self.places = {
            a.name: torch.as_tensor(x).reshape([-1 if j == i else 1 for j in range(self.dim)])
            for i, (a, x) in enumerate(zip(self.axes, self.points, strict=True))
        }
        self.faces = FaceCoefficients(problem, basis, self.axes, cells, 1)
        self.rows = [EquationRows(problem, e, self.places) for e in equations]
        self.square = all(
            len(fixed) == (0 if a.periodic else SIDES)
            for by_axis in self.faces.fixed
            for a, fixed in zip(self.axes, by_axis, strict=True)
        )
        if self.square:
            self._diagonalise(equations)
            self._plan()

    # -- modes ---
    def _diagonalise(self, equations: Sequence[LineEquation]) -> None:
        """Find the modes."""
        self.modes: list[list[LineModes]] = []
        self.free: list[list[torch.Tensor]] = []
        known: dict[tuple[object, ...], LineModes] = {}
        linear = []
        for f, equation in enumerate(equations):
            strengths = self._strengths(equation)
            along, total = [], torch.zeros([1] * self.dim, dtype=torch.float64)
            for i, a in enumerate(self.axes):
                fixed = tuple(sorted(self.faces.fixed[f][i]))
                own = {o[i]: s for o, s in strengths.items() if o[i] == sum(o) and o[i] > 0}
                key = (i, fixed, *sorted(own.items()))
                if key not in known:
                    known[key] = line_modes(self.basis, a, self.cells[i], self.points[i], self.weights[i], fixed, own)
                modes = known[key]
                along.append(modes)
                total = total + modes.values.reshape([-1 if j == i else 1 for j in range(self.dim)])
            self.modes.append(along)
            self.free.append(
                [
                    torch.tensor(sorted(set(range(n)) - set(fixed)))
                    for n, fixed in zip(self.faces.shape[1:], self.faces.fixed[f], strict=True)
                ]
            )
            linear.append(total + strengths.get((0,) * self.dim, 0.0))
        self._real = torch.stack(linear)
        self.linear = self._real
        if self.order == 2:
            slow = (SLOW / self.problem.domain.lengths[self.time]) ** 2
            self._frequency = (slow - self._real.clamp(max=0.0)).sqrt()
            self.linear = 1j * self._frequency

    def _strengths(self, equation: LineEquation) -> dict[tuple[int, ...], float]:
        """By even orders in space, the constant factors of a field in its rate; none where that has another factor."""
        if not isinstance(equation.factor, float | int):
            return {}
        found: dict[tuple[int, ...], float] = {}
        for o, s in equation.strengths.items():
            space = tuple(n for i, n in enumerate(o) if i != self.time)
            if sum(space) == max(space) and max(space) % 2 == 0 and (max(space) or s / equation.factor > 0):
                found[space] = -s / equation.factor
        return found

    def reaction(self) -> float:
        """The largest factor of a value in the rates at the start that is not constant."""
        begin = self.problem.domain.lower[self.time]
        jets, _ = self._jets(begin, self.parts(self.start()))
        return max(row.reaction(begin, jets) for row in self.rows)

    def damp(self, state: torch.Tensor) -> None:
        """Let the linear part damp the highest modes of fields that are carried along by others, or by themselves.

        Collocation of products makes modes that the cells hardly hold out of those that they do not hold.  The damping
        is about as fast as the transport of the highest mode, and falls with a power of the wave number that is higher
        than the order of the cells, so that it does not count beside their error.
        """
        moving = [f for f, row in enumerate(self.rows) if row.moves]
        if self.order > 1 or not moving:
            return
        begin = self.problem.domain.lower[self.time]
        jets, _ = self._jets(begin, self.parts(state))
        linear = self._real.clone()
        for f in moving:
            for axis, speed in self.rows[f].speeds(begin, jets).items():
                i = self.problem.domain.space_axes.index(axis)
                waves = self.modes[f][i].waves
                rate = DAMPING * speed * float(waves.max()) * (waves / waves.max()) ** (2 * self.m + 4)
                linear[f] -= rate.reshape([-1 if j == i else 1 for j in range(self.dim)])
        self.linear = linear

    # -- evaluation ---
    def _plan(self) -> None:
        """Which derivatives are evaluated."""
        fields = self.problem.fields
        orders: list[set[int]] = [{0} for _ in self.axes]
        wanted: list[list[tuple[Channels | None, dict[int, int], dict[Jet, int]]]] = []
        for order in range(self.order):
            wanted.append([channels_of_rows(self.rows, name, order, self.time, self.dim) for name in fields])
            for channels, _, _ in wanted[-1]:
                for _, o in itertools.chain.from_iterable(channels.channels if channels else ()):
                    for i in range(self.dim):
                        orders[i].add(o[i])
        matrices = [
            AxisMatrix(a.evaluation(self.basis, n, x, sorted(o)).matrices)
            for a, n, x, o in zip(self.axes, self.cells, self.points, orders, strict=True)
        ]
        self._wanted = [
            [(None if c is None else SumFactorization(matrices, c), by_row, by_jet) for c, by_row, by_jet in own]
            for own in wanted
        ]
        self._value = SumFactorization(matrices, Channels.value(self.dim))
        self._prescribed: dict[tuple[float, int], torch.Tensor] = {}

    def _modes_of(self, values: torch.Tensor) -> torch.Tensor:
        """Modes of values at the points, by field."""
        return torch.stack([_along([m.to_modes for m in own], v) for own, v in zip(self.modes, values, strict=True)])

    def _prescribed_modes(self, time: float, derivative: int) -> torch.Tensor | None:
        """Modes of what the prescribed coefficients contribute at the points; None where that is nothing."""
        if not any(itertools.chain.from_iterable(self.faces.fixed)):
            return None
        key = (0.0 if self.faces.steady else time, derivative)
        if key not in self._prescribed:
            if len(self._prescribed) > KEPT:
                self._prescribed.clear()
            faces = self.faces.at(time, derivative)
            self._prescribed[key] = self._modes_of(torch.stack([self._value.forward(c)[0].clone() for c in faces]))
        return self._prescribed[key]

    def coefficients(self, time: float, modes: torch.Tensor, derivative: int = 0) -> torch.Tensor:
        """Coefficients (fields, m N_1, ...) of modes of values, or of their derivative in time."""
        known = self._prescribed_modes(time, derivative)
        own = modes if known is None else modes - known
        parts = [_along([m.from_modes for m in along], a) for along, a in zip(self.modes, own, strict=True)]
        if known is None:
            return torch.stack(parts)
        out = self.faces.at(time, derivative).clone()
        for f, part in enumerate(parts):
            where = torch.meshgrid(*self.free[f], indexing="ij")
            out[f][where] = part
        return out

    def parts(self, state: torch.Tensor) -> list[torch.Tensor]:
        """The modes of the values, and of their derivatives in time where these belong to the state."""
        return [state] if self.order == 1 else [state.imag / self._frequency, state.real.contiguous()]

    def missed(self, error: torch.Tensor) -> list[torch.Tensor]:
        """By :meth:`parts`, how large the parts of an error of a state are at most."""
        size = error.abs()
        return [size] if self.order == 1 else [size / self._frequency, size]

    def joined(self, parts: Sequence[torch.Tensor]) -> torch.Tensor:
        """The inverse of :meth:`parts`."""
        if self.order == 1:
            return parts[0]
        return torch.complex(parts[1], self._frequency * parts[0])

    def rates(self, time: float, state: torch.Tensor) -> torch.Tensor:
        """What the linear part leaves of the rate of change of a state."""
        parts = self.parts(state)
        change = self._modes_of(torch.stack(self._rates_at_points(time, parts)))
        if self.order == 1:
            return change.addcmul_(self._real, state, value=-1.0)
        return change.addcmul_(self._frequency.square(), parts[0])

    def _rates_at_points(self, time: float, parts: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """By field, the highest derivatives in time."""
        jets, sums = self._jets(time, parts)
        found = []
        for row, own in zip(self.rows, sums, strict=True):
            total = row(time, {jet: jets[jet] for jet in row.variable})
            for part in own:
                total = total + part
            found.append((torch.as_tensor(total, dtype=torch.float64) / -row.factor).expand(self.shape))
        return found

    def _jets(
        self, time: float, parts: Sequence[torch.Tensor]
    ) -> tuple[dict[Jet, torch.Tensor], list[list[torch.Tensor]]]:
        """Jets at the points, and by equation the sums of derivatives with constant factors; until the next call."""
        sums: list[list[torch.Tensor]] = [[] for _ in self.rows]
        jets: dict[Jet, torch.Tensor] = {}
        for order, modes in enumerate(parts):
            if all(s is None for s, _, _ in self._wanted[order]):
                continue
            coefficients = self.coefficients(time, modes, order)
            for (factorized, by_row, by_jet), own in zip(self._wanted[order], coefficients, strict=True):
                if factorized is None:
                    continue
                channels = factorized.forward(own)
                for k, number in by_row.items():
                    sums[k].append(channels[number])
                for jet, number in by_jet.items():
                    jets[jet] = channels[number]
        return jets, sums

    # -- states ---
    def start(self) -> torch.Tensor:
        """The state that the initial conditions give."""
        domain = self.problem.domain
        env: dict[Leaf, Value] = {("coordinate", name): x for name, x in self.places.items()}
        env["coordinate", domain.names[self.time]] = domain.lower[self.time]
        values = torch.zeros(self.order, len(self.problem.fields), *self.shape, dtype=torch.float64)
        for term in self.problem.terms:
            plane, trace = term.region.plane, term.trace
            if trace is not None and plane is not None and plane.axis == self.time and not plane.side:
                value = torch.as_tensor(Program([trace.value]).run(env)[0], dtype=torch.float64)
                values[trace.order, self.problem.fields.index(trace.field)] = value.expand(self.shape)
        return self.joined([self._modes_of(v) for v in values])

    def state_of(self, coefficients: Sequence[torch.Tensor]) -> torch.Tensor:
        """The state with some coefficients, and those of the derivatives in time where these belong to it."""
        return self.joined(
            [self._modes_of(torch.stack([self._value.forward(c)[0].clone() for c in own])) for own in coefficients]
        )

    def change(self, state: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
        """Modes of the first derivative in time that is no part of the state, where :meth:`rates` are ``rate``."""
        if self.order == 1:
            return rate + self._real * state
        return rate - self._frequency.square() * self.parts(state)[0]

    def size(self, modes: torch.Tensor) -> torch.Tensor:
        """By field, about the root mean square of values with some modes."""
        volume = math.prod(b - a for a, b in (axis.bounds for axis in self.axes))
        return modes.flatten(1).norm(dim=1) / math.sqrt(volume)


def line_orders(orders: Mapping[str, int]) -> int | None:
    """The order in time of all fields; None where they differ, or are neither one nor two."""
    found = set(orders.values())
    return next(iter(found)) if len(found) == 1 and found <= {1, 2} else None
