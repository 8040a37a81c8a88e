"""Samples of a solution for other programs."""

from __future__ import annotations

import logging
import math
import numbers
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.checks import either, flag, items, real_array, spelled
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain
from hermite_pinn.output import check_writable, make_folder, output_path, staged

from .cut_export import write_boundaries, write_boundary, write_volume, write_volumes
from .exportable import Exportable
from .sampling import channels_of, named, sample, three, whole_axes
from .sizes import ENCODED, MOST_FRAMES, check_grid, intervals
from .vtk import write_image, write_mesh, write_series

__all__ = ["frame_axes", "frame_writer", "to_vtk"]

logger = logging.getLogger(__name__)

LIMITS = {1: 4096, 2: 512, 3: 128, 4: 32}
SLENDER = 50.0  # ratio of time to space beyond which a picture of both is a line
EQUAL = 1.0 + 1e-6  # ratio of lengths that are the same


def to_vtk(
    solution: Exportable,
    path: str | Path,
    *,
    resolution: float | None = None,
    points: Any = None,
    times: int | Sequence[float] | None = None,
    boundary: bool = False,
    gradient: bool = True,
    exact: bool = True,
    residual: bool = True,
) -> list[Path]:
    """Write the fields for ParaView and every program that reads VTK.

    Parameters
    ----------
    path
        ``.vti``: an image of the box (up to three axes, time counts as one); ``.vtu``: a mesh of the box, or
        scattered ``points``; ``.vtp``: the boundary in two or three space axes, with normals and normal derivatives;
        ``.pvd``: a series of images over the axis ``t``, written into a folder beside the file.  Where shapes cut the
        box, meshes and the frames of series end at its boundary; images are NaN outside, and have the mask ``inside``.
        Coordinates are in the units of the problem.  Where time is an axis of an image or a mesh and its number differs
        much from those of space, a viewer shows a line; a warning then tells how to scale it, and ``.pvd`` avoids it.
    resolution
        Intervals per axis; default: those of the field's finest level, at most 512 in two dimensions and 128 in three.
        On cells of different lengths a ``.vtu`` has intervals of different lengths, too; the equal ones of a ``.vti``
        are as short as the shortest cell where 4096 suffice for that, else a warning is logged.
    points
        (n, dim) for a ``.vtu`` of scattered points.
    times
        Number of frames, or the times, of a ``.pvd`` (default 21).
    boundary
        Whether a ``.pvd`` has the boundary in two or three space axes at every time, as ``.vtp``, not what it encloses.
    gradient, exact, residual
        What to add to the values (see :func:`sample`).

    Returns
    -------
    list of Path
        All files written.

    Raises
    ------
    OutputError
        If a file cannot be written; earlier ones are as they were, and nothing half-written is left.  The images of a
        series get their names when all are complete, and the ``.pvd`` last.
    InvalidArgumentError
        If the format does not fit the domain, or an option has the wrong type or value.
    OutOfMemoryError
        If what is asked for does not fit into memory; the message tells its size.

    Notes
    -----
    Every file but ``.pvd`` has field data about the run: ``status``, ``success`` (1 or 0), ``message``,
    ``estimated_error``, ``tol``, ``problem``, parameters, seed and versions, as far as they are known.  In ``.vti`` and
    ``.vtp`` texts are strings; in ``.vtu`` they are the numbers of their bytes, ``bytes(data["status"]).decode()``,
    since meshio reads no strings.  A component of ``u_grad`` is that along the axis of the file; the derivative along
    time is ``u_t``.  meshio reads ``.vtu`` alone, pyvista and ParaView read all.
    """
    target = output_path(path)
    domain, suffix = solution.domain, target.suffix.lower()
    given = {"gradient": gradient, "exact": exact, "residual": residual}
    options = {name: flag(name, value) for name, value in given.items()}
    count = either(intervals, None)("resolution", resolution)
    if flag("boundary", boundary) and suffix not in (".pvd", ".vtp"):
        raise InvalidArgumentError(
            f"boundary=True is for a series, .pvd, got {target.name}; .vtp has the boundary, and time as an axis of it"
        )
    if times is not None:  # looked at for every format, used by series
        t = domain.time_axis
        _instants((0.0, 1.0) if t is None else (domain.lower[t], domain.upper[t]), times)
    if points is not None:
        if suffix != ".vtu":
            raise InvalidArgumentError(f"scattered points are written as .vtu, got {target.name}")
        return [_write_points(solution, target, points, options)]
    axes = frame_axes(solution, count, series=suffix == ".pvd")
    if suffix == ".vti":
        axes = [_equal(a, name, target) for a, name in zip(axes, domain.names, strict=True)]
    if suffix == ".pvd":
        return _write_frames(solution, target, axes, times, boundary, options)
    if suffix not in (".vti", ".vtu", ".vtp"):
        raise InvalidArgumentError(
            f"unknown format {suffix or target.name!r}; use .vti (a box), .vtu (a mesh or points), .vtp (the boundary) or .pvd "
            "(a series over t)"
        )
    if domain.dim > 3:
        raise InvalidArgumentError(
            f"{target.name}: {domain} has {domain.dim} axes, {suffix} takes up to three; write a .pvd series over t"
            f"{' with boundary=True' if suffix == '.vtp' else ''}"
        )
    check_grid([len(a) for a in axes], _numbers(solution, options), times=ENCODED, folder=target.parent)
    _look_at_lengths(domain, target)
    if suffix == ".vtp":
        return [write_boundary(solution, target, axes, options)]
    if suffix == ".vtu" and domain.is_cut:
        return [write_volume(solution, target, axes, options)]
    data = sample(solution, axes, **options)
    data = {k: three(v, whole_axes(domain)) if v.ndim > domain.dim else v for k, v in data.items()}
    if suffix == ".vti":
        return [write_image(target, axes, data, solution.facts)]
    mesh = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], 1)
    flat = {k: v.reshape(len(mesh), *v.shape[domain.dim :]) for k, v in data.items()}
    return [write_mesh(target, mesh, flat, axes, solution.facts)]


