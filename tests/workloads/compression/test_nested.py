"""Integers of dense and of listed vertices."""

import numpy as np
import pytest
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.vertices import VertexList
from hermite_pinn.field.field import GridField
from hermite_pinn.field.heads import LinearHead
from hermite_pinn.field.hermite_grid import HermiteGrid
from hermite_pinn.workloads.compression.grouped import Grouped
from hermite_pinn.workloads.compression.hierarchy import Hierarchy
from hermite_pinn.workloads.compression.nested import Nested
from hermite_pinn.workloads.compression.norms import basis_norms
from hermite_pinn.workloads.compression.vertices import Vertices

BASES = ("linear", "cubic", "quintic", "septic")


def random_field(resolution, basis="cubic", periodic=(), listed=(), features=2):
    """A linear field on one level, with random numbers."""
    dim = len(resolution)
    layout = GridLayout(
        (0.0,) * dim, (1.0,) * dim, (resolution,), basis, features, None, periodic or (False,) * dim, listed
    )
    table = torch.zeros(layout.size, dtype=torch.float64)
    group = layout.groups[0][0]
    count = group.slots * layout.record * features
    table[group.offset : group.offset + count] = torch.randn(count, dtype=torch.float64)
    names = tuple("uvw"[:features])
    return GridField(tuple("xyz"[:dim]), names, HermiteGrid(layout, table), LinearHead(features))


def near_the_middle(cells):
    """The vertices of a disk in a square grid."""
    at = np.stack(np.meshgrid(*[np.arange(cells + 1)] * 2, indexing="ij"), -1).reshape(-1, 2)
    return VertexList.of(at[np.linalg.norm(at / cells - 0.5, axis=1) < 0.4])


FIELDS = {
    "line": lambda: random_field((12,), "septic"),
    "plane": lambda: random_field((8, 6), "quintic"),
    "periodic": lambda: random_field((8, 5), "cubic", (True, False)),
    "one period": lambda: random_field((1, 4), "cubic", (True, False)),
    "solid": lambda: random_field((4, 2, 6), "linear"),
    "listed": lambda: random_field((16, 16), "cubic", (), (near_the_middle(16),)),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_every_number_is_off_by_less_than_a_step(kind):
    field = FIELDS[kind]()
    assert Nested.takes(field)
    coding, scales = Nested(field), np.array([1e-3, 1e-5])
    numbers = coding.encode(scales)
    assert [len(n) for n in numbers] == [coding.count(k) for k in range(coding.levels)]
    assert sum(len(n) for n in numbers) == field.encoder.parameter_count
    again = coding.decode(numbers, scales, {})
    layout = field.layout
    steps = torch.as_tensor(scales) / torch.as_tensor(
        np.array([np.prod([basis_norms(layout.basis)[a] for a in alpha]) for alpha in layout.alphas])
    ).view(-1, 1)
    group = layout.groups[0][0]
    part = slice(group.offset, group.offset + group.slots * steps.numel())
    off = (again.table - field.table)[part].view(-1, *steps.shape).abs()
    assert bool((off <= 0.7001 * steps).all())
    assert float(off.max() / steps.max()) > 0.3


@pytest.mark.parametrize("kind", FIELDS)
def test_integers_are_the_same_when_the_decoded_field_is_coded_again(kind):
    coding, scales = Nested(FIELDS[kind]()), np.array([1e-3, 1e-4])
    numbers = coding.encode(scales)
    again = Nested(coding.decode(numbers, scales, {})).encode(scales)
    assert all(np.array_equal(a, b) for a, b in zip(numbers, again, strict=True))


@pytest.mark.parametrize("basis", BASES)
def test_polynomials_are_predicted(basis):
    layout = GridLayout((0.0, 0.0), (1.0, 1.0), ((8, 4),), basis)
    m, polynomial = layout.orders, np.polynomial.Polynomial([1.0] * (2 * layout.orders))
    along = [np.stack([polynomial.deriv(a)(np.arange(n + 1) / n) / n**a for a in range(m)], 1).ravel() for n in (8, 4)]
    finest = torch.as_tensor(np.multiply.outer(*along))[None]
    hierarchy = Hierarchy.of(layout)
    for level in range(1, hierarchy.levels):
        coarse, fine = (hierarchy.restricted(k, finest) for k in (level - 1, level))
        torch.testing.assert_close(hierarchy.prolonged(level, coarse), fine, rtol=1e-11, atol=1e-11)


def test_coarse_levels_have_the_derivatives_of_the_field_at_their_vertices():
    field = random_field((8, 8), "quintic", features=1)
    coding, scales = Nested(field), np.array([1e-9])
    coarse = coding.decode(coding.encode(scales)[:2], scales, {})
    assert coarse.layout.resolutions == ((4, 4),)
    x = torch.tensor(np.stack(np.meshgrid([0.25, 0.5], [0.0, 0.75])).reshape(2, -1))
    channels = Channels.jet(2, 2)
    torch.testing.assert_close(coarse.evaluate(x, channels), field.evaluate(x, channels), rtol=1e-5, atol=1e-5)


def test_missing_vertices_continue_the_field():
    layout = GridLayout((0.0, 0.0), (1.0, 1.0), ((16, 16),), "cubic", 1, None, (False, False), (near_the_middle(16),))
    vertices, hierarchy = Vertices.of(layout), Hierarchy.of(layout)
    there = vertices.at(hierarchy, hierarchy.levels - 1)
    x = torch.arange(17, dtype=torch.float64)
    plane = torch.zeros(1, 17, 2, 17, 2, dtype=torch.float64)
    plane[0, :, 0, :, 0] = 3 * x[:, None] - x[None] + 1
    plane[0, :, 1, :, 0], plane[0, :, 0, :, 1] = 3.0, -1.0
    known = plane * there.view(1, 17, 1, 17, 1)
    vertices.extend(hierarchy, hierarchy.levels - 1, known)
    filled = (known != 0).any(4).any(2)[0]
    assert int(filled.sum()) > int(there.sum())
    for i, j in filled.nonzero().tolist():
        torch.testing.assert_close(known[0, i, :, j], plane[0, i, :, j])


def test_groups_count_by_what_they_change():
    field = random_field((4, 4), "cubic", features=1)
    coding = Grouped(field)
    points = torch.rand(2, 500, dtype=torch.float64)
    before = field.table.clone()
    wanted = field.evaluate(points, Channels.value(2))
    coding.weigh(lambda f: np.array([float((f.evaluate(points, Channels.value(2)) - wanted).norm() / wanted.norm())]))
    assert torch.equal(field.table, before)
    scales = np.array([1e-3])
    again = coding.decode(coding.encode(scales), scales, {})
    error = float((again.evaluate(points, Channels.value(2)) - wanted).norm() / wanted.norm())
    expected = 1e-3 * np.sqrt(field.encoder.parameter_count / 12)
    assert 0.3 * expected < error < 3 * expected


def test_a_linear_field_is_measured_in_the_norm_of_its_functions():
    assert basis_norms("linear")[0] == pytest.approx(np.sqrt(2 / 3))
    assert basis_norms("cubic") == pytest.approx((np.sqrt(26 / 35), np.sqrt(2 / 105)))
