"""What Gauss-Newton on nested levels needs of a problem, a field and a machine, looked at before the first step."""

from __future__ import annotations

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.field.field import Field, basis_for
from hermite_pinn.field.outline import Outline
from hermite_pinn.methods.base import Task
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.data_weights import Misfit

from .local_choice import check_local
from .options import GaussNewtonOptions
from .resolutions import first_resolutions
from .time_slabs import least_cells, why_at_once

__all__ = ["check_dtype", "check_nested", "check_start"]


def check_dtype(task: Task) -> None:
    """Raise an error for another precision than float64."""
    if task.dtype not in (None, torch.float64):
        raise InvalidArgumentError(
            "gauss_newton works in float64: normal equations square the rounding errors of float32; leave dtype out"
        )


def check_nested(options: GaussNewtonOptions, task: Task, field: Field, before: Outline | None) -> None:
    """Raise what a nested iteration cannot work with.

    Parameters
    ----------
    options, task
        The run.
    field
        The kind of field.
    before
        The field that another method will hand over, or None.

    Raises
    ------
    InvalidArgumentError, InvalidProblemError
        If the options, the field and the problem do not fit together.
    """
    check_dtype(task)
    _check_basis(task.problem, field)
    check_local(options, task)
    dim = task.problem.domain.dim
    if options.inner == "banded" and dim > 2:
        raise InvalidArgumentError(
            f"inner='banded' is for one or two axes, and the domain has {dim}; use 'cg' or 'auto'"
        )
    at_once = why_at_once(task.problem, field.basis)
    if at_once and options.slabs not in ("auto", 1):
        raise InvalidArgumentError(
            f"slabs={options.slabs} needs an evolution problem, but {at_once}; use slabs=1 or 'auto'"
        )
    if options.slabs not in ("auto", 1) and least_cells(task.problem, field.basis, options.gauss) is None:
        enough = BASES[field.basis].coefficients + 1
        raise InvalidArgumentError(
            f"slabs={options.slabs} with gauss={options.gauss}: a slab of the {field.basis} basis has more coefficients than "
            f"points, however long it is; leave gauss out or give gauss={enough}, or use slabs=1"
        )
    if task.problem.domain.is_cut:
        _check_cut(options, task)
    first_resolutions(task, field)
    automatic = Misfit(task.problem).automatic
    if automatic and task.ranks.size > 1:
        raise InvalidArgumentError(
            f"the smoothness of {', '.join(automatic)} has no weight, and on {task.ranks.size} processes none is chosen; give "
            "one, for example that of a run on one process: hp.Smoothness(u=1e-3)"
        )
    if before is not None:
        check_start(before, field.basis)


def _check_cut(options: GaussNewtonOptions, task: Task) -> None:
    if task.ranks.size > 1:
        raise InvalidArgumentError(
            f"gauss_newton solves on domains that shapes cut out of a box in one process, got {task.ranks.size}; start it without "
            "torchrun (OMP_NUM_THREADS sets the threads), or use method='adam'"
        )
    if options.inner == "banded":
        raise InvalidArgumentError(
            "inner='banded' is for whole boxes: on a domain that shapes cut out of one the matrix has no band; use 'cg' or 'auto'"
        )


def check_start(start: Outline, basis: str) -> None:
    """Raise an error if a nested iteration on a basis cannot start from a field."""
    if not start.linear or not start.nested or start.basis != basis:
        raise InvalidArgumentError(
            "gauss_newton can start from a field with the linear head, nested dense levels and its own basis only "
            f"({basis}; ratio=2, or resolutions that stay or double), got {_described(start)}"
        )


def _described(start: Outline) -> str:
    head = "the sum of the levels" if start.linear else "a network"
    levels = (
        ""
        if start.grid is None
        else f" of {start.grid.levels} levels {', '.join(map(str, start.grid.resolutions[:8]))}"
    )
    return f"{head}{levels}, {start.basis}"


def _check_basis(problem: Problem, field: Field) -> None:
    if not BASES[field.basis].refinable:
        raise InvalidArgumentError(
            f"gauss_newton needs nested levels: a basis of {', '.join(repr(b.name) for b in BASES.values() if b.refinable)}, not {field.basis!r}"
        )
    limit = BASES[field.basis].coefficients
    if problem.order > limit:
        raise InvalidProblemError(
            f"the problem has derivatives of order {problem.order}, but those of the {field.basis} basis are square "
            f"integrable up to order {limit}; introduce an auxiliary field for a lower derivative"
            + f", or use field=hp.Field(basis={basis_for(problem.order)!r})"
        )
