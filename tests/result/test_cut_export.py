"""Files of cut domains for other programs: the volume, its boundary, images and series, opened again."""

import xml.etree.ElementTree as ElementTree

import meshio
import numpy as np
import pytest
from outlined import Round, Tilted, on_part

import hermite_pinn as hp
from hermite_pinn import exp, pi, sin
from hermite_pinn.errors import InvalidArgumentError, OutOfMemoryError, OutputError
from hermite_pinn.result import export

RADIUS = 0.22


def known(x, y):
    return exp(x) * sin(3 * y)


def ball(radius=0.25, centre=(0.5, 0.5, 0.5), cells=24):
    """A sphere as a mesh."""
    return hp.Mesh(_sphere(radius, centre, cells))


def _sphere(radius, centre, cells):
    from hermite_pinn.result.cut_mesh import TOUCHED, cut_mesh

    axis = np.linspace(-1.1, 1.1, cells + 1)
    mesh = cut_mesh([axis] * 3, np.full((cells,) * 3, TOUCHED), lambda x: np.linalg.norm(x, axis=0) - 1)
    used, facets = np.unique(mesh.facets, return_inverse=True)
    return radius * mesh.points[used] + np.array(centre), facets.reshape(-1, 3)


@pytest.fixture(scope="module")
def plane():
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u, x, y: u.laplacian + 8 * known(x, y),
        [hp.Dirichlet(u=known)],
        exact={"u": known},
    )
    whole = hp.solve(problem, levels=3)
    return on_part(whole, whole.domain - Round((0.4, 0.5), RADIUS))


@pytest.fixture(scope="module")
def solid():
    whole = hp.solve(hp.problems.helmholtz3d(a=1), levels=2)
    return on_part(whole, whole.domain - ball())


@pytest.fixture(scope="module", params=["xyt", "xty", "txy"])
def moving(request):
    exact = lambda x, y, t: sin(pi * x) * sin(pi * y) * exp(-0.2 * pi**2 * t)
    problem = hp.Problem(
        hp.Box(**{name: (0, 2) if name == "t" else (0, 1) for name in request.param}),
        "u",
        lambda u: u.t - 0.1 * u.laplacian,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: sin(pi * x) * sin(pi * y))],
        exact={"u": exact},
    )
    whole = hp.solve(problem, levels=2)
    return on_part(whole, whole.domain - Round((0.4, 0.5), RADIUS))


def read_vtk(path):
    """A data set as VTK reads it, and how large its cells are."""
    xml = pytest.importorskip("vtkmodules.vtkIOXML", reason="VTK is not installed (the extra viz)")
    from vtkmodules.util.numpy_support import vtk_to_numpy

    reader = {
        ".vtu": xml.vtkXMLUnstructuredGridReader,
        ".vtp": xml.vtkXMLPolyDataReader,
        ".vti": xml.vtkXMLImageDataReader,
    }[path.suffix]()
    reader.SetFileName(str(path))
    reader.Update()
    data = reader.GetOutput()
    assert data.GetNumberOfCells() > 0, "VTK found no cells"
    arrays = data.GetPointData()
    names = [arrays.GetArrayName(k) for k in range(arrays.GetNumberOfArrays())]
    return data, {name: vtk_to_numpy(arrays.GetArray(name)) for name in names}


def sizes(data, name):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersVerdict import vtkCellSizeFilter

    measuring = vtkCellSizeFilter()
    measuring.SetInputData(data)
    measuring.Update()
    return vtk_to_numpy(measuring.GetOutput().GetCellData().GetArray(name))


def points_of(data):
    from vtkmodules.util.numpy_support import vtk_to_numpy

    return vtk_to_numpy(data.GetPoints().GetData())


# -- volumes ---
def test_the_volume_in_the_plane(plane, tmp_path):
    path = tmp_path / "u.vtu"
    assert plane.to_vtk(path, resolution=32) == [path]
    mesh = meshio.read(path)
    assert {block.type for block in mesh.cells} == {"quad", "triangle"}
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    assert plane.inside(x, y).all()
    assert np.allclose(mesh.point_data["u"], plane.u(x, y), atol=1e-12)
    assert np.allclose(mesh.point_data["u_grad"][:, :2], plane.u.grad(x, y), atol=1e-9)
    assert np.allclose(mesh.point_data["u"] - mesh.point_data["u_exact"], mesh.point_data["u_error"])
    assert "residual pde" in mesh.point_data
    assert all(np.isfinite(values).all() for values in mesh.point_data.values())
    assert list(tmp_path.iterdir()) == [path]
    area = 1 - pi * RADIUS**2
    assert _areas(mesh) == pytest.approx(area, abs=2 / 32**2)
    data, _ = read_vtk(path)
    assert sizes(data, "Area").sum() == pytest.approx(area, abs=2 / 32**2)


