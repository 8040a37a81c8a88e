"""Shapes that a function describes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.geometry import shape_from_state

PLANE, SPACE = ((-2, -2), (2, 2)), ((-1.5,) * 3, (1.5,) * 3)


def disk(x, y):
    return x**2 + y**2 - 1


def ball(x, y, z):
    return x**2 + y**2 + z**2 - 1


def surface(shape, spacing):
    parts = [p.points(spacing) for p in shape.pieces]
    return tuple(np.concatenate([getattr(p, key) for p in parts], axis=-1) for key in ("x", "weights", "normals"))


def points(dim, count, reach=1.4):
    return np.random.default_rng(0).uniform(-reach, reach, (dim, count))


@pytest.mark.parametrize(
    ("function", "bounds", "reference", "volume", "close"),
    [
        (disk, PLANE, hp.Disk((0, 0), 1), math.pi, 1e-5),
        (ball, SPACE, hp.Ball((0, 0, 0), 1), 4 / 3 * math.pi, 1e-6),
        (
            lambda x, y, z: (np.sqrt(x**2 + y**2) - 1) ** 2 + z**2 - 0.09,
            SPACE,
            hp.Torus((0, 0, 0), 1, 0.3),
            2 * math.pi**2 * 0.09,
            1e-5,
        ),
    ],
)
def test_an_implicit_shape_is_the_shape_whose_boundary_it_has(function, bounds, reference, volume, close):
    shape = hp.Implicit(function, bounds=bounds)
    x, weights, normals = surface(shape, 0.05)
    assert np.abs(reference.signed_distance(x)).max() < 1e-9
    np.testing.assert_allclose(reference.signed_distance(x + 1e-3 * normals), 1e-3, rtol=1e-6)
    assert (weights * (x * normals).sum(0)).sum() / shape.dim == pytest.approx(volume, rel=close)
    assert np.abs((weights * normals).sum(1)).max() < close
    y = points(shape.dim, 3000)
    exact = reference.signed_distance(y)
    near = np.abs(exact) < 0.2
    np.testing.assert_allclose(shape.signed_distance(y)[near], exact[near], atol=1e-5)
    np.testing.assert_allclose(shape.signed_distance(y), exact, atol=2e-3)
    np.testing.assert_array_equal(shape.contains(y), exact <= 0)
    for ours, theirs, sign in zip(shape.bounds, reference.bounds, (1, -1), strict=True):
        assert (sign * (theirs - ours) >= -1e-9).all()
        assert np.abs(theirs - ours).max() < 0.05
    drawn = shape.pieces[0].random(1000, np.random.default_rng(0))
    assert np.abs(reference.signed_distance(drawn.x)).max() < 1e-9


def test_corners_of_a_zero_set_are_found_with_their_angles():
    def square(x, y):
        return hp.maximum(hp.abs(x), hp.abs(y)) - 1.013

    def step(x, y):
        return hp.maximum(square(x, y), -hp.maximum(-x, -y))

    shape = hp.Implicit(step, bounds=PLANE)
    degrees = np.degrees(shape.creases.angles)
    np.testing.assert_allclose(np.sort(degrees), [90] * 5 + [270], atol=1e-3)
    np.testing.assert_allclose(shape.creases.segments[degrees > 180], 0, atol=1e-9)
    x, weights, normals = surface(shape, 0.1)
    assert (weights * (x * normals).sum(0)).sum() / 2 == pytest.approx(3 * 1.013**2, rel=1e-9)
    assert not hp.Implicit(disk, bounds=PLANE).creases.angles.size


def test_edges_of_a_zero_set_in_space_are_found_with_their_angles():
    def cube(x, y, z):
        return hp.maximum(hp.maximum(hp.abs(x), hp.abs(y)), hp.abs(z)) - 1.01

    creases = hp.Implicit(cube, bounds=SPACE, cells=40).creases
    np.testing.assert_allclose(np.degrees(creases.angles), 90, atol=1e-3)
    lengths = np.linalg.norm(creases.segments[:, 1] - creases.segments[:, 0], axis=1)
    assert lengths.sum() == pytest.approx(24 * 1.01, rel=0.1)
    assert np.sort(np.abs(creases.segments), axis=2)[..., 1:] == pytest.approx(1.01, abs=1e-6)
    assert not hp.Implicit(ball, bounds=SPACE, cells=24).creases.angles.size


def test_coordinates_go_by_name_or_by_position():
    half = np.array([[0.4, 0.0], [0.0, 0.4]])
    for function in (lambda x, y: x - 0.2, lambda y, x: x - 0.2, lambda a, b: a - 0.2, lambda *c: c[0] - 0.2):
        shape = hp.Implicit(function, bounds=PLANE)
        assert shape.contains(half).tolist() == [False, True]
    box = hp.Box(r=(0, 1), z=(0, 1))
    domain = box - hp.Implicit(lambda z, r: hp.hypot(r - 0.3, z - 0.7) - 0.1)
    assert domain.face("implicit").measure == pytest.approx(0.2 * math.pi, rel=1e-3)
    x = domain.face("implicit").in_space([20, 20]).x
    assert x.mean(1).tolist() == pytest.approx([0.3, 0.7], abs=1e-3)


def test_bounds_come_from_the_box_that_is_cut():
    shape = hp.Implicit(lambda x, y: hp.hypot(x - 0.5, y - 0.5) - 0.25, name="hole")
    domain = hp.Box(x=(0, 1), y=(0, 1)) - shape
    assert domain.interior.measure == pytest.approx(1 - math.pi / 16, rel=1e-3)
    assert "hole" in [f.name for f in domain.faces]
    half = hp.Box(x=(0, 1), y=(0, 1)) & hp.Implicit(lambda x, y: y - 0.5 - 0.1 * hp.sin(6 * x))
    assert half.interior.measure == pytest.approx(0.5 + (1 - math.cos(6)) / 60, rel=1e-3)
    moved = hp.Box(x=(0, 1), y=(0, 1)) - (shape.scaled(0.5) | hp.Disk((0.8, 0.8), 0.1))
    assert moved.interior.measure == pytest.approx(1 - math.pi / 64 - math.pi / 100, rel=1e-3)


def test_an_implicit_shape_combines_with_others():
    both = hp.Implicit(disk, bounds=PLANE) - hp.Disk((1, 0), 0.5)
    exact = hp.Disk((0, 0), 1) - hp.Disk((1, 0), 0.5)
    np.testing.assert_allclose(both.creases.angles, exact.creases.angles, atol=1e-5)
    x, weights, normals = surface(both, 0.05)
    y, reference, outward = surface(exact, 0.05)
    area = (reference * (y * outward).sum(0)).sum() / 2
    assert (weights * (x * normals).sum(0)).sum() / 2 == pytest.approx(area, rel=1e-5)
    cut = hp.Implicit(ball, bounds=SPACE, cells=48) - hp.Cuboid((-2, -2, 0.7), (2, 2, 2))
    x, weights, normals = surface(cut, 0.05)
    volume = 4 / 3 * math.pi - math.pi * 0.09 * 2.7 / 3
    assert (weights * (x * normals).sum(0)).sum() / 3 == pytest.approx(volume, rel=3e-3)


def test_moves_carry_an_implicit_shape_along():
    shape = hp.Implicit(lambda x, y: x**2 / 2 + y**2 - 1, bounds=PLANE)
    moved = shape.rotated(90).scaled(2).translated(1, 0)
    x = points(2, 500)
    image = np.stack([1 - 2 * x[1], 2 * x[0]])
    np.testing.assert_allclose(moved.signed_distance(image), 2 * shape.signed_distance(x), atol=1e-12)
    assert moved.kind == "implicit"


@pytest.mark.parametrize(("function", "bounds", "close"), [(disk, PLANE, 1e-6), (ball, SPACE, 1e-4)])
def test_a_saved_shape_is_a_table_of_the_function(function, bounds, close):
    shape = hp.Implicit(function, name="hole", bounds=bounds, cells=None if len(bounds[0]) == 2 else 40)
    again = shape_from_state(shape.state())
    assert again.name == "hole"
    x = surface(shape, 0.2)[0]
    assert np.abs(again.signed_distance(x)).max() < close
    y = points(shape.dim, 1000)
    clear = np.abs(shape.signed_distance(y)) > close
    np.testing.assert_array_equal(again.contains(y)[clear], shape.contains(y)[clear])
    once_more = shape_from_state(again.state())
    np.testing.assert_array_equal(once_more.state()["values"], again.state()["values"])
    np.testing.assert_array_equal(once_more.signed_distance(y), again.signed_distance(y))


def test_the_result_does_not_depend_on_the_size_of_the_values():
    x = points(2, 300)
    first = hp.Implicit(disk, bounds=PLANE).signed_distance(x)
    for factor in (1e-8, 1e8):
        np.testing.assert_allclose(
            hp.Implicit(lambda x, y, f=factor: f * disk(x, y), bounds=PLANE).signed_distance(x), first, atol=1e-9
        )


BAD = {
    "no zero": (
        lambda: hp.Implicit(lambda x, y: x**2 + y**2 + 1, bounds=PLANE).pieces,
        "no zero set in .* between 1 and 9",
    ),
    "all negative": (lambda: hp.Implicit(lambda x, y: x - 10, bounds=PLANE).bounds, "no zero set"),
    "not a number": (lambda: hp.Implicit(lambda x, y: np.sqrt(x) - 0.5, bounds=PLANE).pieces, "is not a number at"),
    "a jump": (lambda: hp.Implicit(lambda x, y: hp.where(x**2 + y**2 < 1, -1.0, 1.0), bounds=PLANE).pieces, "jumps"),
    "a complex number": (lambda: hp.Implicit(lambda x, y: 1j * x, bounds=PLANE).pieces, "one real number per point"),
    "another length": (lambda: hp.Implicit(lambda x, y: x[:2], bounds=PLANE).pieces, "one real number per point"),
    "floats only": (lambda: hp.Implicit(lambda x, y: math.sin(x), bounds=PLANE).pieces, r"on arrays .*use hp\.sin"),
    "one argument": (lambda: hp.Implicit(lambda x: x), "two or three coordinates"),
    "time": (lambda: hp.Implicit(lambda x, y, t: x - t), "same at all times"),
    "bounds of space": (lambda: hp.Implicit(disk, bounds=SPACE), "3 coordinates, as many as its bounds"),
    "no function": (lambda: hp.Implicit(3), "function must be a function"),
    "no bounds": (lambda: hp.Implicit(disk).signed_distance(np.zeros((2, 1))), "give bounds="),
    "bounds upside down": (lambda: hp.Implicit(disk, bounds=((1, 1), (0, 0))), "upper must be above lower"),
    "bounds of one corner": (lambda: hp.Implicit(disk, bounds=3), "two corners"),
    "any arguments": (lambda: hp.Implicit(lambda *c: c[0]), "give bounds="),
    "a bad name": (lambda: hp.Implicit(disk, name="a b"), "name must be an identifier"),
    "outside the box": (lambda: hp.Box(x=(3, 4), y=(3, 4)) - hp.Implicit(disk), "no zero set"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_shape_is_refused_with_what_is_accepted(case):
    make, message = BAD[case]
    with pytest.raises(hp.InvalidProblemError, match=message):
        make()
