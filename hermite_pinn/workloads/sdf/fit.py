"""Fields of the distance to a surface."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import choice, instance, number, path
from hermite_pinn.cuda.runtime.cache import compile_clock
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.field.field import Field, Levels
from hermite_pinn.field.hermite_grid import plain_levels, resolutions_of
from hermite_pinn.geometry import Box
from hermite_pinn.memory import peak_memory
from hermite_pinn.result.solution import Solution
from hermite_pinn.run.arguments import checked_seed, chosen_dtype, chosen_field, limit
from hermite_pinn.run.checkpoint import Checkpoint, read_checkpoint
from hermite_pinn.run.identity import plain
from hermite_pinn.run.interrupt import hold, terminable
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.progress import ProgressMeter, choose_progress
from hermite_pinn.run.status import Status
from hermite_pinn.torch_state import isolated
from hermite_pinn.version import installed_version

from .cell_system import Weights
from .course import Course, Ending
from .quality import quality
from .sources import target_of
from .target import Target

__all__ = ["fit"]

#: Room around the surface in a box of its own, relative to its longest edge.
ROOM = 0.1

weight = partial(number, least=0)


@isolated()
def fit(
    surface: Any,
    *,
    levels: Levels = 6,
    box: Box | None = None,
    sign: str = "signed",
    field: Field | str | None = None,
    method: str = "gauss_newton",
    value_weight: float = 1.0,
    normal_weight: float = 1.0,
    eikonal_weight: float = 0.0,
    max_time: float | None = None,
    seed: int = 0,
    dtype: torch.dtype | str | None = None,
    progress: bool | str | ProgressMeter = "auto",
    checkpoint: str | Path | Checkpoint | None = None,
    resume: str | Path | None = None,
) -> Solution:
    """Fit the distance to a surface in space.

    Exact distances and the directions to the closest points of the surface are taken at Gauss points of the cells of
    every level, the coarsest first, and the level is fitted to what those below leave of both: linear least squares.
    Levels of up to 32 cells along the axes cover the whole box, so that the sign is right far from the surface, too;
    finer ones have the cells near the surface only.

    Parameters
    ----------
    surface
        A file (STL, OBJ, PLY, OFF, ...), arrays ``(vertices, faces)``, a ``trimesh.Trimesh`` or ``Scene``; a
        shape in space, such as a :class:`hermite_pinn.Mesh` or :class:`hermite_pinn.Ball`; or points with normals, a
        :class:`PointCloud` or a file of them.
    levels
        Number of levels, or a list of resolutions.
    box
        Where the field is defined, a box with three axes of space; by default a cube around the surface, with room of a
        tenth of its longest edge.
    sign
        ``"signed"``, negative inside, or ``"unsigned"``, which open surfaces need.
    field
        Basis, base and ratio of a :class:`hermite_pinn.Field` with a linear head; by default cubics, from 8 cells on.
    method
        ``"gauss_newton"``.
    value_weight, normal_weight, eikonal_weight
        Weights of the squares of misfits: of distances, in tenths of a cell of the level; of the components of the
        gradient; and of the gradient's length, to first order about the true one, in addition.
    max_time
        Seconds after which no further level is fitted; the first one always is.
    seed
        Of the random points at which the result is examined.
    dtype
        Of the coefficients, by default float64.
    progress, checkpoint, resume
        As in :func:`hermite_pinn.solve`; the state is saved after every level.

    Returns
    -------
    Solution
        With the field ``d`` in the units of the coordinates.  ``residuals`` has the RMS of the errors of ``value``, of
        the components of the gradient, ``normal``, and of its length, ``eikonal``, within 1/72 of the longest edge of
        the surface; ``stats["quality"]`` has these and more, ``stats["notes"]`` what was mended of the surface.  The
        status is ``UNSOLVED`` if a sign is wrong farther from the surface than half a cell of the finest level.

    Raises
    ------
    InvalidProblemError
        If the surface has no inside and ``sign`` is ``"signed"``, leaves the box, or is none.
    InvalidArgumentError
        For options that cannot work.
    CorruptFileError, FileNotFoundError
        If a file is damaged or missing.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> vertices = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    >>> quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    >>> faces = [(a, b, c) for a, b, c, d in quads] + [(a, c, d) for a, b, c, d in quads]
    >>> cube = hp.sdf.fit((vertices, faces), levels=2, progress=False)
    >>> abs(float(cube.d(0.5, 0.0, 0.0)) + 0.5) < 0.02
    True
    """
    choice("sign", sign, ("signed", "unsigned"))
    choice("method", method, ("gauss_newton",), hint="a linear head is fitted by least squares")
    spec, kind = _spec(field), chosen_dtype(dtype) or torch.float64
    weights = Weights(
        weight("value_weight", value_weight),
        weight("normal_weight", normal_weight),
        weight("eikonal_weight", eikonal_weight),
    )
    if not weights.value:
        raise InvalidArgumentError("value_weight must be positive: gradients alone do not tell where the surface is")
    resolutions = resolutions_of(plain_levels(levels), spec.base, spec.ratio, 3)
    seed, most = checked_seed(seed), limit("max_time", max_time, infinite=True)
    keeper = _keeper(checkpoint)
    source = None if resume is None else path("resume", resume, otherwise="None")
    monitor = Monitor((), choose_progress(progress), most)
    monitor.method = method
    target = target_of(surface, sign)
    domain = _box(box, target)
    identity = _identity(target, domain, weights, spec, resolutions, seed, kind)
    course = Course(target, domain, spec.basis, resolutions, weights, kind, monitor)
    saved = None if source is None else read_checkpoint(source, identity, monitor) or None
    saver = None if keeper is None else keeper.saver(identity, monitor)
    if saver is not None:
        saver.begin(saved)
    clock: list[float] = []
    began, token = time.perf_counter(), compile_clock.set(clock)
    monitor.progress.start("signed distance")
    try:
        with terminable() as signals:
            ending = course.run(saver or _unsaved, saved)
            hold()
            found = quality(target, domain, course.field, seed)
            signals.missed()
    finally:
        monitor.progress.close()
        compile_clock.reset(token)
    ending = _judged(ending, found, course)
    seconds = time.perf_counter() - began - sum(clock)
    message = ending.message
    if saver is not None and saver.failure is not None:
        message += f"; the checkpoint is not that of the end: {saver.failure}"
    return Solution(
        domain=domain,
        periodic=(False,) * 3,
        field=course.field,
        status=ending.status,
        message=message,
        history=monitor.history,
        parameters={},
        stats=_stats(course, found, seconds, sum(clock), seed),
        residuals={"value": found["value_rms"], "normal": found["gradient_rms"], "eikonal": found["eikonal_rms"]},
        estimated_error=None,
        title="signed distance" if target.signed else "distance",
        settings=identity,
    )


def _spec(field: Any) -> Field:
    """The kind of field, as far as it can be one."""
    spec = chosen_field(field) or Field(base=8)
    if not spec.linear:
        raise InvalidArgumentError(f"gauss_newton fits distances with head='linear', got head={spec.head!r}")
    if spec.table_size is not None or spec.features not in (None, 1) or spec.half:
        raise InvalidArgumentError(
            "the levels of a distance have the vertices near the surface, each with one feature of full precision; leave out table_size, "
            "features and half"
        )
    if spec.encoder != "hermite":
        raise InvalidArgumentError(f"gauss_newton fits distances with encoder='hermite', got encoder={spec.encoder!r}")
    return spec


def _box(box: Any, target: Target) -> Box:
    """The box that was given, if the surface is in it, or one around the surface."""
    lower, upper = target.bounds
    if box is None:
        half = target.extent * (0.5 + ROOM)
        centre = (lower + upper) / 2
        return Box(**{name: (c - half, c + half) for name, c in zip("xyz", centre.tolist(), strict=True)})
    given: Box = instance("box", box, Box, "a hermite_pinn.Box with three axes of space", otherwise="None")
    if given.dim != 3 or given.time_axis is not None or given.breaks:
        raise InvalidArgumentError(f"box must have three axes of space and no breaks, got {given!r}")
    beyond = [
        f"{name} from {a:.6g} to {b:.6g}, the box from {first:.6g} to {last:.6g}"
        for name, a, b, (first, last) in zip(given.names, lower, upper, given.bounds.values(), strict=True)
        if a < first or b > last
    ]
    if beyond:
        raise InvalidProblemError(
            f"the surface leaves the box: it reaches in {'; in '.join(beyond)}; give a larger box"
        )
    return given


def _identity(
    target: Target,
    box: Box,
    weights: Weights,
    spec: Field,
    resolutions: Any,
    seed: int,
    dtype: torch.dtype,
) -> dict[str, Any]:
    """What must agree for a checkpoint to be continued, and what a file tells about its making."""
    bounds = {name: list(pair) for name, pair in box.bounds.items()}
    parts = {"surface": _part(target.described()), "box": _part(bounds)}
    return {
        "problem": "distance to a surface",
        "parts": parts,
        "method": "gauss_newton",
        "options": {f"{name}_weight": value for name, value in asdict(weights).items()},
        "field": plain(asdict(spec)),
        "levels": plain(resolutions),
        "seed": seed,
        "dtype": str(dtype).removeprefix("torch."),
    }


def _part(described: Mapping[str, Any]) -> dict[str, str]:
    text = json.dumps(plain(dict(described)), sort_keys=True)
    return {"digest": hashlib.sha256(text.encode()).hexdigest(), "text": text}


def _keeper(checkpoint: Any) -> Checkpoint | None:
    """Where the state is saved, if it can be."""
    if checkpoint is None:
        return None
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = Checkpoint(path("checkpoint", checkpoint, otherwise="a hermite_pinn.Checkpoint or None"))
    checkpoint.check()
    return checkpoint


def _unsaved(state: Any, force: bool) -> None:
    """There is no checkpoint."""


def _judged(ending: Ending, found: Mapping[str, float], course: Course) -> Ending:
    """The ending, which is no success if signs are wrong away from the surface."""
    size = np.asarray(course.box.upper) - np.asarray(course.box.lower)
    half = float((size / np.asarray(course.resolutions[len(course.bands) - 1])).max()) / 2
    if not (ending.status.success and course.target.signed and found["wrong_sign"] > half):
        return ending
    wrong = (
        f"the sign is wrong {found['wrong_sign']:.2g} away from the surface, more than half a cell; take more levels"
    )
    return Ending(Status.UNSOLVED, f"{ending.message}; {wrong}")


def _stats(course: Course, found: Mapping[str, float], seconds: float, compiling: float, seed: int) -> dict[str, Any]:
    field, steps = course.field, len(course.bands)
    versions = {
        "hermite_pinn": installed_version(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }
    stats: dict[str, Any] = {
        "method": "gauss_newton",
        "seconds": seconds,
        "compile_seconds": compiling,
        "steps": steps,
        "seconds_per_step": seconds / steps,
        "peak_memory": peak_memory(field.device),
        "parameters": field.parameter_count,
        "reachable": field.reachable_count,
        "device": str(field.device),
        "dtype": str(field.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "seed": seed,
        "versions": versions,
        "quality": dict(found),
    }
    return stats | ({"notes": list(course.target.notes)} if course.target.notes else {})
