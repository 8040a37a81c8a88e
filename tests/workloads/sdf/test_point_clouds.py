"""Distances to points with normals: accuracy, signs, what is mended and what is refused, and files."""

from __future__ import annotations

from pathlib import Path

import meshio
import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.workloads.sdf.cloud_target import CloudTarget
from hermite_pinn.workloads.sdf.patches import Patches
from hermite_pinn.workloads.sdf.point_winding import PointWinding
from hermite_pinn.workloads.sdf.sources import target_of

Arrays = tuple[np.ndarray, np.ndarray]
AXES = np.array([0.5, 0.4, 0.3])


def sphere(count: int, radius: float = 0.36, seed: int = 0) -> Arrays:
    """Random points."""
    normals = np.random.default_rng(seed).normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return radius * normals, normals


def ellipsoid(count: int) -> Arrays:
    """Points of an ellipsoid, denser at some places than at others."""
    on, _ = sphere(count, 1.0)
    normals = on / AXES
    return on * AXES, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def places(reach: float, count: int = 4000, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-reach, reach, (3, count))


def errors(count: int) -> tuple[float, float]:
    """RMS error of distances and mean error of gradients near a sphere."""
    target = CloudTarget(hp.sdf.PointCloud(*sphere(count)), True)
    x = places(0.5, 5000)
    radius = np.linalg.norm(x, axis=0)
    x, radius = x[:, radius > 0.1], radius[radius > 0.1]
    found = target.nearest(x)
    rms = float(np.sqrt(np.mean((found.distance - (radius - 0.36)) ** 2)))
    return rms, float(np.abs(found.gradient - x / radius).mean())


@pytest.mark.slow
def test_four_times_the_points_take_an_order_off_distances_and_a_half_off_gradients() -> None:
    coarse, fine, finest = (errors(n) for n in (1250, 5000, 20_000))
    for more, less in ((coarse, fine), (fine, finest)):
        assert less[0] < more[0] / 8
        assert less[1] < more[1] / 4
    assert finest[0] < 1e-6
    assert finest[1] < 1e-4


def test_patches_of_an_ellipsoid_are_of_third_order() -> None:
    off = []
    for count in (4000, 16_000):
        points, normals = ellipsoid(count)
        x = places(0.6)
        feet = Patches(points, normals).closest(x.T).points
        off.append(np.sqrt(np.mean((np.linalg.norm(feet / AXES, axis=1) - 1) ** 2)))
    assert off[1] < off[0] / 8


def test_lines_from_closest_points_are_normal_to_the_patches() -> None:
    points, normals = sphere(2000)
    x = places(0.5).T
    feet = Patches(points, normals).closest(x)
    away = x - feet.points
    along = np.abs((away * feet.normals).sum(1))
    assert np.allclose(along, np.linalg.norm(away, axis=1), rtol=1e-6, atol=1e-9)


def test_planes_are_exact() -> None:
    u, v = np.random.default_rng(0).uniform(-1, 1, (2, 500))
    normal = np.array([1.0, 2.0, 2.0]) / 3
    points = np.outer(u, [0, 1, -1]) + np.outer(v, [4, -1, -1])
    feet = Patches(points, np.tile(normal, (500, 1))).closest(0.3 * places(1.0, 100).T)
    assert np.abs(feet.points @ normal).max() < 1e-12


def test_winding_numbers_are_those_of_the_sum_over_all_points() -> None:
    points, normals = sphere(3000)
    areas = np.random.default_rng(2).uniform(0.5, 1.5, 3000) * 4 * np.pi * 0.36**2 / 3000
    x = places(0.7, 300).T
    way = points - x[:, None]
    plain = (areas * (way * normals).sum(2) / np.linalg.norm(way, axis=2) ** 3).sum(1) / (4 * np.pi)
    away = np.abs(np.linalg.norm(x, axis=1) - 0.36) > 0.03
    assert np.abs(PointWinding(points, normals, areas).at(x) - plain)[away].max() < 0.02


def test_a_fit_has_the_signs_and_distances_of_the_sphere() -> None:
    shape = hp.sdf.fit(hp.sdf.PointCloud(*sphere(3000)), levels=(8, 16), progress=False)
    x = places(0.43)
    true = np.linalg.norm(x, axis=0) - 0.36
    assert shape.status.success
    away = np.abs(true) > 1e-4
    assert (np.sign(shape.d(*x))[away] == np.sign(true[away])).all()
    near = np.abs(true) < 0.05
    assert np.abs(shape.d(*x) - true)[near].max() < 3e-4
    assert shape.stats["quality"]["gradient_mae"] < 3e-3


