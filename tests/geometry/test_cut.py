"""Domains that shapes cut out of a box: regions, faces, cells, and what does not depend on how they are put."""

import itertools
import math
import pickle

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.geometry.cells import FULL, OUTSIDE, TOUCHED

F64 = torch.float64
SQUARE = hp.Box(x=(0, 1), y=(0, 1))
CUBE = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))
TRIANGLE = hp.Polygon([(0.2, 0.2), (0.6, 0.3), (0.7, 0.8)])


def cap(radius, height):
    """Area of a disc beyond a line at a distance from its centre."""
    return radius**2 * math.acos(height / radius) - height * math.sqrt(radius**2 - height**2)


# domains with their exact areas or volumes, those of time included
DOMAINS = {
    "hole": (SQUARE - hp.Disk((0.5, 0.45), 0.2), 1 - math.pi * 0.04),
    "disc": (SQUARE & hp.Disk((0.45, 0.5), 0.3), math.pi * 0.09),
    "bitten side": (SQUARE - hp.Disk((0, 0.5), 0.2), 1 - math.pi * 0.02),
    "bitten corner": (SQUARE - hp.Disk((1, 1), 0.4), 1 - math.pi * 0.04),
    "clipped disc": (SQUARE & hp.Disk((0.5, 0.5), 0.6), math.pi * 0.36 - 4 * cap(0.6, 0.5)),
    "two holes": (
        SQUARE - hp.Disk((0.45, 0.5), 0.2) - hp.Disk((0.6, 0.5), 0.2),
        1 - 2 * math.pi * 0.04 + 2 * cap(0.2, 0.075),
    ),
    "union": (
        SQUARE - (hp.Disk((0.45, 0.5), 0.2) | hp.Disk((0.6, 0.5), 0.2)),
        1 - 2 * math.pi * 0.04 + 2 * cap(0.2, 0.075),
    ),
    "step": (hp.Box(x=(0, 4), y=(0, 2)) - hp.Rectangle((0, 0), (1, 1)), 7.0),
    "beyond": (hp.Box(x=(0, 4), y=(0, 2)) - hp.Rectangle((-1, -1), (1, 1)), 7.0),
    "flush": (SQUARE & hp.Rectangle((0, 0.4), (0.6, 0.7)), 0.18),
    "triangle": (SQUARE & TRIANGLE, 0.095),
    "annulus": (SQUARE & (hp.Disk((0.5, 0.5), 0.4) - hp.Disk((0.5, 0.5), 0.1)), math.pi * 0.15),
    "in time": (hp.Box(x=(0, 1), t=(1, 3), y=(0, 1)) - hp.Disk((0.5, 0.45), 0.2), 2 * (1 - math.pi * 0.04)),
    "ball": (CUBE & hp.Ball((0.5, 0.52, 0.5), 0.3), 4 / 3 * math.pi * 0.027),
    "half a ball": (CUBE - hp.Ball((0.5, 0.5, 1), 0.3), 1 - 2 / 3 * math.pi * 0.027),
    "notch": (CUBE - hp.Cuboid((0.5, 0.5, 0), (1, 1, 0.5)), 0.875),
    "ball in time": (
        hp.Box(x=(0, 1), y=(0, 1), z=(0, 1), t=(0, 0.5)) - hp.Ball((0.5, 0.5, 0.5), 0.3),
        0.5 - 2 / 3 * math.pi * 0.027,
    ),
}


@pytest.fixture(params=DOMAINS, ids=list(DOMAINS))
def domain(request):
    return DOMAINS[request.param][0]


def every_way(region, dim, cells=12):
    counts = (cells,) * dim
    return {
        "random": region.random(200, torch.Generator().manual_seed(1), F64),
        "quasi-random": region.quasi_random(200, 3),
        "gauss": region.gauss(counts, 3),
        "held out": region.held_out(200, torch.Generator().manual_seed(2)),
        "between": region.between(counts),
    }


def spread(samples):
    """Normals of samples, one for each point."""
    normals = torch.as_tensor(samples.normals, dtype=F64)
    return normals.reshape(len(normals), -1).expand(-1, samples.x.shape[1])


# -- points and weights ---
@pytest.mark.parametrize("name", DOMAINS)
def test_the_measure_is_right_to_a_part_in_ten_thousand(name):
    domain, exact = DOMAINS[name]
    assert domain.interior.measure == pytest.approx(exact, rel=5e-5)