def _areas(mesh):
    total = 0.0
    for block in mesh.cells:
        p = mesh.points[block.data][..., :2]
        q = np.roll(p, -1, axis=1)
        own = 0.5 * (p[..., 0] * q[..., 1] - p[..., 1] * q[..., 0]).sum(1)
        assert (own > -1e-15).all()
        total += own.sum()
    return total


def test_the_volume_of_a_solid(solid, tmp_path):
    volume = 1 - 4 / 3 * pi * 0.25**3
    errors = []
    for n in (12, 24):
        solid.to_vtk(tmp_path / "u.vtu", resolution=n)
        data, arrays = read_vtk(tmp_path / "u.vtu")
        own = sizes(data, "Volume")
        assert own.min() > -1e-12
        errors.append(abs(own.sum() - volume))
        assert all(np.isfinite(values).all() for values in arrays.values())
        assert np.allclose(arrays["u"], solid.at_points(points_of(data), slack=1e-6)[0, 0])
    assert errors[0] < 2 / 12**2
    assert errors[1] < 0.5 * errors[0]
    assert {block.type for block in meshio.read(tmp_path / "u.vtu").cells} == {"hexahedron", "tetra"}


def test_a_volume_in_time_is_extruded(moving, tmp_path):
    moving.to_vtk(tmp_path / "u.vtu", resolution=12)
    data, arrays = read_vtk(tmp_path / "u.vtu")
    own = sizes(data, "Volume")
    assert own.min() > -1e-12, "every cell has the orientation that VTK expects"
    assert own.sum() == pytest.approx(2 * (1 - pi * RADIUS**2), rel=2e-2)
    assert np.allclose(arrays["u"], moving.at_points(points_of(data), slack=1e-6)[0, 0])
    assert {block.type for block in meshio.read(tmp_path / "u.vtu").cells} == {"hexahedron", "wedge"}


def test_values_that_are_not_finite_at_a_corner_are_replaced(plane, tmp_path):
    sharp = on_part(plane, hp.Box(x=(0, 1), y=(0, 1)) - Tilted((0.5, 0.5), 0.25, 0.0))
    sharp.problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u, x, y: u.laplacian - 1 / ((x - 0.75) ** 2 + (y - 0.75) ** 2),
        [hp.Dirichlet(u=0.0)],
    )
    sharp.to_vtk(tmp_path / "u.vtu", resolution=16)
    residual = meshio.read(tmp_path / "u.vtu").point_data["residual pde"]
    assert np.isfinite(residual).all()
    assert np.abs(residual).max() > 100


# -- boundaries ---
def test_the_boundary_in_the_plane_is_lines_with_names_and_normals(plane, tmp_path):
    path = tmp_path / "u.vtp"
    assert plane.to_vtk(path, resolution=32) == [path]
    data, arrays = read_vtk(path)
    names = [data.GetCellData().GetAbstractArray("face_name").GetValue(k) for k in range(data.GetNumberOfCells())]
    assert sorted(names) == ["ring", "x+", "x-", "y+", "y-"]
    lengths = dict(zip(names, sizes(data, "Length"), strict=True))
    assert lengths["ring"] == pytest.approx(2 * pi * RADIUS, rel=1e-3)
    assert lengths["x-"] == pytest.approx(1.0)
    points = points_of(data)[:, :2]
    away = np.hypot(*(points - [0.4, 0.5]).T)
    on_ring = np.abs(away - RADIUS) < 1e-6
    expected = -(points[on_ring] - [0.4, 0.5]) / RADIUS
    assert np.allclose(arrays["Normals"][on_ring, :2], expected, atol=1e-6)
    derivative = (plane.u.grad(*points[on_ring].T) * expected).sum(1)
    assert np.allclose(arrays["u_n"][on_ring], derivative, atol=1e-5)
    on_left = (points[:, 0] == 0) & (arrays["Normals"][:, 0] == -1)
    assert np.allclose(arrays["u_n"][on_left], -plane.u.x(0.0, points[on_left, 1]))
    assert on_left.sum() == 33


