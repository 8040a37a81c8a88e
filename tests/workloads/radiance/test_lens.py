"""Lenses: distortion and how it is undone."""

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import FisheyeLens, Intrinsics, PerspectiveLens

LENSES = [
    PerspectiveLens(),
    PerspectiveLens(k1=0.0578421, k2=-0.0805099, p1=-0.000980296, p2=0.00015575),
    PerspectiveLens(k1=-0.25, k2=0.08, k3=-0.01),
    PerspectiveLens(p1=0.02, p2=-0.03),
    FisheyeLens(),
    FisheyeLens(k1=0.05, k2=-0.01, k3=0.002, k4=-0.0003),
]
every_lens = pytest.mark.parametrize("lens", LENSES, ids=lambda lens: str(lens))


def grid(count=21, half=0.6):
    side = torch.linspace(-half, half, count, dtype=torch.float64)
    return torch.cartesian_prod(side, side)


@every_lens
def test_undoing_a_distortion_inverts_it(lens):
    directions, _ = lens.directions(grid())
    assert (lens.image(directions) - grid()).abs().max() < 1e-11
    assert (torch.linalg.vector_norm(directions, dim=1) - 1).abs().max() < 1e-14


@every_lens
def test_the_spread_is_the_solid_angle_of_an_area(lens):
    step = 1e-5
    x, spread = grid(), lens.directions(grid())[1]
    shifts = [torch.tensor(s, dtype=torch.float64) for s in ((step, 0), (-step, 0), (0, step), (0, -step))]
    right, left, down, up = (lens.directions(x + s)[0] for s in shifts)
    area = torch.linalg.vector_norm(torch.linalg.cross((right - left) / (2 * step), (down - up) / (2 * step)), dim=1)
    assert torch.allclose(area, spread, rtol=1e-7)


def test_the_formula_of_opencv_is_used():
    k1, k2, p1, p2, k3 = 0.1, -0.05, 0.003, -0.002, 0.01
    x, y = 0.3, -0.4
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    known = (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )
    lens = PerspectiveLens(k1, k2, p1, p2, k3)
    found = lens.image(torch.tensor([[2 * x, 2 * y, 2.0]], dtype=torch.float64))
    assert np.allclose(found.numpy(), [known], rtol=1e-14)


def test_a_fisheye_lens_sees_what_is_behind():
    lens = FisheyeLens()
    points = torch.tensor([[0.75 * math.pi, 0.0]], dtype=torch.float64)
    directions, _ = lens.directions(points)
    assert torch.allclose(directions, torch.tensor([[math.sqrt(0.5), 0.0, -math.sqrt(0.5)]], dtype=torch.float64))


def test_a_perspective_lens_does_not_see_what_is_behind():
    assert PerspectiveLens().image(torch.tensor([[0.1, 0.1, -1.0]])).isnan().all()


def test_a_point_beyond_the_fold_is_not_seen():
    lens = PerspectiveLens(k1=-0.3)  # its radius r (1 - 0.3 r²) is largest at r = 1.054
    seen = lens.image(torch.tensor([[1.0, 0.0, 1.0], [1.1, 0.0, 1.0], [1.8, 0.0, 1.0]], dtype=torch.float64))
    assert torch.isfinite(seen[0]).all()
    assert seen[1:].isnan().all()


@pytest.mark.parametrize("lens", [PerspectiveLens(k1=-0.3), FisheyeLens(k1=-0.3)], ids=str)
def test_a_point_outside_of_all_images_is_an_error(lens):
    with pytest.raises(hp.InvalidProblemError, match=r"k1=-0\.3.* cannot be undone at 1 of 2 points"):
        lens.directions(torch.tensor([[0.1, 0.0], [0.9, 0.0]], dtype=torch.float64))


def test_radii_add_up_to_the_solid_angle_of_the_image():
    intrinsics = Intrinsics.of_view_angle(60, 40, 1.2)
    _, radius = intrinsics.table
    a, b = math.tan(0.6), math.tan(0.6) * 40 / 60
    whole = 4 * math.asin(a * b / math.sqrt((1 + a * a) * (1 + b * b)))  # of a pyramid
    assert float((3 * radius**2).sum()) == pytest.approx(whole, rel=1e-3)


def test_intrinsics_are_scaled_along_each_axis():
    whole = Intrinsics(1080, 1920, 1375.52, 1374.49, 554.558, 965.268)
    part = whole.resized(270, 480)
    assert (part.fl_x, part.fl_y, part.cx, part.cy) == (1375.52 / 4, 1374.49 / 4, 554.558 / 4, 965.268 / 4)
    rounded = Intrinsics(101, 50, 90.0, 90.0, 50.0, 25.0).resized(34, 17)
    assert rounded.fl_x == pytest.approx(90 * 34 / 101)
    assert rounded.fl_y == pytest.approx(90 * 17 / 50)


def test_another_shape_is_another_picture():
    with pytest.raises(hp.InvalidProblemError, match=r"1080 x 1920.*uncropped"):
        Intrinsics(1080, 1920, 1375.0, 1375.0, 540.0, 960.0).resized(480, 270)


@pytest.mark.parametrize(
    "changes", [{"width": 0}, {"fl_x": -1.0}, {"cx": math.nan}, {"lens": None}, {"height": 1 << 20}, {"fl_y": True}]
)
def test_wrong_intrinsics_are_refused(changes):
    good = {"width": 4, "height": 4, "fl_x": 4.0, "fl_y": 4.0, "cx": 2.0, "cy": 2.0}
    with pytest.raises(hp.InvalidArgumentError, match=next(iter(changes))):
        Intrinsics(**(good | changes))
