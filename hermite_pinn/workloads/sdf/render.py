"""Pictures of zero sets by sphere tracing, shaded, with curvature as colour."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter

from hermite_pinn.checks import choice, integer, items, number, refuse
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.memory import check_fits
from hermite_pinn.result.picture_file import write_figure

from .curvature import averaged_jets, curvature_of
from .signed_field import SignedField, signed_field

__all__ = ["Picture", "Rays", "render", "trace"]

#: Shortest step, relative to the box; halvings of the step in which the sign changes.
SHORTEST, HALVINGS = 2.5e-4, 24
#: How much larger than the largest slope that was found around a point the slope of the field may be.
SAFETY = 1.2
#: Regions along each axis of which the slopes are known, from some samples along each of theirs.
REGIONS, SAMPLES = 16, 3
QUANTITIES = ("mean_curvature", "gaussian_curvature", "none")
LABELS = {"mean_curvature": "mean curvature", "gaussian_curvature": "Gaussian curvature", "none": ""}
GRAY = np.array([0.78, 0.78, 0.80])
#: Where the light comes from: right, up, and towards the camera.
LIGHT = np.array([0.45, 0.6, 0.66])


@dataclass(frozen=True)
class Rays:
    """Where rays meet a zero set.

    Attributes
    ----------
    points
        Points on the surface, (n, 3); NaN of rays that miss it.
    hit
        Which rays meet it, (n,).
    cut
        Which of them begin inside, where the surface leaves the box: they see the face of the box there, (n,).
    """

    points: np.ndarray
    hit: np.ndarray
    cut: np.ndarray


@dataclass(frozen=True)
class Picture:
    """A shaded picture of a surface.

    Attributes
    ----------
    colors
        Red, green and blue between 0 and 1, (height, width, 3); white behind the surface.
    points
        What each pixel shows, (height, width, 3); NaN behind the surface.
    normals
        Outward unit normals there, (height, width, 3).
    values
        What the colours mean, (height, width): NaN behind the surface, and everywhere without a quantity.
    quantity
        Its name, or ``"none"``.
    limits
        Values at the ends of the colour scale.
    """

    colors: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    values: np.ndarray
    quantity: str
    limits: tuple[float, float]

    @property
    def hit(self) -> np.ndarray:
        """Which pixels show the surface, (height, width)."""
        return np.isfinite(self.points[..., 0])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture with its colour scale, all of it or nothing, in the format of the ending (by default PNG).

        Raises
        ------
        OutputError
            If the format is not known or the file cannot be written.
        """
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.figure import Figure

        height, width = self.colors.shape[:2]
        scaled = self.quantity != "none"
        figure = Figure(figsize=((width + (130 if scaled else 0)) / 100, height / 100))
        share = width / (width + 130) if scaled else 1.0
        axes = figure.add_axes((0.0, 0.0, share, 1.0))
        axes.imshow(self.colors, interpolation="nearest")
        axes.set_axis_off()
        if scaled:
            bar = figure.add_axes((share + 0.01, 0.15, 0.2 * (1 - share), 0.7))
            figure.colorbar(
                ScalarMappable(Normalize(*self.limits), "RdBu_r"), cax=bar, label=LABELS[self.quantity], extend="both"
            )
        return write_figure(figure, Path(path), dpi=100)


def render(
    shape: Any,
    width: int = 640,
    height: int = 480,
    *,
    color: str = "mean_curvature",
    azimuth: float = 35.0,
    elevation: float = 25.0,
    up: str | None = None,
    limits: Sequence[float] | None = None,
    field: str | None = None,
    scale: float | None = None,
) -> Picture:
    """Draw the zero set of a field by tracing rays to it, without triangles.

    Where the surface leaves the box, the cut is gray.

    Parameters
    ----------
    shape
        A solution with a field ``d``, or a :class:`SignedField`.
    width, height
        Pixels, 8 to 8192.
    color
        ``"mean_curvature"``, ``"gaussian_curvature"``, or ``"none"``.
    azimuth, elevation
        Where the camera is, in degrees: around the axis that points up, and above the plane across it.
    up
        Name of that axis; default: the last one.
    limits
        Values at the ends of the colour scale; default: plus and minus what 95 % of the pixels stay within.
    field, scale
        As in :func:`extract`.

    Raises
    ------
    InvalidArgumentError
        If an option is out of range, the field is not finite, or the camera sees no surface.
    OutOfMemoryError
        If the picture does not fit into the memory.

    Examples
    --------
    >>> from hermite_pinn.workloads import sdf
    >>> ball = sdf.FunctionField(lambda x, y, z: x**2 + y**2 + z**2 - 0.25, (-1, -1, -1), (1, 1, 1))
    >>> picture = sdf.render(ball, 64, 48)
    >>> bool(abs(picture.values[picture.hit] - 2.0).max() < 1e-5)
    True
    """
    width, height = (integer(n, v, least=8, most=8192) for n, v in (("width", width), ("height", height)))
    color = choice("color", color, QUANTITIES)
    azimuth, elevation = number("azimuth", azimuth), number("elevation", elevation, least=-90.0, most=90.0)
    ends = None if limits is None else _checked_limits(limits)
    check_fits(500.0 * width * height, f"a picture of {width} x {height} pixels", "take fewer")
    signed = signed_field(shape, field)
    radius = None if scale is None else number("scale", scale, above=0.0)
    if color != "none" and radius is None and not signed.has_curvature:
        raise InvalidArgumentError(
            "the field is piecewise linear and has no curvature; give scale=, the radius of balls in which it is averaged, or color='none'"
        )
    axis = signed.axes.index(signed.axes[2] if up is None else choice("up", up, signed.axes))
    frame = _frame(axis, azimuth, elevation)
    origin, directions = _camera(signed, frame, width, height)
    rays = trace(signed, origin, directions)
    if not rays.hit.any():
        raise InvalidArgumentError("the camera sees no surface: the field is positive along all rays through the box")
    return _shaded(signed, rays, frame, (height, width), color, ends, radius)