def test_the_boundary_of_a_solid_is_closed(solid, tmp_path):
    solid.to_vtk(tmp_path / "u.vtp", resolution=16)
    data, arrays = read_vtk(tmp_path / "u.vtp")
    from vtkmodules.vtkFiltersCore import vtkCleanPolyData, vtkFeatureEdges

    joined = vtkCleanPolyData()
    joined.SetInputData(data)
    joined.PointMergingOn()
    edges = vtkFeatureEdges()
    edges.SetInputConnection(joined.GetOutputPort())
    edges.FeatureEdgesOff()
    edges.Update()
    assert edges.GetOutput().GetNumberOfCells() == 0, "open or branching edges"
    points, normals = points_of(data), arrays["Normals"]
    inner = np.abs(np.linalg.norm(points - 0.5, axis=1) - 0.25) < 0.02
    assert np.einsum("ij,ij->i", normals[inner], points[inner] - 0.5).max() < -0.2
    area = sizes(data, "Area").sum()
    assert area == pytest.approx(6 + 4 * pi * 0.25**2, rel=1e-2)
    names = {data.GetCellData().GetAbstractArray("face_name").GetValue(k) for k in range(data.GetNumberOfCells())}
    assert names == {"x-", "x+", "y-", "y+", "z-", "z+", "mesh"}
    assert all(np.isfinite(values).all() for values in arrays.values())


def test_the_divergence_theorem_holds_in_files(solid, tmp_path):
    """The flux through the boundary is the integral of the Laplacian over the volume."""
    solid.to_vtk(tmp_path / "u.vtp", resolution=24)
    data, arrays = read_vtk(tmp_path / "u.vtp")
    from vtkmodules.util.numpy_support import vtk_to_numpy

    triangles = vtk_to_numpy(data.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    flux = (sizes(data, "Area") * arrays["u_n"][triangles].mean(1)).sum()
    x = solid.domain.interior.quasi_random(20_000, 0).x.numpy()
    inside = solid.domain.interior.measure * solid.u.laplacian(*x).mean()
    assert flux == pytest.approx(inside, rel=2e-2)


def test_a_box_has_a_boundary_too(solid, tmp_path):
    whole = on_part(solid, hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)))
    whole.to_vtk(tmp_path / "u.vtp", resolution=6)
    data, arrays = read_vtk(tmp_path / "u.vtp")
    assert sizes(data, "Area").sum() == pytest.approx(6.0)
    assert np.allclose(np.linalg.norm(arrays["Normals"], axis=1), 1)


def test_a_boundary_in_time_is_a_surface(moving, tmp_path):
    moving.to_vtk(tmp_path / "u.vtp", resolution=16)
    data, arrays = read_vtk(tmp_path / "u.vtp")
    assert sizes(data, "Area").sum() == pytest.approx(2 * (4 + 2 * pi * RADIUS), rel=1e-2)
    t = moving.domain.time_axis
    assert np.abs(arrays["Normals"][:, t]).max() == 0
    assert np.allclose(np.linalg.norm(arrays["Normals"], axis=1), 1)


# -- images and series ---
def test_an_image_is_nan_outside_and_has_a_mask(plane, tmp_path):
    plane.to_vtk(tmp_path / "u.vti", resolution=20)
    data, arrays = read_vtk(tmp_path / "u.vti")
    inside = arrays["inside"].astype(bool)
    grid = np.linspace(0, 1, 21)
    assert np.array_equal(inside.reshape(21, 21), plane.inside(grid[None], grid[:, None]))
    for name in ("u", "u_error", "u_exact", "residual pde"):
        assert np.array_equal(np.isfinite(arrays[name]), inside)
    assert data.GetDimensions() == (21, 21, 1)


def test_a_series_has_a_volume_per_time(moving, tmp_path):
    files = moving.to_vtk(tmp_path / "heat.pvd", resolution=8, times=[0.0, 0.5, 2.0])
    assert [f.name for f in files] == ["heat.pvd", "heat_0000.vtu", "heat_0001.vtu", "heat_0002.vtu"]
    rows = ElementTree.parse(files[0]).getroot().find("Collection").findall("DataSet")
    assert [float(r.attrib["timestep"]) for r in rows] == [0.0, 0.5, 2.0]
    for row, t in zip(rows, (0.0, 0.5, 2.0), strict=True):
        mesh = meshio.read(tmp_path / row.attrib["file"])
        at = {"x": mesh.points[:, 0], "y": mesh.points[:, 1], "t": t}
        assert np.allclose(mesh.point_data["u"], moving.u(**at), atol=1e-12)
        assert np.isfinite(mesh.point_data["residual pde"]).all()


