"""Ordinary differential equations as equations of a state and its rate of change, evaluated at many times at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hermite_pinn.expressions.elementary import registered
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Program, is_smooth, leaves
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import compile_term

__all__ = ["ArrayProgram", "BackwardEquations", "StateEquations", "given_states"]


class ArrayProgram:
    """A program that is run on NumPy arrays, at a fraction of the cost where these are short.

    Parameters
    ----------
    outputs
        Expressions of jets and coordinates.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x = coordinate("x")
    >>> ArrayProgram([x * x + 1.0]).run({("coordinate", "x"): np.array([1.0, 2.0])})
    [array([2., 5.])]
    """

    def __init__(self, outputs: Sequence[Expr]) -> None:
        program, table = Program(outputs), registered()
        self.leaves: list[tuple[int, tuple[str, Any]]] = []
        self.outputs = program.outputs
        self._values: list[Any] = [None] * len(program.instructions)
        self._steps: list[tuple[int, Callable[..., Any], tuple[int, ...]]] = []
        for number, (op, args, data) in enumerate(program.instructions):
            if op == "constant":
                self._values[number] = float(data)
            elif not args:
                self.leaves.append((number, (op, data)))
            elif op == "where":
                self._steps.append((number, np.where, args))
            elif op == "opaque":
                self._steps.append((number, data, args))
            else:
                self._steps.append((number, table[op].numpy, args))

    def run(self, env: Mapping[tuple[str, Any], Any]) -> list[Any]:
        """Values of the outputs: arrays, or numbers where nothing depends on an array."""
        values = self._values.copy()
        for number, leaf in self.leaves:
            values[number] = env[leaf]
        for number, function, args in self._steps:
            values[number] = function(*[values[i] for i in args])
        return [values[i] for i in self.outputs]


class StateEquations:
    """The equations of a problem on one axis as ``F(t, y, y') = 0`` for a state y of all derivatives but the highest.

    Fields without a derivative are components whose rate of change no equation holds.

    Parameters
    ----------
    problem
        On one axis.
    orders
        By field, its highest derivative.

    Attributes
    ----------
    states
        Field and order of derivative of each component.
    driven
        Whether an equation depends on the coordinate itself.
    affine
        Whether all equations are affine in the fields.
    smooth
        Whether no equation chooses, compares or rounds.
    algebraic
        By component, whether it belongs to a field without a derivative.
    """

    def __init__(self, problem: Problem, orders: Mapping[str, int]) -> None:
        self.states = [(name, k) for name, order in orders.items() for k in range(max(order, 1))]
        self.count = len(self.states)
        self.algebraic = np.array([orders[name] == 0 for name, _ in self.states])
        number = {state: i for i, state in enumerate(self.states)}
        terms = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
        self.time = problem.domain.names[0]
        self.affine = all(t.affine for t in terms)
        self.smooth = all(is_smooth(t.term.residual) for t in terms)
        outputs = [t.term.residual for t in terms]
        self._by_value = np.zeros((self.count, self.count))
        self._by_slope = np.zeros((self.count, self.count))
        self._links = [(number[f, k + 1], number[f, k]) for f, k in self.states if (f, k + 1) in number]
        self._entries: list[tuple[np.ndarray, int, int]] = []
        self._variable: list[tuple[bool, int, int]] = []
        for row, (value, rate) in enumerate(self._links):
            self._by_slope[row, rate], self._by_value[row, value] = 1.0, -1.0
        for row, term in enumerate(terms, len(self._links)):
            for (name, (order,)), s in (term.constant | term.variable).items():
                highest = order == orders[name] > 0
                column = number[name, order - 1 if highest else order]
                if isinstance(s, Expr):
                    self._variable.append((highest, row, column))
                    outputs.append(s)
                else:
                    (self._by_slope if highest else self._by_value)[row, column] = s
        self._program = ArrayProgram(outputs)
        self._residuals = ArrayProgram(outputs[: len(terms)])
        self._jets = []
        for leaf in leaves(*outputs):
            if leaf[0] == "jet":
                name, (order,) = leaf[1]
                highest = order == orders[name] > 0
                self._jets.append((leaf, highest, number[name, order - 1 if highest else order]))
        self.driven = any(kind == "coordinate" for kind, _ in leaves(*outputs[: len(terms)]))

    def coordinate(self, place: float) -> float:
        """The coordinate of a place of a march: the same."""
        return place

    def _env(self, times: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> dict[tuple[str, Any], np.ndarray]:
        env: dict[tuple[str, Any], np.ndarray] = {("coordinate", self.time): times}
        for leaf, highest, i in self._jets:
            env[leaf] = slopes[i] if highest else values[i]
        return env

    def residuals(self, times: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """What is left of the equations, (n, p); see :meth:`evaluate`."""
        return self._rows(self._residuals.run(self._env(times, values, slopes)), values, slopes)

    def _rows(self, parts: Sequence[Any], values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        rows = np.empty_like(values)
        for row, (value, rate) in enumerate(self._links):
            np.subtract(slopes[rate], values[value], out=rows[row])
        for row, part in enumerate(parts, len(self._links)):
            rows[row] = part
        return rows

    def evaluate(
        self, times: np.ndarray, values: np.ndarray, slopes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is left of the equations, and its derivatives.

        Parameters
        ----------
        times
            (p,), float64.
        values, slopes
            States and their rates of change, (n, p), float64.

        Returns
        -------
        residuals, by_values, by_slopes
            (n, p), (p, n, n) and (p, n, n), float64.
        """
        found = self._program.run(self._env(times, values, slopes))
        count = self.count - len(self._links)
        by_value = np.broadcast_to(self._by_value, (len(times), self.count, self.count)).copy()
        by_slope = np.broadcast_to(self._by_slope, (len(times), self.count, self.count)).copy()
        for (highest, row, column), part in zip(self._variable, found[count:], strict=True):
            (by_slope if highest else by_value)[:, row, column] = part
        return self._rows(found[:count], values, slopes), by_value, by_slope


class BackwardEquations(StateEquations):
    """The same equations where the coordinate falls: places are its negative, and rates of change are along these."""

    def coordinate(self, place: float) -> float:
        """The coordinate of a place of a march."""
        return -place

    def residuals(self, times: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
        """See :meth:`StateEquations.residuals`."""
        return super().residuals(-times, values, -slopes)

    def evaluate(
        self, times: np.ndarray, values: np.ndarray, slopes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See :meth:`StateEquations.evaluate`."""
        residuals, by_value, by_slope = super().evaluate(-times, values, -slopes)
        return residuals, by_value, -by_slope


def given_states(problem: Problem) -> tuple[int, dict[tuple[str, int], float]] | None:
    """Values and derivatives that conditions at one end of the axis give, by field and order of derivative.

    Returns
    -------
    side, given
        0 for the lower end of the axis, 1 for the upper one; None where there are other conditions, or conditions at
        both ends, or where one component is given twice.
    """
    given: dict[tuple[str, int], float] = {}
    sides = set()
    for term in problem.terms:
        if term.region.is_interior:
            continue
        plane = term.region.plane
        if plane is None or term.trace is None or term.where is not None or term.noise is not None:
            return None
        state = (term.trace.field, term.trace.order)
        if state in given:
            return None
        sides.add(int(plane.side))
        env = {("coordinate", problem.domain.names[0]): np.array([plane.position])}
        given[state] = float(np.ravel(ArrayProgram([term.trace.value]).run(env)[0])[0])
    return (sides.pop(), given) if len(sides) == 1 else None
