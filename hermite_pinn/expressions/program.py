"""Evaluate and differentiate traced expressions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hermite_pinn.errors import InvalidProblemError

from .elementary import registered
from .graph import Expr, apply, constant, postorder, wrap

__all__ = ["Program", "depends_on", "is_smooth", "leaves", "partials", "same", "substitute", "total_derivative"]

Value = torch.Tensor | float
Leaf = tuple[str, Any]


def _precision(values: Iterable[Value]) -> torch.dtype:
    """Of the tensors among some values; numbers alone are in double precision."""
    dtypes = (v.dtype for v in values if isinstance(v, torch.Tensor) and v.is_floating_point())
    return next(dtypes, torch.float64)


def _choose(condition: Value, a: Value, b: Value, dtype: torch.dtype) -> Value:
    if not isinstance(condition, torch.Tensor):
        return a if condition else b
    if not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor):
        a = torch.full((), a, dtype=dtype, device=condition.device)  # two numbers would be taken in single precision
    return torch.where(condition, a, b)


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
        self._keep = list(outputs)  # ids stay valid while the expressions live
        numbers: dict[Any, int] = {}
        known: dict[int, int] = {}
        for e in postorder(*outputs):
            args = tuple(known[id(a)] for a in e.args)
            key = (e.op, args, _identity(e))
            if key not in numbers:
                numbers[key] = len(self.instructions)
                self.instructions.append((e.op, args, e.data))
            known[id(e)] = numbers[key]
        self.outputs = [known[id(e)] for e in outputs]
        self._spent = self._last_uses()

    def _last_uses(self) -> list[tuple[int, ...]]:
        """By instruction, the values that nothing after it needs."""
        spent: list[tuple[int, ...]] = []
        needed = set(self.outputs)
        for number in reversed(range(len(self.instructions))):
            args = set(self.instructions[number][1]) - needed
            spent.append(tuple(args))
            needed |= args
        return spent[::-1]

    def held(self, shapes: Mapping[Leaf, tuple[int, ...]]) -> int:
        """Largest number of elements that :meth:`run` holds at once, those of the leaves apart.

        Parameters
        ----------
        shapes
            Of the leaves that are tensors; those missing are numbers.

        Examples
        --------
        >>> from hermite_pinn.expressions.graph import coordinate
        >>> x, y = coordinate("x"), coordinate("y")
        >>> axes = {("coordinate", "x"): (100, 1), ("coordinate", "y"): (1, 100)}
        >>> Program([x * y + 1.0]).held(axes), Program([x * x + 1.0]).held(axes)
        (20000, 200)
        """
        sizes = self._sizes(shapes)
        now = most = 0
        for size, spent in zip(sizes, self._spent, strict=True):
            now += size
            most = max(most, now)
            now -= sum(sizes[i] for i in spent)
        return most

    def returned(self, shapes: Mapping[Leaf, tuple[int, ...]], first: int = 0) -> int:
        """Number of elements of the outputs from number ``first`` on; see :meth:`held`."""
        sizes = self._sizes(shapes)
        return sum(sizes[i] for i in set(self.outputs[first:]))

    def _sizes(self, shapes: Mapping[Leaf, tuple[int, ...]]) -> list[int]:
        """Elements of every value; those of leaves are somebody else's."""
        known: list[tuple[int, ...]] = []
        for op, args, data in self.instructions:
            known.append(_common([known[i] for i in args]) if args else shapes.get((op, data), ()))
        return [
            math.prod(shape) if args and shape else 0
            for shape, (_, args, _) in zip(known, self.instructions, strict=True)
        ]

    @property
    def leaves(self) -> set[Leaf]:
        """Keys that :meth:`run` looks up."""
        return {(op, data) for op, args, data in self.instructions if not args and op != "constant"}

    def run(self, env: Mapping[Leaf, Value]) -> list[Value]:
        """Values of the outputs.

        Parameters
        ----------
        env
            Value of every leaf, keyed ``(op, data)``: tensors that broadcast against each other, or numbers.
        """
        table = registered()
        values: list[Any] = []
        for (op, args, data), spent in zip(self.instructions, self._spent, strict=True):
            operands = [values[i] for i in args]
            if op == "constant":
                value = data
            elif not args:
                value = env[(op, data)]
            elif op == "where":
                condition, a, b = operands
                value = _choose(condition, a, b, _precision(env.values()))
            elif op == "opaque":
                value = data(*operands)
            else:
                value = table[op].evaluate(*operands)
            values.append(value)
            for i in spent:
                values[i] = None
        return [values[i] for i in self.outputs]


