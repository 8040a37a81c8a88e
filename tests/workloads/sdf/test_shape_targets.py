"""Distances to shapes with formulas, and to what is made of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

import hermite_pinn as hp
from hermite_pinn.workloads.sdf.shape_target import ShapeTarget

CUBE = hp.Cuboid((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
SHAPES = {
    "ball": hp.Ball((0.1, 0, 0), 0.5),
    "cuboid": hp.Cuboid((-0.5, -0.3, -0.2), (0.4, 0.3, 0.5)),
    "cylinder": hp.Cylinder((0, 0, -0.4), (0.1, 0.2, 0.5), 0.3),
    "torus": hp.Torus((0, 0, 0), 0.5, 0.2, axis=(1, 1, 0)),
    "difference": CUBE - hp.Ball((0.5, 0.5, 0.5), 0.4),
    "union": hp.Ball((-0.2, 0, 0), 0.4) | hp.Ball((0.3, 0, 0), 0.35),
    "intersection": hp.Ball((-0.2, 0, 0), 0.5) & hp.Cuboid((-0.4, -0.4, -0.4), (0.2, 0.4, 0.4)),
    "turned": (CUBE - hp.Cylinder((0, 0, -1), (0, 0, 1), 0.3)).rotated(30, axis=(1, 1, 1)),
}
PLANE = hp.Disk((0, 0), 1)


def places(count: int = 600) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.9, 0.9, (3, count))


@pytest.mark.parametrize("name", SHAPES)
def test_closest_points_are_on_the_boundary_and_no_other_point_of_it_is_closer(name: str) -> None:
    shape, x = SHAPES[name], places()
    foot = shape.closest_points(x)
    assert np.abs(shape.signed_distance(foot)).max() < 1e-8
    generator = np.random.default_rng(1)
    others = np.concatenate([piece.random(20_000, generator).x for piece in shape.pieces], axis=1)
    closest, _ = cKDTree(others.T).query(x.T)
    assert (np.linalg.norm(x - foot, axis=0) <= closest + 2e-5).all()


@pytest.mark.parametrize("name", SHAPES)
def test_gradients_are_those_of_the_distances(name: str) -> None:
    target, x, step = ShapeTarget(SHAPES[name], True), places(150), 1e-6
    found = target.nearest(x)
    ahead = target.nearest(x + step * found.gradient)
    smooth = np.abs((ahead.distance - found.distance) / step - 1) < 1e-4
    assert smooth.mean() > 0.98  # all but those next to a point with two closest points
    assert np.allclose(np.linalg.norm(found.gradient, axis=0), 1)


def test_an_implicit_shape_has_the_distances_of_the_ball_that_it_is() -> None:
    def quadratic(x, y, z):
        return x**2 + y**2 + z**2 - 0.25

    shape = hp.Implicit(quadratic, bounds=((-0.8,) * 3, (0.8,) * 3), cells=32)
    x = places(500)
    x = x[:, np.linalg.norm(x, axis=0) > 0.2]
    found = ShapeTarget(shape, True).nearest(x)
    radius = np.linalg.norm(x, axis=0)
    assert np.abs(found.distance - (radius - 0.5)).max() < 1e-4
    assert np.abs(found.gradient - x / radius).max() < 0.02


def test_balls_of_the_plane_are_refused_and_what_has_no_end() -> None:
    with pytest.raises(hp.InvalidProblemError, match=r"surfaces in space, got a shape of the plane"):
        hp.sdf.fit(PLANE, progress=False)
    with pytest.raises(hp.InvalidProblemError, match="reaches without end"):
        hp.sdf.fit(~hp.Ball((0, 0, 0), 1), progress=False)


def test_a_shape_without_bounds_asks_for_them() -> None:
    with pytest.raises(hp.InvalidProblemError, match="bounds"):
        hp.sdf.fit(hp.Implicit(lambda x, y, z: x**2 + y**2 + z**2 - 0.25), progress=False)


def test_a_ball_is_fitted() -> None:
    shape = hp.sdf.fit(hp.Ball((0, 0, 0), 0.5), levels=(8, 16), progress=False)
    x = np.random.default_rng(2).uniform(-0.6, 0.6, (3, 2000))
    true = np.linalg.norm(x, axis=0) - 0.5
    assert shape.status.success
    assert np.abs(shape.d(*x) - true)[np.abs(true) < 0.1].max() < 1e-3
    assert shape.stats["quality"]["gradient_mae"] < 5e-3


def test_what_is_cut_from_a_cube_is_outside() -> None:
    shape = hp.sdf.fit(SHAPES["difference"], levels=(8, 16), progress=False)
    assert shape.d(0.4, 0.4, 0.4) > 0.1
    assert shape.d(-0.3, -0.3, -0.3) < -0.15
    unsigned = hp.sdf.fit(SHAPES["ball"], levels=(8,), sign="unsigned", progress=False)
    assert unsigned.d(0.1, 0.0, 0.0) > 0.3
