"""Pictures of zero sets."""

import numpy as np
import pytest
import torch
from surfaces import CUBE, ball, ring, ring_curvature

import hermite_pinn as hp
from hermite_pinn.workloads import sdf


@pytest.mark.parametrize("color", ["mean_curvature", "gaussian_curvature"])
def test_pixels_show_points_of_the_surface_and_its_curvature(color):
    field = ring()
    picture = sdf.render(field, 80, 60, color=color)
    x = picture.points[picture.hit]
    assert 0.1 < picture.hit.mean() < 0.9
    assert np.abs(field.values(x)).max() < 1e-8
    known = ring_curvature(x)[0 if color == "mean_curvature" else 1]
    assert np.allclose(picture.values[picture.hit], known, rtol=1e-6)
    assert np.isnan(picture.values[~picture.hit]).all()
    assert (picture.colors[~picture.hit] == 1).all()
    assert picture.limits[0] == -picture.limits[1]


def test_only_the_front_is_seen():
    picture = sdf.render(ball(), 60, 60, azimuth=0.0, elevation=0.0)
    assert (picture.points[picture.hit][:, 0] > 0.1).all()  # the camera is at large x
    assert (picture.normals[picture.hit][:, 0] > 0).all()


@pytest.mark.parametrize(("up", "azimuth", "towards"), [("z", 0.0, 0), ("z", 90.0, 1), ("x", 0.0, 1), ("y", 0.0, 2)])
def test_the_camera_looks_from_where_it_is_told(up, azimuth, towards):
    picture = sdf.render(ball(0.5, (0, 0, 0)), 40, 40, azimuth=azimuth, elevation=0.0, up=up)
    assert (picture.points[picture.hit][:, towards] > 0).all()
    rows = picture.points[..., "xyz".index(up)]
    assert np.nanmean(rows[:20]) > 0.1 > -0.1 > np.nanmean(rows[20:])  # what is up is above


def test_the_outline_of_a_ball_is_a_circle():
    hit = sdf.render(ball(), 80, 80, elevation=50.0).hit
    assert hit.any(0).sum() == pytest.approx(hit.any(1).sum(), abs=1)
    assert hit.sum() == pytest.approx(np.pi / 4 * hit.any(0).sum() ** 2, rel=0.03)


def test_a_steeper_field_has_the_same_picture():
    steep = sdf.FunctionField(lambda x, y, z: torch.expm1(4 * ball()._function(x, y, z)), *CUBE)
    one, other = (sdf.render(f, 48, 48) for f in (ball(), steep))
    assert (one.hit == other.hit).mean() > 0.995
    both = one.hit & other.hit
    assert np.abs(one.points[both] - other.points[both]).max() < 1e-5


def test_where_the_box_cuts_the_inside_is_seen_in_gray():
    field = ball(0.7, (1.0, 0.0, 0.0))
    picture = sdf.render(field, 48, 48, azimuth=0.0, elevation=0.0)
    cut = picture.hit & np.isnan(picture.values)
    assert cut.sum() > 100
    assert np.allclose(picture.points[cut][:, 0], 1.0)
    assert np.allclose(picture.normals[cut], [1, 0, 0])


def test_a_picture_is_written_with_and_without_a_scale(tmp_path):
    from matplotlib.image import imread

    for color, wider in (("mean_curvature", True), ("none", False)):
        path = sdf.render(ball(), 64, 48, color=color).save(tmp_path / f"{color}.png")
        height, width = imread(path).shape[:2]
        assert height == 48
        assert (width > 64) == wider


def test_limits_set_the_colours():
    picture = sdf.render(ball(), 16, 16, limits=(0.0, 10.0))
    assert picture.limits == (0.0, 10.0)
    with pytest.raises(hp.InvalidArgumentError, match="lower one first"):
        sdf.render(ball(), 16, 16, limits=(1.0, 0.0))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"width": 0}, "width must be"),
        ({"height": 10**6}, "height must be"),
        ({"color": "red"}, "color"),
        ({"elevation": 120}, "elevation"),
        ({"azimuth": float("inf")}, "azimuth"),
        ({"up": "w"}, "up must be"),
        ({"field": "q"}, None),
        ({"scale": -1.0}, "scale"),
    ],
)
def test_options_out_of_range_are_refused(options, told):
    if told is None:
        assert sdf.render(ball(), 16, 16, **options).hit.any()  # a function has no names
        return
    with pytest.raises(hp.InvalidArgumentError, match=told):
        sdf.render(ball(), **options)


@pytest.mark.parametrize(
    ("function", "told"),
    [(lambda x, y, z: x * x + 1, "sees no surface"), (lambda x, y, z: torch.log(x * x - 2), "not finite")],
)
def test_what_cannot_be_seen_is_refused(function, told):
    with pytest.raises(hp.InvalidArgumentError, match=told):
        sdf.render(sdf.FunctionField(function, *CUBE), 16, 16)