def _common(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """What shapes broadcast to; much faster than PyTorch's function."""
    different = {s for s in shapes if s}
    return next(iter(different), ()) if len(different) < 2 else np.broadcast_shapes(*different)


def _identity(e: Expr) -> Any:
    """What tells a node from others with the same operands."""
    if e.op == "opaque":
        return id(e.data)
    return repr(e.data) if e.is_constant else e.data  # 0.0 and -0.0 are equal, and NaN is not


def leaves(*expressions: Expr) -> set[Leaf]:
    """Leaves of some expressions: ``("jet", (field, orders))``, ``("coordinate", name)``, ..."""
    return {(e.op, e.data) for e in postorder(*expressions) if not e.args and e.op != "constant"}


def depends_on(expression: Expr, kinds: Iterable[str]) -> bool:
    """Whether a leaf of one of the ``kinds`` (``"jet"``, ``"parameter"``, ...) occurs.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import parameter
    >>> depends_on(2 * parameter("nu"), ["parameter"]), depends_on(2 * parameter("nu"), ["jet"])
    (True, False)
    """
    return any(kind in set(kinds) for kind, _ in leaves(expression))


def same(a: Expr, b: Expr) -> bool:
    """Whether two expressions have the same structure.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x = coordinate("x")
    >>> same(x + x * x, x + x * x), same(x + x * x, x * x + x)
    (True, False)
    """
    numbers = Program([a, b]).outputs
    return numbers[0] == numbers[1]


def substitute(expression: Expr, values: Callable[[Expr], Expr | float | None]) -> Expr:
    """The expression with leaves replaced where ``values`` returns something, and constants folded.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate, parameter
    >>> substitute(parameter("nu") * coordinate("x") + 1, lambda leaf: 0.0 if leaf.op == "parameter" else None)
    1
    """
    done: dict[int, Expr] = {}
    for e in postorder(expression):
        args = tuple(done[id(a)] for a in e.args)
        if not args:
            replaced = values(e)
            done[id(e)] = e if replaced is None else wrap(replaced)
        elif all(a is b for a, b in zip(args, e.args, strict=True)):
            done[id(e)] = e
        elif e.op == "opaque":
            done[id(e)] = Expr(e.op, args, e.data)
        else:
            done[id(e)] = apply(e.op, *args)
    return done[id(expression)]


def _slopes(e: Expr) -> list[Any]:
    """Partial derivatives of a node with respect to its operands; None where it is zero everywhere."""
    if e.op == "opaque":  # of several operands only coordinates are allowed, which no derivative is taken of
        return [e.data.derivative(e.args[0])] if len(e.args) == 1 and e.data.derivative else [None] * len(e.args)
    if e.op not in registered():
        raise InvalidProblemError(f"{e} is not differentiated; write its derivative out")
    return [rule and rule(e, *e.args) for rule in registered()[e.op].slopes]


def _pieces(e: Expr) -> tuple[Expr, Expr, Expr] | None:
    """Condition and both values of a function that is differentiated piece by piece, or None."""
    function = registered().get(e.op)
    return function.pieces(*e.args) if function is not None and function.pieces is not None else None


def partials(expression: Expr, wanted: Callable[[Expr], bool]) -> dict[Leaf, Expr]:
    """Exact derivatives of ``expression`` with respect to the leaves chosen by ``wanted``, by reverse sweeps.

    What a choice (``where``, ``maximum``, ``minimum``) does not take may be infinite or undefined: the derivatives of
    its pieces are chosen as their values are, not multiplied by zero.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x = coordinate("x")
    >>> partials(x * x, lambda leaf: True)
    {('coordinate', 'x'): x + x}
    """
    matters: dict[int, bool] = {}
    gradients: dict[int, dict[Leaf, Expr]] = {}
    order = list(postorder(expression))
    for e in order:
        matters[id(e)] = any(matters[id(a)] for a in e.args) if e.args else not e.is_constant and wanted(e)
        pieces = _pieces(e) if matters[id(e)] else None
        if pieces is not None:
            condition, a, b = pieces
            of_a, of_b = (_sweep(list(postorder(v, until=gradients)), matters, gradients) for v in (a, b))
            gradients[id(e)] = {
                leaf: apply("where", condition, of_a.get(leaf, 0.0), of_b.get(leaf, 0.0)) for leaf in of_a | of_b
            }
    return _sweep(list(postorder(expression, until=gradients)) if gradients else order, matters, gradients)


def _sweep(
    order: Sequence[Expr], matters: Mapping[int, bool], gradients: Mapping[int, Mapping[Leaf, Expr]]
) -> dict[Leaf, Expr]:
    """Derivatives of the last expression of ``order`` by one reverse sweep.

    Parameters
    ----------
    order
        The nodes the expression is made of, operands first.
    matters
        Whether a node depends on a leaf that is wanted, by its id.
    gradients
        Derivatives of nodes at which the sweep ends, by their ids.
    """
    adjoint: dict[int, Expr] = {id(order[-1]): constant(1.0)}
    slopes: dict[Leaf, Expr] = {}
    for e in reversed(order):
        if not matters[id(e)] or id(e) not in adjoint:
            continue
        outer = adjoint[id(e)]
        if not e.args or id(e) in gradients:
            for leaf, slope in gradients[id(e)].items() if e.args else [((e.op, e.data), constant(1.0))]:
                share = _product(outer, slope)
                slopes[leaf] = slopes[leaf] + share if leaf in slopes else share
            continue
        for a, slope in zip(e.args, _slopes(e), strict=True):
            if slope is not None and matters[id(a)]:
                share = _product(outer, slope)
                adjoint[id(a)] = adjoint[id(a)] + share if id(a) in adjoint else share
    return slopes


def _product(outer: Expr, slope: Any) -> Expr:
    """The chain rule; where the slope is a choice of zero the product is zero, also if ``outer`` is not finite."""
    slope = wrap(slope)
    if slope.op == "where":
        condition, a, b = slope.args
        if a.is_constant and a.data == 0:
            return apply("where", condition, a, _product(outer, b))
        if b.is_constant and b.data == 0:
            return apply("where", condition, _product(outer, a), b)
    return wrap(outer * slope)


def is_smooth(expression: Expr) -> bool:
    """Whether an expression is built of functions with classical derivatives that are known.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x = coordinate("x")
    >>> is_smooth(x**3), is_smooth(abs(x))
    (True, False)
    """
    table = registered()
    return all(
        e.data.smooth if e.op == "opaque" else e.op not in table or table[e.op].smooth for e in postorder(expression)
    )


def continuous_choices(expression: Expr) -> list[tuple[Expr, Expr, Expr]]:
    """Condition and both pieces of every ``minimum`` and ``maximum`` between which fields choose.

    Examples
    --------
    >>> from hermite_pinn.expressions.functions import minimum
    >>> from hermite_pinn.expressions.jets import FieldJet
    >>> u = FieldJet("u", (0,), ("x",), 2)
    >>> continuous_choices(minimum(u.xx, u) + minimum(1.0, 2.0))
    [(u.xx <= u, u.xx, u)]
    """
    found = (_pieces(e) for e in postorder(expression) if e.op in ("minimum", "maximum"))
    return [p for p in found if p is not None and depends_on(p[0], ["jet"])]


def chooses(expression: Expr) -> bool:
    """Whether fields choose between equations: pieces of ``minimum`` or ``maximum`` hold the highest derivatives.

    Examples
    --------
    >>> from hermite_pinn.expressions.functions import minimum
    >>> from hermite_pinn.expressions.jets import FieldJet
    >>> u = FieldJet("u", (0,), ("x",), 2)
    >>> chooses(minimum(u.xx, u)), chooses(u.xx + minimum(u, 1.0))
    (True, False)
    """
    pieces = [piece for _, a, b in continuous_choices(expression) for piece in (a, b)]
    orders, within = (
        [sum(data[1]) for kind, data in leaves(*found) if kind == "jet"] for found in ([expression], pieces)
    )
    return bool(within) and max(within) == max(orders)


def total_derivative(expression: Expr, name: str, axis: int) -> Expr:
    """The expression differentiated along a coordinate, through the fields too.

    Parameters
    ----------
    name, axis
        The coordinate and its number among the axes.

    Examples
    --------
    >>> from hermite_pinn.expressions.jets import FieldJet
    >>> u = FieldJet("u", (0, 0), ("x", "y"), 2)
    >>> sorted(data[1] for _, data in leaves(total_derivative(u.x * u, "y", 1)))
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    slopes = partials(expression, lambda leaf: leaf.op == "jet" or (leaf.op, leaf.data) == ("coordinate", name))
    total = constant(0.0)
    for (kind, data), slope in slopes.items():
        if kind == "coordinate":
            total = wrap(total + slope)
        else:
            field, orders = data
            raised = tuple(m + (i == axis) for i, m in enumerate(orders))
            total = wrap(total + slope * Expr("jet", (), (field, raised)))
    return total
