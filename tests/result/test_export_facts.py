"""What exported files say of the run, and which way their vectors point: read back by other programs."""

import logging

import meshio
import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import pi, sin


@pytest.fixture(scope="module")
def heat():
    """Time comes first, so that gradients are not in the first components."""
    return hp.solve(
        hp.Problem(
            hp.Box(t=(0, 0.1), x=(0, 1)),
            "c",
            lambda c: c.t - c.xx,
            [hp.Dirichlet(c=0.0), hp.Initial(c=lambda x: sin(pi * x))],
        ),
        tol=1e-4,
    )


@pytest.fixture(scope="module")
def holed():
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)) - hp.Disk((0.5, 0.5), 0.2), "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)]
    )
    return hp.solve(problem, levels=2)


def read(path):
    """Field data of a file by pyvista; the texts of a .vtu are bytes."""
    pyvista = pytest.importorskip("pyvista")
    data = pyvista.read(path).field_data
    return {name: _plain(data[name]) for name in data.keys()}  # noqa: SIM118 - no mapping


def _plain(values):
    if values.dtype == np.uint8:
        return bytes(values).decode()
    return str(values[0]) if values.dtype.kind == "U" else float(values[0])


@pytest.mark.parametrize("ending", [".vti", ".vtu", ".vtp"])
def test_files_hold_the_status_of_the_run(holed, tmp_path, ending):
    holed.to_vtk(tmp_path / f"u{ending}", resolution=8)
    told = read(tmp_path / f"u{ending}")
    assert told["status"] == holed.status.label
    assert told["success"] == float(holed.status.success)
    assert told["message"] == holed.message
    assert told["problem"] == str(holed.problem)
    assert told["estimated_error"] == pytest.approx(holed.estimated_error, rel=1e-15)
    assert "tol" not in told


def test_the_tolerance_and_the_problem_survive_a_file(heat, tmp_path):
    heat.save(tmp_path / "c.h5")
    loaded = hp.Solution.load(tmp_path / "c.h5")
    loaded.to_vtk(tmp_path / "c.vti", resolution=4)
    told = read(tmp_path / "c.vti")
    assert told["tol"] == 1e-4
    assert "c.t - c.xx" in told["problem"]
    assert told["status"] == "converged"


def test_meshio_reads_meshes_with_their_texts(holed, tmp_path):
    holed.to_vtk(tmp_path / "u.vtu", resolution=8)
    mesh = meshio.read(tmp_path / "u.vtu")
    assert bytes(mesh.field_data["status"]).decode() == holed.status.label
    assert mesh.field_data["success"] == [float(holed.status.success)]


def test_frames_of_a_run_hold_its_status_at_the_end(tmp_path):
    problem = hp.problems.heat()
    series = hp.Series(tmp_path / "u.pvd", every=0.5)
    solution = hp.solve(problem, levels=2, callbacks=[series])
    for frame in series.folder.iterdir():
        assert read(frame)["status"] == solution.status.label


def test_gradients_point_along_the_axes_of_the_file(heat, tmp_path):
    pyvista = pytest.importorskip("pyvista")
    heat.to_vtk(tmp_path / "c.vti", resolution=6)
    image = pyvista.read(tmp_path / "c.vti")
    t, x = np.asarray(image.points)[:, :2].T
    assert np.allclose(image["c_grad"][:, 1], heat.c.x(t, x))
    assert not image["c_grad"][:, [0, 2]].any()
    assert np.allclose(image["c_t"], heat.c.t(t, x))


def test_images_of_time_and_space_say_when_they_are_a_line(heat, tmp_path, caplog):
    heat.to_vtk(tmp_path / "c.vti", resolution=4)
    assert not caplog.messages
    problem = hp.Problem(
        hp.Box(x=(0, 5e-5), t=(0, 100.0)),
        "c",
        lambda c: 100 * c.t - 5e-5**2 * c.xx,
        [hp.Dirichlet(c=0.0), hp.Initial(c=lambda x: sin(pi * x / 5e-5))],
    )
    thin = hp.solve(problem, levels=2)
    with caplog.at_level(logging.WARNING):
        thin.to_vtk(tmp_path / "c.vti", resolution=4)
    assert "set Scale of Transforming to 1, 5e-07" in caplog.messages[-1]
    assert ".pvd" in caplog.messages[-1]


# -- fields with a gauge ---
@pytest.fixture(scope="module", params=["box", "time", "cut"])
def gauged(request):
    """A field that is known up to a constant, which is large in the known solution, or up to a function of time."""
    box = hp.Box(x=(0, 1), y=(0, 2)) if request.param != "time" else hp.Box(x=(0, 1), t=(0, 1))
    if request.param == "time":
        exact = lambda x, t: hp.cos(pi * x) * (1 + t) + 50 * t + 7
        residual = lambda p, x, t: p.xx + pi**2 * hp.cos(pi * x) * (1 + t)
        return hp.solve(
            hp.Problem(box, "p", residual, [hp.Neumann(p=0.0), hp.Gauge("p")], exact={"p": exact}), levels=3
        )
    domain = box if request.param == "box" else box - hp.Disk((0.5, 1.0), 0.3)
    exact = lambda x, y: x**2 - y**2 + 0.5 * x + 100
    condition = hp.Condition(lambda p, n, x, y: p.n - (2 * x + 0.5) * n.x + 2 * y * n.y, on="boundary")
    return hp.solve(
        hp.Problem(domain, "p", lambda p: p.laplacian, [condition, hp.Gauge("p")], exact={"p": exact}), levels=3
    )


def test_constants_that_a_gauge_leaves_free_are_no_error(gauged, tmp_path):
    pyvista = pytest.importorskip("pyvista")
    worst = 3 * gauged.error()["p"]["max"] + 1e-12
    assert worst < 1e-2
    gauged.to_vtk(tmp_path / "p.vti", resolution=16)
    image = pyvista.read(tmp_path / "p.vti")
    assert np.nanmax(np.abs(image["p_error"])) < worst
    assert np.allclose(image["p"] - image["p_exact"], image["p_error"], equal_nan=True)
    points = np.array([[0.1, 0.1], [0.9, 0.2], [0.1, 0.9], [0.2, 0.3]])
    gauged.to_vtk(tmp_path / "points.vtu", points=points)
    assert np.abs(meshio.read(tmp_path / "points.vtu").point_data["p_error"]).max() < worst
    assert gauged.error(points)["p"]["max"] < worst
    titles = {ax.get_title().split(", ")[0]: ax for ax in gauged.plot().axes if ax.images}
    assert np.abs(titles["error of p"].images[0].get_array()).max() < worst