def test_a_series_has_a_boundary_per_time(moving, tmp_path):
    files = moving.to_vtk(tmp_path / "heat.pvd", resolution=16, times=[0.0, 0.5], boundary=True)
    assert [f.name for f in files] == ["heat.pvd", "heat_0000.vtp", "heat_0001.vtp"]
    rows = ElementTree.parse(files[0]).getroot().find("Collection").findall("DataSet")
    assert [row.attrib["file"] for row in rows] == ["heat/heat_0000.vtp", "heat/heat_0001.vtp"]
    for path, t in zip(files[1:], (0.0, 0.5), strict=True):
        data, arrays = read_vtk(path)
        points, normals = points_of(data), arrays["Normals"]
        assert sizes(data, "Length").sum() == pytest.approx(4 + 2 * pi * RADIUS, rel=1e-2)
        assert np.abs(points[:, 2]).max() == 0
        at = {"x": points[:, 0], "y": points[:, 1], "t": t}
        assert np.allclose(arrays["u"], moving.u(**at), atol=1e-6)
        slope = moving.u.x(**at) * normals[:, 0] + moving.u.y(**at) * normals[:, 1]
        assert np.allclose(arrays["u_n"], slope, atol=1e-5)


def test_the_boundary_of_a_solid_in_time(tmp_path):
    """Heat leaves through the boundary: the flux is the change of the mean, at every time."""
    box = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1), t=(0, 1))
    problem = hp.Problem(
        box,
        "u",
        lambda u, x, y, z, t: u.t - u.laplacian,
        [
            hp.Initial(u=lambda x, y, z: x**2 + y**2 + z**2),
            hp.Dirichlet(u=lambda x, y, z, t: x**2 + y**2 + z**2 + 6 * t),
        ],
    )
    solution = on_part(hp.solve(problem, levels=1), box - hp.Ball((0.5, 0.5, 0.5), 0.3, name="hole"))
    with pytest.raises(InvalidArgumentError, match="boundary=True"):
        solution.to_vtk(tmp_path / "u.vtp")
    with pytest.raises(InvalidArgumentError, match="is for a series"):
        solution.to_vtk(tmp_path / "u.vti", boundary=True)
    assert list(tmp_path.iterdir()) == []
    files = solution.to_vtk(tmp_path / "u.pvd", resolution=12, times=[0.25, 1.0], boundary=True)
    from vtkmodules.util.numpy_support import vtk_to_numpy

    for path in files[1:]:
        data, arrays = read_vtk(path)
        triangles = vtk_to_numpy(data.GetPolys().GetConnectivityArray()).reshape(-1, 3)
        flux = (sizes(data, "Area") * arrays["u_n"][triangles].mean(1)).sum()
        assert flux == pytest.approx(6 * (1 - 4 / 3 * pi * 0.3**3), rel=2e-2)


# -- what cannot be written ---
@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("u.obj", {}, InvalidArgumentError, r"unknown format '.obj'; use .* \.vtp"),
        ("u.pvd", {}, InvalidArgumentError, r"needs a time axis .* write \.vtu"),
        ("u.vtu", {"resolution": 0}, InvalidArgumentError, "resolution"),
        ("u.vtp", {"points": np.zeros((2, 2))}, InvalidArgumentError, "as .vtu"),
        ("u.vtu", {"points": np.full((2, 2), 0.45)}, InvalidArgumentError, "2 of 2 points lie outside"),
        ("no/u.vtp", {}, OutputError, "does not exist"),
        ("no/u.vtu", {}, OutputError, "does not exist"),
        ("u.vtu", {"resolution": 1e7}, OutOfMemoryError, "grid"),
        ("u.vtp", {"resolution": 1e7}, OutOfMemoryError, "grid"),
    ],
)
def test_bad_requests_write_nothing(plane, tmp_path, name, options, error, message):
    with pytest.raises(error, match=message):
        plane.to_vtk(tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_boundary_needs_two_or_three_axes(tmp_path):
    line = hp.solve(hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx + 1, [hp.Dirichlet(u=0.0)]), levels=1)
    with pytest.raises(InvalidArgumentError, match=r"two or three axes.*write \.vti"):
        line.to_vtk(tmp_path / "u.vtp")


def test_a_series_that_fails_leaves_nothing(moving, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "write_series", lambda *a: (_ for _ in ()).throw(OutputError("disk full")))
    with pytest.raises(OutputError, match="disk full"):
        moving.to_vtk(tmp_path / "u.pvd", times=2, resolution=4)
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_file_stays_when_writing_fails(plane, tmp_path, monkeypatch):
    path = tmp_path / "u.vtu"
    plane.to_vtk(path, resolution=4)
    before = path.read_bytes()
    monkeypatch.setattr(meshio.Mesh, "write", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "no space")))
    with pytest.raises(OutputError, match="no space"):
        plane.to_vtk(path, resolution=5)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
