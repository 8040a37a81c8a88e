"""Shapes made of shapes: what is left of their boundaries, and the angles where these meet."""

from __future__ import annotations

import math

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.geometry import shape_from_state


def lens(d, r, s):
    """Area of what discs of radii r and s have in common at a distance d of their centres."""
    a = r * r * math.acos((d * d + r * r - s * s) / (2 * d * r))
    b = s * s * math.acos((d * d + s * s - r * r) / (2 * d * s))
    return a + b - 0.5 * math.sqrt((r + s - d) * (d + r - s) * (d + s - r) * (d + r + s))


A, B = hp.Disk((0, 0), 1, name="a"), hp.Disk((1.2, 0.3), 0.6, name="b")
LENS = lens(math.hypot(1.2, 0.3), 1, 0.6)
BOX, BALL = hp.Cuboid((0, 0, 0), (1, 1, 1)), hp.Ball((1, 1, 1), 0.5)
CAP = math.pi * 0.3**2 * (3 - 0.3) / 3  # of a unit ball, 0.3 high
COMBINED = {
    "union": (A | B, math.pi * 1.36 - LENS),
    "intersection": (A & B, LENS),
    "difference": (A - B, math.pi - LENS),
    "both differences": ((A - B) | (B - A), math.pi * 1.36 - 2 * LENS),
    "a hole": (A - hp.Disk((0.2, 0.1), 0.3), math.pi * 0.91),
    "apart": (A | hp.Disk((5, 5), 0.5), math.pi * 1.25),
    "a notch": (hp.Rectangle((0, 0), (2, 1)) - hp.Rectangle((0.5, 0.5), (1, 1)), 1.75),
    "neighbours": (hp.Rectangle((0, 0), (1, 1)) | hp.Rectangle((1, 0.25), (2, 0.75)), 1.5),
    "the same twice": (A | hp.Disk((0, 0), 1), math.pi),
    "a slot": (hp.Rectangle((0, 0), (2, 2)) - (hp.Disk((1, 1), 0.5) | hp.Rectangle((0.9, 0.2), (1.1, 1))), None),
    "a corner off": (BOX - BALL, 1 - math.pi / 48),
    "boxes": (BOX | hp.Cuboid((1, 0, 0), (2, 1, 0.5)), 1.5),
    "a step": (hp.Cuboid((0, 0, 0), (2, 2, 2)) - hp.Cuboid((1, 1, 0), (2, 2, 2)), 6.0),
    "a drilled box": (BOX - hp.Cylinder((0.5, 0.5, -1), (0.5, 0.5, 2), 0.2), 1 - 0.04 * math.pi),
    "a plugged box": (BOX - hp.Cylinder((0.5, 0.5, 0), (0.5, 0.5, 1), 0.2), 1 - 0.04 * math.pi),
    "a capped ball": (hp.Ball((0, 0, 0), 1) - hp.Cuboid((-2, -2, 0.7), (2, 2, 2)), 4 / 3 * math.pi - CAP),
    "crossed pipes": (
        hp.Cylinder((-1, 0, 0), (1, 0, 0), 0.3) & hp.Cylinder((0, -1, 0), (0, 1, 0), 0.3),
        16 / 3 * 0.027,
    ),
    "turned": ((BOX - BALL).rotated(40, axis=(1, 1, 0)).scaled(2), 8 * (1 - math.pi / 48)),
}
combined = pytest.mark.parametrize("kind", COMBINED)


def surface(shape, spacing):
    parts = [p.points(spacing) for p in shape.pieces]
    return tuple(np.concatenate([getattr(p, key) for p in parts], axis=-1) for key in ("x", "weights", "normals"))


def around(shape, count):
    lower, upper = shape.bounds
    unit = np.random.default_rng(3).random((shape.dim, count)) * 1.4 - 0.2
    return lower[:, None] + (upper - lower)[:, None] * unit


@combined
def test_what_is_left_of_the_boundaries_satisfies_the_divergence_theorem(kind):
    shape, volume = COMBINED[kind]
    spacing, close = (0.05, 1e-6) if shape.dim == 2 else (0.04, 6e-3)
    x, weights, normals = surface(shape, spacing)
    assert np.abs((weights * normals).sum(1)).max() < close * weights.sum()
    if volume is not None:
        assert (weights * (x * normals).sum(0)).sum() / shape.dim == pytest.approx(volume, rel=close)


