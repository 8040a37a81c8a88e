"""Grids whose finest cells are as wide as pixels see."""

import dataclasses

import pytest

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import GridLevels, Scene, fitted_levels

SCENE = Scene.render_synthetic(40, train=4, test=0, supersampling=1)


def test_cells_and_pixels_of_the_middle_are_equally_wide():
    camera = SCENE.train[0].camera
    pixel = 3.2 / camera.intrinsics.fl_x
    assert fitted_levels(SCENE).finest == pytest.approx(2 / pixel, abs=1.5)


def test_twice_as_many_pixels_want_twice_as_many_cells():
    fine = Scene.render_synthetic(80, train=4, test=0, supersampling=1)
    assert fitted_levels(fine).finest == pytest.approx(2 * fitted_levels(SCENE).finest, abs=2)


def test_what_is_not_the_finest_level_is_kept():
    levels = GridLevels(64, 128, 3, 4, 1 << 10)
    assert fitted_levels(SCENE, levels) == dataclasses.replace(levels, finest=64)


def test_a_scene_without_training_views_is_refused():
    empty = dataclasses.replace(SCENE, splits=("test",) * 4)
    with pytest.raises(hp.InvalidProblemError, match="training views"):
        fitted_levels(empty)
