"""What a checkpoint keeps of the marches through an evolution problem."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.field.field import linear_field
from hermite_pinn.schema import Entry, intact

from .march import March
from .march_run import MarchRun
from .step_choice import steps_fit

__all__ = ["restored_marches", "saved_marches"]


def saved_marches(run: MarchRun, marches: Sequence[March]) -> dict[str, Any]:
    """The state of a run between two marches, with the field of the last one."""
    found = marches[-1].field
    return {
        "marches": [m.saved() for m in marches],
        "basis": run.grid.basis,
        "lines": run.by_lines,
        "time_cells": found.layout.resolutions[-1][run.problem.domain.time_axis or 0],
        "vector": found.level_coefficients(0).reshape(-1),
    }


def restored_marches(run: MarchRun, saved: Entry) -> list[March]:
    """The marches of a checkpoint; the run leaves the method of lines where that one had.

    Raises
    ------
    CorruptFileError
        If something is missing or does not fit together.
    """
    problem, domain = run.problem, run.problem.domain
    with intact(saved.source):
        space, axis = len(domain.space_axes), domain.time_axis
        assert axis is not None
        rows = saved.at("marches").items()
        if not rows:
            raise saved.at("marches").refuse("one march at least")
        resolution = [n.integer(1) for n in rows[-1].at("cells").items(space)]
        resolution.insert(axis, saved.at("time_cells").integer(1))
        basis, by_lines = saved.at("basis").text(BASES), saved.at("lines").flag()
        if not by_lines and run.by_lines and steps_fit(problem, basis):
            run.leave_lines(basis)
        elif basis != run.grid.basis:
            raise saved.at("basis").refuse(f"{run.grid.basis!r}, which this tolerance asks for")
        pyramid = run.grid.pyramid([tuple(resolution)])
        vector = saved.at("vector").tensor((pyramid.size,)).to(run.grid.device, run.grid.dtype)
        found = linear_field(
            domain, problem.fields, problem.periodic, basis, pyramid.resolutions, [vector.view(pyramid.shapes[0])]
        )
        return [March.restored(row, run.grid.beside(found), space) for row in rows]
