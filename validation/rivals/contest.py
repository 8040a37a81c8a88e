"""What is compared: a problem with a known answer, the codes that solve it, and the curve each code gives."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.validation.references.pinnacle import relative_error

from .timing import one_thread, shortest

__all__ = ["Answer", "Contest", "Curve", "Entrant", "Point", "run_entrant"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Answer:
    """What a code found.

    Attributes
    ----------
    values
        Gives the numbers that are compared with the truth of the contest, from its points (dim, n).  It is not timed.
    unknowns
        Size of the largest system.
    status
        How the code says that it ended, or "".
    estimate
        Relative error that the code tells of, or None.
    """

    values: Callable[[Array], Array]
    unknowns: int
    status: str = ""
    estimate: float | None = None


@dataclass(frozen=True, eq=False)
class Entrant:
    """A code that takes part.

    Attributes
    ----------
    code
        ``"hermite_pinn"``, ``"scikit-fem"``, ``"spectral"`` or ``"SciPy"``.
    method
        What it does, for the table.
    settings
        Of its runs, the cheapest first.
    solve
        Solves with one of the settings; this is what is timed.
    needs
        The module without which it cannot take part, or "".
    """

    code: str
    method: str
    settings: Sequence[Any]
    solve: Callable[[Any], Answer]
    needs: str = ""

    @property
    def missing(self) -> str:
        """What is said where the module is not installed, or ""."""
        if not self.needs or importlib.util.find_spec(self.needs) is not None:
            return ""
        return f'{self.code} is not installed: pip install "hermite_pinn[test]" brings it'


@dataclass(frozen=True, eq=False)
class Contest:
    """A problem and the codes that solve it.

    Attributes
    ----------
    name
        For ``--only`` and files.
    title
        For tables.
    kind
        ``"stationary"``, ``"evolution"``, ``"inverse"`` or ``"ordinary"``.
    problem
        The equation in one line.
    points
        Where answers are compared, (dim, n).
    truth
        The exact values there, or those of an independent reference.
    targets
        Errors at which the codes' times are compared.
    entrants
        This package's first.
    """

    name: str
    title: str
    kind: str
    problem: str
    points: Callable[[], Array]
    truth: Callable[[Array], Array]
    targets: tuple[float, ...]
    entrants: tuple[Entrant, ...]

    def error(self, answer: Answer) -> float:
        """Relative L2 error of an answer at the points of the contest."""
        points = self.points()
        return relative_error(np.asarray(answer.values(points)), np.asarray(self.truth(points)))


@dataclass(frozen=True)
class Point:
    """One run: its setting, unknowns, CPU seconds (the least of some runs), relative L2 error, and how it ended."""

    setting: str
    unknowns: int
    seconds: float
    error: float
    status: str = ""


@dataclass(frozen=True)
class Curve:
    """The runs of one code on one contest.

    Attributes
    ----------
    contest, code, method
        Of :class:`Contest` and :class:`Entrant`.
    points
        As far as the code came.
    reason
        Why it did not take part or broke off, or "".
    skipped
        Whether something that it needs is not there.
    """

    contest: str
    code: str
    method: str
    points: tuple[Point, ...] = ()
    reason: str = ""
    skipped: bool = False

    @property
    def line(self) -> str:
        """One line for people."""
        head = f"{self.contest:<18} {self.code:<13}"
        told = "  ".join(f"{p.error:.1e} in {p.seconds:.3g} s" for p in self.points)
        return " ".join(part for part in (head, told, self.reason) if part)


def run_entrant(contest: Contest, entrant: Entrant, patience: float = 60.0) -> Curve:
    """Run a code with one setting after the other, until one takes longer than the patience or fails.

    Parameters
    ----------
    contest
        What is solved and compared.
    entrant
        One of its codes.
    patience
        CPU seconds of one run, after which no larger one is begun.

    Raises
    ------
    KeyboardInterrupt
        If a run was interrupted.
    """
    if entrant.missing:
        return Curve(contest.name, entrant.code, entrant.method, reason=entrant.missing, skipped=True)
    points: list[Point] = []
    reason = ""
    for setting in entrant.settings:
        try:
            with one_thread():
                answer, seconds = shortest(lambda setting=setting: entrant.solve(setting))  # type: ignore[misc]
            if answer.status == hp.Status.INTERRUPTED.label:
                raise KeyboardInterrupt
            points.append(Point(spelled(setting), answer.unknowns, seconds, contest.error(answer), answer.status))
        except Exception as error:  # told in the table, so that others run all the same
            reason = f"{spelled(setting)}: {type(error).__name__}: {error}"
            break
        if seconds > patience:
            break
    return Curve(contest.name, entrant.code, entrant.method, tuple(points), reason)


def spelled(setting: Any) -> str:
    """A setting for the table.

    Examples
    --------
    >>> spelled((16, 4)), spelled(("Radau", 1e-6))
    ('16, 4', 'Radau, 1e-06')
    """
    if isinstance(setting, tuple):
        return ", ".join(map(spelled, setting))
    return setting if isinstance(setting, str) else f"{setting:g}"
