"""An example of another package, stated in this one."""

from __future__ import annotations

import inspect
import io
import tokenize
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import hermite_pinn as hp

__all__ = ["Example", "Reference", "lines_of"]

#: Values of the fields at points: maps an array of shape (n, axes) to arrays of shape (n,) by the names of fields.
Reference = Callable[[np.ndarray], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Example:
    """One example of a list, and what is asked of its solution.

    Attributes
    ----------
    name
        Of the row.
    origin
        The file of the other package that states it.
    statement
        Returns the problem; its lines are counted.
    right
        Largest relative L2 error of a field, and relative error of a parameter, at which the answer is right.
    reference
        The solution where the problem has no ``exact``; None otherwise.
    parameters
        True values of unknown parameters; empty in forward problems.
    fields
        Fields that are compared; empty: all that are known.
    options
        What is given to :func:`hermite_pinn.solve` beside the problem: nothing, or one named option.
    seconds
        ``max_time`` of the run.
    part
        Bounds by axis of the part of the domain in which the reference is compared; all of it by default.
    about
        What is different from the origin; empty if nothing is.
    """

    name: str
    origin: str
    statement: Callable[[], hp.Problem]
    right: float = 1e-4
    reference: Callable[[], Reference] | None = None
    parameters: Mapping[str, float] = field(default_factory=dict)
    fields: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 120.0
    part: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    about: str = ""

    @property
    def lines(self) -> int:
        """Lines of code of the statement, without its first line, documentation and blank lines."""
        return lines_of(self.statement)

    @property
    def code(self) -> str:
        """Source of the statement."""
        return inspect.getsource(self.statement)

    def points(self, problem: hp.Problem, count: int) -> np.ndarray:
        """Random points (count or fewer, axes) of the domain, or of the part that is compared, always the same."""
        domain, rng = problem.domain, np.random.default_rng(0)
        whole = dict(zip(domain.names, zip(domain.lower, domain.upper, strict=True), strict=True))
        bounds = np.array([self.part.get(axis, whole[axis]) for axis in domain.names])
        points = bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) * rng.random((count, len(bounds)))
        inside = domain.contains(torch.as_tensor(points.T))
        return np.asarray(points[inside.numpy()])


def lines_of(function: Callable[..., Any]) -> int:
    """Lines of code of a function's body, without comments, documentation and blank lines.

    Examples
    --------
    >>> lines_of(lines_of) > 5
    True
    """
    source = inspect.getsource(function)
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    rows: set[int] = set()
    statement: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(inspect.cleandoc(source) + "\n").readline):
        if token.type == tokenize.NEWLINE:
            if not all(t.type == tokenize.STRING for t in statement):
                rows.update(row for t in statement for row in range(t.start[0], t.end[0] + 1))
            statement = []
        elif token.type not in skipped:
            statement.append(token)
    return len(rows) - 1