@combined
def test_points_lie_on_the_boundary_with_the_inside_on_one_side(kind):
    shape, _ = COMBINED[kind]
    x, weights, normals = surface(shape, 0.05)
    assert (weights > 0).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=0), 1, atol=1e-12)
    step = 1e-5
    inside, outside = shape.signed_distance(x - step * normals), shape.signed_distance(x + step * normals)
    wrong = (inside >= 0) | (outside <= 0)
    assert np.mean(wrong) <= (0 if shape.dim == 2 else 0.005)  # those on an edge have no side
    for piece in shape.pieces:
        drawn = piece.random(500, np.random.default_rng(0))
        assert drawn.count == 500
        assert np.abs(shape.signed_distance(drawn.x)).max() < 1e-9


@combined
def test_the_distance_is_a_bound_with_the_right_sign(kind):
    from scipy.spatial import cKDTree

    shape, _ = COMBINED[kind]
    x, spacing = around(shape, 3000), 0.01 if shape.dim == 2 else 0.03
    distance = shape.signed_distance(x)
    nearest = cKDTree(surface(shape, spacing)[0].T).query(x.T)[0]
    assert (np.abs(distance) <= nearest + 1e-9).all()
    np.testing.assert_array_equal(shape.contains(x), distance <= 0)
    states = [leaf.signed_distance(x) < 0 for leaf in shape.leaves]
    np.testing.assert_array_equal(shape.logic(iter(states)), distance < 0)


@combined
def test_a_combination_is_made_again_from_its_state(kind):
    shape, _ = COMBINED[kind]
    again, x = shape_from_state(shape.state()), around(shape, 300)
    assert repr(again) == repr(shape)
    np.testing.assert_array_equal(again.signed_distance(x), shape.signed_distance(x))
    assert [p.label for p in again.pieces] == [p.label for p in shape.pieces]


def test_operators_mean_what_sets_do():
    x = around(A | B, 2000)
    a, b = A.contains(x), B.contains(x)
    np.testing.assert_array_equal((A | B).contains(x), a | b)
    np.testing.assert_array_equal((A & B).contains(x), a & b)
    np.testing.assert_array_equal((A - B).contains(x), a & ~b)
    np.testing.assert_array_equal((~A).contains(x), ~a)
    assert ~(~A) is A
    text = "(Disk((0, 0), 1, name='a') - Disk((1.2, 0.3), 0.6, name='b')) | Disk((5, 0), 1)"
    assert repr(A - B | hp.Disk((5, 0), 1)) == text


def test_the_cut_between_curves_is_exact():
    shape = A - B
    for piece in shape.pieces:
        for leaf in (A, B):
            assert np.abs(leaf.signed_distance(piece.ends)).max() < 1e-10
    angle = math.acos((1 + 0.36 - 1.53) / (2 * 0.6))
    arc = 2 * math.acos((1 + 1.53 - 0.36) / (2 * math.sqrt(1.53)))
    assert shape.pieces[0].measure == pytest.approx(2 * math.pi - arc, rel=1e-9)
    # the circles meet at this angle: what is left of the first has the supplement of the lens's corner
    np.testing.assert_allclose(shape.creases.angles, angle, atol=1e-6)


def test_corners_have_the_angles_of_what_is_left():
    lens_angle = (A & B).creases.angles
    np.testing.assert_allclose((A | B).creases.angles, 2 * math.pi - lens_angle.mean(), atol=1e-6)
    np.testing.assert_allclose((A - B).creases.angles, math.pi - lens_angle.mean(), atol=1e-6)
    step = hp.Rectangle((0, 0), (2, 2)) - hp.Rectangle((1, 1), (2, 2))
    np.testing.assert_allclose(np.sort(np.degrees(step.creases.angles)), [90] * 5 + [270], atol=1e-6)
    hole = hp.Rectangle((0, 0), (3, 3)) - hp.Rectangle((1, 1), (2, 2))
    np.testing.assert_allclose(np.sort(np.degrees(hole.creases.angles)), [90] * 4 + [270] * 4, atol=1e-6)
    wall = hp.Rectangle((0, 0), (1, 1)) | hp.Rectangle((1, 0), (2, 1))
    assert len(wall.creases.angles) == 4  # none where the two join
    touching = hp.Rectangle((0, 0), (1, 1)) | hp.Rectangle((1, 1), (2, 2))
    assert len(touching.creases.angles) == 8  # two sectors where the corners touch


