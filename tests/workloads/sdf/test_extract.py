"""Surfaces extracted from fields: where they are, how they bend, and what cannot be extracted."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from surfaces import CUBE, MeshField, ball, block, ellipsoid, ring, ring_curvature

import hermite_pinn as hp
from hermite_pinn.workloads import sdf
from hermite_pinn.workloads.sdf import marching
from hermite_pinn.workloads.sdf.curvature import averaged_jets, curvature_of

ROTATION, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
AXES = np.array([0.8, 0.5, 0.65])


def quadratic():
    problem = hp.Problem(
        hp.Box(x=(-1, 1), y=(-1, 1), z=(-1, 1)),
        "d",
        lambda d: d.laplacian - 6,
        [hp.Dirichlet(d=lambda x, y, z: x**2 + y**2 + z**2 - 0.25)],
    )
    return hp.solve(problem, levels=1, progress=False)


@pytest.fixture(scope="module")
def solution():
    return quadratic()


def relative(found, true):
    return np.linalg.norm(found - true) / np.linalg.norm(true)


@pytest.mark.parametrize("resolution", [8, 31])
def test_a_ball_has_the_curvature_of_its_radius(resolution):
    surface = sdf.extract(ball(), resolution)
    assert surface.is_closed
    assert surface.euler_number == 2
    assert surface.notes == ()
    radial = (surface.vertices - [0.1, -0.05, 0.02]) / 0.6
    assert np.abs(surface.normals - radial).max() < 1e-9
    assert np.abs(surface.mean_curvature - 1 / 0.6).max() < 1e-9
    assert np.abs(surface.gaussian_curvature - 1 / 0.36).max() < 1e-9
    assert surface.deviation < 1e-9


def test_triangles_face_outwards_and_converge():
    coarse, fine = (sdf.extract(ball(), n) for n in (16, 32))
    true = 4 / 3 * np.pi * 0.6**3
    errors = [true - s.volume for s in (coarse, fine)]
    assert 0 < errors[1] < errors[0] / 3.5 < 0.1 * true
    assert 0 < 4 * np.pi * 0.36 - fine.area < 0.02
    front = (fine.triangles.normals[:, None] * fine.normals[fine.faces]).sum(-1)
    assert front.min() > 0.8


def test_a_ring_has_its_curvatures_and_one_hole():
    surface = sdf.extract(ring(), 40)
    mean, gaussian = ring_curvature(surface.vertices)
    assert surface.is_closed
    assert surface.euler_number == 0
    assert relative(surface.mean_curvature, mean) < 1e-9
    assert relative(surface.gaussian_curvature, gaussian) < 1e-9
    assert np.allclose(surface.principal_curvatures[0], 5.0)


@pytest.mark.parametrize(("power", "factor"), [(1.0, 1.0), (0.5, 300.0), (1.5, 1e-3)])
def test_curvature_does_not_depend_on_the_field_with_that_zero_set_nor_on_where_it_points(power, factor):
    straight = np.diag(1 / AXES**2)
    turned = sdf.extract(ellipsoid(ROTATION @ straight @ ROTATION.T, power, factor), 24)
    x = turned.vertices @ ROTATION
    # semi-axes a: K = 1 / prod(a)^2 / sum(x^2/a^4)^2, H = |sum(x^2) - sum(a^2)| / (2 prod(a)^2 sum(x^2/a^4)^1.5)
    product, weight = AXES.prod() ** 2, (x**2 / AXES**4).sum(1)
    assert np.allclose(turned.gaussian_curvature, 1 / product / weight**2, rtol=1e-8)
    mean = np.abs((x**2).sum(1) - (AXES**2).sum()) / (2 * product * weight**1.5)
    assert np.allclose(turned.mean_curvature, mean, rtol=1e-8)


@pytest.mark.parametrize(("field", "number"), [(ball(), 2), (ring(), 0), (ellipsoid(np.diag(1 / AXES**2)), 2)])
def test_total_curvature_is_the_euler_number(field, number):
    surface = sdf.extract(field, 48)
    total = (surface.gaussian_curvature * surface.vertex_areas).sum()
    assert abs(total - 2 * np.pi * number) < 0.06
    assert surface.euler_number == number


def test_exchanging_inside_and_outside_changes_normals_and_the_sign_of_the_mean_curvature():
    field = ring()
    inverse = sdf.FunctionField(lambda x, y, z: -field._function(x, y, z), field.lower, field.upper)
    one, other = sdf.extract(field, 24), sdf.extract(inverse, 24)
    assert one.volume == pytest.approx(-other.volume, rel=1e-3)
    mean, gaussian = ring_curvature(other.vertices)
    assert relative(-other.mean_curvature, mean) < 1e-9
    assert relative(other.gaussian_curvature, gaussian) < 1e-9


@pytest.mark.parametrize("field", [ring(), block(), ellipsoid(ROTATION @ np.diag(1 / AXES**2) @ ROTATION.T)])
def test_blocks_fit_together(field, monkeypatch):
    whole = sdf.extract(field, 40)
    monkeypatch.setattr(marching, "BLOCK", 7)
    parts = sdf.extract(field, 40)
    assert parts.is_closed
    assert len(parts.vertices) == len(whole.vertices)
    assert len(parts.faces) == len(whole.faces)
    apart, at = cKDTree(whole.vertices).query(parts.vertices)
    assert apart.max() < 1e-5
    assert len(np.unique(at)) == len(at)


def test_a_surface_through_vertices_of_the_grid_has_no_degenerate_triangles():
    half = sdf.FunctionField(lambda x, y, z: x.abs() + y.abs() + z.abs() - 0.5, *CUBE)
    surface = sdf.extract(half, 16)
    assert surface.is_closed
    assert surface.euler_number == 2
    assert surface.triangles.areas.min() > 0


def test_vertices_are_on_the_zero_set_at_creases_too():
    surface = sdf.extract(block(), 30)
    assert surface.is_closed
    assert surface.deviation < 1e-6
    assert np.abs(np.abs(surface.vertices).max(1) - 0.5).max() < 1e-6


def test_other_levels_are_surfaces_at_a_distance():
    surface = sdf.extract(ball(), 24, level=0.1)
    assert np.allclose(surface.mean_curvature, 1 / 0.7)


def test_a_surface_that_leaves_the_box_is_open_and_says_so():
    surface = sdf.extract(ball(0.6, (0.9, 0.0, 0.0)), 24)
    assert not surface.is_closed
    assert np.isnan(surface.volume)
    assert "leaves the box" in " ".join(surface.notes)
    assert np.abs(surface.mean_curvature - 1 / 0.6).max() < 1e-9


def test_a_solution_has_the_curvature_of_its_derivatives(solution):
    surface = sdf.extract(solution, 24)
    assert np.abs(np.linalg.norm(surface.vertices, axis=1) - 0.5).max() < 1e-7
    assert np.abs(surface.mean_curvature - 2).max() < 1e-5
    assert np.abs(surface.gaussian_curvature - 4).max() < 1e-4


def test_averaged_curvature_of_a_smooth_surface_is_close_to_that_at_points():
    field = ring()
    x = sdf.extract(field, 12).vertices
    errors = [relative(curvature_of(averaged_jets(field, x, s)).mean, ring_curvature(x)[0]) for s in (0.12, 0.06)]
    assert errors[1] < 1e-3
    assert errors[1] < errors[0] / 4


def test_averages_need_values_around():
    surface = sdf.extract(ball(0.6, (0.9, 0.0, 0.0)), 16, scale=0.2)
    beyond = (np.abs(surface.vertices) + 0.2 > 1).any(1)
    assert (np.isnan(surface.mean_curvature) == beyond).all()
    assert np.isfinite(surface.normals).all()
    assert any("leave the box" in note for note in surface.notes)


@pytest.mark.parametrize("name", ["ball", "ring"])
def test_the_curvature_of_a_mesh_of_ten_thousand_triangles_is_that_of_the_smooth_surface(name):
    trimesh = pytest.importorskip("trimesh")
    if name == "ball":
        made = trimesh.creation.uv_sphere(0.36, count=[50, 52])
        true = lambda x: np.full(len(x), 1 / 0.36)
    else:
        made = trimesh.creation.torus(0.25, 0.11, major_sections=100, minor_sections=50)
        true = lambda x: ring_curvature(x, 0.25, 0.11)[0]
    mesh = hp.Mesh((made.vertices, made.faces))
    assert 9000 < mesh.triangles.count < 11000
    edge = float(np.median(mesh.triangles.longest))
    x = mesh.triangles.vertices[::50]
    found = curvature_of(averaged_jets(MeshField(mesh), x, 3 * edge)).mean
    assert relative(found, true(x)) < 0.02


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x, y, z: x**2 + y**2 + z**2 + 0.5, r"from 0\.5 to 3\.5.*nothing is inside"),
        (lambda x, y, z: x**2 - 5, r"from -5 to -4.*all is inside"),
        (lambda x, y, z: (x**2 + y**2 + z**2 - 0.25).abs(), "unsigned"),
        (lambda x, y, z: torch.log(x**2 + y**2 - 0.1), "not finite at"),
        (lambda x, y, z: x / z, "not finite at"),
    ],
)
def test_what_has_no_surface_is_refused(function, told):
    with pytest.raises(hp.InvalidArgumentError, match=told):
        sdf.extract(sdf.FunctionField(function, *CUBE), 20)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"resolution": 3}, "resolution must be an integer between 4 and 4096"),
        ({"resolution": 5000}, "between 4 and 4096"),
        ({"resolution": 12.5}, "resolution"),
        ({"level": float("nan")}, "level"),
        ({"scale": 0.0}, "scale"),
        ({"scale": -1}, "scale"),
    ],
)
def test_options_out_of_range_are_refused(options, told):
    with pytest.raises(hp.InvalidArgumentError, match=told):
        sdf.extract(ball(), **options)


def test_what_does_not_fit_is_refused_before_it_is_begun(monkeypatch):
    monkeypatch.setattr("hermite_pinn.memory.available_memory", lambda device: 1 << 20)
    with pytest.raises(hp.OutOfMemoryError, match="lower resolution"):
        sdf.extract(ball(), 512)


@pytest.mark.parametrize("given", [None, 3.0, "bunny.obj", hp.Ball((0, 0, 0), 0.5)])
def test_what_is_no_field_is_refused(given):
    with pytest.raises(hp.InvalidArgumentError, match="a Solution with a field 'd'"):
        sdf.extract(given)


def test_fields_are_chosen_by_name(solution):
    with pytest.raises(hp.InvalidArgumentError, match="has no field 'u'; it has d"):
        sdf.extract(solution, 16, field="u")
    other = hp.solve(
        hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)]),
        levels=1,
        progress=False,
    )
    with pytest.raises(hp.InvalidArgumentError, match="three axes of space"):
        sdf.extract(other)


def test_fields_on_cut_boxes_are_refused():
    domain = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)) - hp.Ball((0.5, 0.5, 0.5), 0.2)
    problem = hp.Problem(domain, "d", lambda d: d.laplacian + 1, [hp.Dirichlet(d=0.0)])
    cut = hp.solve(problem, levels=1, progress=False)
    with pytest.raises(hp.InvalidArgumentError, match="part of its box only"):
        sdf.extract(cut)


def test_a_piecewise_linear_field_has_no_curvature_but_averages(monkeypatch):
    monkeypatch.setattr(sdf.FunctionField, "has_curvature", False)
    with pytest.raises(hp.InvalidArgumentError, match=r"piecewise linear.*scale="):
        sdf.extract(ball(), 16)
    surface = sdf.extract(ball(), 16, scale=0.1)
    assert relative(surface.mean_curvature, np.full(len(surface.vertices), 1 / 0.6)) < 1e-3
