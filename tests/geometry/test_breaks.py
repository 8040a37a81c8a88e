"""Boxes with breaks: what they accept, and where their points are."""

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.tensor_grid.pieces import Pieces, Ties


@pytest.mark.parametrize(
    ("breaks", "told"),
    [
        ({"z": [0.5]}, "no such axis"),
        ({"x": [0.0]}, "not inside"),
        ({"x": 2.5}, "not inside"),
        ({"x": [0.5, 0.5]}, "the same"),
        ({"x": [0.5, 0.5 + 1e-8]}, "closer"),
        ({"x": [float("nan")]}, "finite"),
        ({"x": "middle"}, "numbers"),
        ({"x": list(np.linspace(0.001, 0.999, 300))}, "can have 256"),
        ([0.5], "by axis"),
    ],
)
def test_breaks_that_make_no_grid_are_refused(breaks, told):
    with pytest.raises(hp.InvalidArgumentError, match=told):
        hp.Box(x=(0, 2), y=(0, 1), breaks=breaks)


def test_shapes_cut_no_box_with_breaks():
    with pytest.raises(hp.InvalidProblemError, match="has no breaks"):
        hp.Box(x=(0, 1), y=(0, 1), breaks={"x": 0.5}) - hp.Disk((0.5, 0.5), 0.1)


def test_the_order_of_breaks_does_not_matter():
    assert hp.Box(x=(0, 1), breaks={"x": [0.7, 0.2]}) == hp.Box(x=(0, 1), breaks={"x": (0.2, 0.7)})
    assert hp.Box(x=(0, 1), breaks={"x": 0.7}) != hp.Box(x=(0, 1))


def test_a_part_of_a_box_has_the_breaks_inside():
    assert dict(hp.Box(x=(0, 1), breaks={"x": [0.2, 0.7]}).restricted({"x": (0.5, 1)}).breaks) == {"x": (0.7,)}


@pytest.mark.parametrize("cells", [3, 5, 10, 40])
def test_twice_as_many_cells_halve_every_cell(cells):
    pieces = Pieces((0.0, 0.37, 0.71, 1.0))
    assert pieces.cells(2 * cells) == tuple(2 * n for n in pieces.cells(cells))
    assert sum(pieces.cells(cells)) == cells
    assert set(pieces.knots) <= set(pieces.vertices(cells))


def test_points_integrate_what_jumps_at_a_break():
    rule = hp.Box(x=(0, 1), breaks={"x": 0.3}).interior.gauss((4,), 2)
    values = np.where(rule.x[0].numpy() < 0.3, 1.0, rule.x[0].numpy() ** 3)
    assert float(values @ rule.weights.numpy()) == pytest.approx(0.3 + (1 - 0.3**4) / 4, rel=1e-14)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("basis", ["cubic", "quintic", "septic"])
def test_levels_are_nested_in_every_piece(basis, periodic):
    pieces, x = Pieces((0.0, 0.2, 0.7, 1.0)), np.random.default_rng(0).random(50)
    coarse, fine = (pieces.evaluation(basis, n, periodic, x, (0, 1)).matrices for n in (4, 8))
    step = pieces.prolongation(basis, 4, 8).matrices[0]
    for order in (0, 1):
        assert abs(coarse[order] - fine[order] @ step).max() < 1e-12


def test_ties_and_their_transpose():
    ties = Ties([Pieces((0.0, 0.3, 1.0)), None], (4, 2), [(2, 2), (0, 1)], 3)
    torch.manual_seed(0)
    a, b = torch.randn(2, 2, 18, 9, dtype=torch.float64)
    assert float((ties.expanded(a.clone()) * b).sum()) == pytest.approx(float((a * ties.folded(b.clone())).sum()))
    number, factor = ties.labels(a.shape)
    assert torch.allclose(ties.expanded(a.clone()).reshape(-1), a.reshape(-1)[number] * factor)
