"""What a notebook shows of a problem: equations, conditions, parameters and the domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from hermite_pinn.expressions.graph import Expr, constant
from hermite_pinn.expressions.marked import marked, name_marked
from hermite_pinn.expressions.program import substitute
from hermite_pinn.geometry import Domain
from hermite_pinn.geometry.picture import Drawn, domain_picture, faces_text
from hermite_pinn.markup import FADED, block, escaped, heading, row, rows, table

from .parameters import Parameter
from .statement import Statement
from .terms import Term

__all__ = ["parameters_html", "problem_html"]

MOST = 24  # equations, conditions or parameters that are shown


class Stated(Protocol):
    """What is shown of a problem."""

    name: str | None
    fields: tuple[str, ...]
    domain: Domain
    conditions: tuple[Statement, ...]
    parameters: tuple[Parameter, ...]
    periodic: tuple[bool, ...]
    terms: tuple[Term, ...]
    notes: tuple[str, ...]

    @property
    def complex_fields(self) -> Iterable[str]:
        """Names of the complex fields."""

    @property
    def residuals(self) -> Mapping[str, Expr]:
        """The equations."""

    @property
    def exact(self) -> Mapping[str, Any]:
        """What is known of the solution."""

    @property
    def missing(self) -> Sequence[str]:
        """Sentences."""


def problem_html(problem: Stated) -> str:
    """A problem as HTML."""
    domain, names = problem.domain, problem.domain.names
    fields = ", ".join(name_marked(f) for f in problem.fields[:MOST])
    if problem.complex_fields:
        fields += " (the parts of " + ", ".join(f"{name_marked(f)}" for f in problem.complex_fields) + ", complex)"
    told = [row("unknown", fields + " of " + ", ".join(name_marked(n) for n in names))]
    told += [_equation(name, r, names) for name, r in _first(problem.residuals.items())]
    told += _conditions(problem)
    told += [row("parameters", parameters_html(problem.parameters))] if problem.parameters else []
    told += (
        [row("known", ", ".join(name_marked(f) for f in problem.exact) + ", only used to report errors")]
        if problem.exact
        else []
    )
    told += [row("warning", f"<b>{escaped(sentence)}</b>") for sentence in problem.missing]
    told += [row("note", escaped(note)) for note in problem.notes]
    told += [row("domain", _bounds(domain)), row("faces", faces_text(domain))]
    return block(heading("Problem", problem.name or ""), rows(*told), domain_picture(domain))


def parameters_html(parameters: Sequence[Parameter]) -> str:
    """Unknown numbers as a table: name, start and bounds."""
    lines = [[name_marked(p.name), f"{p.init:.6g}", f"[{p.bounds[0]:g}, {p.bounds[1]:g}]"] for p in parameters[:MOST]]
    return table(lines, ["name", "start", "bounds"], marked=True)


def _first(entries: Any) -> list[Any]:
    return list(entries)[:MOST]


def _bounds(domain: Drawn) -> str:
    each = zip(domain.names, domain.lower, domain.upper, strict=True)
    box = ", ".join(f"{name_marked(n)} in [{a:g}, {b:g}]" for n, a, b in each)
    return box + (f" <span style='{FADED}'>cut by {escaped(repr(domain), 160)}</span>" if domain.is_cut else "")


def _equation(name: str, expression: Expr, names: Sequence[str]) -> str:
    return row(name, f"0 = {marked(expression, names)}")


def _conditions(problem: Stated) -> list[str]:
    """The conditions, those on several faces once."""
    names = problem.domain.names
    found = []
    wrapped = [n for n, p in zip(names, problem.periodic, strict=True) if p]
    if wrapped:
        found.append(row("periodic", "along " + ", ".join(name_marked(n) for n in wrapped)))
    faces: dict[str, list[Term]] = {}
    for term in problem.terms:
        if not term.region.is_interior:
            faces.setdefault(term.name, []).append(term)
    found += [row(name, _condition(terms, names, problem.domain.time_axis)) for name, terms in _first(faces.items())]
    left = len(faces) - MOST
    if left > 0:
        found.append(row("", f"and {left} more conditions"))
    gauged = [g for c in problem.conditions for g in c.gauged]
    if gauged:
        found.append(row("gauge", "the mean over space of " + ", ".join(map(name_marked, gauged)) + " is zero"))
    return found


def _condition(terms: Sequence[Term], names: Sequence[str], time: int | None) -> str:
    """What a condition says, and how it is satisfied."""
    first = terms[0]
    said = f"0 = {marked(_in_space(first.expression, time), names)}"
    if first.region.measured is not None:
        return "measured values"
    if first.region.penalty is not None:
        return "smooth: its derivatives are penalised"
    where = f", where {marked(first.where, names)}" if first.where is not None else ""
    trace = first.trace
    if trace is None:
        return f"{said}{where}"
    slope = f"{name_marked(trace.field)}<sub>n</sub>" if trace.order else name_marked(trace.field)
    values = {marked(t.trace.value, names) for t in terms if t.trace is not None}
    if trace.order and len(values) > 1:
        return f"{said}{where}"
    return f"{slope} = {next(iter(values))}{where} <span style='{FADED}'>(exact on a dense Hermite grid)</span>"


def _in_space(expression: Expr, time: int | None) -> Expr:
    """An expression on a face that does not lie across time, whose normal has no such component."""
    return substitute(expression, lambda leaf: constant(0.0) if leaf.op == "normal" and leaf.data == time else None)
