"""What a march through an evolution problem found, and the error that it and those before it tell of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hermite_pinn.field.field import GridField
from hermite_pinn.schema import Entry

from .march_plan import Past
from .march_states import Course

__all__ = ["March", "estimated_error"]

LEAST = 1.5  # rate of convergence that is assumed at least
UNKNOWN = 2.0  # rate where there was one change only
UNRESOLVED = 0.5  # change of a field above which a march had nothing to do with the one before


@dataclass
class March:
    """A march that came to its end.

    Attributes
    ----------
    tol
        Of its steps and cells.
    field
        What it found.
    course
        How; None for one of a checkpoint.
    cells
        Along the axes of space at its end.
    said
        Of the next one.
    change
        From the march before, the largest of all fields; None for the first.
    local
        What steps and cells say that they miss.
    error
        Estimate of the relative error, or None.
    seconds
        That it took.
    """

    tol: float
    field: GridField
    cells: tuple[int, ...]
    said: Past
    course: Course | None = None
    change: float | None = None
    local: float = 0.0
    error: float | None = None
    seconds: float = 0.0

    def told(self) -> dict[str, Any]:
        """What the statistics of a run say of it."""
        told: dict[str, Any] = {"tol": self.tol, "cells": self.cells, "change": self.change, "error": self.error}
        if self.course is not None:
            c = self.course
            told |= {"steps": c.steps, "refused": c.refused, "newton": c.newton, "inner": c.inner}
        return told | {"seconds": self.seconds}

    def saved(self) -> dict[str, Any]:
        """What a checkpoint keeps of it beside its field."""
        return {
            "tol": self.tol,
            "cells": list(self.cells),
            "change": self.change,
            "local": self.local,
            "error": self.error,
            "seconds": self.seconds,
            "space_errors": list(self.said.space_errors),
            "time_error": self.said.time_error,
            "largest": self.said.largest,
        }

    @classmethod
    def restored(cls, row: Entry, found: GridField, space: int) -> March:
        """Inverse of :meth:`saved`.

        Raises
        ------
        CorruptFileError
            If something is missing or does not fit together.
        """

        def known(key: str) -> float | None:
            return None if row.at(key).value is None else row.at(key).number(0.0)

        cells = tuple(n.integer(1) for n in row.at("cells").items(space))
        local, seconds = row.at("local").number(0.0), row.at("seconds").number(0.0)
        tol, largest = row.at("tol").number(0.0), row.at("largest").number(0.0, 1.0)
        errors = tuple(n.number(0.0) for n in row.at("space_errors").items(space))
        said = Past(tol, cells, errors, row.at("time_error").number(0.0), largest, seconds)
        return cls(tol, found, cells, said, None, known("change"), local, known("error"), seconds)


def estimated_error(march: March, earlier: Sequence[March], order: int) -> float:
    """The error that the change from march to march tells of, and at least what the march says of itself.

    The change of a march is the error of the one before; its own is smaller by the rate at which changes fell, or
    by two where there was no other, and by the ratio of the tolerances at most.

    Parameters
    ----------
    march
        With its change from the last of the earlier ones.
    earlier
        At least one.
    order
        Power of cells and steps that the error falls with.
    """
    assert march.change is not None
    before, last = earlier[-1].change, earlier[-1]
    ratio = max(LEAST, last.tol / march.tol)
    if before is not None and march.change > 0 and len(earlier) > 1:
        power = min(1.0, math.log(ratio) / math.log(max(LEAST, earlier[-2].tol / last.tol)))
        rate = max(LEAST, min(max(1.0, before / march.change) ** power, ratio))
        if before > UNRESOLVED:
            rate = min(rate, UNKNOWN)
    else:
        rate = max(LEAST, UNKNOWN ** min(1.0, math.log(ratio) / (order * math.log(2.0))))
    return max(march.change / (rate - 1.0), march.local)
