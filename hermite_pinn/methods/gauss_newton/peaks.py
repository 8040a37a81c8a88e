"""Where what a problem prescribes may have peaks that no sample hits, as far as its expression says.

``exp(g)`` is largest where ``g`` is, ``a / b`` where ``b`` is smallest, and functions such as ``tanh(g)`` are steep
where ``g`` is zero.  ``g`` varies smoothly over the domain even where the peak is a millionth of it wide.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch

from hermite_pinn.expressions.graph import Expr, postorder
from hermite_pinn.expressions.program import Leaf, Program, Value, depends_on, is_smooth, partials
from hermite_pinn.geometry import Samples
from hermite_pinn.problem.problem import Problem

__all__ = ["candidates", "climbed"]

LARGEST = frozenset(["exp", "exp2", "expm1", "sinh", "cosh"])  # of the argument
EVEN = frozenset(["sinh", "cosh"])  # of these, or of minus the argument
STEEP = frozenset(["tanh", "arctan", "erf", "erfc", "sign", "sigmoid", "log", "log1p"])  # where it is zero
STARTS = {1: 64, 2: 8, 3: 4, 4: 3}  # by the number of axes, blocks along each of which the best sample is a start
ROUNDS = 200
FINEST = 1e-15  # of the domain: step at which a search ends

Objective = Callable[[torch.Tensor], torch.Tensor]


def candidates(problem: Problem, expression: Expr, samples: Samples) -> torch.Tensor:
    """Points (dim, n) at which parts of an expression are extreme.

    Parameters
    ----------
    expression
        Traced.  Parts that depend on fields or parameters are left out.
    samples
        Points of the region, among which the searches begin.
    """
    found = []
    for argument, sign in _objectives(problem, expression):
        objective = _objective(problem, argument, sign)
        values = objective(samples.x)
        if not bool(torch.isfinite(values).any()):
            continue
        starts = _best_of_blocks(problem, samples.x, values)
        slopes = _constant_slopes(problem, argument) if sign else None
        if slopes is None:
            found.append(climbed(problem, objective, starts))
        else:
            found.append(_at_the_end(problem, [sign * s for s in slopes], starts))
    return torch.cat(found, 1) if found else samples.x[:, :0]


def _constant_slopes(problem: Problem, argument: Expr) -> list[float] | None:
    """The slopes along the axes of an argument that is affine in the coordinates; None for others."""
    if not is_smooth(argument):
        return None
    slopes = partials(argument, lambda leaf: leaf.op == "coordinate")
    numbers = {name: s.data for (_, name), s in slopes.items() if s.is_constant}
    return [float(numbers.get(n, 0.0)) for n in problem.domain.names] if len(numbers) == len(slopes) else None


def _at_the_end(problem: Problem, slopes: Sequence[float], x: torch.Tensor) -> torch.Tensor:
    """Starts (dim, n), moved to where an affine function with some slopes is largest in the box."""
    x = x.clone()
    for row, slope, a, b in zip(x, slopes, problem.domain.lower, problem.domain.upper, strict=True):
        if slope:
            row.fill_(b if slope > 0 else a)
    return x


def _objectives(problem: Problem, expression: Expr) -> list[tuple[Expr, int]]:
    """What to make as large as possible, each once: an argument, minus it (-1), or minus its size (0)."""
    objectives: dict[tuple[int, int], tuple[Expr, int]] = {}
    for node in postorder(expression):
        if node.op not in LARGEST | STEEP | {"div"}:
            continue
        argument = node.args[-1]
        if not depends_on(argument, ["coordinate"]) or depends_on(node, ["jet", "parameter", "normal", "data"]):
            continue
        argument = problem.plan.known(argument)
        signs = (1, -1) if node.op in EVEN else (1,) if node.op in LARGEST else (0,)
        objectives |= {(id(argument), sign): (argument, sign) for sign in signs}
    return list(objectives.values())


def _objective(problem: Problem, argument: Expr, sign: int) -> Objective:
    """The argument, minus it (-1), or minus its size (0)."""
    program, names = Program([argument]), problem.domain.names

    def value(x: torch.Tensor) -> torch.Tensor:
        env: dict[Leaf, Value] = {("coordinate", name): row for name, row in zip(names, x, strict=True)}
        own = torch.as_tensor(program.run(env)[0], dtype=torch.float64).expand(x.shape[1])
        return torch.where(torch.isfinite(own), -own.abs() if sign == 0 else sign * own, -torch.inf)

    return value


def _best_of_blocks(problem: Problem, x: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Of every block of the box the point with the largest value."""
    domain, count = problem.domain, STARTS[problem.domain.dim]
    block = torch.zeros(x.shape[1], dtype=torch.int64)
    for row, a, length in zip(x, domain.lower, domain.lengths, strict=True):
        block = block * count + ((row - a) / length * count).long().clamp(0, count - 1)
    order = torch.argsort(values)
    best = torch.full((count**domain.dim,), -1, dtype=torch.int64)
    best[block[order]] = order  # the last one, with the largest value, stays
    return x[:, best[best >= 0]]


def climbed(problem: Problem, objective: Objective, x: torch.Tensor) -> torch.Tensor:
    """Local maxima of a function in the box, from starts (dim, n), by a search along a pattern that shrinks."""
    domain = problem.domain
    lengths = torch.tensor(domain.lengths, dtype=torch.float64)[:, None]
    lower = torch.tensor(domain.lower, dtype=torch.float64)[:, None]
    upper = torch.tensor(domain.upper, dtype=torch.float64)[:, None]
    pattern = torch.tensor([p for p in itertools.product((-1.0, 0.0, 1.0), repeat=domain.dim) if any(p)]).to(x).T
    x, count = x.to(torch.float64).clone(), x.shape[1]
    step = torch.full((count,), 0.5 / STARTS[domain.dim], dtype=torch.float64)
    value = objective(x)
    for _ in range(ROUNDS):
        moves = pattern[:, :, None] * step * lengths[:, :, None]
        tried = torch.minimum(torch.maximum(x[:, None, :] + moves, lower[:, :, None]), upper[:, :, None])
        values = objective(tried.reshape(domain.dim, -1)).reshape(pattern.shape[1], count)
        best, which = values.max(0)
        better = best > value
        x = torch.where(better, tried[:, which, torch.arange(count)], x)
        value = torch.where(better, best, value)
        step = torch.where(better, step, 0.5 * step)
        if bool((step < FINEST).all()):
            break
    return x