def test_weights_sum_to_the_measure(domain):
    for region in [domain.interior, *domain.faces]:
        for way, samples in every_way(region, domain.dim).items():
            assert float(samples.weights.sum()) == pytest.approx(region.measure, rel=1e-9), (region.name, way)
            assert (samples.weights > 0).all(), (region.name, way)


def test_points_lie_in_the_domain(domain):
    for region in [domain.interior, *domain.faces]:
        for way, samples in every_way(region, domain.dim).items():
            assert samples.x.shape == (domain.dim, samples.count), way
            assert domain.contains(samples.x).all(), (region.name, way)


def test_a_rule_knows_how_many_points_it_has(domain):
    counts = tuple(range(9, 9 + domain.dim))
    for region in [domain.interior, *domain.faces]:
        assert region.gauss(counts, 2).count == region.gauss_count(counts, 2)


def test_the_points_are_the_same_for_a_seed_and_others_for_another(domain):
    for region in [domain.interior, *domain.faces]:
        first, again = region.quasi_random(64, 5), region.quasi_random(64, 5)
        assert torch.equal(first.x, again.x)
        drawn = [region.random(64, torch.Generator().manual_seed(s), F64).x for s in (1, 1, 2)]
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])


def test_random_points_are_uniform():
    for domain in (DOMAINS["hole"][0], DOMAINS["disc"][0], DOMAINS["half a ball"][0]):
        for samples in (
            domain.interior.random(40_000, torch.Generator().manual_seed(3), F64),
            domain.interior.quasi_random(40_000, 3),
        ):
            rule = domain.interior.gauss((32,) * domain.dim, 3)
            for power in (1, 2):
                exact = (rule.weights * rule.x**power).sum(1) / rule.weights.sum()
                assert torch.allclose((samples.x**power).mean(1), exact, atol=6e-3)


# -- faces ---
def test_normals_point_out_of_the_domain(domain):
    step = 1e-5
    for face in domain.space_faces:
        samples = face.quasi_random(200, 1)
        normals = spread(samples)
        assert torch.allclose(normals.square().sum(0), torch.ones(200, dtype=F64))
        outward, inward = domain.contains(samples.x + step * normals), domain.contains(samples.x - step * normals)
        # at corners a step may miss
        assert torch.minimum((~outward).double().mean(), inward.double().mean()) > 0.98, face.name


@pytest.mark.parametrize("name", DOMAINS)
def test_the_divergence_theorem_holds_over_all_faces(name):
    domain = DOMAINS[name][0]
    space = list(domain.space_axes)
    cells = {2: 64, 3: 24}[len(space)]
    generator = torch.Generator().manual_seed(7)
    matrix = torch.rand(len(space), len(space), generator=generator, dtype=F64)
    wave = 2 * torch.rand(len(space), len(space), generator=generator, dtype=F64)

    def field(x):
        return torch.einsum("ij,jn->in", matrix, torch.sin(wave @ x))

    def divergence(x):
        return torch.einsum("ij,jn,ji->n", matrix, torch.cos(wave @ x), wave)

    flux = 0.0
    for face in domain.space_faces:
        samples = face.in_space((cells,) * domain.dim)
        assert samples.x.shape[0] == len(space)
        flux += float((samples.weights * (field(samples.x) * spread(samples)).sum(0)).sum())
    inside = domain.interior.quasi_random(1 << 15, 0)
    total = float((inside.weights * divergence(inside.x[space])).sum())
    time = 1.0 if domain.time_axis is None else domain.lengths[domain.time_axis]
    around = sum(f.measure for f in domain.space_faces) / time
    assert flux == pytest.approx(total / time, abs=1e-3 * around)


def test_sides_that_no_shape_cuts_stay_whole():
    domain = hp.Box(x=(0, 4), y=(0, 2)) - hp.Rectangle((0, 0), (1, 1))
    planes = {f.name: f.plane for f in domain.faces}
    assert planes["x-"] is None
    assert planes["y-"] is None
    assert planes["rectangle"] is None
    assert planes["x+"] == (0, 1, 4.0)
    assert planes["y+"] == (1, 1, 2.0)
    assert domain.face("x-").measure == pytest.approx(1.0)
    assert domain.face("y-").measure == pytest.approx(3.0)
    assert domain.face("x+") == hp.Box(x=(0, 4), y=(0, 2)).face("x+")
    assert domain.face("rectangle").measure == pytest.approx(2.0, rel=1e-6)  # the flush sides are none