def test_surface_points_are_on_the_surface_and_everywhere() -> None:
    target = CloudTarget(hp.sdf.PointCloud(*sphere(3000)), True)
    drawn = target.surface(20_000, np.random.default_rng(0))
    assert np.abs(np.linalg.norm(drawn.x, axis=0) - 0.36).max() < 1e-4
    assert abs(drawn.weights.sum() / (4 * np.pi * 0.36**2) - 1) < 0.05
    assert np.abs(drawn.x.mean(1)).max() < 0.01


def test_creases_are_off_by_less_than_the_distance_of_points() -> None:
    cube = hp.Cuboid((-0.3, -0.3, -0.3), (0.3, 0.3, 0.3))
    parts = [piece.random(1000, np.random.default_rng(k)) for k, piece in enumerate(cube.pieces)]
    points, normals = (np.concatenate([getattr(part, name).T for part in parts]) for name in ("x", "normals"))
    target = CloudTarget(hp.sdf.PointCloud(points, normals), True)
    x = places(0.6)
    true, found = cube.signed_distance(x), target.nearest(x).distance
    assert np.abs(np.abs(found) - np.abs(true)).max() < 1.5 * target.patches.spacing
    assert np.abs(true[np.sign(true) != np.sign(found)]).max(initial=0.0) < 0.5 * target.patches.spacing


# -- what is mended ---
def agrees(cloud: hp.sdf.PointCloud) -> None:
    x = places(0.5)
    true = np.linalg.norm(x, axis=0) - 0.36
    found = CloudTarget(cloud, True).nearest(x).distance
    assert np.abs(found - true)[np.linalg.norm(x, axis=0) > 0.1].max() < 2e-3


def test_points_that_are_there_twice_are_merged() -> None:
    points, normals = sphere(2000)
    cloud = hp.sdf.PointCloud(np.concatenate([points, points[:100]]), np.concatenate([normals, normals[:100]]))
    assert len(cloud) == 2000
    assert any("100 of the 2,100 points are there more than once" in note for note in cloud.notes)
    agrees(cloud)


def test_a_few_stray_points_are_left_out() -> None:
    points, normals = sphere(2000)
    stray = np.random.default_rng(5).uniform(2, 4, (10, 3))
    cloud = hp.sdf.PointCloud(np.concatenate([points, stray]), np.concatenate([normals, np.ones((10, 3))]))
    assert len(cloud) == 2000
    assert any("10 of the 2,010 points are far from all others" in note for note in cloud.notes)
    agrees(cloud)


def test_missing_normals_are_taken_from_neighbours() -> None:
    points, normals = sphere(2000)
    normals = normals * 3.0
    normals[::10] = 0.0
    normals[5::50] = np.nan
    cloud = hp.sdf.PointCloud(points, normals)
    assert any("240 of the 2,000 normals are missing" in note for note in cloud.notes)
    assert np.allclose(np.linalg.norm(cloud.normals, axis=1), 1)
    agrees(cloud)


def test_normals_that_point_inwards_are_turned() -> None:
    points, normals = sphere(2000)
    cloud = hp.sdf.PointCloud(points, -normals)
    assert cloud.notes == ("the normals pointed inwards and were turned",)
    agrees(cloud)


def test_normals_on_both_sides_are_oriented() -> None:
    points, normals = sphere(2000)
    signs = np.random.default_rng(3).choice([-1.0, 1.0], 2000)
    cloud = hp.sdf.PointCloud(points, normals * signs[:, None])
    assert any("oriented anew" in note for note in cloud.notes)
    assert ((cloud.normals * normals).sum(1) > 0.99).all()


def test_moves_and_units_do_not_matter() -> None:
    points, normals = sphere(1000)
    x = places(0.5)
    shift = np.array([[30.0], [-5.0], [200.0]])
    here = CloudTarget(hp.sdf.PointCloud(points, normals), True).nearest(x)
    there = CloudTarget(hp.sdf.PointCloud(1000 * points + shift.T, 7 * normals), True).nearest(1000 * x + shift)
    assert np.allclose(there.distance, 1000 * here.distance, atol=1e-4)


