"""Points of regions: weights, exactness, normals, the divergence theorem, and what does not depend on the frame."""

import itertools
import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.geometry import Penalty, Points, Rule, Samples, Union

BOXES = {
    "interval": hp.Box(x=(-1, 2)),
    "rectangle": hp.Box(x=(-0.3, 1.1), y=(2, 5)),
    "with time": hp.Box(x=(0, 1), t=(0.5, 4)),
    "cuboid": hp.Box(x=(0, 1), y=(-1, 1.7), z=(0.1, 0.4)),
    "four axes": hp.Box(x=(0, 1), y=(0, 2), z=(-1, 0), t=(0, 3)),
}
F64 = torch.float64


@pytest.fixture(params=BOXES, ids=list(BOXES))
def box(request):
    return BOXES[request.param]


def regions(box):
    return [box.interior, *box.faces]


def every_way(region, count=64, cells=None):
    """Samples of a region by every method that makes some."""
    dim = region.box.dim
    cells = cells or (2, 3, 1, 2)[:dim]
    return {
        "random": region.random(count, torch.Generator().manual_seed(1), F64),
        "quasi-random": region.quasi_random(count, 3),
        "gauss": region.gauss(cells, 2),
        "between": region.between(cells),
        "held out": region.held_out(count, torch.Generator().manual_seed(2)),
    }


def test_weights_sum_to_the_measure(box):
    for region in regions(box):
        for way, samples in every_way(region).items():
            assert float(samples.weights.sum()) == pytest.approx(region.measure, rel=1e-12), (region.name, way)
    around = sum(f.measure for f in box.space_faces)
    sides = [box.lengths[i] for i in box.space_axes]
    duration = math.prod(box.lengths) / math.prod(sides)
    assert around == pytest.approx(duration * 2 * sum(math.prod(sides) / s for s in sides))


def test_points_lie_in_their_region(box):
    for region in regions(box):
        for way, samples in every_way(region).items():
            assert samples.x.shape == (box.dim, samples.count), way
            assert box.contains(samples.x).all(), (region.name, way)
            if region.plane is not None:
                assert (samples.x[region.plane.axis] == region.plane.position).all(), (region.name, way)


def test_the_number_of_gauss_points_is_known_beforehand(box):
    for region in regions(box):
        cells = (2, 3, 1, 2)[: box.dim]
        assert region.gauss_count(cells, 3) == region.gauss(cells, 3).count
        per = (1, 2, 3, 2)[: box.dim]
        assert region.gauss_count(cells, per) == region.gauss(cells, per).count


def test_gauss_points_integrate_polynomials_exactly(box):
    """All monomials up to the degree 2k - 1 in every variable, over the interior and every face."""
    points = 2
    for region in regions(box):
        samples = region.gauss((2, 1, 2, 1)[: box.dim], points)
        for powers in itertools.product((0, 1, 2 * points - 1), repeat=box.dim):
            exact = 1.0
            for i, (p, a, b) in enumerate(zip(powers, box.lower, box.upper, strict=True)):
                if region.plane is not None and region.plane.axis == i:
                    exact *= region.plane.position**p
                else:
                    exact *= (b ** (p + 1) - a ** (p + 1)) / (p + 1)
            value = torch.ones(samples.count, dtype=F64)
            for row, p in zip(samples.x, powers, strict=True):
                value = value * row**p
            assert float(samples.weights @ value) == pytest.approx(exact, rel=1e-11, abs=1e-11), (region.name, powers)


def test_normals_are_unit_vectors_that_point_out(box):
    for face in box.faces:
        for samples in every_way(face).values():
            normal = torch.tensor(samples.normals, dtype=F64)
            assert float(normal.norm()) == 1.0
            step = 1e-3 * min(box.lengths) * normal[:, None]
            assert not box.contains(samples.x + step).any()
            assert box.contains(samples.x - step).all()
    assert box.interior.normal is None


