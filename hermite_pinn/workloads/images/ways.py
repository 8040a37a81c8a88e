"""How a picture becomes a field: directly, or by training."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import choice, instance
from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import Field, Levels
from hermite_pinn.field.grid_field import GridField, linear_field
from hermite_pinn.field.hermite_grid import plain_levels, resolutions_of
from hermite_pinn.methods import METHODS
from hermite_pinn.methods.training.method import TrainingMethod
from hermite_pinn.methods.training.session import Session, TrainingResult
from hermite_pinn.run.ending import keep_result
from hermite_pinn.run.monitor import Monitor, StopRun
from hermite_pinn.run.status import Status
from hermite_pinn.run.workload import Save
from hermite_pinn.schema import Entry, intact

from .evidence import Evidence
from .measurement import PointSlopes
from .reconstruction import reconstruct
from .spline import SLOPES, axis_fit
from .training import PictureLoss

__all__ = ["Direct", "Fitted", "Run", "Trained", "Way", "chosen_way"]

GAUSS_NEWTON = "gauss_newton"


@dataclass(frozen=True)
class Run:
    """What surrounds a fit."""

    monitor: Monitor
    seed: int
    device: torch.device
    save: Save
    saved: dict[str, Any] | None


@dataclass(frozen=True)
class Fitted:
    """A field, why the fit ended, and numbers of the way."""

    field: GridField
    status: Status
    message: str
    stats: dict[str, Any] = dataclasses.field(default_factory=dict)


class Way(ABC):
    """A way to fit.

    Attributes
    ----------
    name
        Of the method.
    spec, levels, dtype
        Of the field.
    """

    name: str
    spec: Field
    levels: Levels
    dtype: torch.dtype

    @property
    def options(self) -> Mapping[str, Any]:
        """What a checkpoint must agree in."""
        return {}

    @abstractmethod
    def check(self, given: Evidence) -> None:
        """Raise an error for what cannot work."""

    @abstractmethod
    def run(self, given: Evidence, run: Run) -> Fitted:
        """Fit; an error that leaves a state has it as its attribute ``outcome``."""


class Direct(Way):
    """Linear least squares: first the pixels, then the field through them.

    Parameters
    ----------
    spec, levels, dtype
        Of the field; None for one level with a vertex on every pixel, and float64.
    slopes
        How pixels determine slopes, one of :data:`.SLOPES`.
    """

    name = GAUSS_NEWTON

    def __init__(
        self, spec: Field | None, levels: Levels | None, dtype: torch.dtype | None, slopes: str = "smooth"
    ) -> None:
        self.spec, self.dtype, self.slopes = spec or Field(), dtype or torch.float64, slopes
        self.asked = None if levels is None else plain_levels(levels)
        self.levels = 1 if self.asked is None else self.asked
        if not self.spec.linear or self.spec.encoder != "hermite":
            raise InvalidArgumentError(
                "gauss_newton fits pictures with encoder='hermite' and head='linear', got "
                f"encoder={self.spec.encoder!r} and head={self.spec.head!r}; train others by method='adam'"
            )
        if self.spec.table_size is not None or self.spec.features is not None or self.spec.half:
            raise InvalidArgumentError(
                "gauss_newton fits pictures on dense levels of full precision; leave out table_size, features and half"
            )

    @property
    def options(self) -> Mapping[str, Any]:
        """The rule for slopes."""
        return {"slopes": self.slopes}

    def cells(self, given: Evidence) -> tuple[int, int]:
        """Cells along x and y of the finest level, in which nested coarser ones are contained."""
        rows, columns = given.pixels.shape
        if self.asked is None:
            return columns - 1, rows - 1
        resolutions = resolutions_of(self.asked, self.spec.base, self.spec.ratio, 2)
        finest = resolutions[-1]
        if any(f % c for level in resolutions for f, c in zip(finest, level, strict=True)):
            raise InvalidArgumentError(f"gauss_newton needs nested levels, such as 4, 8, 16 cells, got {resolutions}")
        if max(finest) > 2 * max(rows, columns):
            raise InvalidArgumentError(
                f"the finest level has {finest} cells along x and y, more than twice as many as the picture has pixels; use fewer levels"
            )
        return finest[0], finest[1]

    def check(self, given: Evidence) -> None:
        """Slopes of the field need a basis that has slopes."""
        rows, columns = given.pixels.shape
        if self.slopes == "central" and (self.spec.basis, self.cells(given)) != ("cubic", (columns - 1, rows - 1)):
            raise InvalidArgumentError(
                "slopes='central' is for cubics with a vertex on every pixel; leave out levels and the basis, or take slopes='smooth'"
            )
        self.cells(given)
        if not given.measurement.solvable:
            raise InvalidArgumentError(
                "gauss_newton fits Laplacians by differences of pixels; leave out derivatives='field', or train by method='adam'"
            )
        if given.derivatives == "field" and BASES[self.spec.basis].degree < 2:
            raise InvalidArgumentError(
                f"basis={self.spec.basis!r} has no slopes at its vertices; use 'cubic' or higher"
            )

    def run(self, given: Evidence, run: Run) -> Fitted:
        """Solve for the pixels, or take those of a checkpoint; then find the field."""
        cells = self.cells(given)
        measurement = given.measurement
        if given.derivatives == "field":
            measurement = PointSlopes(given.pixels, measurement.framed, self.spec.basis, cells, self.slopes)
        pixels = self._saved(given, run.saved)
        if pixels is None:
            pixels = reconstruct(measurement, given.targets, given.known)
        run.save(lambda: {"pixels": torch.from_numpy(pixels)}, True)
        made = self.field_through(given, pixels, cells)
        misfits = {
            name: float(np.sqrt(np.square(t - m).mean())) if t.size else 0.0
            for name, t, m in zip(measurement.names, given.targets, measurement.apply(pixels), strict=True)
        }
        count = given.pixels.rows * given.pixels.columns
        done = Fitted(made, Status.COMPLETED, f"{count:,} pixels, {made.parameter_count:,} coefficients")
        try:
            self._report(run.monitor, made, misfits)
        except StopRun as stop:
            return dataclasses.replace(done, status=stop.status, message=stop.message)
        except Exception as error:  # of a callback
            keep_result(error, lambda: done)
            raise
        return done

    @staticmethod
    def _report(monitor: Monitor, made: GridField, misfits: dict[str, float]) -> None:
        monitor.record(
            loss=sum(v * v for v in misfits.values()),
            terms=misfits,
            level=0,
            unknowns=made.parameter_count,
            field=lambda: made,
            done=1.0,
        )

    def field_through(self, given: Evidence, pixels: np.ndarray, cells: tuple[int, int]) -> GridField:
        """The field on a grid through, or near, pixels (channels, H, W)."""
        rows, columns = given.pixels.shape
        along = axis_fit(self.spec.basis, cells[0], columns, self.slopes)
        down = axis_fit(self.spec.basis, cells[1], rows, self.slopes)
        coefficients = torch.from_numpy(along @ pixels.transpose(0, 2, 1) @ down.T).to(self.dtype)
        return linear_field(given.pixels.box, given.names, (False, False), self.spec.basis, [cells], [coefficients])

    @staticmethod
    def _saved(given: Evidence, saved: Mapping[str, Any] | None) -> np.ndarray | None:
        if not saved:
            return None
        entry = Entry.of(saved, "the checkpoint")
        with intact(entry.source):
            found = entry.at("pixels").tensor((given.channels, *given.pixels.shape))
        return np.asarray(found.double().numpy())


class Trained(Way):
    """Steps of a training method from a random field.

    Parameters
    ----------
    method
        What trains.
    spec, levels, dtype
        Of the field; None for the paper's: a SIREN on eight levels with tables of 2**16 slots, float32 (float64 with
        L-BFGS).
    """

    def __init__(
        self, method: TrainingMethod, spec: Field | None, levels: Levels | None, dtype: torch.dtype | None
    ) -> None:
        self.method, self.name = method, method.name
        self.spec = spec or Field(head="siren", table_size=2**16, omega=2.0)
        self.levels = 8 if levels is None else plain_levels(levels)
        self.dtype = dtype or method.precision

    @property
    def options(self) -> Mapping[str, Any]:
        """Those of the method."""
        return asdict(self.method) if is_dataclass(self.method) else {}

    def check(self, given: Evidence) -> None:
        """See :meth:`Way.check`."""
        channels = given.measurement.channels
        if channels is not None:
            order = max(sum(alpha) for channel in channels.channels for _, alpha in channel)
            self.spec.check_derivatives(order, 2)
        if given.known.mean is not None and getattr(self.method, "points", None) is None:
            raise InvalidArgumentError(
                f"{self.name} divides its pixels into parts, and the mean is one of all; know the border instead, or give points"
            )
        self.spec.outline(given.pixels.box, given.names, (False, False), self.levels, self.dtype)

    def run(self, given: Evidence, run: Run) -> Fitted:
        """Train; the result is the final state, and of a training that diverged the last good one."""
        start = self.spec.build(
            given.pixels.box, given.names, (False, False), self.levels, run.seed, self.dtype, run.device
        )
        method: Any = self.method
        loss = PictureLoss(given, start, method.points, method.face_points, method.normalize)
        session = Session(run.monitor, run.seed, run.device, saved=run.saved, save=run.save)
        try:
            return self._fitted(loss, self.method.train(loss, session))
        except Exception as error:
            last = getattr(error, "outcome", None)
            if isinstance(last, TrainingResult):
                error.outcome = self._fitted(loss, last)  # type: ignore[attr-defined]
            raise

    @staticmethod
    def _fitted(loss: PictureLoss, done: TrainingResult) -> Fitted:
        return Fitted(loss.model(done.tensors), done.status, done.message, done.stats)


def chosen_way(
    method: Any, spec: Field | None, levels: Levels | None, dtype: torch.dtype | None, slopes: Any = None
) -> Way:
    """The way that a user names.

    Raises
    ------
    InvalidArgumentError
        For methods that do not fit pictures.
    """
    if isinstance(method, str):
        choice("method", method, METHODS, otherwise="a method object such as hp.Adam(steps=2000)")
        if method == GAUSS_NEWTON:
            rule = "smooth" if slopes is None else choice("slopes", slopes, SLOPES, otherwise="None")
            return Direct(spec, levels, dtype, rule)
        method = METHODS[method]()
    trains: TrainingMethod = instance(
        "method", method, TrainingMethod, "'gauss_newton', or a method that trains, such as hp.Adam(steps=2000)"
    )  # type: ignore[type-abstract]
    if slopes is not None:
        raise InvalidArgumentError(
            f"slopes={slopes!r} is a rule of gauss_newton; training finds slopes by itself, leave it out"
        )
    return Trained(trains.completed(), spec, levels, dtype)
