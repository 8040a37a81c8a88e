"""Files of surfaces, read by other libraries."""

import meshio
import numpy as np
import pytest
from surfaces import ball, block

import hermite_pinn as hp
from hermite_pinn.workloads import sdf


@pytest.fixture(scope="module")
def surface():
    return sdf.extract(ball(), 12)


def test_vtp_is_read_by_pyvista(surface, tmp_path):
    pyvista = pytest.importorskip("pyvista")
    read = pyvista.read(surface.save(tmp_path / "ball.vtp"))
    assert np.array_equal(read.points, surface.vertices)
    assert np.array_equal(read.faces.reshape(-1, 4)[:, 1:], surface.faces)
    assert np.array_equal(read.point_data["mean_curvature"], surface.mean_curvature)
    assert np.array_equal(read.point_data["gaussian_curvature"], surface.gaussian_curvature)
    assert np.array_equal(read.point_data.active_normals, surface.normals)
    assert read.volume == pytest.approx(surface.volume)


@pytest.mark.parametrize("ending", [".ply", ".obj"])
def test_ply_and_obj_are_read_by_trimesh(surface, tmp_path, ending):
    trimesh = pytest.importorskip("trimesh")
    read = trimesh.load(surface.save(tmp_path / f"ball{ending}"), process=False, maintain_order=True)
    assert np.abs(read.vertices - surface.vertices).max() < 1e-12
    assert np.array_equal(read.faces, surface.faces)
    assert np.abs(read.vertex_normals - surface.normals).max() < 1e-6
    assert read.is_watertight
    assert read.volume == pytest.approx(surface.volume)


def test_ply_keeps_curvatures(surface, tmp_path):
    read = meshio.read(surface.save(tmp_path / "ball.ply"))
    assert np.array_equal(read.point_data["mean_curvature"], surface.mean_curvature)
    assert np.array_equal(read.point_data["gaussian_curvature"], surface.gaussian_curvature)


def test_obj_has_one_normal_for_each_vertex(surface, tmp_path):
    lines = surface.save(tmp_path / "ball.obj").read_text().splitlines()
    normals = np.array([line.split()[1:] for line in lines if line.startswith("vn ")], dtype=np.float64)
    assert np.array_equal(normals, surface.normals)


def test_the_name_may_be_text_with_a_large_ending(surface, tmp_path):
    assert surface.save(str(tmp_path / "BALL.PLY")).exists()


@pytest.mark.parametrize("name", ["ball.stl", "ball", "ball.vtp.gz"])
def test_other_endings_are_refused(surface, tmp_path, name):
    with pytest.raises(hp.InvalidArgumentError, match=r"\.vtp, \.ply, \.obj"):
        surface.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".vtp", ".ply", ".obj"])
def test_a_folder_that_is_not_there_is_an_error_of_output(surface, tmp_path, ending):
    with pytest.raises(hp.OutputError, match="does not exist"):
        surface.save(tmp_path / "none" / f"ball{ending}")


def test_a_writer_that_fails_leaves_the_earlier_file(surface, tmp_path, monkeypatch):
    path = surface.save(tmp_path / "ball.ply")
    before = path.read_bytes()

    def fail(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("meshio.ply.write", fail)
    with pytest.raises(hp.OutputError, match="No space left"):
        sdf.extract(block(), 12).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["ball.ply"]