def test_a_small_bite_into_a_side_is_seen():
    for radius in (0.05, 0.01):
        domain = CUBE - hp.Ball((0.37, 0.61, 1.0), radius)
        assert domain.face("z+").plane is None
        assert domain.face("z+").measure == pytest.approx(1 - math.pi * radius**2, rel=1e-4)


def test_a_tangent_hole_leaves_a_side_whole_and_says_so():
    for centre in ((0.2, 0.5), (0.2, 0.437)):
        domain = SQUARE - hp.Disk(centre, 0.2)
        assert domain.face("x-").plane is not None
        assert any("touches the side x-" in note for note in domain.notes)


def test_faces_of_time_keep_their_plane_and_lie_in_the_domain():
    domain = DOMAINS["in time"][0]
    start = domain.face("t-")
    assert start.plane == (1, 0, 1.0)
    assert start not in domain.space_faces
    assert start.measure == pytest.approx(1 - math.pi * 0.04, rel=1e-5)
    assert (start.gauss((8, 2, 8), 2).x[1] == 1.0).all()


def test_faces_are_numbered_from_the_second_of_a_kind_on():
    holes = [hp.Disk((0.2, 0.2), 0.1), hp.Disk((0.8, 0.2), 0.1, name="hot"), hp.Disk((0.5, 0.8), 0.1)]
    names = ["x-", "x+", "y-", "y+", "disk", "hot", "disk2"]
    assert [f.name for f in (SQUARE - holes[0] - holes[1] - holes[2]).faces] == names
    assert [f.name for f in (SQUARE - (holes[0] | holes[1] | holes[2])).faces] == names


def test_sides_of_a_polygon_are_faces_of_their_own():
    domain = SQUARE - TRIANGLE
    assert domain.face("polygon").covers == {"polygon:0", "polygon:1", "polygon:2"}
    parts = [domain.face(f"polygon:{k}") for k in range(3)]
    assert sum(p.measure for p in parts) == pytest.approx(domain.face("polygon").measure)
    assert parts[0].measure == pytest.approx(math.hypot(0.4, 0.1))
    assert parts[0].normal == pytest.approx((-0.1 / math.hypot(0.4, 0.1), 0.4 / math.hypot(0.4, 0.1)))


@pytest.mark.parametrize(
    ("make", "name", "words"),
    [
        (lambda: SQUARE & hp.Disk((0.5, 0.5), 0.3), "x-", "nothing is left of the face 'x-'"),
        (lambda: SQUARE - hp.Disk((0.5, 0.5), 0.3) - hp.Disk((0.5, 0.5), 0.1), "disk2", "no part of the boundary"),
        (lambda: SQUARE - hp.Disk((0.5, 0.5), 0.3), "disc", "faces of .* are x-, x\\+, y-, y\\+, disk"),
        (lambda: SQUARE - TRIANGLE, "polygon:3", "polygon:0, polygon:1, polygon:2"),
    ],
)
def test_a_face_that_is_not_there_is_an_error_that_says_why(make, name, words):
    with pytest.raises(hp.InvalidProblemError, match=words):
        make().face(name)


# -- cells ---
def test_cells_of_a_grid_lie_in_active_cells_of_a_coarser_one(domain):
    for n in (5, 8, 16):
        coarse = domain.cells((n,) * domain.dim).kinds
        fine = domain.cells((2 * n,) * domain.dim).kinds
        for axis in range(coarse.ndim):
            coarse = np.repeat(coarse, 2, axis=axis)
        assert (coarse[fine != OUTSIDE] != OUTSIDE).all()
        assert (coarse[fine == TOUCHED] == TOUCHED).all()


