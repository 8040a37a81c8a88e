"""Solutions of a family of problems, one for each value of its number."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn import checks
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.markup import failing_softly
from hermite_pinn.output import make_folder, write_text
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact

from .several import Several
from .solution import Solution
from .solution_html import branch_html

__all__ = ["Branch"]

INDEX = "branch.json"


class Branch(Several):
    """What :func:`hermite_pinn.continuation` returns: a sequence of solutions, each of which began at the one before.

    Attributes
    ----------
    values
        (count,): the values that were reached, with those between that smaller steps took; float64.
    solutions
        One :class:`Solution` for each.
    status, message
        Whether all values were reached (:class:`Status`), and what happened.
    fold
        Where the branch turns back, estimated from its last three solutions, or None.
    refused
        By solve that failed, its ``value``, ``status`` and ``message``.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> def heated(strength):
    ...     return hp.Problem(
    ...         hp.Box(x=(0, 1)), ["u"], lambda u: u.xx + strength * hp.exp(u), [hp.Dirichlet(u=0.0)]
    ...     )
    >>> branch = hp.continuation(heated, [1.0, 2.0], tol=1e-4)
    >>> branch.status.name, branch.values.tolist(), [round(s.u(0.5), 3) for s in branch]
    ('CONVERGED', [1.0, 2.0], [0.141, 0.329])
    """

    _load = "Branch.load"

    def __init__(
        self,
        values: Sequence[float],
        solutions: Sequence[Solution],
        status: Status,
        message: str,
        *,
        fold: float | None = None,
        refused: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.values = np.array(values, dtype=np.float64)
        super().__init__(solutions)
        self.status, self.message, self.fold = status, message, fold
        self.refused = tuple(dict(row) for row in refused)

    @failing_softly
    def _repr_html_(self) -> str:
        """Status, numbers and small pictures, for notebooks."""
        return branch_html(self)

    def __repr__(self) -> str:
        lines = [f"Branch: {self.status.label}, {self.message}"]
        pairs = zip(self.values, self.solutions, strict=True)
        return "\n".join(lines + [f"  {value:.12g}: {s.status.label}, {s.message}" for value, s in pairs])

    def save(self, folder: str | Path) -> None:
        """Write a folder with one file for each solution, ``0000.h5``, ..., and ``branch.json``, which says the rest.

        Raises
        ------
        OutputError
            If a file cannot be written; ``branch.json`` is the last one.
        """
        target = make_folder(checks.path("folder", folder))
        for k, solution in enumerate(self.solutions):
            solution.save(target / _name(k))
        index = {
            "values": self.values.tolist(),
            "status": self.status.name,
            "message": self.message,
            "fold": self.fold,
            "refused": list(self.refused),
        }
        if not any(s.stats.get("rank", 0) for s in self.solutions):
            write_text(target / INDEX, json.dumps(index, indent=1) + "\n")

    @classmethod
    def load(cls, folder: str | Path) -> Branch:
        """Read a folder written by :meth:`save`; nothing in it is executed.

        Raises
        ------
        FileNotFoundError, CorruptFileError
            If there is no such folder, or a file in it is damaged.
        """
        source = checks.path("folder", folder)
        index = source / INDEX
        text = index.read_text(encoding="utf-8", errors="replace")
        try:
            given = json.loads(text)
        except ValueError as error:
            raise CorruptFileError(f"{index} is damaged: it is no JSON ({error})") from error
        with intact(str(index)):
            whole = Entry(given, str(index), "")
            values = [e.number() for e in whole.at("values").items()]
            fold = whole.get("fold")
            refused = [_refusal(row) for row in whole.at("refused").items()]
            status = Status[whole.at("status").text(Status.__members__)]
            message = whole.at("message").text()
        solutions = [Solution.load(source / _name(k)) for k in range(len(values))]
        place = None if fold is None else fold.number()
        return cls(values, solutions, status, message, fold=place, refused=refused)


def _name(index: int) -> str:
    return f"{index:04d}.h5"


def _refusal(row: Entry) -> dict[str, Any]:
    return {
        "value": row.at("value").number(),
        "status": row.at("status").text(),
        "message": row.at("message").text(),
    }
