"""A surface: the signed distance of a mesh, which is made here, so that the demonstration needs no file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import hermite_pinn as hp
from hermite_pinn.geometry.mesh.distance import libigl
from hermite_pinn.result.picture_file import write_figure

from .example import Example, Shown
from .sheet import sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXAMPLE", "trefoil"]


def trefoil(along: int = 240, around: int = 32, tube: float = 0.42) -> hp.Mesh:
    """The surface of a tube about the curve (sin s + 2 sin 2s, cos s - 2 cos 2s, -sin 3s).

    Parameters
    ----------
    along, around
        Numbers of vertices along the curve and around the tube.
    tube
        Radius of the tube.

    Examples
    --------
    >>> mesh = trefoil(60, 8)
    >>> mesh.triangles.vertices.shape, mesh.triangles.faces.shape
    ((480, 3), (960, 3))
    """
    s = 2 * np.pi * np.arange(along) / along
    centre = np.stack([np.sin(s) + 2 * np.sin(2 * s), np.cos(s) - 2 * np.cos(2 * s), -np.sin(3 * s)], axis=1)
    tangent = np.stack(
        [np.cos(s) + 4 * np.cos(2 * s), -np.sin(s) + 4 * np.sin(2 * s), -3 * np.cos(3 * s)],
        axis=1,
    )
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    across = np.cross(tangent, [0.0, 0.0, 1.0])  # the curve is never upright
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    third = np.cross(across, tangent)
    angle = 2 * np.pi * np.arange(around) / around
    offset = np.cos(angle)[None, :, None] * across[:, None] + np.sin(angle)[None, :, None] * third[:, None]
    vertices = (centre[:, None] + tube * offset).reshape(-1, 3)
    i, j = (g.ravel() for g in np.meshgrid(np.arange(along), np.arange(around), indexing="ij"))
    here, next_ = i * around + j, (i + 1) % along * around + j
    turned, both = i * around + (j + 1) % around, (i + 1) % along * around + (j + 1) % around
    faces = np.concatenate([np.stack([here, next_, both], axis=1), np.stack([here, both, turned], axis=1)])
    return hp.Mesh((vertices, faces), name="knot")


def _show(folder: Path, quick: bool) -> Shown:
    coarse = quick or libigl() is None  # distances to triangles take many times as long without it
    mesh = trefoil(60, 8) if coarse else trefoil()
    solution = hp.sdf.fit(mesh, levels=2 if coarse else 4, progress=False, throw=False)
    files = (folder / "knot.png", folder / "knot.h5", folder / "knot.vti", folder / "knot.vtp")
    write_figure(_picture(solution, 120 if quick else 640), files[0])
    solution.save(files[1])
    solution.to_vtk(files[2], resolution=16 if quick else 64)
    surface = hp.sdf.extract(solution, 32 if quick else 96)
    surface.save(files[3])
    quality = solution.stats["quality"]
    facts = {
        "mesh": f"{len(mesh.triangles.faces):,} triangles, enclosed volume {_volume(mesh):.4f}",
        "surface of the field": f"{len(surface.faces):,} triangles, enclosed volume {surface.volume:.4f}",
        "distance near the surface": f"{quality['value_rms']:.1e} RMS error; the knot is {_size(mesh):.2g} long",
        "direction of the gradient": f"{np.degrees(quality['gradient_rms']):.1f} degrees RMS from the true one",
    }
    if libigl() is None:
        facts["coarse"] = "libigl is not installed, so a coarser knot is fitted; pip install 'hermite_pinn[mesh]'"
    return Shown(solution, facts, files[0], files)


def _volume(mesh: hp.Mesh) -> float:
    """What the triangles enclose."""
    a, b, c = (mesh.triangles.vertices[mesh.triangles.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6


def _size(mesh: hp.Mesh) -> float:
    return float(np.ptp(mesh.triangles.vertices, axis=0).max())


def _picture(solution: hp.Solution, width: int) -> Figure:
    """The zero set by its curvature, beside a slice of the distance."""
    figure, (left, right) = sheet(9.6, 4.4, columns=2, width_ratios=[1, 1.15])
    rendered = hp.sdf.render(solution, width, width, color="none", azimuth=20.0, elevation=68.0)
    seen = rendered.hit.nonzero()
    room = [slice(max(int(k.min()) - 6, 0), int(k.max()) + 7) for k in seen]
    left.imshow(rendered.colors[room[0], room[1]])
    left.set_axis_off()
    left.set_title("the surface d = 0, traced in the field", fontsize=10)
    box = solution.domain
    x, y = (np.linspace(a, b, 241) for a, b in zip(box.lower[:2], box.upper[:2], strict=True))
    d = solution.on_grid([x, y, np.zeros(1)])[0, 0, :, :, 0].T
    shown = right.contourf(x, y, d, levels=np.linspace(-1.5, 1.5, 31), cmap="RdBu", extend="both")
    right.contour(x, y, d, levels=[0.0], colors="black", linewidths=1.4)
    right.contour(x, y, d, levels=np.arange(0.25, 1.5, 0.25), colors="black", linewidths=0.3)
    right.set(aspect="equal", xlabel="x", ylabel="y")
    right.set_title("signed distance d in the plane z = 0", fontsize=10)
    figure.colorbar(shown, ax=right, pad=0.02, ticks=np.linspace(-1.5, 1.5, 7))
    return figure


EXAMPLE = Example(
    name="knot",
    title="The distance to a mesh",
    about="A trefoil knot of triangles, made on the spot, becomes a field: the signed distance with exact derivatives, "
    "from which the surface, its normals and its curvatures follow. Any STL, OBJ or PLY file does as well.",
    equations="|d| is the distance to the surface, d < 0 inside",
    code="""\
mesh = hp.Mesh((vertices, faces))  # or hp.Mesh("part.stl")
solution = hp.sdf.fit(mesh, levels=4)
hp.sdf.extract(solution).save("knot.vtp")""",
    show=_show,
)