def trace(field: SignedField, origin: np.ndarray, directions: np.ndarray) -> Rays:
    """Follow rays to the first change of sign, by steps that are as long as the distance allows (sphere tracing).

    The steps are values over the largest slope around, as far as that is known from samples; in the last of them the
    crossing is bisected.  Parts that are thinner than 2.5e-4 of the box may be missed, as may be what a slope hides
    that no sample saw.

    Parameters
    ----------
    field
        Negative inside.
    origin
        Where all rays begin, (3,).
    directions
        Unit vectors (n, 3).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        walls = np.stack([(field.lower - origin) / directions, (field.upper - origin) / directions])
    first = np.maximum(np.nanmax(walls.min(0), axis=1), 0.0)
    last = np.nanmin(walls.max(0), axis=1)
    t, hit = first.copy(), np.zeros(len(directions), dtype=bool)
    cut = hit.copy()
    slopes, shortest = _Slopes(field), SHORTEST * field.extent
    active = np.flatnonzero(first < last)
    step = np.zeros(len(directions))
    for count in itertools.count():
        if not active.size:
            break
        values = _along(field, origin, directions[active], t[active])
        if not np.isfinite(values).all():
            raise InvalidArgumentError("the field is not finite in its box; such a field has no surface: fit it again")
        inside = values < 0
        hit[active[inside]] = True
        if count == 0:
            cut[active[inside]] = True
        active, values = active[~inside], values[~inside]
        step[active] = np.maximum(slopes.reach(origin + t[active, None] * directions[active], values), shortest)
        t[active] += step[active]
        active = active[t[active] <= last[active]]
    bracketed = np.flatnonzero(hit & ~cut)
    high, low = t[bracketed], t[bracketed] - step[bracketed]
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        inside = _along(field, origin, directions[bracketed], middle) < 0
        low, high = np.where(inside, low, middle), np.where(inside, middle, high)
    t[bracketed] = (low + high) / 2
    points = np.full(directions.shape, np.nan)
    points[hit] = origin + t[hit, None] * directions[hit]
    return Rays(points, hit, cut)


def _along(field: SignedField, origin: np.ndarray, directions: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Values on rays."""
    return field.values(np.clip(origin + t[:, None] * directions, field.lower, field.upper))


class _Slopes:
    """Largest lengths of the gradient in regions of the box and those beside them, from samples, and a bit more."""

    def __init__(self, field: SignedField) -> None:
        count = REGIONS * SAMPLES
        ends = zip(field.lower, field.upper, strict=True)
        axes = [a + (b - a) * (np.arange(count) + 0.5) / count for a, b in ends]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        sizes = np.linalg.norm(field.in_pieces(points, 1)[1:], axis=0)
        regions = sizes.reshape(REGIONS, SAMPLES, REGIONS, SAMPLES, REGIONS, SAMPLES).max((1, 3, 5))
        around = SAFETY * maximum_filter(np.nan_to_num(regions), size=3, mode="nearest")
        self._largest = np.maximum(around, max(1e-3 * float(around.max()), np.finfo(np.float64).tiny))
        self._lower, self._size = field.lower, (field.upper - field.lower) / REGIONS

    def reach(self, x: np.ndarray, values: np.ndarray) -> np.ndarray:
        """How far from points (n, 3) the field keeps its sign: a region at most, in which the slopes are known."""
        i, j, k = np.clip(((x - self._lower) / self._size).astype(int), 0, REGIONS - 1).T
        return np.minimum(values / self._largest[i, j, k], float(self._size.min()))


