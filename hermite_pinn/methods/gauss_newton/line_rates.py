"""The rates of change of the coefficients along one axis of space, with banded matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sparse
import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Leaf, Program, Value, depends_on
from hermite_pinn.geometry.quadrature import gauss_axis
from hermite_pinn.methods.systems.broken_axes import axes_of
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import Jet

from .line_equations import PLACES, LineEquation, steady_parts
from .line_faces import FaceCoefficients

__all__ = ["LineRates"]


class LineRates:
    """Galerkin's method along one axis of space: ``M y' = F(t, y)`` for the coefficients that no condition prescribes.

    A state has components: the fields and, of equations of second order in time, their first derivatives.  Coefficients
    are counted vertex by vertex, on a periodic axis in an order that keeps the matrices banded.

    Parameters
    ----------
    problem, basis
        What is solved, with one axis of space and one of time.
    equations
        By field.
    order
        Of the equations in time, 1 or 2.
    cells
        Along the axis of space.

    Attributes
    ----------
    size
        Number of coefficients in a state.
    band
        Diagonals of the matrices on each side of the main one.
    steady
        Whether the Jacobian is the same for all times and states.
    """

    def __init__(self, problem: Problem, basis: str, equations: Sequence[LineEquation], order: int, cells: int) -> None:
        domain = problem.domain
        (space,), time = domain.space_axes, domain.time_axis
        assert time is not None
        self.problem, self.equations, self.order, self.cells = problem, equations, order, cells
        self.space, self.time, self.m = space, time, BASES[basis].coefficients
        axis = axes_of(problem)[space]
        self.components = [(f, d) for f in range(len(problem.fields)) for d in range(order)]
        self.vertices = cells + (not axis.periodic)
        self._quadrature(basis, axis.bounds)
        self.faces = FaceCoefficients(problem, basis, [axis], [cells], order)
        self._number(axis.periodic)
        self._compile()
        ones = torch.ones(1, dtype=torch.float64)
        self.mass = self.banded({(c, c, 0): ones for c in range(len(self.components))})
        self._mass = self.as_sparse(self.mass)

    # -- layout ---
    def _quadrature(self, basis: str, bounds: tuple[float, float]) -> None:
        count, h = 2 * self.m - 1, (bounds[1] - bounds[0]) / self.cells
        x, w = gauss_axis(0.0, 1.0, 1, count)
        highest = max((o[self.space] for e in self.equations for _, o in e.term.jets), default=0)
        self.weights = w * h
        self.shapes = [
            np.stack([np.broadcast_to(v, x.shape) for v in basis_values(basis, x, o)], 1) / h**o
            for o in range(highest + 1)
        ]
        self.products = [
            (self.weights[:, None, None] * self.shapes[0][:, :, None] * s[:, None, :]).reshape(count, -1)
            for s in self.shapes
        ]
        self.x = torch.as_tensor(bounds[0] + h * (np.arange(self.cells)[:, None] + x[None, :]))

    def _number(self, periodic: bool) -> None:
        """Number the coefficients that are not prescribed."""
        n, c, m = self.vertices, len(self.components), self.m
        place = np.arange(n)
        if periodic:  # 0, n - 1, 1, n - 2, ...: neighbours are two places apart at most
            place = np.where(place < (n + 1) // 2, 2 * place, 2 * (n - 1 - place) + 1)
        free = np.ones((n, c, m), dtype=bool)
        for number, (field, _) in enumerate(self.components):
            for index in self.faces.fixed[field][0]:
                free[index // m, number, index % m] = False
        ordered = np.argsort(place)
        self.number = np.full((n, c, m), -1)
        flat = np.full((n, c, m), -1)
        flat[free] = 0
        count = 0
        for v in ordered:
            own = int(free[v].sum())
            self.number[v][free[v]] = np.arange(count, count + own)
            count += own
        self.size, self.free = count, free
        self._to = self.number[free]
        self.band = ((3 if periodic else 2) * c * m) - 1
        right = np.roll(self.number, -1, 0)[: self.cells]
        self._local = np.concatenate([self.number[: self.cells], right], 2)  # (cells, components, 2 m)
        self.values = [self.number[:, k, 0][self.number[:, k, 0] >= 0] for k in range(c)]

    def _compile(self) -> None:
        names = self.problem.domain.names
        self._time_name = names[self.time]
        place: dict[Leaf, Value] = {("coordinate", names[self.space]): self.x}
        fields, axes = self.problem.fields, (self.time, self.space)
        self._jets: dict[Jet, tuple[int, int]] = {}
        residuals: list[Expr] = []
        slopes: list[Expr] = []
        self._slopes: list[tuple[int, int, int]] = []
        self._constant: dict[tuple[int, int, int], float] = {}
        self.factors: list[Value] = []
        for e in self.equations:
            row = self.components.index((e.field, self.order - 1))
            own = fields[e.field], tuple(self.order * (i == self.time) for i in range(2))
            residuals.append(self.problem.plan.known(e.term.term.residual))
            factor = e.factor
            self.factors.append(Program([factor]).run(place)[0] if isinstance(factor, Expr) else float(factor))
            for jet in e.term.jets:
                if jet == own:
                    continue
                order, space = (jet[1][i] for i in axes)
                self._jets[jet] = self.components.index((fields.index(jet[0]), order)), space
                column = (row, *self._jets[jet])
                if jet in e.term.constant and isinstance(factor, float | int):
                    self._constant[column] = -e.term.constant[jet] / float(factor)
                else:
                    self._slopes.append(column)
                    known = e.term.variable.get(jet)
                    slopes.append(known if known is not None else Expr("constant", (), e.term.constant[jet]))
        self._residuals, self._known = self._prepared(residuals, place)
        self._derivatives, self._known_slopes = self._prepared(slopes, place)
        self.affine = all(e.term.affine for e in self.equations)
        self.steady = not any(
            depends_on(s, ["jet"]) or ("coordinate", self._time_name) in Program([s]).leaves for s in slopes
        )

    def _prepared(
        self, wanted: Sequence[Expr], place: dict[Leaf, Value]
    ) -> tuple[list[Program], list[dict[Leaf, Value]]]:
        programs, known = [], []
        for e in wanted:
            short, parts = steady_parts(e, [self.problem.domain.names[self.space]])
            values = Program(parts).run(place) if parts else []
            programs.append(Program([short]))
            known.append(place | {(PLACES, k): v for k, v in enumerate(values)})
        return programs, known

    # -- matrices ---
    def banded(self, factors: Mapping[tuple[int, int, int], torch.Tensor]) -> np.ndarray:
        """A matrix in LAPACK's storage, with room for its factors.

        Parameters
        ----------
        factors
            By the component that is tested, the one that is differentiated, and the order: values at the points.
        """
        kl, width = self.band, 2 * self.m
        out = np.zeros((3 * kl + 1) * self.size)
        count = len(self.weights)
        for (row, column, order), factor in factors.items():
            s = np.broadcast_to(np.asarray(factor), (self.cells, count))
            blocks = (s @ self.products[order]).reshape(self.cells, width, width)
            i, j = self._local[:, row, :, None], self._local[:, column, None, :]
            own = (i >= 0) & (j >= 0)
            at = ((2 * kl + i - j) * self.size + j)[own]
            out += np.bincount(at, blocks[own], len(out))
        return out.reshape(3 * kl + 1, self.size)

    def as_sparse(self, banded: np.ndarray) -> sparse.csr_matrix:
        """A matrix in LAPACK's storage as a sparse one."""
        kl = self.band
        return sparse.dia_matrix((banded[kl:], np.arange(kl, -kl - 1, -1)), (self.size, self.size)).tocsr()

    def times_mass(self, states: np.ndarray) -> np.ndarray:
        """``M`` applied to states (..., size)."""
        product: np.ndarray = (self._mass @ states.T).T
        return product

    def jacobian(self, time: float, state: np.ndarray) -> np.ndarray:
        """The derivative of F by the state, in LAPACK's storage."""
        factors = {k: torch.tensor([v], dtype=torch.float64) for k, v in self._constant.items()}
        if self.order > 1:
            for f in range(len(self.problem.fields)):
                key = self.components.index((f, 0)), self.components.index((f, 1)), 0
                factors[key] = torch.ones(1, dtype=torch.float64)
        if self._slopes:
            times = np.array([time])
            jets = self._points(self.whole(times, state[None]))
            for (row, column, order), program, known in zip(
                self._slopes, self._derivatives, self._known_slopes, strict=True
            ):
                equation = next(k for k, e in enumerate(self.equations) if self._row(e) == row)
                value = torch.as_tensor(self._run(program, known, times, jets), dtype=torch.float64)
                value = -(value / self.factors[equation])
                factors[row, column, order] = value.reshape(value.shape[-2:]) if value.ndim > 1 else value
        return self.banded(factors)

    def _row(self, equation: LineEquation) -> int:
        return self.components.index((equation.field, self.order - 1))

    # -- states ---
    def prescribed(self, time: float, derivative: int) -> np.ndarray:
        """Coefficients (vertices, components, m) that conditions prescribe, or a derivative in time of these."""
        out = np.zeros((self.vertices, len(self.components), self.m))
        for k, (field, d) in enumerate(self.components):
            if self.faces.fixed[field][0] and not (self.faces.steady and d + derivative > 0):
                own = self.faces.at(time, d + derivative)[field].numpy()
                out[:, k] = own.reshape(self.vertices, self.m)
        return out

    def whole(self, times: np.ndarray, states: np.ndarray, derivative: int = 0) -> np.ndarray:
        """All coefficients (times, vertices, components, m) of states (times, size)."""
        out = np.stack([self.prescribed(float(t), derivative) for t in times])
        out[:, self.free] = states[:, self._to]
        return out

    def state_of(self, coefficients: np.ndarray) -> np.ndarray:
        """The state with some coefficients (vertices, components, m)."""
        out = np.empty(self.size)
        out[self._to] = coefficients[self.free]
        return out

    def _cells(self, whole: np.ndarray, component: int) -> np.ndarray:
        own = whole[:, :, component]
        return np.concatenate([own[:, : self.cells], np.roll(own, -1, 1)[:, : self.cells]], -1)

    def _points(self, whole: np.ndarray) -> dict[Jet, torch.Tensor]:
        """Jets at the points (times, cells, points)."""
        cells: dict[int, np.ndarray] = {}
        found = {}
        for jet, (component, order) in self._jets.items():
            if component not in cells:
                cells[component] = self._cells(whole, component)
            found[jet] = torch.from_numpy(cells[component] @ self.shapes[order].T)
        return found

    def _run(
        self, program: Program, known: dict[Leaf, Value], times: np.ndarray, jets: Mapping[Jet, torch.Tensor]
    ) -> Value:
        env = dict(known)
        env["coordinate", self._time_name] = torch.from_numpy(times).reshape(-1, 1, 1)
        for kind, data in program.leaves:
            if kind == "jet":
                env[kind, data] = jets.get(data, 0.0)
        return program.run(env)[0]

    def tested(self, component: int, values: np.ndarray, out: np.ndarray) -> None:
        """Add the integrals of values (times, cells, points) with all functions of a component to ``out``."""
        parts = (values * self.weights) @ self.shapes[0]
        left, right = parts[..., : self.m], parts[..., self.m :]
        out[:, : self.cells, component] += left
        if self.vertices == self.cells:
            out[:, :, component] += np.roll(right, 1, 1)
        else:
            out[:, 1:, component] += right

    def rates(self, times: np.ndarray, states: np.ndarray) -> np.ndarray:
        """F of states (times, size)."""
        whole = self.whole(times, states)
        jets = self._points(whole)
        out = np.zeros_like(whole)
        shape = (len(times), self.cells, len(self.weights))
        moving = None if self.faces.steady else self.whole(times, np.zeros_like(states), 1)
        for component, (field, d) in enumerate(self.components):
            if d + 1 < self.order:
                next_one = self.components.index((field, d + 1))
                values = self._cells(whole, next_one) @ self.shapes[0].T
            else:
                equation = next(k for k, e in enumerate(self.equations) if e.field == field)
                value = self._run(self._residuals[equation], self._known[equation], times, jets)
                rate = -(torch.as_tensor(value, dtype=torch.float64) / self.factors[equation])
                values = rate.expand(shape).numpy()
            if moving is not None:
                values = values - self._cells(moving, component) @ self.shapes[0].T
            self.tested(component, values, out)
        found = np.empty_like(states)
        found[:, self._to] = out[:, self.free]
        return found

    def projected(self, given: Sequence[np.ndarray], time: float) -> np.ndarray:
        """``M y`` of the state next to values (cells, points) of the components at a time."""
        known = self.prescribed(time, 0)[None]
        out = np.zeros_like(known)
        for component, values in enumerate(given):
            self.tested(component, (values - self._cells(known, component)[0] @ self.shapes[0].T)[None], out)
        return self.state_of(out[0])

    def start(self) -> list[np.ndarray]:
        """Values (cells, points) of the components at the start."""
        domain = self.problem.domain
        env: dict[Leaf, Value] = {
            ("coordinate", domain.names[self.space]): self.x,
            ("coordinate", self._time_name): domain.lower[self.time],
        }
        found = [np.zeros(tuple(self.x.shape)) for _ in self.components]
        for term in self.problem.terms:
            plane, trace = term.region.plane, term.trace
            if trace is not None and plane is not None and plane.axis == self.time and not plane.side:
                value = torch.as_tensor(Program([trace.value]).run(env)[0], dtype=torch.float64)
                own = self.components.index((self.problem.fields.index(trace.field), trace.order))
                found[own] = value.expand(self.x.shape).numpy()
        return found

    def sizes(self, states: np.ndarray) -> np.ndarray:
        """By component, the root mean square of the coefficients of states that are values: (..., components)."""
        return np.stack([np.sqrt(np.mean(states[..., own] ** 2, -1)) for own in self.values], -1)

    def fields(self, whole: np.ndarray, derivative: int) -> np.ndarray:
        """Coefficients (fields, m N) of a derivative in time that belongs to the state (vertices, components, m)."""
        own = [k for k, (_, d) in enumerate(self.components) if d == derivative]
        return np.stack([whole[:, k].reshape(-1) for k in own])

    def combined(self, fields: Sequence[np.ndarray]) -> np.ndarray:
        """Inverse of :meth:`fields`: by derivative in time, coefficients (fields, m N)."""
        out = np.empty((self.vertices, len(self.components), self.m))
        for k, (field, d) in enumerate(self.components):
            out[:, k] = fields[d][field].reshape(self.vertices, self.m)
        return out
