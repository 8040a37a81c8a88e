"""Pictures of a solution and of its history, by matplotlib."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hermite_pinn.checks import choice, either, flag, number, spelled, text
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain
from hermite_pinn.run.history import History

from .exportable import Exportable
from .outline import Outline, extent, outline
from .panels import HEIGHT, Line, Panel, Slice, shown_span
from .picture_file import write_figure
from .pyvista_plots import render_solution
from .sampling import pictured, sample
from .sizes import DRAWN, check_grid, intervals
from .surface_panels import surface_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_history", "plot_solution"]


MOST_DRAWN = 4096  # intervals of a curve


def _empty(columns: int, heights: Sequence[float]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from .shown_figure import ShownFigure

    figure = ShownFigure(figsize=(4.4 * columns, sum(heights)), layout=ConstrainedLayoutEngine(w_pad=0.06))
    FigureCanvasAgg(figure)
    return figure


def _finish(figure: Figure, path: str | Path | None) -> Figure:
    if path is not None:
        write_figure(figure, path)
    return figure


def plot_solution(
    solution: Exportable,
    path: str | Path | None = None,
    *,
    heading: str = "",
    resolution: float | None = None,
    time: float | None = None,
    residual: bool = True,
    backend: str = "matplotlib",
) -> Figure | np.ndarray:
    """Draw every field, with its error where the solution is known and the residuals of the equations.

    One axis: curves, through the ends of cells where these have different lengths, over a logarithmic axis where they
    get longer by decades from a start at zero.  Two axes (one may be time): images.  Three axes: slices through the
    middle, or three instants if one of them is time.  More axes: slices through the middle of all but the first two,
    and of all but the last two, or the former at three instants if one of them is time.  Where shapes cut
    the domain, pictures end at its outline; of solids the surface is drawn, too.

    Colours of errors and residuals end at the size that 99 % of the drawn values have where a few are much larger, as
    at corners; the colour bar then ends in an arrow, and the
    largest size stands above the picture.

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
    backend
        ``"matplotlib"``, or ``"pyvista"`` for domains with three space axes: see
        :func:`hermite_pinn.result.pyvista_plots.render_solution`.

    Returns
    -------
    matplotlib.figure.Figure or ndarray
        By pyvista the picture itself, uint8, (height, width, 3).
    """
    domain = solution.domain
    given = either(intervals, None)("resolution", resolution)
    count = given or {1: 1000, 2: 240}.get(domain.dim, 120)
    instant = either(number, None)("time", time)
    wants_residual = flag("residual", residual)
    if choice("backend", backend, ("matplotlib", "pyvista")) == "pyvista":
        _check_instant(domain, instant)
        return render_solution(solution, path, resolution=given, time=instant, residual=wants_residual)
    check_grid([count + 1] * min(domain.dim, 2), 4 * len(solution.fields), times=DRAWN)
    lower, upper = extent(domain)
    axes = [np.linspace(a, b, count + 1) for a, b in zip(lower, upper, strict=True)]
    if domain.dim == 1 and given is None:
        axes = _with_vertices(axes, solution.vertex_axes(MOST_DRAWN))
    rows: list[list[Panel]] = []
    if domain.is_cut and len(domain.space_axes) == 3:
        rows += surface_panels(solution, instant, wants_residual)
    for label, fixed in _slices(solution, instant, lower, upper):
        cut = [np.array([fixed[i]]) if i in fixed else a for i, a in enumerate(axes)]
        data = sample(solution, cut, exact=True, residual=wants_residual)
        free = [i for i in range(domain.dim) if i not in fixed]
        data = {k: np.squeeze(v, axis=tuple(fixed)) for k, v in data.items()}
        bounds = outline(domain, {i: axes[i] for i in _across(domain, free)}, fixed) if domain.is_cut else None
        for row in pictured(solution.fields, data):
            rows.append([_panel(domain, data[key], title, label, axes, free, bounds) for title, key in row])
    figure, columns = _drawn(rows)
    figure.suptitle(textwrap.fill(text("heading", heading), 60 * columns), fontsize=9)
    return _finish(figure, path)


def _with_vertices(axes: list[np.ndarray], own: list[np.ndarray]) -> list[np.ndarray]:
    """Positions of one axis and those between its vertices, where these are nearer to each other."""
    shorter = float(np.diff(own[0]).min()) < 0.5 * float(np.diff(axes[0]).min())
    return [np.union1d(axes[0], own[0])] if shorter else axes


def _across(domain: Domain, free: list[int]) -> list[int]:
    """Axes of a slice from left to right and upwards: time goes upwards."""
    return free[::-1] if len(free) == 2 and domain.names[free[0]] == "t" else free


def _panel(
    domain: Domain,
    values: np.ndarray,
    title: str,
    label: str,
    axes: list[np.ndarray],
    free: list[int],
    bounds: Outline | None,
) -> Panel:
    across = _across(domain, free)
    if len(free) == 1:
        return Line(title, label, values, axes[free[0]], domain.names[free[0]])
    first, second = across
    names = (domain.names[first], domain.names[second])
    return Slice(title, label, values if across == free else values.T, axes[first], axes[second], names, bounds)


def _drawn(rows: list[list[Panel]]) -> tuple[Figure, int]:
    """A figure of rows of panels, with one scale for all of a quantity, and the number of its columns."""
    panels = [p for row in rows for p in row]
    spans = {p.title: shown_span(p.title, [q.values for q in panels if q.title == p.title]) for p in panels}
    columns = max(map(len, rows))
    if columns == 1:  # a block instead of a column
        columns = len(panels) if len(panels) <= 3 else math.ceil(math.sqrt(len(panels)))
        rows = [panels[i : i + columns] for i in range(0, len(panels), columns)]
    heights = [max(p.height for p in row) for row in rows]
    figure = _empty(columns, heights)
    grid = figure.add_gridspec(len(rows), columns, height_ratios=heights)
    for i, row in enumerate(rows):
        for j, p in enumerate(row):
            ax = figure.add_subplot(grid[i, j])
            p.draw(figure, ax, spans[p.title])
    return figure, columns


def _middle(domain: Domain, axis: int, lower: float, upper: float) -> float:
    """The middle of what a domain covers of an axis, a short number near it where the ends are known roughly."""
    if (lower, upper) == (domain.lower[axis], domain.upper[axis]):
        return 0.5 * (lower + upper)
    digits = 1 - math.floor(math.log10(upper - lower))
    return min(max(round(0.5 * (lower + upper), digits), lower), upper)


def _check_instant(domain: Domain, time: float | None) -> None:
    t = domain.time_axis
    if time is not None and (t is None or not domain.lower[t] <= time <= domain.upper[t]):
        raise InvalidArgumentError(f"time={time:g} is no instant of {spelled(domain)}")


def _slices(
    solution: Exportable, time: float | None, lower: np.ndarray, upper: np.ndarray
) -> list[tuple[str, dict[int, float]]]:
    """What is held fixed in each row of pictures: label and position by axis, so that at most two axes vary."""
    domain = solution.domain
    t = domain.time_axis
    space = list(domain.space_axes)
    middle = {i: _middle(domain, i, float(lower[i]), float(upper[i])) for i in range(domain.dim)}
    _check_instant(domain, time)
    if domain.dim <= 2 and time is None:
        return [("", {})]
    if t is not None:
        instants = [domain.lower[t], middle[t], domain.upper[t]] if time is None else [time]
        rest = {i: middle[i] for i in space[2:]}
        tail = "".join(f", {domain.names[i]} = {v:g}" for i, v in rest.items())
        return [(f"t = {v:g}{tail}", {t: v} | rest) for v in instants]
    if domain.dim > 3:
        pairs = [space[:2], space[-2:]]
        return [("middle of the other axes", {i: middle[i] for i in space if i not in pair}) for pair in pairs]
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
    figure = _empty(2, [HEIGHT])
    left, right = figure.subplots(1, 2)
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
