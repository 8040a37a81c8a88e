"""Surfaces of solids, coloured by a field, by matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hermite_pinn.geometry import Domain

from .domain_mesh import BoundaryMesh, boundary_mesh, domain_mesh
from .exportable import Exportable
from .outline import extent
from .panels import HEIGHT, Panel, beyond, caption, colour_bar, colours
from .sampling import at_instant, pictured, sample_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["SurfacePanel", "hides", "picture_axes", "surface_panels"]

CELLS = 37  # across the longest edge of what is drawn
MOST = 160  # along an edge of the box
LIGHT = np.array([0.35, -0.5, 0.8])  # where it comes from
MOSTLY = 0.5  # share of the surface of the box beyond which its sides would hide all else


def picture_axes(domain: Domain, cells: int) -> list[np.ndarray]:
    """Positions along all axes, with so many cells across the longest edge of what a domain covers."""
    lower, upper = extent(domain)
    space = list(domain.space_axes)
    longest = float((upper - lower)[space].max())
    counts = [
        max(4, min(MOST, round(cells * length / longest))) if i in space else 1
        for i, length in enumerate(domain.lengths)
    ]
    return [np.linspace(a, b, n + 1) for (a, b), n in zip(domain.bounds.values(), counts, strict=True)]


def hides(domain: Domain, surface: BoundaryMesh) -> bool:
    """Whether the sides of the box would hide all other faces of a solid."""
    corners = surface.points[surface.facets]
    areas = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    a, b, c = (domain.lengths[i] for i in domain.space_axes)
    on_sides = np.isin(surface.face, [k for k, name in enumerate(surface.names) if name in _sides(domain)])
    return bool(areas[on_sides].sum() > MOSTLY * 2.0 * (a * b + b * c + c * a) and not on_sides.all())


def _sides(domain: Domain) -> list[str]:
    return [f"{domain.names[i]}{end}" for i in domain.space_axes for end in "-+"]


def surface_panels(solution: Exportable, time: float | None, residual: bool) -> list[list[Panel]]:
    """A row of panels per field: the field, its error and residuals on the boundary, at an instant if there is time."""
    domain = solution.domain
    axes = picture_axes(domain, CELLS)
    surface = boundary_mesh(domain, domain_mesh(domain, axes), axes)
    framed = hides(domain, surface)
    surface = surface.without(_sides(domain)) if framed else surface
    points = at_instant(domain, surface.points, time)
    label = "on the boundary"
    if domain.time_axis is not None and len(points):
        label += f", t = {points[0, domain.time_axis]:g}"
    data = sample_points(solution, points, exact=True, residual=residual)
    return [
        [SurfacePanel(title, label, data[key], surface, domain, framed) for title, key in row]
        for row in pictured(solution.fields, data)
    ]


@dataclass(frozen=True)
class SurfacePanel:
    """A quantity on the boundary of a solid, seen from above.

    Attributes
    ----------
    title, label
        Of the quantity, and what is shown.
    values
        At the points of the surface.
    surface, domain
        What is drawn.
    framed
        Whether the edges of the box are drawn.
    """

    title: str
    label: str
    values: np.ndarray
    surface: BoundaryMesh
    domain: Domain
    framed: bool

    height = HEIGHT

    def draw(self, figure: Figure, ax: Axes, span: tuple[float, float]) -> None:
        """Triangles in the light, which leaves the colours of the map recognisable."""
        from matplotlib import colormaps
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from mpl_toolkits.mplot3d.art3d import Poly3DCollection  # type: ignore[import-untyped]

        limits, surface, view = colours(self.title, span), self.surface, _placed(figure, ax)
        scale = ScalarMappable(Normalize(limits["vmin"], limits["vmax"]), colormaps[limits["cmap"]])
        of_facets = self.values[surface.facets].mean(1)
        normals = surface.normals[surface.facets].mean(1)
        shade = 0.55 + 0.45 * np.abs(normals @ (LIGHT / np.linalg.norm(LIGHT)))
        faces = scale.to_rgba(of_facets)
        faces[:, :3] *= shade[:, None]
        view.add_collection3d(
            Poly3DCollection(surface.points[surface.facets], facecolors=faces, edgecolors=faces, linewidths=0.2)
        )
        self._place(view)
        place, ends = ax.inset_axes((1.09, 0.05, 0.05, 0.9)), beyond(self.values, limits)
        colour_bar(figure, scale, limits, cax=place, extend=ends)
        ax.set_title(caption(self.title, self.label, self.values, limits), fontsize=10)

    def _place(self, view: Any) -> None:
        """Limits, equal scales, names of the axes, and edges of the box."""
        space, domain = list(self.domain.space_axes), self.domain
        if self.framed:
            low, high = np.array(domain.lower)[space], np.array(domain.upper)[space]
            unit = np.eye(3)
            for k in range(3):
                for a in (0, 1):
                    for b in (0, 1):
                        start = low + (high - low) * (a * unit[(k + 1) % 3] + b * unit[(k + 2) % 3])
                        end = start + (high - low) * unit[k]
                        view.plot(*np.stack([start, end], 1), color="0.6", lw=0.6)
        else:
            points = self.surface.points[np.unique(self.surface.facets)]
            low, high = points.min(0), points.max(0)
        view.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
        view.set_box_aspect(high - low, zoom=0.84)
        view.set(**{f"{k}label": domain.names[i] for k, i in zip("xyz", space, strict=True)})
        view.tick_params(labelsize=7)
        view.locator_params(nbins=4)
        view.view_init(elev=24, azim=-58)


def _placed(figure: Figure, ax: Axes) -> Any:
    """Axes in three dimensions in the place of others: a layout does not know the extent of what they show."""
    ax.axis("off")
    view = figure.add_axes((0.0, 0.0, 1.0, 1.0), projection="3d")
    view.set_in_layout(False)
    view.set_axes_locator(lambda *_: ax.get_position())
    return view
