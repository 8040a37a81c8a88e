"""Points along a space-filling curve: the order, and that nothing but the order of the results depends on it."""

import itertools

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.morton import morton_codes, morton_order
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.methods.training import random_objective
from hermite_pinn.methods.training.batches import Batch


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_codes_are_interleaved_digits(dim):
    """On a grid of 4 cells per axis, the codes of the cells are those of the digits of their indices."""
    cells = list(itertools.product(range(4), repeat=dim))
    x = (torch.tensor(cells, dtype=torch.float64).T + 0.5) / 4
    order = morton_order(x, (0.0,) * dim, (1.0,) * dim)

    def key(cell):
        return [n >> digit & 1 for digit in (1, 0) for n in cell]

    assert [cells[i] for i in order] == sorted(cells, key=key)


def test_every_cell_of_every_nested_level_is_one_run():
    x = torch.rand(2, 3000)
    x = x[:, morton_order(x, (0.0, 0.0), (1.0, 1.0))]
    for n in (2, 8, 64):
        cell = (x * n).long()
        index = cell[0] * n + cell[1]
        assert int((index[1:] != index[:-1]).sum()) + 1 == len(index.unique())


def test_points_outside_and_not_finite_have_a_place():
    x = torch.tensor([[-1.0, 0.5, 7.0, torch.nan, torch.inf]])
    codes = morton_codes(x, (0.0,), (1.0,))
    assert codes.tolist() == [0, 2**15, 2**16 - 1, 0, 2**16 - 1]


def test_a_box_of_another_dimension_is_refused():
    with pytest.raises(InvalidArgumentError, match="dim bounds"):
        morton_codes(torch.zeros(2, 3), (0.0,), (1.0,))


def test_results_are_the_same_up_to_the_order(device):
    grid = GridLayout((-1.0, 0.0, 2.0), (1.0, 2.0, 3.0), ((4,) * 3, (16,) * 3), "cubic", 2, (2**10,))
    channels = Channels.jet(3, 1)
    unit = torch.rand(3, 999, dtype=torch.float64)
    x = torch.tensor(grid.lower).double()[:, None] + unit * torch.tensor(grid.lengths).double()[:, None]
    order = morton_order(x, grid.lower, grid.upper)
    table = torch.randn(grid.size, dtype=torch.float64).to(device)
    plain = ops.jets(x.to(device), table, grid, channels)
    assert torch.equal(
        ops.jets(x[:, order].contiguous().to(device), table, grid, channels), plain[..., order.to(device)]
    )


def test_sorted_batches_keep_points_data_and_weights_together():
    x = torch.rand(2, 50)
    batch = Batch(x, {"u": x[0] + 2 * x[1]}, x[0] * x[1]).sorted(hp.Box(x=(0, 1), y=(0, 1)))
    assert torch.equal(batch.columns["u"], batch.x[0] + 2 * batch.x[1])
    assert torch.equal(batch.weights, batch.x[0] * batch.x[1])
    assert sorted(batch.x[0].tolist()) == sorted(x[0].tolist())


@pytest.mark.slow
def test_first_order_methods_train_the_same_on_sorted_batches(monkeypatch):
    """Sums over a batch change in the last bits only; random numbers are drawn as before."""
    problem = hp.Problem(
        domain=hp.Box(x=(0, 1)), fields=["u"], residual=lambda u, x: u.xx + hp.sin(x), conditions=[hp.Dirichlet(u=0.0)]
    )

    def losses(pays):
        monkeypatch.setattr(random_objective, "PAYS", pays)
        method = hp.Adam(steps=6, points=200, face_points=2, check_every=1)
        return hp.solve(problem, method=method, levels=2, dtype="float64", progress=False).history["loss"]

    assert losses(0) == pytest.approx(losses(2**60), rel=1e-9)
