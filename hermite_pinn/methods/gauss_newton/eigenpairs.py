"""Eigenvalues on grids that are divided until they no longer change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import Field, GridField, resolutions_of
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.scales import source_scales

from .pencil import Eigenpairs, Pencil
from .resolutions import first_base
from .stage import Discretization, Resolution

__all__ = ["FAINT", "Level", "levels_of"]

OFF = 0.5  # residual beyond which a pair is none: what is solved for was singular
MOVED = 1e-4  # of the spread of eigenvalues, by which the shift is moved then
LEAST, MOST = 1e-3, 0.5  # by which changes are taken to fall with the next grid
SAFE = 4.0  # times that the estimate is larger than what is expected
ROUNDING = 1e-12
BASE = {1: 8, 2: 4}  # cells along every axis of the first grid
POINTS = 2048  # at which eigenfunctions are compared
FAINT = 1e-2  # of the largest eigenvalue, below which smaller ones are not told apart from zero


@dataclass(frozen=True)
class Level:
    """What one grid gives, against the one before.

    Attributes
    ----------
    resolution, unknowns
        The grid.
    pairs
        Eigenvalues and coefficients.
    fields
        The real parts of the eigenfunctions, of all pairs.
    changes
        (count,): of the eigenvalues from the grid before, infinite on the first one.
    errors
        (count,): estimates of the relative errors of the eigenvalues, from the changes on this and the last grid.
    distances
        (count,): L2 distance of every eigenfunction from the space of those of the grid before.
    """

    resolution: Resolution
    unknowns: int
    pairs: Eigenpairs
    fields: list[GridField]
    changes: np.ndarray
    errors: np.ndarray
    distances: np.ndarray


def levels_of(
    problem: Problem, basis: str, count: int, near: float, seed: int, most: int, stop: Callable[[], bool]
) -> Iterator[Level]:
    """Every grid in turn, each with twice as many cells along every axis, while they have at most ``most`` unknowns.

    Parameters
    ----------
    problem
        Linear and homogeneous in its fields, affine in its only parameter.
    basis
        Of the grid.
    count, near
        How many eigenvalues, and what they are the closest to.
    seed
        Of the first vectors of the iterations.
    stop
        Asked before every linear solve; a true answer ends the iteration of a grid.
    """
    grid = Discretization(problem, basis, None, torch.float64, torch.device("cpu"), source_scales(problem))
    (resolution,) = resolutions_of(
        1, first_base(problem, Field(basis=basis, base=BASE.get(problem.domain.dim, 2))), 2.0, problem.domain.dim
    )
    shift, before = None, None
    make = partial(Pencil, grid)
    while True:
        pencil = make(resolution, near, shift)
        if pencil.size > most and before is not None:
            return
        if before is None:
            pencil.check()
        pairs = pencil.solve(count, seed, stop)
        if shift is None and len(pairs.residuals) and float(pairs.residuals.max()) > OFF:
            moved = make(resolution, near, near - MOVED * pencil.spread)
            again = moved.solve(count, seed, stop)
            if float(again.residuals.max()) < float(pairs.residuals.max()):
                shift, pencil, pairs = moved.shift, moved, again
        level = _level(pencil, pairs, before)
        yield level
        before, resolution = level, tuple(2 * n for n in resolution)


def _level(pencil: Pencil, pairs: Eigenpairs, before: Level | None) -> Level:
    fields = [pencil.field(vector.real.contiguous()) for vector in pairs.vectors.T]
    count = len(pairs.residuals)
    values, nothing = pairs.values[:count], np.full(count, np.inf)
    if before is None or len(before.changes) != count:
        return Level(pencil.resolution, pencil.size, pairs, fields, nothing, nothing, nothing)
    changes = np.abs(values - before.pairs.values[:count])
    size = np.maximum(np.abs(values), FAINT * np.abs(values).max(initial=0.0))
    size[size == 0] = 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.clip(np.nan_to_num(changes / before.changes, nan=LEAST), LEAST, MOST)
    # on the second grid nothing tells how fast they converge
    errors = np.maximum(changes * np.where(np.isfinite(before.changes), SAFE * ratio, 1.0) / size, ROUNDING)
    distances = _distances(pencil.grid.problem, fields[:count], before.fields)
    return Level(pencil.resolution, pencil.size, pairs, fields, changes, errors, distances)


def _distances(problem: Problem, fine: list[GridField], coarse: list[GridField]) -> np.ndarray:
    """Relative distance of every function of a list from the space of those of another, at random points."""
    x = problem.domain.interior.quasi_random(POINTS, 0).x.to(torch.float64)
    channels = Channels.value(len(x))
    new, old = (torch.stack([f.jets(x, channels)[:, 0].reshape(-1) for f in part], 1) for part in (fine, coarse))
    known = torch.linalg.lstsq(old, new, driver="gelsd").solution
    lengths = new.norm(dim=0).clamp(min=1e-300)
    return ((new - old @ known).norm(dim=0) / lengths).numpy()
