"""A flow: the Navier-Stokes equations in a channel with a cylinder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import hermite_pinn as hp
from hermite_pinn.result.picture_file import write_figure

from .example import Example, Shown
from .sheet import sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["EXAMPLE", "problem"]

LENGTH, CENTRE, RADIUS, VISCOSITY = 3.0, (0.6, 0.5), 0.125, 0.0125


def problem(nu: float = VISCOSITY) -> hp.Problem:
    """Steady flow around a cylinder, at a Reynolds number of 1/4nu by mean speed 1 and diameter 1/4.

    Examples
    --------
    >>> problem().fields
    ('u', 'v', 'p')
    """
    return hp.Problem(
        domain=hp.Box(x=(0, LENGTH), y=(0, 1)) - hp.Disk(CENTRE, RADIUS, name="cylinder"),
        fields=["u", "v", "p"],
        residual=lambda u, v, p: {
            "momentum x": u * u.x + v * u.y + p.x - nu * u.laplacian,
            "momentum y": u * v.x + v * v.y + p.y - nu * v.laplacian,
            "continuity": u.x + v.y,
        },
        conditions=[
            hp.Dirichlet(u=lambda y: 6 * y * (1 - y), v=0.0, on="x-"),
            hp.Dirichlet(u=0.0, v=0.0, on=["y-", "y+", "cylinder"]),
            hp.Condition(lambda u, p: nu * u.x - p, on="x+"),
            hp.Condition(lambda v: nu * v.x, on="x+"),
        ],
        name="channel",
    )


def _show(folder: Path, quick: bool) -> Shown:
    asked = {"levels": 3} if quick else {"tol": 1e-2}
    solution = hp.solve(problem(0.05 if quick else VISCOSITY), progress=False, throw=False, **asked)
    files = (folder / "channel.png", folder / "channel.h5", folder / "channel.vtu")
    write_figure(_picture(solution), files[0])
    solution.save(files[1])
    solution.to_vtk(files[2])
    flux = [solution.integrate(lambda u: u, over=face) for face in ("x-", "x+")]
    facts = {"what flows in and out": f"{flux[0]:.5f} and {flux[1]:.5f}"}
    return Shown(solution, facts, files[0], files)


def _picture(solution: hp.Solution) -> Figure:
    """Speed with streamlines over pressure."""
    x, y = np.linspace(0, LENGTH, 721), np.linspace(0, 1, 241)
    u, v, p = (a.T for a in solution.on_grid([x, y])[:, 0])
    figure, (upper, lower) = sheet(9.0, 6.4, rows=2)
    shown = upper.pcolormesh(x, y, np.hypot(u, v), cmap="viridis", shading="gouraud")
    figure.colorbar(shown, ax=upper, label="speed", pad=0.01)
    upper.streamplot(x, y, u, v, color="white", linewidth=0.6, density=(2.4, 1.1), arrowsize=0.7)
    shown = lower.pcolormesh(x, y, p, cmap="coolwarm", shading="gouraud")
    lower.contour(x, y, p, levels=16, colors="black", linewidths=0.4, alpha=0.6)
    figure.colorbar(shown, ax=lower, label="pressure", pad=0.01)
    for axes, title in ((upper, "speed and streamlines"), (lower, "pressure")):
        _around(axes, title)
    return figure


def _around(axes: Axes, title: str) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle(CENTRE, RADIUS, facecolor="0.85", edgecolor="black", linewidth=0.8, zorder=4))
    axes.set_facecolor("0.85")  # points just outside have no value
    axes.set(aspect="equal", xlim=(0, LENGTH), ylim=(0, 1), xlabel="x", ylabel="y")
    axes.set_title(title, fontsize=10)


EXAMPLE = Example(
    name="channel",
    title="Flow around a cylinder",
    about="Three fields, a nonlinear system and a hole: the steady Navier-Stokes equations at a Reynolds number of 20. "
    "Nobody made a mesh; the cylinder is subtracted from the box. How well mass is conserved is measured.",
    equations="u u_x + v u_y + p_x = nu Lap u,  u v_x + v v_y + p_y = nu Lap v,  u_x + v_y = 0",
    code="""\
problem = hp.Problem(
    domain=hp.Box(x=(0, 3), y=(0, 1)) - hp.Disk((0.6, 0.5), 0.125, name="cylinder"),
    fields=["u", "v", "p"],
    residual=lambda u, v, p: {
        "momentum x": u * u.x + v * u.y + p.x - nu * u.laplacian,
        "momentum y": u * v.x + v * v.y + p.y - nu * v.laplacian,
        "continuity": u.x + v.y,
    },
    conditions=[
        hp.Dirichlet(u=lambda y: 6 * y * (1 - y), v=0.0, on="x-"),
        hp.Dirichlet(u=0.0, v=0.0, on=["y-", "y+", "cylinder"]),
        hp.Condition(lambda u, p: nu * u.x - p, on="x+"),
        hp.Condition(lambda v: nu * v.x, on="x+"),
    ],
)
solution = hp.solve(problem, tol=1e-2)""",
    show=_show,
)
