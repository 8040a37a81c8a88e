"""Pictures of a solution and of its history, by matplotlib."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hermite_pinn.checks import either, flag, number, text
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.run.history import History

from .exportable import Exportable
from .picture_file import write_figure
from .sampling import sample
from .sizes import DRAWN, check_grid, intervals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_history", "plot_solution"]


def _figure(columns: int, rows: int) -> tuple[Figure, np.ndarray]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * columns, 3.5 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _finish(figure: Figure, path: str | Path | None) -> Figure:
    if path is not None:
        write_figure(figure, path)
    return figure


def _image(
    figure: Figure,
    ax: Axes,
    x: np.ndarray,
    y: np.ndarray,
    values: np.ndarray,
    title: str,
    labels: tuple[str, str],
    span: tuple[float, float],
) -> None:
    low, high = span
    size = max(abs(low), abs(high)) or 1.0
    signed = title.startswith(("error", "residual")) or low < -0.05 * size
    limits: dict[str, Any] = (
        {"cmap": "RdBu_r", "vmin": -size, "vmax": size} if signed else {"cmap": "viridis", "vmin": low, "vmax": high}
    )
    half_x, half_y = 0.5 * (x[1] - x[0]), 0.5 * (y[1] - y[0])  # values belong to the middles of pixels
    extent = (x[0] - half_x, x[-1] + half_x, y[0] - half_y, y[-1] + half_y)
    shown = ax.imshow(values.T, origin="lower", extent=extent, aspect="auto", interpolation="bilinear", **limits)
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    bar = figure.colorbar(shown, ax=ax)
    if size < 1e-2 or size >= 1e4:
        bar.ax.ticklabel_format(style="sci", scilimits=(-2, 2))
    ax.set_title(title, fontsize=10)
    ax.set_xlabel(labels[0])
    ax.set_ylabel(labels[1])
    if "t" not in labels:
        ax.set_aspect("equal")


class _Panel(NamedTuple):
    """A quantity on a slice: what it is, where the slice lies, values, and the axes that vary."""

    title: str
    label: str
    values: np.ndarray
    free: list[int]


def _panels(name: str, data: dict[str, np.ndarray], residuals: list[str]) -> list[tuple[str, np.ndarray]]:
    panels = [(name, data[name])]
    if f"{name}_error" in data:
        panels.append((f"error of {name}", data[f"{name}_error"]))
    return panels + [(r, data[r]) for r in residuals]


def plot_solution(
    solution: Exportable,
    path: str | Path | None = None,
    *,
    heading: str = "",
    resolution: float | None = None,
    time: float | None = None,
    residual: bool = True,
) -> Figure:
    """Draw every field, with its error where the solution is known and the residuals of the equations.

    One axis: curves.  Two axes (one may be time): images.  Three axes: slices through the middle, or three instants
    if one of them is time.  Four axes: the middle slice at three instants.

    Parameters
    ----------
    path
        File to write, in any format of matplotlib; ``None`` only returns the figure.
    heading
        Text above the pictures.
    resolution
        Intervals per axis of the picture.
    time
        Instant to show, for domains with ``t`` and two or more space axes.
    residual
        Whether to draw residuals (if the equations are known).

    Returns
    -------
    matplotlib.figure.Figure
    """
    domain = solution.domain
    given = either(intervals, None)("resolution", resolution)
    count = given or {1: 1000, 2: 240}.get(domain.dim, 120)
    instant = either(number, None)("time", time)
    wants_residual = flag("residual", residual)
    check_grid([count + 1] * min(domain.dim, 2), 4 * len(solution.fields), times=DRAWN)
    axes = [np.linspace(a, b, count + 1) for a, b in domain.bounds.values()]
    slices = _slices(solution, instant)
    rows: list[list[_Panel]] = []
    for label, fixed in slices:
        cut = [np.array([fixed[i]]) if i in fixed else a for i, a in enumerate(axes)]
        data = sample(solution, cut, exact=True, residual=wants_residual)
        free = [i for i in range(domain.dim) if i not in fixed]
        data = {k: np.squeeze(v, axis=tuple(fixed)) for k, v in data.items()}
        names = [k for k in data if k.startswith("residual ")]
        for k, f in enumerate(solution.fields):
            own = names if len(solution.fields) == 1 else names[k : k + 1]
            rows.append([_Panel(title, label, values, free) for title, values in _panels(f, data, own)])
    panels = [p for row in rows for p in row]
    spans: dict[str, tuple[float, float]] = {}  # one scale for all slices of a quantity
    for p in panels:
        low, high = spans.get(p.title, (np.inf, -np.inf))
        spans[p.title] = (min(low, float(np.nanmin(p.values))), max(high, float(np.nanmax(p.values))))
    columns = max(map(len, rows))
    if columns == 1:  # a block instead of a column
        columns = len(panels) if len(panels) <= 3 else math.ceil(math.sqrt(len(panels)))
        rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    figure, grid = _figure(columns, len(rows))
    for line, row in zip(grid, rows, strict=True):
        for ax in line[len(row) :]:
            ax.axis("off")
        for ax, p in zip(line, row, strict=False):
            full, values = f"{p.title}{', ' + p.label if p.label else ''}", p.values
            if len(p.free) == 1:
                ax.plot(axes[p.free[0]], values, lw=1.2)
                ax.set_title(full, fontsize=10)
                ax.set_xlabel(domain.names[p.free[0]])
                ax.grid(alpha=0.3)
            else:
                first, second = p.free
                if domain.names[first] == "t":  # space to the right, time upwards
                    first, second, values = second, first, values.T
                labels = (domain.names[first], domain.names[second])
                _image(figure, ax, axes[first], axes[second], values, full, labels, spans[p.title])
    figure.suptitle(textwrap.fill(text("heading", heading), 60 * columns), fontsize=9)
    return _finish(figure, path)


def _slices(solution: Exportable, time: float | None) -> list[tuple[str, dict[int, float]]]:
    """What is held fixed in each row of pictures: label and position by axis, so that at most two axes vary."""
    domain = solution.domain
    t = domain.time_axis
    space = list(domain.space_axes)
    middle = {i: 0.5 * (domain.lower[i] + domain.upper[i]) for i in range(domain.dim)}
    if time is not None and (t is None or not domain.lower[t] <= time <= domain.upper[t]):
        raise InvalidArgumentError(f"time={time:g} is no instant of {domain}")
    if domain.dim <= 2 and time is None:
        return [("", {})]
    if t is not None:
        instants = [domain.lower[t], middle[t], domain.upper[t]] if time is None else [time]
        rest = {space[-1]: middle[space[-1]]} if len(space) == 3 else {}
        tail = "".join(f", {domain.names[i]} = {v:g}" for i, v in rest.items())
        return [(f"t = {v:g}{tail}", {t: v} | rest) for v in instants]
    if domain.dim == 4:
        raise InvalidArgumentError("four space axes cannot be drawn; evaluate slices with solution.on_grid")
    return [(f"{domain.names[i]} = {middle[i]:g}", {i: middle[i]}) for i in reversed(space)]


def plot_history(history: History, path: str | Path | None = None) -> Figure:
    """Draw loss, residuals and error estimate over time.

    Raises
    ------
    InvalidArgumentError
        If the run recorded nothing.
    """
    if not len(history):
        raise InvalidArgumentError("the run recorded no step, so there is no history to draw")
    figure, grid = _figure(2, 1)
    left, right = grid[0]
    time = history["time"]
    style = {"marker": "o", "ms": 3, "lw": 1.2} if len(history) < 60 else {"lw": 1.2}
    if (
        "damping" not in history.columns
    ):  # the loss at collocation points, which a square system makes zero, says nothing
        left.plot(time, history["loss"], label="loss", color="black", **style)
    for column in history.columns:
        if column.startswith("rms "):
            left.plot(time, history[column], label=column.removeprefix("rms "), **style)
    left.set_yscale("log")
    left.set_xlabel("seconds")
    left.set_title("RMS of the residuals", fontsize=10)
    left.legend(fontsize=8)
    left.grid(alpha=0.3)
    if np.isfinite(history["error"]).any():
        right.plot(time, history["error"], color="C3", **style)
        right.set_yscale("log")
        right.set_title("estimate of the relative error", fontsize=10)
    else:
        right.plot(time, history["step"], color="C3", **style)
        right.set_title("steps", fontsize=10)
    right.set_xlabel("seconds")
    right.grid(alpha=0.3)
    return _finish(figure, path)
