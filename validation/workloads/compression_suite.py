"""The suite compression: solutions beside zfp, and fields in few bits beside other ways to store them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hermite_pinn.errors import OutOfMemoryError
from hermite_pinn.result.picture_file import write_figure

from . import coded_fields, compression
from .coded_plot import plot
from .coded_row import CodedRow

__all__ = ["NAMES", "Told", "draw", "known", "run"]

#: Part of the names of times, which are not kept, and how many times as long a million points of a file may take.
DECODING, MOST = "decoding", 2.0

#: What is measured: solutions by their names, and every way to store every coded field.
NAMES: Sequence[str] = (
    *compression.CASES,
    *(f"{case} {way}" for case in coded_fields.CASES for way in coded_fields.WAYS),
    *(f"{case} {DECODING}" for case in coded_fields.CASES),
)


@dataclass(frozen=True)
class Told:
    """Rows of both kinds.

    Attributes
    ----------
    solutions, fields
        The rows.
    times
        By case CPU seconds: see :func:`.decoding`.
    """

    solutions: tuple[compression.Row, ...] = ()
    fields: tuple[CodedRow, ...] = ()
    times: tuple[tuple[str, Mapping[str, float]], ...] = ()

    @property
    def missed(self) -> list[str]:
        """What did not come out as it should, in words."""
        slow = [
            f"{case}: points take {t['compressed'] / t['uncompressed']:.2g} times as long as of the uncompressed field"
            for case, t in self.times
            if t["compressed"] > MOST * t["uncompressed"]
        ]
        return [r.missed for r in self.solutions if r.missed] + coded_fields.missed(self.fields) + slow

    def to_json(self) -> list[dict[str, Any]]:
        """The rows as plain data."""
        return [
            *(asdict(row) for row in self.solutions),
            *(asdict(row) for row in self.fields),
            *({"case": case, "seconds": dict(t)} for case, t in self.times),
        ]

    def to_markdown(self) -> str:
        """Tables of both kinds."""
        parts = [compression.to_markdown(self.solutions)] if self.solutions else []
        return "\n\n".join([*parts, *([coded_fields.to_markdown(self.fields)] if self.fields else [])])

    def __add__(self, other: Told) -> Told:
        """The rows of both."""
        return Told(self.solutions + other.solutions, self.fields + other.fields, self.times + other.times)


def run(chosen: Sequence[str], folder: Path | None) -> Iterator[tuple[str, Told]]:
    """Measure, or read what a folder keeps; a line for every row, and the row.

    Parameters
    ----------
    chosen
        Of :data:`NAMES`.
    folder
        Where rows and what was solved and fitted are kept; None: nowhere.
    """
    for name in (n for n in compression.CASES if n in chosen):
        try:
            row = compression.run_case(name, folder)
        except OutOfMemoryError as error:
            yield f"{name}: skipped, {error}", Told()
            continue
        yield row.line, Told(solutions=(row,))
    for case in coded_fields.CASES:
        ways = [way for way in coded_fields.WAYS if f"{case} {way}" in chosen]
        found = False
        for coded in coded_fields.measured(case, ways, folder):
            found = True
            yield coded.line, Told(fields=(coded,))
        if ways and not found:
            yield f"{case}: skipped, its files are not there", Told()
        times = coded_fields.decoding(case, folder) if f"{case} {DECODING}" in chosen else None
        if times is not None:
            told = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in times.items())
            yield f"{case} {DECODING}: {told} (CPU, a million points)", Told(times=((case, times),))


def known(folder: Path) -> Told:
    """All rows that a folder keeps."""
    solutions = [compression.kept_row(name, folder) for name in compression.CASES]
    fields = [coded_fields.kept_row(case, way, folder) for case in coded_fields.CASES for way in coded_fields.WAYS]
    return Told(tuple(r for r in solutions if r is not None), tuple(r for r in fields if r is not None))


def draw(told: Told, folder: Path) -> list[Path]:
    """Pictures of bytes by error, and of scores by bytes."""
    files = []
    if told.solutions:
        files.append(folder / "compression.png")
        write_figure(compression.draw(told.solutions), files[-1])
    for case in dict.fromkeys(row.case for row in told.fields):
        files.append(folder / f"coded-{case}.png")
        plot([row for row in told.fields if row.case == case], files[-1])
    return files
