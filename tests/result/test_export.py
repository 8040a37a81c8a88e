"""Files for other programs: VTK opened again, pictures written, series complete, failures clean."""

import base64
import struct
import xml.etree.ElementTree as ElementTree
import zlib

import meshio
import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import exp, pi, problems, sin
from hermite_pinn.errors import InvalidArgumentError, OutputError
from hermite_pinn.result import export
from hermite_pinn.result.plots import plot_solution


@pytest.fixture(scope="module")
def plane():
    return hp.solve(problems.helmholtz2d(a=(1, 2), y=(0, 2)), levels=4)


@pytest.fixture(scope="module")
def moving():
    """Heat in two space dimensions and time."""
    exact = lambda x, y, t: sin(pi * x) * sin(pi * y) * exp(-0.2 * pi**2 * t)
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
        "u",
        lambda u: u.t - 0.1 * u.laplacian,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: sin(pi * x) * sin(pi * y))],
        exact={"u": exact},
    )
    return hp.solve(problem, levels=2)


def read_image(path):
    """Decode a .vti file by the VTK format alone: extent, origin, spacing and arrays (x fastest)."""
    root = ElementTree.parse(path).getroot()
    assert root.attrib["type"] == "ImageData"
    image = root.find("ImageData")
    extent = [int(v) for v in image.attrib["WholeExtent"].split()]
    counts = [b - a + 1 for a, b in zip(extent[::2], extent[1::2], strict=True)]
    arrays = {}
    for element in image.find("Piece").find("PointData"):
        text = element.text.strip()
        blocks = struct.unpack("<Q", base64.b64decode(text[:12])[:8])[0]
        length = 4 * -(-8 * (3 + blocks) // 3)
        header = struct.unpack(f"<{3 + blocks}Q", base64.b64decode(text[:length])[: 8 * (3 + blocks)])
        data, at, out = base64.b64decode(text[length:]), 0, b""
        for size in header[3:]:
            out += zlib.decompress(data[at : at + size])
            at += size
        values = np.frombuffer(out, {"Float64": "<f8", "Float32": "<f4"}[element.attrib["type"]])
        components = int(element.attrib["NumberOfComponents"])
        shape = (*reversed(counts), components) if components > 1 else tuple(reversed(counts))
        arrays[element.attrib["Name"]] = values.reshape(shape)
    origin = [float(v) for v in image.attrib["Origin"].split()]
    spacing = [float(v) for v in image.attrib["Spacing"].split()]
    return counts, origin, spacing, arrays


def test_an_image_holds_the_values_at_their_places(plane, tmp_path):
    path = tmp_path / "u.vti"
    assert plane.to_vtk(path, resolution=10) == [path]
    counts, origin, spacing, arrays = read_image(path)
    assert counts == [11, 11, 1]
    x = origin[0] + spacing[0] * np.arange(11)
    y = origin[1] + spacing[1] * np.arange(11)
    assert y[-1] == pytest.approx(2)
    expected = plane.u(x[None, :], y[:, None])
    assert np.allclose(arrays["u"][0], expected)
    assert np.allclose(arrays["u_grad"][0, ..., 0], plane.u.x(x[None, :], y[:, None]))
    assert np.abs(arrays["u_grad"][..., 2]).max() == 0
    assert np.allclose(arrays["u"] - arrays["u_exact"], arrays["u_error"])
    assert "residual pde" in arrays
    assert list(tmp_path.iterdir()) == [path]


def test_large_arrays_span_several_blocks(plane, tmp_path):
    path = tmp_path / "u.vti"
    plane.to_vtk(path, resolution=400, exact=False, residual=False, gradient=False)
    _, _, _, arrays = read_image(path)
    assert list(arrays) == ["u"]
    assert np.allclose(arrays["u"][0, 100], plane.u(np.linspace(0, 1, 401), 0.5))


def test_a_mesh_is_opened_by_meshio(plane, tmp_path):
    path = tmp_path / "u.vtu"
    plane.to_vtk(path, resolution=6)
    mesh = meshio.read(path)
    assert mesh.cells[0].type == "quad"
    assert len(mesh.cells[0].data) == 36
    assert np.allclose(mesh.point_data["u"], plane.u(mesh.points[:, 0], mesh.points[:, 1]))
    corners = mesh.points[mesh.cells[0].data]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 1]
    assert (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0] > 0).all()