def test_cells_know_what_lies_in_them(domain):
    n = 16
    kinds = domain.cells((n,) * domain.dim).kinds
    generator = torch.Generator().manual_seed(0)
    lower, upper = torch.tensor(domain.lower, dtype=F64), torch.tensor(domain.upper, dtype=F64)
    unit = torch.rand(domain.dim, 20_000, generator=generator, dtype=F64)
    inside = domain.contains(lower[:, None] + unit * (upper - lower)[:, None]).numpy()
    place = (unit[list(domain.space_axes)].numpy() * n).astype(int)
    at = kinds[tuple(place)]
    assert inside[at == FULL].all()
    assert not inside[at == OUTSIDE].any()
    # surface points are in touched cells, and touched cells are no more than a layer
    share = np.count_nonzero(kinds == TOUCHED) / n ** (kinds.ndim - 1)
    around = sum(f.measure for f in domain.space_faces if f.plane is None)
    assert share < 8 * around / min(domain.lengths[i] for i in domain.space_axes) ** (kinds.ndim - 1) + 1


def test_contains_is_the_same_for_many_points_as_for_few():
    for domain in (DOMAINS["two holes"][0], DOMAINS["notch"][0]):
        x = torch.rand(domain.dim, 30_000, generator=torch.Generator().manual_seed(0), dtype=F64)
        few = torch.cat([domain.contains(part) for part in x.split(1000, dim=1)])
        assert torch.equal(domain.contains(x), few)


# -- frames ---
def test_the_measure_does_not_depend_on_the_place_or_the_turn():
    shape = hp.Polygon([(-0.2, -0.1), (0.25, -0.15), (0.2, 0.2), (0, 0.05), (-0.15, 0.2)])
    areas, rounds = [], []
    for turn, (a, b) in itertools.product((0, 17, 90), ((0.5, 0.5), (0.43, 0.57))):
        domain = SQUARE - shape.rotated(turn).translated(a, b)
        areas.append(domain.interior.measure)
        rounds.append(sum(f.measure for f in domain.faces))
    assert areas == pytest.approx([areas[0]] * len(areas), rel=1e-5)
    assert rounds == pytest.approx([rounds[0]] * len(rounds), rel=1e-9)


def test_a_domain_in_other_units_is_the_same_but_larger():
    scale = 1e-6
    large, small = (
        hp.Box(x=(0, s), y=(0, 2 * s)) - hp.Disk((0.5 * s, 0), 0.3 * s) - hp.Disk((0.4 * s, 1.1 * s), 0.2 * s)
        for s in (1.0, scale)
    )
    assert small.interior.measure == pytest.approx(scale**2 * large.interior.measure, rel=1e-9)
    assert [f.name for f in small.faces] == [f.name for f in large.faces]
    for a, b in zip(small.faces, large.faces, strict=True):
        assert a.measure == pytest.approx(scale * b.measure, rel=1e-9)
    assert np.array_equal(small.cells((32, 64)).kinds, large.cells((32, 64)).kinds)


def test_the_order_of_cuts_does_not_matter():
    first, second = hp.Disk((0.3, 0.3), 0.2), hp.Disk((0.5, 0.4), 0.15)
    a, b = SQUARE - first - second, SQUARE - second - first
    assert a.interior.measure == pytest.approx(b.interior.measure, rel=1e-12)
    assert sum(f.measure for f in a.faces) == pytest.approx(sum(f.measure for f in b.faces), rel=1e-6)
    assert np.array_equal(a.cells((16, 16)).kinds, b.cells((16, 16)).kinds)


def test_equal_domains_are_equal_and_others_are_not():
    make = [
        lambda: SQUARE - hp.Disk((0.5, 0.5), 0.2),
        lambda: SQUARE & hp.Disk((0.5, 0.5), 0.2),
        lambda: SQUARE - hp.Disk((0.5, 0.5), 0.2 + 1e-15),
        lambda: SQUARE - hp.Disk((0.5, 0.5), 0.2, name="hole"),
        lambda: hp.Box(x=(0, 1), y=(0, 2)) - hp.Disk((0.5, 0.5), 0.2),
    ]
    for i, j in itertools.product(range(len(make)), repeat=2):
        assert (make[i]() == make[j]()) == (i == j)
    assert make[0]() != SQUARE
    assert hash(make[0]()) == hash(make[0]())


def test_a_domain_can_be_pickled(domain):
    copy = pickle.loads(pickle.dumps(domain))
    assert copy == domain
    assert copy.faces == domain.faces
    assert copy.interior == domain.interior
    assert torch.equal(copy.interior.quasi_random(10, 0).x, domain.interior.quasi_random(10, 0).x)
    assert hp.geometry.domain_from_state(domain.box, domain.state()) == domain


