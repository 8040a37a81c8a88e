"""Cameras, their rays, and projections."""

import numpy as np
import pytest
import torch
from scene_files import poses

import hermite_pinn as hp
from hermite_pinn.workloads import radiance
from hermite_pinn.workloads.radiance import Camera, Cameras, FisheyeLens, Intrinsics, PerspectiveLens, Rays

FOX = Intrinsics(
    135, 240, 171.94, 171.81, 69.3, 120.7, PerspectiveLens(0.0578421, -0.0805099, -0.000980296, 0.00015575)
)
FISH = Intrinsics(100, 80, 40.0, 41.0, 50.0, 40.0, FisheyeLens(0.02, -0.003))
every_kind = pytest.mark.parametrize(
    "intrinsics", [Intrinsics.of_view_angle(40, 30, 1.0), FOX, FISH], ids=["p", "f", "w"]
)


@every_kind
def test_projection_undoes_rays(intrinsics):
    camera = Camera(intrinsics, poses()[1, :3])
    pixels = torch.rand(500, 2, dtype=torch.float64) * torch.tensor([intrinsics.width, intrinsics.height])
    rays = camera.rays(pixels, torch.float64)
    points = rays.at(torch.rand(500, dtype=torch.float64) * 10 + 0.1)
    assert (camera.project(points) - pixels).abs().max() < 1e-9


def test_rays_are_unit_contiguous_and_float32():
    rays = Camera(FOX, poses()[0, :3]).rays()
    assert len(rays) == 135 * 240
    for part in (rays.origin, rays.direction, rays.radius):
        assert part.dtype == torch.float32
        assert part.is_contiguous()
    assert (torch.linalg.vector_norm(rays.direction, dim=1) - 1).abs().max() < 1e-6


def test_the_axes_are_right_up_and_backward():
    camera = Camera(Intrinsics.of_view_angle(3, 3, 1.0), np.eye(4)[:3])
    x = camera.rays(dtype=torch.float64).direction.reshape(3, 3, 3)
    assert torch.allclose(x[1, 1], torch.tensor([0.0, 0.0, -1.0], dtype=torch.float64))
    assert x[0, 1, 1] > 0 > x[2, 1, 1]  # the first row is above
    assert x[1, 0, 0] < 0 < x[1, 2, 0]


def test_rays_are_differentiable_by_the_pose():
    pose = torch.tensor(poses()[2, :3], requires_grad=True)
    pixels = torch.tensor([[3.0, 4.0], [20.0, 11.0]], dtype=torch.float64)
    weights = torch.randn(2, 3, dtype=torch.float64)

    def mean(place):
        rays = Camera(Intrinsics.of_view_angle(40, 30, 1.0), place).rays(pixels, torch.float64)
        return (weights * rays.at(torch.tensor([1.0, 2.0], dtype=torch.float64))).sum()

    (gradient,) = torch.autograd.grad(mean(pose), pose)
    change = 1e-6 * torch.randn(3, 4, dtype=torch.float64)
    difference = (mean(pose.detach() + change) - mean(pose.detach() - change)) / 2
    assert float((gradient * change).sum()) == pytest.approx(float(difference), rel=1e-6)


def test_projections_are_differentiable_by_the_pose_where_points_are_behind():
    pose = torch.tensor(poses()[2, :3], requires_grad=True)
    camera = Camera(Intrinsics.of_view_angle(40, 30, 1.0), pose)
    seen = camera.project([[0.0, 0.0, 0.0], (2 * camera.centre.detach()).tolist()])
    assert seen[1].isnan().all()
    seen[0].sum().backward()
    assert torch.isfinite(pose.grad).all()


def test_cameras_together_have_the_rays_of_each():
    kinds = [FOX, FISH, FOX, FISH, FISH, FOX]
    cameras = Cameras(kinds, poses()[:, :3])
    assert len(cameras.kinds) == 2
    views = torch.tensor([5, 1, 0, 1, 4, 2])
    pixels = torch.rand(6, 2, dtype=torch.float64) * 70 + 1
    together = cameras.rays(views, pixels, torch.float64)
    for k, view in enumerate(views):
        alone = cameras[int(view)].rays(pixels[k : k + 1], torch.float64)
        assert torch.allclose(together[k : k + 1].direction, alone.direction, atol=1e-12)
        assert torch.equal(together[k : k + 1].origin, alone.origin)
        assert torch.allclose(together[k : k + 1].radius, alone.radius, atol=1e-12)


