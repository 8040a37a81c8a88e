"""Corners, edges and thin places of domains that shapes cut out of a box."""

import itertools
import math
import re

import numpy as np
import pytest
import torch

import hermite_pinn as hp

F64 = torch.float64
SQUARE = hp.Box(x=(0, 1), y=(0, 1))
CUBE = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))


def angles(domain):
    return sorted(round(math.degrees(c.angle), 4) for c in domain.corners)


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (SQUARE - hp.Disk((0.5, 0.5), 0.2), [90] * 4),
        (SQUARE & hp.Disk((0.5, 0.5), 0.2), []),
        (SQUARE - hp.Rectangle((0.5, 0.5), (1, 1)), [90] * 5 + [270]),
        (SQUARE - hp.Rectangle((0.5, 0.5), (2, 3)), [90] * 5 + [270]),
        (SQUARE - hp.Rectangle((0.2, 0.3), (0.6, 0.7)), [90] * 4 + [270] * 4),
        (SQUARE & hp.Rectangle((0, 0.3), (0.6, 0.7)), [90] * 4),
        (SQUARE - hp.Disk((0, 0.5), 0.2), [90] * 6),
        (SQUARE - hp.Polygon([(0.5, 0), (0.6, 0.3), (0.4, 0.3)]), [71.5651] * 2 + [90] * 4 + [288.4349] * 2),
        (
            SQUARE - hp.Disk((0.4, 0.5), 0.2) - hp.Disk((0.6, 0.5), 0.2),
            [90] * 4 + [round(360 - 2 * (90 + math.degrees(math.asin(0.5))), 4)] * 2,
        ),
    ],
)
def test_angles_are_those_of_the_domain(domain, expected):
    assert angles(domain) == pytest.approx(sorted(expected), abs=2e-4)


@pytest.mark.parametrize("turn", [0, 11, 37.3, 90, 151])
def test_the_angles_of_a_polygonal_domain_sum_up(turn):
    star = hp.Polygon([(-0.2, -0.1), (0.25, -0.15), (0.2, 0.2), (0, 0.05), (-0.15, 0.2)]).rotated(turn)
    for domain, holes in (
        (SQUARE - star.translated(0.5, 0.5), 1),
        (SQUARE & star.translated(0.5, 0.5), 0),
        (SQUARE - star.translated(0.05, 0.52), 0),
        (SQUARE - star.translated(0.3, 0.3) - star.translated(0.71, 0.7), 2),
    ):
        turned = sum(math.pi - c.angle for c in domain.corners)
        assert turned == pytest.approx(2 * math.pi * (1 - holes), abs=1e-6)


def test_a_corner_knows_its_directions_and_faces():
    domain = hp.Box(x=(0, 4), y=(0, 2)) - hp.Rectangle((0, 0), (1, 1), name="step")
    corners = {tuple(np.round(c.point, 9)): c for c in domain.corners}
    inner = corners[1.0, 1.0]
    assert math.degrees(inner.angle) == pytest.approx(270)
    assert math.degrees(inner.start) == pytest.approx(-90 % 360)
    assert set(inner.faces) == {"step:1", "step:2"} <= domain.face("step").covers
    assert corners[1.0, 0.0].faces == ("y-", "step:1")
    assert corners[0.0, 1.0].faces == ("step:2", "x-")
    assert corners[4.0, 0.0].faces == ("x+", "y-")
    for corner in domain.corners:
        middle = corner.start + 0.5 * corner.angle
        way = torch.tensor([[math.cos(middle)], [math.sin(middle)]], dtype=F64)
        point = torch.tensor(corner.point, dtype=F64)[:, None]
        assert domain.contains(point + 1e-3 * way).all()
        assert not domain.contains(point - 1e-3 * way).all()


def test_a_time_axis_changes_no_corner():
    still = SQUARE - hp.Rectangle((0.5, 0.5), (1, 1))
    moving = hp.Box(t=(0, 3), x=(0, 1), y=(0, 1)) - hp.Rectangle((0.5, 0.5), (1, 1))
    assert moving.corners == still.corners
    x = torch.rand(3, 10, dtype=F64)
    assert torch.equal(moving.reentrant_distance(x), still.reentrant_distance(x[1:]))


def test_edges_of_a_notch_in_space():
    domain = CUBE - hp.Cuboid((0.5, 0.5, 0), (1, 1, 0.5))
    creases = domain.creases
    sharp = creases.angles > math.pi
    lengths = np.linalg.norm(creases.segments[:, 1] - creases.segments[:, 0], axis=1)
    assert lengths[sharp].sum() == pytest.approx(1.5)  # three edges of a half
    assert np.degrees(creases.angles[sharp]) == pytest.approx(270)
    assert np.degrees(creases.angles[~sharp]) == pytest.approx(90, abs=1e-3)
    assert creases.segments.min() >= -0.02
    assert creases.segments.max() <= 1.02


