"""The equations of an evolution problem as rates of change at points of space, evaluated without what is not needed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.graph import Expr, apply, postorder
from hermite_pinn.expressions.program import Leaf, Program, Value, leaves
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import CompiledTerm, Jet, compile_term

__all__ = ["EquationRows", "LineEquation", "channels_of_rows", "line_equations", "slopes_vary", "steady_parts"]

PLACES = "place"  # leaves that stand for what depends on the place alone


@dataclass(frozen=True, eq=False)
class LineEquation:
    """An equation that is solved for the highest derivative in time of one field.

    Attributes
    ----------
    term
        The equation.
    field
        Its number.
    factor
        Of that derivative: a number, or an expression of the coordinates of space.
    strengths
        By orders along all axes, the constant factors of the derivatives of this field in space.
    """

    term: CompiledTerm
    field: int
    factor: float | Expr
    strengths: Mapping[tuple[int, ...], float]


def line_equations(problem: Problem, orders: Mapping[str, int]) -> list[LineEquation] | None:
    """The equations, by field; None where they cannot be solved for the highest derivatives in time.

    Each of these has to occur in one equation only, with a factor that depends on the place alone.
    """
    axis, dim = problem.domain.time_axis, problem.domain.dim
    assert axis is not None
    terms = [compile_term(problem, t) for t in problem.terms if t.region.is_interior]
    highest = {(name, tuple(order * (i == axis) for i in range(dim))): name for name, order in orders.items()}
    found: dict[int, LineEquation] = {}
    for term in terms:
        own = [jet for jet in term.jets if jet in highest]
        if len(own) != 1:
            return None
        factor = term.constant.get(own[0], term.variable.get(own[0]))
        assert factor is not None
        if isinstance(factor, Expr) and not all(
            kind == "coordinate" and data != problem.domain.names[axis] for kind, data in leaves(factor)
        ):
            return None
        field = problem.fields.index(highest[own[0]])
        strengths = {o: s for (name, o), s in term.constant.items() if name == problem.fields[field] and o[axis] == 0}
        found[field] = LineEquation(term, field, factor, strengths)
    if len(terms) != len(problem.fields) or len(found) != len(problem.fields):
        return None
    return [found[f] for f in range(len(problem.fields))]


def steady_parts(expression: Expr, names: Sequence[str]) -> tuple[Expr, list[Expr]]:
    """An expression in which the largest parts that depend on some coordinates alone are leaves, and these parts.

    Parameters
    ----------
    expression
        What is evaluated many times.
    names
        Coordinates that stay.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x, t = coordinate("x"), coordinate("t")
    >>> short, parts = steady_parts((x * x + 1.0) * t, ["x"])
    >>> sorted(kind for kind, _ in leaves(short)), len(parts)
    (['coordinate', 'place'], 1)
    """
    steady: dict[int, bool] = {}
    order = list(postorder(expression))
    for e in order:
        steady[id(e)] = (
            all(steady[id(a)] for a in e.args)
            if e.args
            else e.is_constant or (e.op == "coordinate" and e.data in names)
        )
    done: dict[int, Expr] = {}
    parts: list[Expr] = []
    for e in order:
        if steady[id(e)] and e.args and not e.is_constant:
            continue
        args = []
        for a in e.args:
            if id(a) not in done:
                done[id(a)] = Expr(PLACES, (), len(parts))
                parts.append(a)
            args.append(done[id(a)])
        if all(a is b for a, b in zip(args, e.args, strict=True)):
            done[id(e)] = e
        else:
            done[id(e)] = Expr(e.op, tuple(args), e.data) if e.op == "opaque" else apply(e.op, *args)
    if id(expression) not in done:
        return Expr(PLACES, (), 0), [expression]
    return done[id(expression)], parts


class EquationRows:
    """Evaluates an equation without its highest derivative in time, at points of space.

    Parameters
    ----------
    problem, equation
        What is evaluated.
    places
        Coordinates of space by name, tensors that broadcast against each other.

    Attributes
    ----------
    constant
        By field and order in time, the sum of derivatives in space with constant factors, or nothing.
    variable
        Jets that enter otherwise.
    """

    def __init__(self, problem: Problem, equation: LineEquation, places: Mapping[str, torch.Tensor]) -> None:
        axis = problem.domain.time_axis
        assert axis is not None
        term, order = equation.term, None
        self.time = problem.domain.names[axis]
        self.constant: dict[tuple[str, int], tuple[tuple[float, tuple[int, ...]], ...]] = {}
        for (name, o), s in term.constant.items():
            if not _is_highest(problem, equation, (name, o)):
                order = o[axis]
                space = tuple(n for i, n in enumerate(o) if i != axis)
                self.constant[name, order] = (*self.constant.get((name, order), ()), (s, space))
        self.variable = [jet for jet in term.variable if not _is_highest(problem, equation, jet)]
        env: dict[Leaf, Value] = {("coordinate", name): x for name, x in places.items()}
        short, parts = steady_parts(problem.plan.known(term.term.residual), list(places))
        values = Program(parts).run(env) if parts else []
        self._env = env | {(PLACES, k): v for k, v in enumerate(values)}
        self._program = Program([short])
        self._variable, self._slopes = term.variable, _slopes(problem, equation)
        factor = equation.factor
        self.factor: Value = Program([factor]).run(env)[0] if isinstance(factor, Expr) else float(factor)

    @property
    def moves(self) -> bool:
        """Whether there is a first derivative in space with a factor that is not constant."""
        return bool(self._slopes)

    def __call__(self, time: float, jets: Mapping[Jet, torch.Tensor]) -> Value:
        """The equation with all jets but the given ones set to zero."""
        env = dict(self._env)
        env["coordinate", self.time] = time
        for kind, data in self._program.leaves:
            if kind == "jet":
                env[kind, data] = jets.get(data, 0.0)
        return self._program.run(env)[0]

    def speeds(self, time: float, jets: Mapping[Jet, torch.Tensor]) -> dict[int, float]:
        """By axis, the largest factor in the rate of a first derivative in space that is not constant."""
        found: dict[int, float] = {}
        for (_, o), slope in self._slopes.items():
            found[o.index(1)] = max(found.get(o.index(1), 0.0), self._largest(slope, time, jets))
        return found

    def reaction(self, time: float, jets: Mapping[Jet, torch.Tensor]) -> float:
        """The largest factor in the rate of a value of a field that is not constant."""
        slopes = [e for jet, e in self._variable.items() if not any(jet[1])]
        return max((self._largest(e, time, jets) for e in slopes), default=0.0)

    def _largest(self, slope: Expr, time: float, jets: Mapping[Jet, torch.Tensor]) -> float:
        env = self._env | {("coordinate", self.time): time} | {("jet", jet): value for jet, value in jets.items()}
        program = Program([slope])
        for leaf in program.leaves - env.keys():
            env[leaf] = 0.0
        value = torch.as_tensor(program.run(env)[0], dtype=torch.float64) / self.factor
        return float(value.abs().max())


def _slopes(problem: Problem, equation: LineEquation) -> dict[Jet, Expr]:
    """Factors, not constant, of first derivatives in space."""
    axis = problem.domain.time_axis
    assert axis is not None
    return {jet: e for jet, e in equation.term.variable.items() if sum(jet[1]) == 1 and not jet[1][axis]}


def slopes_vary(problem: Problem, equation: LineEquation) -> bool:
    """Whether a first derivative in space has a factor that is not constant."""
    return bool(_slopes(problem, equation))


def _is_highest(problem: Problem, equation: LineEquation, jet: Jet) -> bool:
    name, o = jet
    axis = problem.domain.time_axis
    assert axis is not None
    own = problem.fields[equation.field]
    return name == own and o[axis] == sum(o) and o[axis] == _order_of(equation, own, axis)


def _order_of(equation: LineEquation, name: str, axis: int) -> int:
    """The highest derivative in time of a field in its equation."""
    return max(o[axis] for n, o in equation.term.jets if n == name)


def channels_of_rows(
    rows: Sequence[EquationRows], name: str, order: int, axis: int, dim: int
) -> tuple[Channels | None, dict[int, int], dict[Jet, int]]:
    """Channels of a field's derivative in time of some order: all of them, those by equation, and those by jet."""
    listed: list[tuple[tuple[float, tuple[int, ...]], ...]] = []
    by_row: dict[int, int] = {}
    by_jet: dict[Jet, int] = {}
    for k, row in enumerate(rows):
        members = row.constant.get((name, order))
        if members is not None:
            if members not in listed:
                listed.append(members)
            by_row[k] = listed.index(members)
    for jet in itertools.chain.from_iterable(row.variable for row in rows):
        if jet[0] == name and jet[1][axis] == order and jet not in by_jet:
            member = ((1.0, tuple(n for i, n in enumerate(jet[1]) if i != axis)),)
            if member not in listed:
                listed.append(member)
            by_jet[jet] = listed.index(member)
    return (Channels(dim, tuple(listed)) if listed else None), by_row, by_jet
