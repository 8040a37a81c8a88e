"""The tour through the examples: what is told as it goes, and the page at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hermite_pinn.checks import choice, items
from hermite_pinn.output import make_folder, write_text
from hermite_pinn.run.status import Status

from .example import Example, Shown
from .examples import EXAMPLES
from .page import page

__all__ = ["Stop", "chosen_examples", "tour"]


@dataclass(frozen=True)
class Stop:
    """An example that was shown, with its cost.

    Attributes
    ----------
    example, shown
        What it is, and what was found.
    wall, cpu
        Seconds on the clock, and of all cores together; files and pictures included.
    """

    example: Example
    shown: Shown
    wall: float
    cpu: float

    @property
    def success(self) -> bool:
        """Whether nothing speaks against the result."""
        return self.shown.solution.status.success


def chosen_examples(only: Sequence[str] = ()) -> list[Example]:
    """The examples of some names, in their order; all without names.

    Raises
    ------
    InvalidArgumentError
        If there is no example of a name.

    Examples
    --------
    >>> [example.name for example in chosen_examples(["knot", "channel"])]
    ['channel', 'knot']
    """
    names = [example.name for example in EXAMPLES]
    wanted = [choice("each of only", name, names) for name in items("only", only, "a list of names of examples")]
    return [example for example in EXAMPLES if not wanted or example.name in wanted]


def tour(
    folder: Path, only: Sequence[str] = (), *, quick: bool = False, tell: Callable[[str], None] = print
) -> tuple[Stop, ...]:
    """Show the examples one after the other, write their files and ``index.html``.

    Parameters
    ----------
    folder
        Where files are written; made if it is not there.
    only
        Names of examples; all without.
    quick
        Whether everything is solved coarsely, to see that it works.
    tell
        Takes every line that is told.

    Returns
    -------
    tuple of Stop
        What was shown, with its cost; a signal that ends a run ends the tour, after its files.

    Raises
    ------
    InvalidArgumentError
        If there is no example of a name.
    OutputError
        If a file cannot be written.
    """
    chosen = chosen_examples(only)
    make_folder(folder)
    stops: list[Stop] = []
    for number, example in enumerate(chosen, 1):
        tell(f"[{number}/{len(chosen)}] {example.title}: {example.equations}")
        stop = _visit(example, folder, quick)
        stops.append(stop)
        for line in _told(stop):
            tell(f"      {line}")
        if stop.shown.solution.status is Status.INTERRUPTED:
            break
    target = write_text(folder / "index.html", page(stops, quick=quick))
    tell(f"{sum(s.wall for s in stops):.0f} s, {sum(s.cpu for s in stops):.0f} s of all cores together")
    tell(f"open {target}")
    return tuple(stops)


def _visit(example: Example, folder: Path, quick: bool) -> Stop:
    wall, cpu = time.perf_counter(), time.process_time()
    shown = example.show(folder, quick)
    return Stop(example, shown, time.perf_counter() - wall, time.process_time() - cpu)


def _told(stop: Stop) -> list[str]:
    """What is told of an example on a terminal."""
    solution = stop.shown.solution
    lines = [f"{solution.status.label}: {solution.message}"]
    lines += [f"{name}: {value}" for name, value in stop.shown.facts.items()]
    compiled = solution.stats.get("compile_seconds", 0.0)
    more = f", {compiled:.1f} s more for kernels that are now kept" if compiled > 0.05 else ""
    lines.append(f"solved in {solution.stats['seconds']:.1f} s{more}; {stop.wall:.1f} s with files and pictures")
    lines.append(f"wrote {', '.join(str(file) for file in stop.shown.files)}")
    return lines