def test_a_part_of_cameras_keeps_their_kinds_and_places():
    cameras = Cameras([FOX, FISH, FOX, FISH, FISH, FOX], poses()[:, :3])
    part = cameras[1:4]
    assert [c.intrinsics for c in part] == [FISH, FOX, FISH]
    assert torch.equal(part.centres, cameras.centres[1:4])
    moved = cameras.moved(poses(seed=5)[:, :3])
    assert [c.intrinsics for c in moved] == [c.intrinsics for c in cameras]
    assert not torch.equal(moved.centres, cameras.centres)


def test_rays_enter_and_leave_a_box():
    origin = torch.tensor([[-2.0, 0, 0], [0, 0, 0], [-2, 2, 0], [0.5, -3, 0.5]], dtype=torch.float64)
    direction = torch.tensor([[1.0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]], dtype=torch.float64)
    near, far = Rays(origin, direction, torch.zeros(4, dtype=torch.float64)).span((-1, -1, -1), (1, 1, 1))
    assert near[[0, 1, 3]].tolist() == [1, 0, 2]
    assert far[[0, 1, 3]].tolist() == [3, 1, 4]
    assert near[2] > far[2]


def test_a_ray_in_the_wall_of_a_box_is_in_the_box():
    rays = Rays(torch.tensor([[-2.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]]), torch.zeros(1))
    near, far = rays.span((-1, -1, -1), (1, 1, 1))
    assert (float(near), float(far)) == (1, 3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m[:2], r"shape \(2, 4\)|\(3, 4\)"),
        (lambda m: m * np.nan, "finite"),
        (lambda m: np.concatenate([2 * m[:, :3], m[:, 3:]], 1), "length 2, so it is scaled"),
        (lambda m: np.concatenate([-m[:, :3], m[:, 3:]], 1), "mirrors"),
        (lambda m: np.concatenate([m[:, [0, 1]], (m[:, [1]] + m[:, [2]]) / 2**0.5, m[:, 3:]], 1), "orthogonal"),
        (lambda m: np.concatenate([m[:, :2], 3 * m[:, 2:]], 1), "lengths 1, 1, 3"),
    ],
)
def test_the_defect_of_a_pose_is_told(change, told):
    with pytest.raises(hp.InvalidArgumentError, match=told):
        Camera(FOX, change(poses()[0, :3]))


def test_which_of_several_poses_is_wrong_is_told():
    places = poses()[:, :3]
    places[3, 0, 0] = np.nan
    with pytest.raises(hp.InvalidProblemError, match=r"poses\[3\]"):
        Cameras(FOX, places)


@pytest.mark.parametrize("pixels", [[1.0, 2.0], [[1.0, 2.0, 3.0]], [[np.nan, 0.0]], "all", object()])
def test_wrong_pixels_are_refused(pixels):
    with pytest.raises(hp.InvalidArgumentError, match="pixels"):
        Camera(FOX, poses()[0, :3]).rays(pixels)


@pytest.mark.parametrize("views", [[0, 6], [-1, 0], [0.0, 1.0], [0]])
def test_numbers_of_no_camera_are_refused(views):
    with pytest.raises(hp.InvalidArgumentError, match="views"):
        Cameras(FOX, poses()[:, :3]).rays(torch.tensor(views), [[1.0, 1.0], [2.0, 2.0]])


def test_as_many_intrinsics_as_poses_are_needed():
    with pytest.raises(hp.InvalidArgumentError, match="got 2 and 6"):
        Cameras([FOX, FOX], poses()[:, :3])


def test_a_camera_that_looks_down_has_a_pose():
    pose = radiance.look_at((0, 0, 5), (0, 0, 0))
    assert np.allclose(pose[:, :3].T @ pose[:, :3], np.eye(3))
    assert np.allclose(pose[:, 2], [0, 0, 1])
    with pytest.raises(hp.InvalidArgumentError, match="same twice"):
        radiance.look_at((1, 1, 1), (1, 1, 1))


@pytest.mark.parametrize("make", [radiance.scattered_poses, radiance.surrounding_poses])
def test_cameras_around_look_at_the_middle(make):
    cameras = Cameras(Intrinsics.of_view_angle(10, 10, 1.0), make(12, 2.5))
    for camera in cameras:
        assert (camera.project(torch.zeros(1, 3)) - 5).abs().max() < 1e-12
        assert float(camera.depth(torch.zeros(1, 3))) == pytest.approx(2.5)
