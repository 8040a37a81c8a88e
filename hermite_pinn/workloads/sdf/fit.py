"""Fields of the distance to a surface."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import choice, instance, number
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.field.field import Field, Levels
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.hermite_grid import plain_levels
from hermite_pinn.geometry import Box
from hermite_pinn.methods.training.method import TrainingMethod
from hermite_pinn.problem.warning import HermitePinnWarning
from hermite_pinn.result.solution import Solution
from hermite_pinn.run.arguments import checked_seed, chosen_dtype, chosen_field
from hermite_pinn.run.callbacks import Callback
from hermite_pinn.run.checkpoint import Checkpoint
from hermite_pinn.run.ending import Ending
from hermite_pinn.run.identity import identity_of, plain
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.progress import ProgressMeter
from hermite_pinn.run.stats import Done, field_stats
from hermite_pinn.run.status import Status
from hermite_pinn.run.workload import Frame, Save, Workload
from hermite_pinn.torch_state import isolated

from .cell_system import Weights
from .plan import Plan
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
    method: str | TrainingMethod = "gauss_newton",
    value_weight: float = 1.0,
    normal_weight: float = 1.0,
    eikonal_weight: float = 0.0,
    max_time: float | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    dtype: torch.dtype | str | None = None,
    callbacks: Sequence[Callback] | Callback = (),
    progress: bool | str | ProgressMeter = "auto",
    checkpoint: str | Path | Checkpoint | None = None,
    resume: str | Path | None = None,
    throw: bool = True,
) -> Solution:
    """Fit the distance to a surface in space.

    ``"gauss_newton"`` fits dense levels of the Hermite grid by linear least squares.  The targets are exact distances
    and directions to the closest points of the surface, at the Gauss points of the cells.  The coarsest level is
    fitted first, and each further level to the rest.  Levels of up to 32 cells along the axes cover the whole box, so
    the sign is right far from the surface.  Finer levels have cells near the surface only.

    All other fields are fitted at random samples: half of them on the surface, a quarter near it, and a quarter in the
    box.  If the field is affine in its parameters, ``"gauss_newton"`` solves one least-squares problem.  Training
    methods minimise the same squares for any field.

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
        A :class:`hermite_pinn.Field` or the name of a head; by default cubics with a linear head for
        ``"gauss_newton"``, and for other methods the paper's network with tables of 2**16 slots, both from 8 cells on.
    method
        ``"gauss_newton"``, ``"adam"``, ``"soap"``, ``"lbfgs"``, or an object such as ``hp.Adam(steps=2000)``, whose
        ``points`` are the samples of a step; its options for conditions mean nothing here.
    value_weight, normal_weight, eikonal_weight
        Weights of the squares of misfits: of distances, in tenths of a cell of the level, or at samples in units of the
        longest edge of the surface; of the components of the gradient; and of the gradient's length, in addition.
        Least squares take that to first order about the true direction.
    max_time
        Seconds after which the run ends; of dense levels the first one is always fitted.
    seed
        Of everything random.
    dtype
        Of the parameters, by default float64, and float32 for ``"adam"`` and ``"soap"``.
    device, callbacks, progress, checkpoint, resume, throw
        As in :func:`hermite_pinn.solve`; least squares save their state after every level, or 100 steps.  Dense levels
        are fitted on the CPU.

    Returns
    -------
    Solution
        With the field ``d`` in the units of the coordinates.  ``residuals`` has the RMS of the errors of ``value``, of
        the components of the gradient, ``normal``, and of its length, ``eikonal``, within 1/72 of the longest edge of
        the surface; ``stats["quality"]`` has these and more, ``stats["notes"]`` the repairs of the surface.  The
        status is ``UNSOLVED`` if a sign is wrong farther from the surface than half a cell of the finest level, or,
        where the field was fitted at samples, than 1/72 of the longest edge.

    Raises
    ------
    InvalidProblemError
        If the surface has no inside and ``sign`` is ``"signed"``, leaves the box, or is no surface.
    InvalidArgumentError
        For options that cannot work.
    DivergedError
        If a loss becomes infinite or NaN; ``error.solution`` is the last good state.
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

    A network, trained for a moment:

    >>> short = hp.Adam(steps=20, points=500, lr=3e-3, ema=0)
    >>> network = hp.Field(encoder="coordinates", head="siren", width=32, omega=10)
    >>> hp.sdf.fit((vertices, faces), method=short, field=network, progress=False).stats["parameters"]
    1217
    """
    choice("sign", sign, ("signed", "unsigned"))
    weights = Weights(
        weight("value_weight", value_weight),
        weight("normal_weight", normal_weight),
        weight("eikonal_weight", eikonal_weight),
    )
    if not weights.value:
        raise InvalidArgumentError("value_weight must be positive: gradients alone do not tell where the surface is")
    levels = plain_levels(levels)
    frame = Frame(
        max_time=max_time, callbacks=callbacks, progress=progress, checkpoint=checkpoint, resume=resume, throw=throw
    )
    plan = Plan.of(method, chosen_field(field), levels, weights, chosen_dtype(dtype), device, checked_seed(seed))
    target = target_of(surface, sign)
    if target.slow:
        warnings.warn(target.slow, HermitePinnWarning, stacklevel=3)
    return frame.run(_Distance(plan, target, _box(box, target), frame.monitor))


class _Distance(Workload[Ending, Solution]):
    """The fit of a distance by a plan."""

    title, kind = "signed distance", Ending

    def __init__(self, plan: Plan, target: Target, box: Box, monitor: Monitor) -> None:
        self.plan, self.target, self.box, self.monitor = plan, target, box, monitor
        self.method, self.device = plan.name, plan.device
        self.identity = _identity(target, box, plan)
        self.fitting = plan.run(target, box, monitor)

    def run(self, save: Save, saved: dict[str, Any] | None) -> Ending:
        """See :class:`.FitRun`."""
        return self.fitting.run(save, saved)

    def result(self, done: Done[Ending]) -> Solution:
        """The field with its quality, by which it is judged."""
        plan, target, fitting = self.plan, self.target, self.fitting
        found = quality(target, self.box, fitting.field.to("cpu"), plan.seed)
        status, message = _judged(done.found, found, fitting.field, target, plan)
        if status is Status.MAX_TIME and target.slow:
            message = f"{message}; {target.slow}"
        notes = [*target.notes, *([target.slow] if target.slow else [])]
        stats = done.stats(plan.name, plan.seed, self.monitor.history) | field_stats(fitting.field)
        stats |= {"quality": dict(found)} | plain(fitting.stats)
        return Solution(
            domain=self.box,
            periodic=(False,) * 3,
            field=fitting.field,
            status=status,
            message=message,
            history=self.monitor.history,
            parameters={},
            stats=stats | ({"notes": notes} if notes else {}),
            residuals={"value": found["value_rms"], "normal": found["gradient_rms"], "eikonal": found["eikonal_rms"]},
            estimated_error=None,
            title="signed distance" if target.signed else "distance",
            settings=self.identity,
        )


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


def _identity(target: Target, box: Box, plan: Plan) -> dict[str, Any]:
    """What must agree for a checkpoint to be continued, and what a file tells about its making."""
    bounds = {name: list(pair) for name, pair in box.bounds.items()}
    return identity_of(
        "distance to a surface",
        {"surface": target.described(), "box": bounds},
        method=plan.name,
        options=plan.options,
        field=plan.spec,
        levels=plan.resolutions(),
        seed=plan.seed,
        dtype=plan.dtype,
    )


def _judged(
    ending: Ending, found: Mapping[str, float], field: GridField, target: Target, plan: Plan
) -> tuple[Status, str]:
    """Status and message; no success if signs are wrong away from the surface."""
    edges = np.asarray(field.encoder.upper) - np.asarray(field.encoder.lower)
    half = float((edges / np.asarray(field.encoder.cells)).max()) / 2
    room, named, advice = half, "half a cell", "take more levels"
    if not plan.by_level:
        room, named = found["band"], "1/72 of its longest edge"
        advice = "take other levels, or encoder='hermite'" if plan.method is None else "take more steps or levels"
    if not (ending.status.success and target.signed and found["wrong_sign"] > room):
        return ending.status, ending.message
    wrong = f"the sign is wrong {found['wrong_sign']:.2g} away from the surface, more than {named}; {advice}"
    return Status.UNSOLVED, f"{ending.message}; {wrong}"