def test_hexahedra_and_lines(moving, tmp_path):
    moving.to_vtk(tmp_path / "u.vtu", resolution=3)
    mesh = meshio.read(tmp_path / "u.vtu")
    assert mesh.cells[0].type == "hexahedron"
    p = mesh.points[mesh.cells[0].data]
    volume = np.einsum("ij,ij->i", np.cross(p[:, 1] - p[:, 0], p[:, 3] - p[:, 0]), p[:, 4] - p[:, 0])
    assert np.allclose(volume, 1 / 27)
    line = hp.solve(
        hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx + 1, [hp.Dirichlet(u=0.0)]),
        levels=2,
    )
    line.to_vtk(tmp_path / "line.vtu")
    mesh = meshio.read(tmp_path / "line.vtu")
    assert mesh.cells[0].type == "line"
    assert mesh.point_data["u_grad"].shape[1] == 3


def test_scattered_points(plane, tmp_path):
    points = np.random.default_rng(0).random((50, 2))
    plane.to_vtk(tmp_path / "p.vtu", points=points)
    mesh = meshio.read(tmp_path / "p.vtu")
    assert mesh.cells[0].type == "vertex"
    assert np.allclose(mesh.point_data["u"], plane.u(*points.T))
    assert np.allclose(mesh.point_data["u_grad"][:, :2], plane.u.grad(*points.T))


def test_a_series_over_time(moving, tmp_path):
    files = moving.to_vtk(tmp_path / "heat.pvd", resolution=8, times=[0.0, 0.5, 1.0])
    assert [f.name for f in files] == ["heat.pvd", "heat_0000.vti", "heat_0001.vti", "heat_0002.vti"]
    rows = ElementTree.parse(files[0]).getroot().find("Collection").findall("DataSet")
    assert [float(r.attrib["timestep"]) for r in rows] == [0.0, 0.5, 1.0]
    for row, t in zip(rows, (0.0, 0.5, 1.0), strict=True):
        counts, _, _, arrays = read_image(tmp_path / row.attrib["file"])
        assert counts == [9, 9, 1]
        x = np.linspace(0, 1, 9)
        assert np.allclose(arrays["u"][0], moving.u(x[None, :], x[:, None], t))
    assert len(moving.to_vtk(tmp_path / "other.pvd", resolution=4, times=3)) == 4


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("u.obj", {}, InvalidArgumentError, "unknown format"),
        ("u.pvd", {}, InvalidArgumentError, "time axis"),
        ("u.vti", {"resolution": 0}, InvalidArgumentError, "resolution"),
        ("u.vti", {"points": np.zeros((2, 2))}, InvalidArgumentError, "as .vtu"),
        ("u.vti", {"times": object()}, InvalidArgumentError, "times"),
        ("u.vti", {"times": torch.empty(2, device="meta")}, InvalidArgumentError, "times"),
        ("u.vtu", {"points": np.full((2, 2), 0.5), "times": "all"}, InvalidArgumentError, "times"),
        ("u.vtu", {"points": np.full((2, 2), 0.5), "resolution": "fine"}, InvalidArgumentError, "resolution"),
        ("u.vtu", {"points": np.full((2, 2), 9.0)}, InvalidArgumentError, "outside"),
        ("no/u.vti", {}, OutputError, "does not exist"),
    ],
)
def test_bad_requests_write_nothing(plane, tmp_path, name, options, error, message):
    with pytest.raises(error, match=message):
        plane.to_vtk(tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_series_that_fails_leaves_nothing(moving, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "write_series", lambda *a: (_ for _ in ()).throw(OutputError("disk full")))
    with pytest.raises(OutputError, match="disk full"):
        moving.to_vtk(tmp_path / "u.pvd", times=2, resolution=2)
    assert list(tmp_path.iterdir()) == []


def test_pictures_in_one_two_and_three_dimensions(plane, moving, tmp_path):
    figure = plane.plot(tmp_path / "plane.png")
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["u", "error of u", "residual pde"]
    assert (tmp_path / "plane.png").stat().st_size > 10_000
    titles = [ax.get_title() for ax in moving.plot().axes if ax.get_title()]
    assert titles[0] == "u, t = 0"
    assert "u, t = 1" in titles
    assert len([t for t in [ax.get_title() for ax in moving.plot(time=0.3).axes] if t]) == 3
    cube = hp.solve(problems.helmholtz3d(a=1), levels=2)
    titles = [ax.get_title() for ax in cube.plot(resolution=8).axes if ax.get_title()]
    assert titles[0] == "u, z = 0.5"
    line = hp.solve(hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx + 1, [hp.Dirichlet(u=0.0)]), levels=2)
    assert len(line.plot(tmp_path / "line.pdf").axes) == 2
    assert plane.plot_history(tmp_path / "history.png").axes