def _frame(axis: int, azimuth: float, elevation: float) -> np.ndarray:
    """Right, up, and towards the camera, (3, 3)."""
    a, e = np.radians([azimuth, elevation])
    base = np.roll(np.eye(3), -(axis + 1), axis=0)  # two horizontal axes, and the one that points up
    local = np.array(
        [
            [-np.sin(a), np.cos(a), 0.0],
            [-np.cos(a) * np.sin(e), -np.sin(a) * np.sin(e), np.cos(e)],
            [np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)],
        ]
    )
    return local @ base


def _camera(field: SignedField, frame: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the camera is and the directions of its rays, row by row: a perspective that shows what is inside."""
    lower, upper = _occupied(field)
    middle, radius = (lower + upper) / 2, float(np.linalg.norm(upper - lower)) / 2
    distance = 4.0 * radius
    tangent = 1.05 * radius / np.sqrt(distance**2 - radius**2) / min(width, height)
    right = (2 * np.arange(width) + 1 - width) * tangent
    top = (height - 1 - 2 * np.arange(height)) * tangent
    directions = top[:, None, None] * frame[1] + right[None, :, None] * frame[0] - frame[2]
    directions = directions.reshape(-1, 3)
    return middle + distance * frame[2], directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _occupied(field: SignedField, count: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a box around what is inside, as a coarse grid sees it."""
    axes = [np.linspace(a, b, count) for a, b in zip(field.lower, field.upper, strict=True)]
    places = np.argwhere(field.on_grid(axes) < 0)
    if not len(places):
        return field.lower, field.upper
    ends = (np.maximum(places.min(0) - 1, 0), np.minimum(places.max(0) + 1, count - 1))
    lower, upper = (np.array([a[k] for a, k in zip(axes, end, strict=True)]) for end in ends)
    return lower, upper


def _shaded(
    field: SignedField,
    rays: Rays,
    frame: np.ndarray,
    size: tuple[int, int],
    color: str,
    limits: tuple[float, float] | None,
    radius: float | None,
) -> Picture:
    """Light and colours where rays meet the surface."""
    from matplotlib import colormaps

    points = rays.points[rays.hit]
    cut = rays.cut[rays.hit]
    jets = field.in_pieces(points, 2 if color != "none" and radius is None else 1)
    normals = jets[1:4].T / np.maximum(np.linalg.norm(jets[1:4], axis=0), np.finfo(np.float64).tiny)[:, None]
    normals[cut] = _wall_normals(field, points[cut])
    values = np.full(len(points), np.nan)
    if color != "none":
        found = curvature_of(jets if radius is None else averaged_jets(field, points, radius))
        values = np.where(cut, np.nan, found.mean if color == "mean_curvature" else found.gaussian)
    ends = _limits(limits, values)
    known = np.isfinite(values)
    base = np.tile(GRAY, (len(points), 1))
    base[known] = colormaps["RdBu_r"](np.clip((values[known] - ends[0]) / (ends[1] - ends[0]), 0, 1))[:, :3]
    light = LIGHT @ frame / np.linalg.norm(LIGHT)
    bright = 0.35 + 0.65 * np.clip(normals @ light, 0, 1)
    gloss = np.clip(normals @ (light + frame[2]) / np.linalg.norm(light + frame[2]), 0, 1) ** 60
    shown = np.clip(base * bright[:, None] + 0.2 * gloss[:, None], 0, 1)

    def image(data: np.ndarray, empty: float) -> np.ndarray:
        full = np.full((len(rays.hit), *data.shape[1:]), empty)
        full[rays.hit] = data
        return full.reshape(*size, *data.shape[1:])

    return Picture(image(shown, 1.0), image(points, np.nan), image(normals, np.nan), image(values, np.nan), color, ends)


def _wall_normals(field: SignedField, points: np.ndarray) -> np.ndarray:
    """Normals of the face of the box on which points are."""
    gaps = np.concatenate([points - field.lower, field.upper - points], axis=1)
    return np.concatenate([-np.eye(3), np.eye(3)])[np.abs(gaps).argmin(1)]


def _checked_limits(given: Any) -> tuple[float, float]:
    accepted = "two finite numbers, the lower one first"
    found = [number("limits", end) for end in items("limits", given, accepted, least=2, most=2, otherwise="None")]
    if not found[0] < found[1]:
        refuse("limits", given, accepted, otherwise="None")
    return found[0], found[1]


def _limits(given: tuple[float, float] | None, values: np.ndarray) -> tuple[float, float]:
    """Ends of the colour scale."""
    if given is not None:
        return given
    known = np.abs(values[np.isfinite(values)])
    largest = float(np.quantile(known, 0.95)) if known.size else 0.0
    return (-largest, largest) if largest > 0 else (-1.0, 1.0)