def test_corners_in_what_is_cut_away_are_gone():
    shape = hp.Rectangle((0, 0), (1, 1)) - hp.Disk((1, 1), 0.25)
    corners = shape.creases.segments[:, 0]
    assert len(corners) == 5
    assert not (np.linalg.norm(corners - 1, axis=1) < 0.2).any()


def test_edges_of_solids_have_the_angles_and_lengths_of_what_is_left():
    def edges(shape):
        creases = shape.creases
        lengths = np.linalg.norm(creases.segments[:, 1] - creases.segments[:, 0], axis=1)
        return creases, lengths

    creases, lengths = edges(COMBINED["a step"][0])
    reentrant = creases.angles > math.pi
    np.testing.assert_allclose(np.degrees(creases.angles[~reentrant]), 90, atol=1e-3)
    np.testing.assert_allclose(np.degrees(creases.angles[reentrant]), 270, atol=1e-3)
    assert lengths[reentrant].sum() == pytest.approx(2, abs=0.1)
    np.testing.assert_allclose(creases.segments[reentrant][..., :2], 1, atol=1e-9)
    assert lengths.sum() == pytest.approx(6 * 2 + 2 * 8)  # of a prism over an L

    for kind in ("a drilled box", "a plugged box"):
        creases, lengths = edges(COMBINED[kind][0])
        np.testing.assert_allclose(np.degrees(creases.angles), 90, atol=0.01)
        assert lengths.sum() == pytest.approx(12 + 2 * 2 * math.pi * 0.2, rel=0.02)

    creases, lengths = edges(hp.Cylinder((-1, 0, 0), (1, 0, 0), 0.3) | hp.Cylinder((0, -1, 0), (0, 1, 0), 0.2))
    crossing = creases.angles > math.pi
    for points in np.moveaxis(creases.segments[crossing], 1, 0):
        assert np.abs(np.hypot(points[:, 1], points[:, 2]) - 0.3).max() < 1e-9
        assert np.abs(np.hypot(points[:, 0], points[:, 2]) - 0.2).max() < 1e-9

    joined = COMBINED["boxes"][0]
    creases, lengths = edges(joined)
    inner = np.abs(creases.segments - [1, 0.5, 0.5]).max(axis=(1, 2)) < 1e-9
    assert not inner.any()
    reentrant = creases.angles > math.pi
    np.testing.assert_allclose(
        creases.segments[reentrant][..., [0, 2]], np.broadcast_to([1, 0.5], (reentrant.sum(), 2, 2)), atol=1e-9
    )


def test_a_shape_that_is_taken_away_has_its_edges_from_the_other_side():
    hole = hp.Cuboid((0, 0, 0), (3, 3, 3)) - hp.Cuboid((1, 1, 1), (2, 2, 2))
    degrees = np.degrees(hole.creases.angles)
    assert set(np.round(degrees, 6)) == {90.0, 270.0}
    lengths = np.linalg.norm(hole.creases.segments[:, 1] - hole.creases.segments[:, 0], axis=1)
    assert lengths[degrees > 180].sum() == pytest.approx(12)


def test_faces_that_coincide_are_kept_once_and_only_where_material_is_on_one_side():
    def area(shape):
        return surface(shape, 0.02)[1].sum()

    square = hp.Rectangle((0, 0), (1, 1))
    assert area(square | hp.Rectangle((0, 0), (1, 2))) == pytest.approx(6)  # one inside the other
    assert area(square | hp.Rectangle((1, 0), (2, 1))) == pytest.approx(6)  # side by side
    assert area(hp.Rectangle((0, 0), (2, 1)) - square) == pytest.approx(4)  # half of it away
    assert area(square & hp.Rectangle((0, 0), (1, 1))) == pytest.approx(4)
    cube = hp.Cuboid((0, 0, 0), (1, 1, 1))
    assert area(cube | hp.Cuboid((1, 0, 0), (2, 1, 1))) == pytest.approx(10, rel=1e-3)
    assert area(hp.Cuboid((0, 0, 0), (2, 1, 1)) - cube) == pytest.approx(6, rel=1e-3)
    assert area(cube | hp.Cuboid((0.2, 0.2, 1), (0.8, 0.8, 2))) == pytest.approx(6 + 4 * 0.6, rel=5e-3)


