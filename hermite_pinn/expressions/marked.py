"""Expressions as HTML: derivatives by their subscripts, powers raised, and products with a dot."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from .elementary import registered
from .graph import Expr

__all__ = ["marked", "name_marked"]

ALONE, SIGNED = 9, 3  # strengths, as of the text of an expression
MOST = 220  # nodes that are shown
SIGNS = {"mul": "&thinsp;&middot;&thinsp;", "add": " + ", "sub": " &minus; ", "div": " / ", "pow": "^"}
MINUS = "&minus;"
OPPOSITE = {"add": "sub", "sub": "add"}
GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "rho",
    "sigma",
    "tau",
    "phi",
    "chi",
    "psi",
    "omega",
]
POWERS = {math.pi: "&pi;", math.pi**2: "&pi;<sup>2</sup>"}
LARGEST = 100  # multiple of a power of pi that is written as such


def marked(expression: Expr, axes: Sequence[str] = (), most: int = MOST) -> str:
    """An expression as HTML, with ... in the place of what makes it longer than ``most`` nodes.

    Parameters
    ----------
    axes
        Names of the axes, to write derivatives and components of the normal.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x = coordinate("x")
    >>> marked((1 - x) ** 2 / 3)
    '(1 &minus; <i>x</i>)<sup>2</sup> / 3'
    """
    left = [most]
    return _written(expression, tuple(axes), left, 0)


def name_marked(name: str) -> str:
    """A name in italics; those of Greek letters as these."""
    stem, line, index = name.partition("_")
    letter = f"&{stem};" if stem in GREEK else html.escape(stem)
    return f"<i>{letter}</i>" + (f"<sub>{html.escape(index)}</sub>" if line and index else line)


def _number(value: float) -> str:
    for size, written in POWERS.items():
        times = abs(value) / size
        if 1 <= round(times) <= LARGEST and abs(times - round(times)) < 1e-14 * times:
            return (MINUS if value < 0 else "") + ("" if round(times) == 1 else str(round(times))) + written
    digits, e, power = f"{abs(value):.6g}".partition("e")
    sign = MINUS if value < 0 else ""
    return f"{sign}{digits}&middot;10<sup>{int(power)}</sup>" if e else sign + digits


def _leaf(node: Expr, axes: tuple[str, ...]) -> str:
    if node.op == "jet":
        field, orders = node.data
        below = ""
        if any(orders):
            names = axes if len(axes) == len(orders) else [f"{i}" for i in range(len(orders))]
            below = "".join(name * m for name, m in zip(names, orders, strict=True))
        stem = name_marked(field)
        return f"{stem}<sub>{html.escape(below)}</sub>" if below else stem
    if node.op == "normal":
        return f"<i>n</i><sub>{html.escape(axes[node.data] if node.data < len(axes) else str(node.data))}</sub>"
    return name_marked(node.symbol)


def _written(node: Expr, axes: tuple[str, ...], left: list[int], depth: int) -> str:
    left[0] -= 1
    if left[0] < 0 or depth > 60:
        return "&hellip;"
    if node.op == "constant":
        return _number(node.data)
    if not node.args:
        return _leaf(node, axes)
    function = registered().get(node.op)
    operands = [_written(a, axes, left, depth + 1) for a in node.args]
    infix = None if function is None else function.infix
    if infix is None:
        called = {"sqrt": "&radic;"}.get(node.op, html.escape(node.symbol))
        return f"{called}({', '.join(operands)})"
    parts = [
        text if _strength(a) >= need else f"({text})"
        for a, text, need in zip(node.args, operands, infix.operands, strict=True)
    ]
    if len(parts) == 1:
        return f"{MINUS if infix.sign == '-' else html.escape(infix.sign)}{parts[0]}"
    if node.op == "pow":
        return f"{parts[0]}<sup>{operands[1]}</sup>"
    if node.op in OPPOSITE and parts[1].startswith(MINUS):
        return parts[0] + SIGNS[OPPOSITE[node.op]] + parts[1].removeprefix(MINUS)
    return parts[0] + SIGNS.get(node.op, f" {html.escape(infix.sign)} ") + parts[1]


def _strength(node: Any) -> int:
    """How strongly the text of a node holds together."""
    if node.op == "constant":
        return ALONE if node.data >= 0 else SIGNED
    function = registered().get(node.op)
    return ALONE if function is None or function.infix is None else function.infix.strength