def frame_axes(solution: Exportable, count: int | None, series: bool) -> list[np.ndarray]:
    """Positions along the axes; refuses those of a grid that does not fit, time apart in a series."""
    if count is None:
        return solution.vertex_axes(LIMITS[solution.domain.dim])
    sampled = solution.domain.space_axes if series else range(solution.domain.dim)
    check_grid([count + 1] * len(sampled), len(solution.fields), times=ENCODED)
    return [np.linspace(a, b, count + 1) for a, b in solution.domain.bounds.values()]


def _equal(axis: np.ndarray, name: str, target: Path) -> np.ndarray:
    """Positions at equal distances, as short as the shortest of an axis if they are few enough."""
    steps = np.diff(axis)
    if steps.max() <= EQUAL * steps.min():
        return axis
    asked = float((axis[-1] - axis[0]) / steps.min())
    count = min(math.ceil(asked), LIMITS[1])
    if asked > LIMITS[1]:
        logger.warning(
            "%s: intervals along %s would have to be %.3g long to show all, and an image has equal ones, %.3g here; write .vtu",
            target.name, name, steps.min(), (axis[-1] - axis[0]) / count,
        )  # fmt: skip
    return np.linspace(axis[0], axis[-1], count + 1)


def _look_at_lengths(domain: Domain, target: Path) -> None:
    """Warn of files that show space and time as a line."""
    t = domain.time_axis
    if t is None or domain.dim == 1:
        return
    longest = max(domain.lengths[i] for i in domain.space_axes)
    ratio = domain.lengths[t] / longest
    if max(ratio, 1.0 / ratio) > SLENDER:
        scale = ", ".join(f"{1.0 / ratio if i == t else 1.0:.3g}" for i in range(domain.dim))
        logger.warning(
            "%s is %.3g long along time and %.3g along space, which ParaView shows as a line: set Scale of Transforming to %s, "
            "or write a series, .pvd",
            target.name, domain.lengths[t], longest, scale,
        )  # fmt: skip


def _numbers(solution: Exportable, options: dict[str, bool]) -> int:
    """Numbers that a file has at a point, components of vectors padded to three."""
    one = sample(solution, [np.array([a]) for a in solution.domain.lower], **options)
    return sum(3 if v.ndim > solution.domain.dim else 1 for v in one.values())


