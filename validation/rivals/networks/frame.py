"""What a script is told and what it writes: copied beside each script, it runs where this package is not installed.

``python SCRIPT.py PROBLEM SETTINGS.json`` solves a problem at the points of ``points.npy`` beside the settings, and
writes ``told.json`` there; ``values.npz`` holds what it predicted at every mark.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Settings", "Watch", "lines", "run"]


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes
    ----------
    inside, sides, start
        Training points inside, on the boundary of space, and at time 0.
    hidden, activation
        Widths of the hidden layers, and ``"tanh"``, ``"sin"`` or ``"softplus"``.
    rate, iterations
        Learning rate and iterations of Adam.
    refinement
        Most iterations of L-BFGS that follow.
    end
        Of time in Burgers' equation.
    """

    inside: int
    sides: int
    start: int
    hidden: list[int]
    activation: str
    rate: float
    iterations: int
    refinement: int
    end: float = 1.0


class Watch:
    """Times a training, and keeps what the network says at some iterations; neither keeping nor saying is timed."""

    def __init__(self, points: np.ndarray, marks: list[int]) -> None:
        self.points, self.marks = points, set(marks)
        self.rows: list[dict[str, float]] = []
        self.values: list[np.ndarray] = []
        self._cpu = self._wall = 0.0
        self.resume()

    def resume(self) -> None:
        """Let the clock run."""
        self._since = time.process_time(), time.perf_counter()

    def pause(self) -> None:
        """Stop the clock."""
        self._cpu += time.process_time() - self._since[0]
        self._wall += time.perf_counter() - self._since[1]

    def keep(self, iteration: int, predict: Callable[[np.ndarray], Any], last: bool = False) -> None:
        """Keep the prediction if the iteration is marked, or the last."""
        if not last and iteration not in self.marks:
            return
        self.pause()
        if not self.rows or self.rows[-1]["iterations"] < iteration:
            self.rows.append({"iterations": iteration, "seconds": self._cpu, "wall": self._wall})
            self.values.append(np.asarray(predict(self.points), dtype=np.float64).ravel())
        self.resume()


Solve = Callable[[Settings, Watch], None]


def lines(function: Callable[..., Any]) -> int:
    """The lines of a function that a user writes: without its head, its docstring, comments and empty lines."""
    source = textwrap.dedent(inspect.getsource(function))
    body = ast.parse(source).body[0].body  # type: ignore[attr-defined]
    first = body[1] if ast.get_docstring(ast.parse(source).body[0]) is not None else body[0]  # type: ignore[arg-type]
    rows = source.splitlines()[first.lineno - 1 :]
    return sum(1 for row in rows if row.strip() and not row.strip().startswith("#"))


def run(problems: Mapping[str, Solve], version: str) -> None:
    """Do what the command line asks for."""
    name, path = sys.argv[1], Path(sys.argv[2])
    asked = json.loads(path.read_text(encoding="utf-8"))
    points = np.load(path.with_name("points.npy"))
    watch = Watch(points, asked["marks"])
    problems[name](Settings(**asked["settings"]), watch)
    np.savez(path.with_name("values.npz"), *watch.values)
    told = {"version": version, "lines": lines(problems[name]), "marks": watch.rows}
    path.with_name("told.json").write_text(json.dumps(told), encoding="utf-8")
