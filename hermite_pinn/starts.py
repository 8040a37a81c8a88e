"""What a user gives as the start of a run: a solution, functions by field, numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from hermite_pinn.checks import number, spelled
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Leaf, Program, Value
from hermite_pinn.expressions.trace import Symbols
from hermite_pinn.field.guess import Guess
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.reference_state import reference_state
from hermite_pinn.result.solution import Solution

__all__ = ["Start", "digest", "guess_of", "guesses_of"]

Start = Solution | Guess | Mapping[str, Any] | str | Path

ACCEPTED = (
    "a Solution, a file of one, or a mapping from fields to functions of the coordinates or numbers, and from unknown "
    "parameters to numbers, such as {'u': lambda x: x * (1 - x)}"
)
LOOKED_AT = 256  # points at which a start has to be finite
SLACK = 1e-9  # of the lengths of a domain


def guess_of(problem: Problem, start: Any, what: str = "start") -> Guess:
    """A start as functions of the coordinates.

    Parameters
    ----------
    problem
        What is to be solved.
    start
        A :class:`Solution` of the same coordinates whose domain holds that of the problem, a file of one, or a mapping.
    what
        Its name in messages.

    Raises
    ------
    InvalidArgumentError
        For anything else, a solution of other fields or on another domain, unknown names, and values that are not
        finite.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> guess = guess_of(hp.problems.poisson2d(), {"u": lambda x, y: x * y})
    >>> guess.values(torch.tensor([[0.5], [0.25]], dtype=torch.float64)).tolist()
    [[0.125]]
    """
    if isinstance(start, Guess):
        return start
    if isinstance(start, str | Path):
        start = Solution.load(start)
    if isinstance(start, Solution):
        guess = _of_solution(problem, start)
    elif isinstance(start, Mapping):
        guess = _of_mapping(problem, start)
    else:
        raise InvalidArgumentError(f"{what} must be {ACCEPTED}; got {spelled(start)}")
    _check_finite(problem, guess)
    return guess


def guesses_of(problem: Problem, known: Start | Sequence[Start]) -> tuple[Guess, ...]:
    """Known solutions, one or several, as functions of the coordinates; see :func:`guess_of`."""
    several: Sequence[Any] = known if isinstance(known, Sequence) and not isinstance(known, str) else [known]
    return tuple(guess_of(problem, one, "deflate") for one in several)


def digest(problem: Problem, guess: Guess) -> str:
    """What tells a start from another one: its values at some points, and its numbers."""
    values = guess.values(problem.domain.interior.quasi_random(LOOKED_AT, 0).x)
    told = [f"{v:.9e}" for v in values.flatten().tolist()]
    told += [f"{name}={value!r}" for name, value in sorted(guess.parameters.items())]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def _check_finite(problem: Problem, guess: Guess) -> None:
    x = problem.domain.interior.quasi_random(LOOKED_AT, 0).x
    values = guess.values(x)
    for name, row in zip(problem.fields, values, strict=True):
        bad = (~torch.isfinite(row)).nonzero()
        if len(bad):
            place = zip(problem.domain.names, x[:, int(bad[0])].tolist(), strict=True)
            raise InvalidArgumentError(
                f"the start of {name} is {float(row[bad[0]])} at {', '.join(f'{n} = {c:.4g}' for n, c in place)}; it must be "
                "finite in the whole domain"
            )


# -- a solution ---
def _of_solution(problem: Problem, start: Solution) -> Guess:
    unknown = [f for f in start.fields if f not in problem.fields]
    if unknown:
        raise InvalidArgumentError(
            f"the start is a solution for {', '.join(start.fields)}, and the fields of the problem are "
            f"{', '.join(problem.fields)}; give the fields by name: start={{{problem.fields[0]!r}: start.{unknown[0]}}}"
        )
    _check_domain(problem, start)
    field, dim = start.field.collapsed(), problem.domain.dim
    known = [start.fields.index(f) if f in start.fields else None for f in problem.fields]
    rest = _reference(problem)

    def values(x: torch.Tensor) -> torch.Tensor:
        own = field.evaluate(x.to(field.device, field.dtype), Channels.value(dim))[:, 0].to("cpu", torch.float64)
        return torch.stack([rest[f](x) if k is None else own[k] for f, k in zip(problem.fields, known, strict=True)])

    names = {p.name for p in problem.parameters}
    numbers = {k: v for k, v in start.parameters.items() if k in names}
    same = start.fields == problem.fields and start.domain.bounds == problem.domain.bounds
    same = same and start.periodic == problem.periodic
    return Guess(values, _in_bounds(problem, numbers), start.field if same else None)


def _check_domain(problem: Problem, start: Solution) -> None:
    """Raise an error unless the domain of a solution holds that of the problem."""
    own, other = problem.domain, start.domain
    held = own.names == other.names
    for (a, b), (c, d), wraps in (
        zip(own.bounds.values(), other.bounds.values(), start.periodic, strict=True) if held else ()
    ):
        slack = SLACK * (d - c)
        held = held and (wraps or (a >= c - slack and b <= d + slack))
    if held and other.is_cut:
        held = bool(start.inside(own.interior.quasi_random(LOOKED_AT, 0).x.numpy().T).all())
    if not held:
        raise InvalidArgumentError(
            f"the start is a solution on {other}, which does not hold {own}; give functions of the coordinates of the "
            f"problem, such as start={{{problem.fields[0]!r}: lambda {own.names[0]}: "
            f"old.{start.fields[0]}(0.5 * {own.names[0]})}}"
        )


# -- functions and numbers ---
def _of_mapping(problem: Problem, start: Mapping[Any, Any]) -> Guess:
    parameters = {p.name for p in problem.parameters}
    unknown = [name for name in start if name not in problem.fields and name not in parameters]
    if unknown or not start:
        names = ", ".join([*problem.fields, *(p.name for p in problem.parameters)])
        told = spelled(unknown[0]) if unknown else "nothing"
        raise InvalidArgumentError(f"start names {told}; the unknowns of the problem are {names}")
    symbols = Symbols(problem.fields, problem.domain.names, (), problem.max_order)
    functions = dict(_reference(problem))
    for name in problem.fields:
        if name in start:
            functions[name] = _evaluated(problem, symbols.value(start[name], f"the start of {name}"))
    numbers = {name: number(f"the start of {name}", start[name]) for name in start if name in parameters}

    def values(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([functions[name](x) for name in problem.fields])

    return Guess(values, _in_bounds(problem, numbers))


def _in_bounds(problem: Problem, numbers: Mapping[str, float]) -> dict[str, float]:
    bounds = {p.name: p.bounds for p in problem.parameters}
    for name, value in numbers.items():
        low, high = bounds[name]
        if not low <= value <= high:
            raise InvalidArgumentError(
                f"the start of {name} is {value:g}, outside its bounds {low:g} to {high:g}; give a value within them"
            )
    return dict(numbers)


def _evaluated(problem: Problem, expression: Expr) -> Callable[[torch.Tensor], torch.Tensor]:
    program = Program([expression])

    def values(x: torch.Tensor) -> torch.Tensor:
        env: dict[Leaf, Value] = {("coordinate", n): c for n, c in zip(problem.domain.names, x, strict=True)}
        return torch.as_tensor(program.run(env)[0], dtype=torch.float64).expand(x.shape[1])

    return values


def _reference(problem: Problem) -> dict[str, Callable[[torch.Tensor], torch.Tensor]]:
    """What fields begin with for which nothing is given: see :func:`reference_state`."""
    state, domain = reference_state(problem), problem.domain

    def function(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
        def values(x: torch.Tensor) -> torch.Tensor:
            total = torch.full((x.shape[1],), state.values[name], dtype=torch.float64)
            for row, a, length in zip(x, domain.lower, domain.lengths, strict=True):
                total = total + state.slopes[name] * ((row - a) / length - 0.5)
            return total

        return values

    return {name: function(name) for name in problem.fields}
