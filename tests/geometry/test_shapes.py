"""Shapes with a formula: distances, points on their boundaries, creases, moves, files."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.geometry import shape_from_state
from hermite_pinn.schema import Saved

L_SHAPE = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2.5), (0, 2.5)]
PRIMITIVES = {
    "disk": (lambda: hp.Disk((0.3, -0.2), 0.7), math.pi * 0.49),
    "rectangle": (lambda: hp.Rectangle((-1, 0), (1.5, 0.5)), 1.25),
    "polygon": (lambda: hp.Polygon(L_SHAPE), 3.5),
    "ball": (lambda: hp.Ball((0.1, 0.2, 0.3), 0.8), 4 / 3 * math.pi * 0.8**3),
    "cuboid": (lambda: hp.Cuboid((0, -1, 0.5), (1, 0.5, 0.75)), 0.375),
    "cylinder": (lambda: hp.Cylinder((0, 0.5, 0), (1, 1, -1), 0.4), math.pi * 0.16 * 1.5),
    "torus": (lambda: hp.Torus((0.1, 0, 0), 1.0, 0.3, axis=(1, 2, -1)), 2 * math.pi**2 * 0.09),
    "turned rectangle": (lambda: hp.Rectangle((0, 0), (2, 1)).rotated(30), 2.0),
    "turned cuboid": (lambda: hp.Cuboid((0, 0, 0), (2, 1, 1)).rotated(50, axis=(1, 1, 0)).scaled(0.5), 0.25),
}
shapes = pytest.mark.parametrize("kind", PRIMITIVES)


def made(kind):
    return PRIMITIVES[kind][0]()


def around(shape, count, margin=0.3, seed=0):
    lower, upper = shape.bounds
    reach = margin * (upper - lower).max()
    unit = np.random.default_rng(seed).random((shape.dim, count))
    return (lower - reach)[:, None] + (upper - lower + 2 * reach)[:, None] * unit


def surface(shape, spacing):
    parts = [p.points(spacing) for p in shape.pieces]
    return tuple(np.concatenate([getattr(p, key) for p in parts], axis=-1) for key in ("x", "weights", "normals"))


@shapes
@pytest.mark.parametrize("spacing", [1.0, 0.11])
def test_points_on_the_boundary_satisfy_the_divergence_theorem(kind, spacing):
    shape, volume = made(kind), PRIMITIVES[kind][1]
    x, weights, normals = surface(shape, spacing)
    assert np.abs((weights * normals).sum(1)).max() < 1e-12
    assert (weights * (x * normals).sum(0)).sum() / shape.dim == pytest.approx(volume, rel=1e-10)
    assert weights.sum() == pytest.approx(sum(p.measure for p in shape.pieces), rel=1e-12)
    assert shape.measure == pytest.approx(volume, rel=1e-12)


@shapes
def test_points_lie_on_the_boundary_with_the_gradient_of_the_distance_as_normal(kind):
    shape = made(kind)
    x, _, normals = surface(shape, 0.05)
    assert np.abs(shape.signed_distance(x)).max() < 1e-14
    assert shape.contains(x).all()
    for side in (-1e-4, 1e-4):
        np.testing.assert_allclose(shape.signed_distance(x + side * normals), side, atol=1e-12)
    lower, upper = shape.bounds
    assert (x >= lower[:, None] - 1e-12).all()
    assert (x <= upper[:, None] + 1e-12).all()


@shapes
def test_points_are_about_as_far_apart_as_asked(kind):
    from scipy.spatial import cKDTree

    shape = made(kind)
    coarse, fine = surface(shape, 0.1)[0], surface(shape, 0.01)[0]
    assert cKDTree(coarse.T).query(fine.T)[0].max() < 0.1
    assert coarse.shape[1] < 40 * sum(p.measure for p in shape.pieces) / 0.1 ** (shape.dim - 1)


@shapes
def test_the_distance_is_that_of_the_nearest_point_and_its_sign_that_of_membership(kind):
    from scipy.spatial import cKDTree

    shape = made(kind)
    x, spacing = around(shape, 2000), 0.004 if shape.dim == 2 else 0.02
    distance = shape.signed_distance(x)
    nearest = cKDTree(surface(shape, spacing)[0].T).query(x.T)[0]
    assert (nearest - np.abs(distance) > -1e-12).all()
    assert (nearest - np.abs(distance) < spacing).all()
    np.testing.assert_array_equal(shape.contains(x), distance <= 0)


@shapes
def test_the_distance_grows_by_the_way(kind):
    shape = made(kind)
    x = around(shape, 4000)
    step = 1e-6
    slope = np.stack(
        [
            (shape.signed_distance(x + step * e[:, None]) - shape.signed_distance(x - step * e[:, None]))
            for e in np.eye(len(x))
        ]
    ) / (2 * step)
    length = np.linalg.norm(slope, axis=0)
    assert (length < 1 + 1e-6).all()
    assert np.mean(np.abs(length - 1) < 1e-6) > 0.99  # all but the points that are as near to two places


@shapes
def test_random_points_lie_on_the_boundary_and_are_uniform(kind):
    shape = made(kind)
    for piece in shape.pieces:
        drawn = piece.random(20_000, np.random.default_rng(1))
        assert np.abs(shape.signed_distance(drawn.x)).max() < 1e-13
        assert drawn.weights.sum() == pytest.approx(piece.measure)
        rule = piece.points(0.02)
        for power in (1, 2):
            mean = (rule.weights * rule.x**power).sum(1) / piece.measure
            spread = np.sqrt((drawn.x**power).var(1) / 20_000)
            assert (np.abs((drawn.x**power).mean(1) - mean) < 5 * spread + 1e-3).all()


@shapes
def test_moves_carry_everything_along(kind):
    shape, volume = made(kind), PRIMITIVES[kind][1]
    turn = {} if shape.dim == 2 else {"axis": (1, 2, 3)}
    offset = (0.3, -1.0, 2.0)[: shape.dim]
    moved = shape.scaled(1.7).rotated(35, **turn).translated(*offset)
    x = around(shape, 500)
    image = shape.rotated(35, **turn)  # the same turn as a matrix
    y = moved_points(x, 1.7, 35, turn.get("axis"), offset)
    np.testing.assert_allclose(moved.signed_distance(y), 1.7 * shape.signed_distance(x), atol=1e-12)
    assert image.kind == moved.kind == shape.kind
    points, weights, normals = surface(moved, 0.2)
    assert (weights * (points * normals).sum(0)).sum() / shape.dim == pytest.approx(volume * 1.7**shape.dim, rel=1e-9)
    np.testing.assert_allclose(np.sort(moved.creases.angles), np.sort(shape.creases.angles), atol=1e-9)
    back = moved.translated(*(-v for v in offset)).rotated(-35, **turn).scaled(1 / 1.7)
    np.testing.assert_allclose(back.signed_distance(x), shape.signed_distance(x), atol=1e-12)


def moved_points(x, scale, degrees, axis, offset):
    from scipy.spatial.transform import Rotation

    if axis is None:
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        matrix = np.array([[c, -s], [s, c]])
    else:
        matrix = Rotation.from_rotvec(math.radians(degrees) * np.array(axis) / np.linalg.norm(axis)).as_matrix()
    return scale * (matrix @ x) + np.array(offset)[:, None]


def test_a_turn_and_a_scale_about_a_point_leave_it_where_it_is():
    disk = hp.Disk((2, 1), 0.5)
    assert repr(disk.rotated(90, about=(2, 1))) == repr(disk)
    assert repr(disk.scaled(3, about=(2, 1))) == "Disk((2, 1), 1.5)"
    assert repr(disk.rotated(90)) == "Disk((-1, 2), 0.5)"
    assert repr(hp.Ball((1, 0, 0), 1).rotated(90, axis="y")) == "Ball((0, 0, -1), 1)"
    assert repr(disk.translated((1, 1))) == "Disk((3, 2), 0.5)"


@shapes
def test_a_shape_is_made_again_from_its_state_and_from_its_text(kind):
    shape = made(kind)
    again = shape_from_state(shape.state())
    x = around(shape, 200)
    np.testing.assert_array_equal(again.signed_distance(x), shape.signed_distance(x))
    assert repr(again) == repr(shape)
    names = {key: getattr(hp, key) for key in ("Disk", "Rectangle", "Polygon", "Ball", "Cuboid", "Cylinder", "Torus")}
    np.testing.assert_allclose(eval(repr(shape), names).signed_distance(x), shape.signed_distance(x), atol=1e-8)


def test_a_name_is_kept_by_moves_and_files():
    for shape in (hp.Disk((0, 0), 1, name="hole"), hp.Rectangle((0, 0), (1, 1), name="hole")):
        moved = shape.rotated(20).translated(1, 0)
        assert moved.name == "hole"
        assert shape_from_state(moved.state()).name == "hole"
        assert "name='hole'" in repr(moved)


def test_a_polygon_knows_its_corners_and_sides_in_either_order():
    polygon, reverse = hp.Polygon(L_SHAPE), hp.Polygon(L_SHAPE[::-1])
    x = around(polygon, 500)
    np.testing.assert_allclose(polygon.signed_distance(x), reverse.signed_distance(x), atol=1e-14)
    np.testing.assert_allclose(np.degrees(polygon.creases.angles), [90, 90, 90, 270, 90, 90])
    for shape, vertices in ((polygon, L_SHAPE), (reverse, L_SHAPE[::-1])):
        for k, piece in enumerate(shape.pieces):
            middle = piece.points(100).x.mean(1)
            ends = np.array([vertices[k], vertices[(k + 1) % 6]])
            assert piece.label == f":{k}"
            np.testing.assert_allclose(middle, ends.mean(0))


def test_edges_of_solids_have_right_angles_and_their_lengths():
    cuboid, cylinder = hp.Cuboid((0, 0, 0), (1, 2, 3)).creases, hp.Cylinder((0, 0, 0), (0, 0, 1), 0.5).creases
    for creases, length in ((cuboid, 24.0), (cylinder, 2 * math.pi)):
        np.testing.assert_allclose(creases.angles, math.pi / 2)
        total = np.linalg.norm(creases.segments[:, 1] - creases.segments[:, 0], axis=1).sum()
        assert total == pytest.approx(length, rel=2e-3)
    assert not hp.Ball((0, 0, 0), 1).creases.angles.size
    assert not hp.Torus((0, 0, 0), 1, 0.2).creases.angles.size


BAD = {
    "a radius of zero": (lambda: hp.Disk((0, 0), 0), "radius must be a positive finite number, got 0"),
    "a negative radius": (lambda: hp.Ball((0, 0, 0), -1), "radius must be a positive finite number, got -1"),
    "a radius that is not a number": (lambda: hp.Disk((0, 0), math.nan), "radius must be a positive"),
    "a center that is not a number": (lambda: hp.Disk((0, math.nan), 1), "center must be finite"),
    "a radius whose square is no number": (lambda: hp.Disk((0, 0), 1e200), "radius must be a number in"),
    "a vertex beyond numbers": (lambda: hp.Polygon([(0, 0), (1e200, 0), (0, 1)]), "coordinates up to 1e[+]60"),
    "a disc in space": (lambda: hp.Disk((0, 0, 0), 1), "center must be 2 numbers"),
    "a ball in the plane": (lambda: hp.Ball((0, 0), 1), "center must be 3 numbers"),
    "two vertices": (lambda: hp.Polygon([(0, 0), (1, 1)]), "at least three vertices, got 2"),
    "vertices in space": (lambda: hp.Polygon([(0, 0, 0), (1, 1, 0), (0, 1, 0)]), "two coordinates"),
    "a bow tie": (lambda: hp.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "sides 0 and 2 of the polygon meet"),
    "a spike": (lambda: hp.Polygon([(0, 0), (2, 0), (1, 0), (1, 1)]), "sides 0 and 1 of the polygon meet"),
    "sides that touch": (
        lambda: hp.Polygon([(0, 0), (4, 0), (4, 2), (2, 0), (0, 2)]),
        "sides 0 and 2 of the polygon meet",
    ),
    "a vertex twice": (lambda: hp.Polygon([(0, 0), (1, 0), (1, 0), (0, 1)]), "side 1 of the polygon has no length"),
    "a closed list": (lambda: hp.Polygon([(0, 0), (1, 0), (0, 1), (0, 0)]), "do not repeat the first vertex"),
    "corners in the wrong order": (lambda: hp.Rectangle((1, 0), (0, 1)), "upper must be above lower"),
    "a flat cuboid": (lambda: hp.Cuboid((0, 0, 0), (1, 1, 0)), "upper must be above lower"),
    "a cylinder without length": (lambda: hp.Cylinder((1, 0, 0), (1, 0, 0), 1), "must be different points"),
    "a tube that is too thick": (lambda: hp.Torus((0, 0, 0), 1, 1.5), "must be thinner than its radius"),
    "an axis of zero": (lambda: hp.Torus((0, 0, 0), 1, 0.5, axis=(0, 0, 0)), "a vector that is not zero"),
    "a name with a blank": (lambda: hp.Disk((0, 0), 1, name="my hole"), "name must be an identifier"),
    "a keyword": (lambda: hp.Disk((0, 0), 1, name="for"), "name must be an identifier"),
    "a reserved name": (lambda: hp.Disk((0, 0), 1, name="boundary"), "has a meaning of its own"),
    "a scale of zero": (lambda: hp.Disk((0, 0), 1).scaled(0), "factor must be a positive finite number"),
    "an offset in space": (lambda: hp.Disk((0, 0), 1).translated(1, 2, 3), "offset must be 2 numbers"),
    "an axis in the plane": (lambda: hp.Disk((0, 0), 1).rotated(10, axis="z"), "turn about a point"),
    "an unknown axis": (lambda: hp.Ball((0, 0, 0), 1).rotated(10, axis="w"), "'x', 'y', 'z' or a vector"),
    "points in space": (
        lambda: hp.Disk((0, 0), 1).contains(np.zeros((3, 4))),
        r"shape \(2, n\), got the shape \(3, 4\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_arguments_are_refused_with_what_is_accepted(case):
    make, message = BAD[case]
    with pytest.raises(hp.InvalidProblemError, match=message):
        make()


def test_a_shape_does_not_change():
    disk = hp.Disk((0, 0), 1)
    with pytest.raises(AttributeError, match="cannot be changed"):
        disk.radius = 2.0
    with pytest.raises(ValueError, match="read-only"):
        disk.center[0] = 1.0


CRAFTED = {
    "an unknown kind": {"kind": "module"},
    "no kind": {"radius": 1.0},
    "no radius": {"kind": "disk", "center": [0.0, 0.0]},
    "a text for a radius": {"kind": "disk", "center": [0.0, 0.0], "radius": "1"},
    "a negative radius": {"kind": "disk", "center": [0.0, 0.0], "radius": -1.0},
    "too many coordinates": {"kind": "disk", "center": [0.0, 0.0, 0.0], "radius": 1.0},
    "a bow tie": {"kind": "polygon", "vertices": torch.tensor([[0.0, 0], [1, 1], [1, 0], [0, 1]], dtype=torch.float64)},
    "vertices in space": {"kind": "polygon", "vertices": np.zeros((4, 3))},
    "vertices that are not numbers": {"kind": "polygon", "vertices": np.full((4, 2), np.nan)},
    "a name that is none": {"kind": "disk", "center": [0.0, 0.0], "radius": 1.0, "name": "a b"},
    "no parts": {"kind": "union", "parts": []},
    "parts of the plane and of space": {"kind": "union", "parts": [hp.Disk((0, 0), 1).state(), hp.Ball((0, 0, 0), 1).state()]},
    "a turn that is none": {
        "kind": "moved",
        "shape": hp.Rectangle((0, 0), (1, 1)).state(),
        "motion": {"scale": 1.0, "rotation": [[1.0, 0.5], [0.0, 1.0]], "offset": [0.0, 0.0]},
    },
    "a table without a zero": {"kind": "implicit", "lower": [0.0, 0.0], "upper": [1.0, 1.0], "values": np.ones((9, 9))},
    "a table that is not a number": {
        "kind": "implicit", "lower": [0.0, 0.0], "upper": [1.0, 1.0], "values": np.full((9, 9), np.nan),
    },
}  # fmt: skip


@pytest.mark.parametrize("case", CRAFTED)
def test_a_crafted_state_is_damage_of_the_file(case):
    with pytest.raises(hp.CorruptFileError, match=r"run\.h5 is damaged"):
        shape_from_state(Saved(CRAFTED[case], "run.h5"))


def test_shapes_inside_each_other_without_end_are_damage():
    state = hp.Disk((0, 0), 1).state()
    for _ in range(300):
        state = {"kind": "complement", "parts": [state]}
    with pytest.raises(hp.CorruptFileError, match="shapes inside each other"):
        shape_from_state(state)
