"""From coarse levels to fine ones: which cells each has, and what a run keeps between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.heads import LinearHead
from hermite_pinn.field.hermite_grid import HermiteGrid
from hermite_pinn.geometry import Box
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.run.ending import Ending
from hermite_pinn.run.interrupt import cause
from hermite_pinn.run.monitor import Monitor, StopRun
from hermite_pinn.run.status import Status
from hermite_pinn.run.workload import Save

from .band import Band, band_of, whole
from .cell_system import Weights
from .level_fit import TOLERANCE, LevelFit, fit_level, points_along
from .quality import POINTS
from .target import Target

__all__ = ["Course"]

#: Levels with at most so many cells along every axis cover the whole box.
COARSE = 32
#: Half the width of the band of a finer level, in diagonals of its cells.
WIDTH = 2.0
#: Bytes per point at which misfits are taken.
PER_POINT = 150.0
#: Part of the seconds per point of the last level that those of the next one take: near the surface it is fewer.
FASTER = 0.3
#: Part of a time limit that is kept at most for measuring what was fitted.
KEPT = 0.3


class Course:
    """Levels that are fitted one after the other.

    Parameters
    ----------
    target
        The surface.
    box
        Where.
    basis
        Of all levels.
    resolutions
        Cells along the axes by level.
    weights
        Of misfits.
    dtype
        Of the coefficients.
    monitor
        History, limits, progress.
    """

    def __init__(
        self,
        target: Target,
        box: Box,
        basis: str,
        resolutions: Sequence[tuple[int, ...]],
        weights: Weights,
        dtype: torch.dtype,
        monitor: Monitor,
    ) -> None:
        self.target, self.box, self.basis, self.weights = target, box, basis, weights
        self.resolutions, self.dtype, self.monitor = tuple(resolutions), dtype, monitor
        self.bands: list[Band] = []
        self.table = torch.zeros(0, dtype=dtype)
        self.unfinished: list[int] = []
        self.pace = 0.0  # seconds per point of the last level
        self.stats: dict[str, Any] = {}

    def run(self, save: Save, saved: Mapping[str, Any] | None) -> Ending:
        """Fit all levels, or as many as there is time for; the first one always.

        Raises
        ------
        CorruptFileError
            If a saved state does not fit the levels.
        """
        try:
            if saved:
                self._continue(saved)
            while len(self.bands) < len(self.resolutions):
                self._step()
                save(self._state, True)
        except StopRun as stop:
            return Ending(stop.status, stop.message)
        except KeyboardInterrupt:
            if not self.bands:
                raise
            return Ending(
                Status.INTERRUPTED, f"{cause()}; {len(self.bands)} of {len(self.resolutions)} levels are fitted"
            )
        if self.unfinished:
            numbers = ", ".join(map(str, self.unfinished))
            return Ending(Status.STALLED, f"least squares did not reach {TOLERANCE:g} on levels {numbers}")
        return Ending(Status.COMPLETED, f"{len(self.bands)} levels, {self.layout(self.bands).reachable:,} coefficients")

    def _step(self) -> None:
        """Fit the next level; nothing changes before it is done."""
        level = len(self.bands)
        check = self.monitor.check_time if level else _nothing
        check()
        self._check_memory()
        band = self._band(level)
        check()
        layout = self.layout([*self.bands, band])
        self._check_time(level, len(band.cells) * points_along(layout, band) ** 3, band.listed is None)
        table = torch.zeros(layout.size, dtype=self.dtype)
        table[: len(self.table)] = self.table
        done = fit_level(self.target, layout, table, band, self.weights, check)
        self.bands.append(band)
        self.table, self.pace = done.table, done.pace
        if self.monitor.max_time is not None:
            self.monitor.reserve = min(POINTS * done.pace, KEPT * self.monitor.max_time)
        if done.reduction > TOLERANCE:
            self.unfinished.append(level)
        self._record(done)

    def _record(self, done: LevelFit) -> None:
        self.monitor.record(
            loss=done.value**2 + done.normal**2,
            terms={"value": done.value, "normal": done.normal},
            level=len(self.bands) - 1,
            unknowns=self.layout(self.bands).reachable,
            field=lambda: self.field,
            done=4.0 ** (len(self.bands) - len(self.resolutions)),
            iterations=done.steps,
        )

    def _check_time(self, level: int, points: int, whole: bool) -> None:
        """End the run if the next level could not be finished: half a level is worth nothing."""
        if level:
            self.monitor.require(points * self.pace, f"level {level + 1}", 1.0 if whole else FASTER)

    def _check_memory(self) -> None:
        """End the run if the next level would not fit: bands have four times as many cells from level to level."""
        if not self.bands:
            return
        growth = np.prod(self.resolutions[len(self.bands)]) / np.prod(self.resolutions[len(self.bands) - 1])
        cells = len(self.bands[-1].cells) * growth ** (2 / 3)
        need, free = (
            cells * max(2, self.layout(self.bands).orders) ** 3 * PER_POINT,
            available_memory(torch.device("cpu")),
        )
        if free is not None and need > free:
            raise StopRun(
                Status.MAX_SIZE,
                f"level {len(self.bands)} would need about {spelled_size(need)}, but {spelled_size(free)} are free",
            )

    def _band(self, level: int) -> Band:
        counts = self.resolutions[level]
        if level == 0 or max(counts) <= COARSE:
            return whole(counts)
        lower, upper = np.asarray(self.box.lower), np.asarray(self.box.upper)
        diagonal = float(np.linalg.norm((upper - lower) / np.asarray(counts)))
        return band_of(self.target, lower, upper, counts, WIDTH * diagonal)

    def layout(self, bands: Sequence[Band]) -> GridLayout:
        """The grid of some levels."""
        listed = tuple(band.listed for band in bands)
        chosen = self.resolutions[: len(bands)]
        return GridLayout(self.box.lower, self.box.upper, chosen, self.basis, listed=listed)

    @property
    def field(self) -> GridField:
        """The levels that are fitted."""
        return GridField(self.box.names, ("d",), HermiteGrid(self.layout(self.bands), self.table), LinearHead(1))

    # -- between runs ---
    def _state(self) -> dict[str, Any]:
        return {"levels": len(self.bands), "unfinished": list(self.unfinished), "table": self.table}

    def _continue(self, saved: Mapping[str, Any]) -> None:
        count, table = saved["levels"], saved["table"]
        if not isinstance(count, int) or not 1 <= count <= len(self.resolutions):
            raise CorruptFileError(f"the checkpoint is damaged: it has {count!r} of {len(self.resolutions)} levels")
        bands = [self._band(level) for level in range(count)]
        if (
            not isinstance(table, torch.Tensor)
            or table.shape != (self.layout(bands).size,)
            or table.dtype != self.dtype
        ):
            raise CorruptFileError("the checkpoint is damaged: its table does not fit its levels")
        if not isinstance(saved["unfinished"], list):
            raise CorruptFileError("the checkpoint is damaged: unfinished is no list")
        self.bands, self.table, self.unfinished = bands, table, list(saved["unfinished"])


def _nothing() -> None:
    """No limit."""
