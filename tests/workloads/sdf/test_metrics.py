"""How well surfaces agree."""

import numpy as np
import pytest
from surfaces import MeshField, ball, block

import hermite_pinn as hp
from hermite_pinn.geometry.mesh.parts import cube, sphere
from hermite_pinn.workloads import sdf


def test_iou_of_a_field_with_itself_is_one_and_of_a_shifted_one_less():
    x = np.random.default_rng(0).uniform(-1, 1, (4000, 3))
    one, other = (block(0.5).values(x), block(0.5).values(np.clip(x - [0.25, 0, 0], -1, 1)))
    assert sdf.iou(one, one) == 1.0
    assert sdf.iou(one, other) == pytest.approx(0.75 / 1.25, abs=0.06)


def test_iou_does_not_depend_on_the_order_of_the_points_nor_on_which_is_which():
    rng = np.random.default_rng(1)
    one, other, order = rng.normal(size=500), rng.normal(size=500), rng.permutation(500)
    assert sdf.iou(one, other) == sdf.iou(one[order], other[order]) == sdf.iou(other, one)


@pytest.mark.parametrize(
    ("predicted", "true", "told"),
    [
        ([[1.0, 1.0, 1.0]] * 5, [1.0] * 5, "points are no values"),
        ([1.0] * 5, [1.0] * 6, "same points, got 5 and 6"),
        ([1.0, float("nan")], [1.0] * 2, "finite"),
        ([1.0] * 4, [1.0] * 4, "no point is inside"),
    ],
)
def test_iou_takes_values_at_the_same_points(predicted, true, told):
    with pytest.raises(hp.InvalidArgumentError, match=told):
        sdf.iou(predicted, true)


def test_chamfer_distance_of_a_surface_with_itself_vanishes_and_grows_with_the_size():
    small, large = sphere(radius=0.5, subdivisions=4), sphere(radius=0.6, subdivisions=4)
    assert sdf.chamfer_distance(small, small, 1000) < 1e-12
    assert sdf.chamfer_distance(small, large, 1000) == pytest.approx(0.1, rel=1e-2)
    assert sdf.chamfer_distance(small, large, 1000) == pytest.approx(sdf.chamfer_distance(large, small, 1000), rel=1e-2)


def test_chamfer_distance_goes_both_ways():
    one = cube((0, 0, 0), 1.0)
    vertices, faces = one.triangles.vertices, one.triangles.faces
    two = hp.Mesh(
        (np.concatenate([vertices, vertices + np.array([5, 0, 0])]), np.concatenate([faces, faces + len(vertices)]))
    )
    assert sdf.chamfer_distance(one, two, 2000) == pytest.approx((5.0 - 0.5) / 4, rel=0.1)


def test_distances_of_a_mesh_agree_with_it():
    mesh = sphere(radius=0.5, subdivisions=2)
    field = MeshField(mesh)
    surface = sdf.extract(field, 24, level=0.0, scale=0.01)
    found = sdf.compare(field, surface, mesh, points=1000)
    assert found.iou == 1.0
    assert found.value_rms < 1e-12
    assert found.gradient_mae < 1e-9
    assert found.chamfer < 2e-3
    assert found.hausdorff < 1e-2
    assert found.normal_consistency > 0.99
    assert found.band == pytest.approx(1 / 72, rel=1e-2)
    assert set(found.as_dict()) == {
        "iou", "chamfer", "hausdorff", "normal_consistency", "value_rms", "gradient_mae", "band",
    }  # fmt: skip


def test_errors_of_a_field_are_found():
    mesh = sphere((0.1, -0.05, 0.02), radius=0.6, subdivisions=4)
    field = sdf.FunctionField(lambda x, y, z: 1.1 * ball()._function(x, y, z) + 0.004, (-1, -1, -1), (1, 1, 1))
    found = sdf.compare(field, sdf.extract(field, 32), mesh, points=4000, band=0.01)
    assert found.value_rms == pytest.approx(0.004, rel=0.2)
    assert found.gradient_mae == pytest.approx(0.1 * 0.5, rel=0.3)  # the mean of the components of unit vectors is 1/2
    assert found.chamfer == pytest.approx(0.004 / 1.1, rel=0.2)


def test_a_field_inside_out_has_opposite_normals():
    mesh = sphere(radius=0.5, subdivisions=3)
    inverse = sdf.FunctionField(lambda x, y, z: 0.5 - (x * x + y * y + z * z) ** 0.5, (-1, -1, -1), (1, 1, 1))
    found = sdf.compare(inverse, sdf.extract(inverse, 20), mesh, points=1000)
    assert found.normal_consistency < -0.98
    assert found.iou < 0.01
    assert found.gradient_mae > 0.5


def test_metrics_refuse_what_is_no_surface():
    mesh = sphere(radius=0.5, subdivisions=1)
    with pytest.raises(hp.InvalidArgumentError, match="surface"):
        sdf.chamfer_distance(mesh, mesh.triangles.vertices)
    with pytest.raises(hp.InvalidArgumentError, match="points"):
        sdf.chamfer_distance(mesh, mesh, 0)
    with pytest.raises(hp.InvalidArgumentError, match="no point near the mesh"):
        sdf.compare(ball(), sdf.extract(ball(), 8), mesh.translated((9, 0, 0)), points=50)