def test_pieces_know_their_leaf_and_normals_point_out_of_the_result():
    shape = hp.Rectangle((0, 0), (2, 2)) - hp.Disk((1, 1), 0.5, name="hole") - hp.Disk((3, 1), 1.5)
    assert [leaf.kind for leaf in shape.leaves] == ["rectangle", "disk", "disk"]
    assert [p.leaf for p in shape.pieces] == [0, 0, 0, 1, 2]
    hole = shape.pieces[3].points(0.1)
    assert ((hole.x - 1) * hole.normals).sum(0).max() < 0
    assert [p.label for p in shape.pieces] == [":0", ":2", ":3", "", ""]


def test_trimmed_measures_converge_with_the_spacing():
    shape = BOX - BALL
    exact = 6 - 3 * math.pi / 4 * 0.25 + 4 * math.pi * 0.25 / 8
    errors = [abs(surface(shape, h)[1].sum() - exact) for h in (0.1, 0.05, 0.025, 0.0125)]
    assert errors[-1] < 1e-3
    assert max(errors[2:]) < 0.5 * max(errors[:2])


def test_small_parts_of_a_curve_are_found():
    shape = hp.Disk((0, 0), 1) - hp.Disk((1, 0), 1e-3)
    _, weights, normals = surface(shape, 0.01)
    assert np.abs((weights * normals).sum(1)).max() < 1e-9
    assert len(shape.creases.angles) == 2


def test_many_shapes_are_as_those_that_are_near_each_other():
    centers = [(0.9 * i, 0.9 * j) for i in range(5) for j in range(4)]
    chain = hp.Disk(centers[0], 0.5)
    for center in centers[1:]:
        chain = chain | hp.Disk(center, 0.5)
    assert len(chain.leaves) == 20
    _, weights, normals = surface(chain, 0.02)
    assert np.abs((weights * normals).sum(1)).max() < 1e-8
    assert len(chain.creases.angles) == 2 * (4 * 4 + 5 * 3)
    np.testing.assert_allclose(chain.creases.angles, 2 * math.pi - 2 * math.acos(0.9), atol=1e-5)


def test_large_coordinates_do_not_blur_the_cut():
    near, far = A - B, (A - B).translated(1e4, -1e4)
    assert surface(far, 0.1)[1].sum() == pytest.approx(surface(near, 0.1)[1].sum(), rel=1e-7)
    np.testing.assert_allclose(far.creases.angles, near.creases.angles, atol=1e-4)
    small = (A - B).scaled(1e-6)
    assert surface(small, 1e-7)[1].sum() == pytest.approx(1e-6 * surface(near, 0.1)[1].sum(), rel=1e-9)


EMPTY = {
    "a disc in a larger one": lambda: hp.Disk((0, 0), 0.5) - A,
    "a disc without itself": lambda: A - hp.Disk((0, 0), 1),
    "discs apart": lambda: A & hp.Disk((5, 0), 1),
    "discs whose boxes overlap": lambda: A & hp.Disk((1.5, 1.5), 1),
    "a cube in a larger one": lambda: BOX - hp.Cuboid((-1, -1, -1), (2, 2, 2)),
}


@pytest.mark.parametrize("case", EMPTY)
def test_shapes_that_leave_nothing_are_refused(case):
    with pytest.raises(hp.InvalidProblemError, match="leaves nothing"):
        EMPTY[case]()


def test_what_cannot_be_combined_is_refused():
    with pytest.raises(hp.InvalidProblemError, match="of the plane and of space cannot be combined"):
        A | BALL
    with pytest.raises(hp.InvalidProblemError, match="must be a shape, got 3"):
        A - 3
    with pytest.raises(hp.InvalidProblemError, match="box - shape or box & shape"):
        A & hp.Box(x=(0, 1), y=(0, 1))