def _instants(span: tuple[float, float], times: Any) -> np.ndarray:
    """Times of the frames of a series within a span, from their number or as they are given."""
    start, end = span
    if times is None or isinstance(times, numbers.Number) or getattr(times, "ndim", None) == 0:
        count = 21 if times is None else intervals("times", times, most=MOST_FRAMES, otherwise="a list of times")
        return np.linspace(start, end, count)
    accepted = f"a number of frames or a list of times, up to {MOST_FRAMES}"
    instants = real_array("times", items("times", times, accepted, least=1, most=MOST_FRAMES))
    slack = 1e-9 * (end - start)
    if instants.ndim != 1 or instants.min() < start - slack or instants.max() > end + slack:
        raise InvalidArgumentError(
            f"times must be a number of frames, or times from {start:g} to {end:g}, got {spelled(times)}"
        )
    return instants


def _write_points(solution: Exportable, target: Path, points: Any, options: dict[str, bool]) -> Path:
    values = solution.at_points(points, channels_of(solution, options["gradient"]))
    array = real_array("points", points)
    data = named(solution, values, options["gradient"])
    places = None if solution.domain.dim > 3 else whole_axes(solution.domain)
    data = {name: three(v, places) if v.ndim == 2 else v for name, v in data.items()}
    if options["exact"]:
        for name, truth in solution.exact_values(list(array.T)).items():
            data[f"{name}_error"] = data[name] - truth
    if options["residual"] and solution.has_equations:
        data |= {f"residual {k}": v for k, v in solution.residual(array).items()}
    shown = array[:, list(solution.domain.space_axes)] if solution.domain.dim > 3 else array
    return write_mesh(target, shown, data, facts=solution.facts)


def _write_frames(
    solution: Exportable,
    target: Path,
    axes: list[np.ndarray],
    times: int | Sequence[float] | None,
    boundary: bool,
    options: dict[str, bool],
) -> list[Path]:
    domain = solution.domain
    t = domain.time_axis
    if t is None:
        single = ".vtp" if boundary else ".vtu" if domain.is_cut else ".vti"
        raise InvalidArgumentError(
            f"{target.name}: a .pvd series needs a time axis called t; the axes are {', '.join(domain.names)}; write {single}"
        )
    if domain.dim == 1:
        raise InvalidArgumentError(f"{target.name}: a series needs a space axis; write .vti for a function of t alone")
    instants = _instants((domain.lower[t], domain.upper[t]), times)
    counts = [len(a) for i, a in enumerate(axes) if i != t]
    check_grid(counts, _numbers(solution, options), times=ENCODED, folder=target.parent, files=len(instants))
    check_writable(target)
    write, suffix = frame_writer(solution, axes, boundary, options)
    names = [f"{target.stem}_{k:04d}{suffix}" for k in range(len(instants))]
    folder = target.with_suffix("")
    made = not folder.exists()
    make_folder(folder)
    try:
        with staged(target) as stage, staged(folder / names[0]) as frames:  # which get their names first
            for name, instant in zip(names, instants, strict=True):
                write(frames / name, float(instant))
            write_series(stage / target.name, instants.tolist(), [f"{folder.name}/{name}" for name in names])
    except BaseException:
        if made:
            with suppress(OSError):
                folder.rmdir()
        raise
    return [target, *(folder / name for name in names)]


def frame_writer(
    solution: Exportable, axes: list[np.ndarray], boundary: bool, options: dict[str, bool]
) -> tuple[Callable[[Path, float], Path], str]:
    """What writes the file of an instant, and how that ends."""
    if boundary:
        return write_boundaries(solution, axes, options), ".vtp"
    if solution.domain.is_cut:
        return write_volumes(solution, axes, options), ".vtu"
    return _image_writer(solution, axes, options), ".vti"


def _image_writer(
    solution: Exportable, axes: list[np.ndarray], options: dict[str, bool]
) -> Callable[[Path, float], Path]:
    """What writes an image of the box at an instant."""
    t = solution.domain.time_axis
    assert t is not None
    space, facts = [a for i, a in enumerate(axes) if i != t], solution.facts

    def write(path: Path, instant: float) -> Path:
        data = sample(solution, [np.array([instant]) if i == t else a for i, a in enumerate(axes)], **options)
        squeezed = {k: np.take(v, 0, axis=t) for k, v in data.items()}
        padded = {k: three(v) if v.ndim > len(space) else v for k, v in squeezed.items()}
        return write_image(path, space, padded, facts)

    return write
