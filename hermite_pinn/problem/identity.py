"""What a problem is, as hashes by part: of everything that changes its solution, and of nothing else."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import CellType, ModuleType
from typing import Any

import numpy as np
import torch

from hermite_pinn.expressions.functions import Tabulated
from hermite_pinn.expressions.graph import Expr, postorder, spelled
from hermite_pinn.expressions.program import Program, leaves
from hermite_pinn.geometry import sobol_cube

from .terms import Term

__all__ = ["Digest", "Part", "identify"]

SAMPLES = 256  # points at which functions that are not traced are compared
DIGITS = 9  # to which they are compared there, so that another machine's rounding does not count


@dataclass(frozen=True)
class Part:
    """A part of the statement: its hash, and how it reads."""

    digest: str
    text: str


class Digest:
    """Hashes of values, the same in every process and on every machine.

    Numbers count with all their bits, expressions with their whole structure, arrays with type, shape and order.  A
    function that is evaluated, not traced, counts by its values at fixed points of the domain and by the arrays and
    numbers that it carries (attributes, closure, default arguments); its name and its source do not.

    Parameters
    ----------
    names, lower, upper
        Axes of the domain and their bounds.

    Examples
    --------
    >>> digest = Digest(("x",), (0.0,), (1.0,))
    >>> digest.of([1.0, "a"]) == digest.of([1.0, "a"]), digest.of(0.1) == digest.of(0.1 + 1e-18)
    (True, True)
    >>> digest.of(0.1) == digest.of(0.1 + 2e-17)
    False
    """

    def __init__(self, names: Sequence[str], lower: Sequence[float], upper: Sequence[float]) -> None:
        unit = sobol_cube(len(names), SAMPLES, seed=0)
        self._points = {
            ("coordinate", name): a + (b - a) * unit[:, i]
            for i, (name, a, b) in enumerate(zip(names, lower, upper, strict=True))
        }
        self._expressions: dict[int, tuple[Expr, str]] = {}  # with the expressions, so that their ids stay their own

    def of(self, value: Any) -> str:
        """The hash of a number, text, array, expression, function, or of a collection or object made of these."""
        if isinstance(value, Expr):
            return self._of_expression(value)
        if isinstance(value, np.generic):
            return self.of(value.item())
        if isinstance(value, float):
            return _hashed("float", value.hex())
        if value is None or isinstance(value, (bool, int, str)):
            return _hashed(type(value).__name__, str(value))
        if isinstance(value, np.ndarray):
            return _hashed("array", value.dtype.str, str(value.shape), np.ascontiguousarray(value).tobytes())
        if isinstance(value, Mapping):
            return _hashed("mapping", *(self.of(x) for pair in value.items() for x in pair))
        if isinstance(value, (tuple, list)):
            return _hashed("sequence", *map(self.of, value))
        if is_dataclass(value):
            members = {f.name: getattr(value, f.name) for f in fields(value) if f.compare}
        else:
            members = {k: v for k, v in sorted(vars(value).items()) if not k.startswith("_")}
        return _hashed(type(value).__qualname__, self.of(members))

    def _of_expression(self, expression: Expr) -> str:
        for e in postorder(expression, until=self._expressions):
            if id(e) not in self._expressions:
                data = self._of_function(e.data, e.args) if isinstance(e.data, Tabulated) else self.of(e.data)
                digest = _hashed(e.op, data, *(self._expressions[id(a)][1] for a in e.args))
                self._expressions[id(e)] = (e, digest)
        return self._expressions[id(expression)][1]

    def _of_function(self, function: Tabulated, args: Sequence[Expr]) -> str:
        """By the values that it takes in the problem; of unknowns, at numbers of all sizes."""
        if any(kind != "coordinate" for kind, _ in leaves(*args)):
            size = np.logspace(-3, 3, SAMPLES // 2)
            at: Sequence[Any] = [np.concatenate([-size[::-1], size])] * len(args)
        else:
            at = [np.broadcast_to(np.asarray(v), SAMPLES) for v in Program(args).run(self._points)]
        try:
            values = [f"{v:.{DIGITS}e}" for v in function(*at)]
        except Exception as error:  # outside the table, perhaps: then what it carries must tell
            values = [type(error).__name__]
        return _hashed(*values, *(self.of(v) for v in carried(function.function)))


def _hashed(*parts: str | bytes) -> str:
    h = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        h.update(len(data).to_bytes(8, "little"))
        h.update(data)
    return h.hexdigest()


def carried(function: Any) -> Iterator[Any]:
    """The arrays of a callable object, and the real numbers and texts that a function closes over.

    Counters and caches of an object change between two calls, so of attributes only arrays count.
    """
    seen: dict[int, Any] = {}

    def visit(value: Any, depth: int) -> Iterator[Any]:
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        if isinstance(value, np.ndarray) and value.dtype != object:
            yield value
            return
        if depth == 0 or id(value) in seen or isinstance(value, (type, ModuleType, Mapping)):
            return
        seen[id(value)] = value
        for member in _members(value):
            if isinstance(member, (float, str)) and not hasattr(value, "__dict__"):
                yield member
            else:
                yield from visit(member, depth - 1)

    yield from visit(function, 8)


def _members(value: Any) -> Iterable[Any]:
    """What a value is made of, in an order that does not depend on the process."""
    if isinstance(value, (tuple, list)):
        return value
    if isinstance(value, functools.partial):
        return [value.func, value.args, tuple(v for _, v in sorted(value.keywords.items()))]
    if hasattr(value, "__self__"):
        return [value.__self__, getattr(value, "__func__", None)]
    if hasattr(value, "__code__"):
        cells = tuple(_contents(c) for c in value.__closure__ or ())
        return [cells, value.__defaults__, tuple((value.__kwdefaults__ or {}).values())]
    slots = itertools.chain.from_iterable(getattr(c, "__slots__", ()) for c in type(value).__mro__)
    names = {*getattr(value, "__dict__", {}), *slots}
    return [getattr(value, n, None) for n in sorted(names) if not n.startswith("__")]


def _contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not yet assigned
        return None


def identify(statement: Mapping[str, Any], terms: Sequence[Term], digest: Digest) -> dict[str, Part]:
    """The parts of a statement by what they are called, each with its hash.

    Parameters
    ----------
    statement
        What is not an equation or a condition, by name.
    terms
        Equations and conditions; those of one name are one part.
    digest
        Makes the hashes.
    """
    parts = {name: Part(digest.of(value), str(value)) for name, value in statement.items()}
    by_name: dict[str, list[Term]] = {}
    for term in terms:
        kind = "equation" if term.region.is_interior else "condition"
        by_name.setdefault(f"the {kind} {term.name!r}", []).append(term)
    for name, members in by_name.items():
        texts = dict.fromkeys(_text(t) for t in members)
        parts[name] = Part(digest.of([_content(t) for t in members]), "; ".join(texts))
    order = [t.name for t in terms]
    parts["the order of equations and conditions"] = Part(digest.of(order), ", ".join(dict.fromkeys(order)))
    return parts


def _content(term: Term) -> dict[str, Any]:
    """What a term says; its region counts by name and measured points, since the domain is a part of its own."""
    measured, fixed = term.region.measured, term.region.fixed
    points = {} if measured is None else {"points": measured.x} | measured.columns
    if fixed is not None:
        points = {"points": fixed.x}
        if isinstance(fixed.normals, torch.Tensor):
            points["normals"] = fixed.normals
    return {
        "residual": term.residual,
        "region": term.region.name,
        "points": {name: column.numpy() for name, column in points.items()},
        "weight": term.weight,
        "where": term.where,
        "noise": term.noise,
    }


def _text(term: Term) -> str:
    where = "" if term.where is None else f" where {spelled(term.where)}"
    weight = "" if term.weight is None else f", weight {term.weight:g}"
    return f"0 = {spelled(term.residual)}{where}{weight}"
