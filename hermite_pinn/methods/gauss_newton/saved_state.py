"""What a checkpoint of a nested iteration must say, checked before anything of it is used."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.corner_functions import corner_functions
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.schema import Entry

from .fit_shift import FitShift
from .indicators import Indicators
from .marching import Marching
from .noise_errors import NoiseLeft
from .penalty_weights import Choice
from .stage import Discretization

__all__ = ["check_nested", "restored_choice"]

Resolution = tuple[int, ...]

MOST_STAGES = 256
LARGEST_SIZE = 1e150  # of an equation: its square is a number


def check_nested(saved: Mapping[str, Any], grid: Discretization, planned: Sequence[Resolution] | None) -> None:
    """Refuse a saved state that is none of a nested iteration for a problem.

    Parameters
    ----------
    saved
        What :meth:`.NestedState.saved` gave.
    planned
        The resolutions of all stages, where they are known.

    Raises
    ------
    CorruptFileError
        If something is missing, is not finite, or does not fit the problem and the rest.
    """
    whole, problem = Entry.of(saved, "the checkpoint"), grid.problem
    for key in ("changes", "residuals", "truncation", "losses"):
        for entry in whole.at(key).items():
            entry.number(0.0)
    moved = whole.get("parameter_changes")
    for entry in [] if moved is None else moved.items(most=len(whole.at("changes").value)):
        entry.number(0.0)
    _check_indicators(whole.at("indicators"), problem)
    _check_marching(whole.at("marching"))
    estimates = whole.at("estimates").items(len(whole.at("residuals").value))
    for entry in estimates:
        if entry.value is not None:
            entry.number(0.0)
    whole.at("changes").items(most=len(estimates))
    _check_levels(whole, grid, planned)
    whole.at("settled").flag()
    whole.at("solved").flag()
    for key, least in (("points", 0), ("slabs", 1), ("inner", 0)):
        whole.at(key).integer(least)
    whole.at("reduction").number(0.0)
    for key, count in (("sizes", len(problem.fields)), ("speeds", problem.domain.dim)):
        for entry in whole.at(key).items(len(whole.at(key).value) and count):
            entry.number(0.0)
    for entry in whole.at("norms").items(len(problem.residuals)):
        entry.number(1.0 / LARGEST_SIZE, LARGEST_SIZE)
    names = [*(p.name for p in problem.parameters), *corner_functions(problem).basis.unknowns]
    whole.at("parameters").named_numbers(names)
    if whole.at("noise").value is not None:
        whole.at("noise").number(0.0)
    shift = whole.get("shift")
    if shift is not None:
        shift.items_named([f.name for f in fields(FitShift)])
        for entry in shift.entries().values():
            entry.number(0.0)
    _check_open(whole.get("open"), problem)
    choice = whole.get("choice")
    if choice is not None:
        restored_choice(choice, problem)


def _check_open(entry: Entry | None, problem: Problem) -> None:
    """What noise leaves open, if it is known."""
    if entry is None or entry.value is None:
        return
    entry.items_named([f.name for f in fields(NoiseLeft)])
    for part in entry.at("errors").items(len(problem.fields)):
        part.number(0.0)
    entry.at("risk").number()
    for key in ("misfit", "variance", "freedom"):
        entry.at(key).number(0.0)
    entry.at("count").integer(0)
    entry.at("deviations").named_numbers([*entry.at("deviations").entries()], 0.0)


def _check_levels(whole: Entry, grid: Discretization, planned: Sequence[Resolution] | None) -> None:
    """The path, the levels of the state, and its coefficients fit each other and the problem."""
    problem = grid.problem
    path = _nested(whole.at("path"), problem.domain.dim)
    if planned is not None and path != list(planned[: len(path)]):
        raise whole.at("path").refuse(f"the beginning of {list(map(list, planned))}")
    resolutions = _nested(whole.at("resolutions"), problem.domain.dim)
    if resolutions[-1] not in path:
        raise whole.at("resolutions").refuse("levels that end with one of the path")
    vector = whole.at("vector").tensor((None,))
    size = math.inf
    if all(math.prod(r) <= vector.numel() for r in resolutions):
        corners = corner_functions(problem).basis
        size = grid.pyramid(resolutions).size + len(problem.parameters) + len(corners)
    if vector.numel() != size:
        raise whole.at("vector").refuse(f"the coefficients of the levels {list(map(list, resolutions))}")


def _check_indicators(entry: Entry, problem: Problem) -> None:
    entry.items_named([f.name for f in fields(Indicators)])
    for key, value in entry.entries().items():
        if key == "leaf":
            for part in value.items(len(value.value) and problem.domain.dim):
                part.number(0.0)
        elif key == "cells":
            value.integer(1)
        elif key == "place":
            value.text()
        elif key != "rate" or value.value is not None:
            value.number(0.0)


def _check_marching(entry: Entry) -> None:
    entry.items_named([f.name for f in fields(Marching)])
    if entry.at("gauss").value is not None:
        entry.at("gauss").integer(1, 16)
    if entry.at("start").value is not None:
        entry.at("start").number(1e-300)
    entry.at("genuine").flag()
    entry.at("unstable").flag()


def _nested(entry: Entry, dim: int) -> list[Resolution]:
    """Resolutions each of which is the one before or twice that."""
    levels = [tuple(n.integer(1, 2**31 - 1) for n in level.items(dim)) for level in entry.items(None, 1, MOST_STAGES)]
    for coarse, fine in itertools.pairwise(levels):
        if any(b not in (a, 2 * a) for a, b in zip(coarse, fine, strict=True)):
            raise entry.refuse("nested levels, each the one before or twice that")
    return levels


def restored_choice(entry: Entry, problem: Problem) -> Choice:
    """Weights of penalties from a checkpoint.

    Raises
    ------
    CorruptFileError
        If they are none of this problem.
    """
    entry.items_named(("weights", "scatter", "freedom", "emphasis"))
    weights = entry.at("weights").named_numbers(Misfit(problem).automatic, sys.float_info.min)
    return Choice(
        weights,
        entry.at("scatter").number(0.0),
        entry.at("freedom").number(0.0),
        entry.at("emphasis").number(sys.float_info.min),
    )
