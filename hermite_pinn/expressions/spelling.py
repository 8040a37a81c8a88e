"""How expressions and derivatives are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from .elementary import registered

__all__ = ["axes_of", "jet_name", "number", "spelled"]

_ALONE = 9  # strength of names, numbers and calls
_SIGNED = 3  # of negative numbers
_TIGHT = 2  # from which on operators are written without spaces
_DEPTH = 12  # of the nodes that a shortened text shows


class Node(Protocol):
    """What the text of an expression is made of."""

    op: str
    args: Any
    data: Any

    @property
    def symbol(self) -> str:
        """Name of a leaf."""


def jet_name(field: str, orders: Sequence[int], axes: Sequence[str]) -> str:
    """How a user writes a derivative.

    Examples
    --------
    >>> jet_name("u", (2, 1), ("x", "y"))
    'u.xxy'
    """
    name = "".join(axis * m for axis, m in zip(axes, orders, strict=True))
    return f"{field}.{name}" if name else field


def axes_of(name: str, axes: tuple[str, ...]) -> list[int] | None:
    """Indices of the axes whose names make up ``name``, or None.

    Examples
    --------
    >>> axes_of("rtheta", ("r", "theta")), axes_of("z", ("r", "theta"))
    ([0, 1], None)
    """
    if not name:
        return []
    for i, axis in sorted(enumerate(axes), key=lambda pair: -len(pair[1])):
        if name.startswith(axis):
            rest = axes_of(name[len(axis) :], axes)
            if rest is not None:
                return [i, *rest]
    return None


def number(value: float, exact: bool = False) -> str:
    """A number, to six digits or exactly."""
    return repr(value) if exact else f"{value:g}"


def spelled(expression: Node, limit: int | None = 200) -> str:
    """The expression as text.

    Parameters
    ----------
    limit
        Most characters of a text for reading: numbers have six digits, and what is too long or too deep is left out.
        With None the text is whole and exact: Python evaluates it to the same value, given the names.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x = coordinate("x")
    >>> spelled((1 - x) ** 2 / 3)
    '(1 - x)**2/3'
    """
    if limit is None:
        return _whole(expression)
    text = _shortened(expression, 0)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _shortened(node: Node, depth: int) -> str:
    if node.args and node.op != "opaque" and depth > _DEPTH:
        return "..."
    return _written(node, [_shortened(a, depth + 1) for a in node.args], number)


def _whole(root: Node) -> str:
    texts: dict[int, str] = {}
    pending = [root]
    while pending:
        node = pending[-1]
        missing = [a for a in node.args if id(a) not in texts]
        if missing:
            pending.extend(missing)
            continue
        pending.pop()
        texts[id(node)] = _written(node, [texts[id(a)] for a in node.args], lambda value: number(value, exact=True))
    return texts[id(root)]


def _written(node: Node, operands: Sequence[str], digits: Callable[[float], str]) -> str:
    """Text of a node from those of its operands."""
    if node.op == "constant":
        return digits(node.data)
    if not node.args:
        return node.symbol
    function = registered().get(node.op)
    if function is None or function.infix is None:
        return f"{node.symbol}({', '.join(operands)})"
    infix = function.infix
    parts = [
        text if _strength(a) >= need else f"({text})"
        for a, text, need in zip(node.args, operands, infix.operands, strict=True)
    ]
    if len(parts) == 1:
        return f"{infix.sign}{parts[0]}"
    space = "" if infix.strength >= _TIGHT else " "
    return f"{parts[0]}{space}{infix.sign}{space}{parts[1]}"


def _strength(node: Node) -> int:
    """How strongly the text of a node holds together."""
    if node.op == "constant":
        return _ALONE if node.data >= 0 else _SIGNED
    function = registered().get(node.op)
    return _ALONE if function is None or function.infix is None else function.infix.strength
