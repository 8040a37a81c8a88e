"""Wrong arguments are refused before anything is done, whatever they are."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import hermite_pinn as hp

from .bad_values import VALUES, never
from .case import Bench, Case
from .late_failures import LATE, OWN, STATEMENTS
from .target import Target, filled
from .targets import targets

__all__ = ["cases"]

ATTACK = "calls"
OF_LIBRARY = 7  # values tried for each setting of the problem library
REFERENCES = (".kdv", ".kuramoto_sivashinsky")  # problems whose known solution is computed first
FUNCTIONS = (
    "abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "ceil", "cos", "cosh", "erf", "erfc", "exp", "expm1",
    "floor", "log", "log1p", "sech", "sign", "sin", "sinh", "sqrt", "tan", "tanh",
)  # fmt: skip
PAIRS = ("arctan2", "hypot", "maximum", "minimum", "where")


def cases(seed: int) -> list[Case]:
    """Every argument of every public callable, and combinations that fail late if they are not looked at."""
    made = [_case(t, p, v, seed) for t in targets() for p in t.good for v in _values(t, p, seed)]
    for name, late in LATE.items():
        made.append(Case(ATTACK, f"late: {name}", seed, late, refused=True))
    for name, statement in STATEMENTS.items():
        made.append(Case(ATTACK, f"statement: {name}", seed, statement, refused=True))
    made += [Case(ATTACK, f"own error: {name}", seed, own) for name, own in OWN.items()]
    for name in ("text", "none", "object", "list", "mapping", "complex", "bytes", "array of objects"):
        made += [Case(ATTACK, f"{f}: {name}", seed, _function(f, name)) for f in (*FUNCTIONS, *PAIRS)]
    return made


def _values(target: Target, parameter: str, seed: int) -> list[str]:
    if not target.name.startswith("problems."):
        return list(VALUES)
    return random.Random(f"{target.name} {parameter} {seed}").sample(list(VALUES), OF_LIBRARY)


def _case(target: Target, parameter: str, value: str, seed: int) -> Case:
    def action(bench: Bench) -> None:
        arguments = {k: filled(v, bench) for k, v in target.good.items()}
        target.call(bench, **(arguments | {parameter: VALUES[value]()}))

    known = "exact" if parameter == "exact" else parameter
    refused = value in never(known) and not _meant(target, parameter)
    long = target.name.endswith(REFERENCES)
    return Case(ATTACK, f"{target.name}({parameter}={value})", seed, action, refused=refused, long=long)


def _meant(target: Target, parameter: str) -> bool:
    """Arguments that share their name with others but take more, or where Python's own rules hold."""
    return target.name.startswith("problems.") or (target.name, parameter) in {
        ("Solution.to_vtk", "exact"),
        ("Solution.to_vtk", "gradient"),
        ("Solution.to_vtk", "residual"),
        ("Solution.plot", "residual"),
        ("solve", "throw"),
    }


def _function(name: str, value: str) -> Callable[[Bench], Any]:
    def action(bench: Bench) -> Any:
        given = VALUES[value]()
        count = {"where": 3}.get(name, 2 if name in PAIRS else 1)
        return getattr(hp, name)(*[given] * count)

    return action