def test_the_divergence_theorem_holds(box):
    """Rules and normals of the faces against the rule of the interior, for polynomials and time held fast."""
    a, b = 1.3, -0.7

    def flux(x):  # (space axes, n): component i is x_i^3 + a x_i x_j + b
        return [x[i] ** 3 + a * x[i] * x[(i + 1) % len(x)] + b for i in range(len(x))]

    def divergence(x):
        return sum(3 * x[i] ** 2 + a * x[(i + 1) % len(x)] + (a * x[i] if len(x) == 1 else 0.0) for i in range(len(x)))

    space, cells = list(box.space_axes), (1, 2, 1, 1)[: box.dim]
    inside = box.interior.gauss(cells, 3)
    left = float(inside.weights @ divergence(inside.x[space]))
    right = 0.0
    for face in box.space_faces:
        samples = face.gauss(cells, 3)
        normal = [samples.normals[i] for i in space]
        right += float(samples.weights @ sum(n * f for n, f in zip(normal, flux(samples.x[space]), strict=True)))
    assert left == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("way", ["random", "quasi-random", "gauss", "between"])
def test_points_move_and_stretch_with_the_box(box, way):
    """Translated and scaled boxes have translated and scaled points; weights follow the measure."""
    factors, shifts = (2.0, 0.5, 3.0, 1.5), (1.0, -2.0, 0.25, 4.0)
    moved = hp.Box(**{n: (f * a + s, f * b + s) for (n, (a, b)), f, s in zip(box.bounds.items(), factors, shifts)})  # noqa: B905
    for region, other in zip(regions(box), regions(moved), strict=True):
        before, after = every_way(region)[way], every_way(other)[way]
        for row, image, f, s in zip(before.x, after.x, factors, shifts):  # noqa: B905
            torch.testing.assert_close(f * row + s, image, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(before.weights * (other.measure / region.measure), after.weights)
        assert before.normals == after.normals


def test_a_permutation_of_the_axes_permutes_the_rules():
    box, turned = hp.Box(x=(0, 1), y=(2, 5)), hp.Box(y=(2, 5), x=(0, 1))
    for name in ("x-", "y+"):
        a, b = box.face(name).gauss((3, 2), 2), turned.face(name).gauss((2, 3), 2)
        assert sorted(map(tuple, a.x.T.tolist())) == sorted(map(tuple, b.x.flip(0).T.tolist()))
        assert a.normals == b.normals[::-1]


def test_points_between_are_no_gauss_points():
    box, cells = hp.Box(x=(0, 1), y=(0, 1)), (8, 8)
    between = box.interior.between(cells)
    assert between.count == 64
    cell = (between.x * 8).floor()
    assert len({tuple(c) for c in cell.T.tolist()}) == 64  # one in every cell
    gauss = box.interior.gauss(cells, 2).x
    assert float(torch.cdist(between.x.T, gauss.T).min()) > 1e-3


def test_quasi_random_points_have_the_precision_of_the_bounds():
    """Bounds that single precision does not hold: no point is outside."""
    box = hp.Box(x=(0.1, 0.3), y=(1e6 + 0.1, 1e6 + 0.2))
    x = box.interior.quasi_random(4096, 0).x
    assert box.contains(x).all()
    assert (box.upper[1] - x[1]).min() < 1e-4


def test_a_tensor_product_keeps_its_axes():
    """The interior and the faces of a box are tensor products; the points are formed only when they are asked for."""
    box = hp.Box(x=(0, 1), y=(0, 2), z=(0, 3))
    samples = box.face("y+").gauss((10_000, 1, 10_000), 4)  # 1.6e9 points
    assert samples.shape == (40_000, 1, 40_000)
    assert samples.axes[1].points.tolist() == [2.0]
    small = box.interior.gauss((2, 1, 1), (1, 2, 3))
    mesh = np.meshgrid(*(r.points for r in small.axes), indexing="ij")
    assert np.array_equal(small.x.numpy(), np.stack([g.ravel() for g in mesh]))
    product = np.einsum("i,j,k->ijk", *(r.weights for r in small.axes)).ravel()
    np.testing.assert_allclose(small.weights.numpy(), product, rtol=1e-15)


def test_samples_are_points_or_axes():
    with pytest.raises(ValueError, match="not both"):
        Samples()
    with pytest.raises(AttributeError):
        Samples(torch.zeros(1, 1)).x = torch.ones(1, 1)


def test_some_of_the_samples_keep_what_belongs_to_them():
    normals = torch.tensor([[1.0, 0.0, 0.6], [0.0, 1.0, 0.8]])
    samples = Samples(
        torch.arange(6.0).view(2, 3), torch.tensor([0.1, 0.2, 0.3]), normals, None, {"u": torch.arange(3.0)}
    )
    for chosen in (torch.tensor([True, False, True]), torch.tensor([0, 2]), slice(0, 3, 2)):
        some = samples.take(chosen)
        assert some.x.tolist() == [[0.0, 2.0], [3.0, 5.0]]
        assert some.weights.tolist() == samples.weights[[0, 2]].tolist()
        assert some.normals.tolist() == normals[:, [0, 2]].tolist()
        assert some.columns["u"].tolist() == [0.0, 2.0]
    leaves = samples.leaves(("x", "y"))
    assert leaves["coordinate", "y"].tolist() == [3.0, 4.0, 5.0]
    assert leaves["normal", 1].tolist() == normals[1].tolist()
    assert leaves["data", "u"].tolist() == [0.0, 1.0, 2.0]


def test_faces_drawn_together_are_those_drawn_apart():
    """As many points on each, with its normal and weights, in their order; a union of other regions does the same."""
    box = hp.Box(x=(0, 1), y=(0, 2))
    faces = [box.face(n) for n in ("x-", "y+", "x+")]
    for union in (box.together(faces), Union(tuple(faces))):
        samples = union.random(50, torch.Generator().manual_seed(0), F64)
        assert samples.count == 150
        assert float(samples.weights.sum()) == pytest.approx(union.measure) == pytest.approx(5.0)
        for k, face in enumerate(faces):
            part = samples.take(slice(50 * k, 50 * (k + 1)))
            assert (part.x[face.axis] == face.position).all()
            assert (part.normals == torch.tensor(face.normal, dtype=F64)[:, None]).all()
            assert float(part.weights.sum()) == pytest.approx(face.measure)
    gauss = box.together(faces).gauss((2, 3), 2)
    assert gauss.count == box.together(faces).gauss_count((2, 3), 2) == 16
    assert float(gauss.weights.sum()) == pytest.approx(5.0)


def test_measured_points_are_always_the_same():
    place, values = np.array([[0.1, 0.2], [0.3, 0.4], [0.9, 0.1]]), np.array([1.0, 2.0, 3.0])
    region = Points(place, {"u": values})
    assert region.measured is not None
    generator = torch.Generator().manual_seed(0)
    ways = [
        region.random(7, generator, F64),
        region.quasi_random(9, 1),
        region.gauss((2, 2), 3),
        region.held_out(5, generator),
    ]
    for samples in ways:
        assert samples.x.T.tolist() == place.tolist()
        assert samples.columns["u"].tolist() == values.tolist()
    assert region.gauss_count((2, 2), 3) == 3 == region.measure


def test_penalties_of_all_fields_share_their_points_but_not_with_the_equations():
    inside = hp.Box(x=(0, 1)).interior
    a, b = Penalty(inside, "a"), Penalty(inside, "b")
    assert a.support == b.support != inside.support
    assert (a.penalty, b.penalty, inside.penalty) == ("a", "b", None)
    assert a.everywhere
    assert not a.is_interior
    assert a.gauss((4,), 2).x.tolist() == inside.gauss((4,), 2).x.tolist()


def test_distance_to_a_box(box):
    """Negative inside, zero on the space faces, and the distance to the nearest corner outside."""
    inside = box.interior.random(200, torch.Generator().manual_seed(0), F64)
    assert (box.signed_distance(inside.x) < 0).all()
    for face in box.space_faces:
        on = face.random(20, torch.Generator().manual_seed(0), F64)
        torch.testing.assert_close(box.signed_distance(on.x), torch.zeros(20, dtype=F64), atol=1e-12, rtol=0)
    beyond = torch.tensor([[b + 0.3 for b in box.upper]], dtype=F64).T
    if box.time_axis is not None:
        beyond[box.time_axis] = box.lower[box.time_axis]
    assert float(box.signed_distance(beyond)) == pytest.approx(0.3 * math.sqrt(len(box.space_axes)))


def test_names_of_regions_and_what_they_answer():
    box = hp.Box(x=(0, 1), t=(0, 2))
    assert box.interior.is_interior
    assert not box.interior.on_boundary
    assert [f.name for f in box.faces] == ["x-", "x+", "t-", "t+"]
    assert [f.name for f in box.space_faces] == ["x-", "x+"]
    assert box.face("t-") == hp.Box(x=(0, 1), t=(0, 2)).face("t-")
    assert box.face("t+").plane == (1, 1, 2.0)
    assert box.face("x-").spacing((4, 8)) == 0.25
    assert Rule(np.zeros(1), np.ones(1)).weights.sum() == 1.0
