"""What a picture of a solution consists of: a quantity along a line, on a slice, or on a surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.ndimage import distance_transform_edt

from .outline import Outline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["HEIGHT", "Line", "Panel", "Slice", "beyond", "caption", "colour_bar", "colours", "shown_span", "span_of"]


SIGNED = ("error", "residual")  # what titles of quantities begin with that are small about zero
HEIGHT = 3.5  # inches
MOSTLY = 99.0  # percentile of the sizes of errors and residuals that colours show
RARE = 3.0  # times that percentile from which on a largest value sets no scale
DECADES = 4.0  # from the first position after zero to the end of an axis, beyond which it is logarithmic


class Panel(Protocol):
    """One picture of a quantity."""

    @property
    def title(self) -> str:
        """Of the quantity, by which panels share their scale."""

    @property
    def values(self) -> np.ndarray:
        """The numbers shown, NaN where there are none."""

    @property
    def height(self) -> float:
        """Of a row of such panels, in inches."""

    def draw(self, figure: Figure, ax: Axes, span: tuple[float, float]) -> None:
        """Draw it, with colours from a smallest to a largest value."""


def span_of(values: np.ndarray) -> tuple[float, float]:
    """The smallest and largest finite value, of none zero and one.

    Examples
    --------
    >>> span_of(np.array([np.nan, 1.0, 3.0]))
    (1.0, 3.0)
    """
    known = values[np.isfinite(values)]
    return (float(known.min()), float(known.max())) if known.size else (np.inf, -np.inf)


def shown_span(title: str, parts: Sequence[np.ndarray]) -> tuple[float, float]:
    """The smallest and largest value that colours show; of errors and residuals without rare peaks, as at corners.

    Examples
    --------
    >>> flat = np.linspace(-1.0, 1.0, 1001)
    >>> flat[0] = 1e6
    >>> shown_span("u", [flat]), shown_span("residual pde", [flat])
    ((-0.998, 1000000.0), (-0.99, 0.99))
    """
    spans = [span_of(v) for v in parts]
    low, high = min(s[0] for s in spans), max(s[1] for s in spans)
    if not title.startswith(SIGNED) or low > high:
        return low, high
    usual = float(np.percentile(np.concatenate([np.abs(v[np.isfinite(v)]) for v in parts]), MOSTLY))
    return (low, high) if max(-low, high) <= RARE * usual or usual == 0.0 else (-usual, usual)


def beyond(values: np.ndarray, limits: Mapping[str, Any]) -> str:
    """At which ends of a colour bar there are values beyond it, in matplotlib's terms.

    Examples
    --------
    >>> beyond(np.array([0.0, 2.0]), {"vmin": -1.0, "vmax": 1.0})
    'max'
    """
    low, high = span_of(values)
    return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[
        low < limits["vmin"], high > limits["vmax"]
    ]


def caption(title: str, label: str, values: np.ndarray, limits: Mapping[str, Any]) -> str:
    """What stands above a picture: the quantity, its largest size if colours do not show it, and where it is drawn.

    Examples
    --------
    >>> caption("residual pde", "t = 1", np.array([0.0, 2.0]), {"vmin": -1.0, "vmax": 1.0})
    'residual pde, up to 2.0e+00, t = 1'
    """
    largest = f"up to {np.abs(span_of(values)).max():.1e}" if beyond(values, limits) != "neither" else ""
    return ", ".join(part for part in (title, largest, label) if part)


def colours(title: str, span: tuple[float, float]) -> dict[str, Any]:
    """Colour map and limits: symmetric about zero for errors, residuals and what has both signs."""
    low, high = span if span[0] <= span[1] else (0.0, 1.0)
    size = max(abs(low), abs(high)) or 1.0
    if title.startswith(SIGNED) or min(-low, high) > 0.05 * size:
        return {"cmap": "RdBu_r", "vmin": -size, "vmax": size}
    return {"cmap": "viridis", "vmin": low, "vmax": high}


def colour_bar(figure: Figure, shown: Any, limits: Mapping[str, Any], **options: Any) -> None:
    """A colour bar whose numbers have few digits."""
    bar = figure.colorbar(shown, **options)
    size = max(abs(limits["vmin"]), abs(limits["vmax"]))
    if size < 1e-2 or size >= 1e4:
        bar.ax.ticklabel_format(style="sci", scilimits=(-2, 2))


@dataclass(frozen=True)
class Line:
    """A quantity along one axis."""

    title: str
    label: str
    values: np.ndarray
    x: np.ndarray
    name: str

    height = HEIGHT

    def draw(self, figure: Figure, ax: Axes, span: tuple[float, float]) -> None:
        """A curve."""
        first = self.x[1] if self.x[0] == 0 else 0.0
        if first > 0 and np.log10(self.x[-1] / first) > DECADES:
            ax.set_xscale("symlog", linthresh=10.0 ** np.ceil(np.log10(first)))
        ax.plot(self.x, self.values, lw=1.2)
        ax.set_title(f"{self.title}{', ' + self.label if self.label else ''}", fontsize=10)
        ax.set_xlabel(self.name)
        ax.grid(alpha=0.3)


@dataclass(frozen=True)
class Slice:
    """A quantity over two axes, of which the first goes to the right.

    Attributes
    ----------
    title, label
        Of the quantity, and where the slice lies.
    values
        (n, m), NaN outside the domain.
    x, y
        Positions.
    names
        Of the two axes.
    outline
        Of the domain in the slice; None for a whole box.
    """

    title: str
    label: str
    values: np.ndarray
    x: np.ndarray
    y: np.ndarray
    names: tuple[str, str]
    outline: Outline | None = None

    @property
    def height(self) -> float:
        """As high as equal scales ask for where the slice is far from a square."""
        ratio = float((self.y[-1] - self.y[0]) / (self.x[-1] - self.x[0]))
        if "t" in self.names or 0.66 <= ratio <= 1.5:
            return HEIGHT
        return float(np.clip(3.1 * ratio + 0.8, 1.4, 5.5))

    def draw(self, figure: Figure, ax: Axes, span: tuple[float, float]) -> None:
        """An image, as far as the domain goes."""
        limits, x, y = colours(self.title, span), self.x, self.y
        half_x, half_y = 0.5 * (x[1] - x[0]), 0.5 * (y[1] - y[0])  # values belong to the middles of pixels
        extent = (x[0] - half_x, x[-1] + half_x, y[0] - half_y, y[-1] + half_y)
        values = self.values if self.outline is None else _continued(self.values)
        shown = ax.imshow(values.T, origin="lower", extent=extent, aspect="auto", interpolation="bilinear", **limits)
        ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
        if self.outline is not None:
            self._bounded(ax, shown, self.outline)
        place = ax.inset_axes((1.03, 0.0, 0.05, 1.0))  # as high as the image
        colour_bar(figure, shown, limits, cax=place, extend=beyond(self.values, limits))
        ax.set_title(caption(self.title, self.label, self.values, limits), fontsize=10)
        ax.set_xlabel(self.names[0])
        ax.set_ylabel(self.names[1])
        if "t" not in self.names:
            ax.set_aspect("equal")

    @staticmethod
    def _bounded(ax: Axes, shown: Any, outline: Outline) -> None:
        from matplotlib.patches import PathPatch

        path = outline.path
        shown.set_clip_path(PathPatch(path, transform=ax.transData))
        ax.add_patch(PathPatch(path, facecolor="none", edgecolor="0.15", lw=0.9, joinstyle="round", zorder=3))
        if not outline.loops:
            ax.text(0.5, 0.5, "no part of the domain", transform=ax.transAxes, ha="center", va="center", fontsize=8)


def _continued(values: np.ndarray) -> np.ndarray:
    """Values with the nearest ones where they are NaN: what is drawn ends at the outline, not at a pixel."""
    missing = ~np.isfinite(values)
    if missing.all() or not missing.any():
        return values
    nearest = distance_transform_edt(missing, return_distances=False, return_indices=True)
    return np.asarray(values[tuple(nearest)])
