"""Alignment of cameras, and their errors behind it."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.geometry.similarity import Similarity
from hermite_pinn.workloads.radiance import (
    Cameras,
    Intrinsics,
    align,
    exponential,
    perturbed,
    pose_errors,
    scattered_poses,
)
from hermite_pinn.workloads.radiance.alignment import moved_poses
from hermite_pinn.workloads.radiance.se3 import corrected

LENS = Intrinsics.of_view_angle(8, 6, 1.0)


def cameras(count=12, seed=0):
    return Cameras(LENS, scattered_poses(count, 3.0, seed))


def similarity(seed=0):
    generator = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    return Similarity(float(generator.uniform(0.2, 5.0)), turn, generator.normal(size=3) * 4)


@pytest.mark.parametrize("seed", range(5))
def test_a_similarity_of_points_is_found(seed):
    points = np.random.default_rng(seed).normal(size=(9, 3))
    true = similarity(seed)
    found = align(points, true.points(points.T).T)
    assert found.scale == pytest.approx(true.scale, rel=1e-12)
    assert np.abs(found.rotation - true.rotation).max() < 1e-12
    assert np.abs(found.offset - true.offset).max() < 1e-11


def test_points_in_a_plane_are_aligned_without_a_mirror():
    points = np.random.default_rng(0).normal(size=(6, 3)) * [1, 1, 0]
    true = similarity(1)
    assert np.abs(align(points, true.points(points.T).T).rotation - true.rotation).max() < 1e-12


def test_the_rotation_is_that_of_least_squares():
    generator = np.random.default_rng(0)
    points, targets = generator.normal(size=(2, 7, 3))
    found = align(points, targets)
    best, _ = Rotation.align_vectors(targets - targets.mean(0), points - points.mean(0))
    assert np.abs(found.rotation - best.as_matrix()).max() < 1e-10
    assert np.linalg.det(found.rotation) == pytest.approx(1.0)


def test_the_similarity_back_is_the_inverse():
    points, targets = np.random.default_rng(1).normal(size=(2, 7, 3))
    there, back = align(points, targets), align(targets, points).inverse
    assert back.scale == pytest.approx(there.scale, rel=1e-12)
    assert np.abs(back.offset - there.offset).max() < 1e-12


def test_errors_do_not_depend_on_the_world_in_which_poses_are_told():
    true = cameras()
    noisy = perturbed(true, 0.1, 3)
    plain = pose_errors(noisy, true)
    moved = pose_errors(noisy.moved(moved_poses(noisy.poses, similarity(2))), true)
    for name in ("rotation", "translation", "centres"):
        assert torch.allclose(getattr(plain, name), getattr(moved, name), rtol=1e-9, atol=1e-10)


def test_the_error_of_a_turn_about_the_own_centre_is_its_angle():
    true = cameras()
    twist = torch.zeros(12, 6, dtype=torch.float64)
    twist[:, 1] = torch.linspace(0, 0.2, 12, dtype=torch.float64)
    errors = pose_errors(true.moved(corrected(true.poses, twist, "camera")), true)
    assert torch.allclose(errors.rotation, torch.rad2deg(twist[:, 1]), rtol=0, atol=1e-9)
    assert errors.centres.max() < 1e-12
    chord = 2 * torch.sin(twist[:, 1] / 2)
    across = torch.linalg.vector_norm(
        torch.stack([(-true.poses[:, :, k] * true.centres).sum(1) for k in (0, 2)]), dim=0
    )
    assert torch.allclose(errors.translation, chord * across, rtol=0, atol=1e-12)


@pytest.mark.parametrize("side", ["world", "camera"])
def test_a_correction_by_the_opposite_twist_is_exact(side):
    true = cameras()
    twist = 0.3 * torch.randn(12, 6, dtype=torch.float64)
    there = corrected(true.poses, twist, side)
    assert torch.allclose(corrected(there, -twist, side), true.poses, rtol=0, atol=1e-13)


def test_noise_acts_on_points_of_the_world_first():
    """BARF: the extrinsic map behind noise is the true one after the exponential of the twist."""
    true = cameras(3)
    twists = 0.15 * np.random.default_rng(7).standard_normal((3, 6))
    x = np.random.default_rng(0).normal(size=3)
    for k, camera in enumerate(perturbed(true, 0.15, 7)):
        moved = exponential(torch.from_numpy(twists[k])).numpy() @ [*x, 1.0]
        seen, pose = camera.pose.numpy(), true[k].pose.numpy()
        assert np.allclose(seen[:, :3].T @ (x - seen[:, 3]), pose[:, :3].T @ (moved - pose[:, 3]), atol=1e-12)


def test_noise_is_the_same_for_a_seed_and_none_for_sigma_zero():
    true = cameras()
    assert torch.equal(perturbed(true, seed=1).poses, perturbed(true, seed=1).poses)
    assert not torch.equal(perturbed(true, seed=1).poses, perturbed(true, seed=2).poses)
    assert torch.allclose(perturbed(true, 0.0).poses, true.poses, rtol=0, atol=1e-15)


LINE = np.outer(np.arange(5.0), [1.0, 2.0, 3.0])
NEARLY = LINE + 1e-7 * np.random.default_rng(0).normal(size=(5, 3))
BOTH_WAYS = np.vstack([np.eye(3), -np.eye(3)])
DEGENERATE = {
    "three points or more that are not on one line, got 2": (np.eye(3)[:2], np.eye(3)[:2]),
    "they lie on one line": (LINE, LINE),
    "lie on one line, or": (NEARLY, LINE),
    "all are one": (np.zeros((4, 3)), np.zeros((4, 3))),
    "points must be finite, and 12 of 12": (np.full((4, 3), np.nan), np.eye(4)[:, :3]),
    "as many, got 4 and 3": (np.eye(4)[:, :3], np.eye(3)),
    r"points must be points \(n, 3\)": (np.eye(4), np.eye(4)),
    "mirror them": (BOTH_WAYS, -BOTH_WAYS),
}


@pytest.mark.parametrize("told", DEGENERATE)
def test_points_that_tell_no_similarity_are_refused(told):
    points, reference = DEGENERATE[told]
    with pytest.raises(InvalidProblemError, match=told):
        align(points, reference)


def test_two_cameras_have_errors_where_a_similarity_is_given():
    true = cameras(2)
    with pytest.raises(InvalidProblemError, match="three points or more"):
        pose_errors(true, true)
    errors = pose_errors(true, true, Similarity(1.0, np.eye(3), np.zeros(3)))
    assert float(errors.rotation.max()) == 0.0


def test_other_numbers_of_cameras_are_refused():
    with pytest.raises(InvalidProblemError, match="as many, got 4 and 5"):
        pose_errors(cameras(4), cameras(5))


@pytest.mark.parametrize("options", [{"sigma": -1.0}, {"sigma": float("nan")}, {"seed": -1}, {"side": "left"}])
def test_wrong_options_of_noise_are_refused(options):
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        perturbed(cameras(), **options)
