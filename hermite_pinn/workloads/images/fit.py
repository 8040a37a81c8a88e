"""Fields of pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import Field, Levels
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.sampling import grid_jets
from hermite_pinn.methods.base import Method
from hermite_pinn.result.solution import Solution
from hermite_pinn.run.arguments import checked_seed, chosen_dtype, chosen_field
from hermite_pinn.run.callbacks import Callback
from hermite_pinn.run.checkpoint import Checkpoint
from hermite_pinn.run.device import choose_device
from hermite_pinn.run.identity import identity_of
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.run.progress import ProgressMeter
from hermite_pinn.run.stats import Done, field_stats
from hermite_pinn.run.workload import Frame, Save, Workload
from hermite_pinn.torch_state import isolated

from .evidence import Evidence, evidence
from .ways import Fitted, Run, Way, chosen_way

__all__ = ["fit"]

VALUE = Channels.value(2)


@isolated()
def fit(
    picture: Any = None,
    *,
    from_: str | None = None,
    derivatives: str | None = None,
    known: str | None = None,
    gradients: Any = None,
    laplacian: Any = None,
    mean: Any = None,
    border: Any = None,
    slopes: str | None = None,
    levels: Levels | None = None,
    field: Field | str | None = None,
    method: str | Method = "gauss_newton",
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
    """Fit a field to a picture, or to measured gradients or Laplacians of one.

    The pixel in row ``i`` and column ``j`` lies at ``x = j h``, ``y = i h`` with ``h = 1 / (max(H, W) - 1)``: x goes
    right, y down, and the longer edge has length 1.

    Parameters
    ----------
    picture
        Grey values (H, W) or channels (H, W, C) from 2 pixels along an axis; integers are divided by the largest number
        of their type.
    from_
        Which numbers of the picture are used: ``"values"``, the default; ``"gradients"``, differences of neighbours;
        ``"sobel"``, Sobel's derivatives at all pixels; ``"laplacians"``, by five points.
    derivatives
        ``"pixels"``: these numbers are compared with the same differences of the field's values at the pixels, so that
        the true picture has no misfit; ``"field"``: with derivatives of the field at the pixels, as in the
        Hermite-NGP paper.
    known
        What of the picture fixes the constant: its ``"mean"``, the default, or its ``"border"``, which Sobel's
        derivatives need.
    gradients, laplacian
        In place of a picture: arrays ``(gx, gy)``, both (H, W) as derivatives at the pixels, or (H, W - 1) and
        (H - 1, W) as differences of neighbours over ``h``; or the Laplacian (H, W) at the pixels.  With channels a last
        axis more.
    mean, border
        With these: the mean of the picture, by default 0, or a picture (H, W) of which the outermost pixels count.
    slopes
        With ``gauss_newton``, how the pixels determine slopes: ``"smooth"``, the default, as of the function that bends
        least; ``"central"``, on cubics with a vertex on every pixel, as differences of neighbours.
    levels
        With ``gauss_newton`` nested levels, of which the finest is what counts; by default one with a vertex on every
        pixel.  Else as in :func:`hermite_pinn.solve`.
    field
        Kind of the field, or the name of a head: with ``gauss_newton`` the basis, base and ratio of a linear head; else
        any encoder and head.
    method
        ``"gauss_newton"``, least squares by a direct solution, or what trains: ``hp.Adam(...)``, ``hp.SOAP(...)``,
        ``hp.LBFGS(...)``; their ``points`` and ``face_points`` are numbers and known pixels in a step.
    max_time
        Seconds after which training ends.
    seed
        Of everything random.
    device
        Where training is done; ``gauss_newton`` runs on the CPU.
    dtype
        Of the field; float64 with ``gauss_newton``, else float32.
    callbacks, progress, checkpoint, resume, throw
        As in :func:`hermite_pinn.solve`.

    Returns
    -------
    Solution
        With the field ``u``, or ``u1``, ``u2``, ... of several channels.  ``residuals`` has RMS misfits of the
        numbers: ``value``, ``x`` and ``y``, or ``laplacian``; and of the ``mean`` or the ``border``.

    Raises
    ------
    InvalidArgumentError
        For shapes that do not fit, numbers that are not finite, and options that cannot work.
    DivergedError
        If training diverges; ``error.solution`` is the last good state.
    CorruptFileError, FileNotFoundError
        If a checkpoint is damaged or missing.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> picture = hp.images.made_picture(24, 32)
    >>> found = hp.images.fit(picture, from_="gradients", progress=False)
    >>> hp.images.psnr(found, picture) > 100
    True
    >>> found.u.x(0.5, 0.25) is not None  # a field, between the pixels, too
    True
    """
    given = evidence(picture, from_, derivatives, gradients, laplacian, known, mean, border)
    way = chosen_way(method, chosen_field(field), levels, chosen_dtype(dtype), slopes)
    way.check(given)
    frame = Frame(
        max_time=max_time, callbacks=callbacks, progress=progress, checkpoint=checkpoint, resume=resume, throw=throw
    )
    return frame.run(_Picture(given, way, checked_seed(seed), choose_device(device), frame.monitor))


class _Picture(Workload[Fitted, Solution]):
    """The fit of a picture in a way."""

    title, kind = "picture", Fitted

    def __init__(self, given: Evidence, way: Way, seed: int, device: torch.device, monitor: Monitor) -> None:
        self.given, self.way, self.seed, self.device, self.monitor = given, way, seed, device, monitor
        self.method, self.identity = way.name, _identity(given, way, seed)

    def run(self, save: Save, saved: dict[str, Any] | None) -> Fitted:
        """See :class:`.Way`."""
        return self.way.run(self.given, Run(self.monitor, self.seed, self.device, save, saved))

    def result(self, done: Done[Fitted]) -> Solution:
        """The field with what it misses of the picture."""
        given, found = self.given, done.found
        stats = done.stats(self.method, self.seed, self.monitor.history) | field_stats(found.field) | found.stats
        return Solution(
            domain=given.pixels.box,
            periodic=(False, False),
            field=found.field,
            status=found.status,
            message=found.message,
            history=self.monitor.history,
            parameters={},
            stats=stats,
            residuals=_residuals(given, found.field),
            estimated_error=None,
            title=f"picture from {given.source}",
            settings=self.identity,
        )


def _residuals(given: Evidence, field: GridField) -> dict[str, float]:
    """RMS misfits of the final field."""
    x, y = given.pixels.axes
    axes, measurement = [x, y], given.measurement
    with torch.no_grad():
        pixels = grid_jets(field, axes, VALUE)[:, 0].double().cpu().numpy().transpose(0, 2, 1)
        if measurement.channels is None:
            numbers = measurement.apply(pixels)
        else:
            jets = grid_jets(field, axes, measurement.channels).double().cpu().numpy().transpose(1, 0, 3, 2)
            numbers = [j.reshape(len(j), -1)[:, measurement.places] for j in jets]
    misfits = {
        name: _rms(n.reshape(t.shape) - t) for name, n, t in zip(measurement.names, numbers, given.targets, strict=True)
    }
    known = given.known
    if known.frame is not None:
        outer = [p.reshape(len(p), -1)[:, given.pixels.border] for p in (pixels, known.frame)]
        misfits["border"] = _rms(outer[0] - outer[1])
    elif known.mean is not None:
        misfits["mean"] = _rms(pixels.mean((1, 2)) - known.mean)
    return misfits


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean())) if values.size else 0.0


def _identity(given: Evidence, way: Way, seed: int) -> dict[str, Any]:
    """What must agree for a checkpoint to be continued, and what a file tells about its making."""
    told: dict[str, Any] = {
        "source": given.source,
        "derivatives": given.derivatives,
        "shape": list(given.pixels.shape),
        "numbers": _digest(*given.targets),
    }
    known = {
        "mean": None if given.known.mean is None else given.known.mean.tolist(),
        "border": None
        if given.known.frame is None
        else _digest(given.known.frame.reshape(given.channels, -1)[:, given.pixels.border]),
    }
    return identity_of(
        "picture",
        {"picture": told, "known": known},
        method=way.name,
        options=way.options,
        field=way.spec,
        levels=way.levels,
        seed=seed,
        dtype=way.dtype,
    )


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