def test_the_edge_between_a_ball_and_a_side_is_found():
    domain = CUBE - hp.Ball((0.5, 0.5, 1.1), 0.3)
    creases = domain.creases
    middles = creases.segments.mean(1)
    assert middles[:, 2] == pytest.approx(1.0, abs=1e-9)
    assert np.hypot(*(middles[:, :2] - 0.5).T) == pytest.approx(math.sqrt(0.08), abs=1e-9)
    assert creases.angles == pytest.approx(math.pi - math.acos(1 / 3), abs=1e-3)
    assert domain.reentrant_distance(torch.zeros(3, 1, dtype=F64)) is None


def test_the_distance_to_reentrant_places_is_that_of_the_nearest():
    star = hp.Polygon([(0.3, 0.4), (0.75, 0.35), (0.7, 0.7), (0.5, 0.55), (0.35, 0.7)])
    domain = SQUARE - star
    sharp = np.array([c.point for c in domain.corners if c.angle > math.pi])
    assert len(sharp) == 4
    x = torch.rand(2, 500, generator=torch.Generator().manual_seed(0), dtype=F64)
    expected = np.linalg.norm(x.numpy().T[:, None] - sharp, axis=2).min(1)
    assert domain.reentrant_distance(x).numpy() == pytest.approx(expected, abs=1e-12)
    assert (SQUARE & hp.Rectangle((0.2, 0.2), (0.7, 0.7))).reentrant_distance(x) is None


def test_the_distance_to_edges_in_space_is_that_of_segments():
    domain = CUBE - hp.Cuboid((0.3, 0.4, 0.2), (0.7, 0.6, 0.8))
    corners = np.array(list(itertools.product((0.3, 0.7), (0.4, 0.6), (0.2, 0.8))))
    edges = [(a, b) for a, b in itertools.combinations(corners, 2) if np.count_nonzero(a != b) == 1]
    x = torch.rand(3, 2000, generator=torch.Generator().manual_seed(0), dtype=F64)
    gaps = []
    for a, b in edges:
        along = np.clip((x.numpy().T - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        gaps.append(np.linalg.norm(x.numpy().T - a - along[:, None] * (b - a), axis=1))
    assert domain.reentrant_distance(x).numpy() == pytest.approx(np.min(gaps, axis=0), abs=1e-9)
    near = domain.reentrant_distance(x, within=0.1).numpy()
    assert near == pytest.approx(np.minimum(np.min(gaps, axis=0), 0.1), abs=1e-9)


# -- thin places ---
@pytest.mark.parametrize(
    ("domain", "words", "enough"),
    [
        (SQUARE - hp.Disk((0.5, 0.5), 0.46), "part of the domain is 0.04 thin", 128),
        (
            SQUARE - hp.Disk((0.29, 0.5), 0.15) - hp.Disk((0.65, 0.5), 0.15),
            "part of the domain is 0.06 thin at x = 0.47",
            64,
        ),
        (SQUARE - hp.Rectangle((0.3, 0.48), (0.7, 0.52)), "wall .* is 0.04 thin", 64),
        (SQUARE & hp.Rectangle((0.3, 0.48), (0.7, 0.52)), "part of the domain is 0.04 thin", 64),
        (CUBE - hp.Ball((0.5, 0.5, 0.55), 0.4), "part of the domain is 0.05.* thin at .* z = 0.97", 64),
    ],
)
def test_thin_parts_and_walls_are_said_until_the_cells_are_small(domain, words, enough):
    said = " ".join(domain.thin((16,) * domain.dim))
    assert re.search(words, said), said
    assert domain.thin((enough,) * domain.dim) == ()


def test_nothing_is_thin_where_there_is_room():
    for domain in (
        SQUARE - hp.Disk((0.5, 0.5), 0.2),
        SQUARE - hp.Rectangle((0.3, 0.3), (0.7, 0.7)),
        SQUARE & hp.Polygon([(0.1, 0.1), (0.9, 0.1), (0.5, 0.9)]),
        CUBE - hp.Cuboid((0.3, 0.3, 0.3), (0.7, 0.7, 0.7)),
    ):
        assert domain.thin((32,) * domain.dim) == ()


@pytest.mark.parametrize("radius", [300.0, 2.0**31])
def test_a_shape_far_larger_than_the_box_is_an_error_and_takes_no_memory(radius):
    """Its boundary would be a face without points, and so without a condition."""
    for start, end in (((0.5, 0.5, 0.2), (0.5, 0.5, 0.8)), ((0.5, 0.5 + radius, -radius), (0.5, 0.5 + radius, radius))):
        with pytest.raises(hp.InvalidProblemError, match=r"too large beside|leave nothing"):
            CUBE - hp.Cylinder(start, end, radius)


def test_edges_far_outside_of_the_box_do_not_count():
    far = CUBE - hp.Cylinder((0.5, 20.5, -40), (0.5, 20.5, 40), 20)
    assert far.interior.measure == pytest.approx(0.5, rel=1e-2)
    assert far.reentrant_distance(torch.rand(3, 5, dtype=torch.float64)) is None
    slab = CUBE - hp.Cylinder((0.5, 0.5, 0.3), (0.5, 0.5, 0.7), 20)
    assert slab.interior.measure == pytest.approx(0.6, rel=1e-2)
    assert slab.face("cylinder").measure == pytest.approx(2.0, rel=1e-2)
