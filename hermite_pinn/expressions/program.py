"""Evaluate and differentiate traced expressions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch

from . import functions as f
from .graph import Expr, binary, constant, unary, where, wrap

__all__ = ["Program", "depends_on", "is_smooth", "leaves", "partials", "same", "substitute", "total_derivative"]

Value = torch.Tensor | float
Leaf = tuple[str, Any]

_EVALUATE: dict[str, Callable[..., Any]] = {
    "neg": operator.neg, "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "pow": operator.pow, "less": operator.lt, "less_equal": operator.le, "greater": operator.gt, "greater_equal": operator.ge,
    "equal": operator.eq, "not_equal": operator.ne, "logical_and": operator.and_, "logical_or": operator.or_,
    "sin": f.sin, "cos": f.cos, "tan": f.tan, "arcsin": f.arcsin, "arccos": f.arccos, "arctan": f.arctan, "sinh": f.sinh,
    "cosh": f.cosh, "tanh": f.tanh, "exp": f.exp, "log": f.log, "sqrt": f.sqrt, "abs": f.abs, "sign": f.sign, "erf": f.erf,
    "floor": f.floor, "arctan2": f.arctan2, "maximum": f.maximum, "minimum": f.minimum,
}  # fmt: skip


def _where(condition: Value, a: Value, b: Value, dtype: torch.dtype) -> Value:
    if not isinstance(condition, torch.Tensor):
        return a if condition else b
    if not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor):
        a = torch.full((), a, dtype=dtype, device=condition.device)  # two numbers would be taken in single precision
    return torch.where(condition, a, b)


def _precision(values: Iterable[Value]) -> torch.dtype:
    """Of the tensors among some values."""
    found = (v.dtype for v in values if isinstance(v, torch.Tensor) and v.is_floating_point())
    return next(found, torch.get_default_dtype())


class Program:
    """Expressions as a list of instructions in which every common subexpression is computed once.

    Parameters
    ----------
    outputs
        The expressions to compute.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x = coordinate("x")
    >>> Program([x * x + 1.0, x * x]).run({("coordinate", "x"): torch.tensor([1.0, 2.0])})
    [tensor([2., 5.]), tensor([1., 4.])]
    """

    def __init__(self, outputs: Sequence[Expr]) -> None:
        self.instructions: list[tuple[str, tuple[int, ...], Any]] = []
        self._numbers: dict[Any, int] = {}
        known: dict[int, int] = {}
        self._keep = list(outputs)  # ids stay valid while the expressions live
        self.outputs = [self._visit(e, known) for e in outputs]

    def _visit(self, root: Expr, known: dict[int, int]) -> int:
        """Number of the instruction that computes ``root``; iterative, so that long sums do not exhaust the stack."""
        pending = [root]
        while pending:
            e = pending[-1]
            if id(e) in known:
                pending.pop()
                continue
            missing = [a for a in e.args if id(a) not in known]
            if missing:
                pending.extend(missing)
                continue
            args = tuple(known[id(a)] for a in e.args)
            key = (e.op, args, id(e.data) if e.op == "opaque" else e.data)
            if key not in self._numbers:
                self._numbers[key] = len(self.instructions)
                self.instructions.append((e.op, args, e.data))
            known[id(e)] = self._numbers[key]
            pending.pop()
        return known[id(root)]

    @property
    def leaves(self) -> set[Leaf]:
        """Keys that :meth:`run` looks up."""
        return {(op, data) for op, args, data in self.instructions if not args and op != "constant"}

    def split(
        self, early: Callable[[Leaf], bool]
    ) -> tuple[Callable[[Mapping[Leaf, Value]], dict[int, Value]], list[int]]:
        """A function that computes what depends only on the leaves chosen by ``early``."""
        is_early: list[bool] = []
        for op, args, data in self.instructions:
            is_early.append(all(is_early[a] for a in args) if args else op == "constant" or early((op, data)))
        used_late = {a for i, (_, args, _) in enumerate(self.instructions) if not is_early[i] for a in args}
        kept = sorted(i for i in used_late | set(self.outputs) if is_early[i])
        needed = self._closure(kept)

        def compute(env: Mapping[Leaf, Value]) -> dict[int, Value]:
            values = self._execute(env, {}, needed)
            return {i: values[i] for i in kept}

        return compute, kept

    def _closure(self, targets: Iterable[int], have: Iterable[int] = ()) -> list[int]:
        stop, found, pending = set(have), set(), list(targets)
        while pending:
            i = pending.pop()
            if i in found or i in stop:
                continue
            found.add(i)
            pending.extend(self.instructions[i][1])
        return sorted(found)

    def _execute(self, env: Mapping[Leaf, Value], known: Mapping[int, Value], todo: Iterable[int]) -> dict[int, Value]:
        values: dict[int, Value] = dict(known)
        for i in todo:
            op, args, data = self.instructions[i]
            if op == "constant":
                values[i] = data
            elif not args:
                values[i] = env[(op, data)]
            elif op == "where":
                condition, a, b = (values[k] for k in args)
                values[i] = _where(condition, a, b, _precision([*env.values(), *known.values()]))
            elif op == "opaque":
                values[i] = data(*(values[a] for a in args))
            else:
                values[i] = _EVALUATE[op](*(values[a] for a in args))
        return values

    def run(self, env: Mapping[Leaf, Value], early: Mapping[int, Value] | None = None) -> list[Value]:
        """Values of the outputs.

        Parameters
        ----------
        env
            Value of every leaf, keyed ``(op, data)``: tensors that broadcast against each other, or numbers.
        early
            Result of the function returned by :meth:`split`.
        """
        known = early or {}
        values = self._execute(env, known, self._closure(self.outputs, known))
        return [values[i] for i in self.outputs]


def leaves(*expressions: Expr) -> set[Leaf]:
    """Leaves of some expressions: ``("jet", (field, orders))``, ``("coordinate", name)``, ..."""
    return Program(expressions).leaves


def depends_on(expression: Expr, kinds: Iterable[str]) -> bool:
    """Whether a leaf of one of the ``kinds`` (``"jet"``, ``"parameter"``, ...) occurs."""
    return any(kind in set(kinds) for kind, _ in leaves(expression))


def same(a: Expr, b: Expr) -> bool:
    """Whether two expressions have the same structure."""
    numbers = Program([a, b]).outputs
    return numbers[0] == numbers[1]


def substitute(expression: Expr, values: Callable[[Expr], Expr | float | None]) -> Expr:
    """The expression with leaves replaced where ``values`` returns something, and constants folded."""
    done: dict[int, Expr] = {}
    pending = [expression]
    while pending:
        e = pending[-1]
        if id(e) in done:
            pending.pop()
            continue
        missing = [a for a in e.args if id(a) not in done]
        if missing:
            pending.extend(missing)
            continue
        if not e.args:
            replaced = values(e)
            done[id(e)] = e if replaced is None else wrap(replaced)
        else:
            args = [done[id(a)] for a in e.args]
            if all(a is b for a, b in zip(args, e.args, strict=True)):
                done[id(e)] = e
            elif e.op == "where":
                done[id(e)] = where(*args)
            elif len(args) == 1 and e.op != "opaque":
                done[id(e)] = unary(e.op, args[0])
            elif len(args) == 2 and e.op != "opaque":
                done[id(e)] = binary(e.op, *args)
            else:
                done[id(e)] = Expr(e.op, tuple(args), e.data)
        pending.pop()
    return done[id(expression)]


def _local(e: Expr) -> list[Expr | None]:
    """Partial derivatives of a node with respect to its operands; None where it is zero everywhere."""
    op, args = e.op, e.args
    if op == "neg":
        return [constant(-1.0)]
    if op == "add":
        return [constant(1.0), constant(1.0)]
    if op == "sub":
        return [constant(1.0), constant(-1.0)]
    if op == "mul":
        return [args[1], args[0]]
    if op == "div":
        return [1.0 / args[1], -(args[0] / (args[1] * args[1]))]
    if op == "pow":
        a, b = args
        base = b * a ** (b.data - 1.0) if b.is_constant else b * a ** (b - 1.0)
        return [base, e * unary("log", a) if not b.is_constant else None]
    if op in ("maximum", "minimum"):
        first = binary("greater_equal" if op == "maximum" else "less_equal", args[0], args[1])
        return [where(first, 1.0, 0.0), where(first, 0.0, 1.0)]
    if op == "where":
        return [None, where(args[0], 1.0, 0.0), where(args[0], 0.0, 1.0)]
    if op == "arctan2":
        square = args[0] * args[0] + args[1] * args[1]
        return [args[1] / square, -(args[0] / square)]
    if len(args) == 1:
        x = args[0]
        rules: dict[str, Callable[[], Expr]] = {
            "sin": lambda: unary("cos", x),
            "cos": lambda: -unary("sin", x),
            "tan": lambda: 1.0 + e * e,
            "arcsin": lambda: 1.0 / unary("sqrt", 1.0 - x * x),
            "arccos": lambda: -1.0 / unary("sqrt", 1.0 - x * x),
            "arctan": lambda: 1.0 / (1.0 + x * x),
            "sinh": lambda: unary("cosh", x),
            "cosh": lambda: unary("sinh", x),
            "tanh": lambda: 1.0 - e * e,
            "exp": lambda: e,
            "log": lambda: 1.0 / x,
            "sqrt": lambda: 0.5 / e,
            "abs": lambda: unary("sign", x),
            "erf": lambda: (2.0 / f.pi**0.5) * unary("exp", -(x * x)),
        }
        if op in rules:
            return [rules[op]()]
    if op == "opaque" and len(args) == 1 and e.data.derivative is not None:
        return [e.data.derivative(args[0])]
    return [None] * len(args)  # comparisons, sign, floor, tabulated functions of coordinates


def partials(expression: Expr, wanted: Callable[[Expr], bool]) -> dict[Leaf, Expr]:
    """Exact derivatives of ``expression`` with respect to the leaves chosen by ``wanted``, by one reverse sweep.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x = coordinate("x")
    >>> partials(x * x, lambda leaf: True)
    {('coordinate', 'x'): x + x}
    """
    order: list[Expr] = []
    seen: set[int] = set()
    pending: list[tuple[Expr, bool]] = [(expression, False)]
    while pending:
        e, done = pending.pop()
        if done:
            order.append(e)
        elif id(e) not in seen:
            seen.add(id(e))
            pending.append((e, True))
            pending.extend((a, False) for a in e.args)
    matters: dict[int, bool] = {}
    for e in order:
        matters[id(e)] = any(matters[id(a)] for a in e.args) if e.args else wanted(e)
    adjoint: dict[int, Expr] = {id(expression): constant(1.0)}
    found: dict[Leaf, Expr] = {}
    for e in reversed(order):
        if not matters[id(e)] or id(e) not in adjoint:
            continue
        if not e.args:
            key = (e.op, e.data)
            found[key] = found[key] + adjoint[id(e)] if key in found else adjoint[id(e)]
            continue
        for a, derivative in zip(e.args, _local(e), strict=True):
            if derivative is not None and matters[id(a)]:
                share = wrap(adjoint[id(e)] * derivative)
                adjoint[id(a)] = adjoint[id(a)] + share if id(a) in adjoint else share
    return found


def is_smooth(expression: Expr) -> bool:
    """Whether an expression is built of functions with classical derivatives that are known."""
    kinks = {"where", "abs", "sign", "floor", "maximum", "minimum", "opaque"}
    return not any(op in kinks for op, _, _ in Program([expression]).instructions)


def total_derivative(expression: Expr, name: str, axis: int) -> Expr:
    """The expression differentiated along a coordinate, through the fields too.

    Parameters
    ----------
    name, axis
        The coordinate and its number among the axes.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import FieldJet
    >>> u = FieldJet("u", (0, 0), ("x", "y"), 2)
    >>> sorted(data[1] for _, data in leaves(total_derivative(u.x * u, "y", 1)))
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    found = partials(expression, lambda leaf: leaf.op == "jet" or (leaf.op, leaf.data) == ("coordinate", name))
    total = constant(0.0)
    for (kind, data), slope in found.items():
        if kind == "coordinate":
            total = wrap(total + slope)
        else:
            field, orders = data
            raised = tuple(m + (i == axis) for i, m in enumerate(orders))
            total = wrap(total + slope * Expr("jet", (), (field, raised)))
    return total