# -- what is refused ---
def test_open_clouds_have_no_sign() -> None:
    points, normals = sphere(4000)
    half = hp.sdf.PointCloud(points[points[:, 2] > 0], normals[points[:, 2] > 0])
    with pytest.raises(hp.InvalidProblemError, match=r"do not enclose anything.*sign='unsigned'"):
        hp.sdf.fit(half, progress=False)
    shape = hp.sdf.fit(half, levels=(8, 16), sign="unsigned", progress=False)
    assert shape.d(0.0, 0.0, 0.1) > 0.2
    assert shape.d(0.0, 0.0, 0.39) > 0.0


def test_a_cloud_that_leaves_the_box_is_refused() -> None:
    with pytest.raises(hp.InvalidProblemError, match=r"leaves the box"):
        hp.sdf.fit(hp.sdf.PointCloud(*sphere(500)), box=hp.Box(x=(0, 1), y=(-1, 1), z=(-1, 1)), progress=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p, n: (np.where(np.arange(3) == 1, np.nan, p), n), "not finite; leave them out"),
        (lambda p, n: (p[:10], n[:10]), "at least 16 different points, got 10"),
        (lambda p, n: (np.tile(p[:1], (50, 1)), n[:50]), "at least 16 different points, got 1"),
        (lambda p, n: (p, np.zeros_like(n)), "have no normal"),
        (lambda p, n: (p, n[:-1]), "points and normals must be as many"),
        (lambda p, n: (p, None), "normals must be an array"),
        (lambda p, n: (p.T, n), "give its transpose"),
    ],
)
def test_what_is_no_cloud_is_refused(change, said) -> None:
    with pytest.raises((hp.InvalidArgumentError, hp.InvalidProblemError), match=said):
        hp.sdf.PointCloud(*change(*sphere(100)))


def test_points_without_triangles_are_no_mesh(tmp_path: Path) -> None:
    vertices = meshio.Mesh(sphere(50)[0], [("vertex", np.arange(50)[:, None])])
    vertices.write(tmp_path / "points.ply")
    for sign in ("signed", "unsigned"):
        with pytest.raises(hp.InvalidProblemError, match="no triangles"):
            hp.sdf.fit(tmp_path / "points.ply", sign=sign, progress=False)


# -- files ---
def written(path: Path, points: np.ndarray, normals: np.ndarray) -> Path:
    if path.suffix == ".npz":
        np.savez(path, points=points, normals=normals)
    elif path.suffix == ".ply":
        columns = {f"n{axis}": normals[:, k] for k, axis in enumerate("xyz")}
        meshio.Mesh(points, [], point_data=columns).write(path)
    else:
        np.savetxt(path, np.concatenate([points, normals], 1))
    return path


@pytest.mark.parametrize("ending", [".npz", ".xyz", ".txt", ".ply"])
def test_files_hold_points_and_normals(tmp_path: Path, ending: str) -> None:
    points, normals = sphere(200)
    file = written(tmp_path / f"cloud{ending}", points, normals)
    cloud = hp.sdf.PointCloud.read(file)
    order = [np.lexsort(p.T) for p in (points, cloud.points)]
    assert np.allclose(cloud.points[order[1]], points[order[0]], atol=1e-12)
    assert np.allclose(cloud.normals[order[1]], normals[order[0]], atol=1e-12)
    assert target_of(str(file), "signed").described()["kind"] == "cloud"


def test_files_that_are_no_clouds_are_refused(tmp_path: Path) -> None:
    points, _ = sphere(50)
    np.savetxt(tmp_path / "bare.xyz", points)
    np.savez(tmp_path / "bare.npz", points=points)
    (tmp_path / "torn.xyz").write_text("1 2 3 4 5 6\n1 2\n")
    (tmp_path / "torn.npz").write_bytes(b"PK no archive")
    for name, said in (("bare.xyz", "points without normals"), ("bare.npz", "points without normals")):
        with pytest.raises(hp.InvalidArgumentError, match=said):
            hp.sdf.PointCloud.read(tmp_path / name)
    for name in ("torn.xyz", "torn.npz"):
        with pytest.raises(hp.CorruptFileError, match="cannot be read"):
            hp.sdf.PointCloud.read(tmp_path / name)
    with pytest.raises(hp.InvalidArgumentError, match="no such file"):
        hp.sdf.PointCloud.read(tmp_path / "missing.xyz")
    with pytest.raises(hp.InvalidArgumentError, match="convert it"):
        hp.sdf.PointCloud.read(tmp_path / "cloud.las")