def test_a_part_of_time_keeps_what_is_known_of_space():
    whole = DOMAINS["in time"][0]
    part = whole.restricted({"t": (1, 1.5)})
    assert part.bounds["t"] == (1, 1.5)
    assert part.interior.measure == pytest.approx(0.25 * whole.interior.measure)
    assert part == hp.Box(x=(0, 1), t=(1, 1.5), y=(0, 1)) - hp.Disk((0.5, 0.45), 0.2)
    assert part.face("disk").measure == pytest.approx(0.25 * whole.face("disk").measure)


# -- what is wrong ---
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SQUARE - 3, "must be a shape such as"),
        (lambda: SQUARE & SQUARE, "must be a shape such as"),
        (lambda: SQUARE - hp.Ball((0, 0, 0), 1), "has 3 axes, and .* has 2 of space"),
        (lambda: hp.Box(x=(0, 1), t=(0, 1)) - hp.Disk((0, 0), 1), "has 1 of space"),
        (lambda: SQUARE - hp.Disk((3, 0.5), 0.2), "lies outside .*cuts nothing away; move"),
        (lambda: SQUARE & hp.Disk((0.5, 0.5), 0.8), "contains all of .*make the box larger"),
        (lambda: SQUARE - hp.Disk((0.5, 0.5), 0.8), "leave nothing of"),
        (lambda: SQUARE & hp.Disk((5, 0.5), 0.8), "leave nothing of"),
        (lambda: (SQUARE & hp.Disk((0.2, 0.2), 0.1)) & hp.Disk((0.7, 0.7), 0.1), "no point inside .*; inside"),
        (lambda: SQUARE & hp.Disk((500, 500), 300), r"600 times larger .*scaled\(0.001\)"),
        (lambda: SQUARE - hp.Disk((0.5, 0.5), 0.0001), r"smaller .*scaled\(1000\)"),
        (lambda: SQUARE - hp.Disk((0.5, 0.5), 0.1, name="x-"), "must be an identifier"),
        (lambda: SQUARE - hp.Disk((0.2, 0.2), 0.1, name="a") - hp.Disk((0.7, 0.7), 0.1, name="a"), "another name"),
        (lambda: SQUARE - hp.Disk((0.5, 0.5), 0.1, name="boundary"), "a meaning of its own"),
    ],
)
def test_shapes_that_make_no_domain_are_errors(make, words):
    with pytest.raises(hp.InvalidProblemError, match=words):
        make()


def test_the_proposed_scale_works():
    part = hp.Disk((500, 500), 300)
    assert (SQUARE & part.scaled(0.001)).interior.measure == pytest.approx(math.pi * 0.09, rel=1e-5)


def test_a_hole_that_misses_among_others_is_said():
    domain = SQUARE - hp.Disk((0.3, 0.5), 0.2) - hp.Disk((3, 0.5), 0.2)
    assert [f.name for f in domain.faces] == ["x-", "x+", "y-", "y+", "disk"]
    assert any("cuts nothing away" in note for note in domain.notes)


def test_parts_that_do_not_meet_are_counted():
    two = SQUARE & (hp.Disk((0.25, 0.25), 0.2) | hp.Disk((0.75, 0.75), 0.2))
    assert any("2 parts" in note for note in two.notes)
    assert not (SQUARE - hp.Disk((0.5, 0.5), 0.3)).notes


def test_a_domain_reads_as_it_was_written():
    assert repr(SQUARE - hp.Disk((0.5, 0.5), 0.2)) == "Box(x=(0, 1), y=(0, 1)) - Disk((0.5, 0.5), 0.2)"


def test_a_box_is_as_it_was():
    assert SQUARE.cells((4, 4)) is None
    assert not SQUARE.corners
    assert not SQUARE.notes
    assert not SQUARE.thin((4, 4))
    assert SQUARE.reentrant_distance(torch.zeros(2, 1, dtype=F64)) is None
    side = hp.Box(x=(0, 1), t=(0, 1), y=(0, 2)).face("x+").in_space((2, 3, 4))
    assert side.x.shape == (2, 12)
    assert float(side.weights.sum()) == pytest.approx(2.0)
    assert side.normals == (1.0, 0.0)
