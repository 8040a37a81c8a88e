"""Pictures of solids by pyvista, rendered without a window: the extra ``viz``."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.checks import spelled
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError, OutputError
from hermite_pinn.geometry import Domain
from hermite_pinn.output import output_path, write_file

from .domain_mesh import boundary_mesh, domain_mesh
from .exportable import Exportable
from .panels import colours, shown_span
from .sampling import at_instant, finite, pictured, sample_points
from .sizes import DRAWN, check_grid
from .surface_panels import hides, picture_axes

__all__ = ["render_solution"]

CELLS = 61  # across the longest edge of what is drawn
SIZE = 640, 560  # pixels of a picture
VIEW = [(-1.1, -2.2, 1.2), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)]


def render_solution(
    solution: Exportable,
    path: str | Path | None = None,
    *,
    resolution: int | None = None,
    time: float | None = None,
    residual: bool = True,
) -> np.ndarray:
    """Draw every field of a solid, with its error and residuals, in one picture.

    A part is shown by its boundary; of a box around parts the front half is cut away.

    Parameters
    ----------
    path
        File to write: ``.png``, ``.jpg`` or ``.tif``; None for none.
    resolution
        Cells across the longest edge of what is drawn, default 61.
    time
        The instant, by default the last.
    residual
        Whether to draw residuals.

    Returns
    -------
    ndarray
        The picture, uint8, (height, width, 3).

    Raises
    ------
    BackendUnavailableError
        If pyvista is not installed.
    InvalidArgumentError
        If space does not have three axes.
    OutputError
        If the file cannot be written, or its format is unknown.
    """
    domain = solution.domain
    if len(domain.space_axes) != 3:
        raise InvalidArgumentError(
            f"backend='pyvista' draws three space axes, and {spelled(domain)} has {len(domain.space_axes)}; use backend='matplotlib'"
        )
    pyvista = _pyvista()
    cells = CELLS if resolution is None else resolution
    check_grid([cells + 1] * 3, 4 * len(solution.fields), times=DRAWN)
    axes = picture_axes(domain, cells)
    mesh = domain_mesh(domain, axes)
    opened = hides(domain, boundary_mesh(domain, mesh, axes))
    points = at_instant(domain, mesh.points, time)
    data = finite(sample_points(solution, points, exact=True, residual=residual), points)
    rows = pictured(solution.fields, data)
    solid = pyvista.UnstructuredGrid(
        {getattr(pyvista.CellType, k.upper()): v for k, v in mesh.cells.items()}, mesh.points
    )
    for key in {key for row in rows for _, key in row}:
        solid.point_data[key] = data[key]
    shown = solid.clip(normal="y", origin=solid.center, invert=False) if opened else solid
    image = _rendered(pyvista, shown.extract_surface(algorithm=None), domain, rows)
    if path is not None:
        _write(image, path)
    return image


def _rendered(pyvista: Any, surface: Any, domain: Domain, rows: list[list[tuple[str, str]]]) -> np.ndarray:
    """A picture of all quantities on a surface."""
    with _quiet():
        return _screenshot(pyvista, surface, domain, rows)


def _screenshot(pyvista: Any, surface: Any, domain: Domain, rows: list[list[tuple[str, str]]]) -> np.ndarray:
    columns = max(map(len, rows))
    size = SIZE[0] * columns, SIZE[1] * len(rows)
    plotter = pyvista.Plotter(off_screen=True, shape=(len(rows), columns), border=False, window_size=size)
    try:
        plotter.set_background("white")
        for i, row in enumerate(rows):
            for j, (title, key) in enumerate(row):
                plotter.subplot(i, j)
                _draw(plotter, surface.copy(deep=False), domain, title, key)
                _bar(plotter, i * columns + j)
        return np.asarray(plotter.screenshot(return_img=True))
    finally:
        plotter.close()


def _bar(plotter: Any, number: int) -> None:
    """A colour bar; those of one title would be one bar."""
    plotter.add_scalar_bar(
        title=" " * (number + 1), color="black", vertical=True, n_labels=5, fmt="%.3g", position_x=0.89, position_y=0.15,
        height=0.7, width=0.07, label_font_size=16,
    )  # fmt: skip


def _draw(plotter: Any, surface: Any, domain: Domain, title: str, key: str) -> None:
    """One quantity, with its scale, the axes and the edges of the box."""
    limits = colours(title, shown_span(title, [np.asarray(surface.point_data[key])]))
    plotter.add_mesh(
        surface, scalars=key, cmap=limits["cmap"], clim=(limits["vmin"], limits["vmax"]), smooth_shading=True,
        split_sharp_edges=True, ambient=0.35, diffuse=0.75, show_scalar_bar=False,
    )  # fmt: skip
    plotter.add_text(title, position="upper_edge", font_size=10, color="black")
    names = {f"{k}title": domain.names[i] for k, i in zip("xyz", domain.space_axes, strict=True)}
    plotter.show_bounds(
        color="black", grid="back", location="outer", font_size=10, n_xlabels=3, n_ylabels=3, n_zlabels=3, **names
    )
    plotter.camera_position = VIEW
    plotter.reset_camera()
    plotter.camera.zoom(0.85)


@contextmanager
def _quiet() -> Iterator[None]:
    """VTK tells that there is no display, which is not needed."""
    from vtkmodules.vtkCommonCore import vtkLogger

    before = vtkLogger.GetCurrentVerbosityCutoff()
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)
    try:
        yield
    finally:
        vtkLogger.SetStderrVerbosity(before)


def _pyvista() -> Any:
    try:
        import pyvista
    except ImportError as error:
        raise BackendUnavailableError(
            f"backend='pyvista' needs pyvista, which cannot be imported ({error}): pip install \"hermite_pinn[viz]\", or use "
            "backend='matplotlib'"
        ) from error
    return pyvista


def _write(image: np.ndarray, path: str | Path) -> None:
    from matplotlib.image import imsave

    target, coded = output_path(path), io.BytesIO()
    if not target.suffix.strip("."):
        target = target.with_name(f"{target.name.rstrip('.')}.png")
    try:
        imsave(coded, image, format=target.suffix[1:].lower())
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise OutputError(f"{target} cannot be written: {error}; write .png, .jpg or .tif") from error
    write_file(target, coded.getbuffer())
