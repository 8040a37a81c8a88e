"""Expressions of coordinates and of distances as plain data, for files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from hermite_pinn.expressions.elementary import registered
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Program
from hermite_pinn.schema import Entry

__all__ = ["described_graph", "expressions_from", "storable"]

MOST = 1_000_000  # nodes in a file


def storable(expression: Expr) -> bool:
    """Whether an expression consists of numbers, coordinates and elementary functions, which can be written.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate, parameter
    >>> storable(coordinate("x") + 1), storable(parameter("nu"))
    (True, False)
    """
    known = registered()
    return all(
        op in ("constant", "coordinate", "jet") if not args else op in known
        for op, args, _ in Program([expression]).instructions
    )


def described_graph(expressions: Sequence[Expr]) -> dict[str, Any]:
    """Expressions as a list of nodes, each with its operands' numbers, and the numbers of the expressions.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> described_graph([coordinate("x") + 1.0])
    {'nodes': [['constant', [], 1.0], ['coordinate', [], 'x'], ['add', [1, 0], None]], 'roots': [2]}
    """
    program = Program(expressions)
    nodes = [[op, list(args), _plain(data)] for op, args, data in program.instructions]
    return {"nodes": nodes, "roots": list(program.outputs)}


def _plain(data: Any) -> Any:
    return [data[0], list(data[1])] if isinstance(data, tuple) else data


def expressions_from(entry: Entry, axes: Sequence[str], jets: Collection[str]) -> list[Expr]:
    """Inverse of :func:`described_graph`, for expressions of some coordinates and of named functions of them.

    Raises
    ------
    CorruptFileError
        If there is anything else in it.
    """
    known, made = registered(), list[Expr]()
    for node in entry.at("nodes").items(least=1, most=MOST):
        op, args, data = node.items(3)
        name = op.text({"constant", "coordinate", "jet", *known})
        operands = tuple(made[i.integer(0, len(made) - 1)] for i in args.items())
        if name == "constant":
            made.append(Expr(name, (), data.number()))
        elif name == "coordinate":
            made.append(Expr(name, (), data.text(axes)))
        elif name == "jet":
            of, orders = data.items(2)
            made.append(Expr(name, (), (of.text(jets), tuple(m.integer(0, 2) for m in orders.items(len(axes))))))
        elif len(operands) != known[name].arity:
            raise args.refuse(f"{known[name].arity} operands of {name}")
        else:
            made.append(Expr(name, operands))
    return [made[i.integer(0, len(made) - 1)] for i in entry.at("roots").items()]
