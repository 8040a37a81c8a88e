"""Periods of a problem that are shorter than its periodic axes: one of them is solved for."""

from __future__ import annotations

import math

from hermite_pinn.expressions.graph import Expr, postorder
from hermite_pinn.problem.problem import Problem

__all__ = ["one_period", "periods", "turns"]

SAME = 1e-9  # numbers of turns closer to an integer than that are one


def turns(expression: Expr, name: str, length: float) -> int | None:
    """How often an expression repeats along a coordinate within a length.

    Parameters
    ----------
    expression
        What says it: the coordinate may enter through sines and cosines of linear functions only.
    name
        Of the coordinate.
    length
        In which an integer number of periods fits.

    Returns
    -------
    int or None
        The greatest number; 0 if the expression does not depend on the coordinate; None if it does otherwise.

    Examples
    --------
    >>> from hermite_pinn import cos, pi, sin
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x, y = coordinate("x"), coordinate("y")
    >>> turns(sin(pi * x) * cos(3 * pi * x + y), "x", 4.0), turns(sin(y), "x", 4.0), turns(x * x, "x", 4.0)
    (2, 0, None)
    """
    slopes: dict[int, float] = {}  # along the coordinate, of what is linear in it
    found = 0
    for e in postorder(expression):
        own = [slopes[id(a)] for a in e.args]
        if not e.args:
            slopes[id(e)] = 1.0 if e.op == "coordinate" and e.data == name else 0.0
        elif not any(own):
            slopes[id(e)] = 0.0
        elif e.op in ("add", "sub"):
            slopes[id(e)] = own[0] + own[1] if e.op == "add" else own[0] - own[1]
        elif e.op == "neg":
            slopes[id(e)] = -own[0]
        elif e.op == "mul" and any(a.is_constant for a in e.args):
            slopes[id(e)] = math.prod(float(a.data) if a.is_constant else s for a, s in zip(e.args, own, strict=True))
        elif e.op == "div" and e.args[1].is_constant:
            slopes[id(e)] = own[0] / float(e.args[1].data)
        elif e.op in ("sin", "cos"):
            number = own[0] * length / (2.0 * math.pi)
            if abs(number - round(number)) > SAME * max(1.0, abs(number)):
                return None
            found = math.gcd(found, abs(round(number)))
            slopes[id(e)] = 0.0
        else:
            return None
    return found if slopes[id(expression)] == 0.0 else None


def periods(problem: Problem) -> dict[str, int]:
    """By periodic axis of space along which all that a problem says repeats, how often: at least twice."""
    domain, found = problem.domain, dict[str, int]()
    if domain.is_cut or domain.breaks:
        return {}
    for axis in domain.space_axes:
        name = domain.names[axis]
        if not problem.periodic[axis]:
            continue
        said = [problem.plan.known(t.residual) for t in problem.terms]
        said += [t.trace.value for t in problem.terms if t.trace is not None]
        numbers = [turns(e, name, domain.lengths[axis]) for e in said]
        if any(n is None for n in numbers):
            continue
        repeats = math.gcd(*(n for n in numbers if n is not None))
        if repeats > 1:
            found[name] = repeats
    return found


def one_period(problem: Problem, repeats: dict[str, int]) -> Problem:
    """The problem on one period along some axes.

    A solution that its initial values determine repeats as they do, since a solution that is moved by a period is one,
    too.
    """
    parts = {
        name: (lower, lower + (upper - lower) / repeats[name])
        for name, (lower, upper) in problem.domain.bounds.items()
        if name in repeats
    }
    return problem.restricted(**parts) if parts else problem
