"""What follows from the statement of a problem, found once and shared by all who need it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from hermite_pinn.expressions.graph import Expr, postorder
from hermite_pinn.expressions.program import Leaf, Program, partials
from hermite_pinn.expressions.trace import Symbols

from .terms import FaceTrace, Term

__all__ = ["Memo", "Plan"]

T = TypeVar("T")


class Memo:
    """Results by key, each made when it is first asked for.

    Examples
    --------
    >>> memo = Memo()
    >>> memo.once("answer", lambda: 42), memo.once("answer", lambda: 43)
    (42, 42)
    """

    def __init__(self) -> None:
        self._results: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result called ``key``; ``make()`` where there is none yet."""
        if key not in self._results:
            self._results[key] = make()
        return cast("T", self._results[key])


@dataclass(frozen=True)
class TracedOnce(Symbols):
    """Symbols that call no function twice."""

    memo: Memo = field(default_factory=Memo)

    def residuals(self, function: Callable[..., Any], what: str, default: str, normal: bool = False) -> dict[str, Expr]:
        """As :meth:`Symbols.residuals`; what the function returned when it was first asked."""
        key = ("residuals", id(function), what, default, normal)
        # the function is kept with the result, so that its id stays its own
        return self.memo.once(key, lambda: (function, Symbols.residuals(self, function, what, default, normal=normal)))[
            1
        ]

    def value(self, value: Any, what: str, normal: bool = False) -> Expr:
        """As :meth:`Symbols.value`; what the function returned when it was first asked."""
        key = ("value", id(value), what, normal)
        return self.memo.once(key, lambda: (value, Symbols.value(self, value, what, normal=normal)))[1]

    def values(self, name: str, value: Any, what: str, normal: bool = False) -> dict[str, Expr]:
        """As :meth:`Symbols.values`; what the function returned when it was first asked."""
        if name not in self.complex_fields:
            return Symbols.values(self, name, value, what, normal=normal)
        key = ("values", name, id(value), what, normal)
        return self.memo.once(key, lambda: (value, Symbols.values(self, name, value, what, normal=normal)))[1]


class Plan:
    """Everything that is derived from a problem's functions: traced, differentiated and compiled once.

    A problem has one plan.  Methods, error estimates and reports ask it for compiled expressions and keep in it what
    they derive from the problem alone: the sensitivities of the residuals, the channels of jets that these need, the
    sizes of the sources.

    Parameters
    ----------
    symbols
        What the problem's functions are called with.
    whole
        The plan of the whole problem, for a problem on a part of its domain: its expressions serve both.

    Attributes
    ----------
    symbols
        The same, but no function is called twice.
    shared
        Results that follow from expressions alone, the same on every part of the domain.
    own
        Results that depend on the domain too.
    """

    def __init__(self, symbols: Symbols, whole: Plan | None = None) -> None:
        self.shared: Memo = Memo() if whole is None else whole.shared
        self.own = Memo()
        self.symbols: Symbols = (
            TracedOnce(
                symbols.fields,
                symbols.coordinates,
                symbols.parameters,
                symbols.max_order,
                symbols.complex_fields,
                memo=self.shared,
            )
            if whole is None
            else whole.symbols
        )
        self._numbers: dict[Hashable, int] = {} if whole is None else whole._numbers
        self._known: dict[int, Expr] = {} if whole is None else whole._known

    def restricted(self) -> Plan:
        """A plan for the same functions on a part of the domain."""
        return Plan(self.symbols, self)

    def program(self, *expressions: Expr) -> Program:
        """The program that computes some expressions of the problem."""
        key = ("program", *map(id, expressions))
        # the program keeps the expressions, so that their ids stay their own
        return self.shared.once(key, lambda: Program(expressions))

    def slopes(self, expression: Expr) -> dict[Leaf, Expr]:
        """Exact derivatives of a known expression by jets and parameters."""
        # the expression is kept as known, so that its id stays its own
        return self.shared.once(
            ("slopes", id(expression)), lambda: partials(expression, lambda leaf: leaf.op in ("jet", "parameter"))
        )

    def known(self, expression: Expr) -> Expr:
        """The first expression of this structure that was asked for; results for it are found by its ``id``."""
        if id(expression) in self._known:
            return expression
        first = self.shared.once(("expression", self._number(expression)), lambda: expression)
        self._known[id(first)] = first
        return first

    def known_term(self, term: Term) -> Term:
        """The term with expressions that are known."""
        where = None if term.where is None else self.known(term.where)
        trace = None if term.trace is None else self._known_trace(term.trace)
        return replace(term, residual=self.known(term.residual), where=where, trace=trace)

    def _known_trace(self, trace: FaceTrace) -> FaceTrace:
        value = self.known(trace.value)
        key = ("trace", trace.field, trace.order, id(value))
        return self.shared.once(key, lambda: replace(trace, value=value))

    def _number(self, expression: Expr) -> int:
        """A number that expressions of the same structure share."""
        numbers: dict[int, int] = {}
        for e in postorder(expression):
            data = e.data.hex() if e.is_constant else id(e.data) if e.op == "opaque" else e.data
            key = (e.op, data, *(numbers[id(a)] for a in e.args))
            numbers[id(e)] = self._numbers.setdefault(key, len(self._numbers))
        return numbers[id(expression)]
