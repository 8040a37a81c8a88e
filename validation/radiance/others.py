"""Rows of the suite that other parts of ``validation`` measure: a step, poses, and pictures at other scales."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import hermite_pinn as hp
from hermite_pinn.validation import antialiasing, poses
from hermite_pinn.validation.antialiasing.cases import LONG, PLAIN, ZIP
from hermite_pinn.validation.antialiasing.report import gains
from hermite_pinn.validation.kept import read_kept, write_kept
from hermite_pinn.validation.performance import radiance as timing
from hermite_pinn.workloads.radiance.grid_model import GridModel

from .cases import Goal

__all__ = ["OTHERS", "Other", "Told"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Told:
    """What came of it.

    Attributes
    ----------
    table
        Markdown.
    measured
        Numbers by name.
    missed
        Goals that are not reached, in words.
    """

    table: str
    measured: Mapping[str, float]
    missed: tuple[str, ...]


class Other(ABC):
    """Something that is measured elsewhere, with what should come of it.

    Attributes
    ----------
    name
        For the option ``--only``.
    title
        For tables.
    goals
        Of :attr:`Told.measured`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    goals: ClassVar[tuple[Goal, ...]]

    @abstractmethod
    def run(self, folder: Path | None, tell: Tell) -> Told:
        """Measure what the folder does not know, and tell every row."""

    @abstractmethod
    def known(self, folder: Path) -> Told | None:
        """What a folder keeps of all; None if something is missing."""

    def told(self, table: str, measured: Mapping[str, float]) -> Told:
        """With the goals that are missed."""
        missed = [
            f"{self.name}: {goal} is missed, {measured[goal.measure]:.4g}"
            for goal in self.goals
            if not goal.reached(measured[goal.measure])
        ]
        wanted = ", ".join(map(str, self.goals))
        heading = f"{self.title}; wanted: {wanted}{'' if not missed else f' ({len(missed)} missed)'}:"
        return Told(f"{heading}\n\n{table}", measured, tuple(missed))


class Step(Other):
    """The parts of a step of 16k samples with two threads, of the clock; on a machine that does nothing else."""

    name = "step"
    title = "Parts of a training step and a picture of the synthetic scene, two threads"
    goals = (Goal("step_ms", 15.0, most=True),)
    form = "radiance step 1"
    steps, threads = 500, 2

    def run(self, folder: Path | None, tell: Tell) -> Told:
        """See :class:`Other`."""
        kept = None if folder is None else self.known(folder)
        if kept is not None:
            return kept
        scene = timing.scene_of("synthetic")
        model = hp.radiance.fit(scene, steps=self.steps, progress=False, device="cpu").model
        assert isinstance(model, GridModel)
        rows = []
        for row in timing.measured(model, scene, self.threads):
            rows.append(row)
            tell(f"step: {row.part:<32} {1e3 * row.cores:8.2f} core ms  {1e3 * row.clock:8.2f} ms")
        if folder is not None:
            write_kept(folder / "step.json", self.form, self._asked, {"rows": [asdict(row) for row in rows]})
        return self._of(rows)

    def known(self, folder: Path) -> Told | None:
        """See :class:`Other`."""
        entry = read_kept(folder / "step.json", self.form, self._asked)
        if entry is None:
            return None
        return self._of(
            [
                timing.Row(
                    row.at("part").text(),
                    row.at("threads").integer(1),
                    row.at("cores").number(),
                    row.at("clock").number(),
                )
                for row in entry.at("rows").items()
            ]
        )

    @property
    def _asked(self) -> dict[str, int]:
        return {"steps": self.steps, "threads": self.threads}

    def _of(self, rows: list[timing.Row]) -> Told:
        whole = next(row for row in rows if row.part == "step")
        return self.told(timing.markdown(rows), {"step_ms": 1e3 * whole.clock, "step_core_ms": 1e3 * whole.cores})


class Poses(Other):
    """Noisy poses of the synthetic scene, refined, against known ones."""

    name = "poses"
    title = "Poses of the synthetic scene, noise 0.15 by BARF's protocol"
    goals = (
        Goal("rotation", 1.0, most=True),
        Goal("translation", 0.04, most=True),
        Goal("lost_psnr", 2.0, most=True),
    )
    cases = tuple(poses.cases_of([0], [0], [3e-3], ["known", "linear-levels"], "target"))

    def run(self, folder: Path | None, tell: Tell) -> Told:
        """See :class:`Other`."""
        rows = {}
        for case in self.cases:
            rows[case] = poses.run_case(case, folder)
            tell(f"poses: {case.name:<32} {rows[case].line}")
        return self._of(rows)

    def known(self, folder: Path) -> Told | None:
        """See :class:`Other`."""
        rows = {case: row for case in self.cases if (row := poses.kept_row(case, folder)) is not None}
        return self._of(rows) if len(rows) == len(self.cases) else None

    def _of(self, rows: Mapping[poses.Case, poses.Row]) -> Told:
        true, found = (rows[case] for case in self.cases)
        measured = {"rotation": found.rotation, "translation": found.translation, "lost_psnr": true.psnr - found.psnr}
        return self.told(poses.to_markdown(rows), measured)


class Scales(Other):
    """A Zip-NeRF and the same without anti-aliasing at scales at which they were not trained."""

    name = "antialiasing"
    title = "Trained at full scale, tested at 1, 1/2, 1/4 and 1/8"
    goals = (Goal("gain_at_quarter", 3.0), Goal("gain_at_full", -0.5))
    cases = tuple(case for case in antialiasing.CASES.values() if case.seconds == LONG and case.variant in (ZIP, PLAIN))

    def run(self, folder: Path | None, tell: Tell) -> Told:
        """See :class:`Other`."""
        rows = []
        for case in self.cases:
            rows.append(antialiasing.run_case(case, folder))
            tell(f"antialiasing: {rows[-1].line}")
        return self._of(rows)

    def known(self, folder: Path) -> Told | None:
        """See :class:`Other`."""
        rows = [row for case in self.cases if (row := antialiasing.kept_row(case, folder)) is not None]
        return self._of(rows) if len(rows) == len(self.cases) else None

    def _of(self, rows: list[antialiasing.Row]) -> Told:
        found = gains(rows, ZIP, LONG)
        return self.told(antialiasing.to_markdown(rows), {"gain_at_full": found[0], "gain_at_quarter": found[2]})


#: All by name.
OTHERS: Mapping[str, Other] = MappingProxyType({kind.name: kind() for kind in (Step, Poses, Scales)})