def test_pictures_that_cannot_be_drawn(plane, tmp_path):
    with pytest.raises(InvalidArgumentError, match="no instant"):
        plane.plot(time=0.5)
    with pytest.raises(OutputError, match="does not exist"):
        plane.plot(tmp_path / "no" / "u.png")
    with pytest.raises(OutputError, match="cannot be written"):
        plane.plot(tmp_path / "u.unknown")


class Rotation:
    """A rotating flow, known in closed form: no solution of a run, but all that exports ask for."""

    domain = hp.Box(y=(0, 1), x=(-1, 1))
    fields = ("v", "u")
    has_equations = True

    def __init__(self):
        self.facts = {"title": "a rotation"}

    def vertex_axes(self, limit):
        return [np.linspace(a, b, 5) for a, b in self.domain.bounds.values()]

    def on_grid(self, axes, channels=None):
        mesh = np.meshgrid(*axes, indexing="ij")
        points = np.stack([m.ravel() for m in mesh], 1)
        return self.at_points(points, channels).reshape(2, -1, *mesh[0].shape)

    def at_points(self, points, channels=None):
        y, x = np.asarray(points).T
        of_orders = {(0, 0): (x, -y), (1, 0): (0 * x, 0 * x - 1), (0, 1): (0 * x + 1, 0 * x)}
        wanted = [((0, 0),)] if channels is None else [tuple(o for _, o in c) for c in channels.channels]
        return np.stack([np.stack([of_orders[o][f] for (o,) in wanted]) for f in range(2)])

    def exact_values(self, coordinates):
        return {"v": np.broadcast_arrays(*coordinates)[1] + 0.5}

    def residual(self, points):
        return {"divergence": np.zeros(len(points))}


def test_whatever_offers_samples_is_exported(tmp_path):
    flow = Rotation()
    export.to_vtk(flow, tmp_path / "flow.vti")
    counts, origin, spacing, arrays = read_image(tmp_path / "flow.vti")
    assert (counts, origin[:2], spacing[:2]) == ([5, 5, 1], [0.0, -1.0], [0.25, 0.5])
    assert np.allclose(arrays["v"][0, :, 0], np.linspace(-1, 1, 5))
    assert np.allclose(arrays["v_error"], -0.5)
    assert np.allclose(arrays["u_grad"][0, ..., 0], -1)
    points = np.random.default_rng(0).random((7, 2))
    export.to_vtk(flow, tmp_path / "points.vtu", points=points)
    mesh = meshio.read(tmp_path / "points.vtu")
    assert np.allclose(mesh.point_data["u"], -points[:, 0])
    assert np.allclose(mesh.point_data["v_grad"], [0, 1, 0])
    assert set(mesh.point_data) == {"v", "u", "v_grad", "u_grad", "v_error", "residual divergence"}
    titles = [ax.get_title() for ax in plot_solution(flow, resolution=8).axes if ax.get_title()]
    assert titles == ["v", "error of v", "residual divergence", "u"]
